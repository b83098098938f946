"""Figures with so few digits that they tell no number of people: a mean to twelve digits has one denominator alone.

Where a number of people may not be told, the shares, means and standard errors that rest on it are given to three
significant digits, from which numbers of a few hundred and their neighbours look alike.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from evaluation.disclosure.same_people import unadjusted
from evaluation.disclosure.tables import HIDDEN_MESSAGE, blank
from evaluation.results import COUNTS, Row

DIGITS = 3
FIGURES = ("estimate", "std_error", "conf_low", "conf_high", "our_estimate", "our_std_error", "value", "mean",
           "std_dev", "smd", "mean_treated", "mean_control", "std_dev_treated", "std_dev_control",
           "variance_ratio")  # fmt: skip
LOST = ("n_treated", "n_control", "known_treated", "known_control", "analysed_treated", "analysed_control")
BY_COLUMN = ("missing_covariate", "missing_patterns")  # beside the flow, they tell who lacks several values


def short(row: Row, names: Iterable[str] = FIGURES) -> Row:
    """The row with its figures to three significant digits."""
    return {**row, **{n: float(f"{row[n]:.{DIGITS}g}") for n in names if isinstance(row.get(n), float)}}


def uncounted(rows: list[Row]) -> list[Row]:
    """Rows of which the number of people is withheld, with short figures."""
    return [short(r) if r.get("n") is None else r for r in rows]


def plain_analyses(analyses: list[Row], keep: Collection[str] | None) -> set[str]:
    """Analyses whose unadjusted figures would tell their withheld numbers of people."""
    return set() if keep is None else {a["analysis"] for a in analyses if unadjusted(a)} - set(keep)


def of_analyses(rows: list[Row], plain: Collection[str]) -> list[Row]:
    """Rows of such analyses with short figures."""
    return [short(r) if r["analysis"] in plain else r for r in rows]


def attrition(rows: list[Row]) -> list[Row]:
    """Shares of people lost, to a tenth of a point, without the numbers: these are of other people than any table's."""
    shares = ("overall", "differential")
    return [
        {**r, **dict.fromkeys(LOST), **{n: round(r[n], 1) for n in shares if r[n] is not None}} if "overall" in r else r
        for r in rows
    ]


def _short_check(row: Row) -> Row:
    """A share of people lost is as coarse as in the table of those lost, since one more digit tells who entered."""
    if row["check"] == "attrition" and row["statistic"] is not None:
        return {**row, "statistic": round(row["statistic"], 1)}
    return short(row, ("statistic",)) if row.get(COUNTS) else row


def diagnostics(rows: list[Row]) -> list[Row]:
    """Checks that rest on numbers of people with a short statistic; none about the gaps of single columns."""
    short_ones = [_short_check(r) for r in rows]
    return [
        {**blank(r, "diagnostics"), "message": HIDDEN_MESSAGE} if r["check"] in BY_COLUMN else r for r in short_ones
    ]
