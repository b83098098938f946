"""Harrell's concordance: how often the higher predicted hazard had the earlier event (Harrell et al., 1996)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

DIGITS = 10  # of the score; people with equal covariates must tie whatever the order of additions


def concordance(time: Floats, event: Integers, score: Floats) -> float | None:
    """Share of comparable pairs that the score orders rightly, ties in the score counting one half.

    A pair is comparable when one had the event (code 1) and the other was still observed after it, or was
    censored at the same time. None without such a pair. Takes O(n log n) whatever the ties.
    """
    import numpy as np

    failed = event == 1
    _, rank = np.unique(np.round(score, DIGITS), return_inverse=True)
    _, moment = np.unique(time, return_inverse=True)
    turn = 2 * moment + ~failed  # events come before those censored at the same time
    comparable = _later(turn, failed)
    if comparable == 0:
        return None
    order = np.lexsort((rank, turn))  # within one turn ranks ascend, so no pair of it counts as an inversion
    concordant = _inversions(rank[order], failed[order])
    tied = _tied(turn, rank, failed)
    return (concordant + tied / 2) / comparable


def _later(turn: Integers, failed: Flags) -> int:
    """Pairs of an event and anyone whose turn comes after."""
    import numpy as np

    people = np.bincount(turn)
    after = len(turn) - people.cumsum()
    return int(after[turn[failed]].sum())


def _tied(turn: Integers, rank: Integers, failed: Flags) -> int:
    """Comparable pairs with the same score."""
    import numpy as np

    order = np.lexsort((turn, rank))
    key = rank[order] * (turn.max() + 1) + turn[order]  # sorted
    end_of_turn = np.searchsorted(key, key, side="right")
    end_of_rank = np.searchsorted(rank[order], rank[order], side="right")
    return int((end_of_rank - end_of_turn)[failed[order]].sum())


def _inversions(rank: Integers, counted: Flags) -> int:
    """Pairs i < j with rank[i] > rank[j] and i counted, bit by bit of the rank.

    Two ranks differ first in one bit. At each bit, people stand in the order of the higher bits (kept in their
    own order within equal ones); those with the bit set pass every later one of their group without it.
    """
    import numpy as np

    below = np.concatenate([[0], np.bincount(rank).cumsum()])  # people with a rank under r
    total = 0
    for bit in range(int(rank.max()).bit_length() - 1, -1, -1):
        group = rank >> (bit + 1)
        start = below[np.minimum(group << (bit + 1), len(below) - 1)]
        end = below[np.minimum((group + 1) << (bit + 1), len(below) - 1)]
        zero = (rank >> bit) & 1 == 0
        zeros = np.concatenate([[0], zero.cumsum()])
        ones = counted & ~zero
        total += int((zeros[end[ones]] - zeros[1:][ones]).sum())
        zeros_before = zeros[:-1] - zeros[start]
        ones_before = np.arange(len(rank)) - start - zeros_before
        place = np.where(zero, start + zeros_before, start + (zeros[end] - zeros[start]) + ones_before)
        moved, moved_counted = np.empty_like(rank), np.empty_like(counted)
        moved[place], moved_counted[place] = rank, counted
        rank, counted = moved, moved_counted
    return total
