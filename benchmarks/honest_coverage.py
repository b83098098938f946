"""How often the sensitivity intervals hold the truth when the trend departs from parallel by all that is allowed.

Estimates are drawn from the normal distribution around an effect and a trend, with the covariance of an event study
of five leads and two lags. Prints one row a setting: `python benchmarks/honest_coverage.py [draws]`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from evaluation.inference.honest import Course
from evaluation.inference.honest_relative import Relative
from evaluation.inference.honest_smoothness import Smoothness

LEADS, LAGS = 5, 2
EFFECT = np.array([1.0, 2.0])
TARGET = np.array([0.5, 0.5])
SEED = 20230


@dataclass(frozen=True)
class Setting:
    """A trend at the edge of what its restriction allows; `moves` before the reference in standard errors."""

    name: str
    moves: tuple[float, ...]
    bound: float  # times the largest move, or the change of slope

    @property
    def relative(self) -> bool:
        """Whether the bound is on moves rather than on the change of slope."""
        return self.name.startswith("relative")

    def trend(self) -> np.ndarray:
        """Trend (p + q,) that moves on after the reference by all that is allowed, in one direction."""
        before = np.array(self.moves)
        if self.relative:
            after = np.full(LAGS, self.bound * np.abs(before).max())
        else:
            after = before[-1] + self.bound * np.arange(1.0, LAGS + 1)
        path = np.cumsum(np.r_[before, after])
        return np.delete(np.r_[0.0, path] - path[LEADS - 1], LEADS)


SETTINGS = (
    Setting("relative, parallel before", (0.0, 0.0, 0.0, 0.0, 0.0), 1.0),
    Setting("relative, one move stands out", (0.0, 6.0, 0.0, 0.0, 0.0), 1.0),
    Setting("relative, one move stands out", (0.0, 6.0, 0.0, 0.0, 0.0), 2.0),
    Setting("relative, moves alike", (2.0, 2.0, -2.0, 2.0, 2.0), 2.0),
    Setting("smoothness, straight line", (1.0, 1.0, 1.0, 1.0, 1.0), 0.0),
    Setting("smoothness, bend after adoption", (0.0, 0.0, 0.0, 0.0, 0.0), 1.0),
    Setting("smoothness, bending all along", (-2.0, -1.0, 0.0, 1.0, 2.0), 1.0),
)


def covariance() -> np.ndarray:
    """Leads and lags share the noise of the reference period, and neighbours some more."""
    steps = np.arange(LEADS + LAGS)
    return 0.5 + 0.5 * 0.4 ** np.abs(steps[:, None] - steps)


def plug_in(course: Course, m_bar: float) -> tuple[float, float]:
    """The interval that takes the largest estimated move for the true one."""
    largest = np.abs(course.moves[:LEADS] @ course.estimates).max()
    centre = float(TARGET @ course.estimates[LEADS:])
    error = np.sqrt(TARGET @ course.covariance[LEADS:, LEADS:] @ TARGET)
    reach = m_bar * largest * float(np.cumsum(TARGET[::-1]).sum()) + 1.959964 * error
    return centre - reach, centre + reach


def coverage(setting: Setting, draws: int) -> tuple[float, float | None]:
    """Share of draws whose interval holds the truth, and the same for the plug-in interval."""
    spread, truth = covariance(), float(TARGET @ EFFECT)
    mean = setting.trend() + np.r_[np.zeros(LEADS), EFFECT]
    held = naive = 0
    for drawn in np.random.default_rng(SEED).multivariate_normal(mean, spread, size=draws, method="cholesky"):
        course = Course(drawn, spread, LEADS)
        if setting.relative:
            found = Relative(course, TARGET).bounds(setting.bound, 0.95)
            low, high = plug_in(course, setting.bound)
            naive += low <= truth <= high
        else:
            found = Smoothness.of(course, TARGET).bounds(setting.bound, 0.95)
        held += found.low <= truth <= found.high
    return held / draws, naive / draws if setting.relative else None


def main() -> None:
    """Print the table."""
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    print("| trend | bound | coverage | plug-in |\n|---|---|---|---|")
    for setting in SETTINGS:
        ours, naive = coverage(setting, draws)
        print(f"| {setting.name} | {setting.bound:g} | {ours:.1%} | {'' if naive is None else f'{naive:.1%}'} |")


if __name__ == "__main__":
    main()
