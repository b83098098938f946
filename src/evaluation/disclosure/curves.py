"""Curves step at single events; a released curve steps only where enough events have come together.

The curves of one outcome and group (survival, incidence, competing incidences; of several analyses) follow the same
people, so they step at the same times, and no two of them may differ by few people.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    censored: int = 0

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
        self.quantity = str(rows[0]["quantity"])
        self.competing = self.quantity.partition(":")[2]
        self.start = _Gone(0, 0, rows[0]["n_risk"])
        events = without = 0
        self.gone = []
        for row in rows:  # a point counts everyone who left since the one before: with the event, and without it
            events, without = events + row["n_event"], without + row["n_censor"]
            self.gone.append(_Gone(events, without, self.start.at_risk - events - without, without))

    def beside(self, rivals: Sequence[_Curve]) -> None:
        """Tell those censored from those whom another event met, which the curves of these events count."""
        for k, (time, gone) in enumerate(zip(self.times, self.gone, strict=True)):
            others = sum(c.by(time).events for c in rivals if c is not self)
            self.gone[k] = replace(gone, censored=gone.without - others)

    def by(self, time: float) -> _Gone:
        """Who has left by a time."""
        place = bisect_right(self.times, time)
        return self.gone[place - 1] if place else self.start

    def since(self, before: float | None, time: float) -> tuple[int, int]:
        """Who left from one time, or from the start, to another."""
        return self.by(time).since(self.start if before is None else self.by(before))

    def around(self, before: float | None, time: float) -> tuple[_Gone, ...]:
        """Who had left before the one time between two steps at which events were; nothing where there are several.

        There the curve's jump tells how many were at risk.
        """
        first = 0 if before is None else bisect_right(self.times, before)
        events = [k for k in range(first, bisect_right(self.times, time)) if self.rows[k]["n_event"]]
        if len(events) != 1:
            return ()
        return (self.gone[events[0] - 1] if events[0] else self.start,)

    def points(self, steps: Sequence[float], *, bare: bool) -> list[Row]:
        """The curve at its steps; each with the number at risk right after the step before, unless `bare`."""
        out, at_risk = [_origin(self.rows[0])], self.start.at_risk
        for before, time in _spans(steps):
            row = self.rows[max(0, bisect_right(self.times, time) - 1)]
            events, without = self.since(before, time)
            left = {"n_risk": None, "n_censor": None} if bare else {"n_risk": at_risk, "n_censor": without}
            out.append({**row, "time": time, "n_event": events, **left})
            at_risk = self.by(time).at_risk
        return out


def _safe(curves: Sequence[_Curve], before: float | None, time: float, profile: Profile, *, bare: bool) -> bool:
    """Whether all curves may step from one time to another: nobody few leaves, and nobody few remains.

    `bare`: only numbers with the event are to be shown. Few with a competing event may then leave, who do not change an
    incidence, but not few who are censored: the curve's next step would tell them.
    """
    for curve in curves:
        events, without = curve.since(before, time)
        now, then = curve.by(time), curve.start if before is None else curve.by(before)
        left = [curve.start.at_risk - now.events, now.censored - then.censored] if bare else [without, now.at_risk]
        for between in curve.around(before, time):
            left += [between.censored - then.censored, now.censored - between.censored] if bare else []
            left += [] if bare else [between.without - then.without, now.without - between.without]
        if any(profile.hides(n) for n in (events, *(n or None for n in left))):
            return False
    return True


def _moved(curves: Sequence[_Curve], before: float | None, time: float, *, bare: bool) -> bool:
    """Whether anybody leaves any curve from one time to another; with the event or censored, where they are `bare`."""
    for curve in curves:
        now, then = curve.by(time), curve.start if before is None else curve.by(before)
        if now.events > then.events or (now.censored > then.censored if bare else now.at_risk < then.at_risk):
            return True
    return False


def _steps(
    curves: Sequence[_Curve], profile: Profile, windows: Sequence[float], *, bare: bool
) -> tuple[list[float], set[float]]:
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
            if _moved(curves, last, time, bare=bare) and _safe(curves, last, time, profile, bare=bare):
                steps.append(time)
        ended = start == end or _ended(curves, steps, (first, times[end - 1]), profile, bare=bare)
        if not ended and window != float("inf"):
            unsafe.add(window)
        start = end
    return steps, unsafe


def _ended(
    curves: Sequence[_Curve], steps: list[float], stretch: tuple[int, float], profile: Profile, *, bare: bool
) -> bool:
    """Make the last step stand at the end of a stretch, taking its steps back as needed; False where that cannot be.

    `stretch` is the number of steps before it, and its end.
    """
    first, end = stretch
    while True:
        last = steps[-1] if steps else None
        if not _moved(curves, last, end, bare=bare):
            return True
        if _safe(curves, last, end, profile, bare=bare):
            steps.append(end)
            return True
        if len(steps) <= first:
            return False
        steps.pop()


def _near(one: _Curve, other: _Curve, steps: Sequence[float], profile: Profile, *, bare: bool) -> bool:
    """Whether at some step two curves differ by few who have left, or who are at risk."""
    for time in (0.0, *steps):
        a, b = one.by(time), other.by(time)
        pairs = [(a.events, b.events), (one.start.at_risk, other.start.at_risk)]
        pairs += [] if bare else [(a.at_risk, b.at_risk)]
        if any(profile.hides(abs(x - y) or None) for x, y in pairs):
            return True
    return False


def _thin(
    analyses: Sequence[Sequence[_Curve]], profile: Profile, windows: Sequence[float]
) -> tuple[list[Row], set[float]]:
    """The curves of one outcome and group, by analysis, and the windows at which they cannot step.

    The first analysis decides where the steps stand. The curves of another are left out where they cannot take the same
    steps, or differ from the first by few people; those of competing events take some of the steps. Where few have
    a competing event, so that the curves could not step at a window, they step and tell no numbers at risk.
    """
    first, *others = analyses
    leading = [c for c in first if not c.competing] or list(first)
    if any(profile.hides(c.start.at_risk) for c in leading):
        return [], set(windows)
    steps, unsafe = _steps(leading, profile, windows, bare=False)
    bare = False
    if unsafe:
        fewer = _steps(leading, profile, windows, bare=True)
        bare = len(fewer[1]) < len(unsafe)
        steps, unsafe = fewer if bare else (steps, unsafe)
    kept = list(leading)
    for curves in others:
        main = [c for c in curves if not c.competing]
        near = any(_near(c, leading[0], steps, profile, bare=bare) for c in main)
        kept += main if not near and _fit(main, steps, profile, bare=bare) else []
    points = [p for c in kept for p in c.points(steps, bare=bare)]
    for curves in analyses:
        followed = [c for c in curves if not c.competing and c in kept]
        rivals = [c for c in curves if c.competing and c not in kept]
        if followed and bare:
            points += [p for c in rivals for p in _alone(c, profile)]
        elif followed and rivals:
            own = _together(followed[0], rivals, steps, profile)
            points += [p for c in rivals for p in c.points(own, bare=False)] if own else []
    return points, unsafe


def _fit(curves: Sequence[_Curve], steps: Sequence[float], profile: Profile, *, bare: bool) -> bool:
    """Whether curves may take these steps."""
    if any(profile.hides(c.start.at_risk) for c in curves):
        return False
    return all(_safe(curves, a, b, profile, bare=bare) for a, b in _spans(steps))


def _alone(curve: _Curve, profile: Profile) -> list[Row]:
    """The curve of a competing event at steps of its own, without numbers at risk."""
    return curve.points(_steps([curve], profile, [], bare=True)[0], bare=True)


def _together(main: _Curve, rivals: Sequence[_Curve], steps: Sequence[float], profile: Profile) -> list[float]:
    """Those of the main curve's steps at which the curves of all competing events may step beside it.

    Between two of them enough people have each event, and enough leave without any, or none.
    """
    own: list[float] = []
    for time in steps:
        last = own[-1] if own else None
        without_any = main.since(last, time)[1] - sum(c.since(last, time)[0] for c in rivals)
        if not profile.hides(without_any or None) and _safe(rivals, last, time, profile, bare=False):
            own.append(time)
    return own


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
        for curves in analyses:
            for c in curves:
                c.beside([o for o in curves if o.competing or (c.competing and o.quantity == "cumulative_incidence")])
        points, without = _thin(analyses, profile, sorted(t for o, t in windows if o == outcome))
        out += points
        unsafe |= {(outcome, t) for t in without}
    return out, unsafe
