"""The page as an application, and the server that runs it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import h11
import uvicorn
from fastapi import FastAPI
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException
from uvicorn.protocols.http.h11_impl import H11Protocol

from evaluation.errors import EvaluationError
from evaluation.serve.bodies import discard
from evaluation.serve.guard import Guard
from evaluation.serve.refusals import PLAIN, Denied, SignInFirst
from evaluation.serve.routes import pages
from evaluation.serve.sending import sending
from evaluation.serve.settings import Limits
from evaluation.serve.site import Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import Request
    from starlette.types import ASGIApp

    from evaluation.serve.settings import Settings

_LONGEST_HEADERS = 16 * 1024  # bytes
_UNHEARD = (400, 408, 429)  # too slow, gone, or too often here
_KEPT_ALIVE, _GRACE = 5, 10  # seconds


def application(site: Site) -> ASGIApp:
    """The pages of a site, guarded."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        site.close()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, lifespan=lifespan)
    app.state.site = site
    app.include_router(pages)
    app.include_router(sending)

    async def sign_in_first(request: Request, _: Exception) -> Response:
        request.state.what = "denied"
        await _heard(request, site)
        ended = "?ended" if site.cookie in request.cookies else ""
        headers = {"connection": "close"} if request.method == "POST" else None
        return RedirectResponse(f"/sign-in{ended}", 303, headers)

    async def denied(request: Request, error: Exception) -> Response:
        assert isinstance(error, Denied)  # noqa: S101 - registered for it alone
        if error.status not in _UNHEARD:
            await _heard(request, site)
        session = site.sessions.find(request.cookies.get(site.cookie, ""))
        request.state.agency = None if session is None else session.agency
        return site.denied(error, session)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
        status = error.status_code if error.status_code in PLAIN else 404
        return await denied(request, Denied(status, *PLAIN[status]))

    async def unreadable(request: Request, _: Exception) -> Response:
        return await denied(request, Denied(503, *PLAIN[503], wait=60))

    async def failed(request: Request, _: Exception) -> Response:
        return await denied(request, Denied(500, *PLAIN[500]))

    app.add_exception_handler(Exception, failed)
    app.add_exception_handler(SignInFirst, sign_in_first)
    app.add_exception_handler(Denied, denied)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(EvaluationError, unreadable)
    return Guard(app, site)


async def _heard(request: Request, site: Site) -> None:
    """Let a browser finish what it sends, or it would show a broken connection in place of the answer."""
    if request.method == "POST":
        await discard(request, site.settings.limits)


class Patient(H11Protocol):
    """HTTP/1.1, but no visitor may take forever over the head of a request, a body that nobody reads, or an answer."""

    limits = Limits()
    most_by_address = limits.connections_by_address
    _unsent = 0
    _reading: asyncio.TimerHandle | None = None
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A visitor connects."""
        super().connection_made(transport)
        hosts = [(getattr(c, "client", None) or ("",))[0] for c in self.connections]
        own = hosts.count(self.client[0] if self.client else "")
        if len(self.connections) > self.limits.connections or own > self.most_by_address:
            self.connections.discard(self)
            transport.abort()
            return
        self._watch()
        self._read_on()

    def data_received(self, data: bytes) -> None:
        """A visitor sends something: only a whole head stops the clock."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """A visitor goes."""
        self._stop()
        if self._reading is not None:
            self._reading.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """No answer to what is no HTTP."""
        del msg
        self.transport.close()

    def _watch(self) -> None:
        if self.conn.their_state is h11.IDLE or self.conn.our_state is h11.DONE:
            if self._late is None:
                self._late = self.loop.call_later(self.limits.header_seconds, self.transport.abort)
        else:
            self._stop()

    def _read_on(self) -> None:
        """Cut off a visitor who has hardly read since this was last looked at, if anything is waiting for them."""
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        enough = self.limits.reading_seconds * self.limits.reading_bytes_a_second
        if 0 < self._unsent <= before and before - self._unsent < enough:
            self.transport.abort()
            return
        self._reading = self.loop.call_later(self.limits.reading_seconds, self._read_on)

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def serve(settings: Settings, host: str, port: int, proxy: str) -> None:
    """Run the page until it is stopped. `proxy`: the address that may tell whom it speaks for, where there is one.

    Raises
    ------
    DataError
        When the log of accesses was altered.
    """
    limits = settings.limits
    by_address = limits.connections if settings.https else limits.connections_by_address  # all are the proxy's then
    protocol = type("Patient", (Patient,), {"limits": limits, "most_by_address": by_address})
    site = Site(settings)
    config = uvicorn.Config(
        application(site), host=host, port=port, http=protocol, ws="none", lifespan="on", access_log=False,
        log_level="error", server_header=False, timeout_keep_alive=_KEPT_ALIVE, timeout_graceful_shutdown=_GRACE,
        h11_max_incomplete_event_size=_LONGEST_HEADERS, proxy_headers=settings.https, forwarded_allow_ips=proxy,
    )  # fmt: skip
    logging.getLogger("python_multipart").disabled = True  # it tells of every odd byte that is sent
    with suppress(KeyboardInterrupt):  # this is how it is stopped
        uvicorn.Server(config).run()
