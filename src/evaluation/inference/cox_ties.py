"""Events at the same time: sums over the steps into which Efron's (1977) method takes a tie apart.

Of d events with weights that sum to T in a risk set of S, the step l = 0 … d - 1 sees S - (l/d) T. Where few people
fall together the steps are added up one by one; where many do, sums over steps are differences of the logarithm of the
gamma function and its derivatives, by their asymptotic series (Abramowitz & Stegun, 1964, 6.1.41, 6.3.18, 6.4.12),
whose leading parts are taken together before they could cancel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

Ties = Literal["efron", "breslow"]

MANY = 32  # events at one time, from which the series is used
LEFT = 64.0  # people of the events' mean weight who stay, from which the series' next term is below rounding


@dataclass(frozen=True, eq=False)
class StepSums:
    """Sums over each time's steps (K,), with the mass of one: of logarithms of what the steps see, and of its powers.

    `hazard` and `shared` sum share^0 and share^1 over what is seen, `squares` share^0, ^1, ^2 over its square.
    """

    log: Floats
    hazard: Floats
    shared: Floats
    squares: tuple[Floats, Floats, Floats]


@dataclass(frozen=True, eq=False)
class TieSteps:
    """The K event times: how many `events` (K,) each has, and their `mass` (K,)."""

    events: Integers
    mass: Floats
    ties: Ties

    @property
    def any(self) -> bool:
        """Whether any step sees less than the whole risk set."""
        return self.ties == "efron" and bool((self.events > 1).any())

    @cached_property
    def _few(self) -> tuple[Integers, Integers, Floats, Integers]:
        """Times with few events; of their steps the place among them, the share, and each time's first step."""
        times = np.flatnonzero(self.events < MANY)
        number = self.events[times]
        first = number.cumsum() - number
        place = np.repeat(np.arange(len(times)), number)
        return times, place, (np.arange(len(place)) - first[place]) / number[place], first

    def sums(self, whole: Floats, tied: Floats | None) -> StepSums:
        """Sums over steps, from the weights of the risk sets (K,) and of their events (K,)."""
        if tied is None:
            power = self.mass / whole
            none = np.zeros(len(whole))
            return StepSums(self.mass * np.log(whole), power, none, (power / whole, none, none))
        found = np.empty((6, len(whole)))
        times, place, share, first = self._few
        if len(times):
            found[:, times] = np.add.reduceat(_steps(whole[times][place], tied[times][place], share), first, axis=1)
        many = np.flatnonzero(self.events >= MANY)
        if len(many):
            unit = tied[many] / self.events[many]
            series = whole[many] - tied[many] > LEFT * unit
            use = many[series]
            found[:, use] = _series(whole[use] / unit[series], self.events[use], unit[series])
            for k in many[~series].tolist():
                found[:, k] = _steps(whole[k], tied[k], np.arange(self.events[k]) / self.events[k]).sum(axis=1)
        log, hazard, shared, *squares = found * (self.mass / self.events)
        return StepSums(log, hazard, shared, (squares[0], squares[1], squares[2]))


def _steps(whole: Floats, tied: Floats, share: Floats) -> Floats:
    """What each step adds to the six sums (6, E)."""
    seen = whole - share * tied
    power = 1 / seen
    return np.stack([np.log(seen), power, share * power, power**2, share * power**2, (share * power) ** 2])


def _series(a: Floats, events: Integers, unit: Floats) -> Floats:
    """The six sums (6, K) over steps that see unit * (a - l)."""
    d = events.astype(np.float64)
    b = a - d
    ratio = -np.log1p(-d / a)  # log(a / b)

    def between(*terms: tuple[float, int]) -> Floats:
        """The same series at a, less at b: each term a factor and a power."""
        found: Floats = np.sum([factor * (a**-power - b**-power) for factor, power in terms], axis=0)
        return found

    log = d * (np.log(a) - 1) + (b + 0.5) * ratio + between((1 / 12, 1), (-1 / 360, 3), (1 / 1260, 5), (-1 / 1680, 7))
    one = ratio + between((1 / 2, 1), (-1 / 12, 2), (1 / 120, 4), (-1 / 252, 6))
    two = d / (a * b) - between((-1 / 2, 2), (1 / 6, 3), (-1 / 30, 5), (1 / 42, 7))
    return np.stack([
        d * np.log(unit) + log, one / unit, (a * one / d - 1) / unit, two / unit**2, (a * two - one) / d / unit**2,
        ((a * two - 2 * one) * a / d + 1) / d / unit**2,
    ])  # fmt: skip
