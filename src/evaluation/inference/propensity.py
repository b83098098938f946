"""The propensity to be treated: a weighted logit, and what its estimation adds to later errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.newton import Point, RunawayError, maximise
from evaluation.inference.two_way import independent

if TYPE_CHECKING:
    from evaluation.data.moments import Floats

CERTAIN = 0.999  # a propensity from which there is nobody to compare with (R's did)
TRIM = 0.995  # comparison units of a higher propensity get no weight (R's DRDID)
FAR = 500.0  # log odds beyond which a number's exponent has no place


class NoOverlapError(Exception):
    """Treated and comparison units cannot be compared given their covariates; the message says why."""


@dataclass(frozen=True, eq=False)
class Propensity:
    """A fitted logit: coefficients (P,) and the inverse of its information (P, P)."""

    coefficients: Floats
    bread: Floats

    def of(self, x: Floats) -> Floats:
        """Propensities (n,) of units with design rows `x` (n, P)."""
        found: Floats = 1 / (1 + np.exp(-np.clip(x @ self.coefficients, -FAR, FAR)))
        return found


def propensity(treated: Floats, treated_weight: Floats, control: Floats, control_weight: Floats) -> Propensity:
    """Maximum-likelihood logit of being treated, on the design rows of both groups (n, P), the first column 1.

    Raises
    ------
    NoOverlapError
        Where columns are collinear, or some combination of them tells the groups apart.
    """
    x, weight = np.concatenate([treated, control]), np.concatenate([treated_weight, control_weight])
    weighted = x * weight[:, None]
    gram = x.T @ weighted
    if not independent(gram, np.diag(gram)).all():
        raise NoOverlapError("the covariates are collinear among treated and comparison units")
    total, inside = float(weight.sum()), treated_weight @ treated

    def evaluate(at: Floats) -> Point:
        index = np.clip(x @ at, -FAR, FAR)
        grown = np.exp(index)
        chance = grown / (1 + grown)
        loglik = float(inside @ at - weight @ np.log1p(grown))
        gradient = inside - weighted.T @ chance
        information = x.T @ (weighted * (chance * (1 - chance))[:, None])
        return Point(loglik / total, gradient / total, information / total)

    start = np.zeros(x.shape[1])
    start[0] = np.log(inside[0] / control_weight.sum())
    try:
        coefficients, point = maximise(evaluate, start)
        found = Propensity(coefficients, np.asarray(np.linalg.inv(point.information * total), dtype=np.float64))
    except (RunawayError, np.linalg.LinAlgError):
        raise NoOverlapError("their covariates tell treated and comparison units apart for certain") from None
    if found.of(x).max() >= CERTAIN:
        raise NoOverlapError(f"units exist whose covariates make treatment all but certain (above {CERTAIN})")
    return found
