"""A fitted Cox model: coefficients on the columns' own scale, model-based and robust covariances, tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference import clusters
from evaluation.inference.columns import Standardised, dependent, standardise
from evaluation.inference.concordance import concordance
from evaluation.inference.cox_likelihood import point, score_residuals, state
from evaluation.inference.cox_sets import Arrangement, Drift, RiskSets, risk_sets
from evaluation.inference.newton import Point, RunawayError, maximise
from evaluation.inference.proportional_hazards import DriftTest, drift_tests, survival_clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evaluation.inference.cox_ties import Ties

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

Moving = Literal["linear", "log"]

UNMOVED = 1e-12  # information in a column, as a share of what one of its spread would have, that is rounding


@dataclass(frozen=True, eq=False)
class CoxFit:
    """The maximum of the partial likelihood. `standard` (P,) are the coefficients of standardised columns.

    P is p, or p + 1 where the first column's coefficient moves with time: then the last one tells how fast. `clock` is
    what was taken off the moving time, and what that was divided by.
    """

    columns: Standardised
    sets: RiskSets
    standard: Floats
    loglik_null: float
    at_maximum: Point
    time: Floats
    event: Integers
    rows: Arrangement
    clock: tuple[float, float] = (0.0, 1.0)

    @cached_property
    def _back(self) -> Floats:
        """Turns standardised coefficients into those of the columns and of time as they are (P, P)."""
        scale = self.columns.scale
        if self.sets.drift is None:
            return np.diag(1 / scale)
        centre, unit = self.clock
        found = np.diag(np.append(1 / scale, 1 / (scale[0] * unit)))
        found[0, -1] = -centre / (scale[0] * unit)
        return found

    @property
    def coefficients(self) -> Floats:
        """Log hazard ratios (P,) per unit of each column; the last per unit of time too, where one moves."""
        found: Floats = self._back @ self.standard
        return found

    @property
    def loglik(self) -> float:
        """Log partial likelihood at the maximum."""
        return self.at_maximum.loglik

    @cached_property
    def _inverse(self) -> Floats:
        return np.asarray(np.linalg.inv(self.at_maximum.information), np.float64)

    @property
    def model_covariance(self) -> Floats:
        """Inverse of the observed information (P, P)."""
        found: Floats = self._back @ self._inverse @ self._back.T
        return found

    def robust_covariance(self, codes: Integers | None) -> Floats:
        """Lin and Wei's (1989) sandwich (P, P): products of score residuals with their mass, by cluster if coded."""
        residuals = score_residuals(state(self.sets, self.standard))
        influence = residuals @ (self._inverse @ self._back.T)
        influence *= self.sets.mass[:, None]
        if codes is not None:
            influence = clusters.sums(influence, codes[self.sets.kept])
            return np.asarray(influence.T @ influence, np.float64)
        people = self.rows.people
        one = influence if people is None else influence / people[self.sets.kept][:, None]
        return np.asarray(influence.T @ one, np.float64)

    def drift(self) -> tuple[DriftTest, list[DriftTest]] | None:
        """Tests of proportional hazards: of all columns at once, and of each; not of one that moves with time."""
        p = len(self.columns.scale)
        tested = list(range(p) if self.sets.drift is None else range(1, p))
        clock = survival_clock(self.sets.times, self.time, self.event, self.rows.people)
        return drift_tests(self.sets, self.standard, clock, tested) if tested else None

    def concordance(self) -> float | None:
        """Harrell's concordance of the linear predictor with what was observed, within strata; None where it moves."""
        if self.sets.drift is not None:
            return None
        score = self.columns.values @ self.standard
        return concordance(self.time, self.event, score, self.rows)


def fit_cox(
    time: Floats, event: Integers, columns: Floats, names: Sequence[str], ties: Ties, rows: Arrangement | None = None,
    moving: Moving | None = None,
) -> CoxFit:  # fmt: skip
    """Fit rows sorted by stratum and time: `time` and `event` (n,), `columns` (n, p) called `names`; event 1 counts.

    With `moving` the coefficient of the first column changes in proportion to time, or to its logarithm.

    Raises
    ------
    NotEstimable
        When nobody had the event, a column is constant, redundant or the same for all who are compared, or the
        likelihood has no finite maximum.
    """
    rows = rows or Arrangement()
    if not (event == 1).any():
        raise NotEstimable("nobody had the event, so there is no hazard to compare.", (0,))
    standard = standardise(columns, names)
    sets = risk_sets(time, event, standard.values, ties, rows)
    named, clock = list(names), (0.0, 1.0)
    if moving is not None:
        sets, clock = _moving(sets, moving, names[0])
        named.append(f"{names[0]} by time")
    start = np.zeros(len(named))
    null = point(sets, start)
    _refuse_unmoved(null, float(sets.steps.mass.sum()), named, within=rows.stratum is not None)
    try:
        found, there = maximise(lambda at: point(sets, at), start)
    except RunawayError as runaway:
        widest = standard.widest(runaway.step[: columns.shape[1]])
        raise NotEstimable(
            f"the likelihood has no finite maximum: `{widest}`, alone or with other covariates, "
            "separates people with and without the event; leave it out of the covariates.") from None  # fmt: skip
    return CoxFit(standard, sets, found, null.loglik, there, time, event, rows, clock)


def _moving(sets: RiskSets, moving: Moving, name: str) -> tuple[RiskSets, tuple[float, float]]:
    """The first column's coefficient moves with time: the sets, and time's centre and unit."""
    if moving == "log" and (sets.times <= 0).any():
        raise NotEstimable("there are events at time 0, which has no logarithm; choose time_interaction: linear.")
    times = np.log(sets.times) if moving == "log" else sets.times
    centre, unit = float(times.mean()), float(times.std())
    if len(np.unique(times)) < 2:
        raise NotEstimable(f"every event falls at one time, so how the ratio of `{name}` moves cannot be told.")
    value, layer = np.unique(sets.columns[:, 0], return_inverse=True)
    drift = Drift(value, np.asarray(layer, np.int64), (times - centre) / unit)
    return replace(sets, drift=drift), (centre, unit)


def _refuse_unmoved(null: Point, events: float, names: Sequence[str], *, within: bool) -> None:
    """Refuse columns that are the same for all who are compared when the outcome comes, or follow from others."""
    own = np.diag(null.information)
    same = own <= UNMOVED * events
    whom = "everyone at risk in the same stratum" if within else "everyone still at risk"
    if same.any():
        raise NotEstimable(
            f"`{names[int(np.argmax(same))]}` is the same for {whom} when the outcome comes, so it cannot be compared; "
            "leave it out" + (", or choose other strata." if within else "."))  # fmt: skip
    scale = np.sqrt(own)
    repeated = dependent(null.information / np.outer(scale, scale))
    if repeated:
        raise NotEstimable(
            f"`{names[repeated[0]]}` has no information beyond the arm and the covariates before it among {whom} "
            "when the outcome comes; leave it out of the covariates.")  # fmt: skip
