"""Which estimator an analysis asks for, with its options: the choice made, or what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evaluation.errors import Problem
from evaluation.study.document import Document, Loc
from evaluation.study.spelling import hint, listed

if TYPE_CHECKING:
    from evaluation.estimators.base import Estimator


def chosen(document: Document, place: int, design: str | None) -> tuple[Estimator | None, list[Problem]]:
    """The estimator of `analyses[place]` with its options, or None and why not.

    `design` is `panel` or `cohort`; None when the study's design is not known, and then any estimator will do.
    """
    loc: Loc = ("analyses", place)
    name = document.at((*loc, "estimator"))
    if not isinstance(name, str):
        return None, []
    kind, problems = _class(document, (*loc, "estimator"), name, design)
    if kind is None:
        return None, problems
    estimator, wrong = _with_options(document, (*loc, "options"), kind)
    return estimator if not problems else None, [*problems, *wrong]


def _class(document: Document, loc: Loc, name: str, design: str | None) -> tuple[type[Estimator] | None, list[Problem]]:
    from evaluation.estimators.registry import get, known

    if name not in known():
        return None, [document.problem(loc, _unknown(name), _there_are(design))]
    try:
        kind = get(name)
    except (ImportError, AttributeError) as error:
        return None, [document.problem(loc, f'"{name}" cannot be loaded: {error}.', "Is its package installed?")]
    if design and kind.design != design:
        what = f'"{name}" is for {kind.design} designs, and this study\'s design is of type {design}.'
        return kind, [document.problem(loc, what, _there_are(design))]
    return kind, []


def _unknown(name: str) -> str:
    from evaluation.estimators.registry import known

    return f'there is no estimator "{name}"' + hint(name, known())


def _there_are(design: str | None) -> str:
    from evaluation.estimators.registry import get, known

    fitting = [name for name in known() if design in (None, get(name).design)]
    return f"For a {design} design there are: {listed(fitting)}." if design else f"There are: {listed(fitting)}."


def _with_options(document: Document, loc: Loc, kind: type[Estimator]) -> tuple[Estimator | None, list[Problem]]:
    from pydantic import ValidationError

    from evaluation.study.explain import explain

    options: Any = document.at(loc)
    options = {} if options is None else options
    if not isinstance(options, dict):
        return None, []  # told where the file's types are judged
    try:
        return kind.model_validate(options), []
    except ValidationError as error:
        problems = explain(document, error.errors(include_url=False), kind, loc)
    return None, problems
