"""Whether both arms were followed alike: for how long they could be and were, and whether one was left sooner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.inference.survival import LogRank, life_table, log_rank
from evaluation.results import Check, ResultSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.data.cohort import CohortRows
    from evaluation.diagnostics.cohort import CohortCase

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

ALPHA = 0.05
ALIKE = (0.9, 1.1)  # ratio of the arms' rates of leaving that is no cause for concern, however many people there are
ARMS = {1: "treated", 0: "comparison"}


def follow_up(case: CohortCase) -> ResultSet:
    """Medians of the follow-up possible and observed in each arm; and a log-rank test of leaving in place of events."""
    rows = case.cohort.counts()
    if not all((rows.arm == code).any() for code in ARMS):
        return ResultSet()
    return ResultSet(checks=(_lengths(case, rows), *_leaving(rows)))


def _lengths(case: CohortCase, rows: CohortRows) -> Check:
    observed = [_median(rows.time, rows, code) for code in ARMS]
    message = f"Half of the treated were observed for {_shown(case, observed[0])} or longer, half of the comparison "
    message += f"for {_shown(case, observed[1])}"
    apart = observed
    if rows.follow_up is not None:
        possible = [_median(rows.follow_up, rows, code) for code in ARMS]
        message += (
            f"; up to the end of the data, whatever happened to them, they could be followed for "
            f"{_shown(case, possible[0])} and {_shown(case, possible[1])}"
        )
        apart = possible
    message += " (medians)."
    difference = None if apart[0] is None or apart[1] is None else apart[0] - apart[1]
    people = tuple(int(rows.people[rows.arm == code].sum()) for code in ARMS)
    return Check("follow_up_length", "info", message, statistic=difference, counts=people)


def _shown(case: CohortCase, median: float | None) -> str:
    return "an unknown time" if median is None else case.span(float(f"{median:.3g}"))


def _median(values: Floats, rows: CohortRows, code: int) -> float | None:
    """Weighted by people; the least value at which half of the people with a value are reached."""
    of_arm = (rows.arm == code) & ~np.isnan(values)
    order = np.argsort(values[of_arm], kind="stable")
    people = rows.people[of_arm][order].cumsum()
    if not len(people):
        return None
    return float(values[of_arm][order][np.searchsorted(people, people[-1] / 2)])


def _leaving(rows: CohortRows) -> tuple[Check, ...]:
    left = [int(rows.people[(rows.arm == code) & (rows.event == 0)].sum()) for code in ARMS]
    people = [int(rows.people[rows.arm == code].sum()) for code in ARMS]
    counts = (*left, *(n - k for n, k in zip(people, left, strict=True)))
    found = _compared(rows)
    if found is None:  # whoever left did so when nobody of the other arm was there to leave, or all at once
        message = "Nobody left sooner than the others."
        return (Check("differential_follow_up", "pass", message, threshold=ALPHA, counts=counts),)
    expected = sum(left) - found.expected
    ratio = found.observed / found.expected / (left[1] / expected) if left[1] and expected > 0 else np.inf
    far = not ALIKE[0] <= ratio <= ALIKE[1]
    status: Literal["pass", "warn"] = "warn" if found.p_value < ALPHA and far else "pass"
    if status == "warn":
        sooner = "treated" if ratio > 1 else "comparison"
        message = (
            f"Follow-up ended sooner in the {sooner} group than in the other (log-rank test of the end of follow-up). "
            "People who entered later, moved away or withdrew are seen for less time; where that goes with the "
            "outcome, curves and hazards are off. Risks by a window count those alone who could be followed that long."
        )
    else:
        message = "Follow-up ended about alike in both groups (log-rank test of the end of follow-up)."
    return (Check("differential_follow_up", status, message, statistic=found.statistic, df=1, p_value=found.p_value,
                  threshold=ALPHA, counts=counts),)  # fmt: skip


def _compared(rows: CohortRows) -> LogRank | None:
    """The log-rank test with leaving as the event. Who has an event at a time is gone when others leave at it."""
    leaves = rows.event == 0
    _, rank = np.unique(rows.time, return_inverse=True)
    place = (2 * rank + leaves).astype(np.float64)  # ranks: the test asks for the order of times alone
    tables = [life_table(place[of], leaves[of].astype(np.int64), rows.people[of])
              for of in (rows.arm == code for code in ARMS)]  # fmt: skip
    return log_rank(tables)
