"""A study file held against its data and its estimators: ready to fit, or every reason why not, at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.errors import EvaluationError, Problem, StudyError
from evaluation.study.document import Document, Loc, in_file_order
from evaluation.study.load import Draft, StudyFile, read
from evaluation.study.starter import left_as_they_were

if TYPE_CHECKING:
    from evaluation.data.assemble.built import Built
    from evaluation.data.engine import Source
    from evaluation.estimators.base import Estimator
    from evaluation.results import Check, FlowStep
    from evaluation.study.models import Analysis, BuiltCohortDesign, Design


SHIPPED_DATA = "../build/data/"  # where the studies shipped find their data


@dataclass(frozen=True)
class Plan:
    """A study ready to fit: its file, its data, and each analysis with its estimator and options."""

    file: StudyFile
    source: Source
    analyses: tuple[tuple[Analysis, Estimator], ...]
    warnings: tuple[Problem, ...] = ()
    files: tuple[str, ...] = ()  # what was read: the data, or the tables that they were built from
    flow: tuple[FlowStep, ...] = ()  # what was left out when the data were built
    checks: tuple[Check, ...] = ()  # what was noticed then


def plan(path: Path, engine: str = "duckdb") -> Plan:
    """The study at `path`, checked against its data; `engine` (duckdb or spark) builds a cohort from its tables.

    An analysis without a valid comparison is planned all the same, with a warning: its result will say so, and the
    other analyses are not lost.

    Raises
    ------
    StudyError
        With every problem that `check` finds, when one of them is an error.
    """
    examined = _examine(read(path), engine)
    problems = examined.problems
    if examined.file is None or examined.source is None or any(p.severity == "error" for p in problems):
        raise StudyError(*in_file_order([*problems, *examined.no_comparison]))
    analyses = enumerate(examined.file.study.analyses)
    chosen = tuple((analysis, examined.estimators[i]) for i, analysis in analyses)
    doubts = (replace(p, severity="warning") for p in examined.no_comparison)
    built = examined.built
    return Plan(
        examined.file, examined.source, chosen, tuple(in_file_order([*problems, *doubts])),
        built.files if built else examined.source.files, built.flow if built else (),
        built.checks if built else ())  # fmt: skip


def check(path: Path) -> list[Problem]:
    """Every error and warning about the study at `path`, in the order of the file; raises nothing for them."""
    try:
        examined = _examine(read(path))
    except EvaluationError as error:
        return list(error.problems)
    return in_file_order([*examined.problems, *examined.no_comparison])


# --------------------------------------------------------------------------- everything at once


@dataclass(frozen=True)
class _Examined:
    """What was found. `estimators` are by the place of their analysis, where nothing is wrong with them.

    `no_comparison` tells of analyses that cannot answer on these data: the run can go on without.
    """

    file: StudyFile | None
    source: Source | None
    estimators: Mapping[int, Estimator]
    problems: tuple[Problem, ...]
    no_comparison: tuple[Problem, ...] = ()
    built: Built | None = None


def _examine(draft: Draft, engine: str = "duckdb") -> _Examined:
    from evaluation.run.options import chosen
    from evaluation.study.models import Design

    document = draft.document
    design = draft.section(Design, "design")
    found = {i: chosen(document, i, design and design.type) for i, _ in document.entries("analyses")}
    estimators = {i: estimator for i, (estimator, _) in found.items() if estimator is not None}
    problems = [*draft.problems, *_kind(document), *(p for _, wrong in found.values() for p in wrong)]
    problems += left_as_they_were(document)
    built, source = None, None
    if document.at(("data", "tables")) and not document.at(("data", "path")):
        built, about_it = _build(draft, engine)
        source = built.source if built else None
    else:
        source, about_it = _opened(draft)
    problems += about_it
    problems += _base_set_aside(document, built, estimators) if built else []
    if source is None:
        return _Examined(draft.file, None, estimators, tuple(problems))
    in_data, no_comparison = _held_against(draft, design, estimators, source)
    return _Examined(draft.file, source, estimators, (*problems, *in_data), tuple(no_comparison), built)


def _kind(document: Document) -> Iterator[Problem]:
    from evaluation.dictionary.catalogue import kinds
    from evaluation.study.spelling import hint, listed

    loc: Loc = ("intervention", "kind")
    kind, known = document.at(loc), kinds()
    if isinstance(kind, str) and kind and kind not in known:
        what = f'there is no kind of intervention "{kind}"' + hint(kind, known)
        yield document.problem(loc, what, f"Kinds in the catalogue: {listed(known)}.")


def _opened(draft: Draft) -> tuple[Source | None, list[Problem]]:
    from evaluation.data.engine import open_source
    from evaluation.study.models import Data

    data: Data | None = draft.section(Data, "data")
    if data is None or not data.path or data.store:
        return None, []
    try:
        source = open_source(data.path, draft.document.path.parent)
        return source, _simulated(draft, source)
    except EvaluationError as error:
        loc: Loc = ("data", "path")
        hint = (
            " `evaluation examples` writes the data of the studies shipped." if SHIPPED_DATA in str(data.path) else ""
        )
        return None, [draft.document.problem(loc, f"{p.where}: {p.what}", p.fix + hint) for p in error.problems]


def _build(draft: Draft, engine: str) -> tuple[Built | None, list[Problem]]:
    """The data built from the tables of a file that is right itself, in a folder that goes with the process."""
    import atexit
    import shutil
    import tempfile

    from evaluation.data.assemble.cohort import build_cohort
    from evaluation.data.assemble.panel import build_panel
    from evaluation.study.models import BuiltCohortDesign

    if draft.file is None:
        return None, []
    study, base = draft.file.study, draft.document.path.parent
    folder = Path(tempfile.mkdtemp(prefix="evaluation-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        if isinstance(study.design, BuiltCohortDesign):
            spark = study.engine if engine == "spark" else None
            built = build_cohort(study, base, folder / "cohort.parquet", spark)
        else:
            built = build_panel(study, base, folder / "panel.parquet")
    except EvaluationError as error:
        return None, [_of_table(draft.document, p) for p in error.problems]
    return built, _simulated(draft, built.source)


def _base_set_aside(document: Document, built: Built, estimators: Mapping[int, Estimator]) -> list[Problem]:
    """Analyses whose base period, the last one untreated, was set aside because treatment began within it."""
    gone = sum(step.n_dropped for step in built.flow if step.step == "set_aside")
    what = (
        "the period in which treatment began is set aside, so units that began after a period's first day have no "
        "outcome in the one just before their first treated period, from which effects are reckoned."
    )
    fix = "Set anticipation: 1, or design.build.adoption.partial_period to treated or untreated."
    return [
        document.problem(("analyses", i, "options"), what, fix, "warning")
        for i, estimator in estimators.items()
        if gone and getattr(estimator, "anticipation", None) == 0
    ]


def _of_table(document: Document, problem: Problem) -> Problem:
    """A problem of a table at the line of the study file that names it."""
    parts = re.findall(r"[^.\[\]]+", problem.key)
    what = f"{problem.where}: {problem.what}" if problem.where else problem.what
    return document.problem(tuple(int(p) if p.isdigit() else p for p in parts), what, problem.fix)


def _simulated(draft: Draft, source: Source) -> list[Problem]:
    """Simulated data in a study that does not say so: the reports will say it all the same."""
    if source.planted is None or draft.document.at(("simulation",)) is not None:
        return []
    what = f"{source.where} holds simulated data with a planted effect of {source.planted:g}; every report will say so."
    fix = f"To say it in the study file too, add: simulation: {{effect: {source.planted:g}}}."
    return [draft.document.problem(("data", "path"), what, fix, severity="warning")]


def _held_against(
    draft: Draft, design: Design | None, estimators: Mapping[int, Estimator], source: Source
) -> tuple[list[Problem], list[Problem]]:
    """Problems of the data, and analyses without a valid comparison in them."""
    from evaluation.run import columns
    from evaluation.study.models import BuiltCohortDesign

    document = draft.document
    if isinstance(design, BuiltCohortDesign):
        return _held_against_built(draft, design, estimators, source)
    of_design = columns.design_problems(document, source)
    found = [*of_design, *columns.label_problems(document, source)]
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
    """The same of a cohort that was built: the builder has named the columns, so it is the study's own that may fail."""
    from evaluation.run import columns

    document = draft.document
    found = [*columns.listed_problems(document, ("design", "covariates"), source),
             *columns.label_problems(document, source)]  # fmt: skip
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

    from evaluation.run.comparison import lacking

    try:
        told = _frame_problems(draft, design, sound, estimators, source)
        in_rows = [p for p in told if not _told(p, draft.problems)]
        if any(p.severity == "error" for p in in_rows):
            return in_rows, []
        return in_rows, list(lacking(draft.document, design, estimators, source))
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


# Keys of a ready-made design whose columns the builder makes for each outcome.
_OUTCOMES_OWN = ("design.time", "design.event", "design.follow_up", "design.windows", "design.competing")


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
