"""Tokens with which an agency's people sign in."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from evaluation.data.store.agencies import Token, known_agency, write_agency
from evaluation.data.store.lock import locked
from evaluation.errors import DataError, Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from evaluation.data.store.agencies import Agency
    from evaluation.data.store.store import Store

BYTES = 32
LONGEST = 200  # characters of what is tried
MOST_DAYS = 3650


def digest(text: str) -> str:
    """What is kept of a token.

    One round of SHA-256 is enough: a slow hash hinders those who try likely passwords one by one, and among 2^256
    random tokens none is likelier than another.
    """
    return hashlib.sha256(text.encode()).hexdigest()


def issue(store: Store, agency: str, today: date, days: int) -> tuple[str, Token]:
    """A new token of an agency that holds for `days` days; it is told here once and kept nowhere.

    Raises
    ------
    DataError
        When the store does not know the agency.
    UsageError
        When the number of days is not from 1 to 3650.
    """
    if not 1 <= days <= MOST_DAYS:
        raise UsageError(Problem("", "days", f"a token holds for 1 to {MOST_DAYS} days, not {days}.", "Give --days."))
    text = secrets.token_urlsafe(BYTES)
    token = Token(sha256=digest(text), created=today, expires=today + timedelta(days=days))
    with locked(store.folder):
        found = known_agency(store, agency)
        write_agency(store, found, [*found.tokens, token])
    return text, token


def revoke(store: Store, agency: str, name: str) -> Token:
    """Take back a token by its name; whoever is signed in with it is signed out.

    Raises
    ------
    DataError
        When the store does not know the agency, or the agency has no such token.
    """
    with locked(store.folder):
        found = known_agency(store, agency)
        gone = [t for t in found.tokens if t.name == name]
        if not gone:
            listed = ", ".join(t.name for t in found.tokens) or "none"
            what = f"{agency} has no token {name}; it has: {listed}."
            raise DataError(Problem("", "token", what, f"See: evaluation token {agency} --list"))
        write_agency(store, found, [t for t in found.tokens if t.name != name])
    return gone[0]


def bearer(agencies: Iterable[Agency], text: str, today: date) -> tuple[Agency, Token] | None:
    """The agency whose token this is, None where it is nobody's or has expired.

    Every token is compared, however early one fits, so that the time taken tells nothing.
    """
    tried = digest(text)
    found = None
    for agency in agencies:
        for token in agency.tokens:
            if hmac.compare_digest(token.sha256, tried) and today <= token.expires:
                found = agency, token
    return found
