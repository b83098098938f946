"""A spreadsheet for one table and one agency: lists to choose from, checked cells, a sheet on how to fill it.

The data sheet holds the header alone; the example stands on the other sheet, where it can't be submitted by mistake.
"""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal

from openpyxl import Workbook
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Border, Font, Protection
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.properties import PageSetupProperties

from evaluation.dictionary.compile_cells import allowed
from evaluation.dictionary.templates.guide import OPTIONAL, REQUIRED, THIN, guide
from evaluation.dictionary.told import example_told, type_told

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

    from evaluation.dictionary.tables import Field, Table

ROWS = 10_000  # prepared for filling; more may be added below
_MOMENT = datetime(2000, 1, 1)  # noqa: DTZ001 - a fixed moment: the same input gives the same bytes
_FORMATS = {"integer": "0", "number": "General", "date": "yyyy-mm-dd", "string": "@", "boolean": "@"}


def workbook(table: Table, agency: str) -> bytes:
    """The template's bytes; the same for the same table and agency."""
    book = Workbook()
    book.properties.created = book.properties.modified = _MOMENT
    data = book.worksheets[0]
    data.title = table.name
    explained, lists = book.create_sheet("How to fill"), book.create_sheet("Lists")
    lists.sheet_state = "hidden"
    for place, field in enumerate(table.fields, start=1):
        _column(data, lists, place, field, agency)
    data.freeze_panes = "A2"
    data.protection.enable()
    data.protection.formatColumns = False
    data.row_dimensions[1].height = 22
    data.page_setup.orientation, data.page_setup.fitToHeight = "landscape", 0
    data.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    data.print_title_rows = "1:1"
    guide(explained, table, agency)
    return _same_bytes(book)


def _column(data: Worksheet, lists: Worksheet, place: int, field: Field, agency: str) -> None:
    letter = get_column_letter(place)
    column = data.column_dimensions[letter]
    column.width = max(14, len(field.name) + 4, len(example_told(field)) + 2)
    column.number_format, column.protection = _FORMATS[field.type], Protection(locked=False)
    head = data.cell(1, place, field.name)
    needed = field.constraints.required
    head.font, head.fill = Font(bold=True, underline="single" if needed else None), REQUIRED if needed else OPTIONAL
    head.alignment, head.border = Alignment(vertical="center"), Border(bottom=THIN)
    head.protection = Protection(locked=True)
    hint = _hint(field)
    head.comment = Comment(hint, "data dictionary", width=360, height=40 + 18 * (len(hint) // 50))
    check = _validation(lists, place, field, agency)
    check.promptTitle, check.prompt = field.title[:32], hint[:255]
    check.showInputMessage = check.showErrorMessage = True
    check.errorTitle, check.error = "Not as described", f"See {field.name} on the sheet How to fill."
    data.add_data_validation(check)
    check.add(f"{letter}2:{letter}{ROWS + 1}")


def _hint(field: Field) -> str:
    """What stands beside a cell: short, for spreadsheets cut it at 255 letters."""
    needed = "Needed in every row. " if field.constraints.required else ""
    return f"{needed}{field.description} {type_told(field).capitalize()}."


def _validation(lists: Worksheet, place: int, field: Field, agency: str) -> DataValidation:
    values: tuple[str, ...] = (agency,) if field.name == "agency_id" else allowed(field)
    if field.type == "boolean":
        values = ("true", "false")
    if values:
        letter = get_column_letter(place)
        for row, value in enumerate(values, start=1):
            cell = lists.cell(row, place, int(value) if field.type == "integer" else value)
            cell.number_format = _FORMATS[field.type]
        return DataValidation(type="list", formula1=f"Lists!${letter}$1:${letter}${len(values)}", allow_blank=True)
    if field.type in ("integer", "number", "date"):
        return _range(field)
    return DataValidation(allow_blank=True)


def _range(field: Field) -> DataValidation:
    low, high = field.constraints.minimum, field.constraints.maximum
    kind: Literal["whole", "decimal", "date"] = "whole"
    if field.type != "integer":
        kind = "decimal" if field.type == "number" else "date"
    if field.type == "date":
        first = max(date.fromisoformat(str(low)), date(1900, 3, 1)) if low is not None else date(1900, 3, 1)
        last = date.fromisoformat(str(high)) if high is not None else date(2199, 12, 31)
        low, high = (first - date(1899, 12, 30)).days, (last - date(1899, 12, 30)).days
    low, high = -999_999_999_999 if low is None else low, 999_999_999_999 if high is None else high
    return DataValidation(type=kind, operator="between", formula1=str(low), formula2=str(high), allow_blank=True)


def _same_bytes(book: Workbook) -> bytes:
    """The workbook with the clock's traces taken out: openpyxl stamps the moment of saving."""
    from openpyxl.writer.excel import ExcelWriter

    raw, out = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        ExcelWriter(book, archive).write_data()
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)
    return out.getvalue()
