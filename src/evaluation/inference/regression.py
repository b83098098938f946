"""A least-squares fit seen cluster by cluster: all that inference with few clusters needs of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.covariance import cr1_factor

if TYPE_CHECKING:
    from evaluation.data.moments import Floats


@dataclass(frozen=True, eq=False)
class ClusterRegression:
    """Cross-products of G clusters and K regressors, effects nested in the clusters partialled out.

    `parameters` is the K of the small-sample factor, which may count more than the columns here.
    """

    grams: Floats  # (G, K, K) X_g' W X_g
    products: Floats  # (G, K) X_g' W y_g
    n_obs: int
    parameters: int

    @property
    def n_clusters(self) -> int:
        """Number of clusters G."""
        return len(self.grams)

    @cached_property
    def bread(self) -> Floats:
        """Inverse of X' W X (K, K)."""
        return np.linalg.inv(self.grams.sum(axis=0))

    @cached_property
    def coefficients(self) -> Floats:
        """Least-squares coefficients (K,)."""
        found: Floats = self.bread @ self.products.sum(axis=0)
        return found

    @cached_property
    def scores(self) -> Floats:
        """X_g' W (y_g - X_g b) by cluster (G, K)."""
        found: Floats = self.products - self.grams @ self.coefficients
        return found

    @property
    def factor(self) -> float:
        """The small-sample factor of CR1."""
        return cr1_factor(self.n_clusters, self.n_obs, self.parameters)

    @cached_property
    def covariance(self) -> Floats:
        """CR1 covariance of the coefficients (K, K)."""
        errors = self.scores @ self.bread
        found: Floats = self.factor * (errors.T @ errors)
        return found
