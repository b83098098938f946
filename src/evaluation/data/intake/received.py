"""A received file opened: its header, and its cells as text with the row numbers that a spreadsheet shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.data.intake.kinds import kind_of, unreadable

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from evaluation.dictionary.findings import Finding

NO_ROWS = "no_rows"
ROWS = "received"  # the DuckDB table: row BIGINT, c0, c1, … VARCHAR; NULL where a cell is empty


@dataclass(frozen=True)
class Received:
    """What was read of a file: `headers` as they stand in it (column `c<i>` of the table `received` is the i-th).

    `findings` were made in reading: rows that are too long or too short, merged cells, formulas.
    """

    path: Path
    sheet: str
    headers: tuple[str, ...]
    n_rows: int
    findings: tuple[Finding, ...] = ()


def scratch_connection(scratch: Path) -> DuckDBPyConnection:
    """A connection that keeps at most 2 GB in memory and the rest in a folder, rows in their order.

    Its tables are not in a database file: to write one takes DuckDB several times as long as to read the CSV.
    """
    import duckdb

    connection = duckdb.connect(config={"temp_directory": str(scratch / "spilled"), "memory_limit": "2GB"})
    connection.execute("SET max_temp_directory_size = '20GB'")
    connection.execute("SET enable_progress_bar = false")  # it would be written amidst the answer
    return connection


def receive(
    path: Path, table: str, connection: DuckDBPyConnection, scratch: Path, *, nothing: bool = False
) -> Received:
    """Read a file that is to hold the dictionary's `table` into `received` of a connection.

    `scratch` is a folder for copies in another encoding; the connection should spill there, so that large data are
    kept out of memory (`scratch_connection`). `nothing`: the agency says that there was nothing to report, so that the
    file must have a header and no rows; otherwise it must have rows, for a month without a death and a month that was
    exported wrongly look alike.

    Raises
    ------
    Unreadable
        When the file is no table at all: its finding says what it is and what to send instead.
    """
    received = _read(path, table, connection, scratch)
    if nothing and received.n_rows:
        message = f"The file has {received.n_rows:,} rows, and nothing was to report."
        raise unreadable(path, message, "Send it as a file with rows, or send the header alone.", NO_ROWS)
    if not nothing and not received.n_rows and not received.findings:
        message = "The file has a header and no rows."
        raise unreadable(path, message, "Fill in the rows; if nothing happened in the period, say so (--nothing).",
                         NO_ROWS)  # fmt: skip
    return received


def _read(path: Path, table: str, connection: DuckDBPyConnection, scratch: Path) -> Received:
    kind = kind_of(path)
    if kind == "csv":
        from evaluation.data.intake.csv_file import read_csv

        return read_csv(path, connection, scratch)
    if kind == "xlsx":
        from evaluation.data.intake.xlsx_file import read_xlsx

        return read_xlsx(path, table, connection)
    from evaluation.data.intake.parquet_file import read_parquet

    return read_parquet(path, connection)
