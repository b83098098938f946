"""Difference-in-differences of a panel, adjusted for covariates: regression, weighting, or both.

The comparison units' changes are predicted from their covariates (`reg`), weighted to the treated units' covariates
by the odds of treatment (`ipw`, weights normalised to one), or both (`dr`: right if either model is). Influence
functions carry the errors of the estimated models. Reference: Sant'Anna and Zhao (2020): their regression, Hajek
and doubly robust panel estimators, with a logit by maximum likelihood and least squares.

Several changes of the same units are estimated together, and all that is needed of their outcomes are weighted sums
by period: changes are never written out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.inference.covariance import cluster_starts
from evaluation.inference.propensity import TRIM, NoOverlapError, Propensity, propensity
from evaluation.inference.two_way import independent

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers

Method = Literal["reg", "ipw", "dr"]
WORTH = 64  # units a cluster from which its sums are made one by one


@dataclass(frozen=True, eq=False)
class Side:
    """Treated or comparison units: weights (n,), design rows `x` (n, P), a constant first, weight × outcome (n, T)."""

    weight: Floats
    x: Floats
    y: Floats

    def gram(self, by: Floats) -> Floats:
        """Weighted cross-products (P, P) of the design rows, multiplied by `by` (n,)."""
        found: Floats = self.x.T @ (self.x * (self.weight * by)[:, None])
        return found

    def crossed(self, by: Floats) -> Floats:
        """Weighted cross-products (P, T) of the design rows and the outcomes, multiplied by `by` (n,)."""
        found: Floats = (self.x * by[:, None]).T @ self.y
        return found

    @property
    def plain(self) -> Floats:
        """A multiplier of one (n,)."""
        return np.ones(len(self.weight))


@dataclass(frozen=True, eq=False)
class Adjusted:
    """A fit of M changes at once; its influence functions can be summed over any units.

    `largest`, `trimmed` and `effective` describe the weights: highest propensity, comparison units without weight,
    effective number of comparison units; with `reg`, 0, 0 and infinity.
    """

    att: Floats  # (M,)
    change: Floats  # (T, M) which outcomes make the changes: 1, −1 and zeros
    beta: Floats  # (P, M) prediction of the comparison units' change; 0 with ipw
    score: Propensity | None
    treated_mass: float
    control_mass: float  # of the weights by the odds of treatment
    treated_mean: Floats  # (M,) of the changes less their prediction
    control_mean: Floats  # (M,)
    through_beta: Floats  # (P,) how the estimate moves with the prediction's coefficients, times their bread
    through_score: Floats  # (P, M) the same for the propensity
    largest: float = 0.0
    trimmed: int = 0
    effective: float = np.inf

    def of_treated(self, side: Side, cluster: Integers) -> Floats:
        """What treated units add to the errors, summed within clusters (G, M); units are sorted by `cluster` (n,)."""
        by = side.plain / self.treated_mass
        found = self._left(side, by, cluster)
        found -= cluster_totals(by * side.weight, None, cluster) * self.treated_mean
        if self.score is not None:
            found -= cluster_totals(side.weight * (1 - self.score.of(side.x)), side.x, cluster) @ self.through_score
        return found

    def of_controls(self, side: Side, cluster: Integers) -> Floats:
        """The same of comparison units."""
        by = side.x @ self.through_beta
        if self.score is None:
            return -self._left(side, by, cluster)
        chance = self.score.of(side.x)
        odds = odds_of(chance) / self.control_mass
        found = -self._left(side, by + odds, cluster)
        found += cluster_totals(odds * side.weight, None, cluster) * self.control_mean
        found += cluster_totals(side.weight * chance, side.x, cluster) @ self.through_score
        return found

    def _left(self, side: Side, by: Floats, cluster: Integers) -> Floats:
        """Changes less their prediction, multiplied by `by` and weight, summed within clusters (G, M)."""
        found = cluster_totals(by, side.y, cluster) @ self.change
        if self.beta.any():
            found -= cluster_totals(by * side.weight, side.x, cluster) @ self.beta
        return found


def cluster_totals(by: Floats, values: Floats | None, cluster: Integers) -> Floats:
    """Sums of `by` (n,) times `values` (n, Q; None = 1) within clusters (G, Q); rows are sorted by cluster."""
    starts = cluster_starts(cluster)
    if values is None:
        return np.add.reduceat(by, starts)[:, None]
    if len(by) < WORTH * len(starts):
        return np.add.reduceat(by[:, None] * values, starts)
    ends = [*starts[1:].tolist(), len(by)]
    return np.array([by[a:b] @ values[a:b] for a, b in zip(starts.tolist(), ends, strict=True)])


def odds_of(chance: Floats) -> Floats:
    """The odds of treatment, zero for units too likely to be treated."""
    found: Floats = np.where(chance < TRIM, chance / (1 - chance), 0.0)
    return found


def adjusted(treated: Side, control: Side, change: Floats, method: Method) -> Adjusted:
    """The effect on the treated of M changes, `change` (T, M) of the outcomes, adjusted by `method`.

    Raises
    ------
    NoOverlapError
        Where the models cannot be fitted: collinear covariates, or groups that covariates tell apart.
    """
    size, many = treated.x.shape[1], change.shape[1]
    beta, bread = np.zeros((size, many)), np.zeros((size, size))
    if method != "ipw":
        gram = control.gram(control.plain)
        bread = inverse(gram)
        beta = bread @ (control.crossed(control.plain) @ change)
    total = treated.weight @ treated.x
    mass = float(total[0])
    treated_mean = (treated.y.sum(axis=0) @ change - total @ beta) / mass
    through = bread @ (total / mass)
    if method == "reg":
        return Adjusted(treated_mean, change, beta, None, mass, 1.0, treated_mean, np.zeros(many), through,
                        np.zeros((size, many)))  # fmt: skip
    score = propensity(treated.x, treated.weight, control.x, control.weight)
    chance = score.of(control.x)
    odds = odds_of(chance)
    gram, crossed = control.gram(odds), control.crossed(odds) @ change
    weight = float(gram[0, 0])
    if not weight > 0:
        raise NoOverlapError("no comparison unit has a propensity below that of certain treatment")
    left = crossed - gram @ beta
    control_mean = left[0] / weight
    return Adjusted(
        treated_mean - control_mean, change, beta, score, mass, weight, treated_mean, control_mean,
        through - bread @ gram[0] / weight, score.bread @ (left - np.outer(gram[0], control_mean)) / weight,
        float(max(score.of(treated.x).max(), chance.max())), int((chance >= TRIM).sum()),
        weight**2 / float(((odds * control.weight) ** 2).sum()))  # fmt: skip


def inverse(gram: Floats, who: str = "comparison") -> Floats:
    """The inverse of a Gram matrix (P, P) of design rows.

    Raises
    ------
    NoOverlapError
        Where columns are collinear among the units, who are named by `who`.
    """
    if not independent(gram, np.diag(gram)).all():
        raise NoOverlapError(f"the covariates are collinear among {who} units, or these are too few")
    return np.asarray(np.linalg.inv(gram), dtype=np.float64)
