"""All that the pages share: the store, who is signed in, the log, the places for checks, how a page is made."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation.data.store.agencies import read_agencies
from evaluation.serve.audit import NAME, Audit
from evaluation.serve.checking import Checker
from evaluation.serve.rates import AtOnce, Requests, WrongTokens
from evaluation.serve.refusals import Denied, SignInFirst, forged, too_busy
from evaluation.serve.sessions import Session, Sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import Request

    from evaluation.data.store.agencies import Agency
    from evaluation.serve.settings import Settings

PAGES = Path(__file__).parent / "pages"
_PREFIX = "evaluation-serve-"
_LOCK = "lock"
_RETRY = 20  # seconds
MOST_OF_ONE, MOST_OF_ALL = 2, 16  # files that may come at once, from one agency and from all


class Site:
    """What one running page holds. `clock` gives seconds that only ever grow."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.cookie = "__Host-session" if settings.https else "session"
        self.sessions = Sessions(settings.limits, clock)
        self.wrong = WrongTokens(settings.limits, clock)
        self.requests = Requests(settings.limits, clock)
        self.at_once = AtOnce(settings.limits)
        self.checker = Checker(settings.limits.check_seconds)
        self.audit = Audit(settings.store.folder / NAME)
        self.folder, self._lock = _private_folder()
        self._places = settings.limits.checks
        self._sending = Counter[str]()  # files that are coming, by agency
        self._pages = Environment(
            loader=FileSystemLoader(PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True,
        )  # fmt: skip

    def close(self) -> None:
        """End every check, and remove what was received."""
        self.checker.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()
        self.audit.close()

    def page(self, name: str, session: Session | None, status: int = 200, **values: Any) -> HTMLResponse:
        """A page made from its template; everything put into it is escaped."""
        text = self._pages.get_template(name).render(session=session, project=self.settings.store.project, **values)
        return HTMLResponse(text, status)

    def denied(self, denied: Denied, session: Session | None = None) -> HTMLResponse:
        """The page that says what was not done, and what to do."""
        answer = self.page("error.html", session, denied.status, shown=denied)
        if denied.wait:
            answer.headers["retry-after"] = str(denied.wait)
        if denied.closing:
            answer.headers["connection"] = "close"
        return answer

    def agencies(self) -> dict[str, Agency]:
        """The agencies as the store's operator has them now."""
        return read_agencies(self.settings.store.folder)

    def signed_in(self, request: Request) -> Session:
        """The session of a request; a token revoked or expired since ends it.

        Raises
        ------
        SignInFirst
            When there is none.
        """
        cookie = request.cookies.get(self.cookie, "")
        session = self.sessions.find(cookie) if cookie else None
        if session is None:
            raise SignInFirst
        agency = self.agencies().get(session.agency)
        today = self.settings.now()[:10]
        if agency is None or not any(t.sha256 == session.token and today <= str(t.expires) for t in agency.tokens):
            self.sessions.end(cookie)
            raise SignInFirst
        request.state.agency = session.agency
        return session

    @contextmanager
    def place(self, session: Session) -> Iterator[Path]:
        """A place for one file to come to, and a private folder that is gone with all in it afterwards.

        Raises
        ------
        Denied
            When the session's last file, or too many others', are still being looked at.
        """
        if session.busy:
            raise too_busy(_RETRY, "Your last file is still being checked.")
        if self._sending[session.agency] >= MOST_OF_ONE or self._sending.total() >= MOST_OF_ALL:
            raise too_busy(_RETRY)
        session.busy = True
        self._sending[session.agency] += 1
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            yield folder
        finally:
            session.busy = False
            self._sending[session.agency] -= 1
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A turn to check a file that has come whole: few can be checked at once.

        Raises
        ------
        Denied
            When too many others' are being checked.
        """
        if not self._places:
            raise too_busy(_RETRY)
        self._places -= 1
        try:
            yield
        finally:
            self._places += 1


def owned(session: Session, csrf: str) -> None:
    """Raises Denied where a form was not given to the session."""
    if not session.owns(csrf):
        raise forged()


def _private_folder() -> tuple[Path, BinaryIO]:
    """A folder that its owner alone can read, and its lock, held as long as this process lives.

    What pages that were killed left behind is removed: nobody holds the lock of it.
    """
    for old in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError), (old / _LOCK).open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = (folder / _LOCK).open("ab")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock
