"""Two groups, before and after one adoption date: the difference of two differences of means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from evaluation.estimators._regression import RegressionEstimator
from evaluation.results import ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import PanelMoments
    from evaluation.data.panel import Panel
    from evaluation.study.models import Outcome

ESTIMAND = "Effect on the treated: change in the treated group less change in the comparison group"
MEANS_TELL_COUNTS = ("binary", "count")  # outcomes whose mean tells how many there were
BY_EVENT_TIME = "Difference between the groups by periods since adoption, less that in the last period before"


class TwoByTwo(RegressionEstimator):
    """Regression of the outcome on the treated group, the time after adoption, and both together."""

    id = "did_2x2"
    title = "Two-by-two difference-in-differences"
    summary = (
        "The change of the treated group's mean from before to after adoption, less that of the comparison group, in "
        "one regression. For one adoption date; panels and repeated cross-sections (every row a unit seen once) alike; "
        "covariates can be adjusted for."
    )
    needs = "One adoption date, and a comparison group observed before and after it."
    conventions = (
        "Cluster-robust (CR1) standard errors with the factor G/(G-1) * (N-1)/(N-K), K = 4 + covariates; t with G-1 "
        "degrees of freedom. With every row its own cluster this is HC1. Below 40 clusters CR2 with Satterthwaite "
        "degrees of freedom and the wild cluster bootstrap stand beside. With more than two periods the differences by "
        "period stand beside, K = 2 * periods + covariates. No unit effects are fitted. Always-treated units, and rows "
        "without a covariate, are dropped and counted; later cohorts are comparisons."
    )
    source = "Card and Krueger (1994); Bertrand, Duflo and Mullainathan (2004) on clustering"

    covariates: Annotated[
        list[str], Field(default_factory=list, description="Columns of numbers to adjust for, as linear terms")
    ]

    def covariate_columns(self, declared: list[str]) -> list[str]:  # noqa: ARG002 - as the option says
        """The covariates."""
        return list(self.covariates)

    def moments(self, panel: Panel, outcome: Outcome) -> PanelMoments:
        """Sums by cluster, cohort and period, with cross-products of covariates where there are any."""
        from evaluation.data.grams import gram_moments

        return gram_moments(panel, outcome, self.covariates) if self.covariates else super().moments(panel, outcome)

    def answer(self, moments: PanelMoments, outcome: Outcome, *, alternatives: bool) -> ResultSet:
        """Terms `att`, `mean` (group `treated before` and so on) or the covariates by name, and `event`.

        Raises
        ------
        NotEstimable
            When units adopted at several dates, or a group is not observed before or after.
        """
        from evaluation.estimators._cells import Cells, one_adoption

        moments, start = one_adoption(moments)
        treated = moments.cohort == start
        names = ("comparison group", "treated group")
        cells = Cells(moments, start, treated.astype("int64"), names, (-1, 1), treated)
        means = outcome.type not in MEANS_TELL_COUNTS
        return cells.answer(ESTIMAND, BY_EVENT_TIME, self.conf_level, alternatives=alternatives, means=means)
