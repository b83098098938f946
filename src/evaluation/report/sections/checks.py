"""What the checks, the data's losses and disclosure control mean, in words and tables."""

from __future__ import annotations

from evaluation.report.headline import Headline
from evaluation.report.markdown import NOTHING, Table, paragraphs
from evaluation.report.numbers import number, p_cell
from evaluation.report.released import Released
from evaluation.report.words import (
    CHECK_STATUS,
    CHECKS,
    HIDDEN,
    P_VALUE,
    STATUS,
    WHY_HIDDEN,
    counted,
    lower_first,
    named,
    plain,
    upper_first,
)
from evaluation.results import Row

SILENT = frozenset({"small_cohort", "not_estimable"})  # said elsewhere, in their own place

CAPTION = "Checks of the data and the methods"
TESTS = frozenset({"log_rank"})  # not a pass or a fail, but a result


def _sentence(released: Released, text: str) -> str:
    shown = upper_first(released.prose(text))
    return shown if shown.endswith((".", "!", "?")) else shown + "."


def reader_checks(released: Released, limit: int) -> list[tuple[str, str]]:
    """What the main analysis's checks say (at most `limit` doubts in words), and how the others came out."""
    checks = [c for c in released.rows("diagnostics") if c["check"] not in SILENT and c["status"] != "info"]
    main = [c for c in checks if c["analysis"] in {"", released.study.primary.id}]
    rest = [c for c in checks if c not in main]
    said = " ".join(s for s in (_main_checks(released, main, limit), _other_checks(rest, alone=not main)) if s)
    return [("Checks.", said)] if said else []


def _main_checks(released: Released, checks: list[Row], limit: int) -> str:
    if not checks:
        return ""
    doubts = sorted((c for c in checks if c["status"] != "pass"), key=lambda c: c["status"] != "fail")
    n = len(checks)
    if not doubts:
        return f"{_of(n, n)} of the main analysis raised no doubt."
    messages = list(dict.fromkeys(_sentence(released, c["message"]) for c in doubts))
    more = f" The full report lists {len(messages) - limit} more." if len(messages) > limit else ""
    lead = f"{_of(len(doubts), n)} of the main analysis raise{'s' if len(doubts) == 1 else ''} doubt."
    return f"{lead} {' '.join(messages[:limit])}{more}"


def _of(some: int, n: int) -> str:
    """`The one check`, `All 6 checks`, `2 of the 6 checks`."""
    if n == 1:
        return "The one check"
    return f"All {n} checks" if some == n else f"{some} of the {n} checks"


def _other_checks(checks: list[Row], *, alone: bool) -> str:
    if not checks:
        return ""
    doubts, n = sum(c["status"] != "pass" for c in checks), len(checks)
    whose = "made on other analyses" if alone else "of other analyses"
    if not doubts:
        return f"{_of(n, n)} {whose} raised no doubt."
    return f"{_of(doubts, n)} {whose} raise{'s' if doubts == 1 else ''} doubt; see the full report."


def checks_table(released: Released, *, numbers: bool = False) -> str:
    """Every check in words; with its figures for the appendix."""
    rows = [c for c in released.rows("diagnostics") if numbers or _for_reader(c)]
    if not rows:
        return paragraphs("No checks were released for this study.")
    if numbers:
        header = ["Check", "Analysis", "Result", "Statistic", P_VALUE, "What it means"]
        cells = [
            [
                _about(released, [c]),
                *_came_out(released, c),
                _shown(c["statistic"]),
                p_cell(c["p_value"]),
                _sentence(released, c["message"]),
            ]
            for c in rows
        ]
        return Table("checks-figures", CAPTION, header, "lllrrl", cells).markdown()
    alike: dict[tuple[str, ...], list[Row]] = {}
    for c in rows:
        alike.setdefault((c["check"], c["analysis"], c["status"], c["message"]), []).append(c)
    cells = [
        [_about(released, cs), *_came_out(released, cs[0]), _sentence(released, cs[0]["message"])]
        for cs in alike.values()
    ]
    return Table("checks", CAPTION, ["Check", "Analysis", "Result", "What it means"], "llll", cells).markdown()


def _for_reader(check: Row) -> bool:
    return check["check"] not in SILENT and (check["status"] != "info" or check["check"] in TESTS)


def _about(released: Released, checks: list[Row]) -> str:
    """A check's name, and the terms and groups it was made for."""
    places = [_place(released, c) for c in checks]
    name = named(CHECKS, checks[0]["check"])
    return f"{name} ({'; '.join(dict.fromkeys(p for p in places if p))})" if any(places) else name


def _place(released: Released, check: Row) -> str:
    if check["term"] in {"group_time", "event", "calendar"} or (check["term"] and not check["group"]):
        return lower_first(released.term(check))
    return released.group(check["group"]) if check["group"] else ""


def _came_out(released: Released, check: Row) -> list[str]:
    return [released.analysis(check["analysis"]), CHECK_STATUS.get(check["status"], plain(check["status"]))]


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
    said = [f"{_lost(head.released, r)}: {lower_first(_reason(head.released, r))}" for r in rows[:3]]
    more = " and others" if len(rows) > 3 else ""
    return f"Before the main analysis these left the data. {'; '.join(said)}{more}."


def _reason(released: Released, row: Row) -> str:
    return released.prose(row["reason"])


def _lost(released: Released, row: Row) -> str:
    """`2 states`, `1 person`, `21 rows`: places by the study's own noun where there are several."""
    n, level = row["n_dropped"], row["level"]
    if level == "unit" and released.panel:
        return f"{n:,} {released.people}" if n != 1 else f"1 of the {released.people}"
    return counted(n, level, _plural(level))


def _plural(level: str) -> str:
    return "people" if level == "person" else level + "s"


def flow_table(released: Released, rows: list[Row], name: str = "flow") -> str:
    """What left the data at each step, and why."""
    if not rows:
        return paragraphs("Nothing left the data between reading them and the analysis.")
    several = len({r["analysis"] for r in rows}) > 1
    cells = [
        [
            *([released.analysis(r["analysis"])] if several else []),
            upper_first(_reason(released, r)),
            upper_first(_plural(r["level"])),
            _count(r["n_dropped"]),
            _count(r["n_remaining"]),
        ]
        for r in rows
    ]
    header = [*(["Analysis"] if several else []), "Why", "Counted", "Left out", "Remaining"]
    return Table(name, "What left the data, step by step", header, "l" * (len(header) - 2) + "rr", cells).markdown()


def _count(n: int | None) -> str:
    return HIDDEN if n is None else f"{n:,}"


# --------------------------------------------------------------------------- what was hidden


def hidden_rows(released: Released) -> int:
    """How many rows of the results disclosure control hid or changed; merged points of curves are not counted."""
    return sum(r["n_suppressed"] or 0 for r in released.rows("suppression") if r["table"] != "curve")


def coarser_curves(released: Released) -> str:
    """A sentence where points of the curves were merged; else empty."""
    merged = sum(r["n_suppressed"] or 0 for r in released.rows("suppression", table="curve"))
    return (
        "The curves are drawn in coarser steps than the data hold, so that no step rests on a few people."
        if merged
        else ""
    )


def hidden_text(released: Released) -> str:
    """What was hidden and why, or that nothing was."""
    hidden, coarser = hidden_rows(released), coarser_curves(released)
    profile = released.study.disclosure.profile
    if profile == "none":
        return paragraphs("These are public aggregate data. Nothing was hidden.")
    if not hidden:
        return paragraphs(
            f"Every result was held against the disclosure rule. No figure had to be hidden. {coarser}".strip()
        )
    lead = f"{counted(hidden, 'row')} of the results {'was' if hidden == 1 else 'were'} hidden or made coarser."
    return paragraphs(f"{lead} {WHY_HIDDEN} {coarser}".strip())


def suppression_table(released: Released) -> str:
    """Rows hidden by table, with the rule."""
    rows = released.rows("suppression")
    if not rows or released.study.disclosure.profile == "none":
        return NOTHING
    cells = [
        [upper_first(plain(r["table"])), f"{r['n_rows']:,}", f"{r['n_suppressed']:,}", upper_first(r["rule"])]
        for r in rows
    ]
    return Table(
        "suppression", "What disclosure control hid", ["Results", "Rows", "Hidden or coarsened", "Rule"], "lrrl", cells
    ).markdown()


def status_word(row: Row) -> str:
    """What stands in place of a figure that is not shown."""
    return STATUS.get(row["status"], plain(row["status"]))
