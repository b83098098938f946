"""Score test of proportional hazards against coefficients that drift with time (Grambsch & Therneau, 1994).

The model is widened by each column times g(t), with g(t) one minus the Kaplan–Meier curve just before t, and the
score test of the added coefficients is taken at the fitted ones, as R's survival does from version 3.0 on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.inference.cox_likelihood import information, score, state
from evaluation.inference.intervals import chi_squared_p

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.inference.cox_likelihood import RiskSets

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DriftTest:
    """Chi-squared statistic, degrees of freedom and p-value of hazards that stay proportional."""

    statistic: float
    df: int
    p_value: float


def _clock(sets: RiskSets) -> Floats:
    """One minus the Kaplan–Meier estimate just before each event (E,), centred."""
    import numpy as np

    at_risk = np.bincount(sets.reached, minlength=sets.n_times + 1)[:0:-1].cumsum()[::-1]
    events = np.bincount(sets.event_time, minlength=sets.n_times)
    survival = np.concatenate([[1.0], np.cumprod(1 - events / at_risk)[:-1]])
    clock = 1 - survival[sets.event_time]
    centred: Floats = clock - clock.mean()
    return centred


def drift_tests(sets: RiskSets, coefficients: Floats) -> tuple[DriftTest, list[DriftTest]] | None:
    """The joint test of all columns, and one test a column; None when every event falls at one time."""
    import numpy as np

    if sets.n_times < 2:
        return None
    clock, at = _clock(sets), state(sets, coefficients)
    drift = score(sets, at, clock)
    level, cross = information(sets, at), information(sets, at, clock)
    spread = information(sets, at, clock**2) - cross @ np.linalg.solve(level, cross)
    solved, _, rank, _ = np.linalg.lstsq(spread, drift, rcond=1e-12)
    single = [float(d * d / v) if v > 0 else 0.0 for d, v in zip(drift, np.diag(spread), strict=True)]
    return _test(float(drift @ solved), int(rank)), [_test(s, 1) for s in single]


def _test(statistic: float, df: int) -> DriftTest:
    return DriftTest(statistic, df, chi_squared_p(statistic, df))
