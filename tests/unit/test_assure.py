"""Hand-made cases through the real builders: what passes, what differs and how it is told, and what is refused."""

from datetime import date

import pytest

from evaluation.errors import StudyError
from evaluation.run.assure import assure
from evaluation.run.expectations import day_of, elapsed
from tests.cohort_naive import elapsed as slow

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
    exclude: [{reason: Pilot counties, table: program, where: {pilot: true}}]
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


@pytest.mark.parametrize(
    ("unit", "start"),
    [(u, s) for u in ("day", "week", "month", "year") for s in ("2020-01-31", "2020-02-29", "2021-11-30")],
)
def test_days_and_times_go_both_ways(unit, start):
    begun = date.fromisoformat(start)
    for day in (date.fromordinal(begun.toordinal() + n) for n in range(0, 900)):
        after = date.fromordinal(day.toordinal() + 1)
        assert elapsed(begun, after, unit) == slow(begun, after, unit)
        assert day_of(begun, elapsed(begun, after, unit), unit) == day
    assert day_of(begun, 1.0123, unit) == 1.0123
