"""Did units change before the day, because they knew? The effect with one more period of anticipation."""

from __future__ import annotations

from typing import Literal

from evaluation.diagnostics.case import Case, as_row, span, verdict
from evaluation.results import Check, ResultSet


def one_period_ahead(case: Case) -> ResultSet:
    """The effect if units could have reacted one period earlier than the analysis allows; estimators with the option.

    The period before adoption is then no baseline any more.
    """
    overall = case.overall
    if overall is None or "anticipation" not in type(case.estimator).model_fields:
        return ResultSet()
    periods = case.anticipation + 1
    found = case.again(case.moments, case.estimator.model_copy(update={"anticipation": periods}))
    if found is None:
        return ResultSet()
    label = f"Units may react {periods} period{'' if periods == 1 else 's'} before adoption"
    turned = verdict(found) != verdict(overall)
    message = (
        f"If units reacted {periods} period{'' if periods == 1 else 's'} before adoption the effect is {span(found)}, "
        f"{'and the conclusion another one' if turned else 'and the conclusion the same'}."
    )
    status: Literal["warn", "pass"] = "warn" if turned else "pass"
    check = Check("anticipation", status, message, term="att", statistic=found.estimate,
                  counts=tuple(sorted({*found.counts, *overall.counts})))  # fmt: skip
    row = as_row("anticipation", label, found, parameter=float(periods))
    return ResultSet(sensitivity=(row,), checks=(check,))
