"""What a two-way fixed effects coefficient is made of: comparisons of two groups, before and after (Goodman-Bacon)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.results import Check, Component, ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Mask, PanelMoments

NEVER, ALWAYS = "never", "always"


@dataclass(frozen=True)
class _Group:
    """Units that adopt together: their number, weight (as a sum), mean outcomes (T,) and first treated period."""

    name: str
    units: int
    weight: float
    mean: Floats
    start: int  # place of the first treated period; the number of periods for those never treated


def goodman_bacon(moments: PanelMoments) -> ResultSet:
    """The comparisons of two groups whose weighted mean the coefficient is (Goodman-Bacon, 2021).

    `treated_vs_never`, `earlier_vs_later` (the later group not yet treated) and `later_vs_earlier` (the earlier one
    treated already; `always` are units treated throughout). Weights add up to one. Of panels with missing rows, or
    weights that change, there is no such decomposition: a check says so. Cohorts after the last period count as never
    treated.
    """
    reason = _unfit(moments)
    if reason:
        return ResultSet(checks=(Check("goodman_bacon", "info", reason, term="att"),))
    groups = _groups(moments)
    found = list(_comparisons(groups, len(moments.times)))
    total = sum(weight for _, weight, _, _, _ in found)
    if not total > 0:
        return ResultSet()
    components = tuple(
        Component(kind, one.name, other.name, None, weight / total, estimate, (one.units, other.units))
        for kind, weight, estimate, one, other in found
    )
    return ResultSet(components=components, checks=(_already_treated(components),))


def _unfit(moments: PanelMoments) -> str:
    """Why there is no decomposition."""
    if not moments.observed.all():
        return (
            "Not every unit is observed in every period, so the coefficient cannot be taken apart into comparisons of "
            "groups (Goodman-Bacon). Its weights by cohort and period can be given all the same."
        )
    if not moments.constant_weights:
        return (
            "The weights change within units, so the coefficient cannot be taken apart into comparisons of groups "
            "(Goodman-Bacon). Its weights by cohort and period can be given all the same."
        )
    return ""


def _groups(moments: PanelMoments) -> list[_Group]:
    """Groups by first treated period: always treated first, never treated last."""
    import numpy as np

    last = len(moments.times)
    start = np.where(moments.cohort == 0, last, np.searchsorted(moments.times, moments.cohort))
    groups = []
    for k in np.unique(start).tolist():
        rows: Mask = start == k
        name = ALWAYS if k == 0 else NEVER if k == last else str(moments.cohort[rows][0])
        weight = moments.weights[rows].sum(axis=0)
        groups.append(_Group(name, int(moments.units[rows].sum()), float(weight[0]),
                             moments.sums[rows].sum(axis=0) / weight, k))  # fmt: skip
    return groups


def _comparisons(groups: list[_Group], periods: int) -> Iterator[tuple[str, float, float, _Group, _Group]]:
    """Kind, weight (to a common factor), estimate, the group that changes and the one it is compared with."""
    for i, early in enumerate(groups):
        for late in groups[i + 1 :]:
            before, after = (1 - g.start / periods for g in (early, late))  # shares of periods under treatment
            size = early.weight * late.weight * (before - after)
            if early.start > 0:
                kind = "treated_vs_never" if late.start == periods else "earlier_vs_later"
                change = _change(early, late, 0, late.start, early.start)
                yield kind, size * (1 - before), change, early, late
            if late.start < periods:
                change = _change(late, early, early.start, periods, late.start)
                yield "later_vs_earlier", size * after, change, late, early


def _change(one: _Group, other: _Group, first: int, end: int, start: int) -> float:
    """Difference-in-differences of two groups over the periods from `first` to before `end`, treatment from `start`."""
    gap = one.mean - other.mean
    return float(gap[start:end].mean() - gap[first:start].mean())


def _already_treated(components: tuple[Component, ...]) -> Check:
    """How much of the coefficient rests on comparisons with units treated already."""
    mine = [c for c in components if c.kind == "later_vs_earlier"]
    share = sum(c.weight for c in mine)
    counts = tuple(sorted({n for c in components for n in c.counts}))
    if not mine:
        message = "No part of the coefficient compares units with others that are treated already."
        return Check("goodman_bacon", "pass", message, term="att", statistic=0.0, counts=counts)
    mean = sum(c.weight * (c.estimate or 0.0) for c in mine) / share if share else 0.0
    message = (
        f"{share:.0%} of the weight of the coefficient lies on comparisons with units that are treated already; they "
        f"alone would give {mean:.3g}. Where effects grow, such comparisons are biased."
    )
    return Check("goodman_bacon", "info", message, term="att", statistic=share, counts=counts)
