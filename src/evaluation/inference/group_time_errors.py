"""How many estimates vary together, from what each cluster adds to the error of each.

Where clusters times estimates are many, cluster influences are reckoned block by block and only what is asked of
them is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.covariance import cluster_starts
from evaluation.inference.scores import meat

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, PanelMoments

BLOCK = 16_384  # rows and clusters whose influences are reckoned at once
HELD = 20_000_000  # influences (clusters times estimates) that are held throughout


@dataclass(frozen=True, eq=False)
class Combination:
    """A linear combination of some of P quantities: their places, no place twice, and slopes."""

    places: Integers  # (q,)
    slopes: Floats  # (q,)

    @classmethod
    def sum(cls, parts: Sequence[Combination]) -> Combination:
        """The sum of combinations."""
        places, at = np.unique(np.concatenate([p.places for p in parts]), return_inverse=True)
        return cls(places, np.bincount(at, np.concatenate([p.slopes for p in parts])).astype(np.float64))

    def times(self, factor: float) -> Combination:
        """The combination multiplied by a number."""
        return Combination(self.places, self.slopes * factor)

    def of(self, quantities: Floats) -> Floats:
        """The combination of each row of quantities (n, P)."""
        found: Floats = quantities[:, self.places] @ self.slopes
        return found


@dataclass(frozen=True, eq=False)
class Errors:
    """The joint errors of P quantities over a panel's clusters.

    Parameters
    ----------
    of_clusters
        A slice of the moments' rows, and where in it clusters start -> what each cluster adds to the errors (G, P).
    loading_of
        Where units are summed across clusters: see `scores`.
    """

    moments: PanelMoments
    size: int
    of_clusters: Callable[[slice, Integers], Floats]
    loading_of: Callable[[int], Floats] | None = None

    @property
    def _crossed(self) -> bool:
        return self.moments.cross is not None

    @cached_property
    def held(self) -> Floats | None:
        """The clusters' influences (G, P), where it pays to hold them."""
        clusters = self.moments.n_clusters
        if self._crossed or (clusters * self.size > HELD and self.size <= clusters):
            return None
        return np.concatenate(list(self._by_cluster()))

    @cached_property
    def covariance(self) -> Floats:
        """Covariance of all quantities (P, P)."""
        if self._crossed:
            assert self.loading_of is not None  # noqa: S101 - estimators without it refuse such moments
            return meat(self.moments, self.loading_of, self.size)
        if self.held is not None:
            found: Floats = self.held.T @ self.held
            return found
        total = np.zeros((self.size, self.size))
        for block in self._by_cluster():
            total += block.T @ block
        return total

    def variance(self, one: Combination) -> float:
        """Variance of one combination."""
        if self.held is not None:
            errors = one.of(self.held)
            return float(errors @ errors)
        return float(one.slopes @ self.covariance[np.ix_(one.places, one.places)] @ one.slopes)

    def among(self, places: Integers) -> Floats:
        """Covariance of some of the quantities themselves (q, q)."""
        if self.held is not None:
            errors = self.held[:, places]
            return errors.T @ errors
        return self.covariance[np.ix_(places, places)]

    def together(self, several: Sequence[Combination]) -> Floats:
        """Covariance of Q combinations (Q, Q)."""
        if self.held is not None:
            errors = _of(several, self.held)
            return errors.T @ errors
        half = _of(several, self.covariance)  # (P, Q)
        return _of(several, np.ascontiguousarray(half.T))

    def by_cluster(self, several: Sequence[Combination]) -> Floats | None:
        """What each cluster adds to the errors of Q combinations (G, Q); None where units are summed across them."""
        if self._crossed:
            return None
        if self.held is not None:
            return _of(several, self.held)
        return np.concatenate([_of(several, block) for block in self._by_cluster()])

    def _by_cluster(self) -> Iterator[Floats]:
        """Influences (clusters, P), block by block: a block ends with a cluster."""
        starts = cluster_starts(self.moments.cluster)
        ends = np.r_[starts[1:], len(self.moments.cluster)]
        at = 0
        while at < len(starts):
            last = max(int(np.searchsorted(ends, starts[at] + BLOCK, side="right")), at + 1)
            rows = slice(int(starts[at]), int(ends[last - 1]))
            yield self.of_clusters(rows, starts[at:last] - starts[at])
            at = last


def _of(several: Sequence[Combination], quantities: Floats) -> Floats:
    return np.stack([one.of(quantities) for one in several], axis=1)
