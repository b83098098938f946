"""Numbers of events over time at risk: rate ratios by Poisson or negative binomial regression, and rates by arm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from evaluation.errors import NotEstimable
from evaluation.estimators._counted import (
    CountColumns,
    Counted,
    Unit,
    count_columns,
    counted,
    exposure_checks,
    past_competing,
)
from evaluation.estimators.base import Estimator
from evaluation.results import Check, Estimate, Inference, ResultSet, not_estimable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.data.cohort import Cohort
    from evaluation.inference.count_regression import CountFit
    from evaluation.inference.rule import Rule
    from evaluation.study.models import Outcome

    Floats = NDArray[np.float64]

RATES = {"rate_treated": 1, "rate_control": 0}
OVERDISPERSED = 1.5  # Pearson's statistic over its degrees of freedom above which Poisson errors mislead


class EventCount(Estimator):
    """How often people have the outcome while at risk, not only whether."""

    id: ClassVar[str] = "event_count"
    design: ClassVar[Literal["panel", "cohort"]] = "cohort"
    title: ClassVar[str] = "Regression of the number of events"
    summary: ClassVar[str] = (
        "Log rate ratio of the arm (term `arm`) and of each covariate, by negative binomial or Poisson regression with "
        "the time at risk as offset; events per person-year by arm, standardised, and their ratio."
    )
    needs: ClassVar[str] = (
        "An arm, and for each person a number of events and the time at risk: the builder's columns, or those named by "
        "`count` and `exposure`."
    )
    conventions: ClassVar[str] = (
        "Negative binomial with variance mean + a mean², a by maximum likelihood; sandwich errors (HC1, normal; "
        "clustered CR1, t with G - 1 degrees of freedom); rates and their ratio by the delta method, intervals from "
        "the log scale; errors under the model stand beside."
    )
    source: ClassVar[str] = "Cameron & Trivedi (2013); Lawless (1987); White (1982); Liang & Zeger (1986)."

    model: Literal["negative_binomial", "poisson"] = Field(
        "negative_binomial", description="how numbers of events vary around their mean"
    )
    count: str | None = Field(
        None, description="column of the number of events; null: the builder's, in cohorts from tables"
    )
    exposure: str | None = Field(
        None,
        description="column of the time at risk; in cohorts from tables street or calendar days; null: street days "
        "where custody is known, else calendar days",
    )
    exposure_unit: Unit = Field("day", description="the unit of the exposure")
    window: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="in cohorts from tables: events by this window of the outcome; null: in the whole follow-up"
    )
    covariates: Literal["all"] | list[str] = Field(
        "all", description="all: every covariate of the design; []: the arm alone"
    )

    def covariate_columns(self, declared: list[str]) -> list[str]:
        """The covariates of the regression."""
        return list(declared) if self.covariates == "all" else list(self.covariates)

    def option_columns(self) -> dict[str, bool]:
        """The columns of events and of time at risk."""
        keywords = self.exposure in ("street", "calendar")
        return {"count": True} if keywords else {"count": True, "exposure": True}

    def fit(self, frame: Cohort, outcome: Outcome) -> ResultSet:
        """One estimate per column on the log rate scale, rates by arm, and their ratio.

        Where the likelihood has no finite maximum every term is `not_estimable`, with the reason.

        Raises
        ------
        NotEstimable
            When columns are not named or hold something else, or an arm has no one, or no event, in it.
        """
        names = self.covariate_columns(list(frame.covariates))
        columns = count_columns(frame, outcome.id, self.count, self.exposure, self.window)
        found = counted(frame, columns, self.exposure_unit, names)
        model = _Model(self, frame, columns, found, names)
        return ResultSet(*model.results(), flow=found.flow)


@dataclass(frozen=True)
class _Model:
    """One fit and the rows made of it."""

    options: EventCount
    cohort: Cohort
    columns: CountColumns
    found: Counted
    covariates: list[str]

    def results(self) -> tuple[tuple[Estimate, ...], tuple[Inference, ...], tuple[Check, ...]]:
        try:
            rows = [*self._coefficients(), *self._rates()]
        except NotEstimable as none:
            terms = [*self._terms, *RATES, "rate_ratio"]
            pairs = [not_estimable(t, self._estimand(t), str(none), self._counts(t) + none.counts, **self._key(t))
                     for t in terms]  # fmt: skip
            return tuple(e for e, _ in pairs), (), tuple(c for _, c in pairs)
        estimates = tuple(e for e, _ in rows)
        return estimates, tuple(i for _, rules in rows for i in rules), tuple(self._checks())

    @property
    def _terms(self) -> list[str]:
        return ["arm", *self.covariates]

    @cached_property
    def fit(self) -> CountFit:
        import numpy as np

        from evaluation.inference.count_regression import fit_counts
        from evaluation.inference.person_sandwich import enough_clusters

        enough_clusters(self.found.cells.cluster, self.found.arm)
        columns = np.column_stack([self.found.arm, self.found.covariates])
        return fit_counts(self.found.counts, columns, [self.cohort.arm, *self.covariates], self.options.model)

    def _robust(self, influence: Floats) -> tuple[Floats, Rule]:
        from evaluation.inference.person_sandwich import robust

        return robust(self.found.cells, influence, self.fit.design.shape[1], self.options.conf_level)

    # ------------------------------------------------------------------ rows

    def _coefficients(self) -> Iterator[tuple[Estimate, list[Inference]]]:
        from evaluation.inference.rule import Rule

        fit, p = self.fit, len(self._terms)
        covariance, rule = self._robust(fit.influence[:, 1 : p + 1] / fit.columns.scale)
        model = Rule(self._by_model, self.options.conf_level, rule.n_clusters)
        for j, term in enumerate(self._terms):
            value, key = float(fit.coefficients[j]), self._key(term)
            row, how = rule.figure(term, self._estimand(term), value, float(covariance[j, j] ** 0.5),
                                   counts=self._counts(term), **key)  # fmt: skip
            _, other = model.figure(term, "", value, float(fit.model_covariance[j, j] ** 0.5), **key)
            yield row, [how, other]

    def _rates(self) -> Iterator[tuple[Estimate, list[Inference]]]:
        """Mean rates if everyone were in one arm, and their ratio, with errors of their logarithms."""
        import numpy as np

        fit, mass = self.fit, self.found.counts.mass
        values, parts = [], []
        for arm in RATES.values():
            design = fit.under(arm)
            rate = fit.rate_of(design)
            mean = float(mass @ rate) / float(mass.sum())
            slope = design.T @ (mass * rate) / mass.sum()
            error = mass * (rate - mean) / mass.sum() + fit.influence[:, : len(slope)] @ slope
            values.append(mean)
            parts.append(error / mean)
        logs = np.column_stack([*parts, parts[0] - parts[1]])
        covariance, rule = self._robust(logs)
        for j, term in enumerate((*RATES, "rate_ratio")):
            value = values[j] if j < 2 else values[0] / values[1]
            yield self._from_log(term, value, float(covariance[j, j] ** 0.5), rule)

    def _from_log(self, term: str, value: float, log_error: float, rule: Rule) -> tuple[Estimate, list[Inference]]:
        """A figure whose interval is reckoned on its logarithm; only a ratio has a p-value."""
        from evaluation.inference.intervals import log_scale

        span = log_scale(value, log_error, self.options.conf_level, rule.df)
        p_value = span.p_value if term == "rate_ratio" else None
        row = Estimate(term, self._estimand(term), value, value * log_error, span.low, span.high, p_value,
                       counts=self._counts(term), conf_level=self.options.conf_level, **self._key(term))  # fmt: skip
        how = Inference(
            term, f"{rule.method}; standard error of the logarithm", std_error=log_error, conf_low=span.low,
            conf_high=span.high, p_value=p_value, distribution="normal" if rule.df is None else "t", df=rule.df,
            df_rule=rule.df_rule, small_sample_factor=rule.small_sample_factor, n_clusters=rule.n_clusters,
            time=self.options.window,
        )  # fmt: skip
        return row, [how]

    def _key(self, term: str) -> dict[str, Any]:
        treated, control = self.found.arms
        n, cluster = treated + control, self.found.cells.cluster
        scale = "log_rate" if term in self._terms else "level"
        return {"scale": scale, "time": self.options.window, "n_obs": n, "n_units": n, "n_treated_units": treated,
                "n_clusters": n if cluster is None else int(cluster.max()) + 1}  # fmt: skip

    @property
    def _by_model(self) -> str:
        return f"model-based ({self.options.model.replace('_', ' ')})"

    def _estimand(self, term: str) -> str:
        given = "given the covariates" if self.covariates else "no covariates"
        whom = f"{self.cohort.comparison}, {given}"
        year = "year at liberty" if self.columns.street else "person-year at risk"
        if term in RATES:
            which = "treated" if term == "rate_treated" else "not treated"
            return f"events per {year} if {which}, mean over everyone ({whom})"
        if term == "rate_ratio":
            return f"ratio of events per {year}, treated against comparison ({whom})"
        if term != "arm":
            return f"log rate ratio per unit of {term}, given the arm and the other covariates"
        return f"log rate ratio, treated against comparison ({whom})"

    def _counts(self, term: str) -> tuple[int, ...]:
        """People with and without events whom a figure rests on, and both arms' people."""
        import numpy as np

        is_covariate = term in self.covariates
        column = self.found.covariates[:, self.covariates.index(term)] if is_covariate else self.found.arm
        values = np.unique(column)[::-1]
        groups = [column == v for v in values] if len(values) == 2 else [np.ones(len(column), dtype=bool)]
        return (*(n for g in groups for n in self.found.having(g)), *self.found.arms)

    # ------------------------------------------------------------------ checks

    def _checks(self) -> Iterator[Check]:
        from evaluation.inference.rule import few_clusters

        yield from exposure_checks(self.found, self.columns)
        yield from past_competing(self.cohort, self.columns, self.options.exposure_unit)
        counts = self._counts("arm")
        yield Check("log_likelihood", "info", "Log-likelihood of the fitted model.", statistic=self.fit.loglik,
                    counts=counts)  # fmt: skip
        yield self._dispersion(counts)
        if self.found.cells.cluster is not None:
            yield from few_clusters(int(self.found.cells.cluster.max()) + 1, sum(self.found.arms))

    def _dispersion(self, counts: tuple[int, ...]) -> Check:
        fit = self.fit
        if self.options.model == "poisson":
            ratio = fit.pearson / (self.found.cells.total - fit.design.shape[1])
            message = (
                f"Numbers of events vary {ratio:.2f} times as much as the Poisson model says. The standard errors "
                "allow for it."
            )
            return Check("dispersion", "info", message, statistic=ratio, threshold=OVERDISPERSED, counts=counts)
        if not fit.estimated:
            message = "Numbers of events vary no more than the Poisson model says, so the model fitted is that one."
            return Check("dispersion", "info", message, statistic=0.0, counts=counts)
        message = (
            f"People with the same characteristics differ in how often they have events: the variance of their rates "
            f"is {fit.dispersion:.3g} times the squared mean (standard error {fit.dispersion_error:.2g}, by the model)."
        )
        return Check("dispersion", "info", message, statistic=fit.dispersion, counts=counts)
