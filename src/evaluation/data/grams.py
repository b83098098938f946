"""Cross-products of rows by cluster, group and period: what a regression with covariates needs of a panel.

Within a cell (cluster, cohort, third group, set of observed periods; period) the sums of weights, outcomes, covariates
and their products say all about least squares and cluster-robust variances, whatever the number of rows. Where every
unit is its own cluster and there are many, cells are summed over units, and the variance takes a second scan with the
coefficients in hand. Sums are of whole numbers on a common scale (`exact`): the same in any order of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from evaluation.data.engine import connect
from evaluation.data.gram_scan import Scan, SecondPass, fetched
from evaluation.data.moments import PanelMoments
from evaluation.data.moments.model import left_of
from evaluation.errors import NotEstimable
from evaluation.results import FlowStep

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.data.moments import Floats, Integers, Mask
    from evaluation.data.panel import Panel
    from evaluation.study.models import Outcome


@dataclass(frozen=True, eq=False)
class Grams:
    """What the cells hold beside the outcome; covariates are (value − `centre`) · `scale`, between −1 and 1.

    `counts` repeats the moments' own, so that cells cut out of the moments alone are noticed.
    """

    third: Integers  # (R,) 0 or 1; all 0 where the study names no third group
    names: tuple[str, ...]  # (L,) covariates
    centre: Floats  # (L,)
    scale: Floats  # (L,)
    counts: Integers  # (R, T)
    sums: Floats  # (R, T, L) sum of weight × covariate
    squares: Floats  # (R, T, L, L) sum of weight × covariate × covariate
    products: Floats  # (R, T, L) sum of weight × covariate × (outcome − shift)
    origin: Integers  # (R,) number of the row in the data's own order
    second: SecondPass | None  # where rows are summed over units that are their own clusters

    def picked(self, rows: Mask, periods: Mask, cells: Mask) -> Grams:
        """Those of some rows (R,) and periods (T,), with zero outside `cells` (of the rows and periods left)."""
        at = np.ix_(rows, periods)
        return replace(
            self,
            third=self.third[rows],
            counts=np.where(cells, self.counts[at], 0),
            sums=np.where(cells[..., None], self.sums[at], 0.0),
            squares=np.where(cells[..., None, None], self.squares[at], 0.0),
            products=np.where(cells[..., None], self.products[at], 0.0),
            origin=self.origin[rows],
        )


@dataclass(frozen=True, eq=False)
class GramMoments(PanelMoments):
    """A panel's moments with a third group and the cross-products of covariates."""

    grams: Grams = field(kw_only=True)

    def clusters_among(self, rows: Mask) -> int:
        """Clusters with any of some rows (R,)."""
        return int(self.units[rows].sum()) if self.grams.second else super().clusters_among(rows)

    def without(self, rows: Mask, step: str, reason: str) -> GramMoments:
        """These moments without `rows` (R,), the units counted in the flow; periods left empty go too."""
        self.require_whole()
        left = super().without(rows, step, reason)
        if left is self:
            return self
        kept = np.asarray(~rows)
        periods = np.asarray(self.counts[kept].any(axis=0))
        cells = np.ones((int(kept.sum()), int(periods.sum())), dtype=np.bool_)
        return cast("GramMoments", replace(left, grams=self.grams.picked(kept, periods, cells)))  # type: ignore[call-arg]

    def restricted(self, keep: Mask, cohort: Integers) -> GramMoments | None:
        """These moments with the cells `keep` (R, T) alone and other cohorts (R,); None where no cell is left."""
        self.require_whole()
        left, seen = super().restricted(keep, cohort), np.asarray(keep & self.observed)
        if left is None:
            return None
        rows, periods = left_of(seen)
        grams = self.grams.picked(rows, periods, seen[np.ix_(rows, periods)])
        return cast("GramMoments", replace(left, grams=grams))  # type: ignore[call-arg]

    def require_whole(self) -> None:
        """Raise NotEstimable where cells were cut out of the moments but not of the cross-products."""
        if not np.array_equal(self.counts, self.grams.counts):
            raise NotEstimable("The covariates of a part of the panel are not known.")


def gram_moments(
    panel: Panel, outcome: Outcome, covariates: Sequence[str] = (), third: str | None = None
) -> GramMoments:
    """The moments of an outcome with covariates and a third group, out of core.

    Rows without a covariate or the third group are dropped and counted.

    Raises
    ------
    NotEstimable
        When no row has all that is needed, a covariate is infinite, or the third group is not 0 or 1, the same in
        all rows of a unit.
    """
    scan = Scan.of(panel, outcome, tuple(dict.fromkeys(covariates)), third)
    with connect() as connection:
        lost, constant = scan.place(connection)
        places = fetched(
            connection,
            "SELECT r, min(cluster) AS c, min(g) AS g, min(q) AS q, count(*) AS n FROM places GROUP BY r ORDER BY r",
        )
        cells = scan.cells(connection)
    shape = (len(places["r"]), len(scan.times))
    at = (cells["r"], cells["k"])

    def wide(*names: str, integer: bool = False) -> NDArray[Any]:
        found = np.zeros((*shape, len(names)), np.int64 if integer else np.float64)
        for j, name in enumerate(names):
            found[(*at, j)] = cells[name]
        return found

    size = range(len(scan.names))
    counts = wide("n", integer=True)[:, :, 0]
    squares = wide(*(f"s{min(i, j)}_{max(i, j)}" for i in size for j in size))
    grams = Grams(
        third=places["q"].astype(np.int64),
        names=scan.names,
        centre=np.array(scan.centre),
        scale=np.array(scan.scale),
        counts=counts,
        sums=wide(*(f"x{i}" for i in size)),
        squares=squares.reshape(*shape, len(size), len(size)),
        products=wide(*(f"p{i}" for i in size)),
        origin=np.arange(shape[0]),
        second=SecondPass(scan) if scan.summed else None,
    )
    return GramMoments(
        times=np.array(scan.times, dtype=np.int64),
        cluster=places["c"].astype(np.int64),
        cohort=places["g"].astype(np.int64),
        units=places["n"].astype(np.int64),
        counts=counts,
        weights=wide("w")[:, :, 0],
        sums=wide("y")[:, :, 0],
        shift=scan.shift,
        spread=scan.spread,
        constant_weights=constant,
        flow=(*scan.flow, FlowStep("unit_without_outcome", "No period with all that is used", "unit", lost,
                                   int(places["n"].sum()))),
        grams=grams,
    )  # fmt: skip
