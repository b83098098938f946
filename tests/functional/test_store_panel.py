"""A panel built from monthly counts and adoptions that agencies submitted."""

import csv
import json
from datetime import date

import pytest

from evaluation.cli import call

AREAS = [f"060{n:02d}" for n in range(1, 25)]
ADOPTED = {a: date(2022 + i % 2, 1 + 3 * (i % 3), 1) for i, a in enumerate(AREAS[:12])}
EFFECT = -6
HEADER = ["agency_id", "area_id", "month", "measure", "dimension", "category", "basis", "count", "provisional"]
AGREEMENT = """
agreement: state_counts
title: Monthly counts of the state
parties: [state_health]
tables:
  agency_counts: {fields: all}
  program_adoption: {fields: all}
purposes: [evaluation]
legal_basis: [{law: public_record, section: "state records act"}]
starts: 2021-01-01
expires: 2099-12-31
retention_years: 90
erase_history: false
contact: records office
"""
STUDY = """
study: task_forces
title: Joint task forces and burglaries
question: Did burglaries fall where a task force began?
intervention: {kind: joint_task_force, name: The task forces, description: Agencies of several areas work together.}
data:
  store: true
  tables: [agency_counts, program_adoption]
design:
  type: panel
  unit: area_id
  time: period
  cohort: cohort
  time_unit: month
  unit_label: areas
  units_are: places
  build:
    first: 2021-07-01
    last: 2023-12-31
    adoption: {table: program_adoption, start: adopted_date, where: {intervention: joint_task_force}}
    coverage: {table: agency_counts, date: month}
outcomes:
  - {id: reports, column: reports, label: Burglaries reported, type: count, better: lower,
     build: {table: agency_counts, date: month, sum: count, where: {measure: arrests}}}
analyses:
  - {id: main, role: primary, outcome: reports, estimator: callaway_santanna}
disclosure: {profile: none}
"""


def written(path, header, rows):
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(header)
        writer.writerows(rows)


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agreement.yaml").write_text(AGREEMENT)
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "task_forces.yaml").write_text(STUDY)
    assert (
        call(["agency", "state_health", "--name", "State", "--project", "state", "--agreement", "agreement.yaml"]) == 0
    )
    for year, months in ((2021, range(7, 13)), (2022, range(1, 13)), (2023, range(1, 13))):
        rows = []
        for i, area in enumerate(AREAS):
            for month in months:
                t = 12 * (year - 2021) + month
                on = area in ADOPTED and date(year, month, 1) >= ADOPTED[area]
                value = 60 + 2 * i + t % 5 + (i * t) % 3 + EFFECT * on
                rows.append(
                    ["state_health", area, f"{year}-{month:02d}-01", "arrests", "none", "all", "agency", value, "false"]
                )
        written(tmp_path / f"{year}.csv", HEADER, rows)
        assert call(["submit", f"{year}.csv", "--table", "agency_counts", "--agency", "state_health",
                     "--period", str(year)]) == 0  # fmt: skip
    written(tmp_path / "adoptions.csv", ["agency_id", "area_id", "intervention", "adopted_date", "source"],
            [["state_health", a, "joint_task_force", d, "Ordinance"] for a, d in ADOPTED.items()])  # fmt: skip
    assert call(["submit", "adoptions.csv", "--table", "program_adoption", "--agency", "state_health",
                 "--period", "2023"]) == 0  # fmt: skip
    return tmp_path


def test_the_planted_effect_is_found_in_submitted_counts(state, capfd):
    capfd.readouterr()
    assert call(["run", "task_forces", "--json"]) == 0
    results = state / "outputs" / "task_forces" / "results"
    with (results / "estimates.csv").open(encoding="utf-8", newline="") as handle:
        main = next(r for r in csv.DictReader(handle) if r["term"] == "att")
    assert float(main["estimate"]) == pytest.approx(EFFECT, abs=0.5)
    assert int(float(main["n_units"])) == len(AREAS)
    store = json.loads((results / "provenance.json").read_text())["store"]
    assert store["agreements"] == ["state_counts"]
    assert store["linkage"] == []
    assert set(store["snapshot"]["tables"]) == {"agency_counts", "program_adoption"}
    page = (state / "outputs" / "task_forces" / "report" / "full.html").read_text()
    assert "Agreements relied on" in page
    assert "Who was recognised" not in page


def test_a_panel_of_areas_needs_no_leave_to_follow_people(state, capfd):
    """Events of people are counted by area: nobody is followed from table to table, and no number of a person is read."""
    text = (state / "store" / "agreements" / "state_counts.yaml").read_text()
    add = "  overdose_events: {fields: all}\n  persons: {fields: all}\npurposes"
    (state / "store" / "agreements" / "state_counts.yaml").write_text(text.replace("purposes", add))
    (state / "key").write_text("k" * 40)
    (state / "key").chmod(0o600)
    names = ["agency_id", "event_id", "person_id", "event_date", "source", "area_id", "outcome"]
    events = [["state_health", f"E{i}", f"P{i % 7}", f"2023-{1 + i % 12:02d}-10", "ems", AREAS[i % 24], "survived"]
              for i in range(240)]  # fmt: skip
    written(state / "events.csv", names, events)
    written(state / "persons.csv", ["agency_id", "person_id", "last_name", "birth_date"],
            [["state_health", f"P{i}", "Lee", f"199{i}-01-01"] for i in range(7)])  # fmt: skip
    for table in ("persons", "overdose_events"):
        file = "events.csv" if table == "overdose_events" else "persons.csv"
        assert call(["submit", file, "--table", table, "--agency", "state_health", "--period", "2023", "--key-file",
                     "key"]) == 0, capfd.readouterr().out  # fmt: skip
    study = (state / "studies" / "task_forces.yaml").read_text()
    study = study.replace(
        "tables: [agency_counts, program_adoption]", "tables: [agency_counts, program_adoption, overdose_events]"
    )
    (state / "studies" / "task_forces.yaml").write_text(study)
    assert call(["run", "task_forces", "--no-report"]) == 0
    results = state / "outputs" / "task_forces" / "results"
    assert json.loads((results / "provenance.json").read_text())["store"]["linkage"] == []
    assert (results / "linkage.csv").read_text().count("\n") == 1
    (state / "studies" / "task_forces.yaml").write_text(study.replace("  units_are: places\n", ""))
    assert call(["check", "task_forces"]) == 1
    assert "units_are: places" in capfd.readouterr().err
