"""What stands beside the effects of a cohort: balance, overlap, attrition, groups of people.

Rows may carry the private column `_counts`. What is given back may be fewer rows where neighbours were merged.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby

from evaluation.disclosure.parts import Counts, closed, near, told_apart
from evaluation.disclosure.profiles import Profile
from evaluation.disclosure.tables import blank
from evaluation.results import COUNTS, Row

MEANS = ("mean_treated", "mean_control", "std_dev_treated", "std_dev_control")
SIZES = ("n_units", "n_treated_units")


# --------------------------------------------------------------------------- balance


def balance(rows: list[Row], baseline: list[Row], profile: Profile, keep: Collection[str] | None) -> list[Row]:
    """Balance rows: a characteristic of which few people have some value is hidden everywhere, as is one whose baseline
    row is hidden.

    Means and deviations stay where they rest on the same people as rows before them, or on so many others that the
    difference is no small number; `keep` names the analyses whose numbers of people may be told (None: all).
    """
    small = {r["covariate"] for r in rows if profile.hides_any(r.get(COUNTS, ()))}
    small |= {r["covariate"] for r in baseline if r["status"] == "suppressed"}
    close = _close_means(rows, baseline, profile)

    def released(row: Row) -> Row:
        if row["covariate"] in small:
            return blank(row, "balance")
        if _place(row) in close or (keep is not None and row["analysis"] not in keep):
            binary = {"variance_ratio": None} if row["kind"] == "binary" else {}
            return {**row, **dict.fromkeys(MEANS), **binary}
        return row

    return [released(r) for r in rows]


def _place(row: Row) -> tuple[object, ...]:
    return (row["analysis"], row["covariate"], row["time"], row["stage"])


def _close_means(rows: list[Row], baseline: list[Row], profile: Profile) -> set[tuple[object, ...]]:
    """Rows whose numbers of people at each value are near, and not equal to, those of the baseline table or of a row
    before them."""
    found: set[tuple[object, ...]] = set()
    for name in dict.fromkeys(r["covariate"] for r in rows):
        own = [r for r in rows if r["covariate"] == name and r.get(COUNTS)]
        first = [c for c in [_of_baseline([b for b in baseline if b["covariate"] == name])] if c]
        hidden = told_apart([*first, *(r[COUNTS] for r in own)], profile)[len(first) :]
        found |= {_place(r) for r, gone in zip(own, hidden, strict=True) if gone}
    return found


def _of_baseline(rows: list[Row]) -> Counts:
    """People at 0 and at 1, treated and comparison, as the baseline table tells them of a yes/no characteristic."""
    by_arm = {r["group"]: r for r in rows if r["kind"] == "binary" and r["mean"] is not None and r["n"] is not None}
    if {"treated", "control"} - by_arm.keys():
        return ()
    yes = {g: round(r["mean"] * r["n"]) for g, r in by_arm.items()}
    return tuple(n for g in ("treated", "control") for n in (by_arm[g]["n"] - yes[g], yes[g]))


# --------------------------------------------------------------------------- overlap


def overlap(rows: list[Row], profile: Profile, keep: Collection[str] | None) -> list[Row]:
    """Neighbouring bins of few people put together; all bins of an analysis whose numbers of people may not be told."""
    out: list[Row] = []
    for (analysis, _, _), bins in groupby(rows, key=lambda r: (r["analysis"], r["group"], r["time"])):
        found = _merged(list(bins), profile)
        hidden = (keep is not None and analysis not in keep) or any(profile.hides(r["n"]) for r in found)
        out += [blank(r, "overlap") for r in found] if hidden else found
    return out


def _merged(bins: list[Row], profile: Profile) -> list[Row]:
    """Bins joined to their neighbours until none holds few people; a small remainder joins the last."""
    out: list[Row] = []
    for row in bins:
        joins = bool(out) and profile.hides(out[-1]["n"])
        out.append(_joined(out.pop(), row) if joins else row)
    while len(out) > 1 and profile.hides(out[-1]["n"]):
        last = out.pop()
        out.append(_joined(out.pop(), last))
    return out


def _joined(one: Row, other: Row) -> Row:
    return {**one, "high": other["high"], "n": one["n"] + other["n"], "weight": one["weight"] + other["weight"]}


# --------------------------------------------------------------------------- attrition


def attrition(rows: list[Row], profile: Profile, shown: list[Row], flow: list[Row]) -> list[Row]:
    """Rows that tell a small number of people: lost, known, or by difference from another window or analysis, from
    numbers of people in the estimates shown, or from the flow."""
    known = [r for r in shown if None not in (r["n_units"], r["n_treated_units"])]
    sizes = {(r["n_units"], r["n_treated_units"], r["n_units"] - r["n_treated_units"]) for r in known}
    totals = [r["n_remaining"] for r in flow if r["n_remaining"] is not None]
    kept: list[Counts] = []

    def hidden(row: Row) -> bool:
        counts = _people(row)
        small = profile.hides_any(tuple(n for n in counts if n)) or any(near(counts, k, profile) for k in kept)
        for treated, control in (counts[0:2], counts[2:4], counts[4:6]):
            both = treated + control
            small |= any(near((both, treated, control), size, profile) for size in sizes)
            small |= any(near((both,), (n,), profile) for n in totals)
        if not small:
            kept.append(counts)
        return small

    return [blank(r, "attrition") if hidden(r) else r for r in rows]


def _people(row: Row) -> Counts:
    entered, known, analysed = ((row[f"{n}_treated"], row[f"{n}_control"]) for n in ("n", "known", "analysed"))
    gone = (n - k for more, less in ((entered, known), (known, analysed)) for n, k in zip(more, less, strict=True))
    return (*entered, *known, *analysed, *gone)


# --------------------------------------------------------------------------- groups of people


def subgroups(rows: list[Row], profile: Profile, full: list[Row], shown: list[Row]) -> list[Row]:
    """Effects by group: small groups hidden with the next larger, the same ones in every analysis and window.

    `full` and `shown` are the estimates before and after their own rules: the effect of everyone less the groups shown
    tells those that are not, and what is hidden of everyone is hidden of every group. A test of difference goes where
    a group of its characteristic is hidden, and adjusted p-values where any of their family is.
    """
    gone = {_family(r) for r in shown if r["status"] == "suppressed"}
    by_name = {c: _hidden_levels([r for r in rows if r["covariate"] == c], profile, full)
               for c in dict.fromkeys(r["covariate"] for r in rows)}  # fmt: skip
    close = _close_in_time(rows, profile)

    def hidden(row: Row) -> bool:
        told = _family(row) in gone or (_family(row), row["covariate"]) in close
        return told or row["level"] in by_name[row["covariate"]]

    untested = {(_family(r), r["covariate"]) for r in rows if hidden(r)}
    families = {family for family, _ in untested}

    def released(row: Row) -> Row:
        row = blank(row, "subgroups") if hidden(row) else row
        if (_family(row), row["covariate"]) in untested:
            row = {**row, "p_interaction": None}
        return {**row, "p_interaction_adjusted": None} if _family(row) in families else row

    return _without_close_sizes([released(r) for r in rows], rows, profile, shown)


def _family(row: Row) -> tuple[object, ...]:
    return (row["analysis"], row["term"], row["time"])


def _sizes(row: Row) -> Counts:
    n, treated = row["n_units"] or 0, row["n_treated_units"] or 0
    return (n, treated, n - treated)


def _hidden_levels(rows: list[Row], profile: Profile, full: list[Row]) -> set[object]:
    """Levels of one characteristic to hide: whatever must be in one analysis and window is in all, since another choice
    elsewhere would give a level away."""
    wholes = {_family(r): _sizes(r) for r in full if r["n_units"] is not None}
    hidden: set[object] = set()
    before = -1
    while len(hidden) > before:
        before = len(hidden)
        for family in dict.fromkeys(_family(r) for r in rows):
            own = [r for r in rows if _family(r) == family]
            small = {r["level"] for r in own if profile.hides_any(r.get(COUNTS, ()))}
            parts = {r["level"]: _sizes(r) for r in own}
            whole = wholes.get(family)
            summed = [sum(p[j] for p in parts.values()) for j in range(3)]
            rest = tuple(max(0, w - s) for w, s in zip(whole, summed, strict=True)) if whole else ()
            hidden |= closed(parts, hidden | small, profile, rest)
    return hidden


def _close_in_time(rows: list[Row], profile: Profile) -> set[tuple[tuple[object, ...], object]]:
    """(family, characteristic) pairs at a window at which, in some group, few more people have had the event than at
    one before."""
    found: set[tuple[tuple[object, ...], object]] = set()
    order = sorted((r for r in rows if r["time"] is not None and r["status"] == "ok" and r.get(COUNTS)), key=_by_time)
    for _, chain in groupby(order, key=lambda r: _by_time(r)[:-1]):
        own = list(chain)
        hidden = told_apart([r[COUNTS] for r in own], profile)
        found |= {(_family(r), r["covariate"]) for r, gone in zip(own, hidden, strict=True) if gone}
    return found


def _by_time(row: Row) -> tuple[str, str, str, str, float]:
    return (row["analysis"], row["term"], row["covariate"], row["level"], row["time"])


def _without_close_sizes(rows: list[Row], full: list[Row], profile: Profile, shown: list[Row]) -> list[Row]:
    """No numbers of people by group where everyone's are not shown, or where they differ by few between analyses."""
    sized = {r["analysis"] for r in shown if r["n_units"] is not None}
    close = set()
    for place in dict.fromkeys((r["covariate"], r["level"]) for r in full):
        own = list(dict.fromkeys(_sizes(r) for r in full if (r["covariate"], r["level"]) == place))
        if any(told_apart(own, profile)):
            close.add(place[0])
    bare = dict.fromkeys(SIZES)
    return [{**r, **bare} if r["covariate"] in close or r["analysis"] not in sized else r for r in rows]
