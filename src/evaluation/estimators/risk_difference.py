"""Risks by the end of a window, their difference and ratios: plain, or standardised by regression."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from evaluation.errors import NotEstimable
from evaluation.estimators.base import Estimator
from evaluation.results import Check, Estimate, FlowStep, ResultSet, not_estimable

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort
    from evaluation.inference.risks import Figure, Figures
    from evaluation.inference.window_risks import WindowRisks
    from evaluation.study.models import Outcome

NAMES = {
    "risk_treated": "risk if treated",
    "risk_control": "risk if not treated",
    "risk_difference": "risk difference",
    "risk_ratio": "risk ratio",
    "odds_ratio": "odds ratio",
}


class RiskDifference(Estimator):
    """Proportions with the outcome by each window, among people who could be followed that long."""

    id: ClassVar[str] = "risk_difference"
    design: ClassVar[Literal["panel", "cohort"]] = "cohort"
    title: ClassVar[str] = "Risk difference"
    summary: ClassVar[str] = (
        "Share of people with the outcome by the end of a window, by arm; their difference, ratio and odds ratio; "
        "plain, or standardised to everyone's covariates by logistic regression."
    )
    needs: ClassVar[str] = (
        "An arm, a time and an event; a window; `follow_up`, unless nobody is censored before the window."
    )
    conventions: ClassVar[str] = (
        "Plain: Wilson intervals of the risks; difference with HC1 standard error, Newcombe's hybrid score interval "
        "and the p-value of the pooled score test; ratios from the log scale (Katz, Woolf). Regression: standardised "
        "risks with M-estimation variances, normal. With clusters: CR1 variances, t with G - 1 degrees of freedom. "
        "People whom a competing event meets first stay in the denominator as non-events."
    )
    source: ClassVar[str] = (
        "Wilson (1927); Newcombe (1998); Katz et al. (1978); Woolf (1955); for standardisation Robins (1986), "
        "Stefanski & Boos (2002)."
    )

    adjust: Literal["none", "regression"] = Field(
        "none", description="none: plain proportions; regression: standardised by logistic regression"
    )
    window: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="the window, in the design's time unit; null or all: every window of the design"
    )
    covariates: Literal["all"] | list[str] = Field(
        "all", description="for adjust: regression; all: every covariate of the design"
    )

    @field_validator("window", mode="before")
    @classmethod
    def _all_is_null(cls, window: Any) -> Any:
        return None if window == "all" else window

    @model_validator(mode="after")
    def _covariates_are_used(self) -> RiskDifference:
        if self.adjust == "none" and self.covariates != "all":
            raise ValueError("covariates are used with adjust: regression only; set it, or leave covariates out.")
        return self

    def covariate_columns(self, declared: list[str]) -> list[str]:
        """The covariates of the regression; none where plain proportions are asked for."""
        if self.adjust == "none":
            return []
        return list(declared) if self.covariates == "all" else list(self.covariates)

    def fit(self, frame: Cohort, outcome: Outcome) -> ResultSet:
        """Five estimates at each window (`NAMES`); those without an answer say why.

        Raises
        ------
        NotEstimable
            When neither the options nor the design name a window.
        """
        from evaluation.data.windows import at_window
        from evaluation.inference.window_risks import WindowRisks

        windows = (self.window,) if self.window is not None else frame.windows
        if not windows:
            raise NotEstimable("no window is named; set the option `window`, or declare `windows` in the design.")
        names = self.covariate_columns(list(frame.covariates))
        rows = frame.rows(names) if self.adjust == "regression" else frame.counts()
        flow = frame.flow(names)
        parts = [
            _Window(self, frame, outcome.label, window, WindowRisks(rows, at_window(rows, window), self.conf_level))
            for window in windows
        ]
        found = [part.results(names) for part in parts]
        return ResultSet(
            estimates=tuple(e for f in found for e in f.estimates),
            inference=tuple(i for f in found for i in f.inference),
            checks=_few_clusters(parts) + tuple(c for f in found for c in f.checks),
            flow=flow + tuple(s for p in parts for s in p.flow(flow[-1].n_remaining)),
        )


@dataclass(frozen=True)
class _Window:
    """The rows of one window: estimates, how they were reckoned, and what a reader must know."""

    options: RiskDifference
    cohort: Cohort
    outcome: str
    window: float
    risks: WindowRisks

    @property
    def span(self) -> str:
        return self.cohort.span(self.window)

    def results(self, covariates: list[str]) -> ResultSet:
        found = self._figures(covariates)
        estimates, inference, checks = [], [], self._competing()
        for term in NAMES:
            figure = found if isinstance(found, NotEstimable) else found[term]
            if isinstance(figure, (str, NotEstimable)):
                estimate, check = self._without(term, figure)
                checks.append(check)
            else:
                estimate = self._estimate(term, figure)
                inference += [replace(row, time=self.window) for row in figure.rules]
            estimates.append(estimate)
        return ResultSet(tuple(estimates), tuple(inference), tuple(checks))

    def _figures(self, covariates: list[str]) -> Figures | NotEstimable:
        try:
            self.risks.check(self.span)
            if self.options.adjust == "regression":
                return self.risks.standardised(self.cohort.arm, covariates)
            return self.risks.plain()
        except NotEstimable as none:
            return none

    def _key(self) -> dict[str, Any]:
        """What every estimate of this window says beside its figures."""
        people = self.risks.people(self.risks.at.eligible)
        return {
            "time": self.window, "scale": "risk", "conf_level": self.options.conf_level, "n_obs": people.total,
            "n_units": people.total, "n_treated_units": people.treated,
            "n_clusters": people.total if self.risks.n_clusters is None else self.risks.n_clusters,
        }  # fmt: skip

    def _estimand(self, term: str) -> str:
        whom = "everyone eligible"
        if self.options.adjust == "regression":
            whom = "standardised to everyone eligible by logistic regression"
        return f"{NAMES[term]} ({self.cohort.comparison}, {whom})"

    def _counts(self, term: str) -> tuple[int, ...]:
        """Events and non-events that a figure rests on; and both arms' people, whom each row tells."""
        cells: tuple[int, ...] = self.risks.cells
        if self.options.adjust == "none":
            cells = {"risk_treated": cells[:2], "risk_control": cells[2:]}.get(term, cells)
        return cells + self.risks.people(self.risks.at.eligible).counts

    def _estimate(self, term: str, figure: Figure) -> Estimate:
        interval = figure.interval
        return Estimate(
            term, self._estimand(term), figure.estimate, figure.std_error, interval.low, interval.high,
            interval.p_value, counts=self._counts(term), **self._key(),
        )  # fmt: skip

    def _without(self, term: str, reason: str | NotEstimable) -> tuple[Estimate, Check]:
        counts = self._counts(term) + (reason.counts if isinstance(reason, NotEstimable) else ())
        return not_estimable(term, self._estimand(term), f"By {self.span}: {reason}", counts, **self._key())

    def flow(self, n_before: int) -> tuple[FlowStep, ...]:
        """People not eligible, who are left out of this window alone."""
        steps, left = [], n_before
        for name, reason, flags in (
            ("unknown_follow_up", "follow-up not known", self.risks.at.unknown),
            ("short_follow_up", f"followed for less than {self.span}", self.risks.at.short),
        ):
            dropped = self.risks.people(flags).total
            left -= dropped
            if dropped:
                steps.append(FlowStep(f"{name}_{self.window:g}", reason, "person", dropped, left))
        return tuple(steps)

    def _competing(self) -> list[Check]:
        first = self.risks.people(self.risks.at.competing)
        if not first.total:
            return []
        message = (
            f"By {self.span}, {first} had another event first ({', '.join(sorted(self.cohort.competing))}). They stay "
            f"in the denominator, counted as not having the outcome ({self.outcome})."
        )
        return [
            Check("competing_events", "info", message, time=self.window, statistic=first.total, counts=first.counts)
        ]


def _few_clusters(parts: list[_Window]) -> tuple[Check, ...]:
    """A warning about the window with the fewest clusters, where there are too few."""
    from evaluation.inference.rule import few_clusters

    clusters = [p.risks.n_clusters for p in parts if p.risks.n_clusters is not None]
    return few_clusters(min(clusters)) if clusters else ()
