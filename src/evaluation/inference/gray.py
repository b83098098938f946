"""Gray's test: equality of two arms' cumulative incidence of one cause where others compete with it.

Gray (1988), with his weight function constant (rho = 0), one degree of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.intervals import chi_squared_p

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.inference.aalen_johansen import RiskSets

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Gray:
    """Events of the cause observed and expected in the first arm, and the chi-squared statistic."""

    observed: float
    expected: float
    statistic: float
    p_value: float


@dataclass(frozen=True, eq=False)
class _Arm:
    """One arm at the times of both (K,): at risk, events of the cause and of others, survival, incidence before."""

    at_risk: Floats
    cases: Floats
    others: Floats
    before: Floats
    after: Floats
    incidence: Floats

    @property
    def inflated(self) -> Floats:
        """At risk over the share without any event: as many as there would be had nobody had one."""
        return _ratio(self.at_risk, self.before)


def _ratio(top: Floats, bottom: Floats) -> Floats:
    found: Floats = np.divide(top, bottom, out=np.zeros(len(bottom)), where=bottom > 0)
    return found


def _arm(sets: RiskSets, cause: int, times: Floats) -> _Arm:
    n = len(times)
    at_risk = np.append(sets.people_at_risk, 0)[np.searchsorted(sets.time, times, side="left")].astype(np.float64)
    cases, others = np.zeros(n), np.zeros(n)
    mine = np.searchsorted(times, sets.time)
    inside = sets.events > 0
    cases[mine[inside]] = sets.people_left[cause][inside]
    others[mine[inside]] = sets.people_left[1:].sum(axis=0)[inside] - sets.people_left[cause][inside]
    after = np.asarray(np.cumprod(1 - _ratio(cases + others, at_risk)), np.float64)
    before = np.concatenate([[1.0], after[:-1]])
    incidence = np.cumsum(before * _ratio(cases, at_risk))
    return _Arm(at_risk, cases, others, before, after, np.concatenate([[0.0], incidence[:-1]]))


def gray_test(arms: tuple[RiskSets, RiskSets], cause: int = 1) -> Gray | None:
    """Compare two arms in which all people count alike; None where neither arm has the cause while both are at risk.

    The score is the first arm's cases less their expectation, when each arm's risk set for the subdistribution is
    Y(t) (1 - F(t-)) / S(t-). Its variance is that of the sum of what cases and competing events add, both of which
    move the later risk sets too; among ties it is the hypergeometric's.
    """
    times = np.unique(np.concatenate([s.time[s.events > 0] for s in arms]))
    if not len(times):
        return None
    both = [_arm(sets, cause, times) for sets in arms]
    first = both[0]
    cases = both[0].cases + both[1].cases
    pooled = [a.inflated * (1 - a.incidence) for a in both]
    expected = cases * _ratio(pooled[0], pooled[0] + pooled[1])
    score = float((first.cases - expected).sum())
    variance = _variance(both, cases)
    if variance <= 0:
        return None
    statistic = score**2 / variance
    return Gray(float(first.cases.sum()), float(expected.sum()), statistic, chi_squared_p(statistic, 1))


def _variance(both: list[_Arm], cases: Floats) -> float:
    """Variance of the first arm's score when both arms share one incidence.

    What happens at s moves the score there (by `cross`, cases only) and, through the incidence in the risk sets, at
    all later times: in proportion to `later`, what gathers from s to the end.
    """
    total = both[0].inflated + both[1].inflated
    step = _ratio(cases, total)
    common = np.cumsum(step)
    cross = _ratio(both[0].inflated * both[1].inflated, total)
    through = np.cumsum(cross * _ratio(step, 1 - np.concatenate([[0.0], common[:-1]])))
    later = through[-1] - through
    found = 0.0
    for arm in both:
        remaining = _ratio(1 - common, arm.after)  # of those without any event, those still without the cause
        moved = np.where(arm.after > 0, 1 - remaining, 1.0)
        of_case = _ratio(arm.before * step, arm.at_risk) * _untied(cases, total * arm.before)
        of_other = _ratio(arm.before**2 * arm.others, arm.at_risk**2) * _untied(arm.others, arm.at_risk)
        found += float((of_case * (cross + moved * later) ** 2 + of_other * (remaining * later) ** 2).sum())
    return found


def _untied(events: Floats, at_risk: Floats) -> Floats:
    """The share of the variance that is left where several of those at risk have events at once."""
    found: Floats = 1 - _ratio(np.maximum(events - 1, 0.0), at_risk - 1)
    return np.maximum(found, 0.0)
