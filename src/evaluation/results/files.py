"""Results tables on disk: 12 significant digits, the same content always the same bytes."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.results.model import DATA_MODEL, TABLES, Kind, Table, data_model

Row = dict[str, Any]
SIGNIFICANT_DIGITS = 12


def rounded(value: float | None) -> float | int | None:
    """`value` at the 12 significant digits every results file holds; None for NaN and infinities."""
    if value is None or isinstance(value, int):
        return value
    value = float(value)
    if not math.isfinite(value):
        return None
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}") + 0.0  # + 0.0 turns -0.0 into 0.0


def _cell(value: Any, kind: Kind) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if kind == "integer":
        return int(value)
    if kind == "number":
        return rounded(float(value))
    if kind == "boolean":
        return bool(value)
    return str(value)


def normalised(table: Table, rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Rows with every column of the table, in order, typed and rounded. Unknown keys raise KeyError."""
    out = []
    for row in rows:
        unknown = set(row) - set(table.names)
        if unknown:
            raise KeyError(f"{table.name} has no column {sorted(unknown)}")
        out.append({c.name: _cell(row.get(c.name), c.type) for c in table.columns})
    return out


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.{SIGNIFICANT_DIGITS}g}"
    return str(value)


def to_csv(table: Table, rows: Sequence[Row]) -> str:
    """The table as CSV text (RFC 4180 quoting, `\\n` line ends, header always present)."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.names)
    for row in rows:
        writer.writerow([_text(row[name]) for name in table.names])
    return buffer.getvalue()


def _parse(text: str, kind: Kind) -> Any:
    if text == "":
        return "" if kind == "string" else None
    if kind == "integer":
        return int(text)
    if kind == "number":
        return float(text)
    if kind == "boolean":
        return text == "true"
    return text


def read_csv(path: Path, table: Table) -> list[Row]:
    """Rows of a results table as written by `to_csv`."""
    kinds = {c.name: c.type for c in table.columns}
    with path.open(encoding="utf-8", newline="") as handle:
        return [{k: _parse(v, kinds[k]) for k, v in row.items()} for row in csv.DictReader(handle)]


def write_parquet(path: Path, table: Table, rows: Sequence[Row]) -> None:
    """The table as Parquet, with the same rounding as the CSV."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
    schema = pa.schema([pa.field(c.name, types[c.type]) for c in table.columns])
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)


def read_tables(folder: Path) -> dict[str, list[Row]]:
    """Every results table found in a `results/` folder; tables not there are empty."""
    return {
        name: read_csv(folder / f"{name}.csv", table) if (folder / f"{name}.csv").is_file() else []
        for name, table in TABLES.items()
    }


def write_tables(folder: Path, tables: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
    """Write every results table, and the data model, into `folder` (which must exist)."""
    for name, table in TABLES.items():
        rows = normalised(table, tables.get(name, ()))
        (folder / f"{name}.csv").write_text(to_csv(table, rows), encoding="utf-8", newline="")
        if name == "estimates":
            write_parquet(folder / "estimates.parquet", table, rows)
    model = normalised(DATA_MODEL, data_model())
    (folder / "tables.csv").write_text(to_csv(DATA_MODEL, model), encoding="utf-8", newline="")


def write_json(path: Path, content: Any) -> None:
    """JSON with sorted keys and a final newline, so that equal content is equal bytes."""
    path.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
