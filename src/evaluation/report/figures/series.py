"""The raw outcome by group over time, before any model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.report.figures.figure import (
    COMPARISON,
    PROGRAM,
    QUIET,
    SHADE,
    Cell,
    Figure,
    end_labels,
    titled,
    wrapped,
)
from evaluation.report.headline import Headline
from evaluation.report.numbers import number
from evaluation.report.released import Released
from evaluation.report.words import HIDDEN, upper_first
from evaluation.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

MAX_LINES = 6
COLOURS = (PROGRAM, "#6a3d9a", "#00695c", "#8c2d5a", "#4d4d4d")
MARKERS = ("o", "^", "D", "v", "P")


def _adoptions(released: Released, outcome: str) -> list[float]:
    groups = {r["group"] for r in released.rows("series", outcome=outcome) if r["group"].startswith("cohort:")}
    groups |= {f"cohort:{r['group']}" for r in released.rows("estimates", outcome=outcome, term="group")}
    return sorted(float(g.removeprefix("cohort:")) for g in groups)


def _lines(released: Released, outcome: str) -> dict[str, list[Row]]:
    """Group → its shown points: the two arms where the run gives them, else adoption groups while they are few."""
    rows = [r for r in released.rows("series", outcome=outcome) if r["estimate"] is not None]
    groups = sorted({r["group"] for r in rows})
    wanted = [g for g in ("control", "treated") if g in groups]
    cohorts = [g for g in groups if g.startswith("cohort:")]
    if "treated" not in wanted and len(cohorts) + len(wanted) <= MAX_LINES:
        wanted += cohorts
    return {g: sorted((r for r in rows if r["group"] == g), key=lambda r: float(r["time"])) for g in wanted}


def series(released: Released, head: Headline) -> Figure | None:
    """The figure, or None where no series was released with any figure in it."""
    outcome = head.analysis.outcome
    lines = _lines(released, outcome)
    if not lines:
        return None
    starts = _adoptions(released, outcome)
    label = released.mid(head.outcome.label)
    caption = f"Average of {label} by {released.time_unit}, as recorded, before any model."
    if starts:
        when = (
            f"in {released.period(starts[0])}"
            if len(starts) == 1
            else f"from {released.period(starts[0])} to {released.period(starts[-1])}"
        )
        caption += f" Shaded: adoption, {when}."
    columns = ["Group", upper_first(released.time_unit), "Average", "Units", "Note"]
    data: list[list[Cell]] = [
        [
            released.group(r["group"]),
            released.period(float(r["time"])) if released.dated else f"{float(r['time']):.12g}",
            HIDDEN if r["estimate"] is None else float(r["estimate"]),
            HIDDEN if r["n_units"] is None else int(r["n_units"]),
            f"unreliable: very few {released.people}" if released.is_unreliable(r["group"]) else "",
        ]
        for r in released.rows("series", outcome=outcome)
    ]

    def draw(canvas: Canvas) -> None:
        _draw(canvas.subplots(), released, lines, starts, label)

    return Figure("series", caption, _alt(released, lines, label), columns, data, 2.8, draw)


def _style(index: int, group: str) -> dict[str, object]:
    if group == "control":
        return {"color": COMPARISON, "dashes": (5, 2), "marker": "s"}
    return {"color": COLOURS[index % len(COLOURS)], "marker": MARKERS[index % len(MARKERS)]}


def _draw(axes: Axes, released: Released, lines: dict[str, list[Row]], starts: list[float], label: str) -> None:
    if starts:
        axes.axvspan(starts[0] - 0.5, starts[-1] + 0.5, color=SHADE, zorder=0, linewidth=0)
    ends = []
    for index, (group, rows) in enumerate((g, lines[g]) for g in sorted(lines, key=lambda g: g == "control")):
        x, y = [float(r["time"]) for r in rows], [float(r["estimate"]) for r in rows]
        style = _style(index, group)
        axes.plot(x, y, linewidth=1.9, markersize=4, markevery=max(1, len(x) // 12), **style)  # type: ignore[arg-type]
        text = released.group(group) + (" †" if released.is_unreliable(group) else "")
        ends.append((x[-1], y[-1], wrapped(text), str(style["color"])))
    axes.set_ylabel("Average")
    axes.set_xlabel(upper_first(released.time_unit))
    titled(axes, upper_first(label))
    axes.locator_params(axis="x", integer=True, nbins=6 if released.dated else "auto")
    if released.dated:
        axes.xaxis.set_major_formatter(lambda value, _: released.period(round(value)))
    axes.margins(x=0.02)
    if starts:
        axes.annotate(
            "adoption",
            ((starts[0] + starts[-1]) / 2, axes.get_ylim()[1]),
            xytext=(0, -3),
            textcoords="offset points",
            ha="center",
            va="top",
            color=QUIET,
        )
    end_labels(axes, ends)


def _alt(released: Released, lines: dict[str, list[Row]], label: str) -> str:
    parts = [
        f"{upper_first(released.group(g))}: {number(rows[0]['estimate'])} in {released.period(rows[0]['time'])}, "
        f"{number(rows[-1]['estimate'])} in {released.period(rows[-1]['time'])}."
        for g, rows in lines.items()
    ]
    return f"Lines of the average of {label} over time, by group. {' '.join(parts)}"
