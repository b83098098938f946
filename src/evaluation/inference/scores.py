"""Cluster-robust variances of estimates whose error is linear in the units' outcomes.

Given cohort and observed periods (a kind), a unit adds `weight * (constant + sum over t of slope[t] * (y_t - shift))`
to the error of each estimate. Sums by cluster follow from the moments' rows; where every unit is a cluster of its
own and units are summed into kinds, from the kinds' cross-products of outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.covariance import cluster_sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.data.moments import Floats, PanelMoments

    Loading = Callable[[int], Floats]  # row of the moments -> (1 + T, P): the constant, then the slopes


def meat(moments: PanelMoments, loading: Loading, size: int) -> Floats:
    """Sum over clusters of the outer product of their scores (P, P).

    `loading(r)` is asked for one row of each kind: rows of the same cohort and observed periods share it.

    Where units are clusters and rows are sums of units, weights must be constant within units.
    """
    if moments.cross is None:
        scores = cluster_scores(moments, loading, size)
        return scores.T @ scores
    total = np.zeros((size, size))
    for r in range(len(moments.cohort)):
        x = loading(r)
        total += x.T @ moments.cross[r] @ x
    return total


def cluster_scores(moments: PanelMoments, loading: Loading, size: int) -> Floats:
    """Each cluster's contribution to the error of P = `size` estimates, (G, P); rows must belong to clusters."""
    found = np.zeros((len(moments.cohort), size))
    weight = moments.weights.max(axis=1)
    for first, rows in kinds(moments):
        x = loading(first)
        found[rows] = weight[rows, None] * x[0] + moments.sums[rows] @ x[1:]
    return cluster_sums(found, moments.cluster)


def kinds(moments: PanelMoments) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """The rows of each cohort and set of observed periods, with the first of them."""
    bits = np.packbits(moments.observed, axis=1)
    key = np.concatenate([moments.cohort.astype(">i8").view(np.uint8).reshape(-1, 8), bits], axis=1)
    whole = np.ascontiguousarray(key).view(np.dtype((np.void, key.shape[1]))).ravel()
    _, first, of_row = np.unique(whole, return_index=True, return_inverse=True)
    order = np.argsort(of_row, kind="stable")
    for one, rows in zip(first, np.split(order, np.cumsum(np.bincount(of_row))[:-1]), strict=True):
        yield int(one), rows
