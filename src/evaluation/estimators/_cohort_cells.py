"""From one effect a cohort and period to the rows of the results: means over all, event times, cohorts, periods.

The shares of the cohorts in a mean are those of the sample, taken as given: they add nothing to its standard error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from evaluation.estimators._regression import Made, Regression, collected
from evaluation.results import Check, Estimate, ResultSet, not_estimable

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask

ESTIMANDS = {
    "att": "Effect on the treated: mean of the cohorts' effects over treated observations",
    "event": "Effect on the treated by periods since adoption: mean of the cohorts' effects over their observations",
    "group": "Effect on the treated by cohort, mean over its treated observations",
    "calendar": "Effect on the treated by calendar period, mean over treated observations",
}
UNKNOWN = "No untreated unit is observed in these periods to compare with."
LISTED = 5


class Cells(Protocol):
    """C effects that means are made of, each a coefficient of the fit."""

    @property
    def event(self) -> Integers:
        """Periods since adoption (C,)."""

    @property
    def weight(self) -> Floats:
        """Weight of the observations (C,)."""

    def rows(self, cells: Mask, /) -> Mask:
        """Rows of the fitted moments (R,) that stand behind some of them (C,)."""

    def named(self, cells: Mask, /) -> list[str]:
        """Some of them in words."""


@dataclass(frozen=True, eq=False)
class CellReport:
    """The cells' effects, one coefficient of the fit each, as rows.

    `known` (C,) are cells whose effect the data tell; `reasons` say why others have none, by cell. `reference` is an
    event time that is zero by construction.
    """

    cells: Cells
    found: Regression
    known: Mask
    reference: int | None = None
    reasons: Mapping[int, str] = field(default_factory=dict)

    @property
    def post(self) -> Mask:
        """Cells from adoption on (C,)."""
        found: Mask = self.cells.event >= 0
        return found

    def shares(self, cells: Mask) -> Floats:
        """The weights (C,) of a mean over some cells: their observations, of those whose effect is known."""
        import numpy as np

        weight = np.where(cells & self.known, self.cells.weight, 0.0)
        return weight / weight.sum() if weight.any() else weight

    def answer(
        self, cohort: Integers | None = None, time: Integers | None = None, others: tuple[Made, ...] = ()
    ) -> ResultSet:
        """Terms `att` and `event`, `group` by `cohort` (C,), `calendar` by `time` (C,), and the joint test of leads."""
        import numpy as np

        cells = self.cells
        rows = [self._mean("att", self.post), *others]
        events = np.unique(cells.event).tolist()
        rows += [self._mean("event", cells.event == e, time=float(e)) for e in events]
        if cohort is not None:
            groups = np.unique(cohort[self.post]).tolist()
            rows += [self._mean("group", self.post & (cohort == g), group=str(g)) for g in groups]
        if time is not None:
            periods = np.unique(time[self.post]).tolist()
            rows += [self._mean("calendar", self.post & (time == t), time=float(t)) for t in periods]
        rows += [self._reference()] if self.reference is not None else []
        weights = {e: w for e in events if (w := self.shares(cells.event == e)).any()}
        reference = () if self.reference is None else (float(self.reference),)
        joint = self.found.joint_of(list(weights), np.array(list(weights.values())), reference) if weights else None
        overall = self.shares(self.post)
        influence = self.found.influence(overall) if overall.any() else None
        checks = (*self._missing(), *self.found.checks())
        results = collected(rows, checks, moments=self.found.moments, joint=joint, influence=influence)
        return replace(results, checks=(*self._pretrends(weights), *results.checks))

    def _pretrends(self, weights: dict[int, Floats]) -> tuple[Check, ...]:
        """The joint test of the leads, where the estimator has leads."""
        if self.reference is None:
            return ()
        leads = [(w, self.cells.rows(self.cells.event == e)) for e, w in weights.items() if e < 0]
        return (self.found.pretrends(leads),)

    def _mean(self, term: str, cells: Mask, **key: Any) -> Made:
        """One mean, or why there is none."""
        from evaluation.estimators._did import counts_of

        shares = self.shares(cells)
        if shares.any():
            rows = self.cells.rows(cells & self.known)
            what = _named(term, **key)
            return self.found.figure(term, ESTIMANDS[term], shares, rows, what=what, saturated=True, **key)
        behind = counts_of(self.found.moments, self.cells.rows(cells))["counts"]
        reason = next((self.reasons[k] for k in cells.nonzero()[0].tolist() if k in self.reasons), UNKNOWN)
        estimate, check = not_estimable(term, ESTIMANDS[term], reason, behind, **key)
        return Made(estimate, checks=(check,))

    def _reference(self) -> Made:
        """The event time all others are relative to."""
        from evaluation.estimators._did import counts_of

        rows = self.cells.rows(self.cells.weight > 0)
        return Made(Estimate("event", ESTIMANDS["event"], 0.0, time=float(self.reference or 0), status="reference",
                             conf_level=self.found.conf_level, **counts_of(self.found.moments, rows)))  # fmt: skip

    def _missing(self) -> tuple[Check, ...]:
        """Which effects after adoption the means leave out."""
        from evaluation.estimators._did import counts_of

        lost = self.post & ~self.known
        if not lost.any():
            return ()
        named = self.cells.named(lost)
        listed = ", ".join(named[:LISTED]) + (", …" if len(named) > LISTED else "")
        message = (
            f"{len(named)} of {int(self.post.sum())} effects after adoption cannot be estimated and are left out of "
            f"the means: {listed}."
        )
        behind = counts_of(self.found.moments, self.cells.rows(lost))["counts"]
        return (Check("cells_missing", "warn", message, term="att", statistic=len(named), counts=behind),)


def _named(term: str, group: str = "", time: float = 0.0) -> str:
    """How a warning names a mean."""
    return {
        "att": "The effect",
        "event": f"The effect at {time:g} periods since adoption",
        "group": f"The effect of cohort {group}",
        "calendar": f"The effect in period {time:g}",
    }[term]
