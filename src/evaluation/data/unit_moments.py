"""A panel's moments of which every row is one unit under its own name: for methods that weight single units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np

from evaluation.data.moments import EXTREME, PanelMoments
from evaluation.data.unit_matrix import unit_matrix
from evaluation.errors import NotEstimable
from evaluation.results import FlowStep

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Mask
    from evaluation.data.panel import Panel
    from evaluation.study.models import Outcome

MOST_ROWS = 20_000_000  # of the data; more do not fit in memory as single units


@dataclass(frozen=True)
class UnitMoments(PanelMoments):
    """Moments of single units: every unit is its own cluster, and `cluster` is its place in `names`."""

    names: tuple[str, ...] = field(kw_only=True)

    @property
    def outcomes(self) -> Floats:
        """The outcomes (R, T), NaN where not observed."""
        found = np.full(self.sums.shape, np.nan)
        np.divide(self.sums, self.weights, out=found, where=self.observed)
        shifted: Floats = found + self.shift
        return shifted

    def name(self, row: int) -> str:
        """The name of the unit in a row."""
        return self.names[int(self.cluster[row])]

    def leaving(self, rows: Mask, step: str, reason: str) -> UnitMoments:
        """These moments without `rows` (R,), counted in the flow."""
        return cast("UnitMoments", self.without(rows, step, reason))


def unit_moments(panel: Panel, outcome: Outcome) -> UnitMoments:
    """The moments of an outcome, unit by unit; memory grows with units times periods.

    Raises
    ------
    NotEstimable
        Without any outcome, with numbers too large or too small to be squared, or too many rows to be held singly.
    """
    assert outcome.column is not None  # noqa: S101 - a panel's outcome names its column
    _require_few(panel)
    matrix = unit_matrix(panel, [outcome.column])
    y, weight = matrix.values[outcome.column], np.nan_to_num(matrix.weights)
    known = np.asarray(~np.isnan(y))
    used = known & (weight > 0)
    if not used.any():
        raise NotEstimable("No row has an outcome.")
    low, high = float(y[used].min()), float(y[used].max())
    _in_reach("outcome's range", high / 2 - low / 2)
    _in_reach("largest weight", float(weight[used].max()))
    shift = low / 2 + high / 2
    rows, periods = used.any(axis=1), used.any(axis=0)
    at = np.ix_(rows, periods)
    cells = used[at]
    held = np.where(cells, weight[at], 0.0)
    return UnitMoments(
        times=matrix.times[periods],
        cluster=np.flatnonzero(rows),
        cohort=matrix.cohort[rows],
        units=np.ones(int(rows.sum()), dtype=np.int64),
        counts=cells.astype(np.int64),
        weights=held,
        sums=np.where(cells, held * (np.where(cells, y[at], shift) - shift), 0.0),
        shift=shift,
        spread=high / 2 - low / 2,
        constant_weights=bool((held.max(axis=1) == np.where(cells, held, np.inf).min(axis=1)).all()),
        flow=_flow(outcome, np.isfinite(matrix.weights), known, used, np.asarray(rows)),
        names=matrix.units,
    )


def _require_few(panel: Panel) -> None:
    count = panel.source.query(f"SELECT count(*) FROM {panel.source.scan}")[0][0]
    if count > MOST_ROWS:
        raise NotEstimable(
            f"This method takes every unit by itself, and {count:,} rows are more than the {MOST_ROWS:,} it can hold: "
            "sum the data to places first."
        )


def _in_reach(what: str, size: float) -> None:
    if not np.isfinite(size) or (size and not 1 / EXTREME < size < EXTREME):
        raise NotEstimable(
            f"The {what} is {'below' if size < 1 else 'above'} what can be reckoned with: give it in another unit, or "
            "correct the data."
        )


def _flow(outcome: Outcome, there: Mask, known: Mask, used: Mask, rows: Mask) -> tuple[FlowStep, ...]:
    read, with_outcome, left = int(there.sum()), int((known & there).sum()), int(used.sum())
    steps = [
        FlowStep("read", "Rows in the data", "row", 0, read),
        FlowStep("missing_outcome", f'The outcome "{outcome.label}" is missing', "row", read - with_outcome,
                 with_outcome),
    ]  # fmt: skip
    if with_outcome > left:
        steps.append(FlowStep("zero_weight", "The weight is zero", "row", with_outcome - left, left))
    n = int(rows.sum())
    return (*steps, FlowStep("unit_without_outcome", "No period with a usable outcome", "unit", len(rows) - n, n))
