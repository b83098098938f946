"""How strong an unmeasured common cause would have to be to explain the result of an observational study away."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.inference import e_values
from evaluation.results import Check, Estimate, ResultSet, Sensitivity

if TYPE_CHECKING:
    from collections.abc import Callable

    from evaluation.diagnostics.cohort import CohortCase

RATIO_TERMS = ("risk_ratio", "odds_ratio", "rate_ratio")


@dataclass(frozen=True)
class _Ratio:
    """An estimate as a ratio of risks, with its interval and how it became one."""

    source: Estimate
    ratio: float
    low: float
    high: float
    how: str

    @property
    def of_estimate(self) -> float:
        return e_values.e_value(self.ratio)

    @property
    def of_limit(self) -> float:
        return e_values.of_limit(self.low, self.high)


def e_value(case: CohortCase) -> ResultSet:
    """A row and a sentence for each estimate that the analysis is judged by; none where chance decided who is treated.

    `estimate` of a row is the E-value of the estimate, `conf_low` that of the interval's limit nearer to no effect.
    """
    if case.cohort.assignment == "randomised":
        return ResultSet()
    found = [r for e in case.main if (r := _as_risk_ratio(case, e)) is not None]
    return ResultSet(sensitivity=tuple(_row(case, r) for r in found), checks=tuple(_check(case, r) for r in found))


def _as_risk_ratio(case: CohortCase, main: Estimate) -> _Ratio | None:
    if main.term == "risk_difference":
        ratio = next((e for e in case.results.estimates
                      if e.term == "risk_ratio" and e.time == main.time and e.status == "ok"), None)  # fmt: skip
        return None if ratio is None else _converted(ratio, lambda r: r, "risk ratio")
    common = _common(main)
    if main.scale == "log_hazard":
        how = "hazard ratio of a common outcome, converted to a risk ratio" if common else "hazard ratio"
        return _converted(main, lambda r: e_values.from_hazard_ratio(r, common=common), how)
    if main.scale == "log_odds" or main.term == "odds_ratio":
        how = "odds ratio of a common outcome, its square root" if common else "odds ratio"
        return _converted(main, lambda r: e_values.from_odds_ratio(r, common=common), how)
    if main.scale == "log_rate" or main.term in RATIO_TERMS:
        return _converted(main, lambda r: r, "rate ratio" if "rate" in main.scale + main.term else "risk ratio")
    return None


def _common(main: Estimate) -> bool:
    """Whether more people have the outcome than a rare one has: from the counts, events and non-events by arm."""
    if len(main.counts) < 4:
        return True
    with_it, without = main.counts[0] + main.counts[2], main.counts[1] + main.counts[3]
    return with_it > e_values.COMMON * (with_it + without)


def _converted(source: Estimate, convert: Callable[[float], float], how: str) -> _Ratio | None:
    values = (source.estimate, source.conf_low, source.conf_high)
    if any(v is None for v in values):
        return None
    natural = [math.exp(v) if source.scale.startswith("log") else v for v in values if v is not None]
    if not all(0 < v < math.inf for v in natural):
        return None
    ratio, low, high = (convert(v) for v in natural)
    return _Ratio(source, ratio, low, high, how)


def _label(case: CohortCase, found: _Ratio) -> str:
    time = found.source.time
    return "Unmeasured common cause" if time is None else f"Unmeasured common cause, within {case.span(time)}"


def _row(case: CohortCase, found: _Ratio) -> Sensitivity:
    return Sensitivity("e_value", _label(case, found), found.source.term, found.source.time, found.of_estimate,
                       conf_low=found.of_limit, method=found.how, counts=found.source.counts)  # fmt: skip


def _check(case: CohortCase, found: _Ratio) -> Check:
    beyond = ", beyond the characteristics adjusted for" if case.covariates else ""
    when = "" if found.source.time is None else f"within {case.span(found.source.time)} "
    message = (
        f"To explain the whole estimate {when}away, something unmeasured would have to make both entering the program "
        f"and the outcome at least {found.of_estimate:.2f} times as likely, or as unlikely{beyond} (E-value)."
    )
    if found.of_limit == 1:
        message += " The interval includes no difference already."
    else:
        message += f" For the interval to include no difference, {found.of_limit:.2f} times would be enough."
    return Check("e_value", "info", message, term=found.source.term, time=found.source.time,
                 statistic=found.of_estimate, counts=found.source.counts)  # fmt: skip
