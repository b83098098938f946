"""Primary suppression, table by table: small counts, and the figures of the same row or window that tell them.

Every function takes a table's rows, which may carry the private column `_counts`, and gives as many rows back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from itertools import groupby, pairwise

from evaluation.disclosure.profiles import Profile
from evaluation.results import COUNTS, MAIN_TERMS, TABLES, Row

HIDDEN_MESSAGE = "Hidden by disclosure control: it would tell a small number of people."
ALL_HIDDEN = "Every figure is hidden by disclosure control."
ADJUSTED = "adjustment over"  # in the method of p-values adjusted over several outcomes
WEIGHTED = "decomposition"
OF_A_TERM = ("e_value", "imputation")  # kinds whose group is a term of the estimates and whose parameter its window
TOGETHER = ("leave_one_cohort", "leave_one_unit", WEIGHTED)
BY_PERIOD = ("event", "calendar", "group_time")  # terms of which single rows can rest on single cohorts
SIZES = ("n_obs", "n_units", "n_treated_units", "n_clusters")


def blank(row: Row, table: str) -> Row:
    """The row without its counts and figures."""
    hidden = {c.name: None for c in TABLES[table].columns if c.disclosure in ("count", "figure")}
    status = {"status": "suppressed"} if "status" in row and table != "diagnostics" else {}
    return {**row, **hidden, **status}


def _key(row: Row) -> tuple[object, ...]:
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


def _close_windows(rows: list[Row], profile: Profile) -> set[tuple[str, float | None]]:
    """(outcome, window) pairs at which, among the same people, only a few more have had the event than at the last
    window shown: the difference of the two risks tells how many."""
    hidden = set()
    risks = [r for r in rows if r["term"] in ("risk_treated", "risk_control") and r.get(COUNTS) and r["time"]]
    for _, chain in groupby(sorted(risks, key=_by_window), key=lambda r: (r["analysis"], r["term"])):
        last, *later = chain
        for row in later:
            same = row["n_units"] == last["n_units"]
            if same and profile.hides(row[COUNTS][0] - last[COUNTS][0] or None):
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
    cohorts = _small_cohorts(rows, profile)
    partly = {analysis for analysis, _ in cohorts}  # a mean by period or event time can rest on the hidden ones alone

    def hidden(row: Row) -> bool:
        in_window = row["scale"] == "risk" and (
            (row["outcome"], row["time"]) in windows or (row["analysis"], row["time"]) in close
        )
        in_part = row["analysis"] in partly and row["term"] in BY_PERIOD
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
    keys = {_key(r) for r in gone}
    events = {(r["analysis"], r["time"]) for r in gone if r["term"] == "event"}

    def hidden(row: Row) -> bool:
        return (row["analysis"], row["event_time"]) in events if table == "event_study" else _key(row) in keys

    return [blank(r, table) if hidden(r) else r for r in rows]


def adjusted_together(rows: list[Row], gone: list[Row]) -> list[Row]:
    """Inference rows without p-values adjusted over several outcomes, where one of the family is hidden: a shown one
    can be a multiple of the hidden one's."""

    def of_family(row: Row) -> bool:
        return ADJUSTED in row["method"]

    family = {_key(r) for r in rows if of_family(r)}
    if not any(_key(r) in family for r in gone if r["term"] in MAIN_TERMS):
        return rows
    return [blank(r, "inference") if of_family(r) else r for r in rows]


def diagnostics(rows: list[Row], profile: Profile, gone: list[Row]) -> list[Row]:
    """Checks that tell a small count, or that are about an estimate that is hidden."""
    keys = {_key(r) for r in gone}

    def hidden(row: Row) -> bool:
        return profile.hides_any(row.get(COUNTS, ())) or (bool(row["term"]) and _key(row) in keys)

    return [{**blank(r, "diagnostics"), "message": HIDDEN_MESSAGE} if hidden(r) else r for r in rows]


# A number and what is counted: not a length of time, nor a number of tests or the like.
COUNTING = re.compile(
    r"(?<![\d.,])(\d[\d,]*) (?!(?:day|week|month|quarter|year|period|standard|percentage|per|to|and|or|characteristic|"
    r"effects|comparisons|outcomes)s?\b)[a-z]+"
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
    keys = {_key(r) for r in gone}
    windows = {(r["outcome"], r["time"]) for r in gone}
    small = {_parts(r) for r in rows if profile.hides_any(r.get(COUNTS, ()))}
    small |= {(r["analysis"], k) for r in gone if r["term"] == "group" for k in ("leave_one_cohort", WEIGHTED)}

    def hidden(row: Row) -> bool:
        told = row["analysis"] in headless or profile.hides_any(row.get(COUNTS, ()))
        told |= row.get("kind") == "placebo_outcome" and (row["group"], row["parameter"]) in windows
        told |= row.get("kind") in OF_A_TERM and (row["analysis"], row["group"], "", row["parameter"]) in keys
        together = _parts(row) in small and _parts(row)[1] in TOGETHER
        return told or together or ("term" in row and _key(row) in keys)

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


# --------------------------------------------------------------------------- counts


def _dropped(row: Row, profile: Profile) -> bool:
    return row["n_dropped"] > 0 and profile.hides(row["n_dropped"])


def drops_hidden(rows: list[Row], profile: Profile) -> bool:
    """Whether some step of some analysis drops a small number."""
    return any(_dropped(r, profile) for r in rows)


def _complement(chain: list[Row], hidden: list[int]) -> list[int]:
    """Where one step alone is hidden, the next larger step as well: what went in less what came out tells it."""
    others = sorted((r["n_dropped"], k) for k, r in enumerate(chain) if r["n_dropped"] and k not in hidden)
    return [*hidden, others[0][1]] if len(hidden) == 1 and others else hidden


def sizes_tell(rows: list[Row], profile: Profile, primary: str) -> bool:
    """Whether the primary analysis's own numbers would tell a hidden drop: it stands alone, or differs by window."""
    chain = [r for r in rows if r["analysis"] == primary]
    hidden = [k for k, r in enumerate(chain) if _dropped(r, profile)]
    by_window = any(chain[k]["step"].startswith("short_follow_up") for k in hidden)
    return bool(hidden) and (by_window or len(_complement(chain, hidden)) == 1)


def flow(rows: list[Row], profile: Profile, primary: str) -> list[Row]:
    """Numbers dropped in the primary analysis alone, and when the data were built: another analysis that drops other
    people would tell the difference.
    Where a small number dropped anywhere, no running totals."""
    small_anywhere = drops_hidden(rows, profile)
    out: list[Row] = []
    for (analysis, _), group in groupby(rows, key=lambda r: (r["analysis"], r["level"])):
        chain = list(group)  # rows and people are counted apart: what is hidden of the one is no cover for the other
        small = _complement(chain, [k for k, r in enumerate(chain) if _dropped(r, profile)])
        one_for_all = analysis in ("", primary)  # how the data were built is the same for every analysis
        hidden = small if one_for_all else [k for k, r in enumerate(chain) if r["n_dropped"]]
        running = {"n_remaining": None} if small_anywhere or (hidden and not one_for_all) else {}
        for k, row in enumerate(chain):
            gone = {"n_dropped": None, "status": "suppressed"} if k in hidden else {}
            out.append({**row, **running, **gone})
    return out


def baseline(rows: list[Row], profile: Profile) -> list[Row]:
    """Both arms together: one arm and the difference give the other. Where values are missing the counts go, since
    the flow, which counts each person once, would tell the difference; a small number of people at one value of a
    characteristic hides its figures too."""

    def small(row: Row) -> bool:
        counts = list(row.get(COUNTS, ()))
        if row["kind"] == "binary" and row["mean"] is not None:
            yes = round(row["mean"] * row["n"])
            counts += [yes, row["n"] - yes]
        return profile.hides(row["n"]) or profile.hides_any(tuple(counts))

    hidden = {r["covariate"] for r in rows if small(r)}
    uncounted = {r["covariate"] for r in rows if r["n_missing"]} - hidden
    shown = [blank(r, "baseline") if r["covariate"] in hidden else r for r in rows]
    return [{**r, "n": None, "n_missing": None} if r["covariate"] in uncounted else r for r in shown]


def data_quality(rows: list[Row]) -> list[Row]:
    """Columns with missing values, since the flow, which counts each person once, would tell the difference; the
    number of rows read goes with any of them."""
    missing = [bool(r["n_missing"] or r["n_nan"]) for r in rows]
    if not any(missing):
        return rows
    return [{**(blank(r, "data_quality") if m else r), "n_rows": None} for r, m in zip(rows, missing, strict=True)]


def series(rows: list[Row], profile: Profile, people: bool) -> list[Row]:
    """Periods with few events; where units are people, groups of few people too, a single small cohort together
    with the next larger."""

    def small(row: Row) -> bool:
        counts = (row["n_units"], *row.get(COUNTS, ())) if people else ()
        return profile.hides(row["total"]) or profile.hides_any(tuple(n for n in counts if n is not None))

    def place(row: Row) -> tuple[object, ...]:
        return (row["outcome"], row["time"], row["group"])

    hidden = {place(r) for r in rows if small(r)} | _of_cohorts(rows, small)
    shown = [blank(r, "series") if place(r) in hidden else r for r in rows]
    return _without_small_changes(shown, profile) if people else shown


def _of_cohorts(rows: list[Row], small: Callable[[Row], bool]) -> set[tuple[object, ...]]:
    """Places of every cohort that is small in some period, in all periods, and where it is alone of the next larger:
    another choice in another period would give one of them away."""
    found: set[tuple[object, ...]] = set()
    for outcome in dict.fromkeys(r["outcome"] for r in rows):
        cohorts = [r for r in rows if r["outcome"] == outcome and str(r["group"]).startswith("cohort:")]
        hidden = {r["group"] for r in cohorts if small(r)}
        others = sorted((r["n_units"] or 0, r["group"]) for r in cohorts if r["group"] not in hidden)
        if len(hidden) == 1 and others:
            hidden.add(others[0][1])
        found |= {(outcome, r["time"], r["group"]) for r in cohorts if r["group"] in hidden}
    return found


def _without_small_changes(rows: list[Row], profile: Profile) -> list[Row]:
    """Groups whose number of people changes by a few from one period to another, without their numbers."""
    sizes: dict[tuple[object, object], set[int]] = {}
    for r in rows:
        if r["n_units"] is not None:
            sizes.setdefault((r["outcome"], r["group"]), set()).add(r["n_units"])
    close = {k for k, n in sizes.items() if any(profile.hides(b - a) for a, b in pairwise(sorted(n)))}
    return [{**r, "n_units": None} if (r["outcome"], r["group"]) in close else r for r in rows]


def of_places(rows: dict[str, list[Row]], profile: Profile) -> dict[str, list[Row]]:
    """Tables of a panel of places of which an event count is hidden in the series.

    The overall effects stay. Rows by cohort, period or event time, and the effect with one left out, would with the
    other groups' means give the count away.
    """
    outcomes = {r["outcome"] for r in rows["series"] if r["status"] == "suppressed"}
    analyses = {r["analysis"] for r in rows["analyses"] if r["outcome"] in outcomes}

    def told(row: Row) -> bool:
        return row["analysis"] in analyses and row["term"] in (*BY_PERIOD, "group", "gap", "mean")

    done = dict(rows)
    done["estimates"] = [blank(r, "estimates") if told(r) else r for r in rows["estimates"]]
    gone = [r for r in done["estimates"] if r["status"] == "suppressed"]
    for name in ("inference", "event_study"):
        done[name] = followers(rows[name], name, gone)
    keys = {_key(r) for r in gone}
    done["diagnostics"] = [
        {**blank(r, "diagnostics"), "message": HIDDEN_MESSAGE} if r["term"] and _key(r) in keys else r
        for r in rows["diagnostics"]
    ]
    for name in ("sensitivity", "decomposition"):
        done[name] = [
            {**blank(r, name), "status": "suppressed"} if r["analysis"] in analyses else r for r in rows.get(name, [])
        ]
    built = [r for r in rows["flow"] if not r["analysis"]]  # events counted, of a panel built from tables
    done["flow"] = [*flow(built, profile, ""), *(r for r in rows["flow"] if r["analysis"])]
    return done
