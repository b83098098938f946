"""A panel's units one by one with their covariates: for comparisons that are adjusted for them.

One streamed read of the columns needed. Memory grows with units times periods (eight bytes each), not with rows as
objects; where covariates stay the same within units, one value a unit is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from evaluation.data.engine import connect
from evaluation.data.gram_scan import Scan
from evaluation.data.moments import PanelMoments
from evaluation.data.moments.model import left_of
from evaluation.errors import NotEstimable
from evaluation.results import FlowStep

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    from evaluation.data.moments import Floats, Integers, Mask
    from evaluation.data.panel import Panel
    from evaluation.study.models import Outcome

MOST_CELLS = 200_000_000  # units times periods (times covariates, where these change) that are held in memory
BATCH = 1 << 20  # rows read at a time
WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
SPARSE = 4  # slots a row of the data may take for units numbered by their own whole numbers


@dataclass(frozen=True, eq=False)
class CovariateMoments(PanelMoments):
    """Moments of which each row is one unit, with its covariates on a common scale (between −1 and 1).

    `covariates` is (R, L) where they stay the same within units, else (R, T, L), zero where a unit is not observed.
    A unit counts as observed where outcome and covariates are known.
    """

    names: tuple[str, ...] = field(kw_only=True)
    covariates: Floats = field(kw_only=True)

    @property
    def changing(self) -> bool:
        """Whether covariates change within units."""
        return self.covariates.ndim == 3

    def values(self, rows: Any, period: int) -> Floats:
        """The constant and the covariates (n, 1 + L) of some rows, in a period where that matters."""
        x = self.covariates[rows, period] if self.changing else self.covariates[rows]
        return np.concatenate([np.ones((len(x), 1)), x], axis=1)

    def require_whole(self) -> None:
        """Raise NotEstimable where rows or periods were cut out of the moments but not of the covariates."""
        whole = self.sums.shape if self.changing else self.sums.shape[:1]
        if self.covariates.shape[:-1] != whole:
            raise NotEstimable("The covariates of a part of the panel are not known.")

    def without(self, rows: Mask, step: str, reason: str) -> CovariateMoments:
        """These moments without `rows` (R,), the units counted in the flow; periods left empty go too."""
        left = super().without(rows, step, reason)
        if left is self:
            return self
        kept = np.asarray(~rows)
        return self._aligned(left, kept, np.asarray(self.counts[kept].any(axis=0)))

    def restricted(self, keep: Mask, cohort: Integers) -> CovariateMoments | None:
        """These moments with the cells `keep` (R, T) alone and other cohorts (R,); None where no cell is left."""
        left = super().restricted(keep, cohort)
        return None if left is None else self._aligned(left, *left_of(np.asarray(keep & self.observed)))

    def _aligned(self, left: PanelMoments, rows: Mask, periods: Mask) -> CovariateMoments:
        self.require_whole()
        picked = self.covariates[np.ix_(rows, periods)] if self.changing else self.covariates[rows]
        return cast("CovariateMoments", replace(left, covariates=picked))  # type: ignore[call-arg]


def covariate_moments(panel: Panel, outcome: Outcome, names: Sequence[str]) -> CovariateMoments:
    """The units of a panel with an outcome and covariates, in the order of cluster and unit.

    Rows without a covariate are dropped and counted. The data are read by DuckDB, here.

    Raises
    ------
    NotEstimable
        When no row has all that is needed, a covariate is infinite, or there is more than memory should hold.
    """
    scan = Scan.of(panel, outcome, tuple(dict.fromkeys(names)), None)
    with connect() as connection:
        slots, index = _numbered(connection, scan, panel)
        _require_memory(slots * len(scan.times))
        held = _Held(scan, slots, changing=False)
        if not all(held.take(batch) for batch in _batches(connection, scan, index, panel)):
            _require_memory(slots * len(scan.times) * len(scan.names))
            held = _Held(scan, slots, changing=True)
            for batch in _batches(connection, scan, index, panel):
                held.take(batch)
    return held.moments(panel.clustered_by_unit)


def _require_memory(cells: int) -> None:
    if cells > MOST_CELLS:
        raise NotEstimable(
            f"Adjusting for covariates needs every unit by itself, and these data would take {cells:,} numbers; "
            f"{MOST_CELLS:,} are held at most. Use fewer units, periods or covariates, or leave the covariates out."
        )


def _numbered(connection: DuckDBPyConnection, scan: Scan, panel: Panel) -> tuple[int, str]:
    """How many slots units take, and SQL for the slot of a row's unit: in the order of the units.

    Whole numbers that lie close are their own slots; other units are numbered in a table.
    """
    if panel.source.columns[panel.unit] in WHOLE:
        low, high, n = connection.execute(f"SELECT min(u), max(u), count(*) FROM ({scan.rows})").fetchall()[0]
        if high - low < SPARSE * n:
            return int(high - low) + 1, f"u::BIGINT - ({low})"
    connection.execute(
        f"CREATE TEMP TABLE numbered AS SELECT u AS name, row_number() OVER (ORDER BY u) - 1 AS i "
        f"FROM (SELECT DISTINCT u FROM ({scan.rows}))"
    )
    return int(connection.execute("SELECT count(*) FROM numbered").fetchall()[0][0]), "i"


def _batches(connection: DuckDBPyConnection, scan: Scan, index: str, panel: Panel) -> Iterator[dict[str, NDArray[Any]]]:
    """All rows, some at a time: slot `i` of the unit, `t`, `g`, `c`, `w`, `y` (empty unless usable), covariates.

    Clusters come as whole numbers in their order: their own, or their ranks.
    """
    joined = f"({scan.rows})" + (" JOIN numbered ON u = name" if index == "i" else "")
    cluster = "0::BIGINT" if panel.clustered_by_unit else "c::BIGINT"
    if not panel.clustered_by_unit and panel.source.columns[panel.cluster] not in WHOLE:
        cluster = "code"
        connection.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS clusters AS SELECT c AS its, row_number() OVER (ORDER BY c) - 1 AS code "
            f"FROM (SELECT DISTINCT c FROM ({scan.rows}))"
        )
        joined += " JOIN clusters ON c = its"
    weight = ", w" if panel.weights else ""
    x = "".join(f", {one} AS x{j}" for j, one in enumerate(scan.x))
    sql = (
        f"SELECT {index} AS i, t, g, {cluster} AS c{weight}, CASE WHEN {scan.usable} THEN {scan.y} END AS y{x} "
        f"FROM {joined}"
    )
    for batch in connection.execute(sql).to_arrow_reader(BATCH):
        yield {
            name: column.to_numpy(zero_copy_only=False)
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }


class _Held:
    """Matrices of units (slots) by periods, filled batch by batch."""

    def __init__(self, scan: Scan, slots: int, *, changing: bool) -> None:
        periods, size = len(scan.times), len(scan.names)
        self.scan, self.changing = scan, changing
        self.times = np.array(scan.times, dtype=np.int64)
        self.y = np.full((slots, periods), np.nan)
        self.x = np.zeros((slots, periods, size) if changing else (slots, size))
        self.weight = np.ones(slots)
        self.cohort, self.cluster = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
        self.present, self.known = np.zeros(slots, np.bool_), np.zeros(slots, np.bool_)
        self.constant_weights = True

    def take(self, batch: dict[str, NDArray[Any]]) -> bool:
        """Take rows in; False where covariates turn out to change within units and only one value a unit is kept."""
        i = batch["i"]
        self.present[i] = True
        self.cohort[i], self.cluster[i] = batch["g"], batch["c"]
        y = np.asarray(batch["y"], dtype=np.float64)
        used = ~np.isnan(y)
        if not used.all():
            i, y = i[used], y[used]
            batch = {name: column[used] for name, column in batch.items()}
        k = self._period(batch["t"])
        self.y[i, k] = y
        if "w" in batch:
            self.constant_weights &= _same(self.weight, batch["w"], i, self.known)
        columns = [np.asarray(batch[f"x{j}"], dtype=np.float64) for j in range(self.x.shape[-1])]
        same = True
        for j, column in enumerate(columns):
            if self.changing:
                self.x[i, k, j] = column
            else:
                same &= _same(self.x[:, j], column, i, self.known)
        self.known[i] = True
        return same

    def _period(self, t: Integers) -> Integers:
        """The place of each row's period."""
        span = int(self.times[-1] - self.times[0]) + 1
        if span > len(t) + 1:
            return np.searchsorted(self.times, t).astype(np.int64)
        place = np.zeros(span, dtype=np.int64)
        place[self.times - self.times[0]] = np.arange(len(self.times))
        found: Integers = place[t - self.times[0]]
        return found

    def moments(self, clustered_by_unit: bool) -> CovariateMoments:
        """The units with any usable row, ordered by cluster and unit."""
        cluster = np.cumsum(self.present) - 1
        if not clustered_by_unit:
            cluster[self.present] = np.unique(self.cluster[self.present], return_inverse=True)[1]
        lost = int((self.present & ~self.known).sum())
        order = np.flatnonzero(self.known)
        order = order[np.argsort(cluster[order], kind="stable")]
        if len(order) < len(self.y) or (order[1:] < order[:-1]).any():
            self.y, self.x = self.y[order], self.x[order]
        weight, seen = self.weight[order], ~np.isnan(self.y)
        if seen.all():
            counts = np.broadcast_to(np.int64(1), self.y.shape)
            weights = np.broadcast_to(weight[:, None], self.y.shape)
        else:
            counts, weights = seen.astype(np.int64), seen * weight[:, None]
            self.y[~seen] = 0.0
        if (weight != 1).any():
            self.y *= weight[:, None]
        dropped = FlowStep("unit_without_outcome", "No period with all that is used", "unit", lost, len(order))
        return CovariateMoments(
            self.times, cluster[order], self.cohort[order], np.ones(len(order), np.int64), counts, weights, self.y,
            self.scan.shift, self.scan.spread, self.constant_weights, (*self.scan.flow, dropped),
            names=self.scan.names, covariates=self.x)  # fmt: skip


def _same(held: Floats, values: Floats, i: Integers, known: Mask) -> bool:
    """Put `values` into the slots `i` of `held`; whether they are what earlier rows of the units held."""
    before = held[i]
    changed = (before != values) & known[i]
    held[i] = values
    return not changed.any() and bool((held[i] == values).all())
