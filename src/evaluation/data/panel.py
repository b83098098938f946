"""Units observed over periods: which column plays which part, and the SQL that reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evaluation.data.adoption import first_treated
from evaluation.data.engine import Source
from evaluation.data.panel_checks import problems
from evaluation.data.series import series
from evaluation.study.models import Engine, Outcome, PanelDesign

if TYPE_CHECKING:
    from evaluation.data.moments import PanelMoments
    from evaluation.errors import NotEstimable

__all__ = ["Panel", "problems", "series"]


@dataclass(frozen=True)
class Panel:
    """A panel over Parquet: nothing is read until an estimator asks for moments.

    `cohort` is the first treated period of a unit; empty, infinite or 0 = never treated. What must hold of the data
    (whole periods, one row a unit and period, one cohort and one cluster a unit) is checked by `problems`.

    `spark` says where moments are aggregated (None: by DuckDB, here); `held` are those reckoned already.
    """

    source: Source
    unit: str
    time: str
    cohort: str
    cluster: str
    weights: str | None = None
    spark: Engine | None = None
    held: Mapping[Outcome, PanelMoments | NotEstimable] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, design: PanelDesign, source: Source) -> Panel:
        """The panel that a study's design describes over `source`."""
        return cls(source, design.unit, design.time, design.cohort, design.cluster_column, design.weights)

    @property
    def clustered_by_unit(self) -> bool:
        """Whether every unit is its own cluster."""
        return self.cluster == self.unit

    def rows(self, outcome: str) -> str:
        """SQL of the rows: unit `u`, period `t`, cohort `g` (0 = never), cluster `c`, weight `w`, outcome `y`."""
        value = self.source.value
        weight = f"CAST({value(self.weights)} AS DOUBLE)" if self.weights else "1.0::DOUBLE"
        return (
            f"SELECT {value(self.unit)} AS u, CAST({value(self.time)} AS BIGINT) AS t, "
            f"coalesce(CAST({first_treated(self.source, self.cohort)} AS BIGINT), 0) AS g, {value(self.cluster)} AS c, "
            f"{weight} AS w, CAST({value(outcome)} AS DOUBLE) AS y FROM {self.source.scan}"
        )
