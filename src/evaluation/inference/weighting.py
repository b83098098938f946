"""Inverse-probability weighting: both arms weighted by the estimated propensity until they resemble one population.

Populations and weights follow Li, Morgan and Zaslavsky (2018): everyone (`ate`: 1/e and 1/(1-e)), the treated (`att`:
1 and e/(1-e)), and the overlap population (`ato`: 1-e and e). Means are normalised by the sum of the weights
(Hajek). Influence functions carry the estimation of the propensity (Lunceford and Davidian, 2004).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.arm_means import ArmMeans, Sample, normalised_mean
from evaluation.inference.propensity_binary import Chances, chances

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

Estimand = Literal["ate", "att", "ato"]


@dataclass(frozen=True, eq=False)
class Weights:
    """What people weigh by their propensity, and how many were set aside or cut back.

    `kept` (n,) are within the bounds of the propensity; `cut` (n,) had a weight above `limit`, which replaced it.
    `of_arm` (n,) are the weights, 0 for those set aside, and `slope` (n,) their derivatives in the log odds of the
    propensity. For `ate` the weights are stabilised by the shares of the arms.
    """

    chances: Chances
    kept: Flags
    cut: Flags
    limit: float | None
    of_arm: Floats
    slope: Floats


def propensity_weights(
    sample: Sample, estimand: Estimand, bounds: tuple[float, float] | None = None, truncate: float | None = None
) -> Weights:
    """Weights of a sample for an estimand.

    People with a propensity outside `bounds` are set aside, and the propensity is fitted anew on the others.
    Weights above the quantile `truncate` of all weights, each person counted by mass, are set to that quantile.

    Raises
    ------
    NotEstimable
        When the propensity cannot be fitted, or an arm is empty within the bounds.
    """
    first = chances(sample)
    kept = np.ones(len(sample.arm), dtype=bool)
    fitted = first
    if bounds is not None:
        kept = (first.chance >= bounds[0]) & (first.chance <= bounds[1])
        left = tuple(int((kept & (sample.arm == code) & (sample.mass > 0)).sum()) for code in (1, 0))
        if not all(left):
            raise NotEstimable(
                f"in an arm nobody has a propensity between {bounds[0]:g} and {bounds[1]:g}, so nothing can be "
                "compared; widen the bounds.", left)  # fmt: skip
        if not kept.all():
            fitted = chances(replace(sample, mass=np.where(kept, sample.mass, 0.0)))
    chance = np.where(kept, fitted.chance, 0.5)  # of those set aside it may be 0 or 1, and is not used
    weight, slope = _raw(sample.arm == 1, chance, estimand)
    if estimand == "ate":
        mass = np.where(kept, sample.mass, 0.0)
        share = float(mass @ sample.arm) / float(mass.sum())
        by = np.where(sample.arm == 1, share, 1 - share)
        weight, slope = weight * by, slope * by
    weight, slope = np.where(kept, weight, 0.0), np.where(kept, slope, 0.0)
    cut, limit = np.zeros(len(kept), dtype=bool), None
    if truncate is not None:
        limit = _quantile(weight[kept], sample.mass[kept], truncate)
        cut = weight > limit
        weight, slope = np.minimum(weight, limit), np.where(cut, 0.0, slope)
    return Weights(fitted, kept, cut, limit, weight, slope)


def _raw(treated: Flags, chance: Floats, estimand: Estimand) -> tuple[Floats, Floats]:
    """Weights (n,) and their derivatives in the log odds of the propensity (n,)."""
    if estimand == "ate":
        weight = np.where(treated, 1 / chance, 1 / (1 - chance))
        return weight, np.where(treated, -(1 - chance) / chance, chance / (1 - chance))
    if estimand == "att":
        odds = chance / (1 - chance)
        return np.where(treated, 1.0, odds), np.where(treated, 0.0, odds)
    spread = chance * (1 - chance)
    return np.where(treated, 1 - chance, chance), np.where(treated, -spread, spread)


def _quantile(values: Floats, mass: Floats, level: float) -> float:
    """The smallest value at or below which a share `level` of the mass lies."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(mass[order])
    place = int(np.searchsorted(below, level * below[-1] * (1 - 1e-12)))
    return float(values[order][min(place, len(values) - 1)])


def weighted_means(sample: Sample, weights: Weights) -> ArmMeans:
    """Both arms' normalised weighted means, with influences that carry the estimated propensity."""
    means, direct, through = [], [], []
    fit = weights.chances.fit
    for code in (1, 0):
        of_arm = sample.arm == code
        tilt = np.where(of_arm, weights.of_arm, 0.0)
        mean, influence = normalised_mean(sample, tilt)
        total = float(sample.seen @ tilt)
        moved = np.where(of_arm, sample.seen * weights.slope, 0.0) * (sample.outcome - mean) / total
        means.append(mean)
        direct.append(influence)
        through.append(fit.influence @ (fit.design.T @ moved))
    # What goes through the propensity is itself a sum over the outcomes that were seen.
    influence = sample.through_censoring(np.column_stack(direct)) + np.column_stack(through)
    return ArmMeans(means[0], means[1], influence, fit.design.shape[1] + 2, weights.of_arm)
