"""Files that clerks send by mistake: each is refused with the stated finding, and the store stays as it was, byte for byte.

The rules of the tables have their files in `test_every_rule`; here are wrong kinds of file, wrong headers and wrong cells.
"""

import hashlib
import io
import json
import zipfile

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation.cli import call, intake
from evaluation.data.intake.check import check
from evaluation.data.intake.received import receive, scratch_connection
from evaluation.dictionary.codelists import codelist
from evaluation.dictionary.compile_rules import Known
from evaluation.dictionary.tables import tables
from tests import stores
from tests.intake.breaking import csv, example

PLANTED = "QJ7-4451-XK"  # stands where a person's number or name may stand


def stay(**changed):
    """A row of stays in custody that is right."""
    return example("custody_periods", **{"agency_id": "jail", "person_id": PLANTED, **changed})


def stays(*rows, **changed):
    return csv(list(rows) or [stay(**changed)]).encode()


def archive(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in files.items():
            made.writestr(name, text)
    return content.getvalue()


def workbook(change=lambda _: None, rows=None):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "custody_periods"
    listed = rows or [stay()]
    sheet.append(list(listed[0]))
    for row in listed:
        sheet.append(list(row.values()))
    change(sheet)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def parquet(columns):
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content)
    return content.getvalue()


def renamed(old, new):
    return stays().decode().replace(old, new, 1).encode()


GOOD = stays()
HEADER = GOOD.split(b"\n")[0]
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
MANY = ",".join(f"c{i}" for i in range(2000)).encode() + b"\n" + b",".join([b"1"] * 2000) + b"\n"

# name -> (content, rule, row, column): the finding that must be there
WRONG_KIND = {
    "empty": (b"", "wrong_file"),
    "blanks": (b" \n\t\n ", "wrong_file"),
    "header_alone": (HEADER + b"\n", "no_rows"),
    "pdf": (b"%PDF-1.7\n1 0 obj", "wrong_file"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(64), "wrong_file"),
    "jpeg": (b"\xff\xd8\xff\xe0" + bytes(64), "wrong_file"),
    "gzip": (b"\x1f\x8b\x08\x00" + bytes(64), "wrong_file"),
    "rich_text": (b"{\\rtf1 agency_id}", "wrong_file"),
    "seven_zip": (b"7z\xbc\xaf\x27\x1c" + bytes(64), "wrong_file"),
    "program": (b"MZ" + bytes(64), "wrong_file"),
    "old_excel": (OLE, "wrong_file"),
    "password": (OLE + "EncryptedPackage".encode("utf-16-le"), "wrong_file"),
    "web_page_as_workbook": (b"\xef\xbb\xbf<TABLE><tr><td>agency_id", "wrong_file"),
    "web_page": (b"<html><body><table><tr><td>agency_id</td></tr></table>", "wrong_file"),
    "xml": (b'<?xml version="1.0"?><rows/>', "wrong_file"),
    "json": (b'[{"agency_id": "jail"}]', "wrong_file"),
    "binary": (bytes(range(1, 32)) * 40, "wrong_file"),
    "database": (b"SQLite format 3\x00" + bytes(64), "wrong_file"),
    "archive": (archive({"stays.csv": GOOD.decode()}), "wrong_file"),
    "word": (archive({"word/document.xml": "<w/>"}), "wrong_file"),
    "open_document": (archive({"mimetype": "x", "content.xml": "<x/>"}), "wrong_file"),
    "binary_workbook": (archive({"xl/workbook.bin": "x"}), "wrong_file"),
    "zip_bomb": (archive({"xl/workbook.xml": b"0" * 30_000_000}), "wrong_file"),
    "truncated_workbook": (workbook()[:1500], "wrong_file"),
    "damaged_workbook": (archive({"xl/workbook.xml": "no xml"}), "wrong_file"),
    "damaged_parquet": (b"PAR1" + bytes(40) + b"PAR1", "wrong_file"),
    "truncated_parquet": (parquet({"agency_id": ["jail"] * 100})[:200], "wrong_file"),
    "two_thousand_columns": (MANY, "wrong_file"),
    "open_quote": (HEADER + b'\njail,"open\n' + b"jail,x\n" * 4000, "wrong_file"),
    "nested_parquet": (parquet({"agency_id": [["jail"]]}), "wrong_file"),
    "no_header": (f"jail,{PLANTED},2025-03-14\njail,{PLANTED},2025-03-15\n".encode(), "no_header"),
    "empty_workbook": (workbook(lambda s: s.delete_rows(1, 5)), "wrong_file"),
    "workbook_header_alone": (workbook(lambda s: s.delete_rows(2)), "no_rows"),
    "table_not_in_row_1": (workbook(lambda s: s.insert_rows(1)), "wrong_file"),
    "two_sheets": (
        workbook(lambda s: (setattr(s, "title", "one"), s.parent.create_sheet("two").append(["agency_id"]))),
        "wrong_file",
    ),
    "nul_in_text": (GOOD.replace(b"2025", b"20\x0025", 1), "wrong_file"),
}
WRONG_TABLE = {
    "column_twice": (renamed("end_date", "start_date"), "duplicate_column", 1, "start_date"),
    "required_column_missing": (renamed("start_date", "begun"), "missing_column", 1, "start_date"),
    "nearly_its_name": (renamed("start_date", "startdate"), "unknown_column", 1, "startdate"),
    "another_english": (renamed("facility", "facilty"), "unknown_column", 1, "facilty"),
    "blank_name": (renamed("custody_type", ""), "unknown_column", 1, "column E"),
    "row_too_long": (GOOD + GOOD.split(b"\n")[1] + b",extra\n", "extra_cell", 3, ""),
    "row_too_short": (GOOD + b"jail,x\n", "missing_cell", 3, ""),
    "wrong_separator": (GOOD.replace(b'","', b"|").replace(b",", b"|"), "no_header", 1, ""),
    "title_above": (b"Stays of March\n" + GOOD, "no_header", 1, ""),
    "header_twice": (HEADER + b"\n" + GOOD, "type", 2, "start_date"),
    "other_names_in_parquet": (parquet({f"{k}_x": [v] for k, v in stay().items()}), "no_header", 1, ""),
    "parquet_of_other_types": (
        parquet({k: [v] for k, v in (stay() | {"start_date": 45730}).items()}),
        "type",
        2,
        "start_date",
    ),
    "serial_number_in_workbook": (workbook(rows=[stay(start_date=45730)]), "type", 2, "start_date"),
    "formula_unsolved": (workbook(lambda s: s.__setitem__("D2", "=C2+1")), "formula_unsolved", 2, "end_date"),
    "beyond_the_header": (workbook(lambda s: s.__setitem__("J2", "see note")), "extra_cell", 2, ""),
    "rows_of_another_separator": (
        GOOD.replace(b",", b";").replace(HEADER.replace(b",", b";"), HEADER),
        "missing_cell",
        2,
        "",
    ),
    "header_of_two_separators": (HEADER.replace(b",", b";", 2) + GOOD[len(HEADER) :], "missing_column", 1, "agency_id"),
    "total_at_the_end": (GOOD + b"Total,,,,,,\n", "required", 3, "person_id"),
    "mark_amidst": (stays(start_date="\ufeff2025-03-14"), "type", 2, "start_date"),
    "semicolons": (stays(start_date="14/03/2025").replace(b",", b";"), "type", 2, "start_date"),
    "tabs": (stays(start_date="14/03/2025").replace(b",", b"\t"), "type", 2, "start_date"),
    "carriage_returns_alone": (stays(start_date="14/03/2025").replace(b"\n", b"\r"), "type", 2, "start_date"),
    "wide_without_mark": (stays(start_date="14/03/2025").decode().encode("utf-16-le"), "type", 2, "start_date"),
    "wide_the_other_way": (stays(start_date="14/03/2025").decode().encode("utf-16-be"), "type", 2, "start_date"),
    "western": (stays(facility="Gef\xe4ngnis *").decode().encode("cp1252"), "pattern", 2, "facility"),
    "merged_cells": (
        workbook(lambda s: s.merge_cells("C2:D3"), rows=[stay(), stay(start_date="2025-04-14")]),
        "merged_cells",
        2,
        None,
    ),
    "another_agency": (stays(agency_id="court"), "agency", 2, "agency_id"),
    "another_period": (stays(start_date="2024-03-14"), "in_period", 2, "start_date"),
    "same_row_twice": (stays(stay(), stay()), "primary_key", 3, "agency_id"),
    "not_come_yet": (stays(end_date="2027-03-14"), "future_date", 2, "end_date"),
    "formula": (stays(facility="=HYPERLINK(1)"), "formula", 2, "facility"),
    "formula_at": (stays(facility="@SUM(A1)"), "formula", 2, "facility"),
    "formula_tab": (stays(facility="\t=1"), "formula", 2, "facility"),
    "long_text": (stays(facility="x" * 20_000), "max_length", 2, "facility"),
    "long_number": (stays(person_id="7" * 65), "max_length", 2, "person_id"),
    "unknown_code": (stays(custody_type="dungeon"), "codelist", 2, "custody_type"),
    "code_in_capitals": (stays(custody_type="JAIL"), "codelist", 2, "custody_type"),
    "code_misspelt": (stays(release_reason="sentence served"), "codelist", 2, "release_reason"),
    "nothing_required": (stays(start_date=None), "required", 2, "start_date"),
    "blank_required": (stays(person_id="   "), "required", 2, "person_id"),
    "na_required": (stays(start_date="NA"), "required", 2, "start_date"),
    "agency_pattern": (stays(agency_id="County Jail"), "pattern", 2, "agency_id"),
    "too_early": (stays(start_date="1850-01-01"), "minimum", 2, "start_date"),
}
DATES = {
    "american": "03/14/2025", "european": "14.03.2025", "slashes": "2025/03/14", "two_digits": "14-3-25",
    "serial": "45730", "no_such_day": "2025-02-30", "no_such_month": "2025-13-01", "month_alone": "2025-03",
    "words": "14 March 2025", "time_too": "2025-03-14 23:59", "zero": "0000-00-00", "arabic_digits": "٢٠٢٥-٠٣-١٤",
    "full_width": "２０２５-03-14", "long_dash": "2025–03–14", "five_digit_year": "20250-03-14", "negative": "-2025-03-14",
    "nbsp_inside": "2025-\u00a003-14", "zero_width": "2025\u200b-03-14", "leap": "2023-02-29", "infinity": "infinity",
    "epoch": "epoch", "today": "today",
}  # fmt: skip
INTEGERS = {
    "decimals": "1.5", "point_zero": "1.0", "exponent": "1e3", "thousands": "1,000", "spaces": "1 000", "word": "two",
    "plus": "+ 3", "arabic": "٣", "full_width": "３", "superscript": "3²", "hexadecimal": "0x10", "nan": "NaN",
    "infinity": "inf", "too_many_digits": "9" * 30, "per_cent": "5%", "range": "1-2", "underscore": "1_0", "minus": "−3",
}  # fmt: skip
NUMBERS = {"comma": "1,5", "nan": "NaN", "infinity": "Infinity", "two_points": "1.2.3", "unit": "3 h", "dollar": "$3",
           "arabic": "٣٫٥", "empty_exponent": "1e"}  # fmt: skip
BOOLEANS = {"word": "maybe", "two": "2", "german": "ja", "cross": "x", "both": "yes/no"}


KINDS = {
    "date": (DATES, "custody_periods", "end_date"), "integer": (INTEGERS, "overdose_events", "naloxone_doses"),
    "number": (NUMBERS, "treatment_sessions", "hours"), "boolean": (BOOLEANS, "hearings", "attended"),
}  # fmt: skip
# every cell of these tables is of a person: what it holds may not be shown
CELLS = {f"{kind}_{name}": text for kind, (texts, *_) in KINDS.items() for name, text in texts.items() if len(text) > 2}


def _cells():
    for kind, (texts, table, field) in KINDS.items():
        for name, text in texts.items():
            row = example(table, agency_id="jail", person_id=PLANTED, **{field: text})
            yield f"{kind}_{name}", table, csv([row]).encode(), "type", 2, field


FILES = {name: ("custody_periods", content, rule, None, None) for name, (content, rule) in WRONG_KIND.items()}
FILES |= {name: ("custody_periods", *said) for name, said in WRONG_TABLE.items()}
FILES |= {name: (table, *said) for name, table, *said in _cells()}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    base = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "now", lambda: stores.NOW)
        tables.cache_clear()
        codelist.cache_clear()
        stores.made(base)
        covered = "".join(f"  {name}: {{fields: all}}\n" for name in tables())
        head, rest = stores.AGREEMENT.split("tables:")[0], "purposes" + stores.AGREEMENT.split("purposes")[1]
        (base / "store" / "agreements" / "county.yaml").write_text(f"{head}tables:\n{covered}{rest}")
        (base / "good.csv").write_bytes(GOOD)
        assert call(["submit", str(base / "good.csv"), "--table", "custody_periods", "--agency", "jail", "--period", "2025",
                     "--store", str(base / "store"), "--key-file", str(base / "key")]) == 0  # fmt: skip
        yield base


def fingerprints(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "receipts.jsonl"}  # fmt: skip


def test_there_are_enough_of_them():
    assert len(FILES) >= 130


@pytest.mark.parametrize("name", FILES)
def test_it_is_refused_with_the_stated_finding_and_nothing_changes(store, capfd, name):
    table, content, rule, row, column = FILES[name]
    file = store / "sent.csv"
    file.write_bytes(content)
    before, log = fingerprints(store / "store"), (store / "store" / "receipts.jsonl").read_text()
    capfd.readouterr()
    code = call(["submit", str(file), "--table", table, "--agency", "jail", "--period", "2025", "--json",
                 "--store", str(store / "store"), "--key-file", str(store / "key")])  # fmt: skip
    out, err = capfd.readouterr()
    assert code == 1
    found = [f for f in json.loads(out)["findings"] if f["rule"] == rule]
    assert found, out
    assert found[0]["severity"] == "error"
    assert found[0]["message"].endswith(".")
    assert found[0]["remedy"].endswith((".", ")"))
    if row is not None:
        assert found[0]["row"] == row
    if column:
        assert found[0]["column"] == column
    assert PLANTED not in out + err
    assert "Traceback" not in err
    if name in CELLS:
        told = f"{found[0]['message']} {found[0]['remedy']}".replace("such as 2025-03-31", "")
        assert CELLS[name] not in told
    assert fingerprints(store / "store") == before
    after = (store / "store" / "receipts.jsonl").read_text()
    assert after.startswith(log)
    added = after[len(log) :].splitlines()
    assert [json.loads(line)["kind"] for line in added] == ["refused"]
    assert PLANTED not in after


def test_a_file_of_one_row_over_and_over_does_not_take_for_ever(tmp_path):
    """Rules that hold rows of a file against each other wait until each key stands there once."""
    row = example("agency_counts", agency_id="jail")
    file = tmp_path / "same.csv"
    file.write_text(csv([row]) + csv([row]).split("\n")[1].join(["", "\n"]) * 200_000)
    with scratch_connection(tmp_path) as connection:
        received = receive(file, "agency_counts", connection, tmp_path)
        findings, left_out = check(received, tables()["agency_counts"], connection, Known({}))
    assert sum(f.count for f in findings if f.rule == "primary_key") == 200_000
    assert {"same_total", "sudden_change"} <= set(left_out)


@pytest.mark.parametrize(("header", "told"), [
    ("offence place", "offence place"), (PLANTED, "column E"), ("2025-03-14", "column E"), ("21067", "column E"),
    ("m.lopez@example.org", "column E"), ("x" * 41, "column E"),
])  # fmt: skip
def test_a_header_is_shown_only_where_it_can_be_a_name(tmp_path, header, told):
    file = tmp_path / "sent.csv"
    file.write_bytes(renamed("custody_type", header))
    with scratch_connection(tmp_path) as connection:
        received = receive(file, "custody_periods", connection, tmp_path)
        findings, _ = check(received, tables()["custody_periods"], connection, Known({}))
    assert [(f.column, f.severity) for f in findings if f.rule == "unknown_column"] == [(told, "warning")]
    assert told == header or header not in " ".join(f"{f.message} {f.remedy}" for f in findings)


def test_an_empty_text_is_the_result_of_a_formula(tmp_path):
    """Excel saves `=IF(...,"",...)` as a text without letters."""
    file = tmp_path / "sent.xlsx"
    content = workbook(lambda s: s.__setitem__("D2", '=IF(C2="",C2,"")'), rows=[stay(release_reason=None)])
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'<c r="D2">', b'<c r="D2" t="str">'))
    with scratch_connection(tmp_path) as connection:
        assert receive(file, "custody_periods", connection, tmp_path).findings == ()
