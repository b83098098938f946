"""What difference-in-differences estimators need of a panel, in a few scans: sums over units that share a fate.

Units of one cluster and cohort, observed in the same periods, have the same regressors after differencing out unit
effects; the sums of their outcomes by period therefore give coefficients and cluster-robust variances exactly.
Where each unit is its own cluster, or weights change within a unit, a row is one unit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from evaluation.data.engine import connect
from evaluation.data.exact import exact_sum, power
from evaluation.errors import NotEstimable
from evaluation.results import FlowStep

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    from evaluation.data.panel import Panel
    from evaluation.study.models import Outcome

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Mask = NDArray[np.bool_]
    Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class PanelMoments:
    """Sums over units, R rows by T periods; rows are sorted by cluster, so a cluster's rows are neighbours.

    `sums` are of weight × (outcome − `shift`): differences within a unit do not need the level, and small numbers
    keep their digits. `spread` is half the outcome's range, the scale against which a zero is judged.
    """

    times: Integers  # (T,) periods with any outcome, ascending
    cluster: Integers  # (R,) code of the cluster
    cohort: Integers  # (R,) first treated period; 0 = never
    units: Integers  # (R,) units summed into the row
    counts: Integers  # (R, T) outcomes observed
    weights: Floats  # (R, T) sum of their weights
    sums: Floats  # (R, T) sum of weight × (outcome − shift)
    shift: float
    spread: float
    constant_weights: bool  # whether each unit's weight is the same in all its periods
    flow: tuple[FlowStep, ...]
    cross: Floats | None = None  # (R, 1 + T, 1 + T), only where every unit is a cluster and rows sum units:
    # the sum over units of weight² × (1, y − shift)(1, y − shift)', zero where not observed

    @property
    def observed(self) -> Mask:
        """Whether the row's units have an outcome in the period, (R, T)."""
        return self.counts > 0

    @property
    def n_units(self) -> int:
        """Units in all rows."""
        return int(self.units.sum())

    @property
    def n_clusters(self) -> int:
        """Clusters with any row."""
        return self.clusters_among(np.ones(len(self.cluster), dtype=np.bool_))

    def clusters_among(self, rows: Mask) -> int:
        """Clusters with any of some rows (R,)."""
        if self.cross is not None:
            return int(self.units[rows].sum())
        found = self.cluster[rows]
        return int(np.count_nonzero(found[1:] != found[:-1])) + 1 if found.size else 0

    def without(self, rows: Mask, step: str, reason: str) -> PanelMoments:
        """These moments without `rows` (R,), the units counted in the flow; periods left empty go too."""
        dropped = int(self.units[rows].sum())
        if not dropped:
            return self
        kept = ~rows
        periods = self.counts[kept].any(axis=0)
        return replace(
            self,
            times=self.times[periods],
            cluster=self.cluster[kept],
            cohort=self.cohort[kept],
            units=self.units[kept],
            counts=self.counts[np.ix_(kept, periods)],
            weights=self.weights[np.ix_(kept, periods)],
            sums=self.sums[np.ix_(kept, periods)],
            cross=_picked(self.cross, np.asarray(kept), np.asarray(periods)),
            flow=(*self.flow, FlowStep(step, reason, "unit", dropped, self.n_units - dropped)),
        )


def _picked(cross: Floats | None, rows: Mask, periods: Mask) -> Floats | None:
    """Cross-products of some rows and periods."""
    if cross is None:
        return None
    both = np.r_[True, periods]
    picked: Floats = cross[np.ix_(rows, both, both)]
    return picked


def folded(moments: PanelMoments) -> PanelMoments:
    """The same panel with units summed by cohort and observed periods: each unit is its own cluster.

    Rows must be single units with constant weights.
    """
    from itertools import groupby

    weight = moments.weights.max(axis=1)
    shape = np.where(moments.observed, 1, 0)
    order = np.lexsort((*shape.T[::-1], moments.cohort))
    key = [(int(moments.cohort[r]), *shape[r].tolist()) for r in order]
    groups = [np.array([order[k] for k, _ in g]) for _, g in groupby(enumerate(key), key=lambda item: item[1])]

    def total(values: NDArray[Any]) -> NDArray[Any]:
        return np.array([values[g].sum(axis=0) for g in groups])

    full = np.concatenate([weight[:, None], moments.sums], axis=1)
    first = np.array([g[0] for g in groups])
    return replace(
        moments,
        cluster=np.arange(len(groups)),
        cohort=moments.cohort[first],
        units=total(moments.units),
        counts=total(moments.counts),
        weights=total(moments.weights),
        sums=total(moments.sums),
        cross=np.array([full[g].T @ full[g] for g in groups]),
    )


@dataclass(frozen=True)
class _Facts:
    """The size and range of the rows, from one scan."""

    rows: int
    missing: int
    weightless: int
    low: float
    high: float
    heaviest: float
    times: list[int]

    @property
    def shift(self) -> float:
        return self.low / 2 + self.high / 2

    @property
    def spread(self) -> float:
        return self.high / 2 - self.low / 2


def _fetched(connection: DuckDBPyConnection, sql: str) -> Arrays:
    return cast("Arrays", connection.execute(sql).fetchnumpy())


EXTREME = 1e100  # squares of larger numbers, or of their inverses, and sums of these can leave the range of a DOUBLE
_USABLE = "y IS NOT NULL AND w > 0"


def _facts(connection: DuckDBPyConnection, rows: str) -> _Facts:
    usable = f"FILTER ({_USABLE})"
    found = connection.execute(
        f"SELECT count(*), count(*) FILTER (y IS NULL), count(*) FILTER (y IS NOT NULL AND NOT w > 0), "
        f"min(y) {usable}, max(y) {usable}, max(w) {usable}, list(DISTINCT t) {usable} FROM ({rows})"
    ).fetchall()[0]
    if found[3] is None:
        raise NotEstimable("No row has an outcome.")
    n, missing, weightless, low, high, heaviest, times = found
    facts = _Facts(n, missing, weightless, low, high, heaviest, sorted(times))
    for what, size in (("outcome's range", facts.spread), ("largest weight", facts.heaviest)):
        if size and not 1 / EXTREME < size < EXTREME:
            raise NotEstimable(
                f"The {what} is {'above' if size > 1 else 'below'} what can be reckoned with: give it in another unit, "
                "or correct the data."
            )
    return facts


def _units(connection: DuckDBPyConnection, rows: str, periods: int, by_unit: bool) -> tuple[int, bool, bool]:
    """Put each unit's place among the moments' rows into the table `places`.

    Returns the number of units without any outcome, whether every unit's weight is constant, and whether a row
    of the moments is one unit.
    """
    connection.execute(
        f"CREATE TEMP TABLE units AS SELECT u, min(g) AS g, min(c) AS c, "
        f"bitstring_agg(k, 0, {periods - 1}) FILTER ({_USABLE}) AS p, "
        f"min(w) FILTER ({_USABLE}) = max(w) FILTER ({_USABLE}) AS constant "
        f"FROM ({rows}) LEFT JOIN periods USING (t) GROUP BY u"
    )
    lost, constant = connection.execute("SELECT count(*) FILTER (p IS NULL), bool_and(constant) FROM units").fetchall()[
        0
    ]
    single = by_unit or not constant
    order = "c, u" if single else "c, g, p"
    connection.execute(
        f"CREATE TEMP TABLE places AS SELECT u, g, dense_rank() OVER (ORDER BY {order}) - 1 AS r, "
        "dense_rank() OVER (ORDER BY c) - 1 AS cluster FROM units WHERE p IS NOT NULL"
    )
    return int(lost), bool(constant), single


def _cells(connection: DuckDBPyConnection, rows: str, facts: _Facts, single: bool) -> Arrays:
    """Counts, weights and sums by row and period; exact, so the same in any order of the data."""
    value = f"w * (y - {facts.shift!r}::DOUBLE)"
    used = f"(SELECT * FROM ({rows}) WHERE {_USABLE}) JOIN places USING (u) JOIN periods USING (t)"
    if single:
        return _fetched(connection, f"SELECT r, k, 1 AS n, w, {value} AS s FROM {used}")
    weight = exact_sum("w", power(facts.heaviest, facts.rows))
    total = exact_sum(value, power(facts.heaviest * facts.spread, facts.rows))
    return _fetched(connection, f"SELECT r, k, count(*) AS n, {weight} AS w, {total} AS s FROM {used} GROUP BY r, k")


def _flow(facts: _Facts, outcome: Outcome, units: int, lost: int) -> tuple[FlowStep, ...]:
    left = facts.rows - facts.missing
    steps = [
        FlowStep("read", "Rows in the data", "row", 0, facts.rows),
        FlowStep("missing_outcome", f'The outcome "{outcome.label}" is missing', "row", facts.missing, left),
    ]
    if facts.weightless:
        reason = "The weight is zero"
        steps.append(FlowStep("zero_weight", reason, "row", facts.weightless, left - facts.weightless))
    reason = "No period with a usable outcome"
    return (*steps, FlowStep("unit_without_outcome", reason, "unit", lost, units))


def panel_moments(panel: Panel, outcome: Outcome) -> PanelMoments:
    """The moments of an outcome, in three scans of the data; equal to the last bit for any order of the rows.

    Raises
    ------
    NotEstimable
        When no row has an outcome.
    """
    assert outcome.column is not None  # noqa: S101 - a panel's outcome names its column
    rows = panel.rows(outcome.column)
    with connect() as connection:
        facts = _facts(connection, rows)
        index = ", ".join(f"({t}, {k})" for k, t in enumerate(facts.times))
        connection.execute(f"CREATE TEMP TABLE periods AS SELECT * FROM (VALUES {index}) AS p(t, k)")
        lost, constant, single = _units(connection, rows, len(facts.times), panel.clustered_by_unit)
        places = _fetched(
            connection, "SELECT r, min(cluster) AS c, min(g) AS g, count(*) AS n FROM places GROUP BY r ORDER BY r"
        )
        cells = _cells(connection, rows, facts, single)
    shape = (len(places["r"]), len(facts.times))
    counts, weights, sums = np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape)
    at = (cells["r"], cells["k"])
    counts[at], weights[at], sums[at] = cells["n"], cells["w"], cells["s"]
    return PanelMoments(
        times=np.array(facts.times, dtype=np.int64),
        cluster=places["c"].astype(np.int64),
        cohort=places["g"].astype(np.int64),
        units=places["n"].astype(np.int64),
        counts=counts,
        weights=weights,
        sums=sums,
        shift=facts.shift,
        spread=facts.spread,
        constant_weights=constant,
        flow=_flow(facts, outcome, int(places["n"].sum()), lost),
    )
