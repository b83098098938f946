"""Reading what agencies send: every kind of file, its text, and the row numbers a spreadsheet shows."""

import datetime as dt
import io
import zipfile

import duckdb
import openpyxl
import pandas as pd
import pytest

from evaluation.data.intake.kinds import Unreadable
from evaluation.data.intake.received import receive, scratch_connection


@pytest.fixture
def read(tmp_path):
    def reading(name, content):
        path = tmp_path / name
        if isinstance(content, bytes | str):
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        else:
            content(path)
        connection = scratch_connection(tmp_path)
        try:
            got = receive(path, "hearings", connection, tmp_path)
            rows = connection.execute("SELECT * FROM received ORDER BY row").fetchall()
        finally:
            connection.close()
        return got, rows

    return reading


PLAIN = [(2, "1", "zwei", None), (3, "4", "fünf", "6")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_separators_and_line_ends(read, encoding, separator, end):
    text = end.join(["a,b,c", "1,zwei,", "4,fünf,6", ""]).replace(",", separator)
    got, rows = read("x.csv", text.encode(encoding))
    assert got.headers == ("a", "b", "c")
    assert rows == PLAIN
    assert got.findings == ()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_count_as_rows_of_the_spreadsheet(read, end):
    got, rows = read("x.csv", end.join(["a,b", "1,2", "", "  ", "3,4", ",", "5,6", ""]))
    assert [row for row, *_ in rows] == [2, 5, 7]
    assert got.n_rows == 3


def test_a_line_end_within_quotation_marks_is_no_row(read):
    _, rows = read("x.csv", 'a,b\r\n"1\n1",2\r\n3,4\r\n')
    assert rows == [(2, "1\n1", "2"), (3, "3", "4")]


def test_uneven_rows_are_named_and_kept(read):
    got, rows = read("x.csv", "a,b,c\n1,2\n1,2,3,4\n1,2,3,,\n5,6,7\n")
    assert [(f.rule, f.row) for f in got.findings] == [("extra_cell", 3), ("missing_cell", 2)]
    assert rows[0] == (2, "1", "2", None)
    assert len(rows) == 4


def test_many_uneven_rows_are_summed_up(read):
    got, _ = read("x.csv", "a,b\n" + "1\n" * 150)
    assert len(got.findings) == 101
    assert got.findings[-1].count == 50


def test_the_quick_and_the_careful_way_agree(read):
    lines = [f'{i},"x, {i}",' for i in range(500)]
    _, quick = read("x.csv", "\n".join(["a,b,c", *lines]))
    _, careful = read("y.csv", "\n\n".join(["a,b,c", *lines]))
    assert [r[1:] for r in quick] == [r[1:] for r in careful]
    assert [r[0] for r in careful] == [2 * i + 3 for i in range(500)]


def _zip(names):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return held.getvalue()


WORKBOOK = io.BytesIO()
_book = openpyxl.Workbook()
_book.active.append(["a"])
_book.active.append([1])
_book.save(WORKBOOK)

WRONG = {
    "empty": (b"", "empty"),
    "blank": (b" \n \n", "nothing but blanks"),
    "pdf": (b"%PDF-1.7 ...", "PDF"),
    "png": (b"\x89PNG\r\n\x1a\n", "image"),
    "gzip": (b"\x1f\x8b\x08\x00", "gzip"),
    "old office": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "before 2007"),
    "password": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"), "password"),
    "html": (b"<html><table><tr><td>1</td></tr></table>", "web page"),
    "xml": (b'<?xml version="1.0"?><a/>', "web page or XML"),
    "json": (b'[{"a": 1}]', "JSON"),
    "binary": (b"a,b\n\x01\x02\x03", "binary"),
    "sqlite": (b"SQLite format 3\x00", "database"),
    "zip": (_zip({"a.csv": "a,b\n1,2\n"}), "ZIP archive"),
    "word": (_zip({"word/document.xml": "<w/>"}), "Word"),
    "odf": (_zip({"mimetype": "x", "content.xml": "<x/>"}), "OpenDocument"),
    "xlsb": (_zip({"xl/workbook.bin": "x"}), "binary workbook"),
    "bomb": (_zip({"xl/workbook.xml": b"0" * 30_000_000}), "far larger"),
    "broken zip": (WORKBOOK.getvalue()[:2000], "breaks off"),
    "broken workbook": (_zip({"xl/workbook.xml": "no xml"}), "damaged"),
    "broken parquet": (b"PAR1abcdefghPAR1", "Parquet"),
    "header only": (b"a,b,c\n", "no rows"),
    "2,000 columns": (",".join(f"c{i}" for i in range(2000)).encode() + b"\n1\n", "2,000 columns"),
    "open quote": (b'a,b\n1,"2\n' + b"3,4\n" * 5000, "never closed"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_file_gets_one_clear_sentence(read, kind):
    content, said = WRONG[kind]
    with pytest.raises(Unreadable) as caught:
        read("file.csv", content)
    finding = caught.value.finding
    assert said in finding.message
    assert finding.rule == ("no_rows" if kind == "header only" else "wrong_file")
    assert finding.remedy.endswith(".")


def test_no_such_file_and_a_folder(tmp_path, read):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(Unreadable), duckdb.connect() as connection:
            receive(path, "hearings", connection, tmp_path)


def test_a_workbook_gives_values_dates_and_row_numbers(read):
    def write(path):
        book = openpyxl.Workbook()
        sheet = book.active
        sheet.title = "Hearings"
        sheet.append(["n", "x", "day", "moment", "yes", "text"])
        sheet.append([3, 2.5, dt.date(2025, 3, 1), dt.datetime(2025, 3, 1, 12, 30), True, "007"])  # noqa: DTZ001
        sheet["A5"] = 4
        book.create_sheet("How to fill")["A1"] = "read me"
        book.save(path)

    got, rows = read("x.xlsx", write)
    assert got.sheet == "Hearings"
    assert rows[0] == (2, "3", "2.5", "2025-03-01", "2025-03-01 12:30:00", "true", "007")
    assert [r[0] for r in rows] == [2, 5]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda b: [b.create_sheet("two").append(["a"]), b.create_sheet("three").append(["b"])],
            "several filled sheets",
        ),
        (lambda b: b.active.delete_rows(2), "no rows"),
        (lambda b: b.active.insert_rows(1), "not in row 1"),
        (lambda b: b.active.delete_rows(1, 2), "empty"),
    ],
)
def test_workbooks_in_which_the_table_cannot_be_told(read, change, said):
    def write(path):
        book = openpyxl.Workbook()
        book.active.append(["a", "b"])
        book.active.append([1, 2])
        change(book)
        book.save(path)

    with pytest.raises(Unreadable) as caught:
        read("x.xlsx", write)
    assert said in caught.value.finding.message


def test_merged_cells_are_named(read):
    def write(path):
        book = openpyxl.Workbook()
        book.active.append(["a", "b"])
        book.active.append([1, 2])
        book.active.append([3, 4])
        book.active.merge_cells("A2:A3")
        book.save(path)

    got, _ = read("x.xlsx", write)
    assert [(f.rule, f.row) for f in got.findings] == [("merged_cells", 2)]
    assert "A2:A3" in got.findings[0].message


def test_parquet_columns_become_text(read):
    frame = pd.DataFrame({"n": [1.0, None], "x": [0.5, 1e300], "day": pd.to_datetime(["2025-03-01", None]),
                          "yes": [True, False], "text": ["007", ""]})  # fmt: skip
    got, rows = read("x.parquet", frame.to_parquet)
    assert got.headers == ("n", "x", "day", "yes", "text")
    assert rows == [(2, "1", "0.5", "2025-03-01", "true", "007"), (3, None, "1e+300", None, "false", None)]


def test_nested_parquet_is_refused(read):
    with pytest.raises(Unreadable, match="lists"):
        read("x.parquet", lambda path: pd.DataFrame({"a": [[1, 2]]}).to_parquet(path))
