"""Poisson regression with unit and period effects: how treatment changes the rate of events."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evaluation.errors import NotEstimable
from evaluation.estimators._poisson import PoissonRegression, events_by_time, regression
from evaluation.estimators._regression import Made, RegressionEstimator, collected
from evaluation.results import Check, FlowStep, Inference, ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import Mask, PanelMoments
    from evaluation.data.panel import Panel
    from evaluation.inference.fixed_effects_poisson import PoissonFit
    from evaluation.study.models import Outcome

ESTIMAND = "Change in the logarithm of the treated units' rate"
RATIO = "Rate with treatment over the rate without it, among the treated"
AVERTED = "Events without treatment less events with it, among the treated after adoption"


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
            events, joint, pretrends = events_by_time(moments, self.conf_level)
            rows += events
            checks = [*pretrends, *checks]
        checks += static.found.checks()
        found = collected(rows, checks, moments=moments, joint=joint, influence=static.found.influence(np.ones(1)))
        return replace(found, flow=(*found.flow, *_perfect(static.fit)))


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
    def found(self) -> PoissonRegression:
        return regression(self.moments, self.fit, self.conf_level, self.alternatives)

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
