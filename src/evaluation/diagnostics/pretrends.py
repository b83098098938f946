"""Paths before adoption, from the estimated leads: is any of them out of line, and how large are they?"""

from __future__ import annotations

from evaluation.diagnostics.event_course import EventCourse, untrusted
from evaluation.diagnostics.missed_drift import POWERS, missed_drift
from evaluation.results import Check, Estimate, ResultSet

AS_LARGE = 1.0  # share of the overall effect from which a difference before adoption matters
ALPHA = 0.05


def pretrends(results: ResultSet, anticipation: int = 0) -> tuple[Check, ...]:
    """The lead that is furthest out of line, and the largest beside the effect; nothing without leads.

    Leads within `anticipation` periods of adoption are no test of parallel trends, and those whose standard error
    reflects the comparison units only (`small_cohort`, `single_cluster`) no test of anything: both stay out.

    A joint test of all leads can fail because it inverts the covariance of too many of them for the clusters
    there are, and pass because it has little power. The single leads, with Bonferroni's correction for their
    number, hold their level with few clusters; their size beside the effect says whether they matter (Roth, 2022).
    """
    alone = untrusted(results)
    before = (e for e in results.estimates if e.term == "event" and e.status == "ok" and (e.time or 0) < -anticipation)
    leads = [e for e in before if e.time not in alone]
    return (*_furthest(leads, results), *_largest(leads, results))


def _behind(estimates: list[Estimate]) -> tuple[int, ...]:
    """The numbers of units behind some estimates, each number once."""
    return tuple(sorted({n for e in estimates for n in e.counts}))


def _when(lead: Estimate) -> str:
    periods = -int(lead.time or 0)
    return f"{periods} period{'' if periods == 1 else 's'} before adoption"


def _furthest(leads: list[Estimate], results: ResultSet) -> tuple[Check, ...]:
    tested = [e for e in leads if e.p_value is not None]
    if not tested:
        return ()
    lead = min(tested, key=lambda e: e.p_value or 0.0)
    p_value = min(1.0, (lead.p_value or 0.0) * len(tested))
    out = p_value < ALPHA
    if out:
        message = (
            f"The groups already differed {_when(lead)}, by more than chance explains, also when all {len(tested)} "
            "differences before adoption are looked at (Bonferroni)."
        )
    else:
        message = (
            f"None of the {len(tested)} differences before adoption is out of line (Bonferroni). This is no proof of "
            f"parallel trends: the test can miss differences that matter.{_missed(results)}"
        )
    return (Check("pretrend_leads", "fail" if out else "pass", message, term="event", time=lead.time,
                  statistic=lead.estimate, p_value=p_value, threshold=ALPHA,
                  counts=_behind(tested)),)  # fmt: skip


def _missed(results: ResultSet) -> str:
    """Which drift the look at the leads misses half of the time, where all are measured from one period."""
    events = EventCourse.of(results)
    slope = missed_drift(events, POWERS[0]) if events else None
    return f" A steady drift of {slope:.3g} per period would have been missed half of the time." if slope else ""


def _largest(leads: list[Estimate], results: ResultSet) -> tuple[Check, ...]:
    overall = next((e for e in results.estimates if e.term == "att" and e.status == "ok" and e.estimate), None)
    if not leads or overall is None:
        return ()
    lead = max(leads, key=lambda e: abs(e.estimate or 0))
    share = abs((lead.estimate or 0) / (overall.estimate or 1))
    message = (
        f"The largest difference before adoption ({lead.estimate:.3g}, {_when(lead)}) is {share:.0%} of the size of "
        f"the overall effect ({overall.estimate:.3g})."
    )
    return (Check("pretrend_size", "warn" if share >= AS_LARGE else "info", message, term="event", time=lead.time,
                  statistic=share, threshold=AS_LARGE,
                  counts=_behind([*leads, overall])),)  # fmt: skip
