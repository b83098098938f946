"""Callaway and Sant'Anna's group-time effects and their aggregations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from evaluation.errors import NotEstimable
from evaluation.estimators.base import PanelEstimator
from evaluation.results import ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import PanelMoments
    from evaluation.study.models import Outcome


class CallawaySantAnna(PanelEstimator):
    """Each cohort's change since before adoption against units not treated by then, then averaged."""

    id = "callaway_santanna"
    title = "Callaway–Sant'Anna difference-in-differences"
    summary = (
        "For every cohort and period, the change since just before adoption less the change of units not treated by "
        "then; averaged over cohorts and periods. Valid with staggered adoption and effects that differ."
    )
    needs = "A panel with untreated periods for each cohort and never-treated or not-yet-treated units."
    conventions = (
        "Influence-function standard errors summed within clusters, no small-sample factor, with the uncertainty of "
        "the cohort weights, as in R's did; normal distribution. Units count in a comparison where observed in both of "
        "its periods. Without covariates reg, ipw and dr are one and the same estimator. Units treated from the first "
        "period on are dropped and counted; cohorts after the last period are not yet treated."
    )
    source = "Callaway and Sant'Anna (2021)"

    control_group: Annotated[
        Literal["never_treated", "not_yet_treated"], Field(description="Whom cohorts are compared with")
    ] = "never_treated"
    method: Annotated[
        Literal["reg", "ipw", "dr"], Field(description="Adjustment for covariates; without any the three coincide")
    ] = "reg"
    covariates: list[str] = Field(default=[], description="None in this version")
    anticipation: Annotated[int, Field(ge=0, description="Periods before adoption that treatment may affect")] = 0
    base_period: Annotated[
        Literal["varying", "universal"],
        Field(description="Before adoption: change from the period before, or from the last period before adoption"),
    ] = "varying"

    @field_validator("covariates")
    @classmethod
    def _none_yet(cls, covariates: list[str]) -> list[str]:
        if covariates:
            raise ValueError("covariates are not available in this version")
        return covariates

    def estimate(self, moments: PanelMoments, outcome: Outcome) -> ResultSet:  # noqa: ARG002
        """Terms `att`, `att_group`, `att_dynamic`, `att_calendar`, `event`, `group`, `calendar` and `group_time`.

        Raises
        ------
        NotEstimable
            When no effect after adoption can be estimated, or weights change within units.
        """
        from evaluation.estimators._did import without_always_treated
        from evaluation.estimators._group_time import figures
        from evaluation.inference.group_time import comparisons, group_time
        from evaluation.inference.rule import Rule

        moments = without_always_treated(moments, self.anticipation)
        self._comparable(moments)
        cells = comparisons(moments, self.control_group, self.base_period, self.anticipation)
        if not cells:
            raise NotEstimable("No unit starts treatment within the periods observed.")
        rule = Rule("influence function", self.conf_level, moments.n_clusters)
        estimates, inference, checks = figures(group_time(moments, cells), rule, self.anticipation)
        return ResultSet(estimates, inference, checks, flow=moments.flow)

    def _comparable(self, moments: PanelMoments) -> None:
        if not moments.n_units:
            raise NotEstimable("No unit has an outcome and a period before treatment.")
        if not moments.constant_weights:
            raise NotEstimable(
                "The weights change over time within units. Group-time effects need one weight a unit: use a weight "
                "that stays the same, or the estimator twfe or event_study."
            )
        if moments.n_clusters < 2:
            raise NotEstimable("All rows are in one cluster, so uncertainty cannot be reckoned.")
        if self.control_group == "never_treated" and not (moments.cohort == 0).any():
            raise NotEstimable(
                "No unit is never treated. Set the option `control_group: not_yet_treated` to compare with units "
                "treated later."
            )
