"""Two-way fixed effects with leads and lags of adoption."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from evaluation.errors import NotEstimable
from evaluation.estimators._regression import Made, Regression, RegressionEstimator, collected
from evaluation.results import Estimate, ResultSet, not_estimable

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Mask, PanelMoments
    from evaluation.results import Influence
    from evaluation.study.models import Outcome

OVERALL = "Effect on the treated: mean of the event-time coefficients over treated observations"
BY_EVENT_TIME = "Effect on the treated by periods since adoption, relative to the reference period"


class EventStudy(RegressionEstimator):
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
        "periods, unit effects nested in the clusters not counted; t with G-1 degrees of freedom. Below 40 clusters "
        "CR2 with Satterthwaite degrees of freedom and the wild cluster bootstrap stand beside. The joint test of the "
        "leads is F with (q, G-1). Always-treated units and units observed once are dropped and counted; cohorts "
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

    def answer(self, moments: PanelMoments, outcome: Outcome, *, alternatives: bool) -> ResultSet:  # noqa: ARG002
        """Terms `att` and `event` (time = periods since adoption), the joint test of the leads, and the flow.

        Raises
        ------
        NotEstimable
            When no unit adopts within the span, or none is observed in the reference period.
        """
        from evaluation.estimators._did import require_variation, several_periods, without_always_treated
        from evaluation.inference.two_way import two_way

        require_variation(moments)
        moments = several_periods(without_always_treated(moments))
        events, design = _events(moments, self.reference, self.window)
        found = Regression(moments, two_way(moments, design), self.conf_level, alternatives)
        figures = _Figures(events, found)
        rows = [figures.overall(), figures.reference(), *(figures.event(k) for k in range(len(events) - 1))]
        leads = [k for k in figures.identified if events[k].time < 0]
        pretrends = found.pretrends([(figures.one(k), events[k].rows) for k in leads])
        joint = found.joint(
            [float(events[k].time) for k in figures.identified], figures.identified, (float(self.reference),)
        )
        results = collected(rows, found.checks(), moments=moments, joint=joint, influence=figures.influence())
        return replace(results, checks=(pretrends, *results.checks))


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
class _Figures:
    """The rows of the results; `events` are in the order of the fit's coefficients, then the reference."""

    events: list[_Event]
    found: Regression

    @property
    def identified(self) -> list[int]:
        """Coefficients that could be estimated."""
        return [k for k in range(len(self.events) - 1) if self.found.fit.identified[k]]

    def one(self, k: int) -> Floats:
        """The weights (P,) of a single coefficient."""
        import numpy as np

        found = np.zeros(len(self.events) - 1)
        found[k] = 1.0
        return found

    def reference(self) -> Made:
        """The period all others are relative to."""
        from evaluation.estimators._did import counts_of

        moments, event = self.found.moments, self.events[-1]
        return Made(Estimate("event", BY_EVENT_TIME, 0.0, time=float(event.time), status="reference",
                             conf_level=self.found.conf_level, **counts_of(moments, event.rows)))  # fmt: skip

    def event(self, k: int) -> Made:
        """One event time's coefficient, or why there is none."""
        from evaluation.estimators._did import counts_of

        event = self.events[k]
        if not self.found.fit.identified[k]:
            reason = (
                f"The coefficient at {event.time} periods since adoption cannot be told apart from the other event "
                "times, units and periods. It was left out, which sets it to zero; all others are relative to it too."
            )
            counts = counts_of(self.found.moments, event.rows)["counts"]
            estimate, check = not_estimable("event", BY_EVENT_TIME, reason, counts, time=float(event.time))
            return Made(estimate, checks=(check,))
        what = f"The coefficient at {event.time} periods since adoption"
        return self.found.figure("event", BY_EVENT_TIME, self.one(k), event.rows, what=what, time=float(event.time))

    def _shares(self) -> Floats:
        """The weights (P,) of the overall effect: the observations after adoption, by event time."""
        import numpy as np

        weight = np.zeros(len(self.events) - 1)
        for k in self.identified:
            weight[k] = self.events[k].weight if self.events[k].time >= 0 else 0.0
        return weight / weight.sum() if weight.any() else weight

    def overall(self) -> Made:
        """The mean of the coefficients after adoption, by their observations."""
        import numpy as np

        shares = self._shares()
        if not shares.any():
            estimate, check = not_estimable("att", OVERALL, "No coefficient after adoption could be estimated.")
            return Made(estimate, checks=(check,))
        rows = np.any([self.events[k].rows for k in np.flatnonzero(shares)], axis=0)
        return self.found.figure("att", OVERALL, shares, np.asarray(rows))

    def influence(self) -> Influence | None:
        """What each cluster adds to the error of the overall effect."""
        shares = self._shares()
        return self.found.influence(shares) if shares.any() else None
