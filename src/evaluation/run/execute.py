"""Fit a planned study: every analysis on its own, so that one that fails does not lose the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.diagnostics.pretrends import pretrends
from evaluation.disclosure.release import release
from evaluation.errors import EvaluationError, NotEstimable
from evaluation.estimators.base import Estimator
from evaluation.results import Row
from evaluation.run import describe
from evaluation.run.plan import Plan
from evaluation.run.provenance import now, provenance
from evaluation.run.store import save
from evaluation.run.tables import Finished, tables
from evaluation.study.models import Analysis, Outcome, PanelDesign, Study

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort
    from evaluation.data.panel import Panel

Progress = Callable[[Finished], None]


@dataclass(frozen=True)
class RunResult:
    """Where a run lies and what became of its analyses."""

    study: str
    folder: Path
    analyses: tuple[Row, ...]  # rows of the released `analyses` table
    n_estimates: int
    n_suppressed: int

    @property
    def failed(self) -> list[Row]:
        """Analyses without any figure that may be shown."""
        return [a for a in self.analyses if a["status"] != "ok"]


def _fit(job: tuple[Analysis, Estimator, Any, Outcome]) -> Finished:
    """One analysis, in one linear-algebra thread: results do not depend on how many there are."""
    from threadpoolctl import threadpool_limits

    analysis, estimator, data, outcome = job
    try:
        with threadpool_limits(limits=1):
            found = estimator.fit(data, outcome)
    except NotEstimable as none:
        return Finished(analysis, estimator, status="not_estimable", reason=str(none), reason_counts=none.counts)
    except EvaluationError as error:
        return Finished(analysis, estimator, status="failed", reason=str(error))
    except Exception as error:  # noqa: BLE001 - a defect in one analysis must not lose the others
        return Finished(analysis, estimator, status="failed", reason=f"internal error: {type(error).__name__}: {error}")
    if any(e.status == "ok" for e in found.estimates):
        return Finished(analysis, estimator, found)
    reason = next((c.message for c in found.checks if c.check == "not_estimable"), "no figure could be estimated")
    counts = tuple(n for c in found.checks for n in c.counts)
    return Finished(analysis, estimator, found, "not_estimable", reason, counts)


def _with_pretrends(done: Finished, wanted: bool) -> Finished:
    """The analysis with the checks of the paths before adoption, or without them where the study switched them off."""
    if wanted:
        checks = (*done.results.checks, *pretrends(done.results, getattr(done.estimator, "anticipation", 0)))
    else:
        checks = tuple(c for c in done.results.checks if c.check != "pretrends")
    return replace(done, results=replace(done.results, checks=checks))


def _fit_all(study: Study, plan: Plan, data: Panel | Cohort, jobs: int) -> Iterator[Finished]:
    work = [(analysis, estimator, data, study.outcome(analysis.outcome)) for analysis, estimator in plan.analyses]
    if jobs == 1 or len(work) == 1:
        yield from map(_fit, work)
        return
    # Fresh processes: forking one that holds DuckDB's threads can hang.
    with ProcessPoolExecutor(min(jobs, len(work)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_fit, work)


def _described(study: Study, plan: Plan, data: Any) -> dict[str, list[Row]]:
    quality = {"data_quality": describe.data_quality(study, plan.source)}
    if isinstance(study.design, PanelDesign):
        return quality | {"series": describe.raw_series(study, data)}
    return quality | {"baseline": describe.baseline(study, data)}


def run(plan: Plan, out: Path, *, jobs: int = 1, engine: str = "duckdb", progress: Progress | None = None) -> RunResult:
    """Fit every analysis of a plan, pass the results through the disclosure door and write `out/<study>/`.

    Raises
    ------
    EvaluationError
        When the data cannot be read or the output folder cannot be written. An analysis that fails raises
        nothing: its status and reason stand in the `analyses` table.
    """
    study, started = plan.file.study, now()
    data = describe.frame(study, plan.source)
    finished = []
    for fitted in _fit_all(study, plan, data, jobs):
        done = _with_pretrends(fitted, study.diagnostics.pretrends)
        finished.append(done)
        if progress:
            progress(done)
    full = tables(study, finished, _described(study, plan, data))
    profile = study.disclosure.profile
    people = not isinstance(study.design, PanelDesign) or study.design.units_are == "people"
    released = release(study.study, full, profile, people=people)
    seed = study.simulation.seed if study.simulation else None  # no analysis draws random numbers
    planted = study.simulation.effect if study.simulation else plan.source.planted
    folder = save(
        out / study.study,
        study_text=plan.file.text,
        released=released.tables,
        full=None if profile == "none" else full,
        provenance=provenance(
            plan.file.text, plan.source.files, seed=seed, planted=planted, engine=engine, started=started
        ),
    )
    shown = sum(r["status"] == "ok" for r in released.tables["estimates"])
    return RunResult(
        study.study, folder, tuple(released.tables["analyses"]), shown, sum(released.n_suppressed.values())
    )
