"""Risks standardised over everyone by logistic regression, with M-estimation variances.

The stacked estimating equations are the logistic scores X'(y - p) and, for each arm a, mean p(a, z) - risk_a = 0
(Stefanski & Boos, 2002). The variance therefore holds the uncertainty of the coefficients and of who happened
to be in the study (the distribution of the covariates).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.errors import NotEstimable
from evaluation.inference.columns import Standardised, standardise
from evaluation.inference.newton import Point, RunawayError, maximise

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True)
class StandardisedRisks:
    """Mean predicted risk of everyone if treated and if not, and each person's influence on both (n, 2)."""

    treated: float
    control: float
    influence: Floats
    n_parameters: int


def _probabilities(design: Floats, coefficients: Floats) -> Floats:
    from scipy.special import expit

    found: Floats = expit(design @ coefficients)
    return found


def _fit(design: Floats, event: Floats, columns: Standardised) -> tuple[Floats, Floats]:
    """Coefficients (p,) of the logistic regression, and their information (p, p)."""
    import numpy as np

    def evaluate(coefficients: Floats) -> Point:
        predictor = design @ coefficients
        p = _probabilities(design, coefficients)
        loglik = float(event @ predictor - np.logaddexp(0, predictor).sum())
        return Point(loglik, design.T @ (event - p), design.T @ (design * (p * (1 - p))[:, None]))

    try:
        coefficients, there = maximise(evaluate, np.zeros(design.shape[1]))
    except RunawayError as runaway:
        name = columns.widest(runaway.step[1:])
        raise NotEstimable(
            f"the regression has no finite solution: `{name}`, alone or with other covariates, predicts the event "
            "perfectly for some people; leave it out, or use adjust: none.") from None  # fmt: skip
    return coefficients, there.information


def standardised_risks(arm: Integers, event: Integers, covariates: Floats, arm_name: str, names: Sequence[str]
                       ) -> StandardisedRisks:  # fmt: skip
    """Fit the event (n,) on arm (n,) and covariates (n, p) called `names`; average predictions under each arm.

    Raises
    ------
    NotEstimable
        When an arm has no events or only events, a covariate is constant or redundant, or the covariates predict
        the event perfectly for some people (separation).
    """
    import numpy as np

    columns = standardise(np.column_stack([arm, covariates]), (arm_name, *names))
    design = np.column_stack([np.ones(len(arm)), columns.values])
    coefficients, information = _fit(design, event.astype(float), columns)
    residual = (event - _probabilities(design, coefficients))[:, None]
    scores = np.linalg.solve(information, (design * residual).T).T  # influence on the coefficients
    risks, influence = [], []
    for value in (1, 0):
        design[:, 1] = (value - columns.centre[0]) / columns.scale[0]
        p = _probabilities(design, coefficients)
        risks.append(float(p.mean()))
        slope = design.T @ (p * (1 - p)) / len(p)
        influence.append((p - p.mean()) / len(p) + scores @ slope)
    return StandardisedRisks(risks[0], risks[1], np.column_stack(influence), design.shape[1])
