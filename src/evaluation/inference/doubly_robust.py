"""Difference-in-differences of two periods, adjusted for covariates: regression, weighting, or both.

The comparison units' changes are predicted from their covariates (`reg`), weighted to the treated units' covariates
by the odds of treatment (`ipw`, weights normalised to one), or both (`dr`: right if either model is). Influence
functions carry the errors of the estimated models. Reference: Sant'Anna and Zhao (2020): their regression, Hajek
and doubly robust panel estimators, with a logit by maximum likelihood and least squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.inference.propensity import TRIM, NoOverlapError, Propensity, propensity
from evaluation.inference.two_way import independent

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Mask

Method = Literal["reg", "ipw", "dr"]


@dataclass(frozen=True, eq=False)
class Group:
    """Units of a comparison: `treated` (n,), weights (n,), design rows `x` (n, P) with a constant first."""

    treated: Mask
    weight: Floats
    x: Floats


@dataclass(frozen=True, eq=False)
class Adjusted:
    """A fit of M changes at once; `influence` evaluates it on units, some at a time.

    `largest`, `trimmed` and `effective` describe the weights: highest propensity, comparison units without weight,
    effective number of comparison units; with `reg`, 0, 0 and infinity.
    """

    att: Floats  # (M,)
    beta: Floats  # (P, M) prediction of the comparison units' change; 0 with ipw
    score: Propensity | None
    treated_mass: float
    control_mass: float  # of the weights by the odds of treatment; 1 with reg
    treated_mean: Floats  # (M,) of the changes less their prediction
    control_mean: Floats  # (M,)
    through_beta: Floats  # (P,) how the estimate moves with the prediction's coefficients, times their bread
    through_score: Floats  # (P, M) the same for the propensity
    largest: float = 0.0
    trimmed: int = 0
    effective: float = np.inf

    def influence(self, group: Group, change: Floats) -> Floats:
        """What units add to the error of each of M estimates (n, M); `change` (n, M)."""
        treated, weight, x = group.treated, group.weight, group.x
        left = change - x @ self.beta
        own = np.where(treated, weight, 0.0)
        found: Floats = own[:, None] / self.treated_mass * (left - self.treated_mean)
        against = np.where(treated, 0.0, weight)
        found -= (against * (x @ self.through_beta))[:, None] * left
        if self.score is not None:
            chance = self.score.of(x)
            odds = against * odds_of(chance)
            found -= odds[:, None] / self.control_mass * (left - self.control_mean)
            found -= (weight * (treated - chance))[:, None] * (x @ self.through_score)
        return found


def odds_of(chance: Floats) -> Floats:
    """The odds of treatment, zero for units too likely to be treated."""
    found: Floats = np.where(chance < TRIM, chance / (1 - chance), 0.0)
    return found


def adjusted(group: Group, change: Floats, method: Method) -> Adjusted:
    """The effect on the treated of M changes (n, M), adjusted by `method`.

    Raises
    ------
    NoOverlapError
        Where the models cannot be fitted: collinear covariates, or groups that covariates tell apart.
    """
    inside, outside = group.treated, ~group.treated
    x, weight = group.x[outside], group.weight[outside]
    size, periods = group.x.shape[1], change.shape[1]
    own = group.weight[inside]
    mass = float(own.sum())
    beta, bread = np.zeros((size, periods)), np.zeros((size, size))
    if method != "ipw":
        beta, bread = least_squares(x, weight, change[outside])
    treated_mean = own @ (change[inside] - group.x[inside] @ beta) / mass
    through = bread @ (own @ group.x[inside] / mass)
    if method == "reg":
        return Adjusted(treated_mean, beta, None, mass, 1.0, treated_mean, np.zeros(periods), through,
                        np.zeros((size, periods)))  # fmt: skip
    score = propensity(group.x, inside, group.weight)
    chance = score.of(x)
    odds = weight * odds_of(chance)
    total = float(odds.sum())
    if not total > 0:
        raise NoOverlapError("no comparison unit has a propensity below that of certain treatment")
    left = change[outside] - x @ beta
    control_mean = odds @ left / total
    weighted = x * odds[:, None] / total
    return Adjusted(
        treated_mean - control_mean, beta, score, mass, total, treated_mean, control_mean,
        through - bread @ weighted.sum(axis=0), score.bread @ (weighted.T @ (left - control_mean)),
        float(max(score.of(group.x[inside]).max(), chance.max())), int((chance >= TRIM).sum()),
        total**2 / float(odds @ odds))  # fmt: skip


def least_squares(x: Floats, weight: Floats, change: Floats, who: str = "comparison") -> tuple[Floats, Floats]:
    """Coefficients (P, M) of M outcomes on design rows, and the inverse of their Gram matrix.

    Raises
    ------
    NoOverlapError
        Where columns are collinear among the units, who are named by `who`.
    """
    weighted = x * weight[:, None]
    gram = x.T @ weighted
    if not independent(gram, np.diag(gram)).all():
        raise NoOverlapError(f"the covariates are collinear among {who} units, or these are too few")
    bread = np.linalg.inv(gram)
    return bread @ (weighted.T @ change), bread
