"""What belongs beside the main figure: what could have been found, where other measures disagree, the planted truth."""

from __future__ import annotations

from evaluation.report.headline import Headline, credible, others, same_effect
from evaluation.report.measures import MDE
from evaluation.report.numbers import listing, number

NEAR = (0.03, 0.07)  # p-values said to be just above or just below a limit of 0.05


def detectable(head: Headline) -> str:
    """What a study of this size could have found; said where the result leaves the question open."""
    if not head.known or head.clear or head.row is None or not head.row["std_error"] or not credible(head):
        return ""
    reach = head.told.detectable(head.row["std_error"])
    return (
        f"A study of this size can reliably pick up a true difference of about {reach} or more. It would often miss a "
        "smaller one."
    )


def exaggerated(head: Headline) -> str:
    """Said of a settled result that is smaller than what a study of this size can reliably pick up (Gelman and
    Carlin, 2014): such a result is found where chance has made it large."""
    if not head.clear or head.row is None or not head.row["std_error"] or not credible(head):
        return ""
    if abs(head.estimate - head.told.null) >= MDE * head.row["std_error"]:
        return ""
    reach = head.told.detectable(head.row["std_error"])
    return (
        f"The difference found is smaller than what a study of this size can reliably pick up (about {reach}). Results "
        "found by a study this size tend to be too large."
    )


# --------------------------------------------------------------------------- where ways of measuring disagree


def straddles(head: Headline) -> list[str]:
    """Where another way of measuring the same result falls on the other side of no difference than the primary one."""
    if head.interval is None or head.row is None or not credible(head):
        return []
    ratios = [_ratio_disagrees(head, term) for term in ("risk_ratio", "odds_ratio")]
    return [*[s for s in ratios if s][:1], *[s for s in (_log_rank_disagrees(head),) if s]]


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
    ends = " to ".join(number(v, apart_from=1.0) for v in (low, high))
    verb = "includes" if head.clear else "leaves out"
    return f"the plausible range of the {term.replace('_', ' ')} ({ends}) {verb} 1, which means no difference"


def _log_rank_disagrees(head: Headline) -> str:
    level = round(1 - (head.row["conf_level"] if head.row else 0.95), 9)
    p = _log_rank(head)
    if p is None or (p < level) == head.clear:
        return ""
    side = ("just " if NEAR[0] <= p <= NEAR[1] else "") + ("above" if head.clear else "below")
    shown = number(p, 2, apart_from=level)
    return f"a test of the whole curves (log-rank) gives p = {shown}, {side} the usual limit of {number(level)}"


def _log_rank(head: Headline) -> float | None:
    analyses = {a.id for a in head.released.study.analyses if a.outcome == head.analysis.outcome}
    found = head.released.rows("diagnostics", check="log_rank")
    return next((c["p_value"] for c in found if c["analysis"] in analyses and c["p_value"] is not None), None)


def straddle_note(head: Headline) -> str:
    """The straddling said as one passage; empty where all ways of measuring agree."""
    found = straddles(head)
    if not found:
        return ""
    side, name = "leaves out" if head.clear else "includes", head.told.name
    text = f"The plausible range of the {name} {side} no difference, but {', and '.join(found)}."
    crossing = [h for h in others(head.released, head) if h.clear != head.clear and same_effect(h, head) and h.interval]
    more = [_range_of(h) for h in crossing if head.clear]
    return " ".join(
        [
            "This is a borderline result.",
            text,
            *more,
            f"Our conclusion follows the measure the study named as its main one, the {name}.",
        ]
    )


def _range_of(other: Headline) -> str:
    assert other.interval is not None  # noqa: S101 - narrows the type
    shown = other.told.span(*other.interval)
    return f"The plausible range of the analysis “{other.name}” ({shown}) includes no difference."


def borderline(head: Headline) -> str:
    """The straddling in a line, for the box of the main result."""
    if not straddles(head):
        return ""
    return f"Other ways of measuring the same result {'include' if head.clear else 'leave out'} no difference."


# --------------------------------------------------------------------------- other analyses, planted truth


def agreement(head: Headline) -> str:
    """How the other analyses of the same outcome compare; directions only where the main result has one."""
    rest = others(head.released, head)
    if not head.known or not rest or not credible(head):
        return ""
    return _directions(head, rest) if head.clear else _also_open(head, rest)


def _all_of(n: int) -> str:
    """`The other analysis`, `Both other analyses`, `All 3 other analyses`."""
    return {1: "The other analysis", 2: "Both other analyses"}.get(n, f"All {n} other analyses")


def _either_way(head: Headline, rest: list[Headline]) -> str:
    """Said where best estimates of an open question lie on both sides of no difference."""
    good, n = head.told.good(head.estimate), len(rest)
    other = sum(h.told.good(h.estimate) not in {good, None} for h in rest) if good is not None else 0
    if not other:
        return ""
    which = "Its best estimate points" if n == 1 else f"The best estimates of {other} of these {n} point"
    return f" {which} the other way from the main one, which is to be expected where a difference is near none."


def _also_open(head: Headline, rest: list[Headline]) -> str:
    clear, n = [h for h in rest if h.clear], len(rest)
    if not clear:
        text = f"{_all_of(n)} of this outcome leave{'s' if n == 1 else ''} the question open, too."
        return text + _either_way(head, rest)
    return f"The plausible range leaves out no difference in {len(clear)} of the {n} other analyses: {_named(clear)}."


def _directions(head: Headline, rest: list[Headline]) -> str:
    sign, n = head.told.good(head.estimate), len(rest)
    same = sum(h.told.good(h.estimate) == sign for h in rest)
    if same == n:
        text = f"{_all_of(n)} of this outcome point{'s' if n == 1 else ''} the same way."
    elif n == 1:
        text = "The other analysis of this outcome does not point the same way."
    else:
        point = f"{same or 'none'} point{'s' if same == 1 else ''}"
        text = f"Of the {n} other analyses of this outcome, {point} the same way."
    wide = [h for h in rest if not h.clear]
    return f"{text} {_wide(wide, n)}" if wide else text


def _wide(wide: list[Headline], n: int) -> str:
    if len(wide) == n:
        return f"{'Its plausible range includes' if n == 1 else 'Their plausible ranges all include'} no difference."
    if len(wide) == 1:
        return f"The plausible range of one of them includes no difference: {_named(wide)}."
    return f"The plausible ranges of {len(wide)} of them include no difference: {_named(wide)}."


def _named(heads: list[Headline]) -> str:
    return listing([f"“{h.name}”" for h in heads])


def truth(head: Headline) -> str:
    """For simulated studies: the planted effect beside the estimate."""
    effect = head.released.planted
    if effect is None:
        return ""
    if not head.known:
        return "These data are simulated, with an effect planted in them. This run has no estimate to hold against it."
    planted, estimate = head.told.phrase(effect), head.told.phrase(head.estimate)
    whose = "the study’s estimate is" if credible(head) else "the comparison comes to"
    text = f"These data are simulated. The difference planted in them is {planted}; {whose} {estimate}"
    if head.interval is None:
        return text + "."
    low, high = head.interval
    holds = low <= effect <= high
    return f"{text}, and its plausible range {'includes' if holds else 'does not include'} the planted value."
