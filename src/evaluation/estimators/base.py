"""What every estimator is: frozen options, validated from the study file, and a pure `fit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from evaluation.errors import NotEstimable
from evaluation.results import Estimate, ResultSet
from evaluation.study.models import Outcome

if TYPE_CHECKING:
    from evaluation.data.moments import PanelMoments
    from evaluation.data.panel import Panel


class Estimator(BaseModel):
    """Base of all estimators. An instance is one choice of options; `fit` has no side effect.

    Class attributes describe the method for `evaluation methods` and the report's appendix; `conventions`
    says how standard errors, degrees of freedom and intervals are reckoned; `source` cites (author, year).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: ClassVar[str]
    design: ClassVar[Literal["panel", "cohort"]]
    title: ClassVar[str]
    summary: ClassVar[str]
    needs: ClassVar[str]
    conventions: ClassVar[str]
    source: ClassVar[str]

    conf_level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95

    def covariate_columns(self, declared: list[str]) -> list[str]:  # noqa: ARG002
        """Columns beside the design's own that the fit reads; `declared` are the design's covariates."""
        return []

    def option_columns(self) -> dict[str, bool]:
        """Options, beside `covariates`, that name columns, and whether these must hold numbers."""
        return {}

    def fit(self, frame: Any, outcome: Outcome) -> ResultSet:
        """Estimates, checks and curves. `frame` is a `Panel` or a `Cohort`, as `design` says.

        Raises
        ------
        NotEstimable
            When the data hold no valid comparison; the message is the reason.
        """
        raise NotImplementedError


class PanelEstimator(Estimator):
    """Base of estimators over a panel's moments: what is read of the data, and the answer, are two steps.

    Diagnostics change the moments (leave a cohort out, move adoption dates) and ask for the answer again, without
    another scan of the data.
    """

    design = "panel"

    def moments(self, panel: Panel, outcome: Outcome) -> PanelMoments:
        """What the estimate needs of the data. Raises NotEstimable when no row has an outcome."""
        from evaluation.data.moments import panel_moments

        return panel_moments(panel, outcome)

    def estimate(self, moments: PanelMoments, outcome: Outcome) -> ResultSet:
        """The answer from the moments; raises NotEstimable when they hold no valid comparison."""
        raise NotImplementedError

    def overall(self, moments: PanelMoments, outcome: Outcome) -> Estimate:
        """The overall effect alone, for diagnostics that ask it many times.

        Raises
        ------
        NotEstimable
            When there is no overall effect.
        """
        found = next((e for e in self.estimate(moments, outcome).estimates if e.term == "att"), None)
        if found is None or found.status != "ok":
            raise NotEstimable("There is no overall effect.")
        return found

    def fit(self, frame: Panel, outcome: Outcome) -> ResultSet:
        """Estimates, checks and flow of a panel.

        Raises
        ------
        NotEstimable
            When the data hold no valid comparison; the message is the reason.
        """
        return self.estimate(self.moments(frame, outcome), outcome)
