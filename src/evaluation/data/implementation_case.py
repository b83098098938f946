"""The people described and the ways of counting them: by arm, and within groups of people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from evaluation.data.assemble.cohort.case import Case
from evaluation.data.assemble.cohort.reach import coverage
from evaluation.data.assemble.cohort.steps import WHOLE, Steps
from evaluation.data.assemble.cohort.times import DAYS_IN, MONTHS_IN, shifted
from evaluation.data.assemble.tables import Asked, columns_of
from evaluation.results import COUNTS, Row

if TYPE_CHECKING:
    from datetime import date

    from duckdb import DuckDBPyConnection

    from evaluation.data.divisions import Stratum
    from evaluation.data.engine import Source
    from evaluation.study.building import Filter
    from evaluation.study.cohort_building import Span
    from evaluation.study.implementation import Implementation
    from evaluation.study.models import BuiltCohortDesign, Study

EXACT = "DECIMAL(38, 9)"  # sums of it do not depend on their order
ARMS = {"treated": "a = 1", "control": "a = 0"}


@dataclass(frozen=True)
class Described:
    """A study whose implementation is described: its tables and its cohort."""

    case: Case
    asked: Implementation
    cohort: Source
    ends: dict[str, date]  # the last day that each table tells of

    @classmethod
    def of(cls, study: Study, tables: dict[str, Source], cohort: Source, connection: DuckDBPyConnection) -> Described:
        """The study with the last day of each of its tables; steps are made on `connection`."""
        sql = Steps(connection)
        case = Case(study, tables, sql)
        sql.whole = cohort.columns[case.design.person].split("(")[0] in WHOLE  # as the builder found the persons
        ends = {name: min(end, case.as_of) for name, (_, end) in coverage(case).items()}
        return cls(case, cast("Implementation", study.implementation), cohort, ends)

    @property
    def sql(self) -> Steps:
        """The steps made so far."""
        return self.case.sql

    @property
    def design(self) -> BuiltCohortDesign:
        """The cohort's design."""
        return self.case.design

    def label(self, column: str) -> str:
        """What the report calls a column."""
        return self.case.study.label(column)

    def is_flag(self, source: Source, column: str) -> bool:
        """Whether a column holds yes and no, as 1 and 0 or as true and false."""
        value = source.value(column)
        if not source.is_number(column):
            return False
        found = source.query(f"SELECT count(*) FROM {source.scan} WHERE CAST({value} AS DOUBLE) NOT IN (0, 1)")
        return bool(found[0][0] == 0)

    def last(self, table: str, lag: Span | None = None) -> str:
        """SQL of the last day that a table tells of, or of the day so long before it."""
        end = self.ends.get(table, self.case.as_of)
        return self.case.day(shifted(end, lag, -1) if lag else end)

    def after(self, table: str) -> str:
        """SQL of the first day of which a table tells nothing any more."""
        return self.case.day(self.ends.get(table, self.case.as_of) + timedelta(days=1))

    def on(self, day: str, length: Span, times: int = 1) -> str:
        """SQL of the day so long after another."""
        if length.unit in DAYS_IN:
            return self.sql.add_days(day, times * length.count * DAYS_IN[length.unit])
        return self.sql.add_months(day, times * length.count * MONTHS_IN[length.unit])

    def rows(self, table: str, date: str, where: Filter, more: Sequence[str] = ()) -> str:
        """SQL of a table's rows that meet a filter: person p, day, and more columns."""
        day = f"{self.sql.day(date)} AS day"
        return f"({self.case.rows(table, [day, *more], where)})"


@dataclass(frozen=True)
class Stratified:
    """A characteristic and its strata; a flag's are called yes and no."""

    name: str
    strata: Sequence[Stratum]
    flag: bool

    def called(self, stratum: Stratum) -> str:
        """The stratum as the results have it: `Female: yes`."""
        level = {"1": "yes", "0": "no", "True": "yes", "False": "no"}.get(stratum.level) if self.flag else None
        return f"{self.name}: {level or stratum.level}"


@dataclass(frozen=True)
class Figures:
    """Figures by arm, and within the strata of the characteristics, of tables with a row r a person described."""

    case: Described
    strata: Sequence[Stratified]

    def people(self) -> None:
        """Make the table `people`: row r, person p, index day d, arm a of everyone in the cohort, and whether they are
        in each stratum."""
        sql, person = self.case.sql, self.case.sql.name(self.case.design.person)
        conditions = [s.condition for characteristic in self.strata for s in characteristic.strata]
        flags = [f"coalesce({condition}, false) AS s{k}" for k, condition in enumerate(conditions)]
        row = f"row_number() OVER (ORDER BY {person}, index_date) AS r"
        roles = [row, f"{person} AS p", "index_date AS d", "arm AS a"]
        sql.make("people", f"SELECT {', '.join([*roles, *flags])} FROM {self.case.cohort.scan}")

    def parts(self) -> Iterator[tuple[str, str, str]]:
        """Group, stratum and SQL condition over `people` of everyone that is told of."""
        arms = ARMS if self.case.asked.arms == "both" else {"treated": ARMS["treated"]}
        for group, of_arm in arms.items():
            yield group, "", of_arm
            names = [characteristic.called(s) for characteristic in self.strata for s in characteristic.strata]
            yield from ((group, name, f"{of_arm} AND s{k}") for k, name in enumerate(names))

    def share(self, table: str, **row: Any) -> Iterator[Row]:
        """The share of `met` among the rows (r, met) of a table."""
        for group, stratum, condition in self.parts():
            n, having = self.case.sql.rows(
                f"SELECT count(*), count(*) FILTER (met) FROM {table} JOIN people USING (r) WHERE {condition}"
            )[0]
            yield shared(n, having, group=group, stratum=stratum, **row)

    def spread(self, table: str, **row: Any) -> Iterator[Row]:
        """Mean, median and quartiles of x among the rows (r, x) of a table."""
        for group, stratum, condition in self.parts():
            n, total, *quartiles = self.case.sql.rows(
                f"SELECT count(*), CAST(sum(CAST(x AS {EXACT})) AS DOUBLE), quantile_cont(x, 0.5), "
                f"quantile_cont(x, 0.25), quantile_cont(x, 0.75) FROM {table} JOIN people USING (r) WHERE {condition}"
            )[0]
            values = (total / n if n else None, *quartiles)
            for name, value in zip(("mean", "median", "q25", "q75"), values, strict=True):
                yield described(group=group, stratum=stratum, statistic=name, n=n, value=value, **row)


def described(*, value: float | None, counts: tuple[int, ...] = (), n_with: int | None = None, **row: Any) -> Row:
    """A row of the results; without a value where nobody is described."""
    status = "ok" if value is not None else "not_estimable"
    found = None if value is None else float(value)
    return {"position": 0, "unit": "", **row, "n_with": n_with, "value": found, "status": status, COUNTS: counts}


def shared(n: int, having: int, **row: Any) -> Row:
    """The row of a share."""
    return described(statistic="share", n=n, n_with=having, value=having / n if n else None, **row)


Roles = dict[str, "tuple[str | None, str]"]  # by key: the column, and what it must hold


def asked_of(study: Study) -> Iterator[Asked]:
    """The tables and columns that the descriptions ask for."""
    asked, person = cast("Implementation", study.implementation), cast("BuiltCohortDesign", study.design).person
    parts: list[tuple[str, str, Filter, Roles]] = []
    if asked.stays:
        s = asked.stays
        roles: Roles = {"start": (s.start, "date"), "end": (s.end, "date"), "reason": (s.reason, "")}
        parts.append(("stays", s.table, s.where, roles))
    for i, d in enumerate(asked.dosage):
        parts.append((f"dosage[{i}]", d.table, d.where, {"date": (d.date, "date"), "sum": (d.sum, "number")}))
    for i, f in enumerate(asked.fidelity):
        parts.append((f"fidelity[{i}]", f.table, f.where, {"date": (f.date, "date")}))
    for i, t in enumerate(asked.tests):
        parts.append((f"tests[{i}]", t.table, t.where, {"date": (t.date, "date"), "result": (t.result, "")}))
    if asked.funnel:
        parts.append(("funnel", asked.funnel.table, asked.funnel.where, {}))
        for i, step in enumerate(asked.funnel.steps):
            table = step.table or asked.funnel.table
            parts.append((f"funnel.steps[{i}]", table, step.where, {"date": (step.date, "date")}))
    if asked.equity:
        by: Roles = {f"by[{i}]": (d.column, "") for i, d in enumerate(asked.equity.by)}
        parts.append(("equity", asked.equity.table, {}, by))
    for key, table, where, roles in parts:
        yield Asked(table, person, f"implementation.{key}.table")
        yield from columns_of(table, where, f"implementation.{key}", **roles)
