"""Mean time lost to a cause, or kept from it, up to a horizon: two arms, their difference and ratio.

The area under a cumulative incidence (Andersen, 2013); with one cause the complement of the area under the
Kaplan-Meier curve, with the variance of its infinitesimal jackknife, sum over event times of (area left)^2 d / (Y (Y -
d)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.aalen_johansen import time_lost
from evaluation.inference.curve_errors import ARMS, Followed
from evaluation.inference.intervals import Interval, log_scale, wald

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NO_ERROR = "in an arm nobody had the event before the horizon, or all at one time, so there is no standard error."


@dataclass(frozen=True)
class MeanTime:
    """A mean time or a contrast of two; `rule_std_error` is on the scale that the interval comes from."""

    estimate: float
    std_error: float | None
    interval: Interval
    rule_std_error: float


@dataclass(frozen=True, eq=False)
class Means:
    """Mean times of the treated and of the others, and their covariance (2, 2)."""

    treated: float
    control: float
    covariance: Floats

    def kept(self, horizon: float) -> Means:
        """The time up to the horizon that was not lost."""
        return replace(self, treated=horizon - self.treated, control=horizon - self.control)

    def figure(self, term: str, level: float) -> MeanTime | str:
        """`treated`, `control`, `difference` or `ratio`; a sentence where there is no standard error."""
        (one, both), (_, zero) = self.covariance.tolist()
        if term in ("treated", "control"):
            value, variance = (self.treated, one) if term == "treated" else (self.control, zero)
            return _plain(value, variance, level) if variance > 0 else NO_ERROR
        if not (one > 0 and zero > 0):
            return NO_ERROR
        if term == "difference":
            return _plain(self.treated - self.control, one + zero - 2 * both, level)
        if not (self.treated > 0 and self.control > 0):
            return "a mean time is zero, so there is no ratio."
        variance = one / self.treated**2 + zero / self.control**2 - 2 * both / (self.treated * self.control)
        if variance <= 0:
            return NO_ERROR
        ratio, std_error = self.treated / self.control, math.sqrt(variance)
        return MeanTime(ratio, ratio * std_error, log_scale(ratio, std_error, level), std_error)


def _plain(value: float, variance: float, level: float) -> MeanTime | str:
    if variance <= 0:
        return NO_ERROR
    std_error = math.sqrt(variance)
    return MeanTime(value, std_error, wald(value, std_error, level), std_error)


def mean_times_lost(followed: Followed, cause: int, horizon: float) -> Means:
    """Mean time lost to a cause (1 the outcome) before the horizon, in both arms."""
    values, parts = [], []
    for code in ARMS:
        figure = time_lost(followed.sets(code), cause, horizon)
        values.append(figure.value)
        had = bool(followed.sets(code).left[cause][followed.sets(code).time < horizon].sum() > 0)
        parts.append(followed.influence(code, [figure]) * had)
    covariance = followed.covariance(np.column_stack(parts))
    # What rounding leaves of a variance is none: mean times are told to far fewer digits.
    covariance[np.abs(covariance) < 1e-24 * horizon**2] = 0.0
    return Means(values[0], values[1], covariance)
