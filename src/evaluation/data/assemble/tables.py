"""The tables a panel is built from: opened, their columns checked, read as SQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.data.engine import Source, open_source, quoted
from evaluation.errors import DataError, EvaluationError, Problem
from evaluation.study.spelling import hint, listed

if TYPE_CHECKING:
    from evaluation.study.building import Filter
    from evaluation.study.models import Study


@dataclass(frozen=True)
class Asked:
    """A column that the study file names, with the key that names it and what it must hold."""

    table: str
    column: str
    key: str
    kind: str = ""  # date, birth (a date or a year), number, or anything


def open_tables(study: Study, base: Path) -> dict[str, Source]:
    """The Parquet behind every name in `data.tables`.

    Raises
    ------
    DataError
        With every table that cannot be read.
    """
    found, problems = {}, []
    for name, paths in study.data.tables.items():
        try:
            found[name] = open_source(paths, base)
        except EvaluationError as error:
            problems += [Problem(p.where, f"data.tables.{name}", p.what, p.fix) for p in error.problems]
    if problems:
        raise DataError(*problems)
    return found


def check(tables: dict[str, Source], asked: list[Asked]) -> None:
    """Raise DataError with every table and column that is not there, or that holds the wrong thing."""
    problems = [p for a in asked for p in wrong(tables, a)]
    if problems:
        raise DataError(*dict.fromkeys(problems))


def wrong(tables: dict[str, Source], asked: Asked) -> Iterator[Problem]:
    """What is wrong with a table or column asked for, if anything."""
    if asked.table not in tables:
        what = f'data.tables has no table "{asked.table}"' + hint(asked.table, tables)
        yield Problem("", f"{asked.key.rpartition('.')[0]}.table", what, f"Tables of this study: {listed(tables)}.")
        return
    source = tables[asked.table]
    if asked.column not in source.columns:
        what = f'the table has no column "{asked.column}"' + hint(asked.column, source.columns)
        yield Problem(source.where, asked.key, what, f"Its columns: {listed(source.columns)}.")
        return
    kind = source.columns[asked.column]
    day = asked.kind == "date" or (asked.kind == "birth" and not source.is_number(asked.column))
    if day and kind.endswith("WITH TIME ZONE"):
        what = f'the column "{asked.column}" holds moments with a time zone: which day one is depends on the place.'
        yield Problem(source.where, asked.key, what, "Write the local day as a plain date.")
    elif day and not kind.startswith(("DATE", "TIMESTAMP")):
        what = f'the column "{asked.column}" holds {kind.lower()} values, and dates are expected.'
        yield Problem(source.where, asked.key, what, "Write it as dates in the Parquet file.")
    if asked.kind == "number" and not source.is_number(asked.column):
        what = f'the column "{asked.column}" holds {kind.lower()} values, and numbers are expected.'
        yield Problem(source.where, asked.key, what, "Write it as numbers in the Parquet file.")


def columns_of(table: str, where: Filter, key: str, **roles: tuple[str | None, str]) -> list[Asked]:
    """What a part of the study file asks of a table: the columns in its roles, and those of its filter."""
    named = [Asked(table, column, f"{key}.{role}", kind) for role, (column, kind) in roles.items() if column]
    return named + [Asked(table, column, f"{key}.where") for column in where]


def rows(source: Source, where: Filter) -> str:
    """SQL of a table's rows that meet a filter."""
    conditions = [_condition(column, value) for column, value in where.items()]
    met = " WHERE " + " AND ".join(conditions) if conditions else ""
    return f"(SELECT * FROM {source.scan}{met})"


def _condition(column: str, value: object) -> str:
    values = value if isinstance(value, list) else [value]
    return f"{quoted(column)} IN ({', '.join(literal(v) for v in values)})"


def literal(value: object) -> str:
    """A value of the study file as an SQL literal."""
    if isinstance(value, bool):
        return str(value).lower()
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)
