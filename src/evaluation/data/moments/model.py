"""The moments of a panel: sums over units that share a fate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.results import FlowStep

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PanelMoments:
    """Sums over units, R rows by T periods; rows are sorted by cluster, so a cluster's rows are neighbours.

    `sums` are of weight × (outcome − `shift`): differences within a unit do not need the level, and small numbers
    keep their digits. `spread` is half the outcome's range, the scale against which a zero is judged.
    """

    times: Integers  # (T,) periods with any outcome, ascending
    cluster: Integers  # (R,) rank among all clusters of the panel, those without any outcome included
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
            cross=picked(self.cross, np.asarray(kept), np.asarray(periods)),
            flow=(*self.flow, FlowStep(step, reason, "unit", dropped, self.n_units - dropped)),
        )

    def restricted(self, keep: Mask, cohort: Integers) -> PanelMoments | None:
        """These moments with the cells `keep` (R, T) alone and other cohorts (R,); None where no cell is left."""
        seen = np.asarray(keep & self.observed)
        rows, periods = left_of(seen)
        if not rows.any():
            return None
        at = np.ix_(rows, periods)
        cells, cross = seen[at], self.cross
        if cross is not None:
            both = np.concatenate([np.ones((len(seen), 1), dtype=np.bool_), seen], axis=1)
            cross = picked(cross * both[:, :, None] * both[:, None, :], rows, periods)
        return replace(
            self,
            times=self.times[periods],
            cluster=self.cluster[rows],
            cohort=cohort[rows],
            units=self.units[rows],
            counts=np.where(cells, self.counts[at], 0),
            weights=np.where(cells, self.weights[at], 0.0),
            sums=np.where(cells, self.sums[at], 0.0),
            cross=cross,
            flow=(),
        )


def left_of(cells: Mask) -> tuple[Mask, Mask]:
    """Rows (R,) and periods (T,) with any of some cells (R, T)."""
    return np.asarray(cells.any(axis=1)), np.asarray(cells.any(axis=0))


def picked(cross: Floats | None, rows: Mask, periods: Mask) -> Floats | None:
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
