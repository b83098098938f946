"""Who is admitted, stays and graduates, by groups of people: shares, and their ratio to the largest group's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from evaluation.data.divisions import levels
from evaluation.data.implementation_case import ARMS, Stratified, described, shared
from evaluation.data.implementation_stays import courses
from evaluation.results import Row

if TYPE_CHECKING:
    from evaluation.data.implementation_case import Described
    from evaluation.study.implementation import Division, Equity


def equity(case: Described, asked: Equity) -> Iterator[Row]:
    """Access among those referred, and retention and graduation among the treated, by each division of persons."""
    strata = [_strata(case, asked, division) for division in asked.by]
    _persons(case, asked)
    for measure, label, group, position, table in _figures(case, asked):
        row = {"family": "equity", "group": group, "position": position}
        n, having = _counted(case, table, "true")
        yield shared(n, having, measure=measure, label=label, stratum="", **row)
        for i, division in enumerate(strata):
            yield from _by(case, table, division, f"z{i}", measure=measure, label=label, **row)


def _strata(case: Described, asked: Equity, division: Division) -> Stratified:
    source = case.case.tables[asked.table]
    flag = not division.cut and case.is_flag(source, division.column)
    return Stratified(case.label(division.column), levels(source, division.column, division.cut), flag)


def _persons(case: Described, asked: Equity) -> None:
    """Make the table `persons_by` (p, z0, z1, …): the place of each person's stratum; empty where rows disagree."""
    source = case.case.tables[asked.table]
    places = []
    for i, division in enumerate(asked.by):
        found = levels(source, division.column, division.cut)
        cases = " ".join(f"WHEN {s.condition} THEN {k}" for k, s in enumerate(found)) or "WHEN false THEN 0"
        places.append(f"CASE {cases} END AS z{i}")
    agreed = [f"CASE WHEN min(z{i}) = max(z{i}) THEN min(z{i}) END AS z{i}" for i in range(len(asked.by))]
    case.sql.make(
        "persons_by", f"SELECT p, {', '.join(agreed)} FROM ({case.case.rows(asked.table, places)}) AS q GROUP BY p"
    )


def _figures(case: Described, asked: Equity) -> Iterator[tuple[str, str, str, int, str]]:
    """Measure, label, group, position and SQL of (p, met) of every figure."""
    way = case.asked.funnel
    if way:
        steps = [s.label for s in way.steps]
        i = steps.index(asked.access) if asked.access else len(steps) - 1
        yield "equity_access", f"{steps[i]}, of those referred", "all", i, f"(SELECT p, ok{i} AS met FROM way) AS f"
    if case.asked.stays:
        for measure, label, position, table in courses(case, case.asked.retention):
            people = f"(SELECT people.p, met FROM {table} JOIN people USING (r) WHERE {ARMS['treated']}) AS f"
            yield f"equity_{measure}", label, "treated", position, people


def _counted(case: Described, table: str, condition: str) -> tuple[int, int]:
    n, having = case.sql.rows(
        f"SELECT count(*), count(*) FILTER (met) FROM {table} LEFT JOIN persons_by USING (p) WHERE {condition}"
    )[0]
    return int(n), int(having)


def _by(case: Described, table: str, division: Stratified, column: str, **row: Any) -> Iterator[Row]:
    """Each stratum's share; then its ratio to that of the stratum with the most people, the first of equals."""
    found = [(s, *_counted(case, table, f"{column} = {k}")) for k, s in enumerate(division.strata)]
    found = [f for f in found if f[1]]
    for s, n, having in found:
        yield shared(n, having, stratum=division.called(s), **row)
    if len(found) < 2:
        return
    _, most, with_it = max(found, key=lambda f: f[1])
    row |= {"measure": f"{row['measure']}_ratio", "label": f"{row['label']}: ratio to the largest group"}
    for s, n, having in found:
        ratio = having / n / (with_it / most) if with_it else None
        yield described(stratum=division.called(s), statistic="rate", n=n, value=ratio, unit="times", **row)
