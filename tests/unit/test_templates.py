"""Spreadsheets that agencies fill: what can be chosen and typed, how they explain themselves, and their bytes."""

from __future__ import annotations

import io
from datetime import date, timedelta
from typing import TYPE_CHECKING

import openpyxl
import pytest

from evaluation.dictionary.compile_cells import allowed
from evaluation.dictionary.tables import tables
from evaluation.dictionary.templates.xlsx import ROWS, workbook
from evaluation.dictionary.told import PATTERNS, codes

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet.datavalidation import DataValidation

AGENCY = "springfield_pd"
each_table = pytest.mark.parametrize("name", [*tables()])


def template(name: str) -> Workbook:
    return openpyxl.load_workbook(io.BytesIO(workbook(tables()[name], AGENCY)))


def checks(book: Workbook, name: str) -> list[DataValidation]:
    """The validation of each column of the data sheet, in their order."""
    found = {str(v.sqref): v for v in book[name].data_validations.dataValidation}
    letters = [cell.column_letter for cell in book[name][1]]
    assert set(found) == {f"{letter}2:{letter}{ROWS + 1}" for letter in letters}
    return [found[f"{letter}2:{letter}{ROWS + 1}"] for letter in letters]


@each_table
def test_the_data_sheet_has_the_header_alone_and_only_the_header_is_locked(name: str) -> None:
    book = template(name)
    sheet = book[name]
    assert [c.value for c in sheet[1]] == [f.name for f in tables()[name].fields]
    assert sheet.max_row == 1
    assert sheet.protection.sheet
    assert sheet.freeze_panes == "A2"
    for cell in sheet[1]:
        assert cell.protection.locked
        assert not sheet.column_dimensions[cell.column_letter].protection.locked
        assert sheet.column_dimensions[cell.column_letter].width >= len(str(cell.value)) + 4
    assert book["Lists"].sheet_state == "hidden"
    assert book.sheetnames == [name, "How to fill", "Lists"]


@each_table
def test_columns_that_are_needed_stand_out(name: str) -> None:
    head = template(name)[name][1]
    needed = [f.constraints.required for f in tables()[name].fields]
    assert [c.font.underline == "single" for c in head] == needed
    assert len({c.fill.fgColor.rgb for c, yes in zip(head, needed, strict=True) if yes}) == 1
    assert {c.fill.fgColor.rgb for c, yes in zip(head, needed, strict=True) if yes}.isdisjoint(
        c.fill.fgColor.rgb for c, yes in zip(head, needed, strict=True) if not yes
    )
    assert all(c.comment is not None and c.comment.text for c in head)


@each_table
def test_lists_offer_the_codes_of_the_dictionary(name: str) -> None:
    book = template(name)
    for field, check in zip(tables()[name].fields, checks(book, name), strict=True):
        offered = (AGENCY,) if field.name == "agency_id" else allowed(field)
        if field.type == "boolean":
            offered = ("true", "false")
        assert (check.type == "list") == bool(offered), field.name
        if offered:
            where, place = str(check.formula1).split("!")
            assert where == "Lists"
            assert [row[0].value for row in book["Lists"][place.replace("$", "")]] == list(offered)
        assert len(check.prompt) <= 255
        assert len(check.promptTitle) <= 32
        assert check.showErrorMessage


FORMATS = {"integer": "0", "number": "General", "date": "yyyy-mm-dd", "string": "@", "boolean": "@"}


@each_table
def test_columns_are_typed_and_limits_are_those_of_the_dictionary(name: str) -> None:
    book = template(name)
    for place, (field, check) in enumerate(zip(tables()[name].fields, checks(book, name), strict=True)):
        letter = book[name][1][place].column_letter
        assert book[name].column_dimensions[letter].number_format == FORMATS[field.type]
        low, high = field.constraints.minimum, field.constraints.maximum
        if field.type == "date":
            day = date(1899, 12, 30)
            assert (check.type, check.operator) == ("date", "between")
            first, last = (day + timedelta(days=int(bound)) for bound in (check.formula1, check.formula2))
            assert first == max(date.fromisoformat(str(low or "1900-03-01")), date(1900, 3, 1))
            assert last == date.fromisoformat(str(high or "2199-12-31"))
        elif field.type in ("integer", "number") and not allowed(field):
            assert check.type == ("whole" if field.type == "integer" else "decimal")
            assert low is None or float(check.formula1) == low
            assert high is None or float(check.formula2) == high


@each_table
def test_the_guide_tells_every_column_code_and_rule_and_an_example_row(name: str) -> None:
    table = tables()[name]
    sheet = template(name)["How to fill"]
    rows = [[str(v) for v in row if v is not None] for row in sheet.iter_rows(values_only=True)]
    firsts = [row[0] for row in rows if row]
    assert {f.name for f in table.fields} <= set(firsts)
    assert all([code.code, code.label] in rows for f in table.fields for code in codes(f))
    names = rows.index([f.name for f in table.fields])
    assert any("example row" in text.lower() and "not sent" in text for text in rows[names - 1])
    assert len(rows[names + 1]) == len(table.fields)
    said = "\n".join(firsts)
    assert all(rule.message in said and rule.remedy in said for rule in table.rules)
    assert table.description in said
    assert all(cell.data_type == "s" for row in sheet.iter_rows() for cell in row if cell.value is not None)


@each_table
def test_no_text_of_the_guide_is_cut_off(name: str) -> None:
    sheet = template(name)["How to fill"]
    wide = [sheet.column_dimensions[letter].width for letter in "ABCDEF"]
    merged = {r.min_row for r in sheet.merged_cells.ranges}
    for row in sheet.iter_rows(max_col=6):
        for cell, width in zip(row, wide, strict=True):
            if cell.value is None or not cell.alignment.wrap_text:
                continue
            room = (sum(wide) if cell.row in merged else width) * 1.2  # letters of a line, at most
            lines = sum(-(-max(1, len(part)) // int(room)) for part in str(cell.value).split("\n"))
            height = sheet.row_dimensions[cell.row].height
            assert height is None or height >= 14 * lines, cell.coordinate


def test_the_patterns_of_the_dictionary_have_words() -> None:
    assert {f.constraints.pattern for t in tables().values() for f in t.fields} - {None} == set(PATTERNS)


def test_the_same_input_gives_the_same_bytes() -> None:
    table = tables()["justice_events"]
    assert workbook(table, "a") == workbook(table, "a")
    assert workbook(table, "a") != workbook(table, "b")
