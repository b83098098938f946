"""Life tables, bands around shares without an event, and the log-rank test, from counts.

Sources: Kalbfleisch & Prentice (1980) for the log-log interval; Mantel (1966) and Peto & Peto (1972) for the log-rank
test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from evaluation.inference.intervals import chi_squared_p

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

ConfType = Literal["log-log", "log", "plain"]


@dataclass(frozen=True)
class LifeTable:
    """People at risk just before each distinct time (K,), and those who had the event or left at it."""

    time: Floats
    n_risk: Integers
    n_event: Integers
    n_censor: Integers


def life_table(time: Floats, event: Integers, people: Integers) -> LifeTable:
    """Counts by distinct time, from rows (n,) that stand for `people` each; `event` 1 counts, all else is censored.

    The table begins at time 0 even when nobody leaves there.
    """
    import numpy as np

    times, place = np.unique(np.concatenate([[0.0], time]), return_inverse=True)
    place = place[1:]
    leaving = np.bincount(place, people, len(times)).astype(np.int64)
    events = np.bincount(place, people * (event == 1), len(times)).astype(np.int64)
    return LifeTable(times, leaving[::-1].cumsum()[::-1], events, leaving - events)


def band(survival: Floats, log_std_error: Floats, z: float, conf_type: ConfType) -> tuple[Floats, Floats]:
    """Lower and upper edge of a band around shares without the event (K,), `log_std_error` being that of their logs."""
    import numpy as np

    if conf_type == "log-log":
        reach = z * log_std_error / np.log(survival)  # negative: log S is
        return survival ** np.exp(-reach), survival ** np.exp(reach)
    if conf_type == "log":
        return survival * np.exp(-z * log_std_error), np.minimum(survival * np.exp(z * log_std_error), 1.0)
    reach = z * log_std_error * survival
    return np.maximum(survival - reach, 0.0), np.minimum(survival + reach, 1.0)


@dataclass(frozen=True)
class LogRank:
    """Events observed and expected in the first arm, and the chi-squared statistic on one degree of freedom."""

    observed: int
    expected: float
    statistic: float
    p_value: float


def log_rank(arms: Sequence[LifeTable]) -> LogRank | None:
    """Equality of two survival curves, with the hypergeometric variance; None when there is nothing to compare."""
    import numpy as np

    first, second = arms
    times = np.union1d(first.time[first.n_event > 0], second.time[second.n_event > 0])
    risk_first, risk_second = (_at_risk(a, times) for a in arms)
    events_first, events_second = (_events(a, times) for a in arms)
    at_risk, events = risk_first + risk_second, events_first + events_second
    expected = events * risk_first / at_risk
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.where(at_risk > 1, (at_risk - events) / (at_risk - 1), 0.0)
    variance = float((expected * risk_second / at_risk * spread).sum())
    if variance <= 0:
        return None
    observed = int(events_first.sum())
    statistic = (observed - float(expected.sum())) ** 2 / variance
    return LogRank(observed, float(expected.sum()), statistic, chi_squared_p(statistic, 1))


def _at_risk(table: LifeTable, times: Floats) -> Floats:
    import numpy as np

    padded = np.append(table.n_risk, 0).astype(float)
    found: Floats = padded[np.searchsorted(table.time, times, side="left")]
    return found


def _events(table: LifeTable, times: Floats) -> Floats:
    import numpy as np

    found: Floats = np.zeros(len(times))
    place = np.searchsorted(times, table.time[table.n_event > 0])
    found[place] = table.n_event[table.n_event > 0]
    return found
