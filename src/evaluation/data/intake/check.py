"""A received file held against the dictionary: every breach, level by level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.data.intake.headers import matched
from evaluation.data.intake.received import ROWS
from evaluation.data.intake.words import KEYS, said
from evaluation.dictionary.compile_cells import TYPES, CellCheck, Cells, cell_checks, cells, identifier, literal
from evaluation.dictionary.compile_rules import TYPED, Known, RowsBroken, key_checks, rule_check, unknown
from evaluation.dictionary.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

    from evaluation.data.intake.received import Received
    from evaluation.dictionary.findings import FindingLevel
    from evaluation.dictionary.tables import Table

MOST_SAID = 100  # cells named of one column and rule
MOST_PAIRS = 50_000_000  # of rows held against each other, some seconds, where keys stand in the file more than once
LEVELS = ("file", "schema", "integrity", "business", "plausibility")


@dataclass(frozen=True)
class Sent:
    """Who sends the file and for which days (from `start` up to but without `end`, ISO), where that is known.

    `today` is the day of checking: nothing can have happened after it.
    """

    agency: str | None = None
    start: str | None = None
    end: str | None = None
    today: str | None = None


def check(
    received: Received, table: Table, connection: DuckDBPyConnection, known: Known, sent: Sent | None = None
) -> tuple[list[Finding], list[str]]:
    """Every finding, in the order of levels, and what could not be checked for want of a table.

    Leaves the table `typed` in the connection: `row`, and one column a field of the dictionary, NULL where a cell is
    missing or not of its type.
    """
    places, findings = matched(received, table)
    findings = [*received.findings, *findings]
    run = _Run(received, table, connection, places)
    findings += run.schema()
    findings += run.sent(sent or Sent())
    left_out = unknown(table, known)
    checks: list[tuple[RowsBroken, FindingLevel, str, str, str]] = [
        (c, "integrity", "error", *KEYS[c.rule]) for c in key_checks(table, known)
    ]
    for rule in table.rules:
        broken = rule_check(rule, table, known)
        if broken is None:
            left_out.append(rule.id)
        else:
            checks.append((broken, rule.level, rule.severity, rule.message, rule.remedy))
    repeated = False
    for broken, level, severity, message, remedy in checks:
        if repeated and run.too_many(broken):
            left_out.append(broken.rule)
        elif set(broken.columns) & set(places):
            found = list(run.broken(broken, level, severity, message, remedy))
            repeated |= broken.rule == "primary_key" and bool(found)
            findings += found
    return sorted(findings, key=lambda f: LEVELS.index(f.level)), left_out


@dataclass(frozen=True)
class _Run:
    received: Received
    table: Table
    connection: DuckDBPyConnection
    places: dict[str, int]

    def schema(self) -> Iterator[Finding]:
        """Breaches of single cells; makes the table `typed`."""
        found = [cells(self.table, f, f"c{self.places[f.name]}") for f in self.table.fields if f.name in self.places]
        self._type(found)
        checks = [(c, check) for c in found for check in cell_checks(c)]
        if not checks:
            return
        numbers = self._numbers(checks)
        for (cell, check), n in zip(checks, numbers, strict=True):
            if not n:
                continue
            broken, source = check.broken, ROWS
            if check.rule == "type":  # as `typed` has it: to cast all once more would take as long as all else
                broken = f"{cell.given} IS NOT NULL AND {TYPED}.{identifier(cell.field.name)} IS NULL"
                source = f"{ROWS} JOIN {TYPED} USING (row)"
            rows = self.connection.execute(
                f"SELECT row, {cell.given} FROM {source} WHERE {broken} ORDER BY row LIMIT {MOST_SAID}"
            ).fetchall()
            for row, text in rows:
                yield self._finding(check.rule, "schema", "error", *said(check.rule, text, cell.field, self.table),
                                    row=row, field=cell.field.name)  # fmt: skip
            yield from self._more(check.rule, "schema", "error", n, cell.field.name)

    def _numbers(self, checks: list[tuple[Cells, CellCheck]]) -> list[int]:
        """How many cells break each limit, in one scan.

        Cells not of their type are those given less those in `typed`: to cast a million dates twice would take as long
        as all else.
        """
        counted = [
            f"count({c.given})" if check.rule == "type" else f"count(*) FILTER (WHERE {check.broken})"
            for c, check in checks
        ]
        numbers = list(self.connection.execute(f"SELECT {', '.join(counted)} FROM {ROWS}").fetchall()[0])
        of_type = [i for i, (_, check) in enumerate(checks) if check.rule == "type"]
        if of_type:
            named = ", ".join(f"count({identifier(checks[i][0].field.name)})" for i in of_type)
            valid = self.connection.execute(f"SELECT {named} FROM {TYPED}").fetchall()[0]
            for i, n in zip(of_type, valid, strict=True):
                numbers[i] -= n
        return numbers

    def _type(self, found: list[Cells]) -> None:
        typed = {c.field.name: c.typed for c in found}
        columns = ", ".join(
            f"{typed.get(f.name, f'CAST(NULL AS {TYPES[f.type]})')} AS {identifier(f.name)}" for f in self.table.fields
        )
        self.connection.execute(f"CREATE OR REPLACE TABLE {TYPED} AS SELECT row, {columns} FROM {ROWS}")

    def sent(self, sent: Sent) -> Iterator[Finding]:
        """Rows of another agency, or of days outside the period that is sent."""
        if sent.agency is not None and "agency_id" in self.places:
            sql = f"SELECT row FROM {TYPED} WHERE agency_id <> {literal(sent.agency)}"
            yield from self.broken(
                RowsBroken("agency", ("agency_id",), sql), "integrity", "error",
                f"The row is of another agency than {sent.agency}, which sends it.",
                f"Write {sent.agency}, or leave the row out.")  # fmt: skip
        if sent.today is not None:
            yield from self._ahead(sent.today)
        column = self.table.period
        if column is None or sent.start is None or sent.end is None or column not in self.places:
            return
        if self.table.field(column).type == "date":
            day = identifier(column)
            inside = f"{day} >= DATE {literal(sent.start)} AND {day} < DATE {literal(sent.end)}"
        else:
            inside = f"{identifier(column)} = {int(sent.start[:4])}"
        yield from self.broken(
            RowsBroken("in_period", (column,), f"SELECT row FROM {TYPED} WHERE NOT ({inside})"), "integrity", "error",
            f"The row does not belong to the period that is sent ({sent.start} up to {sent.end}).",
            "Send it with its own period, or correct the date.")  # fmt: skip

    def _ahead(self, today: str) -> Iterator[Finding]:
        """Days that have not come yet, where the dictionary does not say that they may be told before."""
        for field in self.table.fields:
            if field.type == "date" and field.name in self.places and not field.may_lie_ahead:
                sql = f"SELECT row FROM {TYPED} WHERE {identifier(field.name)} > DATE {literal(today)}"
                yield from self.broken(
                    RowsBroken("future_date", (field.name,), sql), "integrity", "error",
                    f"This day has not come yet: the file is checked on {today}.",
                    "Correct the date; leave out what is only planned.")  # fmt: skip

    def broken(
        self, check: RowsBroken, level: FindingLevel, severity: str, message: str, remedy: str
    ) -> Iterator[Finding]:
        """The rows that a query names."""
        n = self.connection.execute(f"SELECT count(*) FROM ({check.sql})").fetchall()[0][0]
        if not n:
            return
        rows = self.connection.execute(
            f"SELECT row FROM ({check.sql}) ORDER BY row NULLS FIRST LIMIT {MOST_SAID}"
        ).fetchall()
        field = next(c for c in check.columns if c in self.places)
        for (row,) in rows:
            yield self._finding(check.rule, level, severity, message, remedy, row=row, field=field)
        yield from self._more(check.rule, level, severity, n, field)

    def too_many(self, check: RowsBroken) -> bool:
        """Whether a rule would hold more rows of the file against each other than can be waited for."""
        return check.pairs is not None and self.connection.execute(check.pairs).fetchall()[0][0] > MOST_PAIRS

    def _more(self, rule: str, level: FindingLevel, severity: str, n: int, field: str) -> Iterator[Finding]:
        if n > MOST_SAID:
            message = f"The same holds of {n - MOST_SAID:,} more rows."
            yield self._finding(rule, level, severity, message, "Mend them all in the same way.", field=field,
                                count=n - MOST_SAID)  # fmt: skip

    def _finding(
        self, rule: str, level: FindingLevel, severity: str, message: str, remedy: str, *,
        row: int | None = None, field: str = "", count: int = 1,
    ) -> Finding:  # fmt: skip
        header = self.received.headers[self.places[field]] if field in self.places else field
        return Finding(self.received.path.name, rule, level, "error" if severity == "error" else "warning", message,
                       remedy, self.received.sheet, row, header, count)  # fmt: skip
