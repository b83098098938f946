"""Who is signed in: kept in memory alone, so a restart signs everybody out."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from evaluation.serve.checking import Checked
    from evaluation.serve.settings import Limits


@dataclass
class Session:
    """One sign-in. `csrf` stands in every form that the session is given; `checked` is what its last file came to."""

    agency: str
    token: str  # SHA-256 of the token
    began: float
    seen: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    busy: bool = False
    checked: Checked | None = None

    def owns(self, csrf: str) -> bool:
        """Whether a form was given to this session."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


class Sessions:
    """Sessions by the hash of their cookie's value: what lies in memory signs nobody in."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits, self._clock = limits, clock
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()

    def begin(self, agency: str, token: str) -> str:
        """A new session; the value of its cookie."""
        cookie, now = secrets.token_urlsafe(32), self._clock()
        with self._lock:
            for key in [k for k, s in self._open.items() if self._over(s, now)]:
                del self._open[key]
            own = [k for k, s in self._open.items() if s.agency == agency]
            if len(own) >= self._limits.sessions_by_agency or len(self._open) >= self._limits.sessions:
                del self._open[min(own or self._open, key=lambda k: self._open[k].seen)]
            self._open[_key(cookie)] = Session(agency, token, now, now)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie, None where there is none any more."""
        now = self._clock()
        with self._lock:
            session = self._open.get(_key(cookie))
            if session is None:
                return None
            if self._over(session, now):
                del self._open[_key(cookie)]
                return None
            session.seen = now
            return session

    def end(self, cookie: str) -> None:
        """Forget a session: its cookie is worth nothing from now on."""
        with self._lock:
            self._open.pop(_key(cookie), None)

    def _over(self, session: Session, now: float) -> bool:
        idle = not session.busy and now - session.seen > self._limits.idle_seconds
        return idle or now - session.began > self._limits.session_seconds


def _key(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
