"""The page of the cohort benchmarks, from what was measured: goals met or not, and a table for each job."""

import math
import platform
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

SCAN, OURS = "bare scan", "evaluation"
JOBS = {
    "km": "Kaplan-Meier curves with bands, risks at three windows, log-rank test",
    "aj": "Aalen-Johansen curves with bands, risks at three windows, Gray's test",
    "rmst": "Restricted mean time without the outcome at three horizons",
    "cox_discrete": "Cox regression, the arm and 4 discrete covariates (Efron)",
    "cox_continuous": "Cox regression, 2 continuous covariates more",
    "cox_clustered": "The same with errors by 200 clusters",
    "fine_gray": "Fine and Gray's regression, the arm and 6 covariates",
    "rd_regression": "Risk difference by regression on 6 covariates",
    "rd_iptw": "Risk difference weighted by the inverse propensity, 6 covariates",
    "km_iptw": "Kaplan-Meier curves weighted by the inverse propensity, 6 covariates",
    "build": "Building a cohort from tables of events (the drug court's)",
    "simulate": "Simulating such tables",
}
UNITS = {"build": "people, 9 events each"}
PACKAGES = ("lifelines", "scikit-survival", "statsmodels", "coxstream", "duckdb", "numpy")


@dataclass(frozen=True)
class Goal:
    """At most so many times the scan, at least so many times as fast as the fastest other program."""

    scan: float | None = None
    peer: float | None = None


GOALS = {
    "km": Goal(2, 15), "aj": Goal(2, 15), "rmst": Goal(2, 15), "cox_discrete": Goal(peer=2.5),
    "cox_continuous": Goal(peer=1), "cox_clustered": Goal(peer=1),
}  # fmt: skip
GROWTH = 1.0
GOAL_SIZE = 10_000_000  # people the goals are set for
Row = dict[str, Any]
Rows = dict[tuple[str, int, str], Row]
HEAD = """\
# Benchmarks of the cohort estimators

Written by `make bench` (`benchmarks/speed_cohorts.py`) on {cores} cores, Python {python}: {packages}.

Each program reads the same Parquet file and gives estimates; imports are done before the clock starts. R gets the
columns as plain binary files instead, and **its reading is not timed**. Each run is in a process of its own, the
programs taking turns; figures are medians of so many runs as stand in the table. A program that takes longer than
{limit:.0f} CPU seconds, or would by its time at the size before, is not run. **Bare scan** is DuckDB's scan and
group-by of the same columns: nothing that reads the file can be faster.

The machine may be shared with other work, which stretches wall time and leaves CPU time nearly as it is: **x scan** and
**x ours** are ratios of CPU seconds. This project's scans use every core; most other programs use one. "Differs" is
relative to this project's figure: the risk within a year of the treated, the difference, or the arm's coefficient.

This project's figures hold more than the others': bands that hold whole curves, balance of numbers at risk,
proportional hazards, errors that carry the estimated propensity. Nothing was taken out for the comparison.

People are followed for two to three years in whole days; deaths compete; who is treated depends on the covariates.
"""


def page(rows: Rows, cores: int, limit: float) -> str:
    """The whole page in Markdown."""
    text = [HEAD.format(cores=cores, python=platform.python_version(), packages=_versions(), limit=limit)]
    text += _goals(rows)
    for job, title in JOBS.items():
        if sizes := _sizes(rows, job):
            text += [f"## {title}", "", *_table(rows, job, sizes), ""]
    return "\n".join(text)


def _sizes(rows: Rows, job: str, program: str | None = None) -> list[int]:
    return sorted(
        {n for (j, n, p), row in rows.items() if j == job and program in (None, p) and (not program or _ran(row))}
    )


def _ran(row: Row | None) -> bool:
    return row is not None and "cpu" in row


def _table(rows: Rows, job: str, sizes: list[int]) -> list[str]:
    counted = UNITS.get(job, "people")
    lines = [
        f"| {counted} | program | runs | seconds | CPU | MB | x scan | x ours | differs | SE differs |",
        "|" + 10 * "---|",
    ]
    for size in sizes:
        found = {p: row for (j, n, p), row in rows.items() if (j, n) == (job, size)}
        order = sorted(found, key=lambda p: (p != SCAN, p != OURS, found[p].get("cpu", math.inf), p))
        lines += ["| " + " | ".join(_cells(size, p, found)) + " |" for p in order]
    growth = _growth(rows, job)
    return (
        [*lines, "", f"CPU seconds grow with people by an exponent of {growth:.2f}."] if growth is not None else lines
    )


def _cells(size: int, program: str, found: dict[str, Row]) -> list[str]:
    row, scan, ours = found[program], found.get(SCAN), found.get(OURS)
    if not _ran(row):
        return [f"{size:,}", program, "0", row["why"], *[""] * 6]
    ratios = [f"{row['cpu'] / o['cpu']:.1f}" if o is not None and _ran(o) else "" for o in (scan, ours)]
    apart = ["", ""]
    if ours is not None and _ran(ours) and program not in (SCAN, OURS):
        apart = [_apart(row[k], ours[k]) for k in ("estimate", "std_error")]
    measured = [f"{row['seconds']:.2f}", f"{row['cpu']:.2f}", f"{row['memory']:.0f}"]
    return [f"{size:,}", program, str(row["runs"]), *measured, *ratios, *apart]


def _apart(theirs: float | None, ours: float | None) -> str:
    if theirs is None or ours is None or math.isnan(theirs):
        return "none given"
    return f"{abs(theirs - ours) / abs(ours):.0e}"


def _growth(rows: Rows, job: str) -> float | None:
    """Slope of log CPU seconds on log people from 100,000 people to the most."""
    sizes = [n for n in _sizes(rows, job, OURS) if n >= 100_000]
    if len(sizes) < 2:
        return None
    first, last = (rows[job, n, OURS]["cpu"] for n in (sizes[0], sizes[-1]))
    return math.log(last / first) / math.log(sizes[-1] / sizes[0])


def _goals(rows: Rows) -> list[str]:
    lines = [
        "## Goals", "",
        (
            "At the most people that were measured: CPU seconds over the scan's, and the fastest other program's over "
            "this project's. Goals are set for 10 million people, and not judged with fewer."
        ), "",
        "| job | people | x scan | goal | fastest other program | x ours | goal | growth, goal at most 1 |",
        "|" + 8 * "---|",
    ]  # fmt: skip
    for job, title in JOBS.items():
        if sizes := _sizes(rows, job, OURS):
            lines.append(_goal(rows, job, title, sizes))
    return [*lines, ""]


def _goal(rows: Rows, job: str, title: str, sizes: list[int]) -> str:
    goal, most = GOALS.get(job, Goal()), sizes[-1]
    ours, scan = rows[job, most, OURS], rows.get((job, most, SCAN))
    cells = [title, f"{most:,}", "", "", "none at this size", "", ""]
    if scan is not None and _ran(scan):
        ratio = ours["cpu"] / scan["cpu"]
        cells[2:4] = [f"{ratio:.1f}", _verdict(goal.scan, ratio <= (goal.scan or 0), "at most", most)]
    for size in reversed(sizes):
        others = {
            p: row for (j, n, p), row in rows.items() if (j, n) == (job, size) and p not in (SCAN, OURS) and _ran(row)
        }
        if others:
            fastest = min(others, key=lambda p: others[p]["cpu"])
            times = others[fastest]["cpu"] / rows[job, size, OURS]["cpu"]
            at = "" if size == most else f" ({size:,} people)"
            cells[4:7] = [
                fastest + at,
                f"{times:.2g}",
                _verdict(goal.peer, times >= (goal.peer or 0), "at least", size),
            ]
            break
    growth = _growth(rows, job)
    cells.append("" if growth is None else f"{growth:.2f}, {'met' if growth <= GROWTH + 0.005 else '**not met**'}")
    return "| " + " | ".join(cells) + " |"


def _verdict(goal: float | None, met: bool, words: str, size: int) -> str:
    """A goal is judged only at the size it is set for."""
    if goal is None:
        return ""
    found = "not judged" if size < GOAL_SIZE else "met" if met else "**not met**"
    return f"{words} {goal:g}: {found}"


def _versions() -> str:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    if shutil.which("Rscript"):
        asked = 'cat(paste0("R ", getRversion(), " with survival ", packageVersion("survival")))'
        found.append(subprocess.run(["Rscript", "-e", asked], capture_output=True, text=True, check=False).stdout)
    return ", ".join(found)
