"""How far paths may have differed before the conclusion falls: intervals by the bound allowed (Rambachan and Roth)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.report import robustness
from evaluation.report.figures.figure import ASIDE, PROGRAM, QUIET, Cell, Figure, titled
from evaluation.report.figures.intervals import upright
from evaluation.report.headline import Headline
from evaluation.report.numbers import number
from evaluation.report.words import STATUS, counted
from evaluation.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

WHOLE = "average"  # the group of rows about the mean of all periods after adoption
ZOOM = 2.5  # times the first range's furthest end, beyond which ranges leave the picture
TITLES = {"honest_relative": "Moves apart from one period to the next", "honest_smoothness": "Bends of the trend"}
AXES = {
    "honest_relative": "Allowed, in times the largest move before adoption",
    "honest_smoothness": "Allowed change of slope a {unit}",
}
CHECKS = {"honest_relative": "honest_breakdown", "honest_smoothness": "honest_breakdown_smoothness"}


@dataclass(frozen=True)
class _Panel:
    kind: str
    rows: list[Row]
    broken: float | None  # where the range first includes no difference

    @property
    def bounds(self) -> list[float]:
        return [float(r["parameter"]) for r in self.rows]


def honest(head: Headline) -> Figure | None:
    """The figure, or None where no such ranges were released."""
    panels = [p for p in (_panel(head, kind) for kind in TITLES) if p]
    if not panels:
        return None
    unit = head.released.time_unit
    caption = (
        "The plausible range of the difference when the groups may have moved apart without the program. The dashed "
        "line marks the bound at which the range first includes no difference; arrowheads, ranges that go on "
        "beyond the picture."
    )
    hidden = sum(r["status"] == "suppressed" for k in TITLES for r in robustness.rows_of(head, k))
    if hidden:
        caption += f" {counted(hidden, 'range')} hidden."
    data: list[list[Cell]] = [
        [TITLES[r["kind"]], _about(r), float(r["parameter"]), *_ends(head, r), STATUS.get(r["status"], "")]
        for kind in TITLES
        for r in robustness.rows_of(head, kind)
        if r["parameter"] is not None
    ]

    def draw(canvas: Canvas) -> None:
        grid = canvas.subplots(1, len(panels), squeeze=False, sharey=True)
        low, high = _picture(head, panels)
        for axes, panel in zip(grid[0], panels, strict=True):
            axes.set_ylim(low, high)
            _draw(axes, head, panel)
            axes.set_xlabel(AXES[panel.kind].format(unit=unit))
        grid[0, 0].set_ylabel("Difference in per cent" if head.told.kind == "percent" else "Difference")

    columns = ["Paths may differ by", "Effect", "Bound", "Low", "High", "Note"]
    return Figure("honest", caption, _alt(head, panels), columns, data, 2.9, draw)


def _about(row: Row) -> str:
    return "mean of the periods after adoption" if row["group"] == WHOLE else "first period after adoption"


def _panel(head: Headline, kind: str) -> _Panel | None:
    rows = [r for r in robustness.rows_of(head, kind) if r["group"] == WHOLE and _drawn(r)]
    if not rows:
        return None
    check = robustness.check_of(head, CHECKS[kind], "att")
    broken = check["statistic"] if check and check["status"] != "suppressed" else None
    return _Panel(kind, sorted(rows, key=lambda r: float(r["parameter"])), broken)


def _drawn(row: Row) -> bool:
    return row["status"] == "ok" and None not in (row["conf_low"], row["conf_high"], row["parameter"])


def _ends(head: Headline, row: Row) -> list[float | None]:
    if not _drawn(row):
        return [None, None]
    return [*sorted(head.told.size(float(row[c])) for c in ("conf_low", "conf_high"))]


def _picture(head: Headline, panels: list[_Panel]) -> tuple[float, float]:
    """The ends of the axis: room for the first ranges, while the widest ones leave the picture."""
    first = [abs(v) for p in panels for v in _ends(head, p.rows[0]) if v is not None]
    every = [v for p in panels for r in p.rows for v in _ends(head, r) if v is not None]
    reach = ZOOM * max([*first, 1e-12])
    low, high = max(min([*every, 0.0]), -reach), min(max([*every, 0.0]), reach)
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _draw(axes: Axes, head: Headline, panel: _Panel) -> None:
    axes.axhline(0, color=QUIET, linewidth=1)
    for row in panel.rows:
        low, high = (float(v) for v in _ends(head, row) if v is not None)
        upright(axes, float(row["parameter"]), low, high, PROGRAM if low > 0 or high < 0 else QUIET)
    if panel.broken is not None and panel.broken <= max(panel.bounds):
        axes.axvline(panel.broken, color=ASIDE, linewidth=1.4, dashes=(4, 2))
    axes.set_xticks(panel.bounds, [number(b, 2) for b in panel.bounds])
    step = max(panel.bounds) or 1.0
    axes.set_xlim(-0.08 * step, 1.08 * step)
    titled(axes, TITLES[panel.kind], 40)


def _alt(head: Headline, panels: list[_Panel]) -> str:
    parts = []
    for p in panels:
        spans = "; ".join(
            f"at {number(float(r['parameter']), 2)}, {head.told.span(r['conf_low'], r['conf_high'])}" for r in p.rows
        )
        parts.append(f"{TITLES[p.kind]}: {spans}. {_marked(p)}")
    return f"Plausible ranges of the difference by how far paths may have differed. {' '.join(parts)}"


def _marked(panel: _Panel) -> str:
    if panel.broken is None:
        return "No bound within reach makes a range include no difference."
    if panel.broken == 0:
        return "The range includes no difference from the first bound on."
    return f"The range first includes no difference at {number(panel.broken, 2)}."
