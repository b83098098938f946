"""Poisson regression with unit and period effects: how treatment changes the rate of events."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evaluation.errors import NotEstimable
from evaluation.estimators._regression import Made, Regression, RegressionEstimator, collected
from evaluation.results import Check, Estimate, FlowStep, Inference, Joint, ResultSet, not_estimable

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Mask, PanelMoments
    from evaluation.data.panel import Panel
    from evaluation.inference.fixed_effects_poisson import PoissonFit
    from evaluation.study.models import Outcome

ESTIMAND = "Change in the logarithm of the treated units' rate"
RATIO = "Rate with treatment over the rate without it, among the treated"
AVERTED = "Events without treatment less events with it, among the treated after adoption"
BY_EVENT_TIME = "Change in the logarithm of the rate by periods since adoption, relative to the period before adoption"
REFERENCE = -1
JACKKNIFE = "cluster jackknife (CV3)"


class PoissonDiD(RegressionEstimator):
    """Poisson pseudo-maximum likelihood with unit effects, period effects and an indicator of being treated."""

    id = "poisson_did"
    title = "Poisson difference-in-differences"
    summary = (
        "A Poisson regression of a count on unit effects, period effects and an indicator of being treated: the effect "
        "is a rate ratio. For deaths, crimes and other counts, small ones and zeros included; with the outcome's "
        "exposure (population, say) for rates. With staggered adoption it mixes comparisons as twfe does."
    )
    needs = "A panel of counts with treated and untreated units, each with an event at some time."
    conventions = (
        "Pseudo-maximum likelihood: counts need not follow the Poisson distribution. Cluster-robust (CR1) standard "
        "errors with the factor G/(G-1) * (N-1)/(N-K), K = coefficients + number of periods, unit effects nested in "
        "the clusters not counted; t with G-1 degrees of freedom. Coefficients on the log scale (log_rate); the rate "
        "ratio and the events averted have intervals from the log scale. Below 40 clusters the cluster jackknife (CV3) "
        "stands beside. Units without any event or seen once, and observations the model fits perfectly, are dropped "
        "and counted. Leads are relative to the last period before adoption, joint test F with (q, G-1)."
    )
    source = "Wooldridge (1999); Correia, Guimarães and Zylkin (2020); MacKinnon, Nielsen and Webb (2023) on CV3"

    def moments(self, panel: Panel, outcome: Outcome) -> PanelMoments:
        """Sums by cluster, cohort and period; each unit by itself where the outcome has an exposure.

        Raises
        ------
        NotEstimable
            Without any event, or with negative numbers.
        """
        from evaluation.data.event_moments import event_moments

        return event_moments(panel, outcome)

    def answer(self, moments: PanelMoments, outcome: Outcome, *, alternatives: bool) -> ResultSet:
        """Terms `att`, `rate_ratio`, `events_averted` and `event`, the joint test of the leads, and the flow.

        Raises
        ------
        NotEstimable
            When treatment cannot be told apart from unit and period effects, or a side has no events.
        """
        import numpy as np

        from evaluation.data.event_moments import with_events
        from evaluation.estimators._did import require_variation, several_periods

        require_variation(moments)
        moments = with_events(several_periods(moments))
        if not moments.n_units:
            raise NotEstimable("No unit has an outcome in more than one period.")
        static = _Static(moments, self.conf_level, alternatives)
        rows = [static.att, *(static.ratio, static.averted)] if alternatives else [static.att]
        checks, joint = [*_type(outcome), *_staggered(static.starts)], None
        if alternatives:
            events, joint, pretrends = _events(moments, self.conf_level)
            rows += events
            checks = [*pretrends, *checks]
        checks += static.found.checks()
        found = collected(rows, checks, moments=moments, joint=joint, influence=static.found.influence(np.ones(1)))
        return replace(found, flow=(*found.flow, *_perfect(static.fit)))


class _PoissonRegression(Regression):
    """Figures from a Poisson fit: beside CR1, where clusters are few, the cluster jackknife."""

    @cached_property
    def _jackknife(self) -> Floats | None:
        from evaluation.inference.fixed_effects_poisson import PoissonFit
        from evaluation.inference.rule import ENOUGH_CLUSTERS

        assert isinstance(self.fit, PoissonFit)  # noqa: S101 - made by `_regression` only
        few = 2 < self.fit.n_clusters < ENOUGH_CLUSTERS
        return self.fit.jackknife() if self.alternatives and few else None

    def _alternatives(self, estimate: Estimate, weights: Floats) -> tuple[Inference, ...]:
        from evaluation.inference.intervals import wald

        if self._jackknife is None:
            return ()
        picked = weights[self.fit.identified]
        error = math.sqrt(float(picked @ self._jackknife @ picked))
        df = self.fit.n_clusters - 1
        assert estimate.estimate is not None  # noqa: S101 - only figures come here
        span = wald(estimate.estimate, error, estimate.conf_level, df)
        return (Inference(
            estimate.term, JACKKNIFE, estimate.group, estimate.time, error, span.low, span.high, span.p_value,
            "t", df, "clusters - 1", n_clusters=self.fit.n_clusters),)  # fmt: skip


def _regression(moments: PanelMoments, fit: PoissonFit, conf_level: float, alternatives: bool) -> _PoissonRegression:
    """Coefficients are logarithms of ratios: what is too small to be an error does not follow the outcome's range."""
    return _PoissonRegression(replace(moments, spread=1.0), fit, conf_level, alternatives)


@dataclass(frozen=True, eq=False)
class _Static:
    """The one coefficient, and what follows from it."""

    moments: PanelMoments
    conf_level: float
    alternatives: bool

    @cached_property
    def cohorts(self) -> Any:
        import numpy as np

        return np.unique(self.moments.cohort)

    @cached_property
    def treated(self) -> Any:
        """Whether a cohort is treated in a period, a mask (J, T)."""
        return (self.cohorts[:, None] != 0) & (self.moments.times >= self.cohorts[:, None])

    @property
    def starts(self) -> int:
        """Number of cohorts with a treated period."""
        return int(self.treated.any(axis=1).sum())

    @cached_property
    def cells(self) -> Mask:
        """Treated cells (R, T) of units that are observed untreated too."""
        import numpy as np

        mine: Mask = self.treated[np.searchsorted(self.cohorts, self.moments.cohort)]
        before = np.asarray((self.moments.observed & ~mine).any(axis=1))
        found: Mask = self.moments.observed & mine & before[:, None]
        return found

    @cached_property
    def fit(self) -> PoissonFit:
        import numpy as np

        from evaluation.inference.fixed_effects_poisson import fixed_effects_poisson

        reason = _one_sided(self.moments, self.cells)
        if reason:
            raise NotEstimable(reason, (int(self.moments.units[self.cells.any(axis=1)].sum()),))
        return fixed_effects_poisson(self.moments, self.treated[:, :, None].astype(np.float64))

    @cached_property
    def found(self) -> _PoissonRegression:
        return _regression(self.moments, self.fit, self.conf_level, self.alternatives)

    @cached_property
    def att(self) -> Made:
        """The coefficient."""
        import numpy as np

        from evaluation.estimators._did import counts_of

        mine: Mask = self.treated[np.searchsorted(self.cohorts, self.moments.cohort)]
        ever = np.asarray((self.moments.observed & mine).any(axis=1))
        counts = counts_of(self.moments, ever) | {"n_obs": self.fit.n_obs}
        return self.found.figure("att", ESTIMAND, np.ones(1), ever, what="The coefficient", scale="log_rate", **counts)

    @cached_property
    def number(self) -> float:
        """Events (weighted, where the panel has weights) in the treated cells."""
        from evaluation.data.event_moments import events

        return float(events(self.moments)[self.cells].sum())

    @property
    def ratio(self) -> Made:
        """The exponential of the coefficient."""
        return self._of("rate_ratio", RATIO, math.exp, math.exp)

    @property
    def averted(self) -> Made:
        """Events that the treated would have had without treatment, less those they had, which are taken as given."""

        def value(b: float) -> float:
            return self.number * math.expm1(-b)

        return self._of("events_averted", AVERTED, value, lambda b: self.number * math.exp(-b), round(self.number))

    def _of(self, term: str, estimand: str, value: Any, slope: Any, *behind: int) -> Made:
        """A monotone function of the coefficient: standard error by its slope, interval from the log scale."""
        att = self.att.estimate
        assert att.estimate is not None  # noqa: S101 - a fit has a coefficient

        def moved(row: Inference) -> Inference:
            low, high = _ends(value, row.conf_low, row.conf_high)
            error = None if row.std_error is None else slope(att.estimate) * row.std_error
            return replace(row, term=term, std_error=error, conf_low=low, conf_high=high)

        inference = tuple(moved(row) for row in self.att.inference)
        head = inference[0]
        counts = (*att.counts, *(n for n in behind if n))
        estimate = replace(
            att, term=term, estimand=estimand, scale="level", estimate=value(att.estimate), std_error=head.std_error,
            conf_low=head.conf_low, conf_high=head.conf_high, counts=counts)  # fmt: skip
        return Made(estimate, inference)


def _ends(value: Any, low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """The ends of an interval after a monotone function."""
    if low is None or high is None:
        return None, None
    ends = sorted((value(low), value(high)))
    return ends[0], ends[1]


def _one_sided(moments: PanelMoments, cells: Mask) -> str:
    """Why there is no finite coefficient, where the treated had events before or after adoption only."""
    from evaluation.data.event_moments import events

    number, rows = events(moments)[cells.any(axis=1)], cells[cells.any(axis=1)]
    if not rows.any():
        return ""
    if not number[rows].any():
        return (
            "The treated units have no event after adoption: their rate falls to zero and its logarithm has no end. "
            "Use a linear estimator, or wait for more data."
        )
    if not number[~rows].any():
        return (
            "The treated units have no event before adoption: there is no rate that it could be a multiple of. Use a "
            "linear estimator."
        )
    return ""


# ----------------------------------------------------------------------------- event times


def _events(moments: PanelMoments, conf_level: float) -> tuple[list[Made], Joint | None, Sequence[Check]]:
    """A second fit with leads and lags: its rows, the estimates together, and the joint test of the leads."""
    import numpy as np

    from evaluation.estimators._did import counts_of, without_always_treated
    from evaluation.inference.fixed_effects_poisson import fixed_effects_poisson

    moments = without_always_treated(moments)
    cohorts, of_row = np.unique(moments.cohort, return_inverse=True)
    adopts = (cohorts != 0) & (cohorts <= moments.times[-1])
    since = moments.times - cohorts[:, None]
    seen = moments.observed & adopts[of_row][:, None]
    times = np.unique(since[of_row][seen]).tolist()
    if REFERENCE not in times:
        message = "No treated unit is observed in the period before adoption, so there are no effects by event time."
        return [], None, (Check("event_times", "info", message, term="event"),)
    order = [*(e for e in times if e >= 0), *(e for e in reversed(times) if e < REFERENCE)]
    at = {e: (seen & (since == e)[of_row]).any(axis=1) for e in times}
    base = Made(Estimate("event", BY_EVENT_TIME, 0.0, time=float(REFERENCE), status="reference", scale="log_rate",
                         conf_level=conf_level, **counts_of(moments, at[REFERENCE])))  # fmt: skip
    design = ((since[:, :, None] == np.array(order)) & adopts[:, None, None]).astype(np.float64)
    try:
        fit = fixed_effects_poisson(moments, design)
    except NotEstimable as none:
        return [base, *(_no_event(moments, e, at[e], str(none)) for e in order)], None, ()
    found = _regression(moments, fit, conf_level, alternatives=True)
    rows, leads = [base], []
    for k, e in enumerate(order):
        if not fit.identified[k]:
            rows.append(_no_event(moments, e, at[e], _why_not(moments, since[of_row] == e)))
            continue
        one: Floats = np.eye(len(order))[k]
        counts = counts_of(moments, at[e]) | {"n_obs": fit.n_obs}
        what = f"The coefficient at {e} periods since adoption"
        rows.append(
            found.figure("event", BY_EVENT_TIME, one, at[e], what=what, time=float(e), scale="log_rate", **counts)
        )
        leads += [(one, at[e])] if e < 0 else []
    identified = np.flatnonzero(fit.identified).tolist()
    joint = found.joint([float(order[k]) for k in identified], identified, (float(REFERENCE),))
    return rows, joint, (found.pretrends(leads),)


def _why_not(moments: PanelMoments, cells: Mask) -> str:
    from evaluation.data.event_moments import events

    if not events(moments)[cells].any():
        return "There is no event at this event time: the rate is zero and its logarithm has no end."
    return (
        "The coefficient cannot be told apart from the other event times, units and periods, or its units have no "
        "event in the period before adoption."
    )


def _no_event(moments: PanelMoments, event: int, rows: Mask, reason: str) -> Made:
    from evaluation.estimators._did import counts_of

    counts = counts_of(moments, rows)["counts"]
    row, check = not_estimable("event", BY_EVENT_TIME, reason, counts, time=float(event), scale="log_rate")
    return Made(row, (), (check,))


# ----------------------------------------------------------------------------- what there is to say


def _type(outcome: Outcome) -> tuple[Check, ...]:
    if outcome.type in ("count", "rate"):
        return ()
    message = (
        "The outcome is not declared as a count or rate. The Poisson model takes any numbers from zero up and tells by "
        "what factor their mean changes."
    )
    return (Check("outcome_type", "info", message, term="att"),)


def _staggered(starts: int) -> tuple[Check, ...]:
    if starts < 2:
        return ()
    message = (
        f"Units adopted at {starts} different times, so the coefficient also compares newly treated units with units "
        "treated earlier. Where effects differ by cohort or grow over time it can miss the average effect."
    )
    return (Check("staggered_adoption", "warn", message, term="att", statistic=starts),)


def _perfect(fit: PoissonFit) -> tuple[FlowStep, ...]:
    """The observations that were left out because the model fits them perfectly."""
    dropped = fit.n_perfect
    if not dropped:
        return ()
    reason = "No event where the model expects none: fitted perfectly, nothing to learn (separation)"
    return (FlowStep("separated", reason, "row", dropped, fit.n_obs),)
