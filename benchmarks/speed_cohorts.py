"""Cohort estimators beside other programs: one Parquet file, paired runs, medians; writes docs/benchmarks-cohorts.md.

Run `python benchmarks/speed_cohorts.py [people ...]`; the default sizes are 100,000, 1 million and 10 million people.
Times are whole days over three years, events are 0 (censored), 1 and 2 (competing), with an arm and two more columns.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SIZES = (100_000, 1_000_000, 10_000_000)
REPEATS = 3
LIMIT = 300.0
SCAN, OURS = "bare scan and group", "evaluation"
JOBS = {
    "kaplan_meier": "Kaplan-Meier curves with bands, risks at three windows, log-rank",
    "cumulative_incidence": "Aalen-Johansen curves with bands, risks at three windows, Gray's test",
    "rmst": "Restricted mean time with standard errors",
    "cox": "Cox regression on the arm and two continuous covariates",
}
DOCS = Path(__file__).parents[1] / "docs" / "benchmarks-cohorts.md"
HEAD = "| people | program | seconds | CPU seconds | peak MB | x scan | x ours | figure |\n" + 8 * "|---" + "|\n"
INTRO = """\
# Benchmarks of the cohort estimators

Seconds from a Parquet file on disk to estimates with standard errors, each program in a process of its own, the
programs taking turns; medians of {repeats} runs on 2 cores. `make bench` renews this page. *x scan* holds a time
against the bare scan and group of the same columns, *x ours* against this project's. *Figure* is the estimate at 365
days of one arm (of the arm's coefficient, for Cox), to show that the programs do the same; scikit-survival and
lifelines give fewer figures than ours.
"""


def people(folder: Path, size: int) -> Path:
    """The file of one size, made once."""
    import duckdb

    file = folder / f"people_{size}.parquet"
    if not file.exists():
        duckdb.sql("SELECT setseed(0.5)")
        duckdb.sql(
            f"COPY (SELECT i AS id, (i % 2)::INT AS arm, ceil(1095 * random())::DOUBLE AS time, "
            f"(CASE WHEN random() < 0.4 THEN 1 WHEN random() < 0.1 THEN 2 ELSE 0 END)::INT AS event, "
            f"random() AS x1, random() AS x2 FROM range({size}) t(i)) TO '{file}' (FORMAT parquet)"
        )
    return file


def _scan(job: str, file: Path) -> float:  # noqa: ARG001 - as the other programs
    import duckdb

    found = duckdb.sql(f"SELECT time, event, arm, count(*) FROM '{file}' GROUP BY ALL").fetchnumpy()
    return float(len(found["time"]))


def _ours(job: str, file: Path) -> float:
    from evaluation.data.cohort import Cohort
    from evaluation.data.engine import open_source
    from evaluation.estimators.registry import get
    from evaluation.study.models import CohortDesign, Outcome

    design = CohortDesign(
        type="cohort", arm="arm", time="time", event="event", time_unit="day", assignment="observational",
        windows=[180, 365, 730], competing={"death": 2}, covariates=["x1", "x2"],
    )  # fmt: skip
    cohort = Cohort.of(design, open_source(str(file), file.parent))
    found = get(job)().fit(cohort, Outcome(id="rearrest", label="Rearrest"))
    told = [e for e in found.estimates if e.term == "arm" or (e.time == 365 and e.term.endswith("_treated"))]
    return float(told[0].estimate or 0.0)


def _lifelines(job: str, file: Path) -> float:
    import pandas as pd
    from lifelines import AalenJohansenFitter, CoxPHFitter, KaplanMeierFitter
    from lifelines.statistics import logrank_test
    from lifelines.utils import restricted_mean_survival_time

    if job == "cox":
        data = pd.read_parquet(file, columns=["arm", "time", "event", "x1", "x2"])
        data["event"] = data["event"] == 1
        return float(CoxPHFitter().fit(data, "time", "event").params_["arm"])
    data = pd.read_parquet(file, columns=["arm", "time", "event"])
    arms = [data[data["arm"] == code] for code in (1, 0)]
    if job == "cumulative_incidence":
        fits = [AalenJohansenFitter(seed=1).fit(a["time"], a["event"], event_of_interest=1) for a in arms]
        return float(fits[0].predict(365))
    fits = [KaplanMeierFitter().fit(a["time"], a["event"] == 1) for a in arms]
    if job == "rmst":
        return float(restricted_mean_survival_time(fits[0], 365))
    logrank_test(arms[0]["time"], arms[1]["time"], arms[0]["event"] == 1, arms[1]["event"] == 1)
    return 1 - float(fits[0].predict(365))


def _sksurv(job: str, file: Path) -> float:
    import pandas as pd
    from sksurv.nonparametric import cumulative_incidence_competing_risks, kaplan_meier_estimator

    if job in ("cox", "rmst"):
        raise ValueError("not compared")
    data = pd.read_parquet(file, columns=["arm", "time", "event"])
    found = 0.0
    for code in (0, 1):
        a = data[data["arm"] == code]
        if job == "cumulative_incidence":
            times, curves = cumulative_incidence_competing_risks(a["event"].to_numpy(), a["time"].to_numpy())[:2]
            found = float(curves[1][times <= 365][-1])
        else:
            times, curve, _ = kaplan_meier_estimator(
                (a["event"] == 1).to_numpy(), a["time"].to_numpy(), conf_type="log-log"
            )
            found = 1 - float(curve[times <= 365][-1])
    return found


PROGRAMS = {SCAN: _scan, OURS: _ours, "lifelines": _lifelines, "scikit-survival": _sksurv}


def _modules(program: str) -> None:
    """Import what the program needs before the clock starts."""
    import duckdb  # noqa: F401

    if program == OURS:
        import scipy.special  # noqa: F401

        from evaluation.estimators.registry import get

        for job in JOBS:
            get(job)
    elif program == "lifelines":
        import lifelines  # noqa: F401
    elif program == "scikit-survival":
        import sksurv.nonparametric  # noqa: F401


def one(job: str, program: str, file: Path) -> dict[str, Any]:
    """One timed run, in this process."""
    _modules(program)
    start, cpu = time.perf_counter(), time.process_time()
    estimate = PROGRAMS[program](job, file)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu, "memory": memory,
            "estimate": estimate}  # fmt: skip


def _apart(job: str, program: str, file: Path) -> dict[str, Any] | None:
    """One run in a process of its own; None where it fails or takes too long."""
    command = [sys.executable, __file__, "--one", job, program, str(file)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError):
        return None
    return found


def table(job: str, size: int, file: Path) -> list[str]:
    """Medians of all programs, which take turns."""
    runs: dict[str, list[dict[str, Any]]] = {p: [] for p in PROGRAMS}
    for _ in range(REPEATS):
        for program in PROGRAMS:
            if (found := _apart(job, program, file)) is not None:
                runs[program].append(found)
    middle = {p: {k: statistics.median(r[k] for r in rs) for k in rs[0]} for p, rs in runs.items() if rs}
    lines = []
    for program, f in middle.items():
        ratios = [f"{f['seconds'] / middle[p]['seconds']:.1f}" for p in (SCAN, OURS)]
        lines.append(f"| {size:,} | {program} | {f['seconds']:.2f} | {f['cpu']:.2f} | {f['memory']:.0f} | "
                     f"{' | '.join(ratios)} | {f['estimate']:.9g} |")  # fmt: skip
    return lines


def main(sizes: list[int]) -> None:
    """Write the tables of all jobs."""
    folder, text = Path(tempfile.mkdtemp()), INTRO.format(repeats=REPEATS)
    try:
        for job, title in JOBS.items():
            text += (
                f"\n## {title}\n\n| people | program | seconds | CPU seconds | peak MB | x scan | x ours | figure |\n"
            )
            text += "|---|---|---|---|---|---|---|---|\n"
            for size in sizes:
                text += "".join(line + "\n" for line in table(job, size, people(folder, size)))
                print(job, size, file=sys.stderr, flush=True)
        DOCS.write_text(text, encoding="utf-8")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(one(sys.argv[2], sys.argv[3], Path(sys.argv[4]))))
    else:
        main([int(a) for a in sys.argv[1:]] or list(SIZES))
