"""Multiple imputation: completed copies of covariates by chained equations, and Rubin's rules to pool the answers.

Sources: van Buuren and Groothuis-Oudshoorn (2011) for chained equations, as statsmodels draws them (predictive mean
matching); White and Royston (2009) for the cumulative hazard among the predictors; Rubin (1987) for pooling; Barnard
and Rubin (1999) for degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

COPIES = 20
BURN_IN = 10  # cycles before the first copy
APART = 2  # cycles from one copy to the next
NEIGHBOURS = 10  # of whom one lends its value
DEPENDENT = 1e-10  # share of a column's variance left by the columns before it
ALIKE = 1e-10  # difference of two predictions, relative to the largest, below which they are the same


@dataclass(frozen=True)
class Pooled:
    """Answers of all copies as one. `df` None means the normal distribution; `lost` is the share of information that
    missing values cost."""

    estimate: float
    std_error: float
    df: float | None
    lost: float


def pool(estimates: Sequence[float], std_errors: Sequence[float], complete_df: float | None = None) -> Pooled:
    """Rubin's rules over m ≥ 2 copies; `complete_df` are the degrees of freedom that full data would have.

    Raises
    ------
    ValueError
        With fewer than two copies.
    """
    m = len(estimates)
    if m < 2:
        raise ValueError("two copies at least are needed to tell how much they differ")
    within = sum(s * s for s in std_errors) / m
    centre = sum(estimates) / m
    between = sum((e - centre) ** 2 for e in estimates) / (m - 1)
    total = within + (1 + 1 / m) * between
    share = (1 + 1 / m) * between / total
    if share <= 0:
        return Pooled(centre, math.sqrt(total), complete_df, 0.0)
    df = (m - 1) / share**2
    if complete_df is not None:
        observed = (complete_df + 1) / (complete_df + 3) * complete_df * (1 - share)
        df = 1 / (1 / df + 1 / observed)
    return Pooled(centre, math.sqrt(total), df, share)


def nelson_aalen(time: Floats, event: Integers) -> Floats:
    """Cumulative hazard of event 1 at each person's own time (n,), all people taken together."""
    times, place = np.unique(time, return_inverse=True)
    leaving = np.bincount(place, minlength=len(times))
    events = np.bincount(place, event == 1, len(times))
    at_risk = leaving[::-1].cumsum()[::-1]
    found: Floats = np.cumsum(events / at_risk)[place]
    return found


def completed(covariates: Floats, beside: Floats, *, copies: int = COPIES, seed: int = 0) -> Iterator[Floats]:
    """Copies of `covariates` (n, p) in which every NaN is drawn from people like the one who lacks the value.

    `beside` (n, q) is known of everyone (arm, outcome) and predicts. Columns of `beside` that say nothing beyond those
    before them are left out. Each value drawn is one that somebody really has, so that yes/no characteristics stay
    such.
    """
    import pandas as pd

    columns = np.column_stack([covariates, _independent(beside)])
    names = [f"x{j}" for j in range(columns.shape[1])]
    chained = _chained()(pd.DataFrame(columns, columns=names), k_pmm=NEIGHBOURS, rng=np.random.default_rng(seed))
    chained.update_all(BURN_IN)
    for _ in range(copies):
        chained.update_all(APART)
        yield chained.data[names[: covariates.shape[1]]].to_numpy(dtype=np.float64, copy=True)


def _independent(columns: Floats) -> Floats:
    """The columns (n, q) without constants and without those that follow from the columns before them."""
    scaled = _standard(columns)
    kept: list[int] = []
    for j in range(scaled.shape[1]):
        if np.linalg.matrix_rank(scaled[:, [*kept, j]].T @ scaled[:, [*kept, j]] / len(scaled), DEPENDENT) > len(kept):
            kept.append(j)
    return columns[:, kept]


def _standard(columns: Floats) -> Floats:
    """The columns with mean 0 and standard deviation 1; a constant is 0 throughout."""
    centred = columns - columns.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0))
    size = np.abs(columns).max(axis=0, initial=0.0)
    varies = spread > DEPENDENT * size
    found: Floats = np.where(varies, centred / np.where(varies, spread, 1.0), 0.0)
    return found


def _chained() -> Any:
    """statsmodels' chained equations, each column on all others, without a formula to be read at every step.

    The donors are chosen here: statsmodels lets everybody with the same prediction, as all have whose characteristics
    are yes or no, borrow from the same few.
    """
    from statsmodels.imputation.mice import MICEData

    class Chained(MICEData):  # type: ignore[misc]
        def _design(self, vname: str) -> tuple[Floats, Floats]:
            others = _standard(self.data.drop(columns=vname).to_numpy(dtype=np.float64))
            return self.data[vname].to_numpy(dtype=np.float64), np.column_stack([np.ones(len(others)), others])

        def get_fitting_data(self, vname: str) -> tuple[Floats, Floats, dict[str, Any], dict[str, Any]]:
            column, others = self._design(vname)
            known = self.ix_obs[vname]
            scale = float(column[known].std()) or 1.0
            return column[known] / scale, others[known], {}, {}

        def impute_pmm(self, vname: str) -> None:
            column, others = self._design(vname)
            known, gone = self.ix_obs[vname], self.ix_miss[vname]
            predicted = others @ self.params[vname]
            taken = donors(predicted[known], predicted[gone], self.k_pmm, self.rng)
            self._store_changes(vname, column[known][taken])

    return Chained


def donors(known: Floats, wanted: Floats, neighbours: int, generator: np.random.Generator) -> Integers:
    """For each prediction `wanted` (m,) the place in `known` (n,) of one of its nearest `neighbours`, drawn at random;
    where more than these have the very same prediction, of one of all who have it."""
    unit = ALIKE * max(float(np.abs(known).max()), 1e-300)
    known, wanted = np.round(known / unit), np.round(wanted / unit)
    order = np.argsort(known, kind="stable")
    known, k = known[order], min(neighbours, len(known))
    first, last = np.searchsorted(known, wanted, "left"), np.searchsorted(known, wanted, "right")
    among = np.clip(first[:, None] + np.arange(-k, k), 0, len(known) - 1)
    outside = (first[:, None] + np.arange(-k, k) != among).astype(np.float64)
    apart = np.where(outside, np.inf, np.abs(known[among] - wanted[:, None]))
    nearest = np.argsort(apart, axis=1, kind="stable")[:, :k]
    rows = np.arange(len(wanted))
    near = among[rows, nearest[rows, generator.integers(0, k, len(wanted))]]
    tied = first + np.floor(generator.random(len(wanted)) * (last - first)).astype(np.int64)
    found: Integers = order[np.where(last - first >= k, tied, near)]
    return found
