"""The log of receipts: one line of JSON an entry, each holding the hash of the one before it.

Nothing is ever changed in it, only added at its end. Whoever alters, drops or inserts a line breaks the chain at that
place, and agencies hold the hashes of their own receipts.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from evaluation.data.store.files import settle
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from pathlib import Path

# A submission: intent, then accepted or void; or refused. A removal: removing, erasing (what is about to go), removed.
Kind = Literal["intent", "accepted", "void", "refused", "removing", "erasing", "removed"]
FIRST = "0" * 64  # the hash before the first entry


@dataclass(frozen=True)
class Entry:
    """One entry: what happened to which submission, `before` the hash of the entry above, `hash` its own.

    `content` is what the kind of entry tells: of an intent the agency, table, period, numbers of rows and hashes of the
    files; of an acceptance the version of the Delta table and the hashes of its files; of a refusal how many cells
    broke which rule. No entry holds a cell of a table, nor the name of a file.
    """

    number: int
    kind: Kind
    submission: str
    time: str
    before: str
    content: dict[str, Any] = field(default_factory=dict)
    hash: str = ""

    def sealed(self) -> Entry:
        """The same entry with its hash."""
        return Entry(self.number, self.kind, self.submission, self.time, self.before, self.content, self._hash())

    def _hash(self) -> str:
        told = {key: value for key, value in asdict(self).items() if key != "hash"}
        return hashlib.sha256(_line(told).encode()).hexdigest()

    @property
    def intact(self) -> bool:
        """Whether the entry is what its hash was made of."""
        return self.hash == self._hash()


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Log:
    """The log of a store, in one file."""

    path: Path

    def entries(self) -> list[Entry]:
        """Every whole entry, oldest first; a last line that breaks off is not one.

        Raises
        ------
        DataError
            When a line is no entry; the message names it.
        """
        if not self.path.exists():
            return []
        lines = self.path.read_bytes().split(b"\n")
        try:
            return [_entry(number, line) for number, line in enumerate(lines[:-1], start=1)]
        except ValueError as error:
            raise self._damaged(str(error)) from None

    def whole(self) -> list[Entry]:
        """Every entry, the chain of them unbroken.

        Raises
        ------
        DataError
            When a line was altered, left out or put in: then nothing may be added before the log is restored.
        """
        entries, wrong = self._read()
        if wrong:
            raise self._damaged(wrong[0])
        return entries

    def readable(self) -> list[Entry]:
        """Every entry, the chain of them unbroken, as readers take it: a last line that breaks off is not there yet.

        Raises
        ------
        DataError
            When a line was altered, left out or put in.
        """
        entries, wrong = self._read(whole=False)
        if wrong:
            raise self._damaged(wrong[0])
        return entries

    def _damaged(self, what: str) -> DataError:
        fix = "Nothing is stored on a damaged log. `evaluation status --verify` names all; take it from a backup."
        return DataError(Problem(str(self.path), "log", what, fix))

    def append(self, kind: Kind, submission: str, time: str, content: dict[str, Any]) -> Entry:
        """Add an entry, and return when it is on the disk. The caller holds the store's lock."""
        last = self.entries()
        before = last[-1].hash if last else FIRST
        entry = Entry(len(last) + 1, kind, submission, time, before, content).sealed()
        with self.path.open("ab") as file:
            file.write(_line(asdict(entry)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if not last:
            settle(self.path)  # the folder's entry of the new file too
        return entry

    def mend(self) -> None:
        """Cut off a last line that breaks off: its writer was stopped before anything followed from it."""
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with self.path.open("r+b") as file:
                file.truncate(whole)
                os.fsync(file.fileno())

    def broken(self) -> list[str]:
        """What is wrong with the chain, a sentence for each line; nothing where it is whole."""
        return self._read()[1]

    def _read(self, *, whole: bool = True) -> tuple[list[Entry], list[str]]:
        """The entries that can be read, and what is wrong; `whole`: a last line that breaks off is wrong too."""
        if not self.path.exists():
            return [], []
        entries: list[Entry] = []
        found, before = [], FIRST
        lines = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines[:-1], start=1):
            try:
                entry = _entry(number, line)
            except ValueError as error:
                found.append(str(error))
                continue
            entries.append(entry)
            if not entry.intact:
                found.append(f"line {number} of {self.path.name} was altered: it is not what its hash was made of.")
            elif entry.before != before or entry.number != number:
                found.append(f"line {number} of {self.path.name} does not follow the line above: one was altered, "
                             "left out or put in.")  # fmt: skip
            before = entry.hash
        if lines[-1] and whole:
            found.append(f"the last line of {self.path.name} breaks off; the next submission mends it.")
        return entries, found


def _entry(number: int, line: bytes) -> Entry:
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError):
        raise ValueError(f"line {number} of receipts.jsonl is no receipt.") from None
