"""People followed after an index date: a lazy table and the role of each column.

One row is one person. Missing arm, time or event (and covariates, where an analysis uses them) drop the person
and are counted; NaN is missing. What is read is sorted by every column, so that no figure depends on row order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

from evaluation.data.cohort_baseline import baseline
from evaluation.data.cohort_checks import problems
from evaluation.data.engine import quoted
from evaluation.results import FlowStep

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from evaluation.data.engine import Source
    from evaluation.study.models import Analysis, CohortDesign, Study

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["Cohort", "CohortRows", "baseline", "problems"]


@dataclass(frozen=True)
class CohortRows:
    """Rows (n,) read from a cohort; each stands for `people` persons with the same values.

    `arm` is 1 for treated, `event` 0 for censored, 1 for the outcome, other codes for competing events.
    `follow_up` is NaN where unknown and None where the design has none; `cluster` codes clusters 0 … G-1, None
    without clusters. `covariates` is (n, p), its columns in the order they were asked for. `weights` are the design's,
    of one person each; None where all count alike.
    """

    arm: Integers
    time: Floats
    event: Integers
    people: Integers
    follow_up: Floats | None
    cluster: Integers | None
    covariates: Floats
    weights: Floats | None = None

    @property
    def mass(self) -> Floats:
        """What each row weighs (n,): its people times their weight."""
        import numpy as np

        return np.asarray(self.people if self.weights is None else self.people * self.weights, np.float64)


@dataclass(frozen=True)
class Cohort:
    """The roles of the columns of a cohort study's data, and what they hold."""

    source: Source
    arm: str
    time: str
    event: str
    person: str | None
    follow_up: str | None
    cluster: str | None
    competing: dict[str, int]
    covariates: tuple[str, ...]
    windows: tuple[float, ...]
    time_unit: str
    assignment: Literal["observational", "randomised"]
    weights: str | None = None
    clock: Literal["calendar", "street"] = "calendar"
    among: Literal["everyone", "completers"] = "everyone"
    built: bool = False  # from tables: the builder's columns of counts and days at risk are there

    @classmethod
    def of(cls, design: CohortDesign, source: Source) -> Cohort:
        """The cohort that a design describes; `problems` says whether the data fit it."""
        return cls(
            source, design.arm, design.time, design.event, design.person, design.follow_up, design.cluster,
            dict(design.competing), tuple(design.covariates), tuple(design.windows), design.time_unit,
            design.assignment, design.weights,
        )  # fmt: skip

    @classmethod
    def for_analysis(cls, study: Study, analysis: Analysis, source: Source) -> Cohort:
        """The people that one analysis is about, with its outcome's columns on its clock.

        Among completers the treated who did not finish the program are left out: a description of those who did, never
        an effect of the program.
        """
        design = cast("CohortDesign", study.design)
        clock = design.clock_of(analysis)
        ready = design.for_outcome(study.outcome(analysis.outcome), clock)
        if analysis.among == "completers" and ready.completed:
            source = source.where_rows(f"{source.value(ready.arm)} = 0 OR {source.value(ready.completed)} = 1")
        return replace(cls.of(ready, source), clock=clock, among=analysis.among, built=ready is not design)

    def restricted(self, condition: str) -> Cohort:
        """The people of whom an SQL condition over the data's columns holds."""
        return replace(self, source=self.source.where_rows(condition))

    @property
    def comparison(self) -> str:
        """What a contrast between the arms compares, for the estimand's name."""
        if self.among == "completers":
            return "those who completed the program against all others, a description and no effect"
        clock = ", on street time" if self.clock == "street" else ""
        return ("intention to treat" if self.assignment == "randomised" else "arms as observed") + clock

    def span(self, window: float) -> str:
        """A window in words: `24 months`."""
        return f"{window:g} {self.time_unit}{'' if window == 1 else 's'}"

    def needed(self, covariates: Sequence[str]) -> list[tuple[str, str]]:
        """Columns that must not be missing, as (SQL alias, column): a person is dropped for the first that is."""
        found = [("a", self.arm), ("t", self.time), ("e", self.event)]
        if self.cluster:
            found.append(("g", self.cluster))
        if self.weights:
            found.append(("w", self.weights))
        return found + [(f"x{j}", name) for j, name in enumerate(covariates)]

    def sql(self, covariates: Sequence[str] = (), beside: str = "") -> str:
        """A subquery with one row a person: a, t, e, [f], [g], [w], x0 …, and `dropped`, 0 for those kept.

        The column `beside` comes along as x; nobody is dropped for missing it.
        """
        value, number, needed = self.source.value, self.source.number, self.needed(covariates)
        columns = [f"CAST({value(c)} AS INTEGER) AS {s}" for s, c in needed if s in ("a", "e")]
        columns += [f"{number(c)} AS {s}" for s, c in needed if s not in ("a", "e", "g")]
        if self.cluster:
            columns.append(f"{value(self.cluster)} AS g")
        if self.follow_up:
            columns.append(f"{number(self.follow_up)} AS f")
        if beside:
            columns.append(f"{number(beside)} AS x")
        cases = " ".join(f"WHEN {value(c)} IS NULL THEN {i}" for i, (_, c) in enumerate(needed, 1))
        return f"(SELECT {', '.join(columns)}, CASE {cases} ELSE 0 END AS dropped FROM {self.source.scan})"

    def flow(self, covariates: Sequence[str] = ()) -> tuple[FlowStep, ...]:
        """Everyone in the data, then those dropped for each missing value, in the order they are looked at."""
        counts = dict(self.source.query(f"SELECT dropped, count(*) FROM {self.sql(covariates)} GROUP BY dropped"))
        return self.flow_of(counts, covariates)

    def flow_of(self, counts: dict[int, int], covariates: Sequence[str] = ()) -> tuple[FlowStep, ...]:
        """The same from the numbers of people kept (0) and dropped for each value, in the order of `needed`."""
        left = sum(counts.values())
        steps = [FlowStep("start", "everyone in the data", "person", 0, left)]
        roles = {"a": "arm", "t": "time", "e": "event", "g": "cluster", "w": "weight"}
        for i, (alias, column) in enumerate(self.needed(covariates), 1):
            if dropped := counts.get(i, 0):
                left -= dropped
                role = roles.get(alias, "covariate")
                reason = f"missing {role} ({quoted(column)})" if role != column else f"missing {role}"
                steps.append(FlowStep(f"missing_{column}", reason, "person", dropped, left))
        return tuple(steps)

    def counts(self) -> CohortRows:
        """People by arm, time, event, follow-up, cluster and weight: as few rows as there are combinations."""
        listed = ", ".join(["a", "t", "e", *self._optional])
        grouped = f"SELECT {listed}, count(*) AS n FROM {self.sql()} WHERE dropped = 0 GROUP BY {listed}"
        return self._read(grouped, 0)

    def rows(self, covariates: Sequence[str]) -> CohortRows:
        """One row a person with every value known, sorted by time and then by every other column."""
        return self._read(f"SELECT *, 1 AS n FROM {self.sql(covariates)} WHERE dropped = 0", len(covariates))

    @property
    def _optional(self) -> list[str]:
        return [s for s, column in (("f", self.follow_up), ("g", self.cluster), ("w", self.weights)) if column]

    def _read(self, selected: str, n_covariates: int) -> CohortRows:
        import numpy as np

        names, optional = [f"x{j}" for j in range(n_covariates)], self._optional
        codes = "dense_rank() OVER (ORDER BY g) - 1 AS g" if self.cluster else ""
        listed = ", ".join(codes if c == "g" else c for c in ["t", "e", "a", *optional, *names, "n"])
        order = ", ".join(["t", "e", "a", *names, *optional])
        found = self.source.arrays(f"SELECT {listed} FROM ({selected}) ORDER BY {order}")
        follow_up = np.ma.filled(found["f"], np.nan) if self.follow_up else None
        columns = np.empty((len(found["t"]), n_covariates), order="F")
        for j, name in enumerate(names):
            columns[:, j] = found[name]
        return CohortRows(
            arm=np.asarray(found["a"], np.int64), time=np.asarray(found["t"]),
            event=np.asarray(found["e"], np.int64), people=np.asarray(found["n"], np.int64), follow_up=follow_up,
            cluster=np.asarray(found["g"], np.int64) if self.cluster else None, covariates=columns,
            weights=np.asarray(found["w"], np.float64) if self.weights else None,
        )  # fmt: skip
