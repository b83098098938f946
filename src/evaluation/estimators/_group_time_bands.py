"""Alternatives to the headline inference of group-time effects: simultaneous bands, and rules for few clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.estimators._group_time import CONTROLS_ONLY, Report, Row
from evaluation.inference.intervals import wald
from evaluation.inference.multiplier import simultaneous, simultaneous_from_covariance
from evaluation.inference.rule import ENOUGH_CLUSTERS
from evaluation.results import Estimate, Inference

if TYPE_CHECKING:
    from evaluation.data.moments import Floats
    from evaluation.inference.multiplier import Bands

BANDED = ("event", "group", "group_time")
MOST_BANDED = 1_000  # estimates in one band
MOST_MULTIPLIED = 2_000  # clusters up to which each gets multipliers of its own
DRAWS, SEED = 999, 0
SAME = 9  # digits to which clusters are told apart when they are put in order
CLUSTERS_MINUS_ONE = "clusters - 1"


def bands(report: Report, rows: Sequence[Row]) -> Iterator[Inference]:
    """Simultaneous confidence bands of the effects by event time, by cohort, and of all of them.

    Figures whose standard error does not tell all (cohorts of one cluster) and references stay out.
    """
    for term in BANDED:
        family = [
            row
            for row in rows
            if row.estimate.term == term and row.estimate.std_error and row.inference[0].method != CONTROLS_ONLY
        ]
        if 1 < len(family) <= MOST_BANDED:
            yield from _band(report, family)


def _band(report: Report, family: Sequence[Row]) -> Iterator[Inference]:
    values = np.array([row.estimate.estimate for row in family], dtype=np.float64)
    gradients = [row.mean.gradient for row in family if row.mean is not None]
    level = report.rule.conf_level
    errors = report.effects.errors.by_cluster(gradients) if report.rule.n_clusters <= MOST_MULTIPLIED else None
    if errors is None:
        found = simultaneous_from_covariance(report.effects.errors.together(gradients), values, conf_level=level)
        method, distribution, how = "simultaneous", "normal", "draws from the joint normal distribution"
    else:
        found = simultaneous(_ordered(errors), values, draws=DRAWS, seed=SEED, conf_level=level)
        method, distribution = "multiplier bootstrap, simultaneous", "bootstrap"
        how = f"{DRAWS} draws, Mammen's weights"
    yield from _rows(family, found, method, distribution, how)


def _ordered(errors: Floats) -> Floats:
    """Clusters (G, Q) in an order that does not depend on their names, so that the draws do not either."""
    scale = np.abs(errors).max(axis=0)
    whole = np.round(errors / np.where(scale > 0, scale, 1.0), SAME)
    found: Floats = errors[np.lexsort(whole.T[::-1])]
    return found


def _rows(family: Sequence[Row], found: Bands, method: str, distribution: str, how: str) -> Iterator[Inference]:
    for q, row in enumerate(family):
        one = row.estimate
        yield Inference(
            one.term, method, one.group, one.time, float(found.std_errors[q]), float(found.low[q]),
            float(found.high[q]), None, distribution, None, f"critical value {found.critical:.4f}, {how}",
            n_clusters=one.n_clusters)  # fmt: skip


def few_clusters(report: Report, rows: Sequence[Row]) -> Iterator[Inference]:
    """Below 40 clusters: every mean of effects against t with G-1 degrees of freedom too."""
    clusters = report.rule.n_clusters
    if clusters >= ENOUGH_CLUSTERS:
        return
    for row in rows:
        one = row.estimate
        if one.term != "group_time" and one.std_error:
            yield _against_t(one, "influence function, t", one.std_error, clusters)


def jackknife(report: Report, again: Callable[[int], tuple[float, int]]) -> Iterator[Inference]:
    """Below 40 clusters: the overall effect with the leave-one-cluster-out jackknife's standard error, t(G-1).

    `again` gives, without the cluster of a code, the overall effect and the number of effects that it is a mean of; it
    raises NotEstimable where there is none. Without a cluster on which some effect rests there is no jackknife.
    Reference: MacKinnon, Nielsen and Webb (2023), centred at the estimate.
    """
    one = report.overall().estimate
    codes = np.unique(report.effects.moments.cluster)
    if not (report.effects.moments.cross is None and len(codes) < ENOUGH_CLUSTERS and one.std_error):
        return
    try:
        left = [again(int(code)) for code in codes]
    except NotEstimable:
        return
    if any(number != int(report.after.sum()) for _, number in left):
        return
    values = np.array([value for value, _ in left])
    error = float(np.sqrt((len(codes) - 1) / len(codes) * ((values - (one.estimate or 0.0)) ** 2).sum()))
    yield _against_t(one, "leave-one-cluster-out jackknife", error, len(codes))


def _against_t(one: Estimate, method: str, error: float, clusters: int) -> Inference:
    span = wald(one.estimate or 0.0, error, one.conf_level, clusters - 1)
    return Inference(
        one.term, method, one.group, one.time, error, span.low, span.high, span.p_value, "t", clusters - 1,
        CLUSTERS_MINUS_ONE, n_clusters=one.n_clusters)  # fmt: skip
