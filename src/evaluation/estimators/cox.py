"""Cox regression of the hazard on the arm and covariates, with its tests and the check of proportional hazards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from evaluation.errors import NotEstimable
from evaluation.estimators.base import Estimator
from evaluation.results import Check, Estimate, Inference, ResultSet, not_estimable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.data.cohort import Cohort, CohortRows
    from evaluation.inference.cox_fit import CoxFit
    from evaluation.inference.proportional_hazards import DriftTest
    from evaluation.study.models import Outcome

    Floats = NDArray[np.float64]

ALARM = 0.05


class Cox(Estimator):
    """Log hazard ratios: how much sooner or later the outcome comes."""

    id: ClassVar[str] = "cox"
    design: ClassVar[Literal["panel", "cohort"]] = "cohort"
    title: ClassVar[str] = "Cox proportional hazards regression"
    summary: ClassVar[str] = (
        "Log hazard ratio of the arm (term `arm`) and of each covariate, with tests of the model, its concordance and "
        "a check that hazards are proportional."
    )
    needs: ClassVar[str] = (
        "An arm, a time and an event; hazards that keep one ratio over time; leaving early must not depend on "
        "prospects beyond the covariates. Competing events are treated as leaving (cause-specific hazard)."
    )
    conventions: ClassVar[str] = (
        "Efron's handling of ties by default; model-based standard errors; Lin and Wei's robust ones with "
        "`robust: true`, summed within clusters where the design has them; normal distribution, no "
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
    robust: bool = Field(False, description="robust standard errors; always so where the design has clusters")

    def covariate_columns(self, declared: list[str]) -> list[str]:
        """The covariates of the regression."""
        return list(declared) if self.covariates == "all" else list(self.covariates)

    def fit(self, frame: Cohort, outcome: Outcome) -> ResultSet:
        """One estimate per column on the log hazard scale, tests of the model, and the proportional-hazards check.

        Where the likelihood has no finite maximum every term is `not_estimable`, with the reason.

        Raises
        ------
        NotEstimable
            When an arm has no one in it, or nobody had the outcome.
        """
        names = self.covariate_columns(list(frame.covariates))
        rows = frame.rows(names)
        model = _Model(self, frame, outcome.label, rows, names)
        return ResultSet(*model.results(), flow=frame.flow(names))


@dataclass(frozen=True)
class _Covariance:
    """A covariance of the coefficients (p, p), and how it was reckoned."""

    method: str
    matrix: Floats
    n_clusters: int | None = None


@dataclass(frozen=True)
class _Model:
    """One fit and the rows made of it."""

    options: Cox
    cohort: Cohort
    outcome: str
    rows: CohortRows
    covariates: list[str]

    def results(self) -> tuple[tuple[Estimate, ...], tuple[Inference, ...], tuple[Check, ...]]:
        self._check_arms()
        try:
            fit = self._fit()
        except NotEstimable as none:
            pairs = [not_estimable(term, self._estimand(term), str(none), self._counts(j) + none.counts, **self._key())
                     for j, term in enumerate(self._terms)]  # fmt: skip
            return tuple(e for e, _ in pairs), (), tuple(c for _, c in pairs)
        covariances = self._covariances(fit)
        estimates, inference = [], []
        for j in range(len(self._terms)):
            rows = [self._inference(fit, j, covariance) for covariance in covariances]
            estimates.append(self._estimate(fit, j, rows[0]))
            inference += rows
        return tuple(estimates), tuple(inference), tuple(self._checks(fit, covariances[0].matrix))

    @property
    def _terms(self) -> list[str]:
        return ["arm", *self.covariates]

    def _check_arms(self) -> None:
        arm, event = self.rows.arm, self.rows.event == 1
        for code, name in ((1, "treated arm"), (0, "comparison")):
            if not (arm == code).any():
                raise NotEstimable(f"nobody is in the {name}, so nothing can be compared.", (0,))
        if not event.any():
            raise NotEstimable(f"nobody had the outcome ({self.outcome}), so there is no hazard to compare.", (0,))

    def _fit(self) -> CoxFit:
        import numpy as np

        from evaluation.inference.cox_fit import fit_cox

        events = [int(((self.rows.arm == code) & (self.rows.event == 1)).sum()) for code in (1, 0)]
        if not all(events):
            name = "treated" if events[0] == 0 else "comparison"
            raise NotEstimable(f"nobody in the {name} arm had the outcome, so the hazard ratio has no finite value.")
        self._check_clusters()
        columns = np.column_stack([self.rows.arm, self.rows.covariates])
        return fit_cox(self.rows.time, self.rows.event, columns, [self.cohort.arm, *self.covariates], self.options.ties)

    def _check_clusters(self) -> None:
        import numpy as np

        if self.rows.cluster is None:
            return
        for code, name in ((1, "treated arm"), (0, "comparison")):
            if len(np.unique(self.rows.cluster[self.rows.arm == code])) < 2:
                raise NotEstimable(
                    f"everyone in the {name} is in one cluster, so the uncertainty between clusters cannot be reckoned."
                )

    def _covariances(self, fit: CoxFit) -> list[_Covariance]:
        """Covariances of the coefficients: the one in force first, then the model-based one if it is another."""
        found = [_Covariance("model-based (inverse information)", fit.model_covariance)]
        if self.rows.cluster is not None:
            robust = fit.robust_covariance(self.rows.cluster)
            found.insert(0, _Covariance("Lin-Wei robust, clustered", robust, self._n_clusters))
        elif self.options.robust:
            found.insert(0, _Covariance("Lin-Wei robust", fit.robust_covariance(None)))
        return found

    # ------------------------------------------------------------------ rows

    def _inference(self, fit: CoxFit, j: int, covariance: _Covariance) -> Inference:
        from evaluation.inference.intervals import wald

        std_error = float(covariance.matrix[j, j] ** 0.5)
        interval = wald(float(fit.coefficients[j]), std_error, self.options.conf_level)
        return Inference(
            self._terms[j], covariance.method, std_error=std_error, conf_low=interval.low, conf_high=interval.high,
            p_value=interval.p_value, n_clusters=covariance.n_clusters,
        )  # fmt: skip

    @property
    def _n_clusters(self) -> int | None:
        return None if self.rows.cluster is None else int(self.rows.cluster.max()) + 1

    def _key(self) -> dict[str, Any]:
        n = len(self.rows.time)
        return {"scale": "log_hazard", "conf_level": self.options.conf_level, "n_obs": n, "n_units": n,
                "n_treated_units": int((self.rows.arm == 1).sum()), "n_clusters": self._n_clusters or n}  # fmt: skip

    def _estimand(self, term: str) -> str:
        if term != "arm":
            return f"log hazard ratio per unit of {term}, given the arm and the other covariates"
        given = "given the covariates" if self.covariates else "no covariates"
        return f"log hazard ratio, treated against comparison ({self.cohort.comparison}, {given})"

    @property
    def _arms(self) -> tuple[int, int]:
        treated = int((self.rows.arm == 1).sum())
        return treated, len(self.rows.arm) - treated

    def _counts(self, *terms: int) -> tuple[int, ...]:
        """What the disclosure door must know of a figure about these terms: their cells, and both arms' people."""
        return (*(n for j in terms for n in self._cells(j)), *self._arms)

    def _cells(self, term: int) -> tuple[int, ...]:
        """People with and without the outcome at each value of a term's column, or in all where it has many."""
        import numpy as np

        column = self.rows.arm if term == 0 else self.rows.covariates[:, term - 1]
        values, event = np.unique(column), self.rows.event == 1
        groups = [column == v for v in values] if len(values) == 2 else [np.ones(len(event), dtype=bool)]
        return tuple(int((g & had).sum()) for g in groups for had in (event, ~event))

    def _estimate(self, fit: CoxFit, j: int, row: Inference) -> Estimate:
        term = self._terms[j]
        return Estimate(
            term, self._estimand(term), float(fit.coefficients[j]), row.std_error, row.conf_low, row.conf_high,
            row.p_value, counts=self._counts(j), **self._key(),
        )  # fmt: skip

    # ------------------------------------------------------------------ checks

    def _checks(self, fit: CoxFit, covariance: Floats) -> Iterator[Check]:
        from evaluation.inference.rule import few_clusters

        yield from self._proportional(fit)
        yield from self._tests(fit, covariance)
        yield from self._competing()
        if self._n_clusters is not None:
            yield from few_clusters(self._n_clusters)

    def _proportional(self, fit: CoxFit) -> Iterator[Check]:
        found = fit.drift()
        if found is None:
            message = "Every event falls at one time, so whether hazards stay proportional cannot be told."
            yield Check("proportional_hazards", "info", message, counts=self._counts(0))
            return
        overall, single = found
        yield _drift("", overall, self._counts(*range(len(self._terms))))
        for j, (term, test) in enumerate(zip(self._terms, single, strict=True)):
            yield _drift(term, test, self._counts(j))

    def _tests(self, fit: CoxFit, covariance: Floats) -> Iterator[Check]:
        from evaluation.inference.covariance import joint_test
        from evaluation.inference.intervals import chi_squared_p

        df = len(self._terms)
        cells = self._counts(*range(df))
        yield Check("log_likelihood_null", "info", "Log partial likelihood without arm and covariates.",
                    statistic=fit.loglik_null, counts=self._counts(0))  # fmt: skip
        yield Check(
            "log_likelihood", "info", "Log partial likelihood of the fitted model.", statistic=fit.loglik, counts=cells
        )
        ratio = 2 * (fit.loglik - fit.loglik_null)
        yield Check("likelihood_ratio", "info",
                    "Likelihood-ratio test that arm and covariates leave the hazard as it is.",
                    statistic=ratio, df=df, p_value=chi_squared_p(ratio, df), counts=cells)  # fmt: skip
        wald = joint_test(fit.coefficients, covariance)
        if wald is None:
            message = f"No Wald test of the same: there are too few clusters to test {df} coefficients jointly."
            yield Check("wald", "info", message, counts=cells)
        else:
            yield Check("wald", "info", "Wald test of the same, with the standard errors in force.",
                        statistic=wald.statistic, df=df, p_value=wald.p_value, counts=cells)  # fmt: skip
        concordance = fit.concordance(self.rows.time, self.rows.event)
        message = "Concordance: of two people, how often the one the model puts at higher risk has the outcome first."
        yield Check("concordance", "info", message, statistic=concordance, counts=cells)

    def _competing(self) -> Iterator[Check]:
        competing = (self.rows.event != 0) & (self.rows.event != 1)
        n = [int((competing & (self.rows.arm == code)).sum()) for code in (1, 0)]
        if sum(n):
            message = (
                f"{sum(n):,} people ({n[0]:,} treated, {n[1]:,} in the comparison) had a competing event first "
                f"({', '.join(sorted(self.cohort.competing))}). They count until then: the ratio is of cause-specific "
                "hazards, among people still free of both, and does not say by itself how many ever have the outcome."
            )
            yield Check("competing_events", "info", message, statistic=sum(n), counts=tuple(n))


def _drift(term: str, test: DriftTest, cells: tuple[int, ...]) -> Check:
    what = "this hazard ratio changes" if term else "the hazard ratios, taken together, change"
    alarm = test.p_value < ALARM
    if alarm:
        message = (
            f"There are signs that {what} over time (score test). One ratio then is an average over the follow-up: "
            "read the curves and the risks at each window beside it."
        )
    else:
        message = f"No clear sign that {what} over time (score test); small changes may be missed."
    return Check("proportional_hazards", "warn" if alarm else "pass", message, term=term, statistic=test.statistic,
                 df=test.df, p_value=test.p_value, threshold=ALARM, counts=cells)  # fmt: skip
