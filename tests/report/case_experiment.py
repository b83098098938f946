"""A randomised cohort: Rossi, Berk & Lenihan (1980), `Money, Work, and Crime`, data as in R's `carData::Rossi`.

48 of 216 and 66 of 216 were arrested: difference −0.0833, Newcombe interval −0.1650 to −0.0002, log-rank p 0.0501.
Risk ratio 0.727 with its log-scale interval 0.528 to 1.002. Cox coefficients with Efron's rule as in Fox & Weisberg's
appendix on Cox regression. Other figures are invented.
"""

from __future__ import annotations

import math

from .cases import Case, Row, analysis, baseline, check, ended, estimate, flow, inference, quality, suppression

STUDY = """
study: transition_aid
title: Financial aid after prison and rearrest
question: >-
  Does a small weekly payment after release from prison lower the chance of being arrested again within a year?
intervention:
  kind: transition_aid
  name: Transitional financial aid
  description: >-
    People leaving prison received up to 60 dollars a week for 13 weeks, much as workers who lose a job receive
    unemployment benefit.
  comparison: Ordinary release, with no payment and no more help than usual.
  logic_model:
    inputs: [Funds for weekly payments, Staff at the employment office]
    activities: [Weekly payments for 13 weeks]
    outputs: [Payments made]
    outcomes: [Money for food and rent, Fewer arrests]
data: {path: rossi.parquet, source: "Rossi, Berk and Lenihan (1980), Money, Work, and Crime."}
design:
  type: cohort
  arm: fin
  assignment: randomised
  time: week
  time_unit: week
  event: arrest
  covariates: [age, race, wexp, mar, paro, prio]
  windows: [26, 52]
  people_label: men released from Maryland prisons
outcomes: [{id: arrest, label: Rearrest, better: lower}]
analyses:
  - {id: main, role: primary, outcome: arrest, estimator: risk_difference, options: {window: 52}}
  - {id: curves, role: secondary, outcome: arrest, estimator: kaplan_meier}
  - {id: cox, role: sensitivity, outcome: arrest, estimator: cox}
disclosure: {profile: none}
labels:
  fin: Financial aid
  age: Age at release
  race: Race recorded as Black
  wexp: Work experience
  mar: Married
  paro: Released on parole
  prio: Convictions before
report: {contact: evaluation@example.org}
"""
COVARIATES = ["age", "race", "wexp", "mar", "paro", "prio"]
SIZE = {"n_obs": 432, "n_units": 432, "n_treated_units": 216}


def curve() -> list[Row]:
    """Kaplan–Meier of the 432 people by week, computed here from the packaged data."""
    from lifelines.datasets import load_rossi

    data = load_rossi()
    return [row for arm, group in ((1, "treated"), (0, "control")) for row in _one_arm(data[data["fin"] == arm], group)]


def _one_arm(people: object, group: str) -> list[Row]:
    weeks, arrested = people["week"].to_numpy(), people["arrest"].to_numpy()
    rows, survival, spread = [], 1.0, 0.0
    for week in range(1, 53):
        at_risk = int((weeks >= week).sum())
        events = int(((weeks == week) & (arrested == 1)).sum())
        left = int(((weeks == week) & (arrested == 0)).sum())
        survival *= 1 - events / at_risk
        spread += events / (at_risk * (at_risk - events))
        half = 1.96 * survival * math.sqrt(spread)
        counts = {"n_risk": at_risk, "n_event": events, "n_censor": left}
        place = {"analysis": "curves", "outcome": "arrest", "quantity": "survival", "group": group, "time": week}
        ends = ended(survival - half, min(1.0, survival + half), half / 1.96)
        rows.append(place | counts | {"estimate": survival, "status": "ok"} | {k: ends[k] for k in list(ends)[:3]})
    return rows


def estimates() -> list[Row]:
    main = SIZE | {"outcome": "arrest", "estimator": "risk_difference", "time": 52.0}
    cox = SIZE | {"outcome": "arrest", "estimator": "cox", "role": "sensitivity", "scale": "log_hazard"}
    coefficients = [("arm", -0.37942, 0.19138), ("age", -0.05744, 0.02200), ("race", 0.31390, 0.30799)]
    coefficients += [("wexp", -0.14980, 0.21222), ("mar", -0.43370, 0.38187), ("paro", -0.08487, 0.19576)]
    coefficients += [("prio", 0.09150, 0.02865)]
    return [
        estimate("main", "risk_treated", 48 / 216, **main, **ended(0.1717, 0.2822, 0.0283)),
        estimate("main", "risk_control", 66 / 216, **main, **ended(0.2480, 0.3699, 0.0313)),
        estimate("main", "risk_difference", -18 / 216, **main, **ended(-0.164977, -0.000220, 0.0423, 0.0494)),
        estimate("main", "risk_ratio", 48 / 66, **main, **ended(0.5278, 1.0021, 0.1189, 0.0516)),
        estimate("main", "odds_ratio", 0.649351, **main, **ended(0.4218, 0.9997, 0.1432, 0.0498)),
        *(
            estimate("cox", term, b, **cox, **ended(b - 1.95996 * se, b + 1.95996 * se, se, 0.0474123456))
            for term, b, se in coefficients
        ),
    ]


def checks() -> list[Row]:
    both = "The two curves differ with p = 0.050116 (log-rank test, chi-square 3.8376543210)."
    stays = "The ratio between the groups stays about the same over time."
    test = {"df": 1, "threshold": 0.05}
    return [
        check("curves", "log_rank", "info", both, statistic=3.8376543210, df=1, p_value=0.050116),
        check(
            "cox", "proportional_hazards", "warn", "This ratio changes over time.", term="age", p_value=0.000784, **test
        ),
        check("cox", "proportional_hazards", "pass", stays, term="arm", statistic=0.006, p_value=0.9389, **test),
    ]


def experiment() -> Case:
    from ruamel.yaml import YAML

    groups = [("age", "continuous", 24.95, 24.24, 0.117), ("race", "binary", 0.88, 0.875, 0.014)]
    groups += [("wexp", "binary", 0.574, 0.569, 0.009), ("mar", "binary", 0.144, 0.102, 0.127)]
    groups += [("paro", "binary", 0.616, 0.620, -0.01), ("prio", "continuous", 2.99, 2.98, 0.003)]
    columns = [("fin", "arm"), ("week", "time"), ("arrest", "event"), *((c, "covariate") for c in COVARIATES)]
    hybrid, level = "Newcombe hybrid score", {"conf_level": 0.95}
    tables = {
        "estimates": estimates(),
        "curve": curve(),
        "baseline": [row for g in groups for row in baseline(*g)],
        "diagnostics": checks(),
        "inference": [
            inference("main", "risk_difference", hybrid, time=52.0, **ended(-0.164977, -0.000220)),
            inference("main", "risk_difference", "HC1", time=52.0, **ended(-0.1663, -0.0004, 0.0423, 0.0494)),
            inference("cox", "arm", "model-based", **ended(-0.7545, -0.0043, 0.19138, 0.0474)),
        ],
        "flow": [flow("", "everyone in the data", "person", 0, 432)],
        "data_quality": [quality(c, r, 432) for c, r in columns],
        "analyses": [
            analysis("main", "arrest", "risk_difference", {"adjust": "none", "window": 52, "covariates": []} | level),
            analysis("curves", "arrest", "kaplan_meier", level, role="secondary"),
            analysis("cox", "arrest", "cox", {"covariates": COVARIATES, "ties": "efron"} | level, role="sensitivity"),
        ],
        "suppression": [suppression("estimates", "none", 12, 0)],
    }
    return Case(YAML(typ="safe").load(STUDY), tables, ("fin", "wexp", "paro", "prio", "mar"))
