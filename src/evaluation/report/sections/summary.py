"""What the brief and the summary say: the headline, what was found, how sure we are, what to keep in mind."""

from __future__ import annotations

from evaluation.report import beside, robustness, verdict
from evaluation.report.headline import Headline, credible
from evaluation.report.markdown import NOTHING, callout, escape, paragraphs, titled_bullets
from evaluation.report.numbers import listing
from evaluation.report.released import Released
from evaluation.report.sections.checks import dropped, flow_rows, hidden_rows, hidden_sentence, reader_checks
from evaluation.report.words import WHY_HIDDEN, counted, upper_first

SIMULATED = "Simulated data"


def notice(released: Released) -> str:
    """The warning that heads every product of a simulated study."""
    if not released.simulated:
        return NOTHING
    text = (
        "Everything in this document was computed from data made by a computer, with an effect planted in them to test "
        "the method. It says nothing about real people or real programs."
    )
    return callout("warning", SIMULATED, escape(text))


def standing(head: Headline) -> str:
    """The warning that heads the long products of a study whose result is not credible."""
    if credible(head):
        return NOTHING
    text = (
        f"{verdict.verdict(head)} Figures are given so that the work can be checked. None of them is an effect of "
        f"{head.program}, whatever the tables and figures call it."
    )
    return callout("warning", "Not credible", escape(text.replace("figure below", "main figure")))


def headline_box(head: Headline) -> str:
    """The boxed answer: verdict, number, what it is to be read against, and the truth of a simulated study."""
    if not head.known:
        return paragraphs_with_number(verdict.verdict(head), upper_first(head.reason) + "." if head.reason else "")
    if not credible(head):
        return _not_credible_box(head)
    number = verdict.figure(head) if head.clear else "We cannot tell yet"
    estimate = (
        verdict.plausible(head)
        if head.clear
        else f"best estimate: {head.told.phrase(head.estimate)}; {verdict.plausible(head)}"
    )
    parts = [
        f"[{escape(verdict.subject(head))}]{{.headline-label}}",
        f"[{escape(number)}]{{.headline-number}}",
        f"[{escape(upper_first(estimate))}]{{.headline-range}}",
        *_warnings(head),
        escape(" ".join(s for s in (verdict.verdict(head), verdict.frequencies(head)) if s)),
    ]
    if head.released.simulated:
        parts.append(escape(beside.truth(head)))
    return "\n\n".join(parts) + "\n"


def _not_credible_box(head: Headline) -> str:
    """The box of a result that says nothing about the program: why, and the bare figure last."""
    parts = [
        f"[{escape(verdict.subject(head))}]{{.headline-label}}",
        "[Not credible]{.headline-number}",
        escape(verdict.verdict(head)),
        escape(verdict.why_not_credible(head)),
        escape(" ".join(s for s in (verdict.bare_figure(head), verdict.for_scale(head)) if s)),
        escape(beside.truth(head)) if head.released.simulated else "",
    ]
    return "\n\n".join(p for p in parts if p) + "\n"


def _warnings(head: Headline) -> list[str]:
    """Lines of the box that hold the reader back: what checks say, and a result that hangs on how it is measured."""
    leads = (("Caution.", verdict.caution(head)), ("Borderline result.", beside.borderline(head)))
    return [f"**{lead}** {escape(text)}" for lead, text in leads if text]


def paragraphs_with_number(number: str, text: str) -> str:
    """A box without a figure: the verdict in large, the reason below."""
    return "\n\n".join(p for p in (f"[{escape(number)}]{{.headline-number}}", escape(text)) if p) + "\n"


def what_was_done(released: Released) -> str:
    """The program and what it is compared with, in the study's own words."""
    intervention = released.study.intervention
    comparison = (
        f"Compared with: {released.mid(intervention.comparison)}".rstrip(".") + "." if intervention.comparison else ""
    )
    return paragraphs(f"{intervention.description.rstrip()} {comparison}")


def how_studied(head: Headline) -> str:
    """One paragraph: who was compared, how many, by what kind of comparison."""
    released = head.released
    n = head.row["n_units"] or head.row["n_obs"] if head.row else None
    treated = head.row["n_treated_units"] if head.row else None
    who = released.people
    if released.panel:
        if verdict.alone(head):
            many = f"{treated:,} " if treated else ""
            return f"We followed {many}{who} before and after adoption, and compared their course with the one before."
        some = f", {treated:,} of which adopted," if treated else ""
        lead = f"We followed {n:,} {who}{some} over time and compared" if n else "We compared"
        return f"{lead} how the adopting {who} changed with how the comparison {who} changed.{_unknown_size(head, n)}"
    how = (
        "People were assigned to the groups by chance."
        if released.randomised
        else "People were not assigned by chance."
    )
    if not n:
        return (
            f"We compared {who} in the program group with {who} in the comparison group.{_unknown_size(head, n)} {how}"
        )
    some = f", {treated:,} of them in the program group" if treated else ""
    return f"We followed {n:,} {who}{some}. {how}"


def _unknown_size(head: Headline, n: int | None) -> str:
    hides = head.row is not None and not n and head.released.study.disclosure.profile != "none"
    return " How many there were is hidden to protect people’s privacy." if hides else ""


def found(head: Headline, figure: str | None) -> str:
    """What was found, beyond the box: how it was studied, the direction, the other analyses, the figure."""
    pointer = f"@fig-{figure} shows {_shows(figure, head.released.time_unit)}." if figure else ""
    said = " ".join(s for s in (how_studied(head), verdict.direction(head), beside.agreement(head)) if s)
    note = _of_all(head) if figure == "curve" else ""
    return " ".join(s for s in (escape(said), pointer, note) if s) + "\n"


def _of_all(head: Headline) -> str:
    """Said where the main result is of those followed for its window, and a figure beside it may count more people."""
    if head.time is None or not head.known:
        return ""
    recent = any(r["step"].startswith("followed") or "followed for less" in r["reason"] for r in flow_rows(head))
    who = f"also counts people followed for less than {head.released.span(head.time)}, and may adjust" if recent else ""
    close = "" if head.clear else ", nor in direction where the groups are close"
    return (
        f"The figure {who or 'may adjust'} in another way, so it need not agree with the main result to the "
        f"digit{close}."
    )


def _shows(figure: str, unit: str) -> str:
    return {
        "curve": "how the share with the outcome grew in each group",
        "event-study": f"the difference {unit} by {unit}, before and after adoption",
        "series": "the raw averages over time",
        "all-analyses": "the main effect of each analysis",
    }[figure]


# --------------------------------------------------------------------------- how sure


ASSUMED = {
    "panel": (
        "What we assume.",
        (
            "Without {program}, the adopting {people} would have changed over time in the same way as the comparison "
            "{people}. This cannot be proved. Similar paths before adoption would support it."
        ),
    ),
    "alone": (
        "What we assume.",
        (
            "Without {program}, the course of the adopting {people} would have gone on as before. Whatever else "
            "changed at the start is taken for the effect, and nothing in these figures can tell it apart."
        ),
    ),
    "synthetic_control": (
        "What we assume.",
        (
            "Without {program}, the adopting {people} would have followed the weighted average of the comparison "
            "{people}, as they did before adoption. A close fit before adoption supports it and does not prove it."
        ),
    ),
    "randomised": (
        "Assigned by chance.",
        ("Chance decided who was offered the program, so the groups should differ only by luck at the start."),
    ),
    "observational": (
        "Not assigned by chance.",
        (
            "People in the program group may differ from the others in ways that were not recorded. Part or all of the "
            "difference may come from that, so it should not be read as proof of what the program does."
        ),
    ),
}


def assumption(head: Headline) -> tuple[str, str]:
    """A lead and a passage: what must hold for the comparison to be fair, in words."""
    released = head.released
    own = "alone" if verdict.alone(head) else head.analysis.estimator
    lead, text = ASSUMED[released.cohort.assignment if released.cohort else own if own in ASSUMED else "panel"]
    text = text.format(program=head.program, people=released.people)
    if released.randomised and not head.doubted:
        text += " The difference can be read as an effect of being offered it."
    if not credible(head):
        text += " They were not similar, so this does not hold here."
    return lead, f"{text} {verdict.set_aside(head)}".strip()


def precision(head: Headline) -> tuple[str, str]:
    """A lead and a sentence: what the width of the interval allows to be said."""
    if not head.known:
        return "", ""
    if head.interval is None:
        return "Unknown precision.", "No plausible range could be worked out for the main result."
    if not credible(head):
        return "Precision.", "How narrow the plausible range is does not matter here: what is compared is not alike."
    if head.clear and robustness.chance_by_other_rules(head):
        text = (
            "By the usual rule the plausible range leaves out no difference; rules made for few clusters do not agree."
        )
        return "Precision.", text
    if head.clear:
        text = "The plausible range leaves out no difference"
        text += "." if beside.straddles(head) else ", so chance alone is an unlikely reason for this result."
        return "Precision.", f"{text} {beside.exaggerated(head)}".strip()
    text = "The data fit no difference, and also differences in both directions within the plausible range."
    return "Not settled.", f"{text} {beside.detectable(head)}".strip()


def sure(head: Headline) -> str:
    """How sure we are, as a list."""
    checks, size = reader_checks(head, limit=1), [precision(head), ("Close call.", beside.straddle_note(head))]
    size += [("Robustness.", robustness.room(head)), ("Few clusters.", robustness.few_clusters(head))]
    size += [("Another library disagrees.", robustness.second_opinion(head))]
    return titled_bullets([assumption(head), *([*checks, *size] if head.doubted else [*size, *checks])])


# --------------------------------------------------------------------------- what to keep in mind


def cautions(head: Headline) -> list[tuple[str, str]]:
    """Limits of this study that its results tables show, each with a lead."""
    released = head.released
    items: list[tuple[str, str]] = []
    if released.unreliable:
        groups = sorted(released.unreliable, key=_order)
        shown = listing([released.group(g).removeprefix("adopted in ") for g in groups])
        which = (
            f"the {released.people} that adopted in {shown}" if len(groups) <= 4 else f"{len(groups)} adoption groups"
        )
        text = f"Results for {which} rest on very few {released.people} and are unreliable. They are marked †."
        items.append(("Small groups.", text))
    items += [("Longer follow-up.", longer(head)), ("Left out.", dropped(head))]
    if hidden_rows(released):
        items.append(("Hidden figures.", f"{hidden_sentence(released)} {WHY_HIDDEN}"))
    done = released.rows("analyses")
    covered = [released.analysis(r["analysis"]) for r in done if r["status"] == "suppressed"]
    if covered:
        items.append(("Hidden analyses.", f"Every figure is hidden of: {listing(covered)}."))
    failed = [released.analysis(r["analysis"]) for r in done if r["status"] not in {"ok", "suppressed"}]
    if failed:
        items.append(
            (
                "Unfinished analyses.",
                f"{counted(len(failed), 'analysis', 'analyses')} gave no result: {listing(failed)}.",
            )
        )
    return items


def longer(head: Headline) -> str:
    """Said where the main result stands for a shorter window than was asked for."""
    row, released = head.row, head.released
    if row is None or not head.known or row["time"] is None:
        return ""
    rows = released.rows("estimates", analysis=head.analysis.id, term=row["term"])
    missing = sorted((r for r in rows if (r["time"] or 0) > row["time"]), key=lambda r: float(r["time"]))
    if not missing:
        return ""
    spans = listing([released.span(r["time"]) for r in missing])
    return f"The same result within {spans} cannot be shown: {released.reason(missing[-1]).rstrip('.')}."


def _order(group: str) -> tuple[float, str]:
    try:
        return float(group), group
    except ValueError:
        return float("inf"), group


def keep_in_mind(head: Headline) -> str:
    """The cautions, closed by how far the result carries."""
    about = f"The result is about {head.released.people} in the places and years studied."
    reach = f"{about} It may not hold elsewhere or at another time."
    if head.released.simulated:
        reach = "The data are simulated, so the result carries over to no real program."
    return titled_bullets([*cautions(head), ("How far it carries.", reach)])


def more(released: Released) -> str:
    """Where to read on and whom to ask."""
    contact = released.study.report.contact
    where = "This study has a brief, a full report, and a technical appendix with every result, check and method."
    return paragraphs(f"{where} Contact: {contact}" if contact else where)
