"""Primary suppression, table by table: small counts, and the figures of the same row or window that tell them.

Every function takes a table's rows, which may carry the private column `_counts`, and gives as many rows back.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from itertools import groupby, pairwise

from evaluation.disclosure.parts import of_arm
from evaluation.disclosure.profiles import Profile
from evaluation.results import COUNTS, MAIN_TERMS, TABLES, Row

HIDDEN_MESSAGE = "Hidden by disclosure control: it would tell a small number of people."
ALL_HIDDEN = "Every figure is hidden by disclosure control."
ADJUSTED = "adjustment over"  # in the method of p-values adjusted over several outcomes
WEIGHTED = "decomposition"
OF_A_TERM = ("e_value", "imputation")  # kinds whose group is a term of the estimates and whose parameter its window
TOGETHER = ("leave_one_cohort", "leave_one_unit", WEIGHTED)
BY_PERIOD = ("event", "calendar", "group_time")  # terms of which single rows can rest on single cohorts
MEANS = ("rmst", "rmtl", "rate")  # beginnings of terms that tell of both arms and of their difference or ratio
SIZES = ("n_obs", "n_units", "n_treated_units", "n_clusters")


def blank(row: Row, table: str) -> Row:
    """The row without its counts and figures."""
    hidden = {c.name: None for c in TABLES[table].columns if c.disclosure in ("count", "figure")}
    status = {"status": "suppressed"} if "status" in row and table != "diagnostics" else {}
    return {**row, **hidden, **status}


def row_key(row: Row) -> tuple[object, ...]:
    """What tells an estimate of an analysis from its others."""
    return (row["analysis"], row["term"], row["group"], row["time"])


# --------------------------------------------------------------------------- estimates


def _small(row: Row, profile: Profile) -> bool:
    """Whether a row's sizes, or the counts behind it, are small."""
    sizes = [row["n_obs"], row["n_units"], row["n_treated_units"]]
    if row["n_units"] is not None and row["n_treated_units"] is not None:
        sizes.append(row["n_units"] - row["n_treated_units"])
    return profile.hides_any(row.get(COUNTS, ())) or any(profile.hides(n or None) for n in sizes)


def _small_windows(rows: list[Row], profile: Profile) -> set[tuple[str, float | None]]:
    """(outcome, window) pairs in which a risk rests on a small count: any two of risk, difference and ratio give
    the third away, in whichever analysis, so all are hidden."""
    return {(r["outcome"], r["time"]) for r in rows if r["scale"] == "risk" and _small(r, profile)}


def _small_means(rows: list[Row], profile: Profile) -> set[tuple[object, ...]]:
    """The same of mean times and rates of an analysis: both arms', their difference and ratio."""
    return {_mean(r) for r in rows if _mean(r) and _small(r, profile)}


def _mean(row: Row) -> tuple[object, ...]:
    """Which mean time or rate of an analysis a row is about; nothing for other rows."""
    kind = str(row["term"]).partition("_")[0]
    return (row["analysis"], kind, row["group"], row["time"]) if kind in MEANS and kind != row["term"] else ()


def _close_windows(rows: list[Row], profile: Profile) -> set[tuple[str, float | None]]:
    """(outcome, window) pairs at which, among the same people, only a few more have had the event than at the last
    window shown: the difference of the two risks tells how many."""
    hidden = set()
    risks = [r for r in rows if r["term"] in ("risk_treated", "risk_control") and r.get(COUNTS) and r["time"]]
    for _, chain in groupby(sorted(risks, key=_by_window), key=lambda r: (r["analysis"], r["term"])):
        last, *later = chain
        for row in later:
            same = row["n_units"] == last["n_units"]
            if same and profile.hides(of_arm(row)[0] - of_arm(last)[0] or None):
                hidden.add((row["outcome"], row["time"]))
            else:
                last = row
    return hidden


def _by_window(row: Row) -> tuple[str, str, float]:
    return (row["analysis"], row["term"], row["time"])


def _small_cohorts(rows: list[Row], profile: Profile) -> set[tuple[str, str]]:
    """(analysis, cohort) pairs to hide: the small ones and, where one is alone, the next larger, since the whole
    less the others gives a single one away."""
    sizes = {(r["analysis"], r["group"]): r["n_treated_units"] or 0 for r in rows if r["term"] == "group"}
    hidden = {(r["analysis"], r["group"]) for r in rows if r["term"] == "group" and _small(r, profile)}
    for analysis in {a for a, _ in hidden}:
        others = sorted((n, k) for k, n in sizes.items() if k[0] == analysis and k not in hidden)
        if others and sum(a == analysis for a, _ in hidden) == 1:
            hidden.add(others[0][1])
    return hidden


def estimates(
    rows: list[Row],
    profile: Profile,
    unsafe: Collection[tuple[str, float | None]] = (),
    close: Collection[tuple[str, float | None]] = (),
) -> list[Row]:
    """Rows that rest on few people, every risk of a window in which one does, and cohorts that are small.

    `unsafe` are further (outcome, window) pairs whose risks the curves beside them would tell apart, `close` further
    (analysis, window) pairs whose risks another analysis would.
    """
    windows = _small_windows(rows, profile) | _close_windows(rows, profile) | set(unsafe)
    cohorts, means = _small_cohorts(rows, profile), _small_means(rows, profile)
    partly = {analysis for analysis, _ in cohorts}  # a mean by period or event time can rest on the hidden ones alone

    def hidden(row: Row) -> bool:
        in_window = row["scale"] == "risk" and (
            (row["outcome"], row["time"]) in windows or (row["analysis"], row["time"]) in close
        )
        in_part = row["analysis"] in partly and row["term"] in BY_PERIOD
        in_window = in_window or _mean(row) in means
        return in_window or in_part or (row["analysis"], row["group"]) in cohorts or _small(row, profile)

    return [blank(r, "estimates") if hidden(r) else r for r in rows]


def close_sizes(rows: list[Row], profile: Profile) -> bool:
    """Whether two analyses, or two windows, rest on numbers of people whose difference is small."""
    shown = [r for r in rows if r["status"] == "ok"]
    sizes = (sorted({r[n] for r in shown if r[n] is not None}) for n in ("n_units", "n_treated_units"))
    return any(profile.hides(b - a) for numbers in sizes for a, b in pairwise(numbers))


def without_sizes(rows: list[Row], keep: Collection[str]) -> list[Row]:
    """Rows of the analyses not in `keep` without their numbers of people, and what follows from them."""
    gone = (*SIZES, "df", "small_sample_factor")
    return [r if r["analysis"] in keep else {**r, **{n: None for n in gone if n in r}} for r in rows]


def followers(rows: list[Row], table: str, gone: list[Row]) -> list[Row]:
    """`inference` and `event_study` rows, blank where their estimate is."""
    keys = {row_key(r) for r in gone}
    events = {(r["analysis"], r["time"]) for r in gone if r["term"] == "event"}

    def hidden(row: Row) -> bool:
        return (row["analysis"], row["event_time"]) in events if table == "event_study" else row_key(row) in keys

    return [blank(r, table) if hidden(r) else r for r in rows]


def adjusted_together(rows: list[Row], gone: list[Row]) -> list[Row]:
    """Inference rows without p-values adjusted over several outcomes, where one of the family is hidden: a shown one
    can be a multiple of the hidden one's."""

    def of_family(row: Row) -> bool:
        return ADJUSTED in row["method"]

    family = {row_key(r) for r in rows if of_family(r)}
    if not any(row_key(r) in family for r in gone if r["term"] in MAIN_TERMS):
        return rows
    return [blank(r, "inference") if of_family(r) else r for r in rows]


def diagnostics(rows: list[Row], profile: Profile, gone: list[Row]) -> list[Row]:
    """Checks that tell a small count, or that are about an estimate that is hidden."""
    keys = {row_key(r) for r in gone}

    def hidden(row: Row) -> bool:
        return profile.hides_any(row.get(COUNTS, ())) or (bool(row["term"]) and row_key(row) in keys)

    return [{**blank(r, "diagnostics"), "message": HIDDEN_MESSAGE} if hidden(r) else r for r in rows]


# A number and what is counted: not a length of time, nor a number of tests or the like.
COUNTING = re.compile(
    r"(?<![\d.,])(\d[\d,]*) (?!(?:day|week|month|quarter|year|period|standard|percentage|per|to|and|or|more|of|"
    r"characteristic|effects|comparisons|outcomes)s?\b)[a-z]+"
)


def without_counting(rows: list[Row], keep: Collection[str]) -> list[Row]:
    """Checks of analyses whose numbers of people are not shown, without those that tell a number of anybody."""

    def told(row: Row) -> bool:
        counted = COUNTING.search(row["message"]) or row["statistic"] in tuple(n for n in row.get(COUNTS, ()) if n)
        return bool(counted) and bool(row["analysis"]) and row["analysis"] not in keep

    return [{**blank(r, "diagnostics"), "message": HIDDEN_MESSAGE} if told(r) else r for r in rows]


def of_lost(rows: list[Row], attrition: list[Row]) -> list[Row]:
    """Checks about people lost, without those of which the row is hidden."""
    gone = {(r["analysis"], r["time"]) for r in attrition if r["status"] == "suppressed"}

    def hidden(row: Row) -> bool:
        return row["check"] in ("attrition", "equivalence_after_loss") and (row["analysis"], row["time"]) in gone

    return [{**blank(r, "diagnostics"), "message": HIDDEN_MESSAGE} if hidden(r) else r for r in rows]


def _parts(row: Row) -> tuple[str, str]:
    """The analysis of a row, and of which kind of parts it is one."""
    return (row["analysis"], WEIGHTED if "weight" in row else row.get("kind", ""))


def alternatives(rows: list[Row], table: str, profile: Profile, gone: list[Row]) -> list[Row]:
    """Further answers of an analysis (`sensitivity`, `decomposition`, `second_opinion`) that rest on few people, and
    all of an analysis whose overall effect is hidden.

    What is made of all cohorts, or of all clusters, is hidden together: the whole less the others gives one away.
    """
    headless = {r["analysis"] for r in gone if r["term"] == "att"}
    keys = {row_key(r) for r in gone}
    windows = {(r["outcome"], r["time"]) for r in gone}
    small = {_parts(r) for r in rows if profile.hides_any(r.get(COUNTS, ()))}
    small |= {(r["analysis"], k) for r in gone if r["term"] == "group" for k in ("leave_one_cohort", WEIGHTED)}

    def hidden(row: Row) -> bool:
        told = row["analysis"] in headless or profile.hides_any(row.get(COUNTS, ()))
        told |= row.get("kind") == "placebo_outcome" and (row["group"], row["parameter"]) in windows
        told |= row.get("kind") in OF_A_TERM and (row["analysis"], row["group"], "", row["parameter"]) in keys
        together = _parts(row) in small and _parts(row)[1] in TOGETHER
        return told or together or ("term" in row and row_key(row) in keys)

    return [{**blank(r, table), "status": "suppressed"} if hidden(r) else r for r in rows]


def unreliable(rows: list[Row], profile: Profile) -> list[Row]:
    """A warning for each risk shown that rests on few events, or few people without one, under `profile`."""
    limit = profile.unreliable_below
    if limit is None:
        return []
    message = f"Rests on fewer than {limit} people with, or without, the event: unreliable."
    return [
        {"study": r["study"], "analysis": r["analysis"], "check": "few_events", "status": "warn", "term": r["term"],
         "group": r["group"], "time": r["time"], "threshold": limit, "message": message}
        for r in rows
        if r["scale"] == "risk" and r["status"] == "ok" and any(n < limit for n in r.get(COUNTS, ()))
    ]  # fmt: skip


def analyses(rows: list[Row], profile: Profile, shown: Iterable[Row]) -> list[Row]:
    """Reasons that tell a small count; and analyses of which nothing is left."""
    alive = {r["analysis"] for r in shown if r["status"] == "ok"}

    def released(row: Row) -> Row:
        if profile.hides_any(row.get(COUNTS, ())):
            row = {**row, "reason": HIDDEN_MESSAGE}
        if row["status"] == "ok" and row["analysis"] not in alive:
            row = {**row, "status": "suppressed", "reason": ALL_HIDDEN}
        return row

    return [released(r) for r in rows]
