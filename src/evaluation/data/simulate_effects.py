"""The effect that a simulated panel carries in each treated cell, and departures from parallel trends."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.study.models import Simulation

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

HALF_LIFE = 3.0  # periods after which a fading effect is half of what it was at adoption


def effects(cohort: Integers, periods: Integers, effect: float, plan: Simulation) -> Floats:
    """Effects of N units in T periods (N, T); their mean over treated cells is `effect`, zero elsewhere.

    `plan.dynamics` says how they go on after adoption, `plan.heterogeneity` by how much the first cohort's stand
    above the mean and the last one's below it, as a share of the mean.
    """
    import numpy as np

    treated = (cohort[:, None] > 0) & (periods >= cohort[:, None])
    since = np.where(treated, periods - cohort[:, None], 0)
    path = {
        "constant": np.ones(since.shape),
        "growing": (since + 1.0),
        "fading": 0.5 ** (since / HALF_LIFE),
    }[plan.dynamics]
    shape = np.where(treated, path * (1 + plan.heterogeneity * _rank(cohort))[:, None], 0.0)
    scale = effect * float(treated.sum()) / float(shape.sum()) if treated.any() else 0.0
    found: Floats = np.asarray(shape * scale, dtype=np.float64)
    return found


def _rank(cohort: Integers) -> Floats:
    """1 for the first cohort, -1 for the last, evenly between (N,)."""
    import numpy as np

    starts = np.unique(cohort[cohort > 0])
    if len(starts) < 2:
        return np.zeros(len(cohort))
    place = np.searchsorted(starts, cohort) / (len(starts) - 1)
    return np.where(cohort > 0, 1 - 2 * place, 0.0)


def drift(cohort: Integers, periods: int, plan: Simulation) -> Floats:
    """How far units that adopt move away from the others by themselves, from the first period on (N, T)."""
    import numpy as np

    return np.asarray(plan.drift * np.arange(periods) * (cohort[:, None] > 0), dtype=np.float64)
