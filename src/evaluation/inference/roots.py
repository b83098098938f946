"""Where a function of one variable changes its sign, in few calls: the functions here cost milliseconds each.

scipy's own root finders are not used since their package takes half a second to import.
"""

from __future__ import annotations

from collections.abc import Callable


def sign_change(function: Callable[[float], float], low: float, high: float, *, close: float) -> tuple[float, float]:
    """An interval no wider than `close` times its place in which `function` changes its sign, `low`'s side first.

    The values at `low` and `high` must differ in sign, where zero counts as the sign of `high`; they may be infinite.
    Chandrupatla (1997): inverse quadratic interpolation where the last three values allow it, else bisection.
    """
    a, at_a, b, at_b = low, function(low), high, function(high)
    if at_b == 0:
        return b, b
    positive = at_a > 0
    share = _between(at_a / (at_a - at_b) if at_a != at_b else 0.5)
    while abs(b - a) > (room := close * max(abs(a), abs(b))):
        least = room / 2 / abs(b - a)
        x = a + min(max(share, least), 1 - least) * (b - a)
        if x in (a, b):  # neighbours among floating-point numbers
            break
        value = function(x)
        if value == 0:
            return x, x
        if (value > 0) == (at_a > 0):
            c, at_c = a, at_a
        else:
            c, at_c, b, at_b = b, at_b, a, at_a
        a, at_a = x, value
        share = _between(_interpolated(a, at_a, b, at_b, c, at_c))
    return (a, b) if (at_a > 0) == positive else (b, a)


def _between(share: float) -> float:
    """The share of the way to go, the middle where there is none."""
    return share if 0 < share < 1 else 0.5


def _interpolated(a: float, at_a: float, b: float, at_b: float, c: float, at_c: float) -> float:
    """How far from a to b the inverse parabola through three points crosses zero; NaN where it bends too much."""
    if at_c in (at_a, at_b):
        return float("nan")
    along, risen = (a - b) / (c - b), (at_a - at_b) / (at_c - at_b)
    if not (risen**2 < along and (1 - risen) ** 2 < 1 - along):
        return float("nan")
    across = at_a / (at_b - at_a) * at_c / (at_b - at_c)
    return across + (c - a) / (b - a) * at_a / (at_c - at_a) * at_b / (at_c - at_b)
