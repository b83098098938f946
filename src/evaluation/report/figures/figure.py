"""One figure and its files: SVG for page and PDF, PNG for Word, CSV of the data behind it."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from evaluation.report.markdown import Table, attribute, escape
from evaluation.report.numbers import number, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

WIDTH = 6.5  # inches: the printed text width, so that a 9-point label is printed at 9 points
INK = "#1f2933"
QUIET = "#5b6770"
PROGRAM = "#005a9c"
COMPARISON = "#a8420a"
SHADE = "#eef2f5"
ASIDE = "#8a6d1b"
STYLE: dict[str, Any] = {
    "svg.hashsalt": "evaluation",
    "svg.fonttype": "path",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9.5,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#dde3e8",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "figure.facecolor": "white",
}
PNG_DPI = 200
NAME_WIDTH, TITLE_WIDTH = 14, 72  # characters a line of a label beside the axes, and of a title, may have
CSV_DIGITS, SHOWN_DIGITS = 8, 4  # significant digits of a figure's data in its file, and in its table
LINE = 0.16  # inches from one line of 9-point text to the next


Cell = str | int | float | None


@dataclass(frozen=True)
class Figure:
    """A figure to be written: `draw` fills a canvas `height` inches tall; `data` are the rows shown in it.

    A number in `data` is written plainly in the file, for a program to read, and rounded in the table, for people;
    None is an empty cell.
    """

    id: str
    caption: str
    alt: str
    columns: list[str]
    data: list[list[Cell]]
    height: float
    draw: Callable[[Canvas], None]

    def write(self, folder: Path) -> None:
        """Write `<id>.svg`, `<id>.png` and `<id>.csv` into `folder`; equal content gives equal bytes."""
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure as Canvas

        with mpl.rc_context(cast("Any", STYLE)):
            canvas = Canvas(figsize=(WIDTH, self.height), layout="constrained")
            FigureCanvasAgg(canvas)
            self.draw(canvas)
            canvas.savefig(folder / f"{self.id}.svg", metadata={"Date": None, "Creator": None})
            canvas.savefig(folder / f"{self.id}.png", dpi=PNG_DPI, metadata={"Software": None})
        (folder / f"{self.id}.csv").write_text(self.csv(), encoding="utf-8", newline="")

    def csv(self) -> str:
        """The data of the figure as CSV text."""
        buffer = io.StringIO()
        rows = [[_plain(cell) for cell in row] for row in self.data]
        csv.writer(buffer, lineterminator="\n").writerows([self.columns, *rows])
        return buffer.getvalue()

    def markdown(self) -> str:
        """The figure, and in HTML the table of its data with a download link."""
        rows = [[_shown(cell) for cell in row] for row in self.data]
        table = Table("", "Data behind the figure", self.columns, "l" * len(self.columns), rows)
        return (
            f'![{escape(self.caption)}](figures/{self.id}.svg){{#fig-{self.id} fig-alt="{attribute(self.alt)}"}}\n\n'
            '::: {.content-visible when-format="html"}\n'
            '<details class="figure-data">\n<summary>Data behind this figure</summary>\n\n'
            f'[Download these data (CSV)](figures/{self.id}.csv){{download="{self.id}.csv"}}\n\n'
            f"{table.markdown()}\n</details>\n:::\n"
        )


def _plain(cell: Cell) -> str:
    """A cell of the file: ASCII, no thousands separators."""
    if isinstance(cell, float):
        return f"{cell:.{CSV_DIGITS}g}"
    return "" if cell is None else str(cell)


def _shown(cell: Cell) -> str:
    """A cell of the table on the page."""
    if isinstance(cell, float):
        return number(cell, SHOWN_DIGITS)
    return whole(cell) if isinstance(cell, int) else cell or ""


def wrapped(text: str, width: int = NAME_WIDTH) -> str:
    """A name over as many lines as it needs, at most three."""
    return "\n".join(textwrap.wrap(text, width, max_lines=3, placeholder=" …"))


def titled(axes: Axes, text: str, width: int = TITLE_WIDTH) -> None:
    """Give the axes a title, over as many lines as it needs."""
    axes.set_title(wrapped(text, width), loc="left", color=INK)


def spread(positions: list[float], gap: float) -> list[float]:
    """Label positions moved apart so that neighbours keep `gap`, each as near its own place as that allows."""
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    placed = list(positions)
    for _ in range(50):
        moved = False
        for a, b in pairwise(order):
            short = gap - (placed[b] - placed[a])
            if short > 1e-9:
                placed[a] -= short / 2
                placed[b] += short / 2
                moved = True
        if not moved:
            break
    return placed


def end_labels(axes: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """Write each line's name at its end (x, y, text, colour), to the right of the axes, never one over another."""
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]  # lays the axes out, so that their height is known
    low, high = axes.get_ylim()
    lines = max((t.count("\n") + 1 for _, _, t, _ in ends), default=1)
    height = axes.get_window_extent().height / axes.figure.dpi
    places = spread([y for _, y, _, _ in ends], (high - low) * LINE * lines / height)
    for (_, _, text, colour), y in zip(ends, places, strict=True):
        axes.annotate(
            text,
            (1, y),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            fontweight="bold",
            annotation_clip=False,
        )
