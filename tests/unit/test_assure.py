"""Hand-made cases through the real builders: what passes, what differs and how it is told, and what is refused."""

from datetime import date

import pytest

from evaluation.errors import StudyError
from evaluation.run.assure import assure
from evaluation.run.expectations import day_of, elapsed
from tests.calendar_naive import elapsed as slow

PANEL = """\
study: access
title: Same-day treatment
question: Fewer deaths?
intervention: {kind: treatment_access, name: Access, description: Treatment at once.}
data: {tables: {deaths: nowhere/deaths.parquet, program: nowhere/program.parquet, reporting: nowhere/reporting.parquet}}
design:
  type: panel
  unit: county
  time: quarter
  cohort: first_quarter
  time_unit: quarter
  build:
    first: 2021-01-01
    last: 2021-12-31
    adoption: {table: program, start: began}
    coverage: {table: reporting, start: from, end: to}
    exclude:
      - {reason: Runs a program of its own, units: [county 09]}
      - {reason: Pilot counties, table: program, where: {pilot: true}}
outcomes:
  - {id: deaths, column: deaths, label: Deaths, type: count, build: {table: deaths, date: died, where: {drug: opioid}}}
analyses:
  - {id: main, role: primary, outcome: deaths, estimator: callaway_santanna}
disclosure: {profile: none}
"""
UNITS = """\
cases:
  - case: Treatment within a quarter treats from the next one, and its own quarter is set aside
    rows:
      program: [{began: 2021-05-15}]
      reporting: [{from: 2021-01-01, to: 2021-12-31}]
      deaths: [{died: 2021-03-31, drug: opioid}, {died: 2021-07-01, drug: opioid}, {died: 2021-07-01, drug: other}]
    expect: {first_quarter: 3, deaths: {1: 1, 2: null, 3: 1, 4: 0}}
  - case: Never treated, and silent from October
    rows: {reporting: [{from: 2021-01-01, to: 2021-09-30}]}
    expect: {first_quarter: 0, deaths: {4: null, 1: 0}}
  - case: A pilot is kept out
    rows: {program: [{began: 2021-01-01, pilot: true}], reporting: [{from: 2021-01-01, to: 2021-12-31}]}
    expect: {left_out: Pilot counties}
"""


COHORT = """\
study: court
title: Drug court
question: Fewer arrests?
intervention: {kind: drug_court, name: Court, description: A court.}
data:
  tables: {entries: nowhere.parquet, justice_events: nowhere.parquet, custody_periods: nowhere.parquet,
           deaths: nowhere.parquet, reach: nowhere.parquet}
  as_of: 2023-12-31
  coverage: {table: reach}
design:
  type: cohort
  index: {table: entries, date: entered, where: {program: court}}
  comparison: {table: entries, date: entered, where: {program: usual}}
  windows: [6, 12]
outcomes:
  - {id: rearrest, kind: recidivism, marker: arrest, competing: [death]}
analyses:
  - {id: main, role: primary, outcome: rearrest, estimator: risk_difference, options: {window: 12}}
disclosure: {profile: none}
"""
PERSON = """\
cases:
  - case: An arrest in July
    rows:
      entries: [{program: court, entered: 2021-01-15}]
      justice_events: [{event_type: arrest, event_date: 2021-07-15}]
    expect: {arm: 1, rearrest: {event: 1, on: 2021-07-15, eligible: [6, 12], by: {6: 0, 12: 1}, days_at_liberty: 182}}
"""


def laid(folder, study, cases, name="access"):
    """A study file and its cases in a folder."""
    (folder / name).mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(study, encoding="utf-8")
    (folder / name / "cases.yaml").write_text(cases, encoding="utf-8")
    return folder / f"{name}.yaml"


def told(verdicts):
    return [[(d.key, d.expected, d.found) for d in v.differences] for v in verdicts]


def refused(path, match):
    with pytest.raises(StudyError, match=match) as caught:
        assure(path)
    return caught.value.problems


def test_units_of_a_panel(tmp_path):
    verdicts = assure(laid(tmp_path, PANEL, UNITS))
    assert told(verdicts) == [[], [], []]
    assert verdicts[1].where.endswith("cases.yaml:8:5")


def test_what_differs_in_a_panel_is_told(tmp_path):
    wrong = (
        UNITS.replace("3: 1, 4: 0", "3: 2, 4: 0")
        .replace("first_quarter: 0", "first_quarter: 4")
        .replace("left_out: Pilot counties", "first_quarter: 1")
    )
    assert told(assure(laid(tmp_path, PANEL, wrong))) == [
        [("deaths[3]", "2", "1")],
        [(f"first_quarter[{q}]", "4", "0") for q in (1, 2, 3, 4)],
        [("row", "one in the data", "left out: exclude_1 (Pilot counties)")],
    ]


def one(folder, old="", new=""):
    """What differs in the one person's case, a part of it replaced."""
    assert old in PERSON
    (verdict,) = assure(laid(folder, COHORT, PERSON.replace(old, new) if old else PERSON, "court"))
    return told([verdict])[0]


def test_a_person_as_expected(tmp_path):
    assert one(tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("arm: 1", "arm: 0", ("arm", "0", "1")),
        ("event: 1", "event: none", ("rearrest.event", "0", "1")),
        ("event: 1", "event: death", ("rearrest.event", "2", "1")),
        ("on: 2021-07-15", "on: 2021-07-14", ("rearrest.on", "2021-07-14", "2021-07-15")),
        ("eligible: [6, 12]", "eligible: [6]", ("rearrest.eligible", "[6]", "[6, 12]")),
        ("by: {6: 0, 12: 1}", "by: {6: 1, 12: 1}", ("rearrest.by", "{6: 1, 12: 1}", "{6: 0, 12: 1}")),
        ("by: {6: 0, 12: 1}", "by: {12: 0}", ("rearrest.by", "{12: 0}", "{12: 1}")),
        ("days_at_liberty: 182", "days_at_liberty: 181", ("rearrest.days_at_liberty", "181", "182")),
        (
            "days_at_liberty: 182",
            "followed_through: 2023-12-30",
            ("rearrest.followed_through", "2023-12-30", "2023-12-31"),
        ),
        ("days_at_liberty: 182", "liberty_follow_up: 1", ("rearrest.liberty_follow_up", "1", "1081")),
        ("days_at_liberty: 182", "known: false", ("rearrest.known", "false", "true")),
        ("days_at_liberty: 182", "count: null", ("rearrest.count", "empty", "1")),
        ("arm: 1, rearrest", "rearrest_time: 6, rearrest", ("rearrest_time", "6", "6.032258065")),
        ("program: court", "program: usual", ("arm", "1", "0")),
    ],
)
def test_what_differs_is_told_in_the_words_of_the_case(tmp_path, old, new, difference):
    assert one(tmp_path, old, new) == [difference]


STAYS = """\
  - case: Someone who stays
    rows: {entries: [{program: usual, entered: 2021-01-15}]}
    expect: {arm: 0}
"""


@pytest.mark.parametrize(
    ("expect", "entered", "difference"),
    [
        ("{left_out: after_as_of}", "2024-01-01", []),
        ("{left_out: Died before the index date}", "2021-01-15", []),
        (
            "{left_out: after_as_of}",
            "2021-01-15",
            [("left_out", "after_as_of", "died_before (Died before the index date)")],
        ),
        ("{left_out: died_before}", "2020-01-15", [("left_out", "died_before", "in the data")]),
        ("{arm: 1}", "2021-01-15", [("row", "one in the data", "left out: died_before (Died before the index date)")]),
        ("[{arm: 1}, {arm: 0}]", "2020-01-15", [("rows", "2", "1")]),
    ],
)
def test_people_left_out(tmp_path, expect, entered, difference):
    left = f"""\
  - case: Someone who died in 2020
    rows:
      entries: [{{program: court, entered: {entered}}}]
      deaths: [{{death_date: 2020-12-31}}]
    expect: {expect}
"""
    assert told(assure(laid(tmp_path, COHORT, "cases:\n" + STAYS + left, "court"))) == [[], difference]


def test_a_study_of_nobody_cannot_say_why(tmp_path):
    left = "cases:\n" + STAYS.replace("{arm: 0}", "{left_out: after_as_of}").replace("2021", "2024")
    (problem,) = refused(laid(tmp_path, COHORT, left, "court"), "nobody is left")
    assert problem.fix.startswith("Add a case of someone who stays")


OTHERS = """\
  - case: Before that arrest
    as_of: 2021-07-14
    rows:
      entries: [{program: court, entered: 2021-01-15}]
      justice_events: [{event_type: arrest, event_date: 2021-07-15}]
    expect: {rearrest: {event: none, followed_through: 2021-07-14, by: {6: 0, 12: not followed}}}
  - case: A charge
    variant: {outcomes.rearrest.marker: charge, design.windows: [3]}
    rows:
      entries: [{program: court, entered: 2021-01-15}]
      justice_events: [{event_type: charge, event_date: 2021-04-14}]
    expect: {rearrest: {by: {3: rearrest}}}
  - case: An agency that tells nothing after June
    rows: {entries: [{program: court, entered: 2021-01-15}], reach: [{table: justice_events, end_date: 2021-06-30}]}
    expect: {rearrest: {followed_through: 2021-06-30}}
"""


def test_cases_have_their_own_last_day_keys_and_coverage(tmp_path):
    study = COHORT.replace("options: {window: 12}", "options: {}")
    assert told(assure(laid(tmp_path, study, PERSON + OTHERS, "court"))) == [[], [], [], []]
    later = study.replace("as_of: 2023-12-31", "as_of: 2026-12-31")
    verdicts = told(assure(laid(tmp_path, later, PERSON + OTHERS, "court")))
    assert verdicts == [[], [], [], []]
    whole = PERSON.replace("eligible: [6, 12]", "followed_through: 2023-12-31")
    assert told(assure(laid(tmp_path, later, whole, "court"))) != [[]]
    assert told(assure(laid(tmp_path, later, "as_of: 2023-12-31\n" + whole, "court"))) == [[]]


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("event_type: arrest", "event_typ: arrest", "5:25", 'justice_events has no column "event_typ"; did you mean "event_type"?'),
        ("justice_events:", "justice_event:", "5:7", 'the study has no table "justice_event"; did you mean "justice_events"?'),
        ("event_date: 2021-07-15", "event_date: soon", "5:57", "soon does not fit the column, which holds date values"),
        ("event_date: 2021-07-15", "event_date: 20210715", "5:57", "20210715 does not fit"),
        ("event: 1", "evnt: 1", "6:33", 'there is no "evnt"; did you mean "event"?'),
        ("arm: 1", "amr: 1", "6:14", 'there is no "amr"; did you mean "arm"?'),
        ("    expect:", "    expected:", "6:5", 'unknown key; did you mean "expect"?'),
        ("- case: An", "- cases: An", "2:5", 'unknown key; did you mean "case"?'),
        ("arm: 1", "left_out: x", "6:27", 'there is no "rearrest"'),
        ("    expect:", "    as_of: soon\n    expect:", "6:12", "as_of"),
        ("    expect:", "    variant: {desing.windows: [3]}\n    expect:", "6:15", 'there is no "desing.windows"'),
        ("    expect:", "    variant: {outcomes.arrest.marker: any}\n    expect:", "6:15", 'no "outcomes.arrest.marker"'),
        ("    expect:", "    variant: {design.clean_window: long}\n    expect:", "6:5", "makes the study wrong at design"),
        ("    expect:", "    variant: {analyses.main.outcome: x}\n    expect:", "6:5", "makes the study wrong at analyses"),
    ],
)  # fmt: skip
def test_mistakes_are_told_at_their_place(tmp_path, old, new, where, what):
    with pytest.raises(StudyError) as caught:
        one(tmp_path, old, new)
    found = [p.where.rsplit("cases.yaml:", 1)[-1] for p in caught.value.problems if what in str(p)]
    assert found == [where], caught.value


READY = """\
study: aid
title: Aid
question: Fewer arrests?
intervention: {kind: drug_court, name: Court, description: A court.}
data: {path: x.parquet}
design: {type: cohort, arm: a, assignment: randomised, time: t, time_unit: month, event: e}
outcomes: [{id: rearrest, label: Rearrest}]
analyses: [{id: main, role: primary, outcome: rearrest, estimator: kaplan_meier}]
disclosure: {profile: none}
"""


def test_without_cases_or_anything_to_build(tmp_path):
    path = laid(tmp_path, COHORT, "cases: []\n", "court")
    refused(path, "one entry at least")
    (tmp_path / "court" / "cases.yaml").unlink()
    (problem,) = refused(path, "there are no hand-made cases of this study")
    assert problem.where.endswith("cases.yaml")
    refused(laid(tmp_path, READY, PERSON, "aid"), "ready made: there is nothing to build")


@pytest.mark.parametrize(
    ("unit", "start"),
    [(u, s) for u in ("day", "week", "month", "year") for s in ("2020-01-31", "2020-02-29", "2021-11-30")],
)
def test_days_and_times_go_both_ways(unit, start):
    begun = date.fromisoformat(start)
    for day in (date.fromordinal(begun.toordinal() + n) for n in range(900)):
        after = date.fromordinal(day.toordinal() + 1)
        assert elapsed(begun, after, unit) == slow(begun, after, unit)
        assert day_of(begun, elapsed(begun, after, unit), unit) == day
    assert day_of(begun, 1.0123, unit) == 1.0123
