"""A valid study file of each design and data that fit it: what the wrong files are made from, one slip at a time."""

import numpy as np
import pandas as pd

PANEL = """\
study: law
title: A law and traffic deaths
question: Did places that adopted the law see fewer deaths?
intervention:
  kind: law_reform
  name: The law
  description: A law that takes a licence away at once.
data:
  path: law.parquet
design:
  type: panel
  unit: place
  time: year
  cohort: adopted
  cluster: region
  time_unit: year
  unit_label: places
  units_are: places
outcomes:
  - id: deaths
    column: rate
    label: Deaths per 100,000 people
    type: continuous
    better: lower
analyses:
  - id: main
    role: primary
    outcome: deaths
    estimator: callaway_santanna
    options:
      control_group: never_treated
      anticipation: 0
  - id: classic
    role: sensitivity
    outcome: deaths
    estimator: twfe
labels: {rate: Deaths}
diagnostics: {pretrends: true}
disclosure: {profile: none}
report: {products: [brief, full]}
"""

COHORT = """\
study: aid
title: Financial aid after release
question: Were people offered aid rearrested less often?
intervention:
  kind: transition_aid
  name: Financial aid
  description: Weekly payments after release.
data:
  path: aid.parquet
design:
  type: cohort
  person: person
  arm: offered
  assignment: randomised
  time: week
  time_unit: week
  follow_up: reach
  event: arrested
  competing: {death: 2}
  covariates: [age, priors]
  windows: [26, 52]
outcomes:
  - id: rearrest
    label: Rearrest
    better: lower
analyses:
  - id: main
    role: primary
    outcome: rearrest
    estimator: risk_difference
    options:
      adjust: none
      window: 52
  - id: hazard
    role: secondary
    outcome: rearrest
    estimator: cox
    options:
      covariates: [age]
      ties: efron
disclosure: {profile: cms11}
"""

TEXTS = {"panel": PANEL, "cohort": COHORT}
STEMS = {"panel": "law", "cohort": "aid"}


def panel_data():
    """Twelve places over 2001 to 2006, a third of them each treated from 2003, from 2005, and never."""
    places, years = 12, np.arange(2001, 2007)
    place = np.repeat(np.arange(places), len(years))
    year = np.tile(years, places)
    adopted = np.array([2003, 2005, 0])[place % 3]
    rate = 10 + place % 5 + 0.1 * (year - 2001) * (1 + place % 2) - (adopted > 0) * (year >= adopted)
    columns = {"place": place, "region": place // 2, "year": year, "adopted": adopted, "rate": rate}
    return pd.DataFrame(columns | {"town": [f"town {p}" for p in place]})


def cohort_data():
    """Eighty people followed for 52 weeks; half were offered the program, and every tenth person dies."""
    n = np.arange(80)
    week = np.where(n % 4 == 0, 52, 5 + n % 45)
    arrested = np.where(n % 4 == 0, 0, np.where(n % 10 == 1, 2, 1))
    columns = {"person": n, "offered": n % 2, "week": week, "arrested": arrested, "reach": 52, "age": 20 + n % 30}
    return pd.DataFrame(columns | {"priors": n % 7, "court": [f"court {i % 5}" for i in n]})


DATA = {"panel": panel_data, "cohort": cohort_data}
