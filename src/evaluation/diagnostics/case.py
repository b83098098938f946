"""An analysis of a panel after its fit: what its diagnostics ask again, under other choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.errors import NotEstimable
from evaluation.estimators.base import PanelEstimator
from evaluation.results import Estimate, ResultSet, Sensitivity
from evaluation.study.models import Outcome, PanelDesign

if TYPE_CHECKING:
    from evaluation.data.moments import PanelMoments
    from evaluation.data.panel import Panel


@dataclass(frozen=True)
class Case:
    """An analysis with its data, moments and results; `placebos` are outcomes that the program cannot change."""

    estimator: PanelEstimator
    panel: Panel
    moments: PanelMoments
    outcome: Outcome
    results: ResultSet
    design: PanelDesign | None = None
    placebos: tuple[Outcome, ...] = ()

    @property
    def overall(self) -> Estimate | None:
        """The one overall effect, where it could be estimated."""
        return next((e for e in self.results.estimates if e.term == "att" and e.status == "ok"), None)

    @property
    def anticipation(self) -> int:
        """Periods before adoption that treatment may affect, by the analysis's options."""
        return int(getattr(self.estimator, "anticipation", 0))

    def again(self, moments: PanelMoments, estimator: PanelEstimator | None = None) -> Estimate | None:
        """The overall effect on other moments, or by another choice of options; None where there is no answer."""
        try:
            return (estimator or self.estimator).overall(moments, self.outcome)
        except NotEstimable:
            return None


def verdict(row: Estimate | Sensitivity) -> int:
    """Above zero (1), below (-1), or neither for certain (0)."""
    if row.conf_low is None or row.conf_high is None:
        return 0
    return int(row.conf_low > 0) - int(row.conf_high < 0)


def span(row: Estimate | Sensitivity) -> str:
    """An effect with its interval, in a message."""
    if row.conf_low is None or row.conf_high is None:
        return f"{row.estimate:.3g}"
    return f"{row.estimate:.3g} ({row.conf_low:.3g} to {row.conf_high:.3g})"


def as_row(kind: str, label: str, found: Estimate, group: str = "", parameter: float | None = None) -> Sensitivity:
    """An overall effect under another choice as a row of the sensitivity table."""
    return Sensitivity(kind, label, group, parameter, found.estimate, found.std_error, found.conf_low,
                       found.conf_high, found.p_value, counts=found.counts)  # fmt: skip
