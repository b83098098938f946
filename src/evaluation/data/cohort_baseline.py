"""Characteristics before the program, by arm: means, spreads and standardised mean differences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.results import Row

if TYPE_CHECKING:
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
    (Austin, 2009); it stands on both arms' rows and is None where nothing varies.
    """
    return [row for name in cohort.covariates for row in _rows(cohort, name)]


def _rows(cohort: Cohort, name: str) -> list[Row]:
    kept = cohort.sql(beside=name)
    found = cohort.source.query(f"SELECT a, x, count(*) FROM {kept} WHERE dropped = 0 GROUP BY a, x ORDER BY a, x")
    sides = {code: _side([(x, n) for a, x, n in found if a == code]) for code in (1, 0)}
    kind = "binary" if all(x in (None, 0.0, 1.0) for _, x, _ in found) else "continuous"
    smd = _smd(sides[1], sides[0])
    return [
        {"covariate": name, "group": group, "n": side.n, "n_missing": side.n_missing, "kind": kind,
         "mean": side.mean, "std_dev": side.std_dev, "smd": smd}
        for group, side in (("treated", sides[1]), ("control", sides[0]))
    ]  # fmt: skip


def _side(counts: list[tuple[float | None, int]]) -> _Side:
    """Moments of values with their counts; exact sums (`fsum`), so that no order matters."""
    known = [(x, n) for x, n in counts if x is not None]
    n = sum(count for _, count in known)
    missing = sum(count for x, count in counts if x is None)
    if n == 0:
        return _Side(0, missing, None, None)
    mean = math.fsum(x * count for x, count in known) / n
    if n == 1:
        return _Side(n, missing, mean, None)
    spread = math.sqrt(math.fsum(count * (x - mean) ** 2 for x, count in known) / (n - 1))
    return _Side(n, missing, mean, spread)


def _smd(treated: _Side, control: _Side) -> float | None:
    if treated.mean is None or control.mean is None or treated.std_dev is None or control.std_dev is None:
        return None
    pooled = math.sqrt((treated.std_dev**2 + control.std_dev**2) / 2)
    return (treated.mean - control.mean) / pooled if pooled > 0 else None
