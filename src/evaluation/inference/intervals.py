"""Wald intervals and p-values against the normal or the t distribution, on the natural, log or logit scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True)
class Interval:
    """A confidence interval and the two-sided p-value of the null hypothesis it was reckoned with (if any)."""

    low: float
    high: float
    p_value: float | None = None


def critical_value(level: float, df: float | None = None) -> float:
    """Upper quantile that a two-sided interval of `level` needs; normal where `df` is None, else t."""
    tail = 0.5 + level / 2
    if df is None:
        return NormalDist().inv_cdf(tail)
    from scipy.special import stdtrit

    return float(stdtrit(df, tail))


def two_sided_p(statistic: float, df: float | None = None) -> float:
    """Probability of a statistic at least as far from zero; normal where `df` is None, else t."""
    if df is None:
        return math.erfc(abs(statistic) / math.sqrt(2))
    from scipy.special import stdtr

    return float(2 * stdtr(df, -abs(statistic)))


def chi_squared_p(statistic: float, df: int) -> float:
    """Probability of a chi-squared variable above `statistic`."""
    from scipy.special import chdtrc

    return float(chdtrc(df, statistic))


def wald(estimate: float, std_error: float, level: float, df: float | None = None) -> Interval:
    """Estimate ± critical value × standard error, with the p-value of a zero effect."""
    reach = critical_value(level, df) * std_error
    return Interval(estimate - reach, estimate + reach, two_sided_p(estimate / std_error, df))


def log_scale(ratio: float, log_std_error: float, level: float, df: float | None = None) -> Interval:
    """Interval of a ratio, reckoned on its logarithm, with the p-value of a ratio of one."""
    found = wald(math.log(ratio), log_std_error, level, df)
    return Interval(math.exp(found.low), math.exp(found.high), found.p_value)


def logit_scale(risk: float, std_error: float, level: float, df: float | None = None) -> Interval:
    """Interval of a risk strictly between 0 and 1, reckoned on its log odds so that it stays between them."""
    centre = math.log(risk / (1 - risk))
    reach = critical_value(level, df) * std_error / (risk * (1 - risk))
    return Interval(1 / (1 + math.exp(reach - centre)), 1 / (1 + math.exp(-reach - centre)))
