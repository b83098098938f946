"""One variable of a REDCap data dictionary as fields of a table, and what of it is not carried over."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

from evaluation.dictionary import redcap
from evaluation.dictionary.codelists import codelist

_NOT_DATA = {"descriptive": "texts on the form", "file": "files", "signature": "signatures",
             "sql": "lists from a query"}  # fmt: skip
_NEVER = {"ssn": "whole social security numbers", "phone": "telephone numbers", "email": "email addresses"}
_KINDS = {"text", "notes", "dropdown", "radio", "select", "checkbox", "yesno", "truefalse", "calc", "slider"}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
_LOST = {
    redcap.HEADER: "Headings of sections were left out, before",
    redcap.BRANCHING: "Branching is not kept, so these are optional:",
    redcap.MATRIX: "Matrices are not kept:",
    redcap.ALIGNMENT: "Alignment on the form is not kept:",
    redcap.NUMBER: "Numbers of questions are not kept:",
}


class Collected:
    """What comes of an import besides the tables: lists of codes, and what was not carried over, by kind."""

    def __init__(self) -> None:
        self.lists: dict[str, list[tuple[str, str]]] = {}
        self._said: dict[str, list[str]] = {}

    def say(self, what: str, variable: str) -> None:
        """Note that `what` holds of a variable (or form)."""
        found = self._said.setdefault(what, [])
        if variable not in found:
            found.append(variable)

    def told(self) -> list[str]:
        """Each kind of thing that was not carried over, with the variables it is about."""
        return [f"{what} {', '.join(names)}." for what, names in self._said.items()]

    @staticmethod
    def noted(row: dict[str, str]) -> dict[str, Any]:
        """What our own export wrote in the field's annotation; nothing for other files."""
        text = row[redcap.ANNOTATION]
        if not text.startswith(redcap.OURS):
            return {}
        try:
            content = json.loads(text.removeprefix(redcap.OURS))
        except json.JSONDecodeError:
            return {}
        return content if isinstance(content, dict) else {}


def named(text: str) -> str:
    """A name of REDCap as a name of ours: lower case, letters, digits, underscores, a letter first."""
    name = re.sub(r"[^a-z0-9_]", "_", text.lower())
    return name if re.match("[a-z]", name) else f"f_{name}"


def clean(text: str) -> str:
    """A label without its HTML, on one line."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())


def converted(row: dict[str, str], form: str, collected: Collected) -> list[dict[str, Any]]:
    """The variable as fields of a table: none for what holds no data, several for check boxes, else one."""
    noted = collected.noted(row)
    name = noted.get("name") or named(row[redcap.NAME])
    kind, checked = row[redcap.TYPE].lower(), row[redcap.VALIDATION].lower()
    if kind in _NOT_DATA or checked == "signature":
        collected.say(f"Left out, for a table holds no {_NOT_DATA.get(kind, 'signatures')}:", row[redcap.NAME])
        return []
    if kind == "text" and checked.split("_")[0] in _NEVER:
        collected.say(f"Left out, for {_NEVER[checked.split('_')[0]]} are never sent:", row[redcap.NAME])
        return []
    _lost(row, collected, bool(noted))
    title = clean(row[redcap.LABEL]) or name
    field: dict[str, Any] = {"name": name, "type": "string", "title": title}
    field["description"] = clean(row[redcap.NOTE]) or title
    who = row[redcap.IDENTIFIER].lower() == "y" or checked.startswith("mrn")
    field |= {"sensitivity": "identifier" if who else "confidential"}
    if row[redcap.REQUIRED].lower() == "y" and not row[redcap.BRANCHING]:
        field["constraints"] = {"required": True}
    if kind == "checkbox":
        return _boxes(field, row, collected)
    field |= _typed(row, field, collected)
    field |= _listed(row, form, noted, field, collected)
    return [_with(field, noted)]


def _lost(row: dict[str, str], collected: Collected, ours: bool) -> None:
    for column, what in _LOST.items():
        if row[column]:
            collected.say(what, row[redcap.NAME])
    if row[redcap.ANNOTATION] and not ours:
        collected.say("Annotations and action tags are not kept:", row[redcap.NAME])
    if row[redcap.TYPE].lower() not in _KINDS:
        collected.say(f'Taken as text, for "{row[redcap.TYPE]}" is no type of REDCap:', row[redcap.NAME])
    if row[redcap.VALIDATION].lower().endswith("comma_decimal"):
        collected.say("Decimals are sent with a point, whatever the form shows:", row[redcap.NAME])
    if row[redcap.TYPE].lower() == "calc":
        collected.say("Calculations are not kept; the results are sent as numbers:", row[redcap.NAME])


def _typed(row: dict[str, str], field: dict[str, Any], collected: Collected) -> dict[str, Any]:
    """Type, limits, and an example that keeps to them."""
    kind, checked = row[redcap.TYPE].lower(), row[redcap.VALIDATION].lower()
    if kind in ("yesno", "truefalse"):
        return {"type": "boolean", "example": True}
    if kind == "slider":
        limits = _limits(row, "integer", collected)
        limits = {"minimum": limits.get("minimum", 0), "maximum": limits.get("maximum", 100)}
        return _limited("integer", field, limits)
    if kind == "calc" or checked.startswith("number"):
        return _limited("number", field, {} if kind == "calc" else _limits(row, "number", collected))
    if checked == "integer":
        return _limited("integer", field, _limits(row, "integer", collected))
    if checked in ("date_ymd", "date_mdy", "date_dmy"):
        if checked != "date_ymd":
            collected.say("Dates are sent as YYYY-MM-DD, whatever the form shows:", row[redcap.NAME])
        return _limited("date", field, _limits(row, "date", collected))
    if checked and kind == "text":
        collected.say(f"Checked as {checked} in REDCap, only as text here:", row[redcap.NAME])
    return {"type": "string", "example": "text"}


def _limited(kind: str, field: dict[str, Any], limits: dict[str, Any]) -> dict[str, Any]:
    usual: dict[str, Any] = {"integer": 1, "number": 1, "date": "2025-01-31"}
    example = limits.get("minimum", limits.get("maximum", usual[kind]))
    found = field.get("constraints", {}) | limits
    return {"type": kind, "example": example} | ({"constraints": found} if found else {})


def _limits(row: dict[str, str], kind: str, collected: Collected) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    for column, name in ((redcap.LOWEST, "minimum"), (redcap.HIGHEST, "maximum")):
        text = row[column]
        if kind == "date" and _DAY.fullmatch(text):
            limits[name] = text
        elif kind != "date" and _NUMBER.fullmatch(text):
            limits[name] = float(text) if "." in text else int(text)
        elif text:
            collected.say("A limit that is no fixed value is not kept:", row[redcap.NAME])
    return limits


def choices(text: str) -> list[tuple[str, str]]:
    """Codes and labels of a list: `1, Yes | 2, No`."""
    found = []
    for part in text.split("|"):
        code, comma, label = part.partition(",")
        if code.strip():
            found.append((code.strip(), clean(label) if comma else code.strip()))
    return found


def _listed(
    row: dict[str, str], form: str, noted: dict[str, Any], field: dict[str, Any], collected: Collected
) -> dict[str, Any]:
    """The list of codes of a variable that has one: the dictionary's own where it is the same, else a new one."""
    if row[redcap.TYPE].lower() not in ("dropdown", "radio", "select"):
        return {}
    listed = _once(row, collected)
    if not listed or noted.get("constraints", {}).get("enum"):
        return {}
    name = noted.get("codelist")
    if not (name and _same(name, listed)):
        name = f"{form}_{field['name']}"
        collected.lists[name] = listed
    return {"codelist": name, "example": listed[0][0]}


def _once(row: dict[str, str], collected: Collected) -> list[tuple[str, str]]:
    """The choices, each code once; a code that stands there again is said."""
    found = choices(row[redcap.CHOICES])
    if not found:
        collected.say("Taken as text, for no choices are listed:", row[redcap.NAME])
    first: dict[str, str] = {}
    for code, label in found:
        first.setdefault(code, label)
    if len(first) < len(found):
        collected.say("A code stands twice in the choices, and its first label was taken:", row[redcap.NAME])
    return [*first.items()]


def _same(name: str, listed: list[tuple[str, str]]) -> bool:
    try:
        return [c.code for c in codelist(name)] == [code for code, _ in listed]
    except FileNotFoundError:
        return False


def _boxes(field: dict[str, Any], row: dict[str, str], collected: Collected) -> list[dict[str, Any]]:
    """A set of check boxes as REDCap exports it: one column `name___code` a box, 1 where it is ticked.

    Assumed: signs in a code that a name cannot have, such as a minus, stand as underscores in the column's name.
    """
    if "constraints" in field:
        collected.say("That one box at least must be ticked is not kept:", row[redcap.NAME])
    alike = {key: value for key, value in field.items() if key != "constraints"}
    return [
        alike
        | {"name": f"{field['name']}___{named(code).removeprefix('f_')}", "type": "boolean", "example": True}
        | {"title": f"{field['title']}: {label}"}
        for code, label in _once(row, collected)
    ]


def _with(field: dict[str, Any], noted: dict[str, Any]) -> dict[str, Any]:
    """The field with what our own export noted besides."""
    limits = field.get("constraints", {}) | noted.get("constraints", {})
    kept = {k: v for k, v in noted.items() if k not in ("constraints", "codelist", "name", "table", "record")}
    return field | kept | ({"constraints": limits} if limits else {})
