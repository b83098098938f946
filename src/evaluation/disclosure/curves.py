"""Curves step at single events; a released curve steps only where enough events have come together."""

from __future__ import annotations

from itertools import groupby

from evaluation.disclosure.profiles import Profile
from evaluation.results import Row


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


def _thin(rows: list[Row], profile: Profile) -> list[Row]:
    """One curve, points merged forward until the events and the censored since the last point may be shown.

    What is left at the end that may not be shown is cut off: the curve stops at the last safe point.
    """
    out: list[Row] = []
    events = censored = 0
    at_risk = rows[0]["n_risk"]
    for row in rows:
        events += row["n_event"]
        censored += row["n_censor"]
        remaining = at_risk - events - censored
        if row["time"] == 0 and (events or censored):  # the origin stands; who left there joins the first step
            out.append(_origin(row))
            continue
        small = any(profile.hides(c) for c in (events or None, censored or None, remaining or None))
        if small or not (events or censored or row["time"] == 0):
            continue
        out.append({**row, "n_risk": at_risk, "n_event": events, "n_censor": censored})
        at_risk, events, censored = remaining, 0, 0
    return out


def coarsened(rows: list[Row], profile: Profile) -> list[Row]:
    """Every curve with its steps merged so that no step tells a count that `profile` hides.

    `n_event` and `n_censor` of a released point count everyone since the released point before, and `n_risk`
    those at risk right after that point: a number at risk just before the step would tell, by difference, how
    many left exactly at it.
    """
    ordered = sorted(rows, key=lambda r: (*_key(r), r["time"]))
    return [point for _, curve in groupby(ordered, key=_key) for point in _thin(list(curve), profile)]
