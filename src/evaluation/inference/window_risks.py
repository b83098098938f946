"""Risks of both arms at one window, from a cohort's rows: plain, clustered, or standardised by regression."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from evaluation.errors import NotEstimable
from evaluation.inference.clusters import sums
from evaluation.inference.covariance import cr1_factor
from evaluation.inference.proportions import Arm
from evaluation.inference.risks import Figures, Method, Risks, from_counts, from_covariance
from evaluation.inference.standardised_risks import standardised_risks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from evaluation.data.cohort import CohortRows
    from evaluation.data.windows import AtWindow

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class ByArm:
    """People counted in both arms."""

    treated: int
    control: int

    @property
    def total(self) -> int:
        """People in both arms."""
        return self.treated + self.control

    @property
    def counts(self) -> tuple[int, int]:
        """Treated, control."""
        return (self.treated, self.control)

    def __str__(self) -> str:
        who = "person" if self.total == 1 else "people"
        return f"{self.total:,} {who} ({self.treated:,} treated, {self.control:,} in the comparison)"


@dataclass(frozen=True)
class WindowRisks:
    """People eligible for a window, and what their risks are. `level` is the intervals' confidence level."""

    rows: CohortRows
    at: AtWindow
    level: float

    def people(self, flags: Flags) -> ByArm:
        """People in the rows that `flags` (n,) picks."""
        people, arm = self.rows.people, self.rows.arm
        return ByArm(int(people[flags & (arm == 1)].sum()), int(people[flags & (arm == 0)].sum()))

    @cached_property
    def treated(self) -> Arm:
        """Events and people eligible among the treated."""
        return Arm(self.people(self.at.event).treated, self.people(self.at.eligible).treated)

    @cached_property
    def control(self) -> Arm:
        """Events and people eligible in the comparison."""
        return Arm(self.people(self.at.event).control, self.people(self.at.eligible).control)

    @property
    def cells(self) -> tuple[int, int, int, int]:
        """Events and non-events among the treated, then in the comparison."""
        return (self.treated.events, self.treated.others, self.control.events, self.control.others)

    @cached_property
    def _codes(self) -> Integers | None:
        """Clusters of the eligible, coded anew without gaps; None without clusters."""
        import numpy as np

        if self.rows.cluster is None:
            return None
        codes: Integers = np.unique(self.rows.cluster[self.at.eligible], return_inverse=True)[1]
        return codes

    @property
    def n_clusters(self) -> int | None:
        """Clusters of the eligible; None without clusters."""
        return None if self._codes is None else int(self._codes.max(initial=-1)) + 1

    def check(self, span: str) -> None:
        """Raise NotEstimable when the risks by `span` ("24 months") cannot be told from plain proportions."""
        eligible, lost = self.people(self.at.eligible), self.people(self.at.lost)
        if not all(eligible.counts):
            raise NotEstimable(f"in an arm nobody could be followed for {span}, so nothing can be compared.",
                               eligible.counts)  # fmt: skip
        if lost.total:
            were = "was" if lost.total == 1 else "were"
            unsaid = "" if self.rows.follow_up is not None else (
                "; or name `follow_up` in the design, if they simply were not followed that long")  # fmt: skip
            raise NotEstimable(
                f"{lost} {were} censored before {span}, so whether they had the outcome by then is not known and a "
                f"plain proportion would be wrong. Use kaplan_meier, which counts people until they leave{unsaid}.",
                lost.counts)  # fmt: skip

    def plain(self) -> Figures:
        """Proportions; with clusters, CR1 variances of the regression of the event on the arm."""
        import numpy as np

        if self._codes is None:
            return from_counts(self.treated, self.control, self.level)
        eligible, rows = self.at.eligible, self.rows
        people = rows.people[eligible]
        events = self.at.event[eligible] * people
        influence = [
            np.where(rows.arm[eligible] == code, (events - arm.risk * people) / arm.people, 0.0)
            for code, arm in ((1, self.treated), (0, self.control))
        ]
        return self._from_influence(self.treated.risk, self.control.risk, np.column_stack(influence), 2, "CR1")

    def standardised(self, arm: str, covariates: Sequence[str]) -> Figures:
        """Risks standardised to the covariates of everyone eligible; `arm` and `covariates` name the columns.

        Raises
        ------
        NotEstimable
            When the logistic regression has no finite solution.
        """
        if not all(self.cells):
            raise NotEstimable("in an arm nobody or everybody had the event, so the regression has no solution; use "
                               "adjust: none.", self.cells)  # fmt: skip
        eligible = self.at.eligible
        found = standardised_risks(self.rows.arm[eligible], self.at.event[eligible].astype(int),
                                   self.rows.covariates[eligible], arm, covariates)  # fmt: skip
        method = "M-estimation sandwich" if self._codes is None else "M-estimation sandwich, CR1"
        return self._from_influence(found.treated, found.control, found.influence, found.n_parameters, method)

    def _from_influence(self, treated: float, control: float, influence: Floats, n_parameters: int, method: str
                        ) -> Figures:  # fmt: skip
        """Figures from everyone's influence on both risks (n, 2), summed within clusters where there are any."""
        reckoned = Method(method)
        if self._codes is not None:
            self._enough_clusters()
            n_clusters = int(self._codes.max()) + 1
            factor = cr1_factor(n_clusters, self.treated.people + self.control.people, n_parameters)
            influence = sums(influence, self._codes) * factor**0.5
            reckoned = Method(method, n_clusters - 1, "G - 1", factor, n_clusters)
        (one, cross), (_, zero) = influence.T @ influence
        return from_covariance(Risks(treated, control, float(one), float(zero), float(cross)), self.level, reckoned)

    def _enough_clusters(self) -> None:
        import numpy as np

        arm = self.rows.arm[self.at.eligible]
        for code, name in ((1, "treated arm"), (0, "comparison")):
            if len(np.unique(self._codes[arm == code])) < 2:  # type: ignore[index]
                raise NotEstimable(f"everyone in the {name} is in one cluster, so the uncertainty between clusters "
                                   "cannot be reckoned.", (self.treated.people, self.control.people))  # fmt: skip
