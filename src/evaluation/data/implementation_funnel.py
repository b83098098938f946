"""The way from referral to the program: how many get from step to step, and how long it takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from evaluation.data.implementation_case import described, shared
from evaluation.results import Row

if TYPE_CHECKING:
    from evaluation.data.implementation_case import Described
    from evaluation.study.implementation import Funnel, Step


def funnel(case: Described, asked: Funnel) -> Iterator[Row]:
    """Shares of everyone referred who reach each step, and median days from the last dated step.

    Leaves the table `way` (p, ok0, t0, ok1, t1, …): whether each step was reached, and on which day.
    """
    _referred(case, asked)
    before = 0  # the last dated step
    for i, step in enumerate(asked.steps):
        if i:
            _reached(case, i, step, before)
        yield from _told(case, asked, i, before)
        before = i if step.date else before


def _referred(case: Described, asked: Funnel) -> None:
    """Make the table `way` of the first step, and `referral` of what each person's first referral says."""
    sql, steps, source = case.sql, asked.steps, case.case.tables[asked.table]
    last = case.last(asked.table, asked.lag)
    own = [(i, s) for i, s in enumerate(steps) if not s.table]
    more = [f"{sql.met(source, s.where)} AS m{i}" for i, s in own if s.where]
    more += [
        f"CASE WHEN {sql.day(s.date)} <= {case.last(asked.table)} THEN {sql.day(s.date)} END AS t{i}"
        for i, s in own if s.date and i
    ]  # fmt: skip
    listed = [f"bool_or(m{i}) AS m{i}" for i, s in own if s.where]
    listed += [f"min(t{i}) AS t{i}" for i, s in own if s.date and i]
    rows = case.rows(asked.table, str(steps[0].date), asked.where, more)
    sql.make(
        "referral",
        f"SELECT {', '.join(['p', 'day AS t0', *listed])} FROM (SELECT *, min(day) OVER (PARTITION BY p) AS first "
        f"FROM {rows} AS a WHERE day IS NOT NULL) WHERE day = first AND day <= {last} GROUP BY p, day",
    )
    met = "coalesce(m0, false)" if steps[0].where else "true"
    sql.make("way", f"SELECT p, t0, true AS ok0 FROM referral WHERE {met}")


def _reached(case: Described, i: int, step: Step, before: int) -> None:
    """Add to `way` whether a step was reached, and on which day where it has one."""
    sql = case.sql
    if step.table:
        upto = f" AND s.day < {case.on(f'w.t{before}', step.within)}" if step.within else ""
        rows = case.rows(step.table, str(step.date), step.where)
        sql.make(
            "reached",
            f"SELECT w.p, min(s.day) AS t FROM way AS w JOIN {rows} AS s ON s.p = w.p AND s.day >= w.t{before} "
            f"AND s.day <= {case.last(step.table)}{upto} WHERE w.ok{i - 1} GROUP BY w.p "
            f"HAVING count(*) >= {step.at_least}",
        )
        sql.make(
            "onward",
            f"SELECT w.*, x.p IS NOT NULL AS ok{i}, x.t AS t{i} FROM way AS w LEFT JOIN reached AS x USING (p)",
        )
    else:
        met = [f"w.ok{i - 1}"] + ([f"coalesce(x.m{i}, false)"] if step.where else [])
        met += [f"x.t{i} IS NOT NULL"] if step.date else []
        day = f", x.t{i}" if step.date else ""
        sql.make("onward", f"SELECT w.*, {' AND '.join(met)} AS ok{i}{day} FROM way AS w JOIN referral AS x USING (p)")
    sql.make("way", "SELECT * FROM onward")


def _told(case: Described, asked: Funnel, i: int, before: int) -> Iterator[Row]:
    step = asked.steps[i]
    n, having = case.sql.rows(f"SELECT count(*), count(*) FILTER (ok{i}) FROM way")[0]
    row: Row = {"family": "funnel", "group": "all", "stratum": "", "position": i}
    yield shared(n, having, measure="funnel", label=step.label, **row)
    if i and step.date:
        days, median = case.sql.rows(
            f"SELECT count(*), median(date_diff('day', t{before}, t{i})) FROM way WHERE ok{i}"
        )[0]
        label = f"Days from {asked.steps[before].label} to {step.label}"
        yield described(
            measure="funnel_days", label=label, statistic="median", n=days, value=median, unit="days", **row
        )
