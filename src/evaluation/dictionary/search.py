"""Finding tables and fields of the dictionary by words, and the nearest name to a mistyped one."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from evaluation.dictionary.codelists import codelist
from evaluation.dictionary.tables import tables
from evaluation.errors import Problem, UsageError

if TYPE_CHECKING:
    from evaluation.dictionary.tables import Field, Table


@dataclass(frozen=True)
class Hit:
    """A field in which every word asked for occurs, in its names, texts, or codes, or those of its table."""

    table: str
    field: str
    title: str
    description: str


def table_named(name: str) -> Table:
    """The table called `name`. Raises UsageError with the nearest name for one that does not exist."""
    known = tables()
    if name in known:
        return known[name]
    near = get_close_matches(name.lower(), known, n=1)
    fix = f"Did you mean {near[0]}?" if near else "See the tables: evaluation dictionary"
    raise UsageError(Problem(name, "", "the dictionary has no table of this name.", fix))


def search(words: str, table: Table | None = None) -> list[Hit]:
    """Fields in which all `words` occur, whatever their case, in the order of the dictionary."""
    asked = words.lower().split()
    within = [table] if table is not None else list(tables().values())
    return [
        Hit(t.name, f.name, f.title, f.description)
        for t in within
        for f in t.fields
        if all(word in _text(t, f) for word in asked)
    ]


def _text(table: Table, field: Field) -> str:
    codes = codelist(field.codelist) if field.codelist else ()
    parts = [table.name, table.title, field.name, field.title, field.description, *field.includes, *field.excludes]
    return " ".join([*parts, *(f"{c.code} {c.label}" for c in codes)]).lower()
