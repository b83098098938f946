"""A study file held against the rows of its data: columns, what they hold, and whether they hold a comparison."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from evaluation.errors import Problem

if TYPE_CHECKING:
    from evaluation.data.engine import Source
    from evaluation.estimators.base import Estimator
    from evaluation.study.document import Document, Loc
    from evaluation.study.load import Draft
    from evaluation.study.models import BuiltCohortDesign, Design

# Keys of a ready-made design whose columns the builder makes for each outcome.
_OUTCOMES_OWN = ("design.time", "design.event", "design.follow_up", "design.windows", "design.competing")


def held_against(
    draft: Draft, design: Design | None, estimators: Mapping[int, Estimator], source: Source
) -> tuple[list[Problem], list[Problem]]:
    """Problems of the data, and analyses without a valid comparison in them."""
    from evaluation.run import columns, within
    from evaluation.study.models import BuiltCohortDesign

    document = draft.document
    if isinstance(design, BuiltCohortDesign):
        return _held_against_built(draft, design, estimators, source)
    of_design = columns.design_problems(document, source)
    found = [*of_design, *columns.label_problems(document, source), *within.group_problems(document, source)]
    for i, estimator in estimators.items():
        found += columns.option_problems(document, i, estimator, getattr(design, "covariates", []), source)
    of_outcomes = {i: columns.outcome_problems(document, i, source) for i, _ in document.entries("outcomes")}
    found += [p for wrong in of_outcomes.values() for p in wrong]
    if design is None or of_design or columns.roles_in_doubt(document, draft.problems):
        return found, []
    sound = [i for i, wrong in of_outcomes.items() if not wrong]
    in_rows, no_comparison = _rows_of(draft, design, sound, estimators, source)
    return [*found, *in_rows], no_comparison


def _held_against_built(
    draft: Draft, design: BuiltCohortDesign, estimators: Mapping[int, Estimator], source: Source
) -> tuple[list[Problem], list[Problem]]:
    """The same of a cohort that was built: the builder has named its columns."""
    from evaluation.run import columns, within

    document = draft.document
    found = [*columns.listed_problems(document, ("design", "covariates"), source),
             *columns.label_problems(document, source), *within.group_problems(document, source),
             *within.delivery_problems(draft, source)]  # fmt: skip
    for i, estimator in estimators.items():
        found += columns.option_problems(document, i, estimator, design.covariates, source)
    if any(p.severity == "error" for p in found):
        return found, []
    in_rows, no_comparison = _rows_of(draft, design, [], estimators, source)
    return [*found, *in_rows], no_comparison


def _rows_of(
    draft: Draft, design: Design, sound: list[int], estimators: Mapping[int, Estimator], source: Source
) -> tuple[list[Problem], list[Problem]]:
    """The same of the rows, which are read here for the first time. `sound` are outcomes whose columns are."""
    import duckdb

    from evaluation.run.comparison import lacking, uninformative

    try:
        told = _frame_problems(draft, design, sound, estimators, source)
        in_rows = [p for p in told if not _told(p, draft.problems)]
        if any(p.severity == "error" for p in in_rows):
            return in_rows, []
        known = [*lacking(draft.document, design, estimators, source)]
        return in_rows, [*known, *uninformative(draft.document, design, estimators, source)]
    except duckdb.Error as error:
        what = f"{source.where}: the rows cannot be read: {str(error).splitlines()[0]}"
        return [draft.document.problem(("data", "path"), what, "Write the file again.")], []


def _told(problem: Problem, before: tuple[Problem, ...]) -> bool:
    """Whether the file alone gave reason enough for an error at this key, or within it."""
    inside = (f"{problem.key}[", f"{problem.key}.")
    return any(p.severity == "error" and (p.key == problem.key or p.key.startswith(inside)) for p in before)


def _frame_problems(
    draft: Draft, design: Design, sound: list[int], estimators: Mapping[int, Estimator], source: Source
) -> list[Problem]:
    from evaluation.study.models import BuiltCohortDesign, CohortDesign, Outcome

    if isinstance(design, BuiltCohortDesign):
        return _of_each_outcome(draft, design, estimators, source)
    if isinstance(design, CohortDesign):
        from evaluation.data import cohort
        from evaluation.run.columns import beside_design

        others = beside_design(draft.document, estimators, design.covariates, source)
        return [_anchored(draft.document, p, {}) for p in cohort.problems(design, source, others)]
    from evaluation.data import panel
    from evaluation.run.comparison import OWN_PAST

    outcomes: dict[int, Outcome | None] = {i: draft.section(Outcome, "outcomes", i) for i in sound}
    named = {i: o for i, o in outcomes.items() if o is not None and o.column}
    places = dict(enumerate(named))
    alone = any(e.id in OWN_PAST for e in estimators.values())
    asked = draft.document.at(("diagnostics", "spillover"))
    ring = asked if isinstance(asked, str) and asked in source.columns else None
    told = panel.problems(design, list(named.values()), source, own_past=alone, ring=ring)
    return [_anchored(draft.document, p, places) for p in told]


def _of_each_outcome(
    draft: Draft, design: BuiltCohortDesign, estimators: Mapping[int, Estimator], source: Source
) -> list[Problem]:
    """What the rows of a built cohort hold, for each outcome on each clock that an analysis looks at it by."""
    from evaluation.data import cohort
    from evaluation.run.columns import beside_design

    if draft.file is None:
        return []
    study, document = draft.file.study, draft.document
    others = beside_design(document, estimators, design.covariates, source)
    looked = dict.fromkeys((a.outcome, design.clock_of(a)) for a in study.analyses)
    found = []
    for name, clock in looked:
        place = next(i for i, o in enumerate(study.outcomes) if o.id == name)
        ready = design.for_outcome(study.outcomes[place], clock)
        for p in cohort.problems(ready, source, others):
            own = p.key in _OUTCOMES_OWN and not (p.key == "design.windows" and not study.outcomes[place].windows)
            at = f"outcomes[{place}]" + (".windows" if own and p.key == "design.windows" else "") if own else p.key
            found.append(_anchored(document, replace(p, key=at), {}))
    return list(dict.fromkeys(found))


def _anchored(document: Document, problem: Problem, outcomes: dict[int, int]) -> Problem:
    """A problem of the data at the line of the study file that names the column, or that is to blame.

    `outcomes` maps the places of the outcomes that were looked at to their places in the file.
    """
    from evaluation.run.columns import named_at

    if problem.where:  # rows of the data: the key is a column
        what = f"the column {problem.key} of {problem.where} has {problem.what}"
        return document.problem(named_at(document, problem.key), what, problem.fix, problem.severity)
    parts = re.findall(r"[^.\[\]]+", problem.key)
    loc: Loc = tuple(int(p) if p.isdigit() else p for p in parts)
    if loc[:1] == ("outcomes",) and len(loc) > 1 and isinstance(loc[1], int):
        loc = ("outcomes", outcomes.get(loc[1], loc[1]), *loc[2:])
    return document.problem(loc, problem.what, problem.fix, problem.severity)
