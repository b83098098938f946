"""What the panel regressions share: which rows can be used, and the counts behind a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evaluation.data.moments import Mask, PanelMoments


def several_periods(moments: PanelMoments) -> PanelMoments:
    """The moments without units seen once: their effect takes up their only observation."""
    once = moments.observed.sum(axis=1) < 2
    return moments.without(once, "single_period", "Observed in one period only: no change to compare")


def without_always_treated(moments: PanelMoments, anticipation: int = 0) -> PanelMoments:
    """The moments without units that have no period before treatment (or its anticipation)."""
    first = moments.times[0] + anticipation
    always = (moments.cohort != 0) & (moments.cohort <= first)
    reason = "Treated from the first period on: no untreated period to compare with"
    if anticipation:
        reason = "Treated, or expecting treatment, from the first period on: no untreated period to compare with"
    return moments.without(always, "always_treated", reason)


def counts_of(moments: PanelMoments, treated: Mask) -> dict[str, Any]:
    """Fields of an estimate that rests on all rows, of which `treated` (R,) are ever treated."""
    inside = int(moments.units[treated].sum())
    outside = moments.n_units - inside
    return {
        "n_obs": int(moments.counts.sum()),
        "n_units": moments.n_units,
        "n_treated_units": inside,
        "n_clusters": moments.n_clusters,
        "counts": tuple(n for n in (inside, outside) if n),
    }
