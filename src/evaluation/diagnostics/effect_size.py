"""How large a difference of risks is in standard deviations, so that it can be held against other studies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.inference import effect_sizes
from evaluation.results import Check, Estimate, ResultSet

if TYPE_CHECKING:
    from evaluation.diagnostics.cohort import CohortCase


def effect_size(case: CohortCase) -> ResultSet:
    """The Cox index of each window's risks, with the improvement index; and the test with clusters allowed for, where
    the analysis itself does not allow for the design's clusters."""
    found: list[Check] = []
    for difference in (e for e in case.main if e.term == "risk_difference"):
        size = _size(case, difference)
        if size is not None:
            found += _said(case, difference, size)
    return ResultSet(checks=tuple(found))


def _size(case: CohortCase, difference: Estimate) -> float | None:
    risks = [
        next((e.estimate for e in case.results.estimates
              if e.term == term and e.time == difference.time and e.status == "ok"), None)
        for term in ("risk_treated", "risk_control")
    ]  # fmt: skip
    treated, control = risks
    if treated is None or control is None or difference.n_units is None:
        return None
    return effect_sizes.cox_index(treated, control, difference.n_units)


def _said(case: CohortCase, difference: Estimate, size: float) -> list[Check]:
    index = effect_sizes.improvement_index(size)
    good = (size < 0) == (case.outcome.better == "lower")
    message = (
        f"Within {case.span(difference.time)} the two risks are {abs(size):.2f} standard deviations apart (Cox index, "
        f"with Hedges' correction), in the {'good' if good else 'bad'} direction. The improvement index, by how many "
        f"places in a hundred an average person of the comparison would move, is {abs(index):.0f}."
    )
    found = [Check("effect_size", "info", message, term=difference.term, time=difference.time, statistic=size,
                   counts=difference.counts)]  # fmt: skip
    return found + _with_clusters(case, difference, size)


def _with_clusters(case: CohortCase, difference: Estimate, size: float) -> list[Check]:
    """The clearinghouse's correction, with its default correlation, of an analysis that leaves clusters out."""
    n, treated = difference.n_units, difference.n_treated_units
    row = case.inference(difference)
    if case.cohort.cluster is None or row is None or row.n_clusters is not None or n is None or treated is None:
        return []
    codes = case.cohort.counts().cluster
    clusters = 0 if codes is None else int(codes.max()) + 1
    if clusters < 2:
        return []
    found = effect_sizes.corrected_for_clusters(size, treated, n - treated, clusters, effect_sizes.OTHER_CORRELATION)
    message = (
        f"This analysis takes people of one cluster as independent. With the What Works Clearinghouse's correction for "
        f"{clusters:,} clusters (correlation {effect_sizes.OTHER_CORRELATION:g} within them, its default) the test "
        f"gives p = {found.p_value:.2g}."
    )
    return [Check("cluster_correction", "info", message, term=difference.term, time=difference.time,
                  statistic=found.statistic, df=found.df, p_value=found.p_value, counts=difference.counts)]  # fmt: skip
