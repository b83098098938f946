"""Cox regression of the hazard on the arm and covariates, with its tests and the check of proportional hazards."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from evaluation.errors import NotEstimable
from evaluation.estimators._hazards import AtRisk, competing_check, estimand
from evaluation.estimators.base import Estimator
from evaluation.results import Check, Estimate, Inference, ResultSet, not_estimable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.data.cohort import Cohort
    from evaluation.inference.cox_fit import CoxFit
    from evaluation.study.models import Outcome

    Floats = NDArray[np.float64]

BY_TIME = "arm_by_time"
AT_WINDOW = "arm_at_window"
RATIO = "hazard ratio"
LEAVE = (
    "They count until then: the ratio is of cause-specific hazards, among people still free of both, and does not say "
    "by itself how many ever have the outcome."
)


class Cox(Estimator):
    """Log hazard ratios: how much sooner or later the outcome comes."""

    id: ClassVar[str] = "cox"
    design: ClassVar[Literal["panel", "cohort"]] = "cohort"
    title: ClassVar[str] = "Cox proportional hazards regression"
    summary: ClassVar[str] = (
        "Log hazard ratio of the arm (term `arm`) and of each covariate, with tests of the model, its concordance and "
        "a check that hazards are proportional; within strata, and changing with time, where asked for."
    )
    needs: ClassVar[str] = (
        "An arm, a time and an event; hazards that keep one ratio over time, or one that moves as `time_interaction` "
        "says; leaving early must not depend on prospects beyond the covariates. Competing events are treated as "
        "leaving (cause-specific hazard)."
    )
    conventions: ClassVar[str] = (
        "Efron's handling of ties by default; model-based standard errors; Lin and Wei's robust ones with "
        "`robust: true` and with weights, summed within clusters where the design has them; normal distribution, no "
        "small-sample factor; proportional hazards by the score test on one minus the Kaplan-Meier scale, as "
        "R's survival from version 3.0 on."
    )
    source: ClassVar[str] = (
        "Cox (1972); Efron (1977); Breslow (1974); Lin & Wei (1989); Grambsch & Therneau (1994); Harrell et al. (1996)."
    )

    covariates: Literal["all"] | list[str] = Field(
        "all", description="all: every covariate of the design; []: the arm alone"
    )
    ties: Literal["efron", "breslow"] = Field("efron", description="how events at the same time are handled")
    robust: bool = Field(False, description="robust standard errors; always so with clusters or weights")
    strata: list[str] = Field([], description="columns within whose values people are compared")
    time_interaction: Literal["linear", "log"] | None = Field(
        None, description="the arm's log hazard ratio changes in proportion to time (linear) or to its logarithm (log)"
    )

    @model_validator(mode="after")
    def _strata_apart(self) -> Cox:
        both = [c for c in self.strata if self.covariates != "all" and c in self.covariates]
        if both:
            raise ValueError(f"{', '.join(both)} cannot be a stratum and a covariate at once; leave it out of one.")
        return self

    def covariate_columns(self, declared: list[str]) -> list[str]:
        """The covariates of the regression: strata are no covariates."""
        named = declared if self.covariates == "all" else self.covariates
        return [c for c in named if c not in self.strata]

    def option_columns(self) -> dict[str, bool]:
        """Strata may be columns of any kind."""
        return {"strata": False}

    def fit(self, frame: Cohort, outcome: Outcome) -> ResultSet:
        """One estimate per column on the log hazard scale, tests of the model, and the proportional-hazards check.

        With `time_interaction`, `arm` is the log hazard ratio where the moving time is zero (at time 0, or at time 1 on
        the logarithmic scale), `arm_by_time` its change per unit, and `arm_at_window` what it is at each window.

        Where the likelihood has no finite maximum every term is `not_estimable`, with the reason.

        Raises
        ------
        NotEstimable
            When an arm has no one in it, or nobody had the outcome.
        """
        strata = list(dict.fromkeys(self.strata))
        people = AtRisk.read(frame, self.covariate_columns(list(frame.covariates)), strata)
        people.check_arms(outcome.label)
        return _Model(self, frame, people).results()


@dataclass(frozen=True, eq=False)
class _Covariance:
    """A covariance of the coefficients (P, P), and how it was reckoned."""

    method: str
    matrix: Floats
    n_clusters: int | None = None


@dataclass(frozen=True)
class _Figure:
    """A sum of coefficients: its term and time, and which coefficients count how much."""

    term: str
    column: int
    parts: tuple[tuple[int, float], ...]
    time: float | None = None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class _Model:
    """One fit and the rows made of it."""

    options: Cox
    cohort: Cohort
    people: AtRisk

    def results(self) -> ResultSet:
        figures = list(self._figures())
        try:
            fit = self._fit()
        except NotEstimable as none:
            pairs = [self._refused(f, f.reason or str(none), none.counts) for f in figures]
            return ResultSet(tuple(e for e, _ in pairs), checks=tuple(c for _, c in pairs), flow=self.people.flow)
        covariances = self._covariances(fit)
        estimates: list[Estimate] = []
        inference: list[Inference] = []
        checks = list(self._checks(fit, covariances[0].matrix))
        for figure in figures:
            if figure.reason:
                estimate, check = self._refused(figure, figure.reason)
                checks.append(check)
            else:
                rows = [self._inference(fit, figure, covariance) for covariance in covariances]
                estimate = self._estimate(fit, figure, rows[0])
                inference += rows
            estimates.append(estimate)
        return ResultSet(tuple(estimates), tuple(inference), tuple(checks), flow=self.people.flow)

    def _figures(self) -> Iterator[_Figure]:
        terms = self.people.terms
        for j, term in enumerate(terms):
            yield _Figure(term, j, ((j, 1.0),))
        if self.options.time_interaction is None:
            return
        last = len(terms)
        yield _Figure(BY_TIME, 0, ((last, 1.0),))
        for window in sorted(self.cohort.windows):
            moved = math.log(window) if self.options.time_interaction == "log" else window
            yield _Figure(AT_WINDOW, 0, ((0, 1.0), (last, moved)), window, self._beyond(window))

    def _beyond(self, window: float) -> str:
        """Why there is no ratio at a window: nobody in an arm is followed so long."""
        last = min(float(self.people.time[self.people.arm == code].max()) for code in (1, 0))
        if window <= last:
            return ""
        return f"nobody in one of the arms is followed for {self.cohort.span(window)}; the last is at {last:g}."

    def _fit(self) -> CoxFit:
        from evaluation.inference.cox_fit import fit_cox
        from evaluation.inference.cox_sets import Arrangement

        people, options = self.people, self.options
        people.check_events()
        mass = people.cells.mass
        if people.cells.weights is not None and not (mass > 0).all():
            raise NotEstimable("there are weights that are not above zero; leave out those who are not to count.")
        rows = Arrangement(people.cells.people, mass, people.stratum)
        return fit_cox(people.time, people.event, people.columns, people.names, options.ties, rows,
                       options.time_interaction)  # fmt: skip

    def _covariances(self, fit: CoxFit) -> list[_Covariance]:
        """Covariances of the coefficients: the one in force first, then the model-based one if it is another.

        With weights there is no model-based one: it would depend on how large they are.
        """
        cells, n = self.people.cells, self.people.n_clusters
        weighted = "" if cells.weights is None else ", weighted"
        model = _Covariance("model-based (inverse information)", fit.model_covariance)
        found = [] if weighted else [model]
        if cells.cluster is not None:
            robust = fit.robust_covariance(cells.cluster)
            found.insert(0, _Covariance(f"Lin-Wei robust{weighted}, clustered", robust, n))
        elif self.options.robust or weighted:
            found.insert(0, _Covariance(f"Lin-Wei robust{weighted}", fit.robust_covariance(None)))
        return found

    # ------------------------------------------------------------------ rows

    @property
    def _key(self) -> dict[str, Any]:
        return {"scale": "log_hazard", "conf_level": self.options.conf_level, **self.people.sizes}

    def _estimand(self, figure: _Figure) -> str:
        given = "given the covariates" if len(self.people.terms) > 1 else "no covariates"
        if self.options.strata:
            given += f", within strata of {', '.join(self.options.strata)}"
        moving = self.options.time_interaction
        if moving is None or figure.term not in ("arm", BY_TIME, AT_WINDOW):
            return estimand(figure.term, RATIO, self.cohort, given)
        if figure.term == BY_TIME:
            unit = "unit of the logarithm of time" if moving == "log" else self.cohort.time_unit
            return estimand("arm", RATIO, self.cohort, f"{given}; change per {unit}")
        at = (1.0 if moving == "log" else 0.0) if figure.time is None else figure.time
        return estimand("arm", RATIO, self.cohort, f"{given}; at {self.cohort.span(at)}")

    def _refused(self, figure: _Figure, reason: str, counts: tuple[int, ...] = ()) -> tuple[Estimate, Check]:
        behind = self.people.counts(figure.column) + counts
        return not_estimable(figure.term, self._estimand(figure), reason, behind, time=figure.time, **self._key)

    def _inference(self, fit: CoxFit, figure: _Figure, covariance: _Covariance) -> Inference:
        from evaluation.inference.intervals import wald

        variance = sum(a * b * covariance.matrix[i, j] for i, a in figure.parts for j, b in figure.parts)
        std_error = float(variance**0.5)
        interval = wald(_value(fit, figure), std_error, self.options.conf_level)
        return Inference(
            figure.term, covariance.method, time=figure.time, std_error=std_error, conf_low=interval.low,
            conf_high=interval.high, p_value=interval.p_value, n_clusters=covariance.n_clusters,
        )  # fmt: skip

    def _estimate(self, fit: CoxFit, figure: _Figure, row: Inference) -> Estimate:
        return Estimate(
            figure.term, self._estimand(figure), _value(fit, figure), row.std_error, row.conf_low, row.conf_high,
            row.p_value, time=figure.time, counts=self.people.counts(figure.column), **self._key,
        )  # fmt: skip

    def _checks(self, fit: CoxFit, covariance: Floats) -> Iterator[Check]:
        from evaluation.estimators._cox_checks import CoxChecks
        from evaluation.inference.rule import few_clusters

        yield from CoxChecks(self.people, fit, covariance, self.options.strata).all()
        yield from competing_check(self.people, self.cohort, LEAVE)
        if self.people.n_clusters is not None:
            yield from few_clusters(self.people.n_clusters, self.people.cells.total)


def _value(fit: CoxFit, figure: _Figure) -> float:
    return float(sum(part * fit.coefficients[j] for j, part in figure.parts))
