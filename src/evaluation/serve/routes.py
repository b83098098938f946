"""The pages on which nothing is sent in: sign in and out, what is due, templates, receipts."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from evaluation.serve import findings as found_in
from evaluation.serve import shown
from evaluation.serve.bodies import small_form
from evaluation.serve.guard import client
from evaluation.serve.refusals import missing
from evaluation.serve.site import PAGES, owned
from evaluation.serve.tokens import LONGEST, bearer

if TYPE_CHECKING:
    from evaluation.serve.site import Site

pages = APIRouter(default_response_class=HTMLResponse)
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_STYLE, _ICON = (PAGES / "page.css").read_bytes(), (PAGES / "icon.svg").read_bytes()
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def site_of(request: Request) -> Site:
    """What the pages share."""
    site: Site = request.app.state.site
    return site


def today_of(site: Site) -> date:
    """The day, by the clock that receipts are dated by."""
    return date.fromisoformat(site.settings.now()[:10])


@pages.get("/page.css")
def style() -> Response:
    """How the pages look."""
    return Response(_STYLE, media_type="text/css")


@pages.get("/icon.svg")
def icon() -> Response:
    """What stands before the title in the browser."""
    return Response(_ICON, media_type="image/svg+xml")


@pages.get("/sign-in")
def sign_in_page(request: Request) -> Response:
    """The form to sign in with."""
    return site_of(request).page("sign_in.html", None, wrong="", ended="ended" in request.query_params)


@pages.post("/sign-in")
async def sign_in(request: Request) -> Response:
    """Sign in with a token: a new session, whatever there was before."""
    site = site_of(request)
    said = await small_form(request, site.settings.limits)
    request.state.what = "sign_in_failed"
    address = client(request.scope)
    text = said.get("token", "").strip()
    found = bearer(site.agencies().values(), text, today_of(site)) if 0 < len(text) <= LONGEST else None
    wait = site.wrong.wait(address)
    if found is None and wait:  # a right token is nobody's guess, so that others' mistakes shut nobody out
        minutes = -(-wait // 60)
        wrong = f"Too many wrong tokens were tried. Try again in {minutes} minute{'s' * (minutes != 1)}."
        answer = site.page("sign_in.html", None, 429, wrong=wrong, ended=False)
        answer.headers["retry-after"] = str(wait)
        return answer
    if found is None:
        site.wrong.count(address)
        wrong = "This token is not valid: it is mistyped, expired or was taken back."
        return site.page("sign_in.html", None, 403, wrong=wrong, ended=False)
    agency, token = found
    site.sessions.end(request.cookies.get(site.cookie, ""))
    cookie = site.sessions.begin(agency.id, token.sha256)
    request.state.what, request.state.agency = "sign_in", agency.id
    there = RedirectResponse("/", 303)
    there.set_cookie(site.cookie, cookie, path="/", secure=site.settings.https, httponly=True, samesite="strict")
    return there


@pages.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """End the session."""
    site = site_of(request)
    session = site.signed_in(request)
    said = await small_form(request, site.settings.limits)
    owned(session, said.get("csrf", ""))
    site.sessions.end(request.cookies.get(site.cookie, ""))
    request.state.what = "sign_out"
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(site.cookie, path="/", secure=site.settings.https, httponly=True, samesite="strict")
    return answer


@pages.get("/")
def home(request: Request) -> Response:
    """What is due, late and rejected, which agreements end, and how good the data are."""
    site = site_of(request)
    session = site.signed_in(request)
    found = shown.home(site.settings.store, session.agency, today_of(site))
    name = site.agencies()[session.agency].name
    return site.page("home.html", session, home=found, agency=name, titled=shown.titled)


@pages.get("/templates")
def templates(request: Request) -> Response:
    """The tables that the agency may send, each to be downloaded."""
    site = site_of(request)
    session = site.signed_in(request)
    return site.page(
        "templates.html", session, tables=shown.covered(site.settings.store, session.agency, today_of(site))
    )


@pages.get("/templates/{table}.{kind}")
def template(request: Request, table: str, kind: str) -> Response:
    """An empty file to fill."""
    site = site_of(request)
    session = site.signed_in(request)
    one = shown.covered(site.settings.store, session.agency, today_of(site)).get(table)
    if one is None or kind not in ("xlsx", "csv"):
        raise missing()
    if kind == "xlsx":
        from evaluation.dictionary.templates.xlsx import workbook

        content, media = workbook(one, session.agency), XLSX
    else:
        content, media = (",".join(f.name for f in one.fields) + "\r\n").encode("utf-8-sig"), "text/csv"
    return download(request, content, media, f"{one.name}.{kind}")


@pages.get("/history")
def history(request: Request) -> Response:
    """All that the agency sent."""
    site = site_of(request)
    session = site.signed_in(request)
    sent = shown.history(site.settings.store, session.agency)
    return site.page("history.html", session, sent=sent, titled=shown.titled)


@pages.get("/receipts/{number}")
def receipt(request: Request, number: str) -> Response:
    """A receipt of the agency's own; anybody else's does not exist."""
    site = site_of(request)
    session = site.signed_in(request)
    told = None
    if _NUMBER.fullmatch(number):
        told = shown.receipt(site.settings.store, session.agency, int(number))
    if told is None:
        raise missing()
    checked = session.checked
    last = checked if checked is not None and checked.outcome.receipt == told["receipt"] else None
    listed = [] if last is None else found_in.lines(last.outcome)
    return site.page("receipt.html", session, told=told, last=last, titled=shown.titled, **listing(listed))


@pages.get("/findings")
def findings(request: Request) -> Response:
    """What the session's last file came to."""
    site = site_of(request)
    session = site.signed_in(request)
    if session.checked is None:
        raise missing()
    listed = found_in.lines(session.checked.outcome)
    return site.page("findings.html", session, checked=session.checked, titled=shown.titled, **listing(listed))


@pages.get("/findings.csv")
def findings_csv(request: Request) -> Response:
    """The same as a file."""
    site = site_of(request)
    session = site.signed_in(request)
    if session.checked is None:
        raise missing()
    return download(request, found_in.as_csv(session.checked.outcome), "text/csv", "findings.csv")


def listing(listed: list[found_in.Line]) -> dict[str, Any]:
    """What the list of findings is made of."""
    most = found_in.MOST_SHOWN
    linked = {line.anchor for line in listed[:most]}
    return {"lines": listed[:most], "hidden": len(listed) - len(linked), "columns": found_in.columns(listed),
            "linked": linked, "in_words": found_in.in_words}  # fmt: skip


def download(request: Request, content: bytes, media: str, name: str) -> Response:
    """A file to be saved; its name is one of ours."""
    request.state.what = "downloaded"
    return Response(content, media_type=media, headers=attached(name))


def attached(name: str) -> dict[str, str]:
    """The header that has a browser save what it gets."""
    return {"content-disposition": f'attachment; filename="{name}"'}
