"""Poisson regression with unit and period effects (PPML), exact from a panel's moments.

Given its total, a unit's events fall on its periods in proportion to weight × exp(period effect + design · b): unit
effects drop out, and what remains is linear in the events (Hausman, Hall and Griliches, 1984). Sums over units of one
cluster, cohort and set of observed periods therefore give coefficients and cluster-robust variances; the outcome need
not be Poisson, or whole, for either (Wooldridge, 1999).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.data.event_moments import events
from evaluation.errors import NotEstimable
from evaluation.inference.covariance import cluster_sums, cr1_factor
from evaluation.inference.scores import kinds, meat
from evaluation.inference.two_way import ABSORBED, independent

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask, PanelMoments
    from evaluation.inference.regression import ClusterRegression

ITERATIONS = 100
STEP = 1e-10  # largest change of a coefficient in the last of the Newton steps, which converge quadratically


@dataclass(frozen=True, eq=False)
class PoissonFit:
    """Coefficients (P,) on the log scale and their CR1 covariance (P, P); NaN where not identified.

    `errors` (G, P') are each cluster's contribution to the error of the identified coefficients; None where units are
    summed across clusters.
    """

    coefficients: Floats
    covariance: Floats
    identified: Mask
    n_obs: int
    n_clusters: int
    factor: float
    errors: Floats | None
    n_perfect: int  # observations without an event that the model fits perfectly, left out
    likelihood: Likelihood
    solution: Floats  # (K,) all identified parameters, those of the periods first

    @property
    def by_cluster(self) -> Callable[[], ClusterRegression]:
        """There is none: the fit is no least-squares regression, and few clusters get `jackknife` instead."""
        raise TypeError("a Poisson fit is not a sum of least-squares regressions")

    def jackknife(self) -> Floats | None:
        """CV3 covariance (P', P') of the identified coefficients: the fit again without each cluster in turn.

        (G - 1) / G times the summed squares of the changes (MacKinnon, Nielsen and Webb, 2023). None where the
        coefficients cannot be estimated without some cluster, or units are summed across clusters.
        """
        if self.errors is None:
            return None
        found = []
        cluster = self.likelihood.cluster
        for code in np.unique(cluster):
            left = self.likelihood.of(cluster != code)
            again = left.fitted(self.solution) if left.regular() else None
            if again is None:
                return None
            found.append(again - self.solution)
        p = int(self.identified.sum())
        changes = np.array(found)[:, -p:]
        covariance: Floats = (1 - 1 / len(found)) * (changes.T @ changes)
        return covariance


def fixed_effects_poisson(moments: PanelMoments, design: Floats) -> PoissonFit:
    """Fit E[y] = weight · exp(unit effect + period effect + design · b), CR1 by cluster.

    `design` is (J, T, P): the regressors of the J cohorts, in the order of `np.unique(moments.cohort)`. A column that
    is a combination of those before it (and the effects) is dropped, as are observations that the model fits
    perfectly (separation). Units without any event, or with one period only, must be gone.

    Raises
    ------
    NotEstimable
        With one cluster, no column left, or without convergence.
    """
    cohorts, of_row = np.unique(moments.cohort, return_inverse=True)
    periods = np.eye(len(moments.times))[:, 1:]
    full = np.concatenate([np.broadcast_to(periods, (len(cohorts), *periods.shape)), design], axis=2)
    number = events(moments)
    separated = _separated(moments, number, full, of_row)
    cells = moments.observed & ~separated
    weights = np.where(cells, moments.weights, 0.0)
    whole = Likelihood(number, weights, moments.cluster, of_row, full)
    kept = whole.independent(np.zeros(full.shape[2]))
    identified = kept[periods.shape[1] :]
    if not identified.any():
        raise NotEstimable(ABSORBED)
    likelihood = Likelihood(number, weights, moments.cluster, of_row, full[:, :, kept])
    solution = likelihood.fitted(np.zeros(int(kept.sum())))
    if solution is None:
        raise NotEstimable("The Poisson model did not converge: some rates are too close to zero, or too far apart.")
    p, n_obs = int(identified.sum()), int(moments.counts[cells].sum())
    if moments.n_clusters < 2:
        raise NotEstimable("All rows are in one cluster, so uncertainty cannot be reckoned.")
    factor = cr1_factor(moments.n_clusters, n_obs, p + int(cells.any(axis=0).sum()))
    bread = np.linalg.inv(likelihood.information(solution))[:, -p:]
    errors = None
    if moments.cross is None:
        errors = likelihood.scores(solution, bread)
        squares = errors.T @ errors
    else:
        squares = meat(moments, lambda r: likelihood.loading(r, solution, bread, moments.shift), p)
    coefficients, covariance = np.full(len(identified), np.nan), np.full((len(identified),) * 2, np.nan)
    coefficients[identified] = solution[-p:]
    covariance[np.ix_(identified, identified)] = factor * squares
    return PoissonFit(
        coefficients,
        covariance,
        identified,
        n_obs,
        moments.n_clusters,
        factor,
        errors,
        int(moments.counts[separated].sum()),
        likelihood,
        solution,
    )


@dataclass(frozen=True, eq=False)
class Likelihood:
    """The likelihood of events given units' totals; `design` (J, T, K) holds columns of periods and of treatment."""

    number: Floats  # (R, T) weight × events
    weights: Floats  # (R, T) weight × exposure, 0 where not observed or left out
    cluster: Integers  # (R,)
    of_row: Integers  # (R,)
    design: Floats

    def of(self, rows: Mask) -> Likelihood:
        """That of some rows (R,)."""
        return Likelihood(self.number[rows], self.weights[rows], self.cluster[rows], self.of_row[rows], self.design)

    def share(self, parameters: Floats) -> Floats:
        """The share of a unit's events that each period should have (R, T)."""
        index = (self.design @ parameters)[self.of_row]
        top = np.where(self.weights > 0, index, -np.inf).max(axis=1, keepdims=True)
        rate = self.weights * np.exp(np.where(self.weights > 0, index - top, 0.0))
        found: Floats = rate / rate.sum(axis=1, keepdims=True)
        return found

    def expected(self, parameters: Floats) -> Floats:
        """Events that each period should have (R, T)."""
        return self.share(parameters) * self.number.sum(axis=1, keepdims=True)

    def value(self, parameters: Floats) -> float:
        """The logarithm of the likelihood, less what does not depend on parameters."""
        share, there = self.share(parameters), self.number > 0
        with np.errstate(divide="ignore"):
            return float((self.number[there] * np.log(share[there])).sum())

    def information(self, parameters: Floats) -> Floats:
        """Minus the second derivatives (K, K)."""
        share = self.share(parameters)
        total = self.number.sum(axis=1)
        found = np.zeros((self.design.shape[2],) * 2)
        for x, rows in self._by_cohort():
            mine = share[rows]
            expected = mine * total[rows, None]
            found += x.T @ (np.diag(expected.sum(axis=0)) - mine.T @ expected) @ x
        return found

    def score(self, parameters: Floats) -> Floats:
        """The first derivatives (K,)."""
        left = self.number - self.expected(parameters)
        found = np.zeros(self.design.shape[2])
        for x, rows in self._by_cohort():
            found += x.T @ left[rows].sum(axis=0)
        return found

    def independent(self, parameters: Floats) -> Mask:
        """Which columns (K,) are no combination of earlier ones and the unit effects."""
        expected = self.expected(parameters)
        size = np.zeros(self.design.shape[2])
        for x, rows in self._by_cohort():
            size += expected[rows].sum(axis=0) @ x**2
        return independent(self.information(parameters), size)

    def regular(self) -> bool:
        """Whether all columns can be told apart."""
        return len(self.number) > 0 and bool(self.independent(np.zeros(self.design.shape[2])).all())

    def fitted(self, start: Floats) -> Floats | None:
        """The parameters of the largest likelihood, by Newton's method; None where they run away."""
        here, value = start, self.value(start)
        for _ in range(ITERATIONS):
            try:
                step = np.linalg.solve(self.information(here), self.score(here))
            except np.linalg.LinAlgError:
                return None
            if not np.isfinite(step).all():
                return None
            if np.abs(step).max(initial=0.0) < STEP:
                return np.asarray(here + step)
            here, value = self._uphill(here, value, step)
        return None

    def _uphill(self, here: Floats, value: float, step: Floats) -> tuple[Floats, float]:
        """As much of a step as does not lower the likelihood."""
        for half in range(30):
            there = here + step * 0.5**half
            found = self.value(there)
            if found >= value - 1e-12 * abs(value):
                break
        return there, found

    def scores(self, parameters: Floats, bread: Floats) -> Floats:
        """Each cluster's contribution to the coefficients' error (G, P)."""
        left = self.number - self.expected(parameters)
        found = np.zeros((len(left), bread.shape[1]))
        for x, rows in self._by_cohort():
            found[rows] = left[rows] @ (x @ bread)
        return cluster_sums(found, self.cluster)

    def loading(self, row: int, parameters: Floats, bread: Floats, shift: float) -> Floats:
        """What a unit of a row's kind adds to the error, as a function of 1 and its shifted outcomes (1 + T, P)."""
        x = self.design[self.of_row[row]] @ bread
        index = self.design[self.of_row[row]] @ parameters
        seen = self.weights[row] > 0
        rate = np.where(seen, np.exp(np.where(seen, index - index[seen].max(), 0.0)), 0.0)
        slope = np.where(seen[:, None], x - rate @ x / rate.sum(), 0.0)
        return np.vstack([shift * slope.sum(axis=0), slope])

    def _by_cohort(self) -> Iterator[tuple[Floats, Mask]]:
        for j, x in enumerate(self.design):
            rows = self.of_row == j
            if rows.any():
                yield x, rows


# ----------------------------------------------------------------------------- separation


def _separated(moments: PanelMoments, number: Floats, design: Floats, of_row: Integers) -> Mask:
    """Observations without an event (R, T) whose rate the likelihood drives to zero (Correia, Guimarães, Zylkin 2019).

    The likelihood has no maximum where parameters can move for ever without lowering it: the periods in which units of
    one kind have events keep the same index, others fall behind. A linear program finds all that fall.
    """
    separated = np.zeros(number.shape, dtype=np.bool_)
    kept: set[tuple[int, int, int]] = set()
    empty: dict[tuple[int, int, int], list[tuple[Integers, int]]] = {}
    for first, rows in kinds(moments):
        there = number[rows].sum(axis=0) > 0
        anchor = int(there.argmax())
        j = int(of_row[first])
        for t in np.flatnonzero(moments.observed[first]).tolist():
            if there[t]:
                kept.add((j, anchor, t))
            else:
                empty.setdefault((j, anchor, t), []).append((rows, t))
    if not empty:
        return separated
    falls = _falling(design, sorted(kept), sorted(empty))
    for key, fall in zip(sorted(empty), falls, strict=True):
        for rows, t in empty[key] if fall else ():
            separated[rows, t] = True
    return separated


def _falling(design: Floats, kept: list[tuple[int, int, int]], empty: list[tuple[int, int, int]]) -> list[bool]:
    """Which of the `empty` cells (cohort, anchor, period) can fall for ever below the anchor of their kind."""
    from scipy.optimize import linprog

    def behind(cells: list[tuple[int, int, int]]) -> Floats:
        return np.array([design[j, a] - design[j, t] for j, a, t in cells if a != t]).reshape(-1, design.shape[2])

    fixed, free = behind(kept), behind(empty)
    n, k = free.shape
    found = linprog(
        np.r_[np.zeros(k), -np.ones(n)],
        A_ub=np.hstack([-free, np.eye(n)]),
        b_ub=np.zeros(n),
        A_eq=np.hstack([fixed, np.zeros((len(fixed), n))]) if len(fixed) else None,
        b_eq=np.zeros(len(fixed)) if len(fixed) else None,
        bounds=[(None, None)] * k + [(0, 1)] * n,
        method="highs",
    )
    return [bool(u > 0.5) for u in found.x[k:]] if found.x is not None else [False] * n
