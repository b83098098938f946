"""How long it takes to read and to check what an agency sends, and in how much memory.

Writes docs/benchmarks-validation.md.

Each measurement is a process of its own: one that reads alone, one that reads and checks; the difference of their
medians is the check. Memory is the process's peak (ru_maxrss) of the second.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks-validation.md"
RUNS = 3
CODES = ("35A", "220", "23C", "240", "13B", "290")


def write(path: Path, rows: int, seed: int = 1) -> None:
    """Justice events of which every thousandth has something wrong, as CSV."""
    draw = np.random.default_rng(seed)
    days = np.datetime64("2025-01-01") + draw.integers(0, 365, rows)
    code = np.array(CODES)[draw.integers(0, len(CODES), rows)]
    table = {
        "n": np.arange(rows), "person": draw.integers(0, rows // 3 + 1, rows), "day": days.astype(str),
        "offence": (days - draw.integers(0, 5, rows)).astype(str), "code": code,
    }  # fmt: skip
    with duckdb.connect() as connection:
        import pyarrow as pa

        connection.register("made", pa.table({k: pa.array(v) for k, v in table.items()}))
        wrong = "n % 1000 = 999"
        connection.execute(f"""COPY (
            SELECT 'city_police' AS agency_id, 'E' || n AS event_id, 'P' || person AS person_id,
                   CASE WHEN {wrong} AND n % 3 = 0 THEN 'arest' ELSE 'arrest' END AS event_type,
                   CASE WHEN {wrong} AND n % 3 = 1 THEN '31/12/2025' ELSE day END AS event_date,
                   offence AS offence_date, day AS arrest_date, code AS offence_code,
                   CASE WHEN {wrong} AND n % 3 = 2 THEN '' ELSE 'felony' END AS offence_level,
                   'new_crime' AS reason, CASE WHEN code = '35A' THEN 'P' END AS criminal_activity
            FROM made) TO '{path}' (HEADER, DELIMITER ',')""")


def once(path: Path, *, checking: bool) -> dict[str, float]:
    """Read, and perhaps check; run in a process of its own."""
    from evaluation.data.intake.check import Sent, check
    from evaluation.data.intake.received import receive, scratch_connection
    from evaluation.dictionary.compile_rules import Known
    from evaluation.dictionary.tables import tables

    table = tables()["justice_events"]
    with tempfile.TemporaryDirectory() as folder, scratch_connection(Path(folder)) as connection:
        connection.execute("SET threads = 2")
        begun = time.perf_counter()
        received = receive(path, table.name, connection, Path(folder))
        read = time.perf_counter()
        findings = 0
        if checking:
            sent = Sent("city_police", "2025-01-01", "2026-01-01", "2026-06-30")
            findings = sum(f.count for f in check(received, table, connection, Known({}), sent)[0])
        done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"read": read - begun, "check": done - read, "peak": peak, "findings": findings}


def measured(path: Path) -> dict[str, float]:
    """Medians over `RUNS` processes that read and check, and of as many that read alone, in turn."""
    found: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    for _ in range(RUNS):
        for checking, results in found.items():
            command = [sys.executable, __file__, "--one", str(path), *(["--check"] if checking else [])]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            results.append(json.loads(done.stdout))
    middle = {k: statistics.median(r[k] for r in found[True]) for k in ("read", "check", "peak", "findings")}
    return middle | {"peak_read": statistics.median(r["peak"] for r in found[False])}


def main() -> None:
    """Measure every size and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="*", type=int, default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--one", type=Path)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(once(asked.one, checking=asked.check)))
        return
    lines = []
    for rows in asked.sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "events.csv"
            write(path, rows)
            size = path.stat().st_size / 2**20
            m = measured(path)
        lines.append(
            f"| {rows:,} | {size:,.0f} | {m['read']:.2f} | {m['check']:.2f} | {m['findings']:,.0f} | {m['peak']:,.0f} |"
        )
        print(lines[-1], flush=True)
    PAGE.write_text(page(lines), encoding="utf-8")


def page(lines: list[str]) -> str:
    """The page of the docs."""
    table = "\n".join(lines)
    return f"""# Benchmarks: checking what agencies send

Made by `python benchmarks/validation.py`: justice events as CSV with 11 columns, one row in a thousand wrong, held
against the dictionary ({len(_rules())} rules of the table, the limits of every cell, keys, agency, period). Medians of
{RUNS} processes; DuckDB with 2 threads and at most 2 GB of memory, the rest spilled to disk. {os.cpu_count()} cores,
{platform.machine()}, Python {platform.python_version()}, DuckDB {duckdb.__version__}.

| rows | file, MB | read, s | check, s | findings | peak memory, MB |
|---:|---:|---:|---:|---:|---:|
{table}

Reading puts the rows into a table of text with the row numbers that a spreadsheet shows; the check runs on that. The
goal is a check of a million rows within 3 s. Findings of one rule and column beyond the hundredth are counted, not
listed.
"""


def _rules() -> tuple[object, ...]:
    from evaluation.dictionary.tables import tables

    return tables()["justice_events"].rules


if __name__ == "__main__":
    main()
