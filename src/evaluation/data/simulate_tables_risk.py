"""The planted effect of simulated tables: how often each person must offend for the truth to be what was asked.

A person's events of the primary outcome come at a rate that is the person's level times a course of time common to
all, times a frailty (gamma, mean 1) that nothing recorded tells of. With H(t) the expected number of events by day t
of someone at level 1, the chance of none is (1 + level H(t) / k)^-k, k the frailty's shape; the limit exp(-level H(t))
has no frailty. Deaths and the outcome's other competing events come at a constant rate of their own. The risk by the
window is the cumulative incidence: the chance that the outcome comes by then, and before a competing event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.data.simulate_cohort import SHAPE, potential
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FRAILTY = 2.0  # shape of the gamma: its variance is one half
STEPS = 160  # of the window, in which the cumulative incidence is summed
SCORES = 129  # risk scores at which levels are solved; between them, a cubic spline


@dataclass(frozen=True)
class Course:
    """The expected events by the days `at` (m,) of someone at level 1, as `expected` (m,); `frailty` inf: none."""

    at: Floats
    expected: Floats
    frailty: float

    @classmethod
    def of(cls, window: float, chance: float, delay: Floats, frailty: float) -> Course:
        """The course over a window of so many days, of events that an offence leads to with a `chance`.

        `delay` (d,) are the probabilities of 0, 1, … days between the two. Offences come at the rate of
        (t / window)^SHAPE, so theirs are events of a process of the same kind, thinned and put off.
        """
        at = window * np.linspace(0, 1, STEPS + 1) ** 2
        passed = np.maximum(at[:, None] - np.arange(len(delay)), 0.0) / window
        return cls(at, chance * (passed**SHAPE @ delay), frailty)

    def incidence(self, log_level: Floats, competing: Floats) -> Floats:
        """Cumulative incidence (n,) by the end, by log level (n,) and rate of competing events a day (n,)."""
        number = np.exp(np.minimum(log_level, 40))[:, None] * self.expected
        none = np.exp(-number) if np.isinf(self.frailty) else np.exp(-self.frailty * np.log1p(number / self.frailty))
        middle = (self.at[1:] + self.at[:-1]) / 2
        alive = np.exp(-competing[:, None] * middle)
        return np.asarray(((none[:, :-1] - none[:, 1:]) * alive).sum(axis=1))

    def level(self, risk: Floats, competing: Floats) -> Floats:
        """The log level (n,) at which the cumulative incidence is `risk` (n,)."""
        low, high = np.full(len(risk), -30.0), np.full(len(risk), 30.0)
        for _ in range(60):
            middle = (low + high) / 2
            under = self.incidence(middle, competing) < risk
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return np.asarray((low + high) / 2)


@dataclass(frozen=True)
class Planted:
    """Log levels and risks by risk score, without (0) and with (1) the program, at the scores solved for."""

    score: Floats
    log_level: tuple[Floats, Floats]
    risk: tuple[Floats, Floats]

    def _between(self, values: tuple[Floats, Floats], score: Floats, arm: Floats) -> Floats:
        from scipy.interpolate import CubicSpline

        inside = np.clip(score, self.score[0], self.score[-1])
        without, with_it = (CubicSpline(self.score, v)(inside) for v in values)
        return np.where(arm == 1, with_it, without)

    def log_levels(self, score: Floats, arm: Floats) -> Floats:
        """Each person's log level in the arm given."""
        return self._between(self.log_level, score, arm)

    def risks(self, score: Floats, arm: Floats) -> Floats:
        """Each person's risk by the window in the arm given: the potential outcome's mean."""
        return self._between(self.risk, score, arm)

    def risk_difference(self, score: Floats) -> float:
        """The mean over people of the risk with the program minus the risk without it."""
        return float((self.risks(score, np.ones(len(score))) - self.risks(score, np.zeros(len(score)))).mean())


def competing_rate(score: Floats, rate: float) -> Floats:
    """Rates of competing events a day: people at higher risk of arrest die sooner too."""
    return np.asarray(rate * np.exp(0.3 * score))


def plant(score: Floats, effect: float, baseline: float, course: Course, rate: float, *, hazard: bool) -> Planted:
    """Levels at which the mean risk without the program is `baseline` and the effect is the one asked for.

    A risk difference: risks are logistic in arm and score. A log hazard ratio: it multiplies every level alike.
    `rate` is the mean rate of competing events a day.

    Raises
    ------
    DataError
        When a risk would leave the range 0 to 1.
    """
    from scipy.special import expit, logit

    grid = np.linspace(float(score.min()) - 0.5, float(score.max()) + 0.5, SCORES)
    deaths = competing_rate(grid, rate)
    truth = potential(score, 0.0 if hazard else effect, baseline, hazard=False)
    if not hazard:
        middle = int(np.argmin(np.abs(score)))
        constants = (float(logit(r[middle]) - score[middle]) for r in (truth.risk_control, truth.risk_treated))
        risks = tuple(expit(c + grid) for c in constants)
        levels = tuple(course.level(r, deaths) for r in risks)
        return Planted(grid, (levels[0], levels[1]), (risks[0], risks[1]))
    constant = _constant(score, grid, baseline, course, deaths)
    both = (constant + grid, constant + grid + effect)
    return Planted(grid, both, (course.incidence(both[0], deaths), course.incidence(both[1], deaths)))


def _constant(score: Floats, grid: Floats, baseline: float, course: Course, deaths: Floats) -> float:
    """The log level of a person with score 0 at which the mean risk is `baseline`."""
    from scipy.interpolate import CubicSpline
    from scipy.optimize import brentq

    def mean(constant: float) -> float:
        return float(CubicSpline(grid, course.incidence(constant + grid, deaths))(score).mean()) - baseline

    if mean(15.0) < 0:
        what = f"so many die that a risk of {baseline:g} cannot be reached."
        raise DataError(Problem("simulation", "baseline", what, "Choose a lower simulation.baseline."))
    return float(brentq(mean, -20, 15, xtol=1e-12))
