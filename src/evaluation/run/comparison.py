"""Analyses whose data hold no comparison they could answer from: told before anything is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from evaluation.errors import Problem, Severity
from evaluation.run.cohort_comparison import Lack, among_counts, among_people
from evaluation.study.document import Document, Loc
from evaluation.study.models import CohortDesign, PanelDesign

if TYPE_CHECKING:
    from evaluation.data.engine import Source
    from evaluation.estimators.base import Estimator
    from evaluation.estimators.event_count import EventCount
    from evaluation.study.models import Design


ONE_DATE = ("did_2x2", "triple_difference")  # estimators that compare before and after one adoption date
OWN_PAST = ("interrupted_time_series",)  # estimators that compare the treated with their own past
FROM_DONORS = ("synthetic_control", "synthetic_did")  # estimators that need units never treated within the data


def lacking(
    document: Document, design: Design, estimators: Mapping[int, Estimator], source: Source
) -> Iterator[Problem]:
    """A problem for each analysis without a valid comparison: an error for a primary one, else a warning.

    The columns must exist and hold what their roles ask for.
    """
    for i, estimator in estimators.items():
        analysis = document.at(("analyses", i))
        if isinstance(design, PanelDesign):
            found = _panel(design, estimator, _column(document, analysis.get("outcome")), source)
        else:
            ready = _ready(document, i, design)
            found = among_people(ready, estimator, source)
            if estimator.id == "event_count":
                named = str(analysis.get("outcome"))
                found = among_counts(named, ready, cast("EventCount", estimator), source, built=ready is not design)
        if found:
            key, what, fix = found
            severity: Severity = "error" if analysis.get("role") == "primary" else "warning"
            loc: Loc = ("analyses", i, *key.split("."))
            yield document.problem(loc, f"this analysis has no valid comparison: {what}", fix, severity)


def uninformative(
    document: Document, design: Design, estimators: Mapping[int, Estimator], source: Source
) -> Iterator[Problem]:
    """Problems of covariates that tell nothing among the people whom a cohort's analyses would use them for."""
    from evaluation.data.cohort import Cohort
    from evaluation.run.redundant import redundant

    if not isinstance(design, CohortDesign):
        return
    ready = {i: _ready(document, i, design) for i in estimators}
    yield from redundant(document, ready, estimators, {i: Cohort.of(d, source) for i, d in ready.items()})


def _ready(document: Document, place: int, design: CohortDesign) -> CohortDesign:
    """The design as one analysis reads it: its outcome's columns, on its clock."""
    from pydantic import TypeAdapter, ValidationError

    from evaluation.study.models import Analysis, Outcome

    named = document.at(("analyses", place, "outcome"))
    raw = next((o for _, o in document.entries("outcomes") if o.get("id") == named), None)
    try:
        analysis = TypeAdapter(Analysis).validate_python(document.at(("analyses", place)))
        outcome = TypeAdapter(Outcome).validate_python(raw)
    except ValidationError:  # told where the file is judged
        return design
    return design.for_outcome(outcome, design.clock_of(analysis))


def _column(document: Document, outcome: Any) -> str:
    """The column of the outcome with this id; empty when the file does not say."""
    named = [o.get("column") for _, o in document.entries("outcomes") if o.get("id") == outcome]
    return named[0] if named and isinstance(named[0], str) else ""


def _panel(design: PanelDesign, estimator: Estimator, outcome: str, source: Source) -> Lack | None:
    """Whether anyone starts treatment, and has someone to be compared with, where the outcome is known."""
    from evaluation.data.adoption import first_treated

    if outcome not in source.columns:
        return None
    value = source.value
    named = (  # names of its own, in a query of its own: any name may be a column's too
        f"SELECT coalesce({first_treated(source, design.cohort)}, 0) AS g, {value(design.time)} AS t "
        f"FROM {source.scan} WHERE {value(outcome)} IS NOT NULL"
    )
    rows = source.query(
        f"SELECT CAST(g AS BIGINT), CAST(min(t) AS BIGINT), CAST(max(t) AS BIGINT) FROM ({named}) GROUP BY g ORDER BY g"
    )
    cohorts = [g for g, _, _ in rows]
    first, last = min((f for _, f, _ in rows), default=0), max((t for _, _, t in rows), default=0)
    starts = [g for g in cohorts if g != 0 and first < g <= last]
    if not starts:
        return "outcome", "where the outcome is known, no unit starts treatment.", "Choose another outcome."
    never = any(g == 0 or g > last for g in cohorts)
    if estimator.id in OWN_PAST:
        return _own_past(estimator, starts, never)
    return _compared(estimator, cohorts, starts, never) or _third_group(estimator, source)


def _compared(estimator: Estimator, cohorts: list[int], starts: list[int], never: bool) -> Lack | None:
    """Whether those who start have someone to be compared with."""
    if getattr(estimator, "control_group", None) == "never_treated" and 0 not in cohorts:
        return "options.control_group", "no unit is never treated.", "Set control_group: not_yet_treated."
    if not any(g == 0 or g > starts[0] for g in cohorts):
        return "outcome", "where the outcome is known, all are treated at once.", "Choose another outcome."
    if estimator.id in FROM_DONORS and not never:
        return "estimator", "no unit is never treated, to be a donor.", "Choose callaway_santanna with not_yet_treated."
    if estimator.id in ONE_DATE and len(starts) > 1:
        what = f"units adopted at {len(starts)} different times, and {estimator.id} compares before and after one date."
        return "estimator", what, "Choose callaway_santanna, which compares each cohort by itself."
    return None


def _own_past(estimator: Estimator, starts: list[int], never: bool) -> Lack | None:
    """Whether there is one start, and untreated units where a comparison series is asked for."""
    if len(starts) > 1:
        what = f"units adopted at {len(starts)} different times, and one series has one start."
        return "estimator", what, "Choose callaway_santanna, which compares each cohort by itself."
    if getattr(estimator, "comparison", None) == "never_treated" and not never:
        return "options.comparison", "no unit is never treated.", "Set comparison: none."
    return None


def _third_group(estimator: Estimator, source: Source) -> Lack | None:
    """Whether a triple difference's third group holds 0 and 1, each once at least."""
    third = getattr(estimator, "third", None)
    if third not in source.columns:
        return None
    if source.is_number(third):
        value = source.number(third)
        rows = source.query(f"SELECT DISTINCT {value} FROM {source.scan} WHERE {value} IS NOT NULL LIMIT 3")
        if {v for (v,) in rows} == {0.0, 1.0}:
            return None
    what = f'the column "{third}" does not hold 0 and 1, both and nothing else.'
    return "options.third", what, "Name a column with 1 where treatment can reach the unit, and 0 where it cannot."
