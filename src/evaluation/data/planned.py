"""A panel as it is planned, and how its outcomes vary before anyone is treated: all that a power calculation may see.

Of outcomes from the first adoption on no more is read than whether there is one, so that a plan can be judged before
the results are known.
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
    """Who will be observed when with what weight, and treated from when; N units sorted by cluster."""

    times: Integers  # (T,)
    cohort: Integers  # (N,) first treated period; 0 = never
    cluster: Integers  # (N,) codes from 0
    weights: Floats  # (N, T); 0 where not observed

    def moments(self, outcomes: Floats) -> PanelMoments:
        """The moments that data with these outcomes (N, T) would have; those not observed are not looked at."""
        seen = self.weights > 0
        heaviest, lightest = self.weights.max(axis=1), np.where(seen, self.weights, np.inf).min(axis=1)
        return PanelMoments(
            times=self.times, cluster=self.cluster, cohort=self.cohort, units=np.ones(len(self.cohort), np.int64),
            counts=seen.astype(np.int64), weights=self.weights, sums=np.where(seen, self.weights * outcomes, 0.0),
            shift=0.0, spread=float(np.ptp(outcomes[seen])) / 2, constant_weights=bool((heaviest == lightest).all()),
            flow=())  # fmt: skip

    @classmethod
    def of(cls, times: Integers, cohort: Integers, cluster: Integers, weights: Floats | None = None) -> Planned:
        """The plan of units in any order; without weights (N, T) every unit is observed once in every period.

        Units and periods that are never observed are left out.
        """
        weights = np.ones((len(cohort), len(times))) if weights is None else weights
        kept = weights.any(axis=1)
        periods = weights.any(axis=0)
        codes = np.unique(cluster[kept], return_inverse=True)[1]
        order = np.argsort(codes, kind="stable")
        return cls(times[periods], cohort[kept][order], codes[order], weights[np.ix_(kept, periods)][order])


def before_adoption(panel: Panel, outcome: Outcome, ahead: int = 0) -> tuple[Planned, Variation, list[int]]:
    """The panel's plan, how its outcome varies before the first adoption, and the periods that were read.

    Periods within `ahead` of the first adoption, which treatment may touch already, are not read; nor are outcomes of
    units treated from the first period on.

    Raises
    ------
    NotEstimable
        When no unit adopts, or fewer than three periods come before the first adoption.
    """
    assert outcome.column is not None  # noqa: S101 - a panel's outcome names its column
    rows = panel.rows(outcome.column)
    times = np.array([t for (t,) in panel.source.query(f"SELECT DISTINCT t FROM ({rows}) ORDER BY t")], dtype=np.int64)
    units = panel.source.query(
        f"SELECT u, any_value(g), dense_rank() OVER (ORDER BY any_value(c)) - 1 FROM ({rows}) GROUP BY u ORDER BY u"
    )
    cohort = np.array([g for _, g, _ in units], dtype=np.int64)
    cluster = np.array([c for _, _, c in units], dtype=np.int64)
    starts = cohort[(cohort > times[0]) & (cohort <= times[-1])]
    if not starts.size:
        raise NotEstimable("No unit starts treatment within the periods of the data.")
    first = int(starts.min()) - ahead
    early = times < first
    if early.sum() < FEWEST_PERIODS:
        raise NotEstimable(
            f"Only {early.sum()} periods come before the first adoption, and {FEWEST_PERIODS} are needed to see how "
            "the outcome varies. Declare the variation in the study's `simulation` section instead."
        )
    outcomes, weights = _wide(panel, rows, len(units), times, first)
    always = (cohort != 0) & (cohort <= times[0])  # treated all along
    whole = np.isfinite(outcomes[:, early]).all(axis=1) & ~always
    variation = _variation(outcomes[whole][:, early], cluster[whole])
    return Planned.of(times, cohort, cluster, weights), variation, [int(t) for t in times[early]]


def _wide(panel: Panel, rows: str, units: int, times: Integers, first: int) -> tuple[Floats, Floats]:
    """Outcomes of the periods before `first`, NaN elsewhere, and weights, 0 where there is no outcome (N, T).

    Periods in which nobody has an outcome yet are taken to be observed throughout.
    """
    cells = panel.source.arrays(
        f"SELECT dense_rank() OVER (ORDER BY u) - 1 AS r, t, w, y IS NOT NULL AS known, "
        f"CASE WHEN t < {first} THEN y END AS y FROM ({rows})"
    )
    at = np.asarray(cells["r"]), np.searchsorted(times, np.asarray(cells["t"]))
    outcomes, weights, known = (np.full((units, len(times)), fill) for fill in (np.nan, np.nan, 0.0))
    outcomes[at] = np.ma.filled(np.ma.asarray(cells["y"], dtype=np.float64), np.nan)
    weights[at] = np.ma.filled(np.ma.asarray(cells["w"], dtype=np.float64), np.nan)
    known[at] = np.asarray(cells["known"])
    known[:, ~known.any(axis=0)] = 1.0
    there = np.isfinite(weights)
    usual = np.where(there, weights, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    filled = np.where(there, weights, usual[:, None])
    return outcomes, np.asarray(known * np.maximum(filled, 0.0))


def _variation(outcomes: Floats, cluster: Integers) -> Variation:
    """Variance components and carry-over whose within-unit covariance is that of the outcomes (N, T) observed."""
    if not len(outcomes):
        raise NotEstimable("No unit has an outcome in every period before the first adoption.")
    errors = outcomes - outcomes.mean(axis=1, keepdims=True)
    errors = errors - errors.mean(axis=0)
    sizes = np.bincount(cluster)
    if not errors.any():
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
