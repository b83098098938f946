"""What estimators of curves and of mean times have in common: how people are weighted, and who is followed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from evaluation.errors import NotEstimable
from evaluation.estimators.base import Estimator
from evaluation.results import Check

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort, CohortRows
    from evaluation.inference.balance import Compared
    from evaluation.inference.curve_errors import Followed
    from evaluation.inference.weighting import Weights
    from evaluation.results import FlowStep

ARMS = {"treated": 1, "control": 0}
LARGE = 10  # times the mean weight: a person who counts for so many others
EVERYONE = {"ate": "everyone eligible", "att": "the treated", "ato": "people who could be in either arm"}


class FollowedOptions(Estimator):
    """Options of an estimator that follows people over time."""

    adjust: Literal["none", "iptw"] = Field(
        "none", description="none: people as they are; iptw: weighted by the inverse propensity"
    )
    estimand: Literal["ate", "att", "ato"] | None = Field(
        None,
        description="iptw: whom the figures are about: ate everyone (the default), att the treated, ato those who "
        "could be in either arm",
    )
    covariates: Literal["all"] | list[str] = Field(
        "all", description="iptw: what the propensity depends on; all: every covariate of the design"
    )
    censoring: Literal["independent", "ipcw"] = Field(
        "independent",
        description="people who leave early: for reasons that have nothing to do with their prospects, or (ipcw) for "
        "such as go with the censoring_covariates, and others weighted to stand for them",
    )
    censoring_covariates: list[str] = Field(
        [], description="ipcw: columns on which leaving early depends, in each arm by itself"
    )

    @model_validator(mode="after")
    def _options_are_used(self) -> FollowedOptions:
        if self.adjust == "none" and self.estimand is not None:
            raise ValueError(f"without adjustment there is no estimand {self.estimand} to choose; set adjust: iptw.")
        if self.adjust == "none" and self.covariates != "all":
            raise ValueError("covariates is used with adjust: iptw only; set it, or leave covariates out.")
        if self.adjust == "iptw" and self.covariates == []:
            raise ValueError("adjust: iptw needs at least one covariate.")
        if self.censoring == "independent" and self.censoring_covariates:
            raise ValueError("censoring_covariates are used with censoring: ipcw only; set it, or leave them out.")
        if self.censoring == "ipcw" and not self.censoring_covariates:
            raise ValueError("censoring: ipcw needs censoring_covariates; by arm alone it would change nothing.")
        return self

    @property
    def population(self) -> Literal["ate", "att", "ato"]:
        """Whom the figures are about."""
        return self.estimand or "ate"

    def adjusted(self, declared: list[str]) -> list[str]:
        """The columns that the propensity depends on; none without adjustment."""
        if self.adjust == "none":
            return []
        return list(dict.fromkeys(declared if self.covariates == "all" else self.covariates))

    def covariate_columns(self, declared: list[str]) -> list[str]:
        """The columns that are read: the propensity's, and those on which leaving depends."""
        return list(dict.fromkeys([*self.adjusted(declared), *self.censoring_covariates]))

    def option_columns(self) -> dict[str, bool]:
        """The columns on which leaving depends."""
        return {"censoring_covariates": True}

    def lacks_covariates(self, declared: list[str]) -> bool:
        """Whether a propensity is asked for and nothing is named on which it could depend."""
        return self.adjust != "none" and not self.adjusted(declared)

    def whom(self, cohort: Cohort) -> str:
        """Whom the figures compare, for the estimand's name."""
        whom = cohort.comparison
        if self.adjust != "none":
            whom += f"; {EVERYONE[self.population]}, weighted by the inverse propensity"
        return f"{whom}, weighted for censoring" if self.censoring == "ipcw" else whom

    def follow(self, cohort: Cohort, causes: tuple[int, ...]) -> Read:
        """Read the people, with the event codes that count as causes.

        Raises
        ------
        NotEstimable
            When an arm has no one in it, or the propensity or the model of leaving cannot be fitted.
        """
        from evaluation.data.risk_sets import risk_sets
        from evaluation.inference.curve_errors import Followed
        from evaluation.inference.curve_reweighted import reweighted

        declared = list(cohort.covariates)
        names = self.covariate_columns(declared)
        if self.lacks_covariates(declared):
            raise NotEstimable("adjust: iptw needs at least one covariate; name some, or use adjust: none.")
        rows, flow = (cohort.rows(names), cohort.flow(names)) if names else risk_sets(cohort)
        for name, code in ARMS.items():
            if not (rows.mass[rows.arm == code] > 0).any():
                raise NotEstimable(f"nobody is in the {name} arm, so nothing can be compared.", (0,))
        if self.censoring == "ipcw":
            rows = _until(rows, self._last_window(cohort))
        followed = Followed(rows, causes, self._tilt(rows, declared))
        if self.censoring == "ipcw":
            chosen = list(dict.fromkeys(self.censoring_covariates))
            followed = reweighted(followed, rows.covariates[:, [names.index(c) for c in chosen]], chosen)
        return Read(followed, flow)

    def _last_window(self, cohort: Cohort) -> float | None:
        """The last time that is asked about; None without any window."""
        own: float | None = getattr(self, "window", None)
        return own if own is not None else max(cohort.windows, default=None)

    def _tilt(self, rows: CohortRows, declared: list[str]) -> Weights | None:
        """The weights by the inverse propensity, whose columns come first among those read; None without any."""
        if self.adjust == "none":
            return None
        from evaluation.inference.arm_means import Sample
        from evaluation.inference.weighting import propensity_weights

        names = tuple(self.adjusted(declared))
        had = (rows.event == 1).astype(float)
        sample = Sample(rows.arm, had, rows.mass, rows.covariates[:, : len(names)], names)
        return propensity_weights(sample, self.population)

    def leaving(self, read: Read) -> Iterator[Check]:
        """What a reader must know of those who left early, where others stand for them."""
        yield from read.weighted_for_leaving(self.censoring_covariates)

    def compared(self, frame: Cohort) -> list[Compared]:
        """People as they are compared, for diagnostics; none where nothing is adjusted, or has an answer."""
        from evaluation.inference.balance import Compared

        if self.adjust == "none":
            return []
        try:
            followed = self.follow(frame, (1,)).followed
        except NotEstimable:
            return []
        rows, tilt = followed.rows, followed.tilt
        assert tilt is not None  # noqa: S101 - narrows the type
        names = tuple(self.adjusted(list(frame.covariates)))
        covariates = rows.covariates[:, : len(names)]
        return [Compared(None, names, covariates, rows.arm, rows.mass, followed.weight, tilt.chances.chance)]


def _until(rows: CohortRows, window: float | None) -> CohortRows:
    """People as followed to the window: leaving that comes after it tells nothing of leaving before."""
    import numpy as np

    if window is None:
        return rows
    beyond = rows.time > window
    return replace(rows, time=np.where(beyond, window, rows.time), event=np.where(beyond, 0, rows.event))


@dataclass(frozen=True, eq=False)
class Read:
    """People who are followed, and what left the data before."""

    followed: Followed
    flow: tuple[FlowStep, ...]

    @property
    def arms(self) -> tuple[int, int]:
        """People in the treated arm, and in the other."""
        rows = self.followed.rows
        return int(rows.people[rows.arm == 1].sum()), int(rows.people[rows.arm == 0].sum())

    @property
    def sizes(self) -> dict[str, Any]:
        """The numbers of people that every estimate carries."""
        n = sum(self.arms)
        return {"n_obs": n, "n_units": n, "n_treated_units": self.arms[0], "n_clusters": self.followed.n_units}

    @property
    def clusters(self) -> int | None:
        """Clusters, None where people stand by themselves."""
        return None if self.followed.rows.cluster is None else self.followed.n_units

    def had(self, until: float, cause: int = 1) -> tuple[int, ...]:
        """People with the cause by a time, and without, in the treated arm and in the other; then both arms."""
        cells = []
        for code, people in zip(ARMS.values(), self.arms, strict=True):
            sets = self.followed.sets(code)
            events = int(sets.people_left[cause][sets.time <= until].sum())
            cells += [events, people - events]
        return (*cells, *self.arms)

    @property
    def grouped(self) -> bool:
        """Whether clusters hold people together, rather than each person alone."""
        return self.clusters is not None and self.clusters < sum(self.arms)

    @property
    def method(self) -> str:
        """How errors are reckoned, in a few words."""
        followed = self.followed
        if followed.plain:
            return "Greenwood" if len(followed.causes) == 1 else "Aalen-Johansen, infinitesimal jackknife"
        how = "infinitesimal jackknife" if followed.tilt is None else "influence functions, propensity as estimated"
        how = f"{how}, summed by cluster" if self.grouped else how
        return f"{how}; weights for censoring taken as known" if sum(self.left) else how

    @cached_property
    def left(self) -> tuple[int, int]:
        """People who left too early and for whom others stand, in the treated arm and in the other."""
        from evaluation.inference.curve_reweighted import Reweighted, lost

        if not isinstance(self.followed, Reweighted):
            return (0, 0)
        rows, gone = self.followed.rows, lost(self.followed)
        return int(rows.people[gone & (rows.arm == 1)].sum()), int(rows.people[gone & (rows.arm == 0)].sum())

    def weighted_for_leaving(self, names: list[str]) -> Iterator[Check]:
        """For how many who left others stand, and how much one of these weighs; nothing where nobody does."""
        from evaluation.inference.curve_reweighted import Reweighted

        if not isinstance(self.followed, Reweighted):
            return
        largest = max(self.followed.largest(code) for code in ARMS.values())
        message = (
            f"{sum(self.left):,} people ({self.left[0]:,} treated, {self.left[1]:,} in the comparison) left before the "
            f"last event of their arm. Others who were followed longer stand for them, by {', '.join(names)}, in each "
            f"arm; the largest weight is {largest:.3g} times the mean of those at risk at the same time. This is right "
            "if, given that, leaving has nothing to do with the outcome."
        )
        yield Check("censoring_weights", "warn" if largest > LARGE else "info", message, statistic=largest,
                    threshold=LARGE, counts=self.left)  # fmt: skip
