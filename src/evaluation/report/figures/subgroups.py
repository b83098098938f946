"""The effect within each group of people, with everyone's for comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.report.figures.figure import INK, LINE, PROGRAM, QUIET, SHADE, Cell, Figure, wrapped
from evaluation.report.figures.intervals import lying
from evaluation.report.headline import Headline
from evaluation.report.measures import Measure, measure_of
from evaluation.report.words import STATUS, counted, upper_first
from evaluation.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

ROW, LABEL_WIDTH = LINE + 0.1, 34


def rows_of(head: Headline) -> list[Row]:
    """The strata of the main analysis, at the window of the result."""
    rows = head.released.rows("subgroups", analysis=head.analysis.id)
    term = head.row["term"] if head.row else ""
    return [r for r in rows if r["term"] == term and r["time"] == head.time]


def name(head: Headline, row: Row) -> str:
    """A stratum in words: `Female: yes`, `Age: 25 to 35`."""
    level = {"1": "yes", "0": "no", "1.0": "yes", "0.0": "no"}.get(str(row["level"]), str(row["level"]))
    return f"{upper_first(head.released.study.label(row['covariate']))}: {level}"


def measure(head: Headline, row: Row) -> Measure:
    """The measure that a stratum's figure is told in: the result's own."""
    return measure_of(row, head.outcome, head.released.time_unit, list(head.risks) if head.risks else None)


def subgroups(head: Headline) -> Figure | None:
    """The figure, or None where no stratum has a figure that may be shown."""
    rows = rows_of(head)
    shown = [r for r in rows if r["estimate"] is not None]
    if not shown or not head.known:
        return None
    told = head.told
    sizes = [_sizes(told, r) for r in rows]
    columns = ["Group of people", "Difference", "Low", "High", "People", "Note"]
    data: list[list[Cell]] = [
        [name(head, r), *s, None if r["n_units"] is None else int(r["n_units"]), STATUS.get(r["status"], "")]
        for r, s in zip(rows, sizes, strict=True)
    ]
    n = len({r["covariate"] for r in rows})
    caption = (
        f"The main result within groups of people, by {counted(n, 'characteristic')}. The band is everyone's plausible "
        "range. These comparisons are exploratory: some differ by chance alone."
    )

    def draw(canvas: Canvas) -> None:
        _draw(canvas.subplots(), head, rows, sizes)

    return Figure("subgroups", caption, _alt(head, shown), columns, data, 0.9 + ROW * (len(rows) + 1), draw)


def _sizes(told: Measure, row: Row) -> list[float | None]:
    if row["estimate"] is None:
        return [None, None, None]
    ends = [] if row["conf_low"] is None else sorted(told.size(float(row[c])) for c in ("conf_low", "conf_high"))
    return [told.size(float(row["estimate"])), *(ends or (None, None))]


def _draw(axes: Axes, head: Headline, rows: list[Row], sizes: list[list[float | None]]) -> None:
    axes.axvline(0, color=QUIET, linewidth=1)
    if head.interval:
        low, high = sorted(head.told.size(v) for v in head.interval)
        axes.axvspan(low, high, color=SHADE, zorder=0, linewidth=0)
        lying(axes, 0, low, high, head.told.size(head.estimate), PROGRAM, "s")
    labels = ["Everyone"]
    for line, (row, (value, low_, high_)) in enumerate(zip(rows, sizes, strict=True), 1):
        labels.append(wrapped(name(head, row), LABEL_WIDTH))
        if value is None:
            axes.text(0.5, -line, STATUS.get(row["status"], ""), transform=axes.get_yaxis_transform(), ha="center",
                      va="center", color=QUIET)  # fmt: skip
        else:
            lying(axes, -line, low_, high_, value, INK, "o")
    axes.set_yticks([-i for i in range(len(labels))], labels)
    axes.set_ylim(-len(labels) + 0.4, 0.6)
    axes.grid(visible=False)
    axes.grid(visible=True, axis="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"Difference{head.told.tail} ({head.told.down} ← 0 → {head.told.up})")


def _alt(head: Headline, shown: list[Row]) -> str:
    parts = [f"{name(head, r)}: {measure(head, r).phrase(float(r['estimate']))}." for r in shown]
    return (
        f"Dots with plausible ranges by group of people. Everyone: {head.told.phrase(head.estimate)}. {' '.join(parts)}"
    )
