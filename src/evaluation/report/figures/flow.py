"""From everyone in the data to the people analysed: who left at each step, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.report.figures.figure import INK, LINE, PROGRAM, QUIET, SHADE, Cell, Figure, wrapped
from evaluation.report.headline import Headline
from evaluation.report.words import HIDDEN, counted, upper_first
from evaluation.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

MOST = 14  # steps drawn; a longer list stands in the table alone
REASON_WIDTH, BOX_WIDTH = 40, 30
PLURALS = {"person": "people", "row": "index events", "unit": "units"}


def steps(head: Headline) -> list[Row]:
    """Steps at which someone left, with those that say how many there were: of the data, then of the main analysis.

    Steps of windows other than the result's are left out.
    """
    released = head.released
    found = [*released.rows("flow", analysis=""), *released.rows("flow", analysis=head.analysis.id)]
    at = "" if head.time is None else f"_{head.time:g}"
    windowed = ("unknown_follow_up_", "short_follow_up_")
    kept = [r for r in found if not r["step"].startswith(windowed) or r["step"].endswith(at)]
    return [r for i, r in enumerate(kept) if i == 0 or r["n_dropped"] != 0]


def flow(head: Headline) -> Figure | None:
    """The figure, for people followed after an index date; None where nobody left, or the steps are too many."""
    rows = steps(head) if head.released.cohort else []
    if len(rows) < 2 or len(rows) > MOST:
        return None
    data: list[list[Cell]] = [
        [upper_first(head.released.prose(r["reason"])), PLURALS.get(r["level"], r["level"]), _n(r["n_dropped"]),
         _n(r["n_remaining"])]
        for r in rows
    ]  # fmt: skip
    heights = [_height(head, r) for r in rows]

    def draw(canvas: Canvas) -> None:
        _draw(canvas.subplots(), head, rows, heights)

    caption = f"From the data to the {head.released.people} analysed: who left, and why."
    columns = ["Step", "Counted", "Left out", "Remaining"]
    return Figure("flow", caption, _alt(head, rows), columns, data, sum(heights) + 0.35, draw)


def _n(value: int | None) -> Cell:
    return HIDDEN if value is None else int(value)


def _remaining(row: Row) -> str:
    if row["n_remaining"] is None:
        return f"Number {HIDDEN}"
    return counted(row["n_remaining"], _one(row), PLURALS.get(row["level"], ""))


def _one(row: Row) -> str:
    return "index event" if row["level"] == "row" else str(row["level"])


def _left(head: Headline, row: Row) -> str:
    reason = head.released.prose(row["reason"])
    n = HIDDEN if row["n_dropped"] is None else f"{row['n_dropped']:,}"
    return wrapped(f"{n}: {reason}", REASON_WIDTH)


def _height(head: Headline, row: Row) -> float:
    """Inches that a step takes: its reason can be several lines long."""
    lines = _left(head, row).count("\n") + 1 if row["n_dropped"] != 0 else 1
    return max(0.5, LINE * lines + 0.3)


def _draw(axes: Axes, head: Headline, rows: list[Row], heights: list[float]) -> None:
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(-sum(heights), 0)
    top = 0.0
    centres = []
    for height in heights:
        centres.append(top - height / 2)
        top -= height
    for i, (row, y) in enumerate(zip(rows, centres, strict=True)):
        last = i == len(rows) - 1
        if not last:
            axes.annotate("", (0.25, centres[i + 1] + 0.17), (0.25, y - 0.15), arrowprops=_arrow())
        text = _remaining(row) if i else f"{_remaining(row)}\n{wrapped(head.released.prose(row['reason']), BOX_WIDTH)}"
        edge = PROGRAM if last else QUIET
        box = {
            "boxstyle": "round,pad=0.35",
            "facecolor": SHADE if last else "white",
            "edgecolor": edge,
            "linewidth": 1.1,
        }
        axes.text(0.25, y, text, ha="center", va="center", color=INK, bbox=box, fontweight="bold" if last else "normal")
        if row["n_dropped"] != 0 and i:
            between = (centres[i - 1] + y) / 2
            axes.annotate("", (0.5, between), (0.25, between), arrowprops=_arrow())
            axes.text(0.51, between, _left(head, row), ha="left", va="center", color=INK)


def _arrow() -> dict[str, object]:
    return {"arrowstyle": "-|>", "color": QUIET, "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}


def _alt(head: Headline, rows: list[Row]) -> str:
    first, *others = rows
    parts = [f"{_remaining(first)} ({head.released.prose(first['reason'])})"]
    parts += [f"{_left(head, r)} left; {_remaining(r).lower()} remain".replace("\n", " ") for r in others
              if r["n_dropped"] != 0]  # fmt: skip
    return f"Flow diagram. {'. '.join(parts)}."
