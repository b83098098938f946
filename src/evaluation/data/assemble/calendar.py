"""The periods of a panel: months, quarters or years, calendar or fiscal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from evaluation.study.models import PanelDesign

MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True)
class Calendar:
    """`count` periods of `months` months from `first`; numbered from `number`: the year, or 1."""

    first: date
    months: int
    count: int
    number: int

    @classmethod
    def of(cls, design: PanelDesign) -> Calendar:
        """The periods that a study's `design.build` asks for.

        Raises
        ------
        DataError
            When the span does not consist of whole periods.
        """
        build = design.build
        assert build is not None  # noqa: S101 - asked only of panels to be built
        if design.time_unit not in MONTHS:
            what = f"panels are built by month, quarter or year, and the time unit is {design.time_unit}."
            raise _wrong("design.time_unit", what, "Write month, quarter or year.")
        months = MONTHS[design.time_unit]
        if build.first.day != 1 or (build.first.month - build.fiscal_year_start) % months:
            what = f"{build.first} does not begin a {design.time_unit}."
            fix = "Give the first day of a period, and fiscal_year_start where years do not begin in January."
            raise _wrong("design.build.first", what, fix)
        span = _index(build.last + timedelta(days=1)) - _index(build.first)
        if (build.last + timedelta(days=1)).day != 1 or span <= 0 or span % months:
            what = f"{build.last} does not end a {design.time_unit} after {build.first}."
            raise _wrong("design.build.last", what, "Give the last day of a period.")
        # A fiscal year bears the number of the year it ends in.
        named = build.first.year + (build.fiscal_year_start > 1)
        return cls(build.first, months, span // months, named if months == MONTHS["year"] else 1)

    def start(self, k: int) -> date:
        """First day of the period with index k, from 0; also beyond the span."""
        month = _index(self.first) + k * self.months
        return date(month // 12, month % 12 + 1, 1)

    def sql(self, day: str) -> str:
        """SQL for the index, from 0, of the period in which a date lies."""
        month = f"(12 * year({day}) + month({day}) - 1)"
        return f"CAST(floor(({month} - {_index(self.first)}) / {float(self.months)}) AS BIGINT)"

    def month_sql(self, day: str) -> str:
        """SQL for the index of a date's month, from the year 0."""
        return f"(12 * year({day}) + month({day}) - 1)"

    @property
    def values(self) -> str:
        """SQL rows (k, t, start, end, days, year) of the periods."""
        rows = []
        for k in range(self.count):
            start, end = self.start(k), self.start(k + 1) - timedelta(days=1)
            days = (end - start).days + 1
            rows.append(f"({k}, {self.number + k}, DATE '{start}', DATE '{end}', {days}, {start.year})")
        return ", ".join(rows)


def _index(day: date) -> int:
    return 12 * day.year + day.month - 1


def _wrong(key: str, what: str, fix: str) -> DataError:
    return DataError(Problem("", key, what, fix))
