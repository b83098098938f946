"""What was observed beside the course expected without the program: synthetic controls and interrupted series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.report.figures.figure import COMPARISON, PROGRAM, QUIET, SHADE, Cell, Figure, titled
from evaluation.report.headline import Headline, headline, options
from evaluation.report.numbers import number
from evaluation.report.released import Released
from evaluation.report.words import STATUS, counted, upper_first
from evaluation.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

MOST = 3  # figures a report
Point = tuple[float, float]


def gaps(released: Released, head: Headline) -> list[Figure]:
    """A figure an analysis of the main outcome that gives gaps by period, the main analysis first."""
    analyses = sorted(released.study.analyses, key=lambda a: a.id != head.analysis.id)
    found = [
        figure for a in analyses if a.outcome == head.analysis.outcome if (figure := _figure(headline(released, a)))
    ]
    return found[:MOST]


def _figure(head: Headline) -> Figure | None:
    rows = [r for r in head.released.rows("estimates", analysis=head.analysis.id, term="gap") if r["time"] is not None]
    rows = sorted((r for r in rows if r["group"] == _first_group(rows)), key=lambda r: float(r["time"]))
    shown = [r for r in rows if r["status"] == "ok" and r["estimate"] is not None]
    if not shown or not head.known:
        return None
    released, banded = head.released, any(r["conf_low"] is not None for r in shown)
    observed, start = _observed(head, shown), _start(head, rows)
    expected = "course before the start, continued" if _interrupted(head) else "weighted comparison"
    caption = f"{head.name}: the gap between what was observed and the {expected}, by {released.time_unit}"
    caption = caption + ("; the band is a 95% plausible range of the course." if banded else ".")
    if observed:
        caption += " Above, both courses."
    hidden = len(rows) - len(shown)
    caption += f" {upper_first(counted(hidden, released.time_unit))} hidden." if hidden else ""
    data: list[list[Cell]] = [
        [released.period(float(r["time"])), observed.get(float(r["time"])), _less(observed, r),
         *(None if r[c] is None else float(r[c]) for c in ("estimate", "conf_low", "conf_high")),
         STATUS.get(r["status"], "")]
        for r in rows
    ]  # fmt: skip

    def draw(canvas: Canvas) -> None:
        grid = canvas.subplots(2 if observed else 1, 1, squeeze=False, sharex=True)[:, 0]
        if observed:
            _draw_paths(grid[0], head, shown, observed, start)
        _draw_gap(grid[-1], head, shown, start)
        grid[-1].set_xlabel(upper_first(released.time_unit))

    columns = [upper_first(released.time_unit), "Observed", "Expected", "Gap", "Low", "High", "Note"]
    name = f"gap-{head.analysis.id.replace('_', '-')}"
    return Figure(name, caption, _alt(head, shown, start), columns, data, 4.2 if observed else 2.6, draw)


def _first_group(rows: list[Row]) -> str:
    return min((str(r["group"]) for r in rows), default="")


def _interrupted(head: Headline) -> bool:
    return head.analysis.estimator == "interrupted_time_series"


def _start(head: Headline, rows: list[Row]) -> float | None:
    """The first period with the program."""
    if rows and rows[0]["group"]:
        return float(rows[0]["group"])
    groups = {r["group"] for r in head.released.rows("series", outcome=head.analysis.outcome)}
    starts = [float(g.removeprefix("cohort:")) for g in groups if g.startswith("cohort:")]
    return min(starts) if starts else None


def _observed(head: Headline, rows: list[Row]) -> dict[float, float]:
    """The adopters' raw course, where the gap is of just these units and on the outcome's own scale; else empty."""
    chosen = options(head.released, head.analysis.id)
    controlled = _interrupted(head) and chosen.get("comparison", "none") != "none"
    if rows[0]["scale"] != "level" or rows[0]["group"] or controlled or head.outcome.exposure:
        return {}
    series = head.released.rows("series", outcome=head.analysis.outcome, group="treated")
    found = {float(r["time"]): r for r in series if r["estimate"] is not None}
    sizes = {float(r["time"]): r["n_treated_units"] for r in rows}
    if any(t not in found or (n and found[t]["n_units"] != n) for t, n in sizes.items()):
        return {}
    return {t: float(found[t]["estimate"]) for t in sizes}


def _less(observed: dict[float, float], row: Row) -> float | None:
    time = float(row["time"])
    return None if time not in observed or row["estimate"] is None else observed[time] - float(row["estimate"])


def _dates(axes: Axes, released: Released, rows: list[Row], start: float | None) -> None:
    times = [float(r["time"]) for r in rows]
    if start is not None and start <= times[-1]:
        axes.axvspan(start - 0.5, times[-1] + 0.5, color=SHADE, zorder=0, linewidth=0)
    axes.set_xlim(times[0] - 0.5, times[-1] + 0.5)
    axes.locator_params(axis="x", integer=True, nbins=6 if released.dated else 10)
    if released.dated:
        axes.xaxis.set_major_formatter(lambda x, _: released.period(round(x)))


def _draw_paths(axes: Axes, head: Headline, rows: list[Row], observed: dict[float, float], start: float | None) -> None:
    times = [float(r["time"]) for r in rows]
    expected = [observed[t] - float(r["estimate"]) for t, r in zip(times, rows, strict=True)]
    if all(r["conf_low"] is not None for r in rows):
        ends = [sorted(observed[t] - float(r[c]) for c in ("conf_low", "conf_high"))
                for t, r in zip(times, rows, strict=True)]  # fmt: skip
        axes.fill_between(times, [e[0] for e in ends], [e[1] for e in ends], color=COMPARISON, alpha=0.15, linewidth=0)
    axes.plot(times, expected, color=COMPARISON, linewidth=1.9, dashes=(5, 2), label="Expected without the program")
    axes.plot(
        times, [observed[t] for t in times], color=PROGRAM, linewidth=1.9, marker="o", markersize=3, label="Observed"
    )
    _dates(axes, head.released, rows, start)
    axes.set_ylabel("Average")
    axes.legend(frameon=False, fontsize=9, loc="best")
    titled(axes, head.outcome.label)


def _draw_gap(axes: Axes, head: Headline, rows: list[Row], start: float | None) -> None:
    times = [float(r["time"]) for r in rows]
    both = [r for r in rows if r["conf_low"] is not None and r["conf_high"] is not None]
    axes.axhline(0, color=QUIET, linewidth=1)
    if both:
        low, high = ([float(r[c]) for r in both] for c in ("conf_low", "conf_high"))
        axes.fill_between([float(r["time"]) for r in both], low, high, color=PROGRAM, alpha=0.15, linewidth=0)
    axes.plot(times, [float(r["estimate"]) for r in rows], color=PROGRAM, linewidth=1.9, marker="o", markersize=3)
    _dates(axes, head.released, rows, start)
    axes.set_ylabel("Gap")
    titled(axes, "Observed less expected; shaded from adoption on")


def _alt(head: Headline, rows: list[Row], start: float | None) -> str:
    def span(what: str, part: list[Row]) -> str:
        values = [float(r["estimate"]) for r in part]
        return f"{what}, gaps run from {number(min(values))} to {number(max(values))}." if values else ""

    before = [r for r in rows if start is not None and float(r["time"]) < start]
    after = [r for r in rows if start is None or float(r["time"]) >= start]
    parts = " ".join(s for s in (span("Before adoption", before), span("From adoption on", after)) if s)
    return f"Lines by {head.released.time_unit} of the gap between what was observed and expected. {parts}"
