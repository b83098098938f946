"""How a characteristic divides people: the strata, in words, and the SQL condition of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.data.assemble.tables import literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.data.engine import Source

MOST_LEVELS = 8


@dataclass(frozen=True)
class Stratum:
    """One stratum: its name, and the SQL condition that its people meet. People without a value are in none."""

    level: str
    condition: str


def levels(source: Source, column: str, cut: Sequence[float]) -> list[Stratum]:
    """The strata of a column, in order: its values, or the bands between the limits in `cut`.

    Values beyond the first `MOST_LEVELS` are not looked for: one more tells that there are too many.
    """
    value = source.value(column)
    if cut:
        return _bands(source.number(column), cut)
    found = source.query(
        f"SELECT DISTINCT {value} AS v FROM {source.scan} WHERE {value} IS NOT NULL ORDER BY v LIMIT {MOST_LEVELS + 1}"
    )
    return [Stratum(_named(v), f"{value} = {_sql(v)}") for (v,) in found]


def _bands(number: str, cut: Sequence[float]) -> list[Stratum]:
    first, *rest = cut
    found = [Stratum(f"below {first:g}", f"{number} < {float(first)!r}")]
    for low, high in zip(cut, rest, strict=False):
        found.append(
            Stratum(f"{low:g} to below {high:g}", f"{number} >= {float(low)!r} AND {number} < {float(high)!r}")
        )
    return [*found, Stratum(f"{cut[-1]:g} or more", f"{number} >= {float(cut[-1])!r}")]


def _named(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _sql(value: object) -> str:
    return literal(value) if isinstance(value, (bool, int, float, str)) else literal(str(value))
