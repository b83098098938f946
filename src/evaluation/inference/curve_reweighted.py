"""Curves of people whose leaving goes with their prospects: those who stay stand also for those like them who left.

At each event time everyone at risk weighs 1/G(t-|x), with G their chance of not having left by then, from a Cox model
of leaving in each arm (Robins and Finkelstein, 2000). What is common to all of an arm at a time cancels, so that
weights which do not depend on characteristics change nothing. Where it is known how far each person could be followed,
the end of the data and leaving before it have hazards of their own, which add up.

The weights are taken as known, which makes intervals too wide rather than too narrow: estimating a right model of
leaving can only take variance away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.aalen_johansen import RiskSets, places, risk_sets, steps
from evaluation.inference.censoring_weights import Follow, Leaving, leaving
from evaluation.inference.curve_errors import ARMS, Followed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evaluation.inference.aalen_johansen import Figure

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

NAMES = {1: "treated arm", 0: "comparison"}
CELLS = int(4e6)  # people times event times that are held at once
ROUNDING = 1e-12
ENOUGH = 10  # people who left, for each characteristic, for a model of their own


@dataclass(frozen=True, eq=False)
class Reweighted(Followed):
    """People whose weights change over time: `leaving` are the models of each arm, of its rows in their order."""

    leaving: Mapping[int, Sequence[Leaving]] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Never: weights differ."""
        return False

    @property
    def alike(self) -> bool:
        """Never: weights differ."""
        return False

    @cached_property
    def _sets(self) -> dict[int, tuple[RiskSets, Integers, Integers]]:
        return {code: self._of_arm(code) for code in ARMS}

    def _of_arm(self, code: int) -> tuple[RiskSets, Integers, Integers]:
        mine = np.flatnonzero(self.rows.arm == code)
        times, place = places(self.rows.time[mine])
        people, fate, base = self.rows.people[mine], self.fate[mine], self._mass(mine)
        counted = risk_sets(times, place, fate, people, base, len(self.causes))
        events = np.flatnonzero(counted.people_left[1:].sum(axis=0) > 0)
        last = np.searchsorted(events, place, side="right")
        at_risk, left = np.zeros(len(events)), np.zeros((1 + len(self.causes), len(times)))
        for some, weight in self._chunks(code, times[events], last):
            at_risk += base[some] @ weight
            had = np.flatnonzero(fate[some] > 0)
            own = weight[had, last[some][had] - 1] * base[some][had]
            np.add.at(left, (fate[some][had], place[some][had]), own)
        if not (np.isfinite(at_risk).all() and (at_risk > 0).all()):
            raise NotEstimable(
                f"in the {NAMES[code]} the model of leaving gives weights without bounds; name fewer "
                "censoring_covariates, or choose a shorter window.")  # fmt: skip
        whole = np.zeros(len(times))
        whole[events] = _at_least(at_risk, left[1:, events].sum(axis=0))
        return RiskSets(times, whole, left, counted.people_left), mine, place

    def _mass(self, mine: Integers) -> Floats:
        found: Floats = self.weight[mine] * self.rows.people[mine]
        return found

    def _chunks(self, code: int, times: Floats, last: Integers) -> Iterator[tuple[slice, Floats]]:
        """Some of an arm's rows after the others, with their weights at event times (E,): 0 when no more at risk.

        `last` (n of the arm,) is the number of event times at which a row was at risk.
        """
        models = self.leaving[code]
        hazard = np.array([m.before(times) for m in models]).reshape(len(models), len(times))
        # What all have in common cancels, and could be without bounds.
        apart = np.array([m.relative - m.relative.mean() for m in models]).reshape(len(models), len(last))
        at_once = max(1, CELLS // max(1, len(times)))
        for start in range(0, len(last), at_once):
            some = slice(start, start + at_once)
            with np.errstate(over="ignore"):
                weight = np.exp(apart[:, some].T @ hazard)
            yield some, np.where(np.arange(len(times)) < last[some, None], weight, 0.0)

    def _direct(self, arm: int, figures: Sequence[Figure]) -> Floats:
        """What a person of weight 1 adds, by row of the arm (n of the arm, Q)."""
        sets, mine, place = self._sets[arm]
        events = np.flatnonzero(sets.events > 0)
        last = np.searchsorted(events, place, side="right")
        fate = self.fate[mine]
        parts = [steps(sets, figure) for figure in figures]
        stayed = np.column_stack([s[events] for s, _ in parts])
        met = np.stack([h[events] for _, h in parts], axis=-1)  # (E, 1 + C, Q)
        found = np.zeros((len(mine), len(figures)))
        for some, weight in self._chunks(arm, sets.time[events], last):
            had = np.flatnonzero(fate[some] > 0)
            at = last[some][had] - 1
            own = weight[had, at]
            weight[had, at] = 0.0
            found[some] = weight @ stayed
            found[some][had] += own[:, None] * met[at, fate[some][had]]
        return found

    def largest(self, arm: int) -> float:
        """The largest weight of anyone at risk at an event time, in units of the mean of all who are then."""
        sets, mine, place = self._sets[arm]
        events = np.flatnonzero(sets.events > 0)
        if not len(events):
            return 1.0
        last = np.searchsorted(events, place, side="right")
        base = self._mass(mine)
        alone = np.bincount(last, base, len(events) + 1)[::-1].cumsum()[::-1][1:]
        mean = sets.at_risk[events] / alone
        return max(float((weight / mean).max()) for _, weight in self._chunks(arm, sets.time[events], last))


def _at_least(at_risk: Floats, events: Floats) -> Floats:
    """The weight at risk, the events' own where rounding alone tells them apart."""
    found: Floats = np.where(at_risk - events <= ROUNDING * at_risk, events, at_risk)
    return found


def lost(followed: Followed) -> Flags:
    """Who left before the last event of their arm (n,)."""
    found = np.zeros(len(followed.rows.arm), dtype=bool)
    for code in ARMS:
        mine = followed.rows.arm == code
        found |= mine & (followed.fate == 0) & (followed.rows.time < _horizon(followed, code))
    return found


def _horizon(followed: Followed, code: int) -> float:
    """The last event of an arm; nothing that comes after it bears on its curves."""
    had = (followed.rows.arm == code) & (followed.fate > 0)
    return float(followed.rows.time[had].max(initial=0.0))


def reweighted(followed: Followed, covariates: Floats, names: Sequence[str]) -> Followed:
    """The same people, weighted by models of leaving on `covariates` (n, p); as they are where nobody left too soon,
    or nothing is named on which it could depend.

    Raises
    ------
    NotEstimable
        When a model has no finite solution.
    """
    gone = lost(followed)
    if not (gone.any() and names):
        return followed
    models = {code: tuple(_models(followed, code, gone, covariates, names)) for code in ARMS}
    return Reweighted(followed.rows, followed.causes, followed.tilt, models)


def _models(followed: Followed, code: int, gone: Flags, covariates: Floats, names: Sequence[str]) -> Iterator[Leaving]:
    """The models of one arm: of the end of the data and of leaving before it, where both took enough people."""
    rows, mine = followed.rows, followed.rows.arm == code
    end = np.minimum(rows.time, _horizon(followed, code))
    kinds = [gone & mine]
    if rows.follow_up is not None:
        by_data = rows.time >= rows.follow_up  # of unknown follow-up it does not hold
        apart = [gone & mine & by_data, gone & mine & ~by_data]
        if all(not k.any() or k.sum() >= ENOUGH * len(names) for k in apart):
            kinds = apart
    for kind in kinds:
        if not kind.any():
            continue
        follow = Follow(rows.arm[mine], end[mine], kind[mine], rows.mass[mine])
        try:
            yield leaving(follow, covariates[mine], names)
        except NotEstimable as none:
            raise NotEstimable(f"the model of who left in the {NAMES[code]}: {none}", none.counts) from None
