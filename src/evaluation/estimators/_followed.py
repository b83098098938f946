"""What estimators of curves and of mean times have in common: how people are weighted, and who is followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from evaluation.errors import NotEstimable
from evaluation.estimators.base import Estimator

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort
    from evaluation.inference.balance import Compared
    from evaluation.inference.curve_errors import Followed
    from evaluation.results import FlowStep

ARMS = {"treated": 1, "control": 0}
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

    @model_validator(mode="after")
    def _options_are_used(self) -> FollowedOptions:
        if self.adjust == "none" and self.estimand is not None:
            raise ValueError(f"without adjustment there is no estimand {self.estimand} to choose; set adjust: iptw.")
        if self.adjust == "none" and self.covariates != "all":
            raise ValueError("covariates is used with adjust: iptw only; set it, or leave covariates out.")
        if self.adjust == "iptw" and self.covariates == []:
            raise ValueError("adjust: iptw needs at least one covariate.")
        return self

    @property
    def population(self) -> Literal["ate", "att", "ato"]:
        """Whom the figures are about."""
        return self.estimand or "ate"

    def covariate_columns(self, declared: list[str]) -> list[str]:
        """The columns that the propensity depends on; none without adjustment."""
        if self.adjust == "none":
            return []
        return declared if self.covariates == "all" else self.covariates

    def lacks_covariates(self, declared: list[str]) -> bool:
        """Whether a propensity is asked for and nothing is named on which it could depend."""
        return self.adjust != "none" and not self.covariate_columns(declared)

    def whom(self, cohort: Cohort) -> str:
        """Whom the figures compare, for the estimand's name."""
        if self.adjust == "none":
            return cohort.comparison
        return f"{cohort.comparison}; {EVERYONE[self.population]}, weighted by the inverse propensity"

    def follow(self, cohort: Cohort, causes: tuple[int, ...]) -> Read:
        """Read the people, with the event codes that count as causes.

        Raises
        ------
        NotEstimable
            When an arm has no one in it, or the propensity cannot be fitted.
        """
        from evaluation.data.risk_sets import risk_sets
        from evaluation.inference.curve_errors import Followed

        if self.adjust == "none":
            rows, flow = risk_sets(cohort)
        else:
            names = self.covariate_columns(list(cohort.covariates))
            if not names:
                raise NotEstimable("adjust: iptw needs at least one covariate; name some, or use adjust: none.")
            rows, flow = cohort.rows(names), cohort.flow(names)
        for name, code in ARMS.items():
            if not (rows.mass[rows.arm == code] > 0).any():
                raise NotEstimable(f"nobody is in the {name} arm, so nothing can be compared.", (0,))
        if self.adjust == "none":
            return Read(Followed(rows, causes), flow)
        from evaluation.inference.arm_means import Sample
        from evaluation.inference.weighting import propensity_weights

        had = (rows.event == 1).astype(float)
        sample = Sample(rows.arm, had, rows.mass, rows.covariates, tuple(names))
        return Read(Followed(rows, causes, propensity_weights(sample, self.population)), flow)

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
        names = tuple(self.covariate_columns(list(frame.covariates)))
        return [Compared(None, names, rows.covariates, rows.arm, rows.mass, followed.weight, tilt.chances.chance)]


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
    def method(self) -> str:
        """How errors are reckoned, in a few words."""
        followed = self.followed
        if followed.plain:
            return "Greenwood" if len(followed.causes) == 1 else "Aalen-Johansen, infinitesimal jackknife"
        how = "infinitesimal jackknife" if followed.tilt is None else "influence functions, propensity as estimated"
        return how if followed.rows.cluster is None else f"{how}, summed by cluster"
