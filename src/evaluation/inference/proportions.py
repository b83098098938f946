"""Two independent proportions: score intervals, ratios from the log scale, and the pooled score test.

Sources: Wilson (1927) for one proportion; Newcombe (1998, method 10) for the difference; Katz et al. (1978) for
the risk ratio; Woolf (1955) for the odds ratio.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from evaluation.inference.intervals import Interval, critical_value, two_sided_p


@dataclass(frozen=True)
class Arm:
    """People in one arm and how many of them had the event."""

    events: int
    people: int

    @property
    def risk(self) -> float:
        """Share of people with the event."""
        return self.events / self.people

    @property
    def others(self) -> int:
        """People without the event."""
        return self.people - self.events

    @property
    def std_error(self) -> float:
        """Binomial standard error of the risk."""
        return math.sqrt(self.risk * (1 - self.risk) / self.people)


def wilson(arm: Arm, level: float) -> Interval:
    """Score interval of one proportion, without continuity correction."""
    z = critical_value(level)
    n, p = arm.people, arm.risk
    centre = p + z * z / (2 * n)
    reach = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    share = 1 + z * z / n
    low = 0.0 if arm.events == 0 else (centre - reach) / share
    high = 1.0 if arm.others == 0 else (centre + reach) / share
    return Interval(low, high)


def newcombe(treated: Arm, control: Arm, level: float) -> Interval:
    """Hybrid score interval of the risk difference, without continuity correction; p from the pooled score test."""
    one, zero = wilson(treated, level), wilson(control, level)
    p1, p0 = treated.risk, control.risk
    low = p1 - p0 - math.hypot(p1 - one.low, zero.high - p0)
    high = p1 - p0 + math.hypot(one.high - p1, p0 - zero.low)
    return Interval(low, high, pooled_score_p(treated, control))


def pooled_score_p(treated: Arm, control: Arm) -> float | None:
    """Two-sided p of equal risks (Pearson's chi-squared without correction); None when all or none had the event."""
    pooled = (treated.events + control.events) / (treated.people + control.people)
    if pooled in (0.0, 1.0):
        return None
    variance = pooled * (1 - pooled) * (1 / treated.people + 1 / control.people)
    return two_sided_p((treated.risk - control.risk) / math.sqrt(variance))


def difference_std_error(treated: Arm, control: Arm) -> float:
    """Standard error of the risk difference: HC1 of the regression of the event on the arm."""
    n = treated.people + control.people
    return math.sqrt((treated.std_error**2 + control.std_error**2) * n / (n - 2))


def log_risk_ratio_std_error(treated: Arm, control: Arm) -> float:
    """Katz's standard error of the log risk ratio; both arms need an event."""
    return math.sqrt(1 / treated.events - 1 / treated.people + 1 / control.events - 1 / control.people)


def log_odds_ratio_std_error(treated: Arm, control: Arm) -> float:
    """Woolf's standard error of the log odds ratio; no cell may be empty."""
    return math.sqrt(sum(1 / n for n in (treated.events, treated.others, control.events, control.others)))
