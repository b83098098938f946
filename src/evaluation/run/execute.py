"""Fit a planned study: every analysis on its own, so that one that fails does not lose the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.disclosure.release import release
from evaluation.errors import EvaluationError, NotEstimable
from evaluation.estimators.base import Estimator, PanelEstimator
from evaluation.results import ResultSet, Row
from evaluation.run import describe, marks
from evaluation.run.engines import prepared
from evaluation.run.multiplicity import adjusted
from evaluation.run.plan import Plan
from evaluation.run.provenance import now, provenance
from evaluation.run.store import save
from evaluation.run.tables import Finished, of_build, tables
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


@dataclass(frozen=True)
class _Job:
    """All that one analysis needs, in a form that another process can be handed."""

    analysis: Analysis
    estimator: Estimator
    data: Any
    outcome: Outcome
    study: Study

    def answer(self) -> ResultSet:
        """The estimates with their diagnostics."""
        if not isinstance(self.estimator, PanelEstimator):
            return self._of_people()
        from evaluation.data.cluster_names import cluster_names
        from evaluation.diagnostics.case import Case
        from evaluation.diagnostics.leave_out import MOST_CLUSTERS
        from evaluation.diagnostics.panel import diagnose

        moments = self.estimator.moments(self.data, self.outcome)
        results = self.estimator.estimate(moments, self.outcome)
        study, design = self.study, self.study.design
        assert isinstance(design, PanelDesign)  # noqa: S101 - narrows the type
        placebos = tuple(study.outcome(o) for o in study.diagnostics.placebo_outcomes)
        case = Case(self.estimator, self.data, moments, self.outcome, results, design, placebos)
        names = cluster_names(self.data, MOST_CLUSTERS)
        places = design.units_are == "places"
        return diagnose(case, study.diagnostics, self.analysis.role, places=places, names=names)

    def _of_people(self) -> ResultSet:
        """The same of a cohort: the people this analysis is about, on its clock."""
        from evaluation.data.cohort import Cohort
        from evaluation.diagnostics.cohort import CohortCase, diagnose

        cohort = Cohort.for_analysis(self.study, self.analysis, self.data.source)
        results = self.estimator.fit(cohort, self.outcome)
        return diagnose(CohortCase(self.estimator, cohort, self.outcome, results, self.study, self.analysis))


def _fit(job: _Job) -> Finished:
    """One analysis, in one linear-algebra thread: results do not depend on how many there are."""
    from threadpoolctl import threadpool_limits

    analysis, estimator = job.analysis, job.estimator
    try:
        with threadpool_limits(limits=1):
            found = job.answer()
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


def _fit_all(study: Study, plan: Plan, data: Panel | Cohort, jobs: int) -> Iterator[Finished]:
    work = [
        _Job(analysis, estimator, data, study.outcome(analysis.outcome), study) for analysis, estimator in plan.analyses
    ]
    if jobs == 1 or len(work) == 1:
        yield from map(_fit, work)
        return
    # Fresh processes: forking one that holds DuckDB's threads can hang.
    with ProcessPoolExecutor(min(jobs, len(work)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_fit, work)


def _compared(finished: list[Finished]) -> list[Finished]:
    """The analyses, the main one with a check of whether the others of its outcome agree with it."""
    from evaluation.diagnostics.agreement import Answer, agreement

    main = next(d for d in finished if d.analysis.role == "primary")
    others = [
        Answer(d.analysis.estimator, d.analysis.label or d.estimator.title, d.results)
        for d in finished
        if d is not main and d.analysis.outcome == main.analysis.outcome
    ]
    checks = agreement(Answer(main.analysis.estimator, "", main.results), others)
    return [replace(d, results=d.results + ResultSet(checks=checks)) if d is main else d for d in finished]


def _described(study: Study, plan: Plan, data: Any) -> dict[str, list[Row]]:
    quality = {"data_quality": describe.data_quality(study, plan.source)}
    if isinstance(study.design, PanelDesign):
        return quality | {"series": describe.raw_series(study, data)}
    delivered = describe.implementation(study, plan.file.path.parent, plan.source)
    return quality | {"baseline": describe.baseline(study, data), "implementation": delivered}


def run(plan: Plan, out: Path, *, jobs: int = 1, engine: str = "duckdb", progress: Progress | None = None) -> RunResult:
    """Fit every analysis of a plan, pass the results through the disclosure door and write `out/<study>/`.

    Raises
    ------
    EvaluationError
        When the data cannot be read or the output folder cannot be written. An analysis that fails raises
        nothing: its status and reason stand in the `analyses` table.
    """
    study, started = plan.file.study, now()
    data = prepared(plan, describe.frame(study, plan.source), engine, out / study.study / ".moments")
    finished = []
    for done in _fit_all(study, plan, data, jobs):
        finished.append(done)
        if progress:
            progress(done)
    finished = adjusted(_compared(finished))
    built = of_build(study.study, plan.flow, plan.checks) | (plan.stored.tables if plan.stored else {})
    full = tables(study, finished, _described(study, plan, data) | built)
    profile = study.disclosure.profile
    people = not isinstance(study.design, PanelDesign) or study.design.units_are == "people"
    released = release(study.study, full, profile, people=people)
    seed = study.simulation.seed if study.simulation else None  # other draws have fixed seeds
    planted = study.simulation.effect if study.simulation else plan.source.planted
    folder = save(
        out / study.study,
        study_text=plan.file.text,
        released=released.tables,
        full=None if profile == "none" else full,
        provenance=provenance(
            plan.file.text,
            () if plan.stored else plan.files,
            seed=seed,
            planted=planted,
            engine=engine,
            started=started,
            store=plan.stored.provenance() if plan.stored else None,
        ),
    )
    if plan.stored and plan.stored.removed:
        marks.write(folder / "results", plan.stored.removed)
    shown = sum(r["status"] == "ok" for r in released.tables["estimates"])
    return RunResult(
        study.study, folder, tuple(released.tables["analyses"]), shown, sum(released.n_suppressed.values())
    )
