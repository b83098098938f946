"""What a hand-made case expects of its row, in words that can be checked by hand, held against the row that was built.

An outcome's expectations stand under its id: `rearrest: {event: 1, on: 2021-03-04, eligible: [6, 12]}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from evaluation.study.models import BuiltCohortDesign, Outcome, Study

DAY = timedelta(days=1)
PER_UNIT = {"day": 1.0, "week": 7.0, "month": 30.436875, "year": 365.2425}
CLOSE = 1e-9
WORDS = ("event", "on", "followed_through", "known", "eligible", "by", "days_at_liberty", "liberty_follow_up")
CODED = ("event", "street_event", "by")  # where events may be called by their names
SHORT = "not followed"  # at a window that follow-up does not reach


@dataclass(frozen=True)
class Difference:
    """One thing that is not as expected, in words: where in the row, what was expected and what was found."""

    key: str
    expected: str
    found: str


@dataclass(frozen=True)
class Unknown:
    """A word that means nothing, or stands for nothing that the builder writes; `valid` are those that do."""

    keys: tuple[str, ...]  # its way down in the expectation
    valid: tuple[str, ...]


def plus_months(day: date, months: int) -> date:
    """The same day of the month so many months on, or that month's last day."""
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    length = (date(year + month // 12, month % 12 + 1, 1) - date(year, month, 1)).days
    return date(year, month, min(day.day, length))


def elapsed(start: date, day: date, unit: str) -> float:
    """Time from the beginning of one day to the beginning of another, in the study's unit of time."""
    if unit in ("day", "week"):
        return (day - start).days / PER_UNIT[unit]
    months = (day.year - start.year) * 12 + day.month - start.month
    months -= plus_months(start, months) > day
    begun, ends = plus_months(start, months), plus_months(start, months + 1)
    passed = months + (day - begun).days / (ends - begun).days
    return passed / 12 if unit == "year" else passed


def day_of(start: date, time: float, unit: str) -> date | float:
    """The day that ends at a time from `start`; the time itself where no day does."""
    if unit in ("day", "week"):
        day = start + round(time * PER_UNIT[unit]) * DAY
    else:
        months = time * 12 if unit == "year" else time
        whole = int(months + CLOSE)
        begun, ends = plus_months(start, whole), plus_months(start, whole + 1)
        day = begun + round((months - whole) * (ends - begun).days) * DAY
    return day - DAY if abs(elapsed(start, day, unit) - time) < CLOSE else time


def told(value: object) -> str:
    """A value as the difference shows it."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(told(v) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{told(k)}: {told(v)}" for k, v in value.items()) + "}"
    return str(value)


def same(expected: object, found: object) -> bool:
    """Whether two values are the same: numbers to 1e-9, true is 1, a moment at midnight is its day."""
    if isinstance(found, datetime) and not isinstance(expected, datetime):
        found = found.date()
    if isinstance(expected, (int, float)) and isinstance(found, (int, float)):
        return abs(expected - found) <= CLOSE * max(1.0, abs(expected))
    if isinstance(expected, dict) and isinstance(found, dict):
        return expected.keys() == found.keys() and all(same(v, found[k]) for k, v in expected.items())
    if isinstance(expected, list) and isinstance(found, list):
        return len(expected) == len(found) and all(same(e, f) for e, f in zip(expected, found, strict=True))
    return expected == found


# --------------------------------------------------------------------------- a row of a cohort


def in_row(study: Study, expect: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[Difference | Unknown]:
    """How a row of the cohort differs from what is expected of it."""
    outcomes = {o.id: o for o in study.outcomes}
    for key, value in expect.items():
        if key in outcomes and isinstance(value, dict):
            yield from _of_outcome(study, outcomes[key], value, row)
        elif key not in row:
            yield Unknown((key,), (*row, *outcomes))
        elif not same(value, row[key]):
            yield Difference(key, told(value), told(row[key]))


def _of_outcome(
    study: Study, outcome: Outcome, expect: Mapping[str, Any], row: Mapping[str, Any]
) -> Iterator[Difference | Unknown]:
    columns = {c.removeprefix(f"{outcome.id}_"): v for c, v in row.items() if c.startswith(f"{outcome.id}_")}
    reading = _Reading(study.design, outcome, row["index_date"], columns)  # type: ignore[arg-type]
    for key, value in expect.items():
        if key not in WORDS and key not in columns:
            yield Unknown((outcome.id, key), (*WORDS, *(c for c in columns if c not in WORDS)))
            continue
        found = getattr(reading, key)() if key in WORDS else columns[key]
        if key == "by" and isinstance(value, dict):
            yield from (Unknown((outcome.id, key, k), tuple(found)) for k in value if k not in found)
            found = {k: v for k, v in found.items() if k in value}
        wanted = reading.coded(value) if key in CODED else value
        if not same(wanted, found):
            yield Difference(f"{outcome.id}.{key}", told(wanted), told(found))


@dataclass(frozen=True)
class _Reading:
    """An outcome's columns in the words that cases are written in."""

    design: BuiltCohortDesign
    outcome: Outcome
    index: date
    columns: Mapping[str, Any]

    def coded(self, code: Any) -> Any:
        """The number of an event for the name of one: the outcome's own id is 1, `none` 0."""
        if isinstance(code, dict):
            return {window: self.coded(inner) for window, inner in code.items()}
        names = ["none", self.outcome.id, *self.outcome.competing]
        return names.index(code) if code in names else code

    def event(self) -> Any:
        """The code of what came first."""
        return self.columns["event"]

    def _day(self, column: str) -> Any:
        time = self.columns[column]
        return None if time is None else day_of(self.index, time, self.design.time_unit)

    def on(self) -> Any:
        """The day of what came first, or the last day followed."""
        return self._day("time")

    def followed_through(self) -> Any:
        """The last day of follow-up."""
        return self._day("follow_up")

    def known(self) -> bool:
        """Whether anything is known of the outcome."""
        return any(v is not None for v in self.columns.values())

    def eligible(self) -> list[float]:
        """The windows that follow-up reaches."""
        reached = self.columns["follow_up"]
        return [k for k in self.outcome.windows or self.design.windows if reached is not None and reached >= k]

    def by(self) -> dict[str, Any]:
        """At each window: the code of what had come by then, 0 for nothing; `not followed` where it is not reached."""
        time, event = self.columns["time"], self.columns["event"]
        windows = self.outcome.windows or self.design.windows
        return {f"{k:g}": (event if time <= k else 0) if k in self.eligible() else SHORT for k in windows}

    def _days(self, column: str) -> Any:
        time = self.columns.get(column)
        return None if time is None else time * PER_UNIT[self.design.time_unit]

    def days_at_liberty(self) -> Any:
        """Days at liberty to the event, its own day included, or to the end of follow-up."""
        return self._days("street_time")

    def liberty_follow_up(self) -> Any:
        """Days that could have been followed on the street clock."""
        return self._days("street_follow_up")


# --------------------------------------------------------------------------- the rows of a unit


def in_unit(time: str, expect: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Iterator[Difference | Unknown]:
    """How a unit of a panel differs from what is expected: of each column a value for all periods, or by period."""
    for key, value in expect.items():
        if key not in rows[0]:
            yield Unknown((key,), tuple(rows[0]))
            continue
        found = {str(row[time]): row[key] for row in rows}
        strange = [period for period in value if period not in found] if isinstance(value, dict) else []
        if strange:
            yield Unknown((key, strange[0]), tuple(found))
            continue
        for period, wanted in value.items() if isinstance(value, dict) else ((p, value) for p in found):
            if not same(wanted, found[period]):
                yield Difference(f"{key}[{period}]", told(wanted), told(found[period]))
