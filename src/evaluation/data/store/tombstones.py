"""People who are to be forgotten: their tokens, by which their rows are left out when sent again."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from evaluation.data.store.files import settle
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

PERSON = "person_id"
NAME = "removed.jsonl"

Tombstones = dict[str, frozenset[str]]  # tokens by agency


def tombstones(store: Path) -> Tombstones:
    """The tokens of the people of each agency who are to be forgotten."""
    found: dict[str, set[str]] = {}
    for line in _lines(store):
        for agency, tokens in line["people"].items():
            found.setdefault(agency, set()).update(tokens)
    return {agency: frozenset(tokens) for agency, tokens in found.items()}


def _lines(store: Path) -> list[dict[str, Any]]:
    path = store / NAME
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    except ValueError:
        what = "the list of people who are to be forgotten is damaged."
        raise DataError(Problem(str(path), "", what, "Nothing is stored without it: take it from a backup.")) from None


def digest(people: Mapping[str, Sequence[str]]) -> str:
    """The hash by which a receipt tells of the people that one removal names."""
    listed = json.dumps({a: sorted(t) for a, t in people.items()}, sort_keys=True)
    return hashlib.sha256(listed.encode()).hexdigest()


def people_of(store: Path, removal: str) -> dict[str, list[str]] | None:
    """The tokens by agency that a removal names; None where it was stopped before they were written."""
    found: list[dict[str, list[str]]] = [line["people"] for line in _lines(store) if line.get("removal") == removal]
    return found[0] if found else None


def bury(store: Path, removal: str, people: Mapping[str, Sequence[str]]) -> None:
    """Add the people of a removal; on the disk when it returns."""
    path = store / NAME
    content = path.read_bytes() if path.exists() else b""
    line = json.dumps({"removal": removal, "people": {a: sorted(t) for a, t in people.items()}}, sort_keys=True)
    with path.open("r+b" if content else "wb") as file:
        file.seek(content.rfind(b"\n") + 1)  # over a line that breaks off
        file.truncate()
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    settle(path)


def without(rows: pa.Table, tokens: frozenset[str]) -> tuple[pa.Table, int]:
    """The rows of all others, and how many were left out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not tokens or PERSON not in rows.column_names:
        return rows, 0
    named = pc.is_in(rows[PERSON], value_set=pa.array(sorted(tokens), pa.string()))
    left = rows.filter(pc.invert(named))
    return left, rows.num_rows - left.num_rows
