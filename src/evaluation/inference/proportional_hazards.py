"""Score test of proportional hazards against coefficients that drift with time (Grambsch & Therneau, 1994).

The model is widened by each column times g(t), with g(t) one minus the Kaplan–Meier curve just before t, and the
score test of the added coefficients is taken at the fitted ones, as R's survival does from version 3.0 on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.cox_likelihood import information, score, state
from evaluation.inference.intervals import chi_squared_p

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.inference.cox_sets import RiskSets

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True)
class DriftTest:
    """Chi-squared statistic, degrees of freedom and p-value of hazards that stay proportional."""

    statistic: float
    df: int
    p_value: float


def survival_clock(moments: Floats, time: Floats, event: Integers, people: Integers | None) -> Floats:
    """One minus the Kaplan–Meier curve of everyone (n rows), of whatever stratum or weight, just before `moments`."""
    times, place = np.unique(time, return_inverse=True)
    number = np.ones(len(time)) if people is None else people
    at_risk = np.bincount(place, number, len(times))[::-1].cumsum()[::-1]
    events = np.bincount(place, number * (event == 1), len(times))
    survival = np.concatenate([[1.0], np.cumprod(1 - events / at_risk)])
    found: Floats = 1 - survival[np.searchsorted(times, moments, side="left")]
    return found


def drift_tests(
    sets: RiskSets, coefficients: Floats, clock: Floats, tested: Sequence[int]
) -> tuple[DriftTest, list[DriftTest]] | None:
    """The joint test of the columns `tested`, and one test each, against a drift with `clock` (K,) of event times.

    None when every event falls at one time.
    """
    if len(np.unique(sets.times)) < 2:
        return None
    clock, at, own = clock - clock.mean(), state(sets, coefficients), list(tested)
    drift = score(at, clock)[own]
    level, cross = information(at), information(at, clock)[:, own]
    spread = information(at, clock**2)[np.ix_(own, own)] - cross.T @ np.linalg.solve(level, cross)
    solved, _, rank, _ = np.linalg.lstsq(spread, drift, rcond=1e-12)
    single = [float(d * d / v) if v > 0 else 0.0 for d, v in zip(drift, np.diag(spread), strict=True)]
    return _test(float(drift @ solved), int(rank)), [_test(s, 1) for s in single]


def _test(statistic: float, df: int) -> DriftTest:
    return DriftTest(statistic, df, chi_squared_p(statistic, df))
