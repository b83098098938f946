"""A simulated cohort, not randomised, with hidden cells. All invented."""

from __future__ import annotations

import math

from .cases import Case, Row, analysis, baseline, check, ended, estimate, flow, quality, suppression

STUDY = """
study: drug_court
title: Drug court and rearrest
question: >-
  Are people who enter drug court arrested again less often than similar people who go through ordinary court?
intervention:
  kind: drug_court
  name: Drug court
  description: >-
    A judge-led team supervises people with substance use disorder: treatment, testing, regular hearings, rewards and
    sanctions, for a year or more.
  comparison: Ordinary court processing.
data: {path: dummy.parquet}
design:
  type: cohort
  arm: in_program
  assignment: observational
  time: months_to_event
  time_unit: month
  event: event_code
  follow_up: months_followed
  covariates: [age_at_entry, prior_arrests]
  windows: [6, 12, 24]
  people_label: people with a drug-related charge
outcomes: [{id: rearrest, label: Rearrest, better: lower}]
analyses:
  - {id: main, role: primary, outcome: rearrest, estimator: risk_difference}
  - {id: adjusted, role: sensitivity, outcome: rearrest, estimator: risk_difference, label: "Difference in risk, adjusted"}
  - {id: curves, role: secondary, outcome: rearrest, estimator: kaplan_meier}
disclosure: {profile: cms11}
labels:
  in_program: Entered drug court
  age_at_entry: Age at entry
  prior_arrests: Arrests before
  months_to_event: Months to rearrest
simulation: {effect: -0.10, seed: 7}
"""
KEY = {"outcome": "rearrest", "estimator": "risk_difference"}
SIZE = KEY | {"n_obs": 1480, "n_units": 1480, "n_treated_units": 690}
TERMS = ("risk_treated", "risk_control", "risk_difference", "risk_ratio")
HIDDEN_FROM = 23  # month from which the curve's counts are hidden


def estimates() -> list[Row]:
    rows = [estimate("main", term, None, time=6.0, **KEY | {"status": "suppressed"}) for term in TERMS]
    for window, treated, control in ((12.0, 0.2174, 0.3013), (24.0, 0.3391, 0.4203)):
        for term, value in zip(TERMS, (treated, control, treated - control, treated / control), strict=True):
            half = 0.14 if term == "risk_ratio" else 0.048
            ends = ended(value - half, value + half, half / 1.96, 0.0008)
            rows.append(estimate("main", term, value, time=window, **SIZE, **ends))
    ends = ended(-0.1221, -0.0247, 0.0248, 0.0031)
    return [*rows, estimate("adjusted", "risk_difference", -0.0734, time=24.0, role="sensitivity", **SIZE, **ends)]


def curve() -> list[Row]:
    return [
        _point(g, rate, n, m)
        for g, rate, n in (("treated", 0.017, 690), ("control", 0.0227, 790))
        for m in range(1, 25)
    ]


def _point(group: str, rate: float, n: int, month: int) -> Row:
    s = math.exp(-rate * month)
    place = {"analysis": "curves", "outcome": "rearrest", "quantity": "survival", "group": group, "time": month}
    if month >= HIDDEN_FROM:
        return place | {"status": "suppressed"}
    counts = {"n_risk": round(n * s), "n_event": 14, "n_censor": 0}
    return place | counts | {"estimate": s, "conf_low": s - 0.03, "conf_high": min(1.0, s + 0.03), "status": "ok"}


def simulated() -> Case:
    from ruamel.yaml import YAML

    adjusted = {"adjust": "regression", "covariates": "all", "window": 24}
    columns = [("in_program", "arm"), ("months_to_event", "time"), ("age_at_entry", "covariate")]
    tables = {
        "estimates": estimates(),
        "curve": curve(),
        "baseline": [
            *baseline("age_at_entry", "continuous", 31.2, 31.7, -0.05),
            *baseline("prior_arrests", "continuous", None, None, None),
        ],
        "diagnostics": [
            check("main", "balance", "pass", "The groups are alike in what was recorded."),
            check("curves", "log_rank", "info", "The counts behind this check are hidden."),
        ],
        "flow": [flow("main", "followed for less than the window", "person", None, None)],
        "data_quality": [quality(c, r, None, None) for c, r in columns],
        "analyses": [
            analysis("main", "rearrest", "risk_difference", {"adjust": "none", "window": None, "conf_level": 0.95}),
            analysis("adjusted", "rearrest", "risk_difference", adjusted, role="sensitivity"),
            analysis("curves", "rearrest", "kaplan_meier", {}, role="secondary"),
        ],
        "suppression": [suppression("estimates", "cms11", 13, 4), suppression("flow", "cms11", 1, 1)],
    }
    names = ("in_program", "age_at_entry", "prior_arrests", "months_to_event")
    return Case(YAML(typ="safe").load(STUDY), tables, names)
