"""Group-time effects: each cohort's change since a base period against the change of units not treated by then.

Every effect is a difference of two mean differences, so its influence on a cluster needs no more than the
cluster's sums of outcomes by cohort and period. Units count where they are observed in both periods compared.
Reference: Callaway and Sant'Anna (2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.inference.covariance import cluster_starts
from evaluation.inference.scores import meat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evaluation.data.moments import Floats, Integers, Mask, PanelMoments

ControlGroup = Literal["never_treated", "not_yet_treated"]
BasePeriod = Literal["varying", "universal"]
BLOCK = 16_384  # rows whose influences are held at once


@dataclass(frozen=True)
class Cell:
    """One comparison: a cohort in a period (an index into the periods) against its base, and who may be a control."""

    cohort: int
    period: int
    base: int
    controls: frozenset[int]


def comparisons(
    moments: PanelMoments, control_group: ControlGroup, base_period: BasePeriod, anticipation: int
) -> list[Cell]:
    """Every cohort and period to compare, by cohort and period.

    The base is the last period before adoption and its anticipation; with `varying`, periods before adoption are
    compared with the period just before them. A universal base is compared with itself: that cell is the reference.
    """
    times = moments.times.tolist()
    cohorts = np.unique(moments.cohort).tolist()
    cells = []
    for g in (g for g in cohorts if times[0] + anticipation < g <= times[-1]):
        long = max(k for k, t in enumerate(times) if t + anticipation < g)
        for k, t in enumerate(times):
            varying = base_period == "varying" and t < g
            if base_period == "varying" and k == 0:
                continue
            base = k - 1 if varying else long
            until = times[max(k, base)] + anticipation
            cells.append(Cell(g, k, base, _controls(cohorts, g, until, control_group)))
    return cells


def _controls(cohorts: list[int], cohort: int, until: int, control_group: ControlGroup) -> frozenset[int]:
    """Cohorts never treated or, if so asked, neither treated nor expecting it in either period compared."""
    later = (g for g in cohorts if g > until and g != cohort) if control_group == "not_yet_treated" else ()
    return frozenset(later) | ({0} & set(cohorts))


@dataclass(frozen=True)
class Kinds:
    """Sums over all units of one cohort observed in the same periods: D kinds by T periods."""

    of_row: Integers  # (R,)
    cohort: Integers  # (D,)
    observed: Mask  # (D, T)
    units: Integers  # (D,)
    weight: Floats  # (D,)
    sums: Floats  # (D, T)

    @classmethod
    def of(cls, moments: PanelMoments, weight: Floats) -> Kinds:
        """The kinds of a panel whose rows weigh `weight` (R,)."""
        bits = np.packbits(moments.observed, axis=1)
        key = np.concatenate([moments.cohort.astype(">i8").view(np.uint8).reshape(-1, 8), bits], axis=1)
        whole = np.ascontiguousarray(key).view(np.dtype((np.void, key.shape[1]))).ravel()
        _, first, of_row = np.unique(whole, return_index=True, return_inverse=True)
        n = len(first)

        def total(values: Floats) -> Floats:
            return np.bincount(of_row, values, n).astype(np.float64)

        return cls(
            of_row,
            moments.cohort[first],
            moments.observed[first],
            total(moments.units.astype(np.float64)).astype(np.int64),
            total(weight),
            np.stack([total(column) for column in moments.sums.T], axis=1),
        )

    def both(self, cell: Cell) -> Mask:
        """Kinds (D,) observed in both periods of a comparison."""
        found: Mask = self.observed[:, cell.period] & self.observed[:, cell.base]
        return found


@dataclass(frozen=True)
class GroupTime:
    """K comparisons with their estimates, and how these vary together with the cohorts' weights.

    `att` is NaN where there is nothing to compare and 0 at a reference. `covariance` is of the K estimates and the
    J cohort weights (as shares), in this order, (K + J, K + J).
    """

    cells: list[Cell]
    periods: Integers  # (T,)
    att: Floats  # (K,)
    reference: Mask  # (K,)
    treated: Mask  # (K, D) kinds compared
    control: Mask  # (K, D) kinds compared with
    cohorts: Integers  # (J,) those that are treated in some cell
    share: Floats  # (J,) their weight, as a share of all units' weight
    covariance: Floats
    kinds: Kinds
    moments: PanelMoments

    @cached_property
    def cohort(self) -> Integers:
        """First treated period of each cell (K,)."""
        return np.array([c.cohort for c in self.cells], dtype=np.int64)

    @cached_property
    def time(self) -> Integers:
        """Period of each cell (K,)."""
        return self.periods[[c.period for c in self.cells]]

    @cached_property
    def available(self) -> Mask:
        """Whether a cell has an estimate (K,)."""
        return np.isfinite(self.att)


def group_time(moments: PanelMoments, cells: list[Cell]) -> GroupTime:
    """Estimate every comparison, with influence-function covariances summed within clusters.

    Weights must be constant within units.
    """
    weight = moments.weights.max(axis=1)
    kinds = Kinds.of(moments, weight)
    members = [(kinds.both(c), c) for c in cells]
    treated = np.array([both & (kinds.cohort == c.cohort) for both, c in members])
    control = np.array([both & np.isin(kinds.cohort, sorted(c.controls)) for both, c in members])
    reference = np.array([c.period == c.base for c in cells])
    usable = treated.any(axis=1) & (control.any(axis=1) | reference)
    change = np.array([_mean_change(kinds, c, m) for c, m in zip(cells, treated, strict=True)])
    change_of_controls = np.array([_mean_change(kinds, c, m) for c, m in zip(cells, control, strict=True)])
    att = np.where(reference, 0.0, change - change_of_controls)
    att = np.where(usable, att, np.nan)
    cohorts = np.unique([c.cohort for c in cells])
    influence = _Influence(
        moments, kinds, weight, cells,
        active=usable & ~reference,
        loading=_loading(kinds, treated) - _loading(kinds, control),
        centre=np.where(treated, change[:, None], change_of_controls[:, None]),
        cohorts=cohorts)  # fmt: skip
    covariance = np.zeros((len(cells) + len(cohorts),) * 2)
    if moments.cross is not None:
        covariance = meat(moments, influence.loading_of, len(covariance))
    else:
        for block in influence.by_cluster():
            covariance += block.T @ block
    share = np.array([kinds.weight[kinds.cohort == g].sum() for g in cohorts]) / weight.sum()
    return GroupTime(cells, moments.times, att, reference, treated, control, cohorts, share, covariance, kinds, moments)


def _mean_change(kinds: Kinds, cell: Cell, members: Mask) -> float:
    """Weighted mean change since the base of the kinds `members` (D,); NaN where there are none."""
    if not members.any():
        return float("nan")
    change = kinds.sums[members, cell.period] - kinds.sums[members, cell.base]
    return float(change.sum() / kinds.weight[members].sum())


def _loading(kinds: Kinds, members: Mask) -> Floats:
    """One over the weight of the members, for the members (K, D); 0 for others."""
    total = members @ kinds.weight
    loading: Floats = members / np.where(total > 0, total, 1.0)[:, None]
    return loading


@dataclass(frozen=True)
class _Influence:
    """What each cluster adds to the error of each estimate and of each cohort's weight share."""

    moments: PanelMoments
    kinds: Kinds
    weight: Floats  # (R,)
    cells: list[Cell]
    active: Mask  # (K,)
    loading: Floats  # (K, D)
    centre: Floats  # (K, D)
    cohorts: Integers  # (J,)

    def by_cluster(self) -> Iterator[Floats]:
        """Influences (clusters, K + J), block by block: a block ends with a cluster."""
        starts = cluster_starts(self.moments.cluster)
        ends = np.r_[starts[1:], len(self.moments.cluster)]
        at = 0
        while at < len(starts):
            last = max(int(np.searchsorted(ends, starts[at] + BLOCK, side="right")), at + 1)
            rows = slice(int(starts[at]), int(ends[last - 1]))
            yield np.add.reduceat(self._of_rows(rows), starts[at:last] - starts[at], axis=0)
            at = last

    def loading_of(self, row: int) -> Floats:
        """The influence of a unit of a row's kind as a function of 1 and its outcomes (1 + T, K + J)."""
        kind, k = self.kinds.of_row[row], np.flatnonzero(self.active)
        found = np.zeros((1 + len(self.moments.times), len(self.cells) + len(self.cohorts)))
        load = self.loading[k, kind]
        np.add.at(found, (1 + np.array([self.cells[j].period for j in k], dtype=np.intp), k), load)
        np.add.at(found, (1 + np.array([self.cells[j].base for j in k], dtype=np.intp), k), -load)
        found[0, k] = -load * np.nan_to_num(self.centre[k, kind])
        found[0, len(self.cells) :] = (self.moments.cohort[row] == self.cohorts) / self.weight.sum()
        return found

    def _of_rows(self, rows: slice) -> Floats:
        kind, weight, sums = self.kinds.of_row[rows], self.weight[rows], self.moments.sums[rows]
        found = np.zeros((len(kind), len(self.cells) + len(self.cohorts)))
        for k in np.flatnonzero(self.active):
            cell, centre = self.cells[k], np.nan_to_num(self.centre[k])
            change = sums[:, cell.period] - sums[:, cell.base]
            found[:, k] = self.loading[k][kind] * (change - weight * centre[kind])
        cohort, total = self.moments.cohort[rows], self.weight.sum()
        found[:, len(self.cells) :] = (cohort[:, None] == self.cohorts) * (weight / total)[:, None]
        return found
