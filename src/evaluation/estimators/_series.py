"""A panel as one series: the treated units' mean by period, or its distance from untreated units'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.errors import NotEstimable
from evaluation.estimators._did import require_variation

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask, PanelMoments

AFTER_ONE_START = (
    "Units started at {n} different times, and one series has one start. Use `callaway_santanna`, which compares each "
    "cohort by itself, or give the cohorts studies of their own."
)


@dataclass(frozen=True, eq=False)
class Series:
    """A series of n points with its start; `columns` are covariates by name, each (n,)."""

    times: Integers
    start: int
    values: Floats
    columns: dict[str, Floats]
    sizes: dict[str, Any]  # fields of an estimate: numbers of rows and units

    @property
    def after(self) -> Mask:
        """Whether a period is at or after the start (n,)."""
        found: Mask = self.times >= self.start
        return found


def one_series(
    moments: PanelMoments, exposure: str | None, *, controlled: bool, logged: bool, per: float = 1.0
) -> Series:
    """The mean by period of the units treated within the data, by the sums of their weights.

    With `exposure`, a covariate of the moments, it is the sum of outcomes over the sum of exposures, times `per`.
    `controlled` subtracts the same of never-treated units, and of covariates too; `logged` takes logarithms first.

    Raises
    ------
    NotEstimable
        When nobody starts within the periods, units start at different times, or the logarithm does not exist.
    """
    import numpy as np

    require_variation(moments)
    inside = (moments.cohort > moments.times[0]) & (moments.cohort <= moments.times[-1]) & (moments.cohort != 0)
    starts = np.unique(moments.cohort[inside])
    if not len(starts):
        raise NotEstimable("No unit starts treatment within the periods observed.")
    if len(starts) > 1:
        raise NotEstimable(AFTER_ONE_START.format(n=len(starts)))
    never = (moments.cohort == 0) | (moments.cohort > moments.times[-1])
    groups = [inside, never] if controlled else [inside]
    if controlled and not never.any():
        raise NotEstimable("No unit is never treated: there is no comparison series. Set comparison: none.")
    known = np.all([moments.observed[g].any(axis=0) for g in groups], axis=0)
    made = [_means(moments, g, known, exposure, logged, per) for g in groups]
    values, columns = made[0]
    if controlled:
        values = values - made[1][0]
        columns = {name: c - made[1][1][name] for name, c in columns.items()}
    return Series(moments.times[known], int(starts[0]), values, columns, _sizes(moments, groups))


def _sizes(moments: PanelMoments, groups: list[Mask]) -> dict[str, Any]:
    units = [int(moments.units[g].sum()) for g in groups]
    return {
        "n_obs": sum(int(moments.counts[g].sum()) for g in groups),
        "n_units": sum(units), "n_treated_units": units[0], "counts": tuple(units)}  # fmt: skip


def _means(
    moments: PanelMoments, rows: Mask, known: Mask, exposure: str | None, logged: bool, per: float
) -> tuple[Floats, dict[str, Floats]]:
    """The group's outcome (n,) and its covariates' means."""
    import numpy as np

    weight = moments.weights[rows].sum(axis=0)[known]
    total = moments.sums[rows].sum(axis=0)[known] + moments.shift * weight
    columns = _covariates(moments, rows, known, weight)
    below = weight
    if exposure:
        below = columns.pop(exposure) * weight / per
        if not (below > 0).all():
            raise NotEstimable(f"In some period the sum of {exposure} is zero or below: there is no rate.")
    values = total / below
    if logged:
        if not (values > 0).all():
            raise NotEstimable("The series is zero or below in some period, which has no logarithm: set log: false.")
        values = np.log(values)
    return values, columns


def _covariates(moments: PanelMoments, rows: Mask, known: Mask, weight: Floats) -> dict[str, Floats]:
    from evaluation.data.grams import GramMoments

    if not isinstance(moments, GramMoments):
        return {}
    moments.require_whole()
    grams = moments.grams
    means = grams.sums[rows].sum(axis=0)[known] / weight[:, None] / grams.scale + grams.centre
    return {name: means[:, j] for j, name in enumerate(grams.names)}
