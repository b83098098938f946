"""An outcome's columns: the first event among its rivals, how long it took, and how often it came."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from evaluation.data.assemble.cohort.case import Case
from evaluation.data.assemble.cohort.street import in_custody
from evaluation.data.assemble.cohort.times import STREET_DAYS, elapsed, last_day, named
from evaluation.results import Check

if TYPE_CHECKING:
    from evaluation.data.assemble.cohort.reach import Reach
    from evaluation.study.models import Outcome


def others(case: Case) -> dict[str, str]:
    """Make a table (r, day) of the first of each competing event on or after the index date; its name by the event's.

    Death stands in the cohort already.
    """
    sql, made = case.sql, {}
    asked = dict.fromkeys(name for o in case.study.outcomes for name in o.competing if name != "death")
    for j, name in enumerate(asked):
        event = case.design.events[name]
        rows = case.rows(event.table, [f"{sql.day(event.date)} AS day"], event.where)
        made[name] = f"rival{j}"
        sql.make(
            made[name],
            f"SELECT c.r, min(e.day) AS day FROM cohort AS c JOIN ({rows}) AS e ON e.p = c.p AND e.day >= c.d "
            "GROUP BY c.r",
        )
    return made


def outcome_columns(case: Case, i: int, outcome: Outcome, reach: Reach, rivals: dict[str, str]) -> list[str]:
    """Make `outcome<i>` (r, the outcome's columns); SQL of the columns as they are to be called."""
    sql = case.sql
    _first(case, i, outcome, reach, rivals)
    _often(case, i, outcome)
    if reach.street:
        windows = {f"w{k}": f"w{k}" for k, _ in enumerate(case.windows(outcome))}
        cut = {f"in_{w}": f"street_{w}" for w in windows}
        in_custody(case, f"first{i}", f"held{i}", {"in_event": "before_event", "in_all": "street_last",
                                                    "in_span": "street_span", **cut})  # fmt: skip
    columns = _columns(case, outcome, reach)
    held = f" LEFT JOIN held{i} AS h ON h.r = f.r" if reach.street else ""
    known = [f"CASE WHEN f.known THEN {value} END AS {sql.name(name)}" for name, value in columns]
    sql.make(
        f"outcome{i}",
        f"SELECT f.r, f.known, f.street_known, {', '.join(known)} FROM first{i} AS f "
        f"LEFT JOIN often{i} AS n ON n.r = f.r{held}",
    )
    sql.drop(f"happened{i}", f"first{i}", f"often{i}", *([f"held{i}"] if reach.street else []))
    return [sql.name(name) for name, _ in columns]


def _first(case: Case, i: int, outcome: Outcome, reach: Reach, rivals: dict[str, str]) -> None:
    """Make `first<i>`: first event y, first rival k and its code, the last days of the span and of the windows."""
    sql, last = case.sql, case.day(reach.last)
    days, joins = [], []
    for j, name in enumerate(outcome.competing):
        day = "c.death" if name == "death" else f"t{j}.day"
        days.append(f"CASE WHEN {day} >= c.d AND {day} <= {last} THEN {day} END AS k{j}")
        if name != "death":
            joins.append(f"LEFT JOIN {rivals[name]} AS t{j} ON t{j}.r = c.r")
    places = range(len(days))
    rival = f"least({', '.join(f'k{j}' for j in places)})" if len(days) > 1 else "k0" if days else "CAST(NULL AS DATE)"
    which = " ".join(f"WHEN k{j} = k THEN {j + 2}" for j in places)
    code = f"CASE WHEN {{y}} AND (k IS NULL OR y <= k) THEN 1 {which} ELSE 0 END"
    begun = f"d >= {case.day(reach.first)}" if reach.first else "true"
    dated = [f"SELECT c.r, c.p, c.d, y.y{', ' if days else ''}{', '.join(days)}, d <= {last} AND {begun} AS known "
             f"FROM cohort AS c LEFT JOIN (SELECT r, min(day) AS y FROM happened{i} GROUP BY r) AS y ON y.r = c.r "
             + " ".join(joins)]  # fmt: skip
    dated.append(f"SELECT *, {rival} AS k FROM ({dated[-1]}) AS one")
    dated.append(
        f"SELECT *, {code.format(y='y IS NOT NULL')} AS code, {_span(outcome, last)} AS span FROM ({dated[-1]}) AS two"
    )
    dated.append(f"SELECT *, CASE WHEN code = 1 THEN y WHEN code > 1 THEN k END AS x FROM ({dated[-1]}) AS three")
    columns = [
        f"least(span, {last_day(sql, case.design.time_unit, 'd', w)}) AS w{n}"
        for n, w in enumerate(case.windows(outcome))
    ]
    dated.append(f"SELECT {', '.join(['*', *columns])} FROM ({dated[-1]}) AS four")
    dated.append(_on_street(case, outcome, reach, dated[-1]))
    sql.make(f"first{i}", dated[-1])


def _span(outcome: Outcome, last: str) -> str:
    """The last day at risk of the outcome: that of the first rival, or the end; nobody is at risk after death."""
    return f"coalesce(least(k, y), k, y, {last})" if outcome.kind == "death" else f"coalesce(k, {last})"


def _on_street(case: Case, outcome: Outcome, reach: Reach, query: str) -> str:
    """The same with the street clock's code, and the days to which liberty is counted."""
    sql = case.sql
    if reach.street_last is None:
        return f"SELECT *, false AS street_known FROM ({query}) AS five"
    last = case.day(reach.street_last)
    begun = f"d >= {case.day(reach.street_first)}" if reach.street_first else "true"
    columns = [
        f"known AND d <= {last} AND {begun} AS street_known",
        f"CASE WHEN x <= {last} THEN code ELSE 0 END AS street_code",
        f"CASE WHEN x <= {last} THEN {sql.add_days('x', -1)} END AS before_event",
        f"{last} AS street_last",
        f"least(span, {last}) AS street_span",
        *(f"least(w{n}, {last}) AS street_w{n}" for n, _ in enumerate(case.windows(outcome))),
    ]
    return f"SELECT *, {', '.join(columns)} FROM ({query}) AS five"


def _often(case: Case, i: int, outcome: Outcome) -> None:
    """Make `often<i>` (r, n, n0 …): days with an event in the span, and in each window."""
    counted = ["count(*) FILTER (WHERE e.day <= f.span) AS n"]
    counted += [f"count(*) FILTER (WHERE e.day <= f.w{n}) AS n{n}" for n, _ in enumerate(case.windows(outcome))]
    case.sql.make(
        f"often{i}",
        f"SELECT e.r, {', '.join(counted)} FROM happened{i} AS e JOIN first{i} AS f ON f.r = e.r GROUP BY e.r",
    )


def _columns(case: Case, outcome: Outcome, reach: Reach) -> list[tuple[str, str]]:
    """Names and SQL of an outcome's columns, over first<i> as f, often<i> as n and held<i> as h."""
    sql, unit, o = case.sql, case.design.time_unit, outcome.id
    last = case.day(reach.last)
    reached = elapsed(sql, unit, "f.d", sql.add_days(last, 1))
    took = elapsed(sql, unit, "f.d", sql.add_days("f.x", 1))
    windows = [(f"_{named(w)}", f"{n}", f"w{n}") for n, w in enumerate(case.windows(outcome))]
    spans = [("", "", "span"), *windows]
    found = [
        (f"{o}_time", f"CASE WHEN f.code = 0 THEN {reached} ELSE {took} END"),
        (f"{o}_event", "f.code"),
        (f"{o}_follow_up", reached),
    ]
    if reach.street_last is not None:
        found += _street_columns(case, outcome, reach)
    for suffix, n, end in spans:
        found.append((f"{o}_count{suffix}", f"coalesce(n.n{n}, 0)"))
        found.append((f"{o}_days{suffix}", _inclusive(case, "f.d", f"f.{end}")))
        if reach.street_last is not None:
            free = f"{_inclusive(case, 'f.d', f'f.street_{end}')} - coalesce(h.in_{end}, 0)"
            found.append((f"{o}_street_days{suffix}", f"CASE WHEN f.street_known THEN CAST({free} AS BIGINT) END"))
    return found


def _inclusive(case: Case, start: str, end: str) -> str:
    return f"CAST({case.sql.days(start, end)} + 1 AS BIGINT)"


def _street_columns(case: Case, outcome: Outcome, reach: Reach) -> list[tuple[str, str]]:
    """The street clock: liberty days to the event, or to the end, in the design's unit; missing for nobody's days."""
    sql, o = case.sql, outcome.id
    assert reach.street_last is not None  # noqa: S101 - the caller looked
    last = case.day(reach.street_last)
    free = f"({_inclusive(case, 'f.d', last)} - coalesce(h.in_all, 0))"
    event = f"({_inclusive(case, 'f.d', 'f.before_event')} - coalesce(h.in_event, 0) + 1)"
    after = sql.days(sql.add_days("f.before_event", 1), last)
    known = f"f.street_known AND (f.street_code > 0 OR {free} > 0)"
    unit = f"CAST({STREET_DAYS[case.design.time_unit]!r} AS DOUBLE)"

    def timed(with_event: str) -> str:
        days = f"CAST(CASE WHEN f.street_code > 0 THEN {with_event} ELSE {free} END AS DOUBLE)"
        return f"CASE WHEN {known} THEN {days} / {unit} END"

    return [
        (f"{o}_street_time", timed(event)),
        (f"{o}_street_event", f"CASE WHEN {known} THEN f.street_code END"),
        (f"{o}_street_follow_up", timed(f"({event} + {after})")),
    ]


def unknown(case: Case, i: int, outcome: Outcome, reach: Reach) -> Iterator[Check]:
    """Those whose outcome is not known, on either clock."""
    sql = case.sql
    street = sql.name(f"{outcome.id}_street_time") if reach.street else "1"
    beyond, unseen, confined, n = sql.rows(
        f"SELECT count(*) FILTER (WHERE NOT known), count(*) FILTER (WHERE known AND NOT street_known), "
        f"count(*) FILTER (WHERE street_known AND {street} IS NULL), count(*) FROM outcome{i}"
    )[0]
    told = (
        ("not_followed", beyond, f"an index date outside the time that the data tell of (to {reach.last})"),
        ("street_not_followed", unseen if reach.street else 0,
         f"an index date outside the time that the data on custody tell of (to {reach.street_last})"),
        ("never_at_liberty", confined if reach.street else 0, "no day at liberty: their street time is missing"),
    )  # fmt: skip
    for check, count, what in told:
        if count:
            message = f"{outcome.label}: {count:,} of {n:,} have {what}."
            yield Check(check, "info", message, term=outcome.id, statistic=float(count), counts=(count, n - count))
