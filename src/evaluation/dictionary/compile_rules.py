"""Keys and rules of a table as DuckDB queries that give the rows breaking them.

The rows of a submission lie in a table `typed` (row number `row`, one column a field); those of other tables, and what
the same table held before, under the names that the caller gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.dictionary.compile_cells import identifier, literal
from evaluation.dictionary.rules import Agree, Change, Compare, Count, Coverage, NoOverlap, RowRule, Rule, SumEquals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evaluation.dictionary.tables import Table

TYPED = "typed"
Z_LIMIT, Z_SCALE, EARLIER = 3.5, 0.6745, 8  # Iglewicz & Hoaglin (1993)


@dataclass(frozen=True)
class RowsBroken:
    """A query of one column `row`: the rows that break a rule, NULL where the whole file does; and where it points.

    `needs` are tables that must be known for the query to run. `pairs`, where rows are held against others of the same
    file, is a query of how many: where keys stand there many times, it would take for ever.
    """

    rule: str
    columns: tuple[str, ...]
    sql: str
    needs: tuple[str, ...] = ()
    pairs: str | None = None


@dataclass(frozen=True)
class Known:
    """SQL table expressions of what is known beside the submission: other tables, and earlier rows of this one."""

    others: Mapping[str, str]
    earlier: str | None = None


def _names(columns: tuple[str, ...], of: str = "") -> str:
    return ", ".join(of + identifier(c) for c in columns)


def key_checks(table: Table, known: Known) -> list[RowsBroken]:
    """The primary key, unique fields and foreign keys but those whose table is not known (see `unknown`)."""
    found = [_repeated("primary_key", table.primary_key)]
    found += [_repeated("unique", (f.name,)) for f in table.fields if f.constraints.unique]
    for key in table.foreign_keys:
        other = known.others.get(key.reference.resource)
        if key.reference.resource == table.name or other is None:
            continue
        here = " AND ".join(f"this.{identifier(c)} IS NOT NULL" for c in key.fields)
        same = " AND ".join(
            f"this.{identifier(a)} = other.{identifier(b)}"
            for a, b in zip(key.fields, key.reference.fields, strict=True)
        )
        sql = (
            f"SELECT row FROM {TYPED} AS this WHERE {here} AND NOT EXISTS (SELECT 1 FROM {other} AS other WHERE {same})"
        )
        found.append(RowsBroken("foreign_key", key.fields[-1:], sql, (key.reference.resource,)))
    return found


def unknown(table: Table, known: Known) -> list[str]:
    """Foreign keys that cannot be checked because the table they point to is not known."""
    away = [key.reference.resource for key in table.foreign_keys]
    return [f"foreign_key ({name})" for name in away if name != table.name and name not in known.others]


def _repeated(rule: str, columns: tuple[str, ...]) -> RowsBroken:
    """Rows whose key stood in an earlier row; rows with a gap in the key are not compared."""
    whole = " AND ".join(f"{identifier(c)} IS NOT NULL" for c in columns)
    keys = f"SELECT {_names(columns)}, min(row) AS first FROM {TYPED} WHERE {whole} GROUP BY ALL HAVING count(*) > 1"
    sql = f"SELECT row FROM {TYPED} JOIN ({keys}) USING ({_names(columns)}) WHERE row > first"
    return RowsBroken(rule, columns, sql)


def rule_check(rule: Rule, table: Table, known: Known) -> RowsBroken | None:
    """The rows that break a rule; None where a table that it needs is not known."""
    found: RowsBroken | None
    match rule:
        case RowRule():
            found = RowsBroken(rule.id, rule.columns, f"SELECT row FROM {TYPED} WHERE NOT ({rule.holds})")
        case NoOverlap():
            found = _overlapping(rule)
        case SumEquals():
            found = _summed(rule)
        case Compare():
            found = _compared(rule, table, known)
        case Change():
            found = _changed(rule, known)
        case Coverage():
            found = _covered(rule, known)
        case Agree():
            found = _agreeing(rule, table, known)
    return found


def _overlapping(rule: NoOverlap) -> RowsBroken:
    by, start, end = _names(rule.by), identifier(rule.start), identifier(rule.end)
    until = f"coalesce({end}, DATE '9999-12-31')"
    before = f"max({until}) OVER (PARTITION BY {by} ORDER BY {start}, {until}, row ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"  # noqa: E501
    whole = " AND ".join(f"{identifier(c)} IS NOT NULL" for c in (*rule.by, rule.start))
    stays = f"SELECT row, {start} AS begun, {before} AS before FROM {TYPED} WHERE {whole} AND {until} > {start}"
    return RowsBroken(rule.id, rule.columns, f"SELECT row FROM ({stays}) WHERE begun < before")


def _summed(rule: SumEquals) -> RowsBroken:
    by, part, value = _names(rule.by), identifier(rule.part), identifier(rule.value)
    is_total = f"{part} = {literal(rule.total)}"
    whole = f"count(*) FILTER (WHERE NOT ({is_total})) > 0 AND count(*) = count({value})"
    apart = "parts > total" if rule.at_most else "parts <> total"
    groups = (
        f"SELECT min(row) FILTER (WHERE {is_total}) AS row, sum({value}) FILTER (WHERE {is_total}) AS total, "
        f"sum({value}) FILTER (WHERE NOT ({is_total})) AS parts FROM {TYPED} GROUP BY {by} HAVING {whole}"
    )
    return RowsBroken(rule.id, rule.columns, f"SELECT row FROM ({groups}) WHERE row IS NOT NULL AND {apart}")


def _compared(rule: Compare, table: Table, known: Known) -> RowsBroken | None:
    other = TYPED if rule.with_table == table.name else known.others.get(rule.with_table)
    if other is None:
        return None
    same = " AND ".join(f"this.{identifier(a)} = other.{identifier(b)}" for a, b in rule.on.items())
    sql = f"SELECT DISTINCT this.row FROM {TYPED} AS this JOIN {other} AS other ON {same} WHERE NOT ({rule.holds})"
    pairs = _pairs(tuple(rule.on), tuple(rule.on.values()), TYPED) if rule.with_table == table.name else None
    return RowsBroken(rule.id, rule.columns, sql, (rule.with_table,), pairs)


def _pairs(left: tuple[str, ...], right: tuple[str, ...], source: str) -> str:
    """How many pairs of rows a join of a table with itself has, found without making them."""
    sides = [f"SELECT [{', '.join(f'CAST({c} AS VARCHAR)' for c in map(identifier, names))}] AS key, count(*) AS n FROM {source} GROUP BY ALL"  # noqa: E501
             for names in (left, right)]  # fmt: skip
    return f"SELECT coalesce(sum(l.n * r.n), 0) FROM ({sides[0]}) l JOIN ({sides[1]}) r USING (key)"


def _changed(rule: Change, known: Known) -> RowsBroken:
    by, value, time = _names(rule.by), identifier(rule.value), identifier(rule.time)
    chosen = f"{by}, {time} AS time, ln(1 + CAST({value} AS DOUBLE)) AS x"
    known_value = f"{value} IS NOT NULL AND {value} >= 0"
    series = f"SELECT row, {chosen} FROM {TYPED} WHERE {known_value}"
    if known.earlier is not None:
        series += f" UNION ALL SELECT NULL AS row, {chosen} FROM {known.earlier} WHERE {known_value}"
    same = " AND ".join(f"s.{identifier(c)} IS NOT DISTINCT FROM e.{identifier(c)}" for c in rule.by)
    pairs = f"SELECT s.row, s.x, e.x AS before FROM series s JOIN series e ON {same} AND e.time < s.time WHERE s.row IS NOT NULL"  # noqa: E501
    judged = "SELECT row, any_value(x) AS x, median(before) AS middle, mad(before) AS spread, count(*) AS n FROM pairs GROUP BY row"  # noqa: E501
    sql = (
        f"WITH series AS ({series}), pairs AS ({pairs}), judged AS ({judged}) "
        f"SELECT row FROM judged WHERE n >= {EARLIER} AND spread > 0 "
        f"AND {Z_SCALE} * abs(x - middle) / spread > {Z_LIMIT}"
    )
    return RowsBroken(rule.id, rule.columns, sql, pairs=_pairs(rule.by, rule.by, TYPED))


def _covered(rule: Coverage, known: Known) -> RowsBroken:
    """Rows of the first period of a series after one that is missing: of each period, its first row in the file."""
    by, time = _names(rule.by), identifier(rule.time)
    step = {"month": "INTERVAL 1 MONTH", "quarter": "INTERVAL 3 MONTH", "year": "INTERVAL 1 YEAR"}[rule.every]
    start = f"date_trunc('{rule.every}', {time})"
    seen = f"SELECT row, {by}, {start} AS period FROM {TYPED} WHERE {time} IS NOT NULL"
    if known.earlier is not None:
        seen += f" UNION ALL SELECT NULL AS row, {by}, {start} AS period FROM {known.earlier} WHERE {time} IS NOT NULL"
    once = f"SELECT {by}, period, min(row) AS row FROM ({seen}) GROUP BY ALL"
    steps = f"SELECT row, period, lag(period) OVER (PARTITION BY {by} ORDER BY period) AS before FROM ({once})"
    return RowsBroken(
        rule.id, rule.columns, f"SELECT row FROM ({steps}) WHERE before + {step} < period AND row IS NOT NULL"
    )


def _agreeing(rule: Agree, table: Table, known: Known) -> RowsBroken | None:
    """The periods of the file in which two counts are apart; what was sent before of the same table counts with it."""
    sides = []
    for count in (rule.left, rule.right):
        own = count.table == table.name
        sources = [TYPED, known.earlier] if own else [known.others.get(count.table)]
        if sources[0] is None:
            return None
        parts = [_counted(count, rule.per, source) for source in sources if source is not None]
        sides.append(f"SELECT period, sum(n) AS n, min(row) AS row FROM ({' UNION ALL '.join(parts)}) GROUP BY period")
    apart = f"abs(l.n - r.n) > {rule.tolerance} * greatest(l.n, r.n) AND greatest(l.n, r.n) >= {rule.minimum}"
    sql = (
        f"SELECT coalesce(l.row, r.row) AS row FROM ({sides[0]}) l JOIN ({sides[1]}) r USING (period) "
        f"WHERE coalesce(l.row, r.row) IS NOT NULL AND {apart}"
    )
    return RowsBroken(rule.id, rule.columns, sql, (rule.left.table, rule.right.table))


def periods_apart(rule: Agree, sources: Mapping[str, str]) -> str | None:
    """SQL of the periods (`period`) in which two counts are apart in what is stored; None where a table is not."""
    if rule.left.table not in sources or rule.right.table not in sources:
        return None
    left, right = (_counted(c, rule.per, sources[c.table]) for c in (rule.left, rule.right))
    apart = f"abs(l.n - r.n) > {rule.tolerance} * greatest(l.n, r.n) AND greatest(l.n, r.n) >= {rule.minimum}"
    return f"SELECT period FROM ({left}) l JOIN ({right}) r USING (period) WHERE {apart} ORDER BY period"


def _counted(count: Count, per: str, source: str) -> str:
    number = f"sum({identifier(count.value)})" if count.value else "count(*)"
    first = "min(row)" if source == TYPED else "CAST(NULL AS BIGINT)"
    where = f"({count.where}) AND " if count.where else ""
    time = identifier(count.time)
    return (
        f"SELECT date_trunc('{per}', {time}) AS period, {number} AS n, {first} AS row FROM {source} "
        f"WHERE {where}{time} IS NOT NULL GROUP BY 1"
    )
