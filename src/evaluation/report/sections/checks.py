"""What the checks, the data's losses and disclosure control mean, in words and tables."""

from __future__ import annotations

from evaluation.report.headline import Headline
from evaluation.report.markdown import NOTHING, Table, paragraphs
from evaluation.report.numbers import number, p_value, shortened
from evaluation.report.released import Released
from evaluation.report.words import CHECK_STATUS, CHECKS, HIDDEN, STATUS, WHY_HIDDEN, counted, named, plain, upper_first
from evaluation.results import Row

SILENT = frozenset({"small_cohort", "not_estimable"})  # said elsewhere, in their own place


def _sentence(text: str) -> str:
    shown = upper_first(shortened(text).strip())
    return shown if shown.endswith((".", "!", "?")) else shown + "."


def reader_checks(released: Released, limit: int) -> list[tuple[str, str]]:
    """How many checks passed, and what the ones that raise doubt say (at most `limit` of them)."""
    checks = [c for c in released.rows("diagnostics") if c["check"] not in SILENT and c["status"] != "info"]
    if not checks:
        return []
    doubts = [c for c in checks if c["status"] != "pass"]
    passed = len(checks) - len(doubts)
    if not doubts:
        return [("Checks.", "The one check made raised no doubt." if passed == 1 else f"None of the {passed} checks made raised doubt.")]
    primary = released.study.primary.id
    doubts.sort(key=lambda c: (c["status"] != "fail", c["analysis"] != primary))
    said = " ".join(dict.fromkeys(_sentence(c["message"]) for c in doubts[:limit]))
    rest = f" The full report lists {len(doubts) - limit} more." if len(doubts) > limit else ""
    n = counted(len(checks), "check")
    return [("Checks.", f"{len(doubts)} of {n} raise{'s' if len(doubts) == 1 else ''} doubt. {said}{rest}")]


def checks_table(released: Released, *, numbers: bool = False) -> str:
    """Every check in words; with its figures for the appendix."""
    rows = [c for c in released.rows("diagnostics") if numbers or c["check"] not in SILENT]
    if not rows:
        return paragraphs("No checks were released for this study.")
    header = ["Check", "Analysis", "Result", "What it means"]
    cells = [_check_cells(released, c) for c in rows]
    align = "llll"
    if numbers:
        header, align = [*header[:3], "Statistic", "p-value", header[3]], "lllrrl"
        cells = [[*a[:3], _shown(c["statistic"]), "" if c["p_value"] is None else p_value(c["p_value"]), a[3]]
                 for a, c in zip(cells, rows, strict=True)]
    name = "checks-figures" if numbers else "checks"
    return Table(name, "Checks of the data and the methods", header, align, cells).markdown()


def _check_cells(released: Released, check: Row) -> list[str]:
    place = [released.group(check["group"])] if check["group"] else []
    if check["term"] and check["check"] not in SILENT:
        place.append(released.term({**check}))
    name = named(CHECKS, check["check"])
    about = f"{name} ({', '.join(dict.fromkeys(place))})" if place else name
    return [about, released.analysis(check["analysis"]), CHECK_STATUS.get(check["status"], plain(check["status"])), _sentence(check["message"])]


def _shown(value: float | None) -> str:
    return "" if value is None else number(value)


# --------------------------------------------------------------------------- what left the data


def flow_rows(head: Headline) -> list[Row]:
    """The steps of the main analysis, after those of the study as a whole."""
    released = head.released
    return [*released.rows("flow", analysis=""), *released.rows("flow", analysis=head.analysis.id)]


def dropped(head: Headline) -> str:
    """One sentence on what left the data before the main analysis; empty where nothing did."""
    rows = [r for r in flow_rows(head) if r["n_dropped"] != 0]
    if not rows:
        return ""
    if any(r["n_dropped"] is None for r in rows):
        return "Some records left the data before the main analysis; how many is hidden to protect privacy."
    said = [f"{_lost(head.released, r)} ({plain(shortened(r['reason']))})" for r in rows[:3]]
    more = " and others" if len(rows) > 3 else ""
    return f"Left out before the main analysis: {'; '.join(said)}{more}."


def _lost(released: Released, row: Row) -> str:
    """`2 states`, `1 person`, `21 rows`: places by the study's own noun where there are several."""
    n, level = row["n_dropped"], row["level"]
    if level == "unit" and released.panel and n != 1:
        return f"{n:,} {released.people}"
    return counted(n, level, _plural(level))


def _plural(level: str) -> str:
    return "people" if level == "person" else level + "s"


def flow_table(released: Released, rows: list[Row], name: str = "flow") -> str:
    """What left the data at each step, and why."""
    if not rows:
        return paragraphs("Nothing left the data between reading them and the analysis.")
    cells = [
        [released.analysis(r["analysis"]), upper_first(plain(shortened(r["reason"]))), upper_first(_plural(r["level"])),
         _count(r["n_dropped"]), _count(r["n_remaining"])]
        for r in rows
    ]
    header = ["Analysis", "Why", "Counted", "Left out", "Remaining"]
    return Table(name, "What left the data, step by step", header, "lllrr", cells).markdown()


def _count(n: int | None) -> str:
    return HIDDEN if n is None else f"{n:,}"


# --------------------------------------------------------------------------- what was hidden


def hidden_rows(released: Released) -> int:
    """How many rows of the results disclosure control hid or changed."""
    return sum(r["n_suppressed"] or 0 for r in released.rows("suppression"))


def hidden_text(released: Released) -> str:
    """What was hidden and why, or that nothing was."""
    hidden = hidden_rows(released)
    profile = released.study.disclosure.profile
    if profile == "none":
        return paragraphs("These are public aggregate data. Nothing was hidden.")
    if not hidden:
        return paragraphs("Every result was held against the disclosure rule. Nothing had to be hidden.")
    return paragraphs(f"{counted(hidden, 'row')} of the results {'was' if hidden == 1 else 'were'} hidden or made coarser. {WHY_HIDDEN}")


def suppression_table(released: Released) -> str:
    """Rows hidden by table, with the rule."""
    rows = released.rows("suppression")
    if not rows or released.study.disclosure.profile == "none":
        return NOTHING
    cells = [[upper_first(plain(r["table"])), f"{r['n_rows']:,}", f"{r['n_suppressed']:,}", upper_first(r["rule"])] for r in rows]
    return Table("suppression", "What disclosure control hid", ["Results", "Rows", "Hidden or coarsened", "Rule"], "lrrl", cells).markdown()


def status_word(row: Row) -> str:
    """What stands in place of a figure that is not shown."""
    return STATUS.get(row["status"], plain(row["status"]))
