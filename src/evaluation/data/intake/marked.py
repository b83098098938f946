"""A clerk's own file as a spreadsheet in which every cell that was found fault with is coloured and says why."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from evaluation.data.intake.kinds import kind_of
from evaluation.data.intake.received import ROWS
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection
    from openpyxl import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

    from evaluation.data.intake.received import Received
    from evaluation.dictionary.findings import Finding

MOST_ROWS = 50_000  # of a file that is no spreadsheet yet
LIST = "Findings"
COLOURS = {"error": "FFC7CE", "warning": "FFEB9C"}
_WIDTHS = (10, 8, 22, 26, 70, 70)


def marked(received: Received, connection: DuckDBPyConnection, findings: Sequence[Finding]) -> bytes:
    """The workbook: the sheet as it came, its cells coloured and commented, and a sheet that lists all findings.

    `connection` holds the file's rows. A workbook is opened as it is; of other files one is made.

    Raises
    ------
    DataError
        When a file that is no workbook has more than `MOST_ROWS` rows.
    """
    book, sheet = _own(received) if kind_of(received.path) == "xlsx" else _made(received, connection)
    places = {name: i for i, name in enumerate(received.headers, start=1)}
    notes: dict[tuple[int, int], list[Finding]] = {}
    for f in findings:
        if f.row is not None:
            notes.setdefault((f.row, places.get(f.column, 1)), []).append(f)
    for (row, column), about in notes.items():
        _note(sheet, row, column, about)
    _list(book, sheet, places, findings)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _own(received: Received) -> tuple[Workbook, Worksheet]:
    from openpyxl import load_workbook

    book = load_workbook(received.path)
    return book, book[received.sheet]


def _made(received: Received, connection: DuckDBPyConnection) -> tuple[Workbook, Worksheet]:
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    if received.n_rows > MOST_ROWS:
        what = f"the file has {received.n_rows:,} rows; one with more than {MOST_ROWS:,} is not made a spreadsheet."
        raise DataError(Problem(received.path.name, "marked", what, "Use --json, which lists every finding."))
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Data"
    columns = ", ".join(f"c{i}" for i in range(len(received.headers)))
    rows = connection.execute(f"SELECT row, {columns} FROM {ROWS} ORDER BY row").fetchall()
    _write(sheet, 1, received.headers)
    for row, *cells in rows:
        _write(sheet, int(row), cells)
    for i, header in enumerate(received.headers, start=1):
        sheet.cell(1, i).font = Font(bold=True)
        sheet.column_dimensions[get_column_letter(i)].width = max(12, min(40, len(header) + 4))
    sheet.freeze_panes = "A2"
    return book, sheet


def _write(sheet: Worksheet, row: int, cells: Iterable[Any]) -> None:
    """Text as text: what begins like a formula must not become one."""
    for column, text in enumerate(cells, start=1):
        if text is not None:
            cell = sheet.cell(row, column)
            cell.value = _legal(str(text))
            cell.data_type = "s"


def _legal(text: str) -> str:
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    return ILLEGAL_CHARACTERS_RE.sub("�", text)


def _note(sheet: Worksheet, row: int, column: int, about: list[Finding]) -> None:
    from openpyxl.cell.cell import MergedCell
    from openpyxl.comments import Comment
    from openpyxl.styles import PatternFill

    cell = sheet.cell(row, column)
    if isinstance(cell, MergedCell):  # only the first cell of merged ones can be coloured
        return
    worst = "error" if any(f.severity == "error" for f in about) else "warning"
    cell.fill = PatternFill("solid", fgColor=COLOURS[worst])
    text = "\n\n".join(dict.fromkeys(f"{f.message} {f.remedy}" for f in about))
    cell.comment = Comment(text, "check", width=360, height=60 + 18 * (len(text) // 45 + 1))


def _list(book: Workbook, sheet: Worksheet, places: dict[str, int], findings: Sequence[Finding]) -> None:
    """The sheet of all findings, errors first; each leads to its cell."""
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter, quote_sheetname
    from openpyxl.worksheet.hyperlink import Hyperlink

    title = LIST
    while title in book.sheetnames:
        title += " (check)"
    listed = book.create_sheet(title)
    listed.append(["", "row", "column", "rule", "what is wrong", "how to mend it"])
    for cell in listed[1]:
        cell.font = Font(bold=True)
    for n, f in enumerate(sorted(findings, key=lambda f: f.severity != "error"), start=2):
        _write(listed, n, [f.severity, None, f.column or None, f.rule, f.message, f.remedy])
        listed.cell(n, 2, f.row)
        listed.row_dimensions[n].height = 15 * (max(len(f.message), len(f.remedy)) // 60 + 1)
        if f.row is not None:
            place = f"{get_column_letter(places.get(f.column, 1))}{f.row}"
            here = f"{quote_sheetname(sheet.title)}!{place}"
            listed.cell(n, 2).hyperlink = Hyperlink(ref=listed.cell(n, 2).coordinate, location=here)
            listed.cell(n, 2).font = Font(underline="single", color="0563C1")
    for i, width in enumerate(_WIDTHS, start=1):
        listed.column_dimensions[get_column_letter(i)].width = width
        if i > 4:
            for cell in listed[get_column_letter(i)]:
                cell.alignment = Alignment(wrap_text=True, vertical="top")
    listed.freeze_panes = "A2"


def write_marked(
    out: Path, received: Received, connection: DuckDBPyConnection, findings: Sequence[Finding], *, force: bool
) -> None:
    """Write it to a file. Raises DataError when there is one already."""
    if out.exists() and not force:
        raise DataError(Problem(str(out), "--marked", "this file exists.", "Give another name, or --force."))
    content = marked(received, connection, findings)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(content)
