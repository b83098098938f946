"""Index events: both pools, the clean window, and the events from which people are followed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evaluation.data.assemble.cohort.case import DEATH_DATE, DEATHS, Case
from evaluation.data.assemble.cohort.times import before
from evaluation.results import Check, FlowStep

if TYPE_CHECKING:
    from evaluation.study.building import Filter
    from evaluation.study.cohort_building import IndexEvents


@dataclass
class Own:
    """What is wanted of the index event's own row: values of columns, and whether it meets filters."""

    values: list[str] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)

    def value(self, column: str) -> str:
        """The name, in the plan's tables, of a value."""
        if column not in self.values:
            self.values.append(column)
        return f"v{self.values.index(column)}"

    def filter(self, where: Filter) -> str:
        """The name, in the plan's tables, of 1 where the row meets a filter, else 0."""
        self.filters.append(where)
        return f"m{len(self.filters) - 1}"

    @property
    def names(self) -> list[str]:
        """All these names."""
        return [f"v{i}" for i, _ in enumerate(self.values)] + [f"m{i}" for i, _ in enumerate(self.filters)]


def index_events(case: Case, own: Own) -> Iterator[FlowStep | Check]:
    """Make the table `picked` (r, p, d, a, death, own …): the index events that people are followed from.

    r is a number of the row's own, p the person, d the index date, a the arm, death the day of death.
    """
    yield from _pooled(case, own)
    yield from _clean(case, own)
    yield from _first(case, own)


def _pool(case: Case, pool: IndexEvents, arm: int, own: Own, without: Filter | None) -> str:
    """SQL of one pool's rows; those that are in the other pool as well are left out."""
    sql, source = case.sql, case.tables[pool.table]
    columns = [f"{sql.value(source, c)} AS v{i}" for i, c in enumerate(own.values)]
    columns += [f"CASE WHEN {sql.met(source, w)} THEN 1 ELSE 0 END AS m{i}" for i, w in enumerate(own.filters)]
    listed = ", ".join(
        [f"{sql.person(source, case.design.person)} AS p", f"{sql.day(pool.date)} AS d", f"{arm} AS a", *columns]
    )
    once = "" if without is None else f" AND NOT {sql.met(source, without)}"
    return f"SELECT {listed} FROM {sql.scan(source, list(source.columns))} WHERE {sql.met(source, pool.where)}{once}"


def _pooled(case: Case, own: Own) -> Iterator[FlowStep]:
    """Make `events` (p, a, d, own …), one row a person, pool and day."""
    design, sql = case.design, case.sql
    same = design.index.table == design.comparison.table
    program = _pool(case, design.index, 1, own, None)
    compared = _pool(case, design.comparison, 0, own, design.index.where if same else None)
    sql.make("pooled", f"{program} UNION ALL {compared}")
    valid = f"p IS NOT NULL AND d IS NOT NULL AND d <= {case.day(case.as_of)}"
    # Where a day's rows differ in a value nobody can say which one holds: it is missing. Gaps differ from nothing.
    values = [f"CASE WHEN min(v{i}) = max(v{i}) THEN min(v{i}) END AS v{i}" for i, _ in enumerate(own.values)]
    values += [f"max(m{i}) AS m{i}" for i, _ in enumerate(own.filters)]
    sql.make("events", f"SELECT {', '.join(['p, a, d', *values])} FROM pooled WHERE {valid} GROUP BY p, a, d")
    everyone, unknown, later = sql.rows(
        "SELECT count(*), count(*) FILTER (WHERE p IS NULL OR d IS NULL), "
        f"count(*) FILTER (WHERE p IS NOT NULL AND d > {case.day(case.as_of)}) FROM pooled"
    )[0]
    once = sql.rows("SELECT count(*) FROM events")[0][0]
    sql.drop("pooled")
    left = everyone
    yield FlowStep("index_events", "Rows of index events, program and comparison", "row", 0, left)
    for step, reason, gone in (
        ("no_person_or_date", "Person or date missing", unknown),
        ("after_as_of", f"After {case.as_of}, the last day that the data tell of", later),
        ("duplicate", "The same person and day again", everyone - unknown - later - once),
    ):
        left -= gone
        yield FlowStep(step, reason, "row", gone, left)


def _clean(case: Case, own: Own) -> Iterator[FlowStep]:
    """Make `clean`: index events without another of the same person within the clean window before them."""
    sql, length = case.sql, case.design.clean_window
    # A day has two events at most, one of each pool: the last earlier day is that of the row before, or the one before.
    last = "CASE WHEN lag(d, 1) OVER w < d THEN lag(d, 1) OVER w ELSE lag(d, 2) OVER w END"
    sql.make(
        "clean",
        f"SELECT {', '.join(['p, a, d', *own.names])} FROM "
        f"(SELECT *, {last} AS last_one FROM events WINDOW w AS (PARTITION BY p ORDER BY d, a DESC)) AS e "
        f"WHERE last_one IS NULL OR last_one < {before(sql, 'd', length)}",
    )
    had, left = sql.rows("SELECT count(*) FROM events")[0][0], sql.rows("SELECT count(*) FROM clean")[0][0]
    sql.drop("events")
    if length.count:
        yield FlowStep("clean_window", f"Another index event within {length} before", "row", had - left, left)


def _first(case: Case, own: Own) -> Iterator[FlowStep | Check]:
    """Make `picked`, and count those in both pools and the index events that nobody is followed from."""
    sql, design = case.sql, case.design
    people, both, events = sql.rows(
        "SELECT count(*), count(*) FILTER (WHERE high > low), coalesce(sum(n), 0) "
        "FROM (SELECT p, min(a) AS low, max(a) AS high, count(*) AS n FROM clean GROUP BY p) AS persons"
    )[0]
    yield FlowStep("people", "People with an index event", "person", 0, people)
    keep = "true"
    if design.crossover == "exclude":
        keep = "low = high"
        yield FlowStep("crossover", "Index events in both the program and the comparison", "person", both,
                       people - both)  # fmt: skip
    part = "p, d" if case.every_event else "p"
    deaths = "SELECT CAST(NULL AS STRING) AS p, CAST(NULL AS DATE) AS death WHERE false"
    if DEATHS in case.tables:
        rows = case.rows(DEATHS, [f"{sql.day(DEATH_DATE)} AS died"])
        deaths = f"SELECT p, min(died) AS death FROM ({rows}) AS t WHERE died IS NOT NULL GROUP BY p"
    elif sql.whole:
        deaths = "SELECT CAST(NULL AS BIGINT) AS p, CAST(NULL AS DATE) AS death WHERE false"
    listed = ", ".join(["e.p", "e.d", "e.a", *(f"e.{name}" for name in own.names)])
    sql.make(
        "picked",
        f"SELECT {sql.number_rows} AS r, q.* FROM (SELECT {listed}, x.death FROM (SELECT *, "
        f"row_number() OVER (PARTITION BY {part} ORDER BY d, a DESC) AS n, "
        "min(a) OVER (PARTITION BY p) AS low, max(a) OVER (PARTITION BY p) AS high FROM clean) AS e "
        f"LEFT JOIN ({deaths}) AS x ON x.p = e.p WHERE e.n = 1 AND {keep}) AS q",
    )
    left = sql.rows("SELECT count(*) FROM picked")[0][0]
    if keep != "true":
        one_pool = "SELECT p FROM clean GROUP BY p HAVING min(a) = max(a)"
        events = sql.rows(f"SELECT count(*) FROM clean WHERE p IN ({one_pool})")[0][0]
    reason = "In the comparison on the day of a program event" if case.every_event else "Later index events"
    yield FlowStep("later_events", reason, "row", events - left, left)
    if design.crossover == "first" and not case.every_event:
        yield _crossed(case)
    sql.drop("clean")


def _crossed(case: Case) -> Check:
    """Those who are followed from the comparison and entered the program later."""
    crossed, compared = case.sql.rows(
        "SELECT count(*) FILTER (WHERE k.p IS NOT NULL), count(*) FROM picked AS c "
        "LEFT JOIN (SELECT DISTINCT p FROM clean WHERE a = 1) AS k ON k.p = c.p WHERE c.a = 0"
    )[0]
    what = (
        f"{crossed:,} of {compared:,} people in the comparison entered the program later. They stay in the comparison, "
        "where they began."
    )
    return Check("crossover", "info", what, statistic=float(crossed), counts=(crossed, compared))
