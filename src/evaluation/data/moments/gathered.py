"""Rows of moments on their way from an engine's tables to numpy: exact sums read back, kinds of units put in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.data.exact import Parts
from evaluation.data.frames import floats, ranks, whole
from evaluation.data.moments.model import PanelMoments, picked

if TYPE_CHECKING:
    import narwhals as nw

    from evaluation.data.frames import Columns
    from evaluation.data.moments.facts import Facts
    from evaluation.data.moments.model import Floats, Integers, Mask
    from evaluation.study.models import Outcome

WORD = 50  # periods told apart by the bits of one floating-point number


@dataclass(frozen=True)
class Sum:
    """An exact sum in an aggregation: the expressions to ask for, and the numbers that come back."""

    name: str
    parts: Parts

    def asked(self, value: nw.Expr) -> list[nw.Expr]:
        """The sums of the value's parts."""
        return [part.sum().alias(f"{self.name}_{i}") for i, part in enumerate(self.parts.cut(value))]

    def read(self, table: Columns) -> Floats:
        """The sums, one a row of the result."""
        found: Floats = Parts.total([floats(table[f"{self.name}_{i}"]) for i in range(len(self.parts.digits))])
        return found


@dataclass(frozen=True)
class Gathered:
    """Moments of all levels of a subgroup together, R rows; `lost` counts units without any usable outcome."""

    level: tuple[Any, ...]  # (R,)
    cluster: Integers
    cohort: Integers
    units: Integers
    counts: Integers
    weights: Floats
    sums: Floats
    shift: float
    constant: bool
    lost: dict[Any, int]
    cross: Floats | None = None

    def moments(self, facts: Facts, outcome: Outcome, level: Any) -> PanelMoments:
        """The moments of one level; periods it does not have are left out."""
        lost = self.lost.get(level, 0)
        found = PanelMoments(
            facts.times, self.cluster, self.cohort, self.units, self.counts, self.weights, self.sums, self.shift,
            facts.spread, self.constant, (), self.cross)  # fmt: skip
        if level is not None:
            found = _only(found, np.array([one == level for one in self.level]))
        return replace(found, flow=facts.flow(outcome, level, found.n_units, lost))


def _only(moments: PanelMoments, rows: Mask) -> PanelMoments:
    """Some rows, and the periods these have."""
    periods = np.asarray(moments.counts[rows].any(axis=0))
    at = np.ix_(rows, periods)
    return replace(
        moments,
        times=moments.times[periods],
        cluster=moments.cluster[rows] if moments.cross is None else np.arange(int(rows.sum())),
        cohort=moments.cohort[rows],
        units=moments.units[rows],
        counts=moments.counts[at],
        weights=moments.weights[at],
        sums=moments.sums[at],
        cross=picked(moments.cross, rows, periods),
    )


@dataclass(frozen=True)
class Kinds:
    """Lines of a result put in the order of cluster, cohort, level and pattern; lines of equal keys share a row."""

    row: Integers  # (L,) place of each line
    first: Integers  # (R,) a line of each row
    cluster: Integers  # (R,)
    cohort: Integers  # (R,)
    level: tuple[Any, ...]  # (R,)

    @classmethod
    def of(cls, table: Columns, patterns: Sequence[str] = ()) -> Kinds:
        """The kinds of a result with columns `g` and, where there are any, `c`, `b` and `patterns`."""
        n = len(table["g"])
        cluster = ranks(table["c"])[0] if "c" in table else np.zeros(n, dtype=np.int64)
        code, levels = levels_of(table)
        cohort = whole(table["g"])
        keys = [cluster, cohort, code, *(whole(table[p]) for p in patterns)]
        order = np.lexsort(keys[::-1])
        changed = np.zeros(n, dtype=np.bool_)
        changed[1:] = np.logical_or.reduce([k[order][1:] != k[order][:-1] for k in keys])
        row = np.empty(n, dtype=np.int64)
        row[order] = np.cumsum(changed)
        first = order[np.flatnonzero(np.r_[True, changed[1:]])]
        return cls(row, first, cluster[first], cohort[first], tuple(levels[b] for b in code[first]))


def levels_of(table: Columns) -> tuple[Integers, list[Any]]:
    """Each line's place among the levels of the subgroup, and these; [None] where there is no subgroup."""
    if "b" not in table:
        return np.zeros(len(table["g"]), dtype=np.int64), [None]
    return ranks(table["b"])


def words(periods: int) -> list[str]:
    """Names of the columns that hold a unit's pattern of periods."""
    return [f"p{i}" for i in range(-(-periods // WORD))]


def observed(table: Columns, periods: int) -> Mask:
    """Which periods the patterns of a result's lines hold, (L, T)."""
    held = [whole(table[p])[:, None] >> np.arange(WORD) & 1 for p in words(periods)]
    found: Mask = np.concatenate(held, axis=1)[:, :periods].astype(np.bool_)
    return found


def counted(levels: Iterable[Any], numbers: Integers) -> dict[Any, int]:
    """Numbers added up by level."""
    found: dict[Any, int] = {}
    for level, number in zip(levels, numbers.tolist(), strict=True):
        found[level] = found.get(level, 0) + number
    return found
