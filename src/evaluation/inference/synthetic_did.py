"""Synthetic difference-in-differences (Arkhangelsky et al., 2021): weights of donors and of periods before adoption.

Donors are weighted to move, up to a constant, as the treated do before adoption; periods before adoption to stand, up
to a constant, for those after it among the donors. The effect is the difference-in-differences of the weighted means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.inference.simplex import nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]

Solver = Literal["frank_wolfe", "exact"]

TIME_RIDGE = 1e-6  # of the noise: makes the weights of periods unique
FIRST_STEPS, ALL_STEPS = 100, 10_000
ENOUGH = 1e-5  # of the noise: Frank-Wolfe steps that gain less than its square end the search
ALL = 1e-12  # a donor whose weight is within that of one has all of it
SPARSE = 4.0  # weights of at most the largest over this are dropped between the two rounds


@dataclass(frozen=True, eq=False)
class Cohort:
    """Units that adopt at one time: their outcomes (N, T) and shares (N,) of their mean, T0 periods before adoption."""

    outcomes: Floats
    shares: Floats
    periods: Integers  # (T,) columns of the donors' outcomes that are used
    before: int  # T0: those before adoption come first

    @property
    def mean(self) -> Floats:
        """Mean outcome by period (T,)."""
        found: Floats = self.shares @ self.outcomes / self.shares.sum()
        return found

    @property
    def size(self) -> float:
        """Treated observations: units, in shares, times periods from adoption on."""
        return float(self.shares.sum()) * (len(self.periods) - self.before)


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of donors (J,) and of periods before adoption (T0,), and the ridges they were found with."""

    units: Floats
    times: Floats
    unit_ridge: float
    time_ridge: float


def noise(donors: Floats) -> float:
    """Standard deviation of donors' changes (J, T) from one period to the next."""
    changes = np.diff(donors, axis=1)
    return float(changes.std(ddof=1)) if changes.size > 1 else 0.0


def fitted(cohort: Cohort, donors: Floats, solver: Solver, ridges: Weights | None = None) -> Weights:
    """The weights of donors and of periods for a cohort.

    Parameters
    ----------
    donors
        (J, T) outcomes in the cohort's periods, those before adoption first.
    solver
        `exact` for the optimum, or `frank_wolfe` for the published procedure, which stops near it.
    ridges
        Weights whose ridges to keep, in replications; reckoned from the noise otherwise.
    """
    early, late = donors[:, : cohort.before], donors[:, cohort.before :]
    scale = noise(early)
    unit_ridge = (len(cohort.outcomes) * late.shape[1]) ** 0.5 * scale**2 * cohort.before
    time_ridge = (TIME_RIDGE * scale) ** 2 * len(donors)
    if ridges is not None:
        unit_ridge, time_ridge = ridges.unit_ridge, ridges.time_ridge
    own = cohort.mean[: cohort.before]
    problems = ((early.T, own, unit_ridge), (early, late.mean(axis=1), time_ridge))
    units, times = (_simplex(_centred(a), b - b.mean(), r, scale, solver) for a, b, r in problems)
    return Weights(units, times, unit_ridge, time_ridge)


def _centred(columns: Floats) -> Floats:
    found: Floats = columns - columns.mean(axis=0)
    return found


def _simplex(columns: Floats, target: Floats, ridge: float, scale: float, solver: Solver) -> Floats:
    if solver == "exact" or columns.shape[1] == 1:
        return nearest(columns, target, ridge).weights
    stop = (ENOUGH * scale) ** 2 * len(target)
    even = np.full(columns.shape[1], 1 / columns.shape[1])
    first = _frank_wolfe(columns, target, ridge, stop, even, FIRST_STEPS)
    kept = np.where(first <= first.max() / SPARSE, 0.0, first)
    return _frank_wolfe(columns, target, ridge, stop, kept / kept.sum(), ALL_STEPS)


def _frank_wolfe(columns: Floats, target: Floats, ridge: float, stop: float, weights: Floats, steps: int) -> Floats:
    """Frank-Wolfe steps with exact line search from `weights`, until one gains no more than `stop`, or `steps` of them.

    Minimises |columns w - target|^2 + ridge |w|^2 over the simplex.
    """
    point = columns @ weights
    last = np.inf
    for _ in range(steps):
        slope = (point - target) @ columns + ridge * weights
        j = int(np.argmin(slope))
        towards = -weights
        towards[j] += 1.0
        change = columns[:, j] - point
        curve = float(change @ change + ridge * (towards @ towards))
        if curve > 0:
            step = min(1.0, max(0.0, -float(slope @ towards) / curve))
            weights = weights + step * towards
            point = columns @ weights
        rest = point - target
        value = float(rest @ rest + ridge * (weights @ weights))
        if last - value <= stop:
            break
        last = value
    return weights


def path(cohort: Cohort, donors: Floats, weights: Weights) -> Floats:
    """Gap by period (T,), counted from its own weighted mean before adoption."""
    gap = cohort.mean - weights.units @ donors
    found: Floats = gap - weights.times @ gap[: cohort.before]
    return found


# --------------------------------------------------------------------------- several cohorts, and replications


@dataclass(frozen=True, eq=False)
class Design:
    """Cohorts and the donors (J, T) that all of them share."""

    cohorts: tuple[Cohort, ...]
    donors: Floats

    def donors_of(self, cohort: Cohort) -> Floats:
        """Donors' outcomes in a cohort's periods."""
        found: Floats = self.donors[:, cohort.periods]
        return found

    def solved(self, solver: Solver, ridges: tuple[Weights, ...] | None = None) -> tuple[Weights, ...]:
        """Each cohort's weights."""
        kept = ridges or (None,) * len(self.cohorts)
        return tuple(fitted(c, self.donors_of(c), solver, k) for c, k in zip(self.cohorts, kept, strict=True))

    def paths(self, weights: tuple[Weights, ...]) -> Paths:
        """Each cohort's gaps by period."""
        found = np.full((len(self.cohorts), self.donors.shape[1]), np.nan)
        for k, (cohort, w) in enumerate(zip(self.cohorts, weights, strict=True)):
            if len(cohort.outcomes):
                found[k, cohort.periods] = path(cohort, self.donors_of(cohort), w)
        return Paths(found, np.array([float(c.shares.sum()) for c in self.cohorts]))


@dataclass(frozen=True, eq=False)
class Paths:
    """Gaps by cohort and period (K, T), NaN where not used, and the cohorts' sizes in shares (K,)."""

    gaps: Floats
    sizes: Floats


def placebo_designs(design: Design, draws: int, seed: int) -> tuple[list[Design], bool]:
    """The design among donors alone, some of them in the places of the treated; whether these are all the ways.

    With one treated unit every donor takes its place once. Otherwise `draws` random choices.
    """
    sizes = [len(c.outcomes) for c in design.cohorts]
    n, need = len(design.donors), sum(sizes)
    generator = np.random.default_rng(seed)
    single = need == 1
    picks = [np.array([j]) for j in range(n)] if single else [generator.permutation(n)[:need] for _ in range(draws)]
    return [_placed(design, pick, sizes) for pick in picks], single


def _placed(design: Design, pick: Integers, sizes: list[int]) -> Design:
    cohorts, at = [], 0
    for cohort, size in zip(design.cohorts, sizes, strict=True):
        rows = pick[at : at + size]
        cohorts.append(replace(cohort, outcomes=design.donors[np.ix_(rows, cohort.periods)]))
        at += size
    return Design(tuple(cohorts), np.delete(design.donors, pick, axis=0))


def bootstrap_designs(design: Design, draws: int, seed: int) -> Iterator[Design]:
    """Units drawn with replacement, treated and donors together; draws without one of the two are drawn again."""
    generator = np.random.default_rng(seed)
    sizes = [len(c.outcomes) for c in design.cohorts]
    ends = np.cumsum([len(design.donors), *sizes])
    made = 0
    while made < draws:
        pick = np.sort(generator.integers(0, ends[-1], ends[-1]))
        parts = np.split(pick, np.searchsorted(pick, ends[:-1]))
        donors, treated = parts[0], [p - e for p, e in zip(parts[1:], ends[:-1], strict=True)]
        if len(donors) < 2 or not any(len(p) for p in treated):
            continue
        made += 1
        cohorts = tuple(
            replace(c, outcomes=c.outcomes[p], shares=c.shares[p]) for c, p in zip(design.cohorts, treated, strict=True)
        )
        yield Design(cohorts, design.donors[donors])


def jackknife_paths(design: Design, weights: tuple[Weights, ...]) -> list[Paths]:
    """Gaps with each unit left out in turn, weights held and donors' scaled up to sum to one.

    Empty where the answer without some unit does not exist: a cohort of one, or one donor with all the weight.
    """
    if any(len(c.outcomes) < 2 for c in design.cohorts) or any(np.max(w.units) > 1 - ALL for w in weights):
        return []
    found = []
    for j in range(len(design.donors)):
        fewer = Design(design.cohorts, np.delete(design.donors, j, axis=0))
        left = [np.delete(w.units, j) for w in weights]
        found.append(fewer.paths(tuple(replace(w, units=u / u.sum()) for w, u in zip(weights, left, strict=True))))
    for k, cohort in enumerate(design.cohorts):
        for i in range(len(cohort.outcomes)):
            less = replace(cohort, outcomes=np.delete(cohort.outcomes, i, axis=0), shares=np.delete(cohort.shares, i))
            cohorts = (*design.cohorts[:k], less, *design.cohorts[k + 1 :])
            found.append(Design(cohorts, design.donors).paths(weights))
    return found


# --------------------------------------------------------------------------- figures


@dataclass(frozen=True, eq=False)
class Figures:
    """What is read off the gaps, as weights over cohorts and periods: each figure a mean of some cells (K, T)."""

    cells: tuple[Mask, ...]  # (K, T) each: the cells a figure is a mean of

    def of(self, paths: Paths) -> Floats:
        """The figures (F,), weighted by the cohorts' sizes; NaN where none of a figure's cells has units."""
        weight = np.where(np.isnan(paths.gaps), 0.0, np.where(paths.sizes > 0, paths.sizes, 0.0)[:, None])
        filled = np.nan_to_num(paths.gaps)
        total = np.array([weight[cells].sum() for cells in self.cells])
        value = np.array([(weight[cells] * filled[cells]).sum() for cells in self.cells])
        found: Floats = np.divide(value, total, out=np.full(len(total), np.nan), where=total > 0)
        return found


def spread(replications: Floats) -> Floats:
    """Standard deviation (F,) of figures over replications (B, F), divided by B; NaN with fewer than two of them."""
    return _spread(replications, lambda n: 1 / n)


def jackknife_spread(replications: Floats) -> Floats:
    """Jackknife standard error (F,) of figures with each of B units left out (B, F)."""
    return _spread(replications, lambda n: (n - 1) / n)


def _spread(replications: Floats, factor: Callable[[Floats], Floats]) -> Floats:
    known = ~np.isnan(replications)
    count = known.sum(axis=0).astype(np.float64)
    enough = count >= 2
    n = np.where(enough, count, 2.0)
    mean = np.where(known, replications, 0.0).sum(axis=0) / n
    square = np.where(known, replications - mean, 0.0) ** 2
    found: Floats = np.where(enough, np.sqrt(factor(n) * square.sum(axis=0)), np.nan)
    return found
