"""Differences before adoption: the leads of a regression among untreated observations, and their joint test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evaluation.errors import NotEstimable
from evaluation.estimators._regression import Made, Regression
from evaluation.results import Check, Estimate, not_estimable

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Mask, PanelMoments
    from evaluation.inference.imputation import Imputation

LEAD = "Difference before adoption, among untreated observations, relative to the last period before"


def leads(found: Imputation, anticipation: int, conf_level: float) -> tuple[list[Made], Sequence[Check]]:
    """Coefficients of the periods before adoption in a regression on untreated cells, and their joint test."""
    import numpy as np

    from evaluation.estimators._did import counts_of
    from evaluation.inference.imputation import untreated_part
    from evaluation.inference.two_way import two_way

    moments = untreated_part(found)
    cohorts, of_row = np.unique(moments.cohort, return_inverse=True)
    adopts = (cohorts != 0) & (cohorts <= found.moments.times[-1])
    since = moments.times - cohorts[:, None]
    seen = moments.observed & adopts[of_row][:, None]
    times = np.unique(since[of_row][seen]).tolist()[::-1]
    reference = -1 - anticipation
    if reference not in times:
        return [], _untested()
    at = {e: (seen & (since == e)[of_row]).any(axis=1) for e in times}
    base = Made(Estimate("event", LEAD, 0.0, time=float(reference), status="reference",
                         conf_level=conf_level, **counts_of(moments, at.pop(reference))))  # fmt: skip
    if not at:
        return [base], _untested()
    try:
        fit = two_way(moments, ((since[:, :, None] == np.array(list(at))) & adopts[:, None, None]).astype(np.float64))
    except NotEstimable as none:
        return [base, *(_no_lead(e, str(none), rows, moments) for e, rows in at.items())], _untested()
    regression = Regression(moments, fit, conf_level)
    made, tested = [base], []
    for k, (e, rows) in enumerate(at.items()):
        if not fit.identified[k]:
            made.append(_no_lead(e, "It cannot be told apart from the other periods before adoption.", rows, moments))
            continue
        one: Floats = np.eye(len(at))[k]
        what = f"The coefficient at {e} periods since adoption"
        made.append(regression.figure("event", LEAD, one, rows, what=what, time=float(e)))
        tested.append((one, rows))
    return made, (regression.pretrends(tested),)


def _no_lead(event: int, reason: str, rows: Mask, moments: PanelMoments) -> Made:
    from evaluation.estimators._did import counts_of

    row, check = not_estimable("event", LEAD, reason, counts_of(moments, rows)["counts"], time=float(event))
    return Made(row, (), (check,))


def _untested() -> tuple[Check, ...]:
    from evaluation.inference.rule import pretrends_check

    return (pretrends_check(None, 0, trusted=True, counts=()),)
