"""Cohorts from tables: every slip between their keys, and against their tables, at its line."""

from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation.run.plan import check, plan
from tests.spec.case import MARK, edited, position

COURT = """\
study: court
title: A drug court and rearrest
question: Were participants rearrested less often?
intervention: {kind: drug_court, name: Drug court, description: Treatment under a judge's supervision.}
data:
  tables:
    program_episodes: program_episodes.parquet
    justice_events: justice_events.parquet
    deaths: deaths.parquet
    custody_periods: custody_periods.parquet
  as_of: 2021-09-30
design:
  type: cohort
  index: {table: program_episodes, date: entry_date, where: {program: court}}
  comparison: {table: program_episodes, date: entry_date, where: {program: probation}}
  windows: [6, 12]
  completers: {exit_reason: graduated}
  characteristics:
    priors: {table: justice_events, date: event_date, within: 2 years}
  events:
    removal: {table: removals, date: removal_date}
outcomes:
  - {id: rearrest, kind: recidivism, marker: arrest, competing: [death]}
  - {id: died, kind: death}
analyses:
  - {id: main, role: primary, outcome: rearrest, estimator: cox}
  - {id: other, role: exploratory, outcome: died, estimator: kaplan_meier, among: completers}
  - {id: street, role: sensitivity, outcome: rearrest, estimator: kaplan_meier, clock: street}
disclosure: {profile: none}
"""


def write(folder, name, **columns):
    pq.write_table(pa.table(columns), folder / f"{name}.parquet")


@pytest.fixture
def tables(tmp_path):
    """Eighty people, half of them in the court; each third is arrested and each tenth dies."""
    people = [f"p{i}" for i in range(80)]
    entry = [date(2019, 1 + i % 12, 1) for i in range(80)]
    write(tmp_path, "program_episodes", person_id=people, entry_date=entry, score=list(range(80)), lane=entry,
          program=["court" if i % 2 else "probation" for i in range(80)],
          exit_reason=["graduated" if i % 4 == 1 else "failed" for i in range(80)])  # fmt: skip
    some = people[::3]
    write(tmp_path, "justice_events", person_id=some * 2, event_type=["arrest"] * 2 * len(some),
          event_date=[date(2018, 1 + i % 12, 3) for i in range(len(some))] + [date(2020, 1 + i % 12, 3) for i in range(len(some))],
          said=["2020-01-01"] * 2 * len(some))  # fmt: skip
    write(tmp_path, "deaths", person_id=people[::10] + people[1::10],
          death_date=[date(2021, 1 + i, 5) for i in range(8)] + [date(2020, 1 + i, 5) for i in range(8)])  # fmt: skip
    write(tmp_path, "custody_periods", person_id=["p1"], start_date=[date(2020, 1, 1)], end_date=[date(2020, 2, 1)])
    return tmp_path


def told(folder, *edits):
    """Where the marked place is, and the problems of the study edited so."""
    marked = edited(COURT, edits)
    path = folder / "court.yaml"
    path.write_text(marked.replace(MARK, ""), encoding="utf-8")
    return f"{path}:{position(marked)}" if MARK in marked else "", check(path)


def test_a_right_file_has_nothing_to_tell_and_is_planned(tables):
    _, problems = told(tables)
    assert problems == []
    planned = plan(tables / "court.yaml")
    assert planned.flow[0].n_remaining == 80
    assert len(planned.files) == 4
    assert "crossover" in {c.check for c in planned.checks}


REARREST = "{id: rearrest, kind: recidivism, marker: arrest, competing: [death]}"
MAIN = "role: primary, outcome: rearrest, estimator: cox"
PRIORS = "{table: justice_events, date: event_date, within: 2 years}"
INDEX = "index: {table: program_episodes, date: entry_date, where: {program: court}}"


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ("  as_of: 2021-09-30\n", "", "data.as_of", "the last day that the data tell of"),
        ("data:\n", "data:\n  ▸path: court.parquet\n", "data.path", "Keep one of the two"),
        ("  " + INDEX + "\n", "", "design.index", "the events that begin the program"),
        ("  type: cohort\n", "  type: cohort\n  ▸time: week\n", "design.time", "gets its columns from the builder"),
        ("  type: cohort\n", "  type: cohort\n  ▸competing: {death: 2}\n", "design.competing", "in the outcomes"),
        ("kind: recidivism, marker: arrest, comp", "label: Rearrest, marker: arrest, comp", "outcomes[0].kind", "recidivism, event or death"),
        ("kind: recidivism, marker: arrest", "kind: recidivism", "outcomes[0].marker", "arrest, charge, conviction"),
        ("marker: arrest, competing", "marker: ▸arest, competing", "outcomes[0].marker", 'did you mean "arrest"'),
        ("kind: death}", "kind: death, ▸marker: arrest}", "outcomes[1].marker", "kind recidivism"),
        ("kind: death}", "kind: event, competing: [death]}", "outcomes[1].events", "this key is missing"),
        ("kind: death}", "kind: death, ▸events: {table: deaths, date: death_date}}", "outcomes[1].events", "kind event"),
        ("kind: death}", "kind: death, ▸column: x}", "outcomes[1].column", "panel designs"),
        ("kind: death}", "kind: death, competing: [▸death]}", "outcomes[1].competing[0]", "the outcome itself"),
        ("competing: [death]", "competing: [▸deth, death]", "outcomes[0].competing[0]", 'did you mean "death"'),
        ("competing: [death]", "competing: [death, ▸death]", "outcomes[0].competing[1]", "stands here twice"),
        ("competing: [death]", "▸competing: []", "outcomes[0].competing", "the dead would count as free"),
        (", competing: [death]}", "}", "outcomes[0].competing", "the dead would count as free"),
        ("competing: [death]", "competing: [death, removal]", "design.events.removal.table", 'no table "removals"'),
        ("    removal:", "    ▸death:", "design.events.death", "by itself"),
        ("competing: [death]", "competing: [death], windows: [6, ▸6.0000001]", "outcomes[0].windows[1]", "one window, 6"),
        ("windows: [6, 12]", "windows: [6, ▸6]", "design.windows[1]", "stands here twice"),
        ("competing: [death]", "competing: [death], windows: [▸-1]", "outcomes[0].windows[0]", "greater than 0"),
        ("competing: [death]", "competing: [death], lag: ▸soon", "outcomes[0].lag", "write it like 12 months"),
        ("competing: [death]", "competing: [death], offence: {exclude: [▸trafic]}", "outcomes[0].offence.exclude[0]",
         'did you mean "traffic"'),
        ("competing: [death]", "competing: [death], date_basis: ▸filing", "outcomes[0].date_basis", 'no column "filing_date"'),
        ("where: {program: court}", "where: ▸{programme: court}", "design.index.where", 'did you mean "program"'),
        ("where: {program: court}", "where: {program: court}, clean: 5", "design.index.clean", "unknown key"),
        ("where: {program: probation}", "where: {program: probation}, ▸first_per_person: false",
         "design.comparison.first_per_person", "said once"),
        ("index: {table: program_episodes, date: entry_date", "index: {table: program_episodes, date: ▸program",
         "design.index.date", "dates are expected"),
        ("index: {table: program_episodes", "index: {table: ▸program_episode", "design.index.table",
         'did you mean "program_episodes"'),
        (PRIORS, "▸{table: justice_events}", "design.characteristics.priors", "Choose one of"),
        (PRIORS, "{column: score, ▸within: 2 years}", "design.characteristics.priors.within", "needs a date"),
        (PRIORS, "{column: ▸lane}", "design.characteristics.priors.column", "numbers are expected"),
        (PRIORS, "{column: score, ▸colour: red}", "design.characteristics.priors.colour", "unknown key"),
        (PRIORS, "{table: justice_events, date: ▸said}", "design.characteristics.priors.date", "dates are expected"),
        ("    priors:", "    ▸event:", "design.characteristics.event", "cannot be told from the term"),
        ("    priors:", "    rearrest_time:", "outcomes[0].id", "twice"),
        ("  windows:", "  exclude: [▸{reason: Why}]\n  windows:", "design.exclude[0]", "neither a table"),
        ("  windows:", "  exclude: [{reason: Why, ▸date: entry_date, where: {program: x}}]\n  windows:",
         "design.exclude[0].date", "needs a table"),
        ("  windows:", "  cluster: ▸court\n  windows:", "design.cluster", 'no column "court"'),
        ("  windows:", "  covariates: [▸prior]\n  windows:", "design.covariates[0]", 'did you mean "priors"'),
        ("    custody_periods: custody_periods.parquet\n", "", "analyses[2].clock", "who was in custody"),
        ("  completers: {exit_reason: graduated}\n", "", "analyses[1].among", "design.completers is missing"),
        ("role: exploratory", "role: ▸secondary", "analyses[1].role", "Write role: exploratory"),
    ],
)  # fmt: skip
def test_one_clear_error(tables, old, new, key, says):
    where, problems = told(tables, (old, new))
    errors = [p for p in problems if p.severity == "error"]
    assert [p.key for p in errors] == [key], "\n".join(map(str, problems))
    assert says in str(errors[0])
    if where:
        shown = errors[0].where
        assert shown == where or key.startswith(("design.characteristics", "design.index.where")), (shown, where)


def test_a_primary_analysis_on_street_time_is_doubted(tables):
    where, problems = told(tables, (MAIN, MAIN + ", clock: ▸street"))
    assert [(p.where, p.key, p.severity) for p in problems] == [(where, "analyses[0].clock", "warning")]
    assert "sensitivity" in str(problems[0])
    _, at_risk = told(tables, ("  windows:", "  at_risk: {stop_in: custody}\n  windows:"))
    assert [(p.key, p.severity) for p in at_risk] == [("analyses[0].clock", "warning")]


def test_an_analysis_without_events_is_told_of_its_own_outcome(tables):
    _, problems = told(tables, ("marker: arrest", "marker: conviction"))
    assert {(p.key, p.severity) for p in problems} == {
        ("outcomes[0].marker", "warning"),
        ("outcomes[0]", "warning"),
        ("analyses[0].estimator", "error"),
    }


def test_a_window_that_nobody_reaches_is_told_where_it_stands(tables):
    _, problems = told(tables, ("competing: [death]", "competing: [death], windows: [90]"))
    assert ("outcomes[0].windows", "error") in {(p.key, p.severity) for p in problems}
