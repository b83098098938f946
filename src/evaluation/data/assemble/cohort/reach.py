"""How far the data of an outcome reach: to the earliest end among the sources that it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from evaluation.data.assemble.cohort.case import DEATHS, EVENTS, Case, stays_of
from evaluation.data.assemble.cohort.times import shifted
from evaluation.results import Check

if TYPE_CHECKING:
    from evaluation.study.models import Outcome


@dataclass(frozen=True)
class Reach:
    """The last day of an outcome's follow-up, and the first that its sources tell of; on the street clock too."""

    last: date
    first: date | None
    street_last: date | None = None  # None without a table of stays
    street_first: date | None = None

    @property
    def street(self) -> bool:
        """Whether there is a street clock."""
        return self.street_last is not None


def table_of(outcome: Outcome) -> str:
    """The table an outcome's events are found in."""
    if outcome.kind == "death":
        return DEATHS
    return outcome.events.table if outcome.events else EVENTS


def needed(case: Case, outcome: Outcome) -> list[str]:
    """The tables that an outcome and its competing events are found in."""
    others = [DEATHS if name == "death" else case.design.events[name].table for name in outcome.competing]
    return list(dict.fromkeys([table_of(outcome), *others]))


def coverage(case: Case) -> dict[str, tuple[date | None, date]]:
    """The latest start and the earliest end of every table that the coverage table tells of."""
    told = case.study.data.coverage
    if told is None:
        return {}
    sql, source = case.sql, case.tables[told.table]
    found = sql.rows(
        f"SELECT t, max(s), min(e) FROM (SELECT trim(CAST({sql.name(told.of)} AS STRING)) AS t, "
        f"{sql.day(told.start)} AS s, coalesce({sql.day(told.end)}, {case.day(case.as_of)}) AS e "
        f"FROM {sql.scan(source, list(source.columns))} WHERE {sql.met(source, told.where)}) AS rows_of "
        "WHERE t IS NOT NULL GROUP BY t ORDER BY t"
    )
    return {str(name): (start, end) for name, start, end in found}


def reach(case: Case, outcome: Outcome, covered: dict[str, tuple[date | None, date]]) -> Reach:
    """How far an outcome's data reach."""
    tables = needed(case, outcome)
    stays = stays_of(case.design, case.tables)
    ends = [covered[t][1] for t in tables if t in covered]
    first = _latest([covered[t][0] for t in tables if t in covered])
    last = shifted(min([case.as_of, *ends]), outcome.lag, -1)
    if stays is None:
        return Reach(last, first)
    begun, end = covered.get(stays.stop_in, (None, case.as_of))
    return Reach(last, first, min(last, end), _latest([first, begun]))


def _latest(days: list[date | None]) -> date | None:
    return max((d for d in days if d is not None), default=None)


def unmentioned(case: Case, covered: dict[str, tuple[date | None, date]]) -> Iterator[Check]:
    """What is not known of how far the data reach, of deaths and of custody."""
    stays = stays_of(case.design, case.tables)
    if DEATHS not in case.tables:
        what = "Deaths are not known: whoever died counts as free of the outcome until the data end."
        yield Check("deaths_unknown", "warn", what)
    if stays is None:
        yield Check("custody_unknown", "info", "Time in custody is not known and counts as time at risk.")
    if case.study.data.coverage is None:
        what = f"Nothing says how far each agency's data reach: all are taken to reach to {case.as_of}."
        yield Check("coverage", "warn", what)
        return
    tables = [t for o in case.study.outcomes for t in needed(case, o)] + ([stays.stop_in] if stays else [])
    for table in dict.fromkeys(tables):
        if table not in covered:
            what = f"the coverage table does not mention {table}: its data are taken to reach to {case.as_of}."
            yield Check("coverage", "warn", what, term=table)
