"""A weighted logistic regression: coefficients, predictions, and what each row adds to their error."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.newton import Point, maximise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Logistic:
    """A fit: design rows (n, P), coefficients (P,), inverse information (P, P), rows' weights and outcomes (n,)."""

    design: Floats
    outcome: Floats
    weight: Floats
    coefficients: Floats
    bread: Floats

    @cached_property
    def chance(self) -> Floats:
        """Fitted probabilities (n,) of the rows."""
        return self.of(self.design)

    def of(self, design: Floats) -> Floats:
        """Probabilities (m,) of other design rows (m, P)."""
        return expit(design @ self.coefficients)

    @cached_property
    def influence(self) -> Floats:
        """What each row adds to the error of the coefficients (n, P)."""
        found: Floats = (self.design * (self.weight * (self.outcome - self.chance))[:, None]) @ self.bread
        return found


def expit(index: Floats) -> Floats:
    """Probabilities of log odds."""
    from scipy.special import expit as function

    found: Floats = function(index)
    return found


def fit_logistic(design: Floats, outcome: Floats, weight: Floats) -> Logistic:
    """Maximum likelihood of a 0/1 `outcome` (n,) on `design` (n, P), a constant first, with `weight` (n,) a row.

    Raises
    ------
    RunawayError
        When there is no finite maximum: columns of the design predict the outcome perfectly for some rows.
    """
    total = float(weight.sum())
    weighted = design * weight[:, None]
    inside = weighted.T @ outcome

    def evaluate(at: Floats) -> Point:
        index = design @ at
        p = expit(index)
        loglik = float(inside @ at - weight @ np.logaddexp(0, index))
        return Point(loglik / total, (inside - weighted.T @ p) / total,
                     design.T @ (weighted * (p * (1 - p))[:, None]) / total)  # fmt: skip

    coefficients, there = maximise(evaluate, np.zeros(design.shape[1]))
    bread = np.asarray(np.linalg.inv(there.information * total), np.float64)
    return Logistic(design, outcome, weight, coefficients, bread)
