"""Life tables, Kaplan–Meier curves with Greenwood's variance, and the log-rank test, from counts.

Sources: Kaplan & Meier (1958); Greenwood (1926); Kalbfleisch & Prentice (1980) for the log-log interval;
Mantel (1966) and Peto & Peto (1972) for the log-rank test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from evaluation.inference.intervals import chi_squared_p, critical_value

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


@dataclass(frozen=True)
class Curve:
    """Survival after each time (K,). `std_error`, `low` and `high` are NaN where Greenwood's formula has no value."""

    table: LifeTable
    survival: Floats
    std_error: Floats
    low: Floats
    high: Floats

    def at(self, time: float) -> int | None:
        """Index of the last point at or before `time`; None beyond the last observed time."""
        import numpy as np

        if time > self.table.time[-1]:
            return None
        return int(np.searchsorted(self.table.time, time, side="right")) - 1

    def thinned(self, most: int) -> Curve:
        """The curve at `most` points at most, evenly picked; events and censored count since the point before."""
        import numpy as np

        n = len(self.table.time)
        if n <= most:
            return self
        kept = np.unique(np.linspace(0, n - 1, most).round().astype(np.int64))
        first = np.concatenate([[0], kept[:-1] + 1])
        table = LifeTable(
            self.table.time[kept], self.table.n_risk[kept], np.add.reduceat(self.table.n_event, first),
            np.add.reduceat(self.table.n_censor, first),
        )  # fmt: skip
        return Curve(table, self.survival[kept], self.std_error[kept], self.low[kept], self.high[kept])


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


def kaplan_meier(table: LifeTable, level: float, conf_type: ConfType) -> Curve:
    """The survival curve with pointwise intervals.

    At time 0 without events the band is the point itself. Later, while nobody has had the event (S = 1), and
    once everybody has (S = 0), Greenwood's variance says nothing: there the standard error and the band are NaN.
    """
    import numpy as np

    at_risk, events = table.n_risk.astype(float), table.n_event.astype(float)
    survival = np.cumprod(1 - events / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(events / (at_risk * (at_risk - events)))  # variance of log S
        known = (survival > 0) & (survival < 1)
        std_error = np.where(known, survival * np.sqrt(greenwood), np.nan)
        low, high = band(survival, np.sqrt(greenwood), critical_value(level), conf_type)
    low, high = np.where(known, low, np.nan), np.where(known, high, np.nan)
    if survival[0] == 1.0:
        std_error[0], low[0], high[0] = 0.0, 1.0, 1.0
    return Curve(table, survival, std_error, low, high)


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
