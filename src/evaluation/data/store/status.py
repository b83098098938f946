"""What was received, what is due, late or rejected, what runs out, and how good each agency's data are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Literal

from evaluation.data.store.agencies import read_agencies
from evaluation.data.store.periods import periods
from evaluation.data.store.rights import past_retention
from evaluation.data.store.standing import accepted, standing
from evaluation.dictionary.agreements import read_agreements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.data.store.agencies import Agency, Due
    from evaluation.data.store.periods import Period
    from evaluation.data.store.receipts import Entry
    from evaluation.data.store.standing import Stood
    from evaluation.data.store.store import Store
    from evaluation.dictionary.agreements import Agreement

SOON = 90  # days before an agreement's end from which on it is told
State = Literal["received", "received late", "due", "late", "rejected"]


@dataclass(frozen=True)
class Arrived:
    """What stands in the store of one agency, table and period."""

    agency: str
    table: str
    period: str
    received: str
    rows: int
    warnings: int
    submission: str
    receipt_sha256: str


@dataclass(frozen=True)
class Awaited:
    """A period that was to come by `by`; `rejected`: sent, refused, and not sent again since."""

    agency: str
    table: str
    period: str
    by: str
    state: State


@dataclass(frozen=True)
class Rejected:
    """A refusal after which nothing was accepted for the same period: how many cells broke which rule."""

    agency: str
    table: str
    period: str
    time: str
    reasons: dict[str, int]


@dataclass(frozen=True)
class Ending:
    """An agreement that ends soon, or has ended."""

    agreement: str
    agencies: tuple[str, ...]
    expires: str
    days: int


@dataclass(frozen=True)
class Kept:
    """A submission that may be kept no longer than `until`."""

    agency: str
    table: str
    period: str
    submission: str
    until: str


@dataclass(frozen=True)
class Quality:
    """The four dimensions of DHIS2's data quality framework, as shares from 0 to 1; None where nothing says.

    `completeness`: periods due that came. `filled`: cells filled of those required. `timeliness`: periods due that came
    in time. `consistency`: rows that no rule between fields or against the series marked. `correctness`: cells
    that keep the dictionary's limits. The last three reckon with refused files too, each file once.
    """

    agency: str
    completeness: float | None
    filled: float | None
    timeliness: float | None
    consistency: float | None
    correctness: float | None


@dataclass(frozen=True)
class Differing:
    """Periods in which two agencies' counts of the same thing are apart, by a rule of a table."""

    table: str
    message: str
    periods: list[str]


@dataclass(frozen=True)
class Status:
    """All that `evaluation status` tells."""

    received: list[Arrived]
    awaited: list[Awaited]
    rejected: list[Rejected]
    ending: list[Ending]
    past_retention: list[Kept]
    quality: list[Quality]
    differing: list[Differing]  # of all agencies together alone

    def to_dict(self) -> dict[str, Any]:
        """The status as it stands in `--json`."""
        return asdict(self)


def status(store: Store, today: date, agency: str | None = None) -> Status:
    """The status of a store on a day, of one agency or of all.

    Raises
    ------
    DataError
        When the agencies, the agreements or the log cannot be read.
    """
    entries = store.log.entries()
    agreements = read_agreements(store.folder / "agreements")
    agencies = [a for a in read_agencies(store.folder).values() if agency in (None, a.id)]
    refused = _open(entries)
    awaited = [w for a in agencies for w in _awaited(a, entries, refused, agreements, today)]
    return Status(
        received=[
            Arrived(a, t, p, s.receipt.time, s.said["rows"], s.said["warnings"], s.receipt.submission, s.receipt.hash)
            for (a, t), of in sorted(standing(entries).items()) if agency in (None, a) for p, s in sorted(of.items())
        ],
        awaited=awaited,
        rejected=[
            Rejected(e.content["agency"], e.content["table"], e.content["period"], e.time, e.content["reasons"])
            for e in refused if agency in (None, e.content["agency"])
        ],
        ending=[
            Ending(a.agreement, a.parties, str(a.expires), (a.expires - today).days) for a in agreements
            if (a.expires - today).days <= SOON and (agency is None or agency in a.parties)
        ],
        past_retention=[
            Kept(p.stood.said["agency"], p.stood.said["table"], p.stood.said["period"], p.stood.receipt.submission,
                 str(p.until))
            for p in past_retention(entries, agreements, today) if agency in (None, p.stood.said["agency"])
        ],
        quality=[_quality(a, entries, [w for w in awaited if w.agency == a.id]) for a in agencies],
        differing=_differing(store) if agency is None else [],
    )  # fmt: skip


def _differing(store: Store) -> list[Differing]:
    """Counts of the same thing from several agencies that are apart: for the operator alone, since any agency could
    read another's numbers off them."""
    from evaluation.data.engine import connect
    from evaluation.dictionary.compile_rules import periods_apart
    from evaluation.dictionary.rules import Agree
    from evaluation.dictionary.tables import tables

    sources = {name: sql for name in store.tables if (sql := store.scan(name)) is not None}
    found: dict[tuple[str, ...], Differing] = {}
    with connect() as connection:
        for table in tables().values():
            for rule in (r for r in table.rules if isinstance(r, Agree)):
                pair = tuple(sorted(str(c.model_dump()) for c in (rule.left, rule.right)))  # told from both sides
                if pair in found or (sql := periods_apart(rule, sources)) is None:
                    continue
                days = [str(row[0])[:10] for row in connection.execute(sql).fetchall()]
                if days:
                    found[pair] = Differing(table.name, rule.message, days)
    return list(found.values())


def _open(entries: Sequence[Entry]) -> list[Entry]:
    """The last refusal of each agency, table and period, where nothing was accepted since."""
    found: dict[tuple[str, str, str], Entry] = {}
    done = {e.submission for e in entries if e.kind == "accepted"}
    for entry in entries:
        about = entry.content
        if entry.kind == "refused":
            found[about["agency"], about["table"], about["period"]] = entry
        elif entry.kind == "intent" and entry.submission in done:
            found.pop((about["agency"], about["table"], about["period"]), None)
    return list(found.values())


def _awaited(
    agency: Agency, entries: Sequence[Entry], refused: list[Entry], agreements: list[Agreement], today: date
) -> list[Awaited]:
    all_of = accepted(entries)
    rejected = {(e.content["agency"], e.content["table"], e.content["period"]) for e in refused}
    found = []
    for due in agency.due:
        since = due.since or _first(agency, due, agreements)
        if since is None:
            continue
        sent = [s for s in all_of if (s.said["agency"], s.said["table"]) == (agency.id, due.table)]
        for one in periods(due.every, since, today):
            by = one.last + timedelta(days=due.days)
            came = _came(sent, one)
            state: State
            if came is not None:
                state = "received" if came <= by else "received late"
            elif (agency.id, due.table, one.name) in rejected:
                state = "rejected"
            else:
                state = "due" if today <= by else "late"
            found.append(Awaited(agency.id, due.table, one.name, str(by), state))
    return found


def _first(agency: Agency, due: Due, agreements: list[Agreement]) -> date | None:
    return min((a.starts for a in agreements if agency.id in a.parties and due.table in a.tables), default=None)


def _came(sent: list[Stood], one: Period) -> date | None:
    """The day on which the last of a period's days had been received; None where some have not."""
    left = [(one.start, one.end)]
    for stood in sent:
        start, end = stood.period.start, stood.period.end
        if stood.said["whole_table"]:
            start = date.min
        left = [
            part for a, b in left for part in ((a, min(b, start)), (max(a, end), b)) if part[0] < part[1]
        ]  # fmt: skip
        if not left:
            return date.fromisoformat(stood.receipt.time[:10])
    return None


def _quality(agency: Agency, entries: Sequence[Entry], awaited: list[Awaited]) -> Quality:
    seen: dict[tuple[str, str, str | None], dict[str, int]] = {}
    done = {e.submission for e in entries if e.kind == "accepted"}
    for entry in entries:
        told = entry.kind == "refused" or (entry.kind == "intent" and entry.submission in done)
        about = entry.content
        if told and about["agency"] == agency.id and about["quality"]:
            seen[about["table"], about["period"], about["original_sha256"]] = about["quality"]

    def total(name: str) -> int:
        return sum(q[name] for q in seen.values())

    now_due = [w for w in awaited if w.state != "due"]
    came = sum(w.state in ("received", "received late") for w in now_due)
    in_time = sum(w.state == "received" for w in now_due)
    return Quality(
        agency.id, _share(came, len(now_due)), _share(total("filled"), total("required")),
        _share(in_time, len(now_due)), _share(total("rows") - total("marked"), total("rows")),
        _share(total("cells") - total("broken"), total("cells")),
    )  # fmt: skip


def _share(part: int, whole: int) -> float | None:
    return None if whole == 0 else max(part, 0) / whole
