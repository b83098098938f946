"""Cross-products of outcomes from data that lie sorted by unit and period, none missing: a batch of rows at a time.

Where rows lie so, a unit's outcomes are neighbours: they need not be brought together by a group-by, and memory does
not follow the number of units. The products are cut into the same parts as in a query, so that their sums are the
same to the last bit. Whether data lie so is seen on the way; where they do not, the way ends, mostly at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.data.exact import Parts
from evaluation.data.moments.gathered import Gathered, Kinds
from evaluation.data.moments.products import bounds, gathered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.data.frames import Frames
    from evaluation.data.moments.facts import Facts
    from evaluation.data.moments.model import Floats, Integers
    from evaluation.data.panel import Panel

BATCH = 122_880  # rows that are fetched at once
CACHED = 32_768  # numbers that the processor keeps at hand: so many are multiplied at once


def streamed_products(engine: Frames, panel: Panel, column: str, facts: Facts, shift: float) -> Gathered | None:
    """Moments with `cross`, every weight 1; None where rows do not lie as they must, or are of another type."""
    periods = len(facts.times)
    sums = _Sums.of(facts, shift)
    left: Any = None
    batches = engine.batches(panel.source, [panel.unit, panel.time, panel.cohort, column], BATCH)
    try:
        for batch in batches:
            rows = batch if left is None else _joined(left, batch)
            whole = rows.num_rows // periods * periods
            found = _units(rows.slice(0, whole), facts.times)
            if found is None:
                return None
            sums.add(*found)
            left = rows.slice(whole) if whole < rows.num_rows else None
    finally:
        batches.close()
    return sums.gathered() if sums.units * periods == facts.n_rows else None


def _joined(left: Any, batch: Any) -> Any:
    from pyarrow import concat_batches

    return concat_batches([left, batch])


def _units(rows: Any, times: Integers) -> tuple[Integers, Floats] | None:
    """Cohorts (n,) and outcomes (n, T) of the units of some rows; None where these are not T rows a unit, in order."""
    unit, time, outcome = (_numbers(rows.column(k)) for k in (0, 1, 3))
    cohort = _begun(rows.column(2))
    if unit is None or time is None or cohort is None or outcome is None or time.dtype.kind == "f":
        return None
    shape = (-1, len(times))
    unit, time, cohort = unit.reshape(shape), time.reshape(shape), cohort.reshape(shape)
    constant = (unit[:, 1:] == unit[:, :1]).all() and (cohort[:, 1:] == cohort[:, :1]).all()
    if not constant or not (time == times.astype(time.dtype)).all():
        return None
    return cohort[:, 0].astype(np.int64), outcome.reshape(shape).astype(np.float64, copy=False)


def _numbers(column: Any) -> NDArray[Any] | None:
    """A column's numbers, or those that stand for its texts; None where some are missing."""
    from pyarrow import types

    if types.is_string(column.type) or types.is_large_string(column.type):
        column = column.dictionary_encode().indices
    if column.null_count or not (types.is_integer(column.type) or types.is_floating(column.type)):
        return None
    return np.from_dlpack(column)  # without a copy, and without pandas, which `to_numpy` imports


def _begun(column: Any) -> NDArray[Any] | None:
    """First treated periods, 0 = never; None where they are no numbers."""
    from pyarrow import int8

    known = _numbers(column.drop_null())
    if known is None:
        return None
    if known.dtype.kind == "f":
        known = np.where(np.isnan(known) | (known == np.inf), 0, known)
    if not column.null_count:
        return known
    found = np.zeros(len(column), known.dtype)
    found[np.from_dlpack(column.is_valid().cast(int8())) > 0] = known
    return found


@dataclass
class _Sums:
    """Sums of the parts of products by cohort, (parts, 1 + T, 1 + T) each, above the diagonal."""

    facts: Facts
    shift: float
    alone: Parts  # for outcomes
    pairs: Parts  # for products of two
    units: int = 0
    found: dict[int, tuple[int, Floats, Floats]] = field(default_factory=dict)  # units, sums, sums of products

    @classmethod
    def of(cls, facts: Facts, shift: float) -> _Sums:
        """No sums yet, and the parts for a panel's size and range."""
        one, value = bounds(facts, shift)
        return cls(facts, shift, Parts.of(one * value, facts.n_rows), Parts.of(value * value, facts.n_rows))

    def add(self, cohort: Integers, outcome: Floats) -> None:
        """Units with their cohorts (n,) and outcomes (n, T)."""
        at_once = max(1, CACHED // len(self.facts.times))
        order = np.argsort(cohort, kind="stable")
        for start in range(0, len(order), at_once):
            some = order[start : start + at_once]
            mine = cohort[some]
            starts = np.flatnonzero(np.r_[True, mine[1:] != mine[:-1]])
            totals, products = self._summed(np.ascontiguousarray((outcome[some] - self.shift).T), starts)
            sizes = np.diff(np.r_[starts, len(some)]).tolist()
            for k, g in enumerate(mine[starts].tolist()):
                self._put(g, sizes[k], totals[..., k], products[..., k])
        self.units += len(order)

    def _summed(self, value: Floats, starts: Integers) -> tuple[Floats, Floats]:
        """Sums of values (T, n) by group, (parts, T, groups), and of their products, (T, parts, T, groups)."""
        periods = len(value)
        products = np.zeros((periods, len(self.pairs.digits), periods, len(starts)))
        made, part = np.empty_like(value), np.empty_like(value)
        for i in range(periods):
            here = np.multiply(value[i], value[i:], out=made[i:])
            _add_parts(here, self.pairs, starts, part[i:], products[i, :, i:])
        totals = np.zeros((len(self.alone.digits), periods, len(starts)))
        _add_parts(value, self.alone, starts, part, totals)
        return totals, products

    def _put(self, cohort: int, units: int, totals: Floats, products: Floats) -> None:
        before = self.found.get(cohort)
        if before is not None:
            units, totals, products = before[0] + units, before[1] + totals, before[2] + products
        self.found[cohort] = (units, totals, products)

    def gathered(self) -> Gathered:
        """The moments, one row a cohort."""
        periods, cohorts = len(self.facts.times), sorted(self.found)
        n = np.array([self.found[g][0] for g in cohorts], dtype=np.int64)
        totals = np.array([Parts.total(list(self.found[g][1])) for g in cohorts])  # (J, T)
        products = np.array([Parts.total(list(self.found[g][2].transpose(1, 0, 2))) for g in cohorts])  # (J, T, T)
        found = {(0, 0): n.astype(np.float64)}
        for i in range(periods):
            found[0, 1 + i] = totals[:, i]
            found.update({(1 + i, 1 + j): products[:, i, j] for j in range(i, periods)})
        rows = np.arange(len(cohorts))
        kinds = Kinds(rows, rows, np.zeros_like(rows), np.array(cohorts, dtype=np.int64), (None,) * len(cohorts))
        return gathered(kinds, np.ones((len(cohorts), periods), dtype=np.bool_), n, found, self.shift)


def _add_parts(values: Floats, parts: Parts, starts: Integers, part: Floats, into: Floats) -> None:
    """Sums of the parts of values (k, n) over groups of neighbours, (parts, k, groups), as `Parts.cut` cuts them.

    `values` and `part` (k, n) are written over: to find new memory for each step would take longer than the step.
    """
    for large, total in zip(parts.rounders, into, strict=True):
        np.subtract(np.add(values, large, out=part), large, out=part)
        np.add.reduceat(part, starts, axis=1, out=total)
        np.subtract(values, part, out=values)
