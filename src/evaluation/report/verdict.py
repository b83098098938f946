"""What the main result means, in sentences. The verdict follows the primary interval alone.

Rules held here and by the tests: never say there is nothing where we only cannot tell; always give the
risk without the program; words of cause only where people were assigned by chance.
"""

from __future__ import annotations

from evaluation.report.headline import (
    Headline,
    anticipation,
    comparison_level,
    control_risk,
    credible,
    doubts,
    not_credible,
    options,
    starting_level,
)
from evaluation.report.numbers import number, per, whole
from evaluation.report.words import CHECKS, named, upper_first

UNKNOWN = {
    "suppressed": "The main result is hidden to protect people’s privacy.",
    "gated": "The main result is withheld because a check of the data or the method failed.",
    "failed": "The main analysis could not be completed, so this study has no answer yet.",
}


def verdict(head: Headline) -> str:
    """One sentence that answers the study's question as far as the primary interval does."""
    if not head.known:
        return UNKNOWN.get(head.status, "With the data at hand, this study cannot answer its question.")
    if not_credible(head):
        return _not_credible(head)
    return _clear(head) if head.clear else _cannot_tell(head)


def _not_credible(head: Headline) -> str:
    people = head.released.people
    return (
        f"Not credible: {people} that adopted were already moving apart from the others before adoption, so the "
        f"figure below says nothing about {head.program}."
    )


def _clear(head: Headline) -> str:
    up = head.told.size(head.estimate) > 0
    if head.released.panel:
        way = head.told.up if up else head.told.down
        if head.doubted and not alone(head):
            return (
                f"{head.outcome.label} came out {way} than the change in the comparison {head.released.people} would "
                f"lead us to expect. This may not be due to {head.program}."
            )
        return f"{head.outcome.label} came out {way} than we would expect without {head.program}."
    if head.told.kind == "time":
        change = f"a {'longer' if up else 'shorter'} time without {head.thing}"
        if _causal(head):
            return f"Being offered {head.program} led to {change}."
        return f"{upper_first(head.program)} was followed by {change} than in the comparison group."
    if _causal(head):
        change = "raised" if up else "lowered"
        return f"Being offered {head.program} {change} the chance of {head.thing}{head.within}."
    text = (
        f"People in the program group had a {'higher' if up else 'lower'} chance of {head.thing}{head.within} "
        "than people in the comparison group."
    )
    return f"{text} This may not be due to {head.program}." if head.doubted else text


def _causal(head: Headline) -> bool:
    """Whether words of cause are earned: chance assigned the groups, and no check speaks against the result."""
    return head.released.randomised and not head.doubted


def _cannot_tell(head: Headline) -> str:
    if head.released.panel:
        what = f"{head.thing} came out higher or lower than we would expect without {head.program}"
    elif head.released.randomised:
        what = f"being offered {head.program} changes the chance of {head.thing}{head.within}"
    else:
        what = f"{head.program} goes with a higher or a lower chance of {head.thing}{head.within}"
    return f"We cannot tell whether {what}."


def caution(head: Headline) -> str:
    """Said where a figure is known but a check speaks against it: which check, of which analysis."""
    found = doubts(head) if head.known else []
    if not found or not credible(head):
        return ""
    first = found[0]
    name, released = named(CHECKS, first["check"]), head.released
    came_out = "failed" if first["status"] == "fail" else "raises doubt"
    where = f", analysis “{released.analysis(first['analysis'])}”" if first["analysis"] != head.analysis.id else ""
    return f"A check {came_out} ({name}{where if first['analysis'] else ''}), so read the result with care."


def set_aside(head: Headline) -> str:
    """For a panel: which periods just before adoption are no evidence, and why; empty where none are set aside."""
    n = anticipation(head) if head.released.panel else 0
    if not n:
        return ""
    unit = head.released.time_unit
    which = f"The {unit} just before adoption is" if n == 1 else f"The {n} {unit}s just before adoption are"
    return (
        f"{which} set aside: adoption may have begun to work by then, or the first treated {unit} was only partly "
        f"treated. {'It is' if n == 1 else 'They are'} no evidence on whether paths were similar."
    )


def direction(head: Headline) -> str:
    """Whether a clear result is for the better; empty where the interval leaves it open."""
    good = head.told.good(head.estimate) if head.known and head.clear else None
    if good is None or not credible(head):
        return ""
    return f"The result points {'in the direction hoped for' if good else 'away from what was hoped for'}."


# --------------------------------------------------------------------------- the figure


def subject(head: Headline) -> str:
    """What the figure is about: the outcome, within which time."""
    return f"{head.outcome.label}{head.within}"


def figure(head: Headline) -> str:
    """The estimate as a phrase with a capital: `8 fewer in every 100`."""
    return upper_first(head.told.phrase(head.estimate)) if head.known else ""


def plausible(head: Headline) -> str:
    """The interval as a phrase, or why there is none."""
    if head.interval is None:
        return "no plausible range could be worked out"
    return f"plausible range: {head.told.span(*head.interval)}"


def bare_figure(head: Headline) -> str:
    """The figure of a result that is not credible, told as what it is."""
    told = f"The comparison comes to {head.told.phrase(head.estimate)} ({plausible(head)})"
    return f"{told}. It is not an effect of {head.program}."


def why_not_credible(head: Headline) -> str:
    """What the failed checks found, in words; empty where the result is credible."""
    found = [head.released.prose(c["message"]) for c in not_credible(head)]
    return " ".join(upper_first(m) + ("" if m.endswith(".") else ".") for m in dict.fromkeys(found))


def frequencies(head: Headline) -> str:
    """How common the outcome was in each group, or against what the figure is to be read."""
    if not head.known:
        return ""
    if head.risks is not None and head.told.kind == "risk":
        return _natural(head, head.risks)
    plain = _plain_figure(head) if credible(head) else ""
    return " ".join(s for s in (plain, events_averted(head), for_scale(head)) if s)


def _natural(head: Headline, risks: tuple[float, float]) -> str:
    base = head.told.base
    treated, control = (per(r * base) for r in risks)
    text = (
        f"Among {head.released.people}, records show {head.thing}{head.within} for {treated} of every {base:,} "
        f"in the program group, against {control} of every {base:,} in the comparison group."
    )
    if head.adjusted:
        text += " Both figures are adjusted for differences in who was in each group."
    shown = abs(round(risks[0] * base) - round(risks[1] * base))
    if shown != round(abs(head.estimate) * base):
        text += " (Each figure is rounded on its own.)"
    return text


def _plain_figure(head: Headline) -> str:
    phrase, groups = head.told.phrase(head.estimate), "in the program group than in the comparison group"
    if head.told.kind == "time":
        return f"On average, the time without {head.thing} was {phrase} {groups}."
    if head.released.cohort:
        hazard = head.row is not None and head.row["scale"] == "log_hazard"
        what = "At any moment, the rate of" if hazard else "The chance of"
        return f"{what} {head.thing} was {phrase} {groups}."
    source = (
        f"the course of the same {head.released.people} before it"
        if alone(head)
        else f"how the comparison {head.released.people} changed"
    )
    return (
        f"The figure is the average over the time since adoption: {phrase} than the level to be expected from {source}."
    )


def events_averted(head: Headline) -> str:
    """For a ratio of rates: how many events that is; empty where the analysis does not say."""
    rows = head.released.rows("estimates", analysis=head.analysis.id, term="events_averted", status="ok")
    if head.row is None or head.row["scale"] != "log_rate" or not rows or not credible(head):
        return ""
    row, fewer = rows[0], rows[0]["estimate"] >= 0
    text = f"Over all that time this is about {whole(abs(row['estimate']))} {'fewer' if fewer else 'more'} events"
    if row["conf_low"] is None or row["conf_high"] is None:
        return f"{text}."
    ends = [f"{whole(abs(v))} {'fewer' if v >= 0 else 'more'}" for v in (row["conf_high"], row["conf_low"])]
    return f"{text} (plausible range: {ends[0]} to {ends[1]})."


def alone(head: Headline) -> bool:
    """Whether adopters are compared with their own earlier course only."""
    chosen = options(head.released, head.analysis.id)
    return head.analysis.estimator == "interrupted_time_series" and chosen.get("comparison", "none") == "none"


def for_scale(head: Headline) -> str:
    """The level or risk without the program that the figure is to be read against."""
    if head.released.cohort:
        found = control_risk(head)
        if found is None:
            return ""
        risk, time = found
        return (
            f"For scale: in the comparison group, records show {head.thing} within {head.released.span(time)} for "
            f"{per(100 * risk)} of every 100."
        )
    people, start = head.released.people, starting_level(head)
    if start is not None:
        when = _base_period(head, exact=start.late)
        return f"For scale: in {when}, the average in adopting {people} was {number(start.value)}."
    level = comparison_level(head)
    return "" if level is None else f"For scale: the average in the comparison {people} was {number(level)}."


def _base_period(head: Headline, *, exact: bool) -> str:
    """`the year before adoption (the base period)`, or how far before it where periods are set aside or missing."""
    released, n = head.released, 1 + anticipation(head)
    if n == 1 and exact:
        return f"the {released.time_unit} before adoption (the base period)"
    return f"the base period, {released.span(n)}{'' if exact else ' or more'} before adoption"
