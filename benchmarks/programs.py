"""One program doing one job on one file, in a process of its own: `python benchmarks/programs.py JOB PROGRAM FILE`.

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

Answer = tuple[float, float | None]  # estimate and standard error
Job = Callable[[str], Iterator[Any]]
PROGRAMS: dict[tuple[str, str], Job] = {}
COVARIATES = ["risk", "female", "score"]


def job(name: str, program: str) -> Callable[[Job], Job]:
    """Register a generator: what it does before its first yield is import, the second yield is the answer."""

    def register(run: Job) -> Job:
        PROGRAMS[name, program] = run
        return run

    return register


# --------------------------------------------------------------------------- the limit and this project


def _scan(file: str, columns: str) -> Iterator[Any]:
    import duckdb

    yield
    duckdb.sql(f"SELECT site, cohort, quarter, count(*), {columns} FROM '{file}' GROUP BY ALL").fetchnumpy()
    yield float("nan"), None


for _name, _columns in {
    "twfe": "sum(y)", "event_study": "sum(y)", "callaway_santanna": "sum(y)", "imputation": "sum(y)",
    "event_study_holes": "sum(y)", "poisson": "sum(k)",
    "covariates_reg": "sum(y), sum(score), sum(score * score), sum(score * y), sum(risk), sum(female)",
    "covariates_dr": "sum(y), sum(score), sum(score * score), sum(score * y), sum(risk), sum(female)",
    "event_study_person": "sum(y)", "callaway_person": "sum(y)",
}.items():  # fmt: skip
    PROGRAMS[_name, "bare scan"] = lambda file, columns=_columns: _scan(file, columns)


def _ours(file: str, estimator: str, *, cluster: str = "site", column: str = "y", **options: Any) -> Iterator[Any]:
    import duckdb  # noqa: F401
    import scipy.special
    import scipy.stats  # noqa: F401

    from evaluation.data.engine import open_source
    from evaluation.data.panel import Panel
    from evaluation.estimators.registry import get
    from evaluation.study.models import Outcome, PanelDesign

    chosen = get(estimator)(**options)
    yield
    roles = {"unit": "person", "time": "quarter", "cohort": "cohort", "cluster": cluster}
    panel = Panel.of(PanelDesign(type="panel", **roles), open_source(file, Path()))
    outcome = Outcome(id="o", label="o", column=column, type="count" if column == "k" else "continuous")
    found = chosen.fit(panel, outcome)
    row = next(e for e in found.estimates if e.term == "att")
    yield row.estimate, row.std_error


_OURS: dict[str, dict[str, Any]] = {
    "twfe": {"estimator": "twfe"},
    "event_study": {"estimator": "event_study"},
    "event_study_holes": {"estimator": "event_study"},
    "event_study_person": {"estimator": "event_study", "cluster": "person"},
    "callaway_santanna": {"estimator": "callaway_santanna"},
    "callaway_person": {"estimator": "callaway_santanna", "cluster": "person"},
    "covariates_reg": {"estimator": "callaway_santanna", "method": "reg", "covariates": COVARIATES},
    "covariates_dr": {"estimator": "callaway_santanna", "method": "dr", "covariates": COVARIATES},
    "imputation": {"estimator": "imputation"},
    "poisson": {"estimator": "poisson_did", "column": "k"},
}
for _name, _how in _OURS.items():
    PROGRAMS[_name, "evaluation"] = lambda file, how=_how: _ours(file, **how)


# --------------------------------------------------------------------------- peers


def _frame(file: str, *columns: str) -> Any:
    import pyarrow.parquet as pq

    data = pq.read_table(file, columns=list(columns)).to_pandas()
    data["treated"] = ((data["cohort"] > 0) & (data["quarter"] >= data["cohort"])).astype(float)
    return data


BASE = ("person", "site", "quarter", "cohort")


def _since(data: Any) -> Any:
    data["since"] = (data["quarter"] - data["cohort"]).where(data["cohort"] > 0, -1)
    return data


def _after(model: Any, data: Any) -> Answer:
    """The mean of the coefficients after adoption by their observations, as the project reports it."""
    import re

    import numpy as np

    names = list(model.coef().index)
    event = [int(m.group(1)) if (m := re.search(r"(-?\d+)(?:\.0)?\]?$", str(n))) else -1 for n in names]
    sizes = data.loc[data["treated"] > 0, "since"].value_counts()
    weight = np.array([float(sizes.get(e, 0)) if e >= 0 else 0.0 for e in event])
    weight /= weight.sum()
    variance = weight @ np.asarray(model._vcov) @ weight  # noqa: SLF001 - no public accessor
    return float(weight @ np.asarray(model.coef())), float(np.sqrt(variance))


def _fixest(package: str, what: str) -> Job:
    def run(file: str) -> Iterator[Any]:
        import importlib

        import pyarrow.parquet  # noqa: F401

        library = importlib.import_module(package)
        yield
        cluster = "person" if what == "event_study_person" else "site"
        lean = {"vcov": {"CRV1": cluster}, "copy_data": False, "store_data": False, "lean": True}
        if what == "twfe":
            model = library.feols("y ~ treated | person + quarter", _frame(file, *BASE, "y"), **lean)
            yield float(model.coef().iloc[0]), float(model.se().iloc[0])
        elif what == "poisson":
            model = library.fepois("k ~ treated | person + quarter", _frame(file, *BASE, "k"), vcov={"CRV1": cluster})
            yield float(model.coef().iloc[0]), float(model.se().iloc[0])
        else:
            data = _since(_frame(file, *BASE, "y"))
            sizes = data[["treated", "since"]].copy()
            model = library.feols("y ~ i(since, ref=-1) | person + quarter", data, **lean)
            yield _after(model, sizes)

    return run


for _package in ("pyfixest", "fereg"):
    for _name in ("twfe", "event_study", "event_study_holes", "event_study_person", "poisson"):
        PROGRAMS[_name, _package] = _fixest(_package, _name)


@job("twfe", "linearmodels")
def _linearmodels(file: str) -> Iterator[Any]:
    from linearmodels.panel import PanelOLS

    yield
    data = _frame(file, *BASE, "y").set_index(["person", "quarter"])
    fit = PanelOLS(data["y"], data[["treated"]], entity_effects=True, time_effects=True).fit(
        cov_type="clustered", clusters=data[["site"]]
    )
    yield float(fit.params.iloc[0]), float(fit.std_errors.iloc[0])


@job("twfe", "statsmodels")
def _statsmodels(file: str) -> Iterator[Any]:
    import pandas as pd
    import pyarrow.parquet  # noqa: F401
    import statsmodels.api as sm

    yield
    data = _frame(file, *BASE, "y")
    # Dummies of ten thousand people do not fit in memory: their means are taken out instead.
    columns = pd.concat([data[["y", "treated"]], pd.get_dummies(data["quarter"], dtype=float).iloc[:, 1:]], axis=1)
    within = columns - columns.groupby(data["person"]).transform("mean")
    fit = sm.OLS(within["y"], within.iloc[:, 1:]).fit(cov_type="cluster", cov_kwds={"groups": data["site"]})
    yield float(fit.params["treated"]), float(fit.bse["treated"])


@job("twfe", "duckreg (Mundlak)")
def _duckreg(file: str) -> Iterator[Any]:
    import tempfile

    import duckdb
    import duckreg
    import numpy as np

    yield
    with tempfile.TemporaryDirectory() as folder:
        name = f"{folder}/d.db"
        with duckdb.connect(name) as connection:
            connection.execute(
                "CREATE VIEW d AS SELECT *, (CASE WHEN cohort > 0 AND quarter >= cohort THEN 1 ELSE 0 END)::DOUBLE "
                f"AS treated FROM '{file}'"
            )
        model = duckreg.DuckMundlak(
            db_name=name, table_name="d", outcome_var="y", covariates=["treated"], seed=1, unit_col="person",
            time_col="quarter", n_bootstraps=0, cluster_col="site")  # fmt: skip
        model.fit()
        yield float(np.ravel(model.summary()["point_estimate"])[1]), None


def _diff_diff(what: str) -> Job:
    def run(file: str) -> Iterator[Any]:
        import diff_diff as dd
        import pyarrow.parquet  # noqa: F401

        yield
        columns = [*BASE, "y", *(COVARIATES if what.startswith("covariates") else [])]
        data = _frame(file, *columns)
        cluster = None if what == "callaway_person" else "site"
        if what == "imputation":
            found = dd.ImputationDiD(cluster=cluster).fit(data, "y", "person", "quarter", "cohort")
        else:
            method = "dr" if what == "covariates_dr" else "reg"
            found = dd.CallawaySantAnna(estimation_method=method, cluster=cluster).fit(
                data, "y", "person", "quarter", "cohort", aggregate="event_study",
                covariates=COVARIATES if what.startswith("covariates") else None)  # fmt: skip
        yield float(found.overall_att), float(found.overall_se)

    return run


for _name in ("callaway_santanna", "callaway_person", "covariates_reg", "covariates_dr", "imputation"):
    PROGRAMS[_name, "diff-diff"] = _diff_diff(_name)


def _csdid(what: str) -> Job:
    def run(file: str) -> Iterator[Any]:
        from csdid.att_gt import ATTgt

        yield
        columns = [*BASE, "y", *(COVARIATES if what.startswith("covariates") else [])]
        formula = {"xformla": "y ~ risk + female + score"} if what.startswith("covariates") else {}
        model = ATTgt("y", "quarter", "person", "cohort", _frame(file, *columns),
                      control_group="nevertreated", **formula)  # fmt: skip
        fit = model.fit(est_method="dr" if what == "covariates_dr" else "reg", bstrap=False)
        found = fit.aggte("simple", bstrap=False).atte
        fit.aggte("dynamic", bstrap=False)
        # Clusters need its bootstrap, so its analytic standard error is by person.
        yield float(found["overall_att"]), float(found["overall_se"]) if what == "callaway_person" else None

    return run


for _name in ("callaway_santanna", "callaway_person", "covariates_reg", "covariates_dr"):
    PROGRAMS[_name, "csdid"] = _csdid(_name)


@job("callaway_person", "moderndid")
def _moderndid(file: str) -> Iterator[Any]:
    import moderndid as md

    yield
    found = md.att_gt(_frame(file, *BASE, "y"), "y", "quarter", "person", "cohort", est_method="reg")
    overall = md.aggte(found, type="simple")
    md.aggte(found, type="dynamic")
    yield float(overall.overall_att), float(overall.overall_se)


def main() -> None:
    name, program, file = sys.argv[1:]
    warnings.simplefilter("ignore")
    steps = PROGRAMS[name, program](file)
    next(steps)
    wall, cpu = time.perf_counter(), time.process_time()
    estimate, error = next(steps)
    seconds, busy = time.perf_counter() - wall, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": busy, "memory": memory, "estimate": estimate, "std_error": error}))


if __name__ == "__main__":
    main()
