"""Risks by a window, anew: as they are, standardised by regression, weighted, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.diagnostics.second_models import (
    CLUSTERED,
    INDEPENDENT,
    answered,
    arm_means,
    contrasts,
    inverse_propensity,
    logistic,
    read,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.data.cohort import CohortRows
    from evaluation.diagnostics.cohort import CohortCase
    from evaluation.diagnostics.recomputed import Key
    from evaluation.diagnostics.second_opinion import Again

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Means = tuple[tuple[float, float], Floats | None, str]

RISKS = {"risk_treated": "treated", "risk_control": "control", "risk_difference": "difference",
         "risk_ratio": "ratio", "odds_ratio": "odds ratio"}  # fmt: skip
AVERAGED = "averaged predictions, without a standard error"


def risks(case: CohortCase) -> dict[Key, Again]:
    """Every window's risks and contrasts; none of matched or cross-fitted ones, which rest on a draw.

    Raises
    ------
    NotRecomputed
        When there are too many people, or a model does not converge.
    """
    options: Any = case.estimator
    if options.adjust == "matching" or (options.adjust == "aipw" and options.folds):
        return {}
    columns = options.columns(list(case.cohort.covariates))
    rows = read(case, list(columns.names))
    places = [columns.names.index(c) for c in columns.adjusted]
    found: dict[Key, Again] = {}
    for window, terms in answered(case.results).items():
        assert window is not None  # noqa: S101 - the method has a window
        followed = np.ones(len(rows.time), dtype=bool) if rows.follow_up is None else rows.follow_up >= window
        lost = followed & (rows.event == 0) & (rows.time < window)
        if lost.any():
            if options.adjust != "none" or columns.censoring:
                continue  # people stand for those lost by weights that no library here makes
            means = _by_incidence(rows, followed, window)
        else:
            means = _means(rows, followed, window, places, options)
        found |= contrasts(means[0], means[1], RISKS, means[2], terms, window)
    return found


def _means(rows: CohortRows, followed: Flags, window: float, places: list[int], options: Any) -> Means:
    """Both arms' risks among those followed for as long."""
    had = ((rows.event == 1) & (rows.time <= window))[followed].astype(float)
    arm, mass, columns = rows.arm[followed], rows.mass[followed], rows.covariates[followed][:, places]
    cluster = None if rows.cluster is None else np.unique(rows.cluster[followed], return_inverse=True)[1]
    errors = INDEPENDENT if cluster is None else CLUSTERED
    people = bool((rows.people == 1).all())
    if options.adjust == "none":
        both, covariance = arm_means(had, arm, mass, cluster)
        return both, covariance if people else None, errors if people else "from cells, without a standard error"
    if options.adjust == "iptw":
        weight = mass * inverse_propensity(arm, columns, mass, options.population, options.trim, options.truncate)
        kept = weight > 0
        both, covariance = arm_means(had[kept], arm[kept], weight[kept], None if cluster is None else cluster[kept])
        return both, covariance, f"{errors}, the propensity taken as known"
    if options.adjust == "regression":
        return _standardised(had, arm, mass, columns, options.population), None, AVERAGED
    both = _doubly_robust(had, arm, mass, columns, options.population)
    return both, None, "augmented predictions, without a standard error"


def _standardised(had: Floats, arm: Any, mass: Floats, columns: Floats, population: str) -> tuple[float, float]:
    """Predictions under each arm, averaged over everyone or the treated."""
    fit = logistic(had, np.column_stack([arm, columns]), mass)
    whom = mass if population == "ate" else mass * (arm == 1)
    one, zero = (
        float(np.average(fit.of(np.column_stack([np.full(len(arm), a), columns])), weights=whom)) for a in (1, 0)
    )
    return one, zero


def _doubly_robust(had: Floats, arm: Any, mass: Floats, columns: Floats, population: str) -> tuple[float, float]:
    """Each arm's own predictions, plus the errors of its people weighted by the propensity (Robins et al., 1994)."""
    chance = logistic(arm.astype(float), columns, mass).of(columns)
    found = []
    for code, of_own in ((1, chance), (0, 1 - chance)):
        own = arm == code
        if population == "att" and code == 1:
            found.append(float(np.average(had[own], weights=mass[own])))
            continue
        predicted = logistic(had[own], columns[own], mass[own]).of(columns)
        aimed = np.ones(len(arm)) if population == "ate" else chance
        whom = np.ones(len(arm)) if population == "ate" else (arm == 1).astype(float)
        corrected = whom * predicted + own * aimed / of_own * (had - predicted)
        found.append(float(mass @ corrected / (mass @ whom)))
    return found[0], found[1]


def _by_incidence(rows: CohortRows, followed: Flags, window: float) -> Means:
    """Weighting by the chance of still being followed, in each arm, gives the cumulative incidence (Satten, Datta)."""
    from statsmodels.duration.survfunc import CumIncidenceRight

    found = []
    for code in (1, 0):
        of_arm = followed & (rows.arm == code)
        time = np.minimum(rows.time[of_arm], window)
        event = np.where(rows.time[of_arm] <= window, rows.event[of_arm], 0)
        status = np.where(event == 1, 1, np.where(event != 0, 2, 0))
        curve = CumIncidenceRight(time, status, freq_weights=rows.mass[of_arm])
        found.append(float(curve.cinc[0][-1]) if curve.cinc else 0.0)
    return (found[0], found[1]), None, "cumulative incidence, without a standard error"
