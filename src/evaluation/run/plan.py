"""A study file held against its data and its estimators: ready to fit, or every reason why not, at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.errors import EvaluationError, Problem, StudyError
from evaluation.study.cohort_rules import from_store, from_tables
from evaluation.study.document import Document, Loc, in_file_order
from evaluation.study.load import Draft, StudyFile, read
from evaluation.study.starter import left_as_they_were

if TYPE_CHECKING:
    from evaluation.data.assemble.built import Built
    from evaluation.data.engine import Source
    from evaluation.estimators.base import Estimator
    from evaluation.results import Check, FlowStep
    from evaluation.run.stored import Origin, Stored
    from evaluation.study.models import Analysis, Study


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
    stored: Stored | None = None  # what was read of a store


def plan(path: Path, engine: str = "duckdb", origin: Origin | None = None) -> Plan:
    """The study at `path`, checked against its data; `engine` (duckdb or spark) builds a cohort from its tables.

    `origin` is the store that a study of submitted tables reads.

    An analysis without a valid comparison is planned all the same, with a warning: its result will say so, and the
    other analyses are not lost.

    Raises
    ------
    StudyError
        With every problem that `check` finds, when one of them is an error.
    """
    examined = _examine(read(path), engine, origin)
    problems = examined.problems
    if examined.file is None or examined.source is None or any(p.severity == "error" for p in problems):
        raise StudyError(*in_file_order([*problems, *examined.no_comparison]))
    analyses = enumerate(examined.file.study.analyses)
    chosen = tuple((analysis, examined.estimators[i]) for i, analysis in analyses)
    doubts = (replace(p, severity="warning") for p in examined.no_comparison)
    built = examined.built
    noticed = (*(examined.stored.notes if examined.stored else ()), *(built.checks if built else ()))
    warnings = tuple(in_file_order([*problems, *doubts]))
    files, flow = (built.files, built.flow) if built else (examined.source.files, ())
    return Plan(examined.file, examined.source, chosen, warnings, files, flow, noticed, examined.stored)


def check(path: Path, origin: Origin | None = None) -> list[Problem]:
    """Every error and warning about the study at `path`, in the order of the file; raises nothing for them."""
    try:
        examined = _examine(read(path), "duckdb", origin)
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
    stored: Stored | None = None


def _examine(draft: Draft, engine: str, origin: Origin | None) -> _Examined:
    from evaluation.run.held import held_against
    from evaluation.run.options import chosen
    from evaluation.study.models import Design

    document = draft.document
    design = draft.section(Design, "design")
    found = {i: chosen(document, i, design and design.type) for i, _ in document.entries("analyses")}
    estimators = {i: estimator for i, (estimator, _) in found.items() if estimator is not None}
    problems = [*draft.problems, *_kind(document), *(p for _, wrong in found.values() for p in wrong)]
    problems += left_as_they_were(document)
    built, source, stored = None, None, None
    if from_store(document):
        draft, stored, about_it = _filled(draft, origin)
        problems += about_it
    if document.at(("data", "tables")) and not document.at(("data", "path")):
        built, about_it = _build(draft, engine)
        source = built.source if built else None
    elif from_tables(document):  # a path too: the file itself was told so
        source, about_it = None, []
    else:
        source, about_it = _opened(draft)
    problems += about_it
    problems += _base_set_aside(document, built, estimators) if built else []
    if source is None:
        return _Examined(draft.file, None, estimators, tuple(problems), stored=stored)
    in_data, no_comparison = held_against(draft, design, estimators, source)
    return _Examined(draft.file, source, estimators, (*problems, *in_data), tuple(no_comparison), built, stored)


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


def _filled(draft: Draft, origin: Origin | None) -> tuple[Draft, Stored | None, list[Problem]]:
    """The study with the tables of the store, in a folder that goes with the process."""
    from evaluation.run.stored import filled

    if origin is None:
        what = "no store was named."
        return replace(draft, file=None), None, [draft.document.problem(("data", "store"), what, "Give --store.")]
    return filled(draft, origin, passing_folder() / "tables")


def _build(draft: Draft, engine: str) -> tuple[Built | None, list[Problem]]:
    """The data built from the tables of a file that is right itself, in a folder that goes with the process."""
    from evaluation.data.assemble.cohort import build_cohort
    from evaluation.data.assemble.panel import build_panel
    from evaluation.study.models import BuiltCohortDesign

    if draft.file is None:
        return None, []
    study, base = draft.file.study, draft.document.path.parent
    folder = passing_folder()
    try:
        if isinstance(study.design, BuiltCohortDesign):
            spark = study.engine if engine == "spark" else None
            built = build_cohort(study, base, folder / "cohort.parquet", spark)
        else:
            built = build_panel(study, base, folder / "panel.parquet")
    except EvaluationError as error:
        return None, [_of_table(draft.document, p) for p in error.problems]
    told = [_of_table(draft.document, p) for p in built.problems]
    if any(p.severity == "error" for p in told):
        return None, told
    return built, [*told, *_simulated_tables(draft, study, base)]


def passing_folder() -> Path:
    """A private folder that goes with the process; those of processes that were stopped are cleared away."""
    from evaluation.data.passing import passing

    return passing("evaluation-run-")


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
    return document.problem(tuple(int(p) if p.isdigit() else p for p in parts), what, problem.fix, problem.severity)


def _simulated(draft: Draft, source: Source) -> list[Problem]:
    """Simulated data in a study that does not say so: the reports will say it all the same."""
    if source.planted is None:
        return []
    return _unsaid(draft, f"{source.where} holds simulated data", source.planted, ("data", "path"))


def _simulated_tables(draft: Draft, study: Study, base: Path) -> list[Problem]:
    """The same of the tables from which a study's data are built, by their names in the study file."""
    from evaluation.data.assemble.tables import open_tables
    from evaluation.study.spelling import listed

    planted = {name: table.planted for name, table in open_tables(study, base).items() if table.planted is not None}
    if not planted:
        return []
    what = (
        f"the {'table' if len(planted) == 1 else 'tables'} {listed(planted)} {'holds' if len(planted) == 1 else 'hold'}"
    )
    return _unsaid(draft, f"{what} simulated data", next(iter(planted.values())), ("data", "tables"))


def _unsaid(draft: Draft, what: str, planted: float, loc: Loc) -> list[Problem]:
    """A warning where the study file has no word about the simulation."""
    if draft.document.at(("simulation",)) is not None:
        return []
    said = f"{what} with a planted effect of {planted:g}; every report will say so."
    fix = f"To say it in the study file too, add: simulation: {{effect: {planted:g}}}."
    return [draft.document.problem(loc, said, fix, severity="warning")]
