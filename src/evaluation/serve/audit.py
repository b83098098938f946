"""Who saw and did what: `access.jsonl` in the store, a line an access, each holding the hash of the one before it.

No line holds a token, a cell, or the name of a file; of an address that was asked for it holds the form alone, such as
`/receipts/{number}`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "access.jsonl"
FIRST = "0" * 64  # the hash before the first line
What = Literal[
    "sign_in", "sign_in_failed", "sign_out", "seen", "downloaded", "checked", "submitted", "refused", "denied", "failed"
]
_TAIL = 8192  # bytes: more than any line has


class Audit:
    """The log of accesses; several processes may write to it, each line after the last one there."""

    def __init__(self, path: Path) -> None:
        """Open the log, cutting off a last line of which a stopped writer left a part.

        Raises
        ------
        DataError
            When a line was altered, left out or put in.
        """
        self._path, self._lock = path, threading.Lock()
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(handle, "r+b", buffering=0)
        with self._alone():
            content = self._file.read() or b""
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                self._file.truncate(whole)
        if wrong := broken(path):
            self._file.close()
            fix = "Move it away to look into it, or take it from a backup; then start the page again."
            raise DataError(Problem(str(path), "log", wrong[0], fix))

    def write(self, time: str, what: What, agency: str | None, path: str, client: str, status: int) -> None:
        """Add a line, and return when it is on the disk.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        said = {"time": time, "what": what, "agency": agency, "path": path, "client": client, "status": status}
        with self._lock, self._alone():
            last = self._last()
            number, before = (last["number"] + 1, last["hash"]) if last else (1, FIRST)
            told = {"number": number, **said, "before": before}
            self._file.write(_line(told | {"hash": _hash(told)}) + b"\n")
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _last(self) -> dict[str, Any] | None:
        size = self._file.seek(0, os.SEEK_END)
        if not size:
            return None
        self._file.seek(max(0, size - _TAIL))
        lines = (self._file.read() or b"").split(b"\n")
        try:
            found = json.loads(lines[-2])
            return {"number": int(found["number"]), "hash": str(found["hash"])}
        except (ValueError, KeyError, IndexError, TypeError):
            raise OSError(f"the end of {NAME} is damaged") from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)


def _line(told: dict[str, Any]) -> bytes:
    return json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _hash(told: dict[str, Any]) -> str:
    return hashlib.sha256(_line({k: v for k, v in told.items() if k != "hash"})).hexdigest()


def broken(path: Path) -> list[str]:
    """What is wrong with a log of accesses, a sentence a line; nothing where its chain is whole."""
    found, before = [], FIRST
    if not path.exists():
        return []
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                told = json.loads(line)
                altered = told["hash"] != _hash(told)
                follows = told["before"] == before and told["number"] == number
                before = told["hash"]
            except (ValueError, KeyError, TypeError):
                found.append(f"line {number} of {NAME} is no access.")
                continue
            if altered:
                found.append(f"line {number} of {NAME} was altered: it is not what its hash was made of.")
            elif not follows:
                found.append(f"line {number} of {NAME} does not follow the line above: one was altered, left out or "
                             "put in.")  # fmt: skip
    return found
