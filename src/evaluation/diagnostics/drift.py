"""Did the groups drift apart before adoption? The slope of the leads, which single leads can be too noisy to show."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.diagnostics.case import Case
from evaluation.results import Check, Joint, ResultSet

if TYPE_CHECKING:
    from evaluation.estimators.base import PanelEstimator

ALPHA = 0.05


@dataclass(frozen=True)
class Drift:
    """Change of the difference between the groups each period before adoption."""

    slope: float
    std_error: float
    p_value: float


def drift(case: Case) -> ResultSet:
    """A check of the slope of all leads on time, all relative to one base period; nothing with fewer than two leads.

    A steady drift moves each lead a little further: their slope gathers what no single lead, and no short difference
    of neighbouring periods, is large enough to show.
    """
    results = _one_base(case)
    alone = {c.time for c in results.checks if c.check in ("small_cohort", "single_cluster") and c.term == "event"}
    found = slope(results.joint, case.anticipation, without={t for t in alone if t is not None})
    if found is None:
        return ResultSet()
    per = f"{found.slope:+.3g} a period (p = {found.p_value:.2g})"
    counts = tuple(sorted({n for e in case.results.estimates if e.term == "event" for n in e.counts}))
    if found.p_value < ALPHA:
        message = f"The groups were drifting apart before adoption already: {per}."
        return ResultSet(checks=(Check("pretrend_slope", "fail", message, term="att", statistic=found.slope,
                                       p_value=found.p_value, threshold=ALPHA, counts=counts),))  # fmt: skip
    message = f"No steady drift apart before adoption is found: {per}. A drift too small for these data could be there."
    return ResultSet(checks=(Check("pretrend_slope", "pass", message, term="att", statistic=found.slope,
                                   p_value=found.p_value, threshold=ALPHA, counts=counts),))  # fmt: skip


def _one_base(case: Case) -> ResultSet:
    """The results relative to one base period: the analysis's own, or a refit with a universal base."""
    if getattr(case.estimator, "base_period", "universal") == "universal":
        return case.results
    universal: PanelEstimator = case.estimator.model_copy(update={"base_period": "universal"})
    return universal.estimate(case.moments, case.outcome)


def slope(joint: Joint | None, anticipation: int = 0, without: Collection[float] = ()) -> Drift | None:
    """Least-squares slope, through the base period, of the leads before `anticipation`; None with fewer than two.

    Its standard error follows from the leads' covariance. `without` are event times whose standard error reflects the
    comparison units only, which are no evidence.
    """
    import numpy as np
    from scipy.special import ndtr, stdtr

    if joint is None:
        return None
    base = max((r for r in joint.reference if r < 0), default=-1.0 - anticipation)
    early = (joint.times < min(base, -anticipation)) & (np.diag(joint.covariance) > 0)
    early &= ~np.isin(joint.times, sorted(without))
    if early.sum() < 2:
        return None
    away = joint.times[early] - base
    weights = away / (away @ away)
    value = float(weights @ joint.estimates[early])
    error = float(np.sqrt(weights @ joint.covariance[np.ix_(early, early)] @ weights))
    if not error > 0:
        return None
    t = -abs(value / error)
    p_value = 2 * float(ndtr(t) if joint.df is None else stdtr(joint.df, t))
    return Drift(value, error, p_value)
