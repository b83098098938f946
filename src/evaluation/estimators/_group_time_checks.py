"""What is to be said of group-time effects: differences before adoption, effects left out, doubtful inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evaluation.inference.aggregation import by_cohort_weight
from evaluation.inference.covariance import joint_test
from evaluation.inference.rule import enough_for_joint_test, few_clusters, pretrends_check
from evaluation.results import Check

if TYPE_CHECKING:
    from evaluation.estimators._group_time import Report

LISTED = 5
FEW_TREATED = 5  # treated, or comparison, clusters below which no standard error can be relied on
LIKELY = 0.9  # propensity above which few comparison units carry the weight of many
FEW_EFFECTIVE = 20  # comparison units, counted by their weights


def checks(report: Report, anticipation: int) -> tuple[Check, ...]:
    """The checks of the whole analysis."""
    return (
        _pretrends(report, anticipation),
        *_missing(report),
        *_overlap(report),
        *_small_cohorts(report),
        *few_clusters(report.rule.n_clusters),
        *_few_treated(report),
    )


def _pretrends(report: Report, anticipation: int) -> Check:
    """Joint test of the effects before adoption and its anticipation, of cohorts whose variation can be seen."""
    effects, moments = report.effects, report.effects.moments
    before = effects.available & ~effects.reference & (effects.time < effects.cohort - anticipation)
    tested = np.flatnonzero(before & ~np.isin(effects.cohort, sorted(report.single)))
    test = None
    if len(tested) < moments.n_clusters:  # else the covariance has not full rank: influences add up to zero
        test = joint_test(effects.att[tested], effects.errors.among(tested))
    left_out = int(before.sum()) - len(tested)
    without = f" {left_out} differences of cohorts of one unit or cluster are left out." if left_out else ""
    trusted = all(
        enough_for_joint_test(moments.clusters_among(moments.cohort == g), int(n))
        for g, n in zip(*np.unique(effects.cohort[tested], return_counts=True), strict=True)
    )
    behind = report.units_behind(np.flatnonzero(before).tolist())
    return pretrends_check(test, len(tested), trusted=trusted, counts=behind, without=without)


def _missing(report: Report) -> tuple[Check, ...]:
    """Which effects after adoption the means leave out."""
    effects, post = report.effects, report.post
    lost = np.flatnonzero(post & ~effects.available).tolist()
    if not lost:
        return ()
    named = [f"cohort {effects.cells[k].cohort} in {effects.periods[effects.cells[k].period]}" for k in lost[:LISTED]]
    more = ", …" if len(lost) > LISTED else ""
    message = (
        f"{len(lost)} of {int(post.sum())} effects after adoption cannot be estimated and are left out of the means: "
        f"{', '.join(named)}{more}."
    )
    return (Check("cells_missing", "warn", message, term="att", statistic=len(lost),
                  counts=report.units_behind(lost)),)  # fmt: skip


def _small_cohorts(report: Report) -> tuple[Check, ...]:
    """Cohorts of one unit or in one cluster, and how much of the overall effect rests on them."""
    effects, single = report.effects, report.single
    if not single:
        return ()
    checks = []
    for cohort, units in single.items():
        size = "one unit" if units == 1 else f"{units} units in one cluster"
        message = (
            f"Cohort {cohort} is {size}: its effects are unreliable. Their standard errors reflect the comparison "
            "units only and are too small."
        )
        checks.append(Check("small_cohort", "warn", message, term="group", group=str(cohort),
                            statistic=units, counts=(units,)))  # fmt: skip
    overall = by_cohort_weight(effects, report.after)
    slopes = overall.gradient.slopes[: len(overall.cells)]  # of the effects; those of the shares follow
    weight = float(slopes[np.isin(effects.cohort[overall.cells], sorted(single))].sum())
    message = (
        f"{weight:.0%} of the weight of the overall effect lies on cohorts of one unit or cluster; its standard error "
        "leaves out how they vary."
    )
    checks.append(Check("small_cohort", "warn", message, term="att", statistic=weight,
                        counts=tuple(sorted(set(single.values())))))  # fmt: skip
    return tuple(checks)


def _overlap(report: Report) -> tuple[Check, ...]:
    """Whether treated and comparison units can be weighted to each other, where they are."""
    effects, found = report.effects, report.effects.overlap
    lost = sorted(k for k in effects.problems if report.post[k])
    if lost:
        message = (
            f"{len(lost)} effects after adoption cannot be adjusted for the covariates (first: "
            f"{effects.problems[lost[0]]}). Use fewer covariates, or coarser ones."
        )
        return (Check("overlap", "fail", message, statistic=len(lost), counts=report.units_behind(lost)),)
    if found is None:
        return ()
    doubtful = found.largest > LIKELY or found.trimmed > 0 or found.effective < FEW_EFFECTIVE
    trimmed = f"; up to {found.trimmed} units were left out as nearly certain to be treated" if found.trimmed else ""
    message = (
        f"The highest probability of treatment given the covariates is {found.largest:.2f}; weighted to the treated "
        f"units, the comparison units count for at least {found.effective:.0f}{trimmed}."
    )
    if doubtful:
        message += " The result rests on few comparison units that resemble the treated ones."
    counts = tuple(n for n in (found.trimmed,) if n)
    return (Check("overlap", "warn" if doubtful else "pass", message, statistic=found.largest, threshold=LIKELY,
                  counts=counts),)  # fmt: skip


def _few_treated(report: Report) -> tuple[Check, ...]:
    """A warning where few clusters are treated, or compared with: the interval reflects too little of the chance."""
    sides = (report.effects.treated[report.after], report.effects.control[report.after])
    numbers = [report.clusters(np.logical_or.reduce(side)) for side in sides]
    number, which = min(zip(numbers, ("treated", "comparison"), strict=True))
    if number >= FEW_TREATED:
        return ()
    message = (
        f"Only {number} {which} cluster{'' if number == 1 else 's'} stand{'s' if number == 1 else ''} behind the "
        "effect: its interval reflects too little of what chance can do, whatever rule is used. What remains valid is "
        "randomisation inference over who was treated and, for few treated units, a synthetic control."
    )
    alone = number == 1
    return (Check("few_treated_clusters", "fail" if alone else "warn", message, term="att", statistic=number,
                  threshold=FEW_TREATED, counts=(number,)),)  # fmt: skip
