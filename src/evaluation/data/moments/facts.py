"""The rows a panel's moments are made from, and what one scan tells of an outcome: size, range and periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.data.frames import fetched, floats, lean, whole
from evaluation.errors import NotEstimable
from evaluation.results import FlowStep

if TYPE_CHECKING:
    import narwhals as nw

    from evaluation.data.frames import Frame, Frames
    from evaluation.data.moments.model import Floats, Integers, Mask
    from evaluation.data.panel import Panel
    from evaluation.study.models import Outcome

EXTREME = 1e100  # squares of larger numbers, or of their inverses, and sums of these can leave the range of a DOUBLE


def rows_of(engine: Frames, panel: Panel, columns: Sequence[str], by: str | None) -> Frame:
    """The panel's rows: unit `u`, period `t`, cohort `g` (0 = never), outcomes `y0`, `y1` and so on.

    Cluster `c` where it is not the unit, weight `w` where there are weights, subgroup `b` where one is asked for (rows
    without one are left out).
    """
    import narwhals as nw

    roles = {"u": panel.unit, "t": panel.time, "g": panel.cohort, **{f"y{j}": c for j, c in enumerate(columns)}}
    roles |= {} if panel.clustered_by_unit else {"c": panel.cluster}
    roles |= {"w": panel.weights} if panel.weights else {}
    roles |= {"b": by} if by else {}
    names = list(dict.fromkeys(roles.values()))
    raw = engine.columns(panel.source, names)
    types = raw.collect_schema()

    def value(role: str) -> nw.Expr:
        name = f"x{names.index(roles[role])}"
        column = nw.col(name)
        if not types[name].is_float():
            return column
        known = ~column.is_nan()
        return nw.when(known & (column != np.inf) if role == "g" else known).then(column)

    numbers = {
        "t": nw.Int64,
        "g": nw.Int64,
        "w": nw.Float64,
        **dict.fromkeys((r for r in roles if r[0] == "y"), nw.Float64),
    }
    chosen = {r: value(r).cast(numbers[r]) if r in numbers else value(r) for r in roles}
    with lean():
        rows = raw.select(**chosen | {"g": chosen["g"].fill_null(0)})
    return rows.filter(~nw.col("b").is_null()) if by else rows


def usable(place: int, weighted: bool) -> nw.Expr:
    """Whether a row has the outcome at `place`, and a weight."""
    import narwhals as nw

    known = ~nw.col(f"y{place}").is_null()
    return known & (nw.col("w") > 0) if weighted else known


@dataclass(frozen=True)
class Facts:
    """What is known of an outcome after the first scan, F lines: one a period, of each level of the subgroup."""

    level: tuple[Any, ...]  # (F,) None where there are no subgroups
    time: Integers  # (F,)
    rows: Integers  # (F,)
    known: Integers  # (F,) rows with an outcome
    used: Integers  # (F,) of these, rows with a weight
    low: Floats  # (F,) NaN without any
    high: Floats  # (F,)
    heaviest: Floats  # (F,) largest weight

    @cached_property
    def times(self) -> Integers:
        """Periods with any usable outcome, ascending."""
        return np.unique(self.time[self.used > 0])

    @property
    def n_rows(self) -> int:
        """Rows in the data."""
        return int(self.rows.sum())

    @property
    def levels(self) -> list[Any]:
        """Levels of the subgroup, ascending; [None] where there are none."""
        return sorted(set(self.level)) if self.level and self.level[0] is not None else [None]

    @property
    def even(self) -> bool:
        """Whether nothing is missing and all periods have as many rows: units may all be complete."""
        whole = bool((self.used == self.rows).all())
        per_period = np.bincount(np.searchsorted(self.times, self.time), self.rows) if whole else self.rows
        return whole and bool((per_period == per_period[0]).all())

    @property
    def shift(self) -> float:
        """The middle of the outcome's range."""
        return float(np.nanmin(self.low) / 2 + np.nanmax(self.high) / 2)

    @property
    def spread(self) -> float:
        """Half of the outcome's range."""
        return float(np.nanmax(self.high) / 2 - np.nanmin(self.low) / 2)

    @property
    def weight(self) -> float:
        """The largest weight."""
        return float(np.nanmax(self.heaviest))

    def check(self) -> None:
        """Raise NotEstimable without any outcome, or with numbers whose squares are none."""
        if not self.used.any():
            raise NotEstimable("No row has an outcome.")
        for what, size in (("outcome's range", self.spread), ("largest weight", self.weight)):
            if size and not 1 / EXTREME < size < EXTREME:
                raise NotEstimable(
                    f"The {what} is {'above' if size > 1 else 'below'} what can be reckoned with: give it in another "
                    "unit, or correct the data."
                )

    def flow(self, outcome: Outcome, level: Any, units: int, lost: int) -> tuple[FlowStep, ...]:
        """What left on the way to `units` units of a level, of which `lost` had nothing usable."""
        mine: Mask = np.array([one == level for one in self.level])
        read, known, used = (int(n[mine].sum()) for n in (self.rows, self.known, self.used))
        steps = [
            FlowStep("read", "Rows in the data", "row", 0, read),
            FlowStep("missing_outcome", f'The outcome "{outcome.label}" is missing', "row", read - known, known),
        ]
        if known > used:
            steps.append(FlowStep("zero_weight", "The weight is zero", "row", known - used, used))
        return (*steps, FlowStep("unit_without_outcome", "No period with a usable outcome", "unit", lost, units))


def facts_of(engine: Frames, rows: Frame, count: int, weighted: bool, by: str | None) -> list[Facts]:
    """What one scan tells of each of `count` outcomes."""
    import narwhals as nw

    found = [nw.len().alias("n")]
    for j in range(count):
        y, used = nw.col(f"y{j}"), usable(j, weighted)
        here = nw.when(used).then(y) if weighted else y
        found += [y.count().alias(f"known{j}"), here.count().alias(f"used{j}")]
        found += [here.min().alias(f"low{j}"), here.max().alias(f"high{j}")]
        found += [nw.when(used).then(nw.col("w")).max().alias(f"heaviest{j}")] if weighted else []
    keys = ["b", "t"] if by else ["t"]
    table = fetched(engine, lambda: rows.group_by(keys).agg(*found))
    time, n = whole(table["t"]), whole(table["n"])
    level = tuple(table["b"].tolist()) if by else (None,) * len(n)
    made = []
    for j in range(count):
        known, with_weight = whole(table[f"known{j}"]), whole(table[f"used{j}"])
        heaviest = floats(table[f"heaviest{j}"]) if weighted else np.ones(len(n))
        low, high = floats(table[f"low{j}"]), floats(table[f"high{j}"])
        made.append(Facts(level, time, n, known, with_weight, low, high, heaviest))
    return made
