"""Curves step at single events; a released curve steps only where enough events have come together.

The curves of one outcome and group (survival, incidence, competing incidences; of several analyses) follow the same
people, so they step at the same times, and no two of them may differ by few people.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from evaluation.disclosure.profiles import Profile
from evaluation.results import Row

Window = tuple[str, float]  # outcome and time
FIGURES = ("estimate", "std_error", "conf_low", "conf_high", "band_low", "band_high")


def _key(row: Row) -> tuple[str, str, str, str]:
    return (row["outcome"], row["group"], row["analysis"], row["quantity"])


def _origin(row: Row) -> Row:
    start = 1.0 if row["quantity"] == "survival" else 0.0
    figures = {name: start for name in FIGURES if name in row} | {"std_error": 0.0}
    return {**row, "time": 0.0, "n_event": 0, "n_censor": 0, **figures}


@dataclass(frozen=True)
class _Gone:
    """Who has left by some time: with the curve's event, or without it; and who is still at risk."""

    events: int
    without: int  # censored, or after another event
    at_risk: int

    def since(self, before: _Gone) -> tuple[int, int]:
        """Those who left since an earlier time."""
        return (self.events - before.events, self.without - before.without)


def _spans(steps: Sequence[float]) -> list[tuple[float | None, float]]:
    """From each step to the next, the first from the start (None)."""
    return list(zip([None, *steps], steps, strict=False))


class _Curve:
    """One curve: its points in order of time, and who has left by any time."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.times = [r["time"] for r in rows]
        self.competing = str(rows[0]["quantity"]).partition(":")[2]
        self.start = _Gone(0, 0, rows[0]["n_risk"])
        events = 0
        self.gone = []
        for row, after in zip(rows, [*(r["n_risk"] for r in rows[1:]), None], strict=True):
            events += row["n_event"]
            left = row["n_risk"] - row["n_event"] - row["n_censor"] if after is None else after
            self.gone.append(_Gone(events, self.start.at_risk - left - events, left))

    def by(self, time: float) -> _Gone:
        """Who has left by a time."""
        place = bisect_right(self.times, time)
        return self.gone[place - 1] if place else self.start

    def since(self, before: float | None, time: float) -> tuple[int, int]:
        """Who left from one time, or from the start, to another."""
        return self.by(time).since(self.start if before is None else self.by(before))

    def points(self, steps: Sequence[float]) -> list[Row]:
        """The curve at its steps; each with the number at risk right after the step before."""
        out, at_risk = [_origin(self.rows[0])], self.start.at_risk
        for before, time in _spans(steps):
            row = self.rows[max(0, bisect_right(self.times, time) - 1)]
            events, without = self.since(before, time)
            out.append({**row, "time": time, "n_risk": at_risk, "n_event": events, "n_censor": without})
            at_risk = self.by(time).at_risk
        return out


def _safe(curves: Sequence[_Curve], before: float | None, time: float, profile: Profile) -> bool:
    """Whether all curves may step from one time to another: nobody few leaves, and nobody few remains."""
    for curve in curves:
        events, without = curve.since(before, time)
        counts = (events, without or None, curve.by(time).at_risk or None)
        if any(profile.hides(n) for n in counts):
            return False
    return True


def _moved(curves: Sequence[_Curve], before: float | None, time: float) -> bool:
    """Whether anybody leaves any curve from one time to another."""
    return any(any(c.since(before, time)) for c in curves)


def _steps(curves: Sequence[_Curve], profile: Profile, windows: Sequence[float]) -> tuple[list[float], set[float]]:
    """Times at which all curves step, and the windows at which they cannot.

    Points up to a window are merged so that a step stands at its end. What is left at the end and may not be shown is
    cut off: the curves stop at the last safe step.
    """
    times = sorted({t for c in curves for t in c.times if t > 0})
    steps: list[float] = []
    unsafe: set[float] = set()
    start = 0
    for window in [*windows, float("inf")]:
        end = bisect_right(times, window)
        first = len(steps)
        for time in times[start:end]:
            last = steps[-1] if steps else None
            if _moved(curves, last, time) and _safe(curves, last, time, profile):
                steps.append(time)
        if times[start:end] and not _ended(curves, steps, first, times[end - 1], profile) and window != float("inf"):
            unsafe.add(window)
        start = end
    return steps, unsafe


def _ended(curves: Sequence[_Curve], steps: list[float], first: int, end: float, profile: Profile) -> bool:
    """Make the last step stand at `end`, taking steps back to `first` as needed; False where that cannot be."""
    while True:
        last = steps[-1] if steps else None
        if not _moved(curves, last, end):
            return True
        if _safe(curves, last, end, profile):
            steps.append(end)
            return True
        if len(steps) <= first:
            return False
        steps.pop()


def _near(one: _Curve, other: _Curve, steps: Sequence[float], profile: Profile) -> bool:
    """Whether at some step two curves differ by few who have left, or who are at risk."""
    for time in (0.0, *steps):
        a, b = one.by(time), other.by(time)
        pairs = ((a.events, b.events), (a.at_risk, b.at_risk), (one.start.at_risk, other.start.at_risk))
        if any(profile.hides(abs(x - y) or None) for x, y in pairs):
            return True
    return False


def _thin(
    analyses: Sequence[Sequence[_Curve]], profile: Profile, windows: Sequence[float]
) -> tuple[list[Row], set[float]]:
    """The curves of one outcome and group, by analysis, and the windows at which they cannot step.

    The first analysis decides where the steps stand. The curves of another are left out where they cannot take the same
    steps, or differ from the first by few people; so are those of competing events.
    """
    first, *others = analyses
    leading = [c for c in first if not c.competing] or list(first)
    if any(profile.hides(c.start.at_risk) for c in leading):
        return [], set(windows)
    steps, unsafe = _steps(leading, profile, windows)
    kept = list(leading)
    for curves in others:
        main = [c for c in curves if not c.competing]
        if _fit(main, steps, profile) and not any(_near(c, leading[0], steps, profile) for c in main):
            kept += main
    for curves in analyses:
        followed = [c for c in curves if not c.competing and c in kept]
        kept += _competing(followed, [c for c in curves if c.competing], steps, profile) if followed else []
    return [p for c in kept for p in c.points(steps)], unsafe


def _fit(curves: Sequence[_Curve], steps: Sequence[float], profile: Profile) -> bool:
    """Whether curves may take these steps."""
    if any(profile.hides(c.start.at_risk) for c in curves):
        return False
    return all(_safe(curves, a, b, profile) for a, b in _spans(steps))


def _competing(
    main: Sequence[_Curve], others: Sequence[_Curve], steps: Sequence[float], profile: Profile
) -> list[_Curve]:
    """Curves of competing events that may be shown beside the main one: few have the event, or leave without any."""
    kept: list[_Curve] = []
    for curve in others:
        if curve in main or not _fit([curve], steps, profile):
            continue
        told = [*kept, curve]
        left = [main[0].since(a, b)[1] - sum(c.since(a, b)[0] for c in told) for a, b in _spans(steps)]
        if not any(profile.hides(n or None) for n in left):
            kept.append(curve)
    return kept


def coarsened(
    rows: list[Row], profile: Profile, windows: set[Window], primary: str = ""
) -> tuple[list[Row], set[Window]]:
    """Every curve with its steps merged so that no step tells a count that `profile` hides.

    `windows` are the (outcome, time) at which a risk is given beside the curves: a step stands at each, since a
    risk between two steps would tell the events between them. The second value returned holds the windows where
    that cannot be; their risks must be hidden. The curves of the `primary` analysis, or else of the first by name,
    come before those of others.

    `n_event` and `n_censor` of a released point count everyone since the released point before who left with the event
    and without it (censored or after another event), and `n_risk` those at risk right after that point: a number at
    risk just before the step would tell, by difference, how many left exactly at it.
    """

    def place(row: Row) -> tuple[str, str, bool, str, str]:
        outcome, group, analysis, quantity = _key(row)
        return (outcome, group, analysis != primary, analysis, quantity)

    ordered = sorted(rows, key=lambda r: (*place(r), r["time"]))
    out: list[Row] = []
    unsafe: set[Window] = set()
    for (outcome, _), both in groupby(ordered, key=lambda r: place(r)[:2]):
        analyses = [
            [_Curve(list(points)) for _, points in groupby(own, key=_key)]
            for _, own in groupby(both, key=lambda r: r["analysis"])
        ]
        points, without = _thin(analyses, profile, sorted(t for o, t in windows if o == outcome))
        out += points
        unsafe |= {(outcome, t) for t in without}
    return out, unsafe
