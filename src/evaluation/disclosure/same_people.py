"""Risks of several analyses over nearly the same people: two clocks, completers and everyone, outcomes within outcomes.

The difference of two risks, times the people, tells how many had the event in one and not in the other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from evaluation.disclosure.parts import near, of_arm
from evaluation.disclosure.profiles import Profile
from evaluation.results import COUNTS, Row

RISKS = ("risk_treated", "risk_control")
Place = tuple[str, float | None]  # analysis and window


def close_risks(rows: list[Row], analyses: list[Row], profile: Profile, primary: str) -> set[Place]:
    """Windows of analyses to hide, since their unadjusted risks differ by few people from those of an analysis before.

    The primary analysis comes first. Risks of one outcome are held against each other at whatever window, those of two
    outcomes at the same window, where one of the two could lie within the other: nowhere do more people have it.
    Adjusted risks tell no numbers of people.
    """
    plain = {r["analysis"] for r in analyses if unadjusted(r)}
    own = [r for r in rows if r["term"] in RISKS and r.get(COUNTS) and r["analysis"] in plain and r["status"] == "ok"]
    own.sort(key=lambda r: r["analysis"] != primary)
    kept: list[Row] = []
    hidden: set[Place] = set()
    for row in own:
        if any(_tells(row, other, own, profile) for other in kept):
            hidden.add((row["analysis"], row["time"]))
        else:
            kept.append(row)
    return hidden


def unadjusted(analysis: Row) -> bool:
    """Whether an analysis gives shares and means of people as they are."""
    options = json.loads(analysis["options"] or "{}")
    return bool(options.get("adjust", "none") == "none" and options.get("censoring", "refuse") == "refuse")


def _tells(row: Row, other: Row, rows: Sequence[Row], profile: Profile) -> bool:
    if row["term"] != other["term"] or row["analysis"] == other["analysis"]:
        return False
    if not near(of_arm(row), of_arm(other), profile):
        return False
    if row["outcome"] == other["outcome"]:
        return True
    return row["time"] == other["time"] and _within(row["analysis"], other["analysis"], rows)


def _within(one: str, other: str, rows: Sequence[Row]) -> bool:
    """Whether the outcome of one analysis could lie within the other's: in no arm and window do more people have it."""
    events = [{(r["term"], r["time"]): of_arm(r)[0] for r in rows if r["analysis"] == a} for a in (one, other)]
    gaps = [events[0][k] - events[1][k] for k in events[0] if k in events[1]]
    return all(g >= 0 for g in gaps) or all(g <= 0 for g in gaps)
