"""What the checks, the data's losses and disclosure control mean, in words and tables."""

from __future__ import annotations

import re

from evaluation.report.headline import NO_DOUBT, RECORDS, Headline, credible, doubts, headline
from evaluation.report.markdown import NOTHING, Table, paragraphs
from evaluation.report.numbers import listing, number, p_cell
from evaluation.report.released import Released, is_hidden
from evaluation.report.words import (
    CHECK_STATUS,
    CHECKS,
    HIDDEN,
    P_VALUE,
    STATUS,
    TERMS,
    WHY_HIDDEN,
    counted,
    lower_first,
    named,
    plain,
    upper_first,
)
from evaluation.results import Row

SILENT = frozenset({"small_cohort", "not_estimable"})  # said elsewhere, in their own place

EFFECT = re.compile(r"\beffect(?=s?\b)")
CAPTION = "Checks of the data and the methods"
ROUNDING = 1e-9  # below, a figure is what rounding leaves of zero
MOST_NAMES = 4  # of checks that are named in a sentence
TESTS = frozenset({"log_rank", "pretrend_size"})  # not a pass or a fail, but a result


def sentence(released: Released, text: str) -> str:
    """A message of a check as a sentence of the report."""
    shown = _plainly(released, upper_first(released.prose(text)))
    return shown if shown.endswith((".", "!", "?")) else shown + "."


# How large something is, which the reader is told in words: no pass and no fail.
DEGREES = frozenset({"pretrend_size", "pretrend_power", "honest_breakdown", "honest_breakdown_smoothness"})


def _plainly(released: Released, text: str) -> str:
    """The text in the words of reports; where the study's result is not credible, no figure in it is an effect."""
    said = text.replace("no effect that chance does not explain", "nothing that chance does not explain")
    return said if credible(headline(released)) else EFFECT.sub("difference", said.replace("an effect", "a difference"))


def reader_checks(head: Headline, limit: int) -> list[tuple[str, str]]:
    """What the main analysis's checks say (at most `limit` doubts in words), and how the others came out.

    A check counts once an analysis, however many groups, characteristics or times it was made for.
    """
    kept = [c for c in head.released.rows("diagnostics") if c["check"] not in NO_DOUBT and not is_hidden(c)]
    checks = [c for c in kept if c["status"] != "info"]
    main = [c for c in checks if c["analysis"] in {"", head.analysis.id}]
    rest = [c for c in checks if c not in main]
    said = [_main_checks(head, main, limit), *_failed_elsewhere(head), _other_checks(rest), _records(head)]
    return [("Checks.", " ".join(s for s in said if s))]


def _records(head: Headline) -> str:
    """The concerns about the records themselves, which are no check of an analysis."""
    found = [c for c in head.released.rows("diagnostics") if c["check"] in RECORDS and c["status"] in {"warn", "fail"}]
    names = list(dict.fromkeys(named(CHECKS, c["check"]) for c in found))
    return f"The records themselves raise a concern: {_some(names)}." if names else ""


def _kinds(checks: list[Row]) -> dict[tuple[str, str], list[Row]]:
    """Checks by analysis and kind, in the order of the table."""
    kinds: dict[tuple[str, str], list[Row]] = {}
    for c in checks:
        kinds.setdefault((c["analysis"], c["check"]), []).append(c)
    return kinds


def _doubtful(checks: list[Row]) -> bool:
    return any(c["status"] != "pass" for c in checks)


def _main_checks(head: Headline, checks: list[Row], limit: int) -> str:
    released, kinds = head.released, _kinds(checks)
    if not kinds:
        return "No check was made on the main analysis."
    n, bad = len(kinds), [k for k, cs in kinds.items() if _doubtful(cs)]
    if not bad:
        return f"{_of(n, n)} of the main analysis raised no doubt."
    doubtful = sorted((c for c in checks if c["status"] != "pass"), key=lambda c: c["status"] != "fail")
    messages = list(dict.fromkeys(sentence(released, c["message"]) for c in doubtful))
    names = _some(list(dict.fromkeys(named(CHECKS, c["check"]) for c in doubtful)))
    lead = f"{_of(len(bad), n)} of the main analysis raise{'s' if len(bad) == 1 else ''} doubt: {names}."
    return f"{lead} {' '.join(messages[:limit])}"


def _of(some: int, n: int) -> str:
    """`The one check`, `Both checks`, `All 6 checks`, `2 of the 6 checks`."""
    if n == 1:
        return "The one check"
    return ("Both checks" if n == 2 else f"All {n} checks") if some == n else f"{some} of the {n} checks"


def _failed_elsewhere(head: Headline) -> list[str]:
    """The failed checks of other analyses of the same outcome, in words."""
    released = head.released
    found = [c for c in doubts(head) if c["analysis"] not in {"", head.analysis.id}]
    return [
        f"The check “{named(CHECKS, cs[0]['check'])}” of the analysis “{released.analysis(analysis)}” failed: "
        f"{sentence(released, cs[0]['message'])}"
        for (analysis, _), cs in _kinds(found).items()
    ]


def _other_checks(checks: list[Row]) -> str:
    kinds = _kinds(checks)
    if not kinds:
        return ""
    bad, n = [k for k, cs in kinds.items() if _doubtful(cs)], len(kinds)
    whose = "of another analysis" if len({a for a, _ in kinds}) == 1 else "of other analyses"
    if not bad:
        return f"{_of(n, n)} {whose} raised no doubt."
    names = list(dict.fromkeys(named(CHECKS, check) for _, check in bad))
    return f"{_of(len(bad), n)} {whose} raise{'s' if len(bad) == 1 else ''} doubt: {_some(names)}."


def _some(names: list[str]) -> str:
    """The first of many names, and how many more there are."""
    if len(names) <= MOST_NAMES + 1:
        return listing(names)
    return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"


def checks_table(released: Released, *, numbers: bool = False) -> str:
    """Every check in words; with its figures for the appendix."""
    rows = [c for c in released.rows("diagnostics") if numbers or _for_reader(released, c)]
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
                sentence(released, c["message"]),
            ]
            for c in rows
        ]
        return Table("checks-figures", CAPTION, header, "lllrrl", cells).markdown()
    alike: dict[tuple[str, ...], list[Row]] = {}
    for c in rows:
        alike.setdefault((c["check"], c["analysis"], c["status"], c["message"]), []).append(c)
    cells = [
        [_about(released, cs), *_came_out(released, cs[0]), sentence(released, cs[0]["message"])]
        for cs in alike.values()
    ]
    return Table("checks", CAPTION, ["Check", "Analysis", "Result", "What it means"], "llll", cells).markdown()


def _for_reader(released: Released, check: Row) -> bool:
    """Whether the full report lists a check: of people, those of other analyses only where they raise doubt."""
    if check["check"] in SILENT or (check["status"] == "info" and check["check"] not in TESTS):
        return False
    own = check["analysis"] in {"", released.study.primary.id} or released.cohort is None
    return own or (check["status"] in {"warn", "fail"} and not is_hidden(check))


def _about(released: Released, checks: list[Row]) -> str:
    """A check's name, and the terms and groups it was made for."""
    places = [_place(released, c) for c in checks]
    name, about = named(CHECKS, checks[0]["check"]), "; ".join(dict.fromkeys(p for p in places if p))
    return _plainly(released, f"{name} ({about})") if about else name


def _place(released: Released, check: Row) -> str:
    if check["term"] in {"group_time", "event", "calendar"} or (check["term"] and not check["group"]):
        return lower_first(released.term(check)) if check["term"] in TERMS else released.term(check)
    return released.group(check["group"]) if check["group"] else ""


def _came_out(released: Released, check: Row) -> list[str]:
    return [released.analysis(check["analysis"]), _result(check)]


def _result(check: Row) -> str:
    if is_hidden(check):
        return upper_first(HIDDEN)
    status = "info" if check["check"] in DEGREES else check["status"]
    return CHECK_STATUS.get(status, plain(status))


def _shown(value: float | None) -> str:
    return "" if value is None else "≈ 0" if 0 < abs(value) < ROUNDING else number(value)


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
    largest = sorted(rows, key=lambda r: (r["level"] != "person", -r["n_dropped"]))
    said = [_left_out(head.released, r) for r in largest[:3]]
    more = f"; and {counted(len(rows) - 3, 'further reason')}, listed in the full report" if len(rows) > 3 else ""
    return f"Not used in the main analysis: {'; '.join(said)}{more}."


def _left_out(released: Released, row: Row) -> str:
    """One loss in plain words: `53 people with no record of “Earlier arrests”`."""
    lost, reason = _lost(released, row), lower_first(_reason(released, row)).rstrip(".")
    if row["step"] == "missing_outcome":
        return f"{lost} without a value of the outcome"
    if row["step"] == "always_treated":
        return (
            f"{lost} treated, or about to be, from the first {released.time_unit} on, so with nothing before to compare"
        )
    column = row["step"].removeprefix("missing_")
    if column != row["step"] and column in released.study.labels:
        return f"{lost} with no record of “{released.study.label(column)}”"
    return f"{lost} {reason}" if reason.startswith(("followed ", "treated ")) else f"{lost} ({reason})"


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
    """How many rows of the results disclosure control hid or made coarser, points of curves included."""
    if released.study.disclosure.profile == "none":
        return 0
    return sum(r["n_suppressed"] or 0 for r in released.rows("suppression"))


def hidden_sentence(released: Released) -> str:
    """How many rows were hidden or made coarser, and how many of them are points of curves."""
    hidden = hidden_rows(released)
    merged = sum(r["n_suppressed"] or 0 for r in released.rows("suppression", table="curve"))
    text = f"{counted(hidden, 'row')} of the results {'was' if hidden == 1 else 'were'} hidden or made coarser."
    if not merged:
        return text
    points = f"{'All' if merged == hidden else f'{merged:,}'} of them {'is' if merged == 1 < hidden else 'are'}"
    return (
        f"{text} {points} points of curves, which are drawn in coarser steps than the data hold, so that no step rests "
        "on a few people."
    )


def hidden_text(released: Released) -> str:
    """What was hidden and why, or that nothing was."""
    if released.study.disclosure.profile == "none":
        return paragraphs("The study applies no disclosure rule to these data. Nothing was hidden.")
    if not hidden_rows(released):
        return paragraphs("Every result was held against the disclosure rule. No figure had to be hidden.")
    return paragraphs(f"{hidden_sentence(released)} {WHY_HIDDEN}")


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
