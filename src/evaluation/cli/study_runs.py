"""The commands that run a study and render its reports."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from evaluation.cli.console import (
    STORE,
    AsJson,
    Out,
    StoreFolder,
    Studies,
    block,
    now,
    print_json,
    print_table,
    progress_bar,
    say,
    tell,
)
from evaluation.errors import EvaluationError, Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import Progress, TaskID

    from evaluation.run.execute import RunResult
    from evaluation.run.plan import Plan
    from evaluation.run.stored import Origin
    from evaluation.run.tables import Finished

Product = Literal["brief", "full", "appendix", "all"]
Format = Literal["html", "pdf", "docx", "all"]
Renderer = Literal["auto", "quarto", "pandoc"]
FORMATS = ("html", "pdf", "docx")
PRODUCTS = ("brief", "full", "appendix")


def origin(store: Path, like: Path | None = None) -> Origin:
    """Where studies of submitted tables read, today."""
    from datetime import date

    from evaluation.run.stored import Origin

    return Origin(store, date.fromisoformat(now()[:10]), like)


def _plans(studies: list[str], engine: str, origin: Origin) -> list[Plan]:
    """Every study planned before any is fitted; all problems of all of them at once."""
    from evaluation.run.plan import plan
    from evaluation.study.load import find

    plans: list[Plan] = []
    problems: list[Problem] = []
    for study in studies:
        try:
            plans.append(plan(find(study), engine, origin))
        except EvaluationError as error:
            problems += error.problems
    if problems:
        raise EvaluationError(*problems)
    return plans


def _each_once(places: list[str], given: list[str]) -> None:
    """Raise UsageError where two of the studies given would be written to one place."""
    first: dict[str, str] = {}
    for place, study in zip(places, given, strict=True):
        if place in first:
            both = f"{first[place]} and {study}" if first[place] != study else f"{study}, given twice,"
            what = f"{both} would write over each other in {place}."
            raise UsageError(Problem("", "", what, "Name each study once, and give each file an id of its own."))
        first[place] = study


def _advance(bar: Progress, task: TaskID, _done: Finished) -> None:
    bar.advance(task)


def _run_one(
    plan: Plan, out: Path, jobs: int, engine: str, products: Sequence[str], bar: Progress
) -> tuple[RunResult, list[Path]]:
    """Fit a study and render its reports, saying how far it is: a bar on a terminal, lines elsewhere."""
    from evaluation.run.execute import run as execute

    name, total = plan.file.study.study, len(plan.analyses)
    task = bar.add_task(f"{name}: fitting", total=total + len(products))
    result = execute(plan, out, jobs=jobs, engine=engine, progress=partial(_advance, bar, task))
    if bar.disable:
        tell(f"{name}: {total} analyses fitted" + (", writing reports" if products else ""))
    bar.update(task, description=f"{name}: writing reports" if products else name)
    paths = []
    for product in products:
        paths += _render(result.folder, (product,), FORMATS, "auto")
        bar.advance(task)
    return result, paths


def _render(folder: Path, products: Sequence[str], formats: Sequence[str], renderer: Renderer) -> list[Path]:
    from evaluation.report.render import render
    from evaluation.report.write import write

    return render(write(folder), folder / "report", tuple(products), tuple(formats), renderer)


def _chosen(choice: str, every: tuple[str, ...]) -> tuple[str, ...]:
    return every if choice == "all" else (choice,)


def run(
    studies: Studies,
    /,
    *,
    out: Out = Path("outputs"),
    engine: Literal["duckdb", "spark"] = "duckdb",
    jobs: int = 1,
    report: bool = True,
    store: StoreFolder = STORE,
    snapshot: Path | None = None,
    as_json: AsJson = False,
) -> int:
    """Data to estimates, diagnostics, disclosure control, results and reports.

    Parameters
    ----------
    engine
        Where panels are aggregated and cohorts built: here, or by Spark as the environment or the study's `engine:`
        says.
    jobs
        Analyses fitted at the same time.
    report
        Render the study's reports as well.
    snapshot
        The folder of an earlier run: read the store as that run did, for studies of submitted tables.
    """
    if jobs < 1:
        raise UsageError(Problem("", "--jobs", f"{jobs} analyses at a time is not possible; give 1 or more."))
    plans = _plans(studies, engine, origin(store, snapshot))
    _each_once([str(out / plan.file.study.study) for plan in plans], studies)
    for plan in plans:
        if plan.warnings:
            tell(block(plan.warnings))
    with progress_bar() as bar:
        done = [_run_one(p, out, jobs, engine, p.file.study.report.products if report else (), bar) for p in plans]
    results = [result for result, _ in done]
    paths = {result.study: written for result, written in done}
    _summary(results, paths, as_json)
    return int(any(r.failed for r in results))


def _summary(results: list[RunResult], paths: dict[str, list[Path]], as_json: bool) -> None:
    rows = [
        {
            "study": r.study,
            "analyses": len(r.analyses),
            "failed": len(r.failed),
            "estimates": r.n_estimates,
            "hidden": r.n_suppressed,
            "results": str(r.folder / "results"),
            "problems": [{k: a[k] for k in ("analysis", "status", "reason")} for a in r.failed],
            "reports": [str(p) for p in paths[r.study]],
        }
        for r in results
    ]
    for r in results:
        for a in r.failed:
            tell(f"{r.study}: analysis {a['analysis']} ({a['estimator']}): {a['status']}: {a['reason']}")
    if as_json:
        print_json(rows)
        return
    print_table(
        "",
        ("study", "analyses", "failed", "estimates", "hidden rows", "results"),
        [tuple(str(row[k]) for k in ("study", "analyses", "failed", "estimates", "hidden", "results")) for row in rows],
    )
    for row in rows:
        for path in row["reports"]:  # type: ignore[attr-defined]
            say(path)


def _run_folder(study: str, out: Path) -> Path:
    """The folder of a study's last run: given itself, or by study id, or by study file."""
    given = Path(study)
    folder = given if (given / "results").is_dir() else out / given.stem
    if not (folder / "results" / "provenance.json").is_file():
        raise EvaluationError(
            Problem(
                str(folder),
                "",
                f"there is no finished run of {given.stem} here.",
                f"Run it first (evaluation run {study}), or name its folder with --out.",
            )
        )
    return folder


def report(
    studies: Studies,
    /,
    *,
    product: Product = "all",
    to: Format = "all",
    renderer: Renderer = "auto",
    out: Out = Path("outputs"),
    as_json: AsJson = False,
) -> int:
    """Render reports from the released results alone; the data are never opened.

    Parameters
    ----------
    product
        Which report.
    to
        Which format.
    renderer
        auto takes Quarto where it is installed, else the built-in Pandoc and Typst.
    """
    folders = [_run_folder(s, out) for s in studies]
    _each_once([str(f.resolve() / "report") for f in folders], studies)
    paths = [p for f in folders for p in _render(f, _chosen(product, PRODUCTS), _chosen(to, FORMATS), renderer)]
    if as_json:
        print_json([str(p) for p in paths])
    else:
        for path in paths:
            say(str(path))
    return 0
