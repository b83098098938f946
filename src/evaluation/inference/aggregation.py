"""Means of group-time effects over cohorts and periods, with the uncertainty of the cohort weights.

A mean with cohort weights is a ratio of sums that are themselves estimated; the gradient with respect to effects
and weights carries both uncertainties to the standard error, as the influence functions of R's did do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.data.moments import Floats, Mask
    from evaluation.inference.group_time import GroupTime


@dataclass(frozen=True)
class Mean:
    """A mean of effects: its value, its gradient (K + J,) and the cells (K,) it rests on."""

    value: float
    gradient: Floats
    cells: Mask


def by_cohort_weight(effects: GroupTime, cells: Mask) -> Mean:
    """Mean of some cells (K,), each weighing what its cohort weighs."""
    k = np.flatnonzero(cells)
    of_cell = np.searchsorted(effects.cohorts, effects.cohort[k])
    mass = effects.share[of_cell]
    value = float(mass @ effects.att[k] / mass.sum())
    gradient = np.zeros(effects.size)
    gradient[k] = mass / mass.sum()
    np.add.at(gradient, len(effects.cells) + of_cell, (effects.att[k] - value) / mass.sum())
    return Mean(value, gradient, cells)


def plain(means: Sequence[Mean]) -> Mean:
    """Mean of means, all weighing the same."""
    n = len(means)
    return Mean(
        float(sum(m.value for m in means) / n),
        np.sum([m.gradient for m in means], axis=0) / n,
        np.any([m.cells for m in means], axis=0),
    )


def over_cohorts(effects: GroupTime, means: dict[int, Mean]) -> Mean:
    """Mean of one mean for each cohort, weighing what the cohorts weigh."""
    at = np.searchsorted(effects.cohorts, list(means))
    mass, values = effects.share[at], np.array([m.value for m in means.values()])
    value = float(mass @ values / mass.sum())
    gradient = np.sum([w * m.gradient for w, m in zip(mass / mass.sum(), means.values(), strict=True)], axis=0)
    gradient[len(effects.cells) + at] += (values - value) / mass.sum()
    return Mean(value, gradient, np.any([m.cells for m in means.values()], axis=0))


def of_cell(effects: GroupTime, k: int) -> Mean:
    """A single cell as a mean."""
    gradient = np.zeros(effects.size)
    gradient[k] = 1.0
    return Mean(float(effects.att[k]), gradient, np.arange(len(effects.cells)) == k)
