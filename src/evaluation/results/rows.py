"""What an estimator returns: frozen flat values. NaN is never stored: `status` says why a number is not there."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Status = Literal["ok", "reference", "suppressed", "not_estimable", "gated"]
Scale = Literal["level", "log", "risk", "log_hazard", "log_odds", "log_rate", "time"]


@dataclass(frozen=True)
class Estimate:
    """One estimate, keyed within its analysis by (term, group, time).

    Risk and odds ratios stand on their natural scale (`scale` = risk) with intervals from the log scale.
    `counts` are the numbers of people (events, non-events, treated, comparison) the figure rests on; disclosure
    control reads them and never lets them out.
    """

    term: str
    estimand: str
    estimate: float | None
    std_error: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    p_value: float | None = None
    group: str = ""
    time: float | None = None
    scale: Scale = "level"
    conf_level: float = 0.95
    n_obs: int | None = None
    n_units: int | None = None
    n_treated_units: int | None = None
    n_clusters: int | None = None
    status: Status = "ok"
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Inference:
    """How the uncertainty of one estimate was reckoned, or an alternative to it, under the estimate's key."""

    term: str
    method: str
    group: str = ""
    time: float | None = None
    std_error: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    p_value: float | None = None
    distribution: str = "normal"
    df: float | None = None
    df_rule: str = ""
    small_sample_factor: float | None = None
    n_clusters: int | None = None


@dataclass(frozen=True)
class Check:
    """One diagnostic: what was tested, the figure, and what it means in words a reader understands.

    `counts` are the numbers of people its message or figure tells; disclosure control reads them.
    """

    check: str
    status: Literal["pass", "warn", "fail", "info"]
    message: str
    term: str = ""
    group: str = ""
    time: float | None = None
    statistic: float | None = None
    df: float | None = None
    p_value: float | None = None
    threshold: float | None = None
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class CurvePoint:
    """A point of a curve over follow-up time, by group (`treated`, `control`, `all`)."""

    quantity: str  # survival, cumulative_incidence, or cumulative_incidence:<competing event>
    group: str
    time: float
    n_risk: int
    n_event: int
    n_censor: int
    estimate: float | None
    std_error: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    band_low: float | None = None  # of a band that holds the whole curve at once
    band_high: float | None = None
    status: Status = "ok"


@dataclass(frozen=True)
class FlowStep:
    """What left the data at one step, and why. `level` is what is counted: `row`, `unit` or `person`."""

    step: str
    reason: str
    level: str
    n_dropped: int
    n_remaining: int


@dataclass(frozen=True)
class Sensitivity:
    """One answer under another choice: a placebo, one unit or cohort left out, a bound on departures from trends.

    `kind` says which family (see the results' data model), `label` what was changed in words, `group` the unit or
    cohort concerned, `parameter` the figure that was set (a shift in periods, a bound). `counts` as in `Estimate`.
    """

    kind: str
    label: str
    group: str = ""
    parameter: float | None = None
    estimate: float | None = None
    std_error: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
    p_value: float | None = None
    method: str = ""
    status: Status = "ok"
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Component:
    """A part that a coefficient is a weighted mean of: a comparison of two cohorts, or a cohort in a period.

    `kind` is `treated_vs_never`, `earlier_vs_later`, `later_vs_earlier` (Goodman-Bacon, 2021) or `cell`
    (de Chaisemartin and D'Haultfoeuille, 2020).
    """

    kind: str
    treated: str
    control: str
    time: float | None
    weight: float
    estimate: float | None
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Opinion:
    """The same figure from another library, beside ours; `status` is `agrees`, `differs` or `unavailable`."""

    term: str
    library: str
    convention: str
    status: Literal["agrees", "differs", "unavailable"]
    group: str = ""
    time: float | None = None
    estimate: float | None = None
    std_error: float | None = None
    our_estimate: float | None = None
    our_std_error: float | None = None
    relative_difference: float | None = None
    our_convention: str = ""
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Balance:
    """One characteristic in both arms, as it was (`before`) or as the analysis weighs or matches people (`after`).

    `smd` is the difference in means over the standard deviation that the analysis's method page names;
    `variance_ratio` treated over control. `counts` as in `Estimate`.
    """

    covariate: str
    stage: Literal["before", "after"]
    kind: Literal["binary", "continuous"]
    mean_treated: float | None
    mean_control: float | None
    std_dev_treated: float | None
    std_dev_control: float | None
    smd: float | None
    variance_ratio: float | None = None
    time: float | None = None  # the window, where the analysis has several
    status: Status = "ok"
    counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Overlap:
    """People, and what they weigh, in one bin of the estimated chance of being treated."""

    group: Literal["treated", "control"]
    low: float
    high: float
    n: int
    weight: float
    time: float | None = None
    status: Status = "ok"


@dataclass(frozen=True)
class Attrition:
    """People of each arm who entered, whose outcome by the window is known, and of those who is analysed.

    `overall` and `differential` are of all who entered and are not analysed, held against the WWC's boundary. Shares in
    per cent; `rating` is `low` or `high` attrition under each of the boundary's two assumptions.
    """

    time: float | None
    n_treated: int
    n_control: int
    known_treated: int
    known_control: int
    analysed_treated: int
    analysed_control: int
    overall: float | None
    differential: float | None
    boundary_cautious: float | None
    boundary_optimistic: float | None
    rating_cautious: str
    rating_optimistic: str
    status: Status = "ok"


@dataclass(frozen=True)
class Subgroup:
    """The effect in one stratum, and the test of whether effects differ between the strata of its characteristic."""

    covariate: str
    level: str
    term: str
    time: float | None
    estimate: float | None
    std_error: float | None
    conf_low: float | None
    conf_high: float | None
    p_value: float | None
    scale: Scale
    n_units: int | None
    n_treated_units: int | None
    p_interaction: float | None = None
    p_interaction_adjusted: float | None = None
    adjustment: str = ""
    status: Status = "ok"
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Joint:
    """The event-time estimates of an analysis and how they vary together; diagnostics read it, and it is not stored.

    `reference` are event times that are zero by construction. `df` None means the normal distribution.
    """

    times: NDArray[np.float64]  # (Q,) periods since adoption, ascending, without reference
    estimates: NDArray[np.float64]  # (Q,)
    covariance: NDArray[np.float64]  # (Q, Q)
    reference: tuple[float, ...] = ()
    df: float | None = None


@dataclass(frozen=True, eq=False)
class Influence:
    """What each cluster adds to the error of the overall estimate; joint tests across outcomes read it, not stored.

    Regressions with unit and period effects also say what each cluster adds in each period, and how many parameters
    their small-sample factor counts.
    """

    clusters: NDArray[np.int64]  # (G,) codes, the same for all outcomes of a panel
    values: NDArray[np.float64]  # (G,) in the estimate's units; the estimate's error is near their sum
    by_period: NDArray[np.float64] | None = None  # (G, T), adding up to `values` over the periods
    parameters: int = 0


@dataclass(frozen=True)
class ResultSet:
    """Everything one analysis found. `joint` and `influence` are for later steps of the same run and not stored."""

    estimates: tuple[Estimate, ...] = ()
    inference: tuple[Inference, ...] = ()
    checks: tuple[Check, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    flow: tuple[FlowStep, ...] = ()
    sensitivity: tuple[Sensitivity, ...] = ()
    components: tuple[Component, ...] = ()
    opinions: tuple[Opinion, ...] = ()
    balance: tuple[Balance, ...] = ()
    overlap: tuple[Overlap, ...] = ()
    attrition: tuple[Attrition, ...] = ()
    subgroups: tuple[Subgroup, ...] = ()
    joint: Joint | None = None
    influence: Influence | None = None

    def __add__(self, other: ResultSet) -> ResultSet:
        """Both results' rows, these first; `joint` and `influence` are those of the first that has them."""
        both = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return ResultSet(**{k: a + b if isinstance(a, tuple) else a or b for k, (a, b) in both.items()})


def not_estimable(
    term: str, estimand: str, reason: str, counts: tuple[int, ...] = (), **key: Any
) -> tuple[Estimate, Check]:
    """The pair of rows that says a figure has no answer, and why."""
    place = {k: v for k, v in key.items() if k in ("group", "time")}
    return (
        Estimate(term, estimand, None, status="not_estimable", counts=counts, **key),
        Check("not_estimable", "warn", reason, term=term, counts=counts, **place),
    )
