"""Nearest-neighbour matching of treated people to comparison people on their estimated propensity.

Treated people choose one after the other, from the highest propensity down, the nearest comparison person still free
(greedy matching, Rosenbaum and Rubin, 1985; the order and its rounds are those of R's MatchIt: with a ratio of k
everyone chooses once, then everyone a second time). Who is equally near is taken by `rank`, which must not depend on
the outcome. The sequence matters to the result, so it cannot be made of whole columns at once; each choice takes
a search in a sorted list.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.arm_means import ArmMeans, Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Matched:
    """Pairs (m,) as they were chosen: a treated and a comparison person, by their place among the sample's people."""

    treated: Integers
    control: Integers
    replace: bool

    @property
    def n_sets(self) -> int:
        """Treated people who found at least one match."""
        return len(np.unique(self.treated))


@dataclass(frozen=True)
class Rules:
    """How to match: `ratio` to one, within `caliper` (in units of the distance; None: any), with replacement or not."""

    ratio: int = 1
    caliper: float | None = None
    replace: bool = False


class _Stratum:
    """The comparison people of one stratum in the order of their distance, with the nearest free one on each side."""

    def __init__(self, distance: Floats, rank: Integers, people: Integers) -> None:
        order = np.lexsort((rank, distance))
        self.values: list[float] = distance[order].tolist()
        self.people: list[int] = people[order].tolist()
        self.rank: list[int] = rank[order].tolist()
        self.place = {person: i for i, person in enumerate(self.people)}
        self.above = list(range(len(order) + 1))  # towards the first free place at or above this one
        self.below = list(range(len(order) + 1))  # the same below, places counted from 1; 0: none

    @staticmethod
    def _free(links: list[int], at: int) -> int:
        """The end of a chain of links, which is shortened on the way."""
        end = at
        while links[end] != end:
            end = links[end]
        while links[at] != end:
            links[at], at = end, links[at]
        return end

    def nearest(self, distance: float, taken: set[int]) -> int | None:
        """The nearest free person who is not among `taken`, or None."""
        start = bisect_left(self.values, distance)
        up, down = self._free(self.above, start), self._free(self.below, start)
        while up < len(self.people) and self.people[up] in taken:
            up = self._free(self.above, up + 1)
        while down and self.people[down - 1] in taken:
            down = self._free(self.below, down - 1)
        if up == len(self.people):
            return self.people[down - 1] if down else None
        if not down:
            return self.people[up]
        gaps = (self.values[up] - distance, self.rank[up]), (distance - self.values[down - 1], self.rank[down - 1])
        return self.people[up] if gaps[0] < gaps[1] else self.people[down - 1]

    def take(self, person: int) -> None:
        """The person is no longer free."""
        place = self.place[person]
        self.above[place] = place + 1
        self.below[place + 1] = place


def nearest_neighbours(distance: Floats, arm: Integers, stratum: Integers, rank: Integers, rules: Rules) -> Matched:
    """Match on `distance` (n,) within `stratum` (n,); `rank` (n,) is a permutation that decides between equals."""
    chosen: list[tuple[int, int]] = []
    for code in np.unique(stratum[arm == 1]).tolist():
        inside = stratum == code
        treated, people = np.flatnonzero(inside & (arm == 1)), np.flatnonzero(inside & (arm == 0))
        order = treated[np.lexsort((rank[treated], -distance[treated]))].tolist()
        pool = _Stratum(distance[people], rank[people], people)
        chosen += _choose(pool, order, distance, rules)
    pairs = np.array(chosen, np.int64).reshape(-1, 2)
    return Matched(pairs[:, 0], pairs[:, 1], rules.replace)


def _choose(pool: _Stratum, order: list[int], distance: Floats, rules: Rules) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    own: dict[int, set[int]] = {person: set() for person in order}
    waiting = order
    for _ in range(rules.ratio):
        still = []
        for person in waiting:
            at = float(distance[person])
            match = pool.nearest(at, own[person])
            if match is None or (rules.caliper is not None and abs(float(distance[match]) - at) > rules.caliper):
                continue
            if rules.replace:
                own[person].add(match)
            else:
                pool.take(match)
            found.append((person, match))
            still.append(person)
        waiting = still
    return found


def strata(columns: Floats) -> Integers:
    """Codes (n,) of the combinations of values in `columns` (n, q); all 0 without columns."""
    if columns.shape[1] == 0:
        return np.zeros(len(columns), np.int64)
    found: Integers = np.unique(columns, axis=0, return_inverse=True)[1].reshape(-1)
    return found


def pooled_spread(distance: Floats, arm: Integers, mass: Floats) -> float:
    """Root of the mean of both arms' variances of the distance: the unit of a caliper (Austin, 2011)."""
    variances = []
    for code in (1, 0):
        weight = np.where(arm == code, mass, 0.0)
        weight = weight / weight.sum()
        variances.append(float(weight @ (distance - weight @ distance) ** 2))
    return float(np.sqrt(np.mean(variances)))


def matched_means(sample: Sample, matched: Matched) -> ArmMeans:
    """Means of matched treated people and of their matches, each set weighing what its treated person does.

    Within a set matches share the weight by their own. The propensity, weights for censoring and the sets are taken as
    given; the sets, and
    with replacement the people in several, are the clusters of the variance.

    Raises
    ------
    NotEstimable
        When nobody found a match.
    """
    if not len(matched.treated):
        n = (int((sample.arm == 1).sum()), int((sample.arm == 0).sum()))
        raise NotEstimable("nobody treated found a match; widen the caliper or name fewer exact columns.", n)
    sets, place = np.unique(matched.treated, return_inverse=True)
    shared = np.bincount(place, sample.mass[matched.control])
    of_control = sample.mass[matched.control] / shared[place] * sample.mass[matched.treated]
    person = np.concatenate([sets, matched.control])
    in_set = np.concatenate([np.arange(len(sets)), place])
    weight = np.concatenate([sample.mass[sets], of_control])
    treated = np.concatenate([np.ones(len(sets), bool), np.zeros(len(place), bool)])
    known = np.ones(len(sample.arm)) if sample.censoring is None else sample.censoring.weight
    seen, y = weight * known[person], sample.outcome[person]
    means, influence = [], []
    for of_arm in (treated, ~treated):
        by = np.where(of_arm, seen, 0.0)
        total = float(by.sum())
        if total == 0:
            raise NotEstimable("in an arm nobody matched was followed to the window, so nothing can be compared.")
        mean = float(by @ y) / total
        means.append(mean)
        influence.append(by * (y - mean) / total)
    of_person = np.asarray(np.bincount(person, weight, len(sample.arm)), np.float64)
    return ArmMeans(means[0], means[1], np.column_stack(influence), 2, of_person, person, in_set, matched.replace)
