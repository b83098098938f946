"""The dictionary in words for whoever fills a table: at the terminal, on the sheet of a template, on the docs page."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

from evaluation.dictionary.codelists import Code, codelist
from evaluation.dictionary.tables import tables

if TYPE_CHECKING:
    from evaluation.dictionary.tables import Field, Table

SHORT = 20  # codes of a list that are shown unless all are asked for
_WIDE = 110
_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "yes or no",
    "date": "date YYYY-MM-DD",
}
_SENSITIVITY = {
    "public": "public",
    "confidential": "confidential",
    "identifier": "tells who a person is",
    "part2": "about treatment of substance use (42 CFR Part 2)",
}
_ICD = "a letter and two digits, then up to two more letters or digits, with or without a point"
PATTERNS = {  # the dictionary's patterns in words
    "[a-z][a-z0-9_]*": "Small letters, digits and underscores, a letter first.",
    "[0-9A-Za-z_-]+": "Letters, digits, hyphens and underscores, no blanks.",
    "[0-9A-Za-z_+-]+": "Letters, digits, hyphens, plus signs and underscores, no blanks.",
    r"[A-Z]\d{2}(\.?[0-9A-Z]{1,2})?": f"One code: {_ICD}.",
    r"[A-Z]\d{2}(\.?[0-9A-Z]{1,2})?(; ?[A-Z]\d{2}(\.?[0-9A-Z]{1,2})?)*": f"Each code: {_ICD}.",
    "[a-z_]+(; ?[a-z_]+)*": "Codes of small letters and underscores.",
    r"T(3[6-9]|4[0-9]|50)\.?[0-9A-Z]{1,5}": "T36 to T50, then letters or digits, with or without a point.",
    r"\d{4}": "Four digits.",
}
_EVERY = {"month": "every month", "quarter": "every quarter", "year": "every year", "once": "once"}


def type_told(field: Field) -> str:
    """The field's type and unit: `whole number (days)`."""
    return _TYPES[field.type] + (f" ({field.unit})" if field.unit else "")


def sensitivity_told(field: Field) -> str:
    """What the field's class of sensitivity means."""
    return _SENSITIVITY[field.sensitivity]


def limits_told(field: Field) -> list[str]:
    """The field's limits, one sentence each; none for a field without limits."""
    limits = field.constraints
    told = []
    if limits.minimum is not None and limits.maximum is not None:
        told.append(f"From {limits.minimum} to {limits.maximum}.")
    elif limits.minimum is not None:
        told.append(f"{limits.minimum} or {'later' if field.type == 'date' else 'more'}.")
    elif limits.maximum is not None:
        told.append(f"{limits.maximum} or {'earlier' if field.type == 'date' else 'less'}.")
    if limits.min_length is not None:
        told.append(f"{limits.min_length} characters at least.")
    if limits.max_length is not None:
        told.append(f"{limits.max_length} characters at most.")
    if limits.pattern is not None:
        told.append(PATTERNS.get(limits.pattern, f"Has the form {limits.pattern}"))
    if limits.unique:
        told.append("No two rows alike.")
    return told


def codes(field: Field) -> tuple[Code, ...]:
    """The values a field may have where they are listed, else nothing; a code without a label stands for itself."""
    if field.codelist:
        return codelist(field.codelist)
    return tuple(Code(value, value) for value in field.constraints.enum)


def marks_told(table: Table, field: Field | None = None) -> str:
    """The marks that mean a missing value, in the whole table or in one field of it besides."""
    marks = table.missing_values if field is None else field.missing_values
    return ", ".join(mark or "an empty cell" for mark in dict.fromkeys(marks))


def meaning(table: Table, field: Field) -> list[str]:
    """What the field is, what counts and what does not, its limits, and its own marks for missing: a sentence each."""
    return [
        field.description,
        *([f"Includes: {'; '.join(field.includes)}."] if field.includes else []),
        *([f"Excludes: {'; '.join(field.excludes)}."] if field.excludes else []),
        *limits_told(field),
        *([f"Also missing: {marks_told(table, field)}"] if field.missing_values else []),
    ]


def due(table: Table) -> str:
    """How often the table is sent, and by which column its rows belong to a period."""
    if table.period is None:
        return f"Sent {_EVERY[table.frequency]}, each time as a whole."
    return f"Sent {_EVERY[table.frequency]}; a row belongs to the period of its {table.period}."


def never_sent(table: Table) -> list[str]:
    """What must not be in a file of this table, a sentence each."""
    here = {f.name for f in table.fields}
    names = [f.title for f in tables()["persons"].fields if f.sensitivity == "identifier" and f.name not in here]
    told = []
    if table.level in ("aggregate", "reference"):
        told.append("Rows about single people, or any person's number, name or date of birth: this table has totals.")
    elif names:
        listed = ", ".join(name[0].lower() + name[1:] for name in names)
        told.append(f"Identifiers that are not asked here ({listed}): they belong in the table persons alone.")
    told.append("Whole social security numbers, addresses, telephone numbers, email addresses, photographs.")
    told.append("Notes, narratives or case files, even in a column that is asked.")
    if table.level in ("person", "event") and not any(f.sensitivity == "part2" for f in table.fields):
        told.append("That a person is treated for substance use: only the tables of treatment say so, by agreement.")
    told.append("Columns that are not listed here, formulas, totals below the rows.")
    return told


def rules_told(table: Table) -> list[str]:
    """The table's rules, what each finds and how to mend it; those that only warn say so."""
    return [f"{'' if r.severity == 'error' else '(warning) '}{r.message} {r.remedy}" for r in table.rules]


def page(table: Table, all_codes: bool = False) -> str:
    """The table as text for a terminal: what it is, each field, its codes, and the rules."""
    parts = [
        f"{table.title} ({table.name})",
        fill(table.description, _WIDE),
        f"{due(table)}\nNo two rows share {' + '.join(table.primary_key)}.\nMissing values: {marks_told(table)}",
    ]
    parts += [_field(table, f, all_codes) for f in table.fields]
    parts.append("Never send\n" + "\n".join(_line(text) for text in never_sent(table)))
    if table.rules:
        parts.append("Rules\n" + "\n".join(_line(text) for text in rules_told(table)))
    return "\n\n".join(parts)


def _line(text: str, before: str = "  - ") -> str:
    return fill(text, _WIDE, initial_indent=before, subsequent_indent=" " * len(before))


def _field(table: Table, field: Field, all_codes: bool) -> str:
    needed = "required" if field.constraints.required else "optional"
    lines = [f"{field.name}: {field.title} [{type_told(field)}, {needed}, {sensitivity_told(field)}]"]
    lines += [_line(text, "    ") for text in meaning(table, field)]
    listed = codes(field)
    shown = listed if all_codes or len(listed) <= SHORT else listed[:SHORT]
    lines += [_line(f"{c.code} = {c.label}" if c.label != c.code else c.code, "      ") for c in shown]
    if len(shown) < len(listed):
        lines.append(f"      and {len(listed) - len(shown)} more: evaluation dictionary {table.name} --codes")
    lines.append(f"    Example: {example_told(field)}")
    return "\n".join(lines)


def example_told(field: Field) -> str:
    """The example as it is written in a file."""
    return str(field.example).lower() if field.type == "boolean" else str(field.example)
