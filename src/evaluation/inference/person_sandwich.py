"""Sandwich variances of regressions over people: of people by themselves (HC1), or summed within clusters (CR1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.clusters import sums
from evaluation.inference.covariance import cr1_factor
from evaluation.inference.rule import Rule

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.data.person_cells import PersonCells

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


def robust(cells: PersonCells, influence: Floats, parameters: int, level: float) -> tuple[Floats, Rule]:
    """Covariance (Q, Q) from what the rows add to the errors (n, Q), their mass included; and how it was reckoned.

    `parameters` are the regression's coefficients, constant included: HC1 multiplies by N/(N - K) and is normal, CR1 by
    G/(G - 1) (N - 1)/(N - K) with t on G - 1 degrees of freedom.

    Raises
    ------
    NotEstimable
        With no more people than coefficients.
    """
    n = cells.total
    if n <= parameters:
        raise NotEstimable(f"there are {n} people for {parameters} coefficients: too few to reckon the uncertainty.",
                           (n,))  # fmt: skip
    if cells.cluster is None:
        factor = n / (n - parameters)
        covariance = factor * (influence.T @ (influence / cells.people[:, None]))
        return covariance, Rule("HC1", level, n, small_sample_factor=factor)
    summed = sums(influence, cells.cluster)
    factor = cr1_factor(len(summed), n, parameters)
    rule = Rule("CR1", level, len(summed), len(summed) - 1, "G - 1", factor)
    return factor * (summed.T @ summed), rule


def enough_clusters(cluster: Integers | None, arm: Integers) -> None:
    """Raise NotEstimable where everyone in an arm is in one cluster."""
    if cluster is None:
        return
    for code, name in ((1, "treated arm"), (0, "comparison")):
        if len(np.unique(cluster[arm == code])) < 2:
            raise NotEstimable(
                f"everyone in the {name} is in one cluster, so the uncertainty between clusters cannot be reckoned."
            )
