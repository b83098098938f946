"""Two differences-in-differences, one where treatment reaches and one where it cannot, subtracted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from evaluation.estimators._regression import RegressionEstimator
from evaluation.results import ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import PanelMoments
    from evaluation.data.panel import Panel
    from evaluation.study.models import Outcome

ESTIMAND = "Effect on the treated: difference-in-differences where third = 1 less that where third = 0"
BY_EVENT_TIME = "Triple difference by periods since adoption, less that in the last period before"


class TripleDifference(RegressionEstimator):
    """Saturated regression on treated group, third group and time after adoption."""

    id = "triple_difference"
    title = "Triple difference"
    summary = (
        "The difference-in-differences among those whom treatment can reach (third = 1), less that among those in the "
        "same places whom it cannot (third = 0). Takes out a shock that hits the treated places alone, as long as it "
        "hits both kinds of people there alike."
    )
    needs = (
        "One adoption date, a column of 0 and 1 that is constant within units, and all four groups observed before and "
        "after. The cohort marks the whole treated group, whatever its third."
    )
    conventions = (
        "Cluster-robust (CR1) standard errors with the factor G/(G-1) * (N-1)/(N-K), K = 8 + covariates; t with G-1 "
        "degrees of freedom. With every row its own cluster this is HC1. Below 40 clusters CR2 with Satterthwaite "
        "degrees of freedom and the wild cluster bootstrap stand beside. With more than two periods the differences by "
        "period stand beside, K = 4 * periods + covariates. No unit effects are fitted. Always-treated units, and rows "
        "without a covariate or the third group, are dropped and counted; later cohorts are comparisons."
    )
    source = "Gruber (1994); Olden and Moen (2022)"

    third: Annotated[str, Field(min_length=1, description="Column of 0 and 1: 1 = treatment can reach the unit")]
    covariates: Annotated[
        list[str], Field(default_factory=list, description="Columns of numbers to adjust for, as linear terms")
    ]

    def covariate_columns(self, declared: list[str]) -> list[str]:  # noqa: ARG002 - as the options say
        """The covariates and the third group."""
        return [*self.covariates, self.third]

    def moments(self, panel: Panel, outcome: Outcome) -> PanelMoments:
        """Sums by cluster, cohort, third group and period, with cross-products of the covariates."""
        from evaluation.data.grams import gram_moments

        return gram_moments(panel, outcome, self.covariates, self.third)

    def answer(self, moments: PanelMoments, outcome: Outcome, *, alternatives: bool) -> ResultSet:  # noqa: ARG002
        """Terms `att`, the covariates by name, and `event` where there are more than two periods.

        Raises
        ------
        NotEstimable
            When units adopted at several dates, or one of the four groups is not observed before or after.
        """
        from evaluation.data.grams import GramMoments
        from evaluation.estimators._cells import Cells, one_adoption

        moments, start = one_adoption(moments)
        assert isinstance(moments, GramMoments)  # noqa: S101 - made by `moments` above
        moments.require_whole()
        adopts, third = moments.cohort == start, moments.grams.third
        names = tuple(f"{group} group with {self.third} = {k}" for k in (0, 1) for group in ("comparison", "treated"))
        cells = Cells(moments, start, 2 * third + adopts, names, (1, -1, -1, 1), adopts & (third == 1))
        return cells.answer(ESTIMAND, BY_EVENT_TIME, self.conf_level, alternatives=alternatives)
