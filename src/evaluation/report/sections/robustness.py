"""The full report's section on how far the result can be trusted: only what was released."""

from __future__ import annotations

import re

from evaluation.report import robustness
from evaluation.report.figures.decomposition import regression, share
from evaluation.report.headline import Headline, credible
from evaluation.report.markdown import NOTHING, Table, escape, titled_bullets
from evaluation.report.numbers import number, p_cell, percent
from evaluation.report.released import is_hidden
from evaluation.report.robustness import unit_name
from evaluation.report.sections.checks import sentence
from evaluation.report.words import HIDDEN, KINDS, upper_first
from evaluation.results import Row

HEADING = "## How far the result can be trusted\n\n"
INTRO = (
    "The main question, asked again under other choices. None of this can prove that the comparison is fair; it shows "
    "what the answer rests on."
)
MOST = 10  # comparison units named with their weights
AGAIN = ("placebo_time", "placebo_outcome", "placebo_never_treated", "anticipation", "spillover_ring", "displacement",
         "randomisation")  # fmt: skip
BEFORE = ("pretrends", "pretrend_leads", "pretrend_slope")
MISSED = re.compile(r" A steady drift of \S+ per period would have been missed half of the time\.")  # said apart
RECORDS = ("reporting_coverage", "composition", "outlying_points")
FIT = ("fit_before", "donor_range", "donor_pool", "donor_contamination", "weights_not_unique", "post_pre_ratio",
       "few_placebos", "enough_points", "autocorrelation", "short_season")  # fmt: skip


def section(head: Headline) -> str:
    """The section's heading and findings; nothing for a study without such results."""
    items = [(lead, text) for lead, text in _items(head) if text]
    if not head.known or not items:
        return NOTHING
    return f"{HEADING}{escape(INTRO)}\n\n{titled_bullets(items)}"


def _items(head: Headline) -> list[tuple[str, str]]:
    if not head.known:
        return []
    if head.released.panel is None:
        return _of_people(head)
    before = ("Paths before adoption.", f"{_said(head, *BEFORE)} {robustness.missed_drift(head)}".strip())
    records = ("The records.", _said(head, *RECORDS))
    mixed = ("What a regression mixes.", mixes(head))
    if not credible(head):
        return [before, records, mixed]
    return [
        ("Other methods.", _said(head, "estimators_agree")),
        before,
        ("Paths that differ.", f"{robustness.room(head)} {_bends(head)}".strip()),
        ("Where nothing should be found.", f"{robustness.placebos(head)} {_said(head, 'placebo_outcome')}".strip()),
        ("Earlier reaction.", _said(head, "anticipation")),
        ("One left out.", robustness.left_out(head)),
        records,
        ("Neighbours.", _said(head, "spillover_ring", "displacement", "neighbours")),
        ("Fit before adoption.", _said(head, *FIT)),
        (
            "Few clusters.",
            f"{_said(head, 'few_clusters', 'few_treated_clusters')} {robustness.few_clusters(head)}".strip(),
        ),
        ("Other assignments.", _said(head, "randomisation")),
        ("Several outcomes.", robustness.adjusted(head)),
        mixed,
        ("Another library.", robustness.second_opinion(head) or _said(head, "second_opinion")),
    ]


def _of_people(head: Headline) -> list[tuple[str, str]]:
    """The same for people followed after an index date."""
    imputed = _imputed(head)
    return [
        ("Other methods.", _said(head, "estimators_agree")),
        ("Groups made alike.", _said(head, "balance", "overlap", "effective_sample_size", "large_weights")),
        ("People lost.", _said(head, "attrition", "equivalence_after_loss", "differential_follow_up")),
        ("Missing values.", f"{_said(head, 'missing_data', 'imputation')} {imputed}".strip()),
        ("What was not recorded.", _said(head, "e_value")),
        ("Where nothing should be found.", _said(head, "placebo_outcome")),
        ("Few clusters.", f"{_said(head, 'few_clusters')} {robustness.few_clusters(head)}".strip()),
        ("Several outcomes and windows.", robustness.adjusted(head)),
        ("Another library.", robustness.second_opinion(head) or _said(head, "second_opinion")),
    ]


def _imputed(head: Headline) -> str:
    """The result with missing values filled in, where that was done."""
    rows = [r for r in robustness.rows_of(head, "imputation") if robustness.shown(r)]
    if not rows or rows[0]["conf_low"] is None:
        return ""
    told, row = head.told, rows[0]
    span = told.span(row["conf_low"], row["conf_high"])
    return f"With missing values filled in many times over, the result is {told.phrase(row['estimate'])} ({span})."


def _said(head: Headline, *names: str) -> str:
    """What the main analysis's checks of these names say, each message once."""
    rows = [c for name in names for c in head.released.rows("diagnostics", analysis=head.analysis.id, check=name)]
    kept = [sentence(head.released, MISSED.sub("", c["message"])) for c in rows if not is_hidden(c) and not c["group"]]
    return " ".join(dict.fromkeys(kept))


def _bends(head: Headline) -> str:
    check = robustness.check_of(head, "honest_breakdown_smoothness", "att")
    return sentence(head.released, check["message"]) if check else ""


def mixes(head: Headline) -> str:
    """What the two-way regression of the outcome is a mean of, and whether it counts effects negatively."""
    whole = regression(head.released, head.analysis.outcome)
    if whole is None:
        return ""
    rows = head.released.rows("decomposition", analysis=whole.analysis.id, status="ok")
    already = [r for r in rows if r["kind"] == "later_vs_earlier" and r["estimate"] is not None]
    said = [f"The analysis “{whole.name}” is one coefficient made of many comparisons."]
    if already:
        weight, mean = share(already)
        said.append(
            f"{percent(weight)} of its weight compares with units that had adopted already; these alone give "
            f"{number(mean)}, against {number(whole.estimate)} in all."
        )
    checks = head.released.rows("diagnostics", analysis=whole.analysis.id, check="negative_weights")
    said += [sentence(head.released, c["message"]) for c in checks if not is_hidden(c)]
    return " ".join(said) if len(said) > 1 else ""


# --------------------------------------------------------------------------- the table of other choices


def again_table(head: Headline) -> str:
    """The main question under other choices: placebos, earlier reaction, neighbours, other assignments."""
    rows = robustness.rows_of(head, *AGAIN) if head.known and credible(head) else []
    if not rows:
        return NOTHING
    caption = "The main question asked again under other choices"
    header = ["What was changed", "Comes to", "Plausible range", "p‑value"]
    return Table("again", caption, header, "lrlr", [_cells(head, r) for r in rows]).markdown()


def _cells(head: Headline, row: Row) -> list[str]:
    label = upper_first(head.released.prose(row["label"])) or KINDS.get(row["kind"], "")
    if not robustness.shown(row):
        return [label, upper_first(HIDDEN), "", ""]
    told = robustness.measure_for(head, row)
    span = "" if row["conf_low"] is None else told.span(row["conf_low"], row["conf_high"])
    return [label, told.phrase(float(row["estimate"])), span, p_cell(row["p_value"])]


# --------------------------------------------------------------------------- weights of comparison units


def weights_table(head: Headline) -> str:
    """The comparison units that carry most weight in a synthetic comparison of the outcome, an analysis a table."""
    released, parts = head.released, []
    for analysis in released.study.analyses:
        rows = released.rows("estimates", analysis=analysis.id, term="weight")
        if not rows or analysis.outcome != head.analysis.outcome:
            continue
        known = sorted((r for r in rows if r["estimate"]), key=lambda r: (-float(r["estimate"]), str(r["group"])))
        hidden = sum(r["estimate"] is None for r in rows)
        cells = [[unit_name(released, str(r["group"])), percent(float(r["estimate"]))] for r in known[:MOST]]
        if hidden:
            cells.append([f"{hidden} with a hidden weight", HIDDEN])
        rest = sum(float(r["estimate"]) for r in known[MOST:])
        if rest:
            cells.append([f"{len(known) - MOST} others together", percent(rest)])
        if cells:
            caption = f"Weights of the comparison {released.people}: {released.analysis(analysis.id)}"
            name = f"weights-of-{analysis.id.replace('_', '-')}"
            parts.append(Table(name, caption, [upper_first(released.people), "Weight"], "lr", cells).markdown())
    return "\n".join(parts) if parts else NOTHING
