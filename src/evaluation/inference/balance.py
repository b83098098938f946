"""How alike two arms are: standardised differences, variance ratios, effective sample sizes, preference scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Compared:
    """People (n,) as an analysis compares them at a window `time`.

    `covariates` (n, p) are called `names`. `mass` (n,) is what people weigh by themselves, `weight` (n,) what the
    analysis makes of it, 0 for those it leaves out; None where it neither weighs nor matches. `chance` (n,) are
    propensities. `regressed`: a regression of the outcome on the covariates mends small differences that are left.
    """

    time: float | None
    names: tuple[str, ...]
    covariates: Floats
    arm: Integers
    mass: Floats
    weight: Floats | None
    chance: Floats
    regressed: bool = False


@dataclass(frozen=True)
class Side:
    """One characteristic in one arm; `std_dev` and what follows from it None with fewer than two people."""

    mean: float
    std_dev: float | None


def side(values: Floats, weight: Floats) -> Side:
    """Weighted mean and standard deviation of values (n,).

    The variance is the reliability-weighted one, sum w (x - m)^2 / (W - sum w^2 / W): with equal weights the usual
    divisor n - 1.
    """
    total = float(weight.sum())
    mean = float(weight @ values) / total
    left = total - float(weight @ weight) / total
    if left <= 1e-12 * total:
        return Side(mean, None)
    return Side(mean, float(np.sqrt(weight @ (values - mean) ** 2 / left)))


def standardised_difference(treated: float, control: float, unit: float | None) -> float | None:
    """Difference of two means in units of a standard deviation; None without one."""
    return (treated - control) / unit if unit else None


def pooled_unit(treated: Side, control: Side) -> float | None:
    """Root of the mean of both arms' variances (Austin, 2009)."""
    if treated.std_dev is None or control.std_dev is None:
        return None
    return float(np.sqrt((treated.std_dev**2 + control.std_dev**2) / 2))


def effective_size(weight: Floats) -> float:
    """Kish's effective sample size: (sum w)^2 / sum w^2."""
    return float(weight.sum() ** 2 / (weight @ weight))


def preference(chance: Floats, treated_share: float) -> Floats:
    """Preference scores (Walker et al., 2013): propensities with the arms' sizes taken out of the log odds."""
    with np.errstate(divide="ignore"):
        odds = chance / (1 - chance) * ((1 - treated_share) / treated_share)
        found: Floats = 1 / (1 + 1 / odds)
    return found
