"""A received file opened: its header, and its cells as text with the row numbers that a spreadsheet shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.data.intake.kinds import kind_of

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from evaluation.dictionary.findings import Finding

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

    return duckdb.connect(config={"temp_directory": str(scratch / "spilled"), "memory_limit": "2GB"})


def receive(path: Path, table: str, connection: DuckDBPyConnection, scratch: Path) -> Received:
    """Read a file that is to hold the dictionary's `table` into `received` of a connection.

    `scratch` is a folder for copies in another encoding; the connection should spill there, so that large data are
    kept out of memory (`scratch_connection`).

    Raises
    ------
    Unreadable
        When the file is no table at all: its finding says what it is and what to send instead.
    """
    kind = kind_of(path)
    if kind == "csv":
        from evaluation.data.intake.csv_file import read_csv

        return read_csv(path, connection, scratch)
    if kind == "xlsx":
        from evaluation.data.intake.xlsx_file import read_xlsx

        return read_xlsx(path, table, connection)
    from evaluation.data.intake.parquet_file import read_parquet

    return read_parquet(path, connection)
