"""Each unit a row of its own: where units are the clusters, or weights change within them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evaluation.data.frames import fetched, floats, ranks, whole
from evaluation.data.moments.gathered import Gathered, counted, levels_of
from evaluation.errors import NotEstimable

if TYPE_CHECKING:
    from evaluation.data.frames import Frame, Frames
    from evaluation.data.moments.facts import Facts
    from evaluation.data.moments.model import Floats, Integers


def unit_rows(engine: Frames, rows: Frame, place: int, facts: Facts, columns: list[str]) -> Gathered:
    """Moments of which each row is one unit; all rows of the data are read into memory.

    Raises
    ------
    NotEstimable
        Where there are more of them than may leave the engine.
    """
    if engine.most_single_rows is not None and facts.n_rows > engine.most_single_rows:
        raise NotEstimable(
            f"Weights that change within units need every unit by itself, and {facts.n_rows:,} rows are more than the "
            f"{engine.most_single_rows:,} that are taken out of Spark. Use weights that are constant within units, or "
            "the engine duckdb."
        )
    shared = [c for c in ("u", "c", "g", "t", "w", "b") if c in columns]
    table = fetched(engine, lambda: rows.select(*shared, f"y{place}"))
    y = floats(table[f"y{place}"])
    w = floats(table["w"]) if "w" in shared else np.ones(len(y))
    used = ~np.isnan(y) & (w > 0)
    unit, distinct = ranks(table["u"])
    n = len(distinct)
    cluster = _of_unit(ranks(table["c"])[0], unit, n) if "c" in shared else np.arange(n)
    cohort = _of_unit(whole(table["g"]), unit, n)
    code, levels = levels_of(table)
    level = np.array(levels, dtype=object)[_of_unit(code, unit, n)]
    kept = np.bincount(unit[used], minlength=n) > 0
    order = np.flatnonzero(kept)[np.argsort(cluster[kept], kind="stable")]
    row = np.full(n, -1)
    row[order] = np.arange(len(order))
    at = (row[unit[used]], np.searchsorted(facts.times, whole(table["t"])[used]))
    counts, weights, sums = _wide(at, (len(order), len(facts.times)), w[used], y[used] - facts.shift)
    constant = bool((weights.max(axis=1) == np.where(counts, weights, np.inf).min(axis=1)).all())
    return Gathered(
        tuple(level[order]), cluster[order], cohort[order], np.ones(len(order), np.int64), counts, weights, sums,
        facts.shift, constant, counted(level[~kept], np.ones(int((~kept).sum()), np.int64)))  # fmt: skip


def _of_unit(values: Integers, unit: Integers, n: int) -> Integers:
    """What is the same in all rows of a unit, by unit (N,)."""
    found = np.empty(n, dtype=np.int64)
    found[unit] = values
    return found


def _wide(
    at: tuple[Integers, Integers], shape: tuple[int, int], w: Floats, y: Floats
) -> tuple[Integers, Floats, Floats]:
    """Counts, weights and weighted outcomes as matrices."""
    counts, weights, sums = np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape)
    counts[at], weights[at], sums[at] = 1, w, w * y
    return counts, weights, sums
