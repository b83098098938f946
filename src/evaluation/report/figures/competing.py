"""The outcome beside the events that end follow-up before it: cumulative incidence, stacked, one panel a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.report.figures.curve import JOINED, coarse
from evaluation.report.figures.curve import _ticks as ticks
from evaluation.report.figures.figure import COMPARISON, INK, PROGRAM, QUIET, Cell, Figure, titled
from evaluation.report.headline import Headline
from evaluation.report.numbers import listing, per
from evaluation.report.words import upper_first

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

PREFIX = "cumulative_incidence:"
GROUPS = ("treated", "control")
COLOURS = {"treated": PROGRAM, "control": COMPARISON}
Events = dict[str, list[tuple[float, float]]]  # by event: (time, of every 100)
Curves = dict[str, Events]  # by group


def _curves(head: Headline) -> tuple[str, Curves]:
    """The first analysis of the outcome with curves of competing events, and the curves that may be shown."""
    released = head.released
    rows = released.rows("curve", outcome=head.analysis.outcome)
    analysis = next((r["analysis"] for r in rows if r["quantity"].startswith(PREFIX)), "")
    found: Curves = {}
    for row in rows:
        name = row["quantity"].removeprefix(PREFIX) if row["quantity"] != "cumulative_incidence" else ""
        known = row["analysis"] == analysis and row["quantity"].startswith("cumulative_incidence")
        if known and row["estimate"] is not None and row["group"] in GROUPS:
            found.setdefault(row["group"], {}).setdefault(name, []).append((float(row["time"]), 100 * row["estimate"]))
    whole = {g: c for g, c in found.items() if "" in c and len(c) > 1}
    return analysis, {g: {n: sorted(points) for n, points in c.items()} for g, c in whole.items()}


def competing(head: Headline) -> Figure | None:
    """The figure, or None where no analysis follows competing events, or they are hidden."""
    _, curves = _curves(head)
    if not curves:
        return None
    names = [n for n in next(iter(curves.values())) if n]
    label = upper_first(head.thing)
    caption = (
        f"Of every 100 people, how many had {head.thing} by each time (dark), and how many met "
        f"{listing([_plain(n) for n in names])} first (light), by group."
    ) + (JOINED if coarse(head.released) else "")
    columns = ["Group", "Event", f"Time ({head.released.time_unit}s)", "Of every 100"]
    data: list[list[Cell]] = [
        [head.released.group(g), label if not n else upper_first(_plain(n)), f"{t:.12g}", v]
        for g, events in curves.items()
        for n, points in events.items()
        for t, v in points
    ]

    def draw(canvas: Canvas) -> None:
        grid = canvas.subplots(1, len(curves), squeeze=False, sharey=True)[0]
        for axes, (group, events) in zip(grid, curves.items(), strict=True):
            _draw(axes, head, group, events, names)
        grid[0].set_ylim(0, 1.12 * grid[0].get_ylim()[1])
        grid[0].set_ylabel("Of every 100 people")

    return Figure("competing", caption, _alt(head, curves, names), columns, data, 2.7, draw)


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _draw(axes: Axes, head: Headline, group: str, events: Events, names: list[str]) -> None:
    import numpy as np

    joined = coarse(head.released)
    times = np.unique([t for points in events.values() for t, _ in points] + [0.0])
    base = np.zeros(len(times))
    for i, name in enumerate(["", *names]):
        steps = events.get(name, [])
        at = np.array([0.0, *(t for t, _ in steps)])
        values = np.array([0.0, *(v for _, v in steps)])
        between = np.interp(times, at, values) if joined else values[np.searchsorted(at, times, side="right") - 1]
        top = base + between
        axes.fill_between(times, base, top, step=None if joined else "post", color=COLOURS[group],
                          alpha=(0.75, 0.3, 0.15)[min(i, 2)], linewidth=0)  # fmt: skip
        if i:
            axes.plot(times, top, drawstyle="default" if joined else "steps-post", color=COLOURS[group], linewidth=1,
                      linestyle=":")  # fmt: skip
            axes.annotate(_plain(name), (times[-1], (base[-1] + top[-1]) / 2), xytext=(-4, 3), ha="right", va="bottom",
                          textcoords="offset points", color=INK)  # fmt: skip
        base = top
    titled(axes, upper_first(head.released.group(group)))
    axes.set_xlim(0, times[-1])
    axes.set_xticks(ticks(head.released.time_unit, float(times[-1]))[::2])
    axes.set_xlabel(f"{upper_first(head.released.time_unit)}s since the start", color=QUIET)


def _alt(head: Headline, curves: Curves, names: list[str]) -> str:
    parts = []
    for group, events in curves.items():
        told = [f"{per(events[n][-1][1])} had {_plain(n) if n else head.thing}{' first' if n else ''}"
                for n in ["", *names] if n in events]  # fmt: skip
        parts.append(f"In the {head.released.group(group)}, of every 100 by the end of follow-up {listing(told)}.")
    return f"Stacked areas by time since the start of follow-up. {' '.join(parts)}"
