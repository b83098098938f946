"""Risks of both arms at one window, from a cohort's rows: counted, or from means that were made comparable."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from evaluation.errors import NotEstimable
from evaluation.inference.arm_means import ArmMeans, Sample, plain_means
from evaluation.inference.proportions import Arm
from evaluation.inference.risks import Figures, Risks, from_counts, from_covariance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.data.cohort import CohortRows
    from evaluation.data.windows import AtWindow
    from evaluation.inference.censoring_weights import Censoring

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

    def among(self, kept: Flags) -> WindowRisks:
        """The same window among some of those eligible: `kept` holds a flag for each of them, in order."""
        import numpy as np

        flags = np.zeros(len(self.at.eligible), dtype=bool)
        flags[self.at.eligible] = kept
        parts = {name: getattr(self.at, name) & flags for name in ("eligible", "event", "competing", "lost")}
        return replace(self, at=replace(self.at, **parts))

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

    def check(self, span: str, *, reweighted: bool = False) -> None:
        """Raise NotEstimable when the risks by `span` ("24 months") cannot be told from those eligible.

        People censored before do no harm where others are `reweighted` to stand for them.
        """
        eligible, lost = self.people(self.at.eligible), self.people(self.at.lost)
        if not all(eligible.counts):
            raise NotEstimable(f"in an arm nobody could be followed for {span}, so nothing can be compared.",
                               eligible.counts)  # fmt: skip
        if lost.total and not reweighted:
            were = "was" if lost.total == 1 else "were"
            unsaid = "" if self.rows.follow_up is not None else (
                "; or name `follow_up` in the design, if they simply were not followed that long")  # fmt: skip
            raise NotEstimable(
                f"{lost} {were} censored before {span}, so whether they had the outcome by then is not known and a "
                f"plain proportion would be wrong. Use kaplan_meier, which counts people until they leave, or set "
                f"censoring: ipcw{unsaid}.",
                lost.counts)  # fmt: skip

    def sample(self, covariates: Floats, names: tuple[str, ...], censoring: Censoring | None = None) -> Sample:
        """Those eligible, with whether they had the event; `covariates` (rows, p) are called `names`."""
        chosen = self.at.eligible
        return Sample(self.rows.arm[chosen], self.at.event[chosen].astype(float), self.rows.mass[chosen],
                      covariates[chosen], names, censoring)  # fmt: skip

    def plain(self) -> Figures:
        """Proportions; with weights or clusters, the robust variances of the regression of the event on the arm."""
        if self._codes is None and self.rows.weights is None:
            return from_counts(self.treated, self.control, self.level)
        import numpy as np

        means = plain_means(self.sample(np.empty((len(self.rows.arm), 0)), ()))
        if self._codes is not None:
            return self.figures(means, "CR1")
        n = self.treated.people + self.control.people
        scaled = replace(means, influence=means.influence * (n / (n - 2)) ** 0.5)
        return self.figures(scaled, "HC1, weighted regression of the event on the arm")

    def figures(self, means: ArmMeans, method: str, used: WindowRisks | None = None) -> Figures:
        """The figures of means of those eligible, clustered where there are clusters; `used` are not all of them."""
        used = used or self
        if self._codes is not None:
            used.enough_clusters()
        n_used = used.treated.people + used.control.people
        ((one, cross), (_, zero)), how = means.covariance(self._codes, method, n_used)
        risks = Risks(means.treated, means.control, float(one), float(zero), float(cross))
        return from_covariance(risks, self.level, how)

    def enough_clusters(self) -> None:
        """Raise NotEstimable where everyone in an arm is in one cluster."""
        import numpy as np

        arm = self.rows.arm[self.at.eligible]
        for code, name in ((1, "treated arm"), (0, "comparison")):
            if len(np.unique(self._codes[arm == code])) < 2:  # type: ignore[index]
                raise NotEstimable(f"everyone in the {name} is in one cluster, so the uncertainty between clusters "
                                   "cannot be reckoned.", (self.treated.people, self.control.people))  # fmt: skip
