"""An estimate in the reader's units: 8 fewer in every 100, 0.9 lower, about 12% higher, 1.2 weeks longer."""

from __future__ import annotations

import math
from dataclasses import dataclass

from evaluation.report import numbers
from evaluation.results import Row
from evaluation.study.models import Outcome

MDE = 2.8  # 80% power at a two-sided 5% level: z(0.975) + z(0.8)
BASES = (100, 1_000, 10_000, 100_000)
RATIOS = frozenset({"risk_ratio", "odds_ratio", "rate_ratio", "hazard_ratio"})


@dataclass(frozen=True)
class Measure:
    """How figures of one kind are said.

    `kind` is `risk` (difference of shares), `level`, `count`, `percent` (a ratio, told as a percentage) or
    `time`. `null` is the stored value that means no difference; `logged` whether the stored figure is a logarithm.
    """

    kind: str
    name: str
    up: str
    down: str
    tail: str = ""
    base: int = 1
    null: float = 0.0
    logged: bool = False
    up_is_good: bool = False

    def size(self, value: float) -> float:
        """The stored figure in the reader's units, signed."""
        if self.kind == "percent":
            return 100 * (math.exp(value) - 1 if self.logged else value - 1)
        return value * self.base

    def _shown(self, size: float) -> str:
        if self.kind == "risk":
            return numbers.per(abs(size))
        if self.kind == "percent":
            return f"{numbers.number(abs(size), 2)}%"
        return numbers.number(abs(size))

    def _directed(self, size: float, shown: str) -> str:
        if size == 0:
            return "no difference"
        unit = f" {self.tail}" if self.kind == "time" else ""
        return f"{shown}{unit} {self.up if size > 0 else self.down}"

    def amount(self, value: float) -> str:
        """`8 fewer`; without the tail."""
        size = self.size(value)
        return self._directed(size, self._shown(size))

    def phrase(self, value: float) -> str:
        """`8 fewer in every 100`."""
        return self.amount(value) + ("" if self.kind == "time" or self.size(value) == 0 else self.tail)

    def span(self, low: float, high: float) -> str:
        """`16 fewer to 0.02 fewer in every 100`."""
        sizes = sorted((self.size(low), self.size(high)))
        shown = [self._shown(s) for s in sizes]
        if self.kind in {"level", "count", "time"}:
            shown = numbers.aligned([abs(s) for s in sizes])
        ends = [self._directed(s, text) for s, text in zip(sizes, shown, strict=True)]
        return " to ".join(ends) + ("" if self.kind == "time" else self.tail)

    def excludes_null(self, low: float, high: float) -> bool:
        """Whether an interval lies wholly on one side of no difference."""
        return low > self.null or high < self.null

    def good(self, value: float) -> bool | None:
        """Whether the figure lies on the hoped-for side; None at exactly no difference."""
        size = self.size(value)
        return None if size == 0 else (size > 0) == self.up_is_good

    def detectable(self, std_error: float) -> str:
        """The minimum detectable effect, 2.8 standard errors, in the reader's units and without a direction."""
        reach = MDE * std_error
        if self.kind == "percent":
            return f"{numbers.number(100 * (math.exp(reach) - 1 if self.logged else reach), 2)}%"
        shown = self._shown(reach * self.base)
        return f"{shown} {self.tail}" if self.kind == "time" else shown + self.tail


def base_for(difference: float | None, risks: list[float]) -> int:
    """Out of how many people risks are told: 100, or more where a risk or the difference would be below 1."""
    smallest = min((r for r in risks if r > 0), default=1.0)
    rare = next((b for b in BASES if smallest * b >= 1), BASES[-1])
    if rare == BASES[0] and difference and abs(difference) * rare < 0.05:
        return BASES[1]
    return rare


RATIO_NAMES = {
    "log": "relative difference",
    "log_hazard": "hazard ratio",
    "log_odds": "odds ratio",
    "log_rate": "rate ratio",
}


def measure_of(row: Row, outcome: Outcome, time_unit: str, risks: list[float] | None = None) -> Measure:
    """The measure an estimate is told in. `risks` are the two groups' risks, where known."""
    good = outcome.better == "higher"
    scale, term = row["scale"], row["term"]
    up, down = ("more", "fewer") if outcome.type == "count" else ("higher", "lower")
    if scale in RATIO_NAMES:
        return Measure("percent", RATIO_NAMES[scale], up, down, logged=True, up_is_good=good)
    if term in RATIOS:
        return Measure("percent", term.replace("_", " "), up, down, null=1.0, up_is_good=good)
    if term == "events_averted":
        return Measure("count", "events averted", "averted", "added", up_is_good=not good)
    if scale == "time":
        name = "difference in event-free time"
        return Measure("time", name, "longer", "shorter", time_unit + "s", up_is_good=not good)
    if scale == "risk" or outcome.type == "binary":
        base = base_for(row["estimate"], risks or [])
        return Measure("risk", "difference in risk", "more", "fewer", f" in every {base:,}", base, up_is_good=good)
    return _in_own_units(outcome, good)


def _in_own_units(outcome: Outcome, good: bool) -> Measure:
    if outcome.type == "count":
        return Measure("count", "difference in counts", "more", "fewer", up_is_good=good)
    return Measure("level", "difference in level", "higher", "lower", up_is_good=good)
