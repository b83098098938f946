"""What a run was made from: hashes of the study file and the data, versions of the code, times."""

from __future__ import annotations

import hashlib
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import evaluation

PACKAGES = ("duckdb", "narwhals", "numpy", "pandas", "pyarrow", "pydantic", "scipy", "statsmodels")


def sha256(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


def run_id(study_hash: str, started: datetime) -> str:
    """Unique and sortable by time: `20260102T030405123456Z-1a2b3c4d`."""
    return f"{started:%Y%m%dT%H%M%S%f}Z-{study_hash[:8]}"


def provenance(
    study_text: str, files: tuple[str, ...], *, seed: int | None, planted: float | None, engine: str, started: datetime,
    store: dict[str, Any] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The content of `provenance.json`; `times` is all that differs between equal runs.

    `seed` is the one simulated data were made with, None where the data are real; `store` tells of the snapshot that
    was read instead of files.
    """
    study_hash = hashlib.sha256(study_text.encode()).hexdigest()
    return {
        "study_sha256": study_hash,
        "plan_lock": None,
        **({} if store is None else {"store": store}),
        "data": [{"file": Path(f).name, "bytes": Path(f).stat().st_size, "sha256": sha256(Path(f))} for f in files],
        "code": {"evaluation": evaluation.__version__, "python": platform.python_version(), "packages": _versions()},
        "engine": engine,
        "seed": seed,
        "planted_effect": planted,
        "times": {
            "run": run_id(study_hash, started),
            "started": started.isoformat(),
            "finished": now().isoformat(),
        },
    }
