"""What of all that was submitted stands today, read off the log of receipts alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.data.store.periods import Period, period
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from evaluation.data.store.receipts import Entry


@dataclass(frozen=True)
class Stood:
    """An accepted submission: what was told of it before it was stored, and the receipt."""

    intent: Entry
    receipt: Entry

    @property
    def said(self) -> dict[str, Any]:
        """What the log tells of it."""
        return self.intent.content

    @property
    def period(self) -> Period:
        """The period that it was sent for."""
        return period(self.said["period"])


Key = tuple[str, str]  # agency, table


def accepted(entries: Iterable[Entry]) -> list[Stood]:
    """Every submission that was accepted, oldest first; those replaced later and those removed included."""
    intents: dict[str, Entry] = {}
    found = []
    for entry in entries:
        if entry.kind == "intent":
            intents[entry.submission] = entry
        elif entry.kind == "accepted":
            found.append(Stood(intents[entry.submission], entry))
    return found


def standing(entries: Iterable[Entry]) -> dict[Key, dict[str, Stood]]:
    """By agency and table, the submissions whose rows the tables now hold, by the name of their period."""
    entries = list(entries)
    by_name = {s.receipt.submission: s for s in accepted(entries)}
    found: dict[Key, dict[str, Stood]] = {}
    for entry in entries:
        if entry.kind == "accepted":
            stood = by_name[entry.submission]
            of = found.setdefault((stood.said["agency"], stood.said["table"]), {})
            for name in stood.said["replaces"]:
                of.pop(name, None)
            of[stood.said["period"]] = stood
        elif entry.kind == "removed":
            gone = set(entry.content.get("submissions", ()))
            for of in found.values():
                for name in [n for n, s in of.items() if s.receipt.submission in gone]:
                    del of[name]
    return found


def replaced(now: dict[str, Stood], sent: Period, *, whole_table: bool) -> list[str]:
    """The periods whose rows go when `sent` comes, itself among them where it is there already.

    `whole_table`: every submission of the table is all of it, so a later one takes the place of all before.

    Raises
    ------
    DataError
        When some days were sent before within a longer period, or a later whole table was sent: rows would then stand
        in the store twice, or new ones give way to old ones.
    """
    found = []
    for name, stood in sorted(now.items()):
        other = stood.period
        if whole_table and other.end > sent.end:
            what = f"the whole table was sent for {name} already, which is later than {sent.name}."
            raise DataError(Problem("", "period", what, f"Send the table as it now is, for {name} or later."))
        if whole_table or sent.holds(other):
            found.append(name)
        elif sent.overlaps(other):
            what = f"the days of {sent.name} were sent before as part of {name}."
            raise DataError(Problem("", "period", what, f"Send all of {name} again instead."))
    return found


def kept_now(entries: Iterable[Entry]) -> dict[str, str | None]:
    """Kept copies that were taken away or written anew: the hash in the receipt, and that of the copy now, if any."""
    changed: dict[str, str | None] = {}
    for entry in entries:
        if entry.kind == "removed":
            for old, new in entry.content["kept"].items():
                changed |= {first: new for first, last in changed.items() if last == old}
                changed[old] = new
    return changed


def receipted(entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """What receipts tell of versions of tables: the table, the version, the hashes of its files."""
    for entry in entries:
        if entry.kind == "accepted":
            yield entry.content
        elif entry.kind == "removed":
            yield from entry.content["commits"]
