"""How alike the arms are in what is adjusted for, before and after an analysis weighs or matches people.

Differences are in standard deviations of the people as they were (the root of the mean of both arms' variances), the
same unit before and after, so that a change of the difference is no change of the unit. Lines: the What Works
Clearinghouse holds up to 0.05 for alike, up to 0.25 for differences that an adjustment can mend, more for too far
apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.inference.balance import Compared, Side, pooled_unit, side, standardised_difference
from evaluation.results import Balance, Check, ResultSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ALIKE, MENDABLE = 0.05, 0.25
FEW_VALUES = 10  # of a characteristic with as few, figures may tell how many people have each value
MOST_NAMED = 5


def balance(compared: Sequence[Compared], *, randomised: bool) -> ResultSet:
    """Rows for every characteristic and window, and a check for each window; by chance alone, where `randomised`."""
    results = ResultSet()
    for at in compared:
        rows = _rows(at, randomised=randomised)
        results += ResultSet(balance=tuple(rows), checks=(_check(at, rows, randomised=randomised),))
    return results


def _rows(at: Compared, *, randomised: bool) -> list[Balance]:
    rows = []
    for j, name in enumerate(at.names):
        values = at.covariates[:, j]
        before = _sides(values, at, at.mass)
        unit = pooled_unit(*before)
        rows.append(_row(name, "before", values, at, at.mass, before, unit))
        if at.weight is not None and not randomised:
            rows.append(_row(name, "after", values, at, at.weight, _sides(values, at, at.weight), unit))
    return rows


def _sides(values: Floats, at: Compared, weight: Floats) -> tuple[Side, Side]:
    """Treated, comparison."""
    one, zero = at.arm == 1, at.arm == 0
    return side(values[one], weight[one]), side(values[zero], weight[zero])


def _row(name: str, stage: Literal["before", "after"], values: Floats, at: Compared, weight: Floats,
         sides: tuple[Side, Side], unit: float | None) -> Balance:  # fmt: skip
    treated, control = sides
    distinct = np.unique(values)
    binary = bool(np.isin(distinct, (0.0, 1.0)).all())
    ratio = None
    if not binary and treated.std_dev is not None and control.std_dev:
        ratio = treated.std_dev**2 / control.std_dev**2
    asked = distinct if len(distinct) <= FEW_VALUES else None
    counts = [
        int(((values == v) if asked is not None else (weight > 0))[(at.arm == code) & (weight > 0)].sum())
        for code in (1, 0)
        for v in (asked if asked is not None else (0.0,))
    ]
    return Balance(
        name, stage, "binary" if binary else "continuous", treated.mean, control.mean, treated.std_dev,
        control.std_dev, standardised_difference(treated.mean, control.mean, unit), ratio, at.time,
        counts=tuple(counts))  # fmt: skip


def _check(at: Compared, rows: list[Balance], *, randomised: bool) -> Check:
    adjusted = at.weight is not None and not randomised
    last = [r for r in rows if r.stage == ("after" if adjusted else "before") and r.smd is not None]
    largest = max((abs(r.smd) for r in last if r.smd is not None), default=0.0)
    apart = sorted((r for r in last if abs(r.smd or 0.0) > ALIKE), key=lambda r: (-abs(r.smd or 0.0), r.covariate))
    status, message = _words(largest, apart, adjusted=adjusted, regressed=at.regressed, randomised=randomised)
    counts = (int((at.arm == 1).sum()), int((at.arm == 0).sum()))
    return Check("balance", status, message, time=at.time, statistic=largest, threshold=ALIKE, counts=counts)


def _words(largest: float, apart: list[Balance], *, adjusted: bool, regressed: bool, randomised: bool
           ) -> tuple[Literal["pass", "warn", "fail", "info"], str]:  # fmt: skip
    named = ", ".join(f"`{r.covariate}` ({r.smd:+.2f})" for r in apart[:MOST_NAMED])
    named += f" and {len(apart) - MOST_NAMED} more" if len(apart) > MOST_NAMED else ""
    by_model = regressed and not adjusted  # a regression alone: differences are those at baseline, before and after
    after = "After weighting or matching, the arms" if adjusted else "At baseline the arms" if by_model else "The arms"
    if largest <= ALIKE:
        return "pass", f"{after} are alike in every characteristic adjusted for (within {ALIKE:g} standard deviations)."
    differ = f"{after} differ by more than {ALIKE:g} standard deviations in {named}."
    if randomised:
        chance = " The arms were made by lot, so this is chance; the analysis adjusts for it to gain precision."
        return ("info" if largest <= MENDABLE else "warn"), differ + chance
    if by_model:
        return _of_regression(differ, largest)
    if largest > MENDABLE:
        return "fail", f"{differ} More than {MENDABLE:g} is too far apart for an adjustment to be trusted."
    if not regressed:
        return "warn", f"{differ} Up to {MENDABLE:g} a regression on the same characteristics can mend it: see aipw."
    return "pass", f"{differ} Up to {MENDABLE:g} a regression can mend it, which is part of this analysis."


def _of_regression(differ: str, largest: float) -> tuple[Literal["pass", "fail"], str]:
    """What a difference at baseline means where a regression of the outcome is the whole adjustment."""
    stays = f"{differ} A regression leaves the arms as they are and allows for what differs in the outcome."
    if largest <= MENDABLE:
        return (
            "pass",
            f"{stays} From {ALIKE:g} to {MENDABLE:g} such an adjustment is asked for, and this analysis makes it.",
        )
    return "fail", f"{stays} More than {MENDABLE:g} is too far apart for an adjustment to be trusted."
