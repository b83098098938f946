"""One program doing one job about people on one file: `python benchmarks/cohort_programs.py JOB PROGRAM FILE`.

Prints the seconds, the CPU seconds, the peak memory and the answer as JSON. Imports are done before the clock
starts; reading the Parquet file is inside.
"""

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cohort_data import COVARIATES, DISCRETE, EFFECT, WINDOW, WINDOWS, study

Job = Callable[[str], Iterator[Any]]
SCAN, OURS = "bare scan", "evaluation"
PROGRAMS: dict[tuple[str, str], Job] = {}


# --------------------------------------------------------------------------- the limit


def _scan(file: str, columns: str, keys: str) -> Iterator[Any]:
    import duckdb

    yield
    duckdb.sql(f"SELECT {keys}, count(*) {columns} FROM '{file}' GROUP BY ALL").fetchnumpy()
    yield float("nan"), None


KEYS = "time, event, arm"
_SUMS = ", sum(age), sum(score)"
_CELLS = f"arm, event = 1 AND time <= {WINDOW}, {', '.join(DISCRETE)}"
for _name, (_columns, _keys) in {
    "km": ("", KEYS), "aj": ("", KEYS), "rmst": ("", "time, had, arm"),
    "cox_discrete": ("", f"{KEYS}, {', '.join(DISCRETE)}"),
    "cox_continuous": (_SUMS, f"{KEYS}, {', '.join(DISCRETE)}"),
    "cox_clustered": (_SUMS, f"{KEYS}, {', '.join(DISCRETE)}, site"),
    "fine_gray": (_SUMS, f"{KEYS}, {', '.join(DISCRETE)}"),
    "rd_regression": (_SUMS, _CELLS), "rd_iptw": (_SUMS, _CELLS), "km_iptw": (_SUMS, f"{KEYS}, {', '.join(DISCRETE)}"),
}.items():  # fmt: skip
    PROGRAMS[_name, SCAN] = lambda file, columns=_columns, keys=_keys: _scan(file, columns, keys)


def _scan_histories(folder: str) -> Iterator[Any]:
    import duckdb

    yield
    for table, columns in {
        "justice_events": "min(event_date), max(offence_code), max(event_type)", "persons": "max(birth_date), max(sex)",
        "program_episodes": "min(entry_date), max(program)", "deaths": "count(*)",
        "assessments": "max(risk_score), max(employed)", "custody_periods": "count(*)",
    }.items():  # fmt: skip
        query = f"SELECT person_id, {columns} FROM '{folder}/{table}.parquet' GROUP BY person_id"
        duckdb.sql(f"SELECT count(*) FROM ({query})").fetchall()
        duckdb.sql(f"CREATE OR REPLACE TEMP TABLE kept AS {query}")
    yield float("nan"), None


PROGRAMS["build", SCAN] = _scan_histories


# --------------------------------------------------------------------------- this project


def _ours(file: str, estimator: str, term: str, roles: dict[str, Any], options: dict[str, Any]) -> Iterator[Any]:
    import duckdb  # noqa: F401
    import scipy.optimize
    import scipy.sparse
    import scipy.special
    import scipy.stats  # noqa: F401

    from evaluation.data.cohort import Cohort
    from evaluation.data.engine import open_source
    from evaluation.estimators.registry import get
    from evaluation.study.models import CohortDesign, Outcome

    chosen = get(estimator)(**options)
    design = CohortDesign(type="cohort", arm="arm", time="time", time_unit="day", assignment="observational",
                          **({"event": "event"} | roles))  # fmt: skip
    yield
    cohort = Cohort.of(design, open_source(file, Path(file).parent))
    found = chosen.fit(cohort, Outcome(id="o", label="o"))
    row = next(e for e in found.estimates if e.term == term and (e.time in (None, WINDOW)))
    yield row.estimate, row.std_error


_DIES: dict[str, Any] = {"competing": {"death": 2}}
_ALL: dict[str, Any] = {"covariates": COVARIATES}
_OURS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "km": ("kaplan_meier", "risk_treated", {"windows": WINDOWS, **_DIES}, {}),
    "aj": ("cumulative_incidence", "risk_treated", {"windows": WINDOWS, **_DIES}, {}),
    "rmst": ("rmst", "rmst_difference", {"windows": WINDOWS, "event": "had"}, {}),
    "cox_discrete": ("cox", "arm", {"covariates": DISCRETE, **_DIES}, {}),
    "cox_continuous": ("cox", "arm", _ALL | _DIES, {}),
    "cox_clustered": ("cox", "arm", _ALL | _DIES | {"cluster": "site"}, {"robust": True}),
    "fine_gray": ("fine_gray", "arm", _ALL | _DIES, {}),
    "rd_regression": ("risk_difference", "risk_difference", _ALL | _DIES | {"follow_up": "until"},
                      {"adjust": "regression", "window": WINDOW}),
    "rd_iptw": ("risk_difference", "risk_difference", _ALL | _DIES | {"follow_up": "until"},
                {"adjust": "iptw", "window": WINDOW}),
    "km_iptw": ("kaplan_meier", "risk_treated", _ALL | _DIES | {"windows": WINDOWS}, {"adjust": "iptw"}),
}  # fmt: skip
for _name, _how in _OURS.items():
    PROGRAMS[_name, OURS] = lambda file, how=_how: _ours(file, *how)


def _size(folder: str) -> int:
    return int(Path(folder).name.rpartition("_")[2])


def _build(folder: str) -> Iterator[Any]:
    import tempfile

    import duckdb

    from evaluation.data.assemble.cohort.build import build_cohort

    asked = study(_size(folder), Path(folder))
    yield
    with tempfile.TemporaryDirectory(dir=Path(folder).parent) as out:
        path = Path(out) / "cohort.parquet"
        build_cohort(asked, Path(folder), path)
        yield float(duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()[0][0]), None


def _simulate(folder: str) -> Iterator[Any]:
    import shutil

    from evaluation.data.simulate import simulate

    asked, out = study(_size(folder)), Path(folder).with_name("histories_again")
    yield
    simulate(asked, EFFECT, out, 1, force=True)
    yield float("nan"), None
    shutil.rmtree(out)


PROGRAMS["build", OURS] = _build
PROGRAMS["simulate", OURS] = _simulate


def peak() -> float:
    """MB at most in use: of this program alone, while `ru_maxrss` may still be that of the process that started it."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(float(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    import cohort_peers

    name, program, file = sys.argv[1:]
    warnings.simplefilter("ignore")
    steps = cohort_peers.PROGRAMS[name, program](file)
    next(steps)
    wall, cpu = time.perf_counter(), time.process_time()
    estimate, error = next(steps)
    seconds, busy = time.perf_counter() - wall, time.process_time() - cpu
    memory = peak()
    next(steps, None)
    print(json.dumps({"seconds": seconds, "cpu": busy, "memory": memory, "estimate": estimate, "std_error": error}))


if __name__ == "__main__":
    main()
