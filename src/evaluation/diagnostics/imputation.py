"""The analysis again with missing characteristics imputed many times, beside the one of complete cases."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.diagnostics.missing_data import missing
from evaluation.errors import NotEstimable
from evaluation.inference.imputed import COPIES, Pooled, completed, nelson_aalen, pool
from evaluation.inference.intervals import wald
from evaluation.results import Check, Estimate, ResultSet, Sensitivity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from evaluation.data.cohort import Cohort
    from evaluation.diagnostics.cohort import CohortCase

    Floats = NDArray[np.float64]

# Estimators that read the columns of the design and covariates and nothing else.
ESTIMATORS = ("risk_difference", "cox", "fine_gray", "cumulative_incidence", "rmst")
ENOUGH_MISSING = 0.05  # share of people left out from which values are imputed unasked
MOST_PEOPLE = 100_000  # up to whom values are imputed unasked
SEED = 20251


def imputation(case: CohortCase) -> ResultSet:
    """A row for each estimate by which the analysis is judged, pooled over the copies, and whether it tells the same.

    Nothing where nobody lacks a characteristic, where the study says `imputation: false`, or, left to `auto`, where
    up to 5 % of the people are left out or there are more than 100,000.
    """
    asked = case.study.diagnostics.imputation
    if asked is False or not case.covariates or case.estimator.id not in ESTIMATORS or not case.main:
        return ResultSet()
    if getattr(case.estimator, "adjust", "") == "matching" or getattr(case.estimator, "strata", []):
        return ResultSet()  # strata are not among the columns that are completed
    lacking = missing(case.cohort, case.covariates)
    if not sum(lacking.without()):
        return ResultSet()
    if asked == "auto" and (lacking.share <= ENOUGH_MISSING or sum(lacking.people) > MOST_PEOPLE):
        return ResultSet()
    answers = [_answers(case, cohort) for cohort in _copies(case)]
    return _pooled(case, answers)


# --------------------------------------------------------------------------- completed copies


def _copies(case: CohortCase) -> Iterator[Cohort]:
    """The cohort with each copy's covariates, in a file of its own that goes when the next one comes."""
    from evaluation.data.engine import open_source

    known, covariates, beside = _read(case.cohort, case.covariates)
    _imputable(covariates, case.covariates)
    with TemporaryDirectory(prefix="evaluation-") as folder:
        for values in completed(covariates, beside, seed=SEED):
            path = Path(folder) / "people.parquet"
            _write(known | dict(zip(case.covariates, values.T, strict=True)), path)
            yield replace(case.cohort, source=open_source(str(path), Path(folder)), person=None,
                          covariates=tuple(case.covariates))  # fmt: skip


def _read(cohort: Cohort, names: list[str]) -> tuple[dict[str, Floats], Floats, Floats]:
    """Columns by name as they are known of everyone, the covariates (n, p), and what beside them predicts (n, q).

    What predicts: the arm, how the time ended and the cumulative hazard at it, follow-up and weights.
    """
    aliases = [("a", cohort.arm), ("t", cohort.time), ("e", cohort.event)]
    aliases += [(s, c) for s, c in (("f", cohort.follow_up), ("w", cohort.weights)) if c]
    base = 3 + bool(cohort.cluster) + bool(cohort.weights)
    listed = [*(s for s, _ in aliases), *(f"x{j}" for j in range(len(names)))]
    codes = ", dense_rank() OVER (ORDER BY g) AS g" if cohort.cluster else ""
    order = ", ".join([*listed, *(["g"] if cohort.cluster else [])])
    found = cohort.source.arrays(
        f"SELECT {', '.join(listed)}{codes} FROM {cohort.sql(names)} WHERE dropped = 0 OR dropped > {base} "
        f"ORDER BY {order}"
    )
    columns = {k: np.ma.filled(np.ma.asarray(v, np.float64), np.nan) for k, v in found.items()}
    known = {c: columns[s] for s, c in aliases}
    if cohort.cluster:
        known[cohort.cluster] = columns["g"]
    event = columns["e"].astype(np.int64)
    codes_seen = [event == code for code in np.unique(event) if code != 0]
    beside = [columns["a"], *codes_seen, nelson_aalen(columns["t"], event)]
    beside += [columns["w"]] if cohort.weights else []
    return known, np.column_stack([columns[f"x{j}"] for j in range(len(names))]), np.column_stack(beside)


def _imputable(covariates: Floats, names: list[str]) -> None:
    for name, column in zip(names, covariates.T, strict=True):
        if np.isnan(column).all():
            raise NotEstimable(f"nobody has a value of {name}, so none can be imputed.")


def _write(columns: dict[str, Floats], path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
    parquet.write_table(table, path)


# --------------------------------------------------------------------------- one answer of many


def _answers(case: CohortCase, cohort: Cohort) -> dict[tuple[str, float | None], Estimate]:
    results = case.estimator.fit(cohort, case.outcome)
    return {(e.term, e.time): e for e in results.estimates if e.status == "ok"}


def _pooled(case: CohortCase, answers: list[dict[tuple[str, float | None], Estimate]]) -> ResultSet:
    rows, checks = [], []
    for main in case.main:
        of_copies = [a[main.term, main.time] for a in answers if (main.term, main.time) in a]
        values = [(e.estimate, e.std_error) for e in of_copies if e.estimate is not None and e.std_error]
        if len(values) < len(answers):
            continue
        row = case.inference(main)
        found = pool([v for v, _ in values], [s for _, s in values], None if row is None else row.df)
        counts = tuple(sorted({n for e in (main, of_copies[0]) for n in e.counts}))
        pooled = _row(case, main, found, counts)
        rows.append(pooled)
        checks.append(_check(case, main, pooled, found))
    return ResultSet(sensitivity=tuple(rows), checks=tuple(checks))


def _row(case: CohortCase, main: Estimate, found: Pooled, counts: tuple[int, ...]) -> Sensitivity:
    label = f"Missing characteristics imputed {COPIES} times"
    if main.time is not None:
        label += f", within {case.span(main.time)}"
    interval = wald(found.estimate, found.std_error, main.conf_level, found.df)
    return Sensitivity("imputation", label, main.term, main.time, found.estimate, found.std_error, interval.low,
                       interval.high, interval.p_value, "chained equations, Rubin's rules, Barnard-Rubin df",
                       counts=counts)  # fmt: skip


def _check(case: CohortCase, main: Estimate, pooled: Sensitivity, found: Pooled) -> Check:
    from evaluation.diagnostics.case import span, verdict

    differs = verdict(main) != verdict(pooled)
    status: Literal["pass", "warn"] = "warn" if differs else "pass"
    when = "" if main.time is None else f" within {case.span(main.time)}"
    message = (
        f"With missing characteristics imputed from people who are alike, instead of those people left out, the "
        f"estimate{when} is {span(pooled)}, against {span(main)} from complete cases."
    )
    message += " That changes the conclusion." if differs else " The conclusion stays."
    return Check("imputation", status, message, term=main.term, time=main.time, statistic=found.estimate,
                 df=found.df, p_value=pooled.p_value, counts=pooled.counts)  # fmt: skip
