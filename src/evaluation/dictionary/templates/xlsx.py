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
from openpyxl.styles import Alignment, Font, PatternFill, Protection
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation

from evaluation.dictionary.codelists import codelist
from evaluation.dictionary.compile_cells import allowed

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

    from evaluation.dictionary.tables import Field, Table

ROWS = 10_000  # prepared for filling; more may be added below
_MOMENT = datetime(2000, 1, 1)  # noqa: DTZ001 - a fixed moment: the same input gives the same bytes
_REQUIRED = PatternFill("solid", fgColor="FFE699")
_FORMATS = {"integer": "0", "number": "General", "date": "yyyy-mm-dd", "string": "@", "boolean": "@"}


def workbook(table: Table, agency: str) -> bytes:
    """The template's bytes; the same for the same table and agency."""
    book = Workbook()
    book.properties.created = book.properties.modified = _MOMENT
    data = book.worksheets[0]
    data.title = table.name
    guide, lists = book.create_sheet("How to fill"), book.create_sheet("Lists")
    lists.sheet_state = "hidden"
    for place, field in enumerate(table.fields, start=1):
        _column(data, lists, place, field, agency)
    data.freeze_panes = "A2"
    data.protection.enable()
    data.protection.formatColumns = False
    _guide(guide, table, agency)
    return _same_bytes(book)


def _column(data: Worksheet, lists: Worksheet, place: int, field: Field, agency: str) -> None:
    letter = get_column_letter(place)
    width = data.column_dimensions[letter]
    width.width = max(14, len(field.name) + 4)
    width.number_format, width.protection = _FORMATS[field.type], Protection(locked=False)
    head = data.cell(1, place, field.name)
    head.font, head.protection = Font(bold=True), Protection(locked=True)
    if field.constraints.required:
        head.fill = _REQUIRED
        head.font = Font(bold=True, underline="single")
    head.comment = Comment(_hint(field), "data dictionary", width=360, height=140)
    check = _validation(lists, place, field, agency)
    check.promptTitle, check.prompt = field.title[:32], _hint(field)[:255]
    check.showInputMessage = check.showErrorMessage = True
    check.errorTitle, check.error = "Not as described", f"See {field.name} on the sheet How to fill."
    data.add_data_validation(check)
    check.add(f"{letter}2:{letter}{ROWS + 1}")


def _hint(field: Field) -> str:
    return f"{'Required. ' if field.constraints.required else ''}{field.title}. {field.description}"


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


def _guide(sheet: Worksheet, table: Table, agency: str) -> None:
    lines = [
        [table.title],
        [table.description],
        [f"Fill the sheet {table.name}, one record a row; leave its first row as it is. agency_id is always {agency}."],
        ["Required columns have an underlined, shaded heading. Write dates as YYYY-MM-DD."],
        ["Never send columns that are not listed here, notes about people, or formulas."],
        [],
        ["Column", "Required", "What it is", "Type", "Unit", "Example"],
    ]
    for f in table.fields:
        example = agency if f.name == "agency_id" else f.example
        needed = "required" if f.constraints.required else "optional"
        lines.append([f.name, needed, _described(f), f.type, f.unit or "", str(example)])
    lines += [[], ["Example row"], [f.name for f in table.fields]]
    lines.append([agency if f.name == "agency_id" else str(f.example) for f in table.fields])
    lines += [[], ["Rules"], *([f"{r.message} {r.remedy}"] for r in table.rules)]
    lines += [[], ["Codes"]]
    for f in table.fields:
        if f.codelist:
            lines += [[f.name, c.code, c.label] for c in codelist(f.codelist)]
    for row, line in enumerate(lines, start=1):
        for place, text in enumerate(line, start=1):
            cell = sheet.cell(row, place)
            cell.value, cell.data_type = text, "s"  # never a formula
            cell.alignment = Alignment(vertical="top", wrap_text=row >= 7)
    for letter, wide in zip("ABCDEF", (26, 14, 70, 12, 18, 22), strict=True):
        sheet.column_dimensions[letter].width = wide
    for row in (1, 7):
        for cell in sheet[row]:
            cell.font = Font(bold=True)


def _described(field: Field) -> str:
    return "\n".join(
        [field.description, *(f"Includes: {t}" for t in field.includes), *(f"Excludes: {t}" for t in field.excludes)]
    )


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
