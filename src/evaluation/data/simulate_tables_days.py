"""Calendar arithmetic on whole columns of days (counted from 1970-01-01), as cohorts are built by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.study.cohort_building import Span

    Integers = NDArray[np.int64]

DAYS = {"day": 1.0, "week": 7.0, "month": 30.436875, "year": 365.2425}  # of a unit, on average
MONTHS = {"month": 1, "year": 12}


def months_on(days: Integers, months: int | Integers) -> Integers:
    """The same day of the month so many months on (or back), or that month's last day where it has no such day."""
    day = days.astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    place = (day - month.astype("datetime64[D]")).astype(np.int64)
    target = month + np.asarray(months, np.int64)
    first = target.astype("datetime64[D]").astype(np.int64)
    length = (target + 1).astype("datetime64[D]").astype(np.int64) - first
    return np.asarray(first + np.minimum(place, length - 1))


def window_days(start: Integers, window: float, unit: str) -> Integers:
    """How many days a window of time that begins on each start day has."""
    if unit in MONTHS:
        return months_on(start, int(window * MONTHS[unit])) - start
    return np.full(len(start), int(window * DAYS[unit]), np.int64)


def before(days: Integers, span: Span | None) -> Integers:
    """The first day of the span that ends the day before each day; five years back where there is no span."""
    if span is None:
        return months_on(days, -60)
    if span.unit in MONTHS:
        return months_on(days, -span.count * MONTHS[span.unit])
    return np.asarray(days - int(span.count * DAYS[span.unit]))
