"""Primary suppression: every small count, and every figure that gives it away in the same row or window.

What this does not do is search across tables for differences that give a hidden count away; the audit does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from evaluation.disclosure.curves import coarsened
from evaluation.disclosure.profiles import PROFILES, Profile
from evaluation.results import COUNTS, TABLES, Row

Tables = Mapping[str, list[Row]]
HIDDEN_MESSAGE = "Hidden by disclosure control: it would tell a small number of people."


@dataclass
class Released:
    """`tables` may leave; `n_suppressed` says how many rows of each table were hidden or coarsened."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    n_suppressed: dict[str, int] = field(default_factory=dict)


def _blank(row: Row, table: str, kinds: tuple[str, ...] = ("count", "figure")) -> Row:
    hidden = {c.name: None for c in TABLES[table].columns if c.disclosure in kinds}
    status = {"status": "suppressed"} if "status" in row else {}
    return {**row, **hidden, **status}


def _families(rows: list[Row], profile: Profile) -> set[tuple[str, float | None]]:
    """(outcome, window) pairs in which some risk rests on a small count: there, any one of risk, difference and
    ratio gives another away, so all are hidden."""
    return {(r["outcome"], r["time"]) for r in rows if r["scale"] == "risk" and profile.hides_any(r.get(COUNTS, ()))}


def _estimates(rows: list[Row], profile: Profile, people: bool) -> list[Row]:
    families = _families(rows, profile)

    def small(row: Row) -> bool:
        if row["scale"] == "risk" and (row["outcome"], row["time"]) in families:
            return True
        return people and (
            profile.hides_any(row.get(COUNTS, ()))
            or profile.hides(row["n_units"])
            or profile.hides(row["n_treated_units"])
        )

    return [_blank(r, "estimates") if small(r) else r for r in rows]


def _like_estimates(
    rows: list[Row], table: str, hidden: Collection[tuple[object, ...]], key: Callable[[Row], tuple[object, ...]]
) -> list[Row]:
    return [_blank(r, table) if key(r) in hidden else r for r in rows]


def _flow(rows: list[Row], profile: Profile) -> list[Row]:
    """A small number dropped is hidden, and so are all running totals of its chain: their differences tell it."""
    chains = {r["analysis"] for r in rows if profile.hides(r["n_dropped"]) and r["n_dropped"] > 0}

    def masked(row: Row) -> Row:
        small = profile.hides(row["n_dropped"]) and row["n_dropped"] > 0
        return {
            **row,
            "n_dropped": None if small else row["n_dropped"],
            "n_remaining": None,
            "status": "suppressed" if small else "ok",
        }

    return [masked(r) if r["analysis"] in chains else r for r in rows]


def _baseline(rows: list[Row], profile: Profile) -> list[Row]:
    """Both arms together: one arm and the difference give the other. A small number missing hides the counts;
    a small number of people with, or without, a yes/no characteristic hides the figures too."""

    def small_share(row: Row) -> bool:
        if row["kind"] != "binary" or row["mean"] is None:
            return profile.hides(row["n"])
        yes = round(row["mean"] * row["n"])
        return any(profile.hides(c) for c in (row["n"], yes, row["n"] - yes))

    hidden = {r["covariate"] for r in rows if small_share(r)}
    uncounted = {r["covariate"] for r in rows if profile.hides(r["n_missing"] or None)} - hidden
    shown = [_blank(r, "baseline") if r["covariate"] in hidden else r for r in rows]
    return [{**r, "n": None, "n_missing": None} if r["covariate"] in uncounted else r for r in shown]


def _data_quality(rows: list[Row], profile: Profile) -> list[Row]:
    def small(row: Row) -> bool:
        missing = row["n_missing"] + row["n_nan"]
        return bool(missing) and (
            profile.hides(missing) or profile.hides(row["n_missing"] or None) or profile.hides(row["n_nan"] or None)
        )

    any_small = any(small(r) for r in rows)
    out = [_blank(r, "data_quality") if small(r) else r for r in rows]
    return [{**r, "n_rows": None} for r in out] if any_small else out


def _series(rows: list[Row], profile: Profile, people: bool) -> list[Row]:
    return [
        _blank(r, "series") if profile.hides(r["total"]) or (people and profile.hides(r["n_units"])) else r
        for r in rows
    ]


def _diagnostics(rows: list[Row], profile: Profile) -> list[Row]:
    return [
        {**_blank(r, "diagnostics"), "message": HIDDEN_MESSAGE} if profile.hides_any(r.get(COUNTS, ())) else r
        for r in rows
    ]


def _analyses(rows: list[Row], profile: Profile) -> list[Row]:
    return [{**r, "reason": HIDDEN_MESSAGE} if profile.hides_any(r.get(COUNTS, ())) else r for r in rows]


def _public(row: Row) -> Row:
    return {k: v for k, v in row.items() if k != COUNTS}


def _changed(before: list[Row], after: list[Row]) -> int:
    return sum(_public(a) != _public(b) for a, b in zip(before, after, strict=True))


def release(study: str, tables: Tables, profile_name: str, *, people: bool) -> Released:
    """The tables that may leave under a profile, with a `suppression` table saying what was hidden.

    Parameters
    ----------
    study : str
        Study id, for the `suppression` rows.
    tables : mapping of table name to rows
        Every results table; rows may carry the private column `_counts`.
    profile_name : str
        `none`, `cms11` or `wonder10`.
    people : bool
        Whether units are people (always so in cohort designs); numbers of places are not hidden.

    Raises
    ------
    KeyError
        For a profile this version does not have.
    """
    profile = PROFILES[profile_name]
    done = Released({name: list(rows) for name, rows in tables.items()})
    if profile_name != "none":
        _suppress(done, tables, profile, people)
    done.tables = {name: [_public(r) for r in rows] for name, rows in done.tables.items()}
    done.tables["suppression"] = [
        {
            "study": study,
            "table": name,
            "profile": profile.name,
            "rule": profile.rule,
            "n_rows": len(rows),
            "n_suppressed": done.n_suppressed.get(name, 0),
        }
        for name, rows in tables.items()
        if rows and name != "suppression"
    ]
    return done


def _suppress(done: Released, tables: Tables, profile: Profile, people: bool) -> None:
    rows = done.tables
    rows["estimates"] = _estimates(rows["estimates"], profile, people)
    gone = [r for r in rows["estimates"] if r["status"] == "suppressed"]
    by_key = {(r["analysis"], r["term"], r["group"], r["time"]) for r in gone}
    events = {(r["analysis"], r["time"]) for r in gone if r["term"] == "event"}
    rows["inference"] = _like_estimates(
        rows["inference"], "inference", by_key, lambda r: (r["analysis"], r["term"], r["group"], r["time"])
    )
    rows["event_study"] = _like_estimates(
        rows["event_study"], "event_study", events, lambda r: (r["analysis"], r["event_time"])
    )
    rows["flow"] = _flow(rows["flow"], profile)
    rows["baseline"] = _baseline(rows["baseline"], profile)
    rows["data_quality"] = _data_quality(rows["data_quality"], profile)
    rows["series"] = _series(rows["series"], profile, people)
    rows["diagnostics"] = _diagnostics(rows["diagnostics"], profile)
    rows["analyses"] = _analyses(rows["analyses"], profile)
    for name in rows:
        if name != "curve":
            done.n_suppressed[name] = _changed(list(tables[name]), rows[name])
    rows["curve"] = coarsened(rows["curve"], profile)
    done.n_suppressed["curve"] = len(tables["curve"]) - len(rows["curve"])
