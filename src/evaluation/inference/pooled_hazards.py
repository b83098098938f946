"""Discrete-time hazards by logistic regression on person-intervals, and the risks that follow from them.

Person-intervals are never written out: a row (n,) stands for all its intervals, and sums over rows and intervals are
taken in blocks. Scores are summed within rows, so that errors allow for a person's intervals going together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.columns import Standardised, standardise
from evaluation.inference.logistic import expit
from evaluation.inference.newton import Point, RunawayError, maximise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

Shape = Literal["polynomial", "dummies"]
DEGREE = 3
MOST_DUMMIES = 300
BLOCK = 200_000  # person-intervals looked at at once: what fits in a processor's cache


@dataclass(frozen=True, eq=False)
class Intervals:
    """Rows (n,): the last interval 1 … J they are at risk in (0: none), whether the event fell there, their mass."""

    last: Integers
    event: NDArray[np.bool_]
    mass: Floats

    @cached_property
    def number(self) -> int:
        """J, the last interval in which anyone is at risk."""
        return int(self.last.max(initial=0))

    @cached_property
    def at_risk(self) -> Floats:
        """Mass at risk in each interval (J,)."""
        ending = np.bincount(self.last, self.mass, self.number + 1)
        found: Floats = ending[::-1].cumsum()[::-1][1:]
        return found

    @cached_property
    def events(self) -> Floats:
        """Mass with the event in each interval (J,)."""
        return np.asarray(np.bincount(self.last, self.mass * self.event, self.number + 1)[1:], np.float64)


@dataclass(frozen=True, eq=False)
class Baseline:
    """Columns (J, B) of each interval, 0 where its hazard is `known` (J,): 0 or 1 for all at risk, else NaN."""

    columns: Floats
    known: Floats

    @property
    def free(self) -> NDArray[np.bool_]:
        """Intervals whose hazard is modelled (J,)."""
        return np.isnan(self.known)


def baseline(intervals: Intervals, shape: Shape) -> Baseline:
    """A polynomial of the interval, of third degree where there are intervals enough; or one column for each interval.

    With a column of its own, the fitted hazard of an interval without events is 0 for everyone, and 1 where all have
    the event: such intervals say nothing about the other columns.

    Raises
    ------
    NotEstimable
        With more than 300 intervals that need a column of their own.
    """
    j = intervals.number
    known = np.full(j, np.nan)
    if shape == "polynomial":
        place = np.linspace(-1, 1, j) if j > 1 else np.zeros(1)
        columns = np.polynomial.legendre.legvander(place, min(DEGREE, j - 1))
        return Baseline(np.asarray(columns, np.float64), known)
    having = int((intervals.events > 0).sum())
    if having > MOST_DUMMIES:
        raise NotEstimable(f"{having} intervals have a baseline of their own; use longer ones (the option every), or "
                           "baseline: polynomial.")  # fmt: skip
    known[intervals.events <= 0] = 0.0
    known[intervals.events >= intervals.at_risk] = 1.0
    return Baseline(np.eye(j)[:, np.isnan(known)], known)


@dataclass(frozen=True, eq=False)
class HazardFit:
    """A fit on P standardised columns after B of the baseline; `standard` (B + P,) are all the coefficients."""

    intervals: Intervals
    base: Baseline
    columns: Standardised
    standard: Floats
    loglik: float
    information: Floats

    @property
    def _split(self) -> int:
        return int(self.base.columns.shape[1])

    @property
    def coefficients(self) -> Floats:
        """Log odds ratios (P,) of the hazard per unit of each column."""
        found: Floats = self.standard[self._split :] / self.columns.scale
        return found

    @cached_property
    def _influence(self) -> Floats:
        """What each row adds to the errors of `standard` (n, B + P), its mass included."""
        scores = np.empty((len(self.intervals.last), len(self.standard)))
        for rows, index, inside in _blocks(self.intervals, self.base, self.columns.values, self.standard):
            left = -expit(index) * inside
            _add_events(left, self.intervals, rows, inside)
            scores[rows, : self._split] = left @ self.base.columns
            scores[rows, self._split :] = self.columns.values[rows] * left.sum(axis=1)[:, None]
        scores *= self.intervals.mass[:, None]
        return np.asarray(np.linalg.solve(self.information, scores.T).T, np.float64)

    @property
    def influence(self) -> Floats:
        """What each row adds to the errors of `coefficients` (n, P), its mass included."""
        found: Floats = self._influence[:, self._split :] / self.columns.scale
        return found

    def risks(self, first: float, until: Sequence[int]) -> tuple[Floats, Floats]:
        """Risks (K,) by the end of intervals `until`, were the first column `first` for all; influences (n, K).

        Averaged over everyone's other columns. `until` is ascending, each 1 … J.
        """
        under = self.columns.values.copy()
        under[:, 0] = (first - self.columns.centre[0]) / self.columns.scale[0]
        mass, total = self.intervals.mass, float(self.intervals.mass.sum())
        alone = np.empty((len(mass), len(until)))
        slopes = np.zeros((len(until), len(self.standard)))
        free, known = self.base.free, np.nan_to_num(self.base.known)
        step = max(BLOCK // self.intervals.number, 1)
        for start in range(0, len(mass), step):
            rows = slice(start, start + step)
            index = (under[rows] @ self.standard[self._split :])[:, None] + self.base.columns @ self.standard[
                : self._split
            ]
            hazard = np.where(free, expit(index), known)
            staying = np.cumprod(1 - hazard, axis=1)
            moving = hazard * free
            for k, last in enumerate(until):
                alone[rows, k] = 1 - staying[:, last - 1]
                weight = (mass[rows] * staying[:, last - 1])[:, None] * moving[:, :last]
                slopes[k, : self._split] += weight.sum(axis=0) @ self.base.columns[:last]
                slopes[k, self._split :] += weight.sum(axis=1) @ under[rows]
        found = mass @ alone / total
        return found, mass[:, None] * (alone - found) / total + self._influence @ (slopes / total).T


def fit_hazards(intervals: Intervals, columns: Floats, names: Sequence[str], shape: Shape) -> HazardFit:
    """Maximum likelihood of the hazards of rows with `columns` (n, P) called `names`, and a baseline of one `shape`.

    Raises
    ------
    NotEstimable
        When a column is constant or redundant, or the likelihood has no finite maximum.
    """
    standard = standardise(columns, names)
    base = baseline(intervals, shape)
    free = base.free
    crude = float(intervals.events[free].sum() / intervals.at_risk[free].sum()) if free.any() else 0.0
    if not 0 < crude < 1:
        raise NotEstimable("in every interval nobody or everybody at risk has the event, so hazards cannot be "
                           "compared; use longer or shorter intervals (the option every).")  # fmt: skip
    start = np.zeros(base.columns.shape[1] + columns.shape[1])
    constant = np.linalg.lstsq(base.columns[free], np.full(int(free.sum()), np.log(crude / (1 - crude))), rcond=None)[0]
    start[: len(constant)] = constant
    try:
        found, there = maximise(lambda at: _point(intervals, base, standard.values, at), start)
    except RunawayError as runaway:
        name = standard.widest(runaway.step[len(constant) :])
        raise NotEstimable(
            f"the regression has no finite solution: `{name}`, alone or with other covariates or the baseline, "
            "predicts the event perfectly for some people; leave it out, or lengthen intervals.") from None  # fmt: skip
    total = float(intervals.mass.sum())
    return HazardFit(intervals, base, standard, found, there.loglik * total, there.information * total)


def _blocks(
    intervals: Intervals, base: Baseline, values: Floats, at: Floats
) -> Iterator[tuple[slice, Floats, NDArray[np.bool_]]]:
    """Blocks of rows with the log odds of each interval (r, J), and which intervals they are modelled at risk in."""
    split = base.columns.shape[1]
    level, own = base.columns @ at[:split], values @ at[split:]
    step = max(BLOCK // intervals.number, 1)
    order = np.arange(1, intervals.number + 1)
    for start in range(0, len(own), step):
        rows = slice(start, start + step)
        inside = (intervals.last[rows, None] >= order) & base.free
        yield rows, own[rows, None] + level, inside


def _add_events(target: Floats, intervals: Intervals, rows: slice, inside: NDArray[np.bool_]) -> None:
    """Add 1 where a row of the block has its event, in an interval that is modelled."""
    having = np.flatnonzero(intervals.event[rows])
    place = intervals.last[rows][having] - 1
    target[having, place] += inside[having, place]


def _point(intervals: Intervals, base: Baseline, values: Floats, at: Floats) -> Point:
    """Log-likelihood, gradient and information, per unit of mass."""
    split, mass, total = base.columns.shape[1], intervals.mass, float(intervals.mass.sum())
    loglik, gradient = 0.0, np.zeros(len(at))
    information = np.zeros((len(at), len(at)))
    for rows, index, inside in _blocks(intervals, base, values, at):
        own, weight, chance = values[rows], mass[rows], expit(index)
        residual = -chance * inside
        _add_events(residual, intervals, rows, inside)
        had = residual > 0
        loglik += float(weight @ (np.where(had, index, 0.0) - inside * np.logaddexp(0, index)).sum(axis=1))
        gradient[:split] += (weight @ residual) @ base.columns
        gradient[split:] += (weight * residual.sum(axis=1)) @ own
        spread = chance * (1 - chance) * inside * weight[:, None]
        information[:split, :split] += base.columns.T @ (base.columns * spread.sum(axis=0)[:, None])
        information[split:, :split] += own.T @ spread @ base.columns
        information[split:, split:] += own.T @ (own * spread.sum(axis=1)[:, None])
    information[:split, split:] = information[split:, :split].T
    return Point(loglik / total, gradient / total, information / total)
