"""A panel as it is planned, and how its outcomes vary before anyone is treated: all that a power calculation may see.

Outcomes from the first adoption on are never read, so that a plan can be judged before the results are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.data.moments import PanelMoments
from evaluation.data.simulate_panel import carried_over
from evaluation.errors import NotEstimable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.data.panel import Panel
    from evaluation.study.models import Outcome

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

FEWEST_PERIODS = 3  # before the first adoption, to tell how errors carry over


@dataclass(frozen=True, eq=False)
class Variation:
    """Errors around unit and period effects: a part shared by a cluster and the unit's own, each carried over.

    Both parts follow a first-order autoregression with correlation `carry` in neighbouring periods.
    """

    of_unit: float  # standard deviation
    of_cluster: float  # standard deviation; 0 where units are the clusters
    carry: float

    def draw(self, cluster: Integers, periods: int, generator: np.random.Generator) -> Floats:
        """Errors of N units in T periods (N, T); `cluster` (N,) are codes from 0."""
        found = self.of_unit * carried_over(len(cluster), periods, self.carry, generator)
        if self.of_cluster:
            shared = carried_over(int(cluster.max()) + 1, periods, self.carry, generator)
            found += self.of_cluster * shared[cluster]
        return found


@dataclass(frozen=True, eq=False)
class Planned:
    """Who will be observed when, and treated from when; N units sorted by cluster."""

    times: Integers  # (T,)
    cohort: Integers  # (N,) first treated period; 0 = never
    cluster: Integers  # (N,) codes from 0

    def moments(self, outcomes: Floats) -> PanelMoments:
        """The moments that data with these outcomes (N, T) would have; every unit observed in every period."""
        ones = np.ones(outcomes.shape)
        spread = float(np.ptp(outcomes)) / 2
        return PanelMoments(
            times=self.times, cluster=self.cluster, cohort=self.cohort, units=np.ones(len(self.cohort), np.int64),
            counts=ones.astype(np.int64), weights=ones, sums=outcomes, shift=0.0, spread=spread,
            constant_weights=True, flow=())  # fmt: skip

    @classmethod
    def of(cls, times: Integers, cohort: Integers, cluster: Integers) -> Planned:
        """The plan of units in any order."""
        codes = np.unique(cluster, return_inverse=True)[1]
        order = np.argsort(codes, kind="stable")
        return cls(times, cohort[order], codes[order])


def before_adoption(panel: Panel, outcome: Outcome, ahead: int = 0) -> tuple[Planned, Variation, list[int]]:
    """The panel's plan, how its outcome varies before the first adoption, and the periods that were read.

    Periods within `ahead` of the first adoption, which treatment may touch already, are not read.

    Raises
    ------
    NotEstimable
        When no unit adopts, or fewer than three periods come before the first adoption.
    """
    assert outcome.column is not None  # noqa: S101 - a panel's outcome names its column
    rows = panel.rows(outcome.column)
    times = [int(t) for (t,) in panel.source.query(f"SELECT DISTINCT t FROM ({rows}) ORDER BY t")]
    units = panel.source.query(
        f"SELECT u, any_value(g), dense_rank() OVER (ORDER BY any_value(c)) - 1 FROM ({rows}) GROUP BY u ORDER BY u"
    )
    cohort = np.array([g for _, g, _ in units], dtype=np.int64)
    cluster = np.array([c for _, _, c in units], dtype=np.int64)
    starts = cohort[(cohort > times[0]) & (cohort <= times[-1])]
    if not starts.size:
        raise NotEstimable("No unit starts treatment within the periods of the data.")
    early = [t for t in times if t < starts.min() - ahead]
    if len(early) < FEWEST_PERIODS:
        raise NotEstimable(
            f"Only {len(early)} periods come before the first adoption, and {FEWEST_PERIODS} are needed to see how the "
            "outcome varies. Declare the variation in the study's `simulation` section instead."
        )
    cells = panel.source.arrays(
        f"SELECT r, t - {times[0]} AS k, y FROM (SELECT dense_rank() OVER (ORDER BY u) - 1 AS r, t, y FROM ({rows})) "
        f"WHERE t < {int(starts.min()) - ahead} AND y IS NOT NULL ORDER BY r, k"
    )
    wide = np.full((len(units), early[-1] - times[0] + 1), np.nan)
    wide[np.asarray(cells["r"]), np.asarray(cells["k"])] = np.asarray(cells["y"], dtype=np.float64)
    always = (cohort != 0) & (cohort <= times[0])  # treated all along: what they did is no guide, and no secret to open
    whole = np.isfinite(wide[:, [t - times[0] for t in early]]).all(axis=1) & ~always
    variation = _variation(wide[whole][:, [t - times[0] for t in early]], cluster[whole])
    return Planned.of(np.array(times), cohort[~always], cluster[~always]), variation, early


def _variation(outcomes: Floats, cluster: Integers) -> Variation:
    """Variance components and carry-over whose within-unit covariance is that of the outcomes (N, T) observed."""
    errors = outcomes - outcomes.mean(axis=1, keepdims=True)
    errors = errors - errors.mean(axis=0)
    sizes = np.bincount(cluster)
    if not errors.size or not errors.any():
        raise NotEstimable("The outcome does not vary before the first adoption in units observed throughout.")
    variance = float((errors**2).sum()) / (len(errors) - 1)
    lagged = float((errors[:, 1:] * errors[:, :-1]).sum()) / (len(errors) - 1)
    carry = _carry(lagged / variance, outcomes.shape[1])
    level = _demeaned(carry, outcomes.shape[1])
    total = variance / np.trace(level)
    shared = 0.0
    if (sizes > 1).any():  # products of different units of one cluster
        sums = np.stack([np.bincount(cluster, column, len(sizes)) for column in errors.T], axis=1)
        pairs = float((sizes * (sizes - 1)).sum())
        shared = float((sums**2).sum() - (errors**2).sum()) / pairs / np.trace(level)
    shared = min(max(shared, 0.0), total)
    return Variation(float(np.sqrt(total - shared)), float(np.sqrt(shared)), carry)


def _demeaned(carry: float, periods: int) -> Floats:
    """Covariance of autoregressive errors of variance 1 after the unit's mean is taken out (T, T)."""
    lag = np.abs(np.subtract.outer(np.arange(periods), np.arange(periods)))
    centre = np.eye(periods) - 1 / periods
    found: Floats = centre @ np.power(carry, lag) @ centre
    return found


def _carry(ratio: float, periods: int) -> float:
    """The carry-over whose demeaned errors have this ratio of neighbouring products to squares.

    Taking out unit means makes neighbouring errors look less alike than they are (Nickell, 1981); this undoes it.
    """
    grid = np.linspace(0, 0.98, 99)
    made = np.array([np.trace(m, offset=1) / np.trace(m) for m in (_demeaned(float(c), periods) for c in grid)])
    return float(np.interp(ratio, made, grid))  # rises with the carry-over
