"""The sheet of a template that tells how to fill it: the columns, an example row, the rules, the codes and labels."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.properties import PageSetupProperties

from evaluation.dictionary.told import (
    codes,
    due,
    example_told,
    marks_told,
    meaning,
    never_sent,
    rules_told,
    sensitivity_told,
    type_told,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openpyxl.cell.cell import Cell, MergedCell
    from openpyxl.worksheet.worksheet import Worksheet

    from evaluation.dictionary.tables import Field, Table

REQUIRED = PatternFill("solid", fgColor="FFE699")
OPTIONAL = PatternFill("solid", fgColor="EDEDED")
EXAMPLE = PatternFill("solid", fgColor="F7F7F7")
THIN = Side(style="thin", color="BFBFBF")
_COLUMNS = ("Column", "Needed", "What it is", "Form", "Sensitivity", "Example")
_WIDTHS = (26, 11, 74, 22, 24, 24)
_LINE = 15.0  # points that a line of text takes
_LETTERS = 1.08  # of a text, on average, in one unit of a column's width, which is that of a digit
_HIGHEST = 409.0  # points that a row of a spreadsheet may have


class Guide:
    """The sheet, written from top to bottom; a row is made as high as its text needs, which no program does by itself
    for merged cells.
    """

    def __init__(self, sheet: Worksheet) -> None:
        self._sheet = sheet
        self._row = 0
        for place, width in enumerate(_WIDTHS, start=1):
            sheet.column_dimensions[get_column_letter(place)].width = width
        sheet.sheet_view.showGridLines = False
        sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", 0
        sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)

    def heading(self, text: str, size: int = 12) -> None:
        """A line that stands out, with a blank one before it."""
        self._row += 2 if self._row else 1
        cell = self._cell(1, text)
        cell.font, cell.alignment = Font(bold=True, size=size), Alignment(vertical="center")
        self._sheet.row_dimensions[self._row].height = size + 8

    def prose(self, text: str) -> None:
        """A paragraph over the whole width."""
        self._row += 1
        self._cell(1, text)
        self._sheet.merge_cells(start_row=self._row, end_row=self._row, start_column=1, end_column=len(_WIDTHS))
        self._high([(text, sum(self._widths(len(_WIDTHS))))])

    def line(self, cells: Sequence[str], fill: PatternFill, *, filled: int = 99, bold: bool = False) -> None:
        """A row of a table, its cells wrapped within their columns, the first `filled` of them coloured."""
        self._row += 1
        for place, text in enumerate(cells, start=1):
            cell = self._cell(place, text)
            cell.border = Border(bottom=THIN)
            if place <= filled:
                cell.fill = fill
            if bold:
                cell.font = Font(bold=True)
        self._high(list(zip(cells, self._widths(len(cells)), strict=True)))

    def pair(self, first: str, second: str) -> None:
        """A short text and a longer one that may run on over the cells to its right."""
        self._row += 1
        self._cell(1, first)
        self._cell(2, second).alignment = Alignment(vertical="top")

    def wide(self, texts: Sequence[str]) -> None:
        """Columns wide enough for a text each; those of the guide are never made narrower."""
        for place, text in enumerate(texts, start=1):
            column = self._sheet.column_dimensions[get_column_letter(place)]
            column.width = max(len(text) + 4, column.width if place <= len(_WIDTHS) else 0)

    def printed(self) -> None:
        """Print the columns of the guide alone, not what runs on to the right."""
        self._sheet.print_area = f"A1:{get_column_letter(len(_WIDTHS))}{self._row}"

    def _widths(self, n: int) -> list[float]:
        return [self._sheet.column_dimensions[get_column_letter(place)].width for place in range(1, n + 1)]

    def _cell(self, place: int, text: str) -> Cell | MergedCell:
        cell = self._sheet.cell(self._row, place)
        cell.value, cell.data_type = text, "s"  # never a formula
        cell.alignment = Alignment(vertical="top", wrap_text=True)
        return cell

    def _high(self, texts: Sequence[tuple[str, float]]) -> None:
        lines = max(sum(max(1, len(wrap(p, int(width * _LETTERS)))) for p in t.split("\n")) for t, width in texts)
        self._sheet.row_dimensions[self._row].height = min(_HIGHEST, _LINE * lines + 2)


def guide(sheet: Worksheet, table: Table, agency: str) -> None:
    """Write how `table` is filled by `agency`."""
    out = Guide(sheet)
    names, row = [f.name for f in table.fields], [_example(f, agency) for f in table.fields]
    out.wide([max((c.code for f in table.fields for c in codes(f)), key=len, default="")])
    out.wide([max(pair, key=len) for pair in zip(names, row, strict=True)])
    out.heading(f"{table.title}: how to fill the sheet {table.name}", 14)
    out.prose(table.description)
    out.prose(due(table))
    out.heading("How to fill it")
    for text in _steps(table, agency):
        out.prose(text)
    out.heading("Columns")
    out.line(_COLUMNS, OPTIONAL, bold=True)
    for field in table.fields:
        out.line(_told(table, field, agency), REQUIRED if field.constraints.required else OPTIONAL, filled=1)
    out.heading(f"An example row, as it would stand on the sheet {table.name}; it is not sent")
    out.line(names, OPTIONAL, bold=True)
    out.line(row, EXAMPLE)
    out.heading("Never send")
    for text in never_sent(table):
        out.prose(f"– {text}")
    if table.rules:
        out.heading("What is checked besides the single cells")
        for text in rules_told(table):
            out.prose(f"– {text}")
    for field in table.fields:
        if listed := codes(field):
            out.heading(f"Codes of {field.name}")
            for code in listed:
                out.pair(code.code, code.label)
    out.printed()


def _steps(table: Table, agency: str) -> list[str]:
    steps = [
        f"Fill the sheet {table.name}: one record a row, from row 2 on. Its first row cannot be changed.",
        "Columns with a yellow, underlined heading are needed in every row; others may be left empty.",
        f"Where a value is not known: {marks_told(table)}. Never 0.",
    ]
    if any(f.name == "agency_id" for f in table.fields):
        steps.append(f"agency_id is always {agency}.")
    if any(f.type == "date" for f in table.fields):
        steps.append("Write dates as YYYY-MM-DD, such as 2025-03-14.")
    if any(codes(f) for f in table.fields):
        steps.append("Where a cell has a list to choose from, choose a code; what the codes mean stands below.")
    return [f"{n}. {text}" for n, text in enumerate(steps, start=1)]


def _told(table: Table, field: Field, agency: str) -> list[str]:
    needed = "needed" if field.constraints.required else "optional"
    what = "\n".join([f"{field.title}.", *meaning(table, field)])
    return [field.name, needed, what, type_told(field), sensitivity_told(field), _example(field, agency)]


def _example(field: Field, agency: str) -> str:
    return agency if field.name == "agency_id" else example_told(field)
