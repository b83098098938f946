"""Risks standardised over everyone, or over the treated, by logistic regression, with M-estimation variances.

The stacked estimating equations are the logistic scores X'(y - p) and, for each arm a, mean p(a, z) - risk_a = 0
(Stefanski & Boos, 2002). The variance therefore holds the uncertainty of the coefficients and of who happened
to be in the study (the distribution of the covariates).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.arm_means import ArmMeans, Sample
from evaluation.inference.columns import standardise
from evaluation.inference.logistic import fit_logistic
from evaluation.inference.newton import RunawayError


def standardised_risks(sample: Sample, arm_name: str, population: Literal["ate", "att"] = "ate") -> ArmMeans:
    """Fit the event on the arm, called `arm_name`, and the covariates; average predictions under each arm.

    Raises
    ------
    NotEstimable
        When an arm has no events or only events, a covariate is constant or redundant, or the covariates predict
        the event perfectly for some people (separation).
    """
    columns = standardise(np.column_stack([sample.arm, sample.covariates]), (arm_name, *sample.names))
    design = np.column_stack([np.ones(len(sample.arm)), columns.values])
    try:
        fit = fit_logistic(design, sample.outcome, sample.seen)
    except RunawayError as runaway:
        name = columns.widest(runaway.step[1:])
        raise NotEstimable(
            f"the regression has no finite solution: `{name}`, alone or with other covariates, predicts the event "
            "perfectly for some people; leave it out, or use adjust: none.") from None  # fmt: skip
    aimed = sample.mass if population == "ate" else np.where(sample.arm == 1, sample.mass, 0.0)
    total = float(aimed.sum())
    risks, direct, influence = [], [], []
    for value in (1, 0):
        under = design.copy()
        under[:, 1] = (value - columns.centre[0]) / columns.scale[0]
        p = fit.of(under)
        risk = float(aimed @ p) / total
        risks.append(risk)
        influence.append(aimed * (p - risk) / total)
        direct.append(fit.influence @ (under.T @ (aimed * p * (1 - p)) / total))
    both = np.column_stack(influence) + sample.through_censoring(np.column_stack(direct))
    return ArmMeans(risks[0], risks[1], both, design.shape[1])
