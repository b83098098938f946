"""Curves, mean times and hazard ratios, anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.diagnostics.second_models import (
    NotRecomputed,
    People,
    answered,
    contrasts,
    converged,
    inverse_propensity,
    people_of,
    read,
    standardised,
)
from evaluation.diagnostics.second_opinion import Again
from evaluation.diagnostics.second_risks import RISKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.data.cohort import CohortRows
    from evaluation.diagnostics.cohort import CohortCase
    from evaluation.diagnostics.recomputed import Key

    Floats = NDArray[np.float64]
    Steps = tuple[Floats, Floats, Floats | None]  # times (P,), incidences after each (P,), their standard errors

EVENT_TIMES = 20_000  # distinct times of events, of which the library makes one risk set after the other
LEFT = 1e-6  # standard errors that a further step of the fit may be long
MEAN_TIMES = ("treated", "control", "difference", "ratio")


def risks_from_curves(case: CohortCase) -> dict[Key, Again]:
    """Risks read off both arms' curves at each window, with the contrasts.

    Raises
    ------
    NotRecomputed
        When there are too many people, or the propensity does not converge.
    """
    if _reweighted(case):
        return {}
    competing = case.estimator.id == "cumulative_incidence"
    rows, weight, weighted = _people(case)
    curves = [_incidences(rows, weight, code, _causes(case) if competing else (1,), weighted=weighted)
              for code in (1, 0)]  # fmt: skip
    how = "weighted curves, without a standard error" if weighted else (
        "delta method, people independent" if competing else "Greenwood, people independent")  # fmt: skip
    found: dict[Key, Again] = {}
    for window, terms in answered(case.results).items():
        until = _latest(rows) if window is None else window
        values, errors = zip(*(_at(curve[0], until) for curve in curves), strict=True)
        covariance = None if None in errors else np.diag(np.square(errors))
        found |= contrasts((values[0], values[1]), covariance, RISKS, how, terms, window)
    return found


def mean_times(case: CohortCase) -> dict[Key, Again]:
    """Areas between curves and axis up to each horizon.

    Raises
    ------
    NotRecomputed
        When there are too many people, or the propensity does not converge.
    """
    if _reweighted(case):
        return {}
    causes = _causes(case)
    rows, weight, weighted = _people(case)
    curves = [_incidences(rows, weight, code, causes, weighted=weighted) for code in (1, 0)]
    others = sorted(case.cohort.competing, key=lambda name: case.cohort.competing[name])
    how = "areas under curves, without a standard error"
    found: dict[Key, Again] = {}
    for e in case.results.estimates:
        if e.status != "ok" or e.time is None:
            continue
        family = e.term.partition("_")[0]
        place = others.index(e.group) + 1 if e.group else 0
        areas = [_area(curve[place], e.time) for curve in curves]
        both = (e.time - areas[0], e.time - areas[1]) if family == "rmst" else (areas[0], areas[1])
        names = {f"{family}_{what}": what for what in MEAN_TIMES}
        found |= contrasts(both, None, names, how, {e.term}, e.time, e.group)
    return found


def _reweighted(case: CohortCase) -> bool:
    """Whether people stand for those lost, by weights that change with time: no library here takes them."""
    options: Any = case.estimator
    return bool(options.censoring == "ipcw")


def _people(case: CohortCase) -> tuple[CohortRows, Floats, bool]:
    """The people, what each row weighs (n,), and whether that is more than how many they are."""
    options: Any = case.estimator
    if options.censoring == "ipcw":
        raise NotRecomputed("The library's curves do not take weights that change over time.")
    rows = read(case, options.covariate_columns(list(case.cohort.covariates)))
    if options.adjust == "none":
        return rows, rows.mass, rows.weights is not None or bool((rows.people != 1).any())
    return rows, rows.mass * inverse_propensity(rows.arm, rows.covariates, rows.mass, options.population), True


def _causes(case: CohortCase) -> tuple[int, ...]:
    return (1, *sorted(case.cohort.competing.values()))


def _latest(rows: CohortRows) -> float:
    return min(float(rows.time[rows.arm == code].max()) for code in (1, 0))


def _incidences(
    rows: CohortRows, weight: Floats, arm: int, causes: tuple[int, ...], *, weighted: bool
) -> list[Steps]:  # fmt: skip
    """The incidence of each cause in an arm; with one cause, others count as leaving."""
    from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight

    own = (rows.arm == arm) & (weight > 0)
    time, event = rows.time[own], rows.event[own]
    weights = weight[own] if weighted else None
    if len(causes) == 1:
        curve = SurvfuncRight(time, (event == 1).astype(int), freq_weights=weights)
        return [(curve.surv_times, 1 - curve.surv_prob, None if weighted else curve.surv_prob_se)]
    status = np.zeros(len(event), dtype=int)
    for place, code in enumerate(causes, 1):
        status[event == code] = place
    found = CumIncidenceRight(time, status, freq_weights=weights)
    none = np.zeros(len(found.times))
    return [
        (found.times, found.cinc[k], None if weighted else found.cinc_se[k]) if k < len(found.cinc)
        else (found.times, none, None if weighted else none)
        for k in range(len(causes))
    ]  # fmt: skip


def _at(curve: Steps, window: float) -> tuple[float, float | None]:
    """A curve's height at a time, and its standard error."""
    times, height, error = curve
    place = int(np.searchsorted(times, window, side="right")) - 1
    if place < 0:
        return 0.0, None if error is None else 0.0
    known = error is not None and np.isfinite(error[place])
    return float(height[place]), float(error[place]) if known and error is not None else None


def _area(curve: Steps, horizon: float) -> float:
    """The area under a curve of steps from time 0 to a horizon."""
    times, height, _ = curve
    inside = times < horizon
    return float(np.sum(np.diff(np.append(times[inside], horizon)) * height[inside]))


# --------------------------------------------------------------------------- hazards


def hazard_ratios(case: CohortCase) -> dict[Key, Again]:
    """Coefficients of a Cox regression; none where people have weights or a ratio changes with time.

    Raises
    ------
    NotRecomputed
        When there are too many people or distinct times, or the library does not converge.
    """
    options: Any = case.estimator
    cohort = case.cohort
    if cohort.weights or options.time_interaction:
        return {}
    terms = ["arm", *options.covariate_columns(list(cohort.covariates))]
    roles = {"arm": cohort.arm, "time": cohort.time, "event": cohort.event}
    people = people_of(case, roles, terms[1:], list(dict.fromkeys(options.strata)))
    wanted = answered(case.results).get(None, set())
    return {(t, "", None): again for t, again in zip(terms, _cox(people, options.ties), strict=True) if t in wanted}


def _cox(people: People, ties: str) -> list[Again]:
    """The coefficients of the arm and of each covariate."""
    from statsmodels.duration.hazard_regression import PHReg

    arm, time, event, *covariates = people.values
    had = event == 1
    strata = (
        np.unique(np.column_stack(people.strata), axis=0, return_inverse=True)[1].ravel() if people.strata else None
    )
    at = np.column_stack([time if strata is None else strata, time])[had]
    if len(np.unique(at, axis=0)) > EVENT_TIMES:
        raise NotRecomputed(
            f"Events fall at more than {EVENT_TIMES:,} different times, so the regression was not recomputed by "
            "another library."
        )
    columns, _, scale = standardised(np.column_stack([arm, *covariates]))
    model = PHReg(time, columns, status=had.astype(int), ties=ties, strata=strata)
    fit = model.fit(method="newton", maxiter=100)
    left = model.score(fit.params)
    converged(fit, left @ fit.cov_params() @ left < LEFT**2)
    return [Again(float(b / s), float(e / s), "from the inverse information")
            for b, e, s in zip(fit.params, fit.bse, scale, strict=True)]  # fmt: skip


WAYS: dict[str, Callable[[CohortCase], dict[Key, Again]]] = {
    "kaplan_meier": risks_from_curves,
    "cumulative_incidence": risks_from_curves,
    "rmst": mean_times,
    "cox": hazard_ratios,
}
