"""Group-time effects: each cohort's change since a base period against the change of units not treated by then.

Every effect is made of four means, so its influence on a cluster needs no more than the cluster's sums of outcomes
by cohort and period. In a panel units count where they are observed in both periods compared; in repeated
cross-sections every row counts by itself. Reference: Callaway and Sant'Anna (2021).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.inference.group_time_errors import Errors

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask, PanelMoments

ControlGroup = Literal["never_treated", "not_yet_treated"]
BasePeriod = Literal["varying", "universal"]
WORD = 50  # periods whose bits a floating-point number holds
PORTION = 1_000_000  # numbers by kind, or by row, and comparison that are reckoned at once


@dataclass(frozen=True)
class Cell:
    """One comparison: a cohort in a period (an index into the periods) against its base, and who may be a control."""

    cohort: int
    period: int
    base: int
    controls: frozenset[int]

    @property
    def reference(self) -> bool:
        """Whether the period is its own base."""
        return self.period == self.base


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


@dataclass(frozen=True, eq=False)
class Kinds:
    """Sums over all units of one cohort observed in the same periods: D kinds by T periods."""

    of_row: Integers  # (R,)
    cohort: Integers  # (D,)
    observed: Mask  # (D, T)
    units: Integers  # (D,)
    mass: Floats  # (D,) what they weigh among all: units or, in cross-sections, rows
    weights: Floats  # (D, T)
    sums: Floats  # (D, T)

    @classmethod
    def of(cls, moments: PanelMoments, mass: Floats) -> Kinds:
        """The kinds of a panel whose rows weigh `mass` (R,) among all."""
        first, of_row = _kinds(moments.cohort, moments.observed)
        n = len(first)

        def total(values: Floats) -> Floats:
            return np.bincount(of_row, values, n).astype(np.float64)

        return cls(
            of_row,
            moments.cohort[first],
            moments.observed[first],
            total(moments.units.astype(np.float64)).astype(np.int64),
            total(mass),
            np.stack([total(column) for column in moments.weights.T], axis=1),
            np.stack([total(column) for column in moments.sums.T], axis=1),
        )

    def of_cohorts(self, cohorts: frozenset[int]) -> Mask:
        """Kinds (D,) of some cohorts."""
        found: Mask = np.isin(self.cohort, sorted(cohorts))
        return found

    def total(self, who: Mask, values: Floats, period: Integers) -> Floats:
        """Sums of values (D, T) over kinds (K, D) in one period each (K,)."""
        at_once = max(1, PORTION // len(self.cohort))
        found = np.zeros(len(period))
        for start in range(0, len(period), at_once):
            some = slice(start, start + at_once)
            found[some] = np.where(who[some], values.T[period[some]], 0.0).sum(axis=1)
        return found


def _kinds(cohort: Integers, observed: Mask) -> tuple[Integers, Integers]:
    """A row of each cohort and set of observed periods, and each row's kind: by cohort, then the set."""
    _, key = np.unique(cohort, return_inverse=True)
    for at in range(0, observed.shape[1], WORD):
        seen = observed[:, at : at + WORD]
        if seen.all():
            continue
        code = (seen @ 2.0 ** np.arange(seen.shape[1])).astype(np.int64)
        distinct, word = np.unique(code, return_inverse=True)
        _, key = np.unique(key * len(distinct) + word, return_inverse=True)
    _, first, of_row = np.unique(key, return_index=True, return_inverse=True)
    return first, of_row


@dataclass(frozen=True, eq=False)
class Members:
    """The kinds that stand on each side of K comparisons, in the period (`now`) and its base (`then`), each (K, D).

    In a panel they are the same in both.
    """

    treated_now: Mask
    treated_then: Mask
    control_now: Mask
    control_then: Mask

    @classmethod
    def of(cls, kinds: Kinds, cells: list[Cell], *, panel: bool) -> Members:
        """Who is compared with whom."""
        size = (len(cells), len(kinds.cohort))
        treated = np.array([kinds.cohort == c.cohort for c in cells]).reshape(size)
        among = {controls: kinds.of_cohorts(controls) for controls in dict.fromkeys(c.controls for c in cells)}
        control = np.array([among[c.controls] for c in cells]).reshape(size)
        now, then = (kinds.observed[:, [getattr(c, p) for c in cells]].T for p in ("period", "base"))
        if panel:
            both = now & then
            treated, control = treated & both, control & both
            return cls(treated, treated, control, control)
        return cls(treated & now, treated & then, control & now, control & then)

    @property
    def treated(self) -> Mask:
        """Kinds compared, (K, D)."""
        return self.treated_now | self.treated_then

    @property
    def control(self) -> Mask:
        """Kinds compared with, (K, D)."""
        return self.control_now | self.control_then

    def usable(self, reference: Mask) -> Mask:
        """Comparisons (K,) with units on each side in both periods; a reference needs treated ones alone."""
        inside = self.treated_now.any(axis=1) & self.treated_then.any(axis=1)
        against = self.control_now.any(axis=1) & self.control_then.any(axis=1)
        return np.asarray(inside & (against | reference))


@dataclass(frozen=True)
class Overlap:
    """How alike the groups are in their covariates: the propensity to be treated, over all comparisons.

    `largest` is the highest propensity of any unit; `trimmed` units were left out as comparisons in the comparison
    where most were; `effective` is the smallest effective number of comparison units.
    """

    largest: float
    trimmed: int
    effective: float


@dataclass(frozen=True, eq=False)
class GroupTime:
    """K comparisons with their estimates, and how these vary together with the cohorts' weights.

    `att` is NaN where there is nothing to compare and 0 at a reference. `errors` are of the K estimates and the
    J cohort weights (as shares), in this order.
    """

    cells: list[Cell]
    periods: Integers  # (T,)
    att: Floats  # (K,)
    reference: Mask  # (K,)
    members: Members
    cohorts: Integers  # (J,) those that are treated in some cell
    share: Floats  # (J,) their weight, as a share of all
    errors: Errors
    kinds: Kinds
    moments: PanelMoments
    problems: dict[int, str] = field(default_factory=dict)  # comparisons that cannot be adjusted, and why
    overlap: Overlap | None = None

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

    @property
    def size(self) -> int:
        """Estimates and cohort weights, K + J."""
        return len(self.cells) + len(self.cohorts)

    @cached_property
    def treated(self) -> Mask:
        """Kinds compared, (K, D)."""
        return self.members.treated

    @cached_property
    def control(self) -> Mask:
        """Kinds compared with, (K, D)."""
        return self.members.control


def group_time(moments: PanelMoments, cells: list[Cell], *, panel: bool = True) -> GroupTime:
    """Estimate every comparison without covariates, with influence functions summed within clusters.

    In a panel weights must be constant within units. Without `panel` every row is an observation of its own.
    """
    mass = moments.weights.max(axis=1) if panel else moments.weights.sum(axis=1)
    kinds = Kinds.of(moments, mass)
    members = Members.of(kinds, cells, panel=panel)
    reference = np.array([c.reference for c in cells])
    usable = members.usable(reference)
    cohorts = np.unique([c.cohort for c in cells])
    influence = _Influence(moments, kinds, mass, cells, usable & ~reference, members, cohorts)
    att = np.where(reference, 0.0, np.where(usable, influence.effects, np.nan))
    errors = Errors(moments, len(cells) + len(cohorts), influence.by_cluster, influence.loading_of)
    return GroupTime(cells, moments.times, np.where(usable, att, np.nan), reference, members, cohorts,
                     shares(kinds, cohorts), errors, kinds, moments)  # fmt: skip


def shares(kinds: Kinds, cohorts: Integers) -> Floats:
    """Each cohort's weight as a share of all (J,)."""
    found: Floats = np.array([kinds.mass[kinds.cohort == g].sum() for g in cohorts]) / kinds.mass.sum()
    return found


def share_influence(moments: PanelMoments, mass: Floats, cohorts: Integers, rows: slice, starts: Integers) -> Floats:
    """What clusters that start at `starts` of some rows add to the error of each cohort's share (G, J)."""
    cohort, part = moments.cohort[rows], mass[rows] / mass.sum()
    return np.stack([np.add.reduceat(np.where(cohort == g, part, 0.0), starts) for g in cohorts], axis=1)


@dataclass(frozen=True, eq=False)
class _Side:
    """One of the four means of K comparisons; `share` is one over its weight, signed as the mean enters."""

    who: Mask  # (K, D)
    period: Integers  # (K,)
    mean: Floats  # (K,) from the moments' shift; NaN where there are none
    share: Floats  # (K,)

    @classmethod
    def of(cls, kinds: Kinds, who: Mask, period: Integers, sign: Integers) -> _Side:
        """The mean of the kinds `who` in each comparison's period."""
        weight, total = kinds.total(who, kinds.weights, period), kinds.total(who, kinds.sums, period)
        known = np.where(weight > 0, weight, 1.0)
        return cls(who, period, np.where(weight > 0, total / known, np.nan), np.where(weight > 0, sign / known, 0.0))

    def slopes(self, some: Integers) -> tuple[Floats, Floats]:
        """Slopes of some comparisons on the sums and on the weights, by kind, each (k, D)."""
        on_sums = np.where(self.who[some], self.share[some, None], 0.0)
        return on_sums, on_sums * self.mean[some, None]


@dataclass(frozen=True, eq=False)
class _Influence:
    """What each row adds to the error of each estimate and of each cohort's weight share."""

    moments: PanelMoments
    kinds: Kinds
    mass: Floats  # (R,)
    cells: list[Cell]
    active: Mask  # (K,)
    members: Members
    cohorts: Integers  # (J,)

    @cached_property
    def sides(self) -> list[_Side]:
        """The four means of every comparison: of the treated now and then, of their controls now and then."""
        who = (self.members.treated_now, self.members.treated_then,
               self.members.control_now, self.members.control_then)  # fmt: skip
        now, then = (np.array([getattr(c, p) for c in self.cells], dtype=np.int64) for p in ("period", "base"))
        return [
            _Side.of(self.kinds, members, period, np.where(self.active, sign, 0))
            for members, period, sign in zip(who, (now, then, now, then), (1, -1, -1, 1), strict=True)
        ]

    @cached_property
    def effects(self) -> Floats:
        """Differences of the mean changes (K,)."""
        treated_now, treated_then, control_now, control_then = (side.mean for side in self.sides)
        return (treated_now - treated_then) - (control_now - control_then)

    def _terms(self, some: Integers) -> list[tuple[Integers, Floats, Floats]]:
        """What k comparisons' influence is made of: periods (k,), slopes on the sums and the weights by kind (k, D)."""
        treated_now, treated_then, control_now, control_then = self.sides
        found = []
        for treated, control in ((treated_now, control_now), (treated_then, control_then)):
            (on_sums, on_weights), (less_sums, less_weights) = treated.slopes(some), control.slopes(some)
            found.append((treated.period[some], on_sums + less_sums, on_weights + less_weights))
        return found

    def _portions(self, rows: int) -> list[Integers]:
        """The active comparisons, so many at a time as fit beside `rows` rows in memory."""
        active = np.flatnonzero(self.active)
        at_once = max(1, PORTION // max(rows, len(self.kinds.cohort)))
        return [active[start : start + at_once] for start in range(0, len(active), at_once)]

    def by_cluster(self, rows: slice, starts: Integers) -> Floats:
        """Influences of the clusters that start at `starts` of some rows (G, K + J)."""
        kind, sums, weights = self.kinds.of_row[rows], self.moments.sums[rows], self.moments.weights[rows]
        found = np.zeros((len(kind), len(self.cells)))
        for some in self._portions(len(kind)):
            (now, slope, centre), (then, back, behind) = self._terms(some)
            found[:, some] = (
                (slope[:, kind] * sums.T[now] - centre[:, kind] * weights.T[now])
                + (back[:, kind] * sums.T[then] - behind[:, kind] * weights.T[then])
            ).T
        share = share_influence(self.moments, self.mass, self.cohorts, rows, starts)
        return np.concatenate([np.add.reduceat(found, starts, axis=0), share], axis=1)

    def loading_of(self, row: int) -> Floats:
        """The influence of a unit of a row's kind as a function of 1 and its outcomes (1 + T, K + J)."""
        kind = self.kinds.of_row[row]
        found = np.zeros((1 + len(self.moments.times), len(self.cells) + len(self.cohorts)))
        for some in self._portions(1):
            for period, slope, centre in self._terms(some):
                found[1 + period, some] += slope[:, kind]
                found[0, some] -= centre[:, kind]
        weight = self.moments.weights[row].max()
        share = self.mass[row] / weight / self.mass.sum()
        found[0, len(self.cells) :] = (self.moments.cohort[row] == self.cohorts) * share
        return found
