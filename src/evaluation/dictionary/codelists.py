"""Lists of codes: `codelists/<name>.csv` with the columns `code` and `label`, and for some lists more."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache

from evaluation import resources


@dataclass(frozen=True)
class Code:
    """One code, what it means, and the group it belongs to where the list has groups."""

    code: str
    label: str
    group: str = ""


@cache
def codelist(name: str) -> tuple[Code, ...]:
    """The codes of a list, in the order of its file. Raises FileNotFoundError for a list that does not exist."""
    file = resources.folder("data_dictionary") / "codelists" / f"{name}.csv"
    with file.open(encoding="utf-8", newline="") as lines:
        return tuple(Code(r["code"], r["label"], r.get("group") or "") for r in csv.DictReader(lines))
