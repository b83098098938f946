"""A staggered panel of states with cohorts of one state, a failed analysis and an event study. All invented."""

from __future__ import annotations

import math

from .cases import Case, Row, analysis, check, ended, estimate, flow, inference, quality, suppression

STUDY = """
study: per_se_laws
title: Administrative licence revocation and traffic deaths
question: >-
  Did states that let officers take away a licence on the spot see fewer traffic deaths than they would have?
intervention:
  kind: law_reform
  name: Administrative licence revocation
  description: >-
    A driver found over the alcohol limit loses the licence at once, by decision of the authority and before any trial.
  comparison: States in which only a court could take away the licence.
data: {path: driving.parquet, source: "Freeman (2007); the driving data of Wooldridge’s textbook."}
design:
  type: panel
  unit: state
  time: year
  cohort: adopted
  time_unit: year
  unit_label: states
  units_are: places
outcomes:
  - {id: fatalities, column: totfatrte, label: "Traffic deaths per 100,000 people", better: lower}
analyses:
  - {id: main, role: primary, outcome: fatalities, estimator: callaway_santanna}
  - {id: not_yet, role: sensitivity, outcome: fatalities, estimator: callaway_santanna,
     label: "Same, also using states that adopted later as comparison"}
  - {id: twfe, role: sensitivity, outcome: fatalities, estimator: twfe}
  - {id: dynamic, role: secondary, outcome: fatalities, estimator: event_study}
  - {id: broken, role: exploratory, outcome: fatalities, estimator: imputation}
disclosure: {profile: none}
labels:
  totfatrte: Traffic deaths per 100,000 people
  adopted: First full year of the law
  state: State
"""
COHORTS = {1983.0: 1, 1985.0: 6, 1988.0: 1, 1991.0: 4, 1995.0: 9}
YEARS = [float(y) for y in range(1980, 2005)]
KEY = {"outcome": "fatalities", "scale": "level", "n_obs": 1150, "n_units": 46, "n_treated_units": 21, "n_clusters": 46}
CS = KEY | {"estimator": "callaway_santanna"}


def level(start: float, year: float) -> float:
    return 24.6 - 0.31 * (year - 1980) + 0.2 * math.sin(start + year) - (0.42 if start and year >= start else 0.0)


def overall() -> list[Row]:
    twfe = KEY | {"estimator": "twfe", "role": "sensitivity"}
    dynamic = KEY | {"estimator": "event_study", "role": "secondary"}
    return [
        estimate("main", "att", -0.4213456789, **CS, **ended(-1.0931234, 0.2504321, 0.34275, 0.219)),
        estimate("main", "att_group", -0.4553, **CS, **ended(-1.1, 0.19, 0.329, 0.166)),
        estimate("main", "att_dynamic", -0.5102, **CS, **ended(-1.25, 0.23, 0.377, 0.176)),
        estimate("main", "att_calendar", -0.3921, **CS, **ended(-1.0, 0.21, 0.309, 0.204)),
        estimate("not_yet", "att", -0.398, role="sensitivity", **CS, **ended(-1.05, 0.254, 0.3327, 0.232)),
        estimate("twfe", "att", -1.3107, **twfe, **ended(-2.2, -0.42, 0.442, 0.0049)),
        estimate("dynamic", "att", -0.93, **dynamic, **ended(-1.85, -0.01, 0.457, 0.048)),
        estimate("dynamic", "event", 0.0, time=-1.0, **dynamic | {"status": "reference"}),
    ]


def events() -> list[Row]:
    """Effects by time since adoption, as the estimates table holds them."""
    rows = []
    for e in range(-8, 13):
        value, se = 0.12 * math.sin(2.3 * e) - (0.05 * e + 0.15 if e >= 0 else 0), 0.25 + 0.03 * abs(e)
        rows.append(
            estimate(
                "main", "event", value, time=float(e), **CS, **ended(value - 1.96 * se, value + 1.96 * se, se, 0.3)
            )
        )
    return rows


def event_study(rows: list[Row]) -> list[Row]:
    kept = ("analysis", "outcome", "estimator", "estimate", "std_error", "conf_low", "conf_high", "p_value", "status")
    return [
        {k: r.get(k) for k in kept} | {"event_time": r["time"], "phase": "before" if r["time"] < 0 else "after"}
        for r in rows
        if r["term"] == "event"
    ]


def by_cohort() -> list[Row]:
    rows = []
    for start, n in COHORTS.items():
        key = CS | {"group": f"{start:g}", "n_treated_units": n}
        rows.append(estimate("main", "group", -0.2 - 0.1 * n / 3, **key, **ended(-1.2, 0.7, 0.48, 0.4)))
        ends = ended(-1.4, 0.9, 0.55, 0.7)
        rows += [estimate("main", "group_time", -0.2 if y >= start else 0.01, time=y, **key, **ends) for y in YEARS[1:]]
    return rows


def series() -> list[Row]:
    groups = {"treated": (1990.0, 21), "control": (0.0, 25)} | {f"cohort:{c:g}": (c, n) for c, n in COHORTS.items()}
    return [
        {"outcome": "fatalities", "group": g, "time": y, "estimate": level(start, y), "n_units": n, "status": "ok"}
        for g, (start, n) in groups.items()
        for y in YEARS
    ]


def checks() -> list[Row]:
    alike = "Before adoption the adopting and comparison states moved alike (joint test, p = 0.2734567)."
    mixes = "Units adopt at different times, so this figure mixes early and late effects."
    alone = "Only one unit adopted in this period; its standard error cannot be trusted."
    return [
        check("main", "pretrends", "pass", alike, statistic=9.87654321, df=8, p_value=0.2734567),
        *(
            check("main", "small_cohort", "warn", alone, group=f"{c:g}", statistic=1)
            for c, n in COHORTS.items()
            if n == 1
        ),
        check("twfe", "staggered_adoption", "warn", mixes),
    ]


def analyses() -> list[Row]:
    options = {"control_group": "never_treated", "method": "reg", "covariates": [], "anticipation": 0}
    later, half = options | {"control_group": "not_yet_treated"}, {"conf_level": 0.95}
    return [
        analysis("main", "fatalities", "callaway_santanna", options | {"base_period": "varying"} | half),
        analysis("not_yet", "fatalities", "callaway_santanna", later | half, role="sensitivity"),
        analysis("twfe", "fatalities", "twfe", half, role="sensitivity"),
        analysis("dynamic", "fatalities", "event_study", half, role="secondary"),
        analysis("broken", "fatalities", "imputation", {}, role="exploratory", status="failed",
                 reason="the matrix of comparison means is singular"),
    ]  # fmt: skip


def panel() -> Case:
    from ruamel.yaml import YAML

    estimates = [*overall(), *events(), *by_cohort()]
    clustered = {
        "distribution": "t",
        "df": 45,
        "df_rule": "clusters - 1",
        "small_sample_factor": 1.0431,
        "n_clusters": 46,
    }
    tables = {
        "estimates": estimates,
        "event_study": event_study(estimates),
        "series": series(),
        "diagnostics": checks(),
        "inference": [
            inference("main", "att", "influence function", n_clusters=46, **ended(-1.093, 0.2504, 0.34275, 0.219)),
            inference("twfe", "att", "CR1", **clustered | ended(-2.2, -0.42, 0.442, 0.0049)),
        ],
        "flow": [
            flow("", "the law covered only part of the year", "row", 21, 1179),
            flow("main", "treated before the first year observed", "unit", 2, 46),
        ],
        "data_quality": [
            quality("state", "unit", 1200),
            quality("year", "period", 1200),
            quality("adopted", "cohort", 1200, 625),
            quality("totfatrte", "outcome", 1200, 21),
        ],
        "analyses": analyses(),
        "suppression": [suppression("estimates", "none", len(estimates), 0)],
    }
    return Case(YAML(typ="safe").load(STUDY), tables, ("totfatrte",))
