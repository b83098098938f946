"""Effect sizes in standard deviations, as the What Works Clearinghouse reckons them.

Sources: Hedges (1981) for the small-sample correction; Cox (1970) and Sánchez-Meca et al. (2003) for risks; What Works
Clearinghouse (2020), Procedures Handbook 4.1, appendix E, for the improvement index and the correction of an analysis
that left clusters out of account.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from evaluation.inference.intervals import two_sided_p

LOGIT_SPREAD = 1.65  # what a difference of log odds is divided by (Cox)
OTHER_CORRELATION = 0.10  # the clearinghouse's default within clusters, of outcomes other than achievement


@dataclass(frozen=True)
class Moments:
    """People of one arm with the mean and the standard deviation (divisor n - 1) of a characteristic."""

    people: int
    mean: float
    std_dev: float


def small_sample(people: int) -> float:
    """Hedges' correction 1 - 3 / (4 N - 9) for `people` in both arms."""
    return 1 - 3 / (4 * people - 9)


def hedges_g(treated: Moments, control: Moments) -> float | None:
    """Difference of means over the pooled standard deviation, corrected for small samples; None without spread."""
    people = treated.people + control.people
    if people <= 3:
        return None
    squares = (treated.people - 1) * treated.std_dev**2 + (control.people - 1) * control.std_dev**2
    spread = math.sqrt(squares / (people - 2))
    return small_sample(people) * (treated.mean - control.mean) / spread if spread > 0 else None


def cox_index(treated: float, control: float, people: int) -> float | None:
    """Difference of two risks in standard deviations, corrected for small samples; None where a risk is 0 or 1."""
    if people <= 3 or not (0 < treated < 1 and 0 < control < 1):
        return None
    log_odds = math.log(treated / (1 - treated)) - math.log(control / (1 - control))
    return small_sample(people) * log_odds / LOGIT_SPREAD


def improvement_index(effect: float) -> float:
    """Percentile points by which an average person of the comparison would move, 100 (Φ(g) - ½)."""
    return 50 * math.erf(effect / math.sqrt(2))


@dataclass(frozen=True)
class Clustered:
    """A test with clusters allowed for afterwards: t statistic, degrees of freedom, two-sided p-value."""

    statistic: float
    df: float
    p_value: float


def t_statistic(effect: float, treated: int, control: int) -> float:
    """The t statistic that belongs to an effect size between arms of these sizes."""
    people = treated + control
    return effect / math.sqrt(people / (treated * control) + effect**2 / (2 * people))


def corrected_for_clusters(effect: float, treated: int, control: int, clusters: int, correlation: float) -> Clustered:
    """The test of an effect size whose analysis took people of one cluster as independent.

    `clusters` in both arms together, of average size; `correlation` of the outcome within them.
    """
    people = treated + control
    size = people / clusters
    left = (people - 2) - 2 * (size - 1) * correlation
    inflated = 1 + (size - 1) * correlation
    statistic = t_statistic(effect, treated, control) * math.sqrt(left / ((people - 2) * inflated))
    apart, rest = people - 2 * size, 1 - correlation
    df = left**2 / ((people - 2) * rest**2 + size * apart * correlation**2 + 2 * apart * correlation * rest)
    return Clustered(statistic, df, two_sided_p(statistic, df))
