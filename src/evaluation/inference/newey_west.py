"""Least squares on one series: errors that are correlated over time, allowed for or modelled.

Newey and West (1987) weigh products of scores up to a number of lags by Bartlett's kernel. The alternative filters the
series with autoregressive coefficients from the residuals (Yule-Walker) and repeats until they settle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import NotEstimable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_ROUNDS = 200
SETTLED = 1e-10  # change of the autoregressive coefficients


@dataclass(frozen=True, eq=False)
class SeriesFit:
    """Coefficients (K,) of a regression on a series of n points, and how they vary."""

    coefficients: Floats
    covariance: Floats  # (K, K)
    residuals: Floats  # (n,) outcome less fit
    innovations: Floats  # (n - p,) residuals after the autoregressive filter; the residuals themselves without one
    autoregression: Floats  # (p,)
    df: int  # points that count less K
    factor: float | None = None  # small-sample factor of the covariance

    @property
    def variance(self) -> float:
        """Of the residuals, over n - K."""
        n, k = len(self.residuals), len(self.coefficients)
        return float(self.residuals @ self.residuals) / (n - k)


def usual_lags(n: int) -> int:
    """Newey and West's (1994) rule of thumb: the whole part of 4 (n / 100)^(2/9)."""
    return int(4 * (n / 100) ** (2 / 9))


def least_squares(X: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Coefficients (K,) and the inverse of X'X (K, K).

    Raises
    ------
    NotEstimable
        When the columns are collinear, or there are no more points than columns.
    """
    n, k = X.shape
    if n <= k:
        raise NotEstimable(f"The series has {n} points, and the regression {k} coefficients: it needs more points.")
    size = np.sqrt((X**2).sum(axis=0))
    if not size.all():
        raise NotEstimable("A regressor of the series is zero throughout: leave it out.")
    q, r = np.linalg.qr(X / size)
    if np.linalg.matrix_rank(r, tol=1e-10) < k:
        raise NotEstimable(
            "The regressors of the series cannot be told apart: leave out covariates, or shorten the season, so that "
            "each varies by itself before or after the start."
        )
    inverse = np.linalg.solve(r, np.eye(k))
    return inverse @ (q.T @ y) / size, inverse @ inverse.T / np.outer(size, size)


def newey_west(X: Floats, y: Floats, lags: int, *, adjust: bool) -> SeriesFit:
    """Least squares with the covariance of Newey and West, Bartlett's kernel up to `lags`.

    `adjust` multiplies it by n / (n - K). Raises NotEstimable as `least_squares` does, and for as many lags as points.
    """
    n, k = X.shape
    if lags >= n:
        raise NotEstimable(f"{lags} lags are as many as the series has points ({n}), or more: choose fewer.")
    b, bread = least_squares(X, y)
    e = y - X @ b
    scores = X * e[:, None]
    meat = scores.T @ scores
    for lag in range(1, lags + 1):
        product = scores[lag:].T @ scores[:-lag]
        meat += (1 - lag / (lags + 1)) * (product + product.T)
    factor = n / (n - k) if adjust else 1.0
    return SeriesFit(b, factor * bread @ meat @ bread, e, e, np.zeros(0), n - k, factor)


def autoregressive(X: Floats, y: Floats, order: int) -> SeriesFit:
    """Generalised least squares with autoregressive errors of an order; the first points only feed the filter.

    Order 0 is ordinary least squares. Raises NotEstimable as `least_squares` does, and when the errors do not settle.
    """
    n, k = X.shape
    if n - order <= k:
        raise NotEstimable(f"The series has {n} points: too few for {k} coefficients and {order} lags of the errors.")
    b, bread = least_squares(X, y)
    rho = np.zeros(order)
    for _ in range(MOST_ROUNDS if order else 0):
        found = yule_walker(y - X @ b, order)
        change = float(np.abs(found - rho).max())
        rho = found
        b, bread = least_squares(_filtered(X, rho), _filtered(y, rho))
        if change < SETTLED:
            break
    if order and np.abs(np.roots(np.r_[1.0, -rho])).max() >= 1:
        raise NotEstimable("The errors of the series do not return to their mean: autoregressive errors do not fit it.")
    innovations = _filtered(y, rho) - _filtered(X, rho) @ b
    df = n - order - k
    return SeriesFit(b, bread * float(innovations @ innovations) / df, y - X @ b, innovations, rho, df)


def yule_walker(series: Floats, order: int) -> Floats:
    """Autoregressive coefficients (order,) from autocovariances, each over its number of products."""
    x = series - series.mean()
    n = len(x)
    moment = np.array([x[: n - lag] @ x[lag:] / (n - lag) for lag in range(order + 1)])
    if moment[0] == 0:
        return np.zeros(order)
    apart = np.abs(np.subtract.outer(np.arange(order), np.arange(order)))
    found: Floats = np.linalg.lstsq(moment[apart], moment[1:])[0]
    return found


def _filtered(values: Floats, rho: Floats) -> Floats:
    order = len(rho)
    found = values[order:].copy()
    for lag, part in enumerate(rho, start=1):
        found -= part * values[order - lag : len(values) - lag]
    return found


def durbin_watson(residuals: Floats) -> float:
    """Near 2 without correlation from one point to the next, towards 0 with positive correlation."""
    return float((np.diff(residuals) ** 2).sum() / (residuals @ residuals))


def ljung_box(residuals: Floats, lags: int, fitted: int = 0) -> tuple[float, int, float]:
    """Statistic, degrees of freedom and p-value of no autocorrelation up to `lags`; `fitted` were already modelled."""
    from evaluation.inference.intervals import chi_squared_p

    n = len(residuals)
    x = residuals - residuals.mean()
    shares = np.array([x[:-lag] @ x[lag:] for lag in range(1, lags + 1)]) / (x @ x)
    statistic = float(n * (n + 2) * (shares**2 / (n - np.arange(1, lags + 1))).sum())
    df = max(lags - fitted, 1)
    return statistic, df, chi_squared_p(statistic, df)
