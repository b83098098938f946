"""Mean outcomes of two arms made comparable: what goes in, what comes out, and the variance of the result.

The outcome may be an event (0 or 1) or any number. Every way of adjusting gives the two means and each person's
influence on both, in which every model that was estimated on the way has its share (stacked estimating equations;
Stefanski and Boos, 2002).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.clusters import sums
from evaluation.inference.columns import Standardised, standardise
from evaluation.inference.covariance import cr1_factor
from evaluation.inference.risks import Method
from evaluation.inference.two_way_clusters import two_way_clusters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.inference.censoring_weights import Censoring

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Sample:
    """People (n,) in two arms: `arm` is 1 for treated, `outcome` a number, `mass` what a person weighs.

    `covariates` (n, p) are called `names`. With `censoring`, the outcomes of those lost are not read.
    """

    arm: Integers
    outcome: Floats
    mass: Floats
    covariates: Floats
    names: tuple[str, ...]
    censoring: Censoring | None = None

    @cached_property
    def seen(self) -> Floats:
        """What each person's outcome weighs (n,): nothing where it is not known, more for those who stand for them."""
        return self.mass if self.censoring is None else self.mass * self.censoring.weight

    @cached_property
    def columns(self) -> Standardised:
        """The covariates on one scale. Raises NotEstimable, naming one that is constant or redundant."""
        return standardise(self.covariates, self.names)

    @cached_property
    def design(self) -> Floats:
        """A constant and the covariates on one scale (n, 1 + p)."""
        return np.column_stack([np.ones(len(self.arm)), self.columns.values])

    def through_censoring(self, direct: Floats) -> Floats:
        """`direct` (n, 2), influences that are multiples of `seen`, with what estimating the weights adds to them."""
        return direct if self.censoring is None else direct + self.censoring.estimated(direct, self.mass)


@dataclass(frozen=True, eq=False)
class ArmMeans:
    """Both arms' means, and influences on them (m, 2): one row a person, or one for each place in a matched set.

    `weight` (n,) is what each person weighs in the comparison, 0 for those left out, None where all keep their own
    weight. Matched people have `person` (m,) and `matched_set` (m,) for every row of `influence`.
    """

    treated: float
    control: float
    influence: Floats
    n_parameters: int
    weight: Floats | None = None
    person: Integers | None = None
    matched_set: Integers | None = None
    reused: bool = False  # a comparison person may stand in several sets

    def covariance(self, cluster: Integers | None, method: str, n_used: int) -> tuple[Floats, Method]:
        """Variance of both means (2, 2), and how it was reckoned; `cluster` (n,) codes clusters 0 … G-1, or None.

        Matched people are clustered by their sets; with replacement, or in clusters, both ways.
        """
        if self.matched_set is None or self.person is None:
            return self._one_way(cluster, method, n_used, "G")
        if cluster is None and not self.reused:
            return self._one_way(self.matched_set, f"{method}, CR1 by matched set", n_used, "matched sets")
        other, name = (self.person, "person") if cluster is None else (cluster[self.person], "cluster")
        found = two_way_clusters(self.influence, self.matched_set, other, n_obs=len(self.person),
                                 parameters=self.n_parameters, convention="own")  # fmt: skip
        how = Method(f"{method}, clustered by matched set and {name}", found.df, "smaller number of clusters - 1",
                     None, min(found.clusters))  # fmt: skip
        return found.covariance, how

    def _one_way(self, codes: Integers | None, method: str, n_used: int, unit: str) -> tuple[Floats, Method]:
        influence, reckoned = self.influence, Method(method)
        if codes is not None:
            if self.person is None and self.weight is not None:  # clusters of people left out are no clusters
                kept = (self.weight > 0) | influence.any(axis=1)
                influence, codes = influence[kept], np.unique(codes[kept], return_inverse=True)[1].astype(np.int64)
            g = int(codes.max()) + 1
            n = n_used if self.person is None else len(self.person)
            factor = cr1_factor(g, n, self.n_parameters)
            influence = sums(influence, codes) * factor**0.5
            reckoned = Method(method, g - 1, f"{unit} - 1", factor, g)
        return influence.T @ influence, reckoned


def normalised_mean(sample: Sample, tilt: Floats) -> tuple[float, Floats]:
    """The mean outcome of people who weigh `tilt` (n,) times what their outcome does, and the direct influence (n,).

    Raises
    ------
    NotEstimable
        When nobody whose outcome is known weighs anything.
    """
    weight = sample.seen * tilt
    total = float(weight.sum())
    if total <= 0:
        why = "in an arm nobody whose outcome is known has a weight above zero, so nothing can be compared."
        raise NotEstimable(why, (0,))
    mean = float(weight @ sample.outcome) / total
    return mean, weight * (sample.outcome - mean) / total


def plain_means(sample: Sample) -> ArmMeans:
    """Means of both arms as they are: weighted where people have weights, or stand for others who were lost."""
    one, zero = (normalised_mean(sample, (sample.arm == code).astype(float)) for code in (1, 0))
    direct = np.column_stack([one[1], zero[1]])
    return ArmMeans(one[0], zero[0], sample.through_censoring(direct), 2)
