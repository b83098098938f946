"""Variances from clusters: summed scores, the small-sample factor, standard errors, joint tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.intervals import chi_squared_p

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers

NO_SPREAD = 1e-10  # a standard error below this share of the outcome's spread is rounding, not evidence


def cluster_starts(cluster: Integers) -> Integers:
    """Where each cluster's rows begin, in rows sorted by cluster (R,)."""
    return np.flatnonzero(np.r_[True, cluster[1:] != cluster[:-1]])


def cluster_sums(values: Floats, cluster: Integers) -> Floats:
    """Sums (G, P) of the rows (R, P) of each cluster; rows are sorted by cluster."""
    sums: Floats = np.add.reduceat(values, cluster_starts(cluster), axis=0)
    return sums


def cr1_factor(clusters: int, observations: int, parameters: int) -> float:
    """Small-sample factor G/(G−1) · (N−1)/(N−K) of a cluster-robust variance (the default of fixest and reghdfe).

    `parameters` leaves out unit effects that are nested in the clusters.

    Raises
    ------
    NotEstimable
        With no more observations than parameters.
    """
    if observations <= parameters:
        raise NotEstimable(
            f"There are {observations} observations for {parameters} coefficients and periods: too few to reckon the "
            "uncertainty.",
            (observations,),
        )
    return clusters / (clusters - 1) * (observations - 1) / (observations - parameters)


def standard_errors(covariance: Floats, spread: float) -> list[float | None]:
    """Square roots of the diagonal; None where no variation is left to reckon from."""
    found = np.sqrt(np.clip(np.diag(covariance), 0, None))
    return [float(se) if np.isfinite(se) and se > NO_SPREAD * spread else None for se in found]


@dataclass(frozen=True)
class JointTest:
    """Whether several estimates are all zero: F on (df, denominator) or, where that is None, chi-squared on df."""

    statistic: float
    df: int
    denominator: int | None
    p_value: float


def joint_test(estimates: Floats, covariance: Floats, denominator: int | None = None) -> JointTest | None:
    """Wald test that all `estimates` (Q,) are zero; None where their covariance (Q, Q) has not full rank."""
    q = len(estimates)
    scale = np.sqrt(np.clip(np.diag(covariance), 0, None))
    if q == 0 or not np.all(scale > 0):
        return None
    correlation = covariance / np.outer(scale, scale)
    if np.linalg.eigvalsh(correlation)[0] <= q * 1e-12:
        return None
    z = estimates / scale
    wald = float(z @ np.linalg.solve(correlation, z))
    if denominator is None:
        return JointTest(wald, q, None, chi_squared_p(wald, q))
    from scipy.special import fdtrc

    return JointTest(wald / q, q, denominator, float(fdtrc(q, denominator, wald / q)))
