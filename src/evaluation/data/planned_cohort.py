"""What a planned cohort study may see of its data: who is in which arm and cluster, how far each can be followed.

Outcomes are read for both arms together alone, and not at all where the baseline risk is declared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.data.cohort import Cohort

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]


@dataclass(frozen=True)
class People:
    """People eligible for a window by cluster (G,), treated and comparison; one entry without clusters."""

    treated: Integers
    control: Integers


def eligible(cohort: Cohort, window: float | None) -> People:
    """Who could be followed for the window (everyone, without `follow_up` or window), by arm and cluster."""
    source = cohort.source
    arm = source.value(cohort.arm)
    cluster = source.value(cohort.cluster) if cohort.cluster else "0"
    reach = f"{source.number(cohort.follow_up)} >= {window!r}" if cohort.follow_up and window is not None else "true"
    found = source.arrays(
        f"SELECT {cluster} AS g, count(*) FILTER (a = 1) AS treated, count(*) FILTER (a = 0) AS control FROM "
        f"(SELECT *, CAST({arm} AS INTEGER) AS a FROM {source.scan} WHERE {arm} IS NOT NULL AND {reach}) "
        f"WHERE {cluster} IS NOT NULL GROUP BY 1 ORDER BY 1"
    )
    return People(np.asarray(found["treated"], np.int64), np.asarray(found["control"], np.int64))


@dataclass(frozen=True)
class Pooled:
    """Shares of people of both arms together with the outcome, and with a competing event first."""

    risk: float
    competing: float


def pooled_risks(cohort: Cohort, window: float | None) -> Pooled | None:
    """The shares by the window among those eligible whose outcome is known; None where that is nobody."""
    source = cohort.source
    time, event = source.number(cohort.time), source.number(cohort.event)
    reach = f"{source.number(cohort.follow_up)} >= {window!r}" if cohort.follow_up and window is not None else "true"
    by_then = "true" if window is None else f"{time} <= {window!r}"
    known = "true" if window is None else f"({event} <> 0 OR {time} >= {window!r})"
    people, had, other = source.query(
        f"SELECT count(*), count(*) FILTER ({event} = 1 AND {by_then}), count(*) FILTER ({event} NOT IN (0, 1) AND "
        f"{by_then}) FROM {source.scan} WHERE {reach} AND {known} AND {time} IS NOT NULL AND {event} IS NOT NULL"
    )[0]
    return Pooled(had / people, other / people) if people else None


def arm_r_squared(cohort: Cohort, covariates: list[str]) -> float:
    """Share of the arm's variance that a linear regression on the covariates explains, of people with all values."""
    source = cohort.source
    if not covariates:
        return 0.0
    arm = source.number(cohort.arm)
    columns = [arm, *(source.number(c) for c in covariates)]
    names = ["a", *(f"x{j}" for j in range(len(covariates)))]
    listed = ", ".join(f"{c} AS {n}" for c, n in zip(columns, names, strict=True))
    known = " AND ".join(f"{n} IS NOT NULL" for n in names)
    found = source.arrays(
        f"SELECT * FROM (SELECT {listed} FROM {source.scan}) WHERE {known} ORDER BY {', '.join(names)}"
    )
    values: Floats = np.column_stack([np.asarray(found[n], np.float64) for n in names])
    if len(values) <= len(names):
        return 0.0
    values = values - values.mean(axis=0)
    outcome, design = values[:, 0], values[:, 1:]
    spread = np.sqrt((design**2).mean(axis=0))
    design = design[:, spread > 0] / spread[spread > 0]
    left = outcome - design @ np.linalg.lstsq(design, outcome, rcond=None)[0]
    total = float(outcome @ outcome)
    return 1 - float(left @ left) / total if total > 0 else 0.0
