"""The dictionary's rules at work: each finds the row it is for and leaves sound rows alone; simulated data conform."""

import duckdb
import pyarrow.parquet as pq
import pytest

from evaluation import resources
from evaluation.data.assemble.cohort.offences import code_groups
from evaluation.data.simulate import simulate
from evaluation.dictionary.codelists import codelist
from evaluation.dictionary.compile_cells import TYPES, allowed, identifier
from evaluation.dictionary.compile_rules import TYPED, Known, rule_check
from evaluation.dictionary.tables import tables
from evaluation.study.load import load

TABLES = tables()
CONNECTION = duckdb.connect(config={"threads": 1})


def create(connection, name, table, rows):
    """A table of the dictionary's types: the rows are those of a spreadsheet from its second on."""
    columns = ", ".join(f"{identifier(f.name)} {TYPES[f.type]}" for f in table.fields)
    connection.execute(f"CREATE OR REPLACE TABLE {identifier(name)} (row BIGINT, {columns})")
    for place, row in enumerate(rows, start=2):
        names, marks = ", ".join(identifier(n) for n in row), ", ".join("?" * (len(row) + 1))
        connection.execute(f"INSERT INTO {identifier(name)} (row, {names}) VALUES ({marks})", [place, *row.values()])


def example(table, **changed):
    return {f.name: f.example for f in TABLES[table].fields} | changed


def broken(table, rows, earlier=(), **others):
    """The rules that rows of a table break, with the rows that each names."""
    found = {}
    create(CONNECTION, TYPED, TABLES[table], rows)
    create(CONNECTION, "earlier", TABLES[table], earlier)
    for name, there in others.items():
        create(CONNECTION, f"known_{name}", TABLES[name], there)
    known = Known({name: f"known_{name}" for name in others}, "earlier")
    for rule in TABLES[table].rules:
        check = rule_check(rule, TABLES[table], known)
        if check is not None and (named := CONNECTION.execute(check.sql).fetchall()):
            found[rule.id] = sorted(row for (row,) in named)
    return found


# --------------------------------------------------------------------------- within a row

WITHIN_A_ROW = [
    ("persons", "can_be_linked", {"state_id": None, "birth_date": None}),
    ("persons", "two_names", {"last_name": None}),
    ("persons", "a_name_is_a_name", {"last_name": "Lopez 2"}),
    ("program_episodes", "exit_after_entry", {"exit_date": "2025-03-10"}),
    ("program_episodes", "referral_before_entry", {"referral_date": "2025-03-12"}),
    ("program_episodes", "arrest_before_entry", {"arrest_date": "2025-03-12"}),
    ("program_episodes", "reason_with_exit", {"exit_reason": "still active"}),
    ("program_episodes", "exit_with_reason", {"exit_date": None}),
    ("program_episodes", "graduation_takes_time", {"exit_date": "2025-03-20"}),
    ("justice_events", "offence_before_arrest", {"offence_date": "2025-03-15"}),
    ("justice_events", "arrest_before_filing", {"filing_date": "2025-03-13"}),
    ("justice_events", "filing_before_decision", {"disposition_date": "2025-03-19"}),
    ("justice_events", "arrest_on_its_day", {"event_date": "2025-03-16"}),
    ("justice_events", "drug_of_a_seizure", {"suspected_drug": None}),
    ("justice_events", "quantity_with_unit", {"quantity_unit": None}),
    ("justice_events", "unit_with_quantity", {"quantity": None}),
    ("justice_events", "unmeasured_has_no_quantity", {"quantity_unit": "XX"}),
    ("justice_events", "plants_are_plants", {"quantity_unit": "NP"}),
    ("justice_events", "fentanyl_among_narcotics", {"fentanyl": True}),
    ("justice_events", "reason_is_given", {"reason": None}),
    ("custody_periods", "leaving_after_start", {"end_date": "2025-03-13"}),
    ("custody_periods", "leaving_with_reason", {"end_date": None}),
    ("deaths", "settled_has_a_cause", {"underlying_cause": None, "provisional": False}),
    ("deaths", "pending_is_provisional", {"manner": "pending", "provisional": False}),
    ("deaths", "cause_is_external", {"underlying_cause": "T40.4"}),
    ("deaths", "overdose_names_a_drug", {"contributing_causes": None}),
    ("deaths", "accident_by_code", {"manner": "natural"}),
    ("deaths", "suicide_by_code", {"underlying_cause": "X62"}),
    ("treatment_episodes", "discharge_after_admission", {"discharge_date": "2025-03-02"}),
    ("treatment_episodes", "contact_within_stay", {"last_contact_date": "2025-08-30"}),
    ("treatment_episodes", "substances_differ", {"secondary_substance": "heroin"}),
    ("treatment_episodes", "justice_source_fits", {"referral_source": "school"}),
    ("drug_tests", "positive_says_for_what", {"positive_for": None}),
    ("drug_tests", "only_positive_says_for_what", {"result": "negative"}),
    ("overdose_events", "doses_if_given", {"naloxone_doses": 0}),
    ("overdose_events", "given_if_doses", {"naloxone_given": False}),
    ("overdose_events", "first_encounter", {"diagnosis": "T40.411D"}),
    ("overdose_events", "poisoning_not_underdosing", {"diagnosis": "T40.415A"}),
    ("naloxone_distribution", "units_at_least_kits", {"units": 119}),
    ("naloxone_distribution", "first_of_month", {"month": "2025-03-02"}),
    ("agency_counts", "first_of_month", {"month": "2025-03-31"}),
    ("agency_counts", "everybody_is_all", {"category": "female"}),
    ("agency_counts", "deaths_say_where", {"measure": "overdose_deaths", "basis": "agency"}),
    ("agency_counts", "zero_of_no_days", {"count": 0, "days_reported": 0}),
    ("task_force_activity", "first_of_quarter", {"quarter": "2025-02-01"}),
    ("task_force_activity", "seizure_names_a_drug", {"drug": "none"}),
    ("task_force_activity", "seizure_is_measured", {"unit": "count"}),
    ("task_force_activity", "counts_are_whole", {"output": "arrests", "unit": "count", "drug": "none"}),
    ("trainings", "tested_were_trained", {"people_tested": 49}),
    ("trainings", "joint_has_agencies", {"agencies_present": 1}),
    ("school_survey", "positives_answered", {"positive": 172}),
    ("school_survey", "groups_hide_single_pupils", {"respondents": 9, "positive": 2}),
    ("program_adoption", "announced_before_adopted", {"announced_date": "2022-01-02"}),
    ("jurisdictions", "county_has_five_digits", {"area_id": "1067"}),
    ("referrals", "assessment_after_referral", {"assessed_date": "2025-02-02"}),
    ("referrals", "admitted_are_eligible", {"admitted": True, "eligible": False, "not_admitted_reason": None}),
    ("hearings", "warrant_if_absent", {"warrant_issued": True}),
    ("treatment_sessions", "session_takes_time", {"hours": 0}),
    ("sanctions", "days_only_of_jail", {"form": "essay"}),
    ("costs", "people_in_the_total", {"category": "staff"}),
]


@pytest.mark.parametrize(("table", "rule", "changed"), WITHIN_A_ROW, ids=[f"{t}.{r}" for t, r, _ in WITHIN_A_ROW])
def test_a_rule_within_a_row_finds_its_row(table, rule, changed):
    rows = [example(table), example(table, **changed)]
    assert broken(table, rows)[rule] == [3]


def test_an_unknown_date_breaks_nothing():
    row = example("program_episodes", exit_date=None, exit_reason=None, referral_date=None, arrest_date=None)
    assert broken("program_episodes", [row]) == {}


# --------------------------------------------------------------------------- between rows


def test_stays_in_custody_may_touch_but_not_overlap():
    first, touching = example("custody_periods"), example("custody_periods", start_date="2025-03-20", end_date=None)
    assert broken("custody_periods", [first, touching | {"release_reason": None}]) == {}
    inside = example("custody_periods", start_date="2025-03-19", end_date="2025-03-30")
    assert broken("custody_periods", [first, inside]) == {"one_stay_at_a_time": [3]}
    another = inside | {"person_id": "2"}
    assert broken("custody_periods", [first, another]) == {}


def count(**changed):
    return example("agency_counts", **changed)


def test_groups_add_up_to_all():
    def rows(women):
        parts = {"all": 10, "female": women, "male": 6}
        return [count(dimension="sex", category=c, count=n) for c, n in parts.items()]

    assert broken("agency_counts", rows(4)) == {}
    assert broken("agency_counts", rows(5)) == {"parts_add_up": [2]}
    assert broken("agency_counts", rows(None)) == {}


def test_everybody_together_is_one_number():
    rows = [count(count=10), count(dimension="sex", category="all", count=11)]
    assert broken("agency_counts", rows) == {"same_total": [2, 3]}


@pytest.mark.parametrize(("part", "whole", "rule"), [
    ("positive_drug_tests", "drug_tests", "positives_are_tests"),
    ("drug_arrests", "arrests", "drug_arrests_are_arrests"),
    ("opioid_overdose_deaths", "overdose_deaths", "opioid_deaths_are_overdoses"),
])  # fmt: skip
def test_a_part_is_at_most_the_whole(part, whole, rule):
    assert broken("agency_counts", [count(measure=part, count=5), count(measure=whole, count=5)]) == {}
    assert broken("agency_counts", [count(measure=part, count=6), count(measure=whole, count=5)]) == {rule: [2]}


def months(counts, first=1, **changed):
    return [count(month=f"2024-{m:02d}-01", count=n, **changed) for m, n in enumerate(counts, start=first)]


def test_a_month_that_is_missing_is_said_and_a_month_of_zero_is_not():
    whole = months([7, 0, 6, 8])
    assert broken("agency_counts", whole) == {}
    assert broken("agency_counts", [whole[0], *whole[2:]]) == {"no_gap": [3]}
    assert broken("agency_counts", [whole[3]], earlier=[whole[0]]) == {"no_gap": [2]}


def test_a_sudden_change_is_judged_by_the_series_own_history():
    steady = [200, 210, 190, 205, 198, 202, 207, 195, 201]
    assert broken("agency_counts", months([206], first=10), earlier=months(steady)) == {}
    assert broken("agency_counts", months([20], first=10), earlier=months(steady)) == {"sudden_change": [2]}
    assert broken("agency_counts", months([20], first=4), earlier=months(steady[:3])) == {}


def test_deaths_are_provisional_while_some_are_pending():
    pending = count(measure="pending_deaths", count=3, provisional=True)
    overdoses = count(measure="overdose_deaths", count=12)
    assert broken("agency_counts", [pending, overdoses]) == {"deaths_with_pending_are_provisional": [3]}
    assert broken("agency_counts", [pending, overdoses | {"provisional": True}]) == {}


def test_the_age_groups_add_up_to_the_population():
    ages = [c.code for c in codelist("age_groups") if c.code != "all"]
    parts = [example("populations", age_group=a, population=100) for a in ages]
    assert broken("populations", [*parts, example("populations", age_group="all", population=800)]) == {}
    assert broken("populations", [*parts, example("populations", age_group="all", population=801)]) == {
        "ages_add_up": [10]
    }


# --------------------------------------------------------------------------- between tables

DATED = {
    "program_episodes": "entry_date", "justice_events": "event_date", "custody_periods": "start_date",
    "treatment_episodes": "admission_date", "drug_tests": "test_date", "overdose_events": "event_date",
    "assessments": "assessment_date", "referrals": "referral_date", "hearings": "hearing_date",
    "treatment_sessions": "session_date", "sanctions": "sanction_date",
}  # fmt: skip


def test_every_table_of_people_is_held_against_deaths():
    people = {t.name for t in TABLES.values() if t.level in ("person", "event")}
    assert people == set(DATED) | {"persons", "deaths"}


@pytest.mark.parametrize(("table", "column"), DATED.items(), ids=list(DATED))
def test_nothing_happens_after_death(table, column):
    who = {"agency_id": "a", "person_id": "1"}
    rows = [who | {column: "2025-05-09"}, who | {column: "2025-05-10"}, who | {column: "2025-05-10", "person_id": "2"}]
    if table == "justice_events":
        rows = [row | {"event_type": "arrest"} for row in rows]
    deaths = [who | {"death_date": "2025-05-09"}]
    assert broken(table, rows, deaths=deaths)["not_after_death"] == [3]


def test_a_death_is_not_before_what_was_sent_already():
    who = {"agency_id": "a", "person_id": "1"}
    death = who | {"death_date": "2025-05-09", "provisional": True, "residence_area": "21067"}
    sent = [who | {"event_type": "arrest", "event_date": "2025-05-10"}]
    assert broken("deaths", [death], justice_events=sent) == {"last_of_justice_events": [2]}
    assert broken("deaths", [death], justice_events=[sent[0] | {"event_type": "conviction"}]) == {}


def test_nobody_is_arrested_before_ten():
    who = {"agency_id": "a", "person_id": "1"}
    people = [who | {"birth_date": "2015-05-10"}]
    young, old = who | {"event_date": "2025-05-09"}, who | {"event_date": "2025-05-10"}
    assert broken("justice_events", [old, young], persons=people)["old_enough"] == [3]


def test_courts_and_police_tell_of_about_the_same_arrests():
    def arrests(n):
        return [{"event_type": "arrest", "event_date": "2025-03-14", "arrest_date": "2025-03-14"}] * n

    counted = [count(measure="court_arrests", count=40)]
    rule = "court_arrests_as_police_sent"
    assert rule not in broken("agency_counts", counted, justice_events=arrests(36))
    assert broken("agency_counts", counted, justice_events=arrests(20))[rule] == [2]


# --------------------------------------------------------------------------- simulated data

LACKING = {  # keys of rows, and agencies, that the simulator does not make
    "persons": {"agency_id"}, "assessments": {"agency_id", "assessment_date"}, "drug_tests": {"test_id"},
    "treatment_sessions": {"session_id"}, "sanctions": {"sanction_id"}, "deaths": {"provisional"},
}  # fmt: skip
PLANTED = {"99X"}  # an offence code that nobody knows, one of the edge cases


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("court")
    text = (resources.folder("studies") / "drug_court.yaml").read_text(encoding="utf-8")
    file = folder / "drug_court.yaml"
    file.write_text(text.replace("size: 8000", "size: 400").replace("../build/data/drug_court/", ""), encoding="utf-8")
    study = load(file).study
    simulate(study, -0.1, folder / "made", None)
    return {path.stem: pq.read_table(path) for path in sorted((folder / "made").glob("*.parquet"))}


def test_simulated_tables_have_the_columns_and_codes_of_the_dictionary(simulated):
    assert set(simulated) - {"coverage"} <= set(TABLES)
    for name, made in simulated.items():
        if name == "coverage":  # the store makes it from what was received
            continue
        fields = {f.name: f for f in TABLES[name].fields}
        assert set(made.column_names) <= set(fields), name
        needed = {n for n, f in fields.items() if f.constraints.required}
        assert needed - set(made.column_names) == LACKING.get(name, set()), name
        for column in made.column_names:
            if codes := allowed(fields[column]):
                there = {str(v) for v in made[column].unique().to_pylist() if v is not None}
                assert there - set(codes) <= PLANTED, f"{name}.{column}"


def test_offence_codes_are_those_by_which_cohorts_are_built():
    grouped = {code for codes in code_groups().values() for code in codes}
    assert grouped == {c.code for c in codelist("offence_groups")}
