"""People whose outcome is lost, by arm and window, against the What Works Clearinghouse's boundary.

Lost is who entered an arm and could have been followed to the end of the window, but of whom nobody knows whether the
outcome came by then: a time, event, cluster or weight is missing, or they left before. Whose index date is too near the
end of the data is not lost: the calendar decides, and no one is eligible for that window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from evaluation.inference.attrition import Loss, loss
from evaluation.inference.effect_sizes import Moments, cox_index, hedges_g
from evaluation.results import Attrition, Check, ResultSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from evaluation.data.cohort import Cohort
    from evaluation.diagnostics.cohort import CohortCase
    from evaluation.results import Row

SATISFIED, TOO_FAR = 0.05, 0.25  # differences in standard deviations: What Works Clearinghouse, baseline equivalence
Status = Literal["pass", "warn", "fail", "info"]


@dataclass(frozen=True)
class _Window:
    """People of both arms (treated, comparison) at one window; None is the whole follow-up."""

    window: float | None
    entered: tuple[int, int]
    known: tuple[int, int]
    too_recent: int

    @property
    def lost(self) -> int:
        return sum(self.entered) - sum(self.known)

    @property
    def counts(self) -> tuple[int, ...]:
        """People of whom the outcome is known and lost, by arm, for disclosure control."""
        gone = (n - k for n, k in zip(self.entered, self.known, strict=True))
        return (*self.known, *gone, *((self.too_recent,) if self.too_recent else ()))


def attrition(case: CohortCase) -> ResultSet:
    """A row and a sentence for each window of the analysis, and what remains alike where a trial lost many."""
    found = [w for window in _windows(case) for w in _counted(case.cohort, window) if all(w.entered)]
    rated = [(w, loss(w.entered, w.known)) for w in found]
    checks = [_check(case, w, reckoned) for w, reckoned in rated]
    if case.cohort.assignment == "randomised":
        checks += [c for w, reckoned in rated if reckoned.cautious == "high" for c in _remaining(case, w)]
    return ResultSet(attrition=tuple(_row(w, reckoned) for w, reckoned in rated), checks=tuple(checks))


def _windows(case: CohortCase) -> list[float | None]:
    """The windows of the analysis's estimates, else the design's, else the whole follow-up."""
    own = [e.time for e in case.main if e.time is not None]
    return [*dict.fromkeys(own)] or list(case.cohort.windows) or [None]


def _conditions(cohort: Cohort, window: float | None) -> tuple[str, str]:
    """SQL of who could be followed for the window, and of whom the outcome by then is known."""
    value, number = cohort.source.value, cohort.source.number
    needed = [c for c in (cohort.time, cohort.event, cohort.cluster, cohort.weights) if c]
    whole = " AND ".join(f"{value(c)} IS NOT NULL" for c in needed)
    reach = number(cohort.follow_up) if cohort.follow_up else ""
    until = f"{window!r}" if window is not None else reach
    left = f"({number(cohort.event)} = 0 AND {number(cohort.time)} < {until})" if until else "false"
    eligible = "true"
    if reach:
        # Where the builder could not follow someone at all, the data do not reach their index date.
        unknown = "false" if cohort.built else "true"
        eligible = f"coalesce({reach} >= {window or 0.0!r}, {unknown})"
        whole += f" AND {reach} IS NOT NULL"
    return eligible, f"{whole} AND NOT coalesce({left}, true)"


def _counted(cohort: Cohort, window: float | None) -> Iterator[_Window]:
    eligible, known = _conditions(cohort, window)
    arm = cohort.source.value(cohort.arm)
    rows = cohort.source.query(
        f"SELECT CAST({arm} AS INTEGER), count(*) FILTER ({eligible}), count(*) FILTER ({eligible} AND {known}), "
        f"count(*) FILTER (NOT {eligible}) FROM {cohort.source.scan} WHERE {arm} IS NOT NULL GROUP BY 1"
    )
    by_arm = {code: (int(entered), int(sure), int(recent)) for code, entered, sure, recent in rows}
    if {0, 1} <= by_arm.keys():
        one, zero = by_arm[1], by_arm[0]
        yield _Window(window, (one[0], zero[0]), (one[1], zero[1]), one[2] + zero[2])


def _row(at: _Window, found: Loss) -> Attrition:
    return Attrition(at.window, *at.entered, *at.known, found.overall, found.differential, found.bound.cautious,
                     found.bound.optimistic, found.cautious, found.optimistic)  # fmt: skip


def _check(case: CohortCase, at: _Window, found: Loss) -> Check:
    when = "By the end of follow-up" if at.window is None else f"By {case.span(at.window)}"
    if not at.lost:
        message = f"{when} nobody's outcome is lost."
    else:
        message = (
            f"{when} the outcome of {found.overall:.1f} % of those who entered is lost, with a difference of "
            f"{found.differential:.1f} percentage points between the groups. {_judged(case, found)}"
        )
    if at.too_recent and at.window is not None:
        message += f" Who entered too late to be followed for {case.span(at.window)} is not counted as lost."
    if at.lost and case.cohort.follow_up is None:
        message += (
            " The data do not say how far each person could be followed, so the end of the data counts as a loss."
        )
    return Check("attrition", _status(case, found), message, time=at.window, statistic=found.overall,
                 threshold=found.bound.cautious, counts=at.counts)  # fmt: skip


def _status(case: CohortCase, found: Loss) -> Status:
    if case.cohort.assignment != "randomised":
        return "info"
    if found.cautious == "low":
        return "pass"
    return "warn" if found.optimistic == "low" else "fail"


def _judged(case: CohortCase, found: Loss) -> str:
    if case.cohort.assignment != "randomised":
        return "The groups were not formed by chance, so what counts is whether those who remain are alike."
    by = "by the What Works Clearinghouse's boundary"
    if found.cautious == "low":
        return f"That is little {by}: it can hardly have undone what chance made alike."
    if found.optimistic == "low":
        return (
            f"That is much {by} where the program itself may make people leave, and little where it does not. Who "
            "remains may differ between the groups."
        )
    return f"That is much {by}: who remains may differ between the groups, so that the trial counts as a comparison."


# --------------------------------------------------------------------------- those who remain


def _remaining(case: CohortCase, at: _Window) -> list[Check]:
    """Whether those whose outcome is known are alike in what was recorded before the program."""
    from evaluation.data.cohort import baseline

    eligible, known = _conditions(case.cohort, at.window)
    sizes = dict(_differences(baseline(case.cohort.restricted(f"{eligible} AND {known}"))))
    if not sizes:
        return []
    worst = max(sizes, key=lambda name: abs(sizes[name]))
    open_ = [n for n, g in sizes.items() if abs(g) > SATISFIED and n not in case.covariates]
    far = [n for n, g in sizes.items() if abs(g) > TOO_FAR]
    status: Status = "fail" if far else "warn" if open_ else "pass"
    size = f"{sizes[worst]:.2f} standard deviations"
    what = f"Among those whose outcome is known, the groups differ most in {worst} ({size})"
    if far:
        message = f"{what}: too much for an adjustment to be trusted."
    elif open_:
        message = f"{what}. Differences above {SATISFIED} ask for an adjustment that this analysis does not make."
    else:
        message = f"{what}: small, or adjusted for."
    return [Check("equivalence_after_loss", status, message, time=at.window, statistic=sizes[worst],
                  threshold=TOO_FAR, counts=at.counts)]  # fmt: skip


def _differences(rows: list[Row]) -> Iterator[tuple[str, float]]:
    """Each characteristic's difference in standard deviations: Hedges' g, or the Cox index of shares."""
    for one, zero in zip(rows[::2], rows[1::2], strict=True):
        if one["std_dev"] is None or zero["std_dev"] is None:
            continue
        if one["kind"] == "binary":
            size = cox_index(one["mean"], zero["mean"], one["n"] + zero["n"])
        else:
            size = hedges_g(*(Moments(r["n"], r["mean"], r["std_dev"]) for r in (one, zero)))
        if size is not None:
            yield one["covariate"], size
