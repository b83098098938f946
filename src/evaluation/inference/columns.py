"""Regression columns put on one scale, and those named that carry no information of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.errors import NotEstimable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DEPENDENT = 1e-10  # share of a column's variance left by the columns before it
ROUNDING = 1e-12


@dataclass(frozen=True)
class Standardised:
    """Columns (n, p) with mean 0 and standard deviation 1, their names and what was taken out (p,)."""

    values: Floats
    names: tuple[str, ...]
    centre: Floats
    scale: Floats

    def widest(self, step: Floats) -> str:
        """The column in which `step` (p,) moves people furthest apart."""
        import numpy as np

        reach = (self.values.max(axis=0) - self.values.min(axis=0)) * np.abs(step)
        return self.names[int(np.argmax(reach))]


def standardise(columns: Floats, names: Sequence[str]) -> Standardised:
    """The columns (n, p) on one scale.

    Raises
    ------
    NotEstimable
        When a column has one value for everyone, or follows from the columns before it.
    """
    import numpy as np

    centre = columns.mean(axis=0)
    values = columns - centre
    scale = np.sqrt((values**2).mean(axis=0))
    size = np.abs(columns).max(axis=0, initial=0.0)
    same = [names[j] for j in constant(scale, size)]
    if same:
        raise NotEstimable(f"{_named(same)} the same value for everyone analysed; leave it out of the covariates.")
    values /= scale
    repeated = [names[j] for j in dependent(values.T @ values / len(values))]
    if repeated:
        raise NotEstimable(
            f"{_named(repeated)} no information beyond the arm and the covariates before it (they add up to it); "
            "leave it out of the covariates.")  # fmt: skip
    return Standardised(values, tuple(names), centre, scale)


def _named(names: Sequence[str]) -> str:
    listed = ", ".join(f"`{n}`" for n in names)
    return f"{listed} {'has' if len(names) == 1 else 'have each'}"


def constant(scale: Floats, size: Floats) -> list[int]:
    """Columns whose standard deviation (p,) is nothing beside their largest absolute value (p,)."""
    return [j for j, (s, m) in enumerate(zip(scale, size, strict=True)) if s <= ROUNDING * max(m, 1e-300)]


def dependent(correlation: Floats) -> list[int]:
    """Columns whose variance the columns before them explain, by Cholesky's steps on the correlation (p, p)."""
    left = correlation.copy()
    found = []
    for j in range(len(left)):
        if left[j, j] < DEPENDENT:
            found.append(j)
            left[j:, j] = left[j, j:] = 0.0
            continue
        row = left[j] / left[j, j]
        left[j + 1 :] -= left[j + 1 :, [j]] * row
    return found
