"""How a panel is built from tables of events, counts, populations and adoptions: the study file's part of it."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1)]
Filter = dict[Name, str | int | float | bool | list[str | int | float]]  # column -> value, or the values allowed


def _day(value: object) -> object:
    """A date that YAML read as text is a date too."""
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f'"{value}" is no day; write it as year-month-day, such as 2025-12-31') from None


Day = Annotated[date, BeforeValidator(_day)]


class Part(BaseModel):
    """Base of the parts: frozen, strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Adoption(Part):
    """The table of who began when: one row a unit and spell of treatment."""

    table: Name = Field(description="the name, in data.tables, of the table of adoptions")
    start: Name = Field(description="the column of the day treatment began")
    unit: Name | None = None  # default: design.unit
    end: Name | None = None  # the column of the day it ended; empty = goes on
    where: Filter = {}
    # What becomes of the period in which treatment begins after its first day: its outcomes are set aside, or it
    # counts as treated, or as untreated. Treatment starts with the next period but where it counts as treated.
    partial_period: Literal["set_aside", "treated", "untreated"] = "set_aside"
    ended: Literal["refuse", "set_aside", "still_treated"] = "refuse"  # outcomes after treatment ended
    again: Literal["refuse", "from_first"] = "refuse"  # units that began more than once


class Coverage(Part):
    """The table of who reported when: spells from `start` to `end`, or a row a month with any `date` in it."""

    table: Name = Field(description="the name, in data.tables, of the table of what was reported")
    unit: Name | None = None
    start: Name | None = None
    end: Name | None = None
    date: Name | None = None
    where: Filter = {}


class Exclusion(Part):
    """Units that are kept out, and why: listed, or met by a condition in a table."""

    reason: Annotated[str, StringConstraints(min_length=1)] = Field(description="why these units are kept out")
    units: list[str | int] = []
    table: Name | None = None
    unit: Name | None = None
    where: Filter = {}


class Attributes(Part):
    """A table with one row a unit, whose columns the panel is to have: clusters, covariates, coordinates."""

    table: Name = Field(description="the name, in data.tables, of a table with one row a unit")
    columns: Annotated[list[Name], Field(min_length=1)] = Field(description="the columns to take from it")
    unit: Name | None = None


class PanelBuild(Part):
    """The span of the panel, and where adoption and reporting are found."""

    first: Day = Field(description="the first day of the panel, which begins a period, such as 2016-01-01")
    last: Day = Field(description="the last day of the panel, which ends a period, such as 2023-12-31")
    adoption: Adoption = Field(description="the table of adoptions and its columns")
    coverage: Coverage | Literal["complete"] | None = None  # complete: every unit reported throughout
    fiscal_year_start: Annotated[int, Field(ge=1, le=12)] = 1  # month
    attributes: Attributes | None = None
    exclude: list[Exclusion] = []
    balance: Literal["keep", "drop_units"] = "keep"  # units with a missing outcome in some period


class OutcomeBuild(Part):
    """The rows that are counted, or whose numbers are summed, for an outcome."""

    table: Name = Field(description="the name, in data.tables, of the table of events or counts")
    date: Name = Field(description="the column of the day of the event, or of the first day a count covers")
    unit: Name | None = None
    sum: Name | None = None  # a column of numbers; each of its rows says that the month was reported
    where: Filter = {}


class Population(Part):
    """The table of populations by year, for rates and exposures."""

    table: Name = Field(description="the name, in data.tables, of the table of populations")
    column: Name = Field(description="the column of the number of people")
    year: Name = "year"
    unit: Name | None = None
    where: Filter = {}
    rate: Annotated[float, Field(gt=0)] = 100_000.0  # an outcome of type rate is events per so many people
