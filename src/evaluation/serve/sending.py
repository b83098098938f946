"""Sending a file: check only, or check and store.

A file is read, checked and removed within one request. Whoever checks first and sends afterwards chooses the file
twice: so no file with names in it ever waits on the server for somebody to come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from evaluation.data.store.periods import period as read_period
from evaluation.errors import UsageError
from evaluation.serve import shown
from evaluation.serve.bodies import Gone, discard
from evaluation.serve.checking import MARKED, Broken, Checked, Job
from evaluation.serve.refusals import Denied
from evaluation.serve.routes import XLSX, attached, site_of, today_of
from evaluation.serve.site import owned
from evaluation.serve.uploads import Form, receive_form

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from evaluation.dictionary.tables import Table
    from evaluation.serve.checking import Do
    from evaluation.serve.sessions import Session
    from evaluation.serve.site import Site

sending = APIRouter(default_response_class=HTMLResponse)
_DO: dict[str, Do] = {"check": "check", "mark": "mark", "send": "send"}
_Wrong = dict[str, str]  # what is wrong, by field of the form


class _Unfit(Exception):  # noqa: N818 - an answer to the clerk
    def __init__(self, form: Form, wrong: _Wrong) -> None:
        self.form, self.wrong = form, wrong
        super().__init__()


@sending.get("/send")
def send_page(request: Request) -> Response:
    """The form; a link may have chosen the table and the period already."""
    site = site_of(request)
    session = site.signed_in(request)
    asked = {key: request.query_params.get(key, "")[:40] for key in ("table", "period")}
    return _page(site, session, asked, {})


@sending.post("/send")
async def send(request: Request) -> Response:
    """Check a file, and store it if that was asked for and nothing is wrong with it."""
    site = site_of(request)
    session = site.signed_in(request)
    limits = site.settings.limits
    allowed = await run_in_threadpool(shown.covered, site.settings.store, session.agency, today_of(site))

    def before_file(form: Form) -> None:
        owned(session, form.fields.get("csrf", ""))
        if wrong := _wrong(form, allowed):
            raise _Unfit(form, wrong)

    def whole(form: Form) -> None:
        before_file(form)
        if not form.name and not form.size:
            raise _Unfit(form, {"file": "Choose the file to send."})
        if form.fields.get("do") not in _DO:  # a browser sends it after the file
            raise _Unfit(form, {"file": "Use one of the buttons below."})

    try:
        with site.place(session) as folder:
            file = folder / "received"
            form = await receive_form(request, limits, file, before_file)
            whole(form)
            return await _judged(request, site, session, form, folder, file)
    except _Unfit as unfit:
        await discard(request, limits)
        request.state.what = "denied"
        return _page(site, session, unfit.form.fields, unfit.wrong, allowed)
    except Gone:
        raise Denied(400, "The file broke off.", "Send it again.", closing=True) from None


async def _judged(
    request: Request, site: Site, session: Session, form: Form, folder: Path, file: Path
) -> Response:  # fmt: skip
    settings, said = site.settings, form.fields
    do = _DO[said["do"]]
    now = settings.now()
    job = Job(settings.store, settings.keys, now, folder, file, session.agency, said["table"], said["period"],
              "nothing" in said, do)  # fmt: skip
    site.signed_in(request)  # a token may have been taken back while the file came
    try:
        with site.turn():
            outcome = await run_in_threadpool(site.checker.run, job)
    except Broken as broken:
        raise _unended(late=broken.late, do=do) from None
    session.checked = Checked(do, job.table, job.period, form.name, now, outcome)
    if do != "send":
        request.state.what = "checked"
        if (folder / MARKED).is_file():
            content = await run_in_threadpool((folder / MARKED).read_bytes)
            return Response(content, media_type=XLSX, headers=attached(MARKED))
        return RedirectResponse("/findings", 303)
    if outcome.receipt is None:
        request.state.what = "refused"
        return RedirectResponse("/findings", 303)
    request.state.what = "submitted"
    return RedirectResponse(f"/receipts/{outcome.receipt}", 303)


def _unended(*, late: bool, do: str) -> Denied:
    what = "The check took too long and was ended." if late else "The check broke off."
    fix = "Send the file as CSV, or in parts by period; if it fails again, tell the store's operator."
    if do == "send":
        fix = "Look into the history whether it was stored. " + fix
    return Denied(422, what, fix)


def _wrong(form: Form, allowed: Iterable[str]) -> _Wrong:
    """What is wrong with the fields of a form."""
    found = {}
    if form.fields.get("table", "") not in allowed:
        found["table"] = "Choose one of the tables that your agreements cover."
    try:
        form.fields["period"] = read_period(form.fields.get("period", "")).name
    except UsageError as error:
        found["period"] = " ".join(f"{p.what} {p.fix}" for p in error.problems)
    return found


def _page(
    site: Site, session: Session, said: dict[str, str], wrong: _Wrong, allowed: Mapping[str, Table] | None = None
) -> Response:
    tables = allowed if allowed is not None else shown.covered(site.settings.store, session.agency, today_of(site))
    return site.page("send.html", session, 422 if wrong else 200, tables=tables, said=said, wrong=wrong,
                     most=site.settings.limits.file_bytes // 1024**2)  # fmt: skip
