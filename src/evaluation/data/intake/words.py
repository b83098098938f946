"""What is said to the clerk of a cell that breaks a limit of the dictionary, and how to mend it."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from evaluation.data.intake.shapes import told
from evaluation.dictionary.compile_cells import allowed, longest

if TYPE_CHECKING:
    from collections.abc import Callable

    from evaluation.dictionary.tables import Field, Table

_A = {"integer": "a whole number", "number": "a number", "boolean": "yes or no", "date": "a date"}
_WRITE = {
    "integer": "Write digits alone, without commas, units or decimals, such as 12.",
    "number": "Write digits with a point for decimals, without units, such as 12.5.",
    "boolean": "Write true or false (yes or no, 1 or 0).",
    "date": "Write the day as year-month-day, such as 2025-03-31.",
}


def said(rule: str, text: str | None, field: Field, table: Table) -> tuple[str, str]:
    """Message and remedy for a cell that breaks `rule`; `text` is the cell, None where it is empty."""
    return _SAID[rule]("" if text is None else text, field, table)


def _required(_text: str, field: Field, _table: Table) -> tuple[str, str]:
    return f"{field.title} is missing.", f"Fill it in: {_lowered(field.description)}"


def _type(text: str, field: Field, table: Table) -> tuple[str, str]:
    if field.type == "date" and re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return "There is no such day in the calendar.", "Look the day up, and write it as year-month-day."
    return f"This is not {_A[field.type]}: it holds {told(text, field, table)}.", _WRITE[field.type]


def _listed(text: str, field: Field, table: Table) -> tuple[str, str]:
    values = allowed(field)
    close = get_close_matches(text.lower().replace(" ", "_"), [v.lower() for v in values], 1, 0.75)
    original = {v.lower(): v for v in values}
    message = f"This is none of the codes of {field.name}: it holds {told(text, field, table)}."
    if close and (field.sensitivity == "public" or table.level in ("aggregate", "reference")):
        return message, f"If {original[close[0]]} is meant, write exactly that."
    if text.lower() in original and field.sensitivity != "identifier":  # without telling which: that is a cell's value
        return f"{message} A code differs from it in capitals alone.", "Write the code exactly as the list has it."
    shown = ", ".join(values) if len(values) <= 12 else f"the {len(values)} codes that `evaluation dictionary` lists"
    return message, f"Write one of: {shown}."


def _pattern(text: str, field: Field, table: Table) -> tuple[str, str]:
    message = f"This does not have the form of {field.name}: it holds {told(text, field, table)}."
    return message, f"{field.description.rstrip('.')}, such as {field.example}."


def _range(word: str, end: str) -> Callable[[str, Field, Table], tuple[str, str]]:
    def found(_text: str, field: Field, _table: Table) -> tuple[str, str]:
        limit = getattr(field.constraints, end)
        return f"{field.title} is {word} {limit}.", "Correct it, or leave the cell empty if it is not known."

    return found


def _length(word: str, end: str) -> Callable[[str, Field, Table], tuple[str, str]]:
    def found(_text: str, field: Field, _table: Table) -> tuple[str, str]:
        limit = longest(field) if end == "max_length" else field.constraints.min_length
        return f"{field.title} has {word} than {limit:,} characters.", f"Write it as in this example: {field.example}."

    return found


def _formula(_text: str, field: Field, _table: Table) -> tuple[str, str]:
    message = f"{field.title} begins with a sign that makes a spreadsheet run it as a formula."
    return message, "Write plain text, without =, +, - or @ in front."


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


_SAID: dict[str, Callable[[str, Field, Table], tuple[str, str]]] = {
    "required": _required,
    "type": _type,
    "codelist": _listed,
    "enum": _listed,
    "pattern": _pattern,
    "minimum": _range("below", "minimum"),
    "maximum": _range("above", "maximum"),
    "min_length": _length("fewer", "min_length"),
    "max_length": _length("more", "max_length"),
    "formula": _formula,
}
KEYS = {
    "primary_key": (
        "A row with the same key stands further up in the file.",
        "Send each record once; if two records are meant, give each its own identifier.",
    ),
    "unique": ("The same value stands further up in the file.", "Give each row its own."),
    "foreign_key": (
        "The record that this refers to is not known.",
        "Send the table it refers to first, or correct the reference.",
    ),
}
