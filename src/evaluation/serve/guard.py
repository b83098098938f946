"""What holds for every answer, whatever page it comes from: who may ask, the headers, and the line in the log.

The line is on the disk before anything is answered: what cannot be logged is not shown.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from evaluation.serve.refusals import PLAIN, Denied, too_busy

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from evaluation.serve.audit import What
    from evaluation.serve.site import Site

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: tuple[tuple[str, str], ...] = (
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("x-robots-tag", "noindex"),
)
_YEAR = 31_536_000  # seconds


class Guard:
    """Wraps the pages."""

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app, self._site = app, site
        self._headers = [(name.encode(), value.encode()) for name, value in HEADERS]
        if site.settings.https:
            self._headers.append((b"strict-transport-security", f"max-age={_YEAR}".encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["state"] = {"agency": None, "what": None}
        answer = _Answer(self, scope, send)
        visitor = client(scope)
        over = self._site.requests.over(visitor)
        answer.logged = over > 1  # one line a minute, or the flood would fill the disk
        try:
            with self._site.at_once.one(visitor) as room:
                self._allowed(scope, over, room=room)
                await self._app(scope, receive, answer.send)
        except Denied as denied:
            await self._site.denied(denied)(scope, receive, answer.send)
        except Exception as error:  # noqa: BLE001 - its words and traceback could hold a cell: its kind alone is told
            sys.stderr.write(f"a page failed: {type(error).__name__}\n")
            if not answer.begun:
                failed = self._site.denied(Denied(500, *PLAIN[500], closing=True))
                await failed(scope, receive, answer.send)

    def _allowed(self, scope: Scope, over: int, *, room: bool) -> None:
        """Raises Denied for a request too many, by another name, in clear, or sent by another site's page."""
        if over:
            raise Denied(429, "Too many requests came from your network.", "Wait a minute.", wait=60, closing=True)
        if not room:
            raise too_busy(5, "Too many requests are being answered.")
        request = Request(scope)
        settings = self._site.settings
        host = request.headers.get("host", "")
        if settings.https and scope["scheme"] != "https":
            raise Denied(403, "This page is to be reached through https alone.", "Use its address with https://.",
                         closing=True)  # fmt: skip
        if not settings.https and _name(host) not in settings.hosts:
            raise Denied(403, "This page is not known by that name.", "Use the address that its operator gave.",
                         closing=True)  # fmt: skip
        if request.method in ("GET", "HEAD"):
            return
        if request.method != "POST":
            raise Denied(405, *PLAIN[405], closing=True)
        site = request.headers.get("sec-fetch-site")
        own = f"{'https' if settings.https else 'http'}://{host}"
        # Without Sec-Fetch-Site the origin must be named: a browser that names neither cannot be trusted to tell.
        if site != "same-origin" if site is not None else request.headers.get("origin") != own:
            raise Denied(403, "This was sent from a page of another site.", "Open this page itself, and send it there.",
                         closing=True)  # fmt: skip

    async def log(self, scope: Scope, status: int) -> None:
        """Write the line of this access. Raises OSError."""
        state = scope["state"]
        route = scope.get("route")
        path = getattr(route, "path", "") if status != 404 else ""
        usual: What = "failed" if status == 500 else "denied" if status >= 400 else "seen"
        what: What = state["what"] or usual
        audit, now = self._site.audit, self._site.settings.now()
        await run_in_threadpool(audit.write, now, what, state["agency"], path, client(scope), status)

    def dressed(self, message: Message) -> Message:
        """The head of an answer with the headers that all have."""
        ours = {name for name, _ in self._headers}
        own = [(n, v) for n, v in message.get("headers", ()) if n.lower() not in ours]
        return {**message, "headers": [*own, *self._headers]}


class _Answer:
    """Passes an answer on, once its line is in the log."""

    def __init__(self, guard: Guard, scope: Scope, send: Send) -> None:
        self._guard, self._scope, self._send = guard, scope, send
        self.begun = self.logged = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if not self.logged:
                self.logged = True
                try:
                    await self._guard.log(self._scope, message["status"])
                except OSError:
                    sys.stderr.write("access.jsonl cannot be written; nothing is shown until it can\n")
                    raise
            self.begun = True
            message = self._guard.dressed(message)
        await self._send(message)


def client(scope: dict[str, Any] | Scope) -> str:
    """The address of the visitor, as far as it is known."""
    found = scope.get("client")
    return str(found[0]) if found else ""


def _name(host: str) -> str:
    """A Host header without its port."""
    return host.lower().rsplit(":", 1)[0] if not host.endswith("]") else host.lower()
