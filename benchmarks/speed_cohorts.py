"""Cohort estimators beside other programs on the same people; writes docs/benchmarks-cohorts.md.

Every figure is a median of runs in processes of their own, the programs taking turns within a repetition. What is
measured is kept in build/bench/cohorts.json: a run of some jobs, sizes or programs renews their rows, and the page is
written from all of them. A program that would take longer than the limit, judged by its time at the size before, is not
run; the page says so.
"""

import argparse
import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from speed_page import JOBS, OURS, SCAN, page

HERE = Path(__file__).parent
ROOT = HERE.parent
DATA = ROOT / "build" / "bench"
SIZES = (100_000, 1_000_000, 10_000_000)
TABLES = ("build", "simulate")  # from people's whole histories: up to 1 million people, 10 million events
MOST_HISTORIES = 1_000_000
SMALL = {"fine_gray": 10_000}  # a size that the other programs can do
R_JOBS = {
    "R survival": ("km", "aj", "rmst", "cox_discrete", "cox_continuous", "cox_clustered", "fine_gray", "km_iptw"),
    "R cmprsk": ("aj", "fine_gray"),
}
WAITED = 6  # times the limit of CPU seconds: a machine may be busy with other work
LONG = 20.0  # CPU seconds: a program that takes longer runs once
MEMORY = 12 << 30  # bytes a program may take
Row = dict[str, Any]


def programs(job: str) -> list[str]:
    """The scan, this project and the others that do a job."""
    from cohort_peers import PROGRAMS

    return [p for j, p in PROGRAMS if j == job] + [p for p, jobs in R_JOBS.items() if job in jobs]


def made(folder: Path, job: str, size: int) -> Path:
    """The data of a job, made by a process of its own."""
    what = "histories" if job in TABLES else "people"
    command = [sys.executable, str(HERE / "cohort_data.py"), what, str(folder), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Path(done.stdout.split()[-1])


def once(job: str, program: str, file: Path, limit: float) -> Row:
    """One run; where it fails, `why`."""
    command = [sys.executable, str(HERE / "cohort_programs.py"), job, program, str(file)]
    if program in R_JOBS:
        if shutil.which("Rscript") is None:
            return {"why": "R is not there"}
        command = ["Rscript", "--vanilla", str(HERE / "cohort_peers.R"), job, program, str(file.with_suffix(""))]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=WAITED * limit,
            check=True,
            preexec_fn=lambda: _capped(math.ceil(limit)),
        )
        found: Row = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"why": f"took longer than {limit:.0f} s"}
    except subprocess.CalledProcessError as failed:
        if failed.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
            return {"why": f"took longer than {limit:.0f} s"}
        said = (failed.stderr.strip().splitlines() or ["no message"])[-1]
        absent = "No module named" in said or "there is no package" in said
        return {"why": "not installed" if absent else f"failed: {said[:70].replace('|', '/')}"}
    return found


def _capped(seconds: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))


def measured(job: str, size: int, chosen: argparse.Namespace, kept: dict[str, Row]) -> None:
    """Renew the rows of one job at one size."""
    file, runs, left = made(chosen.data, job, size), {}, {}
    for program in programs(job):
        if chosen.programs and program not in chosen.programs:
            continue
        runs[program] = []
        if why := _too_long(job, size, program, chosen.limit, kept):
            left[program] = why
    for _ in range(chosen.repeats):
        for program, done in runs.items():
            if program in left or (done and done[0]["cpu"] > LONG):
                continue
            found = once(job, program, file, chosen.limit)
            if "why" in found:
                left[program] = found["why"]
            else:
                done.append(found)
    for program, found in runs.items():
        kept[_key(job, size, program)] = _median(found) if found and program not in left else {"why": left[program]}


def _median(runs: list[Row]) -> Row:
    middle = {k: statistics.median(r[k] for r in runs) for k in ("seconds", "cpu", "memory")}
    return runs[0] | middle | {"runs": len(runs)}


def _too_long(job: str, size: int, program: str, limit: float, kept: dict[str, Row]) -> str:
    """Why a program is not run at a size; empty where it is."""
    if program in (SCAN, OURS):
        return ""
    before = [int(n) for j, n, p in map(_parts, kept) if j == job and p == program and int(n) < size]
    if not before:
        return ""
    last = kept[_key(job, max(before), program)]
    if "why" in last:
        return str(last["why"]) if last["why"].startswith(("R is", "not inst")) else "not run, as with fewer people"
    expected = last["cpu"] * size / max(before)
    return f"not run: {expected:,.0f} s to be expected" if expected > limit else ""


def _key(job: str, size: int, program: str) -> str:
    return f"{job}|{size}|{program}"


def _parts(key: str) -> tuple[str, str, str]:
    job, size, program = key.split("|")
    return job, size, program


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--jobs", nargs="+", default=list(JOBS))
    parser.add_argument("--programs", nargs="+", default=[], help="only these; all others' rows stay")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=120.0, help="CPU seconds after which a program is given up")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--store", type=Path, default=DATA / "cohorts.json")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "benchmarks-cohorts.md")
    chosen = parser.parse_args()
    kept: dict[str, Row] = json.loads(chosen.store.read_text()) if chosen.store.exists() else {}
    for size in sorted({*chosen.people, *(SMALL[j] for j in chosen.jobs if j in SMALL)}):
        for job in chosen.jobs:
            if (size not in chosen.people and SMALL.get(job) != size) or (job in TABLES and size > MOST_HISTORIES):
                continue
            measured(job, size, chosen, kept)
            print(job, size, {p: round(kept[k].get("cpu", -1), 2) for k in kept for j, n, p in [_parts(k)]
                              if (j, n) == (job, str(size))}, flush=True)  # fmt: skip
            chosen.store.parent.mkdir(parents=True, exist_ok=True)
            chosen.store.write_text(json.dumps(kept, indent=1))
    rows = {(j, int(n), p): row for key, row in kept.items() for j, n, p in [_parts(key)]}
    chosen.out.write_text(page(rows, os.cpu_count() or 1, chosen.limit), encoding="utf-8")


if __name__ == "__main__":
    main()
