"""Synthetic control: weights of donors, gaps, and what placebos among the donors say of them.

The same fit is made for every donor as if it had been treated, by the other donors. How large the treated units' gaps
after adoption are beside those before, ranked among the donors', is an exact p-value where any unit could have been the
treated one; effects that such a test does not reject make the interval (Firpo and Possebom, 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb, floor
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.simplex import SimplexFit, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

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


@dataclass(frozen=True, eq=False)
class Placebos:
    """Every donor as if treated at each of K adoption dates, by the other donors."""

    before: Floats  # (J, K) mean squared gaps before adoption
    after: Floats  # (J, K) and from adoption on
    gaps: Floats  # (J, K, T)

    def ratios(self, floor_: float) -> Floats:
        """Root mean squared gap after adoption over that before, (J, K)."""
        found: Floats = np.sqrt(self.after / np.maximum(self.before, floor_))
        return found

    def of_sets(self, sets: Integers, slots: Integers, shares: Floats, floor_: float) -> Floats:
        """The ratio for sets of donors (S, n) in the treated units' places, with their dates (n,) and shares (n,)."""
        late = self.after[sets, slots] @ shares
        early = self.before[sets, slots] @ shares
        found: Floats = np.sqrt(late / np.maximum(early, floor_))
        return found


def placebos(donors: Floats, starts: Sequence[tuple[Mask, Mask]], penalty: float = 0.0) -> Placebos:
    """Fits of every donor by the others; `starts` are pairs of masks (T,): periods used, periods before adoption.

    Needs two donors at least.
    """
    periods, n = donors.shape
    shape = (n, len(starts))
    before, after, gaps = np.zeros(shape), np.zeros(shape), np.full((*shape, periods), np.nan)
    for k, (used, early) in enumerate(starts):
        for j in range(n):
            found = synthetic(np.where(used, donors[:, j], np.nan), np.delete(donors, j, axis=1), early, penalty)
            before[j, k], after[j, k], gaps[j, k] = found.before, found.after, found.gaps
    return Placebos(before, after, gaps)


def placebo_sets(donors: int, slots: Integers, shares: Floats, draws: int, seed: int) -> tuple[Integers, bool]:
    """Which donors stand in the treated units' places, (S, n); and whether these are all the ways there are.

    All of them where they are no more than `draws` (and always for one treated unit), else that many at random.
    """
    n = len(slots)
    alike = len(set(slots.tolist())) == 1 and float(np.ptp(shares)) == 0.0
    if n == 1 or (alike and comb(donors, n) <= draws):
        return np.array(list(combinations(range(donors), n)), dtype=np.int64).reshape(-1, n), True
    generator = np.random.default_rng(seed)
    return np.array([generator.permutation(donors)[:n] for _ in range(draws)], dtype=np.int64), False


def rank_p(ratio: float, others: Floats) -> float:
    """Share of all ratios, the real one among them, that are at least as large as the real one."""
    return (1 + int((others >= ratio * (1 - TIE)).sum())) / (1 + len(others))


def inverted(effect: float, before: float, after: float, others: Floats, level: float) -> tuple[float, float] | None:
    """Effects, the same in all periods, whose rank p-value is above 1 − level; None without any, or without bounds.

    `before` and `after` are mean squared gaps, `others` the placebos' ratios. There are no bounds where the smallest
    p-value that so few placebos can give is above 1 − level.
    """
    needed = floor((1 - level) * (1 + len(others)) + TIE)
    if needed < 1:
        return None
    limit = float(np.sort(others)[-needed])
    reach = limit**2 * before - (after - effect**2)
    if reach < 0:
        return None
    half = float(np.sqrt(reach))
    return effect - half, effect + half
