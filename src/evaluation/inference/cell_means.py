"""Least squares on indicators of cells and covariates, exact from a panel's moments, without unit effects.

Each row of the moments and period belongs to one cell of a saturated design (treated × after, say); the coefficients
are the cells' means, at the middle of the covariates' ranges. Differences of means are the effects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.data.gram_scan import Cells
from evaluation.data.grams import GramMoments
from evaluation.errors import NotEstimable
from evaluation.inference.covariance import cluster_starts, cr1_factor
from evaluation.inference.regression import ClusterRegression
from evaluation.inference.scores import meat
from evaluation.inference.two_way import independent

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask, PanelMoments

BLOCK = 2**20  # numbers held at once while scores are summed
MOST_KEPT = 2**24  # scores that are kept for later steps


@dataclass(frozen=True)
class CellFit:
    """Means of the C cells and slopes of the L covariates (C + L,) with their CR1 covariance; NaN where unidentified.

    A cell without rows, and a covariate that is a combination of the cells and the covariates before it, are not
    identified. `errors` and `by_cluster` as in `TwoWayFit`.
    """

    coefficients: Floats
    covariance: Floats
    identified: Mask
    n_obs: int
    n_clusters: int
    factor: float
    errors: Floats | None
    by_cluster: Callable[[], ClusterRegression]


def cell_means(moments: PanelMoments, cell: Integers, size: int) -> CellFit:
    """Fit the outcome on `size` indicators, `cell` (R, T) saying which is on, and the moments' covariates, if any.

    K of the small-sample factor counts the cells with rows and the covariates kept.

    Raises
    ------
    NotEstimable
        With one cluster, or no more observations than coefficients.
    """
    if moments.n_clusters < 2:
        raise NotEstimable("All rows are in one cluster, so uncertainty cannot be reckoned.")
    data = _Data.of(moments, cell, size)
    gram, product = data.total()
    kept = independent(gram, np.diag(gram))
    parameters, n_obs = int(kept.sum()), int(moments.counts.sum())
    factor = cr1_factor(moments.n_clusters, n_obs, parameters)
    solution, bread = np.zeros(len(gram)), np.zeros_like(gram)
    at = np.ix_(kept, kept)
    solution[kept], bread[at] = _solved(gram[at], product[kept])
    errors, squares = _squares(data, solution, bread)
    covariance = np.where(np.outer(kept, kept), factor * squares, np.nan)
    return CellFit(
        np.where(kept, solution, np.nan), covariance, kept, n_obs, moments.n_clusters, factor,
        None if errors is None else errors[:, kept],
        lambda: data.by_cluster(kept, n_obs, parameters))  # fmt: skip


def _solved(gram: Floats, product: Floats) -> tuple[Floats, Floats]:
    """Solution and inverse of the normal equations, on a common scale of the columns."""
    scale = 1 / np.sqrt(np.diag(gram))
    inverse = np.linalg.inv(gram * np.outer(scale, scale)) * np.outer(scale, scale)
    solution = scale * np.linalg.solve(gram * np.outer(scale, scale), scale * product)
    return solution, inverse


@dataclass(frozen=True, eq=False)
class _Data:
    """The cells' sums with those of the covariates; `shape` (R, T) cells."""

    moments: PanelMoments
    cell: Integers
    size: int
    x: Floats  # (R, T, L)
    xx: Floats  # (R, T, L, L)
    xy: Floats  # (R, T, L)

    @classmethod
    def of(cls, moments: PanelMoments, cell: Integers, size: int) -> _Data:
        if isinstance(moments, GramMoments):
            moments.require_whole()
            grams = moments.grams
            return cls(moments, cell, size, grams.sums, grams.squares, grams.products)
        none = np.zeros((*moments.counts.shape, 0))
        return cls(moments, cell, size, none, none[..., None, :][..., :0, :], none)

    @property
    def width(self) -> int:
        """Number of columns C + L."""
        return self.size + int(self.x.shape[2])

    def picked(self, rows: slice) -> _Data:
        """The data of neighbouring rows; the moments stay whole."""
        return _Data(self.moments, self.cell[rows], self.size, self.x[rows], self.xx[rows], self.xy[rows])

    def total(self) -> tuple[Floats, Floats]:
        """Cross-products of all rows: (K, K) and (K,)."""
        everything = np.zeros(len(self.cell), dtype=np.int64)
        gram, product = self.grams(everything, 1, self.moments.weights, self.moments.sums)
        return gram[0], product[0]

    def grams(self, group: Integers, groups: int, weights: Floats, sums: Floats) -> tuple[Floats, Floats]:
        """Cross-products (groups, K, K) and products with the outcome (groups, K) of rows by `group` (R,)."""
        c, k = self.size, self.width
        gram, product = np.zeros((groups, k, k)), np.zeros((groups, k))
        at = (np.broadcast_to(group[:, None], self.cell.shape), self.cell)
        diagonal, left = np.zeros((groups, c)), np.zeros((groups, c, k - c))
        np.add.at(diagonal, at, weights)
        np.add.at(product[:, :c], at, sums)
        np.add.at(left, at, self.x)
        gram[:, np.arange(c), np.arange(c)] = diagonal
        gram[:, :c, c:], gram[:, c:, :c] = left, left.transpose(0, 2, 1)
        np.add.at(gram[:, c:, c:], group, self.xx.sum(axis=1))
        np.add.at(product[:, c:], group, self.xy.sum(axis=1))
        return gram, product

    def by_cluster(self, kept: Mask, n_obs: int, parameters: int) -> ClusterRegression:
        """Cross-products of the columns kept, cluster by cluster."""
        codes, group = np.unique(self.moments.cluster, return_inverse=True)
        gram, product = self.grams(group, len(codes), self.moments.weights, self.moments.sums)
        return ClusterRegression(gram[:, kept][:, :, kept], product[:, kept], n_obs, parameters)

    def scores(self, weights: Floats, sums: Floats, solution: Floats) -> Floats:
        """Each row's scores (R, K)."""
        c = self.size
        means, slopes = solution[:c], solution[c:]
        found = np.zeros((len(self.cell), self.width))
        left = sums - weights * means[self.cell] - self.x @ slopes
        np.add.at(found, (np.arange(len(found))[:, None], self.cell), left)
        found[:, c:] = (self.xy - self.x * means[self.cell][..., None] - self.xx @ slopes).sum(axis=1)
        return found


def _squares(data: _Data, solution: Floats, bread: Floats) -> tuple[Floats | None, Floats]:
    """The clusters' errors (G, K), None where they are too many to keep, and the sum of their squares (K, K)."""
    moments = data.moments
    if isinstance(moments, GramMoments) and moments.grams.second:
        fitted = solution[: data.size][data.cell]
        cells = Cells(moments.grams.origin, moments.times, moments.observed, data.cell, fitted)
        inner = moments.grams.second.meat(cells, solution[data.size :], data.size)
        return None, bread @ inner @ bread
    if moments.cross is not None:
        return None, meat(moments, lambda r: _loading(data, r, solution, bread), len(bread))
    found, squares = [], np.zeros_like(bread)
    keep = moments.n_clusters * data.width <= MOST_KEPT
    for rows, starts in _blocks(moments, max(BLOCK // data.width, 1)):
        scores = data.picked(rows).scores(moments.weights[rows], moments.sums[rows], solution)
        errors = np.add.reduceat(scores, starts, axis=0) @ bread
        squares += errors.T @ errors
        found += [errors] if keep else []
    return np.concatenate(found) if keep else None, squares


def _blocks(moments: PanelMoments, rows: int) -> Iterator[tuple[slice, Integers]]:
    """Neighbouring rows of whole clusters, about so many at once, and where each cluster begins among them."""
    starts = np.r_[cluster_starts(moments.cluster), len(moments.cluster)]
    first = 0
    while first < len(starts) - 1:
        last = max(int(np.searchsorted(starts, starts[first] + rows, side="right")) - 1, first + 1)
        yield slice(int(starts[first]), int(starts[last])), starts[first:last] - starts[first]
        first = last


def _loading(data: _Data, row: int, solution: Floats, bread: Floats) -> Floats:
    """What a unit of a row's kind adds to the coefficients' error, as a function of 1 and its outcomes (1 + T, K)."""
    slope = bread[data.cell[row]] * data.moments.observed[row][:, None]
    return np.vstack([-solution[data.cell[row]] @ slope, slope])
