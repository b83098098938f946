"""Risks of two arms and their contrasts: from counts, or from risks with a covariance.

Every function gives one entry for each of `TERMS`: a `Figure`, or a sentence saying why there is none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from evaluation.inference import proportions
from evaluation.inference.intervals import Interval, log_scale, logit_scale, wald
from evaluation.inference.proportions import Arm
from evaluation.results import Inference

TERMS = ("risk_treated", "risk_control", "risk_difference", "risk_ratio", "odds_ratio")
Figures = Mapping[str, "Figure | str"]
NO_VARIATION = (
    "in an arm nobody or everybody had the event (or every cluster has the same share), so there is no standard error."
)


@dataclass(frozen=True)
class Figure:
    """One estimate with its interval; `std_error` is on the estimate's own scale, None where it would be zero.

    `rules` say how the uncertainty was reckoned; for ratios they hold the standard error of the logarithm.
    """

    estimate: float
    std_error: float | None
    interval: Interval
    rules: tuple[Inference, ...]


@dataclass(frozen=True)
class Method:
    """A way of reckoning uncertainty, as the `inference` table states it."""

    name: str
    df: float | None = None
    df_rule: str = ""
    small_sample_factor: float | None = None
    n_clusters: int | None = None

    def row(self, term: str, std_error: float | None, interval: Interval, name: str = "") -> Inference:
        """The method applied to one term."""
        return Inference(
            term, name or self.name, std_error=std_error, conf_low=interval.low, conf_high=interval.high,
            p_value=interval.p_value, distribution="normal" if self.df is None else "t", df=self.df,
            df_rule=self.df_rule, small_sample_factor=self.small_sample_factor, n_clusters=self.n_clusters,
        )  # fmt: skip


def _ratio(term: str, ratio: float, log_std_error: float, level: float, method: Method) -> Figure:
    interval = log_scale(ratio, log_std_error, level, method.df)
    row = method.row(term, log_std_error, interval, f"{method.name}; standard error of the log ratio")
    return Figure(ratio, ratio * log_std_error, interval, (row,))


# --------------------------------------------------------------------------- plain proportions


def _score_risk(term: str, arm: Arm, level: float) -> Figure:
    interval = proportions.wilson(arm, level)
    std_error = arm.std_error or None
    return Figure(arm.risk, std_error, interval, (Method("Wilson score").row(term, std_error, interval),))


def _score_difference(treated: Arm, control: Arm, level: float) -> Figure:
    difference = treated.risk - control.risk
    interval = proportions.newcombe(treated, control, level)
    rows = [Method("Newcombe hybrid score; p from the pooled score test").row("risk_difference", None, interval)]
    std_error = None
    if treated.std_error or control.std_error:
        std_error = proportions.difference_std_error(treated, control)
        hc1 = wald(difference, std_error, level)
        rows.append(Method("HC1, regression of the event on the arm").row("risk_difference", std_error, hc1))
    return Figure(difference, std_error, interval, tuple(rows))


def _counted_risk_ratio(treated: Arm, control: Arm, level: float) -> Figure | str:
    if not (treated.events and control.events):
        return "an arm has no events, so the log risk ratio has no standard error; read the risk difference."
    if not (treated.others or control.others):
        return "everyone had the event, so the risk ratio has no standard error."
    ratio = treated.risk / control.risk
    return _ratio("risk_ratio", ratio, proportions.log_risk_ratio_std_error(treated, control), level,
                  Method("Katz, log scale"))  # fmt: skip


def _counted_odds_ratio(treated: Arm, control: Arm, level: float) -> Figure | str:
    cells = (treated.events, treated.others, control.events, control.others)
    if not all(cells):
        return "in one arm nobody or everybody had the event, so the odds ratio has no standard error."
    ratio = (treated.events * control.others) / (treated.others * control.events)
    return _ratio("odds_ratio", ratio, proportions.log_odds_ratio_std_error(treated, control), level,
                  Method("Woolf, log scale"))  # fmt: skip


def from_counts(treated: Arm, control: Arm, level: float) -> Figures:
    """Risks with Wilson intervals, the difference with Newcombe's, ratios with Katz's and Woolf's.

    No correction is added to empty cells: a ratio that needs one is given as a reason instead.
    """
    return {
        "risk_treated": _score_risk("risk_treated", treated, level),
        "risk_control": _score_risk("risk_control", control, level),
        "risk_difference": _score_difference(treated, control, level),
        "risk_ratio": _counted_risk_ratio(treated, control, level),
        "odds_ratio": _counted_odds_ratio(treated, control, level),
    }


# --------------------------------------------------------------------------- risks with a covariance


@dataclass(frozen=True)
class Risks:
    """Two risks, their variances and their covariance."""

    treated: float
    control: float
    var_treated: float
    var_control: float
    covariance: float = 0.0

    @property
    def both_vary(self) -> bool:
        """Whether both risks have a variance."""
        return self.var_treated > 0 and self.var_control > 0

    def contrast_std_error(self, slope_treated: float, slope_control: float) -> float:
        """Delta-method standard error of a function of the risks with these slopes (control's is subtracted)."""
        variance = (
            slope_treated**2 * self.var_treated
            + slope_control**2 * self.var_control
            - 2 * slope_treated * slope_control * self.covariance
        )
        return math.sqrt(max(variance, 0.0))


def _plain_risk(term: str, risk: float, variance: float, level: float, method: Method) -> Figure | str:
    std_error = math.sqrt(variance)
    if std_error == 0 or not 0 < risk < 1:
        return NO_VARIATION
    interval = logit_scale(risk, std_error, level, method.df)
    row = method.row(term, std_error, interval, f"{method.name}; interval from the log odds")
    return Figure(risk, std_error, interval, (row,))


def difference(risks: Risks, level: float, method: Method) -> Figure | str:
    """The risk difference with its Wald interval."""
    std_error = risks.contrast_std_error(1, 1)
    if std_error == 0 or not risks.both_vary:
        return NO_VARIATION
    estimate = risks.treated - risks.control
    interval = wald(estimate, std_error, level, method.df)
    return Figure(estimate, std_error, interval, (method.row("risk_difference", std_error, interval),))


def ratio(risks: Risks, level: float, method: Method) -> Figure | str:
    """The risk ratio with its interval from the log scale."""
    if not (risks.treated > 0 and risks.control > 0 and risks.both_vary):
        return NO_VARIATION
    log_std_error = risks.contrast_std_error(1 / risks.treated, 1 / risks.control)
    if log_std_error == 0:
        return NO_VARIATION
    return _ratio("risk_ratio", risks.treated / risks.control, log_std_error, level, method)


def _odds_ratio(risks: Risks, level: float, method: Method) -> Figure | str:
    variances = (risks.treated * (1 - risks.treated), risks.control * (1 - risks.control))
    if not (all(variances) and risks.both_vary):
        return NO_VARIATION
    log_std_error = risks.contrast_std_error(1 / variances[0], 1 / variances[1])
    if log_std_error == 0:
        return NO_VARIATION
    estimate = risks.treated * (1 - risks.control) / ((1 - risks.treated) * risks.control)
    return _ratio("odds_ratio", estimate, log_std_error, level, method)


def from_covariance(risks: Risks, level: float, method: Method) -> Figures:
    """Risks with intervals from the log odds, the difference with Wald's, ratios from the log scale."""
    return {
        "risk_treated": _plain_risk("risk_treated", risks.treated, risks.var_treated, level, method),
        "risk_control": _plain_risk("risk_control", risks.control, risks.var_control, level, method),
        "risk_difference": difference(risks, level, method),
        "risk_ratio": ratio(risks, level, method),
        "odds_ratio": _odds_ratio(risks, level, method),
    }
