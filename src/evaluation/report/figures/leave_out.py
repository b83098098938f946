"""The main result with one adoption group, or one unit, left out in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.report import robustness
from evaluation.report.figures.figure import INK, LINE, PROGRAM, QUIET, SHADE, Cell, Figure, titled, wrapped
from evaluation.report.figures.intervals import lying
from evaluation.report.headline import Headline
from evaluation.report.words import STATUS, counted, upper_first
from evaluation.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

KINDS = ("leave_one_cohort", "leave_one_unit")
TITLES = {"leave_one_cohort": "Without one adoption group", "leave_one_unit": "Without one unit or cluster"}
MOST = 16  # rows a panel: the lowest and the highest, where there are more
ROW, PANEL = LINE + 0.04, 0.75  # inches


def leave_out(head: Headline) -> Figure | None:
    """The figure, or None where nothing was left out, or all of it is hidden."""
    every = {kind: robustness.rows_of(head, kind) for kind in KINDS}
    found = {kind: _ordered(rows) for kind, rows in every.items() if any(robustness.shown(r) for r in rows)}
    if not found or head.row is None:
        return None
    panels = {kind: _furthest(rows) for kind, rows in found.items()}
    data: list[list[Cell]] = [
        [TITLES[kind], _name(head, r), *_sizes(head, r), STATUS.get(r["status"], "")]
        for kind, rows in every.items()
        for r in rows
    ]

    def draw(canvas: Canvas) -> None:
        ratios = [len(rows) + PANEL / ROW for rows in panels.values()]
        grid = canvas.subplots(len(panels), 1, squeeze=False, height_ratios=ratios, sharex=True)
        for axes, (kind, rows) in zip(grid[:, 0], panels.items(), strict=True):
            _draw(axes, head, rows)
            titled(axes, TITLES[kind])
            axes.tick_params(labelbottom=True)
        grid[-1, 0].set_xlabel(
            "Difference in per cent" if head.told.kind == "percent" else f"Difference{head.told.tail}"
        )

    height = sum(ROW * len(rows) + PANEL for rows in panels.values()) + 0.3
    columns = ["Left out", "Which", "Difference", "Low", "High", "Note"]
    return Figure("leave-out", _caption(every, found, panels), _alt(head, found), columns, data, height, draw)


def _ordered(rows: list[Row]) -> list[Row]:
    return sorted((r for r in rows if robustness.shown(r)), key=lambda r: (float(r["estimate"]), str(r["group"])))


def _furthest(rows: list[Row]) -> list[Row]:
    return rows if len(rows) <= MOST else [*rows[: MOST // 2], *rows[-MOST // 2 :]]


def _caption(every: dict[str, list[Row]], found: dict[str, list[Row]], panels: dict[str, list[Row]]) -> str:
    text = "The result with one part left out in turn. The shaded band is the plausible range with all of them."
    cut = [(kind, len(found[kind]) - len(rows)) for kind, rows in panels.items() if len(rows) < len(found[kind])]
    for kind, n in cut:
        what = "adoption groups" if kind == "leave_one_cohort" else "units"
        text += f" Of {len(found[kind])} {what} the {MOST} that move it furthest are drawn; {n} lie between."
    hidden = sum(r["status"] == "suppressed" for rows in every.values() for r in rows)
    return text + (f" {upper_first(counted(hidden, 'figure'))} hidden." if hidden else "")


def _name(head: Headline, row: Row) -> str:
    return robustness.one_left_out(head.released, row).removeprefix("those that adopted in ")


def _sizes(head: Headline, row: Row) -> list[float | None]:
    if not robustness.shown(row):
        return [None, None, None]
    told = head.told
    if row["conf_low"] is None or row["conf_high"] is None:
        return [told.size(float(row["estimate"])), None, None]
    return [told.size(float(row["estimate"])), *sorted(told.size(float(row[c])) for c in ("conf_low", "conf_high"))]


def _draw(axes: Axes, head: Headline, rows: list[Row]) -> None:
    axes.axvline(0, color=QUIET, linewidth=1)
    if head.interval:
        low, high = sorted(head.told.size(v) for v in head.interval)
        axes.axvspan(low, high, color=SHADE, zorder=0, linewidth=0)
    axes.axvline(head.told.size(head.estimate), color=PROGRAM, linewidth=1.2, dashes=(4, 2))
    for line, row in enumerate(rows):
        value, low_, high_ = _sizes(head, row)
        lying(axes, -line, low_, high_, value or 0.0, INK, "o")
    axes.set_yticks([-i for i in range(len(rows))], [wrapped(_name(head, r), 30) for r in rows])
    if len(rows) == MOST:
        axes.axhline(-MOST / 2 + 0.5, color=QUIET, linewidth=0.8, linestyle=":")
    axes.set_ylim(-len(rows) + 0.3, 0.7)
    axes.grid(visible=False)
    axes.grid(visible=True, axis="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _alt(head: Headline, found: dict[str, list[Row]]) -> str:
    parts = [
        f"{TITLES[kind]} ({len(rows)} in turn): from {head.told.phrase(float(rows[0]['estimate']))} "
        f"(without {_name(head, rows[0])}) to {head.told.phrase(float(rows[-1]['estimate']))} "
        f"(without {_name(head, rows[-1])})."
        for kind, rows in found.items()
    ]
    whole = head.told.phrase(head.estimate)
    return f"Dots with plausible ranges; with nothing left out the result is {whole}. {' '.join(parts)}"
