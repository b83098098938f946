"""Two rules that every table of counts needs: nothing by difference of two figures, nothing by the rest of a whole."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TypeVar

from evaluation.disclosure.profiles import Profile
from evaluation.results import COUNTS, Row

Counts = tuple[int, ...]
K = TypeVar("K", bound=Hashable)


def near(one: Counts, other: Counts, profile: Profile) -> bool:
    """Whether two rows' counts, taken place by place, differ by a number that may not be told; nought may be."""
    return any(profile.hides(abs(a - b) or None) for a, b in zip(one, other, strict=False))


def of_arm(row: Row) -> Counts:
    """Events and non-events of the arm that a risk is about; a row that rests on both arms names the treated first."""
    counts: Counts = row[COUNTS]
    both = len(counts) > len(("events", "others", "treated", "control"))
    return counts[2:4] if both and row["term"] == "risk_control" else counts[:2]


def told_apart(rows: Sequence[Counts], profile: Profile) -> list[bool]:
    """Which rows to hide so that no two left differ by few people: each that is near one before it that stays."""
    kept: list[Counts] = []
    hidden = []
    for row in rows:
        small = any(near(row, other, profile) for other in kept)
        hidden.append(small)
        if not small:
            kept.append(row)
    return hidden


def closed(parts: Mapping[K, Counts], hidden: Collection[K], profile: Profile, rest: Counts = ()) -> set[K]:
    """Parts of a whole to hide so that the whole less the parts shown tells no small number.

    `parts` are the counts of each; `hidden` those that must be in any case; `rest` the counts of those in no part,
    which are never shown. Small parts are hidden, then the next larger, until at least two are and their sums are no
    small numbers, place by place.
    """
    out = {k for k in parts if k in hidden or profile.hides_any(parts[k])}
    alone = any(rest)
    others = sorted((k for k in parts if k not in out), key=lambda k: (sum(parts[k]), str(k)))
    while (out or _hides(rest, profile)) and others:
        sums = [sum(column) for column in zip(*(parts[k] for k in out), *([rest] if rest else []), strict=False)]
        if len(out) + alone > 1 and not _hides(tuple(sums), profile):
            break
        out.add(others.pop(0))
    return out


def _hides(counts: Counts, profile: Profile) -> bool:
    return profile.hides_any(tuple(n for n in counts if n))
