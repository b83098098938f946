"""Days, months and times by plain arithmetic on dates: what the cohort builder's SQL is held against."""

from datetime import date, timedelta
from functools import cache

DAY = timedelta(days=1)


def month_length(year, month):
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - date(year, month, 1)).days


def plus_months(day, months):
    """The same day of the month so many months on (or back), or that month's last day."""
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(day.day, month_length(year, month)))


def plus(day, span, sign=1):
    """A day so many days, weeks, months or years on; `sign` -1: back."""
    count = sign * span.count
    if span.unit in ("day", "week"):
        return day + count * (7 if span.unit == "week" else 1) * DAY
    return plus_months(day, count * (12 if span.unit == "year" else 1))


@cache
def elapsed(start, day, unit):
    """Time from the beginning of one day to that of another, in a unit."""
    if unit in ("day", "week"):
        return (day - start).days / (7 if unit == "week" else 1)
    whole = (day.year - start.year) * 12 + day.month - start.month + 1
    while plus_months(start, whole) > day:
        whole -= 1
    begun, ends = plus_months(start, whole), plus_months(start, whole + 1)
    months = whole + (day - begun).days / (ends - begun).days
    return months / 12 if unit == "year" else months


def age(born, day):
    """Whole years completed; someone born on February 29 has the birthday on the 28th in common years."""
    birthday = date(day.year, born.month, min(born.day, month_length(day.year, born.month)))
    return day.year - born.year - (day < birthday)
