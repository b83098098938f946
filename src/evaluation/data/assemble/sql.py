"""Queries of the panel builder: who reported what when, counts by unit and period, and who is kept out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from evaluation.data.assemble.tables import literal, rows
from evaluation.data.engine import FLOATS, Source, quoted
from evaluation.errors import DataError, Problem
from evaluation.results import FlowStep

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from evaluation.data.assemble.calendar import Calendar
    from evaluation.study.building import Coverage, Exclusion, PanelBuild
    from evaluation.study.models import Outcome, PanelDesign

Tables = dict[str, Source]
NAMED = 3  # units that a message names


def unit_of(name: str | None, design: PanelDesign, source: Source) -> str:
    """SQL for a table's unit, as text: codes come as numbers or as text, and a gap turns whole ones into 1.0."""
    column = name or design.unit
    if source.columns[column] in FLOATS:
        whole = f"{source.value(column)} = floor({source.value(column)}) AND abs({quoted(column)}) < 1e18"
        number = f"CAST(CAST({quoted(column)} AS BIGINT) AS VARCHAR)"
        return f"CASE WHEN {whole} THEN {number} ELSE CAST({source.value(column)} AS VARCHAR) END"
    return f"nullif(trim(CAST({quoted(column)} AS VARCHAR)), '')"


# --------------------------------------------------------------------------- coverage


def coverage(
    connection: DuckDBPyConnection, design: PanelDesign, build: PanelBuild, calendar: Calendar, tables: Tables
) -> None:
    """Make the tables `reporters` (u) and `reported` (u, k): periods that a unit reported in full.

    Without a coverage table both are empty.

    Raises
    ------
    DataError
        When spells of a unit overlap or end before they begin, or neither spells nor dates are named.
    """
    c = build.coverage
    if c is None or isinstance(c, str):
        connection.execute("CREATE TEMP TABLE reported (u VARCHAR, k BIGINT)")
    elif c.date:
        connection.execute(f"CREATE TEMP TABLE reported AS {_by_month(c, design, calendar, tables[c.table])}")
    elif c.start and c.end:
        _by_spell(connection, c, design, tables[c.table])
    else:
        what = "says neither when spells of reporting start and end, nor a date in each month reported."
        raise DataError(Problem("", "design.build.coverage", what, "Add start and end, or date."))
    connection.execute("CREATE TEMP TABLE reporters AS SELECT DISTINCT u FROM reported")


def _by_month(c: Coverage, design: PanelDesign, calendar: Calendar, source: Source) -> str:
    """Periods of which every month has a row."""
    assert c.date is not None  # noqa: S101 - the caller looked
    day = f"CAST({quoted(c.date)} AS DATE)"
    return (
        f"SELECT u, k FROM (SELECT {unit_of(c.unit, design, source)} AS u, {calendar.sql(day)} AS k, "
        f"{calendar.month_sql(day)} AS month FROM {rows(source, c.where)} WHERE {day} IS NOT NULL) "
        f"GROUP BY u, k HAVING count(DISTINCT month) = {calendar.months}"
    )


def _by_spell(connection: DuckDBPyConnection, c: Coverage, design: PanelDesign, source: Source) -> None:
    """Periods every day of which lies in a spell. An empty end goes on."""
    assert c.start is not None and c.end is not None  # noqa: S101, PT018 - the caller looked
    connection.execute(
        f"CREATE TEMP TABLE cover AS SELECT DISTINCT {unit_of(c.unit, design, source)} AS u, "
        f"CAST({quoted(c.start)} AS DATE) AS f, coalesce(CAST({quoted(c.end)} AS DATE), DATE '9999-12-31') AS l "
        f"FROM {rows(source, c.where)} WHERE {quoted(c.start)} IS NOT NULL"
    )
    bad = connection.execute(
        "SELECT u, f FROM (SELECT *, lag(l) OVER (PARTITION BY u ORDER BY f, l) AS before FROM cover) "
        "WHERE l < f OR before >= f ORDER BY ALL LIMIT 1"
    ).fetchall()
    if bad:
        what = f"spells of reporting overlap, or end before they begin: {bad[0][0]} from {bad[0][1]}, for one."
        raise DataError(Problem(source.where, "design.build.coverage", what, "Correct the dates."))
    connection.execute(
        "CREATE TEMP TABLE reported AS SELECT u, k FROM cover JOIN periods ON f <= last_day AND l >= first_day "
        "GROUP BY u, k, days HAVING sum(least(l, last_day) - greatest(f, first_day) + 1) = days"
    )


# --------------------------------------------------------------------------- outcomes


def count(
    connection: DuckDBPyConnection,
    i: int,
    outcome: Outcome,
    design: PanelDesign,
    build: PanelBuild,
    calendar: Calendar,
    tables: Tables,
) -> None:
    """Make the tables `counts<i>` (u, k, n) of an outcome's rows, and `people<i>` (u, k, people).

    Raises
    ------
    DataError
        When nothing says which periods were reported, so that a zero could not be told from a gap; when a number
        of people has several rows a unit and year.
    """
    b = outcome.build
    assert b is not None  # noqa: S101 - the caller looked
    if build.coverage is None and b.sum is None:
        what = "nothing says which periods were reported, so a period without events could be zero or a gap."
        fix = "Name a table in design.build.coverage, or write coverage: complete if every unit reported throughout."
        raise DataError(Problem("", "design.build.coverage", what, fix))
    day = f"CAST({quoted(b.date)} AS DATE)"
    value = quoted(b.sum) if b.sum else "1"
    unit = unit_of(b.unit, design, tables[b.table])
    connection.execute(
        f"CREATE TEMP TABLE events{i} AS SELECT {unit} AS u, {calendar.sql(day)} AS k, "
        f"{calendar.month_sql(day)} AS month, {value} AS n FROM {rows(tables[b.table], b.where)}"
    )
    connection.execute(
        f"CREATE TEMP TABLE counts{i} AS SELECT u, k, sum(n)::DOUBLE AS n, "
        f"count(DISTINCT month) FILTER (n IS NOT NULL) AS months, count(*) FILTER (n IS NULL) AS unknown "
        f"FROM events{i} WHERE u IS NOT NULL AND k BETWEEN 0 AND {calendar.count - 1} GROUP BY u, k"
    )
    _people(connection, i, outcome, design, tables)


def everyone(connection: DuckDBPyConnection, outcomes: int, source: Source) -> None:
    """Make the table `everyone` (u): units that any table knows.

    Raises
    ------
    DataError
        When a unit began treatment that no other table knows: a misspelt code would make its real unit untreated.
    """
    parts = ["reporters", "about", *(f"events{i}" for i in range(outcomes)), *(f"people{i}" for i in range(outcomes))]
    known = " UNION ".join(f"SELECT u FROM {part}" for part in parts)
    connection.execute(f"CREATE TEMP TABLE everyone AS SELECT DISTINCT u FROM ({known}) WHERE u IS NOT NULL")
    strange = connection.execute("SELECT u FROM starts WHERE u NOT IN (SELECT u FROM everyone) ORDER BY u").fetchall()
    if strange:
        named = ", ".join(str(u) for (u,) in strange[:NAMED]) + (", …" if len(strange) > NAMED else "")
        what = f"names units that no other table knows: {named}."
        fix = (
            "Write the codes as the other tables do, leave units out (where) that the panel is not about, or name a "
            "table of all units in design.build.attributes."
        )
        raise DataError(Problem(source.where, "design.build.adoption", what, fix))


def outcome(
    connection: DuckDBPyConnection, i: int, outcome: Outcome, build: PanelBuild, calendar: Calendar
) -> Iterator[FlowStep]:
    """Make the table `outcome<i>` (u, k, value, people), and count the rows used."""
    summed = outcome.build is not None and outcome.build.sum is not None
    connection.execute(f"CREATE TEMP TABLE whole{i} AS {_whole(i, build, calendar, summed=summed)}")
    connection.execute(
        f"CREATE TEMP TABLE outcome{i} AS SELECT u, k, people, "
        f"CASE WHEN coalesce(c.unknown, 0) = 0 THEN coalesce(c.n, 0)::DOUBLE END AS value "
        f"FROM whole{i} LEFT JOIN counts{i} c USING (u, k) LEFT JOIN people{i} USING (u, k)"
    )
    yield from _used(connection, i, outcome)


def _whole(i: int, build: PanelBuild, calendar: Calendar, *, summed: bool) -> str:
    """SQL of the units and periods whose outcome is known in full: an absent count is then a zero."""
    if build.coverage == "complete":
        return "SELECT u, k FROM everyone CROSS JOIN periods"
    if build.coverage is None and summed:  # each number is a report: a period is known where all its months are
        return f"SELECT u, k FROM counts{i} WHERE months = {calendar.months}"
    return "SELECT u, k FROM reported"


def _people(connection: DuckDBPyConnection, i: int, outcome: Outcome, design: PanelDesign, tables: Tables) -> None:
    """The table `people<i>` (u, k, people): the population of the calendar year in which the period starts."""
    p = outcome.per
    if p is None:
        connection.execute(f"CREATE TEMP TABLE people{i} (u VARCHAR, k BIGINT, people DOUBLE)")
        return
    connection.execute(
        f"CREATE TEMP TABLE people{i} AS SELECT u, k, people FROM periods JOIN "
        f"(SELECT {unit_of(p.unit, design, tables[p.table])} AS u, "
        f"CAST({quoted(p.year)} AS BIGINT) AS year, sum({quoted(p.column)})::DOUBLE AS people "
        f"FROM {rows(tables[p.table], p.where)} GROUP BY ALL) USING (year)"
    )


def _used(connection: DuckDBPyConnection, i: int, outcome: Outcome) -> Iterator[FlowStep]:
    """Rows of the outcome's table: without a unit or date, outside the span, in periods not reported in full."""
    total, nowhere, outside = connection.execute(
        f"SELECT count(*), count(*) FILTER (u IS NULL OR k IS NULL), "
        f"count(*) FILTER (u IS NOT NULL AND k IS NOT NULL AND k NOT IN (SELECT k FROM periods)) FROM events{i}"
    ).fetchall()[0]
    unreported = connection.execute(
        f"SELECT count(*) FROM events{i} JOIN periods USING (k) WHERE u IS NOT NULL "
        f"AND NOT EXISTS (FROM whole{i} w WHERE w.u = events{i}.u AND w.k = events{i}.k)"
    ).fetchall()[0][0]
    steps = (
        ("rows", "Rows counted for the outcome", 0),
        ("no_unit_or_date", "Unit or date missing", nowhere),
        ("outside_span", "Outside the panel's span", outside),
        ("unreported", "In a period that was not reported in full", unreported),
    )
    left = total
    for step, reason, gone in steps:
        left -= gone
        yield FlowStep(f"{outcome.id}_{step}", f"{outcome.label}: {reason[0].lower()}{reason[1:]}", "row", gone, left)


# --------------------------------------------------------------------------- units


def attributes(connection: DuckDBPyConnection, build: PanelBuild, design: PanelDesign, tables: Tables) -> list[str]:
    """Make the table `about` (u, columns): what is known of a unit. Returns the columns as SQL.

    Raises
    ------
    DataError
        When a unit has several rows.
    """
    a = build.attributes
    if a is None:
        connection.execute("CREATE TEMP TABLE about (u VARCHAR)")
        return []
    # Names of their own keep the columns apart from the builder's, whatever they are called.
    source, names = tables[a.table], [f"{quoted(c)} AS a{i}" for i, c in enumerate(a.columns)]
    connection.execute(
        f"CREATE TEMP TABLE about AS SELECT {unit_of(a.unit, design, source)} AS u, {', '.join(names)} "
        f"FROM {source.scan} WHERE {unit_of(a.unit, design, source)} IS NOT NULL"
    )
    twice = connection.execute("SELECT u FROM about GROUP BY u HAVING count(*) > 1 ORDER BY u LIMIT 1").fetchall()
    if twice:
        what = f"has more than one row for {twice[0][0]}."
        raise DataError(Problem(source.where, "design.build.attributes", what, "Keep one row a unit."))
    return [f"about.a{i} AS {quoted(c)}" for i, c in enumerate(a.columns)]


def excluded(connection: DuckDBPyConnection, i: int, exclusion: Exclusion, design: PanelDesign, tables: Tables) -> str:
    """SQL of the units that an exclusion keeps out.

    Raises
    ------
    DataError
        When it names no units, or units that no table knows: a misspelt one would stay in.
    """
    key, listed = f"design.build.exclude[{i}]", [str(u).strip() for u in exclusion.units]
    if not listed and not exclusion.table:
        raise DataError(Problem("", key, "names neither units nor a table.", "Add units, or table and where."))
    known = {u for (u,) in connection.execute("SELECT u FROM everyone").fetchall()}
    strange = [u for u in listed if u not in known]
    if strange:
        named = ", ".join(strange[:NAMED]) + (", …" if len(strange) > NAMED else "")
        what = f"names units that no table knows: {named}."
        raise DataError(Problem("", f"{key}.units", what, "Write the codes as the tables do, or leave these out."))
    parts = [f"SELECT {literal(u)} AS u" for u in listed]
    if exclusion.table:
        source = tables[exclusion.table]
        parts.append(f"SELECT {unit_of(exclusion.unit, design, source)} AS u FROM {rows(source, exclusion.where)}")
    return " UNION ".join(parts)
