"""Differences by time since adoption, with the periods before it shaded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from evaluation.report.figures.figure import ASIDE, PROGRAM, QUIET, SHADE, Cell, Figure, titled
from evaluation.report.headline import Headline, credible, options
from evaluation.report.numbers import number
from evaluation.report.released import Released
from evaluation.report.words import STATUS, counted, upper_first
from evaluation.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

MARKS = {"before": ("s", QUIET), "set aside": ("D", ASIDE), "after": ("o", PROGRAM)}


def _rows(released: Released, head: Headline) -> list[Row]:
    rows = released.rows("event_study", outcome=head.analysis.outcome)
    order = [head.analysis.id, *(a.id for a in released.study.analyses)]
    analysis = next((a for a in order if any(r["analysis"] == a and r["estimate"] is not None for r in rows)), None)
    mine = sorted((r for r in rows if r["analysis"] == analysis), key=lambda r: float(r["event_time"]))
    return [_in_percent(r) for r in mine] if analysis and _relative(released, analysis) else mine


def _relative(released: Released, analysis: str) -> bool:
    """Whether the analysis's events are logarithms of rates."""
    events = released.rows("estimates", analysis=analysis, term="event")
    return any(r["scale"] == "log_rate" for r in events)


def _in_percent(row: Row) -> Row:
    """A row of log rates as relative differences in per cent, which readers know."""
    ends = ("estimate", "conf_low", "conf_high")
    return {**row, **{c: None if row[c] is None else 100 * math.expm1(float(row[c])) for c in ends}}


def _thin(released: Released, row: Row) -> bool:
    return released.is_unreliable("", row["analysis"], "event", row["event_time"])


def event_study(released: Released, head: Headline) -> Figure | None:
    """The figure, or None where no event study was released with any figure in it."""
    rows = _rows(released, head)
    shown = [r for r in rows if r["estimate"] is not None and r["status"] in {"ok", "reference"}]
    if not any(r["status"] == "ok" for r in shown):
        return None
    label = released.mid(head.outcome.label)
    if _relative(released, shown[0]["analysis"]):
        label = f"the rate of {label}, in per cent"
    aside = _aside(released, shown[0]["analysis"])
    caption = (
        f"Estimated difference in {label} by {released.time_unit}s since adoption "
        f"({released.analysis(shown[0]['analysis'])}). "
        "Bars are 95% plausible ranges"
    )
    caption += "; the grey part is before adoption." if any(float(r["event_time"]) < -aside for r in shown) else "."
    if not credible(head):
        caption += " Paths differed before adoption already, so the differences after it are not effects."
    if aside:
        caption += f" {_set_aside(released, aside)}"
    if any(_thin(released, r) for r in shown):
        caption += f" Hollow points rest on very few adopting {released.people} and are unreliable."
    columns = [f"{upper_first(released.time_unit)}s since adoption", "Phase", "Difference", "Low", "High", "Note"]
    data: list[list[Cell]] = [
        [
            float(r["event_time"]),
            _phase(r, aside),
            *(None if r[c] is None else float(r[c]) for c in ("estimate", "conf_low", "conf_high")),
            _note(released, r),
        ]
        for r in rows
    ]

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots()
        _draw(axes, released, shown, aside)
        titled(axes, f"Difference in {label}")

    alt = _alt(released, shown, label, aside)
    alt += (
        "" if credible(head) else " Paths differed before adoption already; the differences after it are not effects."
    )
    return Figure("event-study", caption, alt, columns, data, 2.8, draw)


def _aside(released: Released, analysis: str) -> int:
    """Periods right before adoption in which it may have been expected: `anticipation` of the analysis."""
    found = options(released, analysis).get("anticipation", 0)
    return found if isinstance(found, int) else 0


def _phase(row: Row, aside: int) -> str:
    return "set aside" if -aside <= float(row["event_time"]) < 0 else str(row["phase"])


def _expectation(released: Released, aside: int) -> str:
    unit = released.time_unit
    return f"the last {unit if aside == 1 else counted(aside, unit)} before adoption"


def _set_aside(released: Released, aside: int) -> str:
    """Why some periods belong neither before nor after."""
    last = upper_first(_expectation(released, aside))
    marked = "(diamond) is" if aside == 1 else "(diamonds) are"
    return f"{last} {marked} set aside: adoption may already have been expected or under way."


def _note(released: Released, row: Row) -> str:
    return "unreliable: few units" if _thin(released, row) and row["status"] == "ok" else STATUS.get(row["status"], "")


def _draw(axes: Axes, released: Released, rows: list[Row], aside: int) -> None:
    times = [float(r["event_time"]) for r in rows]
    start = -aside - 0.5
    axes.axvspan(min(min(times) - 0.7, start), start, color=SHADE, zorder=0, linewidth=0)
    axes.axhline(0, color=QUIET, linewidth=1)
    for row in rows:
        _point(axes, released, row, aside)
    axes.set_xlim(min(times) - 0.7, max(times) + 0.7)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel(f"{upper_first(released.time_unit)}s since adoption")
    axes.set_ylabel("Difference")
    low, high = axes.get_ylim()
    axes.set_ylim(low - (0.12 * (high - low) if aside else 0), high + 0.1 * (high - low))
    bottom, top = axes.get_ylim()
    if aside:
        axes.axvspan(start, -0.5, color=ASIDE, alpha=0.25, zorder=0, linewidth=0)
        axes.annotate(
            "set aside",
            (-(aside + 1) / 2, bottom),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            color=QUIET,
        )
    if min(times) < start:
        axes.annotate(
            "before adoption",
            (start, top),
            xytext=(-5, -4),
            textcoords="offset points",
            ha="right",
            va="top",
            color=QUIET,
        )
    axes.annotate("after", (-0.5, top), xytext=(5, -4), textcoords="offset points", ha="left", va="top", color=QUIET)


def _point(axes: Axes, released: Released, row: Row, aside: int) -> None:
    x, y = float(row["event_time"]), float(row["estimate"])
    reference = row["status"] == "reference"
    marker, colour = MARKS.get(_phase(row, aside), MARKS["after"])
    if row["conf_low"] is not None and row["conf_high"] is not None:
        axes.plot([x, x], [row["conf_low"], row["conf_high"]], color=colour, linewidth=1.6, solid_capstyle="butt")
    hollow = reference or _thin(released, row)
    axes.plot(
        [x],
        [y],
        marker=marker,
        markersize=5.5,
        color=colour,
        markerfacecolor="white" if hollow else colour,
    )


def _alt(released: Released, rows: list[Row], label: str, aside: int) -> str:
    def span(phase: str, where: str) -> str:
        part = [r for r in rows if _phase(r, aside) == phase and r["status"] == "ok"]
        if not part:
            return ""
        values = [float(r["estimate"]) for r in part]
        apart = sum(r["conf_low"] is not None and (r["conf_low"] > 0 or r["conf_high"] < 0) for r in part)
        return (
            f"In the {counted(len(part), 'period')} {where}, estimates run from {number(min(values))} "
            f"to {number(max(values))}; "
            f"{apart} of {len(part)} plausible ranges leave out zero."
        )

    before = "before adoption" + (", those set aside left out" if aside else "")
    spans = (
        span("before", before),
        span("set aside", "set aside right before adoption"),
        span("after", "after adoption"),
    )
    parts = " ".join(s for s in spans if s)
    what = f"the difference in {label} by {released.time_unit}s since adoption"
    return f"Point estimates with plausible ranges of {what}. {parts}"
