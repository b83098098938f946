"""Imputation of treated cells from untreated ones, and what each cluster adds to the error of means of the effects.

Unit and period effects are fitted to untreated cells alone; what is observed in treated cells beyond them are the
effects (Borusyak, Jaravel and Spiess, 2024). A mean of effects is linear in the outcomes; its loading on untreated
cells is, up to a constant a unit, one vector over periods, because residuals of a unit's untreated cells add up to
zero. So sums over units of one cluster, cohort and set of observed periods are all that is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.covariance import cluster_sums
from evaluation.inference.scores import meat

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask, PanelMoments
    from evaluation.inference.scores import Loading

ALL_OF_IT = 1e-9  # share of a group's weight that must lie outside a cluster for it to be left out


@dataclass(frozen=True, eq=False)
class Imputation:
    """Effects in treated cells, R rows by T periods; `impute` makes it."""

    moments: PanelMoments
    untreated: Mask  # (R, T) cells the unit and period effects are fitted to
    treated: Mask  # (R, T) cells under treatment, or expecting it
    known: Mask  # (R, T) of these, cells whose untreated outcome can be imputed
    solver: Floats  # (T, T) generalised inverse of the normal equations of the period effects
    period: Floats  # (T,) period effects

    @cached_property
    def cohorts(self) -> Integers:
        """Distinct cohorts (J,), ascending."""
        return np.unique(self.moments.cohort)

    @cached_property
    def of_row(self) -> Integers:
        """Each row's place among the cohorts (R,)."""
        found: Integers = np.searchsorted(self.cohorts, self.moments.cohort)
        return found

    @cached_property
    def residual(self) -> Floats:
        """Sum of weight × (outcome − unit and period effects) (R, T)."""
        moments = self.moments
        weights = np.where(self.untreated, moments.weights, 0.0)
        left = np.where(self.untreated, moments.sums - moments.weights * self.period, 0.0)
        unit = left.sum(axis=1) / weights.sum(axis=1)
        found: Floats = moments.sums - moments.weights * (self.period + unit[:, None])
        return found

    @cached_property
    def weight(self) -> Floats:
        """Weight of the cells with a known effect (R, T), 0 elsewhere."""
        return np.where(self.known, self.moments.weights, 0.0)

    @cached_property
    def effect(self) -> Floats:
        """Sum of weight × effect over the units of a row (R, T), 0 where it is not known."""
        return np.where(self.known, self.residual, 0.0)

    @property
    def units_are_clusters(self) -> bool:
        """Whether every unit is a cluster of its own."""
        moments = self.moments
        single = bool((moments.units == 1).all()) and bool((moments.cluster[1:] != moments.cluster[:-1]).all())
        return moments.cross is not None or single

    def by_cohort(self, values: Floats) -> Floats:
        """Sums of the rows (R, T) of each cohort (J, T)."""
        return np.array([values[self.of_row == j].sum(axis=0) for j in range(len(self.cohorts))])


def impute(moments: PanelMoments, anticipation: int) -> Imputation:
    """Fit unit and period effects to the cells before adoption and its anticipation, and to those never treated.

    An effect is known where its unit and its period are linked by untreated cells: else a constant could be moved
    from the one effect to the other. Rows must have an untreated cell each.
    """
    begins = moments.cohort[:, None] - anticipation
    free = (moments.cohort[:, None] == 0) | (moments.times < begins)
    untreated, treated = moments.observed & free, moments.observed & ~free
    weights = np.where(untreated, moments.weights, 0.0)
    share = weights / weights.sum(axis=1, keepdims=True)
    normal = np.diag(weights.sum(axis=0)) - share.T @ weights
    right = np.where(untreated, moments.sums, 0.0)
    right = (right - weights * (right.sum(axis=1) / weights.sum(axis=1))[:, None]).sum(axis=0)
    part = _parts(untreated)
    solver = _solver(normal, part)
    known = treated & (part[untreated.argmax(axis=1)][:, None] == part)
    return Imputation(moments, untreated, treated, known, solver, solver @ right)


def _parts(untreated: Mask) -> Integers:
    """Which periods (T,) are linked by units seen untreated in both, directly or over others; -1 without any unit."""
    seen = untreated.astype(np.float64)
    linked = seen.T @ seen > 0
    for _ in range(len(linked).bit_length()):
        linked = linked.astype(np.float64) @ linked > 0
    return np.where(linked.any(axis=1), linked.argmax(axis=1), -1).astype(np.int64)


def _solver(normal: Floats, part: Integers) -> Floats:
    """Inverse of the normal equations, the first period of every linked part set to zero."""
    kept = (part >= 0) & (part != np.arange(len(part)))
    found = np.zeros_like(normal)
    found[np.ix_(kept, kept)] = np.linalg.inv(normal[np.ix_(kept, kept)])
    return found


@dataclass(frozen=True, eq=False)
class Means:
    """P means of effects: their values, covariance and, where rows belong to clusters, scores by cluster (G, P)."""

    values: Floats  # (P,)
    covariance: Floats  # (P, P)
    scores: Floats | None


def means(found: Imputation, cells: Mask, *, leave_out: bool = False, around: Floats | None = None) -> Means:
    """Means of effects over cells, weighing what their observations weigh, with their conservative covariance.

    Parameters
    ----------
    cells
        Which cohorts and periods each mean is over (P, J, T); each must hold a cell with a known effect.
    leave_out
        Whether a cluster's effects are compared with the average of the others in its cohort and period, which
        undoes that the average follows them (Borusyak, Jaravel and Spiess, 2024, supplementary appendix A.9).
        Where weights differ between units that are summed into rows (`equal_weights`), it must not be asked for.
    around
        What treated cells are compared with (J, T) instead of the averages of their cohort and period.
    """
    total = found.by_cohort(found.weight)
    load = cells / (cells * total).sum(axis=(1, 2))[:, None, None]
    values = np.tensordot(load, found.by_cohort(found.effect), axes=2)
    periods = found.solver @ _moved(found, load).T
    centre = averages(found) if around is None else around
    factor = _outside(found) if leave_out else np.ones_like(found.weight)
    if found.moments.cross is not None:
        covariance = meat(found.moments, _loading(found, load, periods, centre, factor), len(values))
        return Means(values, covariance, None)
    apart = (found.effect - found.weight * centre[found.of_row]) * factor
    rows = np.where(found.untreated, found.residual, 0.0) @ periods
    for j in range(len(found.cohorts)):
        mine = found.of_row == j
        rows[mine] += apart[mine] @ load[:, j].T
    scores = cluster_sums(rows, found.moments.cluster)
    return Means(values, scores.T @ scores, scores)


def _moved(found: Imputation, load: Floats) -> Floats:
    """How much each period effect enters the means (P, T): by the period itself, and by the units' effects."""
    untreated = np.where(found.untreated, found.moments.weights, 0.0)
    share = untreated / untreated.sum(axis=1, keepdims=True)
    moved: Floats = -np.einsum("pjt,jt->pt", load, found.by_cohort(found.weight))
    for j in range(len(found.cohorts)):
        mine = found.of_row == j
        moved += load[:, j] @ (found.weight[mine].T @ share[mine])
    return moved


def averages(found: Imputation) -> Floats:
    """The average effect of each cohort and period (J, T), 0 where none is known.

    Where units are clusters they weigh by the square of their weight, which makes the excess of the conservative
    variance smallest; where clusters hold several units, by their weight. Without weights both are plain means.
    """
    weight, effect = found.weight, found.effect
    if found.units_are_clusters:
        weight, effect = _squared(found)
    total = found.by_cohort(weight)
    average: Floats = np.divide(found.by_cohort(effect), total, out=np.zeros_like(total), where=total > 0)
    return average


def _squared(found: Imputation) -> tuple[Floats, Floats]:
    """Sums over units of weight² and weight² × effect (R, T), where effects are known."""
    moments = found.moments
    if moments.cross is None:
        return found.weight**2, found.weight * found.effect
    squares = moments.cross[:, :1, 0]
    left = moments.cross[:, 0, 1:] - squares * found.period
    count = found.untreated.sum(axis=1, keepdims=True)
    unit = np.where(found.untreated, left, 0.0).sum(axis=1, keepdims=True) / count
    return np.where(found.known, squares, 0.0), np.where(found.known, left - unit, 0.0)


def equal_weights(moments: PanelMoments) -> bool:
    """Whether units that are summed into a row weigh the same (rows of several units that are clusters)."""
    if moments.cross is None:
        return True
    total = moments.weights.max(axis=1)
    return bool(np.allclose(moments.cross[:, 0, 0] * moments.units, total**2, rtol=1e-9, atol=0.0))


def _outside(found: Imputation) -> Floats:
    """What residuals are multiplied by to leave their own cluster out of the averages (R, T)."""
    moments = found.moments
    if found.units_are_clusters:
        total = found.by_cohort(_squared(found)[0])
        single = found.weight / moments.units[:, None]
        own = single**2
    else:
        total = found.by_cohort(found.weight)
        changed = (moments.cluster[1:] != moments.cluster[:-1]) | (moments.cohort[1:] != moments.cohort[:-1])
        group = np.r_[0, np.cumsum(changed)]
        own = np.add.reduceat(found.weight, np.flatnonzero(np.r_[True, changed]), axis=0)[group]
    all_of = total[found.of_row]
    others = all_of - own
    return np.divide(all_of, others, out=np.ones_like(own), where=others > ALL_OF_IT * all_of)


def _loading(found: Imputation, load: Floats, periods: Floats, centre: Floats, factor: Floats) -> Loading:
    """What a unit of a row's kind adds to the error, as a function of 1 and its outcomes (1 + T, P)."""

    def of(row: int) -> Floats:
        j = found.of_row[row]
        compared = (load[:, j] * found.known[row] * factor[row]).T
        seen = found.untreated[row].astype(np.float64)[:, None]
        slope = compared + seen * (periods - (seen * periods + compared).sum(axis=0) / seen.sum())
        return np.vstack([-(found.period @ slope) - centre[j] @ compared, slope])

    return of


def untreated_part(found: Imputation) -> PanelMoments:
    """The moments of the untreated cells alone, of rows that have two or more of them."""
    moments = found.moments
    rows = found.untreated.sum(axis=1) > 1
    cells = found.untreated[rows]
    periods = cells.any(axis=0)
    cells = cells[:, periods]
    at = np.ix_(rows, periods)
    cross = None
    if moments.cross is not None:
        held = np.r_[True, periods]
        both = np.concatenate([np.ones((len(cells), 1), dtype=np.bool_), cells], axis=1)
        cross = moments.cross[np.ix_(rows, held, held)] * both[:, :, None] * both[:, None, :]
    return replace(
        moments,
        times=moments.times[periods],
        cluster=moments.cluster[rows],
        cohort=moments.cohort[rows],
        units=moments.units[rows],
        counts=np.where(cells, moments.counts[at], 0),
        weights=np.where(cells, moments.weights[at], 0.0),
        sums=np.where(cells, moments.sums[at], 0.0),
        cross=cross,
    )
