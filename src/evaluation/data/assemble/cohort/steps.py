"""Named steps of one query plan, on DuckDB: each a table made of SQL that DuckDB and Spark both understand.

What the two say differently (names, text, days and months) is asked of the methods here; `spark_steps` answers for
Spark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evaluation.data.assemble.cohort.times import birthday
from evaluation.data.assemble.tables import literal
from evaluation.data.engine import FLOATS, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from evaluation.data.engine import Source
    from evaluation.study.building import Filter

WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")


class Steps:
    """Tables made one after the other on a DuckDB connection."""

    def __init__(self, connection: DuckDBPyConnection) -> None:
        self.connection = connection
        self.whole = False  # whether persons are whole numbers in every table

    # ------------------------------------------------------------------ doing

    def scan(self, source: Source, columns: Sequence[str]) -> str:  # noqa: ARG002 - Spark needs them
        """SQL of a table's rows."""
        return source.scan

    def make(self, name: str, query: str) -> None:
        """Make the table `name` of a query's rows."""
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")

    def drop(self, *names: str) -> None:
        """Let go of tables that no later step reads."""
        for name in names:
            self.connection.execute(f"DROP TABLE {name}")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a small result."""
        return self.connection.execute(query).fetchall()

    def result(self, query: str) -> str:
        """SQL, for DuckDB, of the rows that a query gives."""
        return f"({query})"

    # ------------------------------------------------------------------ saying

    number_rows = "row_number() OVER (ORDER BY p, d)"  # a whole number of its own for every row

    def name(self, column: str) -> str:
        """A column's name as SQL."""
        return quoted(column)

    def literal(self, value: object) -> str:
        """A value of the study file as SQL."""
        return literal(value)

    def add_days(self, day: str, count: int | str) -> str:
        """SQL of the day so many days after another."""
        return f"({day} + CAST({count} AS INTEGER))"

    def add_months(self, day: str, count: int | str) -> str:
        """SQL of the same day of the month so many months on, or that month's last."""
        return f"CAST(({day}) + to_months(CAST({count} AS INTEGER)) AS DATE)"

    def days(self, start: str, end: str) -> str:
        """SQL of the number of days from one day to another."""
        return f"date_diff('day', {start}, {end})"

    # ------------------------------------------------------------------ what both say alike

    def value(self, source: Source, column: str, alias: str = "") -> str:
        """SQL of a column, NaN turned into NULL."""
        named = alias + self.name(column)
        return f"CASE WHEN isnan({named}) THEN NULL ELSE {named} END" if source.columns[column] in FLOATS else named

    def day(self, column: str, alias: str = "") -> str:
        """SQL of a column as a day."""
        return f"CAST({alias}{self.name(column)} AS DATE)"

    def born(self, source: Source, column: str) -> str:
        """SQL of a day of birth, also of a year alone."""
        return birthday(self.name(column)) if source.is_number(column) else self.day(column)

    def person(self, source: Source, column: str) -> str:
        """SQL of the person, alike in every table: text, or a whole number where all tables hold such."""
        named, kind = self.name(column), source.columns[column]
        if self.whole:
            return f"CAST({named} AS BIGINT)"
        if kind in FLOATS:  # a gap turns whole numbers into 1.0
            value = self.value(source, column)
            whole = f"{value} = floor({value}) AND abs({named}) < 1e18"
            return f"CASE WHEN {whole} THEN CAST(CAST({value} AS BIGINT) AS STRING) ELSE CAST({value} AS STRING) END"
        return f"nullif(trim(CAST({named} AS STRING)), '')"

    def met(self, source: Source, where: Filter) -> str:
        """SQL of whether a row meets a filter: a missing value meets nothing."""
        parts = [self.among(self.name(c), v, text=source.columns[c] == "VARCHAR") for c, v in where.items()]
        return f"coalesce({' AND '.join(parts)}, false)" if parts else "true"

    def among(self, column: str, allowed: object, *, text: bool) -> str:
        """SQL of whether a column holds a value, or one of several; in a column of text, codes like 120 are text."""
        values = allowed if isinstance(allowed, list) else [allowed]
        said = [str(v) if text and isinstance(v, int) and not isinstance(v, bool) else v for v in values]
        return f"{column} IN ({', '.join(map(self.literal, said))})"
