"""Cox's partial likelihood with Efron's or Breslow's handling of ties, on sorted arrays.

Every sum over risk sets is a reverse cumulative sum over event times, and the second-moment part of the
information is one weighted cross-product of the rows: no loop over people, and no (times × p × p) array.
Sources: Cox (1972); Breslow (1974); Efron (1977); Therneau & Grambsch (2000, ch. 3) for the residuals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from evaluation.inference.newton import Point

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

Ties = Literal["efron", "breslow"]


@dataclass(frozen=True)
class RiskSets:
    """People sorted by time, and where each stands among the K distinct event times.

    `columns` (n, p); `reached` (n,): number of event times up to the person's own, so that the person is at risk
    at event times 0 … reached - 1. The E events come in the order of time: `event_rows` (E,) are their rows,
    `event_time` (E,) their event time's index, `share` (E,) the part of the tied events' weight that Efron's
    method takes out of the risk set for the event (0 for Breslow).
    """

    columns: Floats
    reached: Integers
    event_rows: Integers
    event_time: Integers
    share: Floats
    n_times: int


def risk_sets(time: Floats, event: Integers, columns: Floats, ties: Ties) -> RiskSets:
    """Arrange people, sorted by time, into risk sets; there must be at least one event (code 1)."""
    import numpy as np

    rows = np.flatnonzero(event == 1)
    times, first, place, tied = np.unique(time[rows], return_index=True, return_inverse=True, return_counts=True)
    rank = np.arange(len(rows)) - first[place]
    share = rank / tied[place] if ties == "efron" else np.zeros(len(rows))
    reached = np.searchsorted(times, time, side="right")
    return RiskSets(columns, reached, rows, place, share, len(times))


@dataclass(frozen=True)
class State:
    """The likelihood's pieces at some coefficients.

    `weight` (n,) is exp of the linear predictor (less its largest value); `denominator` (E,) the weight of the
    risk set seen by each event, `mean` (E, p) the columns' weighted mean in it.
    """

    predictor: Floats
    weight: Floats
    denominator: Floats
    mean: Floats


def _totals(sets: RiskSets, values: Floats) -> Floats:
    """Sum of `values` (n,) over the risk set at each event time (K,)."""
    import numpy as np

    by_time = np.bincount(sets.reached, values, sets.n_times + 1)
    return by_time[:0:-1].cumsum()[::-1]


def state(sets: RiskSets, coefficients: Floats) -> State:
    """The pieces of the likelihood at `coefficients` (p,)."""
    import numpy as np

    predictor = sets.columns @ coefficients
    weight = np.exp(predictor - predictor.max())
    rows, at = sets.event_rows, sets.event_time

    def seen(values: Floats) -> Floats:
        tied = np.bincount(at, values[rows], sets.n_times)
        return _totals(sets, values)[at] - sets.share * tied[at]

    denominator = seen(weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.column_stack([seen(weight * column) / denominator for column in sets.columns.T])
    return State(predictor, weight, denominator, mean)


def by_person(sets: RiskSets, per_event: Floats) -> Floats:
    """Sum of `per_event` (E,) over the events at which each person (n,) was at risk, less Efron's shares."""
    import numpy as np

    total = np.concatenate([[0.0], np.bincount(sets.event_time, per_event, sets.n_times).cumsum()])
    found = total[sets.reached]
    tied = np.bincount(sets.event_time, per_event * sets.share, sets.n_times)
    found[sets.event_rows] -= tied[sets.event_time]
    return found


def information(sets: RiskSets, at: State, scaling: Floats | None = None) -> Floats:
    """Observed information (p, p); each event's part multiplied by `scaling` (E,) where it is given."""
    per_event = 1 / at.denominator if scaling is None else scaling / at.denominator
    second = sets.columns.T @ (sets.columns * (at.weight * by_person(sets, per_event))[:, None])
    mean = at.mean if scaling is None else at.mean * scaling[:, None]
    found: Floats = second - at.mean.T @ mean
    return found


def point(sets: RiskSets, coefficients: Floats) -> Point:
    """Log partial likelihood, score and observed information at `coefficients` (p,)."""
    import numpy as np

    at = state(sets, coefficients)
    with np.errstate(divide="ignore", invalid="ignore"):
        loglik = float((at.predictor[sets.event_rows] - at.predictor.max() - np.log(at.denominator)).sum())
    if not np.isfinite(loglik):
        p = len(coefficients)
        return Point(-np.inf, np.zeros(p), np.zeros((p, p)))
    return Point(loglik, score(sets, at), information(sets, at))


def score(sets: RiskSets, at: State, scaling: Floats | None = None) -> Floats:
    """Score (p,): the events' columns less their expectation; each event multiplied by `scaling` (E,) if given."""
    surprise = sets.columns[sets.event_rows] - at.mean
    found: Floats = surprise.sum(axis=0) if scaling is None else scaling @ surprise
    return found


def score_residuals(sets: RiskSets, at: State) -> Floats:
    """Each person's part (n, p) of the score, the ones at risk included; the columns sum to the score."""
    import numpy as np

    hazard = 1 / at.denominator
    tied = np.bincount(sets.event_time, minlength=sets.n_times)[sets.event_time]
    risk = by_person(sets, hazard)
    residuals = np.empty_like(sets.columns)
    for j, column in enumerate(sets.columns.T):
        residuals[:, j] = -at.weight * (column * risk - by_person(sets, hazard * at.mean[:, j]))
        expected = np.bincount(sets.event_time, at.mean[:, j], sets.n_times)[sets.event_time] / tied
        residuals[sets.event_rows, j] += column[sets.event_rows] - expected
    return residuals
