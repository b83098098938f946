"""The store: periods, the chained log, and what is tampered with."""

import json
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.data.store.commits import commit_file, versions
from evaluation.data.store.periods import Period, period, periods
from evaluation.data.store.store import create, open_store
from evaluation.data.store.verify import settled_and_verified, verify
from evaluation.errors import DataError, UsageError
from tests import stores
from tests.stores import NOW, send, values


@pytest.fixture
def store(tmp_path):
    stores.made(tmp_path)
    return stores.opened(tmp_path)


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
    assert all(a.end == b.start for a, b in pairwise(found))
    assert all(since <= p.start and p.end <= until and period(p.name) == p for p in found)
    months = {"month": 1, "quarter": 3, "year": 12}[every]
    naive = [
        d
        for d in (date(y, m, 1) for y in range(since.year, until.year + 1) for m in range(1, 13, months))
        if d >= since
    ]
    assert [p.start for p in found] == naive[: len(found)]


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
