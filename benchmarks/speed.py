"""Speed and memory beside other programs, on the same Parquet files; writes docs/benchmarks.md.

Every figure is a median of runs in processes of their own, the programs taking turns within a repetition. `make
bench` runs the sizes that a laptop holds; `--people` takes others.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench_data import PERIODS, panel
from programs import PROGRAMS
from studies import studies

ROOT = Path(__file__).parents[1]
DATA = ROOT / "build" / "bench"
SIZES = (10_000, 100_000, 1_000_000)
LARGE = 2_000_000  # beyond, only the scan and this project
ONCE = 1_000_000  # from here on other programs run once, they take so long
IN_MEMORY = {"pyfixest", "linearmodels", "statsmodels"}  # hold several copies of the rows: not run beyond `ONCE`
SCAN, OURS = "bare scan", "evaluation"
TITLES = {
    "twfe": "Two-way fixed effects, one coefficient, clusters = sites",
    "event_study": "Event study (two-way fixed effects), clusters = sites",
    "event_study_holes": "The same with a tenth of the rows missing",
    "event_study_person": "Event study, clusters = persons",
    "callaway_santanna": "Callaway-Sant'Anna with all aggregations, clusters = sites",
    "callaway_person": "Callaway-Sant'Anna, clusters = persons",
    "covariates_reg": "Callaway-Sant'Anna, regression adjustment for 3 covariates",
    "covariates_dr": "Callaway-Sant'Anna, doubly robust, 3 covariates",
    "imputation": "Imputation, clusters = sites",
    "poisson": "Poisson with unit and period effects, clusters = sites",
}
PACKAGES = ("pyfixest", "fereg", "diff-diff", "csdid", "moderndid", "duckreg", "linearmodels", "statsmodels", "duckdb")
Found = dict[str, Any]


def once(job: str, program: str, file: Path, limit: float) -> Found | None:
    """One run, or None where it fails or takes longer than `limit` seconds."""
    command = [sys.executable, str(Path(__file__).with_name("programs.py")), job, program, str(file)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=True)
        found: Found = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError):
        return None
    return found


def measured(job: str, size: int, repeats: int, limit: float, given_up: set[tuple[str, str]]) -> dict[str, Found]:
    """Medians of every program that does the job at this size."""
    file = panel(DATA, size, holes=job.endswith("_holes"))
    programs = [p for j, p in PROGRAMS if j == job and (j, p) not in given_up]
    if size > LARGE:
        programs = [p for p in programs if p in (SCAN, OURS)]
    if size >= ONCE:
        programs = [p for p in programs if p not in IN_MEMORY]
    runs: dict[str, list[Found]] = {p: [] for p in programs}
    for turn in range(repeats):
        for program in programs:
            if (job, program) in given_up or (turn and size >= ONCE and program not in (SCAN, OURS)):
                continue
            found = once(job, program, file, limit)
            if found is None:
                given_up.add((job, program))
            else:
                runs[program].append(found)
    return {p: _median(found) for p, found in runs.items() if found and (job, p) not in given_up}


def _median(runs: list[Found]) -> Found:
    middle = {k: statistics.median(r[k] for r in runs) for k in ("seconds", "cpu", "memory")}
    return runs[0] | middle


def exponent(sizes: Iterable[int], seconds: Iterable[float]) -> float:
    """Slope of log seconds on log size between the two largest sizes: 1 is proportional."""
    (n0, n1), (s0, s1) = list(sizes)[-2:], list(seconds)[-2:]
    return math.log(s1 / s0) / math.log(n1 / n0)


def table(job: str, by_size: dict[int, dict[str, Found]]) -> list[str]:
    """A job's table, largest size last."""
    lines = [
        f"### {TITLES[job]}", "",
        "| rows | program | seconds | CPU seconds | peak MB | x scan | x ours | estimate differs | SE differs |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for size, found in by_size.items():
        scan, ours = found.get(SCAN), found.get(OURS)
        for program, f in sorted(
            found.items(), key=lambda item: (item[0] != SCAN, item[0] != OURS, item[1]["seconds"])
        ):
            lines.append("| " + " | ".join(_cells(size, program, f, scan, ours)) + " |")
    ours_only = {n: f[OURS]["seconds"] for n, f in by_size.items() if OURS in f}
    if len(ours_only) > 1:
        growth = exponent(*zip(*ours_only.items(), strict=True))
        lines += ["", f"Growth with rows between the two largest sizes: exponent {growth:.2f}."]
    return [*lines, ""]


def _cells(size: int, program: str, found: Found, scan: Found | None, ours: Found | None) -> list[str]:
    def ratio(other: Found | None) -> str:
        return f"{found['seconds'] / other['seconds']:.1f}" if other else ""

    apart = ["", ""]
    if ours and program not in (SCAN, OURS):
        apart = [_apart(found[k], ours[k]) for k in ("estimate", "std_error")]
    return [f"{size * PERIODS:,}", program, f"{found['seconds']:.2f}", f"{found['cpu']:.2f}", f"{found['memory']:.0f}",
            ratio(scan), ratio(ours), *apart]  # fmt: skip


def _apart(theirs: float | None, ours: float | None) -> str:
    if theirs is None or ours is None or math.isnan(theirs):
        return "none given"
    return f"{abs(theirs - ours) / abs(ours):.0e}"


def _versions() -> str:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


HEAD = """\
# Benchmarks

Written by `make bench` on {cores} cores, Python {python}: {packages}.

Each program reads the same Parquet file and gives estimates with standard errors; imports are done before the clock
starts. Figures are medians of {repeats} runs, each in a process of its own, the programs taking turns; at 16 million
rows other programs run once. **Bare scan** is DuckDB's scan and group-by of the same columns: no estimator that reads
the file can be faster. Programs that failed or took longer than {limit:.0f} seconds are left out from that size on, and
so are those that hold several copies of 16 million rows in memory. Machines differ: trust the ratios.

Differences are relative to this project's figures. Where standard errors differ, so do conventions: linearmodels counts
the unit effects, diff-diff multiplies by G/(G-1), and a Mundlak regression is not the same estimator on a panel with
holes. A standard error of csdid by site would need its bootstrap; none is given there.

## Panels of people by quarters

{periods} quarters, 200 sites, 8 cohorts and never treated.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--jobs", nargs="+", default=list(TITLES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=120.0, help="seconds after which a program is given up")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks.md")
    chosen = parser.parse_args()
    given_up: set[tuple[str, str]] = set()
    text = [
        HEAD.format(cores=os.cpu_count(), python=platform.python_version(), packages=_versions(),
                    repeats=chosen.repeats, limit=chosen.limit, periods=PERIODS)
    ]  # fmt: skip
    for job in chosen.jobs:
        by_size = {n: measured(job, n, chosen.repeats, chosen.limit, given_up) for n in sorted(chosen.people)}
        text += table(job, by_size)
        print("\n".join(text[-len(table(job, by_size)) :]), flush=True)
    text += studies()
    chosen.out.write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
