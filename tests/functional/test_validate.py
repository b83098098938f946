"""Checking a file before it is sent: by the command, as JSON, and in a marked copy of the clerk's own file."""

import json

import pytest
from openpyxl import Workbook, load_workbook

from evaluation.cli import call

HEADER = "agency_id,event_id,person_id,event_type,event_date,offence_date,offense_code,reason\n"
BAD = HEADER + (
    "courts,1,P77001,arrest,31/12/2024,2024-12-30,13A,new_crime\n"
    "courts,2,P77002,arest,2024-05-30,2024-05-30,13A,new_crime\n"
    "courts,2,P77002,arrest,2024-03-01,2024-12-30,=1+1,new_crime\n"
    ",3,,charge,2024-03-01,,13A,new\n"
)
GOOD = "agency_id,person_id,start_date,end_date,custody_type,legal_status,release_reason\njail,P1,2024-03-01,2024-03-04,jail,pretrial,bond\n"
PLACES = {  # of every error: its row and column
    ("unknown_column", 1, "offense_code"), ("required", 5, "agency_id"), ("required", 5, "person_id"),
    ("codelist", 3, "event_type"), ("type", 2, "event_date"), ("codelist", 5, "reason"),
    ("primary_key", 4, "agency_id"), ("offence_before_event", 4, "offence_date"),
}  # fmt: skip


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.csv"
    path.write_text(BAD)
    return path


def validate(capfd, *tokens, table="justice_events"):
    code = call(["validate", *map(str, tokens), "--table", table])
    out, err = capfd.readouterr()
    return code, out, err


def test_every_problem_is_named_with_its_row_and_column(file, capfd):
    code, out, _ = validate(capfd, file, "--json")
    told = json.loads(out)
    assert (code, told["ok"], told["rows"]) == (1, False, 4)
    assert {(f["rule"], f["row"], f["column"]) for f in told["findings"] if f["severity"] == "error"} == PLACES
    assert told["errors"] == len(PLACES)
    assert all(f["message"] and f["remedy"] for f in told["findings"])
    assert "not_after_death" in told["not_checked"]
    code, out, err = validate(capfd, file)
    assert "99/99/9999" in out
    assert err.strip() == "bad.csv: 8 errors to mend first, 0 warnings."
    assert "31/12" not in out
    assert "P77" not in out
    assert sorted(p.name for p in file.parent.iterdir()) == ["bad.csv"]


def test_a_right_file_and_whose_and_when(tmp_path, capfd):
    path = tmp_path / "stays.csv"
    path.write_text(GOOD)
    code, out, _ = validate(capfd, path, table="custody_periods")
    assert (code, "1 rows, nothing that must be mended, 0 warnings" in out) == (0, True)
    code, out, _ = validate(
        capfd, path, "--agency", "sheriff", "--period", "2024-04", "--json", table="custody_periods"
    )
    assert code == 1
    assert {f["rule"] for f in json.loads(out)["findings"]} == {"agency", "in_period"}


def colours(sheet):
    return {c.coordinate for row in sheet.iter_rows() for c in row if c.comment is not None}


CELLS = {"G1", "A5", "C5", "D3", "E2", "H5", "A4", "F4"}


def test_a_marked_copy_of_a_csv_file(file, capfd):
    code, out, _ = validate(capfd, file, "--marked", "marked.xlsx")
    assert (code, "Marked copy: marked.xlsx" in out) == (1, True)
    book = load_workbook(file.parent / "marked.xlsx")
    data, listed = book["Data"], book["Findings"]
    assert colours(data) == CELLS
    assert "This is not a date" in data["E2"].comment.text
    assert (data["G4"].value, data["G4"].data_type) == ("=1+1", "s")
    assert listed.max_row == 1 + len(PLACES)
    by_row = {listed.cell(n, 2).value: listed.cell(n, 2).hyperlink.location for n in range(2, listed.max_row + 1)}
    assert by_row[2] == "'Data'!E2"
    code, _, err = validate(capfd, file, "--marked", "marked.xlsx")
    assert (code, "this file exists" in err) == (1, True)
    assert validate(capfd, file, "--marked", "marked.xlsx", "--force")[0] == 1


def test_a_marked_copy_keeps_the_clerks_own_workbook(file, capfd):
    book = Workbook()
    sheet = book.active
    sheet.title = "justice_events"
    for line in BAD.splitlines():
        sheet.append([None if cell == "" else cell.replace("=", "is ") for cell in line.split(",")])
    sheet["B2"].number_format = "0.00"
    sheet.column_dimensions["A"].width = 33
    book.save(file.parent / "own.xlsx")
    before = (file.parent / "own.xlsx").read_bytes()
    assert validate(capfd, file.parent / "own.xlsx", "--marked", "marked.xlsx")[0] == 1
    assert (file.parent / "own.xlsx").read_bytes() == before
    again = load_workbook(file.parent / "marked.xlsx")
    assert again.sheetnames == ["justice_events", "Findings"]
    assert again["justice_events"].column_dimensions["A"].width == 33
    assert colours(again["justice_events"]) == CELLS


@pytest.mark.parametrize(("name", "content", "said"), [
    ("a.pdf", b"%PDF-1.7 ...", "PDF"),
    ("empty.csv", b"", "empty"),
    ("only.csv", HEADER.encode(), "a header and no rows"),
    ("names.csv", b"Ann,Lee,1990-01-31\nBo,Li,1991-01-31\n", "none of the names of the table's columns"),
])  # fmt: skip
def test_a_file_that_is_no_table_gets_one_clear_sentence(tmp_path, capfd, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    code, out, err = validate(capfd, path, "--json")
    told = json.loads(out)
    assert (code, len(told["findings"])) == (1, 1)
    assert said in told["findings"][0]["message"]
    assert "Ann" not in out + err


def test_wrong_use_is_told(tmp_path, capfd):
    code, _, err = validate(capfd, tmp_path / "none.csv")
    assert (code, "there is no such file" in err) == (1, True)
    (tmp_path / "a.csv").write_text(GOOD)
    code, _, err = validate(capfd, tmp_path / "a.csv", table="custody_period")
    assert (code, "Do you mean custody_periods?" in err) == (2, True)
    code, _, err = validate(capfd, tmp_path / "a.csv", "--period", "March", table="custody_periods")
    assert (code, '"March" is no period' in err) == (2, True)
