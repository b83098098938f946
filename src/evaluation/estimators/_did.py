"""What the panel regressions share: which rows can be used, and the counts behind a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evaluation.errors import NotEstimable
from evaluation.results import Check

if TYPE_CHECKING:
    from evaluation.data.moments import Mask, PanelMoments


def require_variation(moments: PanelMoments) -> None:
    """Raise NotEstimable where the outcome is the same in every row."""
    if not moments.spread:
        raise NotEstimable("The outcome has the same value in every row: there is no change to compare.")


def several_periods(moments: PanelMoments) -> PanelMoments:
    """The moments without units seen once: their effect takes up their only observation."""
    once = moments.observed.sum(axis=1) < 2
    return moments.without(once, "single_period", "Observed in one period only: no change to compare")


def without_always_treated(moments: PanelMoments, anticipation: int = 0) -> PanelMoments:
    """The moments without units that have no period before treatment (or its anticipation)."""
    reason = "Treated from the first period on: no untreated period to compare with"
    if anticipation:
        reason = "Treated, or expecting treatment, from the first period on: no untreated period to compare with"
    while moments.n_units:
        always = (moments.cohort != 0) & (moments.cohort <= moments.times[0] + anticipation)
        if not always.any():
            break
        moments = moments.without(always, "always_treated", reason)  # the first period may have been theirs alone
    return moments


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


def one_treated_cluster(moments: PanelMoments) -> bool:
    """Whether all treated units lie in one cluster.

    Where treated cells are fitted one by one, nothing is left over then that uncertainty could be reckoned from.
    """
    inside = (moments.cohort != 0) & (moments.cohort <= moments.times[-1])
    return moments.clusters_among(inside) == 1


def single_cluster(moments: PanelMoments, rows: Mask, what: str, **key: Any) -> tuple[Check, ...]:
    """A warning where the treated `rows` (R,) that a figure rests on lie in one cluster: how they vary is not seen."""
    if moments.clusters_among(rows) > 1:
        return ()
    message = f"{what} rests on treated units of one cluster: its standard error is too small."
    units = int(moments.units[rows].sum())
    return (Check("single_cluster", "warn", message, **key, statistic=units, counts=(units,)),)
