"""The propensity to be treated: a weighted logit, and what its estimation adds to later errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.newton import Point, RunawayError, maximise
from evaluation.inference.two_way import independent

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Mask

CERTAIN = 0.999  # a propensity from which there is nobody to compare with (R's did)
TRIM = 0.995  # comparison units of a higher propensity get no weight (R's DRDID)


class NoOverlapError(Exception):
    """Treated and comparison units cannot be compared given their covariates; the message says why."""


@dataclass(frozen=True, eq=False)
class Propensity:
    """A fitted logit: coefficients (P,) and the inverse of its information (P, P)."""

    coefficients: Floats
    bread: Floats

    def of(self, x: Floats) -> Floats:
        """Propensities (n,) of units with design rows `x` (n, P)."""
        found: Floats = 1 / (1 + np.exp(-np.clip(x @ self.coefficients, -700, 700)))
        return found


def propensity(x: Floats, treated: Mask, weight: Floats) -> Propensity:
    """Maximum-likelihood logit of `treated` (n,) on design rows `x` (n, P), the first column 1.

    Raises
    ------
    NoOverlapError
        Where columns are collinear, or some combination of them tells the groups apart for certain.
    """
    weighted = x * weight[:, None]
    if not independent(x.T @ weighted, (x * weighted).sum(axis=0)).all():
        raise NoOverlapError("the covariates are collinear among treated and comparison units")
    total = weight.sum()

    def evaluate(at: Floats) -> Point:
        index = x @ at
        chance = 1 / (1 + np.exp(-np.clip(index, -700, 700)))
        loglik = float(weight @ (np.where(treated, index, 0.0) - np.logaddexp(0, index)))
        gradient = weighted.T @ (treated - chance)
        information = x.T @ (weighted * (chance * (1 - chance))[:, None])
        return Point(loglik / total, gradient / total, information / total)

    start = np.zeros(x.shape[1])
    share = float(weight[treated].sum() / total)
    start[0] = np.log(share / (1 - share))
    try:
        coefficients, point = maximise(evaluate, start)
        found = Propensity(coefficients, np.linalg.inv(point.information * total))
    except (RunawayError, np.linalg.LinAlgError):
        raise NoOverlapError("their covariates tell treated and comparison units apart for certain") from None
    if found.of(x).max() >= CERTAIN:
        raise NoOverlapError(f"units exist whose covariates make treatment all but certain (above {CERTAIN})")
    return found
