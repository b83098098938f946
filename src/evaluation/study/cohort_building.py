"""How a cohort is built from tables of events: the study file's part of it.

Columns have the names of the data dictionary unless the study file says otherwise.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from evaluation.study.building import Filter, Name

Reason = Annotated[str, StringConstraints(min_length=1)]
SPAN = re.compile(r"\s*(\d+)\s*(day|week|month|year)s?\s*")


class Part(BaseModel):
    """Base of the parts: frozen, strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Span(Part):
    """A length of time in calendar units: `180 days`, `24 months`."""

    count: Annotated[int, Field(ge=0)]
    unit: Literal["day", "week", "month", "year"]

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"


def _span(value: object) -> object:
    """`24 months` as a Span."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"{value} has no unit; write it like {value} days or {value} months")  # noqa: TRY004
    if not isinstance(value, str):
        return value
    found = SPAN.fullmatch(value)
    if found is None:
        raise ValueError(f'"{value}" is no length of time; write it like 12 months or 90 days')
    return Span(count=int(found[1]), unit=found[2])  # type: ignore[arg-type]


Length = Annotated[Span, BeforeValidator(_span)]


class IndexEvents(Part):
    """The events from which people are followed: one pool, that of the program or that of the comparison."""

    table: Name = Field(description="the name, in data.tables, of the table of index events")
    date: Name = Field(description="the column of the day of the index event")
    where: Filter = {}
    first_per_person: bool | None = None  # of design.index: false follows every index event, each with its weight


class AtRisk(Part):
    """Where the clock of time at risk stops: street time leaves out the days in custody."""

    stop_in: Name = Field(description="custody, or the name in data.tables of a table of stays")
    start: Name = "start_date"
    end: Name = "end_date"  # the day of leaving; empty: still there
    where: Filter = {}


class OtherEvent(Part):
    """A competing event, such as deportation, where it is found; `death` is found in the table deaths by itself."""

    table: Name = Field(description="the name, in data.tables, of the table of these events")
    date: Name = Field(description="the column of the day of the event")
    where: Filter = {}


class Coverage(Part):
    """The table of how far each agency's data reach: one row a table and agency."""

    table: Name = Field(description="the name, in data.tables, of the table of what each agency's data cover")
    of: Name = "table"  # the column that names the table covered
    start: Name = "start_date"
    end: Name = "end_date"  # the last day covered
    agency: Name = "agency_id"
    where: Filter = {}


class Rule(Part):
    """People who are kept out (exclude), or without whom nobody is let in (include), and why.

    With `date` the row must lie in the `within` before the index date, that day not included; without `within`, at
    any time before it. Without `date` any row of the person counts. Without `table` the index event's own row is held
    against `where`.
    """

    reason: Reason = Field(description="why these people are kept out, or what they must have")
    table: Name | None = None
    date: Name | None = None
    within: Length | None = None
    where: Filter = {}


class Characteristic(Part):
    """A characteristic of a person at the index date: a number.

    One of: `column` (of the person's row in `table`, or of the index event's own row where there is no table),
    `age_from` (whole years since that date), or a table with a `date`, whose rows `within` the time before the index
    date, that day not included, are counted.
    """

    table: Name | None = None
    column: Name | None = None
    equals: str | int | float | bool | list[str | int | float] | None = None  # 1 where the column holds it, else 0
    age_from: Name | None = None
    date: Name | None = None
    within: Length | None = None
    where: Filter = {}
    measure: Literal["count", "any"] = "count"


class Offence(Part):
    """Which events count, by group of the catalogue of offence groups: violent, property, drug, traffic, technical …

    An event in an excluded group does not count; with `include`, an event must be in one of these. Without either,
    technical violations, warrants and the program's own sanctions do not count: the outcome is new crime.
    """

    include: list[Name] = []
    exclude: list[Name] = []


class EventRows(Part):
    """Where an outcome of kind event is found."""

    table: Name = Field(description="the name, in data.tables, of the table of events")
    date: Name = Field(description="the column of the day of the event")
    where: Filter = {}
