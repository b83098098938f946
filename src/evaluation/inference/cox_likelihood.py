"""Cox's partial likelihood with Efron's or Breslow's handling of ties, its derivatives and residuals.

With S and T the sums of weighted columns over a risk set and over its tied events, every sum over the steps of a tie is
made of S, T and sums of the steps' denominators: no (events x columns) array, and no (times x p x p) one.
Sources: Cox (1972); Breslow (1974); Efron (1977); Therneau & Grambsch (2000, ch. 3) for the residuals.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.newton import Point

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.inference.cox_sets import RiskSets
    from evaluation.inference.cox_ties import StepSums

    Floats = NDArray[np.float64]


BLOCK = 1 << 13  # rows multiplied at once


@dataclass(frozen=True, eq=False)
class State:
    """The likelihood's pieces at some coefficients.

    `index` (n,) is the linear predictor less its largest value, without what drifts; `weight` (n,) its exponential
    times the row's mass, `factor` (K, V) what the drift multiplies it by. `total` (K, 1 + p) are sums of weights and of
    weighted columns over the risk sets, `tied` (K, 1 + p) the same over the tied events, None where none are taken out.
    `steps` are sums over the steps of the ties.
    """

    sets: RiskSets
    index: Floats
    weight: Floats
    factor: Floats | None
    total: Floats
    tied: Floats | None
    steps: StepSums

    @cached_property
    def expected(self) -> Floats:
        """The columns' means over each time's steps, summed with their mass (K, p)."""
        found: Floats = self.total[:, 1:] * self.steps.hazard[:, None]
        if self.tied is not None:
            found = found - self.tied[:, 1:] * self.steps.shared[:, None]
        return found


def _totals(sets: RiskSets, weight: Floats, factor: Floats | None) -> tuple[Floats, Floats | None]:
    """Sums (K, 1 + p) of weights and weighted columns over risk sets, and where there are ties over their events."""
    drift, tied = sets.drift, []
    at_event = None if factor is None or drift is None else factor[sets.place, drift.layer][sets.died]

    def one(values: Floats) -> Floats:
        if sets.steps.any:
            own = values[sets.died]
            tied.append(np.add.reduceat(own if at_event is None else own * at_event, sets.died_first))
        return values

    total = sets.over((one(v) for v in chain([weight], (weight * c for c in sets.columns.T))), factor)
    if drift is not None and factor is not None:
        moving = one(weight * drift.value[drift.layer])
        total = np.column_stack([total, sets.over([moving], factor * drift.clock[:, None])])
        if tied:
            tied[-1] = tied[-1] * drift.clock
    return total, np.column_stack(tied) if tied else None


def design_of_deaths(sets: RiskSets) -> Floats:
    """The model's columns (m, p) of rows with the event, at their time."""
    columns = sets.columns[sets.died]
    if sets.drift is None:
        return columns
    moving = sets.drift.value[sets.drift.layer[sets.died]] * sets.drift.clock[sets.place[sets.died]]
    return np.column_stack([columns, moving])


def state(sets: RiskSets, coefficients: Floats) -> State:
    """The pieces of the likelihood at `coefficients` (p,), the drifting one last."""
    fixed = coefficients if sets.drift is None else coefficients[:-1]
    index = sets.columns @ fixed
    index -= index.max()
    weight = sets.mass * np.exp(index)
    factor = None if sets.drift is None else sets.drift.factor(float(coefficients[-1]))
    total, tied = _totals(sets, weight, factor)
    steps = sets.steps.sums(total[:, 0], None if tied is None else tied[:, 0])
    return State(sets, index, weight, factor, total, tied, steps)


def _risk(at: State, per_time: Floats, per_tie: Floats, clock: Floats | None = None) -> Floats:
    """Sums (n, q) of `per_time` (K, q) along each row's time at risk, less `per_tie` (K, q) at its own event.

    The factors of what drifts are in it; `clock` (K,) multiplies each time.
    """
    sets = at.sets
    scale = np.ones(sets.n_times) if clock is None else clock
    found = sets.along(per_time * scale[:, None], at.factor)
    if at.tied is not None:
        own = per_tie * scale[:, None]
        place = sets.place[sets.died]
        taken = own[place]
        if at.factor is not None and sets.drift is not None:
            taken = taken * at.factor[place, sets.drift.layer[sets.died]][:, None]
        found[sets.died] -= taken
    return found


def information(at: State, scaling: Floats | None = None) -> Floats:
    """Observed information (p, p); each event time's part multiplied by `scaling` (K,) where it is given."""
    sets = at.sets
    by = np.ones(sets.n_times) if scaling is None else scaling
    hazard, shared = (at.steps.hazard * by)[:, None], (at.steps.shared * by)[:, None]
    risk = at.weight * _risk(at, hazard, shared)[:, 0]
    second = _second_moments(sets.columns, risk)
    if sets.drift is not None:
        second = _with_drift(at, second, hazard, shared)
    whole = at.total[:, 1:]
    none, one, two = (q * by for q in at.steps.squares)
    found: Floats = second - whole.T @ (whole * none[:, None])
    if at.tied is not None:
        tied = at.tied[:, 1:]
        cross = whole.T @ (tied * one[:, None])
        found = found + cross + cross.T - tied.T @ (tied * two[:, None])
    return found


def _second_moments(columns: Floats, weight: Floats) -> Floats:
    """Weighted sums of products of columns (p, p), a block of rows at a time, which the cache holds."""
    found = np.zeros((columns.shape[1], columns.shape[1]))
    for start in range(0, len(weight), BLOCK):
        block = columns[start : start + BLOCK]
        found += (block * weight[start : start + BLOCK, None]).T @ block
    return found


def _with_drift(at: State, second: Floats, hazard: Floats, shared: Floats) -> Floats:
    """The second moments (p, p) with the row and column of what drifts."""
    sets, drift = at.sets, at.sets.drift
    assert drift is not None  # noqa: S101 - narrows the type
    value = at.weight * drift.value[drift.layer]
    once = value * _risk(at, hazard, shared, drift.clock)[:, 0]
    twice = value * drift.value[drift.layer] * _risk(at, hazard, shared, drift.clock**2)[:, 0]
    side = sets.columns.T @ once
    return np.block([[second, side[:, None]], [side[None, :], np.array([[twice.sum()]])]])


def point(sets: RiskSets, coefficients: Floats) -> Point:
    """Log partial likelihood, score and observed information at `coefficients` (p,)."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        at = state(sets, coefficients)
        loglik = float(sets.mass[sets.died] @ at.index[sets.died] - at.steps.log.sum())
    if sets.drift is not None:
        moved = design_of_deaths(sets)[:, -1] * coefficients[-1]
        loglik += float(sets.mass[sets.died] @ moved)
    if not np.isfinite(loglik):
        p = len(coefficients)
        return Point(-np.inf, np.zeros(p), np.zeros((p, p)))
    return Point(loglik, score(at), information(at))


def score(at: State, scaling: Floats | None = None) -> Floats:
    """Score (p,): the events' columns less their expectation; each event time multiplied by `scaling` (K,) if given."""
    sets = at.sets
    by = np.ones(sets.n_times) if scaling is None else scaling
    own = sets.mass[sets.died] * by[sets.place[sets.died]]
    found: Floats = own @ design_of_deaths(sets) - by @ at.expected
    return found


def score_residuals(at: State) -> Floats:
    """What one person of each row (n, p) adds to the score, those at risk included; times mass they sum to it."""
    sets = at.sets
    none, one, two = at.steps.squares
    whole = at.total[:, 1:]
    mean, mean_tied = whole * none[:, None], whole * one[:, None]
    if at.tied is not None:
        mean = mean - at.tied[:, 1:] * one[:, None]
        mean_tied = mean_tied - at.tied[:, 1:] * two[:, None]
    hazard, shared = at.steps.hazard[:, None], at.steps.shared[:, None]
    ratio = at.weight / sets.mass
    own = sets.columns * _risk(at, hazard, shared)
    if sets.drift is not None:
        moving = sets.drift.value[sets.drift.layer] * _risk(at, hazard, shared, sets.drift.clock)[:, 0]
        own = np.column_stack([own, moving])
    found: Floats = -ratio[:, None] * (own - _risk(at, mean, mean_tied))
    place = sets.place[sets.died]
    found[sets.died] += design_of_deaths(sets) - (at.expected / sets.steps.mass[:, None])[place]
    return found
