"""Drawn people as a study has them: a cohort, and an analysis of it for the diagnostics that ask again."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import draw_cohorts as draw

STUDY = {
    "study": "drawn", "title": "Drawn", "question": "Does it work?",
    "intervention": {"kind": "drug_court", "name": "Program", "description": "Drawn people."},
    "data": {"path": "people.parquet"}, "disclosure": {"profile": "none"},
    "design": {"type": "cohort", "arm": "arm", "assignment": "observational", "time": "time", "time_unit": "month",
               "event": "event"},
    "outcomes": [{"id": "y", "label": "y"}],
    "analyses": [{"id": "main", "role": "primary", "outcome": "y", "estimator": "risk_difference"}],
    "diagnostics": {"imputation": True},
}  # fmt: skip


def cohort(drawn: draw.Drawn, folder: Path, cluster: str | None = None) -> Any:
    """The people as a cohort whose data are a file in a folder."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from evaluation.data.cohort import Cohort
    from evaluation.data.engine import open_source
    from evaluation.study.models import CohortDesign

    columns: dict[str, Any] = dict(drawn.columns)
    for name in ("arm", "event"):
        columns[name] = columns[name].astype(np.int64)
    pq.write_table(pa.table(columns), folder / "people.parquet", compression="none")
    design = CohortDesign(
        type="cohort", arm="arm", assignment="observational", time="time", time_unit="month", event="event",
        follow_up="follow_up" if drawn.follow_up else None, competing=drawn.competing, covariates=["x1", "x2"],
        windows=[draw.WINDOW], cluster=cluster,
    )  # fmt: skip
    return Cohort.of(design, open_source("people.parquet", folder))


@cache
def _study(subgroups: tuple[str, ...]) -> Any:
    from evaluation.study.models import Study

    return Study.model_validate(STUDY | {"subgroups": list(subgroups)})


def analysed(people: Any, estimator: str, options: dict[str, Any], subgroups: tuple[str, ...] = ()) -> Any:
    """A fitted analysis with all that its diagnostics need.

    Raises
    ------
    evaluation.errors.NotEstimable
        When the estimator has no answer.
    """
    from evaluation.diagnostics.cohort import CohortCase
    from evaluation.estimators.registry import get
    from evaluation.study.models import Outcome

    study = _study(subgroups)
    outcome, chosen = Outcome(id="y", label="y"), get(estimator).model_validate(options)
    return CohortCase(chosen, people, outcome, chosen.fit(people, outcome), study, study.primary)
