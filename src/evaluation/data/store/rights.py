"""The rights of people and the ends of agreements: forgetting someone, and what may be kept no longer."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from evaluation.data.store.files import whole
from evaluation.data.store.lock import locked
from evaluation.data.store.recovery import recover
from evaluation.data.store.removal import complete
from evaluation.data.store.standing import accepted
from evaluation.data.store.tombstones import PERSON, bury, digest
from evaluation.dictionary.agreements import read_agreement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from evaluation.data.store.receipts import Entry
    from evaluation.data.store.standing import Stood
    from evaluation.data.store.store import Store
    from evaluation.dictionary.agreements import Agreement


@dataclass(frozen=True)
class Past:
    """A submission that may be kept no longer, and the last day on which it might be."""

    stood: Stood
    until: date


def forget(store: Store, people: Mapping[str, Sequence[str]], agreements: Iterable[Agreement], now: str) -> Entry:
    """Take people (tokens by agency) out of the current tables, and keep them out; the receipt.

    Where an agreement with the agency on a table says so, they go from its earlier versions, the kept copies and the
    sealed originals too.
    """
    agreements = list(agreements)
    name = f"{now[:10]}-{secrets.token_hex(6)}"
    with locked(store.folder):
        recover(store, now)
        erase = [
            [agency, table] for agency in sorted(people) for table in store.tables
            if any(a.erase_history and agency in a.parties and table in a.tables for a in agreements)
        ]  # fmt: skip
        content = {
            "why": "withdrawal", "people": sum(len(t) for t in people.values()), "agencies": sorted(people),
            "erase": erase, "submissions": [], "tombstones": digest(people),
        }  # fmt: skip
        entry = store.log.append("removing", name, now, content)
        bury(store.folder, name, people)
        done = complete(store, entry, now)
        assert done is not None  # noqa: S101 - the people were just written down
        return done


def linked_people(store: Store, agency: str, tokens: Sequence[str]) -> dict[str, list[str]]:
    """The people of an agency and, as other agencies know them, the same people there."""
    import duckdb

    from evaluation.data.intake.pseudonyms import MATCH_KEYS
    from evaluation.data.store.linkage import link

    found = {agency: list(tokens)}
    scan = store.scan("persons")
    if scan is None:
        return found
    with duckdb.connect() as connection:
        there = [c[0] for c in connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()]
        keys = ", ".join(k if k in there else f"CAST(NULL AS VARCHAR) AS {k}" for k in MATCH_KEYS)
        rows = connection.execute(f"SELECT _agency AS agency_id, {PERSON}, {keys} FROM {scan}").to_arrow_table()
    listed = link(rows).people.to_pylist()
    meant = {p["linked_id"] for p in listed if p["agency_id"] == agency and p["person_id"] in tokens}
    for person in listed:
        of = found.setdefault(person["agency_id"], [])
        if person["linked_id"] in meant and person["person_id"] not in of:
            of.append(person["person_id"])
    return {a: t for a, t in found.items() if t}


def past_retention(entries: Sequence[Entry], agreements: Iterable[Agreement], today: date) -> list[Past]:
    """The submissions, replaced ones included, that were received longer ago than their agreements let them be kept.

    Of several agreements the longest holds. A submission none of whose agreements is known any longer is left alone.
    """
    years = {a.agreement: a.retention_years for a in agreements}
    gone = {s for e in entries if e.kind == "removed" for s in e.content["submissions"]}
    found = []
    for stood in accepted(entries):
        lasts = [years[a] for a in stood.said["agreements"] if a in years]
        if stood.receipt.submission in gone or not lasts:
            continue
        until = _years_on(date.fromisoformat(stood.receipt.time[:10]), max(lasts))
        if until < today:
            found.append(Past(stood, until))
    return found


def _years_on(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return day.replace(year=day.year + years, day=28)


def expire(store: Store, agreements: Iterable[Agreement], now: str) -> Entry | None:
    """Remove what is past its retention: rows, history, kept copies, sealed originals. None if there is none."""
    with locked(store.folder):
        recover(store, now)
        past = past_retention(store.log.entries(), agreements, date.fromisoformat(now[:10]))
        if not past:
            return None
        content = {
            "why": "retention", "people": 0, "agencies": sorted({p.stood.said["agency"] for p in past}), "erase": [],
            "submissions": [p.stood.receipt.submission for p in past],
        }  # fmt: skip
        entry = store.log.append("removing", f"{now[:10]}-{secrets.token_hex(6)}", now, content)
        return complete(store, entry, now)


def position(store: Store) -> int:
    """The number that the log has reached: what a run notes of the store that it read."""
    return max((e.number for e in store.log.entries()), default=0)


def removed_since(store: Store, log_number: int) -> list[Entry]:
    """What was removed after the log had reached a number: runs that read the store then saw rows that are gone."""
    return [e for e in store.log.entries() if e.kind == "removed" and e.number > log_number]


def put_agreement(store: Store, path: Path) -> Agreement:
    """Copy an agreement into the store, in place of one with the same id.

    Raises
    ------
    DataError
        When the file is no agreement.
    """
    found = read_agreement(path)
    with whole(store.folder / "agreements" / f"{found.agreement}.yaml") as draft:
        draft.write_bytes(path.read_bytes())
    return found
