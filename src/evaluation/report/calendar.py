"""Calendar periods as a reader knows them: 1983, 2019 Q3, March 2020."""

from __future__ import annotations

from evaluation.report.words import MONTHS
from evaluation.study.models import PanelDesign

LENGTH = {"month": 1, "quarter": 3}  # months


def dated(design: PanelDesign) -> bool:
    """Whether periods are numbers that stand for dates: those of a panel built by month or quarter."""
    return design.build is not None and design.time_unit in LENGTH


def period(design: PanelDesign, value: float) -> str:
    """A period by its date where the study gives one; `1983` for years, else `quarter 12`.

    A panel that was built from tables numbers its months and quarters from 1, at `design.build.first`.
    """
    shown = f"{value:.12g}"
    if design.time_unit == "year":
        return shown
    if design.build is None or not dated(design) or value != int(value):
        return f"{design.time_unit} {shown}"
    first = design.build.first
    index = 12 * first.year + first.month - 1 + (int(value) - 1) * LENGTH[design.time_unit]
    year, month = divmod(index, 12)
    if design.time_unit == "month":
        return f"{MONTHS[month]} {year}"
    return f"{year} Q{month // 3 + 1}" if month % 3 == 0 else _three_months(year, month)


def _three_months(year: int, month: int) -> str:
    """A quarter that begins in no month of a calendar quarter: `February–April 2019`, `December 2019–February 2020`."""
    last = MONTHS[(month + 2) % 12]
    if month + 2 < 12:
        return f"{MONTHS[month]}–{last} {year}"
    return f"{MONTHS[month]} {year}–{last} {year + 1}"
