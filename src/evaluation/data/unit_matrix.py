"""A panel as matrices of units by periods, for methods that need every unit by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.data.engine import connect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.data.panel import Panel

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class UnitMatrix:
    """N units by T periods, units and periods in ascending order; NaN where a value is missing or not in the data."""

    units: tuple[str, ...]  # (N,) as text
    times: Integers  # (T,)
    cohort: Integers  # (N,) first treated period; 0 = never
    cluster: Integers  # (N,) ranks of the clusters among all of the panel
    weights: Floats  # (N, T), NaN where the unit has no row
    values: dict[str, Floats]  # column -> (N, T)


def unit_matrix(panel: Panel, columns: Sequence[str]) -> UnitMatrix:
    """Read columns of numbers of a panel, in one scan; memory grows with units times periods.

    Returns
    -------
    UnitMatrix
        With every unit and period of the data, those without any value included.
    """
    rows = panel.rows(columns[0])
    picked = ", ".join(f"{panel.source.number(c)} AS v{k}" for k, c in enumerate(columns))
    with connect() as connection:
        frame = connection.execute(
            f"SELECT dense_rank() OVER (ORDER BY u) - 1 AS r, dense_rank() OVER (ORDER BY t) - 1 AS k, "
            f"dense_rank() OVER (ORDER BY c) - 1 AS c, u::VARCHAR AS u, t, g, w, * EXCLUDE (u, t, g, c, w, y) "
            f"FROM ({rows.replace('SELECT ', f'SELECT {picked}, ', 1)}) ORDER BY r, k"
        ).fetchnumpy()
    r, k = np.asarray(frame["r"]), np.asarray(frame["k"])
    first = np.flatnonzero(np.r_[True, r[1:] != r[:-1]])
    times = np.full(int(k.max()) + 1, 0, dtype=np.int64)
    times[k] = frame["t"]

    def wide(name: str) -> Floats:
        found = np.full((len(first), len(times)), np.nan)
        found[r, k] = np.ma.filled(np.ma.asarray(frame[name], dtype=np.float64), np.nan)
        return found

    return UnitMatrix(
        tuple(str(u) for u in np.asarray(frame["u"])[first]),
        times,
        np.asarray(frame["g"])[first].astype(np.int64),
        np.asarray(frame["c"])[first].astype(np.int64),
        wide("w"),
        {c: wide(f"v{i}") for i, c in enumerate(columns)},
    )
