"""Edge cases planted in simulated tables: a dozen people whose rows try the rules by which cohorts are built."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from evaluation.data.simulate_tables_days import months_on
from evaluation.data.simulate_tables_layout import DEATHS, JUSTICE, Layout
from evaluation.data.simulate_tables_rows import MISSING, Rows, dates, labels, stacked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

CASES = (
    "an arrest on the index day",
    "an arrest after the index date for an offence before it, and a conviction later",
    "an index date on February 29, and an arrest on February 28 of the year after",
    "an index date on January 31, and an arrest on the last day of February",
    "an arrest on the last day of the planted window",
    "an arrest on the first day after the planted window, for an offence of a code that nobody knows",
    "stays in custody that overlap, one that ends before it begins and one that does not end",
    "every row twice: the index event, an arrest and a death",
    "an arrest on the day of death",
    "an arrest after death",
    "a second index event without a date, and an arrest without one",
    "death before the index date",
)


@dataclass
class Edges:
    """The people of the cases, at places `first`, `first` + 1 … of the chunk, and the rows made for them."""

    layout: Layout
    first: int
    index: Integers  # of these people
    made: dict[str, list[Rows]] = field(default_factory=dict)

    def _add(self, table: str, case: int, days: dict[str, int], code: str = "35A") -> None:
        columns = {name: dates([day]) for name, day in days.items()}
        if table == JUSTICE:
            words = {"event_type": "arrest", "offence_code": code, "offence_level": "felony", "reason": "new_crime",
                     "agency_id": "sheriff"}  # fmt: skip
            columns |= {name: labels([0], [word]) for name, word in words.items()}
        if table in self.layout.tables:
            self.made.setdefault(table, []).append(Rows(np.array([self.first + case]), columns))

    def arrest(self, case: int, day: int, offence: int | None = None, code: str = "35A") -> None:
        """An arrest for a drug felony, committed on the day itself where nothing else is said."""
        told = day if offence is None else offence
        known = {"event_date": day, "offence_date": told, "arrest_date": day}
        self._add(JUSTICE, case, {**known, "filing_date": MISSING, "disposition_date": MISSING}, code)

    def death(self, case: int, day: int) -> None:
        """A death."""
        self._add(DEATHS, case, {"death_date": day})

    def stay(self, case: int, start: int, end: int) -> None:
        """A stay in custody."""
        at = self.layout.stays
        self._add(self.layout.custody, case, {at.start: start, at.end: end})


def index_dates(layout: Layout, drawn: Integers) -> Integers:
    """Index dates of the people of the cases: as drawn, but for a leap day and a January 31 where the span has one."""
    first, last = layout.span()
    days = np.arange(first, last + 1)
    month = days.astype("datetime64[D]").astype("datetime64[M]")
    day = days - month.astype("datetime64[D]").astype(np.int64) + 1
    of_year = month.astype(np.int64) % 12 + 1
    found = drawn.copy()
    for case, when in ((2, (of_year == 2) & (day == 29)), (3, (of_year == 1) & (day == 31))):
        if when.any():
            found[case] = days[when][0]
    return found


def planted(tables: dict[str, Rows], layout: Layout, first: int, index: Integers) -> dict[str, Rows]:
    """The tables with the histories of the people of the cases, who are the last ones, in place of those drawn."""
    edges = Edges(layout, first, index)
    last = index + layout.window_days(index)
    edges.arrest(0, int(index[0]))
    edges.arrest(1, int(index[1]) + 5, offence=int(index[1]) - 20)
    edges.arrest(2, int(months_on(index[2:3], 12)[0]) - 1 + int(_is_leap_day(index[2])))
    edges.arrest(3, int(months_on(index[3:4], 1)[0]))
    edges.arrest(4, int(last[4]) - 1)
    edges.arrest(5, int(last[5]), code="99X")
    at = int(index[6])
    for start, end in ((at + 10, at + 30), (at + 20, at + 25), (at + 29, at + 40), (at + 50, at + 45)):
        edges.stay(6, start, end)
    edges.stay(6, at + 200, MISSING)
    for _ in range(2):
        edges.arrest(7, int(index[7]) + 40)
        edges.death(7, int(index[7]) + 300)
    edges.arrest(8, int(index[8]) + 60)
    edges.death(8, int(index[8]) + 60)
    edges.death(9, int(index[9]) + 50)
    edges.arrest(9, int(index[9]) + 70)
    edges.arrest(10, MISSING)
    edges.death(11, int(index[11]) - 30)
    return {name: _put(rows, name, edges) for name, rows in tables.items()}


def _is_leap_day(day: int) -> bool:
    return str(np.datetime64(int(day), "D")).endswith("02-29")


def _put(rows: Rows, name: str, edges: Edges) -> Rows:
    layout, first = edges.layout, edges.first
    if name in (JUSTICE, DEATHS, layout.custody):
        date = {JUSTICE: "event_date", DEATHS: "death_date"}.get(name, layout.stays.start)
        index = np.append(edges.index, 0)
        place = np.where(rows.person >= first, rows.person - first, len(edges.index))
        since = np.where(rows.person >= first, index[place], MISSING)
        earlier = (rows.day(date) != MISSING) & (rows.day(date) < since)
        kept = rows.picked((rows.person < first) | (earlier & (rows.person >= first)))
        return stacked([kept, *edges.made.get(name, [])])
    if name not in layout.pools:
        return rows
    twice = rows.picked(rows.person == first + 7)
    undated = rows.picked(rows.person == first + 10)
    pool = {layout.design.index.table: layout.design.index, layout.design.comparison.table: layout.design.comparison}
    blank = undated.given({pool[name].date: dates(np.full(len(undated), MISSING))})
    return stacked([rows, twice, blank])
