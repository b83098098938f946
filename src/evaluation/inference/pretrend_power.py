"""How steep a straight drift before adoption the usual look at the leads would have found, and how often.

The look passes when no single lead is significant. Under a drift the leads are normal with its values as their means,
and the chance that all stay within their limits is a normal probability of a box, found by separation of variables
on a fixed lattice: the same points at every slope, so that the chance is smooth in it and the answer always the same.

References: Roth (2022); Genz and Bretz (2009), section 4.2, on the probability.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.intervals import critical_value
from evaluation.inference.roots import sign_change

if TYPE_CHECKING:
    from evaluation.data.moments import Floats

POINTS = 2**15
FEW = 2**11  # points by which the answer is looked for first
ROUGH = 0.01  # how far off the probability by few points may be
NEAR, CLOSE = 1e-3, 1e-8  # relative widths to which the slope is found by few points, and by all
PIVOT = 1e-12


def detectable_slope(steps: Floats, covariance: Floats, power: float, level: float = 0.95) -> float:
    """The slope per period of a straight drift that the leads show, one of them at least, with probability `power`.

    Parameters
    ----------
    steps
        Periods from the reference to each lead (p,), where the drift is zero; all negative.
    covariance
        Of the leads (p, p); every lead has a variance.
    level
        Of the interval that a lead is held against; `power` must exceed the chance of a false alarm.

    Raises
    ------
    ValueError
        When the leads cross their limits with that probability, or a greater one, without any drift.
    """
    spread = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(spread, spread)
    drift = steps / spread
    limit = critical_value(level)

    @cache
    def short(slope: float, points: int = POINTS) -> float:
        return power - found_probability(slope * drift, correlation, limit, points)

    if short(0.0, FEW) < ROUGH and short(0.0) <= 0:
        raise ValueError(f"the leads cross their limits with probability {power - short(0.0):.2f} without any drift")
    farthest = (limit + 10) / float(np.abs(drift).max())  # ten standard errors beyond the limit of the steepest lead
    near = sign_change(lambda slope: short(slope, FEW), 0.0, farthest, close=NEAR)[1]
    low, high = near * (1 - 5 * NEAR), near * (1 + 5 * NEAR)
    if not short(low) > 0 >= short(high):
        low, high = 0.0, farthest
    return sign_change(short, low, high, close=CLOSE)[1]


def found_probability(means: Floats, correlation: Floats, limit: float, points: int = POINTS) -> float:
    """Probability that any of several normal variables (p,) with unit variances is beyond ± `limit`."""
    from scipy.special import ndtr, ndtri

    factor = _factor(correlation)
    uniform = _lattice(len(means) - 1, points)
    drawn = np.zeros((len(means), points))
    inside = np.ones(points)
    for k in range(len(means)):
        centre = means[k] + factor[k, :k] @ drawn[:k]
        low, high = ndtr((-limit - centre) / factor[k, k]), ndtr((limit - centre) / factor[k, k])
        inside *= high - low
        if k < len(means) - 1:
            drawn[k] = np.clip(ndtri(low + uniform[k] * (high - low)), -38, 38)
    return float(1 - inside.mean())


def _factor(correlation: Floats) -> Floats:
    """Cholesky factor (p, p); the variation a lead has of its own is never less than `PIVOT`."""
    p = len(correlation)
    factor = np.zeros((p, p))
    for k in range(p):
        row = factor[k, :k]
        for j in range(k):
            row[j] = (correlation[k, j] - row[:j] @ factor[j, :j]) / factor[j, j]
        factor[k, k] = math.sqrt(max(correlation[k, k] - float(row @ row), PIVOT))
    return factor


@cache
def _lattice(dimensions: int, points: int) -> Floats:
    """Points (dimensions, points) of a Richtmyer lattice, folded so that the integrand is periodic."""
    roots = np.sqrt(_primes(dimensions))[:, None]
    shifted = (np.arange(1, points + 1) - 0.5) * roots
    found: Floats = np.abs(2 * (shifted % 1.0) - 1)
    return found


def _primes(number: int) -> Floats:
    found: list[int] = []
    candidate = 2
    while len(found) < number:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return np.array(found, dtype=np.float64)
