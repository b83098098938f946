"""Effects by cohort and period on counts and shares: what the untreated trend on the log or logit scale leads to.

A model with effects of cohorts and of periods (both, with covariates, interacted with them) and one treatment effect,
interacted too, a cohort and period falls into parts: the link being canonical, the untreated observations alone decide
the untreated part, and each treated cell its own. The effect of a cell is the mean of its fitted values less the mean
of what the untreated part predicts for it (Wooldridge, 2023). Errors of both are linear in the outcomes, so cells of
sums suffice where there are no covariates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.cohort_cells import EffectFit
from evaluation.inference.covariance import cluster_starts, cluster_sums, cr1_factor
from evaluation.inference.newton import RunawayError
from evaluation.inference.panel_glm import Family, PanelGlm, mean_of, slope_of
from evaluation.inference.regression import ClusterRegression
from evaluation.inference.scores import meat
from evaluation.inference.unit_covariates import terms

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask, PanelMoments
    from evaluation.inference.cohort_cells import CohortCells

BOUND = 1e-12  # a mean this near to 0 or 1, as a share of the outcome's size, is at it
TIED = 1e-6  # what a combination of columns must leave of a prediction for it to be undetermined
NO_COMPARISON = "No untreated unit is observed in these periods to compare with."
AT_BOUND = (
    "In the untreated observations of its cohort or period the outcome has only its lowest or highest value: a model "
    "of proportional change has nothing to go by."
)
RUNAWAY = "The covariates tell the outcome exactly in some group, so the model has no finite answer: leave some out."


@dataclass(frozen=True, eq=False)
class ResponseCells:
    """The means of C cells, as observed and as the untreated part predicts them, with what their errors are made of."""

    moments: PanelMoments
    cells: CohortCells
    family: Family
    base: Floats  # (J, T, Q) of the untreated part
    untreated: Floats  # (R, T) weights of the untreated observations
    coefficients: Floats  # of the untreated part
    kept: Mask  # columns of the untreated part that are estimated
    fitted: Floats  # (R, C) fitted mean in each treated cell
    parameters: int
    reasons: dict[int, str]  # why cells have no effect

    @classmethod
    def of(cls, moments: PanelMoments, cells: CohortCells, treated: Mask, family: Family) -> ResponseCells:
        """The means of the `cells`; observations outside of `treated` (J, T) are the untreated ones.

        Raises
        ------
        NotEstimable
            When the untreated part cannot be fitted.
        """
        cohorts, of_row = np.unique(moments.cohort, return_inverse=True)
        z, sums = terms(moments), moments.sums + moments.shift * moments.weights
        base = _base(len(cohorts), len(moments.times))
        bound = _at_bound(moments, of_row, treated, family)
        free = ~treated & ~bound
        untreated = np.where(free[of_row], moments.weights, 0.0)
        if not untreated.any():
            raise NotEstimable(AT_BOUND)
        glm = PanelGlm(family, base, of_row, z, untreated, np.where(free[of_row], sums, 0.0))
        try:
            coefficients, kept = glm.pooled().fit()
        except RunawayError:
            raise NotEstimable(RUNAWAY) from None
        lost = _undetermined(glm, kept, cells)
        reasons = dict.fromkeys(np.flatnonzero(lost).tolist(), NO_COMPARISON)
        at = np.searchsorted(cohorts, cells.cohort)
        behind = np.array([bound[j].any() or bound[:, t].any() for j, t in zip(at, cells.period, strict=True)])
        reasons |= dict.fromkeys(np.flatnonzero(lost & behind).tolist(), AT_BOUND)
        fitted, ranks = _treated_means(cells, z, sums, family, reasons)
        return cls(
            moments, cells, family, base, untreated, coefficients, kept, fitted, int(kept.sum()) + ranks, reasons
        )

    @cached_property
    def known(self) -> Mask:
        """Cells that have an effect (C,)."""
        found = np.ones(len(self.cells.cohort), dtype=np.bool_)
        found[list(self.reasons)] = False
        return found

    @cached_property
    def _glm(self) -> PanelGlm:
        of_row = np.unique(self.moments.cohort, return_inverse=True)[1]
        return PanelGlm(self.family, self.base, of_row, terms(self.moments), self.untreated,
                    np.where(self.untreated > 0, self._sums, 0.0))  # fmt: skip

    @property
    def _sums(self) -> Floats:
        found: Floats = self.moments.sums + self.moments.shift * self.moments.weights
        return found

    @cached_property
    def _predicted(self) -> Floats:
        """The mean that the untreated part predicts (R, T)."""
        return mean_of(self.family, self._glm.linear(self.coefficients))

    @cached_property
    def _mass(self) -> Floats:
        """Weights of the rows in each cell (R, C)."""
        inside = self.moments.cohort[:, None] == self.cells.cohort
        found: Floats = np.where(inside, self.moments.weights[:, self.cells.period], 0.0)
        return found

    @cached_property
    def means(self) -> tuple[Floats, Floats]:
        """Mean of each cell as fitted and as predicted without treatment (C,), (C,)."""
        total = self.cells.weight
        return (
            (self._mass * self.fitted).sum(axis=0) / total,
            (self._mass * self._predicted[:, self.cells.period]).sum(axis=0) / total,
        )

    @cached_property
    def _gradient(self) -> Floats:
        """How each cell's predicted mean changes with the coefficients of the untreated part (C, width)."""
        slopes = slope_of(self.family, self._predicted)[:, self.cells.period] * self._mass / self.cells.weight
        by_terms = slopes.T @ self._glm.z
        cohorts = np.unique(self.moments.cohort)
        at = self.base[np.searchsorted(cohorts, self.cells.cohort), self.cells.period]
        found: Floats = (at[:, :, None] * by_terms[:, None, :]).reshape(len(at), -1)
        return np.where(self.kept, found, 0.0)

    @cached_property
    def _inverse(self) -> Floats:
        """Inverse information of the untreated part, zero for columns that were dropped."""
        slopes = self.untreated * slope_of(self.family, self._predicted)
        both = np.ix_(self.kept, self.kept)
        found = np.zeros((len(self.kept), len(self.kept)))
        found[both] = np.linalg.inv(self._glm.gram(slopes)[both])
        return found

    def effects(self) -> EffectFit:
        """The effect of each cell, a coefficient each: NaN where there is none."""
        fitted, predicted = self.means
        identity = np.eye(len(fitted))
        return self._fit(np.where(self.known, fitted - predicted, np.nan), identity, -identity, self.known)

    def log_ratio(self, shares: Floats) -> EffectFit:
        """The logarithm of the mean outcome over the mean without treatment, cells weighing `shares` (C,)."""
        fitted, predicted = (shares[self.known] @ m[self.known] for m in self.means)
        if fitted <= 0 or predicted <= 0:
            raise NotEstimable("A mean of zero has no ratio.")
        value = np.array([np.log(fitted) - np.log(predicted)])
        return self._fit(value, shares[:, None] / fitted, -shares[:, None] / predicted, np.ones(1, dtype=np.bool_))

    def _fit(self, values: Floats, on_fitted: Floats, on_predicted: Floats, identified: Mask) -> EffectFit:
        """Figures that move with the cells' two means as the columns of `on_fitted` and `on_predicted` (C, P) say."""
        moments = self.moments
        if moments.n_clusters < 2:
            raise NotEstimable("All rows are in one cluster, so uncertainty cannot be reckoned.")
        n_obs = int(moments.counts.sum())
        factor = cr1_factor(moments.n_clusters, n_obs, self.parameters)
        ours = on_fitted[:, identified] * self.known[:, None] / self.cells.weight[:, None]
        theirs = self._inverse @ self._gradient.T @ (on_predicted[:, identified] * self.known[:, None])
        errors = None
        if moments.cross is None:
            errors = self._errors(ours, theirs)
            squares = errors.T @ errors
        else:
            squares = meat(moments, lambda r: self._loading(r, ours, theirs), ours.shape[1])
        covariance = np.full((len(values), len(values)), np.nan)
        covariance[np.ix_(identified, identified)] = factor * squares
        return EffectFit(values, covariance, identified, identified, moments.n_clusters, factor, errors,
                         self._by_cluster)  # fmt: skip

    def _left(self) -> tuple[Floats, Floats]:
        """What is left of the outcomes: in the treated cells (R, C), in the untreated part by its terms (R, width)."""
        own = np.where(self._mass > 0, self._sums[:, self.cells.period], 0.0) - self._mass * self.fitted
        glm = self._glm
        return own, glm.scores(glm.sums - glm.weights * self._predicted)

    def _errors(self, ours: Floats, theirs: Floats) -> Floats:
        """What each cluster adds to the error of the figures (G, P)."""
        own, scores = self._left()
        return cluster_sums(own @ ours + scores @ theirs, self.moments.cluster)

    def _loading(self, row: int, ours: Floats, theirs: Floats) -> Floats:
        """What a unit of a row's kind adds to the figures' error, as a function of 1 and its outcomes (1 + T, P)."""
        moments, j = self.moments, self._glm.of_row[row]
        free = (self.untreated[row] > 0)[:, None]
        slope = np.where(free, self.base[j] @ theirs, 0.0)
        constant = (moments.shift - self._predicted[row]) @ slope
        mine = np.flatnonzero(self._mass[row] > 0)
        np.add.at(slope, self.cells.period[mine], ours[mine])
        constant = constant + (moments.shift - self.fitted[row, mine]) @ ours[mine]
        return np.vstack([constant, slope])

    def _by_cluster(self) -> ClusterRegression:
        """The fit near its maximum as a weighted regression, the last columns being the known cells' effects.

        Columns are those of the untreated part and the cells' means; the effects are the means less a combination of
        the former, so that the regression is turned to have them as coefficients.
        """
        glm, known = self._glm, self.known
        cluster = self.moments.cluster
        slopes = self.untreated * slope_of(self.family, self._predicted)
        own, scores = self._left()
        fitted, predicted = self.means
        spread = slope_of(self.family, fitted)[known]
        spread = np.where(spread > 0, spread, 1.0)
        starts = np.r_[cluster_starts(cluster), len(cluster)]
        upper = np.array([glm.gram(slopes, slice(a, b)) for a, b in pairwise(starts)])
        upper = upper[:, self.kept][:, :, self.kept]
        lower = cluster_sums(self._mass[:, known] / spread, cluster)
        turn = self._gradient[known][:, self.kept]
        corner = lower[:, :, None] * turn
        grams = np.concatenate([
            np.concatenate([upper + turn.T @ corner, corner.transpose(0, 2, 1)], axis=2),
            np.concatenate([corner, lower[:, :, None] * np.eye(int(known.sum()))], axis=2),
        ], axis=1)  # fmt: skip
        right = cluster_sums(own[:, known] / spread, cluster)
        turned = np.concatenate([cluster_sums(scores, cluster)[:, self.kept] + right @ turn, right], axis=1)
        target = np.concatenate([self.coefficients[self.kept], (fitted - predicted)[known]])
        return ClusterRegression(grams, grams @ target + turned, int(self.moments.counts.sum()), self.parameters)


def _base(cohorts: int, periods: int) -> Floats:
    """Indicators of the cohorts and of the periods but the first (J, T, J + T - 1)."""
    found = np.zeros((cohorts, periods, cohorts + periods - 1))
    found[np.arange(cohorts), :, np.arange(cohorts)] = 1.0
    found[:, np.arange(1, periods), cohorts + np.arange(periods - 1)] = 1.0
    return found


def _at_bound(moments: PanelMoments, of_row: Integers, treated: Mask, family: Family) -> Mask:
    """Untreated cells (J, T) of cohorts or periods whose outcomes are all at an end of what they can be."""
    weight, total = np.zeros(treated.shape), np.zeros(treated.shape)
    np.add.at(weight, of_row, moments.weights)
    np.add.at(total, of_row, moments.sums + moments.shift * moments.weights)
    slack = BOUND * (abs(moments.shift) + moments.spread)
    found = np.zeros(treated.shape, dtype=np.bool_)
    while True:
        free = ~treated & ~found
        gone = np.zeros_like(found)
        for axis in (0, 1):
            w, s = ((values * free).sum(axis=axis, keepdims=True) for values in (weight, total))
            end = (w > 0) & ((s <= slack * w) | ((family == "logit") & (w - s <= slack * w)))
            gone |= free & end
        gone &= weight > 0
        if not gone.any():
            return found
        found |= gone


def _undetermined(glm: PanelGlm, kept: Mask, cells: CohortCells) -> Mask:
    """Cells (C,) whose untreated mean the untreated observations do not tell: it would move with dropped columns."""
    found = np.zeros(len(cells.cohort), dtype=np.bool_)
    if kept.all():
        return found
    plain = glm.gram(glm.weights)
    null = np.zeros((glm.width, int((~kept).sum())))
    null[kept] = -np.linalg.solve(plain[np.ix_(kept, kept)], plain[np.ix_(kept, ~kept)])
    null[~kept] = np.eye(null.shape[1])
    moved = np.einsum("jtq,qad->jtad", glm.base, null.reshape(glm.base.shape[2], glm.z.shape[1], -1))
    cohorts = np.unique(cells.moments.cohort)
    at = np.searchsorted(cohorts, cells.cohort)
    for k, (j, t) in enumerate(zip(at.tolist(), cells.period.tolist(), strict=True)):
        rows = (glm.of_row == j) & cells.moments.observed[:, t]
        found[k] = bool((np.abs(glm.z[rows] @ moved[j, t]) > TIED).any())
    return found


def _treated_means(
    cells: CohortCells, z: Floats, sums: Floats, family: Family, reasons: dict[int, str]
) -> tuple[Floats, int]:
    """Fitted means of the rows in each cell (R, C), and how many coefficients they took; adds to `reasons`."""
    moments = cells.moments
    fitted, ranks = np.zeros((len(z), len(cells.cohort))), 0
    for k, (g, t) in enumerate(zip(cells.cohort.tolist(), cells.period.tolist(), strict=True)):
        rows = (moments.cohort == g) & moments.observed[:, t]
        w, s = moments.weights[rows, t], sums[rows, t]
        mean = s.sum() / w.sum()
        slack = BOUND * (abs(moments.shift) + moments.spread)
        if z.shape[1] == 1 or mean <= slack or (family == "logit" and 1 - mean <= slack):
            fitted[rows, k], ranks = mean, ranks + 1
            continue
        glm = PanelGlm(family, np.ones((1, 1, 1)), np.zeros(len(w), dtype=np.int64), z[rows], w[:, None], s[:, None])
        try:
            beta, kept = glm.fit()
        except RunawayError:
            reasons.setdefault(k, RUNAWAY)
            continue
        fitted[rows, k], ranks = mean_of(family, glm.linear(beta))[:, 0], ranks + int(kept.sum())
    return fitted, ranks
