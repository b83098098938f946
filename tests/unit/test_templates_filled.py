"""What becomes of a template when it is sent: filled in, half filled in, or as it was made."""

from __future__ import annotations

import io
from datetime import date
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest

from evaluation.cli import call
from evaluation.data.intake.check import check
from evaluation.data.intake.kinds import Unreadable
from evaluation.data.intake.known import Known
from evaluation.data.intake.received import receive, scratch_connection
from evaluation.dictionary.tables import tables
from evaluation.dictionary.templates.xlsx import workbook

if TYPE_CHECKING:
    from pathlib import Path

    from evaluation.dictionary.findings import Finding
    from evaluation.dictionary.tables import Field, Table

AGENCY = "springfield_pd"
N = 3
each_table = pytest.mark.parametrize("name", [*tables()])


def value(table: Table, field: Field, row: int) -> Any:
    """The example as a clerk types it; in each row another person, area or record, so that no two rows share a key."""
    if field.name == "agency_id":
        return AGENCY
    if row and field.name in (*table.primary_key, "person_id") and field.name != "category":
        if field.type == "integer":
            return int(field.example) + row
        if field.type == "string" and not field.codelist and not field.constraints.enum:
            return f"{field.example}{row}"
    return date.fromisoformat(str(field.example)) if field.type == "date" else field.example


def filled(table: Table, path: Path) -> Path:
    """The template with three rows in it, saved as a spreadsheet program would."""
    book = openpyxl.load_workbook(io.BytesIO(workbook(table, AGENCY)))
    sheet = book[table.name]
    for row in range(N):
        for place, field in enumerate(table.fields, start=1):
            cell = sheet.cell(2 + row, place, value(table, field, row))
            cell.number_format = sheet.column_dimensions[cell.column_letter].number_format
    book.save(path)
    return path


def checked(path: Path, table: Table, scratch: Path) -> tuple[int, list[Finding]]:
    with scratch_connection(scratch) as connection:
        received = receive(path, table.name, connection, scratch)
        findings, _ = check(received, table, connection, Known({}))
        return received.n_rows, findings


@each_table
def test_a_filled_template_has_nothing_to_mend(name: str, tmp_path: Path) -> None:
    table = tables()[name]
    n, findings = checked(filled(table, tmp_path / f"{name}.xlsx"), table, tmp_path)
    assert n == N
    assert [(f.row, f.column, f.rule, f.message) for f in findings if f.severity == "error"] == []
    assert [f for f in findings if f.level in ("file", "schema")] == []


@each_table
def test_an_untouched_template_is_refused_and_its_example_is_no_row(name: str, tmp_path: Path) -> None:
    table = tables()[name]
    (tmp_path / "empty.xlsx").write_bytes(workbook(table, AGENCY))
    with pytest.raises(Unreadable) as caught:
        checked(tmp_path / "empty.xlsx", table, tmp_path)
    assert "a header and no rows" in caught.value.finding.message


def test_an_untouched_csv_template_is_refused(tmp_path: Path) -> None:
    table = tables()["deaths"]
    assert call(["template", "deaths", "--to", "csv", "--agency", AGENCY, "--out", str(tmp_path)]) == 0
    with pytest.raises(Unreadable) as caught:
        checked(tmp_path / "deaths.csv", table, tmp_path)
    assert "a header and no rows" in caught.value.finding.message


def test_a_data_sheet_that_was_renamed_is_still_the_one_that_is_read(tmp_path: Path) -> None:
    table = tables()["hearings"]
    path = filled(table, tmp_path / "x.xlsx")
    book = openpyxl.load_workbook(path)
    book["hearings"].title = "March"
    book.save(path)
    n, findings = checked(path, table, tmp_path)
    assert (n, findings) == (N, [])


def test_the_guide_alone_is_never_taken_for_data(tmp_path: Path) -> None:
    table = tables()["hearings"]
    path = filled(table, tmp_path / "x.xlsx")
    book = openpyxl.load_workbook(path)
    del book["hearings"]
    book.save(path)
    with pytest.raises(Unreadable):
        checked(path, table, tmp_path)


@pytest.mark.parametrize(("column", "typed", "rule"), [
    ("hearing_date", "14/03/2025", "type"), ("agency_id", "", "required"), ("hearing_type", "other thing", "codelist"),
])  # fmt: skip
def test_what_is_filled_in_wrongly_is_found_at_its_cell(column: str, typed: str, rule: str, tmp_path: Path) -> None:
    table = tables()["hearings"]
    path = filled(table, tmp_path / "x.xlsx")
    book = openpyxl.load_workbook(path)
    place = [f.name for f in table.fields].index(column) + 1
    book["hearings"].cell(3, place).value = typed or None
    book.save(path)
    _, findings = checked(path, table, tmp_path)
    assert (3, column, rule) in {(f.row, f.column, f.rule) for f in findings}
