"""How steep a straight drift before adoption the usual look at the leads would have found, and how often.

The look passes when no single lead is significant. Under a drift the leads are normal with its values as their means,
and the chance that all stay within their limits is a normal probability of a box, found by separation of variables
on a fixed lattice: the same points at every slope, so that the chance is smooth in it and the answer always the same.

References: Roth (2022); Genz and Bretz (2009), section 4.2, on the probability.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.intervals import critical_value

if TYPE_CHECKING:
    from evaluation.data.moments import Floats

POINTS = 2**15
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
    from scipy.optimize import brentq

    spread = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(spread, spread)
    drift = steps / spread
    limit = critical_value(level)

    def short(slope: float) -> float:
        return power - found_probability(slope * drift, correlation, limit)

    if short(0.0) <= 0:
        raise ValueError(f"the leads cross their limits with probability {power - short(0.0):.2f} without any drift")
    farthest = (limit + 10) / float(np.abs(drift).max())  # ten standard errors beyond the limit of the steepest lead
    return float(brentq(short, 0.0, farthest, xtol=1e-13 * farthest, rtol=1e-12))


def found_probability(means: Floats, correlation: Floats, limit: float) -> float:
    """Probability that any of several normal variables (p,) with unit variances is beyond ± `limit`."""
    from scipy.special import ndtr, ndtri

    factor = _factor(correlation)
    points = _lattice(len(means) - 1)
    drawn = np.zeros((POINTS, len(means)))
    inside = np.ones(POINTS)
    for k in range(len(means)):
        centre = means[k] + drawn[:, :k] @ factor[k, :k]
        low, high = ndtr((-limit - centre) / factor[k, k]), ndtr((limit - centre) / factor[k, k])
        inside *= high - low
        if k < len(means) - 1:
            drawn[:, k] = np.clip(ndtri(low + points[:, k] * (high - low)), -38, 38)
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


def _lattice(dimensions: int) -> Floats:
    """Points (POINTS, dimensions) of a Richtmyer lattice, folded so that the integrand is periodic."""
    roots = np.sqrt(_primes(dimensions))
    shifted = (np.arange(1, POINTS + 1)[:, None] - 0.5) * roots
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
