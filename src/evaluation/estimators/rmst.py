"""Mean time without the outcome until a horizon: the area under the curves, and days gained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from evaluation.estimators._followed import ARMS, FollowedOptions, Read
from evaluation.results import Check, Estimate, Inference, ResultSet, not_estimable

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort
    from evaluation.inference.restricted_mean import Means
    from evaluation.study.models import Outcome

TERMS = ("treated", "control", "difference", "ratio")
DAYS = {"day": 1.0, "week": 7.0, "month": 365.25 / 12, "year": 365.25}


class RestrictedMean(FollowedOptions):
    """Mean time without the outcome until a horizon, by arm, and the difference."""

    id: ClassVar[str] = "rmst"
    design: ClassVar[Literal["panel", "cohort"]] = "cohort"
    title: ClassVar[str] = "Restricted mean time without the outcome"
    summary: ClassVar[str] = (
        "Mean time without the outcome up to a horizon, by arm; the difference (days gained) and the ratio; with "
        "competing events also the mean time lost to the outcome and to each of them; plain or weighted by the "
        "propensity."
    )
    needs: ClassVar[str] = (
        "An arm, a time and an event; both arms followed to the horizon; whether people leave early must not depend on "
        "their prospects, or (censoring: ipcw) on no more than the characteristics named. Covariates for iptw."
    )
    conventions: ClassVar[str] = (
        "Area under the Kaplan-Meier curve with Greenwood-type variance, as R's survfit; with competing events the "
        "horizon less the mean time lost to the outcome, the area under its cumulative incidence: time after a "
        "competing event counts as time without the outcome. With weights or clusters the infinitesimal jackknife, "
        "summed by cluster; an estimated propensity is carried, weights for censoring are taken as known. Normal; the "
        "ratio from the log scale."
    )
    source: ClassVar[str] = (
        "Irwin (1949); Royston & Parmar (2013); Andersen (2013); Aalen & Johansen (1978); Robins & Finkelstein (2000) "
        "for censoring."
    )

    window: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="the horizon, in the design's time unit; null: every window of the design"
    )

    def fit(self, frame: Cohort, outcome: Outcome) -> ResultSet:
        """Mean times, their difference and ratio at each horizon.

        Raises
        ------
        NotEstimable
            When an arm has no one in it, or the propensity or the model of leaving cannot be fitted.
        """
        others = sorted(frame.competing, key=lambda name: frame.competing[name])
        read = self.follow(frame, (1, *(frame.competing[name] for name in others)))
        found = [_Horizon(self, frame, read, outcome.label, h, others).results() for h in self._horizons(frame, read)]
        return sum(found[1:], found[0]) + ResultSet(checks=tuple(self.leaving(read)), flow=read.flow)

    def _horizons(self, frame: Cohort, read: Read) -> tuple[float, ...]:
        """Without any window, the longest time that both arms are observed."""
        if self.window is not None:
            return (self.window,)
        return frame.windows or (min(float(read.followed.sets(code).time[-1]) for code in ARMS.values()),)


@dataclass(frozen=True)
class _Horizon:
    """The rows of one horizon."""

    options: RestrictedMean
    cohort: Cohort
    read: Read
    outcome: str
    horizon: float
    others: list[str]

    @property
    def span(self) -> str:
        return self.cohort.span(self.horizon)

    def results(self) -> ResultSet:
        parts = [self._part("rmst", 1, "")]
        if self.others:
            parts += [self._part("rmtl", place, name) for place, name in enumerate(["", *self.others], 1)]
        return sum(parts[1:], parts[0]) + ResultSet(checks=tuple(self._gained()))

    @cached_property
    def _short(self) -> str:
        """Why there is no answer; empty where there is one."""
        for name, code in ARMS.items():
            sets = self.read.followed.sets(code)
            if sets.time[-1] < self.horizon and not sets.finished:
                last = self.cohort.span(float(sets.time[-1]))
                return (f"nobody in the {name} arm is observed for longer than {last}, so the mean time until "
                        f"{self.span} is not known; choose a shorter window.")  # fmt: skip
        return ""

    def _means(self, cause: int) -> Means:
        from evaluation.inference.restricted_mean import mean_times_lost

        return mean_times_lost(self.read.followed, cause, self.horizon)

    def _part(self, family: str, cause: int, other: str) -> ResultSet:
        """Four rows about time without the outcome, or lost to one cause."""
        key: dict[str, Any] = {"time": self.horizon, "group": other, "scale": "time",
                               "conf_level": self.options.conf_level, **self.read.sizes}  # fmt: skip
        counts = self.read.had(self.horizon, cause)
        estimates: list[Estimate] = []
        inference: list[Inference] = []
        checks: list[Check] = []
        means = None if self._short else self._means(cause)
        if means is not None and family == "rmst":
            means = means.kept(self.horizon)
        for term in TERMS:
            name, estimand = f"{family}_{term}", self._estimand(family, term, other)
            found = self._short if means is None else means.figure(term, self.options.conf_level)
            if isinstance(found, str):
                estimate, check = not_estimable(name, estimand, f"By {self.span}: {found}", counts, **key)
                checks.append(check)
            else:
                interval = found.interval
                estimate = Estimate(name, estimand, found.estimate, found.std_error, interval.low, interval.high,
                                    interval.p_value if term in ("difference", "ratio") else None, counts=counts,
                                    **key)  # fmt: skip
                log = "; standard error of the log ratio" if term == "ratio" else ""
                inference.append(Inference(
                    name, self.read.method + log, other, self.horizon, found.rule_std_error, interval.low,
                    interval.high, estimate.p_value, n_clusters=self.read.clusters))  # fmt: skip
            estimates.append(estimate)
        return ResultSet(tuple(estimates), tuple(inference), tuple(checks))

    def _estimand(self, family: str, term: str, other: str) -> str:
        what = "mean time without the outcome" if family == "rmst" else f"mean time lost to {other or 'the outcome'}"
        who = {"treated": "if treated", "control": "if not treated", "difference": "difference", "ratio": "ratio"}[term]
        return f"{what} up to {self.span}: {who} ({self.options.whom(self.cohort)})"

    def _gained(self) -> Iterator[Check]:
        """The difference in days, in words."""
        from evaluation.inference.intervals import critical_value

        if self._short or self.cohort.time_unit not in DAYS:
            return
        found = self._means(1).kept(self.horizon).figure("difference", self.options.conf_level)
        if isinstance(found, str) or found.std_error is None:
            return
        per = DAYS[self.cohort.time_unit]
        reach = critical_value(self.options.conf_level) * found.std_error
        days, low, high = (per * v for v in (found.estimate, found.estimate - reach, found.estimate + reach))
        way = "gained" if days >= 0 else "lost"
        message = (
            f"Over {self.span}, the treated {way} {abs(days):.3g} days free of the outcome ({self.outcome}) a "
            f"person on average ({100 * self.options.conf_level:g}% interval {low:.3g} to {high:.3g} days)."
        )
        if self.others:
            named = " or ".join(o.replace("_", " ") for o in self.others)
            way = "fewer" if days >= 0 else "more"
            message = (
                f"Over {self.span}, the treated lost {abs(days):.3g} {way} days to the outcome ({self.outcome}) a "
                f"person on average ({100 * self.options.conf_level:g}% interval of the difference {low:.3g} to "
                f"{high:.3g} days). Days after {named} are not days in freedom: read the time lost to it beside."
            )
        yield Check("days_gained", "info", message, term="rmst_difference", time=self.horizon, statistic=days,
                    counts=self.read.had(self.horizon))  # fmt: skip
