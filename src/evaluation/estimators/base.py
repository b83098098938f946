"""What every estimator is: frozen options, validated from the study file, and a pure `fit`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from evaluation.results import ResultSet
from evaluation.study.models import Outcome


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

    def fit(self, frame: Any, outcome: Outcome) -> ResultSet:
        """Estimates, checks and curves. `frame` is a `Panel` or a `Cohort`, as `design` says.

        Raises
        ------
        NotEstimable
            When the data hold no valid comparison; the message is the reason.
        """
        raise NotImplementedError
