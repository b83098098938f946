"""Intervals under a bound on moves after the reference: at most M̄ times the largest move between steps before it.

The restriction is a union of polyhedra, one for each step whose move may be the largest and each direction of it; the
interval is the union of theirs. In each a value of the target is tested by the hybrid of the conditional and the
least-favourable test, with the moments after the reference, and the interval is the hull of the values not rejected.

The statistic is a linear program: the least excess that the effects must leave in the most violated inequality, in
its standard errors. An inequality bounds one move from one side, so that its dual has few vertices and each is known:
the target from above, the target from below, and for every other move the pair of its two sides, which says no more
than that the largest move is not negative. All depend on the data through two normal figures alone, the target and
the move before the reference. So the statistic, its truncation points and its least-favourable distribution (an
integral over one variable, where programs draw random numbers) are found without iterations.

References: Rambachan and Roth (2023), section 3; Andrews, Roth and Pakes (2023) on the tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.honest import Bounds, Course

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Mask

FIRST_STAGE = 0.1  # share of the test's size that the least-favourable test takes
POINTS = 401  # at which each polyhedron's test is first asked
SECTIONS, ROUNDS = 16, 10  # in which an end of acceptance is closed in on: to 1e-12 of a step between points
HALVINGS = 34
NODES = 120
FARTHEST = 9.0  # standard deviations beyond which a normal variable is not looked for
SAME = 1e-9


@dataclass(frozen=True, eq=False)
class Relative:
    """Intervals of a target under bounds on the moves after the reference.

    One row (2p in all) for each step whose move may be the largest, and each sign of it.
    """

    course: Course
    weights: Floats  # (q,) of the target

    def bounds(self, m_bar: float, level: float) -> Bounds:
        """The interval that covers with probability `level` if moves after the reference are at most `m_bar` times.

        Raises
        ------
        ValueError
            When the course has no step before the reference.
        """
        if not self.course.n_before:
            raise ValueError("There is no move before the reference to compare with.")
        tests = _Tests.of(self, m_bar, 1 - level)
        low, high = tests.outermost()
        return Bounds(float(low.min()), float(high.max()))

    @cached_property
    def target(self) -> Floats:
        """The target as weights of the course (p + q,)."""
        return self.course.whole(self.weights)

    @cached_property
    def largest(self) -> Floats:
        """The move before the reference that is taken to be the largest, and positive, as weights (2p, p + q)."""
        before = self.course.moves[: self.course.n_before]
        return np.concatenate([before, -before])

    @cached_property
    def on_moves(self) -> Floats:
        """How much each move after the reference adds to the target (q,)."""
        found: Floats = np.cumsum(self.weights[::-1])[::-1]
        return found


@dataclass(frozen=True, eq=False)
class _Tests:
    """The tests of all polyhedra (n = 2p) under one bound.

    `loads` (n, V, 2) are the vertices: what they make of the target less its supposed value, and of the largest move.
    """

    estimate: float  # of the target
    move: Floats  # (n,) estimate of the largest
    covariance: Floats  # (n, 2, 2) of target and largest move
    loads: Floats
    size: float

    @classmethod
    def of(cls, problem: Relative, m_bar: float, size: float) -> _Tests:
        course, target, largest = problem.course, problem.target, problem.largest
        both = np.stack([np.broadcast_to(target, largest.shape), largest], axis=1)
        return cls(
            float(target @ course.estimates),
            largest @ course.estimates,
            both @ course.covariance @ both.transpose(0, 2, 1),
            _vertices(problem, m_bar),
            size,
        )

    @cached_property
    def critical(self) -> Floats:
        """Least-favourable critical value of the first stage (n,), the same for both signs of a move."""
        one = slice(len(self.move) // 2)
        return np.tile(_least_favourable(self.loads[one], self.covariance[one], 1 - FIRST_STAGE * self.size), 2)

    def outermost(self) -> tuple[Floats, Floats]:
        """The least and the greatest value each polyhedron's test accepts (n,); infinite, inverted where none."""
        above, below = self.loads[:, 0], self.loads[:, 1]
        low = self.estimate + (above[:, 1] * self.move - self.critical) / above[:, 0]  # rejected beyond by stage one
        high = self.estimate + (below[:, 1] * self.move - self.critical) / below[:, 0]
        far = np.minimum(low, high), np.maximum(low, high)
        values = far[0][:, None] + (far[1] - far[0])[:, None] * np.linspace(0, 1, POINTS)
        accepted = self.accepted(values)
        some, first = accepted.any(axis=1), accepted.argmax(axis=1)
        last = POINTS - 1 - accepted[:, ::-1].argmax(axis=1)
        row = np.arange(len(values))
        inside = np.stack([values[row, first], values[row, last]], axis=1)
        step = (far[1] - far[0]) / (POINTS - 1)
        ends = self._edges(inside, inside + step[:, None] * np.array([-1.0, 1.0]))
        return np.where(some, ends[:, 0], np.inf), np.where(some, ends[:, 1], -np.inf)

    def _edges(self, inside: Floats, outside: Floats) -> Floats:
        """Where acceptance (n, 2) ends between values accepted and values rejected, sections at a time."""
        n, sections = len(inside), np.linspace(0, 1, SECTIONS + 1)
        row, end = np.ogrid[:n, :2]
        for _ in range(ROUNDS):
            values = inside[:, :, None] + (outside - inside)[:, :, None] * sections
            accepted = self.accepted(values.reshape(n, -1)).reshape(values.shape)
            accepted[:, :, 0], accepted[:, :, -1] = True, False
            rejected = (~accepted).argmax(axis=2)
            inside, outside = values[row, end, rejected - 1], values[row, end, rejected]
        return inside

    def accepted(self, values: Floats) -> Mask:
        """Whether values (n, K) of the target are not rejected."""
        gap = self.estimate - values
        figures = np.stack([gap, np.broadcast_to(self.move[:, None], gap.shape)], axis=-1)  # (n, K, 2)
        statistics = figures @ self.loads.transpose(0, 2, 1)  # (n, K, V)
        best = statistics.argmax(axis=2)
        greatest = statistics.max(axis=2)
        between = self.loads @ self.covariance @ self.loads.transpose(0, 2, 1)  # (n, V, V)
        with_best = np.take_along_axis(between, best[:, :, None], axis=1)  # (n, K, V)
        variance = np.take_along_axis(with_best, best[:, :, None], axis=2)[:, :, 0]
        spread = np.sqrt(np.clip(variance, 0, None))
        uncertain = spread > 0
        spread = np.where(uncertain, spread, 1.0)
        slope = with_best / (spread**2)[:, :, None]
        low, high = _truncation(statistics, greatest, slope)
        high = np.minimum(high, self.critical[:, None])
        second_stage = (1 - FIRST_STAGE) * self.size / (1 - FIRST_STAGE * self.size)
        kept = _upper_tail(greatest / spread, low / spread, high / spread) >= second_stage
        found: Mask = (greatest <= self.critical[:, None]) & ((greatest <= 0) | (uncertain & kept))
        return found


def _vertices(problem: Relative, m_bar: float) -> Floats:
    """The vertices (2p, V, 2) of the dual: target from above, from below, pairs with the least and largest spread."""
    course, on_moves = problem.course, problem.on_moves
    after = course.moves[course.n_before :]  # (q, p + q)
    limit = m_bar * problem.largest[:, None]  # (2p, 1, p + q)
    up, down = _spread(after - limit, course.covariance), _spread(-after - limit, course.covariance)  # (2p, q)
    rising, falling = np.clip(on_moves, 0, None), np.clip(-on_moves, 0, None)
    weight = m_bar * float(np.abs(on_moves).sum())
    above = 1 / (up @ rising + down @ falling)
    below = 1 / (down @ rising + up @ falling)
    found = [np.stack([above, -weight * above], axis=1), np.stack([-below, -weight * below], axis=1)]
    used = on_moves != 0
    others = ~used if used.sum() == 1 else np.ones_like(used)  # the pair of a move that is the target is between both
    if others.any() and m_bar > 0:
        pairs = (up + down)[:, others]
        extremes = (pairs.min(axis=1), pairs.max(axis=1))
        found += [np.stack([np.zeros_like(spread), -2 * m_bar / spread], axis=1) for spread in extremes]
    return np.stack(found, axis=1)


def _spread(weights: Floats, covariance: Floats) -> Floats:
    variance = np.einsum("...i,ij,...j->...", weights, covariance, weights)
    return np.asarray(np.sqrt(np.clip(variance, 0, None)))


def _truncation(statistics: Floats, greatest: Floats, slope: Floats) -> tuple[Floats, Floats]:
    """Between which values (n, K) the greatest statistic could lie and still be the greatest, all else the same."""
    rest = statistics - slope * greatest[:, :, None]
    apart = 1 - slope
    at = rest / np.where(np.abs(apart) > SAME, apart, 1.0)
    low = np.where(apart > SAME, at, -np.inf).max(axis=2)
    high = np.where(apart < -SAME, at, np.inf).min(axis=2)
    return np.minimum(low, greatest), np.maximum(high, greatest)


def _upper_tail(value: Floats, low: Floats, high: Floats) -> Floats:
    """Probability that a standard normal variable known to lie between `low` and `high` exceeds `value`."""
    from scipy.special import log_ndtr

    beyond_value, beyond_low, beyond_high = (log_ndtr(-x) for x in (value, low, high))
    share, cut = np.exp(beyond_value - beyond_low), np.exp(beyond_high - beyond_low)
    found: Floats = np.where(cut < 1, (share - cut) / np.where(cut < 1, 1 - cut, 1.0), 1.0)
    return found


def _least_favourable(loads: Floats, covariance: Floats, level: float) -> Floats:
    """The value (n,) that the statistic stays below with probability `level` when all inequalities just hold."""
    low, high = np.zeros(len(loads)), np.full(len(loads), 1.0)
    while (short := _probability_below(high, loads, covariance) < level).any():
        high = np.where(short, 2 * high, high)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = _probability_below(middle, loads, covariance) >= level
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return high


@cache
def _quadrature() -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes and weights on [-1, 1]."""
    nodes, masses = np.polynomial.legendre.leggauss(NODES)
    return nodes, masses


def _probability_below(limit: Floats, loads: Floats, covariance: Floats) -> Floats:
    """Probability (n,) that all vertices lie below `limit` (n,) when target and move are centred normal."""
    from scipy.special import ndtr

    spread = np.sqrt(covariance[:, 1, 1])
    carried = covariance[:, 0, 1] / covariance[:, 1, 1]  # of the move to the target
    rest = np.sqrt(np.clip(covariance[:, 0, 0] - carried * covariance[:, 0, 1], SAME * covariance[:, 0, 0], None))
    above, below, pairs = loads[:, 0], loads[:, 1], loads[:, 2:, 1]
    slack = limit / above[:, 0] - limit / below[:, 0]  # width of what the target may be at a move of zero
    widening = -above[:, 1] / above[:, 0] + below[:, 1] / below[:, 0]
    least = np.full(len(limit), -FARTHEST)
    np.maximum(least, -slack / np.where(widening > 0, widening * spread, 1.0), out=least, where=widening > 0)
    if pairs.shape[1]:
        np.maximum(least, limit / pairs.min(axis=1) / spread, out=least)
    nodes, masses = _quadrature()
    half = (FARTHEST - least) / 2
    at = (least + half)[:, None] + half[:, None] * nodes  # (n, nodes) standardised moves
    move = at * spread[:, None]
    top = (limit[:, None] - above[:, 1:] * move) / above[:, :1]
    bottom = (limit[:, None] - below[:, 1:] * move) / below[:, :1]
    inside = ndtr((top - carried[:, None] * move) / rest[:, None])
    inside = inside - ndtr((bottom - carried[:, None] * move) / rest[:, None])
    found: Floats = half * ((np.exp(-(at**2) / 2) / math.sqrt(2 * math.pi) * inside) @ masses)
    return found
