"""Poisson and logit regression on a panel's sums, regressors being those of a cohort and period times unit terms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.inference.newton import Point, maximise
from evaluation.inference.two_way import independent

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask

Family = Literal["poisson", "logit"]
FARTHEST = 700.0  # linear predictors beyond this would leave the range of numbers


def mean_of(family: Family, linear: Floats) -> Floats:
    """The mean of the outcome at a linear predictor."""
    found: Floats = (
        np.exp(np.minimum(linear, FARTHEST))
        if family == "poisson"
        else 1 / (1 + np.exp(-np.clip(linear, -FARTHEST, FARTHEST)))
    )
    return found


def slope_of(family: Family, mean: Floats) -> Floats:
    """How the mean changes with the linear predictor; the variance, too."""
    return mean if family == "poisson" else mean * (1 - mean)


@dataclass(frozen=True, eq=False)
class PanelGlm:
    """Weighted sums of outcomes by row and period with the regressors base (J, T, Q) × z (R, A) of their cohorts."""

    family: Family
    base: Floats
    of_row: Integers
    z: Floats
    weights: Floats  # (R, T)
    sums: Floats  # (R, T)

    @property
    def width(self) -> int:
        """Number of coefficients."""
        return int(self.base.shape[2] * self.z.shape[1])

    def linear(self, beta: Floats) -> Floats:
        """The linear predictor (R, T)."""
        courses = self.base @ beta.reshape(self.base.shape[2], -1)
        found: Floats = np.einsum("rta,ra->rt", courses[self.of_row], self.z)
        return found

    def gram(self, weights: Floats, rows: slice = slice(None)) -> Floats:
        """Cross-products of the regressors under some weights (R, T), of neighbouring rows."""
        z, a = self.z[rows], self.z.shape[1]
        squares = (z[:, :, None] * z[:, None, :]).reshape(len(z), -1)
        total = np.zeros((self.base.shape[2], a, self.base.shape[2], a))
        for j in np.unique(self.of_row[rows]).tolist():
            mine = self.of_row[rows] == j
            part = (weights[rows][mine].T @ squares[mine]).reshape(-1, a, a)
            total += np.einsum("tp,tab,tq->paqb", self.base[j], part, self.base[j], optimize=True)
        return total.reshape(self.width, self.width)

    def scores(self, left: Floats) -> Floats:
        """Each row's regressors times what is left (R, T) of its outcomes, (R, width)."""
        turned = np.zeros((len(left), self.base.shape[2]))
        for j in range(len(self.base)):
            turned[self.of_row == j] = left[self.of_row == j] @ self.base[j]
        return (turned[:, :, None] * self.z[:, None, :]).reshape(len(left), -1)

    def pooled(self) -> PanelGlm:
        """The same fit from fewer rows: without covariates the rows of a cohort share their regressors."""
        if self.z.shape[1] > 1:
            return self
        cohorts = len(self.base)
        weights, sums = np.zeros((cohorts, self.weights.shape[1])), np.zeros((cohorts, self.weights.shape[1]))
        np.add.at(weights, self.of_row, self.weights)
        np.add.at(sums, self.of_row, self.sums)
        return replace(self, of_row=np.arange(cohorts), z=np.ones((cohorts, 1)), weights=weights, sums=sums)

    def fit(self) -> tuple[Floats, Mask]:
        """Maximum likelihood coefficients (0 where a column was dropped), and which columns were kept.

        Raises
        ------
        RunawayError
            When the likelihood has no finite maximum.
        """
        plain = self.gram(self.weights)
        kept = independent(plain, np.diag(plain))

        def point(beta: Floats) -> Point:
            linear = np.where(self.weights > 0, self.linear(_placed(beta, kept)), 0.0)
            mean = mean_of(self.family, linear)
            mass = mean if self.family == "poisson" else np.logaddexp(0.0, linear)
            gradient = self.scores(self.sums - self.weights * mean).sum(axis=0)[kept]
            information = self.gram(self.weights * slope_of(self.family, mean))[np.ix_(kept, kept)]
            return Point(float((self.sums * linear - self.weights * mass).sum()), gradient, information)

        found, _ = maximise(point, self._start(kept))
        return _placed(found, kept), kept

    def _start(self, kept: Mask) -> Floats:
        """Least squares on the link of the outcomes drawn half way to their mean."""
        total = self.sums.sum() / self.weights.sum()
        mean = (
            np.divide(self.sums, self.weights, out=np.full_like(self.sums, total), where=self.weights > 0) + total
        ) / 2
        linear = np.log(mean) if self.family == "poisson" else np.log(mean / (1 - mean))
        weights = self.weights * slope_of(self.family, mean)
        gram, right = self.gram(weights), self.scores(weights * linear).sum(axis=0)
        found: Floats = np.linalg.solve(gram[np.ix_(kept, kept)], right[kept])
        return found


def _placed(values: Floats, kept: Mask) -> Floats:
    found = np.zeros(len(kept))
    found[kept] = values
    return found
