"""What must hold of a panel's rows before anything is estimated from them; every breach found, all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.data.adoption import EXAMPLES, Adoption, first_treated, listed, plural
from evaluation.data.engine import Source, connect
from evaluation.data.panel_marks import Marks, calendar_numbers
from evaluation.errors import Problem
from evaluation.study.models import Outcome, PanelDesign

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LARGEST = 2**53  # whole numbers beyond it are not told apart from their neighbours
MOST_PERIODS = 5000  # more are dates or times of day, not periods


def problems(
    design: PanelDesign, outcomes: Sequence[Outcome], source: Source, *, own_past: bool = False, ring: str | None = None
) -> list[Problem]:
    """Everything about the data that does not fit a panel design. The columns named must exist.

    `own_past` says that an analysis compares the treated with their own past: then one unit will do, and nobody need
    be untreated. `ring` is the column of untreated units next to treated ones, where the study names it.

    Problems of the study's choices have an empty `where` and the study file's key (`design.cohort`); those of rows
    have the data's path and the column, with examples.
    """
    if not source.query(f"SELECT count(*) FROM {source.scan}")[0][0]:
        return [
            Problem("", "data.path", f"the data have no rows ({source.where}).", "Write one row a unit and period.")
        ]
    found = list(_types(design, outcomes, source))
    if found:
        return found
    checks = _Checks(design, source, own_past, ring)
    found = [*checks.rows(), *_outcomes(outcomes, source)]
    decisive = (design.unit, design.time, design.cohort, *design.coordinates, ring)
    if any(p.severity == "error" and p.key in decisive for p in found):
        return found
    return [*found, *checks.units()]


def _types(design: PanelDesign, outcomes: Sequence[Outcome], source: Source) -> Iterator[Problem]:
    """Columns that must hold numbers and do not."""
    roles = [("design.time", design.time, "a period is a whole number: write the year, or number periods 1, 2, 3.")]
    roles += [("design.cohort", design.cohort, "write the first treated period as a whole number, empty for never.")]
    roles += [("design.weights", design.weights, "a weight is a number.")] if design.weights else []
    roles += [
        (f"outcomes[{i}].column", o.column, "an outcome is a number: code yes as 1 and no as 0.")
        for i, o in enumerate(outcomes)
        if o.column
    ]
    for key, column, fix in roles:
        kind = source.columns[column]
        if not source.is_number(column) or (kind == "BOOLEAN" and not key.startswith("outcomes")):
            yield Problem("", key, f"the column {column} holds {kind}, not numbers;", fix)


def _not_whole(value: str) -> str:
    return f"NOT (isfinite({value}) AND {value} = floor({value}))"


def _too_large(value: str) -> str:
    return f"isfinite({value}) AND abs({value}) >= {LARGEST}"


def _outcomes(outcomes: Sequence[Outcome], source: Source) -> Iterator[Problem]:
    """Outcomes without any value, with infinite ones, or with values their type excludes."""
    for i, outcome in enumerate(outcomes):
        assert outcome.column is not None  # noqa: S101 - a panel's outcome names its column
        y = source.number(outcome.column)
        parts = ("isinf(y)", "y NOT IN (0, 1)", "y < 0", _not_whole("y"))
        counts = ", ".join(f"count(*) FILTER ({part})" for part in parts)
        known, infinite, not_binary, negative, fractional, total = source.query(
            f"SELECT count(y), {counts}, sum(abs(y)) FROM (SELECT {y} AS y FROM {source.scan})"
        )[0]
        key = f"outcomes[{i}].column"
        if not known:
            yield Problem("", key, f"the column {outcome.column} has no value at all.", "Name the outcome's column.")
        if infinite:
            yield Problem(
                source.where, outcome.column, f"{plural(infinite, 'value')} infinite.", "Leave unknown values empty."
            )
        if outcome.type == "binary" and not_binary:
            yield Problem("", key, f"{plural(not_binary, 'value')} neither 0 nor 1.", "Code yes as 1 and no as 0.")
        if outcome.type == "count" and (negative or fractional):
            what = f"{plural(max(negative, fractional), 'value')} negative or not whole: not a count."
            yield Problem("", key, what, "Set type: continuous or rate, or correct the data.")
        elif outcome.type == "count" and known and total >= LARGEST:
            what = f"the counts add up to {LARGEST:,} or more: too large to be counts."
            yield Problem("", key, what, "Set type: continuous or rate, or correct the data.")


@dataclass(frozen=True)
class _Rule:
    """Rows that must not be: an SQL condition, the column to blame, what is wrong and how to mend it."""

    condition: str
    column: str
    what: str
    fix: str


class _Checks:
    """The checks of one panel's keys, each a set-based query over the columns under names of our own.

    The names stand in an inner query, so that columns of the data may bear the same.
    """

    def __init__(self, design: PanelDesign, source: Source, own_past: bool, ring: str | None) -> None:
        self.design, self.source, self.own_past = design, source, own_past
        self.marks = Marks(design, ring)
        self.by_unit = design.cluster_column == design.unit
        columns = {
            "u": source.value(design.unit),
            "t": source.number(design.time),
            "g": f"CAST({first_treated(source, design.cohort)} AS DOUBLE)",
            "c": source.value(design.cluster_column),
            "w": source.number(design.weights) if design.weights else "1.0::DOUBLE",
        }
        columns |= self.marks.columns(source)
        self.table = f"(SELECT {', '.join(f'{sql} AS {name}' for name, sql in columns.items())} FROM {source.scan})"

    @property
    def names_units(self) -> bool:
        """Whether a message may name units: places, not people."""
        return self.design.units_are == "places"

    def _rules(self) -> list[_Rule]:
        design = self.design
        number_periods = "Number the periods 1, 2, 3, or use the calendar year."
        write_first = "Write the first treated period, or leave it empty for units never treated."
        rules = [
            _Rule("u IS NULL", design.unit, "without a unit", "Fill in the unit, or drop the rows."),
            _Rule("t IS NULL", design.time, "without a period", "Fill in the period, or drop the rows."),
            _Rule(_not_whole("t"), design.time, "with a period that is not a whole number", number_periods),
            _Rule(_too_large("t"), design.time, f"with a period of {LARGEST:,} or more, too large to be reckoned with",
                  number_periods),
            _Rule(_not_whole("g"), design.cohort, "with a first treated period that is not a whole number",
                  write_first),
            _Rule(_too_large("g"), design.cohort,
                  f"with a first treated period of {LARGEST:,} or more, too large to be reckoned with", write_first),
        ]  # fmt: skip
        if not self.by_unit:
            rules.append(_Rule("c IS NULL", design.cluster_column, "without a cluster",
                               "Give every unit a cluster, or drop the rows."))  # fmt: skip
        if design.weights:
            rules.append(_Rule("w IS NULL", design.weights, "without a weight",
                               "Fill in the weight; 0 leaves a row out."))  # fmt: skip
            rules.append(_Rule("w < 0 OR isinf(w)", design.weights, "with a negative or infinite weight",
                               "Weights are zero or above."))  # fmt: skip
        return [*rules, *(_Rule(*breach) for breach in self.marks.of_rows())]

    def rows(self) -> Iterator[Problem]:
        """Rows that break a rule on their own."""
        rules = self._rules()
        counts = ", ".join(f"count(*) FILTER ({r.condition})" for r in rules)
        for rule, count in zip(rules, self.source.query(f"SELECT {counts} FROM {self.table}")[0], strict=True):
            if count:
                what = f"{plural(count, 'row')} {rule.what}{self._examples(rule.condition, count)}."
                yield Problem(self.source.where, rule.column, what, rule.fix)

    def _examples(self, condition: str, count: int) -> str:
        if not self.names_units:
            return ""
        rows = self.source.query(f"SELECT u, t FROM {self.table} WHERE {condition} ORDER BY 1, 2 LIMIT {EXAMPLES}")
        return _such_as([f"{_or_empty(unit)} in {_period(period)}" for unit, period in rows], count)

    def units(self) -> Iterator[Problem]:
        """What is wrong across the rows of a unit, and across the units."""
        periods = self.source.query(f"SELECT DISTINCT CAST(t AS BIGINT) FROM {self.table} ORDER BY 1")
        if len(periods) > MOST_PERIODS:
            what = f"the column {self.design.time} has {len(periods):,} different values: these are no periods."
            yield Problem("", "design.time", what, "Group the rows into years, quarters or months first.")
            return
        times = [p for (p,) in periods]
        if len(times) < 2:
            what = f"there is one period only ({times[0]}): no change over time, and so no valid comparison."
            yield Problem("", "design.time", what, "Write one row a unit and period, before and after the start.")
            return
        yield from calendar_numbers(times)
        with connect() as connection:
            connection.execute(f"CREATE TEMP TABLE units AS {self._per_unit(times)}")
            yield from self._within_units(connection)
            rows = connection.execute("SELECT g, count(*), bool_or(zero) FROM units GROUP BY 1 ORDER BY 1").fetchall()
            clusters = connection.execute("SELECT count(DISTINCT c) FROM units").fetchall()[0][0]
        zero_is_a_code = any(zero for _, _, zero in rows)
        yield from Adoption(times, {cohort: units for cohort, units, _ in rows}, zero_is_a_code,
                            self.own_past).problems()  # fmt: skip
        if self.design.weights and not self.source.query(f"SELECT count(*) FROM {self.table} WHERE w > 0")[0][0]:
            what = f"no row has a weight above 0 ({self.design.weights})."
            yield Problem("", "design.weights", what, "Name the column of weights, or leave the key out.")
        if clusters < 2 and not self.own_past:
            yield Problem("", "design.cluster", "there is one cluster only, so uncertainty cannot be reckoned.",
                          "Name a column with more clusters, or leave the key out.")  # fmt: skip

    def _per_unit(self, times: list[int]) -> str:
        """SQL of one row a unit: cohort and cluster, whether they change, and whether a period stands twice."""
        index = ", ".join(f"({t}, {k})" for k, t in enumerate(times))
        return (
            f"SELECT u, CAST(min(coalesce(g, 0)) AS BIGINT) AS g, bool_or(g = 0) AS zero, min(c) AS c, "
            f"min(coalesce(g, 0)) <> max(coalesce(g, 0)) AS moves, min(c) <> max(c) AS crosses, "
            f"count(*) > bit_count(bitstring_agg(k, 0, {len(times) - 1})) AS repeats{self.marks.figures()} FROM ("
            f"SELECT * FROM {self.table} JOIN (VALUES {index}) AS p(period, k) ON period = t) GROUP BY 1"
        )

    def _within_units(self, connection: DuckDBPyConnection) -> Iterator[Problem]:
        """Units with two rows in a period, or whose cohort or cluster changes."""
        for column, condition, what, fix in (
            (self.design.unit, "repeats", "with more than one row in a period",
             "A panel has one row a unit and period: aggregate first."),
            (self.design.cohort, "moves", "with more than one first treated period",
             "Treatment starts once: give every row of a unit the same first treated period."),
            (self.design.cluster_column, "crosses", "in more than one cluster",
             "Units must be nested in clusters: give every row of a unit the same cluster."),
            *((column, condition, what, fix) for condition, column, what, fix in self.marks.of_units()),
        ):  # fmt: skip
            count = connection.execute(f"SELECT count(*) FROM units WHERE {condition}").fetchall()[0][0]
            if count:
                named = self._units_where(connection, condition, count)
                yield Problem(self.source.where, column, f"{plural(count, 'unit')} {what}{named}.", fix)

    def _units_where(self, connection: DuckDBPyConnection, condition: str, count: int) -> str:
        if not self.names_units:
            return ""
        if condition == "repeats":
            return self._repeated(count)
        found = connection.execute(f"SELECT u FROM units WHERE {condition} ORDER BY 1 LIMIT {EXAMPLES}").fetchall()
        return _such_as([u for (u,) in found], count)

    def _repeated(self, count: int) -> str:
        rows = self.source.query(
            f"SELECT u, t, count(*) FROM {self.table} GROUP BY 1, 2 HAVING count(*) > 1 ORDER BY 1, 2 LIMIT {EXAMPLES}"
        )
        return _such_as([f"{u} in {_period(t)} ({n} rows)" for u, t, n in rows], count)


def _such_as(values: Sequence[Any], count: int) -> str:
    return f", for example {listed(values, count)}"


def _or_empty(value: Any) -> str:
    return "(empty)" if value is None else str(value)


def _period(value: float | None) -> str:
    return _or_empty(int(value) if value is not None and value.is_integer() else value)
