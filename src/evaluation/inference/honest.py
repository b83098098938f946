"""What sensitivity to departures from parallel trends rests on: a course of event-time estimates and a target.

Rambachan and Roth (2023) split the estimates b = effect + trend, where the effect is zero before the reference, and
bound the trend: its curvature (`honest_smoothness`) or its moves after the reference by those before it
(`honest_relative`). Periods are counted in steps from the reference, which is step 0 with trend 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.roots import sign_change

if TYPE_CHECKING:
    from evaluation.data.moments import Floats

CLOSE = 1e-6  # relative width to which a breakdown value is found


@dataclass(frozen=True, eq=False)
class Course:
    """Estimates at steps −p … −1 and 1 … q from the reference, with their covariance (p + q, p + q)."""

    estimates: Floats  # (p + q,)
    covariance: Floats
    n_before: int

    @property
    def n_after(self) -> int:
        """Number q of steps after the reference."""
        return len(self.estimates) - self.n_before

    @cached_property
    def steps_after(self) -> Floats:
        """1 … q."""
        return np.arange(1.0, self.n_after + 1)

    @cached_property
    def moves(self) -> Floats:
        """Change of the course from each step to the next, the reference included, as weights (p + q, p + q)."""
        path = np.insert(np.eye(len(self.estimates)), self.n_before, 0.0, axis=0)
        return np.diff(path, axis=0)

    def whole(self, weights: Floats) -> Floats:
        """Weights of the steps after the reference (q,) as weights of the whole course (p + q,)."""
        return np.concatenate([np.zeros(self.n_before), weights])

    def largest_bend(self) -> float:
        """The largest change of slope before the reference; 0 with fewer than two steps before it."""
        before = self.moves[: self.n_before] @ self.estimates
        return float(np.abs(np.diff(before)).max(initial=0.0))


@dataclass(frozen=True)
class Bounds:
    """A confidence interval that holds under a restriction; `centre` where it is an estimate ± its reach."""

    low: float
    high: float
    centre: float | None = None

    @property
    def includes_zero(self) -> bool:
        """Whether no effect is within it."""
        return self.low <= 0.0 <= self.high


def breakdown(bounds: Callable[[float], Bounds], steps: Floats) -> float | None:
    """The least restriction at which `bounds` include zero: 0 if they always do, None if they do at none of `steps`.

    `steps` ascend from 0; the first at which zero is included is then refined.
    """
    held: float | None = None
    for step in steps.tolist():
        if bounds(step).includes_zero:
            return step if held is None else _refined(bounds, held, step)
        held = step
    return None


def _refined(bounds: Callable[[float], Bounds], held: float, broken: float) -> float:
    def apart(restriction: float) -> float:
        """How far the interval keeps from zero; negative where zero is within it."""
        found = bounds(restriction)
        return max(found.low, -found.high)

    return sign_change(apart, held, broken, close=CLOSE)[1]
