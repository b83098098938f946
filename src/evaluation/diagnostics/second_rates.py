"""Regressions of numbers of events, and of hazards in intervals, anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.diagnostics.second_models import (
    CLUSTERED,
    SETTLED,
    NotRecomputed,
    People,
    answered,
    contrasts,
    converged,
    people_of,
    standardised,
    with_constant,
)
from evaluation.diagnostics.second_opinion import Again
from evaluation.diagnostics.second_risks import AVERAGED, RISKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.diagnostics.cohort import CohortCase
    from evaluation.diagnostics.recomputed import Key

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

RATES = {"rate_treated": "treated", "rate_control": "control", "rate_ratio": "ratio"}
INTERVALS = 2_000_000  # of all people
NUMBERS = 100_000_000  # that the regressors of all person-intervals may hold


def _errors(cluster: Integers | None) -> dict[str, Any]:
    """The library's settings for robust errors."""
    return {"cov_type": "HC1"} if cluster is None else {"cov_type": "cluster", "cov_kwds": {"groups": cluster}}


def _under(values: Floats, arm: int, centre: Floats, scale: Floats) -> Floats:
    """Standardised columns (n, P), the first set to one arm."""
    found = values.copy()
    found[:, 0] = (arm - centre[0]) / scale[0]
    return found


# --------------------------------------------------------------------------- numbers of events


def rates(case: CohortCase) -> dict[Key, Again]:
    """Coefficients of a Poisson or negative binomial regression, and mean rates by arm.

    Nothing of a negative binomial regression where people have weights.

    Raises
    ------
    NotRecomputed
        When there are too many people, or the library does not converge.
    """
    from evaluation.estimators._counted import PER_YEAR, count_columns

    options: Any = case.estimator
    if options.model == "negative_binomial" and case.cohort.weights:
        return {}
    covariates = options.covariate_columns(list(case.cohort.covariates))
    columns = count_columns(case.cohort, case.outcome.id, options.count, options.exposure, options.window)
    first = {"arm": case.cohort.arm, "number": columns.count, "exposure": columns.exposure}
    people = people_of(case, first, covariates)
    people = people.among(people.values[2] > 0)
    arm, number, exposure, *others = people.values
    values, centre, scale = standardised(np.column_stack([arm, *others]))
    fit = _counts(number, values, exposure / PER_YEAR[options.exposure_unit], people, options.model)
    how = "robust, no small-sample factor" if people.cluster is None else CLUSTERED
    found: dict[Key, Again] = {}
    for window, terms in answered(case.results).items():
        for j, term in enumerate(["arm", *covariates]):
            if term in terms:
                value, error = fit.params[j + 1] / scale[j], fit.bse[j + 1] / scale[j]
                found[term, "", window] = Again(float(value), float(error), how)
        means = []
        for code in (1, 0):
            under = with_constant(_under(values, code, centre, scale))
            rate = np.exp(under @ np.asarray(fit.params)[: values.shape[1] + 1])
            means.append(float(np.average(rate, weights=people.mass)))
        found |= contrasts((means[0], means[1]), None, RATES, AVERAGED, terms, window)
    return found


def _counts(number: Floats, values: Floats, exposure: Floats, people: People, model: str) -> Any:
    """The fitted regression. Where counts vary no more than Poisson's, a negative binomial one is Poisson's."""
    from statsmodels.discrete.discrete_model import NegativeBinomial
    from statsmodels.genmod.families import Poisson
    from statsmodels.genmod.generalized_linear_model import GLM

    x, errors = with_constant(values), _errors(people.cluster)
    plain = GLM(number, x, family=Poisson(), exposure=exposure, var_weights=people.mass).fit(**SETTLED, **errors)
    converged(plain, plain.converged)
    if model == "poisson" or np.sum((number - plain.mu) ** 2 - number) <= 0:
        return plain
    spread = np.sum((number - plain.mu) ** 2 - plain.mu) / np.sum(plain.mu**2)  # by moments, where the search begins
    begin = np.append(plain.params, max(float(spread), 0.01))
    again = NegativeBinomial(number, x, exposure=exposure)
    near = again.fit(start_params=begin, method="bfgs", disp=0, maxiter=200)
    fit = again.fit(start_params=near.params, method="newton", disp=0, maxiter=100, tol=1e-12, **errors)
    left = again.score(fit.params)
    step = left @ np.linalg.solve(-again.hessian(fit.params), left)
    return converged(fit, 0 <= step < 1e-12)


# --------------------------------------------------------------------------- hazards in intervals


@dataclass(frozen=True, eq=False)
class _Intervals:
    """Rows (m,), each a person's interval: whose, which (0 the first), and whether the event fell there.

    `course` (J, B) are the baseline's columns by interval, `known` (J,) hazards that are 0 or 1 for all at risk, else
    NaN.
    """

    who: Integers
    interval: Integers
    had: NDArray[np.bool_]
    course: Floats
    known: Floats

    @classmethod
    def of(cls, time: Floats, event: Floats, every: float, baseline: str) -> _Intervals:
        """A time of whole intervals ends with the last of them; an event at time 0 falls in the first."""
        last = np.maximum(np.ceil(time / every - 1e-9), event != 0).astype(np.int64)
        if last.sum() > INTERVALS:
            raise NotRecomputed(
                "People are followed for more than 2,000,000 intervals in all, so the figures were not recomputed by "
                "another library."
            )
        who = np.repeat(np.arange(len(last)), last)
        interval = np.arange(len(who)) - np.repeat(np.cumsum(last) - last, last)
        had = (event[who] == 1) & (interval + 1 == last[who])
        course, known = _course(interval, had, int(last.max()), baseline)
        free = np.isnan(known[interval])
        return cls(who[free], interval[free], had[free], course, known)

    def risks(self, coefficients: Floats, under: Floats, mass: Floats, until: dict[float, int]) -> dict[float, float]:
        """The mean risk by each window's last interval, with the values (n, P) that people have `under` one arm."""
        split = self.course.shape[1]
        own, level = under @ coefficients[split:], self.course @ coefficients[:split]
        staying = np.ones(len(own))
        found: dict[float, float] = {}
        for j in range(max(until.values(), default=0)):
            hazard = 1 / (1 + np.exp(-(level[j] + own))) if np.isnan(self.known[j]) else self.known[j]
            staying = staying * (1 - hazard)
            found |= {w: float(np.average(1 - staying, weights=mass)) for w, k in until.items() if k == j + 1}
        return found


def _course(interval: Integers, had: NDArray[np.bool_], number: int, baseline: str) -> tuple[Floats, Floats]:
    known = np.full(number, np.nan)
    if baseline == "polynomial":
        place = np.linspace(-1, 1, number) if number > 1 else np.zeros(1)
        return np.vander(place, min(3, number - 1) + 1, increasing=True), known
    events, at_risk = np.bincount(interval, had, number), np.bincount(interval, minlength=number)
    known[events == 0] = 0.0
    known[(events == at_risk) & (events > 0)] = 1.0
    return np.eye(number)[:, np.isnan(known)], known


def interval_hazards(case: CohortCase) -> dict[Key, Again]:
    """Coefficients of a logistic regression of person-intervals, and the risks that add up from it.

    Raises
    ------
    NotRecomputed
        When there are too many intervals, or the library does not converge.
    """
    options: Any = case.estimator
    cohort = case.cohort
    terms = ["arm", *options.covariate_columns(list(cohort.covariates))]
    people = people_of(case, {"arm": cohort.arm, "time": cohort.time, "event": cohort.event}, terms[1:])
    arm, time, event, *others = people.values
    parts = _Intervals.of(time, event, options.every, options.baseline)
    values, centre, scale = standardised(np.column_stack([arm, *others]))
    fit = _hazards(parts, values, people)
    split, wanted = parts.course.shape[1], answered(case.results)
    how = f"clustered by {'person' if people.cluster is None else 'cluster'}, no small-sample factor"
    found: dict[Key, Again] = {
        (term, "", None): Again(float(fit.params[split + j] / scale[j]), float(fit.bse[split + j] / scale[j]), how)
        for j, term in enumerate(terms) if term in wanted.get(None, set())
    }  # fmt: skip
    until = {w: int(np.floor(w / options.every + 1e-9)) for w in wanted if w is not None}
    one, zero = (parts.risks(fit.params, _under(values, code, centre, scale), people.mass, until) for code in (1, 0))
    for window in until:
        found |= contrasts((one[window], zero[window]), None, RISKS, AVERAGED, wanted[window], window)
    return found


def _hazards(parts: _Intervals, values: Floats, people: People) -> Any:
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    if len(parts.who) * (parts.course.shape[1] + values.shape[1]) > NUMBERS:
        raise NotRecomputed("The intervals have too many coefficients of their own for another library to recompute.")
    regressors = np.column_stack([parts.course[parts.interval], values[parts.who]])
    groups = parts.who if people.cluster is None else people.cluster[parts.who]
    model = GLM(parts.had.astype(float), regressors, family=Binomial(), var_weights=people.mass[parts.who])
    fit = model.fit(**SETTLED, cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False})
    return converged(fit, fit.converged)


WAYS: dict[str, Callable[[CohortCase], dict[Key, Again]]] = {
    "event_count": rates,
    "pooled_logistic": interval_hazards,
}
