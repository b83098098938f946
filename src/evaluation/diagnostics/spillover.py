"""Did the program reach its neighbours? The untreated units next to treated ones, left out and looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from evaluation.data.adoption import first_treated
from evaluation.data.engine import quoted
from evaluation.diagnostics.case import Case, as_row, span, verdict
from evaluation.errors import NotEstimable
from evaluation.results import Check, Estimate, ResultSet

if TYPE_CHECKING:
    from evaluation.data.panel import Panel

FAR = 1.0  # standard errors by which the effect may move without the neighbours


def without_the_ring(case: Case, column: str) -> ResultSet:
    """The effect with the neighbours (`column` = 1) left out of the comparison: they may be affected themselves."""
    overall = case.overall
    if overall is None or overall.estimate is None:
        return ResultSet()
    ring = _ring(case.panel, column)
    found = _again(case, f"SELECT * FROM {case.panel.source.scan} WHERE NOT ({ring})")
    if found is None or found.estimate is None:
        return ResultSet()
    row = as_row("spillover_ring", "Without untreated units next to treated ones", found)
    moved = abs(found.estimate - overall.estimate)
    far = bool(overall.std_error) and moved > FAR * (overall.std_error or 0.0)
    doubt = far or verdict(found) != verdict(overall)
    if doubt:
        message = (
            f"Without untreated units next to treated ones the effect is {span(found)}, instead of {span(overall)}: "
            "the program may have reached the units that it is compared with."
        )
    else:
        message = f"Untreated units next to treated ones do not decide the answer: without them it is {span(found)}."
    status: Literal["warn", "pass"] = "warn" if doubt else "pass"
    check = Check("spillover_ring", status, message, term="att", statistic=found.estimate,
                  counts=_together(found, overall))  # fmt: skip
    return ResultSet(sensitivity=(row,), checks=(check,))


def on_the_ring(case: Case, column: str) -> ResultSet:
    """The neighbours as if treated from the first adoption of any unit on, against the other untreated units.

    An effect there is displacement of what the program prevents, or diffusion of its benefits.
    """
    cohort, moments = case.panel.cohort, case.moments
    inside = moments.cohort[(moments.cohort > moments.times[0]) & (moments.cohort <= moments.times[-1])]
    if not len(inside):
        return ResultSet()
    start = int(inside.min())
    source = case.panel.source
    when = f"CASE WHEN {_ring(case.panel, column)} THEN {start}::DOUBLE END"
    untreated = f"coalesce({first_treated(source, cohort)}, 0) = 0"
    found = _again(case, f"SELECT * REPLACE ({when} AS {quoted(cohort)}) FROM {source.scan} WHERE {untreated}", cohort)
    if found is None or found.estimate is None:
        return ResultSet()
    label = f"Untreated units next to treated ones, as if treated from {start}, against the other untreated units"
    apart = verdict(found) != 0
    if apart:
        message = (
            f"Untreated units next to treated ones changed too after {start}, the first adoption: {span(found)} beside "
            "the other untreated units. What the program prevents may have moved there, or its benefits spread."
        )
    else:
        message = (
            f"Untreated units next to treated ones show no change of their own after {start}, the first adoption, that "
            f"chance does not explain: {span(found)}."
        )
    status: Literal["warn", "pass"] = "warn" if apart else "pass"
    check = Check("displacement", status, message, term="att", statistic=found.estimate, p_value=found.p_value,
                  counts=found.counts)  # fmt: skip
    return ResultSet(sensitivity=(as_row("displacement", label, found, parameter=float(start)),), checks=(check,))


def _ring(panel: Panel, column: str) -> str:
    """SQL of whether a row is a neighbour's."""
    return f"coalesce({panel.source.number(column)}, 0) = 1"


def _again(case: Case, view: str, cohort: str = "") -> Estimate | None:
    """The overall effect on the rows of a query; `cohort` is a column that the query makes a number."""
    types = {cohort: "DOUBLE"} if cohort else {}
    source = replace(case.panel.source, view=view, columns=case.panel.source.columns | types)
    panel = replace(case.panel, source=source, spark=None, held={})
    if not source.query(f"SELECT count(*) FROM {source.scan}")[0][0]:
        return None
    try:
        moments = case.estimator.moments(panel, case.outcome)
    except NotEstimable:
        return None
    return case.again(moments)


def _together(one: Estimate, other: Estimate) -> tuple[int, ...]:
    """The numbers of units behind two estimates, and how many more stand behind one of them."""
    apart = (a - b for a, b in zip(other.counts, one.counts, strict=False))
    return tuple(sorted({*one.counts, *other.counts, *(abs(n) for n in apart if n)}))
