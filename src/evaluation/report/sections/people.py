"""Who was compared, in tables: how alike the groups are after weighing, whose outcome is known, both clocks."""

from __future__ import annotations

from evaluation.report.figures.love import ALIKE, APART, of_analysis, pairs
from evaluation.report.headline import Headline, headline
from evaluation.report.markdown import NOTHING, Table, paragraphs
from evaluation.report.numbers import MINUS, listing, number, p_cell, per
from evaluation.report.words import HIDDEN, counted, upper_first
from evaluation.results import Row

RATINGS = {"low": "Low", "high": "High"}


def alike_after(head: Headline) -> str:
    """How alike the groups are once the analysis weighs or matches people, in a sentence or two."""
    analysis, rows = of_analysis(head)
    after = [(n, a) for n, _, a in pairs(rows) if a is not None]
    if not after:
        return NOTHING
    name, known = head.released.analysis(analysis), counted(len(after), "characteristic")
    text = f"The analysis “{name}” gives people weights, or matches them, so that the groups resemble each other."
    large = [head.released.study.label(n) for n, a in after if abs(a) >= ALIKE]
    far = [head.released.study.label(n) for n, a in after if abs(a) > APART]
    if not large:
        text += f" After that none of the differences in the {known} shown reaches 0.1 standard deviations."
    else:
        text += (
            f" After that {len(large)} of {known} still differ by 0.1 standard deviations or more: {listing(large)}."
        )
    if far:
        text += f" By more than 0.25, too much for an adjustment to be trusted: {listing(far)}."
    return paragraphs(text + " What was not recorded may still differ.")


def balance_table(head: Headline) -> str:
    """Every characteristic with its difference before and after, for the appendix."""
    analysis, rows = of_analysis(head)
    found = pairs(rows)
    if not any(a is not None for _, _, a in found):
        return NOTHING
    ratio = {(r["covariate"], r["stage"]): r["variance_ratio"] for r in rows}
    cells = [
        [upper_first(head.released.study.label(n)), _shown(b), _shown(a), _ratio(ratio.get((n, "before"))),
         _ratio(ratio.get((n, "after")))]
        for n, b, a in found
    ]  # fmt: skip
    caption = f"The groups before and after: {head.released.analysis(analysis)}"
    header = ["Characteristic", "Difference before", "after", "Ratio of variances before", "after"]
    return Table("balance", caption, header, "lrrrr", cells).markdown()


def _shown(value: float | None) -> str:
    return HIDDEN if value is None else f"{round(value, 2) + 0.0:.2f}".replace("-", MINUS)


def _ratio(value: float | None) -> str:
    return "" if value is None else number(value, 2)


# --------------------------------------------------------------------------- whose outcome is known


def attrition_table(head: Headline) -> str:
    """Who entered and who is analysed with a known outcome, by group and window, with the clearinghouse's rating."""
    released = head.released
    rows = released.rows("attrition", analysis=head.analysis.id)
    if not rows or all(_complete(r) for r in rows):
        return NOTHING
    cells = [
        [
            f"Within {released.span(r['time'])}" if r["time"] is not None else "Whole follow-up",
            _of(r["analysed_treated"], r["n_treated"]),
            _of(r["analysed_control"], r["n_control"]),
            _percent(r["overall"]),
            _points(r["differential"]),
            RATINGS.get(r["rating_cautious"], HIDDEN),
        ]
        for r in rows
    ]
    caption = (
        "People analysed whose outcome is known, of all who entered, and how much loss there is by the boundary of the "
        "What Works Clearinghouse"
    )
    header = ["When", "Program group", "Comparison group", "Lost overall", "Difference", "Loss (cautious boundary)"]
    note = (
        "The rating is this project’s own computation by the published boundary, and no rating by the clearinghouse.\n"
    )
    return Table("attrition", caption, header, "lrrrrl", cells).markdown() + f"\n{note}"


def _complete(row: Row) -> bool:
    return bool(row["overall"] == 0)


def _of(known: int | None, n: int | None) -> str:
    return HIDDEN if known is None or n is None else f"{known:,} of {n:,}"


def _percent(value: float | None) -> str:
    return HIDDEN if value is None else f"{number(value)}%"


def _points(value: float | None) -> str:
    return HIDDEN if value is None else f"{number(value)} points"


# --------------------------------------------------------------------------- both clocks


def clocks_table(head: Headline) -> str:
    """The main result on calendar time beside the same analysis on street time; nothing without such a twin."""
    released, study = head.released, head.released.study
    twins = [
        a
        for a in study.analyses
        if a.clock == "street" and a.outcome == head.analysis.outcome and a.estimator == head.analysis.estimator
    ]
    found = [(a, headline(released, a)) for a in twins]
    known = [(a, h) for a, h in found if h.known]
    if not head.known or not known or head.analysis.clock == "street":
        return NOTHING
    cells = [_clock_cells("Calendar time: every day counts", head)]
    cells += [_clock_cells("Street time: days in custody do not count", h) for _, h in known]
    caption = f"The main result on two clocks: {head.outcome.label}"
    header = ["Clock", "Program group", "Comparison group", "Difference", "Plausible range"]
    text = paragraphs(
        "People in custody cannot be arrested as people at liberty can. On street time the clock stops while they "
        "are in custody. Custody comes after the start and may itself be a result of the program, so the result on "
        "calendar time stands, and street time shows how far it depends on the clock."
    )
    return f"### Two clocks\n\n{text}\n" + Table("clocks", caption, header, "lrrrl", cells).markdown()


def _clock_cells(name: str, head: Headline) -> list[str]:
    base = head.told.base
    risks = [f"{per(r * base)} of {base:,}" for r in head.risks] if head.risks else ["–", "–"]
    span = "–" if head.interval is None else head.told.span(*head.interval)
    return [name, *risks, head.told.phrase(head.estimate), span]


# --------------------------------------------------------------------------- within groups of people


def subgroups_text(head: Headline) -> str:
    """Whether the result differs between groups of people, by the tests of the main analysis."""
    from evaluation.report.figures.subgroups import rows_of

    rows = rows_of(head)
    tests = {r["covariate"]: r for r in rows if r["p_interaction"] is not None}
    if not rows:
        return NOTHING
    if not tests:
        text = "Too few people fall into these groups to test whether the result differs between them."
        return f"## Within groups of people\n\n{paragraphs(text)}"
    clear = [c for c, r in tests.items() if (r["p_interaction_adjusted"] or r["p_interaction"]) < 0.05]
    names = listing([head.released.study.label(c) for c in tests])
    if clear:
        text = (
            f"The result differs by {listing([head.released.study.label(c) for c in clear])} by more than chance would "
            "lead one to expect, after allowing for the number of tests. Such findings are exploratory: they suggest "
            "what to study next."
        )
    else:
        text = (
            f"We looked for differences by {names}. No difference is larger than chance could make it once the number "
            "of tests is allowed for. That does not show that the result is the same for everyone: each group is "
            "smaller than the whole."
        )
    return f"## Within groups of people\n\n{paragraphs(text)}"


def subgroups_table(head: Headline) -> str:
    """The strata with their figures and the tests of difference."""
    from evaluation.report.figures.subgroups import measure, name, rows_of

    cells = []
    for row in rows_of(head):
        if row["estimate"] is None:
            cells.append([name(head, row), _n(row["n_units"]), upper_first(HIDDEN), "", p_cell(row["p_interaction"])])
            continue
        told = measure(head, row)
        span = "–" if row["conf_low"] is None else told.span(row["conf_low"], row["conf_high"])
        cells.append([name(head, row), _n(row["n_units"]), told.phrase(row["estimate"]), span,
                      p_cell(row["p_interaction_adjusted"])])  # fmt: skip
    if not cells:
        return NOTHING
    header = ["Group of people", "People", "Difference", "Plausible range", "p‑value: same in all (adjusted)"]
    return Table(
        "subgroups", f"The main result within groups of people: {head.outcome.label}", header, "lrrlr", cells
    ).markdown()


def _n(value: int | None) -> str:
    return HIDDEN if value is None else f"{value:,}"
