"""p-values adjusted for several questions asked at once.

Holm keeps the chance of any false finding, Benjamini-Hochberg the expected share of false ones among the findings.
Romano-Wolf does what Holm does and uses how the estimates vary together, which costs less power the more they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.multiplier import weight_blocks, weights_for

if TYPE_CHECKING:
    from evaluation.data.moments import Floats
    from evaluation.results.rows import Influence

TIE = 1e-10  # relative difference of two statistics below which they are equal


def holm(p_values: Floats) -> Floats:
    """Adjusted p-values (S,) that hold the family-wise error rate, whatever the dependence (Holm, 1979)."""
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    return _placed(np.minimum(np.maximum.accumulate(factors * p_values[order]), 1.0), order)


def benjamini_hochberg(p_values: Floats) -> Floats:
    """Adjusted p-values (S,) that hold the false discovery rate (Benjamini and Hochberg, 1995).

    Valid for independent or positively dependent tests.
    """
    order = np.argsort(p_values, kind="stable")[::-1]
    factors = len(p_values) / np.arange(len(p_values), 0, -1)
    return _placed(np.minimum(np.minimum.accumulate(factors * p_values[order]), 1.0), order)


def _placed(values: Floats, order: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Floats:
    """Values in the order they were sorted from."""
    found = np.empty(len(values))
    found[order] = values
    return found


def joint_influence(influences: Sequence[Influence]) -> Floats:
    """What each cluster adds to the error of each of S estimates (G, S); 0 where an estimate does not use it."""
    codes = np.unique(np.concatenate([i.clusters for i in influences]))
    found = np.zeros((len(codes), len(influences)))
    for s, one in enumerate(influences):
        np.add.at(found[:, s], np.searchsorted(codes, one.clusters), one.values)
    return found


def romano_wolf(statistics: Floats, influence: Floats, *, draws: int = 9999, seed: int = 0) -> Floats:
    """Stepdown p-values (S,) that hold the family-wise error rate (Romano and Wolf, 2005, 2016).

    `statistics` (S,) are t-ratios, `influence` (G, S) is what each cluster adds to the estimates' errors. Clusters'
    contributions are multiplied by the same random weights in all estimates (Webb's six points below 12 clusters, else
    signs), and each hypothesis is held against the largest of the statistics not yet rejected. The sample counts as
    one more draw.
    """
    scaled = influence / np.sqrt((influence**2).sum(axis=0))
    size = np.abs(statistics)
    order = np.argsort(-size, kind="stable")
    beaten = np.zeros(len(size))
    for block in weight_blocks(weights_for(len(influence)), draws, len(influence), seed):
        drawn = np.abs(block @ scaled)[:, order]
        largest = np.maximum.accumulate(drawn[:, ::-1], axis=1)[:, ::-1]  # of this hypothesis and those after it
        beaten += (largest >= size[order] * (1 - TIE)).sum(axis=0)
    return _placed(np.maximum.accumulate((beaten + 1) / (draws + 1)), order)
