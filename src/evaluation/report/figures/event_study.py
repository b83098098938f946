"""Differences by time since adoption, with the periods before it shaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.report.figures.figure import PROGRAM, QUIET, SHADE, Figure, titled
from evaluation.report.headline import Headline
from evaluation.report.numbers import number
from evaluation.report.released import Released
from evaluation.report.words import STATUS, lower_first, upper_first
from evaluation.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def _rows(released: Released, head: Headline) -> list[Row]:
    rows = released.rows("event_study", outcome=head.analysis.outcome)
    order = [head.analysis.id, *(a.id for a in released.study.analyses)]
    analysis = next((a for a in order if any(r["analysis"] == a and r["estimate"] is not None for r in rows)), None)
    return sorted((r for r in rows if r["analysis"] == analysis), key=lambda r: float(r["event_time"]))


def _thin(released: Released, row: Row) -> bool:
    return released.is_unreliable("", row["analysis"], "event", row["event_time"])


def event_study(released: Released, head: Headline) -> Figure | None:
    """The figure, or None where no event study was released with any figure in it."""
    rows = _rows(released, head)
    shown = [r for r in rows if r["estimate"] is not None and r["status"] in {"ok", "reference"}]
    if not any(r["status"] == "ok" for r in shown):
        return None
    label = lower_first(head.outcome.label)
    caption = (
        f"Estimated difference in {label} by {released.time_unit}s since adoption "
        f"({released.analysis(shown[0]['analysis'])}). "
        "Bars are 95% plausible ranges; the shaded part is before adoption."
    )
    if any(_thin(released, r) for r in shown):
        caption += f" Hollow points rest on very few adopting {released.people} and are unreliable."
    columns = [f"{upper_first(released.time_unit)}s since adoption", "Phase", "Difference", "Low", "High", "Note"]
    data = [
        [
            f"{float(r['event_time']):g}",
            r["phase"],
            *("" if r[c] is None else number(r[c], 4) for c in ("estimate", "conf_low", "conf_high")),
            _note(released, r),
        ]
        for r in rows
    ]

    def draw(canvas: Canvas) -> None:
        _draw(canvas.subplots(), released, shown, label)

    return Figure("event-study", caption, _alt(released, shown, label), columns, data, 2.8, draw)


def _note(released: Released, row: Row) -> str:
    return "unreliable: few units" if _thin(released, row) and row["status"] == "ok" else STATUS.get(row["status"], "")


def _draw(axes: Axes, released: Released, rows: list[Row], label: str) -> None:
    times = [float(r["event_time"]) for r in rows]
    axes.axvspan(min(times) - 0.7, -0.5, color=SHADE, zorder=0, linewidth=0)
    axes.axhline(0, color=QUIET, linewidth=1)
    for row in rows:
        _point(axes, released, row)
    axes.set_xlim(min(times) - 0.7, max(times) + 0.7)
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel(f"{upper_first(released.time_unit)}s since adoption")
    axes.set_ylabel("Difference")
    titled(axes, f"Difference in {label}")
    top = axes.get_ylim()[1]
    if min(times) < 0:
        axes.annotate(
            "before adoption",
            (-0.5, top),
            xytext=(-5, -4),
            textcoords="offset points",
            ha="right",
            va="top",
            color=QUIET,
        )
    axes.annotate("after", (-0.5, top), xytext=(5, -4), textcoords="offset points", ha="left", va="top", color=QUIET)


def _point(axes: Axes, released: Released, row: Row) -> None:
    x, y = float(row["event_time"]), float(row["estimate"])
    before, reference = row["phase"] == "before", row["status"] == "reference"
    colour = QUIET if before else PROGRAM
    if row["conf_low"] is not None and row["conf_high"] is not None:
        axes.plot([x, x], [row["conf_low"], row["conf_high"]], color=colour, linewidth=1.6, solid_capstyle="butt")
    hollow = reference or _thin(released, row)
    axes.plot(
        [x],
        [y],
        marker="s" if before else "o",
        markersize=5.5,
        color=colour,
        markerfacecolor="white" if hollow else colour,
    )


def _alt(released: Released, rows: list[Row], label: str) -> str:
    def span(phase: str) -> str:
        part = [r for r in rows if r["phase"] == phase and r["status"] == "ok"]
        if not part:
            return ""
        values = [float(r["estimate"]) for r in part]
        apart = sum(r["conf_low"] is not None and (r["conf_low"] > 0 or r["conf_high"] < 0) for r in part)
        return (
            f"In the {len(part)} periods {phase} adoption, estimates run from {number(min(values))} "
            f"to {number(max(values))}; "
            f"{apart} of {len(part)} plausible ranges leave out zero."
        )

    parts = " ".join(s for s in (span("before"), span("after")) if s)
    what = f"the difference in {label} by {released.time_unit}s since adoption"
    return f"Point estimates with plausible ranges of {what}. {parts}"
