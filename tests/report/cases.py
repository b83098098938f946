"""Runs as a report meets them, built by hand: what the three cases share."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluation.results import write_json, write_tables

Row = dict[str, Any]
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


@dataclass
class Case:
    """A run: its study file as plain data, its tables, and the labelled columns whose names no reader may meet."""

    study: dict[str, Any]
    tables: dict[str, list[Row]] = field(default_factory=dict)
    names: tuple[str, ...] = ()

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


def ended(low: float, high: float, se: float | None = None, p: float | None = None) -> Row:
    return {"conf_low": low, "conf_high": high, "std_error": se, "p_value": p}


def estimate(analysis: str, term: str, value: float | None, **more: Any) -> Row:
    row = {"analysis": analysis, "role": "primary", "estimand": term, "term": term, "group": "", "time": None}
    return row | {"estimate": value, "conf_level": 0.95, "scale": "risk", "status": "ok"} | more


def check(analysis: str, name: str, status: str, message: str, **more: Any) -> Row:
    return {"analysis": analysis, "check": name, "status": status, "message": message} | more


def analysis(identifier: str, outcome: str, estimator: str, options: Row, **more: Any) -> Row:
    row = {"analysis": identifier, "role": "primary", "outcome": outcome, "estimator": estimator, "status": "ok"}
    return row | {"options": json.dumps(options), "reason": ""} | more


def inference(analysis: str, term: str, method: str, **more: Any) -> Row:
    return {"analysis": analysis, "term": term, "method": method, "distribution": "normal"} | more


def flow(analysis: str, reason: str, level: str, dropped: int | None, left: int | None) -> Row:
    status = "ok" if left is not None else "suppressed"
    row = {"analysis": analysis, "step": reason, "reason": reason, "level": level, "status": status}
    return row | {"n_dropped": dropped, "n_remaining": left}


def quality(column: str, role: str, rows: int | None, missing: int | None = 0) -> Row:
    row = {"column": column, "role": role, "type": "BIGINT", "n_rows": rows, "n_missing": missing, "n_nan": 0}
    return row | {"status": "ok" if rows else "suppressed"}


def baseline(covariate: str, kind: str, treated: float | None, control: float | None, smd: float | None) -> list[Row]:
    row = {"covariate": covariate, "kind": kind, "n": 200, "n_missing": 0, "std_dev": 1.0, "smd": smd}
    row["status"] = "suppressed" if treated is None else "ok"
    return [row | {"group": "treated", "mean": treated}, row | {"group": "control", "mean": control}]


def suppression(table: str, profile: str, rows: int, hidden: int) -> Row:
    rule = "counts from 1 to 10, and figures that give them away"
    return {"table": table, "profile": profile, "rule": rule, "n_rows": rows, "n_suppressed": hidden}
