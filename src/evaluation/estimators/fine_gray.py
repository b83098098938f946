"""Fine and Gray's regression: how the arm and covariates move the chance of the outcome where other events compete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from evaluation.errors import NotEstimable
from evaluation.estimators._hazards import AtRisk, competing_check, estimand
from evaluation.estimators.base import Estimator
from evaluation.results import Check, Estimate, Inference, ResultSet, not_estimable

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort
    from evaluation.inference.subdistribution import SubdistributionFit
    from evaluation.study.models import Outcome

RATIO = "subdistribution hazard ratio"
STAY = (
    "They stay at risk with the weight of those who would still be followed: the ratio says in which direction the "
    "share of people who ever have the outcome moves, and is no rate among people free of both."
)


class FineGray(Estimator):
    """Log subdistribution hazard ratios: whose cumulative incidence is higher."""

    id: ClassVar[str] = "fine_gray"
    design: ClassVar[Literal["panel", "cohort"]] = "cohort"
    title: ClassVar[str] = "Fine-Gray subdistribution hazard regression"
    summary: ClassVar[str] = (
        "Log subdistribution hazard ratio of the arm (term `arm`) and of each covariate, with competing events."
    )
    needs: ClassVar[str] = (
        "An arm, a time, an event and competing events; ratios that stay the same over time; being censored must have "
        "nothing to do with the outcome, the arm or the covariates."
    )
    conventions: ClassVar[str] = (
        "Censoring weights by Kaplan and Meier over everyone, people with any event at a time still at risk of being "
        "censored then (as R's cmprsk); Breslow's ties; sandwich errors with the uncertainty of these weights, summed "
        "within clusters where the design has them; normal distribution, no small-sample factor."
    )
    source: ClassVar[str] = "Fine & Gray (1999); Geskus (2011); Zhou, Fine, Latouche & Labopin (2012) for clusters."

    covariates: Literal["all"] | list[str] = Field(
        "all", description="all: every covariate of the design; []: the arm alone"
    )

    def covariate_columns(self, declared: list[str]) -> list[str]:
        """The covariates of the regression."""
        return list(declared) if self.covariates == "all" else list(self.covariates)

    def fit(self, frame: Cohort, outcome: Outcome) -> ResultSet:
        """One estimate per column on the log hazard scale.

        Where the likelihood has no finite maximum every term is `not_estimable`, with the reason.

        Raises
        ------
        NotEstimable
            When an arm has no one in it, or nobody had the outcome.
        """
        people = AtRisk.read(frame, self.covariate_columns(list(frame.covariates)))
        people.check_arms(outcome.label)
        return _Model(self, frame, people).results()


@dataclass(frozen=True)
class _Model:
    """One fit and the rows made of it."""

    options: FineGray
    cohort: Cohort
    people: AtRisk

    def results(self) -> ResultSet:
        people = self.people
        try:
            people.check_events()
            fit = self._fit()
        except NotEstimable as none:
            pairs = [not_estimable(term, self._estimand(term), str(none), people.counts(j) + none.counts,
                                   scale="log_hazard", conf_level=self.options.conf_level, **people.sizes)
                     for j, term in enumerate(people.terms)]  # fmt: skip
            return ResultSet(tuple(e for e, _ in pairs), checks=tuple(c for _, c in pairs), flow=people.flow)
        rows = list(self._rows(fit))
        return ResultSet(tuple(e for e, _ in rows), tuple(i for _, i in rows), tuple(self._checks(fit)),
                         flow=people.flow)  # fmt: skip

    def _fit(self) -> SubdistributionFit:
        from evaluation.inference.subdistribution import fit_subdistribution

        people = self.people
        return fit_subdistribution(people.time, people.event, people.columns, people.names, people.cells.mass)

    def _estimand(self, term: str) -> str:
        given = "given the covariates" if len(self.people.terms) > 1 else "no covariates"
        return estimand(term, RATIO, self.cohort, given)

    def _rows(self, fit: SubdistributionFit) -> Iterator[tuple[Estimate, Inference]]:
        from evaluation.inference.rule import Rule

        people, cells = self.people, self.people.cells
        covariance = fit.covariance(cells.people, cells.cluster)
        clustered = ", clustered" if cells.cluster is not None else ""
        rule = Rule(f"Fine-Gray sandwich with the censoring weights as estimated{clustered}", self.options.conf_level,
                    people.n_clusters or cells.total)  # fmt: skip
        for j, term in enumerate(people.terms):
            yield rule.figure(
                term, self._estimand(term), float(fit.coefficients[j]), float(covariance[j, j] ** 0.5),
                scale="log_hazard", counts=people.counts(j), **people.sizes,
            )  # fmt: skip

    def _checks(self, fit: SubdistributionFit) -> Iterator[Check]:
        from evaluation.inference.rule import few_clusters

        people = self.people
        yield Check("log_likelihood_null", "info", "Log pseudo-likelihood without arm and covariates.",
                    statistic=fit.loglik_null, counts=people.counts(0))  # fmt: skip
        yield Check("log_likelihood", "info", "Log pseudo-likelihood of the fitted model.", statistic=fit.loglik,
                    counts=people.counts(*range(len(people.terms))))  # fmt: skip
        yield from competing_check(people, self.cohort, STAY)
        if not sum(people.met_first):
            message = (
                "Nobody had a competing event first, so the ratio is an ordinary hazard ratio (Cox, Breslow's ties)."
            )
            yield Check("competing_events", "info", message, statistic=0)
        if people.n_clusters is not None:
            yield from few_clusters(people.n_clusters, people.cells.total)
