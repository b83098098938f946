"""The periods agencies send data for: months, quarters and years, and the days they hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from evaluation.errors import Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evaluation.dictionary.tables import Frequency

_FORM = re.compile(r"(?P<year>(?:19|20)\d\d)(?:-(?:(?P<month>0[1-9]|1[0-2])|[Qq](?P<quarter>[1-4])))?")
_MONTHS: dict[str, int] = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, order=True)
class Period:
    """Days from `start` up to but without `end`; `name` is how it is written."""

    start: date
    end: date
    name: str

    def holds(self, other: Period) -> bool:
        """Whether every day of the other lies in it."""
        return self.start <= other.start and other.end <= self.end

    def overlaps(self, other: Period) -> bool:
        """Whether they share a day."""
        return self.start < other.end and other.start < self.end

    @property
    def last(self) -> date:
        """Its last day."""
        return self.end - timedelta(days=1)


def period(text: str) -> Period:
    """The period written `2025-03`, `2025-Q1` or `2025`.

    Raises
    ------
    UsageError
        For any other form.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        what = f'"{text}" is no period.'
        raise UsageError(Problem("", "period", what, "Write a month as 2025-03, a quarter as 2025-Q1, a year as 2025."))
    year = int(found["year"])
    if found["month"]:
        return _from(year, int(found["month"]), 1)
    if found["quarter"]:
        return _from(year, 3 * int(found["quarter"]) - 2, 3)
    return _from(year, 1, 12)


def _from(year: int, month: int, months: int) -> Period:
    name = {1: f"{year:04d}-{month:02d}", 3: f"{year:04d}-Q{(month + 2) // 3}", 12: f"{year:04d}"}[months]
    beyond = month + months
    end = date(year + 1, 1, 1) if beyond > 12 else date(year, beyond, 1)
    return Period(date(year, month, 1), end, name)


def periods(every: Frequency, since: date, until: date) -> Iterator[Period]:
    """The periods of a kind that begin on `since` or later and have ended by `until` (their last day before it)."""
    months = _MONTHS[every]
    first = ((since.month - 1) // months) * months + 1
    now = _from(since.year, first, months)
    if now.start < since:
        now = _from(now.end.year, now.end.month, months)
    while now.end <= until:
        yield now
        now = _from(now.end.year, now.end.month, months)
