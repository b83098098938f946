"""From a clerk's file to a receipt, by the commands; and no identifier anywhere but in the clerk's own file."""

import json
import zipfile
from datetime import date

import pyarrow.parquet as pq
import pytest

from evaluation import resources
from evaluation.cli import call, intake
from evaluation.data.store.coverage import coverage
from evaluation.data.store.rights import position, removed_since
from evaluation.dictionary.codelists import codelist
from evaluation.dictionary.tables import tables
from tests import stores


@pytest.fixture
def base(tmp_path, monkeypatch):
    folder = stores.dictionary(tmp_path / "dictionary")
    monkeypatch.setattr(resources, "folder", lambda _name: folder)
    monkeypatch.setattr(intake, "now", lambda: stores.NOW)
    tables.cache_clear()
    codelist.cache_clear()
    stores.made(tmp_path)
    yield tmp_path
    tables.cache_clear()
    codelist.cache_clear()


@pytest.fixture
def send(base, capfd):
    """Send text (or bytes) as a file: exit code, stdout, stderr."""

    def sent(content, table, period="2025-03", agency="jail", *more, name="sent.csv"):
        file = base / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        code = call(["submit", str(file), "--table", table, "--agency", agency, "--period", period,
                     "--store", str(base / "store"), "--key-file", str(base / "key"), *more])  # fmt: skip
        out, err = capfd.readouterr()
        return code, out, err

    return sent


@pytest.fixture
def run(base, capfd):
    def ran(*tokens):
        code = call([*tokens, "--store", str(base / "store")])
        out, err = capfd.readouterr()
        return code, out, err

    return ran


def bytes_of(folder):
    """Every file's bytes, and those of Parquet decoded: pages, statistics, metadata."""
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        yield file, file.read_bytes()
        if file.suffix == ".parquet":
            opened = pq.ParquetFile(file)
            groups = [opened.metadata.row_group(i) for i in range(opened.metadata.num_row_groups)]
            told = [
                str(s and s.has_min_max and (s.min, s.max))
                for g in groups
                for s in (g.column(c).statistics for c in range(g.num_columns))
            ]
            yield file, repr((opened.read().to_pydict(), told, opened.schema_arrow, opened.metadata.metadata)).encode()


def test_no_identifier_is_ever_seen_again(base, send, run):
    heard = []
    heard += send(stores.persons(), "persons")
    heard += send(stores.events(), "justice_events", "2025-03", "jail", "--seal-key", str(base / "seal"))
    # refused ones: an identifier in every wrong place, the file's name, the header, a formula among them
    wrong = stores.persons([(*p[:3], "no day " + p[1], "x" + p[4], "=" + p[5], p[6]) for p in stores.PEOPLE])
    heard += send(wrong, "persons", "2025-04", name="Quackenbush 8642.csv")
    heard += send("\n".join(stores.persons().splitlines()[1:]), "persons", "2025-04")
    heard += send(stores.persons()[:-40].encode() + b'\xff\x00"Fenwick-Moss', "persons", "2025-04")
    heard += send(stores.events(people=[("PN77009X", "a")]), "justice_events", "2025-05")
    (base / "gone").write_text(f"{stores.PEOPLE[1][0]}\n")
    heard += run("status", "--json")
    heard += run("status", "--verify")
    heard += run("forget", "--agency", "jail", "--person-id-file", str(base / "gone"), "--key-file", str(base / "key"))
    told = "".join(str(h) for h in heard).replace("Quackenbush 8642.csv", "")  # the clerk's own name of the file
    assert [v for v in stores.PLANTED if v in told] == []
    assert [
        (str(f), v) for f, content in bytes_of(base / "store") for v in stores.PLANTED if v.encode() in content
    ] == []


def test_the_rows_come_back_as_they_were_sent_with_tokens_in_place_of_numbers(base, send):
    assert send(stores.persons(), "persons")[0] == 0
    code, out, _ = send(stores.events(), "justice_events", "2025-03", "jail", "--json")
    told = json.loads(out)["receipt"]
    assert (code, told["rows"], told["replaced_fields"], told["agreements"]) == (0, 9, ["person_id"], ["county"])
    store = stores.opened(base)
    events = store.delta("justice_events").to_pyarrow_table().to_pylist()
    people = store.delta("persons").to_pyarrow_table().to_pylist()
    assert {e["person_id"] for e in events} == {p["person_id"] for p in people}
    assert all(len(p["person_id"]) == 32 for p in people)
    assert sorted(p["birth_year"] for p in people) == [1979, 1987, 1991]
    assert {"first_name", "last_name", "birth_date", "ssn4", "state_id"} & set(people[0]) == set()
    assert sum(p["match_state_id"] is None for p in people) == 1
    assert {e["_submission"] for e in events} == {told["submission"]}


def test_the_same_file_again_changes_nothing(base, send):
    send(stores.counts(), "agency_counts")
    before = {str(f): c for f, c in bytes_of(base / "store")}
    code, out, _ = send(stores.counts(), "agency_counts")
    assert code == 0
    assert "nothing was changed" in out
    assert {str(f): c for f, c in bytes_of(base / "store")} == before


def test_sent_again_it_takes_the_place_and_the_history_stays(base, send):
    send(stores.counts(value=4), "agency_counts")
    send(stores.counts("2025-04"), "agency_counts", "2025-04")
    send(stores.counts("2025-03", "court"), "agency_counts", "2025-03", "court")
    code, out, _ = send(stores.counts(value=9), "agency_counts", "2025-03", "jail", "--json")
    assert (code, json.loads(out)["receipt"]["replaces"]) == (0, ["2025-03"])
    store = stores.opened(base)

    def values(version=None):
        return sorted((r["_agency"], r["_period"], r["count"]) for r in store.delta("agency_counts", version).to_pyarrow_table().to_pylist())  # fmt: skip

    assert values() == [("court", "2025-03", 4), ("jail", "2025-03", 9), ("jail", "2025-04", 4)]
    assert values(0) == [("jail", "2025-03", 4)]


def test_a_longer_period_takes_in_those_it_holds_and_a_part_of_it_is_refused(base, send, run):
    send(stores.counts("2025-01"), "agency_counts", "2025-01")
    send(stores.counts("2025-02"), "agency_counts", "2025-02")
    rows = stores.counts("2025-01") + stores.counts("2025-02").split("\n", 1)[1]
    code, out, _ = send(rows, "agency_counts", "2025-Q1", "jail", "--json")
    assert (code, json.loads(out)["receipt"]["replaces"]) == (0, ["2025-01", "2025-02"])
    assert stores.opened(base).delta("agency_counts").count() == 2
    code, _, err = send(stores.counts("2025-02"), "agency_counts", "2025-02")
    assert code == 1
    assert "sent before as part of 2025-Q1" in err
    assert run("status", "--verify")[0] == 0


@pytest.mark.parametrize(
    ("table", "agency", "period", "content", "said"),
    [
        ("agency_counts", "nobody", "2025-03", "", "knows no agency nobody; it knows jail, court"),
        ("agency_count", "jail", "2025-03", "", "Do you mean agency_counts?"),
        ("agency_counts", "jail", "2025-13", "", "Write a month as 2025-03"),
        ("agency_counts", "jail", "2026-02", "", "ends on 2026-02-28"),
        ("agency_counts", "jail", "2025-03", "agency_id;measure\njail;m", "refused"),
        ("agency_counts", "jail", "2025-03", "", "refused"),
        ("agency_counts", "jail", "2025-03", "%PDF-1.7", "refused"),
    ],
)
def test_refusals_say_why_and_store_nothing(base, send, table, agency, period, content, said):
    code, out, err = send(content, table, period, agency)
    assert code in (1, 2)
    assert said in out + err
    assert not (base / "store" / "tables").exists()
    assert not list((base / "store").rglob("*.parquet"))


def test_agreements_bind(base, send):
    agreement = base / "store" / "agreements" / "county.yaml"

    def change(old, new):
        agreement.write_text(stores.AGREEMENT.replace(old, new))
        return send(stores.counts(), "agency_counts")

    assert "no agreement names jail as a party" in change("[jail, court]", "[court]")[2]
    assert "covers the table agency_counts" in change("agency_counts: {", "trainings: {")[2]
    assert "county expired on 2025-12-31" in change("2030-12-31", "2025-12-31")[2]
    assert "these fields of agency_counts: count" in change("month, count]", "month]")[2]
    kinds = [e.kind for e in stores.opened(base).log.entries()]
    assert kinds == ["refused"] * 4
    assert change("x", "x")[0] == 0


def test_an_empty_column_is_not_sent_and_needs_no_agreement(base, send):
    agreement = base / "store" / "agreements" / "county.yaml"
    agreement.write_text(stores.AGREEMENT.replace("month, count]", "month]"))
    assert send("agency_id,measure,month,count\njail,m0,2025-03-01,\n", "agency_counts")[0] == 0


def test_a_table_of_people_needs_the_key(base, send, capfd):
    (base / "p.csv").write_text(stores.persons())
    code = call(["submit", str(base / "p.csv"), "--table", "persons", "--agency", "jail", "--period", "2025-03",
                 "--store", str(base / "store")])  # fmt: skip
    assert code == 1
    assert "under a key only" in capfd.readouterr().err


def test_rules_over_tables_find_the_person_behind_the_token(base, send):
    send(stores.persons([(*stores.PEOPLE[0][:3], "2020-06-05", *stores.PEOPLE[0][4:]), *stores.PEOPLE[1:]]), "persons")
    code, out, _ = send(stores.events(people=[*stores.PEOPLE[:1], ("UNKNOWN9", "x")], n=1), "justice_events")
    assert code == 1
    assert out.count("The person was a child.") == 1
    assert out.count("The record that this refers to is not known.") == 1


def test_a_record_sent_before_for_other_days_is_refused(base, send):
    send(stores.persons(), "persons")
    assert send(stores.events("2025-03"), "justice_events", "2025-03")[0] == 0
    again = stores.events("2025-04").replace("E2025-04", "E2025-03")
    code, out, _ = send(again, "justice_events", "2025-04")
    assert code == 1
    assert "sent before, for other days" in out
    assert send(stores.events("2025-04"), "justice_events", "2025-04")[0] == 0


def test_warnings_pass_and_are_counted(base, send, run):
    send(stores.persons(), "persons")
    late = stores.events(n=1).replace(",\r\n", ",2025-12-01\r\n")
    code, out, _ = send(late, "justice_events", "2025-03", "jail", "--json")
    assert (code, json.loads(out)["receipt"]["warnings"]) == (0, 3)
    quality = json.loads(run("status", "--json")[1])["quality"][0]
    assert quality["consistency"] == pytest.approx(3 / 6)  # three people sound, three events marked


def test_a_sealed_original_opens_with_its_key_alone(base, send, run):
    send(stores.persons(), "persons")
    _, out, _ = send(stores.events(), "justice_events", "2025-03", "jail", "--seal-key", str(base / "seal"), "--json")
    name = json.loads(out)["receipt"]["submission"]
    back = base / "back.csv"
    assert run("unseal", name, "--out", str(back), "--seal-key", str(base / "key"))[0] == 1
    assert not back.exists()
    assert run("unseal", name, "--out", str(back), "--seal-key", str(base / "seal"))[0] == 0
    assert back.read_bytes() == (base / "sent.csv").read_bytes()
    assert back.stat().st_mode & 0o077 == 0
    assert run("unseal", name, "--out", str(base / "store" / "x"), "--seal-key", str(base / "seal"))[0] == 1


def test_someone_withdraws(base, send, run):
    send(stores.persons(), "persons")
    send(stores.events("2025-02"), "justice_events", "2025-02", "jail", "--seal-key", str(base / "seal"))
    send(stores.events("2025-03"), "justice_events", "2025-03")
    token = next(p["person_id"] for p in stores.opened(base).delta("persons").to_pyarrow_table().to_pylist()
                 if p["birth_year"] == 1991)  # fmt: skip
    seen = position(stores.opened(base))
    (base / "gone").write_text("PN77002\n")
    code, out, _ = run("forget", "--agency", "jail", "--person-id-file", str(base / "gone"),
                       "--key-file", str(base / "key"), "--json")  # fmt: skip
    told = json.loads(out)
    assert (code, told["people"], told["rows"]) == (0, 1, {"justice_events": 6, "persons": 1})
    assert (told["copies_changed"], told["originals_erased"]) == (3, 1)
    held = [str(f) for f, c in bytes_of(base / "store") if token.encode() in c]
    assert held == [str(base / "store" / "removed.jsonl")]
    assert run("status", "--verify")[0] == 0
    store = stores.opened(base)
    assert [e.submission for e in removed_since(store, seen)] == [told["removed"]]
    assert removed_since(store, told["receipt"]) == []
    assert store.delta("justice_events").count() == 12
    # sent again, with a correction: left out, counted, and the original is not kept
    rows = stores.events("2025-03", first=5)
    code, out, _ = send(rows, "justice_events", "2025-03", "jail", "--seal-key", str(base / "seal"), "--json")
    again = json.loads(out)["receipt"]
    assert (code, again["rows"], again["dropped"], again["sealed_sha256"]) == (0, 6, 3, None)
    assert [str(f) for f, c in bytes_of(base / "store") if token.encode() in c] == held
    assert run("status", "--verify")[0] == 0


def test_history_stays_where_the_agreement_does_not_ask_for_it(base, send, run):
    (base / "store" / "agreements" / "county.yaml").write_text(
        stores.AGREEMENT.replace("history: true", "history: false")
    )
    send(stores.persons(), "persons")
    (base / "gone").write_text("PN77002\n")
    run("forget", "--agency", "jail", "--person-id-file", str(base / "gone"), "--key-file", str(base / "key"))
    store = stores.opened(base)
    assert (store.delta("persons").count(), store.delta("persons", 0).count()) == (2, 3)
    assert run("status", "--verify")[0] == 0


def test_the_same_person_elsewhere_goes_too_when_asked(base, send, run):
    send(stores.persons(), "persons")
    elsewhere = [("C-9", *p[1:]) if p[0] == "PN77002" else (f"C-{i}", *p[1:]) for i, p in enumerate(stores.PEOPLE)]
    send(stores.persons(elsewhere, "court"), "persons", "2025-03", "court")
    (base / "gone").write_text("PN77002\n")
    code, out, _ = run("forget", "--agency", "jail", "--person-id-file", str(base / "gone"), "--linked",
                       "--key-file", str(base / "key"), "--json")  # fmt: skip
    assert (code, json.loads(out)["people"], json.loads(out)["rows"]) == (0, 2, {"persons": 2})


def test_what_is_past_its_retention_goes(base, send, run, monkeypatch):
    send(stores.counts("2025-03"), "agency_counts", "2025-03")
    monkeypatch.setattr(intake, "now", lambda: "2029-01-31T00:00:00Z")
    send(stores.counts("2025-04"), "agency_counts", "2025-04")
    assert json.loads(run("status", "--json")[1])["past_retention"] == []
    monkeypatch.setattr(intake, "now", lambda: "2031-02-02T00:00:00Z")  # received on 2026-02-01, for five years
    monkeypatch.setattr("evaluation.cli.operating.now", lambda: "2031-02-02T00:00:00Z")
    past = json.loads(run("status", "--json")[1])["past_retention"]
    assert [(k["period"], k["until"]) for k in past] == [("2025-03", "2031-02-01")]
    code, out, _ = run("forget", "--expired", "--json")
    assert (code, len(json.loads(out)["submissions"]), json.loads(out)["rows"]) == (0, 1, {"agency_counts": 1})
    store = stores.opened(base)
    assert [r["_period"] for r in store.delta("agency_counts").to_pyarrow_table().to_pylist()] == ["2025-04"]
    assert len(list((base / "store" / "received").rglob("*.parquet"))) == 1
    assert run("status", "--verify")[0] == 0
    assert run("forget", "--expired")[1] == "Nothing is past its retention.\n"
    assert [(str(c.start_date), str(c.end_date)) for c in coverage(store, date(2032, 1, 1))] == [("2025-04-01", "2025-04-30")]  # fmt: skip


def test_an_operator_makes_a_store_and_lets_an_agency_send(base, capfd):
    store, agreement = base / "new", base / "county.yaml"
    agreement.write_text(stores.AGREEMENT)
    code = call(["agency", "jail", "--name", "County jail", "--due", "agency_counts:month:15", "--agreement",
                 str(agreement), "--project", "county", "--store", str(store)])  # fmt: skip
    assert code == 0, capfd.readouterr().err
    (base / "c.csv").write_text(stores.counts())
    assert call(["submit", str(base / "c.csv"), "--table", "agency_counts", "--agency", "jail", "--period", "2025-03",
                 "--store", str(store)]) == 0  # fmt: skip
    capfd.readouterr()
    assert call(["agency", "court", "--name", "Court", "--project", "other", "--store", str(store)]) == 1
    assert call(["agency", "Court", "--name", "Court", "--store", str(store)]) == 2
    assert call(["agency", "court", "--name", "Court", "--due", "agency_counts:week:3", "--store", str(store)]) == 2
    assert call(["agency", "court", "--name", "Court", "--store", str(base / "none")]) == 1
    capfd.readouterr()
    assert call(["status", "--store", str(store), "--json"]) == 0
    awaited = json.loads(capfd.readouterr().out)["awaited"]
    assert len(awaited) == 13  # the agreement starts in January 2025; January 2026 has just ended
    assert [(w["by"], w["state"]) for w in awaited[2:4]] == [("2025-04-15", "received late"), ("2025-05-15", "late")]
    assert awaited[-1]["state"] == "due"


def test_a_spreadsheet_goes_through(base, send):
    from openpyxl import Workbook

    book = Workbook()
    for row in [r.split(",") for r in stores.counts().split()]:
        book.active.append(row)
    book.active.title = "agency_counts"
    book.save(base / "made.xlsx")
    assert zipfile.is_zipfile(base / "made.xlsx")
    assert send((base / "made.xlsx").read_bytes(), "agency_counts", name="sent.xlsx")[0] == 0


def test_every_table_of_the_dictionary_goes_through_with_its_own_examples(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(intake, "now", lambda: stores.NOW)
    tables.cache_clear()
    names = sorted(tables(), key=lambda name: name != "persons")
    stores.made(tmp_path)
    head, rest = stores.AGREEMENT.split("tables:")[0], "purposes" + stores.AGREEMENT.split("purposes")[1]
    covered = "".join(f"  {name}: {{fields: all}}\n" for name in names)
    (tmp_path / "store" / "agreements" / "county.yaml").write_text(f"{head}tables:\n{covered}{rest}")
    for name in names:
        table = tables()[name]
        row = {f.name: "jail" if f.name == "agency_id" else f.example for f in table.fields}
        (tmp_path / f"{name}.csv").write_text(stores.csv_text(list(row), [list(row.values())]))
        year = str(row[table.period])[:4] if table.period else "2025"
        code = call(["submit", str(tmp_path / f"{name}.csv"), "--table", name, "--agency", "jail", "--period", year,
                     "--store", str(tmp_path / "store"), "--key-file", str(tmp_path / "key")])  # fmt: skip
        out, err = capfd.readouterr()
        assert code == 0, f"{name}\n{out}\n{err}"
    assert call(["status", "--verify", "--store", str(tmp_path / "store")]) == 0
    assert stores.opened(tmp_path).tables == sorted(names)
