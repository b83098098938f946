"""How characteristics spread together among people: counts, means and cross-products, from one pass in the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.data.cohort import Cohort

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spread:
    """`n` people: means (p,), sums of products of what lies beyond the means (p, p), and the ends (p,) of columns."""

    n: int
    mean: Floats
    cross: Floats
    low: Floats
    high: Floats

    def __add__(self, other: Spread) -> Spread:
        """Those of both (Chan, Golub and LeVeque, 1983)."""
        n, apart = self.n + other.n, other.mean - self.mean
        cross = self.cross + other.cross + np.outer(apart, apart) * (self.n * other.n / n)
        return Spread(n, self.mean + apart * (other.n / n), cross, np.minimum(self.low, other.low),
                      np.maximum(self.high, other.high))  # fmt: skip

    def with_column(self, value: float) -> Spread:
        """The same with a column before the others that is `value` for everyone."""
        cross = np.pad(self.cross, ((1, 0), (1, 0)))
        return Spread(self.n, np.append(value, self.mean), cross, np.append(value, self.low),
                      np.append(value, self.high))  # fmt: skip


def spreads(cohort: Cohort, names: Sequence[str], windows: Sequence[float]) -> dict[tuple[int, int], Spread]:
    """By arm, and by how many of the `windows` a person could be followed for, of people who lack nothing.

    Without `follow_up` in the design everyone could be followed for all windows.
    """
    p = len(names)
    reached = " + ".join(f"CAST(coalesce(f >= {w!r}, false) AS INTEGER)" for w in windows) if cohort.follow_up else ""
    figures = [f"{f}(x{j})" for f in ("avg", "min", "max") for j in range(p)]
    figures += [f"covar_pop(x{j}, x{k})" for j in range(p) for k in range(j + 1)]
    rows = cohort.source.query(
        f"SELECT a, {reached or len(windows)} AS reached, count(*), {', '.join(figures)} FROM {cohort.sql(names)} "
        "WHERE dropped = 0 GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return {
        (int(arm), int(so_many)): _spread(int(n), np.array(found, np.float64), p) for arm, so_many, n, *found in rows
    }


def _spread(n: int, found: Floats, p: int) -> Spread:
    cross = np.zeros((p, p))
    cross[np.tril_indices(p)] = found[3 * p :] * n
    cross = cross + np.tril(cross, -1).T
    return Spread(n, found[:p], cross, found[p : 2 * p], found[2 * p : 3 * p])
