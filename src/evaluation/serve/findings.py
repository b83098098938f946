"""What was found in a file, as the clerk reads it: by column, by cell, and as CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.dictionary.findings import Finding
    from evaluation.serve.checking import Outcome

MOST_SHOWN = 500  # lines of the page; the CSV file has more


@dataclass(frozen=True)
class Line:
    """A finding with the cell as a spreadsheet calls it, such as C17; `anchor` is what links lead to."""

    anchor: str
    cell: str
    finding: Finding


@dataclass(frozen=True)
class Column:
    """What was found in one column: errors and warnings as numbers of cells, and the anchor of the first."""

    name: str
    anchor: str
    errors: int
    warnings: int


def lines(outcome: Outcome) -> list[Line]:
    """Every finding that is kept, errors first."""
    letters = dict(outcome.letters)
    found = []
    for number, f in enumerate(outcome.findings, start=1):
        letter = letters.get(f.column, "")
        row = "" if f.row is None else str(f.row)
        cell = f"{letter}{row}" if letter and row else f"column {letter}" if letter else f"row {row}" if row else ""
        found.append(Line(f"f{number}", cell, f))
    return found


def columns(listed: list[Line]) -> list[Column]:
    """The columns in which anything was found, in the order of the lines; that of the whole file has no name."""
    found: dict[str, Column] = {}
    for line in listed:
        f = line.finding
        old = found.get(f.column, Column(f.column, line.anchor, 0, 0))
        errors = old.errors + (f.count if f.severity == "error" else 0)
        found[f.column] = Column(f.column, old.anchor, errors, old.warnings + f.count * (f.severity == "warning"))
    return list(found.values())


def in_words(text: str) -> str:
    """A sentence without what is of the command line alone."""
    return text.replace(" (--nothing)", "")


def as_csv(outcome: Outcome) -> bytes:
    """The findings as a CSV file that no spreadsheet takes for formulas."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["severity", "cell", "row", "column", "rule", "cells", "what is wrong", "how to mend it"])
    for line in lines(outcome):
        f = line.finding
        row = "" if f.row is None else f.row
        text = (f.severity, line.cell, row, f.column, f.rule, f.count, in_words(f.message), in_words(f.remedy))
        writer.writerow([_harmless(str(t)) for t in text])
    return out.getvalue().encode("utf-8-sig")


def _harmless(text: str) -> str:
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
