"""Primary suppression of tables of counts: flow, baseline, data quality, raw series; and of panels of places.

Every function takes a table's rows, which may carry the private column `_counts`, and gives as many rows back.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from evaluation.disclosure.profiles import Profile
from evaluation.disclosure.tables import BY_PERIOD, HIDDEN_MESSAGE, blank, followers, row_key
from evaluation.results import COUNTS, Row


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
    out = list(rows)
    for analysis, level in dict.fromkeys((r["analysis"], r["level"]) for r in rows):
        # Rows and people are counted apart: what is hidden of the one is no cover for the other.
        places = [k for k, r in enumerate(rows) if (r["analysis"], r["level"]) == (analysis, level)]
        chain = [rows[k] for k in places]
        small = _complement(chain, [k for k, r in enumerate(chain) if _dropped(r, profile)])
        one_for_all = analysis in ("", primary)  # how the data were built is the same for every analysis
        hidden = small if one_for_all else [k for k, r in enumerate(chain) if r["n_dropped"]]
        running = {"n_remaining": None} if small_anywhere or (hidden and not one_for_all) else {}
        for k, row in enumerate(chain):
            gone = {"n_dropped": None, "status": "suppressed"} if k in hidden else {}
            out[places[k]] = {**row, **running, **gone}
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
    keys = {row_key(r) for r in gone}
    done["diagnostics"] = [
        {**blank(r, "diagnostics"), "message": HIDDEN_MESSAGE} if r["term"] and row_key(r) in keys else r
        for r in rows["diagnostics"]
    ]
    for name in ("sensitivity", "decomposition"):
        done[name] = [
            {**blank(r, name), "status": "suppressed"} if r["analysis"] in analyses else r for r in rows.get(name, [])
        ]
    built = [r for r in rows["flow"] if not r["analysis"]]  # events counted, of a panel built from tables
    done["flow"] = [*flow(built, profile, ""), *(r for r in rows["flow"] if r["analysis"])]
    return done
