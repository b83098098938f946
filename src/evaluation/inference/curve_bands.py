"""Cumulative incidence curves with their bands: pointwise, and simultaneous with equal precision.

The pointwise band and the simultaneous one differ in their critical value alone. The latter is the quantile of the
largest standardised error over the curve (Nair, 1984; Lin, 1997), drawn from the normal law that the errors' own
covariance gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.intervals import critical_value
from evaluation.inference.survival import band

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.inference.curve_errors import Followed
    from evaluation.inference.survival import ConfType

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

POINTS = 5000  # of a curve in the results; more cannot be seen in a figure
POINTS_UNITS = (50, 400)  # the fewest and the most where every point needs a pass over all rows of people
GRID = 300  # times over which the largest error is sought, closest among the first events, where errors change most
GRID_CELLS = int(2e7)  # units times grid points that are held at once
DRAWS = 10_000
FIRST_SHARE = 20  # the band begins when one in so many of the arm's events has happened
FIRST_EVENTS = 10  # and at least so many: with fewer the error is far from normal
LAST_AT_RISK = 10  # and ends with the last event while so many are at risk
NOTHING = 1e-12
NEARLY_EQUAL = 1e-8  # added to the diagonal: errors at neighbouring times are all but the same


@dataclass(frozen=True)
class Style:
    """How bands are drawn: confidence level, the scale on which they are symmetric, and the seed of the draws."""

    level: float
    conf_type: ConfType
    seed: int = 1


@dataclass(frozen=True, eq=False)
class IncidenceCurve:
    """One arm's incidence of one cause at P times: figures are NaN where there is no uncertainty to tell.

    `n_event` and `n_left` are people who had the cause, and who left for any other reason, since the point before.
    """

    time: Floats
    n_risk: Integers
    n_event: Integers
    n_left: Integers
    estimate: Floats
    std_error: Floats
    low: Floats
    high: Floats
    band_low: Floats
    band_high: Floats


def incidence_curve(followed: Followed, arm: int, cause: int, style: Style) -> IncidenceCurve:
    """The curve of one arm and cause (1 the outcome) with both bands."""
    sets = followed.sets(arm)
    chosen = _spread(np.arange(len(sets.time)), _points(followed))
    first = np.concatenate([[0], chosen[:-1] + 1])
    cases = sets.people_left[cause]
    estimate = sets.incidence(cause)[chosen]
    std_error = np.sqrt(followed.incidence_variance(arm, cause, chosen))
    known = (estimate > NOTHING) & (estimate < 1 - NOTHING) & (std_error > 0)
    low, high = limits(estimate, std_error, critical_value(style.level), style.conf_type, known)
    std_error = np.where(known, std_error, np.nan)
    if estimate[0] == 0:
        std_error[0] = low[0] = high[0] = 0.0
    reach, within = _simultaneous(followed, arm, cause, style)
    held = known & (sets.time[chosen] >= within[0]) & (sets.time[chosen] <= within[1])
    band_low, band_high = limits(estimate, std_error, reach, style.conf_type, held)
    return IncidenceCurve(
        sets.time[chosen], sets.people_at_risk[chosen], np.add.reduceat(cases, first),
        np.add.reduceat(sets.people_left.sum(axis=0) - cases, first), estimate, std_error, low, high, band_low,
        band_high,
    )  # fmt: skip


def limits(
    estimate: Floats, std_error: Floats, reach: float, conf_type: ConfType, known: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """A band around incidences, symmetric on a scale of the share without the event; NaN where not known."""
    low, high = np.full(len(estimate), np.nan), np.full(len(estimate), np.nan)
    if known.any() and not np.isnan(reach):
        free = 1 - estimate[known]
        below, above = band(free, std_error[known] / free, reach, conf_type)
        low[known], high[known] = 1 - above, 1 - below
    return low, high


def _points(followed: Followed) -> int:
    if followed.plain:
        return POINTS
    return int(np.clip(GRID_CELLS // len(followed.rows.arm), *POINTS_UNITS))


def _spread(values: Integers, most: int) -> Integers:
    """At most so many of the values, evenly picked, the first and the last among them."""
    if len(values) <= most:
        return values
    found: Integers = values[np.unique(np.linspace(0, len(values) - 1, most).round().astype(np.int64))]
    return found


def _evenly_changing(places: Integers, had: Integers, most: int) -> Integers:
    """At most so many of the places, the first and last among them, with even steps in the logarithm of the events.

    Errors at two times have about the correlation of the square root of their events' ratio.
    """
    if len(places) <= most:
        return places
    depth = np.log(had[places])
    wanted = np.linspace(depth[0], depth[-1], most)
    found: Integers = places[np.unique(np.searchsorted(depth, wanted).clip(0, len(places) - 1))]
    return found


def _simultaneous(followed: Followed, arm: int, cause: int, style: Style) -> tuple[float, tuple[float, float]]:
    """The critical value that holds the whole curve, and the times between which it does; NaN where there is none."""
    sets = followed.sets(arm)
    cases = sets.people_left[cause]
    incidence = sets.incidence(cause)
    had = np.cumsum(cases)
    begun = (had >= FIRST_EVENTS) & (had * FIRST_SHARE >= had[-1])
    inside = (cases > 0) & begun & (sets.people_at_risk >= LAST_AT_RISK)
    places = np.flatnonzero(inside & (incidence > NOTHING) & (incidence < 1 - NOTHING))
    if not len(places):
        return np.nan, (np.inf, -np.inf)
    ends = (float(sets.time[places[0]]), float(sets.time[places[-1]]))
    most = GRID if followed.plain else int(np.clip(GRID_CELLS // len(followed.rows.arm), 20, GRID))
    covariance = followed.incidence_covariance(arm, cause, _evenly_changing(places, had, most))
    return largest(covariance, style.level, style.seed), ends


def largest(covariance: Floats, level: float, seed: int) -> float:
    """The quantile of the largest absolute standardised value of normal variables with this covariance (Q, Q)."""
    scale = np.sqrt(np.diag(covariance))
    seen = scale > 0
    if not seen.any():
        return np.nan
    correlation = covariance[np.ix_(seen, seen)] / np.outer(scale[seen], scale[seen])
    factor = np.linalg.cholesky(correlation + NEARLY_EQUAL * np.eye(len(correlation)))
    drawn = np.random.default_rng(seed).standard_normal((DRAWS, len(factor))) @ factor.T
    # Far finer than the draws' own error, and the same whatever the order in which a machine adds.
    return round(float(np.quantile(np.abs(drawn).max(axis=1), level)), 4)
