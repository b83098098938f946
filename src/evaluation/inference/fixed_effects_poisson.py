"""Poisson regression with unit and period effects (PPML), exact from a panel's moments.

Given its total, a unit's events fall on its periods in proportion to weight × exp(period effect + design · b): unit
effects drop out, and what remains is linear in the events (Hausman, Hall and Griliches, 1984). Sums over units of one
cluster, cohort and set of observed periods therefore give coefficients and cluster-robust variances; the outcome need
not be Poisson, or whole, for either (Wooldridge, 1999).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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
    even: bool  # whether weights are constant within units

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
            left = self.likelihood.of(cluster != code).condensed(even=self.even)
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
    every = Likelihood(events(moments), moments.weights, moments.cluster, of_row, full, _kind_of(moments))
    kinds_of = every.condensed(even=True)
    separated = _separated(kinds_of.weights > 0, kinds_of.number, full, kinds_of.of_row)[every.kind]
    cells = moments.observed & ~separated
    whole = replace(every, weights=np.where(cells, moments.weights, 0.0))
    kept = whole.condensed(even=moments.constant_weights).independent(np.zeros(full.shape[2]))
    identified = kept[periods.shape[1] :]
    if not identified.any():
        raise NotEstimable(ABSORBED)
    likelihood = replace(whole, design=full[:, :, kept])
    condensed = likelihood.condensed(even=moments.constant_weights)
    solution = condensed.fitted(np.zeros(int(kept.sum())))
    if solution is None:
        raise NotEstimable("The Poisson model did not converge: some rates are too close to zero, or too far apart.")
    p, n_obs = int(identified.sum()), int(moments.counts[cells].sum())
    if moments.n_clusters < 2:
        raise NotEstimable("All rows are in one cluster, so uncertainty cannot be reckoned.")
    factor = cr1_factor(moments.n_clusters, n_obs, p + int(cells.any(axis=0).sum()))
    bread = np.asarray(np.linalg.inv(condensed.information(solution))[:, -p:], dtype=np.float64)
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
        moments.constant_weights,
    )


@dataclass(frozen=True, eq=False)
class Likelihood:
    """The likelihood of events given units' totals; `design` (J, T, K) holds columns of periods and of treatment."""

    number: Floats  # (R, T) weight × events
    weights: Floats  # (R, T) weight × exposure, 0 where not observed or left out
    cluster: Integers  # (R,)
    of_row: Integers  # (R,)
    design: Floats
    kind: Integers  # (R,) rows of one kind have the same cohort and periods

    def of(self, rows: Mask) -> Likelihood:
        """That of some rows (R,)."""
        kind = np.unique(self.kind[rows], return_inverse=True)[1]
        return replace(self, number=self.number[rows], weights=self.weights[rows], cluster=self.cluster[rows],
                       of_row=self.of_row[rows], kind=kind)  # fmt: skip

    def condensed(self, *, even: bool) -> Likelihood:
        """The same likelihood from sums by kind; with weights that change within units (not `even`), itself.

        Weights that are constant within units do not change a unit's shares, so kinds need none.
        """
        if not even:
            return self
        first = np.unique(self.kind, return_index=True)[1]
        total = [np.bincount(self.kind, column, len(first)) for column in self.number.T]
        number = np.stack(total, axis=1).astype(np.float64)
        weights = (self.weights[first] > 0).astype(np.float64)
        return replace(self, number=number, weights=weights, cluster=self.cluster[first], of_row=self.of_row[first],
                       kind=np.arange(len(first)))  # fmt: skip

    def share(self, parameters: Floats) -> Floats:
        """The share of a unit's events that each period should have (R, T)."""
        index = (self.design @ parameters)[self.of_row]
        top = np.where(self.weights > 0, index, -np.inf).max(axis=1, keepdims=True)
        rate = self.weights * np.exp(np.where(self.weights > 0, index - top, 0.0))
        found: Floats = rate / rate.sum(axis=1, keepdims=True)
        return found

    def expected(self, parameters: Floats) -> Floats:
        """Events that each period should have (R, T)."""
        found: Floats = self.share(parameters) * self.number.sum(axis=1, keepdims=True)
        return found

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
                step = np.asarray(np.linalg.solve(self.information(here), self.score(here)), dtype=np.float64)
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


def _kind_of(moments: PanelMoments) -> Integers:
    """Which kind (cohort and observed periods) each row is of, (R,)."""
    found = np.empty(len(moments.cohort), dtype=np.int64)
    for k, (_, rows) in enumerate(kinds(moments)):
        found[rows] = k
    return found


def _separated(observed: Mask, number: Floats, design: Floats, cohort: Integers) -> Mask:
    """Cells (D, T) of kinds whose rate the likelihood drives to zero (Correia, Guimarães and Zylkin, 2019).

    The likelihood has no maximum where parameters can move for ever without lowering it: the periods in which units of
    one kind have events keep the same index, others fall behind. A linear program finds all that fall. What it is
    asked depends on cohort, a period with events (the anchor) and the period in question alone.
    """
    periods = number.shape[1]
    there = number > 0
    anchor = there.argmax(axis=1)
    code = ((cohort * periods + anchor) * periods)[:, None] + np.arange(periods)
    kept = np.unique(code[there])
    empty = np.setdiff1d(code[observed & ~there], kept)
    if not empty.size:
        return np.zeros_like(observed)
    falling = empty[_falling(_behind(design, kept), _behind(design, empty))]
    found: Mask = observed & ~there & np.isin(code, falling)
    return found


def _behind(design: Floats, code: Integers) -> Floats:
    """How far the index of some cells lies behind their anchor's, as a function of the parameters (n, K)."""
    periods = design.shape[1]
    cohort, anchor, period = code // periods**2, code // periods % periods, code % periods
    found: Floats = design[cohort, anchor] - design[cohort, period]
    return found


def _falling(fixed: Floats, free: Floats) -> Mask:
    """Which of the `free` cells can fall behind their anchor for ever while the `fixed` ones stay where they are."""
    from scipy.optimize import linprog

    n, k = free.shape
    found = linprog(
        np.r_[np.zeros(k), -np.ones(n)],
        A_ub=np.hstack([-free, np.eye(n)]),
        b_ub=np.zeros(n),
        A_eq=np.hstack([fixed, np.zeros((len(fixed), n))]),
        b_eq=np.zeros(len(fixed)),
        bounds=[(None, None)] * k + [(0, 1)] * n,
        method="highs",
    )
    return found.x[k:] > 0.5 if found.x is not None else np.zeros(n, dtype=np.bool_)
