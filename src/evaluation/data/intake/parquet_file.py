"""Reading Parquet: typed columns, brought to the text that a CSV file would hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.data.engine import quoted
from evaluation.data.intake.csv_file import MOST_COLUMNS
from evaluation.data.intake.kinds import unreadable
from evaluation.data.intake.received import ROWS, Received
from evaluation.data.store.files import plain

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

_WHOLE = 1e15  # floats below it that are whole are written without decimals


def read_parquet(path: Path, connection: DuckDBPyConnection) -> Received:
    """Read a Parquet file into the table `received`; row numbers as if it had a header in row 1.

    Raises
    ------
    Unreadable
        When the file is damaged, nested, or has too many columns.
    """
    import duckdb

    place = str(plain(path)).replace("'", "''")
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM read_parquet('{place}')").fetchall()
        columns = [(str(name), str(kind)) for name, kind, *_ in described]
        if len(columns) > MOST_COLUMNS:
            message = f"The file has {len(columns):,} columns; no table of the dictionary has more than {MOST_COLUMNS}."
            raise unreadable(path, message, "Send the columns of the template alone.")
        nested = [name for name, kind in columns if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "BLOB"))]
        if nested:
            message = f"Columns hold lists, records or bytes, not single values: {', '.join(nested)}."
            raise unreadable(path, message, "Write one value a cell.")
        listed = ", ".join(f"{_text(name, kind)} AS c{i}" for i, (name, kind) in enumerate(columns))
        connection.execute(
            f"CREATE OR REPLACE TABLE {ROWS} AS SELECT row_number() OVER () + 1 AS row, {listed} "
            f"FROM read_parquet('{place}')"
        )
        n = int(connection.execute(f"SELECT count(*) FROM {ROWS}").fetchall()[0][0])
    except duckdb.Error:
        message = "The Parquet file breaks off or is damaged."
        raise unreadable(path, message, "Write it again and send the new copy.") from None
    return Received(path, "", tuple(name for name, _ in columns), n)


def _text(name: str, kind: str) -> str:
    """SQL for a column's value as text: ISO dates, whole floats without decimals, NaN and blanks as missing."""
    column = quoted(name)
    if kind in ("FLOAT", "DOUBLE"):
        whole = f"{column} = trunc({column}) AND abs({column}) < {_WHOLE}"
        return (
            f"CASE WHEN isnan({column}) THEN NULL WHEN {whole} THEN CAST(CAST({column} AS BIGINT) AS VARCHAR) "
            f"ELSE CAST({column} AS VARCHAR) END"
        )
    if kind.startswith("TIMESTAMP"):
        day = f"CAST(CAST({column} AS DATE) AS VARCHAR)"
        midnight = f"CAST({column} AS TIMESTAMP) = CAST(CAST({column} AS DATE) AS TIMESTAMP)"
        return f"CASE WHEN {midnight} THEN {day} ELSE CAST({column} AS VARCHAR) END"
    return f"nullif(CAST({column} AS VARCHAR), '')"
