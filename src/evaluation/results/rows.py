"""What an estimator returns: frozen flat values. NaN is never stored: `status` says why a number is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

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

    quantity: Literal["survival", "cumulative_incidence"]
    group: str
    time: float
    n_risk: int
    n_event: int
    n_censor: int
    estimate: float | None
    std_error: float | None = None
    conf_low: float | None = None
    conf_high: float | None = None
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
class ResultSet:
    """Everything one analysis found."""

    estimates: tuple[Estimate, ...] = ()
    inference: tuple[Inference, ...] = ()
    checks: tuple[Check, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    flow: tuple[FlowStep, ...] = ()


def not_estimable(
    term: str, estimand: str, reason: str, counts: tuple[int, ...] = (), **key: Any
) -> tuple[Estimate, Check]:
    """The pair of rows that says a figure has no answer, and why."""
    place = {k: v for k, v in key.items() if k in ("group", "time")}
    return (
        Estimate(term, estimand, None, status="not_estimable", counts=counts, **key),
        Check("not_estimable", "warn", reason, term=term, counts=counts, **place),
    )
