"""Cumulative incidence by group over follow-up, with bands and the numbers at risk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.report.figures.figure import COMPARISON, INK, PROGRAM, QUIET, Cell, Figure, end_labels, titled, wrapped
from evaluation.report.headline import Headline, options
from evaluation.report.numbers import listing, per, whole
from evaluation.report.released import Released
from evaluation.report.words import HIDDEN, upper_first
from evaluation.results import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

GROUPS = ("control", "treated", "all")
COLOURS = {"control": COMPARISON, "treated": PROGRAM, "all": INK}
STEPS = {
    "day": (1, 7, 30, 90, 180, 365),
    "week": (1, 2, 4, 13, 26, 52),
    "month": (1, 3, 6, 12, 24, 60),
    "year": (1, 2, 5, 10),
}
MAX_TICKS = 8
AT_RISK = "Followed, no event yet"
JOINED = " Straight lines join the times at which enough people had come together to be shown."
DASHES = {"control": (5, 2), "treated": (), "all": ()}


def _incidence(row: Row, column: str) -> float | None:
    value = row[column]
    if value is None:
        return None
    return 100 * (1 - float(value)) if row["quantity"] == "survival" else 100 * float(value)


def _rows(released: Released, head: Headline) -> list[Row]:
    """The curve of the main outcome: the primary analysis's own, else the first analysis that has one.

    A run may hold both the share with the outcome and the share without it: the first is taken.
    """
    rows = released.rows("curve", outcome=head.analysis.outcome)
    order = [head.analysis.id, *(a.id for a in released.study.analyses)]
    analysis = next((a for a in order if any(r["analysis"] == a for r in rows)), None)
    found = [r for r in rows if r["analysis"] == analysis]
    incidence = [r for r in found if r["quantity"] == "cumulative_incidence"]
    return incidence or [r for r in found if r["quantity"] == "survival"]


def curve_hidden(released: Released, head: Headline) -> str:
    """Said in place of the figure where there are curves, but none with a step that may be shown; else empty."""
    if not _rows(released, head) or curve(released, head) is not None:
        return ""
    return (
        f"The curves of {released.mid(head.outcome.label)} over time are not drawn: every step of them rests on so few "
        f"{released.people} that it is hidden."
    )


def _stepping(rows: list[Row]) -> bool:
    return any(float(r["time"]) > 0 and _incidence(r, "estimate") is not None for r in rows)


def coarse(released: Released) -> bool:
    """Whether points of the curves were merged: the curve rises somewhere between two, and is known at them alone."""
    return any(r["n_suppressed"] for r in released.rows("suppression", table="curve"))


def _raw(released: Released, rows: list[Row]) -> bool:
    """Whether the analysis that drew the curve held nothing equal between the groups."""
    return str(options(released, rows[0]["analysis"]).get("adjust", "none")) == "none"


def curve(released: Released, head: Headline) -> Figure | None:
    """The figure, or None where no curve was released with any figure in it."""
    rows = _rows(released, head)
    groups = {g: sorted((r for r in rows if r["group"] == g), key=lambda r: float(r["time"])) for g in GROUPS}
    shown = {g: rs for g, rs in groups.items() if _stepping(rs)}
    if not shown:
        return None
    label = released.mid(head.outcome.label)
    observed = ", as observed, without adjustment" if _raw(released, rows) else ""
    caption = f"Share of {released.people} with {label} over time since the start of follow-up, by group{observed}"
    banded = any(r["conf_low"] is not None for rs in shown.values() for r in rs)
    caption += "; bands are 95% plausible ranges." if banded else "."
    caption += JOINED if coarse(released) else ""
    missing = [released.group(g) for g, rs in groups.items() if rs and g not in shown]
    if missing:
        caption += f" The curve of the {listing(missing)} is hidden: it rests on too few {released.people}."
    columns = [
        "Group",
        f"Time ({released.time_unit}s)",
        "Share with the outcome, of every 100",
        "Low",
        "High",
        AT_RISK,
    ]

    def draw(canvas: Canvas) -> None:
        upper, lower = canvas.subplots(2, 1, sharex=True, height_ratios=[5, 0.42 * len(shown) + 0.35])
        _draw_curves(upper, released, shown, label)
        _draw_at_risk(lower, released, shown)

    height = 2.55 + 0.2 * len(shown)
    alt = _alt(released, shown, label + observed)
    return Figure("curve", caption, alt, columns, _data(released, shown), height, draw)


def _steps(rows: list[Row], column: str) -> tuple[list[float], list[float]]:
    points = [(float(r["time"]), v) for r in rows if (v := _incidence(r, column)) is not None]
    if not points or points[0][0] > 0:
        points.insert(0, (0.0, 0.0))
    return [p[0] for p in points], [p[1] for p in points]


def _draw_curves(axes: Axes, released: Released, shown: dict[str, list[Row]], label: str) -> None:
    ends = []
    joined = coarse(released)
    top = max(
        v
        for rows in shown.values()
        for c in ("estimate", "conf_low", "conf_high")
        for r in rows
        if (v := _incidence(r, c)) is not None
    )
    for group, rows in shown.items():
        x, y = _steps(rows, "estimate")
        axes.plot(x, y, drawstyle="default" if joined else "steps-post", color=COLOURS[group],
                  dashes=DASHES[group], linewidth=1.9)  # fmt: skip
        both = [r for r in rows if r["conf_low"] is not None and r["conf_high"] is not None]
        if both:
            low, high = _steps(both, "conf_low"), _steps(both, "conf_high")
            axes.fill_between(
                low[0], low[1], high[1], step=None if joined else "post", color=COLOURS[group], alpha=0.13, linewidth=0
            )
        ends.append((x[-1], y[-1], wrapped(released.group(group)), COLOURS[group]))
    axes.set_ylim(0, min(100, max(1.08 * top, 1)))
    axes.set_xlim(0, 1.01 * max(x for x, *_ in ends))
    axes.set_xticks(_ticks(released.time_unit, max(x for x, *_ in ends)))
    axes.set_ylabel("Of every 100 people")
    titled(axes, f"{upper_first(label)}, cumulative")
    axes.tick_params(labelbottom=True)
    axes.set_xlabel(f"{upper_first(released.time_unit)}s since the start of follow-up")
    end_labels(axes, ends)


def at_risk(rows: list[Row], time: float) -> str:
    """How many were followed without an event at `time`: the number at risk at the next point.

    On a curve with merged points that is the number right after the step before. `hidden` where not released.
    """
    later = [r for r in rows if float(r["time"]) >= time]
    if not later:
        return "–"
    n = later[0]["n_risk"]
    return HIDDEN if n is None else whole(n)


def _ticks(unit: str, end: float) -> list[float]:
    """Times to mark, in steps that fit the unit: quarters of a year in weeks, half years in months."""
    steps = [*STEPS[unit], *(STEPS[unit][-1] * 2**k for k in range(1, 8))]
    step = next(s for s in steps if end / s <= MAX_TICKS)
    return [float(i * step) for i in range(int(end // step) + 1)]


def _draw_at_risk(axes: Axes, released: Released, shown: dict[str, list[Row]]) -> None:
    axes.set_axis_off()
    axes.set_ylim(-len(shown) + 0.4, 1.3)
    label = f"{AT_RISK} (as of the curve’s last step before)" if coarse(released) else AT_RISK
    axes.text(0, 0.9, label, transform=axes.get_yaxis_transform(), ha="left", color=QUIET)
    for line, (group, rows) in enumerate(shown.items()):
        for tick in axes.get_xticks():
            axes.text(tick, -line, at_risk(rows, tick), ha="center", va="center", color=COLOURS[group])
        axes.annotate(
            released.group(group).split()[0].capitalize(),
            (1, -line),
            xycoords=("axes fraction", "data"),
            xytext=(18, 0),
            textcoords="offset points",
            va="center",
            color=COLOURS[group],
            annotation_clip=False,
        )


def _data(released: Released, shown: dict[str, list[Row]]) -> list[list[Cell]]:
    return [
        [
            released.group(g),
            f"{float(r['time']):.12g}",
            *(_incidence(r, c) for c in ("estimate", *_bounds(r))),
            HIDDEN if r["n_risk"] is None else int(r["n_risk"]),
        ]
        for g, rows in shown.items()
        for r in rows
    ]


def _bounds(row: Row) -> tuple[str, str]:
    return ("conf_high", "conf_low") if row["quantity"] == "survival" else ("conf_low", "conf_high")


def _at(rows: list[Row], time: float) -> float:
    """The height of a curve at `time`: that of its last step until then."""
    steps = [(float(r["time"]), v) for r in rows if (v := _incidence(r, "estimate")) is not None]
    return max((s for s in steps if s[0] <= time), default=(0.0, 0.0))[1]


def _compared(released: Released, shown: dict[str, list[Row]]) -> list[float]:
    """Times at which every curve is told: the study's windows that all of them reach, and where the first one ends."""
    ends = [max(float(r["time"]) for r in rows if _incidence(r, "estimate") is not None) for rows in shown.values()]
    windows = released.cohort.windows if released.cohort else ()
    return sorted({float(w) for w in windows or () if w <= min(ends)} | {min(ends)})


def _among(released: Released, group: str) -> str:
    return f"among {released.group(group)}" if group == "all" else f"in the {released.group(group)}"


def _alt(released: Released, shown: dict[str, list[Row]], what: str) -> str:
    parts = []
    for time in _compared(released, shown):
        told = [f"{per(_at(rows, time))} of every 100 {_among(released, g)}" for g, rows in shown.items()]
        parts.append(f"By {released.span(time)}: {listing(told)}.")
    return f"Step curves of the share with {what}, by time since the start of follow-up. {' '.join(parts)}"
