"""How far the data reach, who may send, what is due and how good it is."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.data.store.agencies import Agency, Due, known_agency, read_agencies, write_agency
from evaluation.data.store.coverage import coverage, coverage_table
from evaluation.data.store.periods import period
from evaluation.data.store.standing import standing
from evaluation.data.store.status import status
from evaluation.data.store.submission import refuse
from evaluation.errors import DataError
from tests import stores
from tests.stores import send


@pytest.fixture
def store(tmp_path):
    stores.made(tmp_path)
    return stores.opened(tmp_path)


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
    table = coverage_table(coverage(store, date(2026, 3, 1)))
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
