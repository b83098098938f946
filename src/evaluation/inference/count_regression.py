"""Log-linear regression of counts over exposure: Poisson, or negative binomial with a variance of mean + a mean².

The negative binomial ("NB2") is fitted by maximum likelihood, its dispersion a included. Both have sandwich variances,
which hold when the rate is as modelled, however counts vary around it (Cameron & Trivedi, 2013, ch. 3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.columns import Standardised, standardise
from evaluation.inference.newton import Point, RunawayError, maximise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

Model = Literal["negative_binomial", "poisson"]
LOWEST, HIGHEST = 1e-7, 1e7  # dispersions looked at; below the lowest the counts are Poisson for all purposes
ROUNDS = 200
SETTLED = 1e-12  # of the dispersion's logarithm, from one round to the next


@dataclass(frozen=True, eq=False)
class Counts:
    """What is regressed: rows (n,) with a whole number of events, a positive exposure and a mass."""

    number: Integers
    exposure: Floats
    mass: Floats

    @cached_property
    def above(self) -> Floats:
        """Mass of those with more than j events, for j = 0 … largest - 1."""
        by_number = np.bincount(self.number, self.mass)
        found: Floats = by_number[::-1].cumsum()[::-1][1:]
        return found

    @cached_property
    def constant(self) -> float:
        """The part of the log-likelihood that no parameter moves: y log exposure - log y!."""
        from scipy.special import gammaln

        part = self.number * np.log(self.exposure) - gammaln(self.number + 1.0)
        return float(self.mass @ part)


@dataclass(frozen=True, eq=False)
class CountFit:
    """A fitted regression on `design` (n, P): a constant, then standardised columns.

    `standard` (P,) are the coefficients on that scale, `dispersion` is a (0 for Poisson).
    """

    counts: Counts
    columns: Standardised
    design: Floats
    standard: Floats
    dispersion: float
    estimated: bool  # whether the dispersion was

    @property
    def coefficients(self) -> Floats:
        """Log rate ratios (P - 1,) per unit of each column."""
        found: Floats = self.standard[1:] / self.columns.scale
        return found

    @cached_property
    def rate(self) -> Floats:
        """Fitted events per unit of exposure (n,)."""
        return self.rate_of(self.design)

    def rate_of(self, design: Floats) -> Floats:
        """The same for other design rows (m, P)."""
        found: Floats = np.exp(design @ self.standard)
        return found

    def under(self, arm: int) -> Floats:
        """The design (n, P) with everyone in one arm, which is the first of the columns."""
        found = self.design.copy()
        found[:, 1] = (arm - self.columns.centre[0]) / self.columns.scale[0]
        return found

    @cached_property
    def mean(self) -> Floats:
        """Fitted numbers of events (n,)."""
        found: Floats = self.rate * self.counts.exposure
        return found

    @cached_property
    def loglik(self) -> float:
        """Log-likelihood, constants included."""
        return _loglik(self.counts, self.design @ self.standard, self.mean, self.dispersion) + self.counts.constant

    @cached_property
    def pearson(self) -> float:
        """Pearson's statistic: squared residuals over the model's variance, summed."""
        residual = self.counts.number - self.mean
        return float(self.counts.mass @ (residual**2 / (self.mean * (1 + self.dispersion * self.mean))))

    @cached_property
    def _bread(self) -> Floats:
        """Inverse observed information (Q, Q) of the coefficients and, where it was estimated, the dispersion."""
        y, mu, a, mass = self.counts.number, self.mean, self.dispersion, self.counts.mass
        inside = 1 + a * mu
        top = self.design.T @ (self.design * (mass * mu * (1 + a * y) / inside**2)[:, None])
        if not self.estimated:
            return np.asarray(np.linalg.inv(top), np.float64)
        side = self.design.T @ (mass * (y - mu) * mu / inside**2)
        corner = self.counts.above @ _squared_step(a, len(self.counts.above)) - mass @ _curvature(y, mu, a)
        full = np.block([[top, side[:, None]], [side[None, :], np.array([[corner]])]])
        return np.asarray(np.linalg.inv(full), np.float64)

    @cached_property
    def influence(self) -> Floats:
        """What each person (n, Q) adds to the error of the standardised coefficients (and dispersion), times mass."""
        y, mu, a = self.counts.number, self.mean, self.dispersion
        scores = self.design * ((y - mu) / (1 + a * mu))[:, None]
        if self.estimated:
            steps = np.concatenate([[0.0], np.cumsum(_step(a, len(self.counts.above)))])
            scores = np.column_stack([scores, steps[y] + _slope(y, mu, a)])
        found: Floats = (scores * self.counts.mass[:, None]) @ self._bread
        return found

    @property
    def model_covariance(self) -> Floats:
        """Covariance (P - 1, P - 1) of the log rate ratios if the counts follow the model."""
        scale = np.outer(self.columns.scale, self.columns.scale)
        found: Floats = self._bread[1 : len(self.standard), 1 : len(self.standard)] / scale
        return found

    @property
    def dispersion_error(self) -> float | None:
        """Standard error of the dispersion if the counts follow the model."""
        return float(self._bread[-1, -1] ** 0.5) if self.estimated else None


# --------------------------------------------------------------------------- the likelihood in the dispersion


def _loglik(counts: Counts, index: Floats, mean: Floats, a: float) -> float:
    """Log-likelihood without its constant; `index` is the log rate."""
    y = counts.number
    if a == 0:
        return float(counts.mass @ (y * index - mean))
    steps = counts.above @ np.log1p(a * np.arange(len(counts.above)))
    return float(steps + counts.mass @ (y * index - (y + 1 / a) * np.log1p(a * mean)))


def _step(a: float, length: int) -> Floats:
    """Derivative of log(1 + a j) in a, for j = 0 … length - 1."""
    j = np.arange(length)
    return np.asarray(j / (1 + a * j), np.float64)


def _squared_step(a: float, length: int) -> Floats:
    """Less its second derivative."""
    return np.asarray(_step(a, length) ** 2, np.float64)


def _slope(y: Integers, mu: Floats, a: float) -> Floats:
    """Derivative of -(y + 1/a) log(1 + a mu) in a (n,)."""
    found: Floats = np.log1p(a * mu) / a**2 - (y + 1 / a) * mu / (1 + a * mu)
    return found


def _curvature(y: Integers, mu: Floats, a: float) -> Floats:
    """Its second derivative (n,)."""
    inside = 1 + a * mu
    found: Floats = -2 * np.log1p(a * mu) / a**3 + 2 * mu / (a**2 * inside) + (y + 1 / a) * mu**2 / inside**2
    return found


def _score(counts: Counts, mu: Floats, a: float) -> float:
    """Derivative of the log-likelihood in the dispersion."""
    return float(counts.above @ _step(a, len(counts.above)) + counts.mass @ _slope(counts.number, mu, a))


def _best_dispersion(counts: Counts, mu: Floats) -> float:
    """The dispersion at which the likelihood is highest, the means held; 0 where counts vary no more than Poisson's."""
    from scipy.optimize import brentq

    if _score(counts, mu, LOWEST) <= 0:
        return 0.0
    high = LOWEST
    while _score(counts, mu, high * 10) > 0:
        high *= 10
        if high >= HIGHEST:
            raise NotEstimable("the counts vary without bound: the dispersion has no finite estimate; use "
                               "model: poisson, whose robust errors allow for that.")  # fmt: skip
    found = brentq(lambda at: _score(counts, mu, float(np.exp(at))), np.log(high), np.log(high * 10), xtol=1e-13)
    return float(np.exp(found))


# --------------------------------------------------------------------------- fitting


def fit_counts(counts: Counts, columns: Floats, names: Sequence[str], model: Model) -> CountFit:
    """Fit counts on `columns` (n, p) called `names`.

    Raises
    ------
    NotEstimable
        When a column is constant or redundant, or the likelihood has no finite maximum.
    """
    standard = standardise(columns, names)
    design = np.column_stack([np.ones(len(columns)), standard.values])
    start = np.zeros(design.shape[1])
    start[0] = np.log(float(counts.mass @ counts.number) / float(counts.mass @ counts.exposure))
    fit = CountFit(counts, standard, design, start, 0.0, estimated=False)
    fit = _with_mean(fit)
    return fit if model == "poisson" else _with_dispersion(fit)


def _with_mean(fit: CountFit) -> CountFit:
    """The coefficients at which the likelihood is highest, the dispersion held."""
    counts, design, a = fit.counts, fit.design, fit.dispersion
    y, total = counts.number, float(counts.mass.sum())

    def evaluate(at: Floats) -> Point:
        index = design @ at
        with np.errstate(over="ignore"):
            mu = counts.exposure * np.exp(index)
        if not np.isfinite(mu).all():
            return Point(-np.inf, np.zeros_like(at), np.zeros((len(at), len(at))))
        inside = 1 + a * mu
        weight = counts.mass * mu * (1 + a * y) / inside**2
        return Point(
            _loglik(counts, index, mu, a) / total,
            design.T @ (counts.mass * (y - mu) / inside) / total,
            design.T @ (design * weight[:, None]) / total,
        )

    try:
        found, _ = maximise(evaluate, fit.standard)
    except RunawayError as runaway:
        raise NotEstimable(
            f"the likelihood has no finite maximum: `{fit.columns.widest(runaway.step[1:])}`, alone or with other "
            "covariates, marks people of whom none had an event; leave it out.") from None  # fmt: skip
    return replace(fit, standard=found)


def _with_dispersion(fit: CountFit) -> CountFit:
    """Coefficients and dispersion in turn until both settle; Poisson where the counts vary no more than that."""
    before = 0.0
    for _ in range(ROUNDS):
        a = _best_dispersion(fit.counts, fit.mean)
        if a == 0:
            poisson = replace(fit, dispersion=0.0, estimated=False)
            return poisson if before == 0 else _with_mean(poisson)
        fit = _with_mean(replace(fit, dispersion=a, estimated=True))
        if before and abs(np.log(a / before)) < SETTLED:
            break
        before = a
    return fit
