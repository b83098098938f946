"""The same analysis of outcomes that the program cannot change: it should find nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from evaluation.errors import NotEstimable
from evaluation.results import MAIN_TERMS, Check, Estimate, ResultSet, Sensitivity

if TYPE_CHECKING:
    from evaluation.diagnostics.cohort import CohortCase
    from evaluation.study.models import Outcome

ALPHA = 0.05


def negative_control(case: CohortCase) -> ResultSet:
    """The effect on each of the study's `placebo_outcomes`, by the analysis's own estimator; the smallest p-value,
    times their number, says whether something else tells the arms apart."""
    named = [case.study.outcome(name) for name in case.study.diagnostics.placebo_outcomes]
    found = [(o, e) for o in named if o.id != case.outcome.id for e in _main(case, o)]
    if not found:
        return ResultSet()
    rows = tuple(_row(case, o, e) for o, e in found)
    tested = [(e.p_value, o, e) for o, e in found if e.p_value is not None]
    return ResultSet(sensitivity=rows, checks=(_check(tested),) if tested else ())


def _main(case: CohortCase, outcome: Outcome) -> list[Estimate]:
    """The estimates of the placebo that the analysis would be judged by; none where there is no answer."""
    try:
        results = case.estimator.fit(case.on(outcome), outcome)
    except NotEstimable:
        return []
    known = [e for e in results.estimates if e.status == "ok" and e.term in MAIN_TERMS]
    term = next((t for t in MAIN_TERMS if any(e.term == t for e in known)), "")
    return [e for e in known if e.term == term]


def _row(case: CohortCase, outcome: Outcome, found: Estimate) -> Sensitivity:
    label = f"Effect on {outcome.label}"
    if found.time is not None:
        label += f", within {case.span(found.time)}"
    return Sensitivity("placebo_outcome", label, outcome.id, found.time, found.estimate, found.std_error,
                       found.conf_low, found.conf_high, found.p_value, counts=found.counts)  # fmt: skip


def _check(tested: list[tuple[float, Outcome, Estimate]]) -> Check:
    p_value, outcome, worst = min(tested, key=lambda row: row[0])
    adjusted = min(1.0, p_value * len(tested))
    out = adjusted < ALPHA
    if out:
        message = (
            f"“{outcome.label}”, which the program cannot change, differs between the groups by more than chance "
            "explains: something other than the program tells them apart, and may do so for the outcome as well."
        )
    elif len(tested) == 1:
        message = (
            f"“{outcome.label}”, which the program cannot change, shows no difference that chance does not explain."
        )
    else:
        message = (
            f"None of the {len(tested)} comparisons of outcomes that the program cannot change shows a difference that "
            "chance does not explain (Bonferroni)."
        )
    status: Literal["pass", "fail"] = "fail" if out else "pass"
    counts = tuple(sorted({n for _, _, e in tested for n in e.counts}))
    return Check("placebo_outcome", status, message, group=outcome.id, statistic=worst.estimate, p_value=adjusted,
                 threshold=ALPHA, counts=counts)  # fmt: skip
