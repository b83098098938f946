"""The tables agencies send, described in Frictionless Table Schema (one YAML file a table)."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting

from evaluation import resources
from evaluation.dictionary.files import read_yaml
from evaluation.dictionary.rules import Rule

FieldType = Literal["string", "integer", "number", "boolean", "date"]
Sensitivity = Literal["public", "confidential", "identifier", "part2"]
Level = Literal["person", "event", "aggregate", "reference"]
Frequency = Literal["month", "quarter", "year", "once"]


class Constraints(BaseModel):
    """Limits on the values of a field, by their names in Table Schema."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    required: bool = False
    unique: bool = False
    enum: tuple[str, ...] = ()
    pattern: str | None = None
    minimum: int | float | str | None = None
    maximum: int | float | str | None = None
    min_length: int | None = Setting(default=None, alias="minLength", ge=0)
    max_length: int | None = Setting(default=None, alias="maxLength", ge=0)


class Field(BaseModel):
    """One column of a table.

    `unit` is that of a number; `codelist` names the list its values come from; `includes` and `excludes` say what is
    counted and what is not; `missing_values` are marks of a missing value besides the table's own. Sensitivity:
    `public`; `confidential` about a person or of few; `identifier` who a person is; `part2` that a person has to do
    with treatment of substance use (42 CFR Part 2). `may_lie_ahead`: a date may come after the day of sending, such as
    that of a law not yet in force.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str = Setting(pattern=r"^[a-z][a-z0-9_]*$")
    type: FieldType
    title: str
    description: str
    constraints: Constraints = Constraints()
    unit: str | None = None
    codelist: str | None = None
    includes: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    missing_values: tuple[str, ...] = Setting(default=(), alias="missingValues")
    may_lie_ahead: bool = False
    sensitivity: Sensitivity
    example: str | int | float | bool


class Reference(BaseModel):
    """Where the values of a foreign key stand."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resource: str
    fields: tuple[str, ...]


class ForeignKey(BaseModel):
    """Fields whose values must stand in another table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fields: tuple[str, ...]
    reference: Reference


class Table(BaseModel):
    """One table: its fields in order, its key, the marks that mean a missing value, and its rules.

    `period` is the column by which a row belongs to the period of a submission; None where every submission is the
    whole table. `frequency` says how often it is due.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str = Setting(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    description: str
    fields: tuple[Field, ...] = Setting(min_length=1)
    primary_key: tuple[str, ...] = Setting(alias="primaryKey", min_length=1)
    foreign_keys: tuple[ForeignKey, ...] = Setting(default=(), alias="foreignKeys")
    missing_values: tuple[str, ...] = Setting(default=("",), alias="missingValues")
    level: Level
    period: str | None = None
    frequency: Frequency
    rules: tuple[Rule, ...] = ()

    def field(self, name: str) -> Field:
        """The field called `name`. Raises KeyError for a name the table does not have."""
        found = {f.name: f for f in self.fields}
        return found[name]


def _table(content: dict[str, Any]) -> Table:
    return Table.model_validate({key: value for key, value in content.items() if key != "$schema"})


@cache
def tables() -> dict[str, Table]:
    """Every table of the dictionary by name, in alphabetical order."""
    files = sorted((resources.folder("data_dictionary") / "tables").glob("*.yaml"))
    found = [_table(read_yaml(file)) for file in files]
    return {table.name: table for table in found}
