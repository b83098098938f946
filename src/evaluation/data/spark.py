"""Spark as the engine of moments: the session, and what it does beside aggregating."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self

from evaluation.data.engine import Source
from evaluation.errors import DataError, EvaluationError, Problem

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from evaluation.data.frames import Columns, Frame
    from evaluation.study.models import Engine

MOST_SINGLE_ROWS = 20_000_000  # rows of single units taken out of Spark, where weights change within units
QUIET = {"spark.ui.showConsoleProgress": "false", "spark.sql.legacy.parquet.nanosAsLong": "true"}


def session(settings: Engine) -> SparkSession:
    """The session there is, or a new one by the study's settings, the rest from the environment.

    Raises
    ------
    EvaluationError
        Without pyspark, or when Spark does not start.
    """
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        fix = "Install the extra: pip install 'evaluation[spark]' (and Java 17 or later), or use --engine duckdb."
        raise EvaluationError(Problem("", "--engine", "Spark needs the package pyspark.", fix)) from None
    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    builder = SparkSession.builder.appName(settings.app_name)
    if settings.master:
        builder = (
            builder.remote(settings.master) if settings.master.startswith("sc://") else builder.master(settings.master)
        )
    for key, value in {**(QUIET if _local(settings) else {}), **settings.config}.items():
        builder = builder.config(key, value)
    try:
        made = builder.getOrCreate()
        if _local(settings):
            made.sparkContext.setLogLevel("ERROR")
    except Exception as error:  # noqa: BLE001 - pyspark raises errors of many kinds: no Java, no such host, a refused setting
        reason = str(error).strip().splitlines()
        what = f"Spark does not start: {reason[0] if reason else type(error).__name__}"
        fix = "Spark needs Java 17 or later (JAVA_HOME); see `engine:` in the study file, and docs/engines.md."
        raise EvaluationError(Problem("", "--engine", what, fix)) from None
    return made


def _local(settings: Engine) -> bool:
    """Whether Spark runs in this process's machine, where its own defaults may be changed."""
    return not (settings.master or os.environ.get("SPARK_REMOTE", "")).startswith("sc://")


class SparkFrames:
    """A Spark session. What it holds for a scan is let go at the end."""

    most_single_rows: int | None = MOST_SINGLE_ROWS

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark
        self.held: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for frame in self.held:
            frame.unpersist()

    def columns(self, source: Source, names: Sequence[str]) -> Frame:
        """Columns of Parquet files, named `x0`, `x1` and so on; those of the folders' names (`year=2020/`) too.

        Raises
        ------
        DataError
            When Spark cannot read the files.
        """
        import narwhals as nw
        from pyspark.sql.functions import col

        files = absolute(source.files)
        reader = self.spark.read.option("mergeSchema", "true").option("basePath", common_folder(files))
        try:
            frame = reader.parquet(*files)
            quoted = ["`" + name.replace("`", "``") + "`" for name in names]
            found: Frame = nw.from_native(frame.select(*(col(q).alias(f"x{k}") for k, q in enumerate(quoted))))
        except Exception as error:  # noqa: BLE001 - of Spark's many kinds
            what = f"Spark cannot read it: {str(error).strip().splitlines()[0]}"
            fix = "Every worker must reach the path; see docs/engines.md."
            raise DataError(Problem(source.where, "data.path", what, fix)) from None
        return found

    def batches(self, source: Source, names: Sequence[str], rows: int) -> Generator[Any, None, None]:  # noqa: ARG002
        """None: rows stay where they are, and have no order."""
        yield from ()

    def table(self, names: Sequence[str], rows: Sequence[tuple[int, ...]]) -> Frame:
        """A small table of whole numbers."""
        import narwhals as nw

        made = self.spark.createDataFrame(list(rows), ", ".join(f"{name} bigint" for name in names))
        found: Frame = nw.from_native(made)
        return found

    def kept(self, frame: Frame) -> Frame:
        """The frame, cached by the workers (memory first, then their disks)."""
        import narwhals as nw

        native = frame.to_native().persist()
        self.held.append(native)
        found: Frame = nw.from_native(native)
        return found

    def collected(self, frame: Frame) -> Columns:
        """The columns, by way of Arrow."""
        try:
            with warnings.catch_warnings(action="ignore", category=FutureWarning):  # pyspark's about pandas 3
                table = frame.collect("pyarrow").to_native()
        except Exception as error:  # noqa: BLE001 - of Spark's many kinds
            what = f"Spark could not aggregate the data: {str(error).strip().splitlines()[0]}"
            fix = "Spark's own log says more; `engine: {config: ...}` in the study file changes its settings."
            raise EvaluationError(Problem("", "--engine", what, fix)) from None
        return {name: table.column(name).to_numpy() for name in table.column_names}


def absolute(files: Sequence[str]) -> list[str]:
    """Local paths from the root, others as they are: Spark's own working directory is the one it was started in."""
    return [f if "://" in f else str(Path(f).absolute()) for f in files]


def common_folder(files: Sequence[str]) -> str:
    """The folder above all files and above the folders that name partitions (`key=value`)."""
    parents = [PurePosixPath(f).parent.parts for f in files]
    shared = []
    for parts in zip(*parents, strict=False):
        if len(set(parts)) > 1 or "=" in parts[0]:
            break
        shared.append(parts[0])
    found = str(PurePosixPath(*shared))
    scheme, colon, rest = found.partition(":/")  # s3://bucket has lost a stroke
    return f"{scheme}://{rest.lstrip('/')}" if colon else found
