"""Two-way fixed effects with one static treatment coefficient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.errors import NotEstimable
from evaluation.estimators._regression import Regression, RegressionEstimator, collected
from evaluation.results import Check, ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import PanelMoments
    from evaluation.study.models import Outcome


ESTIMAND = "Effect on the treated: one coefficient for all cohorts and periods"


class TwoWayFixedEffects(RegressionEstimator):
    """Regression on unit effects, period effects and an indicator of being treated."""

    id = "twfe"
    title = "Two-way fixed effects"
    summary = (
        "One regression of the outcome on unit effects, period effects and an indicator of being treated. With "
        "staggered adoption and changing effects it mixes in comparisons with units already treated: a sensitivity "
        "analysis, not a first choice."
    )
    needs = "A panel with treated and untreated units; unbalanced panels and weights are taken."
    conventions = (
        "Cluster-robust (CR1) standard errors with the factor G/(G-1) * (N-1)/(N-K), K = 1 + number of periods, unit "
        "effects nested in the clusters not counted, as fixest and reghdfe report; t with G-1 degrees of freedom. "
        "Below 40 clusters CR2 with Satterthwaite degrees of freedom and the wild cluster bootstrap stand beside. "
        "Always-treated units stay in; units observed once are dropped and counted."
    )
    source = "Cameron and Miller (2015); Goodman-Bacon (2021) on what the coefficient mixes"

    def answer(self, moments: PanelMoments, outcome: Outcome, *, alternatives: bool) -> ResultSet:  # noqa: ARG002
        """The coefficient as term `att`, with its inference, checks and flow.

        Raises
        ------
        NotEstimable
            When treatment does not vary within the data in a way unit and period effects leave over.
        """
        import numpy as np

        from evaluation.estimators._did import require_variation, several_periods
        from evaluation.inference.two_way import two_way

        require_variation(moments)
        moments = several_periods(moments)
        if not moments.n_units:
            raise NotEstimable("No unit has an outcome in more than one period.")
        cohorts = np.unique(moments.cohort)
        treated = (cohorts[:, None] != 0) & (moments.times >= cohorts[:, None])
        fit = two_way(moments, treated[:, :, None].astype(np.float64))
        found = Regression(moments, fit, self.conf_level, alternatives)
        ever = (moments.observed & treated[np.searchsorted(cohorts, moments.cohort)]).any(axis=1)
        att = found.figure("att", ESTIMAND, np.ones(1), ever, what="The coefficient")
        checks = (*_staggered(int(treated.any(axis=1).sum())), *found.checks())
        return collected([att], checks, moments=moments, influence=found.influence(np.ones(1)))


def _staggered(starts: int) -> tuple[Check, ...]:
    if starts < 2:
        return ()
    message = (
        f"Units adopted at {starts} different times, so the coefficient also compares newly treated units with units "
        "treated earlier. Where effects differ by cohort or grow over time it can miss the average effect."
    )
    return (Check("staggered_adoption", "warn", message, term="att", statistic=starts),)
