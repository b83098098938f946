"""Two-way fixed effects with leads and lags of adoption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, model_validator

from evaluation.errors import NotEstimable
from evaluation.estimators.base import PanelEstimator
from evaluation.results import Check, Estimate, Inference, ResultSet, not_estimable

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Mask, PanelMoments
    from evaluation.inference.rule import Rule
    from evaluation.inference.two_way import TwoWayFit
    from evaluation.study.models import Outcome

OVERALL = "Effect on the treated: mean of the event-time coefficients over treated observations"
BY_EVENT_TIME = "Effect on the treated by periods since adoption, relative to the reference period"


class EventStudy(PanelEstimator):
    """Regression on unit effects, period effects and indicators of periods since adoption."""

    id = "event_study"
    title = "Event study (two-way fixed effects)"
    summary = (
        "One regression of the outcome on unit effects, period effects and an indicator for every number of periods "
        "since adoption but the reference. Shows the course before and after; with staggered adoption and effects "
        "that differ by cohort the coefficients mix cohorts."
    )
    needs = "A panel with units observed in the reference period; better with never-treated units."
    conventions = (
        "Cluster-robust (CR1) standard errors with the factor G/(G-1) * (N-1)/(N-K), K = coefficients + number of "
        "periods, unit effects nested in the clusters not counted; t with G-1 degrees of freedom. The joint test of "
        "the leads is F with (q, G-1). Always-treated units and units observed once are dropped and counted; cohorts "
        "after the last period are controls. Collinear leads are dropped, the farthest first."
    )
    source = "Sun and Abraham (2021); Borusyak, Jaravel and Spiess (2024) on what the leads identify"

    reference: Annotated[int, Field(lt=0, description="Event time set to zero; periods before adoption")] = -1
    window: Annotated[
        list[int] | None,
        Field(min_length=2, max_length=2, description="[first, last] event time; earlier and later ones are pooled"),
    ] = None

    @model_validator(mode="after")
    def _reference_inside(self) -> Self:
        if self.window and not self.window[0] < self.reference < 0 <= self.window[1]:
            raise ValueError(
                f"window {self.window} must begin before the reference {self.reference} and end at 0 or later"
            )
        return self

    def estimate(self, moments: PanelMoments, outcome: Outcome) -> ResultSet:  # noqa: ARG002
        """Terms `att` and `event` (time = periods since adoption), the joint test of the leads, and the flow.

        Raises
        ------
        NotEstimable
            When no unit adopts within the span, or none is observed in the reference period.
        """
        from evaluation.estimators._did import several_periods, without_always_treated
        from evaluation.inference.rule import Rule, few_clusters
        from evaluation.inference.two_way import two_way

        moments = several_periods(without_always_treated(moments))
        events, design = _events(moments, self.reference, self.window)
        fit = two_way(moments, design)
        rule = Rule("CR1", self.conf_level, fit.n_clusters, fit.n_clusters - 1, "clusters - 1", fit.factor)
        figures = _Figures(moments, events, fit, rule)
        rows = [figures.overall(), figures.reference(self.reference)]
        rows += [figures.event(k) for k in range(len(events) - 1)]
        rows.sort(key=lambda row: (row.estimate.term, row.estimate.time or 0))
        checks = (figures.pretrends(), *(c for row in rows for c in row.checks), *few_clusters(fit.n_clusters))
        inference = tuple(i for row in rows for i in row.inference)
        return ResultSet(tuple(row.estimate for row in rows), inference, checks, flow=moments.flow)


@dataclass(frozen=True)
class _Event:
    """An event time: the rows (R,) whose units are observed at it, and the weight of those observations."""

    time: int
    rows: Mask
    weight: float


def _events(moments: PanelMoments, reference: int, window: list[int] | None) -> tuple[list[_Event], Floats]:
    """The event times in the order they enter the regression, the reference last, and the design (J, T, P).

    Those after adoption come first, then leads from near to far: of collinear columns the later one is dropped.

    Raises
    ------
    NotEstimable
        When no adoption, or no reference period, is observed.
    """
    import numpy as np

    if not moments.n_units:
        raise NotEstimable("No unit has an outcome in more than one period and a period before treatment.")
    cohorts, of_row = np.unique(moments.cohort, return_inverse=True)
    adopts = (cohorts != 0) & (cohorts <= moments.times[-1])
    since = moments.times - cohorts[:, None]
    if window:
        since = np.clip(since, window[0], window[1])
    seen = moments.observed & adopts[of_row][:, None]
    if not seen.any():
        raise NotEstimable("No unit starts treatment within the periods observed.")
    times = np.unique(since[np.array([seen[of_row == j].any(axis=0) for j in range(len(cohorts))])]).tolist()
    if reference not in times:
        raise NotEstimable(
            f"No treated unit is observed in the reference period, {-reference} before adoption; "
            "choose another with the option `reference`."
        )
    leads = [e for e in reversed(times) if e < 0 and e != reference]
    order = [*(e for e in times if e >= 0), *leads, reference]
    events = []
    for time in order:
        at = seen & (since == time)[of_row]
        events.append(_Event(time, at.any(axis=1), float(moments.weights[at].sum())))
    design = (since[:, :, None] == np.array(order[:-1])) & adopts[:, None, None]
    return events, np.asarray(design, dtype=np.float64)


@dataclass(frozen=True)
class _Row:
    """One estimate, how its uncertainty was reckoned, and what there is to say about it."""

    estimate: Estimate
    inference: tuple[Inference, ...] = ()
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True)
class _Figures:
    """The rows of the results; `events` are in the order of the fit's coefficients, then the reference."""

    moments: PanelMoments
    events: list[_Event]
    fit: TwoWayFit
    rule: Rule

    def reference(self, time: int) -> _Row:
        """The period all others are relative to."""
        from evaluation.estimators._did import counts_of

        counts = counts_of(self.moments, self.events[-1].rows)
        return _Row(Estimate("event", BY_EVENT_TIME, 0.0, time=float(time), status="reference",
                             conf_level=self.rule.conf_level, **counts))  # fmt: skip

    def event(self, k: int) -> _Row:
        """One event time's coefficient, or why there is none."""
        from evaluation.estimators._did import counts_of, single_cluster

        event = self.events[k]
        if not self.fit.identified[k]:
            reason = (
                f"The coefficient at {event.time} periods since adoption cannot be told apart from the other event "
                "times, units and periods. It was left out, which sets it to zero; all others are relative to it too."
            )
            counts = counts_of(self.moments, event.rows)["counts"]
            estimate, check = not_estimable("event", BY_EVENT_TIME, reason, counts, time=float(event.time))
            return _Row(estimate, checks=(check,))
        estimate, inference = self._figure("event", BY_EVENT_TIME, [k], time=float(event.time))
        what = f"The coefficient at {event.time} periods since adoption"
        doubt = single_cluster(self.moments, event.rows, what, term="event", time=float(event.time))
        return _Row(estimate, (inference,), doubt)

    def overall(self) -> _Row:
        """The mean of the coefficients after adoption, by their observations."""
        used = [k for k, e in enumerate(self.events) if e.time >= 0 and self.fit.identified[k]]
        if not used:
            estimate, check = not_estimable("att", OVERALL, "No coefficient after adoption could be estimated.")
            return _Row(estimate, checks=(check,))
        estimate, inference = self._figure("att", OVERALL, used)
        return _Row(estimate, (inference,))

    def _figure(self, term: str, estimand: str, used: list[int], **key: Any) -> tuple[Estimate, Inference]:
        """The mean of some coefficients, weighted by their observations."""
        import numpy as np

        from evaluation.estimators._did import counts_of
        from evaluation.inference.covariance import standard_errors

        weight = np.array([self.events[k].weight for k in used])
        share = weight / weight.sum()
        variance = share @ self.fit.covariance[np.ix_(used, used)] @ share
        error = standard_errors(np.atleast_2d(variance), self.moments.spread)[0]
        treated = np.any([self.events[k].rows for k in used], axis=0)
        counts = counts_of(self.moments, np.asarray(treated))
        return self.rule.figure(term, estimand, float(share @ self.fit.coefficients[used]), error, **key, **counts)

    def pretrends(self) -> Check:
        """The joint test of the leads."""
        import numpy as np

        from evaluation.estimators._did import counts_of
        from evaluation.inference.covariance import joint_test
        from evaluation.inference.rule import enough_for_joint_test, pretrends_check

        leads = [k for k, e in enumerate(self.events[:-1]) if e.time < 0 and self.fit.identified[k]]
        tested = [k for k in leads if self.moments.clusters_among(self.events[k].rows) > 1]
        covariance = self.fit.covariance[np.ix_(tested, tested)]
        test = joint_test(self.fit.coefficients[tested], covariance, self.fit.n_clusters - 1)
        left_out = len(leads) - len(tested)
        trusted = enough_for_joint_test(self.fit.n_clusters, len(tested))
        without = f" {left_out} seen in one cluster are left out." if left_out else ""
        behind = {n for k in leads for n in counts_of(self.moments, self.events[k].rows)["counts"]}
        return pretrends_check(test, len(tested), trusted=trusted, counts=tuple(sorted(behind)), without=without)
