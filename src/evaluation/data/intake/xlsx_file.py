"""Reading a workbook: values and real dates, the sheet that is meant, and what a table must not have."""

from __future__ import annotations

import datetime as dt
import zipfile
from itertools import islice
from typing import TYPE_CHECKING, Any

from evaluation.data.intake.csv_file import MOST_COLUMNS
from evaluation.data.intake.kinds import unreadable
from evaluation.data.intake.received import ROWS, Received
from evaluation.data.intake.xlsx_parts import not_too_large, unsolved
from evaluation.dictionary.compile_cells import MOST_LETTERS
from evaluation.dictionary.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from duckdb import DuckDBPyConnection
    from python_calamine import CalamineSheet, CalamineWorkbook

GUIDE = "How to fill"  # the sheet of the template that explains, never read
MOST_SAID = 100  # cells named of one kind of mistake
_BATCH = 50_000


def read_xlsx(path: Path, table: str, connection: DuckDBPyConnection) -> Received:
    """Read the sheet of a workbook that holds `table` into the table `received`.

    Raises
    ------
    Unreadable
        When the workbook is damaged, or no sheet or several could be meant, or it has no header.
    """
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        not_too_large(path)
        workbook = CalamineWorkbook.from_path(path)
        sheet = _meant(path, table, workbook)
        grid = sheet.iter_rows()
        start = sheet.start[0] if sheet.start else 0
        headers = _headers(path, sheet, next(grid, []), start)
        n, beyond = _load(path, grid, len(headers), start + 2, connection)
        findings = (*_merged(path, sheet), *_unsolved(path, sheet, headers), *_beyond(path, sheet, beyond))
    except (CalamineError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        message = "The workbook is damaged and cannot be read."
        raise unreadable(path, message, "Open it in Excel, save it under another name and send that.") from error
    return Received(path, sheet.name, headers, n, findings)


def _meant(path: Path, table: str, workbook: CalamineWorkbook) -> CalamineSheet:
    """The sheet named as the table, else the only one that is filled and can be seen."""
    seen = [s.name for s in workbook.sheets_metadata if str(s.visible).endswith("Visible")]
    named = [name for name in seen if name.strip().lower() == table]
    if named:
        return workbook.get_sheet_by_name(named[0])
    filled = [s for s in (workbook.get_sheet_by_name(name) for name in seen if name != GUIDE) if s.height > 0]
    if not filled:
        raise unreadable(path, "The workbook is empty.", "Fill in the template and save it.")
    if len(filled) > 1:
        listed = ", ".join(s.name for s in filled)
        message = f"The workbook has several filled sheets ({listed}), and none is called {table}."
        raise unreadable(path, message, f"Call the sheet that is meant {table}.")
    return filled[0]


def _headers(path: Path, sheet: CalamineSheet, cells: list[Any], start: int) -> tuple[str, ...]:
    if len(cells) > MOST_COLUMNS:
        message = f"The sheet {sheet.name} has {len(cells):,} columns; no table has more than {MOST_COLUMNS}."
        raise unreadable(path, message, "Delete what stands right of the table, and save.")
    if start > 0:
        message = f"The header of the sheet {sheet.name} stands in row {start + 1}, not in row 1."
        raise unreadable(path, message, "Delete the rows above the header.")
    names = [as_text(c) or "" for c in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise unreadable(path, f"The sheet {sheet.name} has no header.", "Take the header row of the template.")
    return tuple(names)


def _load(
    path: Path, grid: Iterator[list[Any]], n: int, first: int, connection: DuckDBPyConnection
) -> tuple[int, list[int]]:
    """The number of rows read, and which of them hold something right of the last column that has a name."""
    import pyarrow as pa

    listed = ", ".join(f"c{i} VARCHAR" for i in range(n))
    connection.execute(f"CREATE OR REPLACE TABLE {ROWS} (row BIGINT, {listed})")
    total, beyond = 0, []
    rows = enumerate(grid, start=first)
    while batch := list(islice(rows, _BATCH)):
        texts = [(row, [as_text(c) for c in cells[:n]]) for row, cells in batch]
        kept = [(row, cells) for row, cells in texts if any(c is not None and c.strip() for c in cells)]
        if any(c is not None and len(c) > MOST_LETTERS for _, cells in kept for c in cells):
            raise unreadable(path, f"A cell holds more than {MOST_LETTERS:,} letters.", "Shorten it.")
        beyond += [row for row, cells in batch if any(as_text(c) for c in cells[n:])]
        total += len(kept)
        arrays = {"row": pa.array([row for row, _ in kept], pa.int64())}
        arrays |= {f"c{i}": pa.array([cells[i] for _, cells in kept], pa.string()) for i in range(n)}
        connection.register("batch", pa.table(arrays))
        connection.execute(f"INSERT INTO {ROWS} SELECT * FROM batch")
        connection.unregister("batch")
    return total, beyond


def as_text(value: Any) -> str | None:
    """A cell's value as a CSV file would hold it: ISO dates, whole numbers without decimals; None where empty."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(sep=" ")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value) or None


def _merged(path: Path, sheet: CalamineSheet) -> Iterator[Finding]:
    from openpyxl.utils import get_column_letter

    for (top, left), (bottom, right) in sheet.merged_cell_ranges or []:
        place = f"{get_column_letter(left + 1)}{top + 1}:{get_column_letter(right + 1)}{bottom + 1}"
        message = f"The cells {place} are merged, so it cannot be told which row their value belongs to."
        remedy = "Unmerge them and fill in every row."
        yield Finding(path.name, "merged_cells", "file", "error", message, remedy, sheet.name, top + 1)


def _unsolved(path: Path, sheet: CalamineSheet, headers: tuple[str, ...]) -> Iterator[Finding]:
    message = "The cell holds a formula whose result was not saved, so that it would be read as empty."
    remedy = "Open the file in Excel and save it there, or write the value in place of the formula."
    cells = [(row, headers[column - 1]) for row, column in unsolved(path, sheet.name) if 1 <= column <= len(headers)]
    return _said(path, sheet, "formula_unsolved", cells, message, remedy)


def _beyond(path: Path, sheet: CalamineSheet, rows: list[int]) -> Iterator[Finding]:
    message = "The row holds something right of the last column that has a name."
    remedy = "Give the column its name in the first row, or delete what stands there."
    return _said(path, sheet, "extra_cell", [(row, "") for row in rows], message, remedy)


def _said(
    path: Path, sheet: CalamineSheet, rule: str, cells: list[tuple[int, str]], message: str, remedy: str
) -> Iterator[Finding]:
    """One finding a cell, up to 100, then one for the rest."""
    for row, column in cells[:MOST_SAID]:
        yield Finding(path.name, rule, "file", "error", message, remedy, sheet.name, row, column)
    rest = len(cells) - MOST_SAID
    if rest > 0:
        more = f"The same holds of {rest:,} more."
        yield Finding(path.name, rule, "file", "error", more, remedy, sheet.name, count=rest)
