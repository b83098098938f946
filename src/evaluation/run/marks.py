"""Runs of which rows were removed from the store afterwards, marked so that their reports say it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.errors import EvaluationError
from evaluation.run.stored import removals, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from evaluation.data.store.store import Store

MARK = "removed_since.json"  # beside the results, so that it goes with them to the history


def mark(store: Store, runs: Path) -> list[Path]:
    """Mark every run in a folder (those in its histories too) that read the store before a removal; their folders."""
    entries = store.log.entries()
    found = []
    for results, line, seal in _runs(runs, store.project):
        if line > len(entries) or entries[line - 1].hash != seal:
            continue  # of another store
        if gone := removals(entries[line:]):
            write(results, gone)
            found.append(results.parent)
    return found


def write(results: Path, gone: Iterable[dict[str, Any]]) -> None:
    """Mark the run whose results lie in a folder."""
    (results / MARK).write_text(json.dumps(list(gone), indent=2) + "\n", encoding="utf-8")


def _runs(folder: Path, project: str) -> Iterator[tuple[Path, int, Any]]:
    for pattern in ("*/results/provenance.json", "*/history/*/results/provenance.json"):
        for file in sorted(folder.glob(pattern)):
            try:
                read = snapshot_of(file)
            except EvaluationError:  # a run of other data
                continue
            if read.project == project:
                yield file.parent, read.line, read.hash
