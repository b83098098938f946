"""Cross-products of outcomes from data that lie sorted by unit and period, none missing: a batch of rows at a time.

Where rows lie so, a unit's outcomes are neighbours: they need not be brought together by a group-by, and memory does
not follow the number of units. The products are cut into the same parts as in a query, so that their sums are the
same to the last bit. Whether data lie so is seen on the way; where they do not, the way ends, mostly at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.data.exact import Parts
from evaluation.data.moments.gathered import Gathered, Kinds
from evaluation.data.moments.products import bounds, gathered

if TYPE_CHECKING:
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
    import pyarrow.compute as pc
    from pyarrow import types

    unit, time, cohort, outcome = (rows.column(k) for k in range(4))
    if unit.null_count or time.null_count or outcome.null_count or not types.is_integer(time.type):
        return None
    if not rows.num_rows:
        return np.zeros(0, np.int64), np.zeros((0, len(times)))
    shape = (-1, len(times))
    changed = pc.not_equal(unit.slice(1), unit.slice(0, len(unit) - 1)).to_numpy(zero_copy_only=False)
    if np.append(changed, True).reshape(shape)[:, :-1].any():
        return None
    if (time.to_numpy(zero_copy_only=False).reshape(shape) != times).any():
        return None
    begins, value = _cohorts(cohort), _numbers(outcome)
    if begins is None or value is None:
        return None
    begins = begins.reshape(shape)
    if (begins != begins[:, :1]).any():
        return None
    return begins[:, 0].astype(np.int64), value.reshape(shape)


def _cohorts(column: Any) -> Any:
    """First treated periods, 0 = never; None where they are no plain numbers."""
    from pyarrow import types

    if types.is_integer(column.type):
        return column.fill_null(0).to_numpy(zero_copy_only=False)
    if not types.is_floating(column.type):
        return None
    values = column.to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(values), values, 0) if not (values == -np.inf).any() else None


def _numbers(column: Any) -> Floats | None:
    """Outcomes as floating-point numbers; None where some are missing, or they are no plain numbers."""
    from pyarrow import types

    if not (types.is_integer(column.type) or types.is_floating(column.type)):
        return None
    found: Floats = column.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return None if np.isnan(found).any() else found


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
        cohort = cohort[order]
        for start in range(0, len(order), at_once):
            some = slice(start, start + at_once)
            value = np.ascontiguousarray((outcome[order[some]] - self.shift).T)
            starts = np.flatnonzero(np.r_[True, cohort[some][1:] != cohort[some][:-1]])
            sizes = np.diff(np.r_[starts, value.shape[1]])
            totals = _totals(value, self.alone, starts)
            products = np.stack(list(self._products(value, starts)))
            for k, g in enumerate(cohort[some][starts].tolist()):
                self._put(g, int(sizes[k]), totals[:, :, k], products[..., k])
        self.units += len(order)

    def _products(self, value: Floats, starts: Integers) -> Iterator[Floats]:
        """Sums of each period's products with the later ones and itself, (parts, T, groups)."""
        periods = len(value)
        for i in range(periods):
            made = np.zeros((len(self.pairs.digits), periods, len(starts)))
            made[:, i:] = _totals(value[i] * value[i:], self.pairs, starts)
            yield made

    def _put(self, cohort: int, units: int, totals: Floats, products: Floats) -> None:
        before = self.found.get(cohort)
        if before is not None:
            units, totals, products = before[0] + units, before[1] + totals, before[2] + products
        self.found[cohort] = (units, totals, products)

    def gathered(self) -> Gathered:
        """The moments, one row a cohort."""
        periods, cohorts = len(self.facts.times), sorted(self.found)
        n = np.array([self.found[g][0] for g in cohorts], dtype=np.int64)
        totals = np.array([Parts.total(self.found[g][1]) for g in cohorts])  # (J, T)
        products = np.array([Parts.total(self.found[g][2].transpose(1, 0, 2)) for g in cohorts])  # (J, T, T)
        found = {(0, 0): n.astype(np.float64)}
        for i in range(periods):
            found[0, 1 + i] = totals[:, i]
            found.update({(1 + i, 1 + j): products[:, i, j] for j in range(i, periods)})
        rows = np.arange(len(cohorts))
        kinds = Kinds(rows, rows, np.zeros_like(rows), np.array(cohorts, dtype=np.int64), (None,) * len(cohorts))
        return gathered(kinds, np.ones((len(cohorts), periods), dtype=np.bool_), n, found, self.shift)


def _totals(values: Floats, parts: Parts, starts: Integers) -> Floats:
    """Sums of the parts of values (k, n) over groups of neighbours, (parts, k, groups)."""
    return np.stack([np.add.reduceat(part, starts, axis=1) for part in parts.cut(values)])
