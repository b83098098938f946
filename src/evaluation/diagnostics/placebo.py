"""Effects where there can be none: before adoption, among units never treated, on outcomes out of reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from evaluation.diagnostics.case import Case, as_row
from evaluation.diagnostics.reassigned import WITH_PLACEBOS
from evaluation.errors import NotEstimable
from evaluation.results import Check, Estimate, ResultSet, Sensitivity

if TYPE_CHECKING:
    from evaluation.data.moments import PanelMoments
    from evaluation.study.models import Outcome

ALPHA = 0.05
SHIFTS = (1, 2, 3)  # periods by which adoption is moved ahead
DRAWS = 99
FEWEST_CLUSTERS = 10  # of never-treated units, below which a random half of them says little
SEED = 20210


def in_time(case: Case) -> ResultSet:
    """The effect of an adoption moved ahead, on the periods before the real one: it should be zero.

    The whole course after adoption (and its anticipation) is left out, so that no effect can leak in.
    """
    found = [(s, row) for s in SHIFTS if (row := _moved(case, s)) is not None]
    if not found:
        return ResultSet()
    rows = tuple(
        as_row("placebo_time", f"Adoption moved {s} period{'' if s == 1 else 's'} ahead", e, parameter=float(s))
        for s, e in found
    )
    return ResultSet(sensitivity=rows, checks=_judged([e for _, e in found]))


def _moved(case: Case, shift: int) -> Estimate | None:
    moments = case.moments
    cohort = moments.cohort
    adopts = cohort != 0
    before = moments.times < (cohort - case.anticipation)[:, None]
    keep = before | ~adopts[:, None]
    early = adopts & (cohort - case.anticipation - shift - case.anticipation <= moments.times[0])
    moved = cohort.copy()
    moved[adopts] -= shift + case.anticipation
    placebo = moments.restricted(keep & ~early[:, None], moved)
    return None if placebo is None or not (placebo.cohort != 0).any() else case.again(placebo)


def _judged(found: list[Estimate]) -> tuple[Check, ...]:
    tested = [e for e in found if e.p_value is not None]
    if not tested:
        return ()
    worst = min(tested, key=lambda e: e.p_value or 0.0)
    p_value = min(1.0, (worst.p_value or 0.0) * len(tested))
    if p_value < ALPHA:
        message = (
            f"An adoption moved ahead, where nothing had happened yet, shows an effect of {worst.estimate:.3g}: the "
            "groups were already moving apart."
        )
    else:
        message = (
            "An adoption moved ahead, where nothing had happened yet, shows no effect that chance does not explain. "
            "This does not prove that the groups would have stayed together."
        )
    counts = tuple(sorted({n for e in tested for n in e.counts}))
    status: Literal["pass", "fail"] = "fail" if p_value < ALPHA else "pass"
    return (Check("placebo_time", status, message, term="att", statistic=worst.estimate, p_value=p_value,
                  threshold=ALPHA, counts=counts),)  # fmt: skip


def in_outcomes(case: Case) -> ResultSet:
    """The effect on outcomes that the program cannot change: it should be zero."""
    found = [(o, e) for o in case.placebos if o.id != case.outcome.id and (e := _on(case, o)) is not None]
    if not found:
        return ResultSet()
    rows = tuple(as_row("placebo_outcome", f"Effect on {o.label}", e, o.id) for o, e in found)
    tested = [(o, e) for o, e in found if e.p_value is not None]
    if not tested:
        return ResultSet(sensitivity=rows)
    outcome, worst = min(tested, key=lambda pair: pair[1].p_value or 0.0)
    p_value = min(1.0, (worst.p_value or 0.0) * len(tested))
    out = p_value < ALPHA
    if out:
        message = (
            f"{outcome.label}, which the program cannot change, shows an effect of {worst.estimate:.3g}: something "
            "else happened to the units that adopted."
        )
    elif len(tested) == 1:
        message = f"{outcome.label}, which the program cannot change, shows no effect that chance does not explain."
    else:
        message = (
            f"None of the {len(tested)} outcomes that the program cannot change shows an effect that chance does not "
            "explain (Bonferroni)."
        )
    status: Literal["pass", "fail"] = "fail" if out else "pass"
    counts = tuple(sorted({n for _, e in tested for n in e.counts}))
    check = Check("placebo_outcome", status, message, term="att", group=outcome.id, statistic=worst.estimate,
                  p_value=p_value, threshold=ALPHA, counts=counts)  # fmt: skip
    return ResultSet(sensitivity=rows, checks=(check,))


def _on(case: Case, outcome: Outcome) -> Estimate | None:
    """The overall effect on another outcome."""
    try:
        return case.estimator.overall(case.estimator.moments(case.panel, outcome), outcome)
    except NotEstimable:
        return None


def among_never_treated(case: Case) -> ResultSet:
    """Adoption dealt at random among units never treated, again and again: how large chance alone makes the effect.

    The dates are dealt in the proportions in which clusters really adopted. Never-treated units are fewer than the
    whole panel, so that their effects vary more: draws and the real effect are compared in standard errors of their
    own, and the share of draws at least as large is the p-value.
    """
    import numpy as np

    overall, moments = case.overall, case.moments
    never = moments.cohort == 0
    clusters = np.unique(moments.cluster[never])
    if overall is None or not overall.estimate or not overall.std_error:
        return ResultSet()
    if moments.cross is not None or len(clusters) < FEWEST_CLUSTERS or case.estimator.id in WITH_PLACEBOS:
        return ResultSet()
    shares = _shares(moments)
    pool = moments.restricted(np.broadcast_to(never[:, None], moments.counts.shape), moments.cohort)
    if pool is None or not shares:
        return ResultSet()
    generator = np.random.default_rng(SEED)
    asked = (case.again(_dealt(pool, shares, generator)) for _ in range(DRAWS))
    drawn = [(e.estimate, e.std_error) for e in asked if e is not None and e.estimate is not None and e.std_error]
    if len(drawn) < DRAWS // 2:
        return ResultSet()
    effects, errors = np.array(drawn, dtype=np.float64).T
    extreme = int((np.abs(effects / errors) >= abs(overall.estimate / overall.std_error)).sum())
    low, high = np.quantile(effects, [0.025, 0.975])
    row = Sensitivity(
        "placebo_never_treated",
        f"Adoption dealt at random among units never treated, {len(drawn)} times",
        estimate=float(effects.mean()), conf_low=float(low), conf_high=float(high),
        p_value=(1 + extreme) / (1 + len(drawn)),
        method="middle 95 % of the random draws; p-value = share of draws at least as large, in standard errors",
        counts=overall.counts)  # fmt: skip
    return ResultSet(sensitivity=(row,))


def _shares(moments: PanelMoments) -> list[tuple[int, float]]:
    """Cohorts within the span with the share of all clusters that is theirs."""
    import numpy as np

    inside = (moments.cohort > moments.times[0]) & (moments.cohort <= moments.times[-1])
    cohorts = np.unique(moments.cohort[inside]).tolist()
    return [(g, moments.clusters_among(moments.cohort == g) / moments.n_clusters) for g in cohorts]


def _dealt(pool: PanelMoments, shares: list[tuple[int, float]], generator: object) -> PanelMoments:
    from dataclasses import replace

    import numpy as np

    assert isinstance(generator, np.random.Generator)  # noqa: S101 - narrows the type
    clusters, of_row = np.unique(pool.cluster, return_inverse=True)
    dealt = np.zeros(len(clusters), dtype=np.int64)
    at = 0
    for cohort, share in shares:
        number = max(1, round(share * len(clusters)))
        dealt[at : at + number] = cohort
        at += number
    return replace(pool, cohort=generator.permutation(dealt)[of_row])
