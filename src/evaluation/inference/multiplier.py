"""Simultaneous confidence bands: one critical value that holds for many estimates at once.

The largest of several t-ratios is larger than any one of them tends to be; its quantile, found by drawing from the
estimates' joint distribution, makes bands that hold all true values together with the stated confidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from evaluation.data.moments import Floats

Weights = Literal["mammen", "rademacher", "webb"]

ROOT5 = 5**0.5
POINTS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {  # values, and how often each is drawn
    "mammen": (((1 - ROOT5) / 2, (1 + ROOT5) / 2), ((ROOT5 + 1) / (2 * ROOT5), (ROOT5 - 1) / (2 * ROOT5))),
    "rademacher": ((-1.0, 1.0), (0.5, 0.5)),
    "webb": ((-(1.5**0.5), -1.0, -(0.5**0.5), 0.5**0.5, 1.0, 1.5**0.5), (1 / 6,) * 6),
}
BLOCK = 1 << 20  # weights held at once
WEBB_BELOW = 12  # clusters below which signs alone make too few different samples
QUARTILES = NormalDist().inv_cdf(0.75) - NormalDist().inv_cdf(0.25)  # how far apart a standard normal's lie


def weight_blocks(kind: Weights, draws: int, clusters: int, seed: int) -> Iterator[Floats]:
    """Random multipliers with mean 0 and variance 1, block by block: (draws, clusters) in all.

    `mammen` are Mammen's (1993) two points, `rademacher` -1 and 1, `webb` Webb's (2023) six points.
    """
    values, chances = (np.array(v) for v in POINTS[kind])
    edges = np.cumsum(chances)[:-1]
    rng = np.random.default_rng(seed)
    at_once = max(BLOCK // clusters, 1)
    for start in range(0, draws, at_once):
        drawn = rng.random((min(at_once, draws - start), clusters))
        yield values[np.searchsorted(edges, drawn, side="right")]


def weights_for(clusters: int) -> Literal["rademacher", "webb"]:
    """Rademacher signs or, below 12 clusters (fewer than 2,048 different statistics), Webb's six points."""
    return "webb" if clusters < WEBB_BELOW else "rademacher"


@dataclass(frozen=True, eq=False)
class Bands:
    """Bands that hold all Q estimates at once: estimate ± `critical` × standard error.

    An estimate without error (a reference) has the standard error 0 and a band of no width; `critical` is NaN where
    all are such.
    """

    critical: float
    std_errors: Floats  # (Q,)
    low: Floats  # (Q,)
    high: Floats  # (Q,)


def simultaneous(
    influence: Floats,
    estimates: Floats,
    *,
    draws: int = 999,
    seed: int = 0,
    conf_level: float = 0.95,
    weights: Weights = "mammen",
) -> Bands:
    """Sup-t bands by the multiplier bootstrap (Callaway and Sant'Anna, 2021, section 4.2).

    `influence` (G, Q) is what each cluster adds to the error of each of the `estimates` (Q,): their sums are near
    the errors, their sums of squares the variances. As in R's did the bootstrap standard error is the distance
    of the draws' quartiles over that of a normal's, which outliers do not move.
    """
    clusters, size = influence.shape
    drawn = np.empty((draws, size))
    at = 0
    for block in weight_blocks(weights, draws, clusters, seed):
        drawn[at : at + len(block)] = block @ influence
        at += len(block)
    low, high = np.quantile(drawn, [0.25, 0.75], axis=0, method="inverted_cdf")
    return _bands(drawn, (high - low) / QUARTILES, estimates, conf_level)


def simultaneous_from_covariance(
    covariance: Floats,
    estimates: Floats,
    *,
    df: float | None = None,
    draws: int = 9999,
    seed: int = 0,
    conf_level: float = 0.95,
) -> Bands:
    """Sup-t bands of `estimates` (Q,) by draws from a normal, or t with `df`, of this `covariance` (Q, Q).

    Standard errors are the covariance's own. Reference: Montiel Olea and Plagborg-Moller (2019).
    """
    std_errors = np.sqrt(np.clip(np.diag(covariance), 0, None))
    scale = np.where(std_errors > 0, std_errors, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    root = vectors * np.sqrt(np.clip(values, 0, None))
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((draws, len(estimates))) @ root.T * scale
    if df is not None:
        drawn /= np.sqrt(rng.chisquare(df, (draws, 1)) / df)
    return _bands(drawn, std_errors, estimates, conf_level)


def _bands(drawn: Floats, std_errors: Floats, estimates: Floats, conf_level: float) -> Bands:
    """Bands from draws of the estimates' joint error (draws, Q)."""
    vary = std_errors > 0
    if not vary.any():
        return Bands(float("nan"), std_errors, estimates.copy(), estimates.copy())
    largest = np.abs(drawn[:, vary] / std_errors[vary]).max(axis=1)
    critical = float(np.quantile(largest, conf_level, method="inverted_cdf"))
    return Bands(critical, std_errors, estimates - critical * std_errors, estimates + critical * std_errors)
