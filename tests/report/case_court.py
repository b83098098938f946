"""A cohort built from tables, as a report meets it: balance, overlap, flow, competing death, subgroups, two clocks.

Every figure is invented.
"""

from __future__ import annotations

from .cases import Case, Row, analysis, baseline, check, ended, estimate, flow, inference, quality, suppression

STUDY = """
study: court
title: Drug court and rearrest
question: Were people who entered the drug court rearrested less often within two years than similar people?
intervention: {kind: drug_court, name: The drug court, description: A judge-led team supervises treatment.}
data:
  tables: {program_episodes: a.parquet, justice_events: b.parquet, custody_periods: c.parquet, deaths: d.parquet,
           persons: e.parquet}
  as_of: 2025-12-31
design:
  type: cohort
  index: {table: program_episodes, date: entry_date, where: {program: drug_court}}
  comparison: {table: program_episodes, date: entry_date, where: {program: ordinary}}
  characteristics:
    age: {table: persons, age_from: birth_date}
    female: {table: persons, column: sex, equals: F}
    prior_arrests: {table: justice_events, date: event_date, within: 24 months}
  people_label: people charged with drug-related offences
outcomes:
  - {id: rearrest, label: Rearrest, kind: recidivism, marker: arrest, windows: [12, 24], competing: [death]}
analyses:
  - {id: main, role: primary, outcome: rearrest, estimator: risk_difference, options: {window: 24, adjust: iptw}}
  - {id: curves, role: secondary, outcome: rearrest, estimator: cumulative_incidence}
  - {id: street, role: sensitivity, outcome: rearrest, estimator: risk_difference, clock: street,
     options: {window: 24, adjust: iptw}, label: The same on street time}
subgroups: [female]
disclosure: {profile: cms11}
labels: {age: Age at entry, female: Female, prior_arrests: Earlier arrests}
"""
SIZE = {"n_obs": 1400, "n_units": 1400, "n_treated_units": 620, "outcome": "rearrest", "time": 24.0}
FEMALE = {"covariate": "female", "term": "risk_difference", "time": 24.0, "scale": "risk", "status": "ok"}


def balance() -> list[Row]:
    found = []
    for name, before, after in (("age", 0.31, 0.02), ("female", -0.12, -0.01), ("prior_arrests", -0.42, 0.12)):
        row = {"analysis": "main", "covariate": name, "kind": "continuous", "time": 24.0, "status": "ok"}
        found += [row | {"stage": "before", "smd": before, "variance_ratio": 1.2},
                  row | {"stage": "after", "smd": after, "variance_ratio": 1.05}]  # fmt: skip
    return found


def overlap() -> list[Row]:
    row = {"analysis": "main", "time": 24.0, "status": "ok"}
    return [
        row | {"group": group, "low": k / 20, "high": (k + 1) / 20, "n": n, "weight": float(n)}
        for group, peak in (("treated", 11), ("control", 7))
        for k in range(2, 18)
        if (n := max(0, 90 - 12 * abs(k - peak))) > 10
    ]


def curve() -> list[Row]:
    rows = []
    for group, yearly, death in (("treated", 0.16, 0.012), ("control", 0.21, 0.015)):
        for month in range(0, 37, 3):
            risk = 1 - (1 - yearly) ** (month / 12)
            point = {"analysis": "curves", "outcome": "rearrest", "group": group, "time": float(month), "status": "ok"}
            point |= {"n_risk": 700 - 8 * month, "n_event": 20, "n_censor": 4}
            rows += [point | {"quantity": "cumulative_incidence", "estimate": risk, "conf_low": 0.93 * risk,
                              "conf_high": 1.07 * risk},
                     point | {"quantity": "cumulative_incidence:death", "estimate": death * month / 12}]  # fmt: skip
    return rows


def delivery() -> list[Row]:
    row = {"group": "treated", "stratum": "", "position": 0, "unit": "", "status": "ok", "n": 620}
    funnel = [("Referred", 1.0), ("Assessed", 0.81), ("Eligible", 0.66), ("Admitted", 0.52)]
    return [
        *(row | {"measure": "funnel", "label": name, "family": "funnel", "position": i, "statistic": "share",
                 "value": share, "n_with": round(620 * share)} for i, (name, share) in enumerate(funnel)),
        row | {"measure": "hearings", "label": "Hearings a month", "family": "dosage", "statistic": "median",
               "value": 2.1, "unit": "hearings"},
    ]  # fmt: skip


def court() -> Case:
    from ruamel.yaml import YAML

    sided = [estimate("main", t, v, **SIZE) for t, v in (("risk_treated", 0.31), ("risk_control", 0.4))]
    main = estimate("main", "risk_difference", -0.09, **SIZE, **ended(-0.14, -0.04, 0.0255, 0.0004))
    street = [estimate("street", t, v, **SIZE) for t, v in (("risk_treated", 0.36), ("risk_control", 0.44))]
    twin = estimate("street", "risk_difference", -0.08, **SIZE, **ended(-0.13, -0.03, 0.0255, 0.0018))
    strata = [
        FEMALE | {"analysis": "main", "outcome": "rearrest", "level": level, "estimate": e, "n_units": n,
                  "n_treated_units": n // 2, "p_interaction": 0.34, "p_interaction_adjusted": 0.34,
                  "adjustment": "Holm over 1 characteristic", **ended(e - 0.08, e + 0.08, 0.04, 0.1)}
        for level, e, n in (("0", -0.1, 940), ("1", -0.05, 460))
    ]  # fmt: skip
    lost = {"analysis": "main", "time": 24.0, "n_treated": 640, "n_control": 800, "known_treated": 620,
            "known_control": 780, "analysed_treated": 620, "analysed_control": 780, "overall": 2.8, "differential": 0.6, "boundary_cautious": 5.9,
            "boundary_optimistic": 10.3, "rating_cautious": "low", "rating_optimistic": "low", "status": "ok"}  # fmt: skip
    steps = [
        flow("", "Index events in the tables", "row", 0, 1612),
        flow("", "The same person, pool and day again", "row", 12, 1600),
        flow("", "A later index event of the same person", "row", 110, 1490),
        flow("", "People with an index event", "person", 0, 1490),
        flow("", "Died before the index date", "person", None, None),
        flow("", "Younger than 18 at the index date", "person", 21, 1440),
        flow("main", "everyone in the data", "person", 0, 1440),
        flow("main", "followed for less than 24 months", "person", 40, 1400) | {"step": "short_follow_up_24"},
    ]
    tables = {
        "analyses": [
            analysis("main", "rearrest", "risk_difference", {"window": 24, "adjust": "iptw"}),
            analysis("curves", "rearrest", "cumulative_incidence", {"adjust": "none"}, role="secondary"),
            analysis("street", "rearrest", "risk_difference", {"window": 24, "adjust": "iptw"}, role="sensitivity"),
        ],
        "estimates": [*sided, main, *street, twin],
        "inference": [inference("main", "risk_difference", "M-estimation sandwich", time=24.0)],
        "diagnostics": [check("main", "overlap", "pass", "Both groups hold people of every kind.")],
        "balance": balance(), "overlap": overlap(), "attrition": [lost], "subgroups": strata, "curve": curve(),
        "implementation": delivery(), "flow": steps,
        "baseline": [*baseline("age", "continuous", 33.0, 36.0, 0.31), *baseline("female", "binary", 0.3, 0.36, -0.12)],
        "data_quality": [quality("age", "covariate", 1440), quality("female", "covariate", 1440, 30)],
        "suppression": [suppression("flow", "cms11", 8, 1)],
    }  # fmt: skip
    for row in tables["estimates"]:
        row["estimator"] = "risk_difference"
        row["role"] = "primary" if row["analysis"] == "main" else "sensitivity"
    return Case(YAML(typ="safe").load(STUDY), tables, ("prior_arrests",))
