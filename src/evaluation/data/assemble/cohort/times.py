"""Lengths of time as SQL: calendar months are counted from the start itself, days count whole."""

from __future__ import annotations

import calendar
import math
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.data.assemble.cohort.steps import Steps
    from evaluation.study.cohort_building import Span

DAYS_IN = {"day": 1, "week": 7}
MONTHS_IN = {"month": 1, "year": 12}
STREET_DAYS = {"day": 1.0, "week": 7.0, "month": 30.436875, "year": 365.2425}  # of the Gregorian calendar, on average
A_HAIR = 1e-9  # so that a third of a month's days is not lost to rounding


def shifted(day: date, length: Span, sign: int) -> date:
    """A day so long after (1) or before (-1) another; the month's last day where it has no such day."""
    if length.unit in DAYS_IN:
        return day + timedelta(days=sign * length.count * DAYS_IN[length.unit])
    month = 12 * day.year + day.month - 1 + sign * length.count * MONTHS_IN[length.unit]
    year, number = month // 12, month % 12 + 1
    return date(year, number, min(day.day, calendar.monthrange(year, number)[1]))


def before(sql: Steps, day: str, length: Span) -> str:
    """SQL of the day so long before another."""
    if length.unit in DAYS_IN:
        return sql.add_days(day, -length.count * DAYS_IN[length.unit])
    return sql.add_months(day, -length.count * MONTHS_IN[length.unit])


def birthday(year: str) -> str:
    """SQL of a day for a year of birth: its middle, so that ages are a year out at most, and right on average."""
    day = f"concat(CAST(CAST({year} AS INTEGER) AS STRING), '-07-01')"
    return f"CAST(CASE WHEN {year} IS NOT NULL THEN {day} END AS DATE)"


def whole_months(sql: Steps, start: str, day: str) -> str:
    """SQL of the most months that, added to the start, do not go beyond a day."""
    apart = f"(12 * (year({day}) - year({start})) + month({day}) - month({start}))"
    return f"({apart} - CASE WHEN {sql.add_months(start, apart)} > {day} THEN 1 ELSE 0 END)"


def elapsed(sql: Steps, unit: str, start: str, day: str) -> str:
    """SQL of the time from a day to another: whole months, and days as a share of the month they lie in."""
    if unit in DAYS_IN:
        return f"(CAST({sql.days(start, day)} AS DOUBLE) / CAST({DAYS_IN[unit]} AS DOUBLE))"
    months = whole_months(sql, start, day)
    begun, next_one = sql.add_months(start, months), sql.add_months(start, f"({months} + 1)")
    share = f"CAST({sql.days(begun, day)} AS DOUBLE) / CAST({sql.days(begun, next_one)} AS DOUBLE)"
    whole = f"(CAST({months} AS DOUBLE) + {share})"
    return whole if unit == "month" else f"({whole} / CAST(12 AS DOUBLE))"


def last_day(sql: Steps, unit: str, start: str, window: float) -> str:
    """SQL of the last day of a window, whose end is exclusive: the day before start and window together."""
    if unit in DAYS_IN:
        return sql.add_days(start, math.floor(window * DAYS_IN[unit] + A_HAIR) - 1)
    months = window * MONTHS_IN[unit]
    whole = math.floor(months + A_HAIR)
    share = max(0.0, months - whole)
    begun = sql.add_months(start, whole)
    if share < A_HAIR:
        return sql.add_days(begun, -1)
    length = sql.days(begun, sql.add_months(start, whole + 1))
    return sql.add_days(begun, f"(floor(CAST({share!r} AS DOUBLE) * {length} + {A_HAIR:.10f}) - 1)")


def named(window: float) -> str:
    """A window at the end of a column's name."""
    return f"{window:g}".replace(".", "_")
