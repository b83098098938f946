"""Overall and differential attrition against the What Works Clearinghouse's boundary.

The boundary is a table of facts (`data_dictionary/thresholds/wwc_attrition.csv`): What Works Clearinghouse (2020),
Standards Handbook 4.1, table II.1.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from typing import Literal

from evaluation import resources

CLOSE = 1e-8  # percentage points by which rounding may put a differential above its bound
Rating = Literal["low", "high"]


@dataclass(frozen=True)
class Bound:
    """The largest differential attrition, in percentage points, that is low; None where none is."""

    cautious: float | None
    optimistic: float | None


@dataclass(frozen=True)
class Loss:
    """Attrition in per cent, overall and between the arms, with what the boundary says of it."""

    overall: float
    differential: float
    bound: Bound

    @property
    def cautious(self) -> Rating:
        """The rating where the program itself may have made people leave."""
        return _rating(self.differential, self.bound.cautious)

    @property
    def optimistic(self) -> Rating:
        """The rating where people left for reasons that have little to do with the program."""
        return _rating(self.differential, self.bound.optimistic)


def _rating(differential: float, bound: float | None) -> Rating:
    return "low" if bound is not None and differential <= bound + CLOSE else "high"


@cache
def _table() -> dict[int, Bound]:
    path = resources.folder("data_dictionary") / "thresholds" / "wwc_attrition.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return {int(r["overall"]): Bound(_number(r["cautious"]), _number(r["optimistic"]))
                for r in csv.DictReader(file)}  # fmt: skip


def _number(text: str) -> float | None:
    return float(text) if text else None


def bound(overall: float) -> Bound:
    """The boundary at an overall attrition in per cent, rounded to a whole one (a half goes up)."""
    return _table().get(math.floor(overall + 0.5), Bound(None, None))


def loss(entered: tuple[int, int], known: tuple[int, int]) -> Loss:
    """Attrition of people who `entered` the arms (treated, comparison) and of whom the outcome is `known`.

    Both arms need people.
    """
    lost = [100 * (n - k) / n for n, k in zip(entered, known, strict=True)]
    overall = 100 * (sum(entered) - sum(known)) / sum(entered)
    return Loss(overall, abs(lost[0] - lost[1]), bound(overall))
