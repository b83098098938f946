"""The dictionary's limits on single cells as DuckDB conditions over cells read as text.

A cell is first given or missing (blank, or one of the marks for missing), then of its field's type or not, then within
the field's limits or not. Only text of SQL is made here; `evaluation.data.intake` runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.dictionary.codelists import codelist

if TYPE_CHECKING:
    from evaluation.dictionary.tables import Field, Table

TRUE, FALSE = ("true", "yes", "1", "y", "t"), ("false", "no", "0", "n", "f")
TYPES = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE"}
# try_cast alone would round '1.5' to a whole number, and read '2025-3-1', '1_000' and 'inf'.
_FORMS = {
    "integer": r"[+-]?\d{1,19}",
    "number": r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?",
    "date": r"\d{4}-\d{2}-\d{2}",
}
_FORMULA = r"(?s)[=@\t\r].*|[+-][^\d.].*"  # a spreadsheet would run it


@dataclass(frozen=True)
class Cells:
    """A field's cells in SQL: the text `given` (NULL where missing), the value `typed` (NULL where none)."""

    field: Field
    given: str
    typed: str


@dataclass(frozen=True)
class CellCheck:
    """One limit on a field's cells: the SQL condition under which a cell breaks it."""

    field: Field
    rule: str
    broken: str


MOST_LETTERS = 10_000  # in one cell: a text beyond all measure is a file gone wrong


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _listed(texts: tuple[str, ...]) -> str:
    return ", ".join(literal(t) for t in texts)


def cells(table: Table, field: Field, column: str) -> Cells:
    """A field's cells, read from the text column `column` (SQL)."""
    marks = tuple(m for m in dict.fromkeys((*table.missing_values, *field.missing_values)) if m)
    text = f"nullif(trim({column}), '')"
    given = f"CASE WHEN {text} IN ({_listed(marks)}) THEN NULL ELSE {text} END" if marks else text
    return Cells(field, given, _typed(field, given))


def _typed(field: Field, given: str) -> str:
    if field.type == "string":
        return given
    if field.type == "boolean":
        lower = f"lower({given})"
        return f"CASE WHEN {lower} IN ({_listed(TRUE)}) THEN true WHEN {lower} IN ({_listed(FALSE)}) THEN false END"
    form = literal(_FORMS[field.type])
    return f"CASE WHEN regexp_full_match({given}, {form}) THEN try_cast({given} AS {TYPES[field.type]}) END"


def allowed(field: Field) -> tuple[str, ...]:
    """The values a field may have where they are listed, else nothing."""
    if field.codelist:
        return tuple(code.code for code in codelist(field.codelist))
    return field.constraints.enum


def cell_checks(found: Cells) -> list[CellCheck]:
    """Every limit on the field's cells; each looks only at cells that keep those before it (missing, type)."""
    field, given, typed = found.field, found.given, found.typed
    limits = field.constraints
    checks: list[tuple[str, str]] = []
    if limits.required:
        checks.append(("required", f"{given} IS NULL"))
    if field.type == "string":
        checks.append(("formula", f"regexp_full_match({given}, {literal(_FORMULA)})"))
    else:
        checks.append(("type", f"{given} IS NOT NULL AND {typed} IS NULL"))
    if values := allowed(field):
        checks.append(("codelist" if field.codelist else "enum", f"{given} NOT IN ({_listed(values)})"))
    if limits.pattern is not None:
        checks.append(("pattern", f"NOT regexp_full_match({given}, {literal(limits.pattern)})"))
    if limits.minimum is not None:
        checks.append(("minimum", f"{typed} < {_limit(field, limits.minimum)}"))
    if limits.maximum is not None:
        checks.append(("maximum", f"{typed} > {_limit(field, limits.maximum)}"))
    if limits.min_length is not None:
        checks.append(("min_length", f"length({given}) < {limits.min_length}"))
    if (most := longest(field)) is not None:
        checks.append(("max_length", f"length({given}) > {most}"))
    return [CellCheck(field, rule, broken) for rule, broken in checks]


def longest(field: Field) -> int | None:
    """The most letters that a cell may have; also where the dictionary names no limit, if any text may stand there."""
    if field.constraints.max_length is None and field.type == "string" and not allowed(field):
        return MOST_LETTERS
    return field.constraints.max_length


def _limit(field: Field, value: float | str) -> str:
    return f"DATE {literal(str(value))}" if field.type == "date" else str(value)
