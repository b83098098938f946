"""The main effect of every analysis on a common scale, one panel a scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.report.figures.figure import INK, LINE, PROGRAM, QUIET, Cell, Figure, titled, wrapped
from evaluation.report.headline import Headline, credible, headline
from evaluation.report.released import Released
from evaluation.report.words import ROLES, upper_first

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

ROW, PANEL = 0.36, 1.05  # inches: a row of the figure, and what a panel adds around its rows
TALLEST = 8.2  # inches that a printed page has room for, beside the caption
MAX_TICKS = 5
GAP = 0.14  # inches above and below a panel, so that its title stands clear of the axis label before it
LABEL_WIDTHS, TITLE = (28, 38), 58  # characters a line of a label, and of a panel's title, may have


@dataclass(frozen=True)
class _Panel:
    title: str
    axis: str
    heads: list[Headline]


def _axis(head: Headline) -> str:
    told = head.told
    if told.kind == "risk":
        return f"Difference{told.tail} ({told.down} ← 0 → {told.up})"
    if told.kind == "percent":
        return f"Difference in per cent ({told.down} ← 0 → {told.up})"
    unit = f" in {told.tail}" if told.kind == "time" else ""
    return f"Difference{unit} ({told.down} ← 0 → {told.up})"


def _panels(released: Released) -> list[_Panel]:
    answers = [a for a in released.study.analyses if a.among == "everyone"]  # completers are described, not compared
    heads = [h for h in (headline(released, a) for a in answers) if h.known]
    panels: dict[tuple[str, str], list[Headline]] = {}
    for head in heads:
        panels.setdefault((_title(head), _axis(head)), []).append(head)
    return [_Panel(title, axis, members) for (title, axis), members in panels.items()]


def _title(head: Headline) -> str:
    told = head.told
    if told.kind == "percent":
        return "Relative difference"
    if told.kind in {"level", "count"}:
        return f"Difference in {head.thing}"
    return upper_first(told.name)


def forest(released: Released) -> Figure | None:
    """The figure, or None where no analysis has a figure to show."""
    panels = _panels(released)
    if not panels:
        return None
    n = sum(len(p.heads) for p in panels)
    fair = credible(headline(released))
    caption = (
        f"{'Main effect of each analysis' if fair else 'What each analysis comes to'} ({n} in all), with 95% plausible "
        "ranges. The filled square is the main analysis."
    )
    if not fair:
        caption += " None is an effect: paths differed before adoption already."
    columns = ["Analysis", "Role", "Scale", "Estimate", "Low", "High"]
    data: list[list[Cell]] = [
        [
            h.name,
            ROLES[h.analysis.role],
            f"{p.title}, {p.axis.partition(' (')[0]}",
            *_sizes(h),
        ]
        for p in panels
        for h in p.heads
    ]

    width, row = _rows_that_fit(panels)

    def draw(canvas: Canvas) -> None:
        canvas.set_layout_engine("constrained", h_pad=GAP)
        ratios = [len(p.heads) + PANEL / row for p in panels]
        grid = canvas.subplots(len(panels), 1, squeeze=False, height_ratios=ratios)
        for axes, panel in zip(grid[:, 0], panels, strict=True):
            _draw(axes, released, panel, width)

    height = min(TALLEST, max(1.5, row * n + PANEL * len(panels)))
    return Figure("all-analyses", caption, _alt(released, panels), columns, data, height, draw)


def _sizes(head: Headline) -> list[float | None]:
    told, ends = head.told, head.interval
    return [told.size(head.estimate), *(sorted(told.size(v) for v in ends) if ends else (None, None))]


def _words(head: Headline) -> str:
    """The estimate over its range, rounded as in the tables."""
    told = head.told
    if head.interval is None:
        return told.amount(head.estimate)
    return f"{told.amount(head.estimate)}\n{told.span(*head.interval).removesuffix(told.tail)}"


def _draw(axes: Axes, released: Released, panel: _Panel, width: int) -> None:
    axes.axvline(0, color=QUIET, linewidth=1)
    labels = []
    for line, head in enumerate(panel.heads):
        y = -line
        _, low, high = _sizes(head)
        primary = head.analysis.id == released.study.primary.id
        colour = PROGRAM if primary else INK
        if low is not None and high is not None:
            axes.plot([low, high], [y, y], color=colour, linewidth=1.8, solid_capstyle="butt")
        axes.plot(
            [head.told.size(head.estimate)],
            [y],
            marker="s" if primary else "o",
            markersize=7 if primary else 6,
            color=colour,
            markerfacecolor=colour if primary else "white",
        )
        labels.append(wrapped(head.name, width))
        axes.annotate(
            _words(head),
            (1, y),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            annotation_clip=False,
        )
    axes.set_yticks([-i for i in range(len(labels))], labels)
    axes.set_ylim(-len(labels) + 0.4, 0.6)
    axes.grid(visible=False)
    axes.grid(visible=True, axis="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    titled(axes, panel.title, TITLE)
    axes.set_xlabel(panel.axis)
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=MAX_TICKS, steps=[1, 2, 2.5, 5, 10])


def _rows_that_fit(panels: list[_Panel]) -> tuple[int, float]:
    """Characters a line of the labels, and inches a row needs for the longest: the narrowest that fit a page."""
    names = [h.name for p in panels for h in p.heads]
    for width in LABEL_WIDTHS:
        lines = max(wrapped(name, width).count("\n") + 1 for name in names)
        row = max(ROW, LINE * lines + 0.06)
        if row * len(names) + PANEL * len(panels) <= TALLEST:
            break
    return width, row


def _alt(released: Released, panels: list[_Panel]) -> str:
    parts = [
        f"{h.name}: {h.told.phrase(h.estimate)}" + (f" (range {h.told.span(*h.interval)})" if h.interval else "") + "."
        for p in panels
        for h in p.heads
    ]
    if not credible(headline(released)):
        return f"Forest plot of what {len(parts)} analyses come to; none is an effect. {' '.join(parts)}"
    return f"Forest plot of the main effect of {len(parts)} analyses. {' '.join(parts)}"
