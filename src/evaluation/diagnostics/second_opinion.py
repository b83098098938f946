"""The same figures from other people's code: what linearmodels or statsmodels make of an analysis.

Regressions are built anew from the rows of the data (or, where they are too many, from cells), by the definition
of the method and not by this project's code for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.results import Check, Estimate, Opinion, ResultSet

if TYPE_CHECKING:
    from evaluation.diagnostics.case import Case
    from evaluation.diagnostics.recomputed import Key, Recomputed

TOLERANCE = 1e-6  # of the estimate, or of its standard error where that is larger


@dataclass(frozen=True)
class Again:
    """A library's figure, its standard error (None where it has none), and how that one is reckoned."""

    value: float
    std_error: float | None
    convention: str


def second_opinion(case: Case) -> ResultSet:
    """Every figure of a panel's analysis that can be recomputed, beside ours; and a check of whether they agree.

    Methods that no library here computes get nothing.
    """
    from evaluation.diagnostics.second_designs import regression

    made = regression(case)
    if made is None:
        return ResultSet()
    again = made.fit(made)
    return beside(case.results, again.library, {key: _combined(again, parts) for key, parts in made.estimates.items()})


def _combined(again: Recomputed, parts: dict[str, float]) -> Again:
    """A combination of coefficients."""
    import numpy as np

    names, share = list(parts), np.array(list(parts.values()))
    value = float(share @ again.coefficients[names].to_numpy())
    error = None
    if again.covariance is not None:
        variance = float(share @ again.covariance.loc[names, names].to_numpy() @ share)
        error = float(np.sqrt(max(variance, 0.0)))  # rounding can leave one just below zero
    return Again(value, error, again.convention)


def beside(results: ResultSet, library: str, again: Mapping[Key, Again]) -> ResultSet:
    """A library's figures, by term, group and time, beside ours; and a check of whether they agree.

    Agreement is to 1e-6 of the estimate, or of its standard error where that is larger: a coefficient near zero
    has few digits to agree in.
    """
    ours = {(e.term, e.group, e.time): e for e in results.estimates}
    ours_by = {(i.term, i.group, i.time): i.method for i in reversed(results.inference)}  # the headline's comes first
    rows = tuple(_beside(ours[key], library, other, ours_by.get(key, "")) for key, other in again.items())
    return ResultSet(opinions=rows, checks=(_judged(rows, library),)) if rows else ResultSet()


def _beside(mine: Estimate, library: str, other: Again, convention: str) -> Opinion:
    size = max(abs(mine.estimate or 0.0), mine.std_error or 0.0)
    apart = abs(other.value - (mine.estimate or 0.0)) / size if size else 0.0
    return Opinion(
        mine.term, library, other.convention, "agrees" if apart <= TOLERANCE else "differs", mine.group, mine.time,
        other.value, other.std_error, mine.estimate, mine.std_error, apart, convention, mine.counts)  # fmt: skip


def unavailable(results: ResultSet, library: str, reason: str) -> ResultSet:
    """That a library comes to no answer of its own, for a reason given as a sentence."""
    found = [e for e in results.estimates if e.status == "ok"]
    rows = tuple(
        Opinion(e.term, library, "", "unavailable", e.group, e.time, our_estimate=e.estimate,
                our_std_error=e.std_error, counts=e.counts)
        for e in found
    )  # fmt: skip
    counts = tuple(sorted({n for r in rows for n in r.counts}))
    return ResultSet(opinions=rows, checks=(Check("second_opinion", "info", reason, counts=counts),))


def _judged(rows: tuple[Opinion, ...], library: str) -> Check:
    worst = max(rows, key=lambda r: r.relative_difference or 0.0)
    counts = tuple(sorted({n for r in rows for n in r.counts}))
    figures: dict[str, Any] = {"statistic": worst.relative_difference, "threshold": TOLERANCE, "counts": counts}
    if worst.status == "agrees":
        message = f"{library} comes to the same estimate{'' if len(rows) == 1 else 's'} on the same data."
        return Check("second_opinion", "pass", message, **figures)
    message = (
        f"{library} comes to another estimate on the same data ({worst.estimate:.6g} where this report has "
        f"{worst.our_estimate:.6g}): neither should be relied on until the reason is found."
    )
    return Check("second_opinion", "fail", message, **figures)
