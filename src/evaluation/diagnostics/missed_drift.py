"""What the look at the differences before adoption would have missed: steady drifts and what they would do."""

from __future__ import annotations

import math

from evaluation.diagnostics.event_course import EventCourse
from evaluation.results import Check, ResultSet, Sensitivity

POWERS = (0.5, 0.8)
METHOD = "any single difference before adoption beyond its 95 % limits (Roth, 2022)"


def missed_drift(events: EventCourse, power: float) -> float | None:
    """The steady drift per period that a look at the single leads shows with probability `power`.

    None where so many leads are looked at that one is out of line that often by chance alone.
    """
    from evaluation.inference.pretrend_power import detectable_slope

    before = slice(events.n_before)
    try:
        return detectable_slope(events.leads, events.course.covariance[before, before], power)
    except ValueError:
        return None


def pretrend_power(events: EventCourse) -> ResultSet:
    """A row for each drift found with 50 % and 80 % probability, and a check of what the first would do.

    A drift leaves effects that grow with the distance from the reference; where the one that is missed half of the
    time would alone make a mean effect as large as the one found, the check warns.
    """
    slopes = {power: missed_drift(events, power) for power in POWERS}
    rows = tuple(_row(events, power, slope) for power, slope in slopes.items() if slope is not None)
    half = slopes[POWERS[0]]
    return ResultSet(sensitivity=rows, checks=() if half is None else (_check(events, half),))


def _row(events: EventCourse, power: float, slope: float) -> Sensitivity:
    label = f"Steady drift per period that is found {power:.0%} of the time"
    return Sensitivity("pretrend_power", label, "", power, slope, method=METHOD, counts=events.counts)


def _check(events: EventCourse, slope: float) -> Check:
    weights = events.mean_of(lambda _: True)
    bias = slope * float(weights @ (events.times[events.n_before :] - events.reference))
    effect = float(weights @ events.course.estimates[events.n_before :])
    share = bias / abs(effect) if effect else math.inf
    message = (
        f"A steady drift of {slope:.3g} per period would have been missed half of the time by looking at the "
        f"differences before adoption: that they pass proves little. Such a drift alone would look like a mean effect "
        f"of {bias:.3g} after adoption; the effect found is {effect:.3g}."
    )
    return Check("pretrend_power", "warn" if share >= 1 else "info", message, term="event", statistic=slope,
                 counts=events.counts)  # fmt: skip
