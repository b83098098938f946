"""From five agencies' files to a report: the example agencies submit, and a study reads what they sent."""

import csv
import json
import shlex
import shutil
from datetime import date
from pathlib import Path

import pytest

from evaluation.cli import call
from evaluation.data.example_agencies import AGENCIES, EFFECT

KEY = "a key of the tests, longer than thirty-two bytes\n"
PEOPLE_KEYS = (("state_id",), ("ssn4", "last_name", "birth_date"), ("first_name", "last_name", "birth_date", "sex"),
               ("first_name", "last_name", "birth_date"))  # fmt: skip


@pytest.fixture(scope="module")
def county(tmp_path_factory):
    """A folder with the store that the examples' script makes, and a run of the study."""
    base = tmp_path_factory.mktemp("county")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(base)
        assert call(["examples", "--agencies"]) == 0
        (base / "county.key").write_text(KEY)
        (base / "county.key").chmod(0o600)
        patch.setenv("EVALUATION_KEY_FILE", "county.key")
        for line in (base / "agencies" / "send.sh").read_text().splitlines():
            if line.startswith("evaluation "):
                assert call(shlex.split(line)[1:]) == 0, line
        assert call(["run", "submitted_court", "--no-report"]) == 0
    return base


@pytest.fixture
def here(county, tmp_path, monkeypatch):
    """A copy of it, to be spoilt."""
    for name in ("store", "studies", "agencies", "outputs"):
        shutil.copytree(county / name, tmp_path / name)
    shutil.copy2(county / "county.key", tmp_path / "county.key")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVALUATION_KEY_FILE", "county.key")
    return tmp_path


def rows(path):
    with Path(path).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def told_of(capfd, *tokens):
    code = call(list(tokens))
    return code, capfd.readouterr().err


def estimate(folder, analysis, term="risk_difference"):
    found = [
        r for r in rows(Path(folder) / "results" / "estimates.csv") if (r["analysis"], r["term"]) == (analysis, term)
    ]
    return found[0]


def one_person(base):
    """(agency, number) of every person to one number each, joined by hand: keys in order, one agency's file at a time.

    No two state numbers meet in these files, so that nothing need be refused.
    """
    whose = {}
    people = [r for agency in AGENCIES for r in rows(base / "agencies" / agency / "persons.csv")]
    label = list(range(len(people)))
    for key in PEOPLE_KEYS:
        first = {}
        for i, person in enumerate(people):
            value = tuple(person[c].upper() for c in key)
            if all(value):
                j = first.setdefault(value, i)
                old, new = label[i], label[j]
                label = [new if x == old else x for x in label]
    for i, person in enumerate(people):
        whose[person["agency_id"], person["person_id"]] = label[i]
    return whose


def test_the_unadjusted_difference_is_that_of_the_files_joined_by_hand(county):
    whose = one_person(county)
    day = date.fromisoformat

    def read(agency, table):
        folder = county / "agencies" / agency
        return [r for year in (2021, 2022, 2023, 2024) for r in rows(folder / f"{table}-{year}.csv")]

    arrests = {}
    for r in read("city_police", "justice_events"):
        arrests.setdefault(whose["city_police", r["person_id"]], []).append(
            (day(r["event_date"]), day(r["offence_date"]))
        )
    counted = {"drug_court": [0, 0], "probation": [0, 0]}
    for r in read("program_office", "program_episodes"):
        entry = day(r["entry_date"])
        end = date(entry.year + 1, entry.month, entry.day)
        hit = any(entry <= d < end and o >= entry for d, o in arrests.get(whose["program_office", r["person_id"]], ()))
        counted[r["program"]][0] += hit
        counted[r["program"]][1] += 1
    expected = counted["drug_court"][0] / counted["drug_court"][1] - counted["probation"][0] / counted["probation"][1]
    found = estimate(county / "outputs" / "submitted_court", "unadjusted")
    assert float(found["estimate"]) == pytest.approx(expected, abs=1e-11)
    assert float(found["n_units"]) == 1600


def test_the_planted_effect_is_found(county):
    main = estimate(county / "outputs" / "submitted_court", "main")
    assert float(main["conf_low"]) < EFFECT < float(main["conf_high"])


def test_linkage_and_agreements_are_told_and_small_groups_hidden(county):
    results = county / "outputs" / "submitted_court" / "results"
    linkage = rows(results / "linkage.csv")
    whole = {r["agency"]: r for r in linkage if not r["stratum"]}
    assert set(whole) == set(AGENCIES)
    whose = one_person(county)
    courts = {v for (agency, _), v in whose.items() if agency == "courts"}
    elsewhere = {v for (agency, _), v in whose.items() if agency != "courts"}
    assert float(whole["courts"]["share"]) == round(len(courts & elsewhere) / len(courts), 2)
    assert not [r for r in linkage if r["n"] or r["n_linked"]]  # shares alone, from which nothing can be subtracted
    assert whole["registry"]["status"] == "suppressed"
    assert {r["stratum"] for r in linkage if not r["agency"]} >= {"Key: state number", "Key: names, date of birth, sex"}
    assert [r["agreement"] for r in rows(results / "agreements.csv")] == ["county_justice", "registry_state_law"]


def test_no_identifier_of_the_agencies_is_in_store_or_results(county):
    persons = rows(county / "agencies" / "county_jail" / "persons.csv")
    planted = [p[c].encode() for p in persons[:200] for c in ("person_id", "state_id") if p[c]]
    for folder in ("store", "outputs"):
        for file in sorted((county / folder).rglob("*")):
            if file.is_file():
                content = file.read_bytes()
                assert not [p for p in planted if p in content], file


def test_an_earlier_run_can_be_run_again_on_what_it_read(here, capfd):
    text = (here / "agencies" / "city_police" / "justice_events-2023.csv").read_text().splitlines(keepends=True)
    shorter = here / "shorter.csv"
    shorter.write_text("".join(text[:400]))
    submit = ["submit", str(shorter), "--table", "justice_events", "--agency", "city_police", "--period", "2023"]
    assert call(submit) == 0
    assert call(["run", "submitted_court", "--no-report", "--out", "now"]) == 0
    before = here / "outputs" / "submitted_court"
    assert call(["run", "submitted_court", "--no-report", "--out", "again", "--snapshot", str(before)]) == 0
    capfd.readouterr()
    now, again = here / "now" / "submitted_court", here / "again" / "submitted_court"
    assert estimate(now, "unadjusted")["estimate"] != estimate(before, "unadjusted")["estimate"]
    for file in sorted((before / "results").glob("*.csv")):
        assert (again / "results" / file.name).read_bytes() == file.read_bytes(), file.name
    store = [json.loads((f / "results" / "provenance.json").read_text())["store"] for f in (before, again, now)]
    assert store[0] == store[1] != store[2]


def test_a_run_is_marked_when_someone_it_counted_is_forgotten(here, capfd):
    number = rows(here / "agencies" / "city_police" / "persons.csv")[3]["person_id"]
    (here / "withdrawn.txt").write_text(number + "\n")
    assert call(["forget", "--agency", "city_police", "--person-id-file", "withdrawn.txt", "--linked", "--json"]) == 0
    answer = json.loads(capfd.readouterr().out)
    assert answer["runs_marked"] == ["outputs/submitted_court"]
    assert call(["report", "submitted_court", "--product", "brief", "--to", "html"]) == 0
    page = (here / "outputs" / "submitted_court" / "report" / "brief.html").read_text()
    assert "Computed before a removal" in page
    assert call(["run", "submitted_court"]) == 0  # the mark goes to the history with the run it is of
    page = (here / "outputs" / "submitted_court" / "report" / "full.html").read_text()
    assert "Computed before a removal" not in page
    assert "Agreements relied on" in page
    assert "Who was recognised at several agencies" in page
    assert "Race and ethnicity: white" in page


def spoilt(here, key, old, new):
    file = here / "store" / "agreements" / f"{key}.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(("key", "old", "new", "said"), [
    ("registry_state_law", "expires: 2099-12-31", "expires: 2025-06-30", "registry_state_law expired on 2025-06-30"),
    ("registry_state_law", "starts: 2024-01-01", "starts: 2098-01-01", "registry_state_law starts on 2098-01-01"),
    ("registry_state_law", "purposes: [evaluation, research, quality_improvement]", "purposes: [audit]",
     "no agreement with registry allows deaths to be used for evaluation"),
    ("registry_state_law", "[program_episodes, justice_events,", "[program_episodes,",
     "no agreement with registry lets deaths be linked to justice_events"),
    ("county_justice", "  custody_periods: {fields: all}\n", "",
     "no agreement with county_jail covers the table custody_periods"),
])  # fmt: skip
def test_what_no_agreement_covers_is_not_used(here, capfd, key, old, new, said):
    spoilt(here, key, old, new)
    for command in (["check", "submitted_court"], ["run", "submitted_court", "--no-report", "--out", "new"]):
        code, err = told_of(capfd, *command)
        assert code != 0
        assert said in err
        assert "submitted_court.yaml:" in err
    assert not (here / "new").exists()


def changed(here, old, new):
    file = here / "studies" / "submitted_court.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


TABLES = "  tables: [persons, program_episodes, justice_events, custody_periods, deaths]\n"


@pytest.mark.parametrize(("old", "new", "said"), [
    (TABLES, "  tables: [persons, programme_episodes, justice_events, custody_periods, deaths]\n", 'the dictionary has no table "programme_episodes"'),
    ("custody_periods, deaths]", "custody_periods, deaths, hearings]", "no agency has sent the table hearings"),
    (TABLES, "", "Add it. Write tables: [program_episodes, justice_events]"),
    (TABLES, "  tables: {persons: persons.parquet}\n", "the tables come from the store, which knows their files"),
    ("  store: true  ", "  store: false ", "a list of tables is for studies of what agencies submitted"),
    ("  as_of: 2024-12-31\n", "", "the last day that the data tell of"),
    ("  as_of: 2024-12-31\n", "  as_of: 2024-12-31\n  coverage: {table: coverage}\n",
     "how far each agency's data reach is known from what it submitted"),
    ("  as_of: 2024-12-31\n", "  as_of: 2024-12-31\n  path: x.parquet\n", "the data come from the store"),
    ("{profile: cms11}", "{profile: none}", "agencies' records of people leave under a profile that hides small numbers"),
    ("age_from: birth_year", "age_from: birth_date", 'the table has no column "birth_date"; did you mean "birth_year"?'),
])  # fmt: skip
def test_mistakes_in_the_study_are_told_at_their_line(here, capfd, old, new, said):
    changed(here, old, new)
    code, err = told_of(capfd, "check", "submitted_court")
    assert code == 1
    assert said in err
    assert "submitted_court.yaml:" in err
    assert "Traceback" not in err


def test_a_store_that_is_not_there_and_one_that_was_altered(here, capfd):
    code, err = told_of(capfd, "check", "submitted_court", "--store", "elsewhere")
    assert code == 1
    assert "there is no store here" in err
    file = next((here / "store" / "tables" / "deaths").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    code, err = told_of(capfd, "check", "submitted_court")
    assert code == 1
    assert f"{file.name} is not the file of its receipt" in err


def test_a_snapshot_of_another_store_or_of_no_store(here, capfd):
    code, err = told_of(capfd, "run", "submitted_court", "--snapshot", "studies")
    assert (code, "there is no run here" in err) == (1, True)
    record = here / "outputs" / "submitted_court" / "results" / "provenance.json"
    said = json.loads(record.read_text())
    said["store"]["snapshot"]["hash"] = "0" * 64
    record.write_text(json.dumps(said))
    code, err = told_of(capfd, "run", "submitted_court", "--snapshot", "outputs/submitted_court")
    assert (code, "this is another store" in err) == (1, True)
    del said["store"]
    record.write_text(json.dumps(said))
    code, err = told_of(capfd, "run", "submitted_court", "--snapshot", "outputs/submitted_court")
    assert (code, "read no store" in err) == (1, True)


def test_power_is_reckoned_from_the_store_too(here, capfd):
    code = call(["design", "submitted_court", "--json"])
    answer = json.loads(capfd.readouterr().out)
    assert code == 0
    assert answer["analyses"][0]["n_people"] == 1600


def test_a_run_on_an_earlier_state_is_marked_too(here, capfd):
    number = rows(here / "agencies" / "city_police" / "persons.csv")[3]["person_id"]
    (here / "withdrawn.txt").write_text(number + "\n")
    assert call(["forget", "--agency", "city_police", "--person-id-file", "withdrawn.txt"]) == 0
    assert call(["run", "submitted_court", "--out", "again", "--snapshot", "outputs/submitted_court"]) == 0
    page = (here / "again" / "submitted_court" / "report" / "brief.html").read_text()
    assert "Computed before a removal" in page


def test_fields_that_an_agreement_no_longer_covers_are_not_read(here, capfd):
    fields = "agency_id, person_id, first_name, last_name, birth_date, sex"
    spoilt(here, "county_justice", "persons: {fields: all}", f"persons: {{fields: [{fields}]}}")
    assert call(["run", "submitted_court", "--no-report", "--out", "now"]) == 0
    told = [
        r
        for r in rows(here / "now" / "submitted_court" / "results" / "diagnostics.csv")
        if r["check"] == "fields_withheld"
    ]
    assert {m.split(" from ")[1].split(",")[0] for m in (r["message"] for r in told)} == {
        "program_office",
        "courts",
        "county_jail",
    }  # the police send under the registry's agreement too
    assert "race_ethnicity" in told[0]["message"]
    linkage = rows(here / "now" / "submitted_court" / "results" / "linkage.csv")
    keys = {r["stratum"]: float(r["share"]) for r in linkage if r["stratum"].startswith("Key") and r["share"]}
    assert keys["Key: names, date of birth, sex"] > 0.5  # for the state numbers of three agencies are withheld
    changed(here, "female: {table: persons, column: sex, equals: female}",
            "female: {table: persons, column: race_ethnicity, equals: black}")  # fmt: skip
    code, err = told_of(capfd, "check", "submitted_court")
    assert (code, 'the table has no column "race_ethnicity"' in err) == (1, True)


def test_agencies_that_might_send_and_never_did_are_told(county):
    checks = rows(county / "outputs" / "submitted_court" / "results" / "diagnostics.csv")
    silent = {r["term"]: r["message"] for r in checks if r["check"] == "agencies_silent"}
    assert "sheriff" in silent["justice_events"]
    assert "city_police" not in silent["justice_events"].split(" may ")[0]
