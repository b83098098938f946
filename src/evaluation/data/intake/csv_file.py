"""Reading CSV: the quick way through DuckDB where every line is even, else record by record, saying which is not."""

from __future__ import annotations

import csv
from itertools import islice
from typing import TYPE_CHECKING

from evaluation.data.intake.kinds import unreadable
from evaluation.data.intake.received import ROWS, Received
from evaluation.data.intake.text import Text, as_text
from evaluation.data.store.files import plain
from evaluation.dictionary.compile_cells import MOST_LETTERS
from evaluation.dictionary.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from duckdb import DuckDBPyConnection

MOST_COLUMNS = 500
MOST_SAID = 100  # rows named of one kind of mistake
_BATCH = 50_000


def read_csv(path: Path, connection: DuckDBPyConnection, scratch: Path) -> Received:
    """Read a CSV file into the table `received`.

    Raises
    ------
    Unreadable
        When it has no header, too many columns, or quotation marks that never end.
    """
    text = as_text(path, scratch)
    try:
        headers = tuple(next(csv.reader([text.header], delimiter=text.separator), []))
    except csv.Error:
        message = "The columns' names in the first row cannot be told apart: a quotation mark stands astray there."
        raise unreadable(path, message, "Write the names without quotation marks, as the template has them.") from None
    if len(headers) > MOST_COLUMNS:
        message = f"The file has {len(headers):,} columns; no table of the dictionary has more than {MOST_COLUMNS}."
        raise unreadable(path, message, "Send the columns of the template alone.")
    n = _quickly(text, len(headers), connection) if text.even else None
    findings: tuple[Finding, ...] = ()
    if n is None:
        n, findings = _carefully(path, text, len(headers), connection)
    return Received(path, "", headers, n, findings)


def _columns(n: int) -> str:
    return ", ".join(f"c{i} VARCHAR" for i in range(n))


def _quickly(text: Text, n: int, connection: DuckDBPyConnection) -> int | None:
    """The number of rows read by DuckDB; None where it finds a line that does not fit."""
    import duckdb

    named = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(n))
    path = str(plain(text.path)).replace("'", "''")
    scan = (
        f"read_csv('{path}', auto_detect = false, header = true, delim = '{text.separator}', quote = '\"', "
        f"escape = '\"', nullstr = '', strict_mode = true, max_line_size = 8388608, columns = {{{named}}})"
    )
    try:
        connection.execute(f"CREATE OR REPLACE TABLE {ROWS} AS SELECT row_number() OVER () + 1 AS row, * FROM {scan}")
    except duckdb.Error:
        return None
    blank = f"FROM {ROWS} WHERE " + " AND ".join(f"(c{i} IS NULL OR trim(c{i}) = '')" for i in range(n))
    if connection.execute(f"SELECT 1 {blank} LIMIT 1").fetchall():
        connection.execute(f"DELETE {blank}")
    return connection.execute(f"SELECT count(*) FROM {ROWS}").fetchall()[0][0]  # type: ignore[no-any-return]


def _carefully(path: Path, text: Text, n: int, connection: DuckDBPyConnection) -> tuple[int, tuple[Finding, ...]]:
    """The number of rows read one by one, and what is wrong with those that don't fit the header."""
    import pyarrow as pa

    connection.execute(f"CREATE OR REPLACE TABLE {ROWS} (row BIGINT, {_columns(n)})")
    uneven = _Uneven(path.name, n)
    total = 0
    with text.path.open(encoding="utf-8", newline="") as file:
        records = enumerate(_records(path, csv.reader(file, delimiter=text.separator)), start=1)
        next(records, None)
        while batch := list(islice(records, _BATCH)):
            kept = [(row, uneven.fitted(row, cells)) for row, cells in batch if any(map(str.strip, cells))]
            total += len(kept)
            columns = [[cells[i] or None for _, cells in kept] for i in range(n)]
            arrays = {"row": pa.array([row for row, _ in kept], pa.int64())}
            arrays |= {f"c{i}": pa.array(column, pa.string()) for i, column in enumerate(columns)}
            connection.register("batch", pa.table(arrays))
            connection.execute(f"INSERT INTO {ROWS} SELECT * FROM batch")
            connection.unregister("batch")
    return total, uneven.findings()


def _records(path: Path, reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """The records of a file; a cell beyond all measure is a quotation mark that never ends."""
    while True:
        usual = csv.field_size_limit(MOST_LETTERS)  # of the whole process: others read longer cells
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            message = 'A cell is longer than any can be: most likely a quotation mark (") was opened and never closed.'
            if "field larger" not in str(error):
                message = "The file's text is damaged: it holds a character that no table has."
            line = getattr(reader, "line_num", 0)
            raise unreadable(path, f"{message} See about line {line:,}.", "Mend that line and export again.") from None
        finally:
            csv.field_size_limit(usual)
        yield record


class _Uneven:
    """Rows with too many cells or too few, and what to say of them."""

    def __init__(self, file: str, n: int) -> None:
        self._file = file
        self._n = n
        self._long: list[int] = []
        self._short: list[int] = []

    def fitted(self, row: int, cells: list[str]) -> list[str]:
        """The cells, cut or filled up to the header's number."""
        if len(cells) > self._n and any(cells[self._n :]):
            self._long.append(row)
        elif len(cells) < self._n:
            self._short.append(row)
        return cells[: self._n] + [""] * (self._n - len(cells))

    def findings(self) -> tuple[Finding, ...]:
        """One a row, up to 100 of a kind, then one for the rest."""
        long = "The row has more cells than the header has columns."
        short = "The row has fewer cells than the header has columns: the file may break off here."
        mend = 'Look whether a cell holds the separator; such a cell must stand in quotation marks: "a, b".'
        again = "Complete the row, or export the file again."
        return (
            *self._said("extra_cell", self._long, long, mend),
            *self._said("missing_cell", self._short, short, again),
        )

    def _said(self, rule: str, rows: list[int], message: str, remedy: str) -> list[Finding]:
        found = [Finding(self._file, rule, "file", "error", message, remedy, row=r) for r in rows[:MOST_SAID]]
        rest = len(rows) - MOST_SAID
        if rest > 0:
            more = f"The same holds of {rest:,} more rows."
            found.append(Finding(self._file, rule, "file", "error", more, remedy, count=rest))
        return found
