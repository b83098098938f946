"""Rules across the fields of a row, the rows of a table, and tables: what a table's YAML says beyond its schema.

Messages and remedies speak to the clerk who sends the file, in plain words and without any value of a cell.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

RuleLevel = Literal["integrity", "business", "plausibility"]
Severity = Literal["error", "warning"]
Every = Literal["month", "quarter", "year"]
Names = Annotated[tuple[str, ...], Field(min_length=1)]


class _Rule(BaseModel):
    """What all rules have. `columns` are where a finding points, the cell to be marked first."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    level: RuleLevel
    severity: Severity
    message: str
    remedy: str
    columns: Names


class RowRule(_Rule):
    """Holds within each row: a DuckDB condition over the table's columns, broken where it is false."""

    kind: Literal["row"]
    holds: str


class NoOverlap(_Rule):
    """Stays of one person (or whatever `by` names) from `start` up to but without `end` don't overlap."""

    kind: Literal["no_overlap"]
    by: Names
    start: str
    end: str


class SumEquals(_Rule):
    """Within each group, the values of the parts add up to that of the row whose `part` is `total`.

    `at_most`: parts need not be complete, so they may add up to less.
    """

    kind: Literal["sum_equals"]
    by: Names
    part: str
    total: str
    value: str
    at_most: bool = False


class Compare(_Rule):
    """Holds between each row and every row of another table with the same keys: `this.column`, `other.column`."""

    kind: Literal["compare"]
    with_table: str = Field(alias="with")
    on: dict[str, str]
    holds: str


class Change(_Rule):
    """A value far from the earlier values of its own series, by the modified z-score (Iglewicz & Hoaglin, 1993)."""

    kind: Literal["change"]
    by: Names
    value: str
    time: str


class Coverage(_Rule):
    """Between the first and the last period of a series none is absent: a missing period is not a zero."""

    kind: Literal["coverage"]
    by: Names
    time: str
    every: Every


class Count(BaseModel):
    """Rows of a table that meet a condition, counted by period of `time`, or the sum of `value` over them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    time: str
    where: str | None = None
    value: str | None = None


class Agree(_Rule):
    """Two counts of the same thing from different agencies agree, within a relative `tolerance`."""

    kind: Literal["agree"]
    left: Count
    right: Count
    per: Every
    tolerance: float = Field(gt=0)
    minimum: int = Field(ge=1)


Rule = Annotated[RowRule | NoOverlap | SumEquals | Compare | Change | Coverage | Agree, Field(discriminator="kind")]
