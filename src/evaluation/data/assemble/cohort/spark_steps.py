"""The same plan on Spark: each step a Parquet folder beside the cohort's file, which every worker must reach."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.data.assemble.cohort.steps import Steps
from evaluation.data.spark import common_folder, session
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyspark.sql import DataFrame, SparkSession

    from evaluation.data.engine import Source
    from evaluation.study.models import Engine

NANOSECONDS = 86_400 * 10**9  # of a day


@contextmanager
def on_spark(settings: Engine, connection: DuckDBPyConnection, out: Path) -> Iterator[Steps]:
    """The steps of a plan on Spark; what they leave on disk goes at the end.

    Raises
    ------
    EvaluationError
        When Spark cannot be reached.
    """
    found = session(settings)
    # A session of its own keeps the steps' names apart from the views of whoever runs this; Connect has one already.
    spark = found if type(found).__module__.startswith("pyspark.sql.connect") else found.newSession()
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".steps-", dir=out.parent))
    try:
        yield SparkSteps(connection, spark, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class SparkSteps(Steps):
    """Tables made one after the other on Spark. The connection is DuckDB's, which writes the last one in order."""

    # Parquet keeps what was numbered: a step that is run again cannot number its rows anew.
    number_rows = "monotonically_increasing_id()"

    def __init__(self, connection: DuckDBPyConnection, spark: SparkSession, folder: Path) -> None:
        super().__init__(connection)
        self.spark, self.folder = spark, folder
        self.views: dict[tuple[str, ...], str] = {}

    def scan(self, source: Source, columns: Sequence[str]) -> str:  # noqa: ARG002 - Spark reads what a query names
        """A view of the files, made once.

        Raises
        ------
        DataError
            When Spark cannot read the files.
        """
        if source.files not in self.views:
            name = f"table{len(self.views)}"
            reader = self.spark.read.option("mergeSchema", "true").option("basePath", common_folder(source.files))
            try:
                _with_days(reader.parquet(*source.files), source).createOrReplaceTempView(name)
            except Exception as error:  # noqa: BLE001 - of Spark's many kinds
                what = f"Spark cannot read it: {str(error).strip().splitlines()[0]}"
                fix = "Every worker must reach the path; see docs/engines.md."
                raise DataError(Problem(source.where, "data.tables", what, fix)) from None
            self.views[source.files] = name
        return self.views[source.files]

    def make(self, name: str, query: str) -> None:
        """Make the table `name` of a query's rows, as Parquet."""
        place = str(self.folder / name)
        self.spark.sql(query).write.mode("overwrite").parquet(place)
        self.spark.read.parquet(place).createOrReplaceTempView(name)

    def drop(self, *names: str) -> None:
        """Let go of tables that no later step reads."""
        for name in names:
            self.spark.catalog.dropTempView(name)
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a small result."""
        return [tuple(row) for row in self.spark.sql(query).collect()]

    def result(self, query: str) -> str:
        """SQL, for DuckDB, of the rows that a query gives."""
        self.make("result", query)
        listed = str(self.folder / "result" / "*.parquet").replace("'", "''")
        return f"(SELECT * FROM read_parquet('{listed}'))"

    # ------------------------------------------------------------------ saying

    def name(self, column: str) -> str:
        """A column's name as SQL."""
        return "`" + column.replace("`", "``") + "`"

    def literal(self, value: object) -> str:
        """A value of the study file as SQL."""
        if isinstance(value, str):
            return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
        return super().literal(value)

    def add_days(self, day: str, count: int | str) -> str:
        """SQL of the day so many days after another."""
        return f"date_add({day}, CAST({count} AS INT))"

    def add_months(self, day: str, count: int | str) -> str:
        """SQL of the same day of the month so many months on, or that month's last."""
        return f"add_months({day}, CAST({count} AS INT))"

    def days(self, start: str, end: str) -> str:
        """SQL of the number of days from one day to another."""
        return f"datediff({end}, {start})"


def _with_days(frame: DataFrame, source: Source) -> DataFrame:
    """Moments to the nanosecond, which Spark reads as whole numbers, as days."""
    from pyspark.sql.functions import expr

    kinds = dict(frame.dtypes)
    for column, kind in source.columns.items():
        if kind == "TIMESTAMP_NS" and kinds.get(column) == "bigint":
            named = "`" + column.replace("`", "``") + "`"
            days = f"({named} - pmod({named}, {NANOSECONDS})) div {NANOSECONDS}"
            frame = frame.withColumn(column, expr(f"date_add(DATE '1970-01-01', CAST({days} AS INT))"))
    return frame
