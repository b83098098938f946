"""One effect for each cohort and period, and the means of these that are reported.

The shares of the cohorts in a mean are those of the sample, taken as given: they add nothing to its standard error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evaluation.errors import NotEstimable
from evaluation.estimators._regression import Made, Regression, collected
from evaluation.results import Check, Estimate, ResultSet, not_estimable

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask, PanelMoments

ESTIMANDS = {
    "att": "Effect on the treated: mean of the cohorts' effects over treated observations",
    "event": "Effect on the treated by periods since adoption: mean of the cohorts' effects over their observations",
    "group": "Effect on the treated by cohort, mean over its treated observations",
    "calendar": "Effect on the treated by calendar period, mean over treated observations",
}
UNKNOWN = "No untreated unit is observed in the same periods to compare with, directly or through other periods."
LISTED = 5


def without_untreated_periods(moments: PanelMoments, untreated: Mask) -> PanelMoments:
    """The moments without periods in which none of the `untreated` (R, T) is observed, counted in the flow.

    In them every unit is treated: there is nobody to compare with.
    """
    from evaluation.results import FlowStep

    gone = ~(untreated & moments.observed).any(axis=0)
    if not gone.any():
        return moments
    lost, left = int(moments.counts[:, gone].sum()), int(moments.counts[:, ~gone].sum())
    step = FlowStep("all_treated", "A period in which no unit is untreated any more", "row", lost, left)
    kept = within_periods(moments, ~gone)
    return replace(kept, flow=(*kept.flow, step))


def within_periods(moments: PanelMoments, periods: Mask) -> PanelMoments:
    """The moments in some periods (T,) alone; units seen in none of them are counted in the flow."""
    empty = ~moments.observed[:, periods].any(axis=1)
    moments = moments.without(empty, "no_period", "Observed only in periods that are left out")
    import numpy as np

    both = np.r_[True, periods]
    return replace(
        moments,
        times=moments.times[periods],
        counts=moments.counts[:, periods],
        weights=moments.weights[:, periods],
        sums=moments.sums[:, periods],
        cross=None if moments.cross is None else moments.cross[:, both][:, :, both],
    )
