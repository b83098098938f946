"""The slow reference for built cohorts against answers worked out by hand."""

from datetime import date

import pytest

from evaluation.study.cohort_building import Span
from tests.calendar_naive import age, elapsed, plus, plus_months
from tests.cohort_naive import Reference, Table
from tests.generative.cohorts import COLUMNS, study_of


def d(text):
    return date.fromisoformat(text)


@pytest.mark.parametrize(
    ("start", "months", "day"),
    [
        ("2020-01-31", 1, "2020-02-29"),
        ("2021-01-31", 1, "2021-02-28"),
        ("2020-01-31", 2, "2020-03-31"),  # from the start itself, not from February 29
        ("2020-02-29", 12, "2021-02-28"),
        ("2020-02-29", 48, "2024-02-29"),
        ("2020-03-31", -1, "2020-02-29"),
        ("2020-01-15", -1, "2019-12-15"),
        ("2020-11-30", 3, "2021-02-28"),
        ("2020-12-31", 0, "2020-12-31"),
    ],
)
def test_months_from_a_day(start, months, day):
    assert plus_months(d(start), months) == d(day)


@pytest.mark.parametrize(
    ("start", "day", "unit", "time"),
    [
        ("2020-01-15", "2020-01-15", "month", 0),
        ("2020-01-15", "2020-01-16", "month", 1 / 31),
        ("2020-01-15", "2020-02-14", "month", 30 / 31),
        ("2020-01-15", "2020-02-15", "month", 1),
        ("2020-01-31", "2020-02-28", "month", 28 / 29),  # the month ends on February 29
        ("2020-01-31", "2020-02-29", "month", 1),
        ("2020-01-31", "2020-03-01", "month", 1 + 1 / 31),  # from February 29 to March 31
        ("2020-01-31", "2020-03-30", "month", 1 + 30 / 31),
        ("2020-02-29", "2021-02-28", "month", 12),
        ("2020-02-29", "2021-02-27", "month", 11 + 29 / 30),  # January 29 to February 28
        ("2020-02-29", "2021-02-28", "year", 1),
        ("2020-01-15", "2020-07-15", "year", 0.5),
        ("2020-02-28", "2020-03-01", "day", 2),
        ("2020-02-28", "2020-03-10", "week", 11 / 7),
    ],
)
def test_time_elapsed(start, day, unit, time):
    assert elapsed(d(start), d(day), unit) == pytest.approx(time, abs=1e-15)


@pytest.mark.parametrize(
    ("born", "day", "years"),
    [
        ("1990-05-05", "2020-05-04", 29),
        ("1990-05-05", "2020-05-05", 30),
        ("1988-02-29", "2021-02-27", 32),
        ("1988-02-29", "2021-02-28", 33),  # the birthday in common years
        ("1988-02-29", "2020-02-28", 31),
        ("1988-02-29", "2020-02-29", 32),
    ],
)
def test_age(born, day, years):
    assert age(d(born), d(day)) == years


def test_lengths_back():
    assert plus(d("2020-03-31"), Span(count=1, unit="month"), -1) == d("2020-02-29")
    assert plus(d("2020-03-01"), Span(count=2, unit="week"), -1) == d("2020-02-16")
    assert plus(d("2020-02-29"), Span(count=1, unit="year"), -1) == d("2019-02-28")


GROUPS = {"13A": {"violent"}, "TRAFFIC": {"traffic"}}


def one(study, **rows):
    """The rows of one person's cohort, by hand-made rows of each table."""
    made = {
        n: Table(dict(c), [dict.fromkeys(c) | {"person_id": "p"} | r for r in rows.get(n, ())])
        for n, c in COLUMNS.items()
    }
    expected = Reference(study_of(study), made, GROUPS).cohort()
    return expected.rows, {step: n for step, _, n, _ in expected.flow}


def entry(day, program="court", **more):
    return {"entry_date": d(day), "program": program} | more


def event(day, kind="arrest", **more):
    return {"event_date": d(day), "event_type": kind} | more


def test_first_event_and_windows_are_end_exclusive():
    ((row,), _) = one(
        "plain", program_episodes=[entry("2020-01-15")], justice_events=[event("2020-02-14"), event("2020-02-15")]
    )
    assert (row["arm"], row["rearrest_event"], row["rearrest_time"]) == (1, 1, 1)  # February 14 ends at one month
    assert row["rearrest_follow_up"] == 5 + 16 / 30  # to July 1: June 15 and 16 of 30 days more
    assert [row[f"rearrest_count_{k}"] for k in (1, 2, 3)] == [1, 2, 2]
    assert [row[f"rearrest_days_{k}"] for k in (1, 2, 3)] == [31, 60, 91]
    assert row["rearrest_days"] == 168  # January 15 to June 30, both included
    ((row,), _) = one("plain", program_episodes=[entry("2020-01-15", "usual")], justice_events=[event("2020-02-15")])
    assert (row["arm"], row["rearrest_time"]) == (0, 1 + 1 / 29)


def test_old_offences_and_breaches_do_not_count():
    events = [event("2020-01-20", offence_date=d("2020-01-14")), event("2020-01-21", reason="technical_violation"),
              event("2020-01-22", "charge"), event("2020-01-23", offence_date=d("2020-01-15"))]  # fmt: skip
    ((row,), _) = one("plain", program_episodes=[entry("2020-01-15")], justice_events=events)
    assert row["rearrest_time"] == 9 / 31
    assert row["rearrest_count"] == 1


def test_death_competes_and_the_same_day_is_the_outcome():
    entries = [entry("2020-01-15")]
    ((row,), _) = one(
        "plain",
        program_episodes=entries,
        deaths=[{"death_date": d("2020-03-01")}],
        justice_events=[event("2020-03-02")],
    )
    assert (row["rearrest_event"], row["rearrest_time"], row["rearrest_count"]) == (2, 1 + 16 / 29, 0)
    assert row["rearrest_days"] == 47
    ((row,), _) = one(
        "plain",
        program_episodes=entries,
        deaths=[{"death_date": d("2020-03-01")}],
        justice_events=[event("2020-03-01")],
    )
    assert row["rearrest_event"] == 1
    rows, flow = one("plain", program_episodes=entries, deaths=[{"death_date": d("2020-01-14")}])
    assert (rows, flow["died_before"]) == ([], 1)


def test_street_clock():
    stays = [{"start_date": d("2020-01-15"), "end_date": d("2020-01-25")}, {"start_date": d("2020-01-20"), "end_date": d("2020-02-04")},
             {"start_date": d("2020-02-10"), "end_date": d("2020-02-10")}, {"start_date": d("2020-06-21")}]  # fmt: skip
    ((row,), _) = one("plain", program_episodes=[entry("2020-01-15")], custody_periods=stays)
    assert row["rearrest_street_days"] == 168 - 20 - 10
    assert row["rearrest_street_time"] == row["rearrest_street_follow_up"] == 138 / 30.436875
    assert [row[f"rearrest_street_days_{k}"] for k in (1, 2)] == [11, 40]
    ((row,), _) = one(
        "plain", program_episodes=[entry("2020-01-15")], custody_periods=stays, justice_events=[event("2020-02-05")]
    )
    assert row["rearrest_street_time"] == 2 / 30.436875  # February 4 at liberty, and the day itself
    assert row["rearrest_street_follow_up"] == (2 + 146) / 30.436875  # and from February 6 to June 30
    ((row,), _) = one(
        "plain", program_episodes=[entry("2020-01-15")], custody_periods=[{"start_date": d("2020-01-01")}]
    )
    assert (row["rearrest_street_days"], row["rearrest_street_time"], row["rearrest_time"]) == (
        0,
        None,
        row["rearrest_follow_up"],
    )


def test_index_events():
    rows, flow = one(
        "plain", program_episodes=[entry("2020-02-01"), entry("2020-01-15", "usual"), entry("2020-01-15", "usual")]
    )
    assert [(r["arm"], r["index_date"]) for r in rows] == [(0, d("2020-01-15"))]
    assert (flow["duplicate"], flow["later_events"]) == (1, 1)
    rows, _ = one("plain", program_episodes=[entry("2020-02-01", "usual"), entry("2020-02-01")])
    assert [r["arm"] for r in rows] == [1]
    rows, flow = one("lengths", program_episodes=[entry("2020-01-01"), entry("2020-01-31"), entry("2020-03-01")])
    assert ([r["index_date"] for r in rows], flow["clean_window"]) == (
        [d("2020-01-01")],
        2,
    )  # 30 days each, the first included
    rows, _ = one("every_event", program_episodes=[entry("2020-01-01", court="a"), entry("2020-02-01", "usual")])
    assert [(r["arm"], r["weight"], r["court"]) for r in rows] == [(1, 0.5, "a"), (0, 0.5, None)]
    rows, flow = one("years", program_episodes=[entry("2020-01-01"), entry("2020-02-01", "usual")])
    assert (rows, flow["crossover"]) == ([], 1)


def test_follow_up_ends_with_the_earliest_agency_and_the_lag():
    reach = [{"table": "justice_events", "end_date": d("2020-05-31"), "status": "final"},
             {"table": "deaths", "start_date": d("2020-01-10"), "status": "final"}]  # fmt: skip
    ((row,), _) = one(
        "bases", program_episodes=[entry("2020-01-15")], reach=reach, justice_events=[event("2020-04-30")]
    )
    assert row["decided_follow_up"] == 3 + 16 / 30  # April 30, a month before
    assert row["arrested_follow_up"] == 4 + 17 / 31
    ((row,), _) = one("bases", program_episodes=[entry("2020-01-09")], reach=reach)
    assert all(
        row[f"arrested_{name}"] is None for name in ("time", "event", "follow_up", "count", "days_1", "street_time")
    )
