"""What must hold of a panel's rows before anything is estimated from them; every breach found, all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.data.engine import Source, connect
from evaluation.errors import Problem, Severity
from evaluation.study.models import Outcome, PanelDesign

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

EXAMPLES = 3
MOST_PERIODS = 5000  # more are dates or times of day, not periods


def problems(design: PanelDesign, outcomes: Sequence[Outcome], source: Source) -> list[Problem]:
    """Everything about the data that does not fit a panel design. The columns named must exist.

    Problems of the study's choices have an empty `where` and the study file's key (`design.cohort`); those of rows
    have the data's path and the column, with examples.
    """
    found = list(_types(design, outcomes, source))
    if found:
        return found
    checks = _Checks(design, source)
    found = [*checks.rows(), *_outcomes(outcomes, source)]
    if any(p.severity == "error" and p.key in (design.unit, design.time, design.cohort) for p in found):
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


def _number(source: Source, column: str) -> str:
    return f"CAST({source.value(column)} AS DOUBLE)"


def _not_whole(value: str) -> str:
    return f"NOT (isfinite({value}) AND {value} = floor({value}))"


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _listed(values: Sequence[Any], count: int) -> str:
    return ", ".join(str(v) for v in values[:EXAMPLES]) + (", …" if count > EXAMPLES else "")


def _outcomes(outcomes: Sequence[Outcome], source: Source) -> Iterator[Problem]:
    """Outcomes without any value, with infinite ones, or with values their type excludes."""
    for i, outcome in enumerate(outcomes):
        assert outcome.column is not None  # noqa: S101 - a panel's outcome names its column
        y = _number(source, outcome.column)
        parts = (f"isinf({y})", f"{y} NOT IN (0, 1)", f"{y} < 0", _not_whole(y))
        counts = ", ".join(f"count(*) FILTER ({part})" for part in parts)
        known, infinite, not_binary, negative, fractional = source.query(
            f"SELECT count({y}), {counts} FROM {source.scan}"
        )[0]
        key = f"outcomes[{i}].column"
        if not known:
            yield Problem("", key, f"the column {outcome.column} has no value at all.", "Name the outcome's column.")
        if infinite:
            yield Problem(
                source.where, outcome.column, f"{_plural(infinite, 'value')} infinite.", "Leave unknown values empty."
            )
        if outcome.type == "binary" and not_binary:
            yield Problem("", key, f"{_plural(not_binary, 'value')} neither 0 nor 1.", "Code yes as 1 and no as 0.")
        if outcome.type == "count" and (negative or fractional):
            what = f"{_plural(max(negative, fractional), 'value')} negative or not whole: not a count."
            yield Problem("", key, what, "Set type: continuous or rate, or correct the data.")


@dataclass(frozen=True)
class _Rule:
    """Rows that must not be: an SQL condition, the column to blame, what is wrong and how to mend it."""

    condition: str
    column: str
    what: str
    fix: str


class _Checks:
    """The checks of one panel's keys, each a set-based query."""

    def __init__(self, design: PanelDesign, source: Source) -> None:
        self.design, self.source = design, source
        self.unit, self.cluster = source.value(design.unit), source.value(design.cluster_column)
        self.time, self.cohort = _number(source, design.time), _number(source, design.cohort)
        self.by_unit = design.cluster_column == design.unit

    def _rules(self) -> list[_Rule]:
        design = self.design
        rules = [
            _Rule(f"{self.unit} IS NULL", design.unit, "without a unit", "Fill in the unit, or drop the rows."),
            _Rule(f"{self.time} IS NULL", design.time, "without a period", "Fill in the period, or drop the rows."),
            _Rule(_not_whole(self.time), design.time, "with a period that is not a whole number",
                  "Number the periods 1, 2, 3, or use the calendar year."),
            _Rule(_not_whole(self.cohort), design.cohort, "with a first treated period that is not a whole number",
                  "Write the first treated period, or leave it empty for units never treated."),
        ]  # fmt: skip
        if not self.by_unit:
            rules.append(_Rule(f"{self.cluster} IS NULL", design.cluster_column, "without a cluster",
                               "Give every unit a cluster, or drop the rows."))  # fmt: skip
        if design.weights:
            w = _number(self.source, design.weights)
            rules.append(_Rule(f"{w} IS NULL", design.weights, "without a weight",
                               "Fill in the weight; 0 leaves a row out."))  # fmt: skip
            rules.append(_Rule(f"{w} < 0 OR isinf({w})", design.weights, "with a negative or infinite weight",
                               "Weights are zero or above."))  # fmt: skip
        return rules

    def rows(self) -> Iterator[Problem]:
        """Rows that break a rule on their own."""
        rules = self._rules()
        counts = ", ".join(f"count(*) FILTER ({r.condition})" for r in rules)
        for rule, count in zip(rules, self.source.query(f"SELECT {counts} FROM {self.source.scan}")[0], strict=True):
            if count:
                what = f"{_plural(count, 'row')} {rule.what}, for example {self._examples(rule.condition, count)}."
                yield Problem(self.source.where, rule.column, what, rule.fix)

    def _examples(self, condition: str, count: int) -> str:
        rows = self.source.query(
            f"SELECT {self.unit}, {self.source.value(self.design.time)} FROM {self.source.scan} "
            f"WHERE {condition} ORDER BY ALL LIMIT {EXAMPLES}"
        )
        named = [f"{_or_empty(unit)} in {_or_empty(period)}" for unit, period in rows]
        return _listed(named, count)

    def units(self) -> Iterator[Problem]:
        """What is wrong across the rows of a unit, and across the units."""
        periods = self.source.query(f"SELECT DISTINCT CAST({self.time} AS BIGINT) FROM {self.source.scan} ORDER BY 1")
        if len(periods) > MOST_PERIODS:
            what = f"the column {self.design.time} has {len(periods):,} different values: these are no periods."
            yield Problem("", "design.time", what, "Group the rows into years, quarters or months first.")
            return
        times = [p for (p,) in periods]
        with connect() as connection:
            connection.execute(f"CREATE TEMP TABLE units AS {self._per_unit(times)}")
            yield from self._within_units(connection)
            rows = connection.execute("SELECT g, count(*), bool_or(zero) FROM units GROUP BY g ORDER BY g").fetchall()
            clusters = connection.execute("SELECT count(DISTINCT c) FROM units").fetchall()[0][0]
        zero_is_a_code = any(zero for _, _, zero in rows)
        yield from _Adoption(times, {cohort: units for cohort, units, _ in rows}, zero_is_a_code).problems()
        if clusters < 2:
            yield Problem("", "design.cluster", "there is one cluster only, so uncertainty cannot be reckoned.",
                          "Name a column with more clusters, or leave the key out.")  # fmt: skip

    def _per_unit(self, times: list[int]) -> str:
        """SQL of one row a unit: cohort and cluster, whether they change, and whether a period stands twice."""
        index = ", ".join(f"({t}, {k})" for k, t in enumerate(times))
        return (
            f"SELECT u, CAST(min(coalesce(g, 0)) AS BIGINT) AS g, bool_or(g = 0) AS zero, min(c) AS c, "
            f"min(coalesce(g, 0)) <> max(coalesce(g, 0)) AS moves, min(c) <> max(c) AS crosses, "
            f"count(*) > bit_count(bitstring_agg(k, 0, {len(times) - 1})) AS repeats FROM ("
            f"SELECT {self.unit} AS u, {self.cohort} AS g, {self.cluster} AS c, k FROM {self.source.scan} "
            f"JOIN (VALUES {index}) AS p(t, k) ON p.t = {self.time}) GROUP BY u"
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
        ):  # fmt: skip
            count = connection.execute(f"SELECT count(*) FROM units WHERE {condition}").fetchall()[0][0]
            if count:
                found = connection.execute(
                    f"SELECT u FROM units WHERE {condition} ORDER BY u LIMIT {EXAMPLES}"
                ).fetchall()
                named = self._repeated(count) if condition == "repeats" else _listed([u for (u,) in found], count)
                yield Problem(self.source.where, column, f"{_plural(count, 'unit')} {what}, for example {named}.", fix)

    def _repeated(self, count: int) -> str:
        rows = self.source.query(
            f"SELECT {self.unit}, CAST({self.time} AS BIGINT), count(*) FROM {self.source.scan} "
            f"GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT {EXAMPLES}"
        )
        return _listed([f"{u} in {t} ({n} rows)" for u, t, n in rows], count)


def _or_empty(value: Any) -> str:
    return "(empty)" if value is None else str(value)


@dataclass(frozen=True)
class _Adoption:
    """What the cohorts say about who can be compared with whom."""

    times: list[int]
    cohorts: dict[int, int]
    zero_is_a_code: bool

    def problems(self) -> Iterator[Problem]:
        """Codes that cannot be right, units that cannot be used, and panels without a valid comparison."""
        yield from self._codes()
        yield from self._edges()
        yield from self._comparison()

    def _of(self, cohorts: list[int]) -> tuple[int, str]:
        units = sum(self.cohorts[g] for g in cohorts)
        return units, _listed(cohorts, len(cohorts))

    def _codes(self) -> Iterator[Problem]:
        first, last = self.times[0], self.times[-1]
        early = [g for g in self.cohorts if g != 0 and g < first]
        if early:
            units, named = self._of(early)
            what = f"{_plural(units, 'unit')} first treated before the first period {first} ({named})."
            fix = (
                f"Write {first}, the first period, for units treated from the start: they are dropped where an "
                "untreated period is needed, and counted. Leave it empty for units never treated."
            )
            yield Problem("", "design.cohort", what, fix)
        far = [g for g in self.cohorts if g > last + (last - first + 1)]
        if far:
            units, named = self._of(far)
            what = f"{_plural(units, 'unit')} with the first treated period {named}, far beyond the last period {last}."
            yield Problem("", "design.cohort", what, "Leave it empty, or write 0, for units never treated.")
        if self.zero_is_a_code and first <= 0 <= last:
            what = "0 means never treated, and it is a period of these data too."
            yield _warning(what, "Number the periods from 1 if units were treated in period 0.")

    def _edges(self) -> Iterator[Problem]:
        first, last = self.times[0], self.times[-1]
        if first in self.cohorts and first != 0:
            what = f"{_plural(self.cohorts[first], 'unit')} treated from the first period {first} on."
            yield _warning(what, "They have no untreated period: they are dropped where one is needed, and counted.")
        later = [g for g in self.cohorts if last < g <= last + (last - first + 1)]
        if later:
            units, named = self._of(later)
            what = f"{_plural(units, 'unit')} first treated after the last period {last} ({named})."
            yield _warning(what, "They count as not yet treated.")

    def _comparison(self) -> Iterator[Problem]:
        first, last = self.times[0], self.times[-1]
        treated = [g for g in self.cohorts if first < g <= last]
        if not treated:
            what = f"no unit starts treatment between the second period and the last ({last}): no valid comparison."
            yield Problem("", "design.cohort", what, "Name the column with each unit's first treated period.")
        elif not any(g == 0 or g > treated[0] for g in self.cohorts):
            what = "no unit is never treated or treated later than the others: no valid comparison."
            yield Problem("", "design.cohort", what, "Add units that were not treated, or not yet.")


def _warning(what: str, fix: str) -> Problem:
    severity: Severity = "warning"
    return Problem("", "design.cohort", what, fix, severity)
