"""Numbers as a reader meets them: few digits, thousands separators, a real minus sign, never a negative zero."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_UP, Decimal

MINUS = "−"
DIGITS = 3
_P_VALUE = re.compile(r"\b(p(?:-value)?) ?= ?(\d*\.?\d+(?:[eE][-+]?\d+)?)(?![\w]|\.\d)")
_DECIMAL = re.compile(r"(?<![\w.,])-?\d+\.\d+(?:[eE][-+]?\d+)?(?![\w]|\.\d)")


def _rounded(value: float, places: int) -> Decimal:
    """`value` as its shortest decimal text, rounded half up at `places` decimals (negative: tens, hundreds, …)."""
    return Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def _text(value: Decimal) -> str:
    plain = f"{value:,f}"
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return MINUS + plain[1:] if plain.startswith("-") and value != 0 else plain.lstrip("-")


def _places(value: float, digits: int) -> int:
    return digits - 1 - math.floor(math.log10(abs(value)))


def number(value: float, digits: int = DIGITS, *, apart_from: float | None = None) -> str:
    """`value` with at most `digits` significant digits, trailing zeros dropped: 0.0833, 12.3, 1,230.

    Where rounding would make it equal `apart_from` (a null value it differs from), digits are added until it
    no longer does: 1.002 stays 1.002 beside a null of 1.
    """
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    places = _places(value, digits)
    found = _rounded(value, places)
    while apart_from is not None and value != apart_from and found == Decimal(repr(float(apart_from))):
        places += 1
        found = _rounded(value, places)
    return _text(found)


def aligned(values: list[float], digits: int = DIGITS) -> list[str]:
    """Figures that stand side by side, to the decimals of the largest: 3.21 and 0.22, not 0.221.

    None that differs from 0 becomes 0: it keeps one significant digit.
    """
    largest = max((abs(v) for v in values), default=0.0)
    if largest == 0:
        return ["0" for _ in values]
    places = max(_places(largest, digits), 0)
    return [number(v, 1) if _short(v, places) else _text(_rounded(v, places)) for v in values]


def _short(value: float, places: int) -> bool:
    return value != 0 and _rounded(value, places) == 0


def p_cell(p: float | None) -> str:
    """A p-value for a table: empty where there is none, `< 0.001` for a small one."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else p_value(p)


def whole(value: float) -> str:
    """A count, exact, with thousands separators."""
    return _text(_rounded(value, 0))


def per(value: float) -> str:
    """An amount among so many people: whole from 1 upward, one significant digit below; never 0 for what is not 0."""
    if value == 0:
        return "0"
    return whole(value) if abs(value) >= 0.95 else number(value, 1)


def percent(share: float) -> str:
    """A share as per cent: 0.2222 → 22%; below 1% with two digits; never 0% or 100% for what is not."""
    value = 100 * share
    if value == 0 or 1 <= value <= 99:
        return f"{whole(value)}%"
    if 99 < value < 100:
        return f"{_text(_rounded(value, 1)) if value < 99.95 else 'more than 99.9'}%"
    return f"{number(value, 2)}%"


def p_value(p: float) -> str:
    """A p-value for prose and tables: two significant digits; 'less than 0.001' below that."""
    if p < 0.001:
        return "less than 0.001"
    return number(p, 2) if p < 0.995 else "1"


def shortened(text: str) -> str:
    """`text` with every number of many decimals cut to what a reader can use, and minus signs made real."""

    def tested(match: re.Match[str]) -> str:
        shown = p_value(float(match.group(2)))
        return f"{match.group(1)} {shown}" if shown.startswith("less") else f"{match.group(1)} = {shown}"

    def short(match: re.Match[str]) -> str:
        token = match.group()
        digits = len(token.lstrip("-").replace(".", "").lstrip("0"))
        integer = len(token.lstrip("-").partition(".")[0].lstrip("0"))
        if digits <= DIGITS + 1 and "e" not in token.lower():
            return token.replace("-", MINUS)
        return number(float(token), max(DIGITS, integer))

    return _DECIMAL.sub(short, _P_VALUE.sub(tested, text))


def listing(items: list[str], last: str = "and") -> str:
    """Items as a phrase: a; a and b; a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""
