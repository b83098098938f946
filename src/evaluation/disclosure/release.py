"""The one door: every results table goes through it, and reports see only what came out.

What it does not do is search across tables for differences that give a hidden count away; the audit does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evaluation.disclosure import counts, rounding
from evaluation.disclosure import people as cohorts
from evaluation.disclosure import tables as rules
from evaluation.disclosure.curves import coarsened
from evaluation.disclosure.delivery import implementation, linkage
from evaluation.disclosure.profiles import PROFILES, Profile
from evaluation.disclosure.same_people import close_risks
from evaluation.results import COUNTS, Row

Tables = Mapping[str, list[Row]]


@dataclass
class Released:
    """`tables` may leave; `n_suppressed` says how many rows of each table were hidden or coarsened."""

    tables: dict[str, list[Row]] = field(default_factory=dict)
    n_suppressed: dict[str, int] = field(default_factory=dict)


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
        Whether units are people (always so in cohort designs). Where they are places, numbers of units may be
        shown, and only counts of events are protected.

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
        if rows
    ]
    return done


def _public(row: Row) -> Row:
    return {k: v for k, v in row.items() if k != COUNTS}


def _changed(before: list[Row], after: list[Row]) -> int:
    return sum(_public(a) != _public(b) for a, b in zip(before, after, strict=True))


def _suppress(done: Released, full: Tables, profile: Profile, people: bool) -> None:
    rows = done.tables
    rows["linkage"] = linkage(rows.get("linkage", []))  # of people, whatever the study's units are
    rows["series"] = counts.series(rows["series"], profile, people)
    if people:
        _protect_people(rows, profile)
    else:
        rows.update(counts.of_places(rows, profile))
    merged = ("curve", "overlap")  # points and bins are put together: fewer rows leave than came
    done.n_suppressed = {n: _changed(full.get(n, []), rows[n]) for n in rows if n not in merged}
    done.n_suppressed |= {n: max(0, len(full.get(n, [])) - len(rows.get(n, []))) for n in merged}
    done.n_suppressed["overlap"] += sum(r["status"] == "suppressed" for r in rows.get("overlap", []))
    rows["diagnostics"] = rows["diagnostics"] + rules.unreliable(rows["estimates"], profile)


def _sizes_kept(rows: dict[str, list[Row]], profile: Profile, primary: str) -> tuple[str, ...] | None:
    """The analyses whose numbers of people may stay where another's would tell a small difference; None = all."""
    if not (counts.drops_hidden(rows["flow"], profile) or rules.close_sizes(rows["estimates"], profile)):
        return None
    own = [r for r in rows["estimates"] if r["analysis"] == primary]
    tells = counts.sizes_tell(rows["flow"], profile, primary) or rules.close_sizes(own, profile)
    return () if tells else (primary,)


def _short_figures(rows: dict[str, list[Row]], plain: set[str]) -> None:
    """Fewer digits where more would tell numbers of people that are withheld."""
    rows["baseline"] = rounding.uncounted(rows["baseline"])
    rows["implementation"] = rounding.uncounted(rows["implementation"])
    rows["balance"] = [rounding.short(r) for r in rows["balance"]]
    rows["attrition"] = rounding.attrition(rows["attrition"])
    rows["diagnostics"] = rounding.diagnostics(rows["diagnostics"])
    for name in ("estimates", "inference", "second_opinion", "subgroups"):
        rows[name] = rounding.of_analyses(rows[name], plain)


def _protect_people(rows: dict[str, list[Row]], profile: Profile) -> None:
    """Every rule about numbers of people, in place."""
    primary = next((r["analysis"] for r in rows["analyses"] if r["role"] == "primary"), "")
    windows = {(r["outcome"], r["time"]) for r in rows["estimates"] if r["scale"] == "risk" and r["time"] is not None}
    full = rows["estimates"]
    rows["curve"], unsafe = coarsened(rows["curve"], profile, windows, primary)
    close = close_risks(full, rows["analyses"], profile, primary)
    rows["estimates"] = rules.estimates(full, profile, unsafe, close)
    gone = [r for r in rows["estimates"] if r["status"] == "suppressed"]
    rows["inference"] = rules.adjusted_together(rows["inference"], gone)
    for name in ("inference", "event_study"):
        rows[name] = rules.followers(rows[name], name, gone)
    rows["diagnostics"] = rules.diagnostics(rows["diagnostics"], profile, gone)
    for name in ("sensitivity", "decomposition", "second_opinion"):
        rows[name] = rules.alternatives(rows.get(name, []), name, profile, gone)
    rows["analyses"] = rules.analyses(rows["analyses"], profile, rows["estimates"])
    keep = _sizes_kept(rows, profile, primary)
    if keep is not None:
        for name in ("estimates", "event_study", "inference"):
            rows[name] = rules.without_sizes(rows[name], keep)
        rows["diagnostics"] = rules.without_counting(rows["diagnostics"], keep)
    rows["flow"] = counts.flow(rows["flow"], profile, primary)
    rows["baseline"] = counts.baseline(rows["baseline"], profile)
    shown = [r for r in rows["estimates"] if r["status"] == "ok"]
    rows["balance"] = cohorts.balance(rows.get("balance", []), rows["baseline"], profile, keep)
    rows["overlap"] = cohorts.overlap(rows.get("overlap", []), profile, keep)
    rows["attrition"] = cohorts.attrition(rows.get("attrition", []), profile, shown, rows["flow"])
    rows["diagnostics"] = rules.of_lost(rows["diagnostics"], rows["attrition"])
    rows["subgroups"] = cohorts.subgroups(rows.get("subgroups", []), profile, full, rows["estimates"])
    rows["implementation"] = implementation(rows.get("implementation", []), profile, shown)
    rows["data_quality"] = counts.data_quality(rows["data_quality"])
    _short_figures(rows, rounding.plain_analyses(rows["analyses"], keep))
