"""Cohorts from tables: who is followed from when, what counts as the first event, and what is refused.

Every expected figure is reckoned by hand from the days in the test.
"""

from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation.data.assemble.cohort import build_cohort
from evaluation.data.parquet import MARK, PLANTED
from evaluation.errors import DataError
from evaluation.study.models import Study
from tests.engines import LOCAL, on_spark


def day(text):
    return None if text is None else date.fromisoformat(text)


def write(folder, name, rows, columns, planted=None):
    """A table; columns that end in `_date` hold days."""
    names = columns.split()
    dated = [n.endswith("_date") for n in names]
    arrays = {}
    for j, n in enumerate(names):
        values = [day(r[j]) if dated[j] else r[j] for r in rows]
        arrays[n] = pa.array(values, pa.date32() if dated[j] else None)
    notes = {} if planted is None else {PLANTED: repr(planted).encode()}
    pq.write_table(pa.table(arrays).replace_schema_metadata(notes), folder / f"{name}.parquet")


EPISODES = "person_id entry_date program exit_reason agency_id score"
EVENTS = "person_id event_type event_date offence_date offence_code offence_level reason"
STAYS, DEATHS = "person_id start_date end_date", "person_id death_date"
INDEX = {"table": "program_episodes", "date": "entry_date"}
REARREST = {"id": "rearrest", "kind": "recidivism", "marker": "arrest"}


def court(person, entry, program="court", reason="graduated", agency="x", score=1.0):
    return (person, entry, program, reason, agency, score)


def arrest(person, on, offence=None, code="35A", level="felony", reason="new_crime", kind="arrest"):
    return (person, kind, on, offence, code, level, reason)


def study_of(tables, outcomes, design, data):
    return Study.model_validate({
        "study": "made", "title": "Made", "question": "Made?",
        "intervention": {"kind": "drug_court", "name": "Program", "description": "What was done."},
        "data": {"tables": {t: f"{t}.parquet" for t in tables}, "as_of": "2022-12-31", **data},
        "design": {"type": "cohort", "index": INDEX | {"where": {"program": "court"}},
                   "comparison": INDEX | {"where": {"program": "probation"}}, **design},
        "outcomes": outcomes,
        "analyses": [{"id": "main", "role": "primary", "outcome": outcomes[0]["id"], "estimator": "cox"}],
        "disclosure": {"profile": "none"}})  # fmt: skip


@pytest.fixture
def made(tmp_path):
    """Builds a cohort from lists of rows; gives rows by (person, day), the flow by step, and the checks by name."""

    def build(episodes, justice=(), deaths=None, stays=None, more=None, outcomes=(REARREST,), data=None, columns=EVENTS,
              **design):  # fmt: skip
        write(tmp_path, "program_episodes", episodes, EPISODES)
        width = len(columns.split())
        blank = tuple("2000-01-01" if c.endswith("_date") else "-" for c in columns.split())
        write(tmp_path, "justice_events", [*(e[:width] for e in justice), blank], columns)
        names = ["program_episodes", "justice_events"]
        for name, rows, cols in [("deaths", deaths, DEATHS), ("custody_periods", stays, STAYS), *(more or [])]:
            if rows is not None:
                write(tmp_path, name, rows, cols)
                names.append(name)
        told = [{**o, "competing": ["death"]} if deaths is not None and "competing" not in o and o["kind"] != "death"
                else o for o in outcomes]  # fmt: skip
        built = build_cohort(study_of(names, told, design, data or {}), tmp_path, tmp_path / "out" / "cohort.parquet")
        rows = pq.read_table(built.source.files[0]).to_pylist()
        found = {(r["person_id"], r["index_date"].isoformat()): r for r in rows}
        assert len(found) == len(rows)
        return found, {f.step: (f.n_dropped, f.n_remaining) for f in built.flow}, {c.check: c for c in built.checks}

    return build


OTHER = court("z", "2020-01-01", "probation", None)  # so that both arms have someone


def only(found, person="a"):
    (row,) = (r for (p, _), r in found.items() if p == person)
    return row


# --------------------------------------------------------------------------- index events


def test_rows_without_person_or_date_after_the_last_day_and_again_are_counted(made):
    found, flow, _ = made([
        court("a", "2020-01-01"), court("a", "2020-01-01"), court("", "2020-01-01"), court("b", None),
        court(None, "2020-01-01"), court("c", "2023-01-01"), court("c", "2022-12-31"), OTHER,
        court("d", "2020-01-01", "other")])  # fmt: skip
    assert list(found) == [("a", "2020-01-01"), ("c", "2022-12-31"), ("z", "2020-01-01")]
    assert [flow[s] for s in ("index_events", "no_person_or_date", "after_as_of", "duplicate", "later_events")] == [
        (0, 8), (3, 5), (1, 4), (1, 3), (0, 3)]  # fmt: skip
    assert [r["arm"] for r in found.values()] == [1, 1, 0]


def test_a_row_in_both_pools_is_the_program_s(made):
    found, flow, _ = made(
        [court("a", "2020-01-01"), court("z", "2020-01-01", "probation")], comparison=INDEX | {"where": {}}
    )
    assert [r["arm"] for r in found.values()] == [1, 0]
    assert flow["index_events"] == (0, 2)


@pytest.mark.parametrize(("window", "kept"), [("0 days", 3), ("30 days", 2), ("31 days", 1), ("1 month", 1)])
def test_the_clean_window_counts_its_first_day_and_events_that_are_dropped_themselves(made, window, kept):
    # 30 days apart, then 31: one month before March 1 is February 1, before March 31 is February 29.
    rows = [court("a", "2020-01-30"), court("a", "2020-02-29"), court("a", "2020-03-31"), OTHER]
    found, _, _ = made(
        rows, clean_window=window, index=INDEX | {"where": {"program": "court"}, "first_per_person": False}
    )
    assert sum(p == "a" for p, _ in found) == kept


def test_the_first_event_counts_and_on_one_day_the_program(made):
    rows = [court("a", "2020-03-01"), court("a", "2020-02-01", "probation"), court("b", "2020-01-01"),
            court("b", "2020-01-01", "probation")]  # fmt: skip
    found, flow, checks = made(rows)
    assert {k: r["arm"] for k, r in found.items()} == {("a", "2020-02-01"): 0, ("b", "2020-01-01"): 1}
    assert flow["later_events"] == (2, 2)
    assert checks["crossover"].counts == (1, 1)


def test_people_in_both_pools_can_be_left_out(made):
    rows = [court("a", "2020-03-01"), court("a", "2020-02-01", "probation"), court("b", "2020-01-01"), OTHER]
    found, flow, _ = made(rows, crossover="exclude")
    assert [p for p, _ in found] == ["b", "z"]
    assert (flow["people"], flow["crossover"], flow["later_events"]) == ((0, 3), (1, 2), (0, 2))


def test_every_index_event_is_followed_with_its_weight(made):
    rows = [court("a", "2020-01-01"), court("a", "2020-06-01"), court("a", "2021-01-01"), OTHER]
    every = INDEX | {"where": {"program": "court"}, "first_per_person": False}
    rule = {"reason": "An arrest", "table": "justice_events", "date": "event_date"}
    found, flow, _ = made(rows, [arrest("a", "2020-12-01")], index=every, exclude=[rule])
    assert {k: r["weight"] for k, r in found.items()} == {
        ("a", "2020-01-01"): 0.5, ("a", "2020-06-01"): 0.5, ("z", "2020-01-01"): 1.0}  # fmt: skip
    assert flow["exclude_1"] == (1, 3)


# --------------------------------------------------------------------------- death, include, exclude


def test_the_dead_before_the_index_date_leave_and_those_who_die_on_it_stay(made):
    deaths = [("a", "2019-12-31"), ("b", "2020-01-01"), ("c", "2021-01-01"), ("c", "2019-01-01"), ("d", None)]
    found, flow, _ = made([court(p, "2020-01-01") for p in "abcd"] + [OTHER], deaths=deaths)
    assert [p for p, _ in found] == ["b", "d", "z"]
    assert flow["died_before"] == (2, 3)
    assert (found["b", "2020-01-01"]["rearrest_event"], found["b", "2020-01-01"]["rearrest_days"]) == (2, 1)


def test_rules_look_back_from_the_day_before_the_index_date(made):
    rule = {"reason": "An arrest", "table": "justice_events", "date": "event_date", "within": "6 months"}
    # Six months before August 31 is the last of February, which is within.
    people = {"a": "2020-08-31", "b": "2020-02-28", "c": "2020-02-29", "d": "2020-08-30"}
    episodes = [court(p, "2020-08-31") for p in people] + [OTHER]
    found, flow, _ = made(episodes, [arrest(p, on) for p, on in people.items()], exclude=[rule])
    assert [p for p, _ in found] == ["a", "b", "z"]
    assert flow["exclude_1"] == (2, 3)
    ever, _, _ = made(episodes, [arrest(p, on) for p, on in people.items()], exclude=[rule | {"within": None}])
    assert [p for p, _ in ever] == ["a", "z"]


def test_rules_are_applied_in_order_and_each_counts_those_who_leave(made):
    episodes = [court("a", "2020-01-01", agency="y"), court("b", "2020-01-01"), court("c", "2020-01-01"), OTHER]
    found, flow, _ = made(
        episodes, [arrest("b", "2019-01-01", code="13A"), arrest("a", "2019-01-01", code="13A")],
        include=[{"reason": "Court x", "where": {"agency_id": "x"}}],
        exclude=[{"reason": "Violence", "table": "justice_events", "where": {"offence_code": ["13A", "11A"]}}])  # fmt: skip
    assert [p for p, _ in found] == ["c", "z"]
    assert (flow["include_1"], flow["exclude_1"]) == ((1, 3), (1, 2))


def test_codes_that_look_like_numbers_are_text_in_a_column_of_text(made):
    rule = {"reason": "Robbery", "table": "justice_events", "where": {"offence_code": ["13A", 120]}}
    found, _, _ = made(
        [court("a", "2020-01-01"), court("b", "2020-01-01"), OTHER], [arrest("a", "2019-01-01", code="120")],
        exclude=[rule], characteristics={"robber": {"column": "agency_id", "equals": 5}})  # fmt: skip
    assert [(p, r["robber"]) for (p, _), r in found.items()] == [("b", 0), ("z", 0)]


def test_nobody_left_is_an_error(made):
    with pytest.raises(DataError, match="nobody is left"):
        made([court("a", "2020-01-01")], include=[{"reason": "None", "where": {"agency_id": "?"}}])


# --------------------------------------------------------------------------- characteristics


def test_characteristics_are_of_the_day_before_the_index_date(made):
    persons = [("a", "2000-02-29", "f"), ("b", "1990-03-01", "m"), ("b", "1990-03-02", "m"), ("c", "2030-01-01", None)]
    events = [
        arrest("a", "2019-02-28"),
        arrest("a", "2018-02-27"),
        arrest("a", "2018-02-28"),
        arrest("b", "2019-02-27"),
    ]
    look = {"table": "justice_events", "date": "event_date"}
    found, _, checks = made(
        [court("a", "2019-02-28", score=7.0), court("b", "2019-02-28"), court("b", "2019-02-28", score=2.0),
         court("c", "2019-02-28", score=float("nan")), OTHER],
        events, more=[("persons", persons, "person_id birth_date sex")],
        characteristics={"age": {"table": "persons", "age_from": "birth_date"},
                         "female": {"table": "persons", "column": "sex", "equals": "f"},
                         "risk": {"column": "score"}, "court_x": {"column": "agency_id", "equals": ["x"]},
                         "arrests": look, "recent": look | {"within": "1 year"},
                         "any_before": look | {"measure": "any"}})  # fmt: skip
    names = ("age", "female", "risk", "court_x", "arrests", "recent", "any_before")
    # Born on February 29, 19 on February 28 of a common year; two birth dates are none, and so are two scores.
    assert [only(found, "a")[n] for n in names] == [19, 1, 7.0, 1, 2, 1, 1]
    assert [only(found, "b")[n] for n in names] == [None, 0, None, 1, 1, 1, 1]
    assert [only(found, "c")[n] for n in names] == [None, None, None, 1, 0, 0, 0]
    assert (checks["differing_rows"].term, checks["differing_rows"].counts) == ("age", (1,))


def test_an_age_from_a_year_of_birth_is_reckoned_from_its_middle(made):
    persons = [("a", 2000), ("b", 2000), ("c", None), ("d", 2030)]
    episodes = [
        court("a", "2019-06-30"),
        court("b", "2019-07-01"),
        court("c", "2019-07-01"),
        court("d", "2019-07-01"),
        OTHER,
    ]
    found, _, _ = made(episodes, [arrest("a", "2019-12-01")], more=[("persons", persons, "person_id birth_year")],
                       characteristics={"age": {"table": "persons", "age_from": "birth_year"}})  # fmt: skip
    assert [only(found, p)["age"] for p in "abcd"] == [18, 19, None, None]


# --------------------------------------------------------------------------- time


@pytest.mark.parametrize(
    ("index", "event", "unit", "time"),
    [
        ("2020-01-01", "2020-01-01", "day", 1.0),  # the index day is day one
        ("2020-01-01", "2020-01-14", "week", 2.0),
        ("2020-01-01", "2020-01-01", "month", 1 / 31),
        ("2020-01-01", "2020-06-30", "month", 6.0),  # the last day of the window of six months
        ("2020-01-01", "2020-07-01", "month", 6 + 1 / 31),
        ("2019-01-31", "2019-02-27", "month", 1.0),  # January 31 and a month is February 28
        ("2020-02-29", "2021-02-27", "year", 1.0),  # February 29 and a year is February 28
        ("2020-02-29", "2021-02-28", "month", 12 + 1 / 29),
    ],
)
def test_time_to_the_first_event(made, index, event, unit, time):
    found, _, _ = made([court("a", index), OTHER], [arrest("a", event), arrest("a", "2022-01-01")], time_unit=unit)
    assert only(found)["rearrest_time"] == pytest.approx(time, abs=1e-12)
    assert only(found)["rearrest_event"] == 1


def test_follow_up_ends_with_the_earliest_of_the_sources_needed_less_the_lag(made):
    coverage = [("justice_events", "2019-06-01", "2021-12-31"), ("justice_events", None, "2021-06-30"),
                ("program_episodes", "2020-06-01", "2020-12-31"), ("deaths", "2019-01-01", None)]  # fmt: skip
    found, _, checks = made(
        [court("a", "2020-01-01"), court("b", "2019-05-31"), court("c", "2021-04-01"), court("d", "2021-03-31"), OTHER],
        [arrest("a", "2021-04-01")], deaths=[("q", "2020-01-01")], stays=[("q", "2020-01-01", "2020-01-02")],
        outcomes=[REARREST | {"lag": "3 months"}], data={"coverage": {"table": "reach"}},
        more=[("reach", coverage, "table start_date end_date")])  # fmt: skip
    a = only(found)  # June 30, 2021 less three months: March 30; the arrest on April 1 is not known yet
    assert (a["rearrest_event"], a["rearrest_time"]) == (0, pytest.approx(14 + 30 / 31))
    assert a["rearrest_follow_up"] == a["rearrest_time"]
    for person in "bcd":
        assert all(
            only(found, person)[f"rearrest_{c}"] is None for c in ("time", "event", "follow_up", "count", "days")
        )
    assert checks["not_followed"].counts == (3, 2)
    assert checks["coverage"].term == "custody_periods"


# --------------------------------------------------------------------------- which events count


def test_offences_before_the_index_date_never_count(made):
    events = [arrest("a", "2020-03-01", "2019-12-31"), arrest("a", "2020-05-01", "2020-01-01")]
    found, _, checks = made([court("a", "2020-01-01"), OTHER], events)
    assert only(found)["rearrest_time"] == pytest.approx(4 + 1 / 31)
    assert checks["pseudo_recidivism"].counts == (1,)


def test_new_crime_is_the_default_and_filters_name_groups(made):
    events = [arrest("a", "2020-02-01", reason="technical_violation"), arrest("a", "2020-03-01", reason="warrant"),
              arrest("a", "2020-04-01", reason="program_sanction"), arrest("a", "2020-05-01", code=" traffic "),
              arrest("a", "2020-06-01", code="??", level="misdemeanor"), arrest("a", "2020-07-01", code="13A", reason=None)]  # fmt: skip
    filters = {"new": {}, "no_traffic": {"exclude": ["traffic"]}, "violent": {"include": ["violent", "technical"]},
               "felony": {"include": ["felony"], "exclude": ["traffic", "warrant"]}}  # fmt: skip
    outcomes = [REARREST | {"id": name, "offence": offence} for name, offence in filters.items()]
    found, _, checks = made([court("a", "2020-01-01"), OTHER], events, outcomes=outcomes)
    assert [only(found)[f"{n}_count"] for n in filters] == [3, 5, 2, 3]
    assert checks["unknown_offence_codes"].counts == (1,)
    assert (checks["technical_mixed"].term, checks["technical_mixed"].counts) == ("felony", (2, 1))


def test_without_reasons_technical_violations_cannot_be_told(made):
    _, _, checks = made([court("a", "2020-01-01"), OTHER], [arrest("a", "2020-02-01")],
                        columns="person_id event_type event_date offence_date offence_code offence_level")  # fmt: skip
    assert checks["technical_unknown"].status == "warn"


def test_the_date_basis_and_events_without_that_date(made):
    columns = "person_id event_type event_date offence_date disposition_date"
    events = [
        ("a", "arrest", "2020-02-01", "2020-01-15", None),
        ("a", "arrest", "2020-03-01", "2020-02-15", "2020-06-01"),
    ]
    outcomes = [
        REARREST | {"id": basis, "date_basis": basis} for basis in ("event", "offence", "arrest", "disposition")
    ]
    found, _, checks = made(
        [court("a", "2020-01-01"), OTHER], events, outcomes=outcomes, columns=columns, time_unit="day"
    )
    # The table has no arrest_date, and an arrest's own date is event_date.
    assert [only(found)[f"{o['id']}_time"] for o in outcomes] == [32, 15, 32, 153]
    assert (checks["undated_events"].term, checks["undated_events"].counts) == ("disposition", (1,))
    with pytest.raises(DataError, match=r'no column "filing_date"'):
        made([court("a", "2020-01-01"), OTHER], events, outcomes=[REARREST | {"date_basis": "filing"}], columns=columns)


def test_kinds_of_outcome(made):
    moves = [("a", "2020-02-10", "out"), ("a", "2020-02-01", "in"), ("a", None, "out")]
    outcomes = [{"id": "moved", "kind": "event", "events": {"table": "moves", "date": "move_date", "where": {"way": "out"}}},
                {"id": "died", "kind": "death"}, REARREST | {"id": "anything", "marker": "any"}]  # fmt: skip
    found, _, _ = made([court("a", "2020-01-01"), OTHER], [arrest("a", "2020-01-03", kind="charge")], time_unit="day",
                       deaths=[("a", "2020-03-01")], more=[("moves", moves, "person_id move_date way")],
                       outcomes=outcomes)  # fmt: skip
    a = only(found)
    assert [(a[f"{o}_time"], a[f"{o}_event"]) for o in ("moved", "died", "anything")] == [(41, 1), (61, 1), (3, 1)]
    assert a["died_days"] == 61  # nobody is at risk after death


# --------------------------------------------------------------------------- competing events


def test_the_first_of_the_rivals_counts_and_on_one_day_the_outcome(made):
    away = [("a", "2020-03-01"), ("b", "2020-03-01"), ("c", "2020-02-01"), ("c", "2019-02-01"), ("d", "2020-02-01")]
    deaths = [("b", "2020-03-01"), ("c", "2020-01-31"), ("d", "2020-02-01")]
    events = [arrest("a", "2020-03-01"), arrest("b", "2020-03-02"), arrest("c", "2020-02-01")]
    found, _, checks = made(
        [court(p, "2020-01-01") for p in "abcd"] + [OTHER], events, deaths=deaths, time_unit="day",
        more=[("removals", away, "person_id removal_date")],
        events={"removal": {"table": "removals", "date": "removal_date"}},
        outcomes=[REARREST | {"competing": ["removal", "death"]}])  # fmt: skip
    code = {p: (only(found, p)["rearrest_event"], only(found, p)["rearrest_time"]) for p in "abcd"}
    assert code == {"a": (1, 61), "b": (2, 61), "c": (3, 31), "d": (2, 32)}
    assert [only(found, p)["rearrest_count"] for p in "abcd"] == [1, 0, 0, 0]
    assert checks["events_after_death"].counts == (2,)


# --------------------------------------------------------------------------- street time


def test_the_clock_stops_in_custody(made):
    stays = [("a", "2020-01-11", "2020-01-21"), ("a", "2020-01-16", "2020-01-26"), ("a", "2020-01-20", "2020-01-20"),
             ("a", "2019-12-01", "2020-01-03"), ("a", "2020-02-10", "2020-02-01"), ("a", None, "2020-02-20"),
             ("b", "2020-01-01", None), ("c", "2020-02-01", None)]  # fmt: skip
    found, _, checks = made([court(p, "2020-01-01") for p in "abc"] + [OTHER],
                            [arrest("a", "2020-01-31"), arrest("c", "2020-02-05")], stays=stays, time_unit="day",
                            at_risk={"stop_in": "custody"}, windows=[20], data={"as_of": "2020-03-31"})  # fmt: skip
    names = ("time", "event", "street_time", "street_event", "street_follow_up", "days", "street_days", "days_20",
             "street_days_20")  # fmt: skip
    rows = {p: tuple(only(found, p)[f"rearrest_{n}"] for n in names) for p in "abcz"}
    # a: in custody on January 1, 2 and 11 to 25, the stays counted once; at liberty for 13 days before the arrest.
    assert rows["a"] == (31, 1, 14, 1, 14 + 60, 91, 91 - 17, 20, 20 - 12)
    assert rows["b"] == (91, 0, None, None, None, 91, 0, 20, 0)
    assert rows["c"] == (36, 1, 32, 1, 32 + 55, 91, 31, 20, 20)  # arrested in custody: 31 days and that day
    assert rows["z"] == (91, 0, 91, 0, 91, 91, 91, 20, 20)
    assert checks["never_at_liberty"].counts == (1, 3)
    assert checks["wrong_stays"].counts == (2,)


def test_the_street_clock_reaches_as_far_as_the_data_on_custody(made):
    reach = [("custody_periods", "2020-02-01", "2020-06-30"), ("justice_events", None, None)]
    found, _, checks = made(
        [court("a", "2020-03-01"), court("b", "2020-01-31"), court("c", "2020-07-01"), OTHER], [arrest("a", "2020-07-01")],
        stays=[("a", "2020-06-30", None)], data={"coverage": {"table": "reach"}}, time_unit="month",
        more=[("reach", reach, "table start_date end_date")])  # fmt: skip
    a = only(found)
    assert (a["rearrest_event"], a["rearrest_street_event"]) == (1, 0)
    assert a["rearrest_street_time"] == a["rearrest_street_follow_up"] == pytest.approx(121 / 30.436875)
    assert a["rearrest_street_days"] == 121
    for person in "bc":
        row = only(found, person)
        assert row["rearrest_follow_up"] is not None
        assert [row[f"rearrest_street_{c}"] for c in ("time", "event", "follow_up", "days")] == [None] * 4
    assert checks["street_not_followed"].counts == (3, 1)


# --------------------------------------------------------------------------- counts and windows


def test_days_with_an_event_are_counted_to_the_window_s_last_day(made):
    on = ["2020-01-31", "2020-01-31", "2020-02-28", "2020-02-29", "2020-03-30", "2020-04-29", "2020-05-01"]
    found, _, _ = made([court("a", "2020-01-31"), OTHER], [arrest("a", d) for d in on], deaths=[("a", "2020-04-30")],
                       windows=[1, 2.5, 12], outcomes=[REARREST, REARREST | {"id": "own", "windows": [3]}])  # fmt: skip
    a = only(found)
    # One month from January 31 is February 29, exclusive; two and a half: half of March 31 to April 30 is 15 days on.
    assert [(a[f"rearrest_count{w}"], a[f"rearrest_days{w}"]) for w in ("", "_1", "_2_5", "_12")] == [
        (5, 91), (2, 29), (4, 75), (5, 91)]  # fmt: skip
    assert (a["own_count_3"], a["own_days_3"]) == (5, 90)
    assert "own_count_1" not in a


# --------------------------------------------------------------------------- the file


def test_columns_order_and_marks_of_the_file(made, tmp_path):
    persons = [("a", 1.0), ("z", 2.0)]
    write(tmp_path, "persons", persons, "person_id x", planted=-0.1)
    found, _, _ = made([OTHER, court("a", "2020-01-01"), court("a", "2020-01-01", agency="y")], cluster="agency_id",
                       completers={"exit_reason": "graduated"}, data={"tables": {
                           n: f"{n}.parquet" for n in ("program_episodes", "justice_events", "persons")}},
                       characteristics={"x": {"table": "persons", "column": "x"}})  # fmt: skip
    file = tmp_path / "out" / "cohort.parquet"
    assert pq.read_schema(file).names == [
        "person_id", "arm", "index_date", "completed", "agency_id", "x", "rearrest_time", "rearrest_event",
        "rearrest_follow_up", "rearrest_count", "rearrest_days"]  # fmt: skip
    assert [(p, r["completed"], r["agency_id"]) for (p, _), r in found.items()] == [("a", 1, None), ("z", 0, "x")]
    notes = pq.read_schema(file).metadata
    assert (notes[MARK], float(notes[PLANTED])) == (b"built", -0.1)


def test_persons_are_alike_as_text_and_whole_numbers_stay_numbers(made):
    whole, _, _ = made([court(10, "2020-01-01"), court(9, "2020-01-01", "probation")], [arrest(10, "2020-01-01")][:0])
    assert {type(p) for p, _ in whole} == {str}  # the table of events has text
    mixed, _, _ = made([court(10.0, "2020-01-01"), court(9.0, "2020-01-01", "probation"), court(None, "2020-01-01")],
                       [arrest("10 ", "2020-01-01")])  # fmt: skip
    assert {p: r["rearrest_event"] for (p, _), r in mixed.items()} == {"10": 1, "9": 0}


# --------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        ({"outcomes": [REARREST | {"offence": {"exclude": ["violnt"]}}]}, "outcomes[0].offence.exclude[0]", '"violent"'),
        ({"outcomes": [REARREST | {"offence": {"include": ["drug"]}}], "columns": "person_id event_type event_date"},
         "outcomes[0].offence.include[0]", 'no column "offence_code"'),
        ({"cluster": "court"}, "design.cluster", 'no column "court"'),
        ({"completers": {"exit": "x"}}, "design.completers", '"exit_reason"'),
        ({"characteristics": {"age": {"column": "agency_id"}}}, "design.characteristics.age.column", "numbers are expected"),
        ({"characteristics": {"age": {"table": "person", "column": "age"}}}, "design.characteristics.age.table",
         'no table "person"'),
        ({"exclude": [{"reason": "r", "table": "justice_events", "date": "reason"}]}, "design.exclude[0].date",
         "dates are expected"),
        ({"outcomes": [{"id": "died", "kind": "death"}]}, "outcomes[0].kind", 'no table "deaths"'),
        ({"outcomes": [REARREST | {"competing": ["death"]}]}, "outcomes[0].competing", 'no table "deaths"'),
        ({"at_risk": {"stop_in": "jail"}}, "design.at_risk.stop_in", 'no table "jail"'),
        ({"characteristics": {"rearrest_time": {"column": "score"}}}, "outcomes[0].id", "twice"),
        ({"characteristics": {"Arm": {"column": "score"}}}, "design.characteristics.Arm", "twice"),
        ({"stays": [("a", "2020-01-01", "2020-01-02")], "characteristics": {"rearrest_street_time": {"column": "score"}}},
         "outcomes[0].id", "twice"),
        ({"index": INDEX | {"where": {"score": "high"}}}, "data.tables", "cannot be read"),
    ],
)  # fmt: skip
def test_what_tables_lack_is_told_at_its_key(made, change, key, says):
    with pytest.raises(DataError) as told:
        made([court("a", "2020-01-01"), OTHER], **change)
    assert any(p.key == key and says in str(p) for p in told.value.problems), told.value


# --------------------------------------------------------------------------- Spark


@on_spark
def test_spark_builds_the_same(tmp_path):
    episodes = [court("a'b", "2020-01-31"), court("b", "2020-02-29", reason="failed"), court("c", "2020-03-01", "probation"),
                court("c", "2020-04-01"), court("b", "2019-12-31", "probation", score=float("nan")), court(None, "2020-01-01"),
                court("d", "2021-01-01", "o'clock"), court("e", "2020-05-05", "probation", agency="y")]  # fmt: skip
    events = [arrest("a'b", "2020-03-31"), arrest("a'b", "2019-03-31"), arrest("b", "2021-02-27", code="TRAFFIC"),
              arrest("c", "2020-09-01", "2019-01-01"), arrest("e", "2020-05-05"), arrest("c", "2022-02-01", reason=None)]  # fmt: skip
    write(tmp_path, "program_episodes", episodes, EPISODES)
    write(tmp_path, "justice_events", events, EVENTS)
    write(tmp_path, "deaths", [("c", "2022-01-15"), ("e", "2022-01-01")], DEATHS)
    write(tmp_path, "custody_periods", [("a'b", "2020-02-10", "2020-03-01"), ("a'b", "2020-02-20", "2020-03-10"),
                                        ("c", "2020-01-01", None)], STAYS)  # fmt: skip
    born = pa.array([-725_846_400 * 10**9 - 1, 631_152_000 * 10**9], pa.timestamp("ns"))  # 1946-12-31 23:59:59.9, 1990
    persons = pa.table({"person_id": ["a'b", "c"], "birth_date": born, "sex": ["f", None]})
    pq.write_table(persons, tmp_path / "persons.parquet")
    tables = ["program_episodes", "justice_events", "deaths", "custody_periods", "persons"]
    design = {"clean_window": "1 month", "windows": [6, 1.5], "cluster": "agency_id", "completers": {"exit_reason": "graduated"},
              "index": INDEX | {"where": {"program": ["court", "o'clock"]}, "first_per_person": False},
              "at_risk": {"stop_in": "custody"}, "exclude": [{"reason": "None", "where": {"agency_id": "?"}}],
              "characteristics": {"age": {"table": "persons", "age_from": "birth_date"}, "score": {"column": "score"},
                                  "priors": {"table": "justice_events", "date": "event_date", "within": "12 months"}}}  # fmt: skip
    outcomes = [REARREST | {"competing": ["death"], "lag": "1 week"}, {"id": "died", "kind": "death"},
                REARREST | {"id": "own", "competing": ["death"], "offence": {"exclude": ["traffic"]}}]  # fmt: skip
    study = study_of(tables, outcomes, design, {})
    here = build_cohort(study, tmp_path, tmp_path / "here" / "cohort.parquet")
    there = build_cohort(study, tmp_path, tmp_path / "there" / "cohort.parquet", LOCAL)
    one, other = (pq.read_table(b.source.files[0]) for b in (here, there))
    assert one.to_pylist() == other.to_pylist()
    assert one.column("age").to_pylist()[0] == 73
    assert len(one) == 6
    assert one.schema.names == other.schema.names
    assert (here.flow, here.checks) == (there.flow, there.checks)
    assert [p.name for p in (tmp_path / "there").iterdir()] == ["cohort.parquet"]
