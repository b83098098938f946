"""Simulated tables: that they fit the study, repeat to the byte, hold the edge cases and carry the planted truth."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from evaluation.data.assemble.cohort.offences import code_groups
from evaluation.data.simulate import simulate
from evaluation.data.simulate_tables import Recipe
from evaluation.data.simulate_tables_edges import CASES
from evaluation.data.simulate_tables_layout import Layout
from evaluation.data.simulate_tables_offences import CRIMES, OTHERS
from evaluation.errors import DataError
from evaluation.study.models import Study

PLAIN = ("persons", "program_episodes", "assessments", "justice_events", "custody_periods", "deaths", "coverage")
ARREST = {"marker": "arrest", "date_basis": "arrest", "offence": {"exclude": ["traffic", "technical", "warrant"]}}
NEVER = pd.Timestamp("2262-01-01")


def study(outcome=None, estimator="risk_difference", size=2400, tables=PLAIN, effect=-0.1, options=None, **design):
    first = {"id": "rearrest", "kind": "recidivism", "competing": ["death"], **(ARREST if outcome is None else outcome)}
    return Study.model_validate({
        "study": "court", "title": "Court", "question": "Fewer arrests?",
        "intervention": {"kind": "drug_court", "name": "Court", "description": "What was done."},
        "data": {"tables": {name: f"{name}.parquet" for name in tables}, "as_of": "2025-12-31",
                 **({"coverage": {"table": "coverage"}} if "coverage" in tables else {})},
        "design": {
            "type": "cohort",
            "index": {"table": "program_episodes", "date": "entry_date", "where": {"program": "court"}},
            "comparison": {"table": "program_episodes", "date": "entry_date", "where": {"program": "usual"}},
            "windows": [6, 12, 24],
            "exclude": [{"reason": "violent charge before", "table": "justice_events", "date": "event_date",
                         "within": "5 years", "where": {"event_type": "charge", "offence_code": ["13A", "120"]}},
                        {"reason": "under age", "where": {"juvenile": True}}],
            "characteristics": {
                "age": {"table": "persons", "age_from": "birth_date"},
                "female": {"table": "persons", "column": "sex", "equals": "female"},
                "prior_arrests": {"table": "justice_events", "date": "event_date", "within": "24 months",
                                  "where": {"event_type": "arrest"}},
                "employed": {"table": "assessments", "column": "employed"},
            }, **design},
        "outcomes": [first],
        "analyses": [{"id": "main", "role": "primary", "outcome": "rearrest", "estimator": estimator,
                      "options": options or ({} if estimator == "cox" else {"window": 12})}],
        "disclosure": {"profile": "cms11"},
        "simulation": {"effect": effect, "baseline": 0.4, "size": size, "seed": 3}})  # fmt: skip


def frames(made, folder, effect=-0.1, seed=None):
    simulate(made, effect, folder, seed)
    return {name: pq.read_table(folder / f"{name}.parquet").to_pandas() for name in made.data.tables}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return frames(study(), tmp_path_factory.mktemp("tables"))


def index_dates(tables):
    """Each person's first index event."""
    rows = tables["program_episodes"].dropna(subset="entry_date")
    return pd.to_datetime(rows.groupby("person_id")["entry_date"].min())


# ----------------------------------------------------------------------- files


def test_there_is_a_file_for_each_table_that_says_it_is_simulated(tmp_path):
    simulate(study(), -0.1, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"{name}.parquet" for name in PLAIN)
    for path in tmp_path.iterdir():
        notes = pq.read_schema(path).metadata
        assert (notes[b"evaluation.made"], notes[b"evaluation.planted"]) == (b"simulated", b"-0.1")


def test_equal_seeds_give_equal_bytes_under_any_hash_seed(tmp_path):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
        "from tests.unit.test_simulate_tables import study; from evaluation.data.simulate import simulate;"
        "simulate(study(), -0.1, Path(sys.argv[2]), int(sys.argv[3]))"
    )
    root = str(Path(__file__).parents[2])
    simulate(study(), -0.1, tmp_path / "a", 7)
    simulate(study(), -0.1, tmp_path / "c", 8)
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    subprocess.run([sys.executable, "-c", script, root, tmp_path / "b", "7"], check=True, env=environment)
    same = [n for n in PLAIN if (tmp_path / "a" / f"{n}.parquet").read_bytes() == (tmp_path / "b" / f"{n}.parquet").read_bytes()]  # fmt: skip
    other = [n for n in PLAIN if (tmp_path / "a" / f"{n}.parquet").read_bytes() == (tmp_path / "c" / f"{n}.parquet").read_bytes()]  # fmt: skip
    assert same == list(PLAIN)
    assert other == ["coverage"]


def test_data_of_others_are_left_alone_and_no_half_of_the_files_is_written(tmp_path):
    (tmp_path / "deaths.parquet").write_text("an agency's")
    with pytest.raises(DataError, match="not made by this tool"):
        simulate(study(), -0.1, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["deaths.parquet"]
    simulate(study(), -0.1, tmp_path, force=True)
    assert len(list(tmp_path.iterdir())) == len(PLAIN)
    with pytest.raises(DataError, match="Name a folder"):
        simulate(study(), -0.1, tmp_path / "deaths.parquet")


def test_a_hundred_thousand_people_come_in_chunks_without_a_seam(tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.data.simulate_tables.CHUNK", 500)
    found = frames(study(size=1700), tmp_path)
    assert found["persons"]["person_id"].tolist() == [f"P{n:08d}" for n in range(1, 1701)]
    assert found["justice_events"]["event_id"].is_unique
    assert found["program_episodes"]["person_id"].nunique() == 1700


# ----------------------------------------------------------------------- what the tables hold


def test_columns_that_the_study_names_are_there_with_their_values(tables):
    assert {"age", "female"}.isdisjoint(tables["persons"].columns)
    assert set(tables["persons"]["sex"]) == {"female", "male"}
    assert set(tables["program_episodes"]["program"]) == {"court", "usual"}
    assert tables["program_episodes"]["juvenile"].mean() == pytest.approx(0.02, abs=0.012)
    assert {"exit_date", "exit_reason", "agency_id", "episode_id"} <= set(tables["program_episodes"].columns)
    assert {"offence_date", "arrest_date", "filing_date", "disposition_date"} <= set(tables["justice_events"].columns)


def test_one_event_leads_to_another(tables):
    events = tables["justice_events"]
    known = events.dropna(subset=["offence_date", "arrest_date"])
    assert (known["offence_date"] <= known["arrest_date"]).all()
    decided = known.dropna(subset=["filing_date", "disposition_date"])
    assert (decided["arrest_date"] <= decided["filing_date"]).all()
    assert (decided["filing_date"] <= decided["disposition_date"]).all()
    number = events[events["reason"] == "new_crime"]["event_type"].value_counts()
    assert number["arrest"] > number["charge"] > number["conviction"] > number["incarceration"] > 0


def test_data_of_each_agency_end_where_coverage_says(tables):
    ends = tables["coverage"].set_index(["table", "agency_id"])["end_date"]
    latest = tables["justice_events"].groupby("agency_id")["event_date"].max()
    assert ends.loc["justice_events"].nunique() > 2
    for agency, end in ends.loc["justice_events"].items():
        assert latest[agency] <= end
    assert tables["deaths"]["death_date"].max() <= ends["deaths", "registry"]


def test_few_are_arrested_in_custody(tables):
    crimes = "event_type == 'arrest' and reason == 'new_crime' and offence_code != 'TRAFFIC'"
    arrests = tables["justice_events"].query(crimes)
    stays = tables["custody_periods"].dropna()
    both = stays.merge(arrests.dropna(subset="offence_date"), on="person_id")
    inside = (both["offence_date"] > both["start_date"]) & (both["offence_date"] < both["end_date"])
    years = (pd.to_datetime(stays["end_date"]) - pd.to_datetime(stays["start_date"])).dt.days.sum() / 365.25
    assert inside.sum() / years < 0.25  # a year at liberty brings people who are jailed about one


def test_frailty_shows_before_and_after_the_index_date():
    made = study(size=30_000)
    (chunk,) = Recipe.of(made, -0.1, made.simulation, 1).chunks(0)
    events = chunk.tables["justice_events"]
    day, index = events.day("event_date"), chunk.people.index[events.person]
    before = np.bincount(events.person[day < index - 2 * 366], minlength=30_000)
    after = np.bincount(events.person[day > index], minlength=30_000)
    assert np.corrcoef(before, chunk.people.frailty)[0, 1] > 0.3
    assert np.corrcoef(after, chunk.people.frailty)[0, 1] > 0.3
    assert abs(np.corrcoef(chunk.people.score, chunk.people.frailty)[0, 1]) < 0.02


def test_people_at_lower_risk_enter_the_program_and_lots_do_not_care():
    for assignment, low, high in (("observational", -0.6, -0.2), ("randomised", -0.05, 0.05)):
        made = study(size=20_000, assignment=assignment)
        (chunk,) = Recipe.of(made, -0.1, made.simulation, 1).chunks()
        score, arm = chunk.people.score, chunk.arm
        assert low < score[arm == 1].mean() - score[arm == 0].mean() < high


def test_offences_are_in_the_groups_of_the_catalogue():
    groups = code_groups()
    for kind in CRIMES + OTHERS:
        assert {g for g, codes in groups.items() if kind.code in codes} == set(kind.groups) & set(groups)


# ----------------------------------------------------------------------- the planted truth


def naive_risk(chunk, layout, marker, basis, months=12):
    """Share with a new crime's event in the window, reckoned row by row by the rules of cohorts built from tables."""
    events = chunk.tables["justice_events"]
    columns = {n: c.arrow().to_pandas() for n, c in events.columns.items()}
    frame = pd.DataFrame({"person": events.person, **columns})
    start = pd.Series(chunk.people.index.astype("datetime64[D]").astype("datetime64[s]"))
    for name in ("event_date", "offence_date", basis):
        frame[name] = pd.to_datetime(frame[name])
    mine = frame["person"].map(start)
    counts = (frame["event_type"] == marker) & (frame["reason"] == "new_crime") & (frame["offence_code"] != "TRAFFIC")
    counts &= (frame["offence_date"] >= mine) & (frame[basis] >= mine)
    first = frame[counts].groupby("person")[basis].min().reindex(start.index).fillna(NEVER)
    deaths = chunk.tables["deaths"]
    died = pd.Series(pd.to_datetime(deaths.columns["death_date"].arrow().to_pandas()).to_numpy(), deaths.person)
    died = died.groupby(level=0).min().reindex(start.index).fillna(NEVER)
    end = start + pd.DateOffset(months=months)
    last = pd.Timestamp("1970-01-01") + pd.Timedelta(days=layout.last_day(layout.primary))
    eligible = (end <= last + pd.Timedelta(days=1)) & ~chunk.people.broken
    return ((first < end) & (first <= died))[eligible].mean(), int(eligible.sum())


@pytest.mark.parametrize(("marker", "basis", "lag"), [
    ("arrest", "arrest", "0 days"), ("conviction", "offence", "12 months"), ("charge", "filing", "1 month"),
])  # fmt: skip
@pytest.mark.parametrize("arm", [0, 1])
def test_the_planted_risks_are_those_of_the_histories(marker, basis, lag, arm):
    made = study({**ARREST, "marker": marker, "date_basis": basis, "lag": lag}, size=40_000)
    recipe = Recipe.of(made, -0.1, made.simulation, 1)
    (chunk,) = recipe.chunks(arm)
    risk, size = naive_risk(chunk, recipe.layout, marker, f"{basis}_date")
    planted = chunk.truth[~chunk.people.broken].mean(axis=0)
    assert planted == pytest.approx([0.4, 0.3], abs=1e-4)
    assert risk == pytest.approx(planted[arm], abs=3.5 * np.sqrt(0.25 / size))


def test_risks_follow_the_logistic_model_at_high_and_low_scores():
    made = study(size=40_000)
    recipe = Recipe.of(made, -0.1, made.simulation, 2)
    (chunk,) = recipe.chunks(0)
    for picked in (chunk.people.score > 0.7, chunk.people.score < -0.7):
        people = replace_broken(chunk, picked)
        risk, size = naive_risk(people, recipe.layout, "arrest", "arrest_date")
        assert risk == pytest.approx(chunk.truth[~people.people.broken, 0].mean(), abs=3.5 * np.sqrt(0.25 / size))
    logit = np.log(chunk.truth / (1 - chunk.truth))
    assert np.ptp(logit[:, 0] - chunk.people.score) < 1e-3
    assert np.ptp(logit[:, 1] - logit[:, 0]) < 1e-3


def replace_broken(chunk, picked):
    """The chunk with all but some of the people counted among those who leave."""
    return replace(chunk, people=replace(chunk.people, broken=chunk.people.broken | ~picked))


def test_a_log_hazard_ratio_is_planted_for_cox():
    # Without frailty and with deaths of one rate for all, H1(t) / H0(t) is the ratio at each score.
    tables = [name for name in PLAIN if name not in ("persons", "assessments")]
    made = study(size=40_000, estimator="cox", effect=-0.5, tables=tables, characteristics={})
    recipe = Recipe.of(made, -0.5, made.simulation, 1)
    risks = []
    for arm in (0, 1):
        (chunk,) = recipe.chunks(arm)
        risks.append([naive_risk(chunk, recipe.layout, "arrest", "arrest_date", months)[0] for months in (6, 12)])
    none, some = -np.log1p(-np.array(risks))
    assert some / none == pytest.approx(np.exp(-0.5), abs=0.03)


def test_other_kinds_of_outcome_carry_the_effect_too():
    visits = {"kind": "event", "events": {"table": "visits", "date": "visit_date", "where": {"reason": "overdose"}}}
    made = study(visits, size=40_000, tables=(*PLAIN, "visits"))
    risks = []
    for arm in (0, 1):
        (chunk,) = Recipe.of(made, -0.1, made.simulation, 1).chunks(arm)
        rows, people = chunk.tables["visits"], chunk.people
        end = people.index + Layout.of(made).window_days(people.index)
        inside = (rows.day("visit_date") < end[rows.person]) & (rows.day("visit_date") >= people.index[rows.person])
        risks.append((np.bincount(rows.person[inside], minlength=people.size) > 0).mean())
    assert risks == pytest.approx([0.4, 0.3], abs=0.01)


def test_the_unlike_and_the_like_outcomes_of_the_program():
    # Traffic arrests have the same risk in both worlds, new crimes do not.
    made = study(size=40_000)
    share = []
    for arm in (0, 1):
        (chunk,) = Recipe.of(made, -0.1, made.simulation, 1).chunks(arm)
        rows = chunk.tables["justice_events"]
        traffic = rows.columns["offence_code"].equal("TRAFFIC") & (
            rows.day("event_date") > chunk.people.index[rows.person]
        )
        share.append((np.bincount(rows.person[traffic], minlength=chunk.people.size) > 0).mean())
    assert share[0] == pytest.approx(share[1], abs=0.01)
    assert share[0] > 0.1


# ----------------------------------------------------------------------- edge cases


def test_the_edge_cases_are_the_last_people(tables):
    start = index_dates(tables)
    events = tables["justice_events"]

    def after(case):
        person = f"P{2400 - len(CASES) + 1 + case:08d}"
        mine = events[(events["person_id"] == person) & (events["event_type"] == "arrest")]
        day = pd.to_datetime(mine["event_date"])
        return person, start[person], day[(day >= start[person]) | day.isna()].tolist()

    _, entry, (arrest,) = after(0)
    assert arrest == entry
    person, entry, (arrest,) = after(1)
    offence = events[(events["person_id"] == person) & (pd.to_datetime(events["event_date"]) == arrest)]["offence_date"]
    assert pd.Timestamp(offence.item()) < entry < arrest
    _, entry, (arrest,) = after(2)
    assert (entry.month, entry.day) == (2, 29)
    assert arrest == entry + pd.DateOffset(years=1)
    _, entry, (arrest,) = after(3)
    assert (entry.month, entry.day) == (1, 31)
    assert (arrest.month, arrest.is_month_end) == (2, True)
    _, entry, (arrest,) = after(4)
    assert arrest == entry + pd.DateOffset(months=12) - pd.Timedelta(days=1)
    _, entry, (arrest,) = after(5)
    assert arrest == entry + pd.DateOffset(months=12)
    person, entry, _ = after(6)
    stays = tables["custody_periods"].query("person_id == @person")
    assert len(stays) == 5
    assert (stays["end_date"] < stays["start_date"]).any()
    assert stays["end_date"].isna().any()
    assert (stays["start_date"].shift(-1) < stays["end_date"]).any()
    person, _, arrests = after(7)
    assert arrests[0] == arrests[1]
    assert tables["deaths"]["person_id"].eq(person).sum() == 2
    assert tables["program_episodes"].query("person_id == @person").duplicated(["person_id", "entry_date"]).any()
    died = pd.to_datetime(tables["deaths"].drop_duplicates("person_id").set_index("person_id")["death_date"])
    person, _, (arrest,) = after(8)
    assert arrest == died[person]
    person, _, (arrest,) = after(9)
    assert arrest > died[person]
    person, _, (arrest,) = after(10)
    assert arrest is pd.NaT
    assert tables["program_episodes"].query("person_id == @person")["entry_date"].isna().any()
    person, entry, _ = after(11)
    assert died[person] < entry


def test_some_come_back_and_some_cross_over(tables):
    rows = tables["program_episodes"].dropna(subset="entry_date").sort_values("entry_date")
    again = rows[rows.duplicated("person_id")]
    assert 0.01 < len(again) / 2400 < 0.06
    first = rows.drop_duplicates("person_id").set_index("person_id")["program"]
    assert (first.loc[again["person_id"]].to_numpy() != again["program"].to_numpy()).any()


def test_values_are_missing_here_and_there(tables):
    # The third of the characteristics that are recorded once a person.
    assert tables["assessments"]["employed"].isna().mean() == pytest.approx(0.02, abs=0.01)


# ----------------------------------------------------------------------- delivery


def test_what_the_program_delivered(tmp_path):
    dosage = ("hearings", "treatment_sessions", "drug_tests", "sanctions", "referrals")
    found = frames(study(tables=(*PLAIN, *dosage)), tmp_path)
    rows = found["program_episodes"].dropna(subset="entry_date").drop_duplicates("person_id")
    court = set(rows.loc[rows["program"] == "court", "person_id"])
    for name in dosage[:-1]:
        assert set(found[name]["person_id"]) <= court
    assert set(found["drug_tests"]["result"]) == {"negative", "positive", "missed", "dilute"}
    assert set(found["sanctions"]["kind"]) == {"sanction", "incentive"}
    referrals = found["referrals"].merge(rows, on="person_id", suffixes=("", "_entry"))
    assert (referrals.dropna(subset="assessed_date")["referral_date"] <= referrals.dropna(subset="assessed_date")["assessed_date"]).all()  # fmt: skip
    assert (referrals["referral_date"] < referrals["entry_date"]).all()
    assert set(found["referrals"].loc[found["referrals"]["admitted"], "person_id"]) == court
    stay = rows[rows["program"] == "court"].set_index("person_id")
    last = found["hearings"].groupby("person_id")["hearing_date"].max()
    known = stay["exit_date"].dropna()
    both = known.index.intersection(last.index)
    assert (last[both] <= known[both] + pd.Timedelta(days=6).to_pytimedelta()).all()
    assert set(stay["exit_reason"]) == {"graduated", "terminated", "withdrew", "still active"}
    assert (stay["exit_date"].isna() == (stay["exit_reason"] == "still active")).all()


def test_tables_of_delivery_have_the_columns_that_the_study_names(tmp_path):
    own = {"stays": {"table": "program_episodes"},
           "dosage": [{"id": "calls", "label": "Calls", "table": "calls", "date": "day", "sum": "minutes",
                       "where": {"kind": "mentor"}, "within": "6 months"}],
           "funnel": {"table": "intakes", "steps": [{"label": "Referred", "date": "referred"},
                                                    {"label": "In", "where": {"admitted": True}}]}}  # fmt: skip
    made = study(tables=(*PLAIN, "calls", "intakes"))
    found = frames(Study.model_validate({**made.model_dump(exclude_unset=True), "implementation": own}), tmp_path)
    assert {"day", "minutes", "kind"} <= set(found["calls"].columns)
    assert {"referred", "admitted"} <= set(found["intakes"].columns)


# ----------------------------------------------------------------------- refusals


def test_what_cannot_be_planted_is_refused(tmp_path):
    with pytest.raises(DataError, match="cannot be planted"):
        simulate(study(estimator="fine_gray"), -0.1, tmp_path)
    with pytest.raises(DataError, match="between 0 and 1"):
        simulate(study(), -0.5, tmp_path)
    with pytest.raises(DataError, match="no offence that is simulated"):
        simulate(study({**ARREST, "offence": {"include": ["public_order"]}}), -0.1, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_tables_that_cannot_be_made_are_refused(tmp_path):
    with pytest.raises(DataError, match="nothing in the study file says what the table weather holds"):
        simulate(study(tables=(*PLAIN, "weather")), -0.1, tmp_path)
    own = {"table": "justice_events", "date": "event_date", "where": {"event_type": "charge"}}
    with pytest.raises(DataError, match="cannot be simulated beside the outcomes"):
        simulate(study(comparison=own), -0.1, tmp_path)
    timeless = study().model_copy(update={"data": study().data.model_copy(update={"as_of": None})})
    with pytest.raises(DataError, match="last day"):
        simulate(timeless, -0.1, tmp_path)
