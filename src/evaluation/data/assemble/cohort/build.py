"""The query plan: from tables of events to one row a person, on DuckDB or Spark; only counts come back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from evaluation.data.assemble.built import Built, write
from evaluation.data.assemble.cohort.asked import check_asked
from evaluation.data.assemble.cohort.case import Case
from evaluation.data.assemble.cohort.events import events
from evaluation.data.assemble.cohort.index import Own, index_events
from evaluation.data.assemble.cohort.matched import ages, persons_found, silent_ends, strange_coverage
from evaluation.data.assemble.cohort.outcome import others, outcome_columns, unknown
from evaluation.data.assemble.cohort.people import Rules, Traits, characteristics, kept
from evaluation.data.assemble.cohort.reach import coverage, reach, unmentioned
from evaluation.data.assemble.cohort.steps import WHOLE, Steps
from evaluation.data.assemble.cohort.street import stays
from evaluation.data.assemble.cohort.told import Doubt, told
from evaluation.data.assemble.tables import open_tables
from evaluation.data.engine import connect, open_source
from evaluation.errors import DataError, Problem
from evaluation.results import Check, FlowStep

if TYPE_CHECKING:
    from evaluation.data.engine import Source
    from evaluation.study.models import BuiltCohortDesign, Engine, Study

ROW = "index_date"


def build_cohort(study: Study, base: Path, out: Path, spark: Engine | None = None) -> Built:
    """Build the cohort of a study into the Parquet file `out`; paths of tables start at `base`.

    The columns are: the person, `arm`, `index_date`, `weight` (where every index event is followed), `completed`
    (where the design says who finished), the cluster, the characteristics, and those of each outcome: `<o>_time`,
    `<o>_event`, `<o>_follow_up` in the design's unit, `<o>_count` and `<o>_days` (of each window too,
    `<o>_count_12`), and `<o>_street_…` of each where a table of custody is known. Rows are sorted by person and index
    date. Persons are text unless every table has whole numbers. With `spark` the plan runs there, by these settings.

    Raises
    ------
    DataError
        With every table or column that is missing or holds the wrong thing; when nobody is left; when an engine
        cannot read the tables' values as the study file has them.
    EvaluationError
        When Spark cannot be reached.
    """
    tables = open_tables(study, base)
    check_asked(study, tables)
    with _steps(spark, out) as sql:
        sql.whole = _whole(study, tables)
        case = Case(study, tables, sql)
        with _told(spark):
            noticed = list(_made(case, out))
    files = tuple(sorted({f for s in tables.values() for f in s.files}))
    flow = tuple(step for step in noticed if isinstance(step, FlowStep))
    doubts = [doubt for doubt in noticed if isinstance(doubt, Doubt)]
    checks = tuple(check for check in noticed if isinstance(check, Check))
    checks += tuple(doubt.noticed() for doubt in doubts)
    return Built(open_source(str(out), base), files, flow, checks, tuple(d.problem() for d in doubts if not d.rare))


def _whole(study: Study, tables: dict[str, Source]) -> bool:
    """Whether every table that holds persons has whole numbers for them."""
    person, about = cast("BuiltCohortDesign", study.design).person, study.data.coverage
    held = [t for name, t in tables.items() if not (about and name == about.table) and person in t.columns]
    return all(t.columns[person].split("(")[0] in WHOLE for t in held)


@contextmanager
def _steps(spark: Engine | None, out: Path) -> Iterator[Steps]:
    if spark is not None:
        from evaluation.data.assemble.cohort.spark_steps import on_spark

        with connect() as connection, on_spark(spark, connection, out) as steps:
            yield steps
        return
    with connect() as connection:
        yield Steps(connection)


@contextmanager
def _told(spark: Engine | None) -> Iterator[None]:
    """What an engine has to say of values that it cannot read, as an error of the data."""
    import duckdb

    kinds: tuple[type[Exception], ...] = (duckdb.Error,)
    if spark is not None:
        from pyspark.errors import PySparkException

        kinds = (duckdb.Error, PySparkException)
    try:
        yield
    except kinds as error:
        what = f"the tables cannot be read as the study file has them: {str(error).strip().splitlines()[0]}"
        fix = "Values in where and equals must be of the column's type: numbers without quotes, text with them."
        raise DataError(Problem("", "data.tables", what, fix)) from None


def _made(case: Case, out: Path) -> Iterator[FlowStep | Check | Doubt]:
    """Every step of the plan, to the file; what was counted on the way."""
    design, own = case.design, Own()
    rules, traits = Rules.of(case, own), Traits.of(case, own)
    completed = own.filter(design.completers) if design.completers else None
    cluster = own.value(design.cluster) if design.cluster and design.cluster != design.person else None
    doubts = list(told(case))
    yield from index_events(case, own)
    picked = case.sql.rows("SELECT count(*) FROM picked")[0][0]
    doubts += persons_found(case)
    yield from kept(case, own, rules)
    if not case.sql.rows("SELECT count(*) FROM cohort")[0][0]:
        what = "nobody is left in the cohort."
        why = [doubt.problem() for doubt in doubts if doubt.error]
        if why:  # nobody is left because of them
            raise DataError(replace(why[0], what=f"nobody is left in the cohort: {why[0].what}"), *why[1:])
        if not picked:
            what = f"nobody is left in the cohort: no index event has a person and a day up to as_of ({case.as_of})."
            raise DataError(Problem("", "data.as_of", what, "Set it to the last day that the tables tell of."))
        raise DataError(Problem("", "design.index", what, "See where, clean_window, include and exclude."))
    yield from doubts
    yield from ages(case)
    yield from characteristics(case, traits)
    yield from stays(case)
    covered = coverage(case)
    yield from unmentioned(case, covered)
    yield from strange_coverage(case, covered)
    yield from silent_ends(case, covered)
    rivals = others(case)
    columns = []
    for i, outcome in enumerate(case.study.outcomes):
        reached = reach(case, outcome, covered)
        yield from events(case, i, outcome, reached)
        columns += [f"o{i}.{c}" for c in outcome_columns(case, i, outcome, reached, rivals)]
        yield from unknown(case, i, outcome, reached)
    _write(case, out, _roles(case, completed, cluster), [n for n, _ in traits.columns], columns)


def _roles(case: Case, completed: str | None, cluster: str | None) -> list[str]:
    """SQL of the columns that come first."""
    sql, design = case.sql, case.design
    columns = [f"c.p AS {sql.name(design.person)}", "CAST(c.a AS INTEGER) AS arm", f"c.d AS {ROW}"]
    columns += ["c.weight AS weight"] if case.every_event else []
    columns += [f"CAST(c.{completed} AS INTEGER) AS completed"] if completed else []
    columns += [f"c.{cluster} AS {sql.name(str(design.cluster))}"] if cluster else []
    return columns


def _write(case: Case, out: Path, roles: list[str], traits: list[str], columns: list[str]) -> None:
    from evaluation.data.engine import quoted

    sql = case.sql
    listed = [*roles, *(f"t.z{i} AS {sql.name(n)}" for i, n in enumerate(traits)), *columns]
    joins = ["LEFT JOIN traits AS t ON t.r = c.r"] if traits else []
    joins += [f"LEFT JOIN outcome{i} AS o{i} ON o{i}.r = c.r" for i, _ in enumerate(case.study.outcomes)]
    query = f"SELECT {', '.join(listed)} FROM cohort AS c {' '.join(joins)}"
    found = sql.result(query)
    order = f"{quoted(case.design.person)}, {ROW}"
    write(sql.connection, f"SELECT * FROM {found} AS result ORDER BY {order}", out, case.tables.values())
