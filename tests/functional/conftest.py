"""Small studies of both designs, as a user would lay them out: studies/<id>.yaml beside data/<id>.parquet."""

import numpy as np
import pandas as pd
import pytest

COHORT = """\
study: aid
title: Financial aid after release
question: Were people offered aid rearrested less often?
intervention: {kind: transition_aid, name: Financial aid, description: Weekly payments after release.}
data: {path: ../data/aid.parquet}
design:
  type: cohort
  arm: offered
  assignment: randomised
  time: week
  time_unit: week
  event: arrested
  covariates: [age, priors]
  windows: [26, 52]
outcomes:
  - {id: rearrest, label: Rearrest, better: lower}
analyses:
  - {id: main, role: primary, outcome: rearrest, estimator: risk_difference, options: {window: 52}}
  - {id: adjusted, role: sensitivity, outcome: rearrest, estimator: risk_difference, options: {adjust: regression}}
  - {id: curves, role: secondary, outcome: rearrest, estimator: kaplan_meier}
  - {id: hazard, role: secondary, outcome: rearrest, estimator: cox}
labels: {age: Age in years, priors: Earlier arrests}
disclosure: {profile: none}
"""

PANEL = """\
study: law
title: A law and traffic deaths
question: Did places that adopted the law see fewer deaths?
intervention: {kind: law_reform, name: The law, description: A law that takes a licence away at once.}
data: {path: ../data/law.parquet}
design: {type: panel, unit: place, time: year, cohort: adopted, cluster: region, time_unit: year, unit_label: places,
         units_are: places}
outcomes:
  - {id: deaths, column: rate, label: "Deaths per 100,000 people", type: rate, better: lower}
analyses:
  - {id: main, role: primary, outcome: deaths, estimator: callaway_santanna}
  - {id: later, role: sensitivity, outcome: deaths, estimator: callaway_santanna,
     options: {control_group: not_yet_treated, base_period: universal}}
  - {id: twfe, role: sensitivity, outcome: deaths, estimator: twfe}
  - {id: events, role: sensitivity, outcome: deaths, estimator: event_study}
disclosure: {profile: none}
"""


def cohort_frame(seed=7, people=400):
    rng = np.random.default_rng(seed)
    offered = rng.integers(0, 2, people)
    week = np.minimum(rng.geometric(0.006 - 0.002 * offered), 60)
    return pd.DataFrame({
        "offered": offered,
        "week": np.minimum(week, 52),
        "arrested": (week <= 52).astype(int),
        "age": rng.integers(18, 50, people).astype(float),
        "priors": rng.poisson(2, people),
    })  # fmt: skip


def panel_frame(seed=3, places=60):
    rng = np.random.default_rng(seed)
    place = np.repeat(np.arange(places), 8)
    year = np.tile(np.arange(2001, 2009), places)
    adopted = np.repeat(rng.choice([0, 2004, 2006], places), 8)
    treated = (adopted > 0) & (year >= adopted)
    rate = 10 + np.repeat(rng.normal(size=places), 8) + 0.1 * (year - 2001) - treated + 0.3 * rng.normal(size=len(year))
    return pd.DataFrame({"place": place, "region": place // 2, "year": year, "adopted": adopted, "rate": rate})


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """An otherwise empty folder, the current one, with both studies and their data."""
    for folder in ("studies", "data"):
        (tmp_path / folder).mkdir()
    (tmp_path / "studies" / "aid.yaml").write_text(COHORT, encoding="utf-8")
    (tmp_path / "studies" / "law.yaml").write_text(PANEL, encoding="utf-8")
    cohort_frame().to_parquet(tmp_path / "data" / "aid.parquet")
    panel_frame().to_parquet(tmp_path / "data" / "law.parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path
