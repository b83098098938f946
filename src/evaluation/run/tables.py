"""From the analyses' ResultSets to the rows of the results tables."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from evaluation.estimators.base import Estimator
from evaluation.results import COUNTS, Check, FlowStep, ResultSet, Row
from evaluation.study.models import Analysis, Study


@dataclass(frozen=True)
class Finished:
    """One analysis after its fit. `status` is ok, not_estimable or failed; `reason` says why it is not ok."""

    analysis: Analysis
    estimator: Estimator
    results: ResultSet = field(default_factory=ResultSet)
    status: str = "ok"
    reason: str = ""
    reason_counts: tuple[int, ...] = ()


def _flat(item: object) -> Row:
    row = dict(vars(item))  # plain values all: `asdict` would copy each
    if "counts" in row:
        row[COUNTS] = tuple(row.pop("counts"))
    return row


def of_build(study: str, flow: tuple[FlowStep, ...], checks: tuple[Check, ...]) -> dict[str, list[Row]]:
    """What was left out and noticed when the data were built: of every analysis, and so under the name of none."""
    key = {"study": study, "analysis": ""}
    return {
        "flow": [key | _flat(step) | {"status": "ok"} for step in flow],
        "diagnostics": [key | _flat(check) for check in checks],
    }


def _analysis_row(study: str, done: Finished) -> Row:
    return {
        "study": study,
        "analysis": done.analysis.id,
        "role": done.analysis.role,
        "outcome": done.analysis.outcome,
        "estimator": done.analysis.estimator,
        "options": json.dumps(done.estimator.model_dump(mode="json"), sort_keys=True),
        "status": done.status,
        "reason": done.reason,
        COUNTS: done.reason_counts,
    }


def _estimates(study: str, done: Finished) -> list[Row]:
    key = {
        "study": study,
        "analysis": done.analysis.id,
        "role": done.analysis.role,
        "outcome": done.analysis.outcome,
        "estimator": done.analysis.estimator,
    }
    return [key | _flat(e) for e in done.results.estimates]


def event_study(estimates: list[Row]) -> list[Row]:
    """The `event_study` table: the event rows of the estimates, split at adoption."""
    keep = (
        "study",
        "analysis",
        "outcome",
        "estimator",
        "estimate",
        "std_error",
        "conf_low",
        "conf_high",
        "p_value",
        "n_treated_units",
        "status",
    )
    return [
        {k: r[k] for k in keep} | {"event_time": r["time"], "phase": "after" if r["time"] >= 0 else "before"}
        for r in estimates
        if r["term"] == "event" and r["time"] is not None
    ]


def tables(study: Study, finished: list[Finished], described: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Every results table but `suppression`, which the disclosure door writes."""
    name = study.study
    out: dict[str, list[Row]] = {
        "analyses": [],
        "estimates": [],
        "event_study": [],
        "inference": [],
        "diagnostics": [],
        "sensitivity": [],
        "decomposition": [],
        "second_opinion": [],
        "balance": [],
        "overlap": [],
        "attrition": [],
        "subgroups": [],
        "implementation": [],
        "curve": [],
        "flow": [],
        "series": [],
        "baseline": [],
        "data_quality": [],
        "linkage": [],
        "agreements": [],
        **described,
    }
    for done in finished:
        key = {"study": name, "analysis": done.analysis.id}
        out["analyses"].append(_analysis_row(name, done))
        out["estimates"] += _estimates(name, done)
        out["inference"] += [key | _flat(i) for i in done.results.inference]
        out["diagnostics"] += [key | _flat(c) for c in done.results.checks]
        out["curve"] += [key | {"outcome": done.analysis.outcome} | _flat(p) for p in done.results.curve]
        out["flow"] += [key | _flat(f) | {"status": "ok"} for f in done.results.flow]
        out["sensitivity"] += [key | _flat(s) for s in done.results.sensitivity]
        out["decomposition"] += [key | _flat(c) | {"status": "ok"} for c in done.results.components]
        out["second_opinion"] += [key | _flat(o) for o in done.results.opinions]
        out["balance"] += [key | _flat(b) for b in done.results.balance]
        out["overlap"] += [key | _flat(o) for o in done.results.overlap]
        out["attrition"] += [key | _flat(a) for a in done.results.attrition]
        out["subgroups"] += [key | {"outcome": done.analysis.outcome} | _flat(s) for s in done.results.subgroups]
    out["event_study"] = event_study(out["estimates"])
    return out
