"""What `evaluation check` tells of tables that do not fit the study or each other, and that it is silent otherwise."""

from datetime import date, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation.run.plan import check

STUDY = """\
study: made
title: Made
question: Made?
intervention: {kind: drug_court, name: Program, description: What was done.}
data:
  source: Made
  tables:
    program_episodes: program_episodes.parquet
    justice_events: justice_events.parquet
    custody_periods: custody_periods.parquet
    deaths: deaths.parquet
    persons: persons.parquet
  as_of: 2022-12-31
design:
  type: cohort
  index: {table: program_episodes, date: entry_date, where: {program: court}}
  comparison: {table: program_episodes, date: entry_date, where: {program: probation}}
  windows: [6, 12]
  completers: {exit_reason: graduated}
  exclude:
    - {reason: Violence, table: justice_events, date: event_date, where: {offence_code: 13A}}
  characteristics:
    age: {table: persons, age_from: birth_date}
outcomes:
  - {id: rearrest, kind: recidivism, marker: arrest, competing: [death]}
analyses:
  - {id: main, role: primary, outcome: rearrest, estimator: risk_difference, options: {window: 12}}
disclosure: {profile: none}
"""
N = 240
START = date(2021, 1, 1)


def tables():
    """Columns by table: entries through a year, an arrest for every other person, spread over two years."""
    ids = [f"p{i:04d}" for i in range(N)]
    some = ids[::2]
    events = [START + timedelta(days=(i * 7) % 720) for i in range(len(some))]
    return {
        "program_episodes": {"person_id": ids, "entry_date": [START + timedelta(days=i % 300) for i in range(N)],
                             "program": ["court" if i % 4 < 2 else "probation" for i in range(N)],
                             "exit_reason": ["graduated" if i % 3 else "failed" for i in range(N)]},
        "justice_events": {"person_id": some, "event_type": ["arrest"] * len(some), "event_date": events,
                           "reason": ["new_crime"] * len(some),
                           "offence_code": [("35A", "13A")[i % 9 == 0] for i in range(len(some))]},
        "custody_periods": {"person_id": some, "start_date": events,
                            "end_date": [d + timedelta(days=3) for d in events]},
        "deaths": {"person_id": ids[5:8], "death_date": [date(2022, 12, 1)] * 3},
        "persons": {"person_id": ids, "birth_date": [date(1985, 1, 1)] * N},
    }  # fmt: skip


@pytest.fixture
def told(tmp_path):
    def of(change=None, study=STUDY):
        made = tables()
        if change:
            change(made)
        for name, columns in made.items():
            pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        (tmp_path / "made.yaml").write_text(study)
        return check(tmp_path / "made.yaml")

    return of


def put(table, column, change):
    def into(made):
        made[table][column] = [change(i, v) for i, v in enumerate(made[table][column])]

    return into


def test_tables_that_fit_are_passed_over_in_silence(told):
    assert [str(p) for p in told() if p.key != "disclosure"] == []


@pytest.mark.parametrize(
    ("change", "severity", "key", "says"),
    [
        (put("deaths", "person_id", lambda _, v: int(v[1:])), "error", "data.tables.deaths", "look like 9 there"),
        (put("custody_periods", "person_id", lambda _, v: f"X{v}"), "error", "data.tables.custody_periods", "Aa9999"),
        (put("justice_events", "reason", lambda i, v: "New crime" if i % 2 else v), "error", "outcomes[0].kind",
         '"New crime" (60)'),
        (put("justice_events", "reason", lambda i, v: "other" if i < 7 else v), "warning", "outcomes[0].kind",
         '"other" (7)'),
        (put("justice_events", "event_type", lambda i, v: "Arrest" if i % 2 else v), "error", "outcomes[0].marker",
         '"Arrest" (60)'),
        (put("justice_events", "offence_code", lambda _, v: v.lower()), "warning",
         "design.exclude[0].where.offence_code", '"35a" (106)'),
        (put("program_episodes", "exit_reason", lambda _, v: v.title()), "warning", "design.completers.exit_reason",
         '"Graduated" (160)'),
        (put("program_episodes", "program", lambda _, v: v.title()), "error", "design.index.where.program",
         '"Court" (120), "Probation" (120)'),
        (put("persons", "birth_date", lambda i, v: date(1800, 1, 1) if i % 3 == 0 else v), "warning",
         "design.characteristics.age.age_from", "be older than 110"),
        (put("justice_events", "event_date", lambda i, v: date(2099, 1, 1) if i % 10 == 0 else v), "warning",
         "data.tables.justice_events", "12 more than a year after"),
        (put("custody_periods", "end_date", lambda _, v: v - timedelta(days=30)), "error",
         "data.tables.custody_periods", "120 of 120 stays"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_at_its_key(told, change, severity, key, says):
    found = [p for p in told(change) if p.key == key]
    assert [p.severity for p in found] == [severity], found
    assert says in found[0].what
    assert "p00" not in found[0].what, "ids are never shown"


@pytest.mark.parametrize(("as_of", "severity"), [("2023-05-31", "warning"), ("2027-12-31", "error")])
def test_days_in_which_nothing_happens_are_no_follow_up(told, as_of, severity):
    late = STUDY.replace("2022-12-31", as_of).replace("[6, 12]", "[6, 12, 18, 20]")
    found = [p for p in told(study=late) if p.key == "data.as_of"]
    assert found
    assert {p.severity for p in found} == {severity}


def test_no_characteristic_is_how_the_program_ended(told):
    line = "    grad: {table: program_episodes, column: exit_reason, equals: graduated}\n"
    found = told(study=STUDY.replace("outcomes:\n", line + "outcomes:\n"))
    assert [p.key for p in found if p.severity == "error"] == ["design.characteristics.grad.column"]
