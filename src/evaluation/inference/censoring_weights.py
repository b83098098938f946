"""Inverse-probability-of-censoring weights: people seen to the window stand also for those lost before it.

Whoever's outcome by the window is known weighs 1/G, with G the estimated chance of not having been censored by then
(Robins and Rotnitzky, 1992). At the same time events come before censoring, so a person who has the event at t was
exposed to being censored before t only.

G is a Kaplan-Meier curve by arm, or by arm a Cox model of being censored. What estimating a Kaplan-Meier curve adds to
later errors is carried exactly. A Cox model's weights are taken as known, which makes intervals too wide rather than
too narrow: estimating a right model of censoring can only take variance away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import NotEstimable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

ARMS = ((1, "treated arm"), (0, "comparison"))


@dataclass(frozen=True, eq=False)
class Follow:
    """How people (n,) were followed: until `end`, the window at most, and then `lost` if censored before it."""

    arm: Integers
    end: Floats
    lost: Flags
    mass: Floats

    def of(self, people: Flags) -> Follow:
        """Those whom the flags pick."""
        return Follow(self.arm[people], self.end[people], self.lost[people], self.mass[people])


@dataclass(frozen=True, eq=False)
class _Curve:
    """Censorings in one arm at their distinct times (K,): mass at risk, mass censored, survival after each."""

    people: Flags
    place: Integers  # (n of the arm,) censoring times a person was exposed to before the end
    own: Integers  # (n of the arm,) the place of a person's own censoring; K for those not lost
    at_risk: Floats
    censored: Floats


@dataclass(frozen=True, eq=False)
class Censoring:
    """Weights (n,), 0 for those lost; and by arm the curve that they come from, empty where they are as known."""

    weight: Floats
    curves: tuple[_Curve, ...] = ()

    def estimated(self, direct: Floats, mass: Floats) -> Floats:
        """What estimating the weights adds to influences `direct` (n, q) that are multiples of them.

        A person at risk when others are censored makes the curve higher, one censored lower, and with it all the
        weights of those who were followed beyond that time.
        """
        found = np.zeros_like(direct)
        for curve in self.curves:
            k = len(curve.at_risk)
            if not k:
                continue
            beyond = np.zeros((k + 1, direct.shape[1]))
            np.add.at(beyond, curve.place, direct[curve.people])
            beyond = beyond[::-1].cumsum(axis=0)[::-1][1:]  # (K, q) of those exposed to each censoring and past it
            left = curve.at_risk - curve.censored
            at_risk = np.where(curve.at_risk > 0, curve.at_risk, 1.0)  # both divide zeros only, where nobody is left
            per_risk = beyond / np.where(left > 0, left, 1.0)[:, None]
            drift = np.vstack([np.zeros(direct.shape[1]),
                               np.cumsum(per_risk * (curve.censored / at_risk)[:, None], axis=0)])  # fmt: skip
            event = np.vstack([per_risk, np.zeros(direct.shape[1])])
            exposed = curve.place + (curve.own < k)  # at risk at one's own censoring as well
            found[curve.people] = (event[curve.own] - drift[exposed]) * mass[curve.people][:, None]
        return found


def kaplan_meier_weights(follow: Follow) -> Censoring:
    """Weights from a Kaplan-Meier curve of being censored, by arm.

    Raises
    ------
    NotEstimable
        When in an arm everyone still followed was censored at one time: nobody stands for them.
    """
    weight = np.zeros(len(follow.arm))
    curves = []
    for code, name in ARMS:
        people = follow.arm == code
        _refuse_end(follow, people, name)
        curve = _curve(follow, people)
        stays = np.cumprod(1 - np.divide(curve.censored, curve.at_risk, out=np.zeros_like(curve.censored),
                                         where=curve.at_risk > 0))  # fmt: skip
        survival = np.concatenate([[1.0], np.where(stays > 0, stays, 1.0)])  # 0 where nobody left weighs anything
        weight[people] = np.where(follow.lost[people], 0.0, 1 / survival[curve.place])
        curves.append(curve)
    return Censoring(weight, tuple(curves))


def _curve(follow: Follow, people: Flags) -> _Curve:
    end, lost, mass = follow.end[people], follow.lost[people], follow.mass[people]
    times = np.unique(end[lost])
    place = np.searchsorted(times, end, side="left")  # censoring at the very end does not come before an event there
    own = np.where(lost, place, len(times))
    exposed = np.where(lost, place + 1, place)  # the censoring times at which a person was at risk: the first so many
    at_risk = np.bincount(exposed, mass, len(times) + 1)[::-1].cumsum()[::-1][1:]
    censored = np.asarray(np.bincount(own, mass, len(times) + 1)[:-1], np.float64)
    return _Curve(people, place, own, at_risk, censored)


def _refuse_end(follow: Follow, people: Flags, name: str) -> None:
    """Refuse an arm in which nobody of any weight was followed beyond the last censoring."""
    people = people & (follow.mass > 0)
    lost = people & follow.lost
    last = follow.end[lost].max(initial=-np.inf)
    if (people & ~follow.lost & (follow.end > last)).any():
        return
    raise NotEstimable(
        f"in the {name} everyone still followed was censored before the window, so nobody can stand for them; choose a "
        "shorter window.", (int(lost.sum()), int((people & ~follow.lost).sum())))  # fmt: skip


def cox_weights(follow: Follow, covariates: Floats, names: Sequence[str]) -> Censoring:
    """Weights from a Cox model of being censored on `covariates` (n, p), in each arm by itself; taken as known.

    Raises
    ------
    NotEstimable
        When in an arm the model has no finite solution, or everyone still followed was censored at one time.
    """
    weight = np.zeros(len(follow.arm))
    for code, name in ARMS:
        people = follow.arm == code
        chance = np.ones(int(people.sum()))
        _refuse_end(follow, people, name)
        if follow.lost[people].any():
            try:
                chance = _cox_chance(follow.of(people), covariates[people], names)
            except NotEstimable as none:
                raise NotEstimable(f"the model of who was censored in the {name}: {none}", none.counts) from None
        weight[people] = np.where(follow.lost[people], 0.0, 1 / chance)
    return Censoring(weight)


@dataclass(frozen=True, eq=False)
class Leaving:
    """A Cox model of being censored: relative hazards (n,), and Breslow's cumulative hazard after each time (K,)."""

    relative: Floats
    times: Floats
    cumulative: Floats

    def before(self, times: Floats) -> Floats:
        """The cumulative hazard of being censored before each of some times."""
        found: Floats = np.concatenate([[0.0], self.cumulative])[np.searchsorted(self.times, times, side="left")]
        return found


def _cox_chance(follow: Follow, covariates: Floats, names: Sequence[str]) -> Floats:
    """Each person's chance (n,) of not being censored before the end."""
    model = leaving(follow, covariates, names)
    found: Floats = np.exp(-model.before(follow.end) * model.relative)
    return found


def leaving(follow: Follow, covariates: Floats, names: Sequence[str]) -> Leaving:
    """A Cox model of being censored among people of one arm, on `covariates` (n, p).

    Raises
    ------
    NotEstimable
        When it has no finite solution.
    """
    from evaluation.inference.cox_fit import fit_cox

    # Events at a censoring's time come before it: those people are no longer at risk of being censored.
    clock = np.where(follow.lost, 2 * _ranks(follow.end) + 1, 2 * _ranks(follow.end)).astype(np.float64)
    order = np.argsort(clock, kind="stable")
    fit = fit_cox(clock[order], follow.lost[order].astype(np.int64), covariates[order], names, "breslow")
    risk = np.exp((covariates - fit.columns.centre) @ fit.coefficients)
    times = np.unique(follow.end[follow.lost])
    place = np.searchsorted(times, follow.end, side="left")
    exposed = np.where(follow.lost, place + 1, place)
    at_risk = np.bincount(exposed, risk, len(times) + 1)[::-1].cumsum()[::-1][1:]
    events = np.bincount(np.where(follow.lost, place, len(times)), minlength=len(times) + 1)[:-1]
    return Leaving(risk, times, np.cumsum(events / at_risk))


def _ranks(values: Floats) -> Integers:
    found: Integers = np.unique(values, return_inverse=True)[1]
    return found
