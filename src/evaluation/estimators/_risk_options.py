"""The options of `risk_difference`, which of them each way of adjusting uses, and the columns they name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from evaluation.estimators.base import Estimator

if TYPE_CHECKING:
    from evaluation.estimators._risk_adjustment import Columns

DEFAULTS: dict[str, Any] = {
    "covariates": "all", "trim": None, "truncate": None, "folds": 0, "distance": "logit", "ratio": 1, "caliper": 0.2,
    "exact": [], "replace": False,
}  # fmt: skip
MATCHING = ("distance", "ratio", "caliper", "exact", "replace")
USED_BY = {
    "covariates": ("regression", "iptw", "aipw", "matching"), "trim": ("iptw",), "truncate": ("iptw",),
    "folds": ("aipw",), **dict.fromkeys(MATCHING, ("matching",)),
}  # fmt: skip
POPULATIONS = {
    "none": (), "regression": ("ate", "att"), "iptw": ("ate", "att", "ato"), "aipw": ("ate", "att"),
    "matching": ("att",),
}  # fmt: skip
BOTH = "adjust: {} goes with estimand: ate or att; overlap weights (ato) are a way of weighting: use adjust: iptw."
WRONG_ESTIMAND = {
    "none": "without adjustment the arms are compared as they are, so there is no estimand {} to choose; set adjust.",
    "regression": BOTH.format("regression"), "aipw": BOTH.format("aipw"),
    "matching": "matching looks for people like the treated, so its estimand is att, not {}; use iptw or aipw.",
}  # fmt: skip
Share = Annotated[float, Field(ge=0, le=1)]


class RiskOptions(Estimator):
    """One choice of how risks are made comparable."""

    adjust: Literal["none", "regression", "iptw", "aipw", "matching"] = Field(
        "none",
        description="none: plain proportions; regression: standardised by logistic regression; iptw: weighted by the "
        "inverse propensity; aipw: both, doubly robust; matching: nearest neighbours on the propensity",
    )
    estimand: Literal["ate", "att", "ato"] | None = Field(
        None,
        description="whom the figures are about: ate everyone, att the treated, ato those who could be in either arm "
        "(iptw only); null: ate, or att with matching",
    )
    window: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="the window, in the design's time unit; null or all: every window of the design"
    )
    covariates: Literal["all"] | list[str] = Field(
        "all", description="what is adjusted for; all: every covariate of the design"
    )
    trim: list[Share] | None = Field(
        None, description="iptw: set aside people whose propensity is outside [low, high], such as [0.1, 0.9]"
    )
    truncate: Annotated[float, Field(gt=0.5, lt=1)] | None = Field(
        None, description="iptw: weights above this quantile of all weights are set to it, such as 0.99"
    )
    folds: Annotated[int, Field(ge=0, le=50)] = Field(
        0, description="aipw: folds for cross-fitting; 0: models are fitted on everyone"
    )
    distance: Literal["logit", "propensity"] = Field(
        "logit", description="matching: on the log odds of the propensity, or on the propensity itself"
    )
    ratio: Annotated[int, Field(ge=1, le=50)] = Field(1, description="matching: comparison people for each treated")
    caliper: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        0.2, description="matching: largest distance, in its pooled standard deviations; null: any"
    )
    exact: list[str] = Field([], description="matching: columns in which matches must be the same")
    replace: bool = Field(False, description="matching: whether a comparison person may serve several treated")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        1, description="aipw with folds, and matches among equals: seed of the draw"
    )
    censoring: Literal["refuse", "ipcw"] = Field(
        "refuse",
        description="people censored before the window: refuse to answer, or weight others to stand for them",
    )
    censoring_covariates: list[str] = Field(
        [], description="ipcw: columns on which being censored depends, beside the arm; none: the arm alone"
    )

    @field_validator("window", mode="before")
    @classmethod
    def _all_is_null(cls, window: Any) -> Any:
        return None if window == "all" else window

    @field_validator("trim")
    @classmethod
    def _two_bounds(cls, trim: list[float] | None) -> list[float] | None:
        if trim is not None and (len(trim) != 2 or trim[0] >= trim[1]):
            raise ValueError("trim is two propensities, the lower first, such as [0.1, 0.9].")
        return trim

    @model_validator(mode="after")
    def _options_are_used(self) -> RiskOptions:
        given = {name: getattr(self, name) for name in USED_BY if getattr(self, name) != DEFAULTS[name]}
        for name in given:
            if self.adjust not in USED_BY[name]:
                ways = " or ".join(USED_BY[name])
                raise ValueError(f"{name} is used with adjust: {ways} only; set it, or leave {name} out.")
        if self.estimand is not None and self.estimand not in POPULATIONS[self.adjust]:
            raise ValueError(WRONG_ESTIMAND[self.adjust].format(self.estimand))
        if self.trim and self.truncate:
            raise ValueError("trim sets people aside and truncate cuts their weights back; choose one.")
        if self.folds == 1:
            raise ValueError("folds must be 2 or more, or 0 for none: models are fitted on the other folds.")
        if self.adjust not in ("none", "regression") and self.covariates == []:
            raise ValueError(f"adjust: {self.adjust} needs at least one covariate.")
        if self.censoring == "refuse" and self.censoring_covariates:
            raise ValueError("censoring_covariates are used with censoring: ipcw only; set it, or leave them out.")
        return self

    @property
    def population(self) -> Literal["ate", "att", "ato"]:
        """Whom the figures are about."""
        return self.estimand or ("att" if self.adjust == "matching" else "ate")

    def columns(self, declared: list[str]) -> Columns:
        """Which columns each part of the method uses; `declared` are the design's covariates."""
        from evaluation.estimators._risk_adjustment import Columns

        adjusted = declared if self.covariates == "all" else self.covariates
        used = () if self.adjust == "none" else tuple(adjusted)
        exact, censoring = tuple(self.exact), tuple(self.censoring_covariates)
        return Columns(tuple(dict.fromkeys(used + exact + censoring)), used, exact, censoring)

    def lacks_covariates(self, declared: list[str]) -> bool:
        """Whether a propensity is asked for and nothing is named on which it could depend."""
        return self.adjust not in ("none", "regression") and not self.columns(declared).adjusted

    def covariate_columns(self, declared: list[str]) -> list[str]:
        """The columns adjusted for, matched exactly or named for censoring; none for plain proportions."""
        return list(self.columns(declared).names)

    def whom(self, assignment: str) -> str:
        """Whom the figures are about and how they were made comparable, for the estimand's name."""
        everyone = {"ate": "everyone eligible", "att": "the treated", "ato": "people who could be in either arm"}
        whom = {
            "none": "everyone eligible",
            "regression": f"standardised to {everyone[self.population]} by logistic regression",
            "iptw": f"{everyone[self.population]}, weighted by the inverse propensity",
            "aipw": f"{everyone[self.population]}, by regression and inverse propensity (doubly robust)",
            "matching": "the treated who found a match, nearest neighbours by propensity",
        }[self.adjust]
        if self.trim:
            whom += f" (propensity {self.trim[0]:g} to {self.trim[1]:g})"
        if self.censoring == "ipcw":
            whom += ", weighted for censoring"
        if self.adjust != "none" and assignment == "randomised":
            whom += ", adjusted for precision"
        return whom
