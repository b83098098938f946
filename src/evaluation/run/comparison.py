"""Analyses whose data hold no comparison they could answer from: told before anything is fitted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from evaluation.errors import Problem, Severity
from evaluation.study.document import Document
from evaluation.study.models import CohortDesign, PanelDesign

if TYPE_CHECKING:
    from evaluation.data.engine import Source
    from evaluation.estimators.base import Estimator
    from evaluation.study.models import Design


def lacking(
    document: Document, design: Design, estimators: tuple[Estimator | None, ...], source: Source
) -> Iterator[Problem]:
    """A problem for each analysis without a valid comparison: an error for a primary one, else a warning.

    The columns must exist and hold what their roles ask for.
    """
    for i, estimator in enumerate(estimators):
        found = None if estimator is None else _reason(design, estimator, source)
        if found:
            option, what, fix = found
            severity: Severity = "error" if document.at(("analyses", i, "role")) == "primary" else "warning"
            what = f"this analysis has no valid comparison: {what}"
            yield document.problem(("analyses", i, "options", option), what, fix, severity)


def _reason(design: Design, estimator: Estimator, source: Source) -> tuple[str, str, str] | None:
    """The option to change, why there is no comparison, and how to mend it; None where there is one."""
    if isinstance(design, PanelDesign):
        return _never_treated(design, estimator, source)
    if "window" in type(estimator).model_fields:
        return _windows(design, getattr(estimator, "window", None), source)
    return None


def _never_treated(design: PanelDesign, estimator: Estimator, source: Source) -> tuple[str, str, str] | None:
    if getattr(estimator, "control_group", None) != "never_treated":
        return None
    cohort = source.value(design.cohort)
    rows = source.query(f"SELECT count(*) FROM {source.scan} WHERE coalesce({cohort}, 0) = 0")[0][0]
    if rows:
        return None
    return "control_group", "no unit is never treated.", "Set control_group: not_yet_treated."


def _windows(design: CohortDesign, window: float | None, source: Source) -> tuple[str, str, str] | None:
    """Why none of the windows that a plain proportion is asked for has an answer."""
    windows = design.windows if window is None else [window]
    if not windows:
        return "window", "neither the analysis nor the design names a window.", "Add windows to the design."
    reasons = [_window(design, w, source) for w in windows]
    if None in reasons:
        return None
    return (
        "window",
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
