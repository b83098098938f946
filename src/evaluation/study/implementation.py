"""What a study file says of the program's work: what was delivered, to whom, and who stayed.

These are descriptions, never effects. `Division` also names the characteristics by which effects are looked at within
groups of people.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from evaluation.study.building import Filter, Name
from evaluation.study.cohort_building import Length, Span

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Label = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


def _rising(values: list[float]) -> list[float]:
    if any(b <= a for a, b in pairwise(values)):
        raise ValueError("write the limits of the bands from low to high, each once")
    return values


class Part(BaseModel):
    """Base of the parts: frozen, strict about keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Division(Part):
    """A characteristic that divides people: by its values, or by bands between limits.

    `cut: [25, 35]` makes the bands below 25, 25 to below 35, and 35 or more.
    """

    column: Name = Field(description="the column that divides people")
    cut: Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], AfterValidator(_rising)] = []


def _division(value: object) -> object:
    """A column's name alone divides people by its values."""
    return {"column": value} if isinstance(value, str) else value


Divided = Annotated[Division, BeforeValidator(_division)]


class Stays(Part):
    """The table of stays in the program: the one that begins on a person's index date is theirs."""

    table: Name = Field(description="the name, in data.tables, of the table of stays in the program")
    start: Name = "entry_date"
    end: Name = "exit_date"  # empty: still there
    reason: Name = "exit_reason"
    graduated: Annotated[list[str], Field(min_length=1)] = ["graduated"]  # reasons of those who finished
    where: Filter = {}


class Dose(Part):
    """What a person received within a time after the index date: rows of a table, or the sum of a column.

    Without `within`, what they received during their whole stay, of those whose stay has ended.
    """

    id: Identifier = Field(description="a short id that the results carry")
    label: Label = Field(description="what the report calls it: Court hearings")
    table: Name = Field(description="the name, in data.tables, of the table of what was delivered, one row each")
    date: Name = Field(description="the column of the day")
    where: Filter = {}
    sum: Name | None = None  # a column of hours or amounts, instead of counting rows
    unit: str = ""  # of the figure: hearings, hours
    within: Length | None = None
    at_least: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None  # the share who received so much
    per_month: bool = False  # beside the total, a month in the program


class Standard(Part):
    """A standard that a person's treatment meets or not: so many rows within a time after the index date.

    With `every_month`, so many in each of the months of that time.
    """

    id: Identifier = Field(description="a short id that the results carry")
    label: Label = Field(description="the standard in words: Two hearings a month in the first three months")
    table: Name = Field(description="the name, in data.tables, of the table of what was delivered, one row each")
    date: Name = Field(description="the column of the day")
    where: Filter = {}
    within: Length = Field(description="how long after the index date, such as 50 days or 3 months")
    at_least: Annotated[int, Field(gt=0)] = 1
    every_month: bool = False

    @model_validator(mode="after")
    def _months(self) -> Standard:
        if self.every_month and self.within.unit not in ("month", "year"):
            raise ValueError("every_month asks for a time within in months")
        return self


class Tests(Part):
    """Drug tests within a time after the index date: how many of them are positive."""

    id: Identifier = Field(description="a short id that the results carry")
    label: Label = Field(description="what the report calls it: Drug tests")
    table: Name = Field(description="the name, in data.tables, of the table of tests, one row each")
    date: Name = Field(description="the column of the day")
    where: Filter = {}
    within: Length = Field(description="how long after the index date, such as 12 months")
    result: Name = "result"
    positive: Annotated[list[str], Field(min_length=1)] = ["positive"]
    negative: Annotated[list[str], Field(min_length=1)] = ["negative"]
    missed: list[str] = ["missed", "dilute"]  # counted as positive, and in a second figure left out


class Step(Part):
    """A step from referral to the program. Who reaches it has reached all before it.

    Of the funnel's own row: `date` where a day is recorded, `where` where the row says so. With `table`, so many rows
    of that table from the day of the last dated step on, `within` a time of it.
    """

    label: Label = Field(description="what the report calls the step: Assessed")
    date: Name | None = None
    where: Filter = {}
    table: Name | None = None
    within: Length | None = None
    at_least: Annotated[int, Field(gt=0)] = 1

    @model_validator(mode="after")
    def _says_something(self) -> Step:
        if self.table and not self.date:
            raise ValueError("a step in a table needs the column of its day (date)")
        if not self.date and not self.where:
            raise ValueError("say who has reached this step: a date, or where")
        if not self.table and (self.within is not None or self.at_least != 1):
            raise ValueError("within and at_least are for a step in a table of its own")
        return self


class Funnel(Part):
    """The way from referral to the program, of everyone referred, whether or not they entered.

    Each person's first referral is followed; referrals of the last `lag` before the data end are left out, since these
    people may still be on their way.
    """

    table: Name = Field(description="the name, in data.tables, of the table of referrals")
    steps: Annotated[list[Step], Field(min_length=2)] = Field(description="a list of steps, the first with its date")
    where: Filter = {}
    lag: Length = Span(count=0, unit="day")

    @model_validator(mode="after")
    def _begins_with_a_day(self) -> Funnel:
        first = self.steps[0]
        if not first.date or first.table:
            raise ValueError("the first step needs a date in the funnel's table: the day of referral")
        names = [s.label for s in self.steps]
        if len(set(names)) < len(names):
            raise ValueError("two steps have the same label")
        return self


class Equity(Part):
    """Who is referred, admitted, stays and graduates, by groups of people that a table of persons knows."""

    table: Name = Field(description="the name, in data.tables, of the table of persons")
    by: Annotated[list[Divided], Field(min_length=1)] = Field(description="columns of that table: [race, sex]")
    access: str | None = None  # label of the step that counts as admitted; default: the last one


class Implementation(Part):
    """Measures of the program's work: descriptions by arm and group, never effects."""

    arms: Literal["treated", "both"] = "treated"  # whose dosage, fidelity and stays are described
    by: list[Divided] = []  # characteristics of the cohort by which they are told as well
    stays: Stays | None = None
    retention: list[Length] = []  # times after entry at which people are looked for, such as [6 months, 12 months]
    dosage: list[Dose] = []
    fidelity: list[Standard] = []
    tests: list[Tests] = []
    funnel: Funnel | None = None
    equity: Equity | None = None

    @model_validator(mode="after")
    def _fits(self) -> Implementation:
        ids = [*(d.id for d in self.dosage), *(s.id for s in self.fidelity), *(t.id for t in self.tests)]
        if len(set(ids)) < len(ids):
            raise ValueError("two measures have the same id")
        stays_needed = self.retention or any(d.within is None or d.per_month for d in self.dosage)
        if stays_needed and self.stays is None:
            raise ValueError("say where stays in the program are found (stays), or leave out what needs them")
        steps = [s.label for s in self.funnel.steps] if self.funnel else []
        if self.equity and self.equity.access and self.equity.access not in steps:
            raise ValueError("equity.access is the label of no step of the funnel")
        return self
