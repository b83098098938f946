"""The moments of a count of events: units without any event are left out, and exposures take the place of weights.

Counts y with exposure E fitted as E · exp(…) are rates y / E with weight E: a weighted sum of rates is a sum of
counts. Exposures change within units, so each unit is then a row of its own, held in memory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from evaluation.data.frames import fetched, floats, frames, whole
from evaluation.data.moments import EXTREME, PanelMoments, panel_moments
from evaluation.data.moments.cells import keys
from evaluation.data.moments.facts import rows_of, usable
from evaluation.data.moments.gathered import WORD, Kinds, observed, words
from evaluation.data.unit_matrix import unit_matrix
from evaluation.errors import NotEstimable
from evaluation.results import FlowStep

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask
    from evaluation.data.panel import Panel
    from evaluation.data.unit_matrix import UnitMatrix
    from evaluation.study.models import Outcome

NO_EVENT = "No event in any period: the rate cannot change"
ROUNDING = 1e-13  # share of what was added that a sum of nothing but zeros may be off by


def event_moments(panel: Panel, outcome: Outcome) -> PanelMoments:
    """The moments of a count, without the units (counted in the flow) that never have an event.

    With an exposure, `weights` are weight × exposure and `sums` those of weight × events, `shift` being 0.

    Raises
    ------
    NotEstimable
        Without any event, with negative numbers, or with events where there is no exposure.
    """
    if outcome.exposure:
        return _exposed(panel, outcome)
    moments = panel_moments(panel, outcome)
    if bool((moments.units == 1).all()) and moments.cross is None:
        _not_negative(moments.shift - moments.spread, moments.spread)
        return _some(with_events(moments))
    silent, low = _silent(panel, outcome, moments)
    _not_negative(low, moments.spread)
    return _some(_left_out(moments, silent))


def _left_out(moments: PanelMoments, silent: Integers) -> PanelMoments:
    """The moments without `silent` (R,) units of each row: their sums are zero, their weights do no harm."""
    whole = silent == moments.units
    left = moments.without(np.asarray(whole), "no_events", NO_EVENT)
    units = left.units - silent[~whole]
    dropped = int(silent.sum())
    step = (FlowStep("no_events", NO_EVENT, "unit", dropped, int(units.sum())),) if dropped else ()
    counts = np.where(left.observed, units[:, None], 0)
    return replace(left, units=units, counts=counts, flow=(*moments.flow, *step))


def with_events(moments: PanelMoments) -> PanelMoments:
    """The moments without the rows that have no event at all."""
    none = (events(moments) == 0).all(axis=1)
    return moments.without(np.asarray(none), "no_events", NO_EVENT)


def events(moments: PanelMoments) -> Floats:
    """Sums of weight × events (R, T), exactly 0 where there is none."""
    found = moments.sums + moments.shift * moments.weights
    rounding = ROUNDING * (abs(moments.shift) + moments.spread) * moments.weights
    return np.where(found > rounding, found, 0.0)


def _some(moments: PanelMoments) -> PanelMoments:
    if not moments.n_units:
        raise NotEstimable("There is no event in any unit and period.")
    return moments


def _not_negative(low: float, spread: float) -> None:
    if low < -1e-12 * spread:
        raise NotEstimable(
            "The outcome has negative values. A Poisson model is for counts and rates, zero or more: correct the data, "
            "or use a linear estimator."
        )


def _silent(panel: Panel, outcome: Outcome, moments: PanelMoments) -> tuple[Integers, float]:
    """How many units of each row (R,) have no event at all, and the lowest outcome."""
    import narwhals as nw

    weighted, clustered = panel.weights is not None, moments.cross is None
    place = [(t, k // WORD, 2 ** (k % WORD)) for k, t in enumerate(moments.times.tolist())]
    pattern = words(len(place))
    shared = [*keys(None, clustered=clustered), *pattern]
    with frames(panel) as engine:
        rows = rows_of(engine, panel, [str(outcome.column)], None)
        index = engine.table(("t", "word", "bit"), place)
        used = usable(0, weighted)
        about = [nw.col(k).min() for k in keys(None, clustered=clustered)]
        about += [
            nw.when(used & (nw.col("word") == i)).then(nw.col("bit")).sum().alias(p) for i, p in enumerate(pattern)
        ]
        top, low = (nw.when(used).then(nw.col("y0")) for _ in range(2))
        about += [top.max().alias("top"), low.min().alias("low")]
        none = nw.when(nw.col("top") == 0).then(1).otherwise(0).sum()
        table = fetched(
            engine,
            lambda: rows.join(index, on="t", how="left").group_by("u").agg(*about)
            .with_columns(nw.col(p).cast(nw.Int64) for p in pattern)
            .group_by(*shared).agg(none.alias("none"), nw.col("low").min()),
        )  # fmt: skip
    kinds = Kinds.of(table, pattern)
    kept = observed(table, len(place))[kinds.first].any(axis=1)
    return whole(table["none"])[kinds.first][kept], float(np.nanmin(floats(table["low"])))


# ----------------------------------------------------------------------------- exposures


def _exposed(panel: Panel, outcome: Outcome) -> PanelMoments:
    assert outcome.exposure is not None  # noqa: S101 - asked for only then
    units = unit_matrix(panel, [str(outcome.column), outcome.exposure])
    y, exposure = units.values[str(outcome.column)], units.values[outcome.exposure]
    used, flow = _used(units, y, exposure, outcome)
    none = np.where(used, y, 0.0).sum(axis=1) == 0
    used &= ~none[:, None]
    if not used.any():
        raise NotEstimable("There is no event in any unit and period.")
    rows = np.flatnonzero(used.any(axis=1))
    rows = rows[np.argsort(units.cluster[rows], kind="stable")]
    periods = used.any(axis=0)
    cells = used[np.ix_(rows, periods)]
    weights, number = (np.where(cells, (units.weights * x)[np.ix_(rows, periods)], 0.0) for x in (exposure, y))
    _reckonable(weights, number)
    rate = (number / np.where(cells, weights, 1.0))[cells]
    silent = int(none.sum()) - flow[-1].n_dropped
    steps = (FlowStep("no_events", NO_EVENT, "unit", silent, len(rows)),) if silent else ()
    return PanelMoments(
        units.times[periods], units.cluster[rows], units.cohort[rows], np.ones(len(rows), np.int64),
        cells.astype(np.int64), weights, number, 0.0, float(rate.max() / 2 - rate.min() / 2), False,
        (*flow, *steps))  # fmt: skip


def _used(units: UnitMatrix, y: Floats, exposure: Floats, outcome: Outcome) -> tuple[Mask, tuple[FlowStep, ...]]:
    """Which cells (N, T) have an outcome, an exposure and a weight, and what left on the way."""
    there = ~np.isnan(units.weights)
    known = there & ~np.isnan(y)
    given = known & ~np.isnan(exposure)
    _not_negative(float(np.nanmin(y, initial=0.0)), 0.0)
    if (exposure[given] < 0).any() or np.isinf(exposure[given]).any():
        raise NotEstimable(f"The exposure `{outcome.exposure}` has negative or infinite values: correct the data.")
    if (y[given & (exposure == 0)] > 0).any():
        raise NotEstimable(
            f"There are events in rows whose exposure `{outcome.exposure}` is zero: correct the exposure or the count."
        )
    under = given & (exposure > 0)
    used = under & (units.weights > 0)
    steps, before = [FlowStep("read", "Rows in the data", "row", 0, int(there.sum()))], there
    for step, reason, left in (
        ("missing_outcome", f'The outcome "{outcome.label}" is missing', known),
        ("missing_exposure", "The exposure is missing", given),
        ("zero_exposure", "The exposure is zero", under),
        ("zero_weight", "The weight is zero", used),
    ):
        dropped, remaining = int(before.sum() - left.sum()), int(left.sum())
        if dropped or step == "missing_outcome":
            steps.append(FlowStep(step, reason, "row", dropped, remaining))
        before = left
    some = int(used.any(axis=1).sum())
    lost = len(units.units) - some
    return used, (*steps, FlowStep("unit_without_outcome", "No period with a usable outcome", "unit", lost, some))


def _reckonable(weights: Floats, number: Floats) -> None:
    if max(float(weights.max()), float(number.max())) > EXTREME:
        raise NotEstimable(
            "The outcome, exposure or weight is above what can be reckoned with: give it in another unit, or correct "
            "the data."
        )
