"""Commands before a run: start a study file, check it, make data for it, look up estimators."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from evaluation.cli.console import (
    STORE,
    AsJson,
    Force,
    StoreFolder,
    Studies,
    block,
    print_json,
    print_table,
    progress_bar,
    say,
    tell,
)
from evaluation.cli.study_runs import origin
from evaluation.errors import EvaluationError, Problem, UsageError
from evaluation.run.declared import Declared

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evaluation.run.design import Power
    from evaluation.run.design_cohort import CohortPower
    from evaluation.study.load import StudyFile

FEWEST_DRAWS = 100


def init(name: str, *, design: Literal["panel", "cohort"]) -> int:
    """Write a commented starter study file, studies/NAME.yaml.

    Parameters
    ----------
    name
        Id of the study: small letters, digits and underscores.
    design
        panel: places or people observed over periods. cohort: people followed after an index date.
    """
    from evaluation.study.starter import starter

    text = starter(name, design)
    path = Path("studies") / f"{name}.yaml"
    if path.exists():
        raise EvaluationError(
            Problem(
                str(path),
                "",
                "this file exists already and was left as it is.",
                "Choose another name, or move it away first.",
            )
        )
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    say(f"Wrote {path}. Fill in what it asks for, then: evaluation check {name}")
    return 0


def examples(
    *, agencies: Annotated[bool, Parameter(negative="")] = False, force: Force = False, as_json: AsJson = False
) -> int:
    """Write the shipped studies into studies/ (where they are not there yet), their cases, and the data they need.

    Parameters
    ----------
    agencies
        Write the files of five invented agencies instead, a script that submits them, and a study of what they sent.
    """
    from evaluation import resources

    if agencies:
        return _example_agencies(as_json=as_json)
    Path("studies").mkdir(exist_ok=True)
    rows: list[dict[str, str | None]] = []
    problems: list[Problem] = []
    for shipped in sorted(resources.folder("studies").glob("*.yaml")):
        try:
            rows.append(_example(shipped, force))
        except EvaluationError as error:
            problems += error.problems
    if rows and not as_json:
        print_table("", ("study file", "data"), [(str(r["study"]), r["data"] or "yours to add") for r in rows])
    if problems:
        raise EvaluationError(*problems)
    if as_json:
        print_json(rows)
    return 0


def _example_agencies(*, as_json: bool) -> int:
    from evaluation.data.example_agencies import STUDY, provide

    made = [str(path) for path in provide(Path())]
    if as_json:
        print_json(made)
        return 0
    say(f"Wrote {len(made)} files: agencies/ and studies/{STUDY}.yaml." if made else "All files are there already.")
    say(f"To submit them to a new store and evaluate: sh agencies/send.sh && evaluation run {STUDY}")
    return 0


def _example(shipped: Path, force: bool) -> dict[str, str | None]:
    """Write one shipped study and its folder, where their files are not there yet, and the data that it asks for."""
    import shutil

    from evaluation.data.examples import provide
    from evaluation.study.load import load

    study = Path("studies") / shipped.name
    beside = [f for f in sorted(shipped.with_suffix("").rglob("*")) if f.is_file()]
    for file in (shipped, *beside):
        place = study.parent / file.relative_to(shipped.parent)
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
    data = provide(load(study).study, study.parent, force=force)
    return {"study": str(study), "data": os.path.relpath(data) if data else None}


def check(studies: Studies, /, *, store: StoreFolder = STORE, as_json: AsJson = False) -> int:
    """Validate study files, the data against them, and every estimator's options; run nothing."""
    from evaluation.run.plan import check as problems_of
    from evaluation.study.load import find

    found = []
    for study in studies:
        try:
            problems = problems_of(find(study), origin(store))
        except EvaluationError as error:
            problems = list(error.problems)
        found.append((study, problems))
    bad = any(p.severity == "error" for _, problems in found for p in problems)
    if as_json:
        print_json(
            [
                {
                    "study": study,
                    "ok": all(p.severity != "error" for p in problems),
                    "problems": [p.to_dict() for p in problems],
                }
                for study, problems in found
            ]
        )
        return int(bad)
    for study, problems in found:
        if problems:
            tell(block(problems))
        errors = sum(p.severity == "error" for p in problems)
        if errors:
            tell(f"{study}: {errors} error{'s' * (errors > 1)}")
        else:
            say(f"{study}: ready to run")
    return int(bad)


def simulate(study: str, /, *, effect: float, out: Path, seed: int | None = None, force: Force = False) -> int:
    """Dummy data that fit the study file, with planted edge cases and a planted true effect.

    Parameters
    ----------
    effect
        The truth to plant, on the scale of the primary analysis: a risk difference, a log hazard
        ratio (primary analysis cox), or an average effect.
    out
        Parquet file to write; a folder, for a study whose cohort is built from tables.
    seed
        Seed of the random numbers; default: the study's own, else 1.
    """
    from evaluation.data.simulate import simulate as make
    from evaluation.study.load import find, load

    if not math.isfinite(effect):
        raise UsageError(Problem("", "--effect", f"{effect} is no effect; give a finite number."))
    if seed is not None and seed < 0:
        raise UsageError(Problem("", "--seed", f"{seed} cannot seed random numbers; give 0 or more."))
    path = make(load(find(study)).study, effect, out, seed, force=force)
    say(f"Wrote {path}: simulated data with a planted effect of {effect:g}")
    return 0


def design(
    study: str, /, *, power: float = 0.8, draws: int = 500, seed: int = 1,
    planned: Annotated[Declared | None, Parameter(name="*")] = None, store: StoreFolder = STORE,
    as_json: AsJson = False,
) -> int:  # fmt: skip
    """Power and the smallest detectable effect, before outcomes are opened.

    Panels: by simulation. Outcomes from the first adoption on are not read: how they vary is taken from the periods
    before it, or from the study's simulation section where there are no data yet. Cohorts: by formula. Outcomes are
    never read by arm; what the data do not tell is declared by the options below.

    Parameters
    ----------
    power
        Probability with which the effect is to be found.
    draws
        Simulated data sets, of a panel.
    seed
        Seed of the random numbers, of a panel.
    """
    from evaluation.run.plan import passing_folder
    from evaluation.run.stored import with_tables
    from evaluation.study.load import find, load
    from evaluation.study.models import CohortDesign

    if not 0.05 < power < 1:
        raise UsageError(Problem("", "--power", f"{power} is no power; give a share between 0.05 and 1."))
    if draws < FEWEST_DRAWS:
        raise UsageError(Problem("", "--draws", f"{draws} draws are too few to tell; give {FEWEST_DRAWS} or more."))
    path = find(study)
    file, given = with_tables(load(path), origin(store), passing_folder() / "tables"), planned or Declared()
    if isinstance(file.study.design, CohortDesign):
        return _design_cohort(file, given, power, as_json=as_json)
    if given.given:
        raise UsageError(Problem("", _option(given.given[0]), "is for studies that follow people.", "Leave it out."))
    return _design_panel(file, power, draws, seed, as_json=as_json)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _design_cohort(file: StudyFile, given: Declared, target: float, *, as_json: bool) -> int:
    from evaluation.run import design_cohort

    if given.impossible:
        raise UsageError(*(Problem("", _option(n), f"{getattr(given, n)} cannot be; give {what}.")
                           for n, what in given.impossible))  # fmt: skip
    found, problems = design_cohort.power(design_cohort.plans(file, given), target)
    return _said(found, problems, as_json, lambda: _print_cohort(found, target))


def _said(found: Sequence[Any], problems: list[Problem], as_json: bool, show: Callable[[], None]) -> int:
    if as_json:
        print_json({"analyses": [p.row() for p in found], "problems": [p.to_dict() for p in problems]})
    elif found:
        show()
    if problems and not as_json:
        tell(block(problems))
    return int(not found)


def _print_cohort(found: list[CohortPower], target: float) -> None:
    for p in found:
        when = "" if p.window is None else f", within {p.window:g} {p.time_unit}{'' if p.window == 1 else 's'}"
        say(f"{p.analysis}: {p.outcome} ({p.estimator}){when}")
        clusters = "" if p.n_clusters is None else f", {p.n_clusters:,} clusters (design effect {p.design_effect:.2f})"
        say(f"  Planned: {p.n_people:,} people with a known outcome, {p.n_treated:,} of them treated{clusters}")
        say(f"  Rests on {p.rests_on}.")
        say(f"  Risk without the program: {p.baseline:.1%}; events expected without any effect: {p.events:,.0f}")
        ratio = "" if p.detectable_ratio is None else f" (a ratio of {p.detectable_ratio:.3f})"
        say(f"  Smallest effect found with probability {target:.0%}: {p.detectable:.3g}{ratio}")
        say(f"  Standard error of the estimate: {p.std_error:.3g}")
        if p.planned_effect is not None and p.planned_power is not None:
            planned = f"{p.planned_effect:g}, is found with probability {p.planned_power:.0%}"
            say(f"  The effect that the study plans, {planned}")
        print_table("", ("effect", "power"), [(f"{e:.3g}", f"{share:.0%}") for e, share in p.curve])


def _design_panel(file: StudyFile, power: float, draws: int, seed: int, *, as_json: bool) -> int:
    from evaluation.run.design import plans
    from evaluation.run.design import power as reckon

    known = plans(file)
    with progress_bar() as bar:
        task = bar.add_task("simulating", total=draws)
        found, problems = reckon(
            known, draws=draws, target=power, seed=seed, progress=lambda done: bar.update(task, completed=done)
        )
    return _said(found, problems, as_json, lambda: _print_power(found, power))


def _print_power(found: list[Power], target: float) -> None:
    for p in found:
        say(f"{p.analysis}: {p.outcome} ({p.estimator})")
        say(f"  Planned: {p.n_units:,} units, {p.n_treated:,} of them treated, {p.n_clusters:,} clusters")
        say(f"  Rests on {p.rests_on}.")
        say(f"  Smallest effect found with probability {target:.0%}: {p.detectable:.3g}")
        say(f"  Standard error of the estimate: {p.std_error:.3g}")
        say(f"  Without any effect the test finds one in {p.size:.1%} of the draws.")
        print_table("", ("effect", "power"), [(f"{e:.3g}", f"{share:.0%}") for e, share in p.curve])


def methods(estimator: str | None = None, /, *, as_json: AsJson = False) -> int:
    """What estimators there are; with a name: its options, defaults, conventions and source."""
    from evaluation.estimators.registry import describe, get, known

    if estimator is None:
        rows = [describe(name) for name in known()]
        if as_json:
            print_json(rows)
        else:
            print_table(
                "", ("estimator", "design", "what it does"), [(r["id"], r["design"], r["summary"]) for r in rows]
            )
        return 0
    if estimator not in known():
        from difflib import get_close_matches

        near = get_close_matches(estimator, known(), n=1)
        hint = f'did you mean "{near[0]}"? ' if near else ""
        raise UsageError(Problem("", estimator, f"there is no such estimator; {hint}there are: {', '.join(known())}."))
    about = describe(get(estimator).id)
    if as_json:
        print_json(about)
        return 0
    say(f"{about['title']} ({about['id']}, {about['design']} designs)\n\n{about['summary']}\n")
    say(f"Needs: {about['needs']}\nConventions: {about['conventions']}\nSource: {about['source']}")
    print_table(
        "Options",
        ("option", "values", "default", "what it does"),
        [(o["name"], o["values"], o["default"], o["description"]) for o in about["options"]],
    )
    return 0
