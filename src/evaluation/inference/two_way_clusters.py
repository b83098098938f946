"""Standard errors clustered two ways, by places and by periods for instance.

V = V(first) + V(second) - V(both) (Cameron, Gelbach and Miller, 2011): errors may go together within a cluster of
either kind. A difference of matrices need not be positive; `repaired` puts its negative eigenvalues to zero, as the
authors do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.covariance import cr1_factor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.data.moments import Floats

ROUNDING = 1e-12  # a negative eigenvalue below this share of the largest is no reason to repair


@dataclass(frozen=True, eq=False)
class TwoWayClusters:
    """A covariance (P, P) clustered two ways, the numbers of clusters of each kind, and whether it was repaired.

    t-ratios have `df` degrees of freedom: one less than the smaller number of clusters.
    """

    covariance: Floats
    clusters: tuple[int, int]
    repaired: bool

    @property
    def df(self) -> int:
        """Degrees of freedom."""
        return min(self.clusters) - 1


def two_way_clusters(
    errors: Floats,
    first: NDArray[Any],
    second: NDArray[Any],
    *,
    n_obs: int,
    parameters: int,
    convention: Literal["min", "own"] = "min",
) -> TwoWayClusters:
    """Two-way clustered covariance of estimates, from what each row adds to their error, (R, P).

    A row may be an observation or the sum of observations that share both clusters; `first` and `second` (R,) name
    them. The small-sample factor of all three parts is CR1's with the smaller number of clusters (`min`, as fixest and
    reghdfe do) or that with each part's own number (`own`, as sandwich and statsmodels do).

    Raises
    ------
    NotEstimable
        With a single cluster of either kind, or too few observations.
    """
    a, b = _codes(first), _codes(second)
    both = _codes(a * (b.max() + 1) + b)
    sizes = [int(c.max()) + 1 for c in (a, b, both)]
    if min(sizes[:2]) < 2:
        raise NotEstimable("Clustering two ways needs at least two clusters of each kind.")
    counted = sizes if convention == "own" else [min(sizes)] * 3
    parts = [
        cr1_factor(g, n_obs, parameters) * _summed(errors, codes, size)
        for codes, size, g in zip((a, b, both), sizes, counted, strict=True)
    ]
    covariance, was_repaired = repaired(parts[0] + parts[1] - parts[2])
    return TwoWayClusters(covariance, (sizes[0], sizes[1]), was_repaired)


def _codes(names: NDArray[Any]) -> NDArray[np.intp]:
    return np.unique(names, return_inverse=True)[1]


def _summed(errors: Floats, codes: NDArray[np.intp], clusters: int) -> Floats:
    """Sum over clusters of the outer product of their summed errors (P, P)."""
    sums = np.stack([np.bincount(codes, column, clusters).astype(np.float64) for column in errors.T], axis=1)
    found: Floats = sums.T @ sums
    return found


def repaired(covariance: Floats) -> tuple[Floats, bool]:
    """The covariance (P, P) with negative eigenvalues put to zero, and whether there were any beyond rounding.

    A variance that was negative altogether becomes zero: there is no standard error then.
    """
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    if values[0] >= -ROUNDING * np.abs(values).max():
        return covariance, False
    found: Floats = (vectors * np.clip(values, 0, None)) @ vectors.T
    return found, True
