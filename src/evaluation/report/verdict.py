"""What the main result means, in sentences. The verdict follows the primary interval alone.

Rules held here and by the tests: never say there is nothing where we only cannot tell; always give the
risk without the program; words of cause only where people were assigned by chance.
"""

from __future__ import annotations

from evaluation.report import numbers
from evaluation.report.headline import Headline, comparison_level, control_risk, others, starting_level
from evaluation.report.words import counted, lower_first, named, upper_first

NEAR = (0.03, 0.07)  # p-values said to be just above or just below a limit of 0.05


def _thing(head: Headline) -> str:
    return lower_first(head.outcome.label)


def _program(head: Headline) -> str:
    return lower_first(head.released.program)


def _within(head: Headline) -> str:
    if head.time is None or not head.released.cohort:
        return ""
    return f" within {head.released.span(head.time)}"


# --------------------------------------------------------------------------- the verdict


def verdict(head: Headline) -> str:
    """One sentence that answers the study's question as far as the primary interval does."""
    if head.status == "suppressed":
        return "The main result is hidden to protect people’s privacy."
    if head.status == "gated":
        return "The main result is withheld because a check of the data or the method failed."
    if head.status == "failed":
        return "The main analysis could not be completed, so this study has no answer yet."
    if not head.known:
        return "With the data at hand, this study cannot answer its question."
    return _clear(head) if head.clear else _cannot_tell(head)


def _clear(head: Headline) -> str:
    up = head.told.size(head.estimate) > 0
    if head.released.panel:
        return f"{head.outcome.label} came out {head.told.up if up else head.told.down} than we would expect without {_program(head)}."
    if head.told.kind == "time":
        change = ("longer" if up else "shorter") + f" time without {_thing(head)}"
        if head.released.randomised:
            return f"Being offered {_program(head)} led to a {change}."
        return f"{upper_first(_program(head))} was followed by a {change} than in the comparison group."
    if head.released.randomised:
        return f"Being offered {_program(head)} {'raised' if up else 'lowered'} the chance of {_thing(head)}{_within(head)}."
    return (
        f"People in the program group had a {'higher' if up else 'lower'} chance of {_thing(head)}{_within(head)} "
        "than people in the comparison group."
    )


def _cannot_tell(head: Headline) -> str:
    if head.released.panel:
        return f"We cannot tell whether {_thing(head)} came out higher or lower than we would expect without {_program(head)}."
    if head.released.randomised:
        return f"We cannot tell whether being offered {_program(head)} changes the chance of {_thing(head)}{_within(head)}."
    return f"We cannot tell whether {_program(head)} goes with a higher or a lower chance of {_thing(head)}{_within(head)}."


def direction(head: Headline) -> str:
    """Whether a clear result is for the better; empty where the interval leaves it open."""
    good = head.told.good(head.estimate) if head.known and head.clear else None
    if good is None:
        return ""
    return "This is the direction hoped for." if good else "This is the opposite of what was hoped for."


# --------------------------------------------------------------------------- the figure


def figure(head: Headline) -> str:
    """The estimate as a phrase with a capital: `8 fewer in every 100`."""
    return upper_first(head.told.phrase(head.estimate)) if head.known else ""


def plausible(head: Headline) -> str:
    """The interval as a phrase, or why there is none."""
    if head.interval is None:
        return "no plausible range could be worked out"
    return f"plausible range: {head.told.span(*head.interval)}"


def frequencies(head: Headline) -> str:
    """How common the outcome was in each group, or against what the figure is to be read."""
    if not head.known:
        return ""
    if head.risks is not None and head.told.kind == "risk":
        return _natural(head, head.risks)
    return " ".join(s for s in (_plain_figure(head), for_scale(head)) if s)


def _natural(head: Headline, risks: tuple[float, float]) -> str:
    base = head.told.base
    treated, control = (numbers.per(r * base) for r in risks)
    text = (
        f"Among {head.released.people}, records show {_thing(head)}{_within(head)} for {treated} of every {base:,} "
        f"in the program group, against {control} of every {base:,} in the comparison group."
    )
    if head.adjusted:
        text += " Both figures are adjusted for differences in who was in each group."
    shown = abs(round(risks[0] * base) - round(risks[1] * base))
    if shown != round(abs(head.estimate) * base):
        text += " (Each figure is rounded on its own.)"
    return text


def _plain_figure(head: Headline) -> str:
    phrase = head.told.phrase(head.estimate)
    if head.told.kind == "time":
        return f"On average, the time without {_thing(head)} was {phrase} in the program group than in the comparison group."
    if head.released.cohort:
        what = "At any moment, the rate of" if head.row and head.row["scale"] == "log_hazard" else "The chance of"
        return f"{what} {_thing(head)} was {phrase} in the program group than in the comparison group."
    return (
        f"On average over the time since adoption, {_thing(head)} came out {phrase} than we would expect without "
        f"{_program(head)}, judging by the comparison {head.released.people}."
    )


def for_scale(head: Headline) -> str:
    """The level or risk without the program that the figure is to be read against."""
    if head.released.cohort:
        found = control_risk(head)
        if found is None:
            return ""
        risk, time = found
        return (
            f"For scale: in the comparison group, records show {_thing(head)} within {head.released.span(time)} for "
            f"{numbers.per(100 * risk)} of every 100."
        )
    level = starting_level(head)
    if level is not None:
        return f"For scale: in the last period before adoption, the average in adopting {head.released.people} was {numbers.number(level)}."
    level = comparison_level(head)
    return f"For scale: the average in the comparison {head.released.people} was {numbers.number(level)}." if level is not None else ""


# --------------------------------------------------------------------------- beside the figure


def detectable(head: Headline) -> str:
    """What a study of this size could have found; said where the result leaves the question open."""
    if not head.known or head.clear or head.row is None or not head.row["std_error"]:
        return ""
    reach = head.told.detectable(head.row["std_error"])
    return (
        f"A study of this size can reliably pick up a true difference of about {reach} or more. It would often miss a "
        "smaller one."
    )


def straddles(head: Headline) -> list[str]:
    """Where another way of measuring the same result falls on the other side of no difference than the primary one."""
    if head.interval is None or head.row is None:
        return []
    found = [_ratio_disagrees(head, term) for term in ("risk_ratio", "odds_ratio")]
    return [s for s in (*found, _log_rank_disagrees(head)) if s]


def _ratio_disagrees(head: Headline, term: str) -> str:
    row = head.row
    if row is None or row["term"] == term:
        return ""
    rows = head.released.rows("estimates", analysis=row["analysis"], term=term, time=row["time"], status="ok")
    if not rows or rows[0]["conf_low"] is None or rows[0]["conf_high"] is None:
        return ""
    low, high = rows[0]["conf_low"], rows[0]["conf_high"]
    if (low > 1 or high < 1) == head.clear:
        return ""
    ends = " to ".join(numbers.number(v, apart_from=1.0) for v in (low, high))
    verb = "includes" if head.clear else "leaves out"
    return f"the plausible range of the {named({}, term).lower()} ({ends}) {verb} 1, which means no difference"


def _log_rank_disagrees(head: Headline) -> str:
    released, level = head.released, 1 - (head.row["conf_level"] if head.row else 0.95)
    analyses = {a.id for a in released.study.analyses if a.outcome == head.analysis.outcome}
    for check in released.rows("diagnostics"):
        if check["check"].replace("_", "") == "logrank" and check["analysis"] in analyses and check["p_value"] is not None:
            if (check["p_value"] < level) == head.clear:
                return ""
            side = ("just " if NEAR[0] <= check["p_value"] <= NEAR[1] else "") + ("above" if head.clear else "below")
            p = numbers.p_value(check["p_value"])
            return f"a test of the whole curves (log-rank) gives p = {p}, {side} the usual limit of {numbers.number(level)}"
    return ""


def straddle_note(head: Headline) -> str:
    """The straddling said as one passage; empty where all ways of measuring agree."""
    found = straddles(head)
    if not found:
        return ""
    side = "leaves out" if head.clear else "includes"
    return (
        f"This is a borderline result. The plausible range of the {head.told.name} {side} no difference, but "
        f"{numbers.listing(found)}. Our conclusion follows the measure the study named as its main one, the {head.told.name}."
    )


def agreement(head: Headline) -> str:
    """How the other analyses of the same outcome compare."""
    rest = others(head.released, head)
    if not head.known or not rest:
        return ""
    sign = head.told.good(head.estimate)
    same = sum(h.told.good(h.estimate) == sign for h in rest)
    open_ = sum(not h.clear for h in rest)
    n = len(rest)
    if same == n:
        whole = "The other analysis" if n == 1 else f"All {n} other analyses"
        text = f"{whole} of this outcome point{'s' if n == 1 else ''} the same way."
    else:
        text = f"Of {counted(n, 'other analysis', 'other analyses')} of this outcome, {same} point{'s' if same == 1 else ''} the same way."
    if open_:
        which = "Its plausible range" if n == 1 else f"The plausible range{'s' if open_ > 1 else ''} of {open_} of them"
        text += f" {which} include{'s' if open_ == 1 else ''} no difference."
    return text


def truth(head: Headline) -> str:
    """For simulated studies: the planted effect beside the estimate."""
    simulation = head.released.study.simulation
    if simulation is None:
        return ""
    if not head.known:
        return "These data are simulated, with an effect planted in them; this run has no estimate to hold against it."
    planted = head.told.phrase(simulation.effect)
    text = f"These data are simulated. The true difference planted in them is {planted}; the study’s estimate is {head.told.phrase(head.estimate)}"
    if head.interval is None:
        return text + "."
    low, high = head.interval
    holds = low <= simulation.effect <= high
    return f"{text}, and its plausible range {'includes' if holds else 'does not include'} the planted value."
