"""What the tables tell of people before their index date: rows counted, or values of their row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.data.assemble.cohort.times import before

if TYPE_CHECKING:
    from evaluation.data.assemble.cohort.case import Case
    from evaluation.study.building import Filter
    from evaluation.study.cohort_building import Span


@dataclass(frozen=True)
class Ask:
    """Rows of a table to be counted as `name`: of a day before the index date, or, without `date`, of any."""

    name: str
    table: str
    date: str | None
    within: Span | None
    where: Filter


@dataclass(frozen=True)
class Look:
    """A column of the person's row in a table, as `name`; missing where several rows differ."""

    name: str
    table: str
    column: str
    where: Filter
    day: bool = False


def counted(case: Case, base: str, asks: list[Ask], prefix: str) -> list[str]:
    """Make a table (r, names …) for each table and date column asked, one pass over each; their names."""
    made = []
    groups = dict.fromkeys((a.table, a.date) for a in asks)
    for i, (table, date) in enumerate(groups):
        _count(case, base, f"{prefix}{i}", [a for a in asks if (a.table, a.date) == (table, date)])
        made.append(f"{prefix}{i}")
    return made


def _count(case: Case, base: str, name: str, asks: list[Ask]) -> None:
    sql, first = case.sql, asks[0]
    flags = [f"{sql.met(case.tables[a.table], a.where)} AS f{j}" for j, a in enumerate(asks)]
    columns = [f"{sql.day(first.date)} AS day"] if first.date else []
    rows = case.rows(first.table, [*columns, *flags])
    sums = []
    for j, ask in enumerate(asks):
        recent = f" AND e.day >= {before(sql, 'c.d', ask.within)}" if ask.within and ask.date else ""
        sums.append(f"count(*) FILTER (WHERE e.f{j}{recent}) AS {ask.name}")
    earlier = " AND e.day < c.d" if first.date else ""
    some = " OR ".join(f"e.f{j}" for j, _ in enumerate(asks))
    sql.make(
        name,
        f"SELECT c.r, {', '.join(sums)} FROM {base} AS c JOIN ({rows}) AS e ON e.p = c.p{earlier} "
        f"WHERE {some} GROUP BY c.r",
    )


def found(case: Case, base: str, looks: list[Look], prefix: str) -> list[str]:
    """Make a table (p, names …, <name>_differ …) for each table looked into; their names."""
    made = []
    for i, table in enumerate(dict.fromkeys(look.table for look in looks)):
        _values(case, base, f"{prefix}{i}", [look for look in looks if look.table == table])
        made.append(f"{prefix}{i}")
    return made


def _values(case: Case, base: str, name: str, looks: list[Look]) -> None:
    sql, table = case.sql, looks[0].table
    source = case.tables[table]
    columns, values = [], []
    for look in looks:
        value = sql.born(source, look.column) if look.day else sql.value(source, look.column)
        kept = f"CASE WHEN {sql.met(source, look.where)} THEN {value} END" if look.where else value
        columns.append(f"{kept} AS {look.name}")
        values.append(f"CASE WHEN min({look.name}) = max({look.name}) THEN min({look.name}) END AS {look.name}")
        values.append(f"CASE WHEN min({look.name}) <> max({look.name}) THEN 1 ELSE 0 END AS {look.name}_differ")
    rows = case.rows(table, columns)
    sql.make(
        name,
        f"SELECT p, {', '.join(values)} FROM ({rows}) AS t WHERE p IN (SELECT p FROM {base}) GROUP BY p",
    )
