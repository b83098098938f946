"""Starter study files: commented, complete, and valid once the data path and the columns' names are the user's own."""

from __future__ import annotations

import re
from typing import Literal

from evaluation.errors import Problem, UsageError
from evaluation.study.document import Document, Loc
from evaluation.study.spelling import slug

_HEAD = """\
# Study file of {name}. Lines that begin with # are comments. Fill it in from top to bottom, then:
#   evaluation check {name}      validates this file and the data against it
#   evaluation run {name}        estimates, checks, and writes the reports

study: {name}                # the id: the same as this file's name without .yaml
title: Title of the report
question: Did the program change the outcome for those it reached, compared with what would have happened without it?
"""

_INTERVENTION = """
intervention:
  kind: {kind}            # a kind of the catalogue; `evaluation check` lists them when it does not know yours
  name: Name of the program
  description: >-
    One paragraph that a funder understands: what was done, by whom, for whom, where, and since when.
  comparison: What the others had instead
  logic_model:                # how the program is meant to work; leave out what you do not need
    inputs: [What goes in]
    activities: [What is done]
    outputs: [What the program itself produces]
    outcomes: [What changes because of it]
"""

_DATA = """
data:
  path: ../data/{name}.parquet   # {row}; a Parquet file, a folder or a glob, relative to this file
  source: ""                  # how to cite the data in the report
"""

_PANEL = """
design:
  type: panel                 # units observed over periods, some of them treated from a certain period on
  unit: unit                  # column: who or what is observed, such as a state or a county
  time: period                # column: the period, a whole number (a year, or quarters counted 1, 2, 3, ...)
  cohort: first_treated       # column: the unit's first treated period; empty or 0 = never treated
  cluster: unit               # column: where uncertainty is clustered; usually the level the program was decided at
  weights: null               # column: weights of the observations; null = all alike
  time_unit: year             # year, quarter, month, week, day or period: how the report speaks of time
  unit_label: units           # plural noun for the report: states, counties, schools
  units_are: places           # people or places; disclosure control protects people
"""

_PANEL_OUTCOMES = """
outcomes:
  - id: outcome               # a short id that the analyses refer to
    column: outcome           # column: the value of each unit in each period
    label: What the report calls the outcome
    type: continuous          # continuous, binary, count or rate
    # exposure: population    # column: what a count or rate refers to, for poisson_did
    better: lower             # which direction is good: lower or higher
"""

_PANEL_ANALYSES = """
analyses:
  # The primary analysis answers the question: the headline follows it alone. Choose it before you look at outcomes.
  - id: main
    role: primary             # primary, secondary, sensitivity or exploratory
    outcome: outcome          # the id of an outcome above
    estimator: callaway_santanna   # sound when units start at different times; `evaluation methods` lists all
    options:
      control_group: never_treated   # or not_yet_treated: who stands for what would have happened
      method: reg
      covariates: []
      anticipation: 0         # periods before the start in which units may have reacted already
      base_period: varying    # or universal: all effects relative to the last period before the start
      panel: true             # false: repeated cross-sections, each unit seen once
      balance: null           # a number: means over cohorts seen for so many periods after their start
      window: null            # [first, last] periods since the start that are shown
  # Event study: effects period by period, before and after the start.
  - {id: dynamics, role: secondary, outcome: outcome, estimator: event_study}
  # The classic two-way regression, for comparison; biased when effects differ between early and late starters.
  - {id: twfe, role: sensitivity, outcome: outcome, estimator: twfe}
"""

_COHORT = """
design:
  type: cohort                # people followed from an index date (such as program entry or release) onwards
  person: person_id           # column: the person; delete this line if every row is another person
  arm: program                # column: 1 (or true) = offered or entered the program, 0 (or false) = not
  assignment: observational   # randomised when chance decided who was offered it
  time: months                # column: time from the index date to the event or to the end of follow-up
  time_unit: month            # day, week, month or year: the unit of `time`, `follow_up` and `windows`
  follow_up: follow_up        # column: time from the index date to the data cut-off, whatever happened; null if unknown
  event: event                # column: 0 = no event by then (censored), 1 = the outcome, other codes below
  competing: {}               # other events that rule the outcome out, with their codes, such as {death: 2}
  covariates: [age, priors]   # columns known at the index date, used for adjustment and the baseline table
  windows: [12, 24]           # lengths of follow-up to report risks at, in time_unit
  cluster: null               # column: where uncertainty is clustered, such as a court; null = people are independent
  people_label: people        # plural noun for the report, such as people released from prison
  # From tables of entries, arrests, jail stays and deaths instead: see docs/cohorts-from-tables.md.
"""

_COHORT_OUTCOMES = """
outcomes:
  - id: outcome               # a short id that the analyses refer to; the column is design.event
    label: What the report calls the outcome
    better: lower             # which direction is good: lower or higher
"""

_COHORT_ANALYSES = """
analyses:
  # The primary analysis answers the question: the headline follows it alone. Choose it before you look at outcomes.
  - id: main
    role: primary             # primary, secondary, sensitivity or exploratory
    outcome: outcome          # the id of an outcome above
    estimator: risk_difference     # shares with the event at a window, compared; `evaluation methods` lists all
    options:
      adjust: aipw            # none for a randomised study; aipw, iptw, regression or matching use the covariates
      window: 24              # delete this line to have every window of the design
      covariates: all         # all of the design's, or a list of some; `evaluation methods risk_difference`: the rest
  # Curves over the whole follow-up, with a test of their difference.
  - {id: curves, role: secondary, outcome: outcome, estimator: cumulative_incidence, options: {adjust: none}}
  # Hazard ratio, adjusted for the covariates.
  - {id: cox, role: sensitivity, outcome: outcome, estimator: cox, options: {covariates: all, ties: efron}}
"""

_TAIL = """
labels: {}                    # what the report calls a column, such as {age: "Age at entry, years"}

diagnostics:                  # checks of the design's assumptions
  pretrends: true             # panel: did the groups move alike before the start?
  placebo: true               # panel: an effect where there can be none?
  honest: true                # panel: how far may paths differ before the conclusion falls?
  leave_one_out: true         # panel: does it rest on one unit or cohort?

gates: []                     # checks that withhold numbers when they fail; none in this version
subgroups: []                 # columns of a cohort by which effects are looked at within groups of people
costs: null                   # not in this version

disclosure:
  profile: {profile}              # {profiles}

# For a study on made-up data (`evaluation simulate`), which every page then says it is:
# simulation: {effect: {effect}, seed: 1, size: 2000{periods}}

report:
  products: [brief, full, appendix]
  contact: ""                 # whom readers may ask
"""

_PARTS = {
    "panel": (_HEAD, _INTERVENTION, _DATA, _PANEL, _PANEL_OUTCOMES, _PANEL_ANALYSES, _TAIL),
    "cohort": (_HEAD, _INTERVENTION, _DATA, _COHORT, _COHORT_OUTCOMES, _COHORT_ANALYSES, _TAIL),
}
_WORDS = {
    "panel": {
        "kind": "law_reform",
        "row": "one row a unit and period",
        "profile": "none ",
        "profiles": "none for public aggregate data; cms11 or wonder10 for data about people",
        "effect": "-1.0",
        "periods": ", periods: 24",
    },
    "cohort": {
        "kind": "drug_court",
        "row": "one row a person",
        "profile": "cms11",
        "profiles": "cms11 hides counts of 1 to 10, wonder10 counts below 10; none for public data",
        "effect": "-0.08",
        "periods": "",
    },
}


# Texts of the starter that would read as nonsense in a report.
PLACEHOLDERS = (
    "Title of the report",
    "Name of the program",
    "One paragraph that a funder understands: what was done, by whom, for whom, where, and since when.",
    "What the others had instead",
    "What the report calls the outcome",
)


def left_as_they_were(document: Document) -> list[Problem]:
    """A warning for each text that still stands as the starter wrote it, and that the report would print."""
    places: list[Loc] = [("title",), *(("intervention", key) for key in ("name", "description", "comparison"))]
    places += [("outcomes", i, "label") for i, _ in document.entries("outcomes")]
    what = "still says what the starter file said; the report would print it."
    return [
        document.problem(place, what, "Put your own words.", severity="warning")
        for place in places
        if str(document.at(place)).strip() in PLACEHOLDERS
    ]


def starter(name: str, design: Literal["panel", "cohort"]) -> str:
    """A commented study file called `name` that `check` accepts once path and columns exist.

    Raises
    ------
    UsageError
        When `name` cannot be a study's id.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in ("null", "true", "false"):
        what = f'"{name}" is not an id: lower-case letters, digits and _, beginning with a letter.'
        raise UsageError(Problem("", "NAME", what, f"Try {slug(name)}."))
    text = "".join(_PARTS[design])
    for word, value in (_WORDS[design] | {"name": name}).items():
        text = text.replace("{" + word + "}", value)
    return text
