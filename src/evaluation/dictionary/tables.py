"""The tables agencies send, described in Frictionless Table Schema (one YAML file a table)."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Setting

from evaluation import resources
from evaluation.dictionary.files import read_yaml

FieldType = Literal["string", "integer", "number", "boolean", "date"]


class Constraints(BaseModel):
    """Limits on the values of a field, by their names in Table Schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    required: bool = False
    unique: bool = False
    enum: tuple[str, ...] = ()
    pattern: str | None = None
    minimum: int | float | str | None = None
    maximum: int | float | str | None = None


class Field(BaseModel):
    """One column of a table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Setting(pattern=r"^[a-z][a-z0-9_]*$")
    type: FieldType
    title: str
    description: str
    constraints: Constraints = Constraints()


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
    """One table: its fields in order, its key, and the marks that mean a missing value."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: str = Setting(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    description: str
    fields: tuple[Field, ...] = Setting(min_length=1)
    primary_key: tuple[str, ...] = Setting(alias="primaryKey", min_length=1)
    foreign_keys: tuple[ForeignKey, ...] = Setting(default=(), alias="foreignKeys")
    missing_values: tuple[str, ...] = Setting(default=("",), alias="missingValues")

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
