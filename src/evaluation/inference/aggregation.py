"""Means of group-time effects over cohorts and periods, with the uncertainty of the cohort weights.

A mean with cohort weights is a ratio of sums that are themselves estimated; the gradient with respect to effects
and weights carries both uncertainties to the standard error, as the influence functions of R's did do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.group_time_errors import Combination

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.data.moments import Integers, Mask
    from evaluation.inference.group_time import GroupTime


@dataclass(frozen=True, eq=False)
class Mean:
    """A mean of effects: its value, its gradient over the K effects and J shares, and the cells it rests on."""

    value: float
    gradient: Combination
    cells: Integers  # their places, ascending


def by_cohort_weight(effects: GroupTime, cells: Mask) -> Mean:
    """Mean of some cells (K,), each weighing what its cohort weighs."""
    k = np.flatnonzero(cells)
    cohorts, of_cell = np.unique(np.searchsorted(effects.cohorts, effects.cohort[k]), return_inverse=True)
    mass = effects.share[cohorts][of_cell]
    total = mass.sum()
    value = float(mass @ effects.att[k] / total)
    drift = np.bincount(of_cell, effects.att[k] - value) / total
    places = np.r_[k, len(effects.cells) + cohorts]
    return Mean(value, Combination(places, np.r_[mass / total, drift]), k)


def plain(means: Sequence[Mean]) -> Mean:
    """Mean of means, all weighing the same."""
    n = len(means)
    gradient = Combination.sum([m.gradient.times(1 / n) for m in means])
    return Mean(float(sum(m.value for m in means) / n), gradient, _cells(means))


def over_cohorts(effects: GroupTime, means: dict[int, Mean]) -> Mean:
    """Mean of one mean for each cohort, weighing what the cohorts weigh."""
    at = np.searchsorted(effects.cohorts, list(means))
    mass, values = effects.share[at], np.array([m.value for m in means.values()])
    value = float(mass @ values / mass.sum())
    parts = [m.gradient.times(w) for w, m in zip((mass / mass.sum()).tolist(), means.values(), strict=True)]
    drift = Combination(len(effects.cells) + at, (values - value) / mass.sum())
    return Mean(value, Combination.sum([*parts, drift]), _cells(list(means.values())))


def of_cell(effects: GroupTime, k: int) -> Mean:
    """A single cell as a mean."""
    place = np.array([k])
    return Mean(float(effects.att[k]), Combination(place, np.ones(1)), place)


def _cells(means: Sequence[Mean]) -> Integers:
    return np.unique(np.concatenate([m.cells for m in means]))
