"""Difference-in-differences of repeated cross-sections, adjusted for covariates: every row is somebody else.

As in a panel (`doubly_robust`) the comparison rows are modelled by regression, weighted by the odds of treatment, or
both; but outcomes, not changes, are modelled, in each of the two periods by itself. `dr` also models the treated
rows' outcomes, which makes it locally efficient. Reference: Sant'Anna and Zhao (2020), section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.doubly_robust import Method, inverse, odds_of
from evaluation.inference.propensity import TRIM, NoOverlapError, Propensity, propensity

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Mask


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of two periods: `treated` (n,), of the later one or not (`now`, (n,)), weights, design rows, outcomes."""

    treated: Mask
    now: Mask
    weight: Floats
    x: Floats  # (n, P), a constant first
    y: Floats

    def side(self, treated: bool, now: bool) -> Mask:
        """One of the four groups of rows (n,)."""
        found: Mask = (self.treated == treated) & (self.now == now)
        return found


@dataclass(frozen=True, eq=False)
class _Leg:
    """What one of the two periods adds to the effect, and how it depends on the rows.

    The treated rows of the period enter by their residuals from `own` times (x · `own_weight`), all treated rows by
    x · `predicted`, comparison rows by their residuals from `beta` (`left_mean` is the mean by the odds).
    """

    own: Floats
    own_weight: Floats
    predicted: Floats
    beta: Floats
    through_beta: Floats
    through_score: Floats
    odds_mass: float
    left_mean: float
    value: float


@dataclass(frozen=True, eq=False)
class AdjustedSections:
    """The effect on the treated, with what its influence function needs."""

    att: float
    legs: tuple[_Leg, _Leg]  # the base, then the period
    score: Propensity | None
    treated_mass: float
    treated_mean: Floats  # (P,) of the design rows
    largest: float
    trimmed: int
    effective: float

    def influence(self, sample: Sample) -> Floats:
        """What rows add to the error of the estimate (n,)."""
        found = np.zeros(len(sample.y))
        weight, x = sample.weight, sample.x
        chance = self.score.of(x) if self.score else None
        for now, leg in enumerate(self.legs):
            own, against = sample.side(True, bool(now)), sample.side(False, bool(now))
            part = np.where(sample.treated, weight, 0.0) * ((x - self.treated_mean) @ leg.predicted) / self.treated_mass
            part += np.where(own, weight, 0.0) * (sample.y - x @ leg.own) * (x @ leg.own_weight)
            left = sample.y - x @ leg.beta
            part -= np.where(against, weight, 0.0) * left * (x @ leg.through_beta)
            if chance is not None:
                odds = np.where(against, weight * odds_of(chance), 0.0)
                part -= odds * (left - leg.left_mean) / leg.odds_mass
                part -= weight * (sample.treated - chance) * (x @ leg.through_score)
            found += part if now else -part
        return found


def adjusted_sections(sample: Sample, method: Method) -> AdjustedSections:
    """The effect on the treated between two periods, adjusted by `method`.

    Raises
    ------
    NoOverlapError
        Where the models cannot be fitted: collinear covariates, or groups that covariates tell apart.
    """
    inside = sample.treated
    mass = float(sample.weight[inside].sum())
    mean = sample.weight[inside] @ sample.x[inside] / mass
    score, odds = None, np.zeros(len(sample.y))
    largest, trimmed, effective = 0.0, 0, np.inf
    if method != "reg":
        score = propensity(sample.x[inside], sample.weight[inside], sample.x[~inside], sample.weight[~inside])
        chance = score.of(sample.x)
        odds = np.where(inside, 0.0, sample.weight * odds_of(chance))
        largest, trimmed = float(chance.max()), int((chance[~inside] >= TRIM).sum())
        effective = float(odds.sum() ** 2 / max(odds @ odds, 1e-300))
    before, after = (_leg(sample, now, method, mean, odds, score) for now in (False, True))
    return AdjustedSections(
        after.value - before.value, (before, after), score, mass, mean, largest, trimmed, effective)  # fmt: skip


def _leg(sample: Sample, now: bool, method: Method, mean: Floats, odds: Floats, score: Propensity | None) -> _Leg:
    own, against = sample.side(True, now), sample.side(False, now)
    size = sample.x.shape[1]
    constant = np.eye(size)[0]
    beta, bread = np.zeros(size), np.zeros((size, size))
    if method != "ipw":
        beta, bread = _fitted(sample, against, "comparison")
    mass = float(sample.weight[own].sum())
    level, own_weight, predicted = sample.weight[own] @ sample.y[own] / mass * constant, constant / mass, -beta
    if method == "dr":
        level, own_bread = _fitted(sample, own, "treated")
        own_weight, predicted = own_bread @ mean, level - beta
    if score is None:
        return _Leg(level, own_weight, predicted, beta, bread @ mean, np.zeros(size), 1.0, 0.0,
                    float(mean @ (level - beta)))  # fmt: skip
    share = odds[against] / odds[against].sum() if odds[against].any() else None
    if share is None:
        raise NoOverlapError("no comparison unit has a propensity below that of certain treatment")
    x = sample.x[against]
    left = sample.y[against] - x @ beta
    left_mean = float(share @ left)
    return _Leg(
        level, own_weight, predicted, beta, bread @ (mean - share @ x),
        score.bread @ ((share * (left - left_mean)) @ x), float(odds[against].sum()), left_mean,
        float(mean @ (level - beta)) - left_mean)  # fmt: skip


def _fitted(sample: Sample, rows: Mask, who: str) -> tuple[Floats, Floats]:
    """Coefficients (P,) of the outcome among some rows, and the inverse of their Gram matrix."""
    x, weighted = sample.x[rows], sample.x[rows] * sample.weight[rows][:, None]
    bread = inverse(x.T @ weighted, who)
    return bread @ (weighted.T @ sample.y[rows]), bread
