"""Characteristics before the program, by arm: means, spreads and standardised mean differences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.results import COUNTS, Row

FEW_VALUES = 10  # of a characteristic with as few, mean and spread may tell how many people have each value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.data.cohort import Cohort


@dataclass(frozen=True)
class _Side:
    """One covariate in one arm."""

    n: int
    n_missing: int
    mean: float | None
    std_dev: float | None


def baseline(cohort: Cohort) -> list[Row]:
    """A row per covariate and arm, of the people whose arm, time and event are known.

    The standardised mean difference is the difference in means over the root of the mean of both arms' variances
    (Austin, 2009); it stands on both arms' rows and is None where nothing varies. For disclosure control a row of a
    covariate with few different values holds the number of people at each (`COUNTS`).
    """
    return [row for name in cohort.covariates for row in _rows(cohort, name)]


def _rows(cohort: Cohort, name: str) -> list[Row]:
    import numpy as np

    found = cohort.source.arrays(  # sorted, so that no sum depends on the order of the rows
        f"SELECT a, x, count(*) AS n FROM {cohort.sql(beside=name)} WHERE dropped = 0 GROUP BY a, x ORDER BY a, x"
    )
    values, people = np.ma.filled(found["x"], np.nan), np.asarray(found["n"])
    sides = {code: _side(values[found["a"] == code], people[found["a"] == code]) for code in (1, 0)}
    known = values[~np.isnan(values)]
    distinct = np.unique(known)
    kind = "binary" if np.isin(distinct, (0.0, 1.0)).all() else "continuous"
    smd = _smd(sides[1], sides[0])
    return [
        {"covariate": name, "group": group, "n": side.n, "n_missing": side.n_missing, "kind": kind,
         "mean": side.mean, "std_dev": side.std_dev, "smd": smd,
         COUNTS: _at_each(distinct, values[found["a"] == code], people[found["a"] == code])}
        for group, code, side in (("treated", 1, sides[1]), ("control", 0, sides[0]))
    ]  # fmt: skip


def _at_each(distinct: NDArray[np.float64], values: NDArray[np.float64], people: NDArray[np.int64]) -> tuple[int, ...]:
    """People at each of the covariate's few values; nothing where it has many."""
    return tuple(int(people[values == v].sum()) for v in distinct) if len(distinct) <= FEW_VALUES else ()


def _side(values: NDArray[np.float64], people: NDArray[np.int64]) -> _Side:
    """Moments of distinct values, NaN where missing, with how many people have each."""
    import numpy as np

    known = ~np.isnan(values)
    missing = int(people[~known].sum())
    values, people = values[known], people[known]
    n = int(people.sum())
    if n == 0:
        return _Side(0, missing, None, None)
    mean = float((values * people).sum()) / n
    if n == 1:
        return _Side(n, missing, mean, None)
    return _Side(n, missing, mean, math.sqrt(float((people * (values - mean) ** 2).sum()) / (n - 1)))


def _smd(treated: _Side, control: _Side) -> float | None:
    if treated.mean is None or control.mean is None or treated.std_dev is None or control.std_dev is None:
        return None
    pooled = math.sqrt((treated.std_dev**2 + control.std_dev**2) / 2)
    return (treated.mean - control.mean) / pooled if pooled > 0 else None
