"""People lost to the analysis, by arm and window, against the What Works Clearinghouse's boundary.

Lost is who entered an arm and could have been followed to the end of the window, but is not among those on whom the
answer rests with a known outcome. There are three reasons, and each person is counted for the first that holds: a time,
event, cluster or weight is not recorded; they left before the window's end; or their outcome is known, but a
characteristic that the analysis adjusts for is not, so that complete cases leave them out. Whose index date is too near
the end of the data is not lost: the calendar decides, and no one is eligible for that window.
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
ARMS = ("treated", "comparison")
Status = Literal["pass", "warn", "fail", "info"]


@dataclass(frozen=True)
class _Window:
    """People of both arms (treated, comparison) at one window; None is the whole follow-up.

    Who entered, of those who is `recorded`, of those whose outcome by the window is `known`, and of those who is
    `analysed`; `unassigned` are people of whom no arm is recorded.
    """

    window: float | None
    entered: tuple[int, int]
    recorded: tuple[int, int]
    known: tuple[int, int]
    analysed: tuple[int, int]
    too_recent: int
    unassigned: int

    @property
    def lost(self) -> int:
        return sum(self.entered) - sum(self.analysed)

    @property
    def reasons(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Why people are lost, and how many by arm."""
        steps = (self.entered, self.recorded, self.known, self.analysed)
        why = (
            "an outcome, time, cluster or weight that is not recorded",
            "follow-up that ended before",
            "a characteristic that is not recorded and that the analysis adjusts for (complete cases)",
        )
        for reason, before, after in zip(why, steps[:-1], steps[1:], strict=True):
            yield reason, (before[0] - after[0], before[1] - after[1])

    @property
    def counts(self) -> tuple[int, ...]:
        """People analysed and lost for each reason, by arm, for disclosure control."""
        gone = (n for _, lost in self.reasons for n in lost)
        return (*self.analysed, *gone, *(n for n in (self.too_recent, self.unassigned) if n))


def attrition(case: CohortCase) -> ResultSet:
    """A row and a sentence for each window of the analysis, and what remains alike where a trial lost many."""
    found = [w for window in _windows(case) for w in _counted(case, window) if all(w.entered)]
    rated = [(w, loss(w.entered, w.analysed)) for w in found]
    checks = [_check(case, w, reckoned) for w, reckoned in rated]
    if case.cohort.assignment == "randomised":
        checks += [c for w, reckoned in rated if reckoned.cautious == "high" for c in _remaining(case, w)]
    return ResultSet(attrition=tuple(_row(w, reckoned) for w, reckoned in rated), checks=tuple(checks))


def _windows(case: CohortCase) -> list[float | None]:
    """The windows of the analysis's estimates, else the design's, else the whole follow-up."""
    own = [e.time for e in case.main if e.time is not None]
    return [*dict.fromkeys(own)] or list(case.cohort.windows) or [None]


@dataclass(frozen=True)
class _Conditions:
    """SQL of who could be followed for a window, and of those who is recorded, known and analysed."""

    eligible: str
    recorded: str
    known: str
    analysed: str


def _conditions(case: CohortCase, window: float | None) -> _Conditions:
    cohort = case.cohort
    number = cohort.source.number
    needed = [c for c in (cohort.time, cohort.event, cohort.cluster, cohort.weights) if c]
    reach = number(cohort.follow_up) if cohort.follow_up else ""
    until = f"{window!r}" if window is not None else reach
    left = f"({number(cohort.event)} = 0 AND {number(cohort.time)} < {until})" if until else "false"
    eligible, recorded = "true", _present(cohort, needed)
    if reach:
        # Where the builder could not follow someone at all, the data do not reach their index date.
        unknown = "false" if cohort.built else "true"
        eligible = f"coalesce({reach} >= {window or 0.0!r}, {unknown})"
        recorded += f" AND {reach} IS NOT NULL"
    recorded = f"{eligible} AND {recorded}"
    known = f"{recorded} AND NOT coalesce({left}, true)"
    described = _present(cohort, case.covariates)
    return _Conditions(eligible, recorded, known, f"{known} AND {described}" if described else known)


def _present(cohort: Cohort, columns: list[str]) -> str:
    return " AND ".join(f"{cohort.source.value(c)} IS NOT NULL" for c in columns)


def _counted(case: CohortCase, window: float | None) -> Iterator[_Window]:
    at, source = _conditions(case, window), case.cohort.source
    arm = source.value(case.cohort.arm)
    asked = (at.eligible, at.recorded, at.known, at.analysed, f"NOT {at.eligible}")
    counted = ", ".join(f"count(*) FILTER ({condition})" for condition in asked)
    rows = source.query(f"SELECT CAST({arm} AS INTEGER), {counted} FROM {source.scan} GROUP BY 1")
    by_arm = {code: [int(n) for n in numbers] for code, *numbers in rows}
    if {0, 1} <= by_arm.keys():
        entered, recorded, known, analysed, recent = zip(by_arm[1], by_arm[0], strict=True)
        unassigned = by_arm.get(None, [0])[0]
        yield _Window(window, entered, recorded, known, analysed, sum(recent), unassigned)


def _row(at: _Window, found: Loss) -> Attrition:
    return Attrition(at.window, *at.entered, *at.known, *at.analysed, found.overall, found.differential,
                     found.bound.cautious, found.bound.optimistic, found.cautious, found.optimistic)  # fmt: skip


def _check(case: CohortCase, at: _Window, found: Loss) -> Check:
    when = "By the end of follow-up" if at.window is None else f"By {case.span(at.window)}"
    if not at.lost:
        message = f"{when} nobody who entered is lost to the analysis."
    else:
        message = (
            f"{when} {found.overall:.1f} % of those who entered are lost to the analysis, with a difference of "
            f"{found.differential:.1f} percentage points between the groups: {_why(at)}. {_judged(case, found)}"
        )
    if at.too_recent and at.window is not None:
        message += f" Who entered too late to be followed for {case.span(at.window)} is not counted as lost."
    if at.unassigned:
        message += " People whose group is not recorded are lost as well, and are counted in neither."
    if sum(at.recorded) > sum(at.known) and case.cohort.follow_up is None:
        message += (
            " The data do not say how far each person could be followed, so the end of the data counts as a loss."
        )
    return Check("attrition", _status(case, found), message, time=at.window, statistic=found.overall,
                 threshold=found.bound.cautious, counts=at.counts)  # fmt: skip


def _why(at: _Window) -> str:
    """The reasons for which people are lost, each with its share of those who entered, in all and by arm."""
    told = []
    for reason, lost in at.reasons:
        if sum(lost):
            shares = (f"{100 * k / n:.1f} % of the {arm}" for k, n, arm in zip(lost, at.entered, ARMS, strict=True))
            told.append(f"{100 * sum(lost) / sum(at.entered):.1f} % for {reason} ({', '.join(shares)})")
    return "; ".join(told)


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
    """Whether those who are analysed are alike in what was recorded before the program."""
    from evaluation.data.cohort import baseline

    sizes = dict(_differences(baseline(case.cohort.restricted(_conditions(case, at.window).analysed))))
    if not sizes:
        return []
    worst = max(sizes, key=lambda name: abs(sizes[name]))
    open_ = [n for n, g in sizes.items() if abs(g) > SATISFIED and n not in case.covariates]
    far = [n for n, g in sizes.items() if abs(g) > TOO_FAR]
    status: Status = "fail" if far else "warn" if open_ else "pass"
    size = f"{sizes[worst]:.2f} standard deviations"
    what = f"Among those analysed with a known outcome, the groups differ most in {worst} ({size})"
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
