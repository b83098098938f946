"""The dictionary as a Data Package (version 2), for other people's tools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evaluation.dictionary.codelists import codelist
from evaluation.dictionary.compile_cells import FALSE, TRUE, allowed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.dictionary.tables import Field, Table

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"
OWN = "evaluation:"  # what Table Schema has no name for


def datapackage(tables: Sequence[Table]) -> dict[str, Any]:
    """`datapackage.json` of these tables; a foreign key to a table that is not among them is left out."""
    names = {t.name for t in tables}
    return {
        "$schema": PROFILE,
        "name": "evaluation-data-dictionary",
        "title": "Data dictionary",
        "resources": [_resource(t, names) for t in tables],
    }


def _resource(table: Table, names: set[str]) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "fields": [_field(table, f) for f in table.fields],
        "missingValues": list(dict.fromkeys(("", *table.missing_values))),
        "primaryKey": list(table.primary_key),
    }
    keys = [k.model_dump(mode="json") for k in table.foreign_keys if k.reference.resource in names]
    if keys:
        schema["foreignKeys"] = keys
    return {
        "name": table.name,
        "title": table.title,
        "description": table.description,
        "path": f"{table.name}.csv",
        "schema": schema,
        f"{OWN}level": table.level,
        f"{OWN}frequency": table.frequency,
        f"{OWN}period": table.period,
        f"{OWN}rules": [r.model_dump(mode="json", by_alias=True) for r in table.rules],
    }


def _field(table: Table, field: Field) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": field.name,
        "type": field.type,
        "title": field.title,
        "description": field.description,
        "example": field.example,
    }
    limits = field.constraints.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if values := allowed(field):
        limits["enum"] = [int(v) for v in values] if field.type == "integer" else list(values)
    if limits:
        told["constraints"] = limits
    if field.type == "boolean":
        told |= {"trueValues": _cased(TRUE), "falseValues": _cased(FALSE)}
    if field.missing_values:
        told["missingValues"] = list(dict.fromkeys(("", *table.missing_values, *field.missing_values)))
    if field.codelist and field.type == "string":
        told["categories"] = [{"value": c.code, "label": c.label} for c in codelist(field.codelist)]
    own = {"unit": field.unit, "codelist": field.codelist, "includes": list(field.includes)}
    own |= {"excludes": list(field.excludes), "sensitivity": field.sensitivity}
    return told | {f"{OWN}{key}": value for key, value in own.items() if value}


def _cased(words: Sequence[str]) -> list[str]:
    """The usual spellings: Table Schema compares exactly, reading here does not."""
    return list(dict.fromkeys(form for w in words for form in (w, w.capitalize(), w.upper())))
