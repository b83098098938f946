"""What the tables say against the study file: filters that match nothing, words that are no code, impossible days.

Each finding is a `Doubt`: an error stops `evaluation check` and `run`; a warning is shown there and kept as a check.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from evaluation.data.assemble.cohort import offences
from evaluation.data.assemble.cohort.case import DEATH_DATE, DEATHS, EVENTS, Case, stays_of
from evaluation.data.assemble.cohort.events import EVENT_TYPE, basis_column
from evaluation.data.engine import FLOATS
from evaluation.errors import Problem
from evaluation.results import Check

if TYPE_CHECKING:
    from evaluation.study.building import Filter

EVENT_TYPES = ("arrest", "charge", "conviction", "incarceration", "technical_violation")
FEW_VALUES, SHOWN = 50, 5  # columns of more values are not shown; of the others so many values
RARE = 0.01  # of the rows: unknown codes and backward stays below this share are counted, and not warned of
FIRST_YEAR, MOST_BEYOND = 1900, 366  # days that lie before, or further beyond as_of, are impossible


@dataclass(frozen=True)
class Doubt:
    """A finding at a key of the study file, and what to do about it.

    `told` is what the results say of it, where `what` shows values of the data that are for the evaluator alone.
    """

    key: str
    check: str
    what: str
    fix: str
    counts: tuple[int, ...] = ()
    error: bool = False
    rare: bool = False  # kept as a check, and not shown by `evaluation check`
    told: str = ""

    def problem(self) -> Problem:
        """As `evaluation check` shows it."""
        return Problem("", self.key, self.what, self.fix, "error" if self.error else "warning")

    def noticed(self) -> Check:
        """As the results keep it."""
        statistic = float(self.counts[0]) if self.counts else None
        return Check(
            self.check,
            "info" if self.rare else "warn",
            self.told or self.what,
            term=self.key,
            statistic=statistic,
            counts=self.counts,
        )


def told(case: Case) -> Iterator[Doubt]:
    """Everything that the tables alone tell."""
    yield from _filters(case)
    yield from _words(case)
    yield from _days(case)
    yield from _stays(case)


# --------------------------------------------------------------------------- filters


def _wheres(case: Case) -> Iterator[tuple[str, str, Filter, str]]:
    """Every filter: its key, its table, and what is lost when it matches nothing."""
    design = case.design
    yield "design.index.where", design.index.table, design.index.where, "nobody is in the program"
    yield "design.comparison.where", design.comparison.table, design.comparison.where, "nobody is compared"
    for kind, rules in (("include", design.include), ("exclude", design.exclude)):
        for i, rule in enumerate(rules):
            lost = f"the rule ({rule.reason}) {'lets nobody in' if kind == 'include' else 'keeps nobody out'}"
            yield f"design.{kind}[{i}].where", rule.table or design.index.table, rule.where, lost
    yield "design.completers", design.index.table, design.completers, "nobody finished"
    for name, trait in design.characteristics.items():
        if trait.table:
            yield f"design.characteristics.{name}.where", trait.table, trait.where, "it is 0 for everybody"
    for name, event in design.events.items():
        yield f"design.events.{name}.where", event.table, event.where, "it happens to nobody"
    for i, outcome in enumerate(case.study.outcomes):
        if outcome.events:
            yield f"outcomes[{i}].events.where", outcome.events.table, outcome.events.where, "it happens to nobody"


def _filters(case: Case) -> Iterator[Doubt]:
    """Filters that no row meets: one scan of each table counts all of its filters."""
    asked = [w for w in _wheres(case) if w[2] and case.tables[w[1]].columns.keys() >= w[2].keys()]
    for table in dict.fromkeys(t for _, t, _, _ in asked):
        source, mine = case.tables[table], [w for w in asked if w[1] == table]
        met = ", ".join(f"count(*) FILTER (WHERE {case.sql.met(source, where)})" for _, _, where, _ in mine)
        scan = case.sql.scan(source, list(source.columns))
        found = case.sql.rows(f"SELECT count(*), {met} FROM {scan}")[0]
        for (key, _, where, lost), count in zip(mine, found[1:], strict=True):
            if count or not found[0]:
                continue
            pool = key in ("design.index.where", "design.comparison.where")
            column = next(iter(where))
            wanted = ", ".join(f"{c}: {v}" for c, v in where.items())
            what = f"no row of {table} has {wanted}: {lost}."
            yield Doubt(f"{key}.{column}", "filter_without_rows", f"{what} {_seen(case, table, list(where))}".strip(),
                        "Write the value exactly as the table does.", error=pool, told=what)  # fmt: skip


def _seen(case: Case, table: str, columns: list[str]) -> str:
    """The most frequent values of columns that have few."""
    said = []
    for column in columns:
        kind = case.tables[table].columns[column]
        if column == case.design.person or kind in FLOATS or kind.startswith(("DATE", "TIMESTAMP")):
            continue
        values = _values(case, table, column)
        if values and len(values) <= FEW_VALUES:
            said.append(f"Values of {column}: {_counted(values)}.")
    return " ".join(said)


def _values(case: Case, table: str, column: str) -> list[tuple[str, int]]:
    """Values of a column as text with their rows, most frequent first; one more than few at most."""
    sql, source = case.sql, case.tables[table]
    value = f"CAST({sql.name(column)} AS STRING)"
    return [(str(v), int(n)) for v, n in sql.rows(
        f"SELECT v, count(*) AS n FROM (SELECT {value} AS v FROM {sql.scan(source, list(source.columns))}) AS t "
        f"WHERE v IS NOT NULL GROUP BY v ORDER BY n DESC, v LIMIT {FEW_VALUES + 1}"
    )]  # fmt: skip


def _counted(values: list[tuple[str, int]]) -> str:
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return ", ".join(f'"{v}" ({n:,})' for v, n in values[:SHOWN]) + more


# --------------------------------------------------------------------------- codes


def _words(case: Case) -> Iterator[Doubt]:
    """Values outside the codes that the builder knows, where an outcome reads them."""
    outcomes = [(i, o) for i, o in enumerate(case.study.outcomes) if o.kind == "recidivism"]
    if EVENTS not in case.tables or not outcomes:
        return
    columns = case.tables[EVENTS].columns
    named = [g for _, o in outcomes for g in (*o.offence.include, *o.offence.exclude)]
    read: list[tuple[str, tuple[str, ...], bool]] = []
    if any(o.marker != "any" for _, o in outcomes):
        read.append((EVENT_TYPE, EVENT_TYPES, False))
    if any(offences.by_reason(o.offence) for _, o in outcomes):
        read.append((offences.REASON, ("new_crime", *offences.REASONS.values()), True))
    if any(g in offences.LEVELS for g in named):
        read.append((offences.LEVEL, offences.LEVELS, True))
    if any(offences.by_code(o.offence) for _, o in outcomes):
        codes = tuple(c for listed in offences.code_groups().values() for c in listed)
        read.append((offences.CODE, codes, True))
    key = f"outcomes[{outcomes[0][0]}]." + ("offence" if named else "kind")
    for column, known, trimmed in read:
        if column in columns:
            at = f"outcomes[{outcomes[0][0]}].marker" if column == EVENT_TYPE else key
            yield from _strange(case, at, column, known, trimmed)


def _plain(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum())


def _strange(case: Case, key: str, column: str, known: tuple[str, ...], trimmed: bool) -> Iterator[Doubt]:
    """Unknown values of a column: an error where they are a code but for capitals, blanks and hyphens."""
    sql, source = case.sql, case.tables[EVENTS]
    value = f"CAST({sql.name(column)} AS STRING)"
    held = f"trim({value})" if trimmed else value
    held = f"upper({held})" if column == offences.CODE else held
    codes = ", ".join(sql.literal(k) for k in known)
    found = [(str(v), int(n)) for v, n in sql.rows(
        f"SELECT v, count(*) AS n FROM (SELECT {value} AS v, {held} AS h FROM "
        f"{sql.scan(source, list(source.columns))}) AS t "
        f"WHERE trim(v) <> '' AND NOT h IN ({codes}) GROUP BY v ORDER BY n DESC, v LIMIT {20 * FEW_VALUES}"
    )]  # fmt: skip
    plain = {_plain(k): k for k in known}
    near = [(v, n) for v, n in found if _plain(v) in plain]
    if near:
        exact = ", ".join(dict.fromkeys(plain[_plain(v)] for v, _ in near))
        what = f"{EVENTS}.{column} holds {_counted(near)}, which the codes do not have: these events would be misread."
        told = f"{EVENTS}.{column} holds values that are codes but for capitals, blanks or hyphens."
        yield Doubt(key, "unknown_codes", what, f"Write exactly {exact} in the table.", error=True, told=told)
    others = [(v, n) for v, n in found if _plain(v) not in plain]
    if others:
        every = int(sql.rows(f"SELECT count(*) FROM {sql.scan(source, list(source.columns))}")[0][0])
        rare = sum(n for _, n in others) < RARE * every
        if rare and column == offences.CODE:
            return  # each outcome counts its own
        codes = "the catalogue of offences" if column == offences.CODE else "the codes: " + ", ".join(known)
        what = f"{EVENTS}.{column} holds values that are not among {codes}: {_counted(others)}."
        rows = sum(n for _, n in others)
        told = f"{EVENTS}.{column} holds values that are no codes, in {rows:,} rows."
        yield Doubt(key, "unknown_codes", what, "They match no marker, reason or group.", (rows,), rare=rare, told=told)


# --------------------------------------------------------------------------- days


def dated(case: Case) -> list[tuple[str, str, str]]:
    """Key, table and column of every day on which something happened."""
    design, found = case.design, []
    found += [("design.index.date", design.index.table, design.index.date)]
    found += [("design.comparison.date", design.comparison.table, design.comparison.date)]
    for name in dict.fromkeys(n for o in case.study.outcomes for n in o.competing if n in design.events):
        event = design.events[name]
        found.append((f"design.events.{name}.date", event.table, event.date))
    for i, o in enumerate(case.study.outcomes):
        if o.events:
            found.append((f"outcomes[{i}].events.date", o.events.table, o.events.date))
        elif o.kind == "recidivism":
            found.append((f"data.tables.{EVENTS}", EVENTS, basis_column(o, case.tables[EVENTS].columns)))
    if DEATHS in case.tables:
        found.append((f"data.tables.{DEATHS}", DEATHS, DEATH_DATE))
    stays = stays_of(design, case.tables)
    if stays:
        found.append((f"data.tables.{stays.stop_in}", stays.stop_in, stays.start))
    return list({(t, c): (k, t, c) for k, t, c in reversed(found)}.values())[::-1]


def _days(case: Case) -> Iterator[Doubt]:
    """Days that cannot be: before 1900, or more than a year after the last day of the data."""
    sql = case.sql
    beyond = case.day(min(case.as_of, date.max - timedelta(days=MOST_BEYOND)) + timedelta(days=MOST_BEYOND))
    for key, table, column in dated(case):
        source, day = case.tables[table], sql.day(column)
        early, late = sql.rows(
            f"SELECT count(*) FILTER (WHERE {day} < DATE '{FIRST_YEAR}-01-01'), "
            f"count(*) FILTER (WHERE {day} > {beyond}) FROM {sql.scan(source, list(source.columns))}"
        )[0]
        if early or late:
            what = (f"{table}.{column}: {early:,} days lie before {FIRST_YEAR}, and {late:,} more than a year after "
                    f"as_of ({case.as_of}).")  # fmt: skip
            yield Doubt(key, "impossible_days", what, "Correct them; such rows do not count.", (int(early), int(late)))


def _stays(case: Case) -> Iterator[Doubt]:
    """Stays that end before they begin."""
    found = stays_of(case.design, case.tables)
    if found is None:
        return
    sql, source = case.sql, case.tables[found.stop_in]
    wrong, every = sql.rows(
        f"SELECT count(*) FILTER (WHERE {sql.day(found.end)} < {sql.day(found.start)}), count(*) FROM "
        f"{sql.scan(source, list(source.columns))} WHERE {sql.met(source, found.where)}"
    )[0]
    if wrong >= RARE * every and wrong:  # fewer are counted among the stays ignored
        what = f"{wrong:,} of {every:,} stays in {found.stop_in} end before they begin ({found.end} < {found.start})."
        yield Doubt(f"data.tables.{found.stop_in}", "stays_backwards", what, "Check which column is which.",
                    (int(wrong), int(every - wrong)), error=wrong == every)  # fmt: skip
