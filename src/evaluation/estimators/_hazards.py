"""What regressions of hazards have in common: the people they read, and the numbers of people behind each figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evaluation.errors import NotEstimable
from evaluation.results import Check, FlowStep

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.data.cohort import Cohort
    from evaluation.data.person_cells import PersonCells

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class AtRisk:
    """Rows (n,) sorted by stratum and time, each of as many people as `cells` says; `columns` (n, p) the arm first.

    `names` are the columns' in the data, `terms` what the results call them. `stratum` (n,) is None without strata.
    """

    cells: PersonCells
    time: Floats
    event: Integers
    columns: Floats
    names: tuple[str, ...]
    stratum: Integers | None
    flow: tuple[FlowStep, ...]

    @classmethod
    def read(cls, cohort: Cohort, covariates: Sequence[str], strata: Sequence[str] = ()) -> AtRisk:
        """People whose arm, time, event, cluster, weight, strata and covariates are known."""
        import numpy as np

        from evaluation.data.person_cells import Needed, person_cells

        first = [Needed("arm", cohort.arm), Needed("time", cohort.time), Needed("event", cohort.event)]
        more = [Needed("stratum", c, codes=True) for c in strata] + [Needed("covariate", c) for c in covariates]
        by = [*range(3, 3 + len(strata)), 1, 2]
        cells, flow = person_cells(cohort, first, more, by)
        arm, time, event, *others = cells.values
        columns = np.empty((len(time), 1 + len(covariates)), order="F")
        for j, values in enumerate((arm, *others[len(strata) :])):
            columns[:, j] = values
        return cls(cells, time, event.astype(np.int64), columns, (cohort.arm, *covariates),
                   _joint(others[: len(strata)]), flow)  # fmt: skip

    @property
    def terms(self) -> tuple[str, ...]:
        """What the results call the columns."""
        return ("arm", *self.names[1:])

    @property
    def arm(self) -> Floats:
        """The arm (n,)."""
        found: Floats = self.columns[:, 0]
        return found

    def count(self, flags: Flags) -> int:
        """People in some of the rows (n,)."""
        return int(self.cells.people[flags].sum())

    @cached_property
    def arms(self) -> tuple[int, int]:
        """People in the treated arm and in the other."""
        treated = self.count(self.arm == 1)
        return treated, self.cells.total - treated

    @property
    def n_clusters(self) -> int | None:
        """Clusters; None without."""
        return None if self.cells.cluster is None else int(self.cells.cluster.max()) + 1

    @property
    def sizes(self) -> dict[str, Any]:
        """The numbers of people that every estimate carries."""
        n = self.cells.total
        return {"n_obs": n, "n_units": n, "n_treated_units": self.arms[0], "n_clusters": self.n_clusters or n}

    def counts(self, *columns: int) -> tuple[int, ...]:
        """What the disclosure door must know of a figure about some columns: their cells, and both arms' people."""
        return (*(n for j in columns for n in self._cells[j]), *self.arms)

    @cached_property
    def _cells(self) -> tuple[tuple[int, ...], ...]:
        return tuple(self._cells_of(j) for j in range(self.columns.shape[1]))

    def _cells_of(self, column: int) -> tuple[int, ...]:
        """People with and without the outcome at each value of a column, or in all where it has many."""
        import numpy as np

        values = self.columns[:, column]
        low, high = values.min(), values.max()
        event, two = self.event == 1, bool(((values == low) | (values == high)).all()) and low < high
        groups = [values == high, values == low] if two else [np.ones(len(event), dtype=bool)]
        return tuple(self.count(g & had) for g in groups for had in (event, ~event))

    def check_arms(self, outcome: str) -> None:
        """Raise NotEstimable where an arm is empty or nobody had the outcome."""
        for people, name in zip(self.arms, ("treated arm", "comparison"), strict=True):
            if not people:
                raise NotEstimable(f"nobody is in the {name}, so nothing can be compared.", (0,))
        if not (self.event == 1).any():
            raise NotEstimable(f"nobody had the outcome ({outcome}), so there is no hazard to compare.", (0,))

    def check_events(self) -> None:
        """Raise NotEstimable where nobody in an arm had the outcome, or everyone in one is in one cluster."""
        from evaluation.inference.person_sandwich import enough_clusters

        events = [self.count((self.arm == code) & (self.event == 1)) for code in (1, 0)]
        if not all(events):
            name = "treated" if events[0] == 0 else "comparison"
            raise NotEstimable(
                f"nobody in the {name} arm had the outcome, so the hazard ratio has no finite value.", (0,)
            )
        enough_clusters(self.cells.cluster, self.arm.astype("int64"))

    @property
    def met_first(self) -> tuple[int, int]:
        """People whom a competing event met first, in the treated arm and in the other."""
        competing = (self.event != 0) & (self.event != 1)
        return self.count(competing & (self.arm == 1)), self.count(competing & (self.arm == 0))


def _joint(codes: Sequence[Integers]) -> Integers | None:
    """Codes 0 … S-1 of the combinations of several columns' codes; None without columns."""
    import numpy as np

    if not codes:
        return None
    joint = np.zeros(len(codes[0]), np.int64)
    for each in codes:
        joint = joint * (int(each.max(initial=0)) + 1) + each
    return np.asarray(np.unique(joint, return_inverse=True)[1], np.int64)


def estimand(term: str, ratio: str, cohort: Cohort, given: str) -> str:
    """What a coefficient tells: `ratio` is what it is the logarithm of, `given` what is held equal."""
    if term != "arm":
        return f"log {ratio} per unit of {term}, given the arm and the other covariates"
    return f"log {ratio}, treated against comparison ({cohort.comparison}, {given})"


def competing_check(people: AtRisk, cohort: Cohort, what: str) -> Iterator[Check]:
    """How many people another event met first; `what` becomes of them in the analysis."""
    n = people.met_first
    if sum(n):
        message = (
            f"{sum(n):,} people ({n[0]:,} treated, {n[1]:,} in the comparison) had a competing event first "
            f"({', '.join(sorted(cohort.competing))}). {what}"
        )
        yield Check("competing_events", "info", message, statistic=sum(n), counts=n)
