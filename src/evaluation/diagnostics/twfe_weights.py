"""The weights that a two-way fixed effects coefficient gives to the effects of cohorts in periods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.results import Check, Component, ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask, PanelMoments

ROUNDING = 1e-12


def twfe_weights(moments: PanelMoments) -> ResultSet:
    """Each treated cohort and period's weight in the coefficient (de Chaisemartin and D'Haultfoeuille, 2020).

    Under parallel trends the coefficient estimates the weighted sum of these cells' average effects. Weights add up to
    one and may be negative: a `Component` of kind `cell` each, and the check `negative_weights`. Exact with missing
    rows and weights. Empty where treatment is absorbed by unit and period effects.
    """
    import numpy as np

    from evaluation.estimators._did import several_periods

    moments = several_periods(moments)
    if not moments.n_units:
        return ResultSet()
    cohorts, of_row = np.unique(moments.cohort, return_inverse=True)
    treated = (cohorts[:, None] != 0) & (moments.times >= cohorts[:, None])
    left = _residual(moments, treated[of_row])
    cells, units = (np.array([x[of_row == j].sum(axis=0) for j in range(len(cohorts))]) for x in (left, moments.counts))
    total = float(cells[treated].sum())
    if not total > ROUNDING * moments.weights.sum():
        return ResultSet()
    there = np.argwhere(treated & (units > 0)).tolist()
    components = tuple(
        Component("cell", str(cohorts[j]), "", float(moments.times[t]), float(cells[j, t]) / total, None,
                  (int(units[j, t]),))
        for j, t in there
    )  # fmt: skip
    return ResultSet(components=components, checks=(_negative(components, units, treated),))


def _residual(moments: PanelMoments, treated: Mask) -> Floats:
    """Weight × what unit and period effects leave of treatment (R, T)."""
    import numpy as np

    weights = moments.weights
    share = weights / weights.sum(axis=1, keepdims=True)
    normal = np.diag(weights.sum(axis=0)) - share.T @ weights
    within = treated - (share * treated).sum(axis=1, keepdims=True)
    period, *_ = np.linalg.lstsq(normal, (weights * within).sum(axis=0), rcond=None)
    left = within - (period - (share @ period)[:, None])
    return np.asarray(weights * left)


def _negative(components: tuple[Component, ...], units: Integers, treated: Mask) -> Check:
    negative = [c for c in components if c.weight < -ROUNDING]
    total = sum(c.weight for c in negative)
    counts = tuple(sorted(set(units[treated & (units > 0)].tolist())))
    if not negative:
        message = (
            f"None of the {len(components)} effects by cohort and period that the coefficient is a weighted sum of has "
            "a negative weight."
        )
        return Check("negative_weights", "pass", message, term="att", statistic=0.0, counts=counts)
    message = (
        f"{len(negative)} of the {len(components)} effects by cohort and period that the coefficient is a weighted sum "
        f"of have negative weights, {total:.2g} in all: where effects differ it can be far from their average, and "
        "even of another sign than all of them."
    )
    return Check("negative_weights", "warn", message, term="att", statistic=total, threshold=0.0, counts=counts)
