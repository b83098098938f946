"""The whole set of diagnostics of a panel analysis, as the study file switches them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from evaluation.diagnostics.case import Case
from evaluation.errors import NotEstimable
from evaluation.results import Check, ResultSet
from evaluation.study.models import Diagnostics

ARGUED = ("primary", "secondary")  # roles whose results carry the argument


def diagnose(case: Case, switches: Diagnostics, role: str, *, places: bool, names: Sequence[str] = ()) -> ResultSet:
    """The results with what the diagnostics add.

    Every analysis gets the checks of its leads and, for a two-way regression, of its weights. Those that carry the
    argument (primary, secondary) also get another library's answer, the placebos, the bounds on departures from
    parallel trends, the effect with each cohort or unit left out, and what the design asks for besides: shared errors,
    randomisation, neighbours. `names` are the clusters' names by code.
    """
    from evaluation.diagnostics.pretrends import pretrends

    results = case.results
    if switches.pretrends:
        results += ResultSet(checks=pretrends(results, case.anticipation))
    else:
        results = replace(results, checks=tuple(c for c in results.checks if c.check != "pretrends"))
    for name, ask in _asked(case, switches, role, places, names):
        try:
            results += ask()
        except NotEstimable:
            continue  # a diagnostic without an answer says nothing
        except Exception as error:  # noqa: BLE001 - a defect in a diagnostic must not lose the estimates
            results += ResultSet(checks=(_defect(name, error),))
    return results


def _defect(name: str, error: Exception) -> Check:
    message = f"The diagnostic {name} stopped on an internal error ({type(error).__name__}: {error}); it is missing."
    return Check("diagnostic_missing", "warn", message, group=name)


def _asked(
    case: Case, switches: Diagnostics, role: str, places: bool, names: Sequence[str]
) -> list[tuple[str, Callable[[], ResultSet]]]:
    """What is to be asked, by name, in the order of the results."""
    from evaluation.diagnostics import drift, leave_out, placebo, reporting, second_opinion
    from evaluation.diagnostics.ahead import one_period_ahead

    found: list[tuple[str, Callable[[], ResultSet]]] = []
    if case.estimator.id == "twfe":
        found.append(("decomposition", lambda: _decomposed(case)))
    if switches.pretrends:
        found.append(("pretrend_slope", lambda: drift.drift(case)))
    if role not in ARGUED:
        return found
    found += _beside(case, switches)
    found.append(("second_opinion", lambda: second_opinion.second_opinion(case)))
    found.append(("reporting", lambda: ResultSet(checks=reporting.reporting(case.moments, places))))
    if switches.placebo:
        found += [
            ("placebo_time", lambda: placebo.in_time(case)),
            ("placebo_never_treated", lambda: placebo.among_never_treated(case)),
        ]
    found.append(("placebo_outcome", lambda: placebo.in_outcomes(case)))
    if switches.honest and case.results.joint is not None:
        found.append(("honest", lambda: _bounded(case)))
    if switches.leave_one_out:
        found.append(("leave_one_out", lambda: leave_out.leave_out(case, names, places=places)))
    found.append(("anticipation", lambda: one_period_ahead(case)))
    return found + _spilled(case, switches.spillover)


def _beside(case: Case, switches: Diagnostics) -> list[tuple[str, Callable[[], ResultSet]]]:
    """Other uncertainty of the overall effect: shared errors where the design declares them, randomisation."""
    from evaluation.diagnostics import shared_errors
    from evaluation.diagnostics.reassigned import reassigned_dates

    found: list[tuple[str, Callable[[], ResultSet]]] = []
    design = case.design
    if design is not None and design.coordinates and design.cutoff_km is not None:
        columns, cutoff = design.coordinates, design.cutoff_km
        found.append(("neighbours", lambda: shared_errors.among_neighbours(case, columns, cutoff)))
    if design is not None and design.second_cluster:
        found.append(("two_way_clusters", lambda: shared_errors.in_periods(case)))
    if switches.randomisation:
        asked = switches.randomisation is True
        found.append(("randomisation", lambda: reassigned_dates(case, asked=asked)))
    return found


def _spilled(case: Case, column: str | None) -> list[tuple[str, Callable[[], ResultSet]]]:
    from evaluation.diagnostics import spillover

    if column is None:
        return []
    return [
        ("spillover_ring", lambda: spillover.without_the_ring(case, column)),
        ("displacement", lambda: spillover.on_the_ring(case, column)),
    ]


def _decomposed(case: Case) -> ResultSet:
    """What the coefficient is made of: comparisons of cohorts, and weights of single effects."""
    from evaluation.diagnostics.bacon import goodman_bacon
    from evaluation.diagnostics.twfe_weights import twfe_weights

    return goodman_bacon(case.moments) + twfe_weights(case.moments)


def _bounded(case: Case) -> ResultSet:
    """How far from parallel trends the groups may have moved before the conclusion falls."""
    from evaluation.diagnostics.honest import honest

    return honest(case.estimator, case.moments, case.outcome, case.results)
