"""Callaway and Sant'Anna's group-time effects and their aggregations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from evaluation.errors import NotEstimable
from evaluation.estimators.base import PanelEstimator
from evaluation.results import ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import PanelMoments
    from evaluation.data.panel import Panel
    from evaluation.estimators._group_time import Report
    from evaluation.inference.group_time import Cell, GroupTime
    from evaluation.results import Estimate
    from evaluation.study.models import Outcome

MOST_REFITTED = 400  # comparisons up to which the jackknife refits them without each cluster


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
        "the cohort weights and of the models for covariates, as in R's did; normal distribution. Units count in a "
        "comparison where observed in both of its periods. Without covariates reg, ipw and dr are one and the same "
        "estimator. Covariates are those of the base period. Simultaneous bands by the multiplier bootstrap (999 "
        "draws); below 40 clusters t with G-1 degrees of freedom and the jackknife stand beside. Units treated from "
        "the first period on are dropped and counted; cohorts after the last period are not yet treated."
    )
    source = "Callaway and Sant'Anna (2021); Sant'Anna and Zhao (2020)"

    control_group: Annotated[
        Literal["never_treated", "not_yet_treated"], Field(description="Whom cohorts are compared with")
    ] = "never_treated"
    method: Annotated[
        Literal["reg", "ipw", "dr"],
        Field(description="Adjustment for covariates: regression, inverse-probability weighting, or both"),
    ] = "reg"
    covariates: Annotated[
        list[str], Field(description="Columns of numbers, taken in the base period of each comparison")
    ] = []  # noqa: RUF012 - pydantic copies it
    anticipation: Annotated[int, Field(ge=0, description="Periods before adoption that treatment may affect")] = 0
    base_period: Annotated[
        Literal["varying", "universal"],
        Field(description="Before adoption: change from the period before, or from the last period before adoption"),
    ] = "varying"
    panel: Annotated[bool, Field(description="false: repeated cross-sections, every row an observation of its own")] = (
        True
    )
    balance: Annotated[
        int | None,
        Field(ge=0, description="Event times over cohorts seen at least so many periods after adoption"),
    ] = None
    window: Annotated[
        list[int] | None, Field(min_length=2, max_length=2, description="[first, last] event time to report")
    ] = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.window and not self.window[0] <= 0 <= self.window[1]:
            raise ValueError(f"window {self.window} must begin at 0 or earlier and end at 0 or later")
        return self

    def covariate_columns(self, declared: list[str]) -> list[str]:  # noqa: ARG002 - as the option says
        """The covariates."""
        return list(self.covariates)

    def moments(self, panel: Panel, outcome: Outcome) -> PanelMoments:
        """Sums over units or, with covariates, the units themselves. Raises NotEstimable when no row can be used."""
        if not self.covariates:
            return super().moments(panel, outcome)
        from evaluation.data.panel_covariates import covariate_moments

        return covariate_moments(panel, outcome, self.covariates)

    def estimate(self, moments: PanelMoments, outcome: Outcome) -> ResultSet:  # noqa: ARG002
        """Terms `att`, `att_group`, `att_dynamic`, `att_calendar`, `event`, `group`, `calendar` and `group_time`.

        Raises
        ------
        NotEstimable
            When no effect after adoption can be estimated, or weights change within units.
        """
        from evaluation.estimators._group_time_bands import bands, few_clusters, jackknife
        from evaluation.estimators._group_time_checks import checks

        report = self._report(moments)
        left = report.effects.moments
        rows = list(report.rows())
        beside = [*bands(report, rows), *few_clusters(report, rows)]
        if len(report.effects.cells) <= MOST_REFITTED:
            beside += jackknife(report, lambda code: self._without(left, code))
        return ResultSet(
            tuple(row.estimate for row in rows),
            (*(how for row in rows for how in row.inference), *beside),
            (*checks(report, self.anticipation), *(c for row in rows for c in row.checks)),
            flow=left.flow,
            joint=report.joint(),
            influence=report.influence(),
        )

    def overall(self, moments: PanelMoments, outcome: Outcome) -> Estimate:  # noqa: ARG002
        """The overall effect alone, from the comparisons after adoption.

        Raises
        ------
        NotEstimable
            When there is no overall effect.
        """
        return self._report(moments, after=True).overall().estimate

    def _report(self, moments: PanelMoments, *, after: bool = False) -> Report:
        """The group-time effects; with `after` those from adoption on alone."""
        from evaluation.estimators._did import require_variation, without_always_treated
        from evaluation.estimators._group_time import Events, Report
        from evaluation.inference.group_time import comparisons
        from evaluation.inference.rule import Rule

        require_variation(moments)
        moments = without_always_treated(moments, self.anticipation)
        self._comparable(moments)
        cells = comparisons(moments, self.control_group, self.base_period, self.anticipation)
        if after:
            cells = [c for c in cells if moments.times[c.period] >= c.cohort]
        if not cells:
            raise NotEstimable("No unit starts treatment within the periods observed.")
        rule = Rule("influence function", self.conf_level, moments.n_clusters)
        window = (self.window[0], self.window[1]) if self.window else None
        report = Report(self._effects(moments, cells), rule, Events(self.balance, window))
        report.require()
        return report

    def _effects(self, moments: PanelMoments, cells: list[Cell]) -> GroupTime:
        if not self.covariates:
            from evaluation.inference.group_time import group_time

            return group_time(moments, cells, panel=self.panel)
        from evaluation.data.panel_covariates import CovariateMoments
        from evaluation.inference.adjusted_group_time import adjusted_group_time, adjusted_sections_group_time

        if not isinstance(moments, CovariateMoments):
            raise NotEstimable("The covariates of these units are not known.")
        adjust = adjusted_group_time if self.panel else adjusted_sections_group_time
        return adjust(moments, cells, self.method)

    def _without(self, moments: PanelMoments, code: int) -> tuple[float, int]:
        """The overall effect without a cluster, and the number of effects it is a mean of."""
        report = self._report(moments.without(moments.cluster == code, "", ""), after=True)
        return report.overall().estimate.estimate or 0.0, int(report.after.sum())

    def _comparable(self, moments: PanelMoments) -> None:
        if not moments.n_units:
            raise NotEstimable("No unit has an outcome and a period before treatment.")
        if not moments.constant_weights and (self.panel or self.covariates or moments.cross is not None):
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
