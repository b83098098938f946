"""Whether the groups of people that a study looks at, and the tables that tell what was delivered, are in its data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from evaluation.errors import Problem
from evaluation.study.document import Document, Loc
from evaluation.study.spelling import hint, listed

if TYPE_CHECKING:
    from evaluation.data.engine import Source
    from evaluation.study.load import Draft

MOST_LISTED = 30


def group_problems(document: Document, source: Source) -> Iterator[Problem]:
    """Columns of `subgroups` that the data lack, and bands of columns that hold no numbers."""
    asked = document.at(("subgroups",))
    if document.at(("design", "type")) != "cohort" or not isinstance(asked, list):
        return
    for i, entry in enumerate(asked):
        loc: Loc = ("subgroups", i) if isinstance(entry, str) else ("subgroups", i, "column")
        name = document.at(loc)
        if not isinstance(name, str) or not name:
            continue  # wrong in itself, and told so where the file is judged
        if name not in source.columns:
            columns = list(source.columns)
            more = f" and {len(columns) - MOST_LISTED} more" if len(columns) > MOST_LISTED else ""
            fix = f"Columns of {source.where}: {listed(columns[:MOST_LISTED])}{more}."
            yield document.problem(loc, f'the data have no column "{name}"' + hint(name, columns), fix)
        elif isinstance(entry, dict) and entry.get("cut") and not source.is_number(name):
            what = f'"{name}" holds no numbers, so it has no bands.'
            yield document.problem(("subgroups", i, "cut"), what, "Leave out cut.")


def delivery_problems(draft: Draft, source: Source) -> Iterator[Problem]:
    """What `implementation` asks of the tables and of the cohort, and does not find there."""
    from evaluation.data.implementation import problems

    if draft.file is None:
        return
    for problem in problems(draft.file.study, draft.document.path.parent, source):
        loc: Loc = tuple(int(p) if p.isdigit() else p for p in re.findall(r"[^.\[\]]+", problem.key))
        what = f"{problem.where}: {problem.what}" if problem.where else problem.what
        yield draft.document.problem(loc, what, problem.fix)
