"""Lazy tables of an engine, in Narwhals: the same expressions are aggregated by DuckDB here, or by Spark elsewhere.

pandas is kept out of it: to import it takes longer than the scan of most panels.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from evaluation.data.engine import Source, connect, quoted

if TYPE_CHECKING:
    import narwhals as nw
    from numpy.typing import NDArray

    from evaluation.data.panel import Panel

    Frame = nw.LazyFrame[Any]
    Columns = dict[str, NDArray[Any]]


class Frames(Protocol):
    """What an engine must do beside aggregating."""

    most_single_rows: int | None  # rows of single units that may leave the engine; None = any number

    def columns(self, source: Source, names: Sequence[str]) -> Frame:
        """Columns of Parquet files, named `x0`, `x1` and so on: names of ours, so that none needs quoting."""

    def batches(self, source: Source, names: Sequence[str], rows: int) -> Generator[Any, None, None]:
        """Columns as Arrow record batches of up to `rows` rows, in the files' order; none where there is no order."""

    def table(self, names: Sequence[str], rows: Sequence[tuple[int, ...]]) -> Frame:
        """A small table of our own, of whole numbers, to join."""

    def kept(self, frame: Frame) -> Frame:
        """The frame, reckoned once and held by the engine for the queries that follow."""

    def collected(self, frame: Frame) -> Columns:
        """The columns of a (small) result."""


class DuckFrames:
    """DuckDB in this process: out of core, spilling to the temporary folder."""

    most_single_rows: int | None = None

    def __init__(self) -> None:
        self.connection = connect()
        self.held = 0

    def columns(self, source: Source, names: Sequence[str]) -> Frame:
        """Columns of Parquet files, named `x0`, `x1` and so on."""
        listed = ", ".join(f"{quoted(name)} AS x{k}" for k, name in enumerate(names))
        return self._frame(f"SELECT {listed} FROM {source.scan}")

    def batches(self, source: Source, names: Sequence[str], rows: int) -> Generator[Any, None, None]:
        """Columns as Arrow record batches of up to `rows` rows, in the files' order."""
        listed = ", ".join(f"{quoted(name)} AS x{k}" for k, name in enumerate(names))
        with connect() as connection:
            connection.execute("SET preserve_insertion_order = true")
            yield from connection.sql(f"SELECT {listed} FROM {source.scan}").to_arrow_reader(rows)

    def table(self, names: Sequence[str], rows: Sequence[tuple[int, ...]]) -> Frame:
        """A small table of whole numbers."""
        values = ", ".join(f"({', '.join(map(str, row))})" for row in rows)
        return self._frame(f"SELECT * FROM (VALUES {values}) AS given({', '.join(names)})")

    def kept(self, frame: Frame) -> Frame:
        """The frame as a temporary table."""
        self.held += 1
        frame.to_native().create(f"held{self.held}")
        return self._frame(f"SELECT * FROM held{self.held}")

    def collected(self, frame: Frame) -> Columns:
        """The columns, masked where NULL."""
        found: Columns = frame.to_native().fetchnumpy()
        return found

    def _frame(self, sql: str) -> Frame:
        import narwhals as nw

        return nw.from_native(self.connection.sql(sql))


@contextmanager
def frames(panel: Panel) -> Iterator[Frames]:
    """The engine that aggregates a panel.

    Raises
    ------
    EvaluationError
        When the panel asks for Spark and there is none.
    """
    if panel.spark is None:
        engine = DuckFrames()
        with engine.connection:
            yield engine
        return
    from evaluation.data.spark import SparkFrames, session

    with SparkFrames(session(panel.spark)) as held:
        yield held


@contextmanager
def lean() -> Iterator[None]:
    """While expressions with numbers in them are written: DuckDB looks at each whether it is pandas' missing value.

    It would import pandas for that; as long as nobody else has, there is no such value.
    """
    hidden = "pandas" not in sys.modules and "pyspark" not in sys.modules
    if hidden:
        sys.modules["pandas"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if hidden:
            del sys.modules["pandas"]


def fetched(engine: Frames, make: Callable[[], Frame]) -> Columns:
    """The columns of the (small) result that `make` writes down."""
    with lean():
        frame = make()
    return engine.collected(frame)


def floats(column: NDArray[Any]) -> NDArray[np.float64]:
    """A column of numbers, NaN where empty."""
    found: NDArray[np.float64] = np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan)
    return found


def whole(column: NDArray[Any]) -> NDArray[np.int64]:
    """A column of whole numbers, none empty."""
    return np.asarray(column).astype(np.int64)


def ranks(column: NDArray[Any]) -> tuple[NDArray[np.int64], list[Any]]:
    """Each value's rank among the distinct ones, and these in ascending order (text by code points)."""
    values = np.asarray(column)
    if values.dtype != object:
        distinct, found = np.unique(values, return_inverse=True)
        return found.astype(np.int64), distinct.tolist()
    listed = sorted(set(values.tolist()))
    place = {one: k for k, one in enumerate(listed)}
    return np.fromiter((place[one] for one in values.tolist()), np.int64, len(values)), listed
