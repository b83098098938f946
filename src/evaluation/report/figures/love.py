"""How alike the groups are in each characteristic, before and after the analysis weighs or matches people."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from evaluation.report.figures.figure import INK, LINE, PROGRAM, QUIET, SHADE, Cell, Figure, wrapped
from evaluation.report.headline import Headline
from evaluation.report.numbers import number
from evaluation.report.words import counted, upper_first
from evaluation.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

ALIKE, APART = 0.1, 0.25  # standard deviations: usual line for small differences, and where adjusting is not enough
LABEL_WIDTH, ROW = 30, LINE + 0.07


def of_analysis(head: Headline) -> tuple[str, list[Row]]:
    """The analysis whose balance is drawn, and its rows at the window of the result.

    It is the main one where it weighs or matches people, else the first analysis of the outcome that does.
    """
    released = head.released
    order = [head.analysis.id, *(a.id for a in released.study.analyses if a.outcome == head.analysis.outcome)]
    found = {a: released.rows("balance", analysis=a) for a in order}
    chosen = next((a for a in order if any(r["stage"] == "after" for r in found[a])), order[0])
    rows = found[chosen] or next((rows for rows in found.values() if rows), [])
    times = {r["time"] for r in rows}
    at = head.time if head.time in times else max((t for t in times if t is not None), default=None)
    return chosen, [r for r in rows if r["time"] == at]


def pairs(rows: list[Row]) -> list[tuple[str, float | None, float | None]]:
    """Each characteristic with its difference before and after, the largest before first; hidden ones are None."""
    smd = {(r["covariate"], r["stage"]): r["smd"] for r in rows}
    names = dict.fromkeys(r["covariate"] for r in rows)
    found = [(n, smd.get((n, "before")), smd.get((n, "after"))) for n in names]
    return sorted(found, key=lambda f: (-abs(f[1]) if f[1] is not None else 1.0, f[0]))


def love(head: Headline) -> Figure | None:
    """The figure, or None where no analysis released how alike its groups are."""
    analysis, rows = of_analysis(head)
    every = pairs(rows)
    shown = [f for f in every if f[1] is not None or f[2] is not None]
    if not shown:
        return None
    label = head.released.study.label
    after = any(f[2] is not None for f in shown)
    caption = (
        "Differences between the groups before the program, in standard deviations"
        + (
            f": as they were, and as the analysis “{head.released.analysis(analysis)}” weighs people. "
            if after
            else ". "
        )
        + "The shaded band holds differences below 0.1; the dotted lines mark 0.25."
    )
    hidden = len(every) - len(shown)
    caption += f" {upper_first(counted(hidden, 'characteristic'))} hidden." if hidden else ""
    columns = ["Characteristic", "Before", *(["After"] if after else [])]
    data: list[list[Cell]] = [[upper_first(label(n)), b, *([a] if after else [])] for n, b, a in shown]

    def draw(canvas: Canvas) -> None:
        _draw(canvas.subplots(), [(upper_first(label(n)), b, a) for n, b, a in shown], after)

    lines = sum(wrapped(upper_first(label(n)), LABEL_WIDTH).count("\n") + 1 for n, _, _ in shown)
    return Figure("love", caption, _alt(shown, label, after), columns, data, 1.1 + ROW * lines, draw)


def _draw(axes: Axes, shown: list[tuple[str, float | None, float | None]], after: bool) -> None:
    axes.axvspan(-ALIKE, ALIKE, color=SHADE, zorder=0, linewidth=0)
    axes.axvline(0, color=QUIET, linewidth=1)
    for line in (-APART, APART):
        axes.axvline(line, color=QUIET, linewidth=0.9, linestyle=":")
    for i, (_, before, now) in enumerate(shown):
        if before is not None and now is not None:
            axes.plot([before, now], [-i, -i], color=QUIET, linewidth=0.8, zorder=1)
    for k, (name, colour, marker) in enumerate((("Before", INK, "o"), ("After", PROGRAM, "s"))):
        points = [(f[1 + k], -i) for i, f in enumerate(shown) if f[1 + k] is not None]
        if points:
            fill = "white" if k == 0 else colour
            axes.plot(*zip(*points, strict=True), marker, color=colour, markerfacecolor=fill, label=name)
    axes.set_yticks([-i for i in range(len(shown))], [wrapped(n, LABEL_WIDTH) for n, _, _ in shown])
    axes.set_ylim(-len(shown) + 0.4, 0.6)
    reach = max([APART, *(abs(v) for f in shown for v in f[1:] if v is not None)]) * 1.12
    axes.set_xlim(-reach, reach)
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Program group minus comparison group, in standard deviations")
    if after:
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderpad=0, handletextpad=0.3)


def _alt(shown: list[tuple[str, float | None, float | None]], label: Callable[[str], str], after: bool) -> str:
    text = f"Dots of the standardised difference in {counted(len(shown), 'characteristic')}."
    for k, when in ((1, "before"), (2, "after"))[: 1 + after]:
        known = [(abs(v), v, f[0]) for f in shown if isinstance(v := f[k], float)]
        if known:
            _, value, name = max(known)
            text += f" Largest {when}: {number(value, 2)} ({label(name)})."
    return text
