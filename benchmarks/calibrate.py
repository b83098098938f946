"""Bias and coverage of every estimator on simulated data with a planted truth; writes `docs/calibration.md`.

For each seed the shipped simulated studies are simulated anew and analysed. An interval said to hold the truth in
95 of 100 repetitions must do so within three Monte Carlo standard errors, or the program ends with exit code 1.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NOMINAL = 0.95
LOG_HAZARD_RATIO = math.log(0.75)


@dataclass(frozen=True)
class Case:
    """An estimator on a way of making data, and the row of its results that should meet the planted truth."""

    data: str
    estimator: str
    term: str
    options: dict[str, Any] = field(default_factory=dict)
    time: float | None = None


# People as `evaluation simulate` makes them for a ready-made cohort.
PEOPLE: dict[str, Any] = {
    "study": "court", "title": "Court", "question": "Does it work?",
    "intervention": {"kind": "drug_court", "name": "The court", "description": "Supervised treatment."},
    "data": {"path": "data.parquet"}, "simulation": {"effect": -0.1, "size": 1600, "baseline": 0.45},
    "design": {
        "type": "cohort", "person": "person_id", "arm": "court", "assignment": "observational", "time": "months",
        "time_unit": "month", "follow_up": "follow_up", "event": "rearrested", "windows": [6.0, 12.0, 24.0, 36.0],
        "covariates": ["age", "female", "prior_arrests", "employed", "stable_housing", "risk_score"],
    },
    "outcomes": [{"id": "rearrest", "label": "Rearrest"}],
    "analyses": [{"id": "main", "role": "primary", "outcome": "rearrest", "estimator": "risk_difference",
                  "options": {"window": 24.0}}],
    "disclosure": {"profile": "none"},
}  # fmt: skip
DATA = {
    "entry": "Simulated people whose entry depends on their characteristics; risk difference",
    "trial": "The same with entry by lot; risk difference",
    "hazard": "The same with proportional hazards; log hazard ratio",
    "panel": "`joint_task_force` as shipped; average effect",
}
CASES = (
    Case("entry", "risk_difference", "risk_difference", {"adjust": "regression", "window": 24.0}, 24),
    Case("trial", "risk_difference", "risk_difference", {"adjust": "none", "window": 24.0}, 24),
    Case("trial", "risk_difference", "risk_difference", {"adjust": "regression", "window": 24.0}, 24),
    Case("trial", "kaplan_meier", "risk_difference", {}, 24),
    Case("hazard", "cox", "arm", {"covariates": "all", "ties": "efron"}),
    Case("hazard", "cox", "arm", {"covariates": "all", "ties": "breslow"}),
    Case("panel", "callaway_santanna", "att", {"control_group": "never_treated"}),
    Case("panel", "callaway_santanna", "att", {"control_group": "not_yet_treated"}),
    Case("panel", "event_study", "att"),
    Case("panel", "event_study", "event", {}, 0),
    Case("panel", "twfe", "att"),
)


@dataclass(frozen=True)
class Found:
    """What one fit said: estimate, standard error and interval."""

    estimate: float
    std_error: float
    low: float
    high: float


def _study(data: str) -> Any:
    """The study behind a way of making data."""
    from evaluation.study.load import load
    from evaluation.study.models import Study

    if data == "panel":
        return load(ROOT / "studies" / "joint_task_force.yaml").study
    study = Study.model_validate(PEOPLE)
    if data == "trial":
        return study.model_copy(update={"design": study.design.model_copy(update={"assignment": "randomised"})})
    if data == "hazard":
        primary = study.primary.model_copy(update={"estimator": "cox", "options": {"window": 24}})
        return study.model_copy(update={"analyses": [primary]})
    return study


def _truth(data: str) -> float:
    return LOG_HAZARD_RATIO if data == "hazard" else float(_study(data).simulation.effect)


def _frame(study: Any, seed: int, effect: float, folder: Path) -> Any:
    from evaluation.data.cohort import Cohort
    from evaluation.data.engine import open_source
    from evaluation.data.panel import Panel
    from evaluation.data.simulate import simulate

    source = open_source(str(simulate(study, effect, folder / "data.parquet", seed)), folder)
    return Panel.of(study.design, source) if study.design.type == "panel" else Cohort.of(study.design, source)


def _fit(case: Case, frame: Any, outcome: Any) -> Found:
    from evaluation.estimators.registry import get

    rows = get(case.estimator).model_validate(case.options).fit(frame, outcome).estimates
    row = next(r for r in rows if r.term == case.term and (case.time is None or r.time == case.time))
    if row.status != "ok":
        raise RuntimeError(f"{case.estimator}: {row.status}")
    return Found(row.estimate, row.std_error, row.conf_low, row.conf_high)


def one_seed(seed: int) -> list[Found]:
    """The findings of every case for one seed."""
    findings: dict[Case, Found] = {}
    for data in DATA:
        study = _study(data)
        with tempfile.TemporaryDirectory() as folder:
            frame = _frame(study, seed, _truth(data), Path(folder))
            outcome = study.outcome(study.primary.outcome)
            findings |= {id(c): _fit(c, frame, outcome) for c in CASES if c.data == data}
    return [findings[id(c)] for c in CASES]


@dataclass(frozen=True)
class Calibration:
    """How a case did over all seeds."""

    case: Case
    truth: float
    seeds: int
    bias: float
    bias_error: float
    coverage: float
    ratio: float

    @property
    def passes(self) -> bool:
        """Whether coverage is within three Monte Carlo standard errors of the nominal one."""
        return abs(self.coverage - NOMINAL) <= 3 * coverage_error(self.seeds)


def coverage_error(seeds: int) -> float:
    """Monte Carlo standard error of the coverage of an interval that is right."""
    return math.sqrt(NOMINAL * (1 - NOMINAL) / seeds)


def summary(case: Case, truth: float, found: list[Found]) -> Calibration:
    """Bias, coverage, and mean standard error over empirical standard deviation."""
    n = len(found)
    mean = math.fsum(f.estimate for f in found) / n
    spread = math.sqrt(math.fsum((f.estimate - mean) ** 2 for f in found) / (n - 1))
    covered = sum(f.low <= truth <= f.high for f in found) / n
    return Calibration(case, truth, n, mean - truth, spread / math.sqrt(n), covered,
                       math.fsum(f.std_error for f in found) / n / spread)  # fmt: skip


def _row(c: Calibration) -> str:
    options = ", ".join(f"{k}: {v:g}" if isinstance(v, float) else f"{k}: {v}" for k, v in c.case.options.items())
    at = "" if c.case.time is None else f" at {c.case.time:g}"
    cells = (
        f"`{c.case.estimator}`", options or "defaults", f"`{c.case.term}`{at}", f"{c.truth:.4g}",
        f"{c.bias:+.4f} ({c.bias_error:.4f})", f"{100 * c.coverage:.1f} %", f"{c.ratio:.3f}",
        "yes" if c.passes else "**no**",
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |"


PAGE = """\
# Calibration

Does a 95 % interval hold the truth 95 times in 100? Each row repeats a study {seeds} times on simulated data with a
known, planted effect, and counts. `make calibrate` renews this page, and fails when a row is outside the limits.

- **Bias** is the mean estimate minus the truth, with its Monte Carlo standard error.
- **Coverage** is the share of intervals that hold the truth. With {seeds} repetitions its Monte Carlo standard error
  is {error:.2f} points, so it must lie within {low:.1f} and {high:.1f} %.
- **SE ratio** is the mean standard error over the standard deviation of the estimates; 1 is right.
"""
HEADER = """
## {title}

| estimator | options | estimate | truth | bias (MC SE) | coverage | SE ratio | within limits |
|---|---|---|---|---|---|---|---|
"""


def page(results: list[Calibration]) -> str:
    """The page in `docs/`, the same for the same results."""
    error = 100 * coverage_error(results[0].seeds)
    text = PAGE.format(
        seeds=results[0].seeds, error=error, low=100 * NOMINAL - 3 * error, high=100 * NOMINAL + 3 * error
    )
    for data, title in DATA.items():
        text += HEADER.format(title=title) + "".join(_row(r) + "\n" for r in results if r.case.data == data)
    return text


def _all_seeds(seeds: int, jobs: int) -> Iterator[list[Found]]:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"  # one thread a process: the processes share the cores
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(one_seed, range(1, seeds + 1), chunksize=5)


def main() -> int:
    """Run every case on every seed, write the page, and say whether all coverage is within limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "calibration.md")
    asked = parser.parse_args()
    start, found = time.monotonic(), []
    for done, findings in enumerate(_all_seeds(asked.seeds, asked.jobs), 1):
        found.append(findings)
        if done % 50 == 0:
            print(f"{done} of {asked.seeds} seeds, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    results = [summary(case, _truth(case.data), [f[i] for f in found]) for i, case in enumerate(CASES)]
    asked.out.write_text(page(results), encoding="utf-8")
    print(page(results))
    return int(not all(r.passes for r in results))


if __name__ == "__main__":
    sys.exit(main())
