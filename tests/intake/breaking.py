"""For every rule of the dictionary the smallest file that breaks it, found by searching the values that it speaks of.

A rule is read for the columns and values in it; of all combinations of candidate values the first that breaks the rule
is taken (by DuckDB, which the checks themselves run on only for the search, never for the expectation: what is asserted
is the rule, row and column that the file's own case names).
"""

import datetime as dt
import itertools
import re
from dataclasses import dataclass, field

import duckdb

from evaluation.dictionary.codelists import codelist
from evaluation.dictionary.compile_cells import TYPES, identifier, literal
from evaluation.dictionary.rules import Agree, Change, Compare, Coverage, NoOverlap, RowRule, SumEquals
from evaluation.dictionary.tables import tables

TABLES = tables()
DAYS = (0, -1, 1, 45, -45, 400, -400, 4200, -4200, 20000, -36500)
MOST = 400_000  # combinations looked at
PLANTED = "ZQ9-77153"  # stands in every identifier's field that takes any text


@dataclass
class Case:
    """A file of a table that breaks a rule: its rows, those of other tables and earlier ones, and the row at fault."""

    table: str
    rule: str
    rows: list[dict]
    row: int | None
    others: dict[str, list[dict]] = field(default_factory=dict)
    earlier: list[dict] = field(default_factory=list)

    @property
    def id(self):
        return f"{self.table}.{self.rule}"


def example(table, **changed):
    row = {f.name: f.example for f in TABLES[table].fields}
    return row | {f.name: PLANTED for f in TABLES[table].fields
                  if f.sensitivity == "identifier" and f.type == "string" and not f.constraints.pattern} | changed  # fmt: skip


def _day(value):
    return dt.date.fromisoformat(str(value))


def candidates(table, name, expression):
    """Values worth trying in a column: its example, what the rule compares it with, its codes, and nothing."""
    field = {f.name: f for f in TABLES[table].fields}[name]
    words = re.findall(r"'([^']*)'", expression)
    if field.type == "date":
        base = {_day(field.example) + dt.timedelta(days=n) for n in DAYS}
        base |= {_day(w) + dt.timedelta(days=n) for w in words if re.fullmatch(r"\d{4}-\d\d-\d\d", w) for n in (-1, 1)}
        return [*sorted(base), None]
    if field.type == "boolean":
        return [True, False, None]
    if field.type in ("integer", "number"):
        told = [float(n) for n in re.findall(r"(?<![\w.'])\d+(?:\.\d+)?(?![\w'])", expression)]
        own = float(field.example)
        numbers = {own, own - 1, own + 1, own * 1000, 0.0, 1.0, *told, *(n - 1 for n in told), *(n + 1 for n in told)}
        if field.type == "number":
            numbers.add(float(field.example) + 0.5)
        low = field.constraints.minimum if field.constraints.minimum is not None else -1e18
        high = field.constraints.maximum if field.constraints.maximum is not None else 1e18
        kept = sorted(n for n in numbers if float(low) <= n <= float(high))
        return [*(int(n) if n == int(n) else n for n in kept), None]
    texts = [field.example, *_matching(words)]
    if field.codelist:
        codes = [c.code for c in codelist(field.codelist)]
        return [*dict.fromkeys([*(t for t in texts if t in codes), *codes]), None]
    return [*dict.fromkeys(texts), "Lopez 2", "1", None]


def _matching(words):
    """Texts that a rule's patterns are met by."""
    for word in words:
        for part in word.split("|"):
            plain = re.sub(r"\[(.)[^]]*\]", r"\1", part)
            plain = re.sub(r"\(\?:|\(|\)|\.\*|\?|\^|\$", "", plain)
            yield re.sub(r"(.)\{(\d+)\}", lambda m: m[1] * int(m[2]), plain).replace("\\", "")


def search(columns, condition):
    """The first combination of candidate values, the examples' own first, of which a condition is true; None if none.

    `columns`: what the condition calls a column -> (table, column).
    """
    values = [candidates(table, name, condition) for table, name in columns.values()]
    most = max(3, int(MOST ** (1 / max(1, len(values)))))
    values = [listed if len(listed) <= most else [*listed[: most - 1], None] for listed in values]
    with duckdb.connect(config={"threads": 1}) as connection:
        for i, ((table, name), listed) in enumerate(zip(columns.values(), values, strict=True)):
            kind = TYPES[{f.name: f for f in TABLES[table].fields}[name].type]
            connection.execute(f"CREATE TABLE v{i} (p BIGINT, x {kind})")
            connection.executemany(f"INSERT INTO v{i} VALUES (?, ?)", [[p, v] for p, v in enumerate(listed)])
        chosen = ", ".join(f"v{i}.x AS {identifier(called)}" for i, called in enumerate(columns))
        places = ", ".join(f"v{i}.p AS p{i}" for i in range(len(columns)))
        order = ", ".join([" + ".join(f"p{i}" for i in range(len(columns))), *(f"p{i}" for i in range(len(columns)))])
        joined = " CROSS JOIN ".join(f"v{i}" for i in range(len(columns)))
        sql = f"SELECT * FROM (SELECT {chosen}, {places} FROM {joined}) WHERE {condition} ORDER BY {order} LIMIT 1"
        found = connection.execute(sql).fetchone()
    return None if found is None else dict(zip(columns, found, strict=False))


def named(expression, table, prefix=""):
    """The columns of a table that an expression speaks of."""
    bare = re.sub(r"'[^']*'", "", expression)
    fields = {f.name for f in TABLES[table].fields}
    return sorted({m for m in re.findall(rf"\b{prefix}([a-z_0-9]+)\b", bare) if m in fields})


def case(table, rule):
    """The case of a rule."""
    return {RowRule: of_row, NoOverlap: of_overlap, SumEquals: of_sum, Compare: of_compare, Change: of_change,
            Coverage: of_coverage, Agree: of_agree}[type(rule)](table, rule)  # fmt: skip


def of_row(table, rule):
    found = search({name: (table, name) for name in named(rule.holds, table)}, f"NOT ({rule.holds})")
    assert found is not None, f"nothing breaks {table}.{rule.id}"
    return Case(table, rule.id, [example(table, **found)], 2)


def of_compare(table, rule):
    mine, theirs = named(rule.holds, table, r"this\."), named(rule.holds, rule.with_table, r"other\.")
    holds = re.sub(r"\b(this|other)\.([a-z_0-9]+)", r"\1_\2", rule.holds)
    sides = {f"this_{n}": (table, n) for n in mine} | {f"other_{n}": (rule.with_table, n) for n in theirs}
    found = search(sides, f"NOT ({holds})")
    assert found is not None, f"nothing breaks {table}.{rule.id}"
    row = example(table) | {n: found[f"this_{n}"] for n in mine}
    other = example(rule.with_table) | {n: found[f"other_{n}"] for n in theirs}
    other |= {b: row[a] for a, b in rule.on.items()}
    if rule.with_table == table:
        return Case(table, rule.id, [row, other], None)
    return Case(table, rule.id, [row], 2, {rule.with_table: [other]})


def of_overlap(table, rule):
    start = _day(example(table)[rule.start])
    later = {rule.start: start + dt.timedelta(days=1), rule.end: None}
    return Case(table, rule.id, [example(table, **{rule.start: start, rule.end: None}), example(table, **later)], 3)


def of_sum(table, rule):
    field = {f.name: f for f in TABLES[table].fields}[rule.part]
    codes = [c.code for c in codelist(field.codelist)] if field.codelist else ["x1"]
    part = next(c for c in codes if c != rule.total)
    rows = [
        example(table, **{rule.part: rule.total, rule.value: 5}),
        example(table, **{rule.part: part, rule.value: 9}),
    ]
    return Case(table, rule.id, rows, 2)


MONTHS = {"month": 1, "quarter": 3, "year": 12}


def moved(day, months):
    month = 12 * day.year + day.month - 1 + months
    return dt.date(month // 12, month % 12 + 1, 1)


def of_coverage(table, rule):
    first = moved(_day(example(table)[rule.time]), -24)
    rows = [example(table, **{rule.time: moved(first, n * MONTHS[rule.every])}) for n in (0, 2)]
    return Case(table, rule.id, rows, 3)


def of_change(table, rule):
    field = {f.name: f for f in TABLES[table].fields}[rule.time]
    if field.type == "date":
        times = [moved(_day(field.example), n - 10) for n in range(10)]
    else:
        times = [int(field.example) - 10 + n for n in range(10)]
    values = [200, 210, 190, 205, 198, 202, 207, 195, 201, 2]
    rows = [example(table, **{rule.time: t, rule.value: v}) for t, v in zip(times, values, strict=True)]
    return Case(table, rule.id, rows[-1:], 2, earlier=rows[:-1])


def of_agree(table, rule):
    """Three times as many on one side as must be there to be judged, and one on the other."""
    many, mine, others = rule.minimum * 3, [], {}
    for place, count in enumerate((rule.left, rule.right)):
        names = named(count.where or "", count.table)
        found = search({n: (count.table, n) for n in names}, count.where) if names else {}
        row = example(count.table, **found, **{count.time: dt.date(2025, 3, 1)})
        n = many if place == (0 if rule.left.table == table else 1) else 1
        rows = [row | {count.value: n}] if count.value else [row] * n
        if count.table == table:
            mine += rows
        else:
            others[count.table] = rows
    return Case(table, rule.id, mine, 2, others)


def cases():
    """A case of every rule of every table."""
    return [case(t.name, rule) for t in TABLES.values() for rule in t.rules]


def text(value):
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def csv(rows):
    """Rows as a file of CSV."""
    header = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
    lines = [",".join(header)]
    lines += [",".join('"' + text(r.get(c)).replace('"', '""') + '"' for c in header) for r in rows]
    return "\n".join(lines) + "\n"


def known_tables(connection, case):
    """Tables `known_<name>` of the case's other tables and `earlier`; what is known, as the checks take it."""
    from evaluation.dictionary.compile_rules import Known

    def made(name, table, rows):
        fields = TABLES[table].fields
        columns = ", ".join(f"{identifier(f.name)} {TYPES[f.type]}" for f in fields)
        connection.execute(f"CREATE TABLE {name} ({columns})")
        for row in rows:
            values = ", ".join(
                "NULL" if row.get(f.name) is None else f"CAST({literal(text(row[f.name]))} AS {TYPES[f.type]})"
                for f in fields
            )
            connection.execute(f"INSERT INTO {name} VALUES ({values})")
        return name

    others = {name: made(f"known_{name}", name, rows) for name, rows in case.others.items()}
    return Known(others, made("earlier", case.table, case.earlier))
