"""Curves step at single events; a released curve steps only where enough events have come together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from evaluation.disclosure.profiles import Profile
from evaluation.results import Row

Window = tuple[str, float]  # outcome and time


def _key(row: Row) -> tuple[str, str, str, str]:
    return (row["analysis"], row["outcome"], row["quantity"], row["group"])


def _origin(row: Row) -> Row:
    start = 1.0 if row["quantity"] == "survival" else 0.0
    return {
        **row,
        "n_event": 0,
        "n_censor": 0,
        "estimate": start,
        "std_error": 0.0,
        "conf_low": start,
        "conf_high": start,
    }


@dataclass
class _Step:
    """A step of a released curve: the row it stands at, and who left since the step before."""

    row: Row
    events: int
    censored: int


@dataclass
class _Curve:
    """One curve while its points are merged."""

    profile: Profile
    at_risk: int
    steps: list[_Step] = field(default_factory=list)
    events: int = 0  # since the last step
    censored: int = 0

    def _safe(self) -> bool:
        left = sum(s.events + s.censored for s in self.steps) + self.events + self.censored
        remaining = self.at_risk - left
        counts = (self.events, self.censored or None, remaining or None)
        return not any(self.profile.hides(n) for n in counts)

    def _step(self, row: Row) -> None:
        self.steps.append(_Step(row, self.events, self.censored))
        self.events = self.censored = 0

    def _take_back(self) -> None:
        last = self.steps.pop()
        self.events += last.events
        self.censored += last.censored

    def stretch(self, rows: Sequence[Row]) -> bool:
        """Merge the points up to a window, so that a step stands at its end; False where that cannot be."""
        before = len(self.steps)
        for row in rows:
            self.events += row["n_event"]
            self.censored += row["n_censor"]
            if (
                row["time"] > 0 and (self.events or self.censored) and self._safe()
            ):  # who left at 0 joins the first step
                self._step(row)
        while (self.events or self.censored) and len(self.steps) > before:
            self._take_back()
            if self._safe():
                self._step(rows[-1])
        return not (self.events or self.censored)

    def points(self) -> list[Row]:
        """The steps as rows; each with the number at risk right after the step before."""
        out, at_risk = [], self.at_risk
        for step in self.steps:
            out.append({**step.row, "n_risk": at_risk, "n_event": step.events, "n_censor": step.censored})
            at_risk -= step.events + step.censored
        return out


def _thin(rows: list[Row], profile: Profile, windows: list[float]) -> tuple[list[Row], set[float]]:
    """One curve and the windows at which it cannot step: points merged so that every step may be shown.

    What is left at the end that may not be shown is cut off: the curve stops at the last safe step.
    """
    if profile.hides(rows[0]["n_risk"]):
        return [], set(windows)
    curve = _Curve(profile, rows[0]["n_risk"])
    unsafe = set()
    start = 0
    for window in [*windows, float("inf")]:
        end = start
        while end < len(rows) and rows[end]["time"] <= window:
            end += 1
        if not curve.stretch(rows[start:end]) and window != float("inf"):
            unsafe.add(window)
        start = end
    return [_origin(rows[0] | {"time": 0.0}), *curve.points()], unsafe


def coarsened(rows: list[Row], profile: Profile, windows: set[Window]) -> tuple[list[Row], set[Window]]:
    """Every curve with its steps merged so that no step tells a count that `profile` hides.

    `windows` are the (outcome, time) at which a risk is given beside the curves: a step stands at each, since a
    risk between two steps would tell the events between them. The second value returned holds the windows where
    that cannot be; their risks must be hidden.

    `n_event` and `n_censor` of a released point count everyone since the released point before, and `n_risk`
    those at risk right after that point: a number at risk just before the step would tell, by difference, how
    many left exactly at it.
    """
    ordered = sorted(rows, key=lambda r: (*_key(r), r["time"]))
    out: list[Row] = []
    unsafe: set[Window] = set()
    for (_, outcome, _, _), curve in groupby(ordered, key=_key):
        points, without = _thin(list(curve), profile, sorted(t for o, t in windows if o == outcome))
        out += points
        unsafe |= {(outcome, t) for t in without}
    return out, unsafe
