"""Who is at risk when: rows sorted by stratum and time, and sums over risk sets, or along the time at risk.

Rows may stand for many people with the same values. A sum over the risk sets is a reverse cumulative sum over event
times, a sum along the time at risk a cumulative one: no loop over people, and none over times.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.cox_ties import TieSteps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.inference.cox_ties import Ties

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Arrangement:
    """What rows (n,) are, beside time, event and columns; None where there is nothing to say.

    `people` each row stands for, their total `mass` (above zero), and the `stratum` within which people are compared.
    """

    people: Integers | None = None
    mass: Floats | None = None
    stratum: Integers | None = None


@dataclass(frozen=True, eq=False)
class Drift:
    """A column whose coefficient moves with time: the last one of the model, column times `clock` (K,) of event times.

    `value` (V,) are the column's different values, `layer` (n,) which of them each row has.
    """

    value: Floats
    layer: Integers
    clock: Floats

    def factor(self, coefficient: float) -> Floats:
        """How much the hazard of each value (K, V) is multiplied by at each event time."""
        found: Floats = np.exp(coefficient * np.outer(self.clock, self.value))
        return found


@dataclass(frozen=True, eq=False)
class RiskSets:
    """Rows (n,) that are at risk at one event time at least, and the K event times, both sorted by stratum and time.

    `kept` (n,) says which of the rows given they are. `times` (K,) are the event times, `place` (n,) is the last one at
    which a row is at risk, `first` (K,) the first row with each place, `spans` the event times of each stratum. `died`
    (m,) are rows with the event, `died_first` (K,) the first of them at each event time; `steps` takes ties apart.
    """

    columns: Floats
    mass: Floats
    kept: Integers
    times: Floats
    place: Integers
    first: Integers
    spans: tuple[tuple[int, int], ...]
    died: Integers
    died_first: Integers
    steps: TieSteps
    drift: Drift | None = None

    @property
    def n_times(self) -> int:
        """K."""
        return len(self.times)

    def over(self, columns: Iterable[Floats], factor: Floats | None = None) -> Floats:
        """Sums (K, q) of q columns (n,) over the risk set at each event time, times `factor` (K, V) by layer."""
        if factor is None:
            ending: Floats = np.column_stack([np.add.reduceat(c, self.first) for c in columns])
            return self._remaining(ending)
        assert self.drift is not None  # noqa: S101 - narrows the type
        k, v = factor.shape
        cell = self.place * v + self.drift.layer
        by_layer = (self._remaining(_counted(cell, c, k * v).reshape(k, v)) for c in columns)
        return np.column_stack([(factor * sums).sum(axis=1) for sums in by_layer])

    def along(self, per_time: Floats, factor: Floats | None = None) -> Floats:
        """Sums (n, q) of `per_time` (K, q) over the event times at which each row is at risk, times its factor."""
        if factor is None:
            return np.asarray(self._passed(per_time)[self.place], np.float64)
        assert self.drift is not None  # noqa: S101 - narrows the type
        found = np.empty((len(self.place), per_time.shape[1]))
        for j in range(per_time.shape[1]):
            found[:, j] = self._passed(factor * per_time[:, [j]])[self.place, self.drift.layer]
        return found

    def _remaining(self, ending: Floats) -> Floats:
        """Sums over those whose place is the same or later, by stratum."""
        found = np.empty_like(ending)
        for start, end in self.spans:
            found[start:end] = ending[start:end][::-1].cumsum(axis=0)[::-1]
        return found

    def _passed(self, per_time: Floats) -> Floats:
        """Sums over the event times until each, by stratum."""
        found = np.empty_like(per_time)
        for start, end in self.spans:
            found[start:end] = per_time[start:end].cumsum(axis=0)
        return found


def risk_sets(time: Floats, event: Integers, columns: Floats, ties: Ties, rows: Arrangement | None = None) -> RiskSets:
    """Arrange rows, sorted by stratum and time, into risk sets; there must be at least one event (code 1)."""
    rows = rows or Arrangement()
    n = len(time)
    people = np.ones(n, np.int64) if rows.people is None else rows.people
    mass = people.astype(np.float64) if rows.mass is None else rows.mass
    stratum = np.zeros(n, np.int64) if rows.stratum is None else rows.stratum
    moment = np.cumsum(np.r_[True, (time[1:] != time[:-1]) | (stratum[1:] != stratum[:-1])]) - 1
    died = np.flatnonzero(event == 1)
    moments, died_first, of_died = np.unique(moment[died], return_index=True, return_inverse=True)
    of_stratum = stratum[died[died_first]]
    starts = np.searchsorted(of_stratum, stratum, side="left")  # the first event time of each row's stratum
    place = np.searchsorted(moments, moment, side="right") - 1
    kept = np.flatnonzero(place >= starts)
    if len(kept) < n:
        new = np.cumsum(place >= starts) - 1
        columns = np.take(columns.T, kept, axis=1).T  # each column stays in one piece of memory
        mass, place, inside = mass[kept], place[kept], new[died]
    else:
        inside = died
    _, span_first = np.unique(of_stratum, return_index=True)
    ends = [*span_first.tolist(), len(moments)]
    events = np.bincount(of_died, people[died]).round().astype(np.int64)
    steps = TieSteps(events, _counted(of_died, mass[inside], len(moments)), ties)
    return RiskSets(
        columns, mass, kept, np.asarray(time[died[died_first]], np.float64), place,
        np.searchsorted(place, np.arange(len(moments))), tuple(pairwise(ends)), inside,
        died_first, steps,
    )  # fmt: skip


def _counted(places: Integers, values: Floats, length: int) -> Floats:
    """Sums of values by place."""
    return np.asarray(np.bincount(places, values, length), np.float64)
