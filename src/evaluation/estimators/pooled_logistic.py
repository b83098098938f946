"""Hazards in discrete time by logistic regression on person-intervals, and standardised risks by each window."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from evaluation.errors import NotEstimable
from evaluation.estimators.base import Estimator
from evaluation.results import Check, Estimate, Inference, ResultSet, not_estimable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.data.cohort import Cohort
    from evaluation.data.person_cells import PersonCells
    from evaluation.inference.pooled_hazards import HazardFit, Intervals
    from evaluation.inference.rule import Rule
    from evaluation.study.models import Outcome

    Floats = NDArray[np.float64]

RISKS = ("risk_treated", "risk_control", "risk_difference", "risk_ratio")
ROUNDING = 1e-9  # of an interval: a time of 3.0000000001 intervals is one of 3

Pair = tuple[Estimate, Inference]


class PooledLogistic(Estimator):
    """Odds ratios of the outcome in each interval, and the risks that add up from them."""

    id: ClassVar[str] = "pooled_logistic"
    design: ClassVar[Literal["panel", "cohort"]] = "cohort"
    title: ClassVar[str] = "Pooled logistic regression of the hazard in each interval"
    summary: ClassVar[str] = (
        "Log odds ratio of the hazard for the arm (term `arm`) and each covariate, and risks in each arm by each "
        "window, standardised to everyone, with their difference and ratio."
    )
    needs: ClassVar[str] = (
        "An arm, a time and an event; odds of the outcome in an interval that keep one ratio over time; leaving early "
        "must not depend on prospects beyond the covariates. Competing events are treated as leaving."
    )
    conventions: ClassVar[str] = (
        "Maximum likelihood on person-intervals; scores summed within people: HC1 with N/(N-K), normal distribution, "
        "or within clusters CR1 with G/(G-1) (N-1)/(N-K), t with G-1 degrees of freedom, N people and K coefficients; "
        "risks by g-computation with influence functions, who is in the study included; intervals of risks from the "
        "log odds, of the ratio from the log scale."
    )
    source: ClassVar[str] = "Cox (1972); Thompson (1977); D'Agostino et al. (1990); Hernán (2010)."

    every: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        1.0, description="length of an interval, in the design's time unit"
    )
    baseline: Literal["polynomial", "dummies"] = Field(
        "polynomial", description="how the hazard runs over time: polynomial of third degree, or each interval its own"
    )
    covariates: Literal["all"] | list[str] = Field(
        "all", description="all: every covariate of the design; []: the arm alone"
    )

    def covariate_columns(self, declared: list[str]) -> list[str]:
        """The covariates of the regression."""
        return list(declared) if self.covariates == "all" else list(self.covariates)

    def fit(self, frame: Cohort, outcome: Outcome) -> ResultSet:
        """One estimate per column on the log odds scale, and four risks for each window.

        A window that ends within an interval, or later than both arms are followed, is `not_estimable`.

        Raises
        ------
        NotEstimable
            When an arm has no one or no outcome, or all in one cluster, or the likelihood has no finite maximum.
        """
        from evaluation.data.person_cells import Needed, person_cells

        names = self.covariate_columns(list(frame.covariates))
        first = [Needed("arm", frame.arm), Needed("time", frame.time), Needed("event", frame.event)]
        cells, flow = person_cells(frame, first, [Needed("covariate", name) for name in names])
        return replace(_Model.of(self, frame, outcome.label, cells, names).results(), flow=flow)


@dataclass(frozen=True, eq=False)
class _Model:
    """One fit and the rows made of it."""

    options: PooledLogistic
    cohort: Cohort
    cells: PersonCells
    names: list[str]
    columns: Floats  # (n, P): arm, then covariates
    event: NDArray[np.int64]
    intervals: Intervals
    fit: HazardFit

    @classmethod
    def of(cls, options: PooledLogistic, cohort: Cohort, outcome: str, cells: PersonCells, names: list[str]) -> _Model:
        import numpy as np

        from evaluation.inference.person_sandwich import enough_clusters
        from evaluation.inference.pooled_hazards import Intervals, fit_hazards

        arm, time, code, *covariates = cells.values
        columns = np.column_stack([arm, *covariates]).astype(np.float64)
        event = np.asarray(code, np.int64)
        last = np.ceil(np.asarray(time, np.float64) / options.every - ROUNDING).astype(np.int64)
        last = np.maximum(last, (event != 0).astype(np.int64))  # an event at time 0 falls in the first interval
        intervals = Intervals(last, event == 1, cells.mass)
        for value, name in ((1, "treated arm"), (0, "comparison")):
            here = (columns[:, 0] == value) & (cells.mass > 0)
            if not here.any():
                raise NotEstimable(f"nobody is in the {name}, so nothing can be compared.", (0,))
            if not (here & (event == 1)).any():
                raise NotEstimable(
                    f"nobody in the {name} had the outcome ({outcome}), so the odds ratio has no finite value.", (0,)
                )
        enough_clusters(cells.cluster, columns[:, 0].astype(np.int64))
        fit = fit_hazards(intervals, columns, [cohort.arm, *names], options.baseline)
        return cls(options, cohort, cells, names, columns, event, intervals, fit)

    def results(self) -> ResultSet:
        pairs = list(self._coefficients())
        checks = [*self._competing(), *self._likelihood(), *self._clusters()]
        estimates, inference = [e for e, _ in pairs], [i for _, i in pairs]
        windows = sorted(self.cohort.windows)
        reasons = {w: self._beyond(w) for w in windows}
        answered = [w for w in windows if not reasons[w]]
        for window in windows:
            if reasons[window]:
                refused = [not_estimable(t, self._estimand(t), reasons[window], self._had(window), time=window,
                                         **self._key("risk")) for t in RISKS]  # fmt: skip
                estimates += [e for e, _ in refused]
                checks += [c for _, c in refused]
        found = list(self._risks(answered)) if answered else []
        estimates += [e for e, _ in found]
        return ResultSet(tuple(estimates), tuple(inference + [i for _, i in found]), tuple(checks))

    def _robust(self, influence: Floats) -> tuple[Floats, Rule]:
        from evaluation.inference.person_sandwich import robust

        return robust(self.cells, influence, len(self.fit.standard), self.options.conf_level)

    # ------------------------------------------------------------------ rows

    def _key(self, scale: str) -> dict[str, Any]:
        n, cluster = self.cells.total, self.cells.cluster
        return {"scale": scale, "n_obs": n, "n_units": n, "n_treated_units": self._arms[0],
                "conf_level": self.options.conf_level,
                "n_clusters": n if cluster is None else int(cluster.max()) + 1}  # fmt: skip

    @property
    def _arms(self) -> tuple[int, int]:
        treated = int(self.cells.people[self.columns[:, 0] == 1].sum())
        return treated, self.cells.total - treated

    def _cells(self, groups: list[Any], had: Any) -> tuple[int, ...]:
        people = self.cells.people
        return (*(int(people[g & h].sum()) for g in groups for h in (had, ~had)), *self._arms)

    def _had(self, window: float) -> tuple[int, ...]:
        """People with the outcome by a window and without, treated and not; then both arms."""
        treated = self.columns[:, 0] == 1
        by = (self.event == 1) & (self.intervals.last <= self._interval(window))
        return self._cells([treated, ~treated], by)

    def _behind(self, term: int) -> tuple[int, ...]:
        """People with and without the outcome at each value of a column, or in all where it has many; then the arms."""
        import numpy as np

        column = self.columns[:, term]
        values = np.unique(column)[::-1]
        groups = [column == v for v in values] if len(values) == 2 else [np.ones(len(column), dtype=bool)]
        return self._cells(groups, self.event == 1)

    def _coefficients(self) -> Iterator[Pair]:
        covariance, rule = self._robust(self.fit.influence)
        key = self._key("log_odds")
        del key["conf_level"]
        for j, term in enumerate(["arm", *self.names]):
            value, error = float(self.fit.coefficients[j]), float(covariance[j, j] ** 0.5)
            yield rule.figure(term, self._estimand(term), value, error, counts=self._behind(j), **key)

    def _estimand(self, term: str) -> str:
        given = "given the covariates" if self.names else "no covariates"
        if term == "arm":
            return f"log odds ratio of the hazard, treated against comparison ({self.cohort.comparison}, {given})"
        if term not in RISKS:
            return f"log odds ratio of the hazard per unit of {term}, given the arm and the other covariates"
        what = term.replace("_", " ").replace("control", "comparison")
        free = " if competing events were prevented" if self._n_competing[0] + self._n_competing[1] else ""
        whom = (
            ", standardised to everyone by pooled logistic regression" if self.names else ", by pooled logistic model"
        )
        return f"{what}{free} ({self.cohort.comparison}{whom})"

    # ------------------------------------------------------------------ risks

    def _interval(self, window: float) -> int:
        """The last interval that ends by a window."""
        return math.floor(window / self.options.every + ROUNDING)

    def _beyond(self, window: float) -> str:
        """Why there is no risk by a window; empty where there is one."""
        import numpy as np

        span, last = self.cohort.span(window), self._interval(window)
        if abs(window / self.options.every - last) > ROUNDING:
            return f"{span} is no whole number of intervals; choose another length with the option every."
        both = min(int(self.intervals.last[np.equal(self.columns[:, 0], a)].max()) for a in (0, 1))
        if last > both:
            end = self.cohort.span(both * self.options.every)
            return f"nobody in one of the arms is followed for longer than {end}; choose a window up to that."
        if not ((self.event == 1) & (self.intervals.last <= last) & (self.cells.mass > 0)).any():
            return f"nobody had the outcome by {span}, so there are no risks to compare; choose a longer window."
        return ""

    def _risks(self, windows: list[float]) -> Iterator[Pair]:
        import numpy as np

        until = [self._interval(w) for w in windows]
        (one, by_one), (zero, by_zero) = self.fit.risks(1, until), self.fit.risks(0, until)
        for k, window in enumerate(windows):
            p, q, a, b = float(one[k]), float(zero[k]), by_one[:, k], by_zero[:, k]
            covariance, rule = self._robust(np.column_stack([a, b, a - b, a / p - b / q]))
            for j, (term, value) in enumerate(zip(RISKS, (p, q, p - q, p / q), strict=True)):
                yield self._risk(term, window, value, float(covariance[j, j] ** 0.5), rule)

    def _risk(self, term: str, window: float, value: float, error: float, rule: Rule) -> Pair:
        """A risk with its interval from the log odds, a difference, or a ratio with its error on the log scale."""
        from evaluation.inference.intervals import log_scale, logit_scale

        own = value * error if term == "risk_ratio" else error
        key = self._key("risk")
        del key["conf_level"]
        row, how = rule.figure(term, self._estimand(term), value, own, time=window, counts=self._had(window), **key)
        if term == "risk_difference" or not error:
            return row, how
        if term == "risk_ratio":
            span = log_scale(value, error, rule.conf_level, rule.df)
        elif 0 < value < 1:
            span = logit_scale(value, error, rule.conf_level, rule.df)
        else:
            return row, how
        ends: dict[str, Any] = {"conf_low": span.low, "conf_high": span.high, "p_value": span.p_value}
        return replace(row, **ends), replace(how, **ends)

    # ------------------------------------------------------------------ checks

    @property
    def _n_competing(self) -> tuple[int, int]:
        competing = (self.event != 0) & (self.event != 1)
        treated = self.columns[:, 0] == 1
        people = self.cells.people
        return int(people[competing & treated].sum()), int(people[competing & ~treated].sum())

    def _competing(self) -> Iterator[Check]:
        n = self._n_competing
        if sum(n):
            message = (
                f"{sum(n):,} people ({n[0]:,} treated, {n[1]:,} in the comparison) had a competing event first "
                f"({', '.join(sorted(self.cohort.competing))}). They count until then: odds ratios are of "
                "cause-specific hazards, and the risks are those if competing events were "
                "prevented, which are higher than the shares that have the outcome. Use cumulative_incidence for these."
            )
            yield Check("competing_events", "warn", message, statistic=sum(n), counts=n)

    def _likelihood(self) -> Iterator[Check]:
        yield Check("log_likelihood", "info", "Log-likelihood of the fitted model.", statistic=self.fit.loglik,
                    counts=self._behind(0))  # fmt: skip

    def _clusters(self) -> tuple[Check, ...]:
        from evaluation.inference.rule import few_clusters

        cluster = self.cells.cluster
        return () if cluster is None else few_clusters(int(cluster.max()) + 1, self.cells.total)
