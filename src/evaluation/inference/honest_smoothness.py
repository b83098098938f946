"""Fixed-length confidence intervals under a bound M on how much the slope of the trend changes from step to step.

The interval is an affine estimate ± its reach. Among the estimates that a straight trend leaves unbiased, those with
the least variance for a given worst bias form a path that does not depend on M: the worst bias is M times a sum of
absolute values, so that the path is a lasso's, piecewise straight, and is followed exactly. Where on it the interval
is shortest is a convex problem in one unknown.

References: Rambachan and Roth (2023), section 4.1; Armstrong and Kolesar (2018); Osborne, Presnell and Turlach (2000)
on the path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.honest import Bounds, Course
from evaluation.inference.intervals import critical_value
from evaluation.inference.roots import sign_change

if TYPE_CHECKING:
    from evaluation.data.moments import Floats

NEWTON_STEPS = 50
TINY = 1e-12
SHARP = 1e-14  # relative width to which the place on the path is found
TURNS = 100  # of the path, for each step before the reference: far more than it can sensibly take


def folded_normal_quantile(bias: float, level: float) -> float:
    """The c with P(|Z + bias| ≤ c) = level, for a standard normal Z and bias ≥ 0."""
    from scipy.special import ndtr

    found = max(critical_value(level), bias + critical_value(2 * level - 1))  # both lie below the answer, or on it
    for _ in range(NEWTON_STEPS):
        short = level - float(ndtr(found - bias) - ndtr(-found - bias))
        density = math.exp(-((found - bias) ** 2) / 2) + math.exp(-((found + bias) ** 2) / 2)
        step = short * math.sqrt(2 * math.pi) / density
        found += step
        if abs(step) < 1e-14 * found:
            break
    return found


@dataclass(frozen=True, eq=False)
class Smoothness:
    """Intervals of a target under bounds on the change of slope.

    The estimate's weights are `base` + `bends` @ c. The numbers c say how far it leans on each bend of the course
    before the reference; they move along `corners` (K, p − 1) from none to those of the least variance. `fixed` is the
    part of the worst bias, per unit of M, that no c removes.
    """

    course: Course
    base: Floats  # (p + q,)
    bends: Floats  # (p + q, p − 1)
    fixed: float
    corners: Floats

    @classmethod
    def of(cls, course: Course, weights: Floats) -> Smoothness:
        """The path for the target `weights` (q,) of the steps after the reference. Needs a step before it."""
        p, q, steps = course.n_before, course.n_after, course.steps_after
        second = np.eye(p) - 2 * np.eye(p, k=-1) + np.eye(p, k=-2)
        leads = np.concatenate([second, np.zeros((q, p))])
        base = leads[:, -1] * float(weights @ steps) + course.whole(weights)  # a straight trend cancels
        bends = leads[:, :-1]
        covariance = course.covariance / float(base @ course.covariance @ base)
        corners = _lasso_path(bends.T @ covariance @ bends, bends.T @ covariance @ base)
        after = np.clip(steps - np.arange(q)[:, None], 0, None)  # how far a bend at each step moves later ones
        return cls(course, base, bends, float(np.abs(after @ weights).sum()), corners)

    def bounds(self, m: float, level: float) -> Bounds:
        """The shortest interval that covers with probability `level` if the slope changes by at most `m` a step."""
        c = self._shortest(m, level)
        weights = self.base + self.bends @ c
        centre = float(weights @ self.course.estimates)
        spread = self._spread(c)
        reach = spread * folded_normal_quantile(m * self._lean(c) / spread, level)
        return Bounds(centre - reach, centre + reach, centre)

    def _lean(self, c: Floats) -> float:
        """The worst bias per unit of M."""
        return self.fixed + float(np.abs(c).sum())

    def _spread(self, c: Floats) -> float:
        weights = self.base + self.bends @ c
        return math.sqrt(float(weights @ self.course.covariance @ weights))

    def _shortest(self, m: float, level: float) -> Floats:
        """The c of the shortest interval; the reach is convex in the worst bias, which grows along the path."""
        for start, end in zip(self.corners[:-1], self.corners[1:], strict=True):

            def growth(share: float, start: Floats = start, end: Floats = end) -> float:
                return self._growth(start, end, share, m, level)

            if growth(1.0) < 0:
                continue
            if growth(0.0) >= 0:
                return np.asarray(start)
            return np.asarray(start + sign_change(growth, 0.0, 1.0, close=SHARP)[1] * (end - start))
        return np.asarray(self.corners[-1])

    def _growth(self, start: Floats, end: Floats, share: float, m: float, level: float) -> float:
        """Derivative of the reach along a straight part of the path; that of the quantile in the bias is tanh."""
        c = start + share * (end - start)
        weights, spread = self.base + self.bends @ c, self._spread(c)
        more_bias = m * (self._lean(end) - self._lean(start))
        more_spread = float(weights @ self.course.covariance @ (self.bends @ (end - start))) / spread
        bias = m * self._lean(c) / spread
        quantile = folded_normal_quantile(bias, level)
        slope = math.tanh(bias * quantile)
        return slope * more_bias + (quantile - bias * slope) * more_spread


def _lasso_path(gram: Floats, linear: Floats) -> Floats:
    """Corners (K, P) of the minimisers of c'Ac/2 + linear'c + penalty · Σ|c| as the penalty falls to zero.

    `gram` A (P, P) must be positive definite.
    """
    c, pull = np.zeros(len(linear)), linear.copy()
    penalty = float(np.abs(pull).max(initial=0.0))
    corners = [c]
    scale = penalty
    active: list[int] = []
    left: int | None = None
    while penalty > TINY * scale and len(corners) <= TURNS * (1 + len(linear)):
        if left is None:
            active.append(_most_pulled(pull, active))
        along = np.zeros(len(linear))
        along[active] = np.linalg.solve(gram[np.ix_(active, active)], -np.sign(pull[active]))
        fall, left = _next_turn(c, along, pull, gram @ along, penalty, active, left)
        c = c + fall * along
        pull = pull + fall * (gram @ along)
        penalty -= fall
        if left is not None:
            active.remove(left)
            c[left] = 0.0
        corners.append(c)
    return np.array(corners)


def _most_pulled(pull: Floats, active: list[int]) -> int:
    outside = np.abs(pull)
    outside[active] = -1.0
    return int(np.argmax(outside))


def _next_turn(
    c: Floats, along: Floats, pull: Floats, change: Floats, penalty: float, active: list[int], left: int | None
) -> tuple[float, int | None]:
    """How far the penalty falls until the path turns, and which number then reaches zero (None: one joins, or the end).

    A number joins when its pull is as large as the penalty; `left`, which has just reached zero, still has such a pull
    and can join on the other side only.
    """
    fall, leaving = penalty, None
    for j in range(len(c)):
        if j in active:
            if c[j] * along[j] < 0 and -c[j] / along[j] < fall:
                fall, leaving = float(-c[j] / along[j]), j
            continue
        for side in (1.0, -1.0):
            if j != left or side * pull[j] < 0:
                room, speed = penalty - side * pull[j], 1 + side * change[j]
                if speed > TINY and room / speed < fall:
                    fall, leaving = float(max(room / speed, 0.0)), None
    return fall, leaving
