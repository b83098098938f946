"""What attackers and unlucky names did before: each is closed."""

import io
import json
import zipfile

import openpyxl
import pytest

from evaluation.cli import call, intake
from evaluation.data.store.status import status
from evaluation.data.store.store import open_store
from evaluation.dictionary.codelists import codelist
from evaluation.dictionary.tables import tables
from tests import stores
from tests.intake.breaking import csv, example


@pytest.fixture
def county(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "now", lambda: stores.NOW)
    tables.cache_clear()
    codelist.cache_clear()
    stores.made(tmp_path)
    covered = "".join(f"  {name}: {{fields: all}}\n" for name in tables())
    head, rest = stores.AGREEMENT.split("tables:")[0], "purposes" + stores.AGREEMENT.split("purposes")[1]
    (tmp_path / "store" / "agreements" / "county.yaml").write_text(f"{head}tables:\n{covered}{rest}")
    return tmp_path


@pytest.fixture
def send(county, capfd):
    def sent(rows, table, agency="jail", period="2025", name="sent.csv"):
        file = county / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(rows if isinstance(rows, bytes) else csv(rows).encode())
        capfd.readouterr()
        code = call(["submit", str(file), "--table", table, "--agency", agency, "--period", period, "--json",
                     "--store", str(county / "store"), "--key-file", str(county / "key")])  # fmt: skip
        out, err = capfd.readouterr()
        return code, json.loads(out), err

    return sent


def stay(person, day=14):
    return example("custody_periods", agency_id="jail", person_id=person, start_date=f"2025-03-{day:02d}",
                   end_date=f"2025-03-{day + 1:02d}")  # fmt: skip


def person(number):
    return example("persons", agency_id="jail", person_id=number, state_id=f"S{number}")


def test_a_file_of_people_that_leaves_some_out_is_refused(send):
    assert send([person("A1"), person("A2")], "persons")[0] == 0
    assert send([stay("A1"), stay("A2", 20)], "custody_periods")[0] == 0
    code, told, _ = send([person("A1"), person("A3")], "persons", period="2025-Q4")
    assert code == 1
    (found,) = [f for f in told["findings"] if f["rule"] == "people_left_out"]
    assert "1 people of whom you sent records are not in the file" in found["message"]
    assert send([person("A1"), person("A2"), person("A3")], "persons", period="2026-01")[0] == 0


def test_signs_in_a_files_name_are_no_pattern(send, county):
    (county / "feb1.csv").write_text(csv([stay("A1"), stay("A2")]))
    code, told, _ = send([stay("A3")], "custody_periods", name="feb[1].csv")
    assert (code, told["receipt"]["rows"]) == (0, 1)


def test_a_folder_above_the_store_is_no_column(county, capfd):
    moved = county / "sex=female"
    moved.mkdir(parents=True)
    (county / "store").rename(moved / "store")
    (county / "p.csv").write_text(csv([person("A1") | {"sex": "male"}, person("A2") | {"sex": "female"}]))
    assert call(["submit", str(county / "p.csv"), "--table", "persons", "--agency", "jail", "--period", "2025",
                 "--store", str(moved / "store"), "--key-file", str(county / "key")]) == 0  # fmt: skip
    import duckdb

    scan = open_store(moved / "store").scan("persons")
    assert sorted(duckdb.sql(f"SELECT sex FROM {scan}").fetchall()) == [("female",), ("male",)]


def test_a_path_that_delta_takes_for_something_else_is_refused(county, capfd):
    (county / "[2025]").mkdir()
    (county / "store").rename(county / "[2025]" / "store")
    assert call(["status", "--store", str(county / "[2025]" / "store")]) == 1
    assert "has [ ] in it" in capfd.readouterr().err


def test_an_agency_cannot_read_anothers_numbers_off_the_answers(send, county):
    arrests = [example("justice_events", agency_id="court", event_id=f"E{i}", person_id=f"P{i}", event_type="arrest",
                       event_date="2025-03-14", arrest_date="2025-03-14", offence_date="2025-03-14") for i in range(60)]  # fmt: skip
    assert send(arrests, "justice_events", agency="court")[0] == 0
    for guess in (20, 60, 400):
        count = example("agency_counts", agency_id="jail", month="2025-03-01", measure="arrests", count=guess)
        code, told, _ = send([count], "agency_counts")
        assert code == 0
        assert not [f for f in told["findings"] if f["rule"] == "arrests_as_sent"]
    opened = open_store(county / "store")
    (found,) = status(opened, tables_day()).differing
    assert (found.table, found.periods) == ("agency_counts", ["2025-03-01"])
    assert status(opened, tables_day(), "jail").differing == []


def tables_day():
    from datetime import date

    return date.fromisoformat(stores.NOW[:10])


def test_what_one_agency_tells_of_an_area_shuts_no_other_out(send):
    area = example("jurisdictions")
    assert send([area | {"agency_id": "court"}], "jurisdictions", agency="court")[0] == 0
    assert send([area | {"agency_id": "jail"}], "jurisdictions")[0] == 0


def test_a_cell_far_out_does_not_make_a_grid_without_end(send):
    book = openpyxl.Workbook()
    book.active.append(list(stay("A1")))
    book.active.append(list(stay("A1").values()))
    book.active["XFD1048576"] = "x"
    content = io.BytesIO()
    book.save(content)
    code, told, err = send(content.getvalue(), "custody_periods", name="far.xlsx")
    assert (code, "reaches to row 1,048,576" in told["findings"][0]["message"]) == (1, True)
    assert "panic" not in err
    with zipfile.ZipFile(io.BytesIO(content.getvalue())) as whole:
        assert sum(i.file_size for i in whole.infolist()) < 50_000


def test_the_store_is_for_nobody_else(tmp_path):
    (tmp_path / "a.yaml").write_text(stores.AGREEMENT)
    assert call(["agency", "jail", "--name", "Jail", "--project", "county", "--agreement", str(tmp_path / "a.yaml"),
                 "--store", str(tmp_path / "new")]) == 0  # fmt: skip
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
