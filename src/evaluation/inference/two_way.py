"""Least squares with unit and period effects, exact from a panel's moments.

Within a cohort all units have the same regressors, so the normal equations need one T × T matrix a cohort: the sum
over units of what is left of the period indicators after the unit's (weighted) mean is taken out. Scores need the
outcome's deviations from unit means, which are already orthogonal to unit effects; the regressors themselves need
no demeaning there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.covariance import cluster_starts, cluster_sums, cr1_factor
from evaluation.inference.regression import ClusterRegression
from evaluation.inference.scores import meat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.data.moments import Floats, Integers, Mask, PanelMoments
    from evaluation.inference.scores import Loading

    Squares = Callable[[PanelMoments, Loading, int], Floats]

ABSORBED = (
    "Treatment cannot be told apart from unit and period effects: no untreated unit is observed in periods "
    "in which others change their treatment."
)
COLLINEAR = 1e-9  # share of a column's own variation that must be left after the columns before it
AT_ONCE = 64  # columns taken out of the rest in one product
TIED = 1e-6  # a coefficient below this on a column's own scale is rounding


@dataclass(frozen=True)
class TwoWayFit:
    """Coefficients (P,) and their CR1 covariance (P, P); NaN where a column was dropped as collinear.

    `errors` (G, P') are each cluster's contribution to the error of the identified coefficients, clusters in the
    order of their codes; None where units are summed across clusters (`moments.cross`).
    `estimable` are identified coefficients that no dropped column is tied to: what stands in them is theirs alone.
    `by_cluster` gives the fit cluster by cluster, for inference with few of them; its last columns are the identified
    regressors, in order. It must not be called where units are summed across clusters.
    """

    coefficients: Floats
    covariance: Floats
    identified: Mask
    n_obs: int
    n_clusters: int
    factor: float
    errors: Floats | None
    by_cluster: Callable[[], ClusterRegression]
    estimable: Mask
    parameters: int  # counted in the small-sample factor
    by_period: Callable[[Floats], Floats]  # the errors (G, T) of a combination (P',) of coefficients, as `errors`


def two_way(
    moments: PanelMoments,
    design: Floats,
    periods: Floats | None = None,
    period_effects: int | None = None,
    squares_of: Squares = meat,
) -> TwoWayFit:
    """Fit y_it = unit effect + period effect + design · b by weighted least squares, CR1 by cluster.

    `design` is (J, T, P): the regressors of the J cohorts, in the order of `np.unique(moments.cohort)`. A column
    that is a combination of those before it (and the effects) is dropped. Units with one period must be gone.

    Where period effects differ between kinds of rows, `periods` (J, T, Q) gives their indicators and `period_effects`
    how many of them the small-sample factor counts. Where units are summed across clusters, `squares_of` sums the
    squared errors of the clusters.

    Raises
    ------
    NotEstimable
        With one cluster, or no column left.
    """
    cohorts, of_row = np.unique(moments.cohort, return_inverse=True)
    if periods is None:
        periods = np.broadcast_to(
            np.eye(len(moments.times))[:, 1:], (len(cohorts), len(moments.times), len(moments.times) - 1)
        )
    full = np.concatenate([periods, design], axis=2)
    rows = [np.flatnonzero(of_row == j) for j in range(len(cohorts))]
    within = _within(moments)
    normal, size = _normal(moments, full, rows)
    kept = independent(normal, size)
    right = sum((x.T @ within[r].sum(axis=0) for x, r in zip(full, rows, strict=True)), np.zeros(full.shape[2]))
    solution = np.zeros(full.shape[2])
    solution[kept] = np.linalg.solve(normal[np.ix_(kept, kept)], right[kept])
    columns = np.arange(periods.shape[2], full.shape[2])
    identified = kept[columns]
    if not identified.any():
        raise NotEstimable(ABSORBED)
    parameters = int(identified.sum()) + (len(moments.times) if period_effects is None else period_effects)
    factor = _factor(moments, parameters)
    bread = np.zeros((full.shape[2], int(identified.sum())))
    bread[kept] = np.linalg.inv(normal[np.ix_(kept, kept)])[:, -bread.shape[1] :]
    errors = None
    if moments.cross is None:
        errors = _scores(moments, within, full, rows, solution, bread)
        squares = errors.T @ errors
    else:
        squares = squares_of(moments, lambda r: _loading(moments, r, full[of_row[r]], solution, bread), bread.shape[1])
    covariance = np.full((len(columns), len(columns)), np.nan)
    covariance[np.ix_(identified, identified)] = factor * squares
    return TwoWayFit(
        np.where(identified, solution[columns], np.nan), covariance, identified,
        int(moments.counts.sum()), moments.n_clusters, factor, errors,
        lambda: _by_cluster(moments, within, full[:, :, kept], of_row, parameters),
        identified & free(normal, size, kept)[columns], parameters,
        lambda weights: _by_period(moments, within, full, rows, solution, bread @ weights))  # fmt: skip


def _factor(moments: PanelMoments, parameters: int) -> float:
    clusters, observations = moments.n_clusters, int(moments.counts.sum())
    if clusters < 2:
        raise NotEstimable("All rows are in one cluster, so uncertainty cannot be reckoned.")
    return cr1_factor(clusters, observations, parameters)


def _within(moments: PanelMoments) -> Floats:
    """Weighted deviations of the outcome from unit means, summed over each row's units (R, T)."""
    mean = moments.sums.sum(axis=1) / moments.weights.sum(axis=1)
    deviations: Floats = moments.sums - moments.weights * mean[:, None]
    return deviations


def _normal(moments: PanelMoments, design: Floats, rows: list[NDArray[np.intp]]) -> tuple[Floats, Floats]:
    """The normal equations' matrix (K, K) with unit effects taken out, and each column's plain sum of squares (K,)."""
    k = design.shape[2]
    matrix, size = np.zeros((k, k)), np.zeros(k)
    for x, r in zip(design, rows, strict=True):
        weights = moments.weights[r]
        total = weights.sum(axis=0)
        inner = np.diag(total) - (weights / weights.sum(axis=1, keepdims=True)).T @ weights
        matrix += x.T @ inner @ x
        size += total @ x**2
    return matrix, size


def independent(matrix: Floats, size: Floats) -> Mask:
    """Which columns of a Gram matrix (K, K) are no combination of earlier ones; `size` (K,) is each column's scale."""
    scale = np.sqrt(np.where(size > 0, size, 1.0))
    left = matrix / np.outer(scale, scale)
    kept = np.zeros(len(size), dtype=np.bool_)
    for start in range(
        0, len(size), AT_ONCE
    ):  # columns are taken out of those of their block, and then of all later ones
        stop = min(start + AT_ONCE, len(size))
        panel = left[start:, start:stop].copy()
        for j in range(stop - start):
            kept[start + j] = panel[j, j] > COLLINEAR
            if kept[start + j]:
                panel[:, j] /= np.sqrt(panel[j, j])
                panel[:, j + 1 :] -= np.outer(panel[:, j], panel[j + 1 : stop - start, j])
        taken = panel[stop - start :, kept[start:stop]]
        left[stop:, stop:] -= taken @ taken.T
    return kept


def free(matrix: Floats, size: Floats, kept: Mask) -> Mask:
    """Which columns of a Gram matrix (K, K) no dropped column (not `kept`) is a combination of."""
    scale = np.sqrt(np.where(size > 0, size, 1.0))
    scaled = matrix / np.outer(scale, scale)
    found = np.ones(len(size), dtype=np.bool_)
    if kept.any() and not kept.all():
        tied = np.linalg.solve(scaled[np.ix_(kept, kept)], scaled[np.ix_(kept, ~kept)])
        found[kept] = (np.abs(tied) < TIED).all(axis=1)
    return found


def _scores(
    moments: PanelMoments, within: Floats, design: Floats, rows: list[NDArray[np.intp]], solution: Floats, bread: Floats
) -> Floats:
    """Each cluster's contribution to the coefficients' error (G, P)."""
    found = np.zeros((len(within), bread.shape[1]))
    for x, r in zip(design, rows, strict=True):
        weights, fitted = moments.weights[r], x @ solution
        centred = fitted - (weights @ fitted / weights.sum(axis=1))[:, None]
        found[r] = (within[r] - weights * centred) @ (x @ bread)
    return cluster_sums(found, moments.cluster)


def _by_period(
    moments: PanelMoments, within: Floats, design: Floats, rows: list[NDArray[np.intp]], solution: Floats,
    direction: Floats,
) -> Floats:  # fmt: skip
    """What each cluster adds in each period to the error of one combination of coefficients (G, T)."""
    found = np.zeros_like(within)
    for x, r in zip(design, rows, strict=True):
        weights = moments.weights[r]
        total = weights.sum(axis=1, keepdims=True)
        fitted, slope = x @ solution, x @ direction
        errors = within[r] - weights * (fitted - weights @ fitted[:, None] / total)
        found[r] = errors * (slope - weights @ slope[:, None] / total)
    return cluster_sums(found, moments.cluster)


def _loading(moments: PanelMoments, row: int, x: Floats, solution: Floats, bread: Floats) -> Floats:
    """What a unit of a row's kind adds to the coefficients' error, as a function of 1 and its outcomes (1 + T, P)."""
    seen = moments.observed[row].astype(np.float64)
    slope = x @ bread * seen[:, None]
    slope -= np.outer(seen, slope.sum(axis=0) / seen.sum())
    return np.vstack([-(x @ solution) @ slope, slope])


def _by_cluster(
    moments: PanelMoments, within: Floats, design: Floats, of_row: Integers, parameters: int
) -> ClusterRegression:
    """Cross-products of the columns kept (J, T, K), unit effects taken out, cluster by cluster."""
    k = design.shape[2]
    starts = np.r_[cluster_starts(moments.cluster), len(moments.cluster)]
    grams, products = np.zeros((len(starts) - 1, k, k)), np.zeros((len(starts) - 1, k))
    for c, (first, last) in enumerate(pairwise(starts)):
        for j in np.unique(of_row[first:last]):
            rows = np.arange(first, last)[of_row[first:last] == j]
            x, weights = design[j], moments.weights[rows]
            inner = np.diag(weights.sum(axis=0)) - (weights / weights.sum(axis=1, keepdims=True)).T @ weights
            grams[c] += x.T @ inner @ x
            products[c] += within[rows].sum(axis=0) @ x
    return ClusterRegression(grams, products, int(moments.counts.sum()), parameters)
