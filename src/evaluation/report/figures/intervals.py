"""What figures of intervals share: a point with its range, and ranges that leave the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def upright(axes: Axes, x: float, low: float, high: float, colour: str) -> None:
    """A range over `x`; an arrowhead stands where it goes on beyond the picture's ends, which must be set before."""
    bottom, top = axes.get_ylim()
    axes.plot([x, x], [max(low, bottom), min(high, top)], color=colour, linewidth=1.8, solid_capstyle="butt")
    for beyond, y, marker in ((high > top, top, "^"), (low < bottom, bottom, "v")):
        if beyond:
            axes.plot([x], [y], marker=marker, markersize=6, color=colour, clip_on=False, zorder=5)


def lying(axes: Axes, y: float, low: float | None, high: float | None, value: float, colour: str, marker: str) -> None:
    """A point on the line `y` with its range, where it has one."""
    if low is not None and high is not None:
        axes.plot([low, high], [y, y], color=colour, linewidth=1.5, solid_capstyle="butt")
    axes.plot([value], [y], marker=marker, markersize=5, color=colour)
