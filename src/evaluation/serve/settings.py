"""What the page is started with, and the limits that keep one visitor from stopping it for all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evaluation.data.intake.intake import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from evaluation.data.store.store import Store


@dataclass(frozen=True)
class Limits:
    """Limits in bytes and seconds.

    A file of `file_bytes` is to come within `upload_seconds`, never silent for more than `silence_seconds`, and after
    `grace_seconds` at `bytes_a_second` or more on the average. Whoever reads an answer more slowly than
    `reading_bytes_a_second`, over `reading_seconds`, is cut off. `checks` files are checked at once, each for
    `check_seconds` at most. `wrong_by_address` tokens that are wrong within `window_seconds` close the sign-in to an
    address, `wrong_by_all` to everybody. Requests beyond `at_once` are told to come later; connections beyond
    `connections` are closed without a word.
    """

    file_bytes: int = 200 * 1024 * 1024
    upload_seconds: float = 1800.0
    silence_seconds: float = 15.0
    grace_seconds: float = 20.0
    bytes_a_second: float = 8192.0
    reading_seconds: float = 30.0
    reading_bytes_a_second: float = 1024.0
    form_bytes: int = 4096
    form_seconds: float = 10.0
    header_seconds: float = 10.0
    checks: int = 2
    check_seconds: float = 300.0
    idle_seconds: float = 30 * 60.0
    session_seconds: float = 8 * 3600.0
    sessions: int = 1000
    sessions_by_agency: int = 20
    wrong_by_address: int = 5
    wrong_by_all: int = 100
    window_seconds: float = 15 * 60.0
    requests_a_minute: int = 240
    at_once: int = 32
    at_once_by_address: int = 8
    connections: int = 256
    connections_by_address: int = 32


@dataclass(frozen=True)
class Settings:
    """A page over one store. `now` gives the moment in ISO form (UTC); `https`: browsers reach it through TLS alone.

    `hosts` are the names under which it may be asked for in clear, so that no other site's name can be made to lead a
    browser here (DNS rebinding).
    """

    store: Store
    keys: Keys
    now: Callable[[], str]
    https: bool = False
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    limits: Limits = field(default_factory=Limits)
