"""Sums that do not depend on the order of the rows, by rounding to a common scale before adding.

A floating-point sum changes in its last digits with the number of threads. Two forms here do not:

- `Parts` cuts each value into two or three pieces, each a whole multiple of a power of two of its own, so few digits
  long that no sum of them can need more than the 53 bits of a floating-point number. Such sums are exact, and so the
  same in any order, on any number of threads and on any engine that adds by IEEE 754.
- `whole_sum` adds 128-bit integers, which DuckDB has.

Either way the rounding is far below that of a floating-point sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_BITS = 126  # of a HUGEINT's 127, one left for rounding
_LARGEST = 1000  # powers of two beyond 2^1023 are no numbers
_EXACT = 53  # bits of a floating-point number
_ENOUGH = 48  # bits that are kept below the bound, or more


@dataclass(frozen=True)
class Parts:
    """How to cut values of magnitude up to a bound: the size of the last digit of each part, as a power of two."""

    digits: tuple[int, ...]

    @classmethod
    def of(cls, bound: float, terms: int) -> Parts:
        """Parts of which `terms` add up exactly; three where two would keep fewer than 48 bits below `bound`."""
        top = math.frexp(bound)[1] + 1 if bound > 0 else 1  # a rounded product may reach just beyond the bound
        bits = _EXACT - terms.bit_length()
        digits = [top - bits]
        while len(digits) < 2 or top - digits[-1] < _ENOUGH:
            digits.append(digits[-1] - bits)
        return cls(tuple(digits))

    @property
    def rounders(self) -> list[float]:
        """The large number that, added and taken away, leaves a value's whole multiples of each last digit."""
        return [1.5 * 2.0 ** (digit + _EXACT - 1) for digit in self.digits]

    def cut(self, value: Any) -> list[Any]:
        """The parts of a number, or of a column's expression: a large number added and taken away rounds it."""
        found = []
        for large in self.rounders:
            part = (value + large) - large
            found.append(part)
            value = value - part
        return found

    @staticmethod
    def total(sums: Sequence[Any]) -> Any:
        """The whole from the sums of the parts, smallest first."""
        found = sums[-1]
        for part in reversed(sums[:-1]):
            found = found + part
        return found


def power(bound: float, terms: int) -> int:
    """The exponent of the common scale for `terms` values of magnitude up to `bound`."""
    exponent = math.frexp(bound)[1] if bound > 0 else 0
    return min(_BITS - exponent - terms.bit_length(), _LARGEST)


def up_to_one(bound: float) -> float:
    """A power of two that takes values of magnitude up to `bound` to at most 1, which loses no digit."""
    return 2.0 ** -max(math.frexp(bound)[1], -_LARGEST)


def whole_sum(expression: str, scale: int) -> str:
    """SQL for the sum of a DOUBLE expression as a whole number of 2^-scale."""
    return f"sum(CAST(({expression}) * {2.0**scale!r} AS HUGEINT))"
