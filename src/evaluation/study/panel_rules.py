"""What the keys of a study of units over periods demand of each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evaluation.errors import Problem
from evaluation.study.document import Document, Loc
from evaluation.study.spelling import hint, listed, nearest

WITH_EXPOSURE = ("poisson_did", "interrupted_time_series")  # estimators that read an outcome's exposure


def broken_panel(document: Document) -> Iterator[Problem]:
    """Every problem between the keys of a panel, and keys of panels in a study that is none."""
    for rule in (_panel_outcomes, _exposure, _clusters_two_ways, _places, _placebo_outcomes, _panels_alone):
        yield from rule(document)


def absent(mapping: dict[str, Any], key: str) -> bool:
    """Whether a key was left out or left empty, rather than misspelt, which is told elsewhere."""
    return mapping.get(key) in (None, "", []) and nearest(key, [k for k in mapping if k != key]) is None


def _panel_outcomes(document: Document) -> Iterator[Problem]:
    if document.at(("design", "type")) != "panel":
        return
    for i, outcome in document.entries("outcomes"):
        if absent(outcome, "column"):
            yield document.problem(
                ("outcomes", i, "column"),
                "this key is missing.",
                "Add it: the column of the outcome, which a panel design needs.",
            )


def _exposure(document: Document) -> Iterator[Problem]:
    used = {a.get("outcome") for _, a in document.entries("analyses") if a.get("estimator") in WITH_EXPOSURE}
    for i, outcome in document.entries("outcomes"):
        loc: Loc = ("outcomes", i, "exposure")
        if outcome.get("exposure") is not None and outcome.get("type") not in ("count", "rate"):
            what = "an exposure is for an outcome of type count or rate."
            yield document.problem(loc, what, "Set type: count, or delete the line.", of_key=True)
        elif outcome.get("exposure") is not None and outcome.get("id") not in used:
            what = "no analysis of this outcome uses its exposure: the column of the outcome is compared as it stands."
            fix = "Add an analysis by poisson_did, or name a column that holds the outcome divided by its exposure."
            yield document.problem(loc, what, fix, "warning", of_key=True)


def _clusters_two_ways(document: Document) -> Iterator[Problem]:
    """The second way of clustering is by the period: errors of other columns are not known cell by cell."""
    loc: Loc = ("design", "second_cluster")
    second, time = document.at(loc), document.at(("design", "time"))
    if isinstance(second, str) and second and isinstance(time, str) and second != time:
        what = f'clustering by "{second}" beside the cluster is not available; the second way is by the period.'
        yield document.problem(loc, what, f"Write {time}, or name {second} as design.cluster.")


def _places(document: Document) -> Iterator[Problem]:
    """Coordinates and the distance up to which places are neighbours go together."""
    here = document.at(("design", "coordinates"))
    for key, missing, fix in (
        ("coordinates", "cutoff_km", "Add it: the distance in km up to which places are neighbours."),
        ("cutoff_km", "coordinates", "Add it: [LATITUDE, LONGITUDE], the columns of degrees."),
    ):
        loc: Loc = ("design", key)
        if document.at(loc) and document.at(("design", missing)) in (None, []):
            yield document.problem(loc, f"design.{missing} is missing beside it.", fix, of_key=True)
    if isinstance(here, list) and len(here) == 2 and here[0] == here[1]:
        what = "latitude and longitude are the same column."
        yield document.problem(("design", "coordinates", 1), what, "Name both.")


def _placebo_outcomes(document: Document) -> Iterator[Problem]:
    """Placebo outcomes are outcomes of the study that no analysis argues with."""
    named = document.at(("diagnostics", "placebo_outcomes"))
    known = [o["id"] for _, o in document.entries("outcomes") if isinstance(o.get("id"), str)]
    argued = [a.get("outcome") for _, a in document.entries("analyses") if a.get("role") in ("primary", "secondary")]
    for i, name in enumerate(named if isinstance(named, list) else ()):
        loc: Loc = ("diagnostics", "placebo_outcomes", i)
        if not isinstance(name, str):
            continue  # a wrong type is told elsewhere
        if known and name not in known:
            what = f'there is no outcome "{name}"' + hint(name, known)
            yield document.problem(loc, what, f"Outcomes of this study: {listed(known)}.")
        elif name in argued:
            what = f'"{name}" is what a primary or secondary analysis expects the program to change.'
            yield document.problem(loc, what, "Name outcomes that the program cannot change.")
        elif name in named[:i]:
            yield document.problem(loc, f"{name} stands here twice.", "Delete one.")


def _panels_alone(document: Document) -> Iterator[Problem]:
    """Diagnostics of panels in a study that follows people, and of people in a panel."""
    if document.at(("design", "type")) == "panel" and document.at(("diagnostics", "imputation")) is not None:
        what = "is for cohort designs."
        yield document.problem(("diagnostics", "imputation"), what, "Delete the line.", of_key=True)
    if document.at(("design", "type")) != "cohort":
        return
    several = document.at(("design", "index")) is not None  # built from tables: one outcome beside another
    for name in ("spillover",) if several else ("placebo_outcomes", "spillover"):
        if document.at(("diagnostics", name)):
            what = "is for panel designs."
            yield document.problem(("diagnostics", name), what, "Delete the line.", of_key=True)
