"""Tables written by hand: the columns that a study's tables have, and Parquet files of rows in a study file's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.data.engine import DURATION, connect, open_source, quoted
from evaluation.dictionary.tables import tables as dictionary
from evaluation.errors import EvaluationError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pydantic import BaseModel

    from evaluation.study.models import Study

Types = dict[str, str]  # a column's name to its DuckDB type
OF_DICTIONARY = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN", "date": "DATE"}
# What parts of a study file hold in columns that they name by these keys.
OF_ROLE = {"date": "DATE", "start": "DATE", "end": "DATE", "age_from": "DATE", "column": "DOUBLE", "sum": "DOUBLE",
           "year": "BIGINT", "unit": "VARCHAR", "of": "VARCHAR", "agency": "VARCHAR"}  # fmt: skip
EVENTS = {"event_type": "VARCHAR", "event_date": "DATE", "offence_date": "DATE", "arrest_date": "DATE",
          "filing_date": "DATE", "disposition_date": "DATE", "offence_code": "VARCHAR", "offence_level": "VARCHAR",
          "reason": "VARCHAR"}  # fmt: skip


def columns(study: Study, base: Path) -> dict[str, Types]:
    """The columns of every table of a study, with their types.

    They are those of the tables' files; where there are no files yet, those of the data dictionary, and those that
    the study file names.
    """
    found: dict[str, Types] = {}
    named = _named(study)
    for name, paths in study.data.tables.items():
        try:
            there = open_source(paths, base).columns
            found[name] = {c: "BIGINT" if kind == DURATION else kind for c, kind in there.items()}
        except EvaluationError:
            known = dictionary().get(name)
            fields = {f.name: OF_DICTIONARY[f.type] for f in known.fields} if known else {}
            found[name] = fields | {c: kind for c, kind in named.get(name, {}).items() if c not in fields}
    return found


def _named(study: Study) -> dict[str, Types]:
    """What the study file asks of its tables: columns by table, with the types that their parts demand."""
    from evaluation.study.models import BuiltCohortDesign

    found: dict[str, Types] = {}
    design = study.design
    for table, column, kind in (*_parts(design), *(p for o in study.outcomes for p in _parts(o))):
        found.setdefault(table, {}).setdefault(column, kind)
    built = isinstance(design, BuiltCohortDesign)
    for table, column, kind in _of_cohort(design) if built else ():
        found.setdefault(table, {}).setdefault(column, kind)
    coverage = study.data.coverage
    for table, column, kind in _part(coverage) if coverage else ():
        found.setdefault(table, {}).setdefault(column, kind)
    who = person_or_unit(design)
    for table in study.data.tables:
        if coverage is None or table != coverage.table:
            found.setdefault(table, {}).setdefault(who, "VARCHAR")
    return found


def person_or_unit(design: Any) -> str:
    """The column that says whose a row is."""
    return str(getattr(design, "person", None) or getattr(design, "unit", ""))


def _parts(model: BaseModel) -> Iterator[tuple[str, str, str]]:
    """Columns named by the parts of a model that name a table, however deep."""
    from pydantic import BaseModel

    yield from _part(model)
    for name in type(model).model_fields:
        value = getattr(model, name)
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        for part in inner:
            if isinstance(part, BaseModel):
                yield from _parts(part)


def _part(part: BaseModel, table: str | None = None) -> Iterator[tuple[str, str, str]]:
    """Columns that one part names, in its own table or in the one given."""
    table = getattr(part, "table", None) or table
    if not isinstance(table, str):
        return
    for role, kind in OF_ROLE.items():
        column = getattr(part, role, None)
        equals = getattr(part, "equals", None) if role == "column" else None
        if isinstance(column, str):
            yield table, column, _type(equals) if equals is not None else kind
    for column in getattr(part, "columns", ()):
        yield table, column, "DOUBLE"
    for column, value in getattr(part, "where", {}).items():
        yield table, column, _type(value)


def _of_cohort(design: Any) -> Iterator[tuple[str, str, str]]:
    """What a cohort asks beside its parts: of the index event's own row, of custody, of deaths and of events."""
    for pool in dict.fromkeys((design.index.table, design.comparison.table)):
        for part in (*design.include, *design.exclude, *design.characteristics.values()):
            yield from _part(part, pool)
        yield from ((pool, column, _type(value)) for column, value in design.completers.items())
        if design.cluster and design.cluster != design.person:
            yield pool, design.cluster, "VARCHAR"
    if design.at_risk != "calendar":
        stays = "custody_periods" if design.at_risk.stop_in == "custody" else design.at_risk.stop_in
        yield from _part(design.at_risk, stays)
    yield from (("custody_periods", column, "DATE") for column in ("start_date", "end_date"))
    yield "deaths", "death_date", "DATE"
    yield from (("justice_events", column, kind) for column, kind in EVENTS.items())


def _type(value: object) -> str:
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, bool):
        return "BOOLEAN"
    return "BIGINT" if isinstance(first, int) else "DOUBLE" if isinstance(first, float) else "VARCHAR"


# --------------------------------------------------------------------------- values and files


def fits(connection: DuckDBPyConnection, value: object, kind: str) -> bool:
    """Whether a value of a study file can stand in a column of a type."""
    import duckdb

    if value is None:
        return True
    if kind.startswith(("DATE", "TIMESTAMP")) and isinstance(value, (bool, int, float)):
        return False
    if isinstance(value, (dict, list)):
        return False
    try:
        connection.execute(f"SELECT CAST(? AS {kind})", [value])
    except duckdb.Error:
        return False
    return True


def write(
    folder: Path, tables: Mapping[str, Sequence[Mapping[str, Any]]], types: Mapping[str, Types]
) -> dict[str, str]:
    """Write each table as Parquet into a folder: its rows, the columns they leave out empty. Returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    with connect() as connection:
        for i, (name, columns_) in enumerate(types.items()):
            fields = ", ".join(f"{quoted(c)} {kind}" for c, kind in columns_.items())
            connection.execute(f"CREATE TABLE t{i} ({fields})")
            rows = [[row.get(c) for c in columns_] for row in tables.get(name, ())]
            if rows:
                connection.executemany(f"INSERT INTO t{i} VALUES ({', '.join('?' * len(columns_))})", rows)
            file = folder / f"{i}.parquet"
            target = str(file).replace("'", "''")
            connection.execute(f"COPY t{i} TO '{target}' (FORMAT parquet)")
            files[name] = str(file)
    return files
