"""DuckDB over Parquet: lazy, out of core, reading only the columns and rows a query needs."""

from __future__ import annotations

import glob
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.data.parquet import PLANTED
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    import duckdb

FLOATS = ("FLOAT", "DOUBLE")
DURATION = "DURATION"  # what `Source.columns` calls an Arrow duration
NUMBERS = (
    *FLOATS,
    "DECIMAL",
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
    "BOOLEAN",
)


def quoted(name: str) -> str:
    """A column name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class Source:
    """Parquet files read as one table. `columns` maps a column's name to its DuckDB type, or to `DURATION`.

    `planted` is the true effect in data that `evaluation simulate` made; None for all others. `view` is an SQL query
    that stands for the files, where some of their rows are picked or changed.
    """

    files: tuple[str, ...]
    columns: dict[str, str]
    planted: float | None = None
    view: str = ""

    @property
    def where(self) -> str:
        """How an error names the data."""
        return self.files[0] if len(self.files) == 1 else f"{self.files[0]} (and {len(self.files) - 1} more)"

    @property
    def scan(self) -> str:
        """SQL table expression over the files."""
        if self.view:
            return f"({self.view})"
        listed = ", ".join("'" + f.replace("'", "''") + "'" for f in self.files)
        return f"read_parquet([{listed}], union_by_name = true)"

    def where_rows(self, condition: str) -> Source:
        """The rows of which an SQL condition holds; of unknown rows it does not."""
        return replace(self, view=f"SELECT * FROM {self.scan} WHERE {condition}")

    def value(self, name: str) -> str:
        """SQL for a column with NaN turned into NULL: missing is NULL and nothing else."""
        column = quoted(name)
        if self.columns[name] in FLOATS:
            return f"CASE WHEN isnan({column}) THEN NULL ELSE {column} END"
        return column

    def number(self, name: str) -> str:
        """SQL for a column's value as a floating-point number, NULL where missing."""
        return f"CAST({self.value(name)} AS DOUBLE)"

    def is_number(self, name: str) -> bool:
        """Whether a column holds numbers or booleans."""
        return self.columns[name].split("(")[0] in NUMBERS

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a (small) result."""
        with _shared().cursor() as cursor:
            return cursor.execute(sql).fetchall()

    def arrays(self, sql: str) -> dict[str, Any]:
        """Columns of a result as numpy arrays (masked where NULL)."""
        with _shared().cursor() as cursor:
            return cursor.execute(sql).fetchnumpy()


@cache
def _shared() -> duckdb.DuckDBPyConnection:
    """The one connection of a process for short queries: to open one takes longer than most of these."""
    connection = connect()
    connection.execute("SET enable_external_file_cache = false")  # files may be written anew while the process lives
    return connection


def connect() -> duckdb.DuckDBPyConnection:
    """A private in-memory DuckDB that spills to the temporary folder and never keeps the files' order."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    return connection


def _files(path: str, base: Path) -> list[str]:
    full = Path(path) if Path(path).is_absolute() else base / path
    if full.is_dir():
        return sorted(str(p) for p in full.rglob("*.parquet"))
    if full.is_file():
        return [str(full)]
    return sorted(glob.glob(str(full), recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern


def open_source(paths: str | list[str], base: Path) -> Source:
    """The Parquet behind a study's `data.path` (a file, a folder, a glob, or a list of them).

    Relative paths start at `base`, the study file's folder. Only the files' metadata are read.

    Raises
    ------
    DataError
        When there is no such file, or one is not Parquet, or the files' columns cannot be united or told apart.
    """
    import duckdb

    listed = [paths] if isinstance(paths, str) else paths
    files = [f for p in listed for f in _files(p, base)]
    if not files:
        raise DataError(
            Problem(
                ", ".join(listed),
                "data.path",
                f"no Parquet file found (looked from {base}).",
                "Paths are relative to the study file; give a .parquet file, a folder of them, or a glob.",
            )
        )
    source = Source(tuple(dict.fromkeys(files)), {})
    try:
        described = source.query(f"DESCRIBE SELECT * FROM {source.scan}")
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            Problem(
                source.where,
                "data.path",
                f"cannot be read as Parquet: {reason}",
                "Write the data as Parquet (pandas: df.to_parquet), all files with the same columns.",
            )
        ) from None
    columns = {str(row[0]): str(row[1]) for row in described}
    types, planted = _as_written(source.where, source.files[0])
    return Source(source.files, columns | types, planted)


def _as_written(where: str, file: str) -> tuple[dict[str, str], float | None]:
    """What DuckDB does not see: durations, which it reads as whole numbers of some unit, and a planted effect.

    Raises
    ------
    DataError
        When the names of two columns differ in nothing but case, which SQL cannot tell apart.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import read_schema

    try:
        schema = read_schema(file)
    except ArrowException:  # written by a tool that Arrow cannot follow: then it holds no Arrow types either
        return {}, None
    folded = [name.casefold() for name in schema.names]
    first = [folded.index(name) for name in folded]
    clashes = [(schema.names[j], schema.names[i]) for i, j in enumerate(first) if i != j]
    if clashes:
        pairs = "; ".join(f"`{one}` and `{other}`" for one, other in clashes)
        what = f"column names must differ in more than upper and lower case: {pairs}."
        raise DataError(Problem(where, "data.path", what, "Rename one column of each pair, or leave it out."))
    durations = {field.name: DURATION for field in schema if str(field.type).startswith("duration")}
    planted = (schema.metadata or {}).get(PLANTED)
    return durations, None if planted is None else float(planted)
