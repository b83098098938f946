"""Characteristics of simulated people: correlated, of the type a column's name suggests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

CORRELATION = 0.2  # between the traits behind any two characteristics


@dataclass(frozen=True)
class Shape:
    """How a characteristic is spread, and whether more of it raises (+1) or lowers (-1) risk."""

    kind: Literal["age", "count", "score", "yes_no"]
    direction: int


_SHAPES: tuple[tuple[tuple[str, ...], Shape], ...] = (
    (("age",), Shape("age", -1)),
    (("prior", "number", "count", "arrests", "convictions", "violations"), Shape("count", 1)),
    (("educ", "income", "earnings", "years"), Shape("score", -1)),
    (("score", "risk", "severity", "served"), Shape("score", 1)),
    (("married", "employ", "job", "work", "hous", "female", "diploma", "insur"), Shape("yes_no", -1)),
)


def shape(name: str) -> Shape:
    """The shape a column's name suggests; a yes/no characteristic that raises risk where it suggests none."""
    words = name.lower()
    for parts, found in _SHAPES:
        if any(part in words if len(part) > 3 else part in words.split("_") for part in parts):
            return found
    return Shape("yes_no", 1)


def _values(found: Shape, trait: NDArray[np.float64], share: float) -> NDArray[np.int64]:
    import numpy as np
    from scipy.special import ndtr, ndtri

    if found.kind == "age":
        return np.floor(18 + 42 * ndtr(trait) ** 1.6).astype(np.int64)
    if found.kind == "count":
        return np.floor(np.exp(0.6 + 0.8 * trait)).clip(0, 20).astype(np.int64)
    if found.kind == "score":
        return np.rint(50 + 10 * trait).astype(np.int64)
    return (trait > ndtri(1 - share)).astype(np.int64)


def draw(names: Sequence[str], size: int, generator: np.random.Generator) -> dict[str, NDArray[np.int64]]:
    """Values of every characteristic for `size` people, as whole numbers.

    One trait common to all makes any two correlate; shares of the yes/no ones run from 0.25 to 0.6.
    """
    common = generator.standard_normal(size)
    columns = {}
    for position, name in enumerate(names):
        found = shape(name)
        trait = CORRELATION**0.5 * found.direction * common + (1 - CORRELATION) ** 0.5 * generator.standard_normal(size)
        columns[name] = _values(found, trait, 0.25 + 0.35 * (position * 0.618 % 1))
    return columns


def risk_score(columns: dict[str, NDArray[np.int64]], spread: float) -> NDArray[np.float64] | float:
    """A score linear in the columns with mean 0 and standard deviation `spread`; 0 where there are no columns."""
    import numpy as np

    total: NDArray[np.float64] | float = 0.0
    for name, values in columns.items():
        deviation = float(values.std())
        if deviation > 0:
            total = total + shape(name).direction * (values - values.mean()) / deviation
    deviation = float(np.std(total))
    return total * (spread / deviation) if deviation > 0 else 0.0
