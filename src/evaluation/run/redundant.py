"""Covariates that tell nothing where an analysis would use them: told before its regression fails on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.errors import Problem, Severity

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort
    from evaluation.data.covariate_spread import Spread
    from evaluation.estimators.base import Estimator
    from evaluation.study.document import Document, Loc
    from evaluation.study.models import CohortDesign

ARMS = {1: "in the treated arm", 0: "in the comparison"}
LARGEST = 1e150  # squares of larger numbers leave what a computer's numbers can hold
SHARE = 1e-6  # of a column's spread: what less of another goes into it is rounding


@dataclass(frozen=True)
class _Fault:
    """A covariate, what is wrong with it, and among whom."""

    column: str
    what: str
    whom: str


def redundant(
    document: Document,
    ready: Mapping[int, CohortDesign],
    estimators: Mapping[int, Estimator],
    cohorts: Mapping[int, Cohort],
) -> Iterator[Problem]:
    """A problem for each covariate that has one value, or follows from the arm and others, among people analysed.

    `ready` and `cohorts` are by the place of the analysis. Told as an error where a primary analysis has no answer for
    it at any window, else as a warning.
    """
    seen: dict[tuple[object, ...], list[tuple[float | None, list[_Fault]]]] = {}
    told: dict[tuple[str, str, Loc], Severity] = {}
    for i, cohort in cohorts.items():
        estimator = estimators[i]
        names = _adjusted(estimator, list(ready[i].covariates))
        if not names or not all(n in cohort.source.columns and cohort.source.is_number(n) for n in names):
            continue  # nothing is adjusted for, or what is named is told of elsewhere
        windows, by_arm = _windows(estimator, cohort), _arms_apart(estimator)
        key = (cohort.time, cohort.event, cohort.follow_up, names, windows, by_arm)
        if key not in seen:
            seen[key] = list(_looked_at(cohort, names, windows, by_arm))
        faulty = [found for _, found in seen[key]]
        unanswered = all(faulty) and document.at(("analyses", i, "role")) == "primary"
        for fault in dict.fromkeys(f for found in faulty for f in found):
            at = (fault.column, f"{fault.what} {fault.whom}", _named(document, i, fault.column))
            told[at] = "error" if unanswered or told.get(at) == "error" else "warning"
    for (_, what, loc), severity in told.items():
        yield document.problem(loc, f"{what}, so analyses that adjust for it have no answer there.",
                               "Leave it out of the covariates.", severity)  # fmt: skip


def _adjusted(estimator: Estimator, declared: list[str]) -> tuple[str, ...]:
    """The covariates of the analysis's regressions."""
    from evaluation.estimators._followed import FollowedOptions
    from evaluation.estimators.risk_difference import RiskDifference

    if isinstance(estimator, RiskDifference):
        return estimator.columns(declared).adjusted
    if isinstance(estimator, FollowedOptions):
        return tuple(estimator.adjusted(declared))
    return tuple(estimator.covariate_columns(declared))


def _windows(estimator: Estimator, cohort: Cohort) -> tuple[float, ...]:
    """Windows at each of which a regression of its own is fitted; none where everyone is in one."""
    from evaluation.estimators.risk_difference import RiskDifference

    if not isinstance(estimator, RiskDifference):
        return ()
    return tuple(sorted(cohort.windows)) if estimator.window is None else (estimator.window,)


def _arms_apart(estimator: Estimator) -> tuple[int, ...]:
    """Arms within which a regression is fitted."""
    if getattr(estimator, "adjust", "") != "aipw":
        return ()
    return (0,) if getattr(estimator, "estimand", None) == "att" else (1, 0)


def _looked_at(
    cohort: Cohort, names: tuple[str, ...], windows: tuple[float, ...], by_arm: tuple[int, ...]
) -> Iterator[tuple[float | None, list[_Fault]]]:
    """What is wrong at each window, or once where there is none."""
    import numpy as np

    from evaluation.data.covariate_spread import spreads

    found = spreads(cohort, names, windows)
    if not all(np.isfinite(s.cross).all() for s in found.values()):
        large = np.max([np.maximum(abs(s.low), abs(s.high)) for s in found.values()], axis=0) > LARGEST
        beyond = [n for n, too_large in zip(names, large, strict=True) if too_large]
        yield None, [_Fault(n, f"`{n}` holds numbers beyond {LARGEST:g}", "among people analysed") for n in beyond]
        return
    looked: list[tuple[int, float | None]] = [*enumerate(windows, 1)]
    for place, window in looked or [(0, None)]:
        whom = "among people analysed" if window is None else f"among people followed for {cohort.span(window)}"
        arms = {code: [s for (arm, reached), s in found.items() if arm == code and reached >= place] for code in ARMS}
        if not all(arms.values()):
            continue  # told as a comparison that is not there
        of_arm = {code: _sum(parts) for code, parts in arms.items()}
        both = _sum([of_arm[code].with_column(float(code)) for code in ARMS])
        faults = list(_faults(both, (cohort.arm, *names), whom))
        for code in by_arm if not faults else ():
            faults += _faults(of_arm[code], names, f"{whom} {ARMS[code]}")
        yield window, faults


def _sum(parts: list[Spread]) -> Spread:
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total


def _faults(spread: Spread, names: tuple[str, ...], whom: str) -> Iterator[_Fault]:
    """Columns without any spread; else those that the columns before them give."""
    import numpy as np

    from evaluation.inference.columns import constant, dependent

    scale = np.sqrt(np.diag(spread.cross) / spread.n)
    same = constant(scale, np.maximum(abs(spread.low), abs(spread.high)))
    for j in same:
        yield _Fault(names[j], f"`{names[j]}` has the same value for everyone", whom)
    if same:
        return
    correlation = spread.cross / spread.n / np.outer(scale, scale)
    following = dependent(correlation)
    for j in following:
        before = [k for k in range(j) if k not in following]
        parts = np.linalg.solve(correlation[np.ix_(before, before)], correlation[before, j])
        of = " and ".join(f"`{names[k]}`" for k, part in zip(before, parts, strict=True) if abs(part) > SHARE)
        yield _Fault(names[j], f"`{names[j]}` follows exactly from {of}", whom)


def _named(document: Document, place: int, column: str) -> Loc:
    """Where the file names a covariate: in the analysis's options, else in the design."""
    option: Loc = ("analyses", place, "options", "covariates")
    for loc in (option, ("design", "covariates")):
        listed = document.at(loc)
        if isinstance(listed, list) and column in listed:
            return (*loc, listed.index(column))
    characteristics = document.at(("design", "characteristics"))
    inside = isinstance(characteristics, dict) and column in characteristics
    return ("design", "characteristics", column) if inside else option[:2]
