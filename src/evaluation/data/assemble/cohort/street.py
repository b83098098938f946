"""Days in custody: stays joined where they overlap, and how many of a person's days they take."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from evaluation.data.assemble.cohort.case import Case, stays_of
from evaluation.results import Check


def stays(case: Case) -> Iterator[Check]:
    """Make `stays` (p, s, e): the days s … e - 1 in custody of those in the cohort, no day twice."""
    found = stays_of(case.design, case.tables)
    if found is None:
        return
    sql = case.sql
    beyond = case.day(case.as_of + timedelta(days=2))  # still there: the last day that counts and the one after
    rows = case.rows(
        found.stop_in,
        [f"{sql.day(found.start)} AS s", f"coalesce({sql.day(found.end)}, {beyond}) AS e"],
        found.where,
    )
    people = "SELECT p, min(d) AS d FROM cohort GROUP BY p"
    sql.make(
        "custody",
        f"SELECT c.p, t.s, t.e, t.s IS NULL OR t.e < t.s AS wrong FROM ({rows}) AS t JOIN ({people}) AS c ON c.p = t.p "
        f"WHERE t.s IS NULL OR t.e < t.s OR (t.e > c.d AND t.e > t.s)",
    )
    wrong = sql.rows(
        f"SELECT count(*) FROM custody WHERE wrong AND (s IS NULL OR s <= {case.day(case.as_of)})"
    )[0][0]  # fmt: skip
    # A stay counts from where the earlier ones end: the pieces do not overlap.
    earlier = "max(e) OVER (PARTITION BY p ORDER BY s, e ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    sql.make(
        "stays",
        "SELECT p, greatest(s, coalesce(past, s)) AS s, e FROM "
        f"(SELECT p, s, e, {earlier} AS past FROM custody WHERE NOT wrong) AS t WHERE past IS NULL OR e > past",
    )
    sql.drop("custody")
    if wrong:
        what = f"{wrong:,} stays in custody have no start, or end before they begin: they are ignored."
        yield Check("wrong_stays", "warn", what, statistic=float(wrong), counts=(int(wrong),))


def in_custody(case: Case, base: str, name: str, ends: dict[str, str]) -> None:
    """Make the table `name` (r, …): days in custody from the index date d of `base` (r, p, d, …) to each end."""
    sql = case.sql
    sums = []
    for column, end in ends.items():
        inside = sql.days("greatest(s.s, b.d)", f"least(s.e, {sql.add_days(f'b.{end}', 1)})")
        # least and greatest pass over missing days, so a missing end is asked for by itself.
        sums.append(f"sum(CASE WHEN b.{end} IS NULL THEN NULL ELSE greatest(0, {inside}) END) AS {column}")
    sql.make(
        name,
        f"SELECT b.r, {', '.join(sums)} FROM {base} AS b JOIN stays AS s ON s.p = b.p AND s.e > b.d GROUP BY b.r",
    )
