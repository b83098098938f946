"""Whether the tables are about the same people and the same time: persons found, silent ends, ages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from string import ascii_lowercase, ascii_uppercase, digits

from evaluation.data.assemble.cohort.case import DEATHS, Case, stays_of
from evaluation.data.assemble.cohort.reach import needed
from evaluation.data.assemble.cohort.times import last_day
from evaluation.data.assemble.cohort.told import Doubt, dated
from evaluation.study.spelling import nearest

Covered = dict[str, tuple[date | None, date]]
MANY, FEWEST = 100, 0.01  # people, from which a share is judged; the share below which tables hardly meet
OLDEST = 110
SILENT, GAPS, JUDGED, YEAR = 60, 10, 20, 365  # days; typical gaps; event days that a gap is reckoned from; days


def persons_found(case: Case) -> Iterator[Doubt]:
    """Tables in which none, or hardly any, of the people in `picked` are found."""
    design, sql = case.design, case.sql
    used = {t for _, t, _ in dated(case)} | {r.table for r in (*design.include, *design.exclude) if r.table}
    used |= {c.table for c in design.characteristics.values() if c.table}
    people = "SELECT DISTINCT p FROM picked"
    everyone = int(sql.rows(f"SELECT count(*) FROM ({people}) AS t")[0][0])
    for table in sorted(used - {design.index.table, design.comparison.table}):
        rows = f"SELECT DISTINCT p FROM ({case.rows(table, [])}) AS t WHERE p IS NOT NULL"
        held, found = map(int, sql.rows(
            f"SELECT count(*), count(k.p) FROM ({rows}) AS t LEFT JOIN ({people}) AS k ON k.p = t.p")[0])  # fmt: skip
        if not held or not everyone or (found and (found >= FEWEST * held or found >= FEWEST * everyone)):
            continue
        ours, theirs = _shapes(case, people), _shapes(case, rows)
        apart = not {_short(s) for s in ours} & {_short(s) for s in theirs}
        many = held >= MANY and everyone >= MANY
        if not (many or (apart and not found)):
            continue
        what = (
            f"{found:,} of the {everyone:,} people with an index event are among the {held:,} in {table}."
            f"{design.person}; ids look like {theirs[0]} there and like {ours[0]} in the index events."
        )
        error = not found and (apart or (many and table != DEATHS))
        fix = "Write the same person the same way in every table (number or text, prefix, leading zeros)."
        yield Doubt(f"data.tables.{table}", "persons_not_found", what, fix, (found, everyone, held), error=error)


def _shapes(case: Case, rows: str) -> list[str]:
    """What ids look like, most frequent first: 9 for a digit, a and A for letters; never an id itself."""
    of = digits + ascii_lowercase + ascii_uppercase
    to = "9" * 10 + "a" * 26 + "A" * 26
    return [str(s) for (s,) in case.sql.rows(
        f"SELECT s FROM (SELECT translate(CAST(p AS STRING), '{of}', '{to}') AS s FROM ({rows}) AS t) AS u "
        "GROUP BY s ORDER BY count(*) DESC, s LIMIT 50"
    )]  # fmt: skip


def _short(shape: str) -> str:
    return re.sub(r"(.)\1+", r"\1", shape)


def silent_ends(case: Case, covered: Covered) -> Iterator[Doubt]:
    """Tables whose last event lies long before the day to which they are said to reach; over `cohort`.

    Long is more than 60 days and more than ten times the mean gap between the table's days with an event. Tables of
    fewer than 20 such days are not judged.
    """
    sql = case.sql
    stays = stays_of(case.design, case.tables)
    wanted = {t for o in case.study.outcomes for t in needed(case, o)} | ({stays.stop_in} if stays else set())
    for _, table, column in dated(case):
        if table not in wanted:
            continue
        source, day = case.tables[table], sql.day(column)
        scan = sql.scan(source, list(source.columns))
        until = case.day(covered.get(table, (None, case.as_of))[1])
        lasts = [day] + ([sql.day(stays.end)] if stays and table == stays.stop_in else [])
        days, first, *ends = sql.rows(
            f"SELECT count(DISTINCT CASE WHEN {day} <= {until} THEN {day} END), min({day}), "
            + ", ".join(f"max(CASE WHEN {one} <= {until} THEN {one} END)" for one in lasts)
            + f" FROM {scan} WHERE {day} >= DATE '1900-01-01'"
        )[0]
        end, last = covered.get(table, (None, case.as_of))[1], max((e for e in ends if e is not None), default=None)
        if days < JUDGED or last is None:
            continue
        silent, gap = (end - last).days, (last - first).days / (days - 1)
        if silent <= max(SILENT, GAPS * gap):
            continue
        resting = _resting(case, last, end)
        if not resting and silent <= YEAR:
            continue  # nobody's window is full because of them
        what = (
            f"the last day in {table} is {last}, and the data are taken to reach to {end}: in these {silent:,} "
            f"days nothing happened to anybody. {resting:,} people count as followed through a window only by them."
        )
        fix = f"Set data.as_of (or the coverage of {table}) to the last day on which {table} is complete."
        error = resting > 0 and silent > YEAR and table not in covered
        key = "data.coverage" if table in covered else "data.as_of"
        yield Doubt(key, "silent_end", what, fix, (resting,), error=error)


def _resting(case: Case, last: date, end: date) -> int:
    """People who have a window that ends in the silent days."""
    sql = case.sql
    windows = dict.fromkeys(w for o in case.study.outcomes for w in case.windows(o))
    ends = [last_day(sql, case.design.time_unit, "c.d", w) for w in windows]
    if not ends:
        return 0
    met = " OR ".join(f"({e} > {case.day(last)} AND {e} <= {case.day(end)})" for e in ends)
    return int(sql.rows(f"SELECT count(DISTINCT p) FROM cohort AS c WHERE {met}")[0][0])


def strange_coverage(case: Case, covered: Covered) -> Iterator[Doubt]:
    """Names in the coverage table that are nearly those of a table."""
    for name in sorted(covered):
        near = None if name in case.tables else nearest(name, case.tables)
        if near:
            what = f'the coverage table tells of "{name}", and data.tables has no such table; did you mean "{near}"?'
            yield Doubt("data.coverage.table", "coverage_unknown", what, "Write the table's name exactly.", error=True)


def ages(case: Case) -> Iterator[Doubt]:
    """People in `cohort` who would be unborn, or older than 110, at their index date."""
    sql = case.sql
    for name, trait in case.design.characteristics.items():
        if trait.age_from is None or trait.table is None:
            continue
        rows = case.rows(trait.table, [f"{sql.born(case.tables[trait.table], trait.age_from)} AS born"], trait.where)
        unborn, old = map(int, sql.rows(
            f"SELECT count(DISTINCT CASE WHEN t.born > c.d THEN c.p END), "
            f"count(DISTINCT CASE WHEN {sql.add_months('t.born', 12 * (OLDEST + 1))} <= c.d THEN c.p END) "
            f"FROM ({rows}) AS t JOIN cohort AS c ON c.p = t.p")[0])  # fmt: skip
        if unborn or old:
            what = (f"{trait.table}.{trait.age_from}: {unborn:,} people would be born after their index date, and "
                    f"{old:,} be older than {OLDEST} then.")  # fmt: skip
            yield Doubt(f"design.characteristics.{name}.age_from", "impossible_ages", what, "Correct the dates.",
                        (unborn, old))  # fmt: skip
