"""Two-way fixed effects with one static treatment coefficient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.errors import NotEstimable
from evaluation.estimators.base import PanelEstimator
from evaluation.results import Check, ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import PanelMoments
    from evaluation.study.models import Outcome


class TwoWayFixedEffects(PanelEstimator):
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
        "Always-treated units stay in; units observed once are dropped and counted."
    )
    source = "Cameron and Miller (2015); Goodman-Bacon (2021) on what the coefficient mixes"

    def estimate(self, moments: PanelMoments, outcome: Outcome) -> ResultSet:  # noqa: ARG002
        """The coefficient as term `att`, with its inference, checks and flow.

        Raises
        ------
        NotEstimable
            When treatment does not vary within the data in a way unit and period effects leave over.
        """
        import numpy as np

        from evaluation.estimators._did import counts_of, several_periods, single_cluster
        from evaluation.inference.covariance import standard_errors
        from evaluation.inference.rule import Rule, few_clusters
        from evaluation.inference.two_way import two_way

        moments = several_periods(moments)
        if not moments.n_units:
            raise NotEstimable("No unit has an outcome in more than one period.")
        cohorts = np.unique(moments.cohort)
        treated = (cohorts[:, None] != 0) & (moments.times >= cohorts[:, None])
        fit = two_way(moments, treated[:, :, None].astype(np.float64))
        rule = Rule("CR1", self.conf_level, fit.n_clusters, fit.n_clusters - 1, "clusters - 1", fit.factor)
        ever = (moments.observed & treated[np.searchsorted(cohorts, moments.cohort)]).any(axis=1)
        estimate, inference = rule.figure(
            "att",
            "Effect on the treated: one coefficient for all cohorts and periods",
            float(fit.coefficients[0]),
            standard_errors(fit.covariance, moments.spread)[0],
            **counts_of(moments, ever),
        )
        checks = (
            *_staggered(int(treated.any(axis=1).sum())),
            *single_cluster(moments, ever, "The coefficient", term="att"),
            *few_clusters(fit.n_clusters),
        )
        return ResultSet((estimate,), (inference,), checks, flow=moments.flow)


def _staggered(starts: int) -> tuple[Check, ...]:
    if starts < 2:
        return ()
    message = (
        f"Units adopted at {starts} different times, so the coefficient also compares newly treated units with units "
        "treated earlier. Where effects differ by cohort or grow over time it can miss the average effect."
    )
    return (Check("staggered_adoption", "warn", message, term="att", statistic=starts),)
