"""The whole set of diagnostics of a panel analysis, as the study file switches them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from evaluation.diagnostics.case import Case
from evaluation.errors import NotEstimable
from evaluation.results import ResultSet
from evaluation.study.models import Diagnostics

ARGUED = ("primary", "secondary")  # roles whose results carry the argument


def diagnose(case: Case, switches: Diagnostics, role: str, *, places: bool, names: Sequence[str] = ()) -> ResultSet:
    """The results with what the diagnostics add.

    Every analysis gets the checks of its leads and, for a two-way regression, of its weights. Those that carry the
    argument (primary, secondary) also get another library's answer, the placebos, the bounds on departures from
    parallel trends, and the effect with each cohort or unit left out. `names` are the clusters' names by code.
    """
    from evaluation.diagnostics.pretrends import pretrends

    results = case.results
    if switches.pretrends:
        results += ResultSet(checks=pretrends(results, case.anticipation))
    else:
        results = replace(results, checks=tuple(c for c in results.checks if c.check != "pretrends"))
    for ask in _asked(case, switches, role, places, names):
        try:
            results += ask()
        except NotEstimable:
            continue  # a diagnostic without an answer says nothing
    return results


def _asked(
    case: Case, switches: Diagnostics, role: str, places: bool, names: Sequence[str]
) -> list[Callable[[], ResultSet]]:
    from evaluation.diagnostics import drift, leave_out, placebo, reporting, second_opinion

    found: list[Callable[[], ResultSet]] = []
    if case.estimator.id == "twfe":
        found.append(lambda: _decomposed(case))
    if switches.pretrends:
        found.append(lambda: drift.drift(case))
    if role not in ARGUED:
        return found
    found.append(lambda: second_opinion.second_opinion(case))
    found.append(lambda: ResultSet(checks=reporting.reporting(case.moments, places)))
    if switches.placebo:
        found += [lambda: placebo.in_time(case), lambda: placebo.among_never_treated(case)]
    if switches.honest and case.results.joint is not None:
        found.append(lambda: _bounded(case))
    if switches.leave_one_out:
        found.append(lambda: leave_out.leave_out(case, names))
    return found


def _decomposed(case: Case) -> ResultSet:
    """What the coefficient is made of: comparisons of cohorts, and weights of single effects."""
    from evaluation.diagnostics.bacon import goodman_bacon
    from evaluation.diagnostics.twfe_weights import twfe_weights

    return goodman_bacon(case.moments) + twfe_weights(case.moments)


def _bounded(case: Case) -> ResultSet:
    """How far from parallel trends the groups may have moved before the conclusion falls."""
    from evaluation.diagnostics.honest import honest

    return honest(case.estimator, case.moments, case.outcome, case.results)
