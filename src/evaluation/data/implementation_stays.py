"""Stays in the program: who is still there so long after entry, and who graduated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from evaluation.results import Row

if TYPE_CHECKING:
    from evaluation.data.implementation_case import Described, Figures
    from evaluation.study.cohort_building import Span
    from evaluation.study.implementation import Stays


def stays(case: Described, asked: Stays) -> None:
    """Make the table `stays` (r, p, e, graduated): of everyone whose stay is known, its last day, empty while it goes
    on, and whether they graduated then.

    A stay is the row that begins on the index date; of several, the longest.
    """
    sql = case.sql
    end, reason = sql.day(asked.end), f"trim(CAST({sql.name(asked.reason)} AS VARCHAR))"
    listed = ", ".join(sql.literal(g) for g in asked.graduated)
    more = [f"CASE WHEN {end} <= {case.last(asked.table)} THEN {end} END AS e",
            f"coalesce({reason} IN ({listed}), false) AS g"]  # fmt: skip
    rows = case.rows(asked.table, asked.start, asked.where, more)
    sql.make(
        "stays",
        "SELECT r, p, CASE WHEN count(*) = count(e) THEN max(e) END AS e, "
        "count(*) = count(e) AND bool_or(g AND e = latest) AS graduated FROM (SELECT people.r, people.p, s.e, s.g, "
        f"max(s.e) OVER (PARTITION BY people.r) AS latest FROM people JOIN {rows} AS s ON s.p = people.p "
        "AND s.day = people.d) GROUP BY r, p",
    )


def retained(case: Described, length: Span) -> str:
    """SQL of (r, met): whether people who could be followed so long are still in the program then, or graduated."""
    assert case.asked.stays is not None  # noqa: S101 - the caller looked
    then = case.on("people.d", length)
    return (
        f"(SELECT r, coalesce(s.e IS NULL OR s.e >= {then} OR s.graduated, false) AS met FROM stays AS s "
        f"JOIN people USING (r) WHERE {then} <= {case.after(case.asked.stays.table)})"
    )


GRADUATED = "(SELECT r, coalesce(graduated, false) AS met FROM stays WHERE e IS NOT NULL)"


def courses(case: Described, lengths: Sequence[Span]) -> Iterator[tuple[str, str, int, str]]:
    """Measure, label, position and SQL of (r, met) of every figure about stays."""
    for length in lengths:
        label = f"Still in the program, or graduated, after {length}"
        yield "retention", label, length.count, f"{retained(case, length)} AS kept"
    yield "graduation", "Graduated, of those whose stay has ended", 0, f"{GRADUATED} AS done"


def retention(figures: Figures, lengths: Sequence[Span]) -> Iterator[Row]:
    """Shares still there, or graduated, so long after entry; and graduates among those who have left."""
    for measure, label, position, table in courses(figures.case, lengths):
        yield from figures.share(table, measure=measure, label=label, family="retention", position=position)
