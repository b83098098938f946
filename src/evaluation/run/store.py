"""A run's folder: written aside, then put in place whole; the run before it moves to `history/`."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluation.errors import EvaluationError, Problem
from evaluation.results import TABLES, Row, normalised, to_csv, write_json, write_tables

PARTS = ("results", "restricted", "report")


def _write_restricted(folder: Path, tables: Mapping[str, list[Row]]) -> None:
    for name, table in TABLES.items():
        if tables.get(name):
            rows = normalised(table, ({k: v for k, v in r.items() if k in table.names} for r in tables[name]))
            (folder / f"{name}.csv").write_text(to_csv(table, rows), encoding="utf-8", newline="")


def _earlier_run(home: Path) -> str:
    try:
        kept = json.loads((home / "results" / "provenance.json").read_text(encoding="utf-8"))
        return Path(str(kept["times"]["run"])).name or "unknown"
    except (OSError, ValueError, KeyError, TypeError):  # none there, or damaged
        return "unknown"


def _to_history(home: Path) -> None:
    if not any((home / part).exists() for part in PARTS):
        return
    name = _earlier_run(home)
    target = home / "history" / name
    number = 1
    while target.exists():
        number += 1
        target = home / "history" / f"{name}-{number}"
    target.mkdir(parents=True)
    for part in PARTS:
        if (home / part).exists():
            (home / part).rename(target / part)


def save(
    home: Path,
    *,
    study_text: str,
    released: Mapping[str, list[Row]],
    full: Mapping[str, list[Row]] | None,
    provenance: dict[str, Any],
) -> Path:
    """Put a finished run into `home` (`<out>/<study>/`); nothing half-written is ever in place.

    `full` are the unsuppressed tables, kept in `restricted/` where disclosure control hid something.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".incoming-", dir=home))
    except OSError as error:
        raise EvaluationError(
            Problem(
                str(home),
                "--out",
                f"the output folder cannot be written ({error.strerror}).",
                "Give another folder with --out.",
            )
        ) from None
    try:
        results = aside / "results"
        results.mkdir()
        write_tables(results, released)
        (results / "study.yaml").write_text(study_text, encoding="utf-8", newline="")
        write_json(results / "provenance.json", provenance)
        if full is not None:
            (aside / "restricted").mkdir(mode=0o700)
            _write_restricted(aside / "restricted", full)
        _to_history(home)
        for part in PARTS:
            if (aside / part).exists():
                (aside / part).rename(home / part)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return home
