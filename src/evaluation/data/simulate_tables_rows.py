"""Rows of simulated tables: columns of equal length, with missing values, cheap to join, filter and write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

__all__ = ["MISSING", "Column", "Rows", "dates", "filled", "labels", "matches", "numbers", "stacked"]

MISSING = -(2**40)  # of every kind of column: no day, code or number of the data is near it
Value = str | int | float | bool
Kind = Literal["number", "date", "label", "flag", "id", "person"]


@dataclass(frozen=True)
class Column:
    """Values (n,): numbers; days since 1970-01-01; places in `levels`; 0 and 1; or serial numbers of ids."""

    values: Any
    kind: Kind = "number"
    levels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def picked(self, rows: Any) -> Column:
        """The column of some of the rows, given as places or as a mask."""
        return Column(self.values[rows], self.kind, self.levels)

    def equal(self, wanted: Value) -> Flags:
        """Where the column holds a value; missing values hold none."""
        if self.kind == "label":
            code = self.levels.index(str(wanted)) if str(wanted) in self.levels else -1
            return np.asarray(self.values == code)
        known = isinstance(wanted, (int, float)) and self.kind in ("number", "flag")
        return np.asarray(self.values == float(wanted)) if known else np.zeros(len(self), bool)

    def arrow(self) -> pa.Array:
        """The column as it is written."""
        import pyarrow as pa
        import pyarrow.compute as pc

        empty = self.values == MISSING
        mask = empty if empty.any() else None
        plain = np.where(empty, 0, self.values)
        if self.kind == "date":
            return pa.array(plain.astype(np.int32), pa.int32(), mask=mask).cast(pa.date32())
        if self.kind == "label":
            codes = pa.array(plain.astype(np.int32), pa.int32(), mask=mask)
            return pa.DictionaryArray.from_arrays(codes, pa.array(self.levels or ("",), pa.string()))
        if self.kind == "id":
            return pa.array(plain.astype(np.int64)).cast(pa.string())
        if self.kind == "person":
            first = int(plain.min(initial=0))
            names = pc.binary_join_element_wise(
                "P",
                pc.utf8_lpad(pa.array(np.arange(first, int(plain.max(initial=0)) + 1)).cast(pa.string()), 8, "0"),
                "",
            )
            return pa.DictionaryArray.from_arrays(pa.array((plain - first).astype(np.int32), mask=mask), names)
        if self.kind == "flag":
            return pa.array(plain.astype(bool), mask=mask)
        whole = plain.dtype.kind == "i"
        return pa.array(plain, pa.int64() if whole else pa.float64(), mask=mask)


@dataclass(frozen=True)
class Rows:
    """Rows of one table: the place of each row's person in the chunk (n,), and columns."""

    person: Integers
    columns: dict[str, Column]

    def __len__(self) -> int:
        return len(self.person)

    def picked(self, rows: Any) -> Rows:
        """Some of the rows, given as places or as a mask."""
        return Rows(self.person[rows], {name: c.picked(rows) for name, c in self.columns.items()})

    def given(self, columns: Mapping[str, Column]) -> Rows:
        """The rows with these columns, in place of those of the same name."""
        return Rows(self.person, {**self.columns, **columns})

    def day(self, column: str) -> Integers:
        """Days of a column of dates; MISSING where the rows have no such column."""
        found = self.columns.get(column)
        return np.full(len(self), MISSING) if found is None else np.asarray(found.values)


def numbers(values: Any) -> Column:
    """A column of whole or other numbers."""
    return Column(np.asarray(values))


def dates(values: Any) -> Column:
    """A column of days since 1970-01-01."""
    return Column(np.asarray(values, np.int64), "date")


def labels(codes: Any, levels: Sequence[str]) -> Column:
    """A column of text: places in `levels`."""
    return Column(np.asarray(codes, np.int64), "label", tuple(levels))


def filled(value: Value | Sequence[Value], size: int, generator: np.random.Generator) -> Column:
    """A column that holds one value, or any of a list of them."""
    allowed = list(value) if isinstance(value, (list, tuple)) else [value]
    codes = generator.integers(0, len(allowed), size) if len(allowed) > 1 else np.zeros(size, np.int64)
    if any(isinstance(v, str) for v in allowed):
        return labels(codes, [str(v) for v in allowed])
    if all(isinstance(v, bool) for v in allowed):
        return Column(np.asarray(allowed, np.int64)[codes], "flag")
    return numbers(np.asarray(allowed)[codes])


def matches(rows: Rows, where: Mapping[str, Any]) -> Flags:
    """Rows of which every condition holds."""
    found = np.ones(len(rows), bool)
    for name, value in where.items():
        allowed = value if isinstance(value, list) else [value]
        column = rows.columns.get(name)
        found &= (
            np.zeros(len(rows), bool) if column is None else np.logical_or.reduce([column.equal(v) for v in allowed])
        )
    return found


def _joined(parts: Sequence[tuple[Column | None, int]]) -> Column:
    """One column after another; where a part lacks the column its values are missing."""
    present = [c for c, _ in parts if c is not None]
    kind = present[0].kind
    levels = tuple(dict.fromkeys(level for c in present for level in c.levels))
    arrays = []
    for column, size in parts:
        if column is None:
            arrays.append(np.full(size, MISSING))
        elif kind == "label" and column.levels != levels:
            places = np.array([*(levels.index(level) for level in column.levels), MISSING])
            arrays.append(places[np.where(column.values == MISSING, len(column.levels), column.values)])
        else:
            arrays.append(column.values)
    return Column(np.concatenate(arrays), kind, levels)


def stacked(parts: Sequence[Rows]) -> Rows:
    """The rows of several parts of one table, sorted by person."""
    names = list(dict.fromkeys(name for part in parts for name in part.columns))
    person = np.concatenate([part.person for part in parts])
    order = np.argsort(person, kind="stable")
    joined = {name: _joined([(part.columns.get(name), len(part)) for part in parts]) for name in names}
    return Rows(person, joined).picked(order)
