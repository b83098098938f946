"""Results are flat rows: estimates, checks, curves, counts; their data model, reading and writing.

An estimator returns a `ResultSet`; the run adds the keys (study, analysis, …) and writes tables. Everything
later (release, reports, comparisons) reads those tables and nothing else. NaN is never stored: a number
that does not exist is None, and `status` says why.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Status = Literal["ok", "reference", "suppressed", "not_estimable", "gated"]
Scale = Literal["level", "log", "risk", "log_hazard", "log_odds", "log_rate", "time"]
Row = dict[str, Any]
SIGNIFICANT_DIGITS = 12


@dataclass(frozen=True)
class Estimate:
    """One estimate, keyed within its analysis by (term, group, time).

    Risk and odds ratios stand on their natural scale (`scale` = risk) with intervals from the log scale.
    `counts` are the numbers of people (events, non-events, treated, comparison) the figure rests on; disclosure
    control reads them and never lets them out.
    """

    term: str
    estimand: str
    estimate: float | None
    std_error: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    p_value: float | None = None
    group: str = ""
    time: float | None = None
    scale: Scale = "level"
    conf_level: float = 0.95
    n_obs: int | None = None
    n_units: int | None = None
    n_treated_units: int | None = None
    n_clusters: int | None = None
    status: Status = "ok"
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Inference:
    """How the uncertainty of one estimate was reckoned, or an alternative to it, under the estimate's key."""

    term: str
    method: str
    group: str = ""
    time: float | None = None
    std_error: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    p_value: float | None = None
    distribution: str = "normal"
    df: float | None = None
    df_rule: str = ""
    small_sample_factor: float | None = None
    n_clusters: int | None = None


@dataclass(frozen=True)
class Check:
    """One diagnostic: what was tested, the figure, and what it means in words a reader understands.

    `counts` are the numbers of people its message or figure tells; disclosure control reads them.
    """

    check: str
    status: Literal["pass", "warn", "fail", "info"]
    message: str
    term: str = ""
    group: str = ""
    time: float | None = None
    statistic: float | None = None
    df: float | None = None
    p_value: float | None = None
    threshold: float | None = None
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class CurvePoint:
    """A point of a curve over follow-up time, by group (`treated`, `control`, `all`)."""

    quantity: Literal["survival", "cumulative_incidence"]
    group: str
    time: float
    n_risk: int
    n_event: int
    n_censor: int
    estimate: float | None
    std_error: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    status: Status = "ok"


@dataclass(frozen=True)
class FlowStep:
    """What left the data at one step, and why. `level` is what is counted: `row`, `unit` or `person`."""

    step: str
    reason: str
    level: str
    n_dropped: int
    n_remaining: int


@dataclass(frozen=True)
class ResultSet:
    """Everything one analysis found."""

    estimates: tuple[Estimate, ...] = ()
    inference: tuple[Inference, ...] = ()
    checks: tuple[Check, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    flow: tuple[FlowStep, ...] = ()


def not_estimable(
    term: str, estimand: str, reason: str, counts: tuple[int, ...] = (), **key: Any
) -> tuple[Estimate, Check]:
    """The pair of rows that says a figure has no answer, and why."""
    place = {k: v for k, v in key.items() if k in ("group", "time")}
    return (
        Estimate(term, estimand, None, status="not_estimable", **key),
        Check("not_estimable", "warn", reason, term=term, counts=counts, **place),
    )


# --------------------------------------------------------------------------- the tables' data model

Kind = Literal["string", "integer", "number", "boolean"]
Disclosure = Literal["public", "count", "figure"]


@dataclass(frozen=True)
class Column:
    """One column of a results table. `disclosure`: `count` of people or units, `figure` derivable from counts."""

    name: str
    type: Kind
    description: str
    required: bool = False
    unit: str = ""
    disclosure: Disclosure = "public"


@dataclass(frozen=True)
class Table:
    """A results table: its name, what it holds and its columns, in order."""

    name: str
    description: str
    columns: tuple[Column, ...] = field(default=())

    @property
    def names(self) -> list[str]:
        """Column names, in order."""
        return [c.name for c in self.columns]


def _c(
    name: str,
    kind: Kind,
    description: str,
    *,
    required: bool = False,
    unit: str = "",
    disclosure: Disclosure = "public",
) -> Column:
    return Column(name, kind, description, required, unit, disclosure)


_STUDY = _c("study", "string", "Study id", required=True)
_ANALYSIS = _c("analysis", "string", "Analysis id; empty where the row concerns the whole study")
_TERM = _c("term", "string", "What is estimated", required=True)
_GROUP = _c("group", "string", "Cohort, arm or stratum the row is about")
_TIME = _c("time", "number", "Period, event time or window the row is about")
_INTERVAL = (
    _c("estimate", "number", "Point estimate", disclosure="figure"),
    _c("std_error", "number", "Standard error", disclosure="figure"),
    _c("conf_low", "number", "Lower end of the confidence interval", disclosure="figure"),
    _c("conf_high", "number", "Upper end of the confidence interval", disclosure="figure"),
)
_P = _c("p_value", "number", "Two-sided p-value", disclosure="figure")
_STATUS = _c("status", "string", "ok, reference, suppressed, not_estimable or gated", required=True)
_COUNTS = (
    _c("n_obs", "integer", "Observations used", unit="rows", disclosure="count"),
    _c("n_units", "integer", "Units (people, places) used", unit="units", disclosure="count"),
    _c("n_treated_units", "integer", "Treated units used", unit="units", disclosure="count"),
    _c("n_clusters", "integer", "Clusters used", unit="clusters", disclosure="count"),
)

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        Table(
            "estimates",
            "One row an estimate",
            (
                _STUDY,
                _c("analysis", "string", "Analysis id", required=True),
                _c("role", "string", "primary, secondary, sensitivity or exploratory", required=True),
                _c("outcome", "string", "Outcome id", required=True),
                _c("estimator", "string", "Estimator id", required=True),
                _c("estimand", "string", "The quantity estimated", required=True),
                _TERM,
                _GROUP,
                _TIME,
                *_INTERVAL,
                _P,
                _c("conf_level", "number", "Confidence level of the interval", required=True),
                _c("scale", "string", "level, log, risk, log_hazard, log_odds, log_rate or time", required=True),
                *_COUNTS,
                _STATUS,
            ),
        ),
        Table(
            "inference",
            "How each uncertainty was reckoned, and alternatives to it, under the estimate's key",
            (
                _STUDY,
                _ANALYSIS,
                _TERM,
                _GROUP,
                _TIME,
                _c("method", "string", "Rule the uncertainty follows", required=True),
                *_INTERVAL[1:],
                _P,
                _c("distribution", "string", "Reference distribution: t or normal", required=True),
                _c("df", "number", "Degrees of freedom of the reference distribution"),
                _c("df_rule", "string", "Where the degrees of freedom come from"),
                _c("small_sample_factor", "number", "Factor by which the variance was multiplied"),
                _COUNTS[3],
            ),
        ),
        Table(
            "diagnostics",
            "One row a check",
            (
                _STUDY,
                _ANALYSIS,
                _c("check", "string", "Check id", required=True),
                _c("status", "string", "pass, warn, fail or info", required=True),
                _c("term", "string", "Term the check is about"),
                _GROUP,
                _TIME,
                _c("statistic", "number", "Test statistic or measured figure", disclosure="figure"),
                _c("df", "number", "Degrees of freedom"),
                _P,
                _c("threshold", "number", "Limit the statistic is held against"),
                _c("message", "string", "What it means, in words", required=True),
            ),
        ),
        Table(
            "event_study",
            "Effects by time since adoption",
            (
                _STUDY,
                _ANALYSIS,
                _c("outcome", "string", "Outcome id", required=True),
                _c("estimator", "string", "Estimator id", required=True),
                _c("event_time", "number", "Periods since adoption", required=True, unit="periods"),
                _c("phase", "string", "before or after adoption", required=True),
                *_INTERVAL,
                _P,
                _COUNTS[2],
                _STATUS,
            ),
        ),
        Table(
            "curve",
            "Curves over follow-up time, by arm",
            (
                _STUDY,
                _ANALYSIS,
                _c("outcome", "string", "Outcome id", required=True),
                _c("quantity", "string", "survival or cumulative_incidence", required=True),
                _c("group", "string", "treated, control or all", required=True),
                _c("time", "number", "Time since the index date", required=True, unit="the design's time unit"),
                _c("n_risk", "integer", "People at risk just before this time", unit="people", disclosure="count"),
                _c("n_event", "integer", "Events since the point before", unit="people", disclosure="count"),
                _c("n_censor", "integer", "People censored since the point before", unit="people", disclosure="count"),
                *_INTERVAL,
                _STATUS,
            ),
        ),
        Table(
            "series",
            "The raw outcome by group over time, before any model",
            (
                _STUDY,
                _c("outcome", "string", "Outcome id", required=True),
                _c("group", "string", "treated, control or cohort:<first period>", required=True),
                _c("time", "number", "Period", required=True),
                _c("estimate", "number", "Mean of the outcome (weighted where the study says)", disclosure="figure"),
                _COUNTS[1],
                _c("total", "number", "Sum of a count outcome", unit="events", disclosure="count"),
                _STATUS,
            ),
        ),
        Table(
            "flow",
            "What left the data, step by step, and why",
            (
                _STUDY,
                _ANALYSIS,
                _c("step", "string", "Step id", required=True),
                _c("reason", "string", "Why rows, units or people left", required=True),
                _c("level", "string", "What is counted: row, unit or person", required=True),
                _c("n_dropped", "integer", "Left at this step", required=True, disclosure="count"),
                _c("n_remaining", "integer", "Remaining after it", required=True, disclosure="count"),
                _STATUS,
            ),
        ),
        Table(
            "baseline",
            "Characteristics before the program, by arm",
            (
                _STUDY,
                _c("covariate", "string", "Column", required=True),
                _c("group", "string", "treated or control", required=True),
                _c("n", "integer", "People with the value known", disclosure="count"),
                _c("n_missing", "integer", "People with the value missing", disclosure="count"),
                _c("kind", "string", "binary or continuous", required=True),
                _c("mean", "number", "Mean, or share for a yes/no characteristic", disclosure="figure"),
                _c("std_dev", "number", "Standard deviation", disclosure="figure"),
                _c("smd", "number", "Standardised mean difference, treated minus control", disclosure="figure"),
                _STATUS,
            ),
        ),
        Table(
            "data_quality",
            "Missing values per column the study uses",
            (
                _STUDY,
                _c("column", "string", "Column", required=True),
                _c("role", "string", "Role in the study", required=True),
                _c("type", "string", "Type in the data", required=True),
                _c("n_rows", "integer", "Rows read", unit="rows", disclosure="count"),
                _c("n_missing", "integer", "Missing values (empty)", unit="rows", disclosure="count"),
                _c("n_nan", "integer", "Not-a-number values, treated as missing", unit="rows", disclosure="count"),
                _STATUS,
            ),
        ),
        Table(
            "suppression",
            "What disclosure control hid, by table",
            (
                _STUDY,
                _c("table", "string", "Results table", required=True),
                _c("profile", "string", "Disclosure profile", required=True),
                _c("rule", "string", "Rule applied", required=True),
                _c("n_rows", "integer", "Rows in the table", required=True),
                _c("n_suppressed", "integer", "Rows hidden or coarsened", required=True),
            ),
        ),
        Table(
            "analyses",
            "What became of each analysis",
            (
                _STUDY,
                _c("analysis", "string", "Analysis id", required=True),
                _c("role", "string", "primary, secondary, sensitivity or exploratory", required=True),
                _c("outcome", "string", "Outcome id", required=True),
                _c("estimator", "string", "Estimator id", required=True),
                _c("options", "string", "Options in force, defaults included, as JSON", required=True),
                _c("status", "string", "ok, not_estimable or failed", required=True),
                _c("reason", "string", "Why, where it is not ok"),
            ),
        ),
    )
}

_TABLES_MODEL = Table(
    "tables",
    "The data model of the results",
    tuple(
        _c(n, "string", d, required=True)
        for n, d in (
            ("table", "Table"),
            ("column", "Column"),
            ("type", "string, integer, number or boolean"),
            ("unit", "Unit, where it has one"),
            ("required", "Whether every row has a value"),
            ("disclosure", "public, count or figure"),
            ("description", "What the column holds"),
        )
    ),
)


def data_model() -> list[Row]:
    """The rows of `tables.csv`: every column of every results table."""
    return [
        {
            "table": t.name,
            "column": c.name,
            "type": c.type,
            "unit": c.unit,
            "required": "true" if c.required else "false",
            "disclosure": c.disclosure,
            "description": c.description,
        }
        for t in (*TABLES.values(), _TABLES_MODEL)
        for c in t.columns
    ]


# --------------------------------------------------------------------------- reading and writing


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
    model = normalised(_TABLES_MODEL, data_model())
    (folder / "tables.csv").write_text(to_csv(_TABLES_MODEL, model), encoding="utf-8", newline="")


def write_json(path: Path, content: Any) -> None:
    """JSON with sorted keys and a final newline, so that equal content is equal bytes."""
    path.write_text(json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
