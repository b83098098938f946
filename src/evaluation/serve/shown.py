"""What the pages tell, made ready to be shown: always of one agency."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from evaluation.data.intake.intake import receipt_told
from evaluation.data.store.standing import accepted, standing
from evaluation.data.store.status import status
from evaluation.data.store.submission import Receipt
from evaluation.dictionary.agreements import read_agreements
from evaluation.dictionary.tables import tables

if TYPE_CHECKING:
    from evaluation.data.store.status import Awaited, Ending, Quality, Rejected
    from evaluation.data.store.store import Store
    from evaluation.dictionary.tables import Table

_STATES = {"due": "due", "late": "late", "rejected": "sent, and rejected"}


@dataclass(frozen=True)
class Home:
    """The first page: what is to come (most pressing first), what was rejected, agreements that end, the quality."""

    to_come: list[tuple[Awaited, str]]
    rejected: list[tuple[Rejected, str]]
    ending: list[Ending]
    quality: list[str]


def home(store: Store, agency: str, today: date) -> Home:
    """What an agency is to know on a day. Raises DataError where the store cannot be read."""
    found = status(store, today, agency)
    order = ("rejected", "late", "due")
    open_ = sorted((w for w in found.awaited if w.state in order), key=lambda w: (order.index(w.state), w.by))
    return Home(
        [(w, _STATES[w.state]) for w in open_],
        [(r, "; ".join(f"{rule.replace('_', ' ')}: {n:,}" for rule, n in r.reasons.items())) for r in found.rejected],
        found.ending,
        [s for q in found.quality for s in _quality(q)],
    )


def _quality(q: Quality) -> list[str]:
    """The quality in sentences; nothing of what cannot be told yet."""

    def said(share: float | None, whole: str, part: str) -> list[str]:
        if share is None:
            return []
        cut = "None" if share == 0 else f"{int(share * 1000) / 10:.1f} %"  # only what is whole is told as whole
        return [whole if share == 1 else part.format(cut)]

    return [
        *said(q.completeness, "Every period that was due has come.", "{} of the periods that were due have come."),
        *said(q.timeliness, "Every one of them came in time.", "{} of the periods that were due came in time."),
        *said(q.filled, "Every required cell was filled.", "{} of the required cells were filled."),
        *said(q.consistency, "No row contradicted another.", "{} of the rows contradicted no rule."),
        *said(q.correctness, "Every cell was as the dictionary has it.", "{} of the cells were as the dictionary "
              "has them."),
    ]  # fmt: skip


def covered(store: Store, agency: str, today: date) -> dict[str, Table]:
    """The tables that an agency may send on a day, each with the fields alone that its agreements cover.

    Raises
    ------
    DataError
        When the agreements cannot be read.
    """
    valid = [
        a for a in read_agreements(store.folder / "agreements") if agency in a.parties and a.in_force(today)
    ]  # fmt: skip
    found = {}
    for name, table in tables().items():
        fields = tuple(f for f in table.fields if any(not a.covers(name, [f.name]) for a in valid))
        if fields:
            found[name] = table.model_copy(update={"fields": fields})
    return found


@dataclass(frozen=True)
class Sent:
    """A line of the history; `receipt` is the number of the receipt where there is one."""

    time: str
    table: str
    period: str
    rows: int | None
    state: str
    receipt: int | None


def history(store: Store, agency: str) -> list[Sent]:
    """All that an agency ever sent, the newest first. Raises DataError where the log is damaged."""
    entries = store.log.entries()
    now = {s.receipt.number for (a, _), of in standing(entries).items() if a == agency for s in of.values()}
    gone = {name for e in entries if e.kind == "removed" for name in e.content.get("submissions", ())}
    found = []
    for stood in accepted(entries):
        said, entry = stood.said, stood.receipt
        if said["agency"] == agency:
            removed = "removed" if entry.submission in gone else "replaced by a later one"
            state = "in the store" if entry.number in now else removed
            found.append(Sent(entry.time, said["table"], said["period"], said["rows"], state, entry.number))
    for entry in entries:
        if entry.kind == "refused" and entry.content["agency"] == agency:
            about = entry.content
            found.append(Sent(entry.time, about["table"], about["period"], None, "refused", None))
    return sorted(found, key=lambda s: s.time, reverse=True)


def receipt(store: Store, agency: str, number: int) -> dict[str, Any] | None:
    """A receipt of an agency's own; None where it has none of this number. Raises DataError as `history` does."""
    for stood in accepted(store.log.entries()):
        if stood.receipt.number == number and stood.said["agency"] == agency:
            return receipt_told(Receipt(stood.said, stood.receipt), agency, store.project)
    return None


def titled(table: str) -> str:
    """A table's title, or its name where the dictionary no longer has it."""
    found = tables().get(table)
    return table if found is None else found.title
