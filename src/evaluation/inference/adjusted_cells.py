"""One effect a cohort and period by least squares with unit and period effects, adjusted for unit covariates.

Covariates that are constant within units are interacted with every period and every cell (Wooldridge, 2021). A unit's
regressors are those of its cohort times (1, covariates), so cross-products factor: a T × T matrix of the unit's
weights, and the small matrix of (1, covariates). In each cell covariates are centred at their mean over the cell's
observations, so its coefficient is the mean effect over these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.cohort_cells import EffectFit
from evaluation.inference.covariance import cluster_starts, cluster_sums, cr1_factor
from evaluation.inference.regression import ClusterRegression
from evaluation.inference.two_way import ABSORBED, free, independent
from evaluation.inference.unit_covariates import terms

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, PanelMoments
    from evaluation.inference.cohort_cells import CohortCells

BLOCK = 2**21  # numbers held at once


def adjusted_two_way(moments: PanelMoments, cells: CohortCells) -> EffectFit:
    """The effects of the `cells`, one coefficient each; units with one period must be gone.

    Raises
    ------
    NotEstimable
        With one cluster, or no cell to be told apart from unit and period effects.
    """
    data = _Data(moments, cells)
    everyone = np.arange(len(moments.cohort))
    normal = data.gram(everyone)
    size = np.diag(data.gram(everyone, within=False))
    kept = independent(normal, size)
    count = len(cells.cohort)
    identified = kept[-count:]
    if not identified.any():
        raise NotEstimable(ABSORBED)
    if moments.n_clusters < 2:
        raise NotEstimable("All rows are in one cluster, so uncertainty cannot be reckoned.")
    parameters = int(kept.sum()) + 1
    factor = cr1_factor(moments.n_clusters, int(moments.counts.sum()), parameters)
    inverse = np.linalg.inv(normal[np.ix_(kept, kept)])
    solution = np.zeros(len(kept))
    solution[kept] = inverse @ data.right(everyone)[kept]
    bread = np.zeros((len(kept), int(identified.sum())))
    bread[kept] = inverse[:, -bread.shape[1] :]
    errors = cluster_sums(data.errors(solution, bread), moments.cluster)
    covariance = np.full((count, count), np.nan)
    covariance[np.ix_(identified, identified)] = factor * (errors.T @ errors)
    return EffectFit(
        np.where(identified, solution[-count:], np.nan), covariance, identified,
        identified & free(normal, size, kept)[-count:], moments.n_clusters, factor, errors,
        lambda: data.by_cluster(np.flatnonzero(kept), parameters))  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Data:
    """K columns: periods and cells times (1, covariates), the cells themselves last."""

    moments: PanelMoments
    cells: CohortCells

    @cached_property
    def z(self) -> Floats:
        """A constant and the covariates (R, 1 + L)."""
        return terms(self.moments)

    @cached_property
    def of_row(self) -> Integers:
        """Place of each row's cohort (R,)."""
        return np.unique(self.moments.cohort, return_inverse=True)[1]

    @cached_property
    def base(self) -> Floats:
        """Indicators of periods but the first, and of cells (J, T, Q)."""
        cells = self.cells.design
        periods = np.eye(len(self.moments.times))[:, 1:]
        return np.concatenate([np.broadcast_to(periods, (len(cells), *periods.shape)), cells], axis=2)

    @cached_property
    def layout(self) -> Floats:
        """The columns in terms of base × (1, covariates), (Q (1 + L), K)."""
        size, count = self.z.shape[1], len(self.cells.cohort)
        first = self.base.shape[2] - count
        index = np.arange(self.base.shape[2] * size).reshape(-1, size)
        order = np.concatenate([index[:first].ravel(), index[first:, 1:].ravel(), index[first:, 0]])
        found = np.eye(index.size)[:, order]
        at = first * size
        for k, mean in enumerate(self._means()):
            columns = slice(at + k * (size - 1), at + (k + 1) * (size - 1))
            found[index[first + k, 0], columns] = -mean
        return found

    def _means(self) -> Floats:
        """Means of the covariates over each cell's observations (C, L)."""
        cohorts = np.unique(self.moments.cohort)
        weight = np.zeros((len(cohorts), len(self.moments.times), self.z.shape[1]))
        for j in range(len(cohorts)):
            rows = self.of_row == j
            weight[j] = self.moments.weights[rows].T @ self.z[rows]
        found = weight[np.searchsorted(cohorts, self.cells.cohort), self.cells.period]
        means: Floats = found[:, 1:] / found[:, :1]
        return means

    def _cohorts(self, rows: Integers, width: int) -> Iterator[tuple[int, Integers]]:
        """Some rows by cohort, in blocks of rows of `width` numbers."""
        most = max(BLOCK // width, 1)
        for j in np.unique(self.of_row[rows]).tolist():
            mine = rows[self.of_row[rows] == j]
            for start in range(0, len(mine), most):
                yield j, mine[start : start + most]

    def gram(self, rows: Integers, *, within: bool = True) -> Floats:
        """Cross-products of the columns over some rows, unit effects taken out where `within` (K, K)."""
        t, size, width = len(self.moments.times), self.z.shape[1], self.base.shape[2]
        parts = np.zeros((len(self.base), t, t, size, size))
        for j, mine in self._cohorts(rows, t * t):
            w, z = self.moments.weights[mine], self.z[mine]
            inner = np.zeros((len(mine), t, t))
            inner[:, np.arange(t), np.arange(t)] = w
            if within:
                inner -= w[:, :, None] * w[:, None, :] / w.sum(axis=1)[:, None, None]
            squares = (z[:, :, None] * z[:, None, :]).reshape(len(mine), -1)
            parts[j] += (inner.reshape(len(mine), -1).T @ squares).reshape(t, t, size, size)
        total = np.zeros((width, size, width, size))
        for b, part in zip(self.base, parts, strict=True):
            total += np.einsum("tp,tsab,sq->paqb", b, part, b, optimize=True)
        found: Floats = self.layout.T @ total.reshape(width * size, -1) @ self.layout
        return found

    @cached_property
    def deviations(self) -> Floats:
        """Weighted deviations of the outcome from unit means (R, T)."""
        weights, sums = self.moments.weights, self.moments.sums
        found: Floats = sums - weights * (sums.sum(axis=1) / weights.sum(axis=1))[:, None]
        return found

    def right(self, rows: Integers) -> Floats:
        """Cross-products of the columns with the outcome over some rows (K,)."""
        total = np.zeros((self.base.shape[2], self.z.shape[1]))
        for j, mine in self._cohorts(rows, 1):
            total += self.base[j].T @ self.deviations[mine].T @ self.z[mine]
        found: Floats = self.layout.T @ total.ravel()
        return found

    def errors(self, solution: Floats, bread: Floats) -> Floats:
        """What each row adds to the error of the coefficients of `bread` (K, P), (R, P)."""
        width, size = self.base.shape[2], self.z.shape[1]
        slopes = (self.layout @ solution).reshape(width, size)
        turned = (self.layout @ bread).reshape(width, size, -1)
        found = np.zeros((len(self.z), bread.shape[1]))
        for j, mine in self._cohorts(np.arange(len(self.z)), width * size):
            w, z = self.moments.weights[mine], self.z[mine]
            fitted = z @ (self.base[j] @ slopes).T
            mean = (w * fitted).sum(axis=1) / w.sum(axis=1)
            left = self.deviations[mine] - w * (fitted - mean[:, None])
            scores = (left @ self.base[j])[:, :, None] * z[:, None, :]
            found[mine] = scores.reshape(len(mine), -1) @ turned.reshape(width * size, -1)
        return found

    def by_cluster(self, kept: Integers, parameters: int) -> ClusterRegression:
        """Cross-products of the columns kept, cluster by cluster."""
        groups = np.split(np.arange(len(self.z)), cluster_starts(self.moments.cluster)[1:])
        grams = np.array([self.gram(rows)[np.ix_(kept, kept)] for rows in groups])
        products = np.array([self.right(rows)[kept] for rows in groups])
        return ClusterRegression(grams, products, int(self.moments.counts.sum()), parameters)
