"""Extended two-way fixed effects: one effect for every cohort and period, by a linear, Poisson or logit model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from evaluation.errors import NotEstimable
from evaluation.estimators._regression import Made, Regression, RegressionEstimator
from evaluation.results import ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import Mask, PanelMoments
    from evaluation.data.panel import Panel
    from evaluation.inference.cohort_cells import CohortCells, EffectFit
    from evaluation.inference.response_cells import ResponseCells
    from evaluation.inference.two_way import TwoWayFit
    from evaluation.study.models import Outcome

REFERENCE = -1
ESTIMAND_RATIO = "Effect on the treated as a ratio: log of the mean outcome over what it would have been"


class ExtendedTwoWay(RegressionEstimator):
    """Wooldridge's regression with a treatment effect for each cohort and period, averaged."""

    id = "etwfe"
    title = "Extended two-way fixed effects (Wooldridge)"
    summary = (
        "One regression with an effect of its own for every cohort and period under treatment, averaged over the "
        "treated observations. Comparisons are with units not treated yet, so no treated unit serves as a control. "
        "With family poisson or logit trends are parallel on the log or logit scale, and effects are on the outcome's "
        "own scale."
    )
    needs = (
        "A panel with units not treated yet in every period of interest. Covariates that are constant within units; "
        "with them, at most 2,000,000 rows."
    )
    conventions = (
        "Cluster-robust (CR1) standard errors with the factor G/(G-1) * (N-1)/(N-K), t with G-1 degrees of freedom. "
        "Linear: unit and period effects, K = cell effects (and terms of covariates) + number of periods, unit effects "
        "nested in the clusters not counted. Poisson and logit: cohort and period effects, K = all coefficients, delta "
        "method. Covariates and the cells' shares are taken as given. Below 40 clusters CR2 with Satterthwaite degrees "
        "of freedom and the wild cluster bootstrap stand beside (on the model linearised at its estimate). "
        "Always-treated units and periods without any untreated unit are dropped and counted."
    )
    source = "Wooldridge (2021, 2023)"

    family: Annotated[Literal["linear", "poisson", "logit"], Field(description="the model of the outcome's mean")] = (
        "linear"
    )
    control_group: Annotated[
        Literal["not_yet_treated", "never_treated"],
        Field(description="compare with all units before their treatment, or with never-treated units alone"),
    ] = "not_yet_treated"
    covariates: Annotated[
        list[str], Field(default_factory=list, description="Columns of numbers, constant within units, to adjust for")
    ]

    def covariate_columns(self, declared: list[str]) -> list[str]:  # noqa: ARG002 - as the option says
        """The covariates."""
        return list(self.covariates)

    def moments(self, panel: Panel, outcome: Outcome) -> PanelMoments:
        """Sums by cluster, cohort and period; with covariates every unit by itself."""
        if not self.covariates:
            return super().moments(panel, outcome)
        from evaluation.inference.unit_covariates import covariate_moments

        return covariate_moments(panel, outcome, list(dict.fromkeys(self.covariates)))

    def answer(self, moments: PanelMoments, outcome: Outcome, *, alternatives: bool) -> ResultSet:
        """Terms `att`, `event`, `group` and `calendar`; with family poisson `att_log_ratio` too.

        Raises
        ------
        NotEstimable
            When no unit adopts within the span, there is nobody to compare with, or the family does not fit.
        """
        from evaluation.estimators._cohort_cells import CellReport
        from evaluation.estimators._did import require_variation
        from evaluation.inference.cohort_cells import CohortCells

        require_variation(moments)
        _require_family(moments, self.family, outcome)
        moments = self._compared(moments)
        treated = self._treated(moments)
        cells = CohortCells.of(moments, treated)
        if not (cells.event >= 0).any():
            raise NotEstimable(
                "All treated units start at once and nobody stays untreated: there is no one to compare with."
            )
        fit, reasons, others = self._fitted(moments, cells, treated)
        found = Regression(moments, fit, self.conf_level, alternatives)
        reference = REFERENCE if self.control_group == "never_treated" else None
        report = CellReport(cells, found, fit.estimable, reference, reasons)
        return report.answer(cells.cohort, cells.time, others)

    def _treated(self, moments: PanelMoments) -> Mask:
        """Cohorts by periods (J, T) that have an effect of their own."""
        import numpy as np

        from evaluation.inference.cohort_cells import since_adoption

        since, adopts = since_adoption(moments)
        own = since >= 0 if self.control_group == "not_yet_treated" else since != REFERENCE
        return np.asarray(own & adopts[:, None])

    def _compared(self, moments: PanelMoments) -> PanelMoments:
        """The units and periods that can be compared; raises NotEstimable where there are none."""
        from evaluation.estimators._did import several_periods, without_always_treated
        from evaluation.inference.cohort_cells import with_reference, with_untreated_periods

        moments = without_always_treated(moments)
        moments = several_periods(moments) if self.family == "linear" else moments
        if not moments.n_units:
            raise NotEstimable("No unit has an outcome and a period before treatment.")
        never = (moments.cohort == 0) | (moments.cohort > moments.times[-1])
        if never.all():
            raise NotEstimable("No unit starts treatment within the periods observed.")
        if self.control_group == "never_treated":
            if not never.any():
                raise NotEstimable(
                    "No unit is never treated. Set the option `control_group: not_yet_treated` to compare with units "
                    "treated later."
                )
            moments = with_reference(moments, REFERENCE)
            never = (moments.cohort == 0) | (moments.cohort > moments.times[-1])
            untreated = never[:, None] & moments.observed
        else:
            untreated = never[:, None] | (moments.times < moments.cohort[:, None])
        moments = with_untreated_periods(moments, untreated)
        moments = several_periods(moments) if self.family == "linear" else moments
        if not moments.n_units:
            raise NotEstimable("No unit is observed in periods in which it can be compared.")
        return moments

    def _fitted(
        self, moments: PanelMoments, cells: CohortCells, treated: Mask
    ) -> tuple[TwoWayFit | EffectFit, dict[int, str], tuple[Made, ...]]:
        """The cells' effects, why some have none, and further figures."""
        if self.family == "linear":
            from evaluation.inference.adjusted_cells import adjusted_two_way
            from evaluation.inference.two_way import two_way

            return adjusted_two_way(moments, cells) if self.covariates else two_way(moments, cells.design), {}, ()
        from evaluation.inference.response_cells import ResponseCells

        response = ResponseCells.of(moments, cells, treated, self.family)
        ratio = self._ratio(response) if self.family == "poisson" else ()
        return response.effects(), response.reasons, ratio

    def _ratio(self, response: ResponseCells) -> tuple[Made, ...]:
        """The overall effect as a ratio; nothing where a mean is zero."""
        import numpy as np

        cells = response.cells
        post = (cells.event >= 0) & response.known
        weight = np.where(post, cells.weight, 0.0)
        try:
            fit = response.log_ratio(weight / weight.sum())
        except NotEstimable:
            return ()
        found = Regression(response.moments, fit, self.conf_level, alternatives=False)
        return (found.figure("att_log_ratio", ESTIMAND_RATIO, np.ones(1), cells.rows(post), scale="log_rate"),)


def _require_family(moments: PanelMoments, family: str, outcome: Outcome) -> None:
    """Raise NotEstimable where the outcome cannot have come from the family."""
    low, high = moments.shift - moments.spread, moments.shift + moments.spread
    slack = 1e-9 * (abs(moments.shift) + moments.spread)
    if family != "linear" and low < -slack:
        raise NotEstimable(f'The outcome "{outcome.label}" has values below 0, which family {family} does not take.')
    if family == "logit" and high > 1 + slack:
        raise NotEstimable(f'The outcome "{outcome.label}" has values above 1, which family logit does not take.')
