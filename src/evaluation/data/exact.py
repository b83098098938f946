"""Sums that do not depend on the order of the rows: numbers are added as 128-bit integers on a common scale.

A floating-point sum changes in its last digits with the number of threads. Here each value is multiplied by a
power of two (which loses nothing) and rounded to a whole number; whole numbers add up to the same total in any
order. The power is the largest for which the total cannot overflow, so the rounding is far below that of a
floating-point sum.
"""

from __future__ import annotations

import math

_BITS = 126  # of a HUGEINT's 127, one left for rounding
_LARGEST = 1000  # powers of two beyond 2^1023 are no numbers


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


def exact_sum(expression: str, scale: int) -> str:
    """SQL for the sum of a DOUBLE expression, as a DOUBLE that is the same in any order of the rows."""
    return f"({whole_sum(expression, scale)}::DOUBLE * {2.0**-scale!r})"
