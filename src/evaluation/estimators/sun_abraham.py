"""Event study by cohorts, averaged: Sun and Abraham's interaction-weighted estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from evaluation.errors import NotEstimable
from evaluation.estimators._regression import Regression, RegressionEstimator
from evaluation.results import ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import PanelMoments
    from evaluation.study.models import Outcome

NO_UNIT = "No unit has an outcome in more than one period and a period before treatment."


class SunAbraham(RegressionEstimator):
    """Regression on unit effects, period effects and indicators of every cohort's periods since adoption."""

    id = "sun_abraham"
    title = "Sun–Abraham"
    summary = (
        "An event study in which every cohort has its own course, relative to its own reference period; the courses "
        "are averaged by how many observations each cohort has. No cohort's effects leak into another's leads or lags."
    )
    needs = "A panel with never-treated units, or at least two cohorts with the option `control_group: last_cohort`."
    conventions = (
        "Cluster-robust (CR1) standard errors with the factor G/(G-1) * (N-1)/(N-K), K = cohort effects + number of "
        "periods, unit effects nested in the clusters not counted; t with G-1 degrees of freedom. Cohort shares are "
        "taken as given, as fixest does. Below 40 clusters CR2 with Satterthwaite degrees of freedom and the wild "
        "cluster bootstrap stand beside. Always-treated units, cohorts not observed in the reference period and units "
        "observed once are dropped and counted; cohorts after the last period are controls."
    )
    source = "Sun and Abraham (2021)"

    control_group: Annotated[
        Literal["never_treated", "last_cohort"],
        Field(description="compare with units never treated, or with the last cohort before it is treated"),
    ] = "never_treated"
    reference: Annotated[int, Field(lt=0, description="Event time set to zero; periods before adoption")] = -1

    def answer(self, moments: PanelMoments, outcome: Outcome, *, alternatives: bool) -> ResultSet:  # noqa: ARG002
        """Terms `att`, `event` (time = periods since adoption) and `group`, the joint test of the leads, and the flow.

        Raises
        ------
        NotEstimable
            When no unit adopts within the span, there is nobody to compare with, or no reference period.
        """
        from evaluation.estimators._cohort_cells import CellReport
        from evaluation.estimators._did import require_variation, several_periods, without_always_treated
        from evaluation.inference.cohort_cells import CohortCells, since_adoption, with_reference
        from evaluation.inference.two_way import two_way

        require_variation(moments)
        moments = several_periods(without_always_treated(moments))
        moments = several_periods(self._compared(moments))
        moments = several_periods(with_reference(moments, self.reference))
        if not moments.n_units:
            raise NotEstimable(NO_UNIT)
        since, adopts = since_adoption(moments)
        cells = CohortCells.of(moments, adopts[:, None] & (since != self.reference))
        fit = two_way(moments, cells.design)
        found = Regression(moments, fit, self.conf_level, alternatives)
        return CellReport(cells, found, fit.estimable, self.reference).answer(cells.cohort)

    def _compared(self, moments: PanelMoments) -> PanelMoments:
        """The moments with those to compare with; raises NotEstimable where there are none."""
        from evaluation.inference.cohort_cells import in_periods

        if not moments.n_units:
            raise NotEstimable(NO_UNIT)
        later = (moments.cohort == 0) | (moments.cohort > moments.times[-1])
        if later.all():
            raise NotEstimable("No unit starts treatment within the periods observed.")
        if self.control_group == "never_treated":
            if not later.any():
                raise NotEstimable(
                    "No unit is never treated. Set the option `control_group: last_cohort` to compare with the last "
                    "cohort before it is treated."
                )
            return moments
        moments = moments.without(moments.cohort == 0, "never_treated", "Never treated: compared is the last cohort")
        last = int(moments.cohort.max(initial=0))
        if (moments.cohort == last).all():
            raise NotEstimable("All treated units start at once: no earlier cohort to compare with the last one.")
        reason = f"From {last} on, when the last cohort is treated too"
        return in_periods(moments, moments.times < last, "last_cohort_treated", reason)
