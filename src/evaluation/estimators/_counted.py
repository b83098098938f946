"""Numbers of events over time at risk: which columns hold them, and who can be counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from evaluation.errors import NotEstimable
from evaluation.results import Check, FlowStep

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.data.cohort import Cohort
    from evaluation.data.person_cells import PersonCells
    from evaluation.inference.count_regression import Counts

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

Unit = Literal["day", "week", "month", "year"]
PER_YEAR: dict[str, float] = {"day": 365.25, "week": 365.25 / 7, "month": 12.0, "year": 1.0}
STREET, CALENDAR = "street", "calendar"


@dataclass(frozen=True)
class CountColumns:
    """The columns of an analysis of counts, and the clock of its exposure."""

    count: str
    exposure: str
    street: bool


def count_columns(
    cohort: Cohort, outcome: str, count: str | None, exposure: str | None, window: float | None
) -> CountColumns:
    """Which columns to read: those named, else those that the builder wrote for an outcome.

    Raises
    ------
    NotEstimable
        When the data are ready-made and a column is not named, or the builder did not write what is asked for.
    """
    columns = cohort.source.columns
    named = exposure if exposure in columns or exposure not in (STREET, CALENDAR) else None
    if not cohort.built:
        if window is not None:
            raise NotEstimable("a window is for cohorts built from tables; name the columns of counts and of days by "
                               "that window instead.")  # fmt: skip
        if count is None or named is None:
            lacks = "count" if count is None else "exposure"
            raise NotEstimable(f"no column is named; set the option `{lacks}` to the column of "
                               + ("the number of events." if lacks == "count" else "the time at risk."))  # fmt: skip
        return CountColumns(count, named, street=False)
    until = "" if window is None else "_" + f"{window:g}".replace(".", "_")
    if window is not None and window not in cohort.windows:
        raise NotEstimable(f"{window:g} is not among the windows of the outcome, so its events by then were not "
                           "counted; add it to `windows`.")  # fmt: skip
    on_street = f"{outcome}_street_days{until}"
    if exposure == STREET and on_street not in columns:
        raise NotEstimable("time in custody is not known, so neither are days at liberty; name custody_periods among "
                           "data.tables, or set exposure: calendar.")  # fmt: skip
    street = exposure != CALENDAR and named is None and on_street in columns
    days = named or (on_street if street else f"{outcome}_days{until}")
    return CountColumns(count or f"{outcome}_count{until}", days, street)


@dataclass(frozen=True, eq=False)
class Counted:
    """People with a number of events and time at risk above zero, in years."""

    cells: PersonCells
    arm: Integers
    counts: Counts
    covariates: Floats
    flow: tuple[FlowStep, ...]
    never_at_risk: tuple[int, int]  # people without time at risk, and how many of them had events all the same

    def number(self, arm: int, *, with_events: bool) -> int:
        """People of an arm with at least one event, or with none."""
        chosen = (self.arm == arm) & ((self.counts.number > 0) == with_events)
        return int(self.cells.people[chosen].sum())

    @property
    def arms(self) -> tuple[int, int]:
        """People in the treated arm and in the other."""
        people = self.cells.people
        return int(people[self.arm == 1].sum()), int(people[self.arm == 0].sum())

    def having(self, flags: Any) -> tuple[int, int]:
        """People with and without an event among some rows (n,)."""
        had, people = self.counts.number > 0, self.cells.people
        return int(people[flags & had].sum()), int(people[flags & ~had].sum())


def counted(cohort: Cohort, columns: CountColumns, unit: Unit, covariates: list[str]) -> Counted:
    """Read the people; those without time at risk are left out, and told.

    Raises
    ------
    NotEstimable
        When counts or exposures are not what they should be, or an arm has no one, or no event, in it.
    """
    import numpy as np

    from evaluation.data.person_cells import Needed, person_cells
    from evaluation.inference.count_regression import Counts

    first = (Needed("arm", cohort.arm), Needed("number of events", columns.count),
             Needed("time at risk", columns.exposure))  # fmt: skip
    cells, flow = person_cells(cohort, first, [Needed("covariate", c) for c in covariates])
    arm, number, exposure, *others = cells.values
    _check(number, exposure, cells, columns)
    kept = exposure > 0
    dropped = (int(cells.people[~kept].sum()), int(cells.people[~kept & (number > 0)].sum()))
    if dropped[0]:
        left = int(cells.people[kept].sum())
        flow = (*flow, FlowStep("never_at_risk", "no time at risk", "person", dropped[0], left))
    cells = replace(
        cells, people=cells.people[kept], cluster=None if cells.cluster is None else _anew(cells.cluster[kept]),
        weights=None if cells.weights is None else cells.weights[kept], values=(),
    )  # fmt: skip
    counts = Counts(number[kept].astype(np.int64), exposure[kept] / PER_YEAR[unit], cells.mass)
    values = np.column_stack([np.empty((int(kept.sum()), 0)), *(c[kept] for c in others)])
    found = Counted(cells, arm[kept].astype(np.int64), counts, values, flow, dropped)
    for code, name in ((1, "treated arm"), (0, "comparison")):
        if not found.arms[1 - code]:
            raise NotEstimable(f"nobody is in the {name}, so nothing can be compared.", (0,))
        if not found.number(code, with_events=True):
            raise NotEstimable(f"nobody in the {name} had an event, so the ratio of rates has no finite value.", (0,))
    return found


def _anew(codes: Integers) -> Integers:
    """Codes 0 … G-1 of the clusters that are left."""
    import numpy as np

    return np.asarray(np.unique(codes, return_inverse=True)[1], np.int64)


def _check(number: Floats, exposure: Floats, cells: PersonCells, columns: CountColumns) -> None:
    wrong = (number < 0) | (number != number.round())
    if wrong.any():
        n = int(cells.people[wrong].sum())
        raise NotEstimable(f"`{columns.count}` must hold numbers of events, 0, 1, 2, …; {n:,} people have another "
                           "value.", (n,))  # fmt: skip
    if (exposure < 0).any():
        n = int(cells.people[exposure < 0].sum())
        raise NotEstimable(f"`{columns.exposure}` must hold the time at risk; {n:,} people have a negative one.", (n,))


def exposure_checks(found: Counted, columns: CountColumns) -> tuple[Check, ...]:
    """What a reader must know of the time at risk."""
    checks = []
    people, with_events = found.never_at_risk
    if people:
        message = (
            f"{people:,} people had no time at risk and are left out, {with_events:,} of them with an event all the "
            "same."
        )
        checks.append(
            Check(
                "never_at_risk", "info", message, statistic=people, counts=(people, with_events, people - with_events)
            )
        )
    if columns.street:
        message = (
            "Rates are per year at liberty. Custody comes after entry and can itself be a result of the program, so "
            "read the same analysis over calendar time beside it."
        )
        checks.append(Check("street_exposure", "info", message))
    return tuple(checks)


def past_competing(cohort: Cohort, columns: CountColumns, unit: Unit) -> Iterator[Check]:
    """Whether ready-made data go on counting after a competing event, which the builder's never do.

    Up to one unit of the coarser of the two clocks is rounding.
    """
    if cohort.built or not cohort.competing:
        return
    number, per_year = cohort.source.number, PER_YEAR[cohort.time_unit]
    slack = max(1 / per_year, 1 / PER_YEAR[unit])
    met = f"{number(cohort.event)} IN ({', '.join(str(code) for code in sorted(cohort.competing.values()))})"
    longer = f"{number(columns.exposure)} / {PER_YEAR[unit]!r} > {number(cohort.time)} / {per_year!r} + {slack!r}"
    ((people, among),) = cohort.source.query(
        f"SELECT count(*) FILTER ({longer}), count(*) FROM {cohort.source.scan} WHERE {met}"
    )
    if people:
        message = (
            f"{people:,} of {among:,} people whom a competing event met ({', '.join(sorted(cohort.competing))}) have "
            f"more time at risk than they had until then. Nobody is at risk after it: end `{columns.exposure}` and "
            f"`{columns.count}` there, or rates are too low."
        )
        yield Check("exposure_past_competing", "warn", message, statistic=people, counts=(people, among - people))
