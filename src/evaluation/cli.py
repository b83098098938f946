"""The command line: every command thin, every heavy import inside the command that needs it.

Exit codes: 0 done, 1 the work ran and something in it failed or was refused, 2 wrong usage.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, CycloptsError, Group, Parameter

from evaluation import __version__
from evaluation.errors import EvaluationError, Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import Progress, TaskID

    from evaluation.run.execute import RunResult
    from evaluation.run.plan import Plan
    from evaluation.run.tables import Finished

app = App(
    name="evaluation",
    version=__version__,
    help=(
        "From a study file and agencies' Parquet data to a defensible outcomes report. "
        "Commands are listed in the order of the work."
    ),
)
_EVALUATOR = Group("Evaluator's commands", sort_key=1)

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print the same content as JSON on stdout.")]
Out = Annotated[Path, Parameter(name="--out", help="Folder that runs are written under.")]
Studies = Annotated[list[str], Parameter(help="Paths of study files, or ids of studies in studies/.", negative="")]
Product = Literal["brief", "full", "appendix", "all"]
Format = Literal["html", "pdf", "docx", "all"]
Renderer = Literal["auto", "quarto", "pandoc"]


def _say(text: str = "") -> None:
    sys.stdout.write(text + "\n")


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _print_json(content: Any) -> None:
    _say(json.dumps(content, indent=2, ensure_ascii=False))


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, title=title, box=SIMPLE_HEAD, title_justify="left")
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 160
    Console(file=sys.stdout, width=width, highlight=False, markup=False).print(table)


def _block(problems: Sequence[Problem]) -> str:
    """Problems as one readable block: where, then what and how to mend it."""
    lines = []
    for p in problems:
        lines.append(f"{p.severity}: {p.where or 'evaluation'}" + (f": {p.key}" if p.key else ""))
        lines.append(f"    {p.what}")
        if p.fix:
            lines.append(f"    {p.fix}")
    return "\n".join(lines)


@app.command(group=_EVALUATOR, sort_key=1)
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
    _say(f"Wrote {path}. Fill in what it asks for, then: evaluation check {name}")
    return 0


@app.command(group=_EVALUATOR, sort_key=2)
def examples(*, as_json: AsJson = False) -> int:
    """Write the shipped studies into studies/ (where they are not there yet), and the data they need."""
    import shutil

    from evaluation import resources
    from evaluation.data.examples import provide
    from evaluation.study.load import load

    Path("studies").mkdir(exist_ok=True)
    rows = []
    for shipped in sorted(resources.folder("studies").glob("*.yaml")):
        study = Path("studies") / shipped.name
        if not study.exists():
            shutil.copyfile(shipped, study)
        data = provide(load(study).study, study.parent)
        rows.append({"study": str(study), "data": os.path.relpath(data) if data else None})
    if as_json:
        _print_json(rows)
    else:
        _table("", ("study file", "data"), [(str(r["study"]), str(r["data"] or "yours to add")) for r in rows])
    return 0


@app.command(group=_EVALUATOR, sort_key=3)
def check(studies: Studies, /, *, as_json: AsJson = False) -> int:
    """Validate study files, the data against them, and every estimator's options; run nothing."""
    from evaluation.run.plan import check as problems_of
    from evaluation.study.load import find

    found = []
    for study in studies:
        try:
            problems = problems_of(find(study))
        except EvaluationError as error:
            problems = list(error.problems)
        found.append((study, problems))
    bad = any(p.severity == "error" for _, problems in found for p in problems)
    if as_json:
        _print_json(
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
            _tell(_block(problems))
        errors = sum(p.severity == "error" for p in problems)
        if errors:
            _tell(f"{study}: {errors} error{'s' * (errors > 1)}")
        else:
            _say(f"{study}: ready to run")
    return int(bad)


@app.command(group=_EVALUATOR, sort_key=4)
def simulate(study: str, /, *, effect: float, out: Path, seed: int | None = None) -> int:
    """Dummy data that fit the study file, with planted edge cases and a planted true effect.

    Parameters
    ----------
    effect
        The truth to plant, on the scale of the primary analysis: a risk difference, a log hazard
        ratio (primary analysis cox), or an average effect.
    out
        Parquet file to write.
    seed
        Seed of the random numbers; default: the study's own, else 1.
    """
    from evaluation.data.simulate import simulate as make
    from evaluation.study.load import find, load

    path = make(load(find(study)).study, effect, out, seed)
    _say(f"Wrote {path}: simulated data with a planted effect of {effect:g}")
    return 0


def _plans(studies: list[str]) -> list[Plan]:
    """Every study planned before any is fitted; all problems of all of them at once."""
    from evaluation.run.plan import plan
    from evaluation.study.load import find

    plans: list[Plan] = []
    problems: list[Problem] = []
    for study in studies:
        try:
            plans.append(plan(find(study)))
        except EvaluationError as error:
            problems += error.problems
    if problems:
        raise EvaluationError(*problems)
    return plans


def _advance(bar: Progress, task: TaskID, _done: Finished) -> None:
    bar.advance(task)


def _run_all(plans: list[Plan], out: Path, jobs: int, engine: str) -> list[RunResult]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from evaluation.run.execute import run as execute

    results = []
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        for plan in plans:
            task = bar.add_task(plan.file.study.study, total=len(plan.analyses))
            results.append(execute(plan, out, jobs=jobs, engine=engine, progress=partial(_advance, bar, task)))
    return results


def _render(folder: Path, products: Sequence[str], formats: Sequence[str], renderer: Renderer) -> list[Path]:
    from evaluation.report.render import render
    from evaluation.report.write import write

    return render(write(folder), folder / "report", tuple(products), tuple(formats), renderer)


def _chosen(choice: str, every: tuple[str, ...]) -> tuple[str, ...]:
    return every if choice == "all" else (choice,)


FORMATS = ("html", "pdf", "docx")
PRODUCTS = ("brief", "full", "appendix")


@app.command(group=_EVALUATOR, sort_key=5)
def run(
    studies: Studies,
    /,
    *,
    out: Out = Path("outputs"),
    engine: Literal["duckdb"] = "duckdb",
    jobs: int = 1,
    report: bool = True,
    as_json: AsJson = False,
) -> int:
    """Data to estimates, diagnostics, disclosure control, results and reports.

    Parameters
    ----------
    engine
        Where the data are aggregated.
    jobs
        Analyses fitted at the same time.
    report
        Render the study's reports as well.
    """
    if jobs < 1:
        raise UsageError(Problem("", "--jobs", f"{jobs} analyses at a time is not possible; give 1 or more."))
    plans = _plans(studies)
    for plan in plans:
        if plan.warnings:
            _tell(_block(plan.warnings))
    results = _run_all(plans, out, jobs, engine)
    paths: dict[str, list[Path]] = {r.study: [] for r in results}
    if report:
        for plan, result in zip(plans, results, strict=True):
            paths[result.study] = _render(result.folder, plan.file.study.report.products, FORMATS, "auto")
    _summary(results, paths, as_json)
    return int(any(r.failed for r in results))


def _summary(results: list[RunResult], paths: dict[str, list[Path]], as_json: bool) -> None:
    rows = [
        {
            "study": r.study,
            "analyses": len(r.finished),
            "failed": len(r.failed),
            "estimates": r.n_estimates,
            "hidden": r.n_suppressed,
            "results": str(r.folder / "results"),
            "problems": [{"analysis": f.analysis.id, "status": f.status, "reason": f.reason} for f in r.failed],
            "reports": [str(p) for p in paths[r.study]],
        }
        for r in results
    ]
    for r in results:
        for f in r.failed:
            _tell(f"{r.study}: analysis {f.analysis.id} ({f.analysis.estimator}): {f.status}: {f.reason}")
    if as_json:
        _print_json(rows)
        return
    _table(
        "",
        ("study", "analyses", "failed", "estimates", "hidden rows", "results"),
        [tuple(str(row[k]) for k in ("study", "analyses", "failed", "estimates", "hidden", "results")) for row in rows],
    )
    for row in rows:
        for path in row["reports"]:  # type: ignore[attr-defined]
            _say(path)


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


@app.command(group=_EVALUATOR, sort_key=6)
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
    paths = [p for f in folders for p in _render(f, _chosen(product, PRODUCTS), _chosen(to, FORMATS), renderer)]
    if as_json:
        _print_json([str(p) for p in paths])
    else:
        for path in paths:
            _say(str(path))
    return 0


@app.command(group=_EVALUATOR, sort_key=7)
def methods(estimator: str | None = None, /, *, as_json: AsJson = False) -> int:
    """What estimators there are; with a name: its options, defaults, conventions and source."""
    from evaluation.estimators.registry import describe, get, known

    if estimator is None:
        rows = [describe(name) for name in known()]
        if as_json:
            _print_json(rows)
        else:
            _table("", ("estimator", "design", "what it does"), [(r["id"], r["design"], r["summary"]) for r in rows])
        return 0
    if estimator not in known():
        from difflib import get_close_matches

        near = get_close_matches(estimator, known(), n=1)
        hint = f'did you mean "{near[0]}"? ' if near else ""
        raise UsageError(Problem("", estimator, f"there is no such estimator; {hint}there are: {', '.join(known())}."))
    about = describe(get(estimator).id)
    if as_json:
        _print_json(about)
        return 0
    _say(f"{about['title']} ({about['id']}, {about['design']} designs)\n\n{about['summary']}\n")
    _say(f"Needs: {about['needs']}\nConventions: {about['conventions']}\nSource: {about['source']}")
    _table(
        "Options",
        ("option", "values", "default", "what it does"),
        [(o["name"], o["values"], o["default"], o["description"]) for o in about["options"]],
    )
    return 0


def _fail(error: EvaluationError, as_json: bool) -> int:
    if as_json:
        _print_json({"ok": False, "problems": [p.to_dict() for p in error.problems]})
    _tell(_block(error.problems))
    return error.exit_code


def _command(tokens: Sequence[str]) -> str:
    return f" {tokens[0]}" if tokens and tokens[0] in app else ""


def call(tokens: Sequence[str]) -> int:
    """Run one command line and give its exit code; nothing a user can do wrong ends in a traceback."""
    try:
        code = app(list(tokens), exit_on_error=False, print_error=False, result_action="return_value")
        return code if isinstance(code, int) else 0
    except CycloptsError as error:
        _tell(f"error: {error}\nSee: evaluation{_command(tokens)} --help")
        return 2
    except EvaluationError as error:
        return _fail(error, "--json" in tokens)
    except KeyboardInterrupt:
        _tell("stopped; nothing half-written was left in place")
        return 1
    except BrokenPipeError:
        sys.stdout = None  # the reader went away: keep the interpreter from flushing
        return 1


def main() -> None:
    """Entry point of the `evaluation` command."""
    sys.exit(call(sys.argv[1:]))
