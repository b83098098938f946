"""The first treated period of each unit, from a table of when treatment began and ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from evaluation.data.assemble.sql import unit_of
from evaluation.data.assemble.tables import rows
from evaluation.data.engine import Source, quoted
from evaluation.errors import DataError, Problem
from evaluation.results import FlowStep

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from evaluation.data.assemble.calendar import Calendar
    from evaluation.study.building import PanelBuild
    from evaluation.study.models import PanelDesign

NAMED = 3


def adopted(
    connection: DuckDBPyConnection,
    design: PanelDesign,
    build: PanelBuild,
    calendar: Calendar,
    tables: dict[str, Source],
) -> Iterator[FlowStep]:
    """Make the tables `starts` (u, cohort) and `aside` (u, k: periods whose outcomes are set aside).

    Treatment starts with the first full period. A unit that begins after the panel's last period gets the period it
    begins in, up to one beyond the span: not yet treated.

    Raises
    ------
    DataError
        When treatment ended, or began again, and the study does not say how that is to be taken; or when it ended
        before it began.
    """
    a = build.adoption
    source = tables[a.table]
    end = f"CAST({quoted(a.end)} AS DATE)" if a.end else "NULL::DATE"
    connection.execute(
        f"CREATE TEMP TABLE spells AS SELECT DISTINCT {unit_of(a.unit, design, source)} AS u, "
        f"CAST({quoted(a.start)} AS DATE) AS begun, {end} AS ended FROM {rows(source, a.where)} "
        f"WHERE {quoted(a.start)} IS NOT NULL AND {unit_of(a.unit, design, source)} IS NOT NULL"
    )
    problems = list(_refused(connection, build, source))
    if problems:
        raise DataError(*problems)
    began = calendar.sql("begun")
    # On the first day of a period the whole of it is treated; otherwise the next is the first full one.
    full = f"{began} + CASE WHEN day(begun) = 1 AND {_first_month(calendar)} THEN 0 ELSE {_partial(build)} END"
    connection.execute(
        "CREATE TEMP TABLE starts AS "
        f"SELECT u, greatest(0, least({full}, {calendar.count})) + {calendar.number} AS cohort "
        "FROM (SELECT u, min(begun) AS begun FROM spells GROUP BY u)"
    )
    connection.execute(_aside(build, calendar, began))
    yield FlowStep(
        "adoptions", "Units that began treatment", "unit", 0, _one(connection, "SELECT count(*) FROM starts")
    )


def _first_month(calendar: Calendar) -> str:
    """SQL for whether a date lies in the first month of its period."""
    month = calendar.month_sql("begun")
    start = 12 * calendar.first.year + calendar.first.month - 1
    return f"(({month} - {start}) % {calendar.months}) = 0"


def _partial(build: PanelBuild) -> int:
    return 0 if build.adoption.partial_period == "treated" else 1


def _aside(build: PanelBuild, calendar: Calendar, began: str) -> str:
    """SQL that makes `aside`: the partly treated period, and what is not treated to its last day where so asked."""
    parts = ["SELECT NULL::VARCHAR AS u, NULL::BIGINT AS k WHERE false"]
    if build.adoption.partial_period == "set_aside":
        inside = f"NOT (day(begun) = 1 AND {_first_month(calendar)})"
        parts.append(f"SELECT u, {began} FROM spells WHERE {inside}")
    if build.adoption.ended == "set_aside":
        # The day it ended is the last one treated: a period that ends with it is treated throughout.
        parts.append("SELECT u, p.k FROM spells JOIN periods p ON p.last_day > ended")
    return "CREATE TEMP TABLE aside AS SELECT DISTINCT * FROM (" + " UNION ALL ".join(parts) + ")"


def _refused(connection: DuckDBPyConnection, build: PanelBuild, source: Source) -> Iterator[Problem]:
    a, key = build.adoption, "design.build.adoption"
    wrong = _listed(connection, "SELECT u, ended FROM spells WHERE ended < begun ORDER BY ALL")
    if wrong:
        yield Problem(source.where, f"{key}.end", f"treatment ended before it began: {wrong}.", "Correct the dates.")
    again = _listed(connection, "SELECT u, max(begun) FROM spells GROUP BY u HAVING count(*) > 1 ORDER BY ALL")
    if again and a.again == "refuse":
        what = f"treatment began more than once: {again}."
        fix = "Correct the table, or set again: from_first to count units as treated from their first start on."
        yield Problem(source.where, f"{key}.start", what, fix)
    once = "u IN (SELECT u FROM spells GROUP BY u HAVING count(*) = 1)" if a.again == "from_first" else "true"
    ended = _listed(
        connection, f"SELECT u, ended FROM spells WHERE ended < DATE '{build.last}' AND {once} ORDER BY ALL"
    )
    if ended and a.ended == "refuse":
        what = f"treatment ended within the panel: {ended}."
        fix = (
            "Set ended: set_aside to leave out what came after, or ended: still_treated to go on counting these units "
            "as treated."
        )
        yield Problem(source.where, f"{key}.end", what, fix)


def _listed(connection: DuckDBPyConnection, query: str) -> str:
    found = connection.execute(query).fetchall()
    named = ", ".join(f"{u} ({day})" for u, day in found[:NAMED])
    return named + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")


def _one(connection: DuckDBPyConnection, query: str) -> Any:
    return connection.execute(query).fetchall()[0][0]
