"""Group-time effects adjusted for covariates.

In a panel, comparisons of the same units (and, where covariates change, of the same base) share their models. In
repeated cross-sections each comparison has its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.covariance import cluster_starts
from evaluation.inference.cross_sections import AdjustedSections, Sample, adjusted_sections
from evaluation.inference.doubly_robust import Adjusted, Method, Side, adjusted
from evaluation.inference.group_time import Cell, GroupTime, Kinds, Members, Overlap, share_influence, shares
from evaluation.inference.group_time_errors import Errors
from evaluation.inference.propensity import NoOverlapError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.data.moments import Floats, Integers, Mask
    from evaluation.data.panel_covariates import CovariateMoments


@dataclass(frozen=True, eq=False)
class _Shared:
    """Comparisons (indices) of the same kinds of units (D,), with covariates of the same period."""

    cells: Integers  # (M,)
    treated: Mask
    control: Mask
    period: int  # of the covariates; any where they do not change
    now: Integers  # (M,) periods compared
    then: Integers  # (M,) their bases

    def change(self, periods: int) -> Floats:
        """Which outcomes make up the changes (T, M)."""
        found = np.zeros((periods, len(self.cells)))
        found[self.now, np.arange(len(self.cells))] = 1.0
        found[self.then, np.arange(len(self.cells))] = -1.0
        return found


def adjusted_group_time(moments: CovariateMoments, cells: list[Cell], method: Method) -> GroupTime:
    """Estimate every comparison given covariates, which are those of its base period.

    Weights must be constant within units. Comparisons whose models cannot be fitted have no estimate, and
    `problems` says why.
    """
    moments.require_whole()
    weight = np.ascontiguousarray(moments.weights.max(axis=1))
    kinds = Kinds.of(moments, weight)
    members = Members.of(kinds, cells, panel=True)
    reference = np.array([c.reference for c in cells])
    usable = members.usable(reference)
    att = np.where(usable & reference, 0.0, np.nan)
    data = _Data(moments, kinds, weight, len(cells), np.unique([c.cohort for c in cells]))
    fitted: list[tuple[_Shared, Adjusted]] = []
    problems: dict[int, str] = {}
    controls: dict[tuple[bytes, int], Side] = {}
    for shared in _groups(moments, cells, members, usable & ~reference):
        key = (shared.control.tobytes(), shared.period)
        if key not in controls:
            controls = {key: data.side(np.flatnonzero(shared.control[kinds.of_row]), shared.period)}
        try:
            treated = data.side(np.flatnonzero(shared.treated[kinds.of_row]), shared.period)
            fit = adjusted(treated, controls[key], shared.change(len(moments.times)), method)
        except NoOverlapError as problem:
            problems.update(dict.fromkeys(shared.cells.tolist(), str(problem)))
            continue
        att[shared.cells] = fit.att
        fitted.append((shared, fit))
    errors = Errors(moments, len(cells) + len(data.cohorts), lambda rows, starts: data.influence(fitted, rows, starts))
    overlap = None if method == "reg" else _overlap([fit for _, fit in fitted])
    return GroupTime(cells, moments.times, att, reference, members, data.cohorts, shares(kinds, data.cohorts), errors,
                     kinds, moments, problems, overlap)  # fmt: skip


def _overlap(fits: Sequence[Adjusted | AdjustedSections]) -> Overlap | None:
    if not fits:
        return None
    return Overlap(max(f.largest for f in fits), max(f.trimmed for f in fits), min(f.effective for f in fits))


def _groups(moments: CovariateMoments, cells: list[Cell], members: Members, active: Mask) -> list[_Shared]:
    """Comparisons put together that have units and covariates in common."""
    found: dict[tuple[bytes, bytes, int], list[int]] = {}
    for k in np.flatnonzero(active).tolist():
        period = cells[k].base if moments.changing else 0
        key = (members.treated_now[k].tobytes(), members.control_now[k].tobytes(), period)
        found.setdefault(key, []).append(k)
    return [
        _Shared(np.array(ks), members.treated_now[ks[0]], members.control_now[ks[0]], key[2],
                np.array([cells[k].period for k in ks]), np.array([cells[k].base for k in ks]))
        for key, ks in found.items()
    ]  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Data:
    """The units' data as the models want them."""

    moments: CovariateMoments
    kinds: Kinds
    weight: Floats  # (R,)
    size: int  # comparisons
    cohorts: Integers  # (J,)

    def side(self, rows: Integers, period: int) -> Side:
        """Some units with the covariates of a period."""
        return Side(self.weight[rows], self.moments.values(rows, period), self.moments.sums[rows])

    def influence(self, fitted: list[tuple[_Shared, Adjusted]], rows: slice, starts: Integers) -> Floats:
        """What clusters that start at `starts` of some rows add to the errors of comparisons and shares (G, K + J)."""
        kind = self.kinds.of_row[rows]
        found = np.zeros((len(starts), self.size + len(self.cohorts)))
        cluster = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(kind)]))
        controls: dict[tuple[bytes, int], tuple[Integers, Side]] = {}
        for shared, fit in fitted:
            inside = np.flatnonzero(shared.treated[kind])
            key = (shared.control.tobytes(), shared.period)
            if key not in controls:
                outside = np.flatnonzero(shared.control[kind])
                controls = {key: (outside, self.side(outside + rows.start, shared.period))}
            outside, control = controls[key]
            if inside.size:
                errors = fit.of_treated(self.side(inside + rows.start, shared.period), cluster[inside])
                found[np.ix_(cluster[inside][cluster_starts(cluster[inside])], shared.cells)] += errors
            if outside.size:
                found[np.ix_(cluster[outside][cluster_starts(cluster[outside])], shared.cells)] += fit.of_controls(
                    control, cluster[outside]
                )
        found[:, self.size :] = share_influence(self.moments, self.weight, self.cohorts, rows, starts)
        return found


def adjusted_sections_group_time(moments: CovariateMoments, cells: list[Cell], method: Method) -> GroupTime:
    """The same where every row is an observation of its own, with covariates of its own period."""
    moments.require_whole()
    mass = moments.weights.sum(axis=1)
    kinds = Kinds.of(moments, mass)
    members = Members.of(kinds, cells, panel=False)
    reference = np.array([c.reference for c in cells])
    usable = members.usable(reference)
    att = np.where(usable & reference, 0.0, np.nan)
    data = _Rows(moments, kinds, mass, cells, members, np.unique([c.cohort for c in cells]))
    fitted: list[tuple[int, AdjustedSections]] = []
    problems: dict[int, str] = {}
    for k in np.flatnonzero(usable & ~reference).tolist():
        try:
            fit = adjusted_sections(data.sample(k, slice(0, len(mass)))[0], method)
        except NoOverlapError as problem:
            problems[k] = str(problem)
            continue
        att[k] = fit.att
        fitted.append((k, fit))
    errors = Errors(moments, len(cells) + len(data.cohorts), lambda rows, starts: data.influence(fitted, rows, starts))
    overlap = None if method == "reg" else _overlap([fit for _, fit in fitted])
    return GroupTime(cells, moments.times, att, reference, members, data.cohorts, shares(kinds, data.cohorts), errors,
                     kinds, moments, problems, overlap)  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of comparisons, period by period."""

    moments: CovariateMoments
    kinds: Kinds
    mass: Floats  # (R,)
    cells: list[Cell]
    members: Members
    cohorts: Integers  # (J,)

    def sample(self, k: int, rows: slice) -> tuple[Sample, Integers]:
        """What some units add to a comparison, the base first, and each observation's unit."""
        cell, kind = self.cells[k], self.kinds.of_row[rows]
        parts, units = [], []
        for period, inside, outside in (
            (cell.base, self.members.treated_then[k], self.members.control_then[k]),
            (cell.period, self.members.treated_now[k], self.members.control_now[k]),
        ):
            here = np.flatnonzero((inside | outside)[kind])
            at = here + rows.start
            weight = self.moments.weights[at, period]
            parts.append((inside[kind[here]], weight, self.moments.values(at, period),
                          self.moments.sums[at, period] / weight))  # fmt: skip
            units.append(here)
        treated, weights, x, y = (np.concatenate(p) for p in zip(*parts, strict=True))
        now = np.repeat([False, True], [len(u) for u in units])
        return Sample(treated, now, weights, x, y), np.concatenate(units)

    def influence(self, fitted: list[tuple[int, AdjustedSections]], rows: slice, starts: Integers) -> Floats:
        """What clusters that start at `starts` of some rows add to the errors of comparisons and shares (G, K + J)."""
        found = np.zeros((rows.stop - rows.start, len(self.cells)))
        for k, fit in fitted:
            sample, unit = self.sample(k, rows)
            np.add.at(found[:, k], unit, fit.influence(sample))
        share = share_influence(self.moments, self.mass, self.cohorts, rows, starts)
        return np.concatenate([np.add.reduceat(found, starts, axis=0), share], axis=1)
