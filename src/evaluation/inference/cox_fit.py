"""A fitted Cox model: coefficients on the columns' own scale, model-based and robust covariances, tests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from evaluation.errors import NotEstimable
from evaluation.inference import clusters
from evaluation.inference.columns import Standardised, standardise
from evaluation.inference.concordance import concordance
from evaluation.inference.cox_likelihood import RiskSets, Ties, point, risk_sets, score_residuals, state
from evaluation.inference.newton import Point, RunawayError, maximise
from evaluation.inference.proportional_hazards import DriftTest, drift_tests

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True)
class CoxFit:
    """The maximum of the partial likelihood. `standard` (p,) are the coefficients of standardised columns."""

    columns: Standardised
    sets: RiskSets
    standard: Floats
    loglik_null: float
    at_maximum: Point

    @property
    def coefficients(self) -> Floats:
        """Log hazard ratios (p,) per unit of each column."""
        return self.standard / self.columns.scale

    @property
    def loglik(self) -> float:
        """Log partial likelihood at the maximum."""
        return self.at_maximum.loglik

    @cached_property
    def _inverse(self) -> Floats:
        import numpy as np

        return np.asarray(np.linalg.inv(self.at_maximum.information), np.float64)

    def _rescaled(self, covariance: Floats) -> Floats:
        import numpy as np

        found: Floats = covariance / np.outer(self.columns.scale, self.columns.scale)
        return found

    @property
    def model_covariance(self) -> Floats:
        """Inverse of the observed information (p, p)."""
        return self._rescaled(self._inverse)

    def robust_covariance(self, codes: Integers | None) -> Floats:
        """Lin and Wei's (1989) sandwich (p, p): products of score residuals, summed by cluster code if given."""
        residuals = score_residuals(self.sets, state(self.sets, self.standard))
        summed = residuals if codes is None else clusters.sums(residuals, codes)
        influence = summed @ self._inverse
        return self._rescaled(influence.T @ influence)

    def drift(self) -> tuple[DriftTest, list[DriftTest]] | None:
        """Tests of proportional hazards: of all columns at once, and of each."""
        return drift_tests(self.sets, self.standard)

    def concordance(self, time: Floats, event: Integers) -> float | None:
        """Harrell's concordance of the linear predictor with what was observed."""
        return concordance(time, event, self.sets.columns @ self.standard)


def fit_cox(time: Floats, event: Integers, columns: Floats, names: Sequence[str], ties: Ties) -> CoxFit:
    """Fit people sorted by time: `time` and `event` (n,), `columns` (n, p) called `names`; event 1 counts.

    Raises
    ------
    NotEstimable
        When nobody had the event, a column is constant or redundant, or the likelihood has no finite maximum.
    """
    import numpy as np

    if not (event == 1).any():
        raise NotEstimable("nobody had the event, so there is no hazard to compare.", (0,))
    standard = standardise(columns, names)
    sets = risk_sets(time, event, standard.values, ties)
    start = np.zeros(columns.shape[1])
    null = point(sets, start)
    try:
        found, there = maximise(lambda at: point(sets, at), start)
    except RunawayError as runaway:
        raise NotEstimable(
            f"the likelihood has no finite maximum: `{standard.widest(runaway.step)}`, alone or with other covariates, "
            "separates people with and without the event; leave it out of the covariates.") from None  # fmt: skip
    return CoxFit(standard, sets, found, null.loglik, there)
