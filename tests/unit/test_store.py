"""The store: periods, the chained log, what a stop leaves behind, what is tampered with, coverage, status."""

import json
from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.data.store import recovery
from evaluation.data.store.agencies import Agency, Due, known_agency, read_agencies, write_agency
from evaluation.data.store.commits import commit_file, versions
from evaluation.data.store.coverage import coverage, coverage_table
from evaluation.data.store.lock import locked
from evaluation.data.store.periods import Period, period, periods
from evaluation.data.store.rights import expire, forget
from evaluation.data.store.seal import seal, unseal
from evaluation.data.store.standing import standing
from evaluation.data.store.status import status
from evaluation.data.store.store import create, open_store
from evaluation.data.store.submission import Original, Submission, refuse, submit
from evaluation.data.store.tombstones import bury, tombstones
from evaluation.data.store.verify import settled_and_verified, verify
from evaluation.dictionary.agreements import read_agreements
from evaluation.errors import DataError, UsageError
from tests import stores

NOW = stores.NOW


@pytest.fixture
def store(tmp_path):
    stores.made(tmp_path)
    return stores.opened(tmp_path)


def rows(values, people=("aa", "bb")):
    n = len(values)
    return pa.table(
        {
            "person_id": pa.array([people[i % len(people)] for i in range(n)], pa.string()),
            "count": pa.array(values, pa.int64()),
        }
    )


def send(store, month="2025-03", values=(1, 2), agency="jail", table="agency_counts", now=NOW, original=None, **more):
    path = store.folder.parent / "file.csv"
    path.write_text(repr((month, values)))
    sha = original or f"{hash((month, values)) & (2**64 - 1):064x}"
    made = Submission(agency, table, period(month), more.pop("rows", None) or rows(list(values)),
                      Original(path, sha, "csv", more.pop("seal_key", None)), agreements=("county",), **more)  # fmt: skip
    return submit(store, made, now)


def values(store, version=None, table="agency_counts"):
    delta = store.delta(table, version)
    return sorted((r["_agency"], r["_period"], r["count"]) for r in delta.to_pyarrow_table().to_pylist())


# --------------------------------------------------------------------------- periods


def test_periods_are_the_days_of_the_calendar():
    assert period("2024-02") == Period(date(2024, 2, 1), date(2024, 3, 1), "2024-02")
    assert period("2025-q4") == Period(date(2025, 10, 1), date(2026, 1, 1), "2025-Q4")
    assert period(" 2025 ").last == date(2025, 12, 31)


@pytest.mark.parametrize(
    "text", ["", "25-03", "2025-00", "2025-13", "2025-3", "2025-Q5", "2025Q1", "2025-03-01", "٢٠٢٥", "1850"]
)
def test_other_forms_are_no_periods(text):
    with pytest.raises(UsageError, match="2025-Q1"):
        period(text)


@given(st.dates(date(1990, 1, 1), date(2080, 1, 1)), st.integers(0, 900), st.sampled_from(["month", "quarter", "year"]))
def test_periods_follow_each_other_without_a_gap(since, days, every):
    until = since + timedelta(days=days)
    found = list(periods(every, since, until))
    assert all(a.end == b.start for a, b in zip(found, found[1:], strict=False))
    assert all(since <= p.start and p.end <= until and period(p.name) == p for p in found)
    months = {"month": 1, "quarter": 3, "year": 12}[every]
    naive = [
        d
        for d in (date(y, m, 1) for y in range(since.year, until.year + 1) for m in range(1, 13, months))
        if d >= since
    ]
    assert [p.start for p in found] == naive[: len(found)]


# --------------------------------------------------------------------------- the store and its log


def test_a_store_is_made_once_and_where_nothing_is(tmp_path):
    assert open_store(create(tmp_path / "new", "county").folder).project == "county"
    for taken in ("new", "file"):
        (tmp_path / "file").write_text("x")
        with pytest.raises(DataError, match="something here already"):
            create(tmp_path / taken, "other")
    with pytest.raises(DataError, match="no store here"):
        open_store(tmp_path / "none")
    (tmp_path / "new" / "store.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        open_store(tmp_path / "new")


def test_a_log_is_cut_where_it_breaks_off_and_the_chain_goes_on(store):
    first = send(store).entry
    path = store.log.path
    path.write_bytes(path.read_bytes() + b'{"number":3,"kind":"acc')
    assert [e.number for e in store.log.entries()] == [1, 2]
    assert "breaks off" in store.log.broken()[0]
    entry = send(store, "2025-04").entry
    assert (entry.number, first.number) == (4, 2)
    assert store.log.broken() == []


def _altered(line):
    entry = json.loads(line)
    entry["content"] = {"rows": 99}
    return json.dumps(entry)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [lines[0], _altered(lines[1]), *lines[2:]], "line 2 of receipts.jsonl was altered"),
        (lambda lines: [lines[0], *lines[2:]], "line 2 of receipts.jsonl does not follow"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "line 2 of receipts.jsonl does not follow"),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], "line 4 of receipts.jsonl does not follow"),
        (lambda lines: [lines[0], "hello", *lines[2:]], "line 2 of receipts.jsonl is no receipt"),
        (lambda lines: [lines[0], "[]", *lines[2:]], "line 2 of receipts.jsonl is no receipt"),
        (lambda lines: lines[:-2], "no receipt tells of it"),  # the last receipts are gone, their version is not
        (lambda lines: lines[:-1], None),  # the intent is there, so its acceptance is written once more
    ],
)
def test_a_tampered_log_is_named(store, change, said):
    for month in ("2025-01", "2025-02", "2025-03"):
        send(store, month)
    assert settled_and_verified(store, NOW)[0] == []
    lines = store.log.path.read_text().splitlines()
    store.log.path.write_text("".join(line + "\n" for line in change(lines)))
    wrong = settled_and_verified(store, NOW)[0]
    if said is None:
        assert wrong == []
        return
    assert any(said in w for w in wrong)
    if "no receipt tells" not in said:
        before = store.log.path.read_bytes()
        with pytest.raises(DataError, match="Nothing is stored on a damaged log"):
            send(store, "2025-04")
        assert store.log.path.read_bytes() == before
        assert len(values(store)) == 6


def _files(store):
    place = store.place("agency_counts")
    return {
        "kept": next((store.folder / "received").rglob("*.parquet")),
        "data": next(p for p in place.rglob("*.parquet") if "_delta_log" not in p.parts),
        "version": commit_file(place, 1),
        "sealed": next(p for p in (store.folder / "sealed").rglob("*") if p.is_file()),
    }


@pytest.mark.parametrize("what", ["kept", "data", "version", "sealed"])
@pytest.mark.parametrize("how", ["altered", "missing"])
def test_a_tampered_file_is_named(store, what, how):
    send(store, "2025-01", seal_key=stores.SEAL)
    send(store, "2025-02")
    send(store, "2025-02", (5, 6))
    file = _files(store)[what]
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-1] + b"!")
    wrong = verify(store)
    assert f"{file.relative_to(store.folder)} {'is missing.' if how == 'missing' else 'was altered'}" in " ".join(wrong)


def test_a_version_that_nobody_sent_is_named(store):
    send(store)
    store.delta("agency_counts").delete("count = 1")
    assert "00000000000000000001.json changes the table agency_counts, but no receipt tells of it." in verify(store)[0]


def test_a_checkpoint_that_hides_a_file_is_named(store):
    send(store, "2025-01")
    send(store, "2025-02")
    place = store.place("agency_counts")
    real = commit_file(place, 1).read_bytes()
    lines = [line for line in real.splitlines() if b'"add"' not in line]
    commit_file(place, 1).write_bytes(b"\n".join(lines) + b"\n")
    store.delta("agency_counts").create_checkpoint()
    commit_file(place, 1).write_bytes(real)
    assert len(values(store)) == 2
    assert "a checkpoint was altered" in verify(store)[0]


def test_many_versions_with_checkpoints_stay_readable_and_sound(store):
    for n in range(105):
        send(store, values=(n, n + 1))
    assert list((store.place("agency_counts") / "_delta_log").glob("*.checkpoint.parquet"))
    assert len(versions(store.place("agency_counts"))) == 105
    assert values(store, 3) == [("jail", "2025-03", 3), ("jail", "2025-03", 4)]
    assert values(store) == [("jail", "2025-03", 104), ("jail", "2025-03", 105)]
    assert verify(store) == []


# --------------------------------------------------------------------------- stopped


def test_power_that_fails_after_the_commit_loses_nothing(store, monkeypatch):
    send(store, "2025-01")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("evaluation.data.store.submission.acceptance", stop)
    with pytest.raises(KeyboardInterrupt):
        send(store, "2025-02", (7, 8))
    monkeypatch.undo()
    place = store.place("agency_counts")
    data = next(p for p in place.rglob("*.parquet") if "2025-02" in str(p))
    data.write_bytes(b"")  # the disk never got it
    with locked(store.folder):
        recovery.recover(store, NOW)
    assert values(store) == [
        ("jail", "2025-01", 1),
        ("jail", "2025-01", 2),
        ("jail", "2025-02", 7),
        ("jail", "2025-02", 8),
    ]
    assert verify(store) == []


def test_a_commit_of_which_the_disk_has_a_part_is_void(store, monkeypatch):
    send(store, "2025-01")

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("evaluation.data.store.submission.acceptance", stop)
    with pytest.raises(KeyboardInterrupt):
        send(store, "2025-02", (7, 8))
    monkeypatch.undo()
    commit_file(store.place("agency_counts"), 1).write_bytes(b'{"commitIn')
    assert send(store, "2025-03").entry.kind == "accepted"
    assert [v[:2] for v in values(store)] == [("jail", "2025-01")] * 2 + [("jail", "2025-03")] * 2
    assert [e.kind for e in store.log.entries()] == ["intent", "accepted", "intent", "void", "intent", "accepted"]
    assert verify(store) == []
    assert len(list((store.folder / "received").rglob("*.parquet"))) == 1  # both kept rows are the same two


@pytest.mark.parametrize("step", ["bury", "_prepared", "_erase"])
@pytest.mark.parametrize("why", ["withdrawal", "retention"])
def test_a_removal_that_is_stopped_is_taken_up(store, monkeypatch, step, why):
    send(store, "2025-01", seal_key=stores.SEAL)
    send(store, "2025-02", now="2030-01-01T00:00:00Z")
    agreements = read_agreements(store.folder / "agreements")
    at = "2032-01-01T00:00:00Z"

    def stop(*_):
        raise KeyboardInterrupt

    def act():
        return forget(store, {"jail": ["aa"]}, agreements, at) if why == "withdrawal" else expire(store, agreements, at)

    place = "evaluation.data.store.rights" if step == "bury" else "evaluation.data.store.removal"
    monkeypatch.setattr(f"{place}.{step}", stop)
    if step == "bury" and why == "retention":
        assert act() is not None
    else:
        with pytest.raises(KeyboardInterrupt):
            act()
    monkeypatch.undo()
    assert settled_and_verified(store, at)[0] == []
    kinds = [e.kind for e in store.log.entries()]
    if step == "bury" and why == "withdrawal":
        assert kinds[-1] == "void"
        assert len(values(store)) == 4
    else:
        assert kinds[-1] == "removed"
        assert len(values(store)) == 2
        assert kinds.count("erasing") == 1


def test_a_tombstone_that_breaks_off_is_written_over(store):
    bury(store.folder, "one", {"jail": ["aa"]})
    path = store.folder / "removed.jsonl"
    path.write_bytes(path.read_bytes() + b'{"removal": "tw')
    assert tombstones(store.folder) == {"jail": {"aa"}}
    bury(store.folder, "two", {"court": ["cc"]})
    assert tombstones(store.folder) == {"jail": {"aa"}, "court": {"cc"}}


# --------------------------------------------------------------------------- what is stored


def test_columns_may_come_but_not_change_their_type(store):
    send(store, "2025-01")
    more = rows([3]).append_column("note", pa.array(["x"], pa.string()))
    send(store, "2025-02", rows=more)
    found = store.delta("agency_counts").to_pyarrow_table().to_pylist()
    assert sorted(str(r["note"]) for r in found) == ["None", "None", "x"]
    with pytest.raises(DataError, match="count holds text; in the store it holds whole numbers"):
        send(store, "2025-03", rows=pa.table({"person_id": ["a"], "count": ["12"]}))
    assert [e.kind for e in store.log.entries()][-1] == "accepted"


def test_no_cell_of_a_person_is_noted_in_deltas_log(store):
    send(store)
    for file in (store.place("agency_counts") / "_delta_log").iterdir():
        assert b'"aa"' not in file.read_bytes()
        assert b'\\"aa\\"' not in file.read_bytes()


def test_a_whole_table_takes_the_place_of_all_before_and_never_of_a_later(store):
    send(store, "2025-01", whole_table=True)
    assert send(store, "2025-02", (5,), whole_table=True).said["replaces"] == ["2025-01"]
    assert values(store) == [("jail", "2025-02", 5)]
    with pytest.raises(DataError, match="sent for 2025-02 already"):
        send(store, "2025-01", whole_table=True)


@pytest.mark.parametrize("size", [0, 1, (1 << 22) - 1, 1 << 22, (1 << 22) + 1, 9_000_000])
def test_a_sealed_file_opens_to_the_same_bytes(tmp_path, size):
    plain = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
    (tmp_path / "plain").write_bytes(plain)
    seal(tmp_path / "plain", tmp_path / "sealed", stores.SEAL, "ab")
    assert len(plain) < 100 or plain[:100] not in (tmp_path / "sealed").read_bytes()
    unseal(tmp_path / "sealed", tmp_path / "back", stores.SEAL, "ab")
    assert (tmp_path / "back").read_bytes() == plain


def test_a_sealed_file_that_was_changed_or_cut_does_not_open(tmp_path):
    (tmp_path / "plain").write_bytes(b"x" * 9_000_000)
    seal(tmp_path / "plain", tmp_path / "sealed", stores.SEAL, "ab")
    good, chunk, head = (tmp_path / "sealed").read_bytes(), (1 << 22) + 16, 20 + 32
    swapped = good[:head] + good[head + chunk : head + 2 * chunk] + good[head : head + chunk] + good[head + 2 * chunk :]
    for bad in (good[:-1], good[: head + chunk], swapped, good[:100] + b"!" + good[101:], b"", good[5:]):
        (tmp_path / "sealed").write_bytes(bad)
        with pytest.raises(DataError, match="does not open"):
            unseal(tmp_path / "sealed", tmp_path / "back", stores.SEAL, "ab")
        assert not (tmp_path / "back").exists()
    (tmp_path / "sealed").write_bytes(good)
    for key, sha in ((stores.KEY, "ab"), (stores.SEAL, "cd")):
        with pytest.raises(DataError, match="does not open"):
            unseal(tmp_path / "sealed", tmp_path / "back", key, sha)


# --------------------------------------------------------------------------- coverage, agencies, status


def test_a_missing_period_ends_the_coverage(store):
    for month in ("2025-01", "2025-02", "2025-04", "2025-Q3"):
        send(store, month)
    send(store, "2025-02", agency="court", now="2026-03-01T00:00:00Z")
    send(store, "2024", table="persons", whole_table=True)
    found = [(c.table, c.agency_id, c.start_date, c.end_date) for c in coverage(store, date(2026, 3, 1))]
    assert found == [
        ("agency_counts", "court", date(2025, 2, 1), date(2025, 2, 28)),
        ("agency_counts", "jail", date(2025, 1, 1), date(2025, 2, 28)),
        ("persons", "jail", None, date(2024, 12, 31)),
    ]
    assert len(coverage(store, date(2026, 2, 28))) == 2  # what the store did not yet have on that day
    send(store, "2025-03")
    assert coverage(store, date(2026, 3, 1))[1].end_date == date(2025, 4, 30)
    table = coverage_table(store, date(2026, 3, 1))
    assert table.column_names == ["table", "agency_id", "start_date", "end_date"]


@given(st.lists(st.sampled_from([f"2025-{m:02d}" for m in range(1, 13)]), min_size=1, max_size=9, unique=True))
def test_coverage_is_the_run_of_days_from_the_first(months):
    from evaluation.data.store.coverage import reached

    sent = [period(m) for m in months]
    days = {p.start + timedelta(days=i) for p in sent for i in range((p.end - p.start).days)}
    day = min(days)
    while day in days:
        day += timedelta(days=1)
    assert reached(sent) == day


def test_agencies_are_added_and_changed_with_the_rest_left_alone(store):
    write_agency(store, Agency(id="lab", name="Crime lab", due=(Due(table="drug_tests", every="month", days=10),)))
    write_agency(store, Agency(id="court", name="Superior court"))
    text = (store.folder / "agencies.yaml").read_text()
    assert "# who may send" in text
    assert list(read_agencies(store.folder)) == ["jail", "court", "lab"]
    assert known_agency(store, "court").name == "Superior court"
    for bad in (
        "jail",
        "- {id: a}",
        "- {id: A B, name: x}",
        "- {id: a, name: x}\n- {id: a, name: y}",
        "[",
        "- id: a\n  nmae: x",
    ):
        (store.folder / "agencies.yaml").write_text(bad)
        with pytest.raises(DataError):
            read_agencies(store.folder)


def test_status_tells_what_came_what_is_late_and_how_good_it_is(store):
    figures = {"rows": 10, "cells": 40, "required": 20, "filled": 18, "marked": 1, "broken": 4}
    write_agency(
        store,
        Agency(
            id="jail", name="Jail", due=(Due(table="agency_counts", every="month", days=15, since=date(2025, 9, 1)),)
        ),
    )
    send(store, "2025-09", now="2025-10-15T12:00:00Z", quality=figures)
    send(store, "2025-10", now="2025-11-16T12:00:00Z", quality=figures)
    said = {"agency": "jail", "table": "agency_counts", "period": "2025-11", "original_sha256": "f" * 64,
            "reasons": {"type": 6}, "quality": figures | {"broken": 6}}  # fmt: skip
    refuse(store, said, "2025-12-03T12:00:00Z")
    refuse(store, said, "2025-12-04T12:00:00Z")  # the same file again counts once
    found = status(store, date(2026, 1, 14), "jail")
    assert [(w.period, w.by, w.state) for w in found.awaited] == [
        ("2025-09", "2025-10-15", "received"), ("2025-10", "2025-11-15", "received late"),
        ("2025-11", "2025-12-15", "rejected"), ("2025-12", "2026-01-15", "due"),
    ]  # fmt: skip
    assert [(r.period, r.reasons) for r in found.rejected] == [("2025-11", {"type": 6})]
    q = found.quality[0]
    assert (q.completeness, q.timeliness) == (2 / 3, 1 / 3)  # of the three months whose day has come
    assert (q.filled, q.consistency, q.correctness) == (54 / 60, 27 / 30, (120 - 14) / 120)
    send(store, "2025-11", now="2026-01-15T12:00:00Z", quality=figures)
    late = status(store, date(2026, 1, 17), "jail")
    assert late.rejected == []
    assert [w.state for w in late.awaited] == ["received", "received late", "received late", "late"]
    assert late.ending == []
    assert [(e.agreement, e.days) for e in status(store, date(2030, 10, 2), "jail").ending] == [("county", 90)]
    assert status(store, date(2030, 10, 1), "jail").ending == []


def test_a_quarter_that_came_by_months_came_when_the_last_did(store):
    write_agency(
        store,
        Agency(
            id="jail", name="Jail", due=(Due(table="agency_counts", every="quarter", days=30, since=date(2025, 1, 1)),)
        ),
    )
    send(store, "2025-02", now="2025-03-02T00:00:00Z")
    send(store, "2025-01", now="2025-03-03T00:00:00Z")
    assert status(store, date(2025, 4, 20), "jail").awaited[0].state == "due"
    send(store, "2025-03", now="2025-05-01T00:00:00Z")
    assert status(store, date(2025, 6, 20), "jail").awaited[0].state == "received late"


def test_what_stands_is_the_latest_of_each_period(store):
    send(store, "2025-01")
    second = send(store, "2025-01", (8, 9))
    found = standing(store.log.entries())
    assert {p: s.receipt.submission for p, s in found["jail", "agency_counts"].items()} == {
        "2025-01": second.entry.submission
    }
