"""Synthetic control: weights of donors, gaps, and what placebos among the donors say of them.

The same fit is made for every other unit as if it had been the treated one. How large the treated units' gaps after
adoption are beside those before, ranked among the placebos', is an exact p-value where any unit could be the treated.
The interval holds the effects that the test does not reject once they are taken out of the treated units' outcomes.
(Firpo and Possebom, 2018, take them out of the placebos' gaps too, which can leave intervals without end.)
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.simplex import SimplexFit, nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]

TIE = 1e-9  # relative: ratios nearer than that are equal
PERFECT = 1e-9  # of the outcome's spread: a fit before adoption that is nearer is taken to be that far off


@dataclass(frozen=True, eq=False)
class Synthetic:
    """A unit and its synthetic counterpart over T periods."""

    fit: SimplexFit
    gaps: Floats  # (T,) outcome less its counterpart, NaN in periods not used
    before: float  # mean squared gap before adoption
    after: float  # the same from adoption on
    effect: float  # mean gap from adoption on


def synthetic(own: Floats, donors: Floats, before: Mask, penalty: float = 0.0) -> Synthetic:
    """The weighted donors nearest to a unit's own outcomes before adoption.

    Minimises the sum of squared gaps before adoption plus `penalty` · T0 · v · (sum of squared weights), v being the
    variance of the donors' changes from period to period before adoption.

    Parameters
    ----------
    own
        (T,) outcomes, NaN in periods to be left out.
    donors
        (T, J), complete where `own` is known.
    before
        (T,) whether a period is before adoption.
    """
    known = ~np.isnan(own)
    early = known & before
    ridge = penalty * int(early.sum()) * changes_variance(donors[early]) if penalty else 0.0
    fit = nearest(donors[early], own[early], ridge)
    gaps = np.full(len(own), np.nan)
    gaps[known] = own[known] - donors[known] @ fit.weights
    late = gaps[known & ~before]
    return Synthetic(fit, gaps, float((gaps[early] ** 2).mean()), float((late**2).mean()), float(late.mean()))


def changes_variance(outcomes: Floats) -> float:
    """Variance of changes from one period to the next, of outcomes (T, J) taken together."""
    changes = np.diff(outcomes, axis=0).ravel()
    return float(changes.var(ddof=1)) if len(changes) > 1 else 0.0


def placebos(donors: Floats, used: Mask, before: Mask, penalty: float = 0.0) -> tuple[Synthetic, ...]:
    """Fits of every donor (T, J) by the other donors alone, in the periods `used` (T,). Needs two donors at least."""
    found = []
    for j in range(donors.shape[1]):
        own = np.where(used, donors[:, j], np.nan)
        found.append(synthetic(own, np.delete(donors, j, axis=1), before, penalty))
    return tuple(found)


# --------------------------------------------------------------------------- placebos in space


@dataclass(frozen=True, eq=False)
class Slots:
    """The places of the n treated units: periods, and shares (n,) of their mean."""

    used: tuple[Mask, ...]  # (T,) each: periods used
    before: tuple[Mask, ...]  # (T,) each: periods before adoption
    shares: Floats

    @property
    def alike(self) -> bool:
        """Whether it makes no difference which unit stands in which place."""
        first = (self.used[0], self.before[0])
        same = all(np.array_equal(first, pair) for pair in zip(self.used, self.before, strict=True))
        return same and float(np.ptp(self.shares)) == 0.0

    @property
    def one_date(self) -> bool:
        """Whether all adopt at once."""
        return all(np.array_equal(self.before[0], b) for b in self.before)


@dataclass(frozen=True, eq=False)
class Sets:
    """S choices of units in the treated units' places: means over the places, by their shares.

    Had treatment had an effect e on the treated, the mean squared gap without it would be after + 2 e lean + e^2 bend.
    """

    before: Floats  # (S,) mean squared gaps before adoption
    after: Floats  # (S,) the same from adoption on
    lean: Floats  # (S,)
    bend: Floats  # (S,)

    def at_least(self, real: Sets, effect: float, floor_: float) -> int:
        """How many have a ratio of gaps after and before at least as large as the real one, the effect taken out."""
        ours = real.squares(effect)[0] / max(real.before[0], floor_)
        theirs = self.squares(effect) / np.maximum(self.before, floor_)
        return int((theirs >= ours * (1 - TIE)).sum())

    def over(self, square: float) -> Sets:
        """The same for outcomes divided by the root of a number."""
        return Sets(self.before / square, self.after / square, self.lean / square**0.5, self.bend)

    def squares(self, effect: float) -> Floats:
        """Mean squared gaps after adoption with an effect taken out (S,)."""
        found: Floats = self.after + 2 * effect * self.lean + effect**2 * self.bend
        return found


def choices(units: int, real: int, slots: Slots, draws: int, seed: int) -> tuple[Integers, bool]:
    """Which units stand in the treated units' places, (S, n), the real choice left out; and whether these are all.

    The first `real` units are treated ones; where treated units are missing among them no choice is the real one.

    All of them where they are no more than `draws` (and always with one treated unit), else that many at random.
    """
    n = len(slots.used)
    if n == 1 or (slots.alike and comb(units, n) <= draws):
        every = np.array(list(combinations(range(units), n)), dtype=np.int64).reshape(-1, n)
        return every[1:] if real == n else every, True  # the first is the treated themselves
    generator = np.random.default_rng(seed)
    return np.array([generator.permutation(units)[:n] for _ in range(draws)], dtype=np.int64), False


def permuted(outcomes: Floats, slots: Slots, sets: Integers, real: int, penalty: float = 0.0) -> Sets:
    """Fits of each set (S, n) of units, each by all units outside of the set, the real treated units among them.

    So fitted, nothing but chance tells the real choice from another where there is no effect and any unit could have
    been treated (Abadie, Diamond and Hainmueller, 2010, move the treated unit to the donors in the same way).

    Parameters
    ----------
    outcomes
        (T, U) complete in all periods used; the first `real` are treated units.
    """
    found, treated = np.zeros((4, len(sets))), np.arange(outcomes.shape[1]) < real
    for s, chosen in enumerate(sets.tolist()):
        outside = np.ones(outcomes.shape[1], dtype=np.bool_)
        outside[chosen] = False
        pool = outcomes[:, outside]
        for k, j in enumerate(chosen):
            own = np.where(slots.used[k], outcomes[:, j], np.nan)
            fit = synthetic(own, pool, slots.before[k], penalty)
            part = float(fit.fit.weights[treated[outside]].sum()) - float(treated[j])
            found[:, s] += slots.shares[k] * np.array([fit.before, fit.after, part * fit.effect, part**2])
    return Sets(*found)


def rank_p(real: Sets, others: Sets, effect: float, floor_: float) -> float:
    """Share of all ratios, the real one among them, that are at least as large as the real one."""
    return (1 + others.at_least(real, effect, floor_)) / (1 + len(others.before))


def inverted(real: Sets, others: Sets, level: float, floor_: float) -> tuple[float, float] | None:
    """The smallest and largest effect, the same in all periods, that the test at 1 - level does not reject.

    None where there is no such effect, or no bounds: so it is when few placebos keep every p-value above 1 - level.
    Needs one adoption date, since weights must not depend on the effect.
    """
    unit = max(float(real.before[0]), floor_) or 1.0  # products of squares stay within range
    real, others, floor_ = real.over(unit), others.over(unit), floor_ / unit
    ours, theirs = max(float(real.before[0]), floor_), np.maximum(others.before, floor_)
    turns = _turns(
        others.bend * ours - real.bend * theirs,
        2 * (others.lean * ours - real.lean * theirs),
        others.after * ours - real.after * theirs,
    )
    if not len(turns):
        return None
    reach = 1.0 + float(turns[-1] - turns[0])
    inner = (turns[1:] + turns[:-1]) / 2
    middles = np.concatenate([[turns[0] - reach], inner, [turns[-1] + reach]])
    kept = np.array([rank_p(real, others, float(m), floor_) > 1 - level + TIE for m in middles])
    if kept[0] or kept[-1] or not kept.any():
        return None
    inside = np.flatnonzero(kept)
    return float(turns[inside[0] - 1]) * unit**0.5, float(turns[inside[-1]]) * unit**0.5


def _turns(a: Floats, b: Floats, c: Floats) -> Floats:
    """All real roots of a x^2 + b x + c, ascending."""
    inside = b**2 - 4 * a * c
    two = (a != 0) & (inside >= 0)
    root = np.sqrt(inside[two])
    half = -(b[two] + np.where(b[two] >= 0, root, -root)) / 2  # the sum without cancellation
    first = half / a[two]
    second = np.divide(c[two], half, out=first.copy(), where=half != 0)
    line = (a == 0) & (b != 0)
    return np.unique(np.concatenate([first, second, -c[line] / b[line]]))
