"""Power of comparisons of two arms of people, by formula: two risks, two means, a hazard ratio; with clusters.

Sources: Fleiss, Levin and Paik (2003) for two proportions; Cohen (1988) for means; Schoenfeld (1983) for hazards,
Hsieh and Lavori (2000) with covariates; Latouche, Porcher and Chevret (2004) with competing events; Donner and Klar
(2000), Eldridge, Ashby and Kerry (2006) for clusters; Bloom (1995) for smallest effects found.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.inference.intervals import critical_value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

Power = Callable[[float], float]  # of an effect on the scale of its formula


@dataclass(frozen=True)
class Arms:
    """People of whom the outcome will be known, in each arm, and how much less they tell than as many independent
    people whom no covariate tells apart.

    `design_effect` is the variance with clusters over that without; `arm_r_squared` the share of the arm's variance
    that the covariates adjusted for explain; `df` the test's degrees of freedom, None for the normal distribution.
    """

    treated: float
    control: float
    design_effect: float = 1.0
    arm_r_squared: float = 0.0
    df: float | None = None

    @property
    def people(self) -> float:
        """People in both arms."""
        return self.treated + self.control

    @property
    def share(self) -> float:
        """Share of people in the treated arm."""
        return self.treated / self.people

    @property
    def inflation(self) -> float:
        """How many times as large the variance is."""
        return self.design_effect / (1 - self.arm_r_squared)

    def spread(self, variance_treated: float, variance_control: float) -> float:
        """Standard error of a difference of two means of people with these variances."""
        return math.sqrt(self.inflation * (variance_treated / self.treated + variance_control / self.control))


def detectable_multiplier(level: float, power: float, df: float | None = None) -> float:
    """Standard errors that an effect must measure to be found with probability `power`: 2.80 for 95 % and 80 %."""
    return critical_value(level, df) + critical_value(2 * power - 1, df)


def _below(statistic: float, df: float | None) -> float:
    """Probability of a value below `statistic`, normal or t."""
    if df is None:
        return 0.5 * math.erfc(-statistic / math.sqrt(2))
    from scipy.special import stdtr

    return float(stdtr(df, statistic))


def risk_difference_power(arms: Arms, baseline: float, effect: float, level: float, r_squared: float = 0.0) -> float:
    """Power to find that the treated risk is `baseline` + `effect`; the test pools both risks, as the score test does.

    `r_squared` is the share of the outcome's variance that covariates explain. 0 where a risk would leave 0 to 1.
    """
    treated = baseline + effect
    if not (0 <= treated <= 1 and 0 <= baseline <= 1):
        return 0.0
    pooled = arms.share * treated + (1 - arms.share) * baseline
    kept = 1 - r_squared
    null = arms.spread(kept * pooled * (1 - pooled), kept * pooled * (1 - pooled))
    real = arms.spread(kept * treated * (1 - treated), kept * baseline * (1 - baseline))
    if real == 0:
        return 1.0 if effect else 0.0
    return _below((abs(effect) - critical_value(level, arms.df) * null) / real, arms.df)


def mean_difference_power(arms: Arms, spread: float, effect: float, level: float) -> float:
    """Power of the t test of two means of people with standard deviation `spread`, by the noncentral t distribution."""
    from scipy.special import stdtr
    from scipy.stats import nct

    df = arms.people - 2 if arms.df is None else arms.df
    noncentral = abs(effect) / arms.spread(spread**2, spread**2)
    reach = critical_value(level, df)
    if noncentral == 0:
        return float(2 * stdtr(df, -reach))
    return float(nct.sf(reach, df, noncentral))


def hazard_ratio_power(arms: Arms, events: float, log_ratio: float, level: float) -> float:
    """Power to find a log hazard ratio when `events` of the outcome are expected in both arms together."""
    share = arms.share
    error = math.sqrt(arms.inflation / (events * share * (1 - share))) if events > 0 else math.inf
    return _below(abs(log_ratio) / error - critical_value(level, arms.df), arms.df)


@dataclass(frozen=True)
class Hazards:
    """Constant hazards, per window, of the outcome and of all competing events together."""

    outcome: float
    competing: float

    @classmethod
    def of(cls, risk: float, competing: float = 0.0) -> Hazards:
        """The hazards that give these shares of people the outcome, and a competing event first, by the window."""
        both = risk + competing
        total = -math.log1p(-both)
        return cls(total * risk / both, total * competing / both)

    def risk(self, ratio: float = 1.0) -> float:
        """Share of people with the outcome by the window, where its hazard is multiplied by `ratio`."""
        outcome = self.outcome * ratio
        total = outcome + self.competing
        return outcome / total * -math.expm1(-total)

    def restricted_spread(self, window: float) -> float:
        """Standard deviation of the time to the first event of either kind, cut at `window`."""
        rate = (self.outcome + self.competing) / window
        gone = math.exp(-rate * window)
        mean = (1 - gone) / rate
        square = 2 / rate**2 * (1 - gone * (1 + rate * window))
        return math.sqrt(square - mean**2)


def expected_events(arms: Arms, hazards: Hazards, log_ratio: float) -> float:
    """Events of the outcome expected in both arms where the treated hazard has this log ratio to the others'."""
    return arms.treated * hazards.risk(math.exp(log_ratio)) + arms.control * hazards.risk()


def equal_clusters(size: float, correlation: float, variation: float = 0.0) -> float:
    """Design effect of clusters that are in one arm each: 1 + ((1 + cv²) m - 1) ρ.

    `size` is the mean number m of people in a cluster and `variation` the coefficient of variation of these numbers.
    """
    return max(1.0, 1 + ((1 + variation**2) * size - 1) * correlation)


def clusters_as_they_are(treated: Integers, control: Integers, correlation: float) -> float:
    """Design effect of the difference of two means where cluster g holds `treated`[g] and `control`[g] people (G,).

    Errors of two people of one cluster are correlated, whichever arms they are in: clusters with people of both arms
    compare like with like and cost less, or nothing.
    """
    n_treated, n_control = float(treated.sum()), float(control.sum())
    alone = 1 / n_treated + 1 / n_control
    shared = float(((treated / n_treated - control / n_control) ** 2).sum())
    return ((1 - correlation) * alone + correlation * shared) / alone


def smallest(power: Power, target: float, furthest: float) -> float | None:
    """The effect nearest to zero, in the direction of `furthest`, whose power is `target`; None where none is."""
    if power(furthest) < target:
        return None
    none, enough = 0.0, furthest
    for _ in range(80):
        middle = (none + enough) / 2
        none, enough = (none, middle) if power(middle) >= target else (middle, enough)
    return enough
