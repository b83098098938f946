"""Panels from tables: what counts where and when, what is missing rather than zero, and what is refused."""

from datetime import date

import pandas as pd
import pyarrow.parquet as pq
import pytest

from evaluation.data.assemble.panel import build_panel
from evaluation.errors import DataError
from evaluation.study.models import Study


def day(text):
    return date.fromisoformat(text)


EVENTS = pd.DataFrame({
    "county": ["A", "A", "A", "B", "B", None, "A", "C"],
    "died": [day(d) for d in ("2020-01-05", "2020-01-31", "2020-04-01", "2020-02-29", "2020-03-31", "2020-01-01",
                              "2019-12-31", "2020-06-30")],
    "drug": ["opioid", "opioid", "opioid", "other", "opioid", "opioid", "opioid", "opioid"],
})  # fmt: skip
ADOPTIONS = pd.DataFrame({"county": ["A", "B"], "start": [day("2020-04-01"), day("2020-05-15")], "end": [None, None]})
ADOPTIONS["end"] = pd.array([None, None], dtype="object")
COVERAGE = pd.DataFrame({"county": ["A", "B", "C", "D"], "from": [day("2020-01-01")] * 3 + [day("2020-02-01")],
                         "to": [day("2020-06-30"), day("2020-03-31"), day("2020-06-30"), day("2020-06-30")]})  # fmt: skip
PEOPLE = pd.DataFrame({"county": ["A", "B", "C", "D"], "year": [2020] * 4, "population": [1000, 2000, 4000, 500]})
FRAMES = {"deaths": EVENTS, "adoption": ADOPTIONS, "reporting": COVERAGE, "people": PEOPLE}
SPELLS = {"table": "reporting", "start": "from", "end": "to"}


def built(folder, frames=None, outcome=None, time_unit="month", **build):
    """The panel as a frame by unit and period, and its flow; `build` replaces parts of design.build."""
    frames = FRAMES | (frames or {})
    for name, frame in frames.items():
        table = frame.copy()
        for column in ("start", "end", "from", "to"):
            if column in table:
                table[column] = pd.Series(table[column]).astype("datetime64[s]")
        table.to_parquet(folder / f"{name}.parquet")
    study = Study.model_validate({
        "study": "made", "title": "Made", "question": "Made?",
        "intervention": {"kind": "drug_court", "name": "Program", "description": "What was done."},
        "data": {"tables": {name: f"{name}.parquet" for name in frames}},
        "design": {"type": "panel", "unit": "county", "time": "month", "cohort": "joined", "time_unit": time_unit,
                   "build": {"first": "2020-01-01", "last": "2020-06-30", "coverage": SPELLS,
                             "adoption": {"table": "adoption", "start": "start"}, **build}},
        "outcomes": [{"id": "deaths", "label": "Deaths", "column": "deaths", "type": "count",
                      "build": {"table": "deaths", "date": "died"}, **(outcome or {})}],
        "analyses": [{"id": "main", "role": "primary", "outcome": "deaths", "estimator": "twfe"}],
        "disclosure": {"profile": "none"}})  # fmt: skip
    made = build_panel(study, folder, folder / "out" / "panel.parquet")
    frame = pq.read_table(made.source.files[0]).to_pandas().set_index(["county", "month"])
    return frame, {f.step: f for f in made.flow}


def outcomes(frame, unit, column="deaths"):
    return [None if pd.isna(v) else v for v in frame.loc[unit, column]]


def refused(folder, match, **how):
    with pytest.raises(DataError, match=match) as caught:
        built(folder, **how)
    return caught.value.problems


def test_events_are_counted_and_silence_is_zero_only_where_the_unit_reported(tmp_path):
    frame, flow = built(tmp_path)
    assert outcomes(frame, "A") == [2, 0, 0, 1, 0, 0]
    assert outcomes(frame, "B") == [0, 1, 1, None, None, None]  # reported to the end of March only
    assert outcomes(frame, "C") == [0, 0, 0, 0, 0, 1]
    assert outcomes(frame, "D") == [None, 0, 0, 0, 0, 0]
    assert (flow["deaths_no_unit_or_date"].n_dropped, flow["deaths_outside_span"].n_dropped) == (1, 1)
    assert flow["grid"].n_remaining == 24
    assert frame.reset_index()["month"].tolist() == list(range(1, 7)) * 4


def test_the_first_full_period_is_the_first_treated_one(tmp_path):
    frame, flow = built(tmp_path)
    cohorts = frame.groupby("county")["joined"].first()
    assert cohorts.to_dict() == {"A": 4, "B": 6, "C": 0, "D": 0}  # A on the first of April, B in the middle of May
    assert flow["adoptions"].n_remaining == 2
    assert flow["set_aside"].n_dropped == 1


@pytest.mark.parametrize(("rule", "cohort", "may"), [("set_aside", 6, None), ("treated", 5, 0), ("untreated", 6, 0)])
def test_the_partly_treated_period(tmp_path, rule, cohort, may):
    whole = COVERAGE.assign(to=day("2020-06-30"))
    frame, _ = built(
        tmp_path, {"reporting": whole}, adoption={"table": "adoption", "start": "start", "partial_period": rule}
    )
    assert frame.loc["B", "joined"].iloc[0] == cohort
    assert outcomes(frame, "B")[4] == may


@pytest.mark.parametrize(
    ("start", "cohort"), [("2019-05-05", 1), ("2020-01-01", 1), ("2020-06-02", 7), ("2024-01-01", 7)]
)
def test_adoption_at_the_edges(tmp_path, start, cohort):
    adoption = ADOPTIONS.assign(start=[day(start), day("2020-03-01")])
    frame, _ = built(tmp_path, {"adoption": adoption})
    assert frame.loc["A", "joined"].iloc[0] == cohort  # before the span: from the first period on; after: not yet


def test_quarters_and_years_calendar_and_fiscal(tmp_path):
    frame, _ = built(tmp_path, time_unit="quarter")
    assert outcomes(frame, "A") == [2, 1]
    assert outcomes(frame, "B") == [2, None]  # the second quarter was not reported, the partly treated one is aside
    assert outcomes(frame, "D") == [None, 0]  # February and March alone are no quarter
    assert frame.groupby("county")["joined"].first().to_dict() == {"A": 2, "B": 3, "C": 0, "D": 0}
    fiscal, _ = built(tmp_path, time_unit="year", first="2019-07-01", fiscal_year_start=7, coverage="complete")
    assert fiscal.reset_index()["month"].unique().tolist() == [2020]  # the year it ends in
    assert outcomes(fiscal, "A") == [None]  # began within the only year
    assert outcomes(fiscal, "C") == [1]


def test_rates_and_exposures_by_population(tmp_path):
    per = {"table": "people", "column": "population"}
    rate, _ = built(tmp_path, outcome={"type": "rate", "per": per})
    assert outcomes(rate, "A") == [200.0, 0, 0, 100.0, 0, 0]
    count, _ = built(tmp_path, outcome={"exposure": "people_at_risk", "per": per | {"rate": 1.0}})
    assert outcomes(count, "A") == [2, 0, 0, 1, 0, 0]
    assert count.loc["B", "people_at_risk"].tolist()[:3] == [2000.0] * 3
    unknown, _ = built(tmp_path, {"people": PEOPLE[PEOPLE["county"] != "C"]}, outcome={"type": "rate", "per": per})
    assert outcomes(unknown, "C") == [None] * 6


def test_sums_of_counts_that_agencies_sent(tmp_path):
    counts = pd.DataFrame({"county": ["A"] * 6 + ["B"] * 4, "month_start": [day(f"2020-0{m}-01") for m in (1, 2, 3, 4, 5, 6, 1, 2, 3, 4)],
                           "value": [3, 0, 2, 1, 0, 4, 1, None, 2, 5]})  # fmt: skip
    how = {"build": {"table": "counts", "date": "month_start", "sum": "value"}}
    frame, _ = built(tmp_path, {"counts": counts}, outcome=how, coverage=None)
    assert outcomes(frame, "A") == [3, 0, 2, 1, 0, 4]
    assert outcomes(frame, "B") == [1, None, 2, 5, None, None]  # an empty count is no zero, nor is an absent row
    quarters, _ = built(tmp_path, {"counts": counts}, outcome=how, coverage=None, time_unit="quarter")
    assert outcomes(quarters, "A") == [5, 5]
    assert outcomes(quarters, "B") == [None, None]


def test_coverage_by_months(tmp_path):
    months = pd.DataFrame(
        {"county": ["A"] * 4 + ["C"] * 3, "month": [day(f"2020-0{m}-01") for m in (1, 2, 4, 5, 1, 2, 3)]}
    )
    how = {"coverage": {"table": "months", "date": "month"}, "frames": {"months": months}}
    frame, flow = built(tmp_path, **how)
    assert outcomes(frame, "A") == [2, 0, None, 1, 0, None]
    assert flow["deaths_unreported"].n_dropped == 3  # B's two, and C's in June
    quarters, _ = built(tmp_path, time_unit="quarter", **how)
    assert outcomes(quarters, "A") == [None, None]
    assert outcomes(quarters, "C") == [0, None]


def test_filters_and_exclusions_are_counted_with_their_reasons(tmp_path):
    where = {"build": {"table": "deaths", "date": "died", "where": {"drug": ["opioid"]}}}
    exclude = [{"reason": "Shares a border with A", "units": ["D"]},
               {"reason": "Fewer than 3,000 people", "table": "people", "where": {"population": [2000]}}]  # fmt: skip
    frame, flow = built(tmp_path, outcome=where, exclude=exclude)
    assert set(frame.index.get_level_values(0)) == {"A", "C"}
    assert flow["deaths_rows"].n_remaining == 7
    assert (flow["exclude_1"].reason, flow["exclude_1"].n_dropped) == ("Shares a border with A", 1)
    assert flow["exclude_2"].n_remaining == 2


def test_units_with_gaps_leave_where_a_balanced_panel_is_asked_for(tmp_path):
    frame, flow = built(tmp_path, balance="drop_units")
    assert set(frame.index.get_level_values(0)) == {"A", "C"}
    assert flow["unbalanced"].n_dropped == 2


def test_attributes_come_along(tmp_path):
    about = pd.DataFrame({"county": ["A", "B", "C", "D"], "state": ["X", "X", "Y", "Y"]})
    frame, _ = built(tmp_path, {"about": about}, attributes={"table": "about", "columns": ["state"]})
    assert frame.loc["C", "state"].tolist() == ["Y"] * 6
    refused(tmp_path, "more than one row for A", frames={"about": pd.concat([about, about])},
            attributes={"table": "about", "columns": ["state"]})  # fmt: skip


ENDED = ADOPTIONS.assign(end=[day("2020-05-31"), None])
WITH_END = {"table": "adoption", "start": "start", "end": "end"}


def test_treatment_that_ended_is_refused_or_taken_as_declared(tmp_path):
    problems = refused(tmp_path, "treatment ended within the panel", frames={"adoption": ENDED}, adoption=WITH_END)
    assert "A (2020-05-31)" in problems[0].what
    assert "still_treated" in problems[0].fix
    aside, _ = built(tmp_path, {"adoption": ENDED}, adoption=WITH_END | {"ended": "set_aside"})
    assert outcomes(aside, "A") == [2, 0, 0, 1, 0, None]  # treated to the last day of May, the 31st itself included
    early = ADOPTIONS.assign(end=[day("2020-05-30"), None])
    partly, _ = built(tmp_path, {"adoption": early}, adoption=WITH_END | {"ended": "set_aside"})
    assert outcomes(partly, "A") == [2, 0, 0, 1, None, None]
    still, _ = built(tmp_path, {"adoption": ENDED}, adoption=WITH_END | {"ended": "still_treated"})
    assert outcomes(still, "A") == [2, 0, 0, 1, 0, 0]


def test_treatment_that_began_again_is_refused_or_taken_from_the_first(tmp_path):
    again = pd.concat([ENDED, pd.DataFrame({"county": ["A"], "start": [day("2020-06-10")], "end": [None]})])
    refused(tmp_path, "began more than once: A", frames={"adoption": again}, adoption=WITH_END)
    frame, _ = built(
        tmp_path, {"adoption": again}, adoption=WITH_END | {"again": "from_first", "ended": "still_treated"}
    )
    assert frame.loc["A", "joined"].iloc[0] == 4


@pytest.mark.parametrize(("match", "how"), [
    ("does not begin a quarter", {"time_unit": "quarter", "first": "2020-02-01"}),
    ("does not begin a year", {"time_unit": "year", "first": "2020-01-01", "fiscal_year_start": 7}),
    ("does not end a month", {"last": "2020-06-29"}),
    ("by month, quarter or year", {"time_unit": "week"}),
    ("zero or a gap", {"coverage": None}),
    ("neither when spells", {"coverage": {"table": "reporting"}}),
    ('no table "adoptions"', {"adoption": {"table": "adoptions", "start": "start"}}),
    ('no column "begin"', {"adoption": {"table": "adoption", "start": "begin"}}),
    ('no column "county_id"', {"outcome": {"build": {"table": "deaths", "date": "died", "unit": "county_id"}}}),
    ("dates are expected", {"outcome": {"build": {"table": "deaths", "date": "drug"}}}),
    ("numbers are expected", {"outcome": {"build": {"table": "deaths", "date": "died", "sum": "drug"}}}),
    ("ended before it began", {"frames": {"adoption": ENDED.assign(start=day("2020-06-05"))}, "adoption": WITH_END}),
    ("overlap", {"frames": {"reporting": pd.concat([COVERAGE, COVERAGE.assign(**{"from": day("2020-03-01")})])}}),
    ("no table knows: Z, Y", {"exclude": [{"reason": "Misspelt", "units": ["A", "Z", "Y"]}]}),
    ("neither units nor a table", {"exclude": [{"reason": "Forgotten"}]}),
    ("no unit is left", {"exclude": [{"reason": "All", "units": ["A", "B", "C", "D"]}]}),
])  # fmt: skip
def test_what_cannot_be_built_is_said(tmp_path, match, how):
    refused(tmp_path, match, **how)


def test_every_problem_of_the_tables_is_told_at_once(tmp_path):
    problems = refused(tmp_path, "no table", adoption={"table": "nowhere", "start": "x"},
                       outcome={"build": {"table": "deaths", "date": "when"}})  # fmt: skip
    assert {p.key for p in problems} >= {"design.build.adoption.table", "outcomes[0].build.date"}


def test_the_same_tables_give_the_same_bytes_in_any_order(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    built(tmp_path / "a")
    built(tmp_path / "b", {n: f.sample(frac=1, random_state=1) for n, f in FRAMES.items()})
    first, second = ((tmp_path / x / "out" / "panel.parquet").read_bytes() for x in "ab")
    assert first == second


def test_codes_written_as_floats_or_with_blanks_are_the_same_units(tmp_path):
    number = {"A": 1, "B": 2, "C": 3, "D": 4}
    frames = {name: f.assign(county=f["county"].map(number).astype("Int64")) for name, f in FRAMES.items()}
    frames["adoption"] = frames["adoption"].assign(county=[1.0, 2.0])  # as pandas writes a column with a gap
    frames["reporting"] = frames["reporting"].assign(county=[" 1", "2 ", "3", "4"])
    frame, _ = built(tmp_path, frames)
    assert frame.groupby("county")["joined"].first().to_dict() == {"1": 4, "2": 6, "3": 0, "4": 0}


def test_an_adopter_that_no_other_table_knows_is_refused(tmp_path):
    problems = refused(tmp_path, "no other table knows: Aa", frames={"adoption": ADOPTIONS.assign(county=["Aa", "B"])})
    assert problems[0].key == "design.build.adoption"


def test_complete_coverage_makes_zeros_of_units_without_any_event(tmp_path):
    about = pd.DataFrame({"county": ["A", "B", "C", "D"], "state": list("XXYY")})
    frame, _ = built(
        tmp_path, {"about": about}, coverage="complete", attributes={"table": "about", "columns": ["state"]}
    )
    assert outcomes(frame, "D") == [0] * 6


def test_one_unit_that_began_again_does_not_excuse_another_that_ended(tmp_path):
    spells = pd.DataFrame({"county": ["A", "A", "B"], "start": [day("2020-02-01"), day("2020-05-01"), day("2020-03-01")],
                           "end": [day("2020-03-31"), None, day("2020-04-30")]})  # fmt: skip
    problems = refused(tmp_path, "ended within the panel: B", frames={"adoption": spells},
                       adoption=WITH_END | {"again": "from_first"})  # fmt: skip
    assert len(problems) == 1


def test_moments_with_a_time_zone_are_no_days(tmp_path):
    zoned = EVENTS.assign(died=pd.to_datetime(EVENTS["died"]).dt.tz_localize("America/New_York"))
    refused(tmp_path, "time zone", frames={"deaths": zoned})


@pytest.mark.parametrize("name", ["set_aside", "period_start", "deaths", "Joined", "month"])
def test_names_that_would_clash_are_refused(tmp_path, name):
    about = pd.DataFrame({"county": ["A", "B", "C", "D"], name: [1, 2, 3, 4]})
    refused(tmp_path, "name", frames={"about": about}, attributes={"table": "about", "columns": [name]})


def test_an_adoption_without_a_unit_counts_nowhere(tmp_path):
    nameless = pd.concat([ADOPTIONS, ADOPTIONS.iloc[:1].assign(county=None)])
    frame, flow = built(tmp_path, {"adoption": nameless})
    assert flow["adoptions"].n_remaining == 2
    assert set(frame.index.get_level_values(0)) == {"A", "B", "C", "D"}


def test_a_rate_without_a_population_is_no_gap_in_reporting(tmp_path):
    people = pd.DataFrame({"county": ["A", "B", "C", "D"], "year": [2020] * 4, "population": [1000, 2000, 0, None]})
    per = {"table": "people", "column": "population"}
    frame, flow = built(tmp_path, {"people": people}, outcome={"type": "rate", "per": per})
    assert outcomes(frame, "C") == [None] * 6
    assert flow["not_reported"].n_dropped == 3  # B April and June (May is set aside), D January
    assert flow["no_population"].n_dropped == 11  # C's six, and D's five that were reported
    assert flow["no_population"].n_remaining == frame["deaths"].notna().sum()


def test_the_population_of_a_fiscal_year_is_that_of_the_calendar_year_it_starts_in(tmp_path):
    people = pd.DataFrame({"county": list("AABBCCDD"), "year": [2019, 2020] * 4, "population": [500, 1000] * 4})
    frame, _ = built(tmp_path, {"people": people}, outcome={"type": "rate", "per": {"table": "people", "column": "population"}},
                     time_unit="year", first="2019-07-01", fiscal_year_start=7, coverage="complete")  # fmt: skip
    assert outcomes(frame, "C") == [200.0]  # one death among 500, the people of 2019


def test_a_unit_whose_events_all_lie_outside_the_span_reported_zeros_where_coverage_is_complete(tmp_path):
    later = pd.concat([EVENTS, pd.DataFrame({"county": ["E"], "died": [day("2021-05-01")], "drug": ["opioid"]})])
    frame, _ = built(tmp_path, {"deaths": later}, coverage="complete")
    assert outcomes(frame, "E") == [0] * 6


def test_an_attribute_named_twice_is_refused(tmp_path):
    about = pd.DataFrame({"county": ["A", "B", "C", "D"], "state": list("XXYY")})
    refused(tmp_path, '"state" is the name', frames={"about": about},
            attributes={"table": "about", "columns": ["state", "state"]})  # fmt: skip


@pytest.mark.parametrize("name", ["u", "k", "t", "n", "cohort", "first_day", "people", "value", "a0", "year"])
def test_an_attribute_may_have_any_other_name(tmp_path, name):
    about = pd.DataFrame({"county": ["A", "B", "C", "D"], name: [11, 12, 13, 14], "state": list("XXYY")})
    frame, _ = built(
        tmp_path, {"about": about}, attributes={"table": "about", "columns": ["state", name]}, balance="drop_units"
    )
    assert frame.groupby("county")[name].first().to_dict() == {"A": 11, "C": 13}
    assert frame.groupby("county")["joined"].first().to_dict() == {"A": 4, "C": 0}
    assert outcomes(frame, "A") == [2, 0, 0, 1, 0, 0]
