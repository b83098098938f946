"""The estimated chance of each person to be in the treated arm, with what its estimation adds to later errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.columns import standardise
from evaluation.inference.logistic import Logistic, fit_logistic
from evaluation.inference.newton import RunawayError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.inference.arm_means import Sample

    Floats = NDArray[np.float64]

DIGITS = 10  # of a log odds: two people with the same covariates must not differ by rounding


@dataclass(frozen=True, eq=False)
class Chances:
    """Propensities of a sample's people, from a logistic regression of the arm on the covariates."""

    fit: Logistic

    @property
    def chance(self) -> Floats:
        """Propensities (n,)."""
        return self.fit.chance

    @cached_property
    def log_odds(self) -> Floats:
        """Log odds of being treated (n,), the same for people with the same covariates."""
        return np.round(self.fit.design @ self.fit.coefficients, DIGITS)


def chances(sample: Sample) -> Chances:
    """Fit the propensity on everyone in the sample, with their weights.

    Raises
    ------
    NotEstimable
        When a covariate is constant or redundant, or tells the arms apart for certain.
    """
    if not sample.mass.all():
        standardise(sample.covariates[sample.mass > 0], sample.names)  # a column may be constant among those left
    try:
        fit = fit_logistic(sample.design, sample.arm.astype(np.float64), sample.mass)
    except RunawayError as runaway:
        name = sample.columns.widest(runaway.step[1:])
        raise NotEstimable(
            f"the covariates tell for certain who is treated, for some people: `{name}`, alone or with others. They "
            "have nobody to be compared with; leave the covariate out, or restrict the study to people who could be in "
            "either arm.") from None  # fmt: skip
    return Chances(fit)
