"""Sums of influence functions by cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


def sums(values: Floats, codes: Integers) -> Floats:
    """Sums of the rows of `values` (n, p) by cluster code (n,), coded 0 … G-1: (G, p)."""
    import numpy as np

    n_clusters = int(codes.max()) + 1
    return np.column_stack([np.bincount(codes, column, n_clusters) for column in values.T])
