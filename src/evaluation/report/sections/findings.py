"""Results of the full report: the main result, every analysis, results by adoption group."""

from __future__ import annotations

from evaluation.report import beside, verdict
from evaluation.report.headline import Headline, credible, headline, risks_beside
from evaluation.report.markdown import NOTHING, Table, paragraphs
from evaluation.report.measures import Measure, measure_of
from evaluation.report.numbers import p_cell, per
from evaluation.report.released import Released
from evaluation.report.sections.checks import status_word
from evaluation.report.words import HIDDEN, NOT_ESTIMABLE, P_VALUE, ROLES, STATUS, upper_first
from evaluation.results import Row

DESCRIPTION = "Description only"  # a contrast of those who finished is no estimate of an effect


def main_text(head: Headline) -> str:
    """The main result in sentences."""
    if not head.known:
        return paragraphs(verdict.verdict(head), f"Reason: {head.reason}.".replace("..", "."))
    if not credible(head):
        return paragraphs(
            f"{verdict.verdict(head)} {verdict.why_not_credible(head)}",
            f"{verdict.bare_figure(head)} {verdict.for_scale(head)}".strip(),
            beside.truth(head),
        )
    return paragraphs(
        " ".join(s for s in (verdict.verdict(head), verdict.direction(head), verdict.caution(head)) if s),
        verdict.frequencies(head),
        f"{verdict.figure(head)}; {verdict.plausible(head)}. {_size(head)}".strip(),
        beside.straddle_note(head),
        beside.truth(head),
    )


def _size(head: Headline) -> str:
    """What the study's size allows: how small a difference it could find, or that what it found may be too large."""
    return beside.detectable(head) or beside.exaggerated(head)


def main_table(head: Headline) -> str:
    """The main estimate at every window it was made for, with the groups' risks where there are any."""
    released, row = head.released, head.row
    if row is None:
        return NOTHING
    rows = sorted(released.rows("estimates", analysis=head.analysis.id, term=row["term"]), key=lambda r: r["time"] or 0)
    risky = any(risks_beside(released, r) for r in rows)
    cells = [_main_cells(head, r, risky) for r in rows]
    header = [
        "When" if row["time"] is not None else "What",
        *(["Program group", "Comparison group"] if risky else []),
        "Difference",
        "Plausible range",
        P_VALUE,
        "Smallest detectable difference",
    ]
    align = "l" + ("rr" if risky else "") + "rlrr"
    what = "Main result" if credible(head) else "What the main analysis comes to (not credible, not an effect)"
    return Table("main", f"{what}: {head.outcome.label}", header, align, cells).markdown()


def _main_cells(head: Headline, row: Row, risky: bool) -> list[str]:
    released = head.released
    what = released.term(row) if credible(head) else "Overall difference"
    when = f"Within {released.span(row['time'])}" if row["time"] is not None else what
    risks = risks_beside(released, row)
    measure = measure_of(row, head.outcome, released.time_unit, list(head.risks or risks or ()) or None)
    shares = [f"{per(r * measure.base)} of {measure.base:,}" for r in risks] if risks else ["–", "–"]
    lead = [when, *(shares if risky else [])]
    if row["estimate"] is None:
        return [*lead, upper_first(status_word(row)), upper_first(released.reason(row)), "", ""]
    reach = measure.detectable(row["std_error"]) if row["std_error"] else ""
    return [*lead, measure.phrase(row["estimate"]), _range(measure, row), p_cell(row["p_value"]), reach]


def _range(measure: Measure, row: Row) -> str:
    if row["conf_low"] is None or row["conf_high"] is None:
        return "–"
    return measure.span(row["conf_low"], row["conf_high"])


def all_table(released: Released) -> str:
    """One line an analysis: its main effect, or what became of it; with the outcome where there are several."""
    several = len(released.study.outcomes) > 1
    cells = []
    for analysis in released.study.analyses:
        head = headline(released, analysis)
        name, role = _with_window(head), DESCRIPTION if analysis.among == "completers" else ROLES[analysis.role]
        cells.append([name, *([head.outcome.label] if several else []), role, *_analysis_cells(head)])
    header = [
        "Analysis",
        *(["Outcome"] if several else []),
        "Role",
        "Result",
        "Plausible range",
        P_VALUE,
        "Number used",
    ]
    return Table("analyses", "Every analysis of the study", header, "l" * (len(header) - 2) + "rr", cells).markdown()


def _with_window(head: Headline) -> str:
    """The name of an analysis, with the window of the row it is told by where it answers for several."""
    released, row = head.released, head.row
    if row is None or not head.within or head.within in head.name:
        return head.name
    several = len(released.rows("estimates", analysis=head.analysis.id, term=row["term"])) > 1
    return f"{head.name} ({head.within.strip()})" if several else head.name


def _no_number(released: Released) -> str:
    return "–" if released.study.disclosure.profile == "none" else HIDDEN


def windows_table(head: Headline) -> str:
    """Both groups' risks and their difference within every window, the main one marked, by one analysis.

    The main analysis where it answers for several windows, else the first of the same outcome that does.
    """
    released = head.released
    rows = next((r for r in map(_by_window, _same_outcome(head)) if len(r) > 1), [])
    if not released.cohort or not rows or rows[0]["analysis"] == head.analysis.id:
        return NOTHING
    cells = [_main_cells(head, r, risky=True)[:5] for r in rows]
    for row, line in zip(rows, cells, strict=True):
        line[0] += " (main window)" if row["time"] == head.time else ""
    caption = f"Every window, by the analysis “{released.analysis(rows[0]['analysis'])}”: {head.outcome.label}"
    header = ["When", "Program group", "Comparison group", "Difference", "Plausible range"]
    return Table("windows", caption, header, "lrrrl", cells).markdown()


def _same_outcome(head: Headline) -> list[tuple[Headline, str]]:
    """The main analysis, then the others of its outcome; descriptions of those who finished are none."""
    own = [a for a in head.released.study.analyses if a.outcome == head.analysis.outcome and a.among != "completers"]
    return [(head, a.id) for a in sorted(own, key=lambda a: a.id != head.analysis.id)]


def _by_window(which: tuple[Headline, str]) -> list[Row]:
    head, analysis = which
    rows = head.released.rows("estimates", analysis=analysis, term="risk_difference")
    return sorted((r for r in rows if r["time"] is not None), key=lambda r: float(r["time"]))


def _analysis_cells(head: Headline) -> list[str]:
    released, row = head.released, head.row
    if row is not None and head.known:
        n = row["n_units"] or row["n_obs"]
        return [
            head.told.phrase(head.estimate),
            _range(head.told, row),
            p_cell(row["p_value"]),
            f"{n:,}" if n else _no_number(released),
        ]
    done = next(iter(released.rows("analyses", analysis=head.analysis.id)), None)
    if row is None and done and done["status"] == "ok":
        return ["No single overall figure", "See the curves and the appendix", "", ""]
    return [upper_first(STATUS.get(head.status, NOT_ESTIMABLE)), upper_first(head.reason), "", ""]


def groups_table(head: Headline) -> str:
    """Results by adoption group, unreliable ones marked; nothing where there are none."""
    released = head.released
    rows = released.rows("estimates", analysis=head.analysis.id, term="group")
    if not rows:
        return NOTHING
    cells = []
    for row in rows:
        name = upper_first(released.group(row["group"])) + (" †" if released.is_unreliable(row["group"]) else "")
        n = "" if row["n_treated_units"] is None else f"{row['n_treated_units']:,}"
        if row["estimate"] is None:
            cells.append([name, n, upper_first(status_word(row)), upper_first(released.reason(row))])
        else:
            measure = measure_of(row, head.outcome, released.time_unit)
            cells.append([name, n, measure.phrase(row["estimate"]), _range(measure, row)])
    caption = f"Results by adoption group{'' if credible(head) else ' (not effects)'}: {head.outcome.label}"
    note = f"† Rests on very few {released.people}: unreliable, and its plausible range can be far too narrow."
    table = Table(
        "groups",
        caption,
        ["Adoption group", upper_first(released.people), "Difference", "Plausible range"],
        "lrrl",
        cells,
    )
    heading = "### Results by adoption group\n\n"
    return heading + table.markdown() + (f"\n{note}\n" if released.unreliable else "")
