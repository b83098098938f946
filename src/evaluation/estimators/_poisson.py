"""What a Poisson fit with unit and period effects reports: figures on the log scale, and effects by event time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from evaluation.errors import NotEstimable
from evaluation.estimators._regression import Made, Regression
from evaluation.results import Check, Estimate, Inference, Joint, not_estimable

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Mask, PanelMoments
    from evaluation.inference.fixed_effects_poisson import PoissonFit

BY_EVENT_TIME = "Change in the logarithm of the rate by periods since adoption, relative to the period before adoption"
REFERENCE = -1
JACKKNIFE = "cluster jackknife (CV3)"


class PoissonRegression(Regression):
    """Figures from a Poisson fit: beside CR1, where clusters are few, the cluster jackknife."""

    @cached_property
    def _jackknife(self) -> Floats | None:
        from evaluation.inference.fixed_effects_poisson import PoissonFit
        from evaluation.inference.rule import ENOUGH_CLUSTERS

        assert isinstance(self.fit, PoissonFit)  # noqa: S101 - made by `regression` only
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


def regression(moments: PanelMoments, fit: PoissonFit, conf_level: float, alternatives: bool) -> PoissonRegression:
    """Coefficients are logarithms of ratios: what is too small to be an error does not follow the outcome's range."""
    return PoissonRegression(replace(moments, spread=1.0), fit, conf_level, alternatives)


def events_by_time(moments: PanelMoments, conf_level: float) -> tuple[list[Made], Joint | None, Sequence[Check]]:
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
    found = regression(moments, fit, conf_level, alternatives=True)
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
