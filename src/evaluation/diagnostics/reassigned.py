"""Who might as well have adopted: the effect's place among those of other assignments of the same dates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from evaluation.diagnostics.case import Case
from evaluation.errors import NotEstimable
from evaluation.results import Check, Inference, ResultSet, Sensitivity

if TYPE_CHECKING:
    from evaluation.data.moments import Integers
    from evaluation.inference.randomisation import Randomised
    from evaluation.results import Estimate

DRAWS = 499
ENUMERATE = 2_000  # assignments up to which all are gone through
ALPHA = 0.05
METHOD = "randomisation over adoption dates"
# These compare single treated units with donors and have placebos of their own.
WITH_PLACEBOS = ("synthetic_control", "synthetic_did", "interrupted_time_series")


def reassigned_dates(case: Case, *, asked: bool) -> ResultSet:
    """Randomisation inference for the overall effect, where it is `asked` for or treated clusters are few.

    The statistic is the analysis's own estimate. All assignments are gone through where there are at most 2,000, else
    499 are drawn, and the same ones in every run. Reference: MacKinnon and Webb (2020).
    """
    few = _few(case)
    headline = case.overall
    if headline is None or case.estimator.id in WITH_PLACEBOS or not (asked or few):
        return ResultSet()
    warning = tuple(c for c in few if c.check not in {known.check for known in case.results.checks})
    try:
        found = _tested(case)
    except NotEstimable as none:
        return ResultSet(checks=(*warning, Check("randomisation", "info", str(none), term="att", counts=none.counts)))
    places = case.design is not None and case.design.units_are == "places"
    how = _how(found) if places or not found.enumerated else "all assignments"  # their number tells who was treated
    return ResultSet(
        inference=(Inference("att", METHOD, p_value=found.p_value, distribution="randomisation", df_rule=how,
                             n_clusters=headline.n_clusters),),
        sensitivity=(Sensitivity("randomisation", f"Adoption dates given to other clusters, {how}",
                                 estimate=found.statistic, p_value=found.p_value,
                                 method="share of assignments with an effect at least as large",
                                 counts=headline.counts),),
        checks=(*warning, _judged(found, headline, bool(few))))  # fmt: skip


def _few(case: Case) -> tuple[Check, ...]:
    """The warning of few treated, or untreated, clusters."""
    from evaluation.estimators._few_clusters import few_treated_clusters

    moments = case.moments
    return few_treated_clusters(moments, (moments.cohort > moments.times[0]) & (moments.cohort <= moments.times[-1]))


def _tested(case: Case) -> Randomised:
    from evaluation.inference.randomisation import cohorts_by_cluster, randomisation, reassigned

    moments = replace(case.moments, flow=())

    def effect(dates: Integers) -> float:
        found = case.estimator.overall(reassigned(moments, dates), case.outcome).estimate
        if found is None:
            raise NotEstimable("There is no overall effect.")
        return found

    return randomisation(effect, cohorts_by_cluster(moments), draws=DRAWS, seed=0, enumerate_up_to=ENUMERATE)


def _how(found: Randomised) -> str:
    return f"all {found.draws:,} assignments" if found.enumerated else f"{found.draws:,} draws"


def _judged(found: Randomised, headline: Estimate, few: bool) -> Check:
    """Whether the test says what the headline's interval says, and which of the two to believe."""
    usual = headline.p_value is not None and headline.p_value < ALPHA
    agree = usual == (found.p_value < ALPHA)
    smallest = 1 / (found.draws + (0 if found.enumerated else 1))
    status: Literal["pass", "warn"] = "pass" if agree else "warn"
    message = (
        f"Had other clusters adopted at these dates, an effect at least as large would have come out in "
        f"{found.p_value:.1%} of the assignments (p = {found.p_value:.3g}, {_how(found)})."
    )
    if few:
        message += " With so few treated, or untreated, clusters this is the p-value to rely on."
    if not agree and headline.p_value is not None:
        message += f" The usual p-value ({headline.p_value:.2g}) says otherwise."
    if smallest >= ALPHA:
        message += f" With so few assignments it cannot fall below {smallest:.2g}."
    return Check("randomisation", status, message, term="att", statistic=found.statistic, p_value=found.p_value,
                 threshold=ALPHA, counts=headline.counts)  # fmt: skip
