"""First treated periods: how they are read, and what they say about who can be compared with whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.data.engine import FLOATS, Source
from evaluation.errors import Problem, Severity

EXAMPLES = 3


def first_treated(source: Source, column: str) -> str:
    """SQL of a unit's first treated period; NULL where empty, not a number or infinite: never treated.

    Infinity is how R's did writes it. A 0 means never too, and is left as it stands.
    """
    value = source.value(column)
    return f"nullif({value}, CAST('Infinity' AS DOUBLE))" if source.columns[column] in FLOATS else value


def plural(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def listed(values: Sequence[Any], count: int) -> str:
    """The first few of `count` values."""
    return ", ".join(str(v) for v in values[:EXAMPLES]) + (", …" if count > EXAMPLES else "")


@dataclass(frozen=True)
class Adoption:
    """What the cohorts say about who can be compared with whom."""

    times: list[int]
    cohorts: dict[int, int]
    zero_is_a_code: bool
    own_past: bool = False  # whether the treated may be compared with their own past alone

    def problems(self) -> Iterator[Problem]:
        """Codes that cannot be right, units that cannot be used, and panels without a valid comparison."""
        yield from self._codes()
        yield from self._edges()
        yield from self._comparison()

    def _of(self, cohorts: list[int]) -> tuple[int, str]:
        units = sum(self.cohorts[g] for g in cohorts)
        return units, listed(cohorts, len(cohorts))

    def _codes(self) -> Iterator[Problem]:
        first, last = self.times[0], self.times[-1]
        early = [g for g in self.cohorts if g != 0 and g < first]
        if early:
            units, named = self._of(early)
            what = f"{plural(units, 'unit')} first treated before the first period {first} ({named})."
            fix = (
                f"Write {first}, the first period, for units treated from the start: they are dropped where an "
                "untreated period is needed, and counted. Leave it empty for units never treated."
            )
            yield Problem("", "design.cohort", what, fix)
        far = [g for g in self.cohorts if g > last + (last - first + 1)]
        if far:
            units, named = self._of(far)
            what = f"{plural(units, 'unit')} with the first treated period {named}, far beyond the last period {last}."
            yield Problem("", "design.cohort", what, "Leave it empty, or write 0, for units never treated.")
        if self.zero_is_a_code and first <= 0 <= last:
            what = "0 means never treated, and it is a period of these data too."
            yield _warning(what, "Number the periods from 1 if units were treated in period 0.")

    def _edges(self) -> Iterator[Problem]:
        first, last = self.times[0], self.times[-1]
        if first in self.cohorts and first != 0:
            what = f"{plural(self.cohorts[first], 'unit')} treated from the first period {first} on."
            yield _warning(what, "They have no untreated period: they are dropped where one is needed, and counted.")
        later = [g for g in self.cohorts if last < g <= last + (last - first + 1)]
        if later:
            units, named = self._of(later)
            what = f"{plural(units, 'unit')} first treated after the last period {last} ({named})."
            yield _warning(what, "They count as not yet treated.")

    def _comparison(self) -> Iterator[Problem]:
        first, last = self.times[0], self.times[-1]
        treated = [g for g in self.cohorts if first < g <= last]
        if not treated:
            what = f"no unit starts treatment between the second period and the last ({last}): no valid comparison."
            yield Problem("", "design.cohort", what, "Name the column with each unit's first treated period.")
        elif not self.own_past and not any(g == 0 or g > treated[0] for g in self.cohorts):
            what = "no unit is never treated or treated later than the others: no valid comparison."
            yield Problem("", "design.cohort", what, "Add units that were not treated, or not yet.")


def _warning(what: str, fix: str) -> Problem:
    severity: Severity = "warning"
    return Problem("", "design.cohort", what, fix, severity)
