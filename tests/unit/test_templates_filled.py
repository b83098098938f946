"""A template filled with the dictionary's own examples is read without a finding of the schema."""

from __future__ import annotations

import io
from datetime import date
from typing import TYPE_CHECKING

import openpyxl
import pytest

from evaluation.data.intake.check import check
from evaluation.data.intake.known import Known
from evaluation.data.intake.received import receive, scratch_connection
from evaluation.dictionary.tables import tables
from evaluation.dictionary.templates.xlsx import workbook

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", [*tables()])
def test_a_filled_template_is_read(name: str, tmp_path: Path) -> None:
    table = tables()[name]
    book = openpyxl.load_workbook(io.BytesIO(workbook(table, "springfield_pd")))
    for place, field in enumerate(table.fields, start=1):
        value = "springfield_pd" if field.name == "agency_id" else field.example
        cell = book[name].cell(2, place, date.fromisoformat(str(value)) if field.type == "date" else value)
        cell.number_format = book[name].column_dimensions[cell.column_letter].number_format
    file = tmp_path / f"{name}.xlsx"
    book.save(file)
    connection = scratch_connection(tmp_path)
    findings, _ = check(receive(file, name, connection, tmp_path), table, connection, Known({}))
    assert [f.message for f in findings if f.level in ("file", "schema")] == []
