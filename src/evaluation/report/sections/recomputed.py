"""The appendix's tables of figures computed again: other choices, parts of a regression, other libraries."""

from __future__ import annotations

from evaluation.report.markdown import NOTHING, Table, escape
from evaluation.report.numbers import listing, number, p_cell
from evaluation.report.released import Released
from evaluation.report.sections.checks import ROUNDING, status_word
from evaluation.report.words import COMPARISONS, KINDS, OPINIONS, P_VALUE, named, upper_first
from evaluation.results import MAIN_TERMS, Row

DIGITS = 4
ANEW = "Another library computes these figures anew from the same data, so that a slip in either shows."
MOST = 40  # rows of a kind in a table; the results files hold all


def sensitivity(released: Released) -> str:
    """The answers under other choices, a table an analysis; nothing where none were computed."""
    parts = []
    for analysis in released.study.analyses:
        rows = released.rows("sensitivity", analysis=analysis.id)
        if not rows:
            continue
        kept, cut = _most(rows)
        name = released.analysis(analysis.id)
        header = ["What was changed", "Set to", "Estimate", "Standard error", "Interval", P_VALUE]
        caption = f"Other choices in: {name}. {_set(rows)}"
        table = Table(f"sensitivity-{analysis.id.replace('_', '-')}", caption.strip(), header, "lrrrlr",
                      [_choice(released, r) for r in kept])  # fmt: skip
        parts.append(table.markdown() + cut)
    return "## Under other choices\n\n" + "\n".join(parts) if parts else NOTHING


def _most(rows: list[Row]) -> tuple[list[Row], str]:
    """At most `MOST` rows of a kind, those with the furthest estimates, and what is left out."""
    kept, notes = [], []
    for kind in dict.fromkeys(r["kind"] for r in rows):
        mine = [r for r in rows if r["kind"] == kind]
        if len(mine) > MOST:
            values = sorted(mine, key=lambda r: (r["estimate"] is None, r["estimate"] or 0.0, str(r["group"])))
            chosen = {id(r) for r in (*values[: MOST // 2], *values[-MOST // 2 :])}
            notes.append(f"{named(KINDS, kind)}: the {MOST} of {len(mine)} furthest from the middle are listed.")
            mine = [r for r in mine if id(r) in chosen]
        kept += mine
    return kept, f"\n{escape(' '.join(notes))} The results files hold all.\n" if notes else ""


def _set(rows: list[Row]) -> str:
    """What the column of what was set holds, and how intervals were reckoned where not by the analysis's own rule."""
    methods = list(dict.fromkeys(f"{named(KINDS, r['kind'])}: {r['method']}" for r in rows if r["method"]))
    return f"Intervals by the analysis’s own rule, but: {'; '.join(methods)}." if methods else ""


def _choice(released: Released, row: Row) -> list[str]:
    label = upper_first(released.prose(row["label"])) or named(KINDS, row["kind"])
    if row["status"] == "suppressed":
        return [label, "", upper_first(status_word(row)), "", "", ""]
    return [label, _number(row["parameter"]), _number(row["estimate"]), _number(row["std_error"], 3), _interval(row),
            p_cell(row["p_value"])]  # fmt: skip


def _number(value: float | None, digits: int = DIGITS) -> str:
    return "" if value is None else "≈ 0" if 0 < abs(value) < ROUNDING else number(value, digits)


def _interval(row: Row) -> str:
    low, high = row["conf_low"], row["conf_high"]
    return "" if low is None or high is None else f"{number(low, DIGITS)} to {number(high, DIGITS)}"


# --------------------------------------------------------------------------- parts of a regression


def decomposition(released: Released) -> str:
    """What two-way regressions are made of; nothing where none was taken apart."""
    parts = []
    for analysis in released.study.analyses:
        rows = released.rows("decomposition", analysis=analysis.id)
        name, identifier = released.analysis(analysis.id), analysis.id.replace("_", "-")
        pairs, cells = [r for r in rows if r["kind"] != "cell"], [r for r in rows if r["kind"] == "cell"]
        if pairs:
            header = ["Comparison", "Adopting group", "Compared with", "Weight", "Difference"]
            table = Table(f"decomposition-{identifier}", f"Comparisons that make up: {name}", header, "lllrr",
                          [_pair(released, r) for r in pairs])  # fmt: skip
            parts.append(table.markdown())
        if cells:
            header = ["Adoption group", "Periods with the program", "Weight in all", "Least weight", "Largest weight",
                      "Negative"]  # fmt: skip
            table = Table(f"weights-{identifier}", f"Weights of the single effects in: {name}", header, "lrrrrr",
                          _weights(released, cells))  # fmt: skip
            parts.append(table.markdown())
    return "## What a regression is made of\n\n" + "\n".join(parts) if parts else NOTHING


def _pair(released: Released, row: Row) -> list[str]:
    names = [_group(released, row[c]) for c in ("treated", "control")]
    if row["status"] != "ok":
        return [named(COMPARISONS, row["kind"]), *names, upper_first(status_word(row)), ""]
    return [named(COMPARISONS, row["kind"]), *names, _number(row["weight"], 3), _number(row["estimate"])]


def _group(released: Released, name: str) -> str:
    try:
        return upper_first(released.group(f"cohort:{float(name):g}"))
    except ValueError:
        return {"never": "Never adopted", "always": "Adopted from the start"}.get(name, name)


def _weights(released: Released, cells: list[Row]) -> list[list[str]]:
    """A line an adoption group; one with a hidden cell says so in place of its figures."""
    lines = []
    for group in dict.fromkeys(r["treated"] for r in cells):
        mine = [r for r in cells if r["treated"] == group]
        lead = [_group(released, group), f"{len(mine):,}"]
        values = [r["weight"] for r in mine if r["weight"] is not None]
        if len(values) < len(mine):
            lines.append([*lead, "Hidden", "", "", ""])
            continue
        figures = [_number(v, 3) for v in (sum(values), min(values), max(values))]
        lines.append([*lead, *figures, f"{sum(v < 0 for v in values):,}"])
    return lines


# --------------------------------------------------------------------------- other libraries


def second_opinion(released: Released) -> str:
    """Ours beside another library's, with how each reckons its standard error; nothing where none was asked."""
    rows = released.rows("second_opinion")
    if not rows:
        return NOTHING
    order = {"differs": 0, "unavailable": 1, "agrees": 2}
    rows = sorted(rows, key=lambda r: order.get(r["status"], 3))
    shown = sorted(rows, key=lambda r: (order.get(r["status"], 3), r["term"] not in MAIN_TERMS))[:MOST]
    chosen = {id(r) for r in shown}
    kept = [r for r in rows if id(r) in chosen]
    header = ["Analysis", "What", "Ours", "Standard error", "Theirs", "Standard error", "Result"]
    caption = "The same figures by another library (agreement to one part in a million)"
    table = Table("second-opinion", caption, header, "llrrrrl", [_opinion(released, r) for r in kept]).markdown()
    more = f"{len(rows) - len(kept)} more rows are in the results files." if len(rows) > len(kept) else ""
    said, listed = _conventions(released, rows)
    return f"## Another library’s answer\n\n{escape(f'{ANEW} {said} {more}'.strip())}\n\n{table}{listed}"


def _opinion(released: Released, row: Row) -> list[str]:
    name, what = released.analysis(row["analysis"]), released.term(row)
    shown = [_number(row[c], 6) for c in ("our_estimate", "our_std_error", "estimate", "std_error")]
    result = named(OPINIONS, row["status"])
    if row["status"] == "differs" and row["relative_difference"] is not None:
        result = f"{result} by {number(row['relative_difference'], 2)} of ours"
    return [name, what, *shown, result]


def _conventions(released: Released, rows: list[Row]) -> tuple[str, str]:
    """How both reckon standard errors: a sentence, or, where there are several ways, a table by analysis."""
    ways = {
        name: _ways([r for r in rows if r["analysis"] == name]) for name in dict.fromkeys(r["analysis"] for r in rows)
    }
    differ = "Standard errors of different conventions may differ; estimates may not."
    if len(set(ways.values())) == 1:
        ours, theirs = next(iter(ways.values()))
        return f"{f'Standard errors here: {ours}. ' if ours else ''}Theirs: {theirs}. {differ}", ""
    body = [[released.analysis(name), *both] for name, both in ways.items()]
    header = ["Analysis", "Ours", "Theirs"]
    table = Table("second-opinion-conventions", "How standard errors are reckoned", header, "lll", body)
    return differ, f"\n{table.markdown()}"


def _ways(rows: list[Row]) -> tuple[str, str]:
    """How standard errors are reckoned by us and by the library, without the scale of the interval."""
    named_here = dict.fromkeys(r["our_convention"].partition(";")[0] for r in rows if r["our_convention"])
    ours = [w for w in named_here if not any(w.startswith(f"{other},") for other in named_here)]
    theirs = {r["library"]: [o["convention"] for o in rows if o["library"] == r["library"]] for r in rows}
    said = [f"{name}: {listing([w for w in dict.fromkeys(how) if w])}" for name, how in theirs.items() if any(how)]
    return listing(ours), "; ".join(said)
