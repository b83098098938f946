"""Fine and Gray's regression of the subdistribution hazard, its censoring weights estimated by Kaplan and Meier.

Someone whom another event met first stays at risk with the weight G(t-)/G(T-), where G is the Kaplan-Meier estimate of
staying uncensored. As in cmprsk, people with any event at a time are still at risk of being censored then. Every sum
over risk sets is a cumulative sum over times: no loop over people, and none over times.
Sources: Fine & Gray (1999); Geskus (2011) for the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.clusters import sums
from evaluation.inference.columns import Standardised, standardise
from evaluation.inference.newton import Point, RunawayError, maximise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Moments:
    """Rows (n,) by the K distinct times: `place` of each row's time, masses, and what happened.

    `at_risk` (K,) is the mass observed until each time at least (1 where nobody left weighs anything: it divides zeros
    only), `censored` and `events` (K,) the mass censored, or with the event, at each.
    """

    columns: Floats
    mass: Floats
    place: Integers
    had: Flags
    competing: Flags
    censored_rows: Flags
    at_risk: Floats
    censored: Floats
    events: Floats

    @classmethod
    def of(cls, time: Floats, event: Integers, columns: Floats, mass: Floats) -> Moments:
        """Arrange rows; `event` is 0 for censored, 1 for the event, anything else competes."""
        place = np.unique(time, return_inverse=True)[1].astype(np.int64)
        length = int(place.max()) + 1
        had, gone = event == 1, event == 0
        at_risk = np.bincount(place, mass, length)[::-1].cumsum()[::-1]
        at_risk = np.where(at_risk > 0, at_risk, 1.0)
        censored = np.asarray(np.bincount(place, mass * gone, length), np.float64)
        events = np.asarray(np.bincount(place, mass * had, length), np.float64)
        return cls(columns, mass, place, had, ~(had | gone), gone, at_risk, censored, events)

    @cached_property
    def free(self) -> Floats:
        """G just before each time (K,): above zero, as someone is observed then; 1 where nobody of any weight is."""
        stays = np.cumprod(1 - self.censored[:-1] / self.at_risk[:-1])
        return np.concatenate([[1.0], np.where(stays > 0, stays, 1.0)])

    def over(self, values: Floats) -> Floats:
        """Sums (K, q) of rows' `values` (n, q) over the risk set at each time, weighted."""
        length = len(self.at_risk)
        here = _by_place(values, self.place, length)[::-1].cumsum(axis=0)[::-1]
        if not self.competing.any():
            return here
        met = self.competing
        before = _by_place(values[met] / self.free[self.place[met], None], self.place[met], length).cumsum(axis=0)
        earlier = np.vstack([np.zeros(values.shape[1]), before[:-1]])
        found: Floats = here + self.free[:, None] * earlier
        return found

    def along(self, per_time: Floats) -> Floats:
        """Sums (n, q) of `per_time` (K, q) over the times each row is at risk, with its weight at each."""
        found = per_time.cumsum(axis=0)[self.place]
        if self.competing.any():
            met = self.competing
            later = self._later(per_time * self.free[:, None])
            found[met] += later[self.place[met]] / self.free[self.place[met], None]
        return np.asarray(found, np.float64)

    @staticmethod
    def _later(per_time: Floats) -> Floats:
        """Sums (K, q) over the times strictly after each."""
        onwards = per_time[::-1].cumsum(axis=0)[::-1]
        return np.vstack([onwards[1:], np.zeros(per_time.shape[1])])


def _by_place(values: Floats, place: Integers, length: int) -> Floats:
    return np.column_stack([np.bincount(place, column, length) for column in values.T])


@dataclass(frozen=True, eq=False)
class State:
    """Pieces at some coefficients: rows' relative hazards (n,), and by time the hazard's step and the columns' mean."""

    index: Floats
    ratio: Floats
    total: Floats  # (K,) of the ratios over the risk set
    mean: Floats  # (K, p)
    step: Floats  # (K,) Breslow's


def _state(moments: Moments, coefficients: Floats) -> State:
    index = moments.columns @ coefficients
    index = index - index.max()
    ratio = np.exp(index)
    weighted = (moments.mass * ratio)[:, None]
    sums_ = moments.over(np.column_stack([weighted, weighted * moments.columns]))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums_[:, 1:] / sums_[:, :1]
        step = np.where(moments.events > 0, moments.events / sums_[:, 0], 0.0)
    return State(index, ratio, sums_[:, 0], np.where(moments.events[:, None] > 0, mean, 0.0), step)


def _point(moments: Moments, coefficients: Floats) -> Point:
    p = len(coefficients)
    at = _state(moments, coefficients)
    had, happens = moments.had, moments.events > 0
    with np.errstate(divide="ignore"):
        logs = np.log(at.total[happens])
    loglik = float(moments.mass[had] @ at.index[had] - moments.events[happens] @ logs)
    if not np.isfinite(loglik):
        return Point(-np.inf, np.zeros(p), np.zeros((p, p)))
    score = moments.mass[had] @ moments.columns[had] - moments.events @ at.mean
    hazard = moments.along(at.step[:, None])[:, 0]
    second = moments.columns.T @ (moments.columns * (moments.mass * at.ratio * hazard)[:, None])
    return Point(loglik, score, second - at.mean.T @ (at.mean * moments.events[:, None]))


@dataclass(frozen=True, eq=False)
class SubdistributionFit:
    """The maximum of the weighted partial likelihood. `standard` (p,) are the coefficients of standardised columns."""

    columns: Standardised
    moments: Moments
    standard: Floats
    loglik_null: float
    at_maximum: Point

    @property
    def coefficients(self) -> Floats:
        """Log subdistribution hazard ratios (p,) per unit of each column."""
        found: Floats = self.standard / self.columns.scale
        return found

    @property
    def loglik(self) -> float:
        """Log pseudo-likelihood at the maximum."""
        return self.at_maximum.loglik

    def covariance(self, people: Integers, cluster: Integers | None) -> Floats:
        """Sandwich (p, p) of Fine & Gray (1999, section 4), the uncertainty of the censoring weights included.

        Rows stand for `people` (n,) each; summed within clusters, where `cluster` (n,) codes them.
        """
        inverse = np.linalg.inv(self.at_maximum.information)
        influence = (_residuals(self.moments, _state(self.moments, self.standard)) @ inverse) / self.columns.scale
        influence *= self.moments.mass[:, None]
        if cluster is not None:
            summed = sums(influence, cluster)
            return np.asarray(summed.T @ summed, np.float64)
        return np.asarray(influence.T @ (influence / people[:, None]), np.float64)


def _residuals(moments: Moments, at: State) -> Floats:
    """What one person of each row (n, p) adds to the score, through the censoring weights too."""
    columns, had, gone = moments.columns, moments.had, moments.censored_rows
    steps = np.column_stack([at.step, at.step[:, None] * at.mean])
    along = moments.along(steps)
    found: Floats = -at.ratio[:, None] * (columns * along[:, :1] - along[:, 1:])
    found[had] += columns[had] - at.mean[moments.place[had]]
    if not (moments.competing.any() and gone.any()):
        return found
    through = _through_weights(moments, at, steps)
    per_person = through / moments.at_risk[:, None]
    found -= (per_person * (moments.censored / moments.at_risk)[:, None]).cumsum(axis=0)[moments.place]
    found[gone] += per_person[moments.place[gone]]
    return found


def _through_weights(moments: Moments, at: State, steps: Floats) -> Floats:
    """How the score moves with the hazard of censoring at each time (K, p): the part of people met by another event."""
    met, place, length = moments.competing, moments.place, len(moments.at_risk)
    weight = (moments.mass * at.ratio)[met] / moments.free[place[met]]
    values = np.column_stack([weight, weight[:, None] * moments.columns[met]])
    before = _by_place(values, place[met], length).cumsum(axis=0)
    earlier = np.vstack([np.zeros(values.shape[1]), before[:-1]])
    onwards = (steps * moments.free[:, None])[::-1].cumsum(axis=0)[::-1]
    found: Floats = earlier[:, 1:] * onwards[:, :1] - earlier[:, :1] * onwards[:, 1:]
    return found


def fit_subdistribution(
    time: Floats, event: Integers, columns: Floats, names: Sequence[str], mass: Floats
) -> SubdistributionFit:
    """Fit rows of `mass` (n,) with `columns` (n, p) called `names`; event 1 counts, 0 is censored, others compete.

    Raises
    ------
    NotEstimable
        When nobody had the event, a column is constant or redundant, or the likelihood has no finite maximum.
    """
    if not (event == 1).any():
        raise NotEstimable("nobody had the event, so there is no hazard to compare.", (0,))
    standard = standardise(columns, names)
    moments = Moments.of(time, event, standard.values, mass)
    start = np.zeros(columns.shape[1])
    null = _point(moments, start)
    try:
        found, there = maximise(lambda b: _point(moments, b), start)
    except RunawayError as runaway:
        raise NotEstimable(
            f"the likelihood has no finite maximum: `{standard.widest(runaway.step)}`, alone or with other covariates, "
            "separates people with and without the event; leave it out of the covariates.") from None  # fmt: skip
    return SubdistributionFit(standard, moments, found, null.loglik, there)
