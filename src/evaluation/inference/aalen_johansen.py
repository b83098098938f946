"""Cumulative incidence by cause from risk sets, and what each person adds to any figure that is read off it.

Aalen and Johansen (1978). The error of a figure is the sum over people of its derivative in their weight (the
infinitesimal jackknife), as in R's `survfit`; with one cause this is Greenwood's formula. A person who is at risk at s
faces three fates there: the cause, another cause, or staying; each fate has a value for the figure, and what the
person adds is S(s-)/Y(s) times the value of what happened, less the mean value among those at risk.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RiskSets:
    """One arm at its distinct times (K,), from 0 on.

    `at_risk` (K,) and `left` (1 + C, K) are weighted: those who leave without an event, then by each of C causes.
    `people_left` (1 + C, K) are the same in numbers of people.
    """

    time: Floats
    at_risk: Floats
    left: Floats
    people_left: Integers

    @cached_property
    def people_at_risk(self) -> Integers:
        """People at risk just before each time (K,)."""
        found: Integers = self.people_left.sum(axis=0)[::-1].cumsum()[::-1]
        return found

    @cached_property
    def events(self) -> Floats:
        """Weighted events of any cause (K,)."""
        found: Floats = self.left[1:].sum(axis=0)
        return found

    @cached_property
    def after(self) -> Floats:
        """Share without any event right after each time (K,)."""
        return np.asarray(np.cumprod(1 - _ratio(self.events, self.at_risk)), np.float64)

    @property
    def before(self) -> Floats:
        """Share without any event right before each time (K,)."""
        return np.concatenate([[1.0], self.after[:-1]])

    def incidence(self, cause: int = 1) -> Floats:
        """Share who have had the cause by each time (K,)."""
        if len(self.left) == 2:  # the complement to the last digit
            return 1 - self.after
        found: Floats = np.cumsum(self.before * _ratio(self.left[cause], self.at_risk))
        return found

    def last(self, time: float) -> int | None:
        """Place of the last time at or before `time`; None beyond the last time observed."""
        if time > self.time[-1]:
            return None
        return int(np.searchsorted(self.time, time, side="right")) - 1

    @property
    def finished(self) -> bool:
        """Whether everyone still at risk had an event at the last time, so that nothing can change after it."""
        return bool(self.after[-1] <= 0)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    """Zero where nobody with any weight is at risk."""
    found: Floats = np.divide(top, bottom, out=np.zeros(np.broadcast(top, bottom).shape), where=bottom > 0)
    return found


def places(time: Floats) -> tuple[Floats, Integers]:
    """The distinct times from 0 on (K,), and the place of each row among them (n,)."""
    times, place = np.unique(np.concatenate([[0.0], time]), return_inverse=True)
    return times, place[1:].astype(np.int64)


def risk_sets(
    times: Floats, place: Integers, fate: Integers, people: Integers, weight: Floats, causes: int
) -> RiskSets:
    """Count rows (n,), each standing for `people` who weigh `weight` together, by place and fate (0 … causes)."""
    k, cell = len(times), fate * len(times) + place
    size = (1 + causes) * k
    left = np.asarray(np.bincount(cell, weight, size), np.float64).reshape(1 + causes, k)
    counted = np.bincount(cell, people, size).astype(np.int64).reshape(1 + causes, k)
    return RiskSets(times, left.sum(axis=0)[::-1].cumsum()[::-1], left, counted)


@dataclass(frozen=True, eq=False)
class Figure:
    """A figure that is read off the incidence of one cause.

    `own` (K,) is the value of having the cause at each time, `stay` (K,) that of staying, and `counts` (K,) whether
    what happens then bears on the figure.
    """

    value: float
    cause: int
    own: Floats
    stay: Floats
    counts: NDArray[np.bool_]


def incidence_at(sets: RiskSets, cause: int, place: int) -> Figure:
    """The share who have had the cause by the time at `place`."""
    incidence = sets.incidence(cause)
    stay = _ratio(incidence[place] - incidence, sets.after)
    counts = np.arange(len(sets.time)) <= place
    return Figure(float(incidence[place]), cause, np.ones(len(sets.time)), stay, counts)


def time_lost(sets: RiskSets, cause: int, until: float) -> Figure:
    """The mean time lost to the cause before `until`: the area under its incidence (Andersen, 2013)."""
    incidence = sets.incidence(cause)
    start = np.minimum(sets.time, until)
    width = np.diff(np.append(start, until))
    area = (incidence * width)[::-1].cumsum()[::-1]  # from each time to the end
    rest = until - start
    stay = _ratio(area - rest * incidence, sets.after)
    return Figure(float(area[0]), cause, rest, stay, sets.time < until)


def effects(sets: RiskSets, figure: Figure) -> Floats:
    """What a person of weight 1 adds to the figure's error, by the time of leaving and the fate there (K, 1 + C)."""
    stayed, met = steps(sets, figure)
    earlier = np.concatenate([[0.0], np.cumsum(stayed)[:-1]])
    found: Floats = earlier[:, None] + met
    found[:, 0] = earlier + stayed
    return found


def steps(sets: RiskSets, figure: Figure) -> tuple[Floats, Floats]:
    """What each time adds by itself, for a person of weight 1 at risk then: who stays (K,), and by event (K, 1 + C)."""
    scale = np.where(figure.counts, _ratio(sets.before, sets.at_risk), 0.0)
    staying = sets.at_risk - sets.events
    mean = _ratio(sets.left[figure.cause] * figure.own + staying * figure.stay, sets.at_risk)
    met = np.tile((-scale * mean)[:, None], (1, len(sets.left)))
    met[:, figure.cause] += scale * figure.own
    return scale * (figure.stay - mean), met


@dataclass(frozen=True, eq=False)
class Variance:
    """The covariance function of an incidence curve when all people count alike, in three running sums (K,).

    Between the times s ≤ t it is `fixed(s) + (F(s) + F(t)) mixed(s) + F(s) F(t) scaled(s)`.
    """

    incidence: Floats
    fixed: Floats
    mixed: Floats
    scaled: Floats

    @property
    def at_each(self) -> Floats:
        """Variances (K,)."""
        f = self.incidence
        return np.maximum(self.fixed + 2 * f * self.mixed + f**2 * self.scaled, 0.0)

    def between(self, chosen: Integers) -> Floats:
        """Covariances (Q, Q) of the places chosen, ascending."""
        f = self.incidence[chosen]
        first = np.minimum.outer(np.arange(len(chosen)), np.arange(len(chosen)))
        fixed, mixed, scaled = (v[chosen][first] for v in (self.fixed, self.mixed, self.scaled))
        found: Floats = fixed + np.add.outer(f, f) * mixed + np.outer(f, f) * scaled
        return found


def variance(sets: RiskSets, cause: int = 1) -> Variance:
    """The infinitesimal jackknife's variance of an incidence curve of people who each weigh 1.

    What happens at s moves F(t) by the spread of the fates' values, 1, 0 and (F(t) - F(s)) / S(s), among those at risk:
    a polynomial in F(t), so that running sums give the variance at every time at once.
    """
    incidence = sets.incidence(cause)
    at_risk, cases, staying = sets.at_risk, sets.left[cause], sets.at_risk - sets.events
    slope = _ratio(np.ones_like(incidence), sets.after)
    level = -incidence * slope
    scale = _ratio(sets.before, at_risk) ** 2
    mean_level, mean_slope = cases + staying * level, staying * slope
    fixed = scale * (cases + staying * level**2 - _ratio(mean_level**2, at_risk))
    mixed = scale * (staying * level * slope - _ratio(mean_level * mean_slope, at_risk))
    scaled = scale * (staying * slope**2 - _ratio(mean_slope**2, at_risk))
    return Variance(incidence, *(np.cumsum(v) for v in (fixed, mixed, scaled)))
