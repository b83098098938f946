"""The dictionary as a REDCap data dictionary: the CSV of 18 columns that a REDCap project is set up from.

A table becomes a form. REDCap wants each variable's name once in a project, so where several tables are written each
name begins with its form's. What REDCap has no column for (unit, form of a text, includes, sensitivity …) stands in the
field annotation as JSON after a mark, and what is said of the whole table in that of its first field, so that reading
the file back loses nothing.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from evaluation.dictionary.told import codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.dictionary.tables import Field, Table

NAME, FORM, HEADER, TYPE, LABEL, CHOICES, NOTE = (
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
)
VALIDATION, LOWEST, HIGHEST, IDENTIFIER, BRANCHING, REQUIRED = (
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
)
ALIGNMENT, NUMBER, MATRIX, RANKING, ANNOTATION = (
    "Custom Alignment",
    "Question Number (surveys only)",
    "Matrix Group Name",
    "Matrix Ranking?",
    "Field Annotation",
)
COLUMNS = (NAME, FORM, HEADER, TYPE, LABEL, CHOICES, NOTE, VALIDATION, LOWEST, HIGHEST, IDENTIFIER, BRANCHING, REQUIRED,
           ALIGNMENT, NUMBER, MATRIX, RANKING, ANNOTATION)  # fmt: skip
OURS = "evaluation: "  # before the JSON in a field annotation
RECORD = "record_id"
VALIDATIONS = {"integer": "integer", "number": "number", "date": "date_ymd"}


def exported(tables: Sequence[Table]) -> str:
    """The tables as REDCap's CSV. The first variable is a record number of REDCap's own, as it demands."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    record = {NAME: RECORD, FORM: tables[0].name, TYPE: "text", LABEL: "Record", ANNOTATION: _noted({"record": True})}
    writer.writerow(record)
    for table in tables:
        before = f"{table.name}_" if len(tables) > 1 else ""
        for place, field in enumerate(table.fields):
            noted = _beyond(field)
            if before:
                noted["name"] = field.name
            if place == 0:
                noted["table"] = table.model_dump(
                    mode="json", by_alias=True, exclude={"name", "fields"}, exclude_defaults=True
                )
            writer.writerow({NAME: before + field.name, FORM: table.name, **_row(field), ANNOTATION: _noted(noted)})
    return out.getvalue()


def _row(field: Field) -> dict[str, str]:
    row = {
        LABEL: field.title,
        NOTE: field.description,
        IDENTIFIER: "y" if field.sensitivity == "identifier" else "",
        REQUIRED: "y" if field.constraints.required else "",
    }
    if field.type == "boolean":
        return row | {TYPE: "yesno"}
    if listed := codes(field):
        shown = " | ".join(f"{c.code}, {c.label.replace('|', '/')}" for c in listed)
        return row | {TYPE: "dropdown", CHOICES: shown}
    lowest, highest = field.constraints.minimum, field.constraints.maximum
    return row | {
        TYPE: "text",
        VALIDATION: VALIDATIONS.get(field.type, ""),
        LOWEST: "" if lowest is None else str(lowest),
        HIGHEST: "" if highest is None else str(highest),
    }


def _beyond(field: Field) -> dict[str, Any]:
    """What of the field no other column of REDCap says."""
    told = field.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    limits = told.pop("constraints", {})
    elsewhere = {"required"} if codes(field) or field.type == "boolean" else {"required", "minimum", "maximum"}
    limits = {key: value for key, value in limits.items() if key not in elsewhere}
    kept = {key: value for key, value in told.items() if key not in ("name", "title", "description")}
    if field.type == "boolean" or not codes(field):
        del kept["type"]
    return kept | ({"constraints": limits} if limits else {})


def _noted(content: dict[str, Any]) -> str:
    return OURS + json.dumps(content, ensure_ascii=False)
