"""Results tables on disk: 12 significant digits, the same content always the same bytes."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.errors import EvaluationError, Problem
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
        return {"true": True, "false": False}[text]
    return text


def read_csv(path: Path, table: Table) -> list[Row]:
    """Rows of a results table as written by `to_csv`.

    Raises
    ------
    EvaluationError
        When the file is not as `to_csv` left it: other columns, a cell of another type, no text at all.
    """
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            lines = csv.reader(handle)
            header = next(lines, [])
            if sorted(header) != sorted(table.names):
                raise _damaged(f"{path}:1", "", _columns_amiss(header, table))
            return [_parsed(cells, header, table, f"{path}:{lines.line_num}") for cells in lines]
    except (UnicodeDecodeError, csv.Error):
        raise _damaged(str(path), "", "this is not the text of a table.") from None


def _parsed(cells: list[str], header: list[str], table: Table, where: str) -> Row:
    if len(cells) != len(header):
        raise _damaged(where, "", f"this row has {len(cells)} cells under {len(header)} columns.")
    kinds = {c.name: c.type for c in table.columns}
    row = {}
    for name, text in zip(header, cells, strict=True):
        try:
            row[name] = _parse(text, kinds[name])
        except (ValueError, KeyError):
            raise _damaged(where, name, f'"{text}" is not of the type {kinds[name]}.') from None
    return row


def _columns_amiss(header: list[str], table: Table) -> str:
    lacking = [n for n in table.names if n not in header]
    foreign = [n for n in header if n not in table.names]
    told = [("columns are missing", lacking), ("there are columns of no meaning", foreign)]
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in told if names) or "a column stands here twice"


def _damaged(where: str, key: str, what: str) -> EvaluationError:
    fix = "The results were changed after the run, or come from another version: run the study again."
    return EvaluationError(Problem(where, key, what, fix))


def write_parquet(path: Path, table: Table, rows: Sequence[Row]) -> None:
    """The table as Parquet, read off its CSV text: the same figures to the last digit.

    (Arrow's conversion of Python lists would load pandas, which takes longer than a small run.)
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    types = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
    options = arrow_csv.ConvertOptions(
        column_types={c.name: types[c.type] for c in table.columns}, null_values=[""], strings_can_be_null=False
    )
    read = arrow_csv.ReadOptions(use_threads=False)
    parse = arrow_csv.ParseOptions(newlines_in_values=True)
    text = pa.py_buffer(to_csv(table, rows).encode())
    content = arrow_csv.read_csv(pa.BufferReader(text), read_options=read, parse_options=parse, convert_options=options)
    parquet.write_table(content, path)


def read_tables(folder: Path) -> dict[str, list[Row]]:
    """Every results table found in a `results/` folder; tables not there are empty.

    Raises
    ------
    EvaluationError
        When one of them is damaged.
    """
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
