"""Whether both groups hold people of every kind: their estimated chances of being in the program, mirrored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.report.figures.figure import COMPARISON, INK, PROGRAM, Cell, Figure
from evaluation.report.figures.love import of_analysis
from evaluation.report.headline import Headline
from evaluation.report.words import HIDDEN, upper_first
from evaluation.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

COLOURS = {"treated": PROGRAM, "control": COMPARISON}


def _rows(head: Headline) -> list[Row]:
    analysis, _ = of_analysis(head)
    rows = head.released.rows("overlap", analysis=analysis)
    times = {r["time"] for r in rows}
    at = head.time if head.time in times else max((t for t in times if t is not None), default=None)
    return [r for r in rows if r["time"] == at]


def overlap(head: Headline) -> Figure | None:
    """The figure, or None where no analysis released the chances, or every bin is hidden."""
    rows = _rows(head)
    if not any(r["n"] for r in rows):
        return None
    released = head.released
    sides = {g: [r for r in rows if r["group"] == g] for g in COLOURS}
    columns = ["Group", "Chance from", "to", "People"]
    data: list[list[Cell]] = [
        [released.group(g), float(r["low"]), float(r["high"]), HIDDEN if r["n"] is None else int(r["n"])]
        for g, found in sides.items()
        for r in found
    ]
    hidden = any(r["n"] is None for r in rows)
    caption = (
        "People by their estimated chance of being in the program, given what is recorded of them: "
        f"{released.group('treated')} above, {released.group('control')} below. Where one side is empty, nobody can be "
        "compared."
    )
    caption += " Gaps hide bars of very few people." if hidden else ""
    if _narrowest(rows) < max(_width(r) for r in rows) * 0.99:
        caption += " Bars of few people are joined to one wider bar, drawn at their mean height."

    def draw(canvas: Canvas) -> None:
        _draw(canvas.subplots(), head, sides)

    return Figure("overlap", caption, _alt(head, sides), columns, data, 2.6, draw)


def _width(row: Row) -> float:
    return float(row["high"]) - float(row["low"])


def _narrowest(rows: list[Row]) -> float:
    return min(_width(r) for r in rows)


def _draw(axes: Axes, head: Headline, sides: dict[str, list[Row]]) -> None:
    usual = _narrowest([r for rows in sides.values() for r in rows])
    for sign, (group, rows) in zip((1, -1), sides.items(), strict=True):
        for r in rows:
            width = _width(r)
            height = sign * (r["n"] or 0) * usual / width  # a wider bar has the area of its people
            axes.bar(float(r["low"]), height, width - 0.06 * usual, align="edge", color=COLOURS[group], linewidth=0)
    top = max(abs(v) for v in axes.get_ylim())
    axes.set_ylim(-top * 1.1, top * 1.1)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):,.0f}")
    for sign, group in ((1, "treated"), (-1, "control")):
        name = upper_first(head.released.group(group))
        axes.text(0.99, 0.5 + sign * 0.44, name, color=COLOURS[group], fontweight="bold", ha="right", va="center",
                  transform=axes.transAxes)  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_xlabel("Estimated chance of being in the program")
    axes.set_ylabel(f"People in each {usual:.2g} of it")


def _alt(head: Headline, sides: dict[str, list[Row]]) -> str:
    parts = []
    for group, rows in sides.items():
        known = sorted((r for r in rows if r["n"]), key=lambda r: float(r["low"]))
        if known:
            low, high = (_quantile(known, q) for q in (0.05, 0.95))
            parts.append(
                f"In the {head.released.group(group)}, about nine of ten people have a chance between {low:.2f} and "
                f"{high:.2f}."
            )
    return f"Mirrored bars of people by their estimated chance of being in the program. {' '.join(parts)}"


def _quantile(rows: list[Row], share: float) -> float:
    """The chance below which a share of the people in the bars lie, if they lie evenly within each."""
    left = share * sum(int(r["n"]) for r in rows)
    for r in rows:
        if left <= r["n"]:
            return float(r["low"]) + _width(r) * left / int(r["n"])
        left -= int(r["n"])
    return float(rows[-1]["high"])
