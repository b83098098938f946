"""Randomisation inference: what the estimate would have been had other clusters adopted at these dates.

Under the sharp null of no effect on anyone, outcomes do not depend on who adopts when. If adoption dates might as
well have fallen on other clusters, the statistic's place among those of all reassignments is an exact p-value,
however few clusters there are. Reference: Fisher (1935); Imbens and Rubin (2015, chapter 5); MacKinnon and Webb (2020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import comb, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.covariance import cluster_starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.data.moments import Integers, PanelMoments

ENUMERATE = 20_000  # all distinct assignments are gone through where there are no more
TIE = 1e-10  # relative difference of two statistics below which they are equal


@dataclass(frozen=True)
class Randomised:
    """A two-sided randomisation test: the share of assignments with a statistic as far from zero as the actual one's.

    `draws` is the number of assignments looked at, the actual one among them where all were enumerated and beside
    them else. `unanswered` of them had no estimate and count as at least as far from zero.
    """

    p_value: float
    statistic: float
    draws: int
    enumerated: bool
    unanswered: int = 0


def randomisation(
    statistic: Callable[[Integers], float],
    assignment: Integers,
    strata: NDArray[Any] | None = None,
    *,
    draws: int = 999,
    seed: int = 0,
    enumerate_up_to: int = ENUMERATE,
) -> Randomised:
    """Test the sharp null of no effect by reassigning adoption dates among clusters, within `strata` (G,) if given.

    `assignment` (G,) holds each cluster's first treated period. A `statistic` that raises NotEstimable has no answer
    for that assignment. All distinct assignments are enumerated where there are at most `enumerate_up_to`.

    A studentised statistic (estimate over standard error) keeps the level also for the weaker null of no average
    effect when clusters are many (Wu and Ding, 2021).

    Raises
    ------
    NotEstimable
        When there is only one possible assignment, or the statistic has no answer for the actual one.
    """
    groups = _groups(strata, len(assignment))
    possible = prod(_arrangements(assignment[g]) for g in groups)
    if possible == 1:
        raise NotEstimable(
            "Adoption dates cannot be reassigned: all clusters that may exchange theirs adopted at the same time."
        )
    actual = float(statistic(assignment))
    enumerated = possible <= enumerate_up_to
    others = _all(assignment, groups) if enumerated else _random(assignment, groups, draws, seed)
    extreme = total = unanswered = 0
    for other in others:
        total += 1
        try:
            extreme += bool(abs(statistic(other)) >= abs(actual) * (1 - TIE))
        except NotEstimable:
            unanswered += 1
    own = 0 if enumerated else 1
    return Randomised((extreme + unanswered + own) / (total + own), actual, total, enumerated, unanswered)


def _groups(strata: NDArray[Any] | None, clusters: int) -> list[NDArray[np.intp]]:
    """The clusters that may exchange their dates, stratum by stratum."""
    if strata is None:
        return [np.arange(clusters)]
    _, of_cluster = np.unique(strata, return_inverse=True)
    return [np.flatnonzero(of_cluster == s) for s in range(int(of_cluster.max()) + 1)]


def _arrangements(values: Integers) -> int:
    """In how many distinct orders values with ties can stand."""
    _, counts = np.unique(values, return_counts=True)
    left = np.cumsum(counts).tolist()
    return prod(comb(n, k) for n, k in zip(left, counts.tolist(), strict=True))


def _orders(values: list[int]) -> Iterator[list[int]]:
    """Every distinct order of the values, in lexicographic order."""
    now = sorted(values)
    while True:
        yield now.copy()
        falling = len(now) - 1
        while falling > 0 and now[falling - 1] >= now[falling]:
            falling -= 1
        if falling <= 0:
            return
        larger = max(k for k in range(falling, len(now)) if now[k] > now[falling - 1])
        now[falling - 1], now[larger] = now[larger], now[falling - 1]
        now[falling:] = reversed(now[falling:])


def _all(assignment: Integers, groups: list[NDArray[np.intp]]) -> Iterator[Integers]:
    for orders in product(*(list(_orders(assignment[g].tolist())) for g in groups)):
        other = assignment.copy()
        for group, order in zip(groups, orders, strict=True):
            other[group] = order
        yield other


def _random(assignment: Integers, groups: list[NDArray[np.intp]], draws: int, seed: int) -> Iterator[Integers]:
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        other = assignment.copy()
        for group in groups:
            other[group] = rng.permutation(assignment[group])
        yield other


def cohorts_by_cluster(moments: PanelMoments) -> Integers:
    """Each cluster's first treated period (G,), in the order of the moments' clusters.

    Raises
    ------
    NotEstimable
        When units of one cluster adopted at different times, or the moments sum units across clusters: adoption
        dates then do not belong to clusters and cannot be reassigned among them.
    """
    if moments.cross is not None:
        raise NotEstimable("Adoption dates cannot be reassigned: units were summed across clusters.")
    starts = cluster_starts(moments.cluster)
    found = moments.cohort[starts]
    mixed = int(
        np.count_nonzero(np.maximum.reduceat(moments.cohort, starts) != np.minimum.reduceat(moments.cohort, starts))
    )
    if mixed:
        raise NotEstimable(
            f"Adoption dates cannot be reassigned among clusters: in {mixed} of {len(found)} clusters units adopted at "
            "different times. Cluster at the level at which adoption was decided.",
            (mixed,),
        )
    return found


def reassigned(moments: PanelMoments, cohort_by_cluster: Integers) -> PanelMoments:
    """The same outcomes with other adoption dates (G,), in the order of `cohorts_by_cluster`, which raises the same.

    Any panel estimator's answer from these moments can be the statistic of `randomisation`.
    """
    clusters = len(cohorts_by_cluster(moments))
    starts = cluster_starts(moments.cluster)
    rows = np.diff(np.r_[starts, len(moments.cluster)])
    if len(cohort_by_cluster) != clusters:
        raise ValueError(f"{len(cohort_by_cluster)} adoption dates for {clusters} clusters")
    return replace(moments, cohort=np.repeat(cohort_by_cluster, rows))
