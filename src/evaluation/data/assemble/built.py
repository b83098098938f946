"""What comes of building a panel or a cohort from tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.data.parquet import MARK, PLANTED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from duckdb import DuckDBPyConnection

    from evaluation.data.engine import Source
    from evaluation.errors import Problem
    from evaluation.results import Check, FlowStep


@dataclass(frozen=True)
class Built:
    """Data made from tables: their file, the files they came from, what was left out, and what was noticed."""

    source: Source
    files: tuple[str, ...]
    flow: tuple[FlowStep, ...]
    checks: tuple[Check, ...] = ()
    problems: tuple[Problem, ...] = ()  # what `evaluation check` shows of it: errors and warnings


def write(connection: DuckDBPyConnection, query: str, out: Path, tables: Iterable[Source]) -> None:
    """Write the rows of a query as Parquet, marked as made here and with the planted effect of its tables, if any."""
    out.parent.mkdir(parents=True, exist_ok=True)
    target = str(out).replace("'", "''")
    planted = [s.planted for s in tables if s.planted is not None]
    said = {MARK.decode(): "built"} | ({PLANTED.decode(): repr(planted[0])} if planted else {})
    metadata = ", ".join(f"'{k}': '{v}'" for k, v in said.items())
    connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{metadata}}})")
