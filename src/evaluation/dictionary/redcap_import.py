"""A REDCap data dictionary as tables of this dictionary: a form becomes a table.

Whatever a table cannot hold (branching, calculations, matrices, …) or REDCap does not say (whether rows are people or
events, what is due when) is said, never dropped in silence. Min and max of dates are taken where they are written
YYYY-MM-DD, as REDCap's own files have them.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from evaluation.dictionary import redcap
from evaluation.dictionary.redcap_fields import Collected, clean, converted, named
from evaluation.dictionary.tables import Table, tables
from evaluation.errors import Problem, UsageError

if TYPE_CHECKING:
    from pathlib import Path

_API = ("field_name", "form_name", "section_header", "field_type", "field_label", "select_choices_or_calculations",
        "field_note", "text_validation_type_or_show_slider_number", "text_validation_min", "text_validation_max",
        "identifier", "branching_logic", "required_field", "custom_alignment", "question_number", "matrix_group_name",
        "matrix_ranking", "field_annotation")  # fmt: skip
_NEEDED = (redcap.NAME, redcap.FORM, redcap.TYPE, redcap.LABEL)
_SCHEMA = "https://datapackage.org/profiles/2.0/tableschema.json"


@dataclass(frozen=True)
class Imported:
    """Files to write (path within the folder, text), and a sentence for each thing that was not carried over."""

    files: dict[str, str]
    not_carried: tuple[str, ...]


def read(path: Path) -> list[dict[str, str]]:
    """The variables of a REDCap data dictionary, a dict of the 18 columns each.

    Accepts the file that REDCap downloads and the one its API gives. Raises UsageError for anything else.
    """
    if not path.is_file():
        raise UsageError(Problem(str(path), "", "there is no such file.", _HOW))
    lines = csv.reader(io.StringIO(_decoded(path), newline=""))
    names = dict(zip(_API, redcap.COLUMNS, strict=True))
    try:
        header = [names.get(name.strip(), name.strip()) for name in next(lines, [])]
        missing = [name for name in _NEEDED if name not in header]
        rows = [] if missing else [dict(zip(header, line, strict=False)) for line in lines if any(line)]
    except csv.Error as error:
        raise UsageError(Problem(str(path), "", f"this is no CSV file ({error}).", _HOW)) from None
    if missing or not rows:
        what = f"no data dictionary of REDCap: it lacks {', '.join(missing)}." if missing else "it has no variables."
        raise UsageError(Problem(str(path), "", what, _HOW))
    found = [{name: (row.get(name) or "").strip() for name in redcap.COLUMNS} for row in rows]
    _sound(path, found)
    return found


def _decoded(path: Path) -> str:
    """The file's text. A file that was saved by a spreadsheet may be in UTF-16 or Windows-1252."""
    raw = path.read_bytes()
    if raw.startswith(b"PK"):
        raise UsageError(Problem(str(path), "", "this is a workbook or an archive, no CSV file.", _HOW))
    try:
        return raw.decode("utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", errors="replace")


def _sound(path: Path, rows: list[dict[str, str]]) -> None:
    """Refuse variables without a name, form or type, and names that stand twice: REDCap wants each once a project."""
    for place, row in enumerate(rows, start=1):
        if empty := [name for name in _NEEDED[:3] if not row[name]]:
            where = f"the variable {row[redcap.NAME]}" if row[redcap.NAME] else f"the variable number {place}"
            raise UsageError(Problem(str(path), empty[0], f"{where} has none.", _HOW))
    names = [row[redcap.NAME].lower() for row in rows]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        fix = "Give each variable a name of its own."
        raise UsageError(Problem(str(path), ", ".join(twice), "two variables have the same name.", fix))


_HOW = "Download the data dictionary from REDCap as CSV (Project Setup, Data Dictionary)."


def imported(rows: list[dict[str, str]]) -> Imported:
    """One table a form. Raises UsageError where a form cannot be made a table."""
    collected = Collected()
    record = None if collected.noted(rows[0]).get("record") else rows[0]
    forms: dict[str, list[dict[str, str]]] = {}
    for row in rows[1:] if record is None else rows:
        forms.setdefault(named(row[redcap.FORM]), []).append(row)
    files = {f"tables/{form}.yaml": _yaml(_form(form, within, record, collected)) for form, within in forms.items()}
    for name, listed in collected.lists.items():
        files[f"codelists/{name}.csv"] = _list(listed)
    return Imported(files, tuple(collected.told()))


def _form(form: str, rows: list[dict[str, str]], record: dict[str, str] | None, collected: Collected) -> dict[str, Any]:
    """The form as the content of a table's YAML file."""
    told = collected.noted(rows[0]).get("table")
    content: dict[str, Any] = {"$schema": _SCHEMA, "name": form}
    fields = [field for row in rows for field in converted(row, form, collected)]
    if told is None:
        fields, key = _keyed(fields, record, form, collected)
        content |= {
            "title": clean(rows[0][redcap.FORM]).replace("_", " ").capitalize(),
            "description": f"The form {form} of a REDCap project.",
            "level": "person",
            "period": None,
            "frequency": "quarter",
            "primaryKey": key,
            "missingValues": ["", "NA", "N/A"],
        }
        collected.say("What REDCap does not say was assumed: rows about persons, sent every quarter as a whole, one a "
                      "record, in", form)  # fmt: skip
    else:
        content |= told
    content["fields"] = fields
    try:
        Table.model_validate({k: v for k, v in content.items() if k != "$schema"})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        fix = "Correct the form in REDCap and download its dictionary again."
        raise UsageError(Problem(form, where, f"the form can't be made a table: {first['msg']}.", fix)) from None
    names = [f["name"] for f in fields]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        fix = "Give each variable a name of its own."
        raise UsageError(Problem(form, ", ".join(twice), "two variables of the form have the same name.", fix))
    return content


def _keyed(
    fields: list[dict[str, Any]], record: dict[str, str] | None, form: str, collected: Collected
) -> tuple[list[dict[str, Any]], list[str]]:
    """The fields with those of a key, which every table needs: who sends, and the record's number."""
    agency = tables()["persons"].field("agency_id").model_dump(mode="json", by_alias=True, exclude_defaults=True)
    fields = [agency, *(f for f in fields if f["name"] != agency["name"])]
    if record is None:
        return fields, [agency["name"], fields[1]["name"]] if len(fields) > 1 else [agency["name"]]
    name = named(record[redcap.NAME])
    number = next((f for f in fields if f["name"] == name), None) or converted(record, form, collected)[0]
    number = number | {"constraints": number.get("constraints", {}) | {"required": True}, "sensitivity": "identifier"}
    return [agency, number, *(f for f in fields[1:] if f["name"] != name)], [agency["name"], name]


def _yaml(content: dict[str, Any]) -> str:
    from ruamel.yaml import YAML

    out = io.StringIO()
    writer = YAML()
    writer.width = 118
    writer.indent(mapping=2, sequence=4, offset=2)
    writer.dump(content, out)
    return out.getvalue()


def _list(listed: list[tuple[str, str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([("code", "label"), *listed])
    return out.getvalue()
