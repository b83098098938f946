"""E-values: how strong an unmeasured common cause must be to explain an association away.

The least risk ratio that it must have with both the program and the outcome, beyond what is adjusted for. Source:
VanderWeele and Ding (2017), with their conversions of odds and hazard ratios of common outcomes.
"""

from __future__ import annotations

import math

COMMON = 0.15  # share with the outcome from which odds and hazard ratios are converted


def e_value(risk_ratio: float) -> float:
    """The E-value of a risk ratio; the same for a ratio and its inverse."""
    ratio = max(risk_ratio, 1 / risk_ratio)
    return ratio + math.sqrt(ratio * (ratio - 1))


def of_limit(low: float, high: float) -> float:
    """The E-value of the limit of an interval of risk ratios that is nearer to no effect; 1 where it covers none."""
    if low <= 1 <= high:
        return 1.0
    return e_value(low if low > 1 else high)


def from_odds_ratio(odds_ratio: float, *, common: bool) -> float:
    """The risk ratio that an odds ratio stands for: itself of rare outcomes, about its root of `common` ones."""
    return math.sqrt(odds_ratio) if common else odds_ratio


def from_hazard_ratio(hazard_ratio: float, *, common: bool) -> float:
    """The risk ratio that a hazard ratio stands for: itself of rare outcomes, an approximation of `common` ones."""
    if not common:
        return hazard_ratio
    return float((1 - 0.5 ** math.sqrt(hazard_ratio)) / (1 - 0.5 ** math.sqrt(1 / hazard_ratio)))
