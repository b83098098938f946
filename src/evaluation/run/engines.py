"""The engine of a run: what is aggregated before any analysis is fitted, and where."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.errors import EvaluationError, Problem
from evaluation.estimators.base import PanelEstimator
from evaluation.study.models import BuiltCohortDesign, PanelDesign

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort
    from evaluation.data.panel import Panel
    from evaluation.run.plan import Plan
    from evaluation.study.models import Outcome


def prepared(plan: Plan, data: Panel | Cohort, engine: str, folder: Path) -> Panel | Cohort:
    """The data with the moments of all analyses in hand: one scan an outcome, however many analyses ask for it.

    `folder` is the study's own, for moments worth keeping until the next run.

    Raises
    ------
    EvaluationError
        When Spark is asked for people followed over time, or cannot be reached.
    """
    from evaluation.data.panel import Panel

    study = plan.file.study
    if not isinstance(study.design, PanelDesign) or not isinstance(data, Panel):
        if engine == "spark" and not isinstance(study.design, BuiltCohortDesign):
            what = f"{study.study} has ready-made data on people, and Spark aggregates panels or builds cohorts only."
            raise EvaluationError(Problem("", "--engine", what, "Use --engine duckdb, which is out of core."))
        return data  # a cohort that Spark has built is one row a person, and read by DuckDB
    panel = replace(data, spark=study.engine) if engine == "spark" else data
    shared = [
        study.outcome(analysis.outcome)
        for analysis, estimator in plan.analyses
        if isinstance(estimator, PanelEstimator) and type(estimator).moments is PanelEstimator.moments
    ]
    shared += [study.outcome(o) for o in study.diagnostics.placebo_outcomes] if shared else []
    return _holding(panel, shared, folder)


def _holding(panel: Panel, outcomes: list[Outcome], folder: Path) -> Panel:
    import duckdb

    from evaluation.data.moments import holding

    try:
        return holding(panel, outcomes, folder)
    except duckdb.Error:  # then each analysis fails by itself, and says why
        return panel
