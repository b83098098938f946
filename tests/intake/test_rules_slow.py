"""The rules between rows and tables against slow readings of their definitions, on random tables with ties and gaps."""

import datetime as dt
import statistics
from collections import defaultdict

import duckdb
import numpy as np
import pytest

from evaluation.dictionary.compile_rules import TYPED, Known, key_checks, rule_check
from evaluation.dictionary.tables import Table

DAYS = [dt.date(2024, 1, 1) + dt.timedelta(days=n) for n in range(24)]
MONTHS = [dt.date(2023 + m // 12, m % 12 + 1, 1) for m in range(24)]
BASE = {"level": "plausibility", "severity": "warning", "columns": ["n"], "message": "m", "remedy": "r"}
FIELDS = {"who": "string", "part": "string", "n": "integer", "day": "date", "until": "date"}
TYPES = {"string": "VARCHAR", "integer": "BIGINT", "date": "DATE"}
TRIES = range(200)


def table(**rule):
    fields = [{"name": name, "type": kind, "title": name, "description": name, "sensitivity": "public", "example": 1}
              for name, kind in FIELDS.items()]  # fmt: skip
    rules = [BASE | {"id": "tried"} | rule] if rule else []
    return Table.model_validate({"name": "t", "title": "t", "description": "t", "level": "aggregate", "frequency": "month",
                                 "primaryKey": ["who", "part"], "fields": fields, "rules": rules})  # fmt: skip


def made(connection, name, rows, *, numbered=True):
    row = "row BIGINT, " if numbered else ""
    connection.execute(f"CREATE TABLE {name} ({row}{', '.join(f'{k} {TYPES[v]}' for k, v in FIELDS.items())})")
    for place, one in enumerate(rows, start=2):
        values = ([place] if numbered else []) + [one.get(k) for k in FIELDS]
        connection.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(values))})", values)


def found(rule, rows, earlier=None, others=None):
    """Rows that break the rule: in a random order of the file's rows, so that no order helps."""
    with duckdb.connect(config={"threads": 1}) as connection:
        made(connection, TYPED, rows)
        if earlier is not None:
            made(connection, "earlier", earlier, numbered=False)
        for name, there in (others or {}).items():
            made(connection, name, there, numbered=False)
        known = Known({name: name for name in others or {}}, None if earlier is None else "earlier")
        check = rule_check(rule.rules[0], rule, known)
        return sorted(row for (row,) in connection.execute(check.sql).fetchall() if row is not None)


def rows_of(draw, n, days=DAYS, parts=("all", "a", "b")):
    def maybe(value, chance=0.1):
        return None if draw.random() < chance else value

    for _ in range(n):
        day = days[draw.integers(len(days))]
        yield {"who": maybe(f"w{draw.integers(3)}"), "part": maybe(str(draw.choice(parts))),
               "n": maybe(int(draw.integers(0, 9))), "day": maybe(day),
               "until": maybe(day + dt.timedelta(days=int(draw.integers(-2, 9))), 0.3)}  # fmt: skip


@pytest.mark.parametrize("seed", TRIES)
def test_stays_that_overlap(seed):
    draw = np.random.default_rng(seed)
    rows = list(rows_of(draw, 12))
    rule = table(kind="no_overlap", by=["who"], start="day", end="until")
    expected = []
    last = dt.date.max
    for i, one in enumerate(rows):
        if one["who"] is None or one["day"] is None or (one["until"] or last) <= one["day"]:
            continue
        for j, other in enumerate(rows):
            if j == i or other["who"] != one["who"] or other["day"] is None or (other["until"] or last) <= other["day"]:
                continue
            end, own = other["until"] or last, one["until"] or last
            before = (other["day"], end, j) < (one["day"], own, i)
            if before and other["day"] <= one["day"] < end:
                expected.append(i + 2)
                break
    assert found(rule, rows) == expected


@pytest.mark.parametrize("at_most", [False, True])
@pytest.mark.parametrize("seed", TRIES)
def test_parts_and_their_total(seed, at_most):
    draw = np.random.default_rng(seed)
    rows = []
    for who in ("w0", "w1", "w2"):
        parts = [int(n) for n in draw.integers(0, 4, 2)]
        rows.append({"who": who, "part": "all", "n": sum(parts) + int(draw.integers(-1, 2))})
        rows += [{"who": who, "part": name, "n": n if draw.random() < 0.9 else None}
                 for name, n in zip("ab", parts, strict=True)]  # fmt: skip
    rows = [rows[i] for i in draw.permutation(len(rows)) if draw.random() < 0.9]
    rule = table(kind="sum_equals", by=["who"], part="part", total="all", value="n", at_most=at_most)
    expected = []
    for who in ("w0", "w1", "w2"):
        of = [(i, r) for i, r in enumerate(rows) if r["who"] == who]
        whole = [(i, r["n"]) for i, r in of if r["part"] == "all"]
        parts = [r["n"] for _, r in of if r["part"] != "all"]
        if whole and parts and all(r["n"] is not None for _, r in of):
            i, total = whole[0]
            apart = sum(parts) > total if at_most else sum(parts) != total
            expected += [i + 2] if apart else []
    assert found(rule, rows) == sorted(expected)


@pytest.mark.parametrize("seed", TRIES)
def test_rows_against_another_table(seed):
    draw = np.random.default_rng(seed)
    rows, others = list(rows_of(draw, 12)), list(rows_of(draw, 5))
    rule = table(**{"kind": "compare", "with": "o", "on": {"who": "who"}, "holds": "this.day <= other.day"})
    expected = [
        i + 2 for i, one in enumerate(rows)
        if any(o["who"] == one["who"] is not None and None not in (o["day"], one["day"]) and one["day"] > o["day"]
               for o in others)
    ]  # fmt: skip
    assert found(rule, rows, others={"o": others}) == expected


@pytest.mark.parametrize("seed", TRIES)
def test_sudden_changes(seed):
    draw = np.random.default_rng(seed)
    series = [{"who": f"w{w}", "day": m, "n": int(draw.poisson(20)) * (1 if draw.random() < 0.93 else 6)}
              for w in range(2) for m in MONTHS]  # fmt: skip
    series = [dict(s, n=None) if draw.random() < 0.05 else s for s in series]
    cut = int(draw.integers(6, 20))
    earlier = [s for s in series if s["day"] < MONTHS[cut]]
    rows = [s for s in series if s["day"] >= MONTHS[cut]]
    rows = [rows[i] for i in draw.permutation(len(rows))]
    rule = table(kind="change", by=["who"], value="n", time="day")
    expected = []
    for i, one in enumerate(rows):
        if one["n"] is None:
            continue
        before = [
            np.log1p(s["n"]) for s in series if s["who"] == one["who"] and s["day"] < one["day"] and s["n"] is not None
        ]
        if len(before) < 8:
            continue
        middle = statistics.median(before)
        spread = statistics.median(abs(x - middle) for x in before)
        if spread > 0 and 0.6745 * abs(np.log1p(one["n"]) - middle) / spread > 3.5:
            expected.append(i + 2)
    assert found(rule, rows, earlier) == expected


@pytest.mark.parametrize("seed", TRIES)
def test_periods_that_are_missing(seed):
    draw = np.random.default_rng(seed)
    every = ("month", "quarter", "year")[seed % 3]
    span = {"month": 1, "quarter": 3, "year": 12}[every]
    rows = [r for r in rows_of(draw, 14, MONTHS) if r["who"] is not None]
    earlier = [r for r in rows_of(draw, 6, MONTHS[:10]) if r["who"] is not None]
    rule = table(kind="coverage", by=["who"], time="day", every=every)

    def period(day):
        return (12 * day.year + day.month - 1) // span

    seen, first = defaultdict(set), {}
    for i, one in [*((None, e) for e in earlier), *enumerate(rows)]:
        if one["day"] is not None:
            seen[one["who"]].add(period(one["day"]))
            if i is not None:
                first.setdefault((one["who"], period(one["day"])), i + 2)
    expected = []
    for (who, p), row in first.items():
        before = [q for q in seen[who] if q < p]
        if before and max(before) + 1 < p:
            expected.append(row)
    assert found(rule, rows, earlier) == sorted(expected)


@pytest.mark.parametrize("seed", TRIES)
def test_two_counts_of_the_same(seed):
    draw = np.random.default_rng(seed)
    rows, earlier = list(rows_of(draw, 20, MONTHS[:4])), list(rows_of(draw, 10, MONTHS[:4]))
    others = list(rows_of(draw, 25, MONTHS[:4]))
    rule = table(kind="agree", left={"table": "t", "time": "day", "where": "part = 'a'", "value": "n"},
                 right={"table": "o", "time": "day"}, per="month", tolerance=0.4, minimum=5)  # fmt: skip
    left, right, first = defaultdict(int), defaultdict(int), {}
    given = set()
    for i, one in [*enumerate(rows), *((None, e) for e in earlier)]:
        if one["part"] == "a" and one["day"] is not None:
            if one["n"] is not None:
                left[one["day"]] += one["n"]
                given.add(one["day"])
            if i is not None:
                first[one["day"]] = min(first.get(one["day"], 99), i + 2)
    for one in others:
        if one["day"] is not None:
            right[one["day"]] += 1
    expected = [
        row for day, row in first.items()
        if day in given and day in right and max(left[day], right[day]) >= 5
        and abs(left[day] - right[day]) > 0.4 * max(left[day], right[day])
    ]  # fmt: skip
    assert found(rule, rows, earlier, {"o": others}) == sorted(expected)


@pytest.mark.parametrize("seed", TRIES)
def test_keys_that_stand_twice(seed):
    rows = list(rows_of(np.random.default_rng(seed), 14))
    with duckdb.connect(config={"threads": 1}) as connection:
        made(connection, TYPED, rows)
        check = key_checks(table(), Known({}))[0]
        got = sorted(row for (row,) in connection.execute(check.sql).fetchall())
    seen, expected = set(), []
    for i, one in enumerate(rows):
        key = (one["who"], one["part"])
        if None in key:
            continue
        expected += [i + 2] if key in seen else []
        seen.add(key)
    assert got == expected
