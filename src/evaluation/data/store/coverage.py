"""How far each agency's data reach, from what was received: the cohort builder's table of coverage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from evaluation.data.store.standing import standing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evaluation.data.store.periods import Period
    from evaluation.data.store.receipts import Entry
    from evaluation.data.store.store import Store

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Covered:
    """The days of a table that an agency has sent without a gap: both ends included.

    `start_date` is None where the table was sent whole: it holds what there was from ever.
    """

    table: str
    agency_id: str
    start_date: date | None
    end_date: date


def coverage(store: Store, day: date) -> list[Covered]:
    """What each agency's data covered on a day, by table and agency."""
    until = str(day)
    return covered(e for e in store.log.entries() if e.time[:10] <= until)


def covered(entries: Iterable[Entry]) -> list[Covered]:
    """What each agency's data cover by a log of receipts, by table and agency.

    From the first day sent up to the first that is missing: a period that was not sent ends the coverage, though later
    ones were, for nobody can tell a month without arrests from a month that is missing.
    """
    found = []
    for (agency, table), of in sorted(standing(entries).items(), key=lambda item: item[0][::-1]):
        if not of:
            continue
        sent = sorted(s.period for s in of.values())
        if any(s.said["whole_table"] for s in of.values()):
            found.append(Covered(table, agency, None, sent[-1].last))
        else:
            found.append(Covered(table, agency, sent[0].start, reached(sent) - _DAY))
    return found


def reached(sent: Iterable[Period]) -> date:
    """The first day that is missing after the first that was sent."""
    ordered = sorted(sent)
    end = ordered[0].end
    for one in ordered[1:]:
        if one.start > end:
            break
        end = max(end, one.end)
    return end


def coverage_table(rows: Iterable[Covered]) -> Any:
    """The same as a pyarrow table with the columns that `data.coverage` of a study expects."""
    import pyarrow as pa

    listed = list(rows)
    return pa.table(
        {
            "table": pa.array([r.table for r in listed], pa.string()),
            "agency_id": pa.array([r.agency_id for r in listed], pa.string()),
            "start_date": pa.array([r.start_date for r in listed], pa.date32()),
            "end_date": pa.array([r.end_date for r in listed], pa.date32()),
        }
    )
