"""Whether the columns a study names are in its data, and of a type that their role can use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from evaluation.data.engine import DURATION
from evaluation.errors import Problem
from evaluation.study.document import Document, Loc, dotted
from evaluation.study.spelling import hint, listed

if TYPE_CHECKING:
    from evaluation.data.engine import Source
    from evaluation.estimators.base import Estimator

_MOST_LISTED = 30
_DATES = ("DATE", "TIMESTAMP", "TIME")
# Roles whose columns may hold anything (an arm is judged by its values); the others must hold numbers, which
# true and false count as.
_ANY_TYPE = ("unit", "cluster", "person", "arm")
_ROLES = {
    "panel": ("unit", "time", "cohort", "cluster", "weights"),
    "cohort": ("person", "arm", "time", "follow_up", "event", "cluster", "weights", "completed"),
}


def design_problems(document: Document, source: Source) -> list[Problem]:
    """Columns of the design that are absent or of the wrong type."""
    kind = document.at(("design", "type"))
    found: list[Problem] = []
    for role in _ROLES.get(kind, ()) if isinstance(kind, str) else ():
        found += column_problems(document, ("design", role), source, number=role not in _ANY_TYPE)
    for key in ("covariates", "coordinates"):
        found += listed_problems(document, ("design", key), source)
    if kind == "panel":
        found += column_problems(document, ("diagnostics", "spillover"), source)
    return found


def named_at(document: Document, column: str) -> Loc:
    """Where the file gives a column its part; `data.path` for one it does not name."""
    places: list[Loc] = [("design", role) for role in _ROLES.get(document.at(("design", "type")), ())]
    places += [("design", "coordinates", i) for i in range(2)] + [("diagnostics", "spillover")]
    places += [("outcomes", i, "column") for i, _ in document.entries("outcomes")]
    return next((loc for loc in places if document.at(loc) == column), ("data", "path"))


def roles_in_doubt(document: Document, problems: Sequence[Problem]) -> bool:
    """Whether an error stands at a role of the design: then what the rows hold cannot be judged."""
    roles = {f"design.{role}" for role in _ROLES.get(document.at(("design", "type")), ())}
    return any(p.severity == "error" and p.key in roles for p in problems)


def outcome_problems(document: Document, place: int, source: Source) -> list[Problem]:
    """The same for a panel's outcome and its exposure."""
    return [p for key in ("column", "exposure") for p in column_problems(document, ("outcomes", place, key), source)]


def listed_problems(document: Document, loc: Loc, source: Source, *, number: bool = True) -> list[Problem]:
    """The same for a list of columns (covariates), each at its own place; none when there is no list."""
    names = document.at(loc)
    places = range(len(names)) if isinstance(names, list) else ()
    return [p for i in places for p in column_problems(document, (*loc, i), source, number=number)]


def column_problems(document: Document, loc: Loc, source: Source, *, number: bool = True) -> list[Problem]:
    """What is wrong with the column named at `loc`; nothing when no column is named there."""
    name = document.at(loc)
    if not isinstance(name, str) or (not name and loc[0] != "analyses"):
        return []  # wrong in itself, and told so where the file is judged
    if name not in source.columns:
        columns = list(source.columns)
        more = f" and {len(columns) - _MOST_LISTED} more" if len(columns) > _MOST_LISTED else ""
        fix = f"Columns of {source.where}: {listed(columns[:_MOST_LISTED])}{more}."
        return [document.problem(loc, f'the data have no column "{name}"' + hint(name, columns), fix)]
    if number and not source.is_number(name):
        what = f'the column "{name}" holds {_content(source.columns[name])}, and numbers are expected.'
        unit = " of the study's time unit" if source.columns[name] == DURATION else ""
        fix = f"Write it as numbers{unit} in the Parquet file, or name another column."
        return [document.problem(loc, what, fix)]
    return []


def _content(column_type: str) -> str:
    if column_type == DURATION:
        return "time spans (an Arrow duration, whose unit is not certain)"
    if column_type == "VARCHAR":
        return "text"
    if column_type.startswith(_DATES):
        return "dates"
    return f"values of type {column_type}"


def option_problems(
    document: Document, place: int, estimator: Estimator, declared: Sequence[str], source: Source
) -> list[Problem]:
    """Columns that an analysis's options name and the data lack.

    `declared` are the design's covariates, judged with the design.
    """
    options: Loc = ("analyses", place, "options")
    found = listed_problems(document, (*options, "covariates"), source)
    for option, number in estimator.option_columns().items():
        found += column_problems(document, (*options, option), source, number=number)
        found += listed_problems(document, (*options, option), source, number=number)
    named = document.at((*options, "covariates"))
    judged = {*declared, *(n for n in named if isinstance(n, str))} if isinstance(named, list) else set(declared)
    missing = [c for c in estimator.covariate_columns(list(declared)) if c not in judged and c not in source.columns]
    return found + [
        document.problem(options, f'the data have no column "{c}"' + hint(c, source.columns)) for c in missing
    ]


def beside_design(
    document: Document, estimators: Mapping[int, Estimator], declared: Sequence[str], source: Source
) -> dict[str, str]:
    """Columns of numbers that analyses read beside the design's own, each at the key that names it first."""
    found: dict[str, str] = {}
    for i, estimator in estimators.items():
        loc: Loc = ("analyses", i, "options", "covariates")
        listed_here = document.at(loc) if isinstance(document.at(loc), list) else []
        for name in estimator.covariate_columns(list(declared)):
            if name in declared or name in found.values() or name not in source.columns or not source.is_number(name):
                continue
            place = (*loc, listed_here.index(name)) if name in listed_here else loc[:-1]
            found[dotted(place)] = name
    return found


def label_problems(document: Document, source: Source) -> Iterator[Problem]:
    """Labels of columns that are not there: harmless, and most likely a slip."""
    labels = document.at(("labels",))
    for name in labels if isinstance(labels, dict) else ():
        if name not in source.columns:
            what = f'the data have no column "{name}"' + hint(name, source.columns)
            yield document.problem(("labels", name), what, "The label is not used.", "warning", of_key=True)
