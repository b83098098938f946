"""What a two-way fixed effects coefficient is made of: comparisons of two groups, weight against estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.report.figures.figure import COMPARISON, PROGRAM, QUIET, Cell, Figure, titled
from evaluation.report.headline import Headline, headline
from evaluation.report.numbers import number, percent
from evaluation.report.released import Released
from evaluation.report.words import COMPARISONS, STATUS, counted, upper_first
from evaluation.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

LOOKS = {
    "treated_vs_never": ("o", PROGRAM),
    "earlier_vs_later": ("s", "#6a3d9a"),
    "later_vs_earlier": ("X", COMPARISON),
}


def regression(released: Released, outcome: str) -> Headline | None:
    """The first analysis of the outcome whose coefficient was taken apart."""
    taken = {r["analysis"] for r in released.rows("decomposition")}
    found = (headline(released, a) for a in released.study.analyses if a.id in taken and a.outcome == outcome)
    return next((h for h in found if h.known), None)


def decomposition(released: Released, head: Headline) -> Figure | None:
    """The figure, or None where no comparison of two groups was released."""
    whole = regression(released, head.analysis.outcome)
    if whole is None:
        return None
    rows = [r for r in released.rows("decomposition", analysis=whole.analysis.id) if r["kind"] in LOOKS]
    shown = [r for r in rows if r["status"] == "ok" and r["estimate"] is not None and r["weight"] is not None]
    if not shown:
        return None
    kinds = {kind: [r for r in shown if r["kind"] == kind] for kind in LOOKS}
    kinds = {kind: found for kind, found in kinds.items() if found}
    caption = (
        f"What the figure of “{whole.name}” is a weighted mean of: each point compares two groups. Crosses compare "
        "with units that had adopted already, which misleads where effects grow."
    )
    if len(shown) < len(rows):
        caption += f" {upper_first(counted(len(rows) - len(shown), 'comparison'))} hidden."
    data: list[list[Cell]] = [
        [COMPARISONS[r["kind"]], *(_group(released, r[c]) for c in ("treated", "control")),
         *(None if r[c] is None else float(r[c]) for c in ("weight", "estimate")), STATUS.get(r["status"], "")]
        for r in rows
    ]  # fmt: skip

    def draw(canvas: Canvas) -> None:
        _draw(canvas.subplots(), whole, kinds)

    columns = ["Comparison", "Adopting group", "Compared with", "Weight", "Difference", "Note"]
    return Figure("decomposition", caption, _alt(whole, kinds), columns, data, 3.1, draw)


def _group(released: Released, name: str) -> str:
    try:
        return released.group(f"cohort:{float(name):g}")
    except ValueError:
        return {"never": "never adopted", "always": "adopted from the start"}.get(name, name)


def share(rows: list[Row]) -> tuple[float, float]:
    """The weight of some comparisons together, and their weighted mean."""
    weight = sum(float(r["weight"]) for r in rows)
    return weight, sum(float(r["weight"]) * float(r["estimate"]) for r in rows) / weight if weight else 0.0


def _draw(axes: Axes, whole: Headline, kinds: dict[str, list[Row]]) -> None:
    axes.axhline(0, color=QUIET, linewidth=1)
    axes.axhline(whole.estimate, color=QUIET, linewidth=1.2, dashes=(4, 2))
    for kind, rows in kinds.items():
        marker, colour = LOOKS[kind]
        x, y = [100 * float(r["weight"]) for r in rows], [float(r["estimate"]) for r in rows]
        label = f"{COMPARISONS[kind]} ({percent(share(rows)[0])})"
        axes.plot(x, y, linestyle="none", marker=marker, color=colour, markersize=6, alpha=0.85, label=label)
    axes.set_xlabel("Weight, per cent")
    axes.set_ylabel("Difference")
    axes.set_xlim(left=0)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), frameon=False, fontsize=9)
    titled(axes, "Comparisons of two groups, with the whole dashed")


def _alt(whole: Headline, kinds: dict[str, list[Row]]) -> str:
    parts = []
    for kind, rows in kinds.items():
        weight, mean = share(rows)
        parts.append(
            f"{COMPARISONS[kind]}: {counted(len(rows), 'comparison')}, {percent(weight)} of the weight, "
            f"mean difference {number(mean)}."
        )
    return f"Points of weight against difference; the whole is {number(whole.estimate)}. {' '.join(parts)}"
