"""Harrell's concordance: how often the higher predicted hazard had the earlier event (Harrell et al., 1996)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.cox_sets import Arrangement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

BLOCK = 1 << 16  # rows whose order is told at once, which the cache holds
DIGITS = 10  # of the score; people with equal covariates must tie whatever the order of additions


def concordance(time: Floats, event: Integers, score: Floats, rows: Arrangement | None = None) -> float | None:
    """Share of comparable pairs that the score orders rightly, ties in the score counting one half.

    A pair is comparable when one had the event (code 1) and the other was still observed after it, or was
    censored at the same time, in the same stratum; it counts the product of the two people's weights. None without such
    a pair. Takes O(n log n) whatever the ties.
    """
    rows = rows or Arrangement()
    n = len(time)
    people = np.ones(n) if rows.people is None else rows.people
    mass = np.asarray(people if rows.mass is None else rows.mass, np.float64)  # numbers of people add up exactly
    failed = event == 1
    rank = np.unique(np.round(score, DIGITS), return_inverse=True)[1]
    turn = 2 * np.unique(time, return_inverse=True)[1] + ~failed  # events come before those censored at the same time
    stratum = np.zeros(n, np.int64) if rows.stratum is None else rows.stratum
    if rows.stratum is not None:
        rank, turn = _codes(rank, stratum), _codes(turn, stratum)
    comparable = _later(turn, stratum, failed, mass)
    if comparable == 0:
        return None
    order = np.argsort(rank * (turn.max() + 1) + turn, kind="stable")
    tied = _tied(turn[order], rank[order], failed[order], mass[order])
    if turn.max() < rank.max():  # fewer values to tell apart: from the highest rank down, who comes earlier
        order = order[::-1]
        concordant = _inversions((turn.max() - turn)[order], failed[order], mass[order])
    else:  # in the order of turns, who has the higher rank; within one turn ranks ascend, so no pair of it counts
        order = np.argsort(turn * (rank.max() + 1) + rank, kind="stable")
        concordant = _inversions(rank[order], failed[order], mass[order])
    return float((concordant + tied / 2) / comparable)


def _codes(values: Integers, stratum: Integers) -> Integers:
    """Codes 0, 1, … of values within strata, those of a later stratum higher: no pair across strata is an inversion."""
    return np.asarray(np.unique(stratum * (int(values.max()) + 1) + values, return_inverse=True)[1], np.int64)


def _before(values: Floats) -> Floats:
    """Sums of the values before each place (n + 1,)."""
    return np.concatenate([[0.0], values.cumsum()])


def _later(turn: Integers, stratum: Integers, failed: Flags, mass: Floats) -> float:
    """Pairs of an event and anyone of the stratum whose turn comes after."""
    last = np.zeros(int(stratum.max()) + 1, np.int64)
    np.maximum.at(last, stratum, turn)
    before = _before(np.asarray(np.bincount(turn, mass), np.float64))
    return float(mass[failed] @ (before[last[stratum[failed]] + 1] - before[turn[failed] + 1]))


def _tied(turn: Integers, rank: Integers, failed: Flags, mass: Floats) -> float:
    """Comparable pairs with the same score, of rows sorted by rank and turn."""
    before = _before(mass)
    new_rank = rank[1:] != rank[:-1]
    end_of_rank, end_of_turn = _ends(new_rank), _ends(new_rank | (turn[1:] != turn[:-1]))
    return float(mass[failed] @ (before[end_of_rank] - before[end_of_turn])[failed])


def _ends(new: Flags) -> Integers:
    """Where each row's run ends (n,); `new` (n - 1,) says where another run starts."""
    starts = np.flatnonzero(np.r_[True, new])
    return np.repeat(np.r_[starts[1:], len(new) + 1], np.diff(np.r_[starts, len(new) + 1]))


def _inversions(values: Integers, counted: Flags, mass: Floats) -> float:
    """Pairs i < j with values[i] > values[j] and i counted: between blocks of rows by a histogram, and within each."""
    length = int(values.max()) + 1
    size = max(BLOCK, length)
    seen, total = np.zeros(length), 0.0
    for start in range(0, len(values), size):
        block = slice(start, start + size)
        here, own, weight = values[block], counted[block], mass[block]
        above = seen.sum() - seen.cumsum()
        total += float(weight @ above[here]) + _within(here, own, weight)
        seen += np.bincount(here, weight * own, length)
    return total


def _within(rank: Integers, counted: Flags, mass: Floats) -> float:
    """The same within one block, bit by bit of the values.

    Two ranks differ first in one bit. At each bit, rows stand in the order of the higher bits (kept in their
    own order within equal ones); those with the bit set pass every later one of their group without it.
    """
    below = np.concatenate([[0], np.bincount(rank).cumsum()])  # rows with a rank under r
    total = 0.0
    for bit in range(int(rank.max()).bit_length() - 1, -1, -1):
        group = rank >> (bit + 1)
        start = below[np.minimum(group << (bit + 1), len(below) - 1)]
        end = below[np.minimum((group + 1) << (bit + 1), len(below) - 1)]
        zero = (rank >> bit) & 1 == 0
        zeros, weight = np.concatenate([[0], zero.cumsum()]), _before(mass * zero)
        ones = counted & ~zero
        total += float(mass[ones] @ (weight[end[ones]] - weight[1:][ones]))
        zeros_before = zeros[:-1] - zeros[start]
        ones_before = np.arange(len(rank)) - start - zeros_before
        place = np.where(zero, start + zeros_before, start + (zeros[end] - zeros[start]) + ones_before)
        moved, moved_counted, moved_mass = np.empty_like(rank), np.empty_like(counted), np.empty_like(mass)
        moved[place], moved_counted[place], moved_mass[place] = rank, counted, mass
        rank, counted, mass = moved, moved_counted, moved_mass
    return total
