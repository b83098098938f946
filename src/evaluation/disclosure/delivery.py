"""What was delivered and to whom: shares, and the numbers behind them, by arm and group of people."""

from __future__ import annotations

from itertools import groupby

from evaluation.disclosure.parts import Counts, closed, near
from evaluation.disclosure.profiles import Profile
from evaluation.disclosure.tables import blank
from evaluation.results import COUNTS, Row

FEWEST = 100  # people of whom a share in whole per cent is shown
RATIO = "_ratio"  # at the end of the id of a measure that compares groups of people by another
Place = tuple[object, ...]


def implementation(rows: list[Row], profile: Profile, shown: list[Row]) -> list[Row]:
    """Descriptions that tell no small number: neither by themselves, nor by difference from another figure about the
    same people, nor as the rest of everyone.

    `shown` are the estimates that leave: their numbers of people are held against those described.
    """
    hidden = {_place(r) for r in rows if _small(r, profile)}
    hidden |= _close(rows, hidden, profile, _everyone(shown))
    hidden |= _ended(rows, hidden, profile)
    return [blank(r, "implementation") if _place(r) in hidden or _compared(r, rows, hidden) else r for r in rows]


def linkage(rows: list[Row]) -> list[Row]:
    """Shares of people found elsewhere, in whole per cent and without the numbers behind them.

    The people that two agencies share are the same in both agencies' rows, so what is hidden in one could be read off
    another. Without numbers there is nothing to subtract; of `FEWEST` people or more, a per cent tells no single one.
    """
    return [
        blank(r, "linkage") if r["n"] < FEWEST else {**r, "n": None, "n_linked": None, "share": round(r["share"], 2)}
        for r in rows
    ]


def _place(row: Row) -> Place:
    return (row["measure"], row["label"], row["group"], row["stratum"], row["position"], row["statistic"])


def _counts(row: Row) -> Counts:
    """People described, of whom it holds, of whom it does not, and what else the figure tells."""
    n, having = row["n"] or 0, row["n_with"]
    return (n, *(() if having is None else (having, n - having)), *row.get(COUNTS, ()))


def _small(row: Row, profile: Profile) -> bool:
    return profile.hides_any(_counts(row))


def _everyone(shown: list[Row]) -> dict[str, list[int]]:
    """Numbers of people by arm that the estimates tell."""
    known = [(r["n_units"], r["n_treated_units"]) for r in shown if None not in (r["n_units"], r["n_treated_units"])]
    return {"treated": [t for _, t in known], "control": [n - t for n, t in known], "all": [n for n, _ in known]}


def _close(rows: list[Row], hidden: set[Place], profile: Profile, sizes: dict[str, list[int]]) -> set[Place]:
    """Rows that, held against one before them about the same group of people, tell a small number.

    Numbers described are held against all others: who could be followed for one time and not for another. Numbers of
    whom it holds are held against those of the same measure (steps of a funnel, times of a course).
    """
    found: set[Place] = set()
    people: dict[Place, list[int]] = {}
    having: dict[Place, list[Counts]] = {}
    for row in rows:
        if _place(row) in hidden:
            continue
        whole = people.setdefault(
            (row["group"], row["stratum"]), list(sizes.get(row["group"], ())) if not row["stratum"] else []
        )
        same = having.setdefault((row["measure"], row["group"], row["stratum"]), [])
        counts = _counts(row)
        small = any(near(counts[:1], (n,), profile) for n in whole)
        if row["n_with"] is not None:
            small |= any(near(counts[1:3], other, profile) for other in same)
        if small:
            found.add(_place(row))
            continue
        whole.append(counts[0])
        if row["n_with"] is not None:
            same.append(counts[1:3])
    return found


def _ended(rows: list[Row], hidden: set[Place], profile: Profile) -> set[Place]:
    """With each hidden group of people, so many others of the same characteristic that everyone less the others tells
    nothing. Groups whose own number is hidden are so in every figure: another choice elsewhere would tell."""
    found: set[Place] = set()
    for division in dict.fromkeys(_division(r) for r in rows if r["stratum"]):
        own = [r for r in rows if r["stratum"] and _division(r) == division]
        few = _few(own, rows, profile)
        for _, figure in groupby(sorted(own, key=_figure), key=_figure):
            strata = list(figure)
            parts = {r["stratum"]: _counts(r) for r in strata}
            must = {r["stratum"] for r in strata if _place(r) in hidden} | few
            gone = closed(parts, must, profile, _rest(strata, rows))
            found |= {_place(r) for r in strata if r["stratum"] in gone}
    return found


def _few(own: list[Row], rows: list[Row], profile: Profile) -> set[object]:
    """Groups hidden for their numbers of people alone, in whichever figure."""
    few: set[object] = set()
    before = -1
    while len(few) > before:
        before = len(few)
        for _, figure in groupby(sorted(own, key=_figure), key=_figure):
            strata = list(figure)
            few |= closed({r["stratum"]: _counts(r)[:1] for r in strata}, few, profile, _rest(strata, rows)[:1])
    return few


def _division(row: Row) -> tuple[str, str]:
    """Arm and characteristic of a group of people; its name is `Characteristic: value`."""
    return (row["group"], str(row["stratum"]).partition(": ")[0])


def _figure(row: Row) -> tuple[str, str, int, str]:
    return (row["measure"], row["label"], row["position"], row["statistic"])


def _rest(strata: list[Row], rows: list[Row]) -> Counts:
    """People in none of the groups: those whose characteristic is not known."""
    one = strata[0]
    whole = next(
        (r for r in rows if not r["stratum"] and r["group"] == one["group"] and _figure(r) == _figure(one)), None
    )
    if whole is None:
        return ()
    of_whole, parts = _counts(whole), [_counts(r) for r in strata]
    return tuple(max(0, n - sum(p[j] for p in parts if j < len(p))) for j, n in enumerate(of_whole))


def _compared(row: Row, rows: list[Row], hidden: set[Place]) -> bool:
    """Whether a row compares groups of people, one of which is hidden in what it compares."""
    if not str(row["measure"]).endswith(RATIO):
        return False
    of = str(row["measure"]).removesuffix(RATIO)
    return any(_place(r) in hidden for r in rows
               if r["measure"] == of and r["stratum"] and _division(r) == _division(row))  # fmt: skip
