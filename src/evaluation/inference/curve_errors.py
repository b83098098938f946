"""Two arms' curves and their errors: people as they are, weighted, in clusters, or weighted by their propensity.

Every error is a sum over independent units (rows of people who are alike, people, or clusters) of what each adds. With
an estimated propensity, what its estimation adds comes in by the chain rule (Lunceford and Davidian, 2004).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.aalen_johansen import Figure, RiskSets, effects, incidence_at, places, risk_sets, variance
from evaluation.inference.clusters import sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evaluation.data.cohort import CohortRows
    from evaluation.inference.weighting import Weights

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

ARMS = (1, 0)


@dataclass(frozen=True, eq=False)
class Followed:
    """People of both arms (n rows), the events that count as causes, and what the propensity makes of their weights.

    `causes` are event codes, the outcome's 1 first; all other codes leave without an event.
    """

    rows: CohortRows
    causes: tuple[int, ...]
    tilt: Weights | None = None

    @property
    def alike(self) -> bool:
        """Whether all people count alike."""
        return self.tilt is None and self.rows.weights is None

    @property
    def plain(self) -> bool:
        """Whether all people count alike and by themselves."""
        return self.tilt is None and self.rows.weights is None and self.rows.cluster is None

    @cached_property
    def weight(self) -> Floats:
        """What one person of each row weighs (n,)."""
        own = np.ones(len(self.rows.arm)) if self.rows.weights is None else self.rows.weights
        return own if self.tilt is None else own * self.tilt.of_arm

    @cached_property
    def fate(self) -> Integers:
        """0 for leaving without an event, else the place of the event among the causes, from 1 (n,)."""
        found = np.zeros(len(self.rows.arm), np.int64)
        for i, code in enumerate(self.causes, 1):
            found[self.rows.event == code] = i
        return found

    @cached_property
    def _sets(self) -> dict[int, tuple[RiskSets, Integers, Integers]]:
        found = {}
        for code in ARMS:
            mine = np.flatnonzero(self.rows.arm == code)
            times, place = places(self.rows.time[mine])
            people = self.rows.people[mine]
            weight = self.weight[mine] * people
            found[code] = risk_sets(times, place, self.fate[mine], people, weight, len(self.causes)), mine, place
        return found

    def sets(self, arm: int) -> RiskSets:
        """The risk sets of one arm."""
        return self._sets[arm][0]

    @cached_property
    def multiple(self) -> Floats:
        """How many independent units each row of `influence` stands for (U,)."""
        if self.rows.cluster is not None:
            return np.ones(self.n_units)
        return self.rows.people.astype(np.float64)

    @property
    def n_units(self) -> int:
        """Independent units: clusters, or people."""
        return int(self.rows.people.sum()) if self.rows.cluster is None else int(self.rows.cluster.max()) + 1

    def influence(self, arm: int, figures: Sequence[Figure]) -> Floats:
        """What each unit adds to the errors of figures read off one arm (U, Q)."""
        found = np.zeros((len(self.rows.arm), len(figures)))
        found[self._sets[arm][1]] = self._direct(arm, figures)
        if self.tilt is None:
            found *= self.weight[:, None]
        else:
            fit = self.tilt.chances.fit
            moved = fit.design.T @ ((self.rows.mass * self.tilt.slope)[:, None] * found)
            found = self.weight[:, None] * found + fit.influence @ moved
        if self.rows.cluster is None:
            return found
        return sums(found * self.rows.people[:, None], self.rows.cluster)

    def _direct(self, arm: int, figures: Sequence[Figure]) -> Floats:
        """What a person of weight 1 adds, by row of the arm (n of the arm, Q)."""
        sets, mine, place = self._sets[arm]
        return np.column_stack([effects(sets, figure)[place, self.fate[mine]] for figure in figures])

    def covariance(self, influence: Floats) -> Floats:
        """Covariances (Q, Q) of what units add (U, Q)."""
        found: Floats = influence.T @ (influence * self.multiple[:, None])
        return found

    def incidence_variance(self, arm: int, cause: int, chosen: Integers) -> Floats:
        """Variances (Q,) of one arm's incidence at the places chosen."""
        if self.plain:
            return variance(self.sets(arm), cause).at_each[chosen]
        at_once = max(1, int(2e7) // len(self.rows.arm))
        sets, found = self.sets(arm), []
        for start in range(0, len(chosen), at_once):
            figures = [incidence_at(sets, cause, int(j)) for j in chosen[start : start + at_once]]
            influence = self.influence(arm, figures)
            found.append((influence**2 * self.multiple[:, None]).sum(axis=0))
        return np.concatenate(found)

    def incidence_covariance(self, arm: int, cause: int, chosen: Integers) -> Floats:
        """Covariances (Q, Q) of one arm's incidence at the places chosen, ascending."""
        if self.plain:
            return variance(self.sets(arm), cause).between(chosen)
        figures = [incidence_at(self.sets(arm), cause, int(j)) for j in chosen]
        return self.covariance(self.influence(arm, figures))
