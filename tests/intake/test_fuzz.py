"""Whatever bytes or tables come: a finding or a clear error, never a traceback. FUZZ=20000 looks for longer."""

import csv
import io
import os
import zipfile

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation.data.intake.check import Sent, check
from evaluation.data.intake.intake import headless
from evaluation.data.intake.kinds import Unreadable
from evaluation.data.intake.received import receive, scratch_connection
from evaluation.dictionary.compile_rules import Known
from evaluation.dictionary.tables import tables
from tests.intake.breaking import csv as as_csv
from tests.intake.breaking import example

EXAMPLES = int(os.environ.get("FUZZ", "120"))
SETTINGS = settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES < 1000, database=None,
                    suppress_health_check=list(HealthCheck))  # fmt: skip
NAMES = sorted(tables())
SENT = Sent("jail", "2025-01-01", "2026-01-01", "2026-02-01")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def looked_at(folder, name, content):
    """Read and check a file as a submission does; nothing but a finding may come of it."""
    file = folder / "sent.bin"
    file.write_bytes(content)
    table = tables()[name]
    with scratch_connection(folder) as connection:
        try:
            received = receive(file, name, connection, folder)
        except Unreadable as error:
            findings = [error.finding]
        else:
            no_header = headless(received, table)
            findings = [no_header] if no_header else check(received, table, connection, Known({}), SENT)[0]
    for f in findings:
        assert f.message, f
        assert f.remedy, f
        assert f.severity in ("error", "warning")
        assert f.row is None or f.row >= 1


def workbook(rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def parquet(row):
    content = io.BytesIO()
    pq.write_table(pa.table({k: pa.array([v, v]) for k, v in row.items()}), content)
    return content.getvalue()


ROW = example("custody_periods", agency_id="jail")
VALID = {
    "csv": as_csv([ROW, ROW]).encode(),
    "utf16": as_csv([ROW]).encode("utf-16"),
    "semicolon": as_csv([ROW]).replace(",", ";").encode("cp1252"),
    "xlsx": workbook([list(ROW), list(ROW.values())]),
    "parquet": parquet(ROW),
}


@SETTINGS
@given(content=st.binary(max_size=400), name=st.sampled_from(NAMES))
def test_any_bytes(folder, content, name):
    looked_at(folder, name, content)


@SETTINGS
@given(head=st.sampled_from([b"PAR1", b"PK\x03\x04", b"\xff\xfe", b"\xef\xbb\xbf", b"\xd0\xcf\x11\xe0", b"%PDF", b"<html>", b"{"]),
       content=st.binary(max_size=300))  # fmt: skip
def test_any_bytes_after_a_known_beginning(folder, head, content):
    looked_at(folder, "custody_periods", head + content)


@SETTINGS
@given(kind=st.sampled_from(sorted(VALID)), place=st.floats(0, 1), change=st.binary(min_size=1, max_size=12),
       cut=st.integers(0, 40))  # fmt: skip
def test_files_that_were_right_and_got_damaged(folder, kind, place, change, cut):
    content = VALID[kind]
    at = int(place * len(content))
    looked_at(folder, "custody_periods", content[:at] + change + content[at + cut :])


@SETTINGS
@given(place=st.floats(0, 1), change=st.binary(min_size=1, max_size=6), part=st.integers(0, 20))
def test_workbooks_whose_parts_got_damaged(folder, place, change, part):
    """Inside the archive, so that its checksums are right."""
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(VALID["xlsx"])) as old, zipfile.ZipFile(content, "w") as new:
        names = old.namelist()
        for i, name in enumerate(names):
            text = old.read(name)
            if i == part % len(names):
                at = int(place * len(text))
                text = text[:at] + change + text[at + len(change) :]
            new.writestr(name, text)
    looked_at(folder, "custody_periods", content.getvalue())


CELLS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", "NA", "2025-03-14", "9" * 40, "=1+1", "-", "1e308", "1e999", "0000-00-00", "9999-12-31", "true", "\x00",
                     "\u2028", "'", '"', "'; DROP TABLE received; --", "jail", "é", "\ufeff", "𝟙"]),
    st.integers().map(str),
    st.floats().map(str),
)  # fmt: skip


@SETTINGS
@given(data=st.data(), name=st.sampled_from(NAMES), separator=st.sampled_from(",;\t"),
       encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))  # fmt: skip
def test_any_table_of_text(folder, data, name, separator, encoding):
    fields = [f.name for f in tables()[name].fields]
    header = data.draw(
        st.lists(st.sampled_from([*fields, "other", "", fields[0].upper()]), min_size=1, max_size=len(fields))
    )
    rows = data.draw(st.lists(st.lists(CELLS, max_size=len(header) + 1), max_size=6))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(header)
    writer.writerows(rows)
    looked_at(folder, name, text.getvalue().encode(encoding, "replace"))


@SETTINGS
@given(data=st.data(), name=st.sampled_from(NAMES))
def test_any_values_in_every_column(folder, data, name):
    row = example(name) | data.draw(
        st.dictionaries(st.sampled_from([f.name for f in tables()[name].fields]), CELLS, max_size=4)
    )
    looked_at(folder, name, as_csv([row, example(name)]).encode("utf-8", "replace"))


@SETTINGS
@given(values=st.lists(st.one_of(st.none(), st.text(max_size=6), st.integers(-(2**60), 2**60), st.floats(), st.booleans(),
                                 st.dates(), st.datetimes()), min_size=1, max_size=7))  # fmt: skip
def test_any_workbook(folder, values):
    illegal = openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE
    kept = [illegal.sub("", v) if isinstance(v, str) else v for v in values]
    looked_at(folder, "custody_periods", workbook([list(ROW)[: len(kept)], kept]))
