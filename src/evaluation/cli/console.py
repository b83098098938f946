"""What every command prints with: answers on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import Progress

    from evaluation.errors import Problem

EVALUATOR = Group("Evaluator's commands", sort_key=1)
AGENCY = Group("Agency's commands", sort_key=2)
OPERATOR = Group("Operator's commands", sort_key=3)

AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print the same content as JSON on stdout.")]
Force = Annotated[bool, Parameter(name="--force", negative="", help="Replace data that this tool did not make.")]
Out = Annotated[Path, Parameter(name="--out", help="Folder that runs are written under.")]
StoreFolder = Annotated[
    Path, Parameter(name="--store", env_var="EVALUATION_STORE", help="Folder of the store.", show_default=True)
]
STORE = Path("store")
Studies = Annotated[list[str], Parameter(help="Paths of study files, or ids of studies in studies/.", negative="")]


def now() -> str:
    """This moment in UTC, as receipts tell it."""
    from datetime import UTC, datetime

    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def say(text: str = "") -> None:
    """A line on stdout."""
    sys.stdout.write(text + "\n")


def tell(text: str) -> None:
    """A line on stderr, at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def print_json(content: Any) -> None:
    """`content` as JSON on stdout."""
    say(json.dumps(content, indent=2, ensure_ascii=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on stdout, as wide as the terminal or 160 columns."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, title=title, box=SIMPLE_HEAD, title_justify="left")
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 160
    Console(file=sys.stdout, width=width, highlight=False, markup=False).print(table)


def block(problems: Sequence[Problem]) -> str:
    """Problems as one readable block: where, then what and how to mend it."""
    lines = []
    for p in problems:
        lines.append(f"{p.severity}: {p.where or 'evaluation'}" + (f": {p.key}" if p.key else ""))
        lines.append(f"    {p.what}")
        if p.fix:
            lines.append(f"    {p.fix}")
    return "\n".join(lines)


def progress_bar() -> Progress:
    """A progress bar on stderr; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(SpinnerColumn(), *columns, console=console, disable=not console.is_terminal)
