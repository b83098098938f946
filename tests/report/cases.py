"""Runs as a report meets them, built by hand: an experiment, a staggered panel, a simulated cohort with hidden cells.

Figures of the experiment are those of Rossi, Berk & Lenihan (1980), `Money, Work, and Crime`, as in R's `carData::Rossi`:
48 of 216 and 66 of 216 arrested; difference −0.0833, Newcombe interval −0.1650 to −0.0002; log-rank p 0.0501.
The other two are invented.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluation.results import write_json, write_tables

Row = dict[str, Any]


@dataclass
class Case:
    """A run: its study file as plain data, its tables, its provenance."""

    study: dict[str, Any]
    tables: dict[str, list[Row]] = field(default_factory=dict)
    names: tuple[str, ...] = ()  # columns with a label, whose names no reader may meet

    def write(self, folder: Path) -> Path:
        from ruamel.yaml import YAML

        results = folder / "results"
        results.mkdir(parents=True)
        rows = {name: [{"study": self.study["study"], **r} for r in found] for name, found in self.tables.items()}
        write_tables(results, rows)
        with (results / "study.yaml").open("w", encoding="utf-8") as handle:
            YAML().dump(self.study, handle)
        write_json(results / "provenance.json", PROVENANCE)
        return folder

    def estimate(self, analysis: str, term: str, **changes: Any) -> None:
        """Change the estimates of one analysis and term."""
        for row in self.tables["estimates"]:
            if row["analysis"] == analysis and row["term"] == term:
                row.update(changes)


PROVENANCE = {
    "study_sha256": "3f" * 32,
    "plan_lock": None,
    "data": [{"file": "people.parquet", "bytes": 12345, "sha256": "a1" * 32}],
    "code": {"evaluation": "0.1.0", "python": "3.11.7", "packages": {"duckdb": "1.5.0", "numpy": "2.4.6"}},
    "engine": "duckdb",
    "seed": 0,
    "run": "20260102T030405000000Z-3f3f3f3f",
    "times": {"started": "2026-01-02T03:04:05+00:00", "finished": "2026-01-02T03:04:09+00:00"},
}


def estimate(analysis: str, term: str, value: float | None, **more: Any) -> Row:
    row = {
        "analysis": analysis,
        "role": "primary",
        "outcome": "arrest",
        "estimator": "risk_difference",
        "estimand": term,
        "term": term,
        "group": "",
        "time": None,
        "estimate": value,
        "conf_level": 0.95,
        "scale": "risk",
        "status": "ok",
    }
    return row | more


def ended(low: float, high: float, se: float | None = None, p: float | None = None) -> Row:
    return {"conf_low": low, "conf_high": high, "std_error": se, "p_value": p}


def analysis(
    identifier: str, role: str, outcome: str, estimator: str, options: Row, status: str = "ok", reason: str = ""
) -> Row:
    return {
        "analysis": identifier,
        "role": role,
        "outcome": outcome,
        "estimator": estimator,
        "options": json.dumps(options),
        "status": status,
        "reason": reason,
    }


# --------------------------------------------------------------------------- an experiment


def rossi_curve() -> list[Row]:
    """Kaplan–Meier of Rossi's 432 people by week, computed here from the packaged data."""
    from lifelines.datasets import load_rossi

    data = load_rossi()
    rows = []
    for arm, group in ((1, "treated"), (0, "control")):
        people = data[data["fin"] == arm]
        survival, spread = 1.0, 0.0
        for week in range(1, 53):
            at_risk = int((people["week"] >= week).sum())
            events = int(((people["week"] == week) & (people["arrest"] == 1)).sum())
            left = int(((people["week"] == week) & (people["arrest"] == 0)).sum())
            survival *= 1 - events / at_risk
            spread += events / (at_risk * (at_risk - events))
            error = survival * math.sqrt(spread)
            rows.append(
                {
                    "analysis": "curves",
                    "outcome": "arrest",
                    "quantity": "survival",
                    "group": group,
                    "time": week,
                    "n_risk": at_risk,
                    "n_event": events,
                    "n_censor": left,
                    "estimate": survival,
                    "std_error": error,
                    "conf_low": survival - 1.96 * error,
                    "conf_high": min(1.0, survival + 1.96 * error),
                    "status": "ok",
                }
            )
    return rows


def experiment() -> Case:
    labels = {
        "fin": "Financial aid",
        "age": "Age at release",
        "race": "Race recorded as Black",
        "wexp": "Work experience",
        "mar": "Married",
        "paro": "Released on parole",
        "prio": "Convictions before",
    }
    study = {
        "study": "transition_aid",
        "title": "Financial aid after prison and rearrest",
        "question": "Does a small weekly payment after release from prison lower the chance of being arrested again within a year?",
        "intervention": {
            "kind": "transition_aid",
            "name": "Transitional financial aid",
            "description": "People leaving prison received up to 60 dollars a week for 13 weeks, much as workers who lose a job "
            "receive unemployment benefit.",
            "comparison": "Ordinary release, with no payment and no more help than usual.",
            "logic_model": {
                "inputs": ["Funds for weekly payments", "Staff at the employment office"],
                "activities": ["Weekly payments for 13 weeks"],
                "outputs": ["Payments made"],
                "outcomes": ["Money for food and rent", "Fewer arrests"],
            },
        },
        "data": {"path": "rossi.parquet", "source": "Rossi, Berk and Lenihan (1980), Money, Work, and Crime."},
        "design": {
            "type": "cohort",
            "arm": "fin",
            "assignment": "randomised",
            "time": "week",
            "time_unit": "week",
            "event": "arrest",
            "covariates": ["age", "race", "wexp", "mar", "paro", "prio"],
            "windows": [26, 52],
            "people_label": "men released from Maryland prisons",
        },
        "outcomes": [{"id": "arrest", "label": "Rearrest", "better": "lower"}],
        "analyses": [
            {
                "id": "main",
                "role": "primary",
                "outcome": "arrest",
                "estimator": "risk_difference",
                "options": {"window": 52},
            },
            {"id": "curves", "role": "secondary", "outcome": "arrest", "estimator": "kaplan_meier"},
            {"id": "cox", "role": "sensitivity", "outcome": "arrest", "estimator": "cox"},
        ],
        "disclosure": {"profile": "none"},
        "labels": labels,
        "report": {"contact": "evaluation@example.org"},
    }
    size = {"n_obs": 432, "n_units": 432, "n_treated_units": 216, "time": 52.0}
    rows = [
        estimate("main", "risk_treated", 48 / 216, **size, **ended(0.1717, 0.2822, 0.0283)),
        estimate("main", "risk_control", 66 / 216, **size, **ended(0.2480, 0.3699, 0.0313)),
        estimate("main", "risk_difference", -18 / 216, **size, **ended(-0.164977, -0.000220, 0.0423, 0.0494)),
        estimate("main", "risk_ratio", 48 / 66, **size, **ended(0.5278, 1.0021, 0.1636, 0.0516)),
        estimate("main", "odds_ratio", 0.649351, **size, **ended(0.4218, 0.9997, 0.2202, 0.0498)),
    ]
    cox = [
        ("arm", -0.37942, 0.19138),
        ("age", -0.05744, 0.02200),
        ("race", 0.31390, 0.30799),
        ("wexp", -0.14980, 0.21222),
        ("mar", -0.43370, 0.38187),
        ("paro", -0.08487, 0.19576),
        ("prio", 0.09150, 0.02865),
    ]
    for term, value, se in cox:
        rows.append(
            estimate(
                "cox",
                term,
                value,
                role="sensitivity",
                estimator="cox",
                scale="log_hazard",
                n_obs=432,
                n_units=432,
                n_treated_units=216,
                **ended(value - 1.95996 * se, value + 1.95996 * se, se, 0.0474123456),
            )
        )
    baseline = []
    for name, treated, control, smd in (
        ("age", 24.95, 24.24, 0.117),
        ("race", 0.88, 0.875, 0.014),
        ("wexp", 0.574, 0.569, 0.009),
        ("mar", 0.144, 0.102, 0.127),
        ("paro", 0.616, 0.620, -0.01),
        ("prio", 2.99, 2.98, 0.003),
    ):
        for group, mean in (("treated", treated), ("control", control)):
            baseline.append(
                {
                    "covariate": name,
                    "group": group,
                    "n": 216,
                    "n_missing": 0,
                    "mean": mean,
                    "std_dev": 1.0,
                    "smd": smd,
                    "kind": "continuous" if name in {"age", "prio"} else "binary",
                    "status": "ok",
                }
            )
    checks = [
        {
            "analysis": "curves",
            "check": "log_rank",
            "status": "info",
            "statistic": 3.8376543210,
            "df": 1,
            "p_value": 0.050116,
            "message": "The two curves differ with p = 0.050116 (log-rank test, chi-square 3.8376543210).",
        },
        {
            "analysis": "cox",
            "check": "proportional_hazards",
            "status": "warn",
            "term": "age",
            "statistic": 11.279,
            "df": 1,
            "p_value": 0.000784,
            "threshold": 0.05,
            "message": "The ratio for Age at release changes over time.",
        },
        {
            "analysis": "cox",
            "check": "proportional_hazards",
            "status": "pass",
            "term": "arm",
            "statistic": 0.006,
            "df": 1,
            "p_value": 0.9389,
            "threshold": 0.05,
            "message": "The ratio between the groups stays about the same over time.",
        },
    ]
    inference = [
        {
            "analysis": "main",
            "term": "risk_difference",
            "time": 52.0,
            "method": "newcombe",
            **ended(-0.164977, -0.000220),
            "distribution": "normal",
        },
        {
            "analysis": "main",
            "term": "risk_difference",
            "time": 52.0,
            "method": "hc1",
            **ended(-0.1663, -0.0004, 0.0423, 0.0494),
            "distribution": "normal",
        },
        {
            "analysis": "cox",
            "term": "arm",
            "method": "model",
            **ended(-0.7545, -0.0043, 0.19138, 0.0474),
            "distribution": "normal",
        },
    ]
    flow = [
        {
            "analysis": "",
            "step": "read",
            "reason": "rows read",
            "level": "person",
            "n_dropped": 0,
            "n_remaining": 432,
            "status": "ok",
        }
    ]
    quality = [
        {"column": c, "role": r, "type": "BIGINT", "n_rows": 432, "n_missing": 0, "n_nan": 0, "status": "ok"}
        for c, r in [
            ("fin", "arm"),
            ("week", "time"),
            ("arrest", "event"),
            *((c, "covariate") for c in list(labels)[1:]),
        ]
    ]
    analyses = [
        analysis(
            "main",
            "primary",
            "arrest",
            "risk_difference",
            {"adjust": "none", "window": 52, "covariates": [], "conf_level": 0.95},
        ),
        analysis("curves", "secondary", "arrest", "kaplan_meier", {"conf_level": 0.95}),
        analysis(
            "cox", "sensitivity", "arrest", "cox", {"covariates": list(labels)[1:], "ties": "efron", "conf_level": 0.95}
        ),
    ]
    tables = {
        "estimates": rows,
        "curve": rossi_curve(),
        "baseline": baseline,
        "diagnostics": checks,
        "inference": inference,
        "flow": flow,
        "data_quality": quality,
        "analyses": analyses,
        "suppression": [
            {"table": "estimates", "profile": "none", "rule": "nothing is hidden", "n_rows": 12, "n_suppressed": 0}
        ],
    }
    return Case(study, tables, ("fin", "wexp", "paro", "prio", "mar"))


# --------------------------------------------------------------------------- a staggered panel

COHORTS = {1983.0: 1, 1985.0: 6, 1988.0: 1, 1991.0: 4, 1995.0: 9}
YEARS = [float(y) for y in range(1980, 2005)]


def level(start: float, year: float) -> float:
    return 24.6 - 0.31 * (year - 1980) + 0.2 * math.sin(start + year) - (0.42 if start and year >= start else 0.0)


def panel() -> Case:
    study = {
        "study": "per_se_laws",
        "title": "Administrative licence revocation and traffic deaths",
        "question": "Did states that let officers take away a licence on the spot see fewer traffic deaths than they would have?",
        "intervention": {
            "kind": "law_reform",
            "name": "Administrative licence revocation",
            "description": "A driver found over the alcohol limit loses the licence at once, by decision of the authority and before any trial.",
            "comparison": "States in which only a court could take away the licence.",
        },
        "data": {"path": "driving.parquet", "source": "Freeman (2007); the driving data of Wooldridge’s textbook."},
        "design": {
            "type": "panel",
            "unit": "state",
            "time": "year",
            "cohort": "adopted",
            "time_unit": "year",
            "unit_label": "states",
            "units_are": "places",
        },
        "outcomes": [
            {"id": "fatalities", "column": "totfatrte", "label": "Traffic deaths per 100,000 people", "better": "lower"}
        ],
        "analyses": [
            {"id": "main", "role": "primary", "outcome": "fatalities", "estimator": "callaway_santanna"},
            {
                "id": "not_yet",
                "role": "sensitivity",
                "outcome": "fatalities",
                "estimator": "callaway_santanna",
                "label": "Same, also using states that adopted later as comparison",
            },
            {"id": "twfe", "role": "sensitivity", "outcome": "fatalities", "estimator": "twfe"},
            {"id": "dynamic", "role": "secondary", "outcome": "fatalities", "estimator": "event_study"},
            {"id": "broken", "role": "exploratory", "outcome": "fatalities", "estimator": "imputation"},
        ],
        "disclosure": {"profile": "none"},
        "labels": {
            "totfatrte": "Traffic deaths per 100,000 people",
            "adopted": "First full year of the law",
            "state": "State",
        },
    }
    key = {
        "outcome": "fatalities",
        "scale": "level",
        "n_obs": 1150,
        "n_units": 46,
        "n_treated_units": 21,
        "n_clusters": 46,
    }
    cs = key | {"estimator": "callaway_santanna"}
    rows = [
        estimate("main", "att", -0.4213456789, **cs, **ended(-1.0931234, 0.2504321, 0.34275, 0.219)),
        estimate("main", "att_group", -0.4553, **cs, **ended(-1.1, 0.19, 0.329, 0.166)),
        estimate("main", "att_dynamic", -0.5102, **cs, **ended(-1.25, 0.23, 0.377, 0.176)),
        estimate("main", "att_calendar", -0.3921, **cs, **ended(-1.0, 0.21, 0.309, 0.204)),
    ]
    event = []
    for e in range(-8, 13):
        value = 0.12 * math.sin(2.3 * e) - (0.05 * e + 0.15 if e >= 0 else 0)
        se = 0.25 + 0.03 * abs(e)
        interval = ended(value - 1.96 * se, value + 1.96 * se, se, 0.3)
        rows.append(estimate("main", "event", value, time=float(e), **cs, **interval))
        event.append(
            {
                "analysis": "main",
                "outcome": "fatalities",
                "estimator": "callaway_santanna",
                "event_time": e,
                "phase": "before" if e < 0 else "after",
                "estimate": value,
                **interval,
                "n_treated_units": 21 - abs(e),
                "status": "ok",
            }
        )
    for start, n in COHORTS.items():
        rows.append(
            estimate(
                "main",
                "group",
                -0.2 - 0.1 * n / 3,
                group=f"{start:g}",
                **cs | {"n_treated_units": n},
                **ended(-1.2, 0.7, 0.48, 0.4),
            )
        )
        for year in YEARS[1:]:
            rows.append(
                estimate(
                    "main",
                    "group_time",
                    -0.2 if year >= start else 0.01,
                    group=f"{start:g}",
                    time=year,
                    **cs | {"n_treated_units": n},
                    **ended(-1.4, 0.9, 0.55, 0.7),
                )
            )
    rows.append(estimate("not_yet", "att", -0.398, role="sensitivity", **cs, **ended(-1.05, 0.254, 0.3327, 0.232)))
    tw = key | {"estimator": "twfe", "role": "sensitivity"}
    rows.append(estimate("twfe", "att", -1.3107, **tw, **ended(-2.2, -0.42, 0.442, 0.0049)))
    es = key | {"estimator": "event_study", "role": "secondary"}
    rows.append(estimate("dynamic", "att", -0.93, **es, **ended(-1.85, -0.01, 0.457, 0.048)))
    rows.append(estimate("dynamic", "event", 0.0, time=-1.0, status="reference", **es))
    event.append(
        {
            "analysis": "dynamic",
            "outcome": "fatalities",
            "estimator": "event_study",
            "event_time": -1,
            "phase": "before",
            "estimate": 0.0,
            "status": "reference",
        }
    )
    series = [
        {
            "outcome": "fatalities",
            "group": g,
            "time": y,
            "estimate": level(1990.0 if g == "treated" else 0.0, y),
            "n_units": 21 if g == "treated" else 25,
            "status": "ok",
        }
        for g in ("treated", "control")
        for y in YEARS
    ]
    series += [
        {
            "outcome": "fatalities",
            "group": f"cohort:{c:g}",
            "time": y,
            "estimate": level(c, y),
            "n_units": n,
            "status": "ok",
        }
        for c, n in COHORTS.items()
        for y in YEARS
    ]
    checks = [
        {
            "analysis": "main",
            "check": "pretrends",
            "status": "pass",
            "statistic": 9.87654321,
            "df": 8,
            "p_value": 0.2734567,
            "message": "Before adoption the adopting and comparison states moved alike (joint test, p = 0.2734567).",
        },
        *(
            {
                "analysis": "main",
                "check": "small_cohort",
                "status": "warn",
                "group": f"{c:g}",
                "statistic": 1,
                "message": f"Only 1 unit adopted in {c:g}; its standard error cannot be trusted.",
            }
            for c, n in COHORTS.items()
            if n == 1
        ),
        {
            "analysis": "twfe",
            "check": "staggered",
            "status": "warn",
            "message": "Units adopt at different times, so this figure mixes early and late effects.",
        },
    ]
    inference = [
        {
            "analysis": "main",
            "term": "att",
            "method": "influence_function",
            **ended(-1.093, 0.2504, 0.34275, 0.219),
            "distribution": "normal",
            "n_clusters": 46,
        },
        {
            "analysis": "twfe",
            "term": "att",
            "method": "cr1",
            **ended(-2.2, -0.42, 0.442, 0.0049),
            "distribution": "t",
            "df": 45,
            "df_rule": "clusters minus one",
            "small_sample_factor": 1.0431,
            "n_clusters": 46,
        },
    ]
    flow = [
        {
            "analysis": "",
            "step": "partial_year",
            "reason": "the law covered only part of the year",
            "level": "row",
            "n_dropped": 21,
            "n_remaining": 1179,
            "status": "ok",
        },
        {
            "analysis": "main",
            "step": "always_treated",
            "reason": "treated before the first year observed",
            "level": "unit",
            "n_dropped": 2,
            "n_remaining": 46,
            "status": "ok",
        },
    ]
    quality = [
        {"column": c, "role": r, "type": "DOUBLE", "n_rows": 1200, "n_missing": m, "n_nan": 0, "status": "ok"}
        for c, r, m in (
            ("state", "unit", 0),
            ("year", "period", 0),
            ("adopted", "cohort", 625),
            ("totfatrte", "outcome", 21),
        )
    ]
    options = {
        "control_group": "never_treated",
        "method": "reg",
        "covariates": [],
        "anticipation": 0,
        "base_period": "varying",
        "conf_level": 0.95,
    }
    analyses = [
        analysis("main", "primary", "fatalities", "callaway_santanna", options),
        analysis(
            "not_yet", "sensitivity", "fatalities", "callaway_santanna", options | {"control_group": "not_yet_treated"}
        ),
        analysis("twfe", "sensitivity", "fatalities", "twfe", {"conf_level": 0.95}),
        analysis("dynamic", "secondary", "fatalities", "event_study", {"conf_level": 0.95}),
        analysis(
            "broken",
            "exploratory",
            "fatalities",
            "imputation",
            {},
            "failed",
            "the matrix of comparison means is singular",
        ),
    ]
    tables = {
        "estimates": rows,
        "event_study": event,
        "series": series,
        "diagnostics": checks,
        "inference": inference,
        "flow": flow,
        "data_quality": quality,
        "analyses": analyses,
        "suppression": [
            {
                "table": "estimates",
                "profile": "none",
                "rule": "nothing is hidden",
                "n_rows": len(rows),
                "n_suppressed": 0,
            }
        ],
    }
    return Case(study, tables, ("totfatrte",))


# --------------------------------------------------------------------------- a simulated cohort with hidden cells


def simulated() -> Case:
    study = {
        "study": "drug_court",
        "title": "Drug court and rearrest",
        "question": "Are people who enter drug court arrested again less often than similar people who go through ordinary court?",
        "intervention": {
            "kind": "drug_court",
            "name": "Drug court",
            "description": "A judge-led team supervises people with substance use disorder: treatment, testing, regular hearings, rewards and sanctions, for a year or more.",
            "comparison": "Ordinary court processing.",
        },
        "data": {"path": "dummy.parquet"},
        "design": {
            "type": "cohort",
            "arm": "in_program",
            "assignment": "observational",
            "time": "months_to_event",
            "time_unit": "month",
            "event": "event_code",
            "follow_up": "months_followed",
            "covariates": ["age_at_entry", "prior_arrests"],
            "windows": [6, 12, 24],
            "people_label": "people with a drug-related charge",
        },
        "outcomes": [{"id": "rearrest", "label": "Rearrest", "better": "lower"}],
        "analyses": [
            {"id": "main", "role": "primary", "outcome": "rearrest", "estimator": "risk_difference"},
            {
                "id": "adjusted",
                "role": "sensitivity",
                "outcome": "rearrest",
                "estimator": "risk_difference",
                "label": "Difference in risk, adjusted",
            },
            {"id": "curves", "role": "secondary", "outcome": "rearrest", "estimator": "kaplan_meier"},
        ],
        "disclosure": {"profile": "cms11"},
        "labels": {
            "in_program": "Entered drug court",
            "age_at_entry": "Age at entry",
            "prior_arrests": "Arrests before",
            "months_to_event": "Months to rearrest",
        },
        "simulation": {"effect": -0.10, "seed": 7},
    }
    size = {"outcome": "rearrest", "n_obs": 1480, "n_units": 1480, "n_treated_units": 690}
    rows = []
    for window, treated, control in ((6.0, None, None), (12.0, 0.2174, 0.3013), (24.0, 0.3391, 0.4203)):
        hidden = treated is None
        for term, value in (
            ("risk_treated", treated),
            ("risk_control", control),
            ("risk_difference", None if hidden else treated - control),
            ("risk_ratio", None if hidden else treated / control),
        ):
            if hidden:
                rows.append(estimate("main", term, None, time=window, outcome="rearrest", status="suppressed"))
                continue
            width = 0.048 if term != "risk_ratio" else 0.14
            rows.append(
                estimate(
                    "main",
                    term,
                    value,
                    time=window,
                    **size,
                    **ended(value - width, value + width, width / 1.96, 0.0008),
                )
            )
    rows.append(
        estimate(
            "adjusted",
            "risk_difference",
            -0.0734,
            time=24.0,
            role="sensitivity",
            **size,
            **ended(-0.1221, -0.0247, 0.0248, 0.0031),
        )
    )
    curve = []
    for group, rate, n in (("treated", 0.017, 690), ("control", 0.0227, 790)):
        for month in range(1, 25):
            s = math.exp(-rate * month)
            curve.append(
                {
                    "analysis": "curves",
                    "outcome": "rearrest",
                    "quantity": "survival",
                    "group": group,
                    "time": month,
                    "n_risk": round(n * s) if month < 23 else None,
                    "n_event": 14 if month < 23 else None,
                    "n_censor": 0,
                    "estimate": s if month < 23 else None,
                    "conf_low": s - 0.03 if month < 23 else None,
                    "conf_high": min(1, s + 0.03) if month < 23 else None,
                    "status": "ok" if month < 23 else "suppressed",
                }
            )
    baseline = [
        {
            "covariate": c,
            "group": g,
            "n": 690,
            "n_missing": 0,
            "mean": m,
            "std_dev": 9.0,
            "smd": s,
            "kind": "continuous",
            "status": st,
        }
        for c, g, m, s, st in (
            ("age_at_entry", "treated", 31.2, -0.05, "ok"),
            ("age_at_entry", "control", 31.7, -0.05, "ok"),
            ("prior_arrests", "treated", None, None, "suppressed"),
            ("prior_arrests", "control", None, None, "suppressed"),
        )
    ]
    checks = [
        {
            "analysis": "main",
            "check": "balance",
            "status": "pass",
            "message": "The groups are alike in what was recorded.",
        },
        {
            "analysis": "curves",
            "check": "log_rank",
            "status": "info",
            "message": "The counts behind this check are hidden.",
        },
    ]
    flow = [
        {
            "analysis": "main",
            "step": "follow_up",
            "reason": "followed for less than the window",
            "level": "person",
            "n_dropped": None,
            "n_remaining": None,
            "status": "suppressed",
        }
    ]
    quality = [
        {
            "column": c,
            "role": r,
            "type": "BIGINT",
            "n_rows": None,
            "n_missing": None,
            "n_nan": 0,
            "status": "suppressed",
        }
        for c, r in (("in_program", "arm"), ("months_to_event", "time"), ("age_at_entry", "covariate"))
    ]
    analyses = [
        analysis(
            "main", "primary", "rearrest", "risk_difference", {"adjust": "none", "window": None, "conf_level": 0.95}
        ),
        analysis(
            "adjusted",
            "sensitivity",
            "rearrest",
            "risk_difference",
            {"adjust": "regression", "covariates": "all", "window": 24},
        ),
        analysis("curves", "secondary", "rearrest", "kaplan_meier", {}),
    ]
    tables = {
        "estimates": rows,
        "curve": curve,
        "baseline": baseline,
        "diagnostics": checks,
        "flow": flow,
        "data_quality": quality,
        "analyses": analyses,
        "suppression": [
            {
                "table": "estimates",
                "profile": "cms11",
                "rule": "counts from 1 to 10, and figures that give them away",
                "n_rows": 13,
                "n_suppressed": 4,
            },
            {
                "table": "flow",
                "profile": "cms11",
                "rule": "counts from 1 to 10, and figures that give them away",
                "n_rows": 1,
                "n_suppressed": 1,
            },
        ],
    }
    return Case(study, tables, ("in_program", "age_at_entry", "prior_arrests", "months_to_event"))


CASES = {"experiment": experiment, "panel": panel, "simulated": simulated}
