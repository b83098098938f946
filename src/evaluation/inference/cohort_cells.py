"""A panel's cohorts by periods as cells: which have an effect of their own, and who stands behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.results import FlowStep

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask, PanelMoments
    from evaluation.inference.regression import ClusterRegression


@dataclass(frozen=True, eq=False)
class EffectFit:
    """Effects (P,) and their CR1 covariance (P, P), NaN where there is none; `estimable` are those that have a meaning.

    `errors` (G, P') are the clusters' contributions to the error of the identified ones, None where units are summed
    across clusters; `by_cluster` is the fit cluster by cluster, its last columns the identified effects.
    """

    coefficients: Floats
    covariance: Floats
    identified: Mask
    estimable: Mask
    n_clusters: int
    factor: float
    errors: Floats | None
    by_cluster: Callable[[], ClusterRegression]


@dataclass(frozen=True, eq=False)
class CohortCells:
    """C cells of cohorts and periods that have any observation."""

    moments: PanelMoments
    cohort: Integers  # (C,)
    period: Integers  # (C,) place among the moments' periods
    weight: Floats  # (C,) of the observations

    @classmethod
    def of(cls, moments: PanelMoments, asked: Mask) -> CohortCells:
        """The observed cells among those `asked` for, (J, T) by cohort in the order of `np.unique`."""
        cohorts, of_row = np.unique(moments.cohort, return_inverse=True)
        weight = np.zeros(asked.shape)
        np.add.at(weight, of_row, moments.weights)
        j, t = np.nonzero(asked & (weight > 0))
        return cls(moments, cohorts[j], t, weight[j, t])

    @property
    def time(self) -> Integers:
        """Calendar period of each cell (C,)."""
        found: Integers = self.moments.times[self.period]
        return found

    @property
    def event(self) -> Integers:
        """Periods since adoption of each cell (C,)."""
        return self.time - self.cohort

    @property
    def design(self) -> Floats:
        """An indicator for each cell, (J, T, C)."""
        cohorts = np.unique(self.moments.cohort)
        found = np.zeros((len(cohorts), len(self.moments.times), len(self.cohort)))
        found[np.searchsorted(cohorts, self.cohort), self.period, np.arange(len(self.cohort))] = 1.0
        return found

    def rows(self, cells: Mask) -> Mask:
        """Rows of the moments (R,) with an observation in any of some cells (C,)."""
        cohorts, of_row = np.unique(self.moments.cohort, return_inverse=True)
        wanted = np.zeros((len(cohorts), len(self.moments.times)), dtype=np.bool_)
        wanted[np.searchsorted(cohorts, self.cohort[cells]), self.period[cells]] = True
        return np.asarray((wanted[of_row] & self.moments.observed).any(axis=1))

    def named(self, cells: Mask) -> list[str]:
        """Some cells (C,) in words."""
        return [
            f"cohort {g} in {t}" for g, t in zip(self.cohort[cells].tolist(), self.time[cells].tolist(), strict=True)
        ]


def since_adoption(moments: PanelMoments) -> tuple[Integers, Mask]:
    """Periods since adoption by cohort (J, T), and which cohorts (J,) adopt by the last period."""
    cohorts = np.unique(moments.cohort)
    adopts: Mask = (cohorts != 0) & (cohorts <= moments.times[-1])
    return moments.times - cohorts[:, None], adopts


def in_periods(moments: PanelMoments, kept: Mask, step: str, reason: str) -> PanelMoments:
    """The moments in the periods `kept` (T,) alone; what leaves is counted in the flow."""
    if kept.all():
        return moments
    rows = int(moments.counts[:, ~kept].sum())
    flow = FlowStep(step, reason, "row", rows, int(moments.counts[:, kept].sum()))
    times = moments.times[kept]
    left = replace(moments, flow=(*moments.flow, flow))
    unseen = np.asarray(~moments.observed[:, kept].any(axis=1))
    left = left.without(unseen, step, f"{reason}, and the unit is seen in no other")
    kept = np.isin(left.times, times)
    both = np.r_[True, kept]
    return replace(
        left,
        times=left.times[kept],
        counts=left.counts[:, kept],
        weights=left.weights[:, kept],
        sums=left.sums[:, kept],
        cross=None if left.cross is None else left.cross[:, both][:, :, both],
    )


def with_untreated_periods(moments: PanelMoments, untreated: Mask) -> PanelMoments:
    """The moments in periods in which a row of the `untreated` (R, T) is observed: elsewhere nobody can be compared."""
    seen = (untreated & moments.observed).any(axis=0)
    return in_periods(moments, np.asarray(seen), "all_treated", "A period in which no unit is untreated any more")


def with_reference(moments: PanelMoments, reference: int) -> PanelMoments:
    """The moments without cohorts of which no unit is observed in the reference period.

    Raises
    ------
    NotEstimable
        When no cohort is left.
    """
    since, adopts = since_adoption(moments)
    cohorts, of_row = np.unique(moments.cohort, return_inverse=True)
    at = (moments.observed & (since == reference)[of_row]).any(axis=1)
    found = np.isin(cohorts, moments.cohort[at]) | ~adopts
    if adopts.any() and not (found & adopts).any():
        raise NotEstimable(
            f"No treated unit is observed in the reference period, {-reference} before adoption; choose another "
            "reference, or an estimator that has none."
        )
    reason = f"No unit of the cohort is observed in the reference period, {-reference} before adoption"
    return moments.without(~found[of_row], "cohort_without_reference", reason)
