"""Beside every result that does not stand out from no difference: what the study would have found."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from evaluation.inference.cohort_power import detectable_multiplier
from evaluation.inference.intervals import critical_value
from evaluation.results import Check, Estimate, ResultSet

if TYPE_CHECKING:
    from evaluation.diagnostics.cohort import CohortCase

POWER = 0.8


def minimum_detectable(case: CohortCase) -> ResultSet:
    """The effect that each estimate whose interval includes none would have been told from none with 80 % probability.

    2.80 standard errors at 95 % (Bloom, 1995), on the scale of the interval; with clusters the quantiles are t's.
    """
    return ResultSet(checks=tuple(c for e in case.main if (c := _check(case, e)) is not None))


def _check(case: CohortCase, main: Estimate) -> Check | None:
    ratio = main.term.endswith("_ratio") and not main.scale.startswith("log")
    null = 1.0 if ratio else 0.0
    if main.conf_low is None or main.conf_high is None or not main.conf_low <= null <= main.conf_high:
        return None
    row = case.inference(main)
    df = None if row is None else row.df
    std_error = _log_std_error(main, df) if ratio else main.std_error
    if std_error is None:
        return None
    size = detectable_multiplier(main.conf_level, POWER, df) * std_error
    message = (
        f"{_when(case, main)} the interval includes no difference. This is not evidence that there is none: the study "
        f"would have found {_in_words(case, main, size, log=ratio)} with a probability of {POWER:.0%}, and smaller "
        "ones less often."
    )
    return Check("minimum_detectable", "info", message, term=main.term, group=main.group, time=main.time,
                 statistic=size, threshold=POWER, counts=main.counts)  # fmt: skip


def _log_std_error(main: Estimate, df: float | None) -> float | None:
    """Standard error of a ratio's logarithm, from its interval."""
    if not main.conf_low or not main.conf_high:
        return None
    return math.log(main.conf_high / main.conf_low) / (2 * critical_value(main.conf_level, df))


def _when(case: CohortCase, main: Estimate) -> str:
    return "Over the whole follow-up" if main.time is None else f"Within {case.span(main.time)}"


def _in_words(case: CohortCase, main: Estimate, size: float, *, log: bool) -> str:
    if log or main.scale.startswith("log"):
        return f"a ratio of {math.exp(-size):.2f} or less, or of {math.exp(size):.2f} or more,"
    if main.scale == "risk":
        return f"a difference of {100 * size:.1f} percentage points or more"
    if main.scale == "time":
        return f"a difference of {size:.2g} {case.cohort.time_unit}s or more"
    return f"a difference of {size:.3g} or more"
