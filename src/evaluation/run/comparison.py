"""Analyses whose data hold no comparison they could answer from: told before anything is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from evaluation.errors import Problem, Severity
from evaluation.study.document import Document, Loc
from evaluation.study.models import CohortDesign, PanelDesign

if TYPE_CHECKING:
    from evaluation.data.engine import Source
    from evaluation.estimators.base import Estimator
    from evaluation.study.models import Design


Lack = tuple[str, str, str]  # the analysis's key to change, why there is no comparison, how to mend it


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
            found = _cohort(design, estimator, source)
        if found:
            key, what, fix = found
            severity: Severity = "error" if analysis.get("role") == "primary" else "warning"
            loc: Loc = ("analyses", i, *key.split("."))
            yield document.problem(loc, f"this analysis has no valid comparison: {what}", fix, severity)


def _column(document: Document, outcome: Any) -> str:
    """The column of the outcome with this id; empty when the file does not say."""
    named = [o.get("column") for _, o in document.entries("outcomes") if o.get("id") == outcome]
    return named[0] if named and isinstance(named[0], str) else ""


def _panel(design: PanelDesign, estimator: Estimator, outcome: str, source: Source) -> Lack | None:
    """Whether anyone starts treatment, and has someone to be compared with, where the outcome is known."""
    if outcome not in source.columns:
        return None
    value = source.value
    rows = source.query(
        f"SELECT CAST(coalesce({value(design.cohort)}, 0) AS BIGINT) AS g, CAST(min({value(design.time)}) AS BIGINT), "
        f"CAST(max({value(design.time)}) AS BIGINT) FROM {source.scan} WHERE {value(outcome)} IS NOT NULL "
        "GROUP BY g ORDER BY g"
    )
    cohorts = [g for g, _, _ in rows]
    first, last = min((f for _, f, _ in rows), default=0), max((t for _, _, t in rows), default=0)
    starts = [g for g in cohorts if g != 0 and first < g <= last]
    if not starts:
        return "outcome", "where the outcome is known, no unit starts treatment.", "Choose another outcome."
    if getattr(estimator, "control_group", None) == "never_treated" and 0 not in cohorts:
        return "options.control_group", "no unit is never treated.", "Set control_group: not_yet_treated."
    if not any(g == 0 or g > starts[0] for g in cohorts):
        return "outcome", "where the outcome is known, all are treated at once.", "Choose another outcome."
    return None


def _cohort(design: CohortDesign, estimator: Estimator, source: Source) -> Lack | None:
    if "window" not in type(estimator).model_fields:
        return None
    return _windows(design, getattr(estimator, "window", None), source)


def _windows(design: CohortDesign, window: float | None, source: Source) -> Lack | None:
    """Why none of the windows that a plain proportion is asked for has an answer."""
    windows = design.windows if window is None else [window]
    if not windows:
        return "options.window", "neither the analysis nor the design names a window.", "Add windows to the design."
    reasons = [_window(design, w, source) for w in windows]
    if None in reasons:
        return None
    return (
        "options.window",
        "; ".join(r for r in reasons if r) + ".",
        "Choose a shorter window, or kaplan_meier, which reckons with censoring.",
    )


def _window(design: CohortDesign, window: float, source: Source) -> str | None:
    """Why a plain proportion at one window has no answer: an arm without anyone eligible, or people lost before it."""
    value = source.value
    arm, time, event = value(design.arm), value(design.time), value(design.event)
    eligible = f"{value(design.follow_up)} >= {window!r}" if design.follow_up else "true"
    known = f"{arm} IS NOT NULL AND {time} IS NOT NULL AND {event} IS NOT NULL"
    arms, lost = source.query(
        f"SELECT count(DISTINCT {arm}), count(*) FILTER ({event} = 0 AND {time} < {window!r}) "
        f"FROM {source.scan} WHERE {known} AND {eligible}"
    )[0]
    if arms < 2:
        return f"nobody in one of the arms is followed for {window:g} {design.time_unit}s"
    if not lost:
        return None
    unsaid = "" if design.follow_up else ", and no design.follow_up says who could be followed"
    return f"some people are censored before {window:g} {design.time_unit}s{unsaid}"
