"""A panel's moments unit by unit, with covariates that do not change over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from evaluation.data.moments import EXTREME, PanelMoments
from evaluation.data.unit_matrix import unit_matrix
from evaluation.errors import NotEstimable
from evaluation.results import FlowStep

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask
    from evaluation.data.panel import Panel
    from evaluation.data.unit_matrix import UnitMatrix
    from evaluation.study.models import Outcome

MOST_ROWS = 2_000_000  # rows of the data up to which they are read unit by unit


@dataclass(frozen=True, kw_only=True)
class CovariateMoments(PanelMoments):
    """Moments of which each row is one unit; covariates are centred and between -1 and 1."""

    names: tuple[str, ...]
    covariates: Floats  # (R, L)

    def without(self, rows: Mask, step: str, reason: str) -> CovariateMoments:
        """These moments without `rows` (R,), the units counted in the flow; periods left empty go too."""
        self.require_whole()
        left = cast("CovariateMoments", super().without(rows, step, reason))
        return self if left is self else replace(left, covariates=self.covariates[~rows])

    def restricted(self, keep: Mask, cohort: Integers) -> CovariateMoments | None:
        """These moments with the cells `keep` (R, T) alone and other cohorts (R,); None where no cell is left."""
        self.require_whole()
        left = cast("CovariateMoments | None", super().restricted(keep, cohort))
        rows = (keep & self.observed).any(axis=1)
        return None if left is None else replace(left, covariates=self.covariates[rows])

    def require_whole(self) -> None:
        """Raise NotEstimable where units were cut out of the moments but not of the covariates."""
        if len(self.covariates) != len(self.cohort):
            raise NotEstimable("The covariates of a part of the panel are not known.")


def terms(moments: PanelMoments) -> Floats:
    """A constant and the covariates, if any, of each row (R, 1 + L)."""
    constant = np.ones((len(moments.cohort), 1))
    if not isinstance(moments, CovariateMoments):
        return constant
    moments.require_whole()
    return np.concatenate([constant, moments.covariates], axis=1)


def covariate_moments(panel: Panel, outcome: Outcome, names: Sequence[str]) -> CovariateMoments:
    """The moments of an outcome with covariates (columns `names`), a row a unit, sorted by cluster and unit.

    Units without one of the covariates are dropped and counted.

    Raises
    ------
    NotEstimable
        With more rows than are read unit by unit, a covariate that changes within a unit, numbers too large or too
        small to be reckoned with, or no unit that has all that is needed.
    """
    rows = int(panel.source.query(f"SELECT count(*) FROM {panel.source.scan}")[0][0])
    if rows > MOST_ROWS:
        raise NotEstimable(
            f"With covariates every unit is read by itself, and {rows:,} rows are more than the {MOST_ROWS:,} this is "
            "done for. Leave the covariates out, or use callaway_santanna, which adjusts for them at any size.",
            (rows,),
        )
    assert outcome.column is not None  # noqa: S101 - a panel's outcome names its column
    matrix = unit_matrix(panel, list(dict.fromkeys([outcome.column, *names])))
    values = np.array([_of_unit(matrix.values[name], name) for name in names]).T
    y, weights = matrix.values[outcome.column], np.nan_to_num(matrix.weights)
    known, complete = ~np.isnan(y), ~np.isnan(values).any(axis=1)
    used = known & (weights > 0) & complete[:, None]
    if not used.any():
        raise NotEstimable("No row has an outcome with all covariates.", (len(complete),))
    _in_reach(f'outcome "{outcome.label}"', y[used])
    for name, column in zip(names, values.T, strict=True):
        _in_reach(f'covariate "{name}"', column[complete])
    kept, periods = used.any(axis=1), used.any(axis=0)
    order = np.flatnonzero(kept)[np.argsort(matrix.cluster[kept], kind="stable")]
    at = np.ix_(order, periods)
    low, high = float(y[used].min()), float(y[used].max())
    shift, w = low / 2 + high / 2, np.where(used, weights, 0.0)[at]
    most = w.max(axis=1, keepdims=True)
    return CovariateMoments(
        times=matrix.times[periods],
        cluster=matrix.cluster[order],
        cohort=matrix.cohort[order],
        units=np.ones(len(order), dtype=np.int64),
        counts=used[at].astype(np.int64),
        weights=w,
        sums=w * np.where(used, y - shift, 0.0)[at],
        shift=shift,
        spread=high / 2 - low / 2,
        constant_weights=bool(((w == 0) | (w == most)).all()),
        flow=_flow(matrix, outcome, complete, used),
        names=tuple(names),
        covariates=_scaled(values[order]),
    )


def _of_unit(values: Floats, name: str) -> Floats:
    """The one value of each unit (N,), NaN where there is none."""
    low, high = np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)
    changed = int((low < high).sum())
    if changed:
        raise NotEstimable(
            f'The covariate "{name}" changes over time in {changed} units. Only covariates that stay the same are '
            "taken, for treatment could have changed them: give their value before treatment.",
            (changed,),
        )
    return np.asarray(low, dtype=np.float64)


def _in_reach(what: str, values: Floats) -> None:
    if not np.isfinite(values).all():
        raise NotEstimable(f"The {what} holds infinite values: leave unknown values empty.")
    size = float(values.max() / 2 - values.min() / 2)
    if size and not 1 / EXTREME < size < EXTREME:
        raise NotEstimable(
            f"The {what}'s range is {'above' if size > 1 else 'below'} what can be reckoned with: give it in another "
            "unit, or correct the data."
        )


def _scaled(values: Floats) -> Floats:
    """Columns from the middle of their range, over half of it."""
    low, high = values.min(axis=0), values.max(axis=0)
    half = high / 2 - low / 2
    found: Floats = (values - (low / 2 + high / 2)) / np.where(half > 0, half, 1.0)
    return found


def _flow(matrix: UnitMatrix, outcome: Outcome, complete: Mask, used: Mask) -> tuple[FlowStep, ...]:
    """What left on the way to the rows used."""
    y = matrix.values[str(outcome.column)]
    there = ~np.isnan(matrix.weights) | ~np.isnan(y)
    known = ~np.isnan(y)
    heavy = known & (np.nan_to_num(matrix.weights) > 0)
    read, with_outcome, weighed = int(there.sum()), int(known.sum()), int(heavy.sum())
    steps = [
        FlowStep("read", "Rows in the data", "row", 0, read),
        FlowStep("missing_outcome", f'The outcome "{outcome.label}" is missing', "row", read - with_outcome,
                 with_outcome),
    ]  # fmt: skip
    if with_outcome > weighed:
        steps.append(FlowStep("zero_weight", "The weight is zero", "row", with_outcome - weighed, weighed))
    units, left = int(complete.sum()), int(used.any(axis=1).sum())
    return (
        *steps,
        FlowStep("missing_covariate", "A covariate is missing", "unit", len(complete) - units, units),
        FlowStep("unit_without_outcome", "No period with a usable outcome", "unit", units - left, left),
    )
