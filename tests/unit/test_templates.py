"""Spreadsheets that agencies fill."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import openpyxl
import pytest

from evaluation.cli import dictionary_commands
from evaluation.dictionary.tables import tables
from evaluation.dictionary.templates.xlsx import workbook
from evaluation.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", [*tables()])
def test_the_data_sheet_has_the_header_alone_and_is_locked(name: str) -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook(tables()[name], "springfield_pd")))
    sheet = book[name]
    assert [c.value for c in sheet[1]] == [f.name for f in tables()[name].fields]
    assert sheet.max_row == 1
    assert sheet.protection.sheet
    assert sheet["A1"].protection.locked
    assert not sheet.column_dimensions["A"].protection.locked
    assert book["Lists"].sheet_state == "hidden"


def test_the_same_input_gives_the_same_bytes() -> None:
    table = tables()["justice_events"]
    assert workbook(table, "a") == workbook(table, "a")


def test_a_file_that_may_be_filled_is_not_replaced(tmp_path: Path) -> None:
    assert dictionary_commands.template("deaths", to="csv", agency="a", out=tmp_path) == 0
    assert (tmp_path / "deaths.csv").read_bytes().startswith(b"\xef\xbb\xbfagency_id,")
    with pytest.raises(UsageError):
        dictionary_commands.template("deaths", to="csv", agency="a", out=tmp_path)
