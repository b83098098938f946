"""What stands beside a regression's headline where clusters are few, and the warning where no rule can be relied on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

from evaluation.errors import NotEstimable
from evaluation.results import Check, Estimate, Inference

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Mask, PanelMoments
    from evaluation.inference.regression import ClusterRegression

WEBB_BELOW = 12  # clusters below which signs alone make too few different samples
FEW_TREATED = 5  # treated, or untreated, clusters below which neither CR2 nor the wild bootstrap is reliable


def alternatives(regression: ClusterRegression, contrast: Floats, estimate: Estimate) -> tuple[Inference, ...]:
    """CR2 and the wild cluster bootstrap of `contrast` (K,) · coefficients, under the estimate's key.

    A rule that has no answer (clusters fitted exactly) is left out; the headline and its warning stand.
    """
    found = []
    for rule in _RULES if regression.n_clusters < WEBB_BELOW else _RULES[:-1]:
        try:
            found.append(rule(regression, contrast, estimate))
        except NotEstimable:
            continue
    return tuple(found)


def _satterthwaite(regression: ClusterRegression, contrast: Floats, estimate: Estimate) -> Inference:
    from evaluation.inference.intervals import wald
    from evaluation.inference.small_clusters import cr2

    found = cr2(regression, contrast)
    assert estimate.estimate is not None  # noqa: S101 - only figures come here
    span = wald(estimate.estimate, found.std_error, estimate.conf_level, found.df)
    return Inference(
        estimate.term, "CR2", estimate.group, estimate.time, found.std_error, span.low, span.high, span.p_value,
        "t", found.df, "Satterthwaite", n_clusters=regression.n_clusters)  # fmt: skip


def _bootstrapped(
    regression: ClusterRegression, contrast: Floats, estimate: Estimate, weights: Literal["rademacher", "webb"]
) -> Inference:
    from evaluation.inference.small_clusters import wild_bootstrap

    found = wild_bootstrap(regression, contrast, weights=weights, conf_level=estimate.conf_level)
    draws = f"all {found.draws:,} patterns" if found.enumerated else f"{found.draws:,} draws"
    return Inference(
        estimate.term, f"wild cluster bootstrap ({weights.capitalize()})", estimate.group, estimate.time, None,
        found.conf_low, found.conf_high, found.p_value, "bootstrap", None, f"null imposed, {draws}",
        n_clusters=regression.n_clusters)  # fmt: skip


_RULES = (
    _satterthwaite,
    partial(_bootstrapped, weights="rademacher"),
    partial(_bootstrapped, weights="webb"),
)


def few_treated_clusters(moments: PanelMoments, treated: Mask) -> tuple[Check, ...]:
    """A warning where fewer than `FEW_TREATED` clusters are treated, or fewer untreated, with what remains valid.

    MacKinnon and Webb (2018): with few treated clusters CR1 and CR2 reject too often, and the wild bootstrap too
    often or hardly ever.
    """
    inside, outside = moments.clusters_among(treated), moments.clusters_among(~treated)
    few = [(n, which) for n, which in ((inside, "treated"), (outside, "untreated")) if 0 < n < FEW_TREATED]
    if not few:
        return ()
    number, which = min(few)
    message = (
        f"Only {number} {which} cluster{'' if number == 1 else 's'} stand{'s' if number == 1 else ''} behind the "
        "effect: no standard error, corrected or bootstrapped, can be relied on. What remains valid is randomisation "
        "inference over who was treated and, for few treated units, a synthetic control or synthetic "
        "difference-in-differences with its placebos."
    )
    alone = number == 1
    return (Check("few_treated_clusters", "fail" if alone else "warn", message, term="att", statistic=number,
                  threshold=FEW_TREATED, counts=(number,)),)  # fmt: skip
