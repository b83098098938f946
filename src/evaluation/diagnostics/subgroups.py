"""The same analysis within groups of people, and whether its effect differs between them: exploratory always."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.data.divisions import MOST_LEVELS, Stratum, levels
from evaluation.errors import NotEstimable
from evaluation.inference.multiple_testing import holm
from evaluation.results import Check, Estimate, ResultSet, Subgroup

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort
    from evaluation.diagnostics.cohort import CohortCase
    from evaluation.estimators.base import Estimator
    from evaluation.study.implementation import Division

FEWEST = 20  # people of each arm below whom a stratum gets no estimate
ALPHA = 0.05
Key = tuple[str, float | None]  # term and window


@dataclass(frozen=True)
class _Within:
    """One stratum: its people by arm, and its estimates by term and window, where there are any."""

    stratum: Stratum
    treated: int
    control: int
    estimates: dict[Key, Estimate]


@dataclass(frozen=True)
class _Divided:
    """A characteristic with its strata; people without a value are in none."""

    column: str
    strata: tuple[_Within, ...]


@dataclass(frozen=True)
class Heterogeneity:
    """Cochran's Q: `statistic` is chi-squared with `df` degrees of freedom where all strata share one effect."""

    statistic: float
    df: int
    p_value: float


def subgroups(case: CohortCase) -> ResultSet:
    """The analysis's main effects in each stratum of each declared characteristic, with tests of whether they differ.

    Each stratum is analysed as a study of its own by the same estimator; characteristics that are the same for everyone
    in it are not adjusted for. The test is Cochran's Q over the strata (Cochran, 1954); its p-values are adjusted over
    the characteristics (Holm, 1979).
    """
    if not case.study.subgroups or not case.main:
        return ResultSet()
    found = [_divided(case, division) for division in case.study.subgroups]
    keys: list[Key] = [(e.term, e.time) for e in case.main]
    divided = [d for d in found if isinstance(d, _Divided)]
    rows, clear = [], []
    for key in keys:
        tests = [heterogeneity([w.estimates[key] for w in d.strata if key in w.estimates]) for d in divided]
        adjusted = _adjusted(tests)
        clear += [d.column for d, p in zip(divided, adjusted, strict=True) if p is not None and p < ALPHA]
        for d, test, p in zip(divided, tests, adjusted, strict=True):
            rows += [_row(case, key, d.column, w, test, p, sum(t is not None for t in tests)) for w in d.strata]
    checks = [c for c in found if isinstance(c, Check)]
    return ResultSet(
        subgroups=tuple(rows), checks=(*checks, *([_check(case, divided, clear, len(keys))] if divided else []))
    )


def heterogeneity(estimates: list[Estimate]) -> Heterogeneity | None:
    """Whether independent estimates differ by more than chance: sum of w (b - mean)^2, weights w = 1 / variance.

    Ratios on their natural scale are compared as logarithms. None with fewer than two estimates that have an error.
    """
    known = [v for v in map(_value, estimates) if v is not None]
    if len(known) < 2:
        return None
    from scipy.stats import chi2

    value, error = np.array(known).T
    weight = error**-2
    statistic = float((weight * (value - (weight * value).sum() / weight.sum()) ** 2).sum())
    df = len(known) - 1
    return Heterogeneity(statistic, df, float(chi2.sf(statistic, df)))


def _value(e: Estimate) -> tuple[float, float] | None:
    """An estimate and its standard error; of ratios on their natural scale, those of the logarithm."""
    if e.estimate is None or not e.std_error:
        return None
    if e.scale != "risk" or not e.term.endswith("_ratio"):
        return e.estimate, e.std_error
    if e.conf_low is None or e.conf_high is None or min(e.conf_low, e.estimate) <= 0 or not math.isfinite(e.conf_high):
        return None
    from scipy.stats import norm

    width = math.log(e.conf_high) - math.log(e.conf_low)
    return math.log(e.estimate), width / (2 * float(norm.isf((1 - e.conf_level) / 2)))


def _adjusted(tests: list[Heterogeneity | None]) -> list[float | None]:
    known = [t.p_value for t in tests if t is not None]
    rest = iter(holm(np.array(known)) if known else ())
    return [None if t is None else float(next(rest)) for t in tests]


# --------------------------------------------------------------------------- one characteristic


def _divided(case: CohortCase, division: Division) -> _Divided | Check:
    source, column = case.cohort.source, division.column
    if column not in source.columns:
        message = f'The data have no column "{column}", so the effect is not looked at within its groups.'
        return Check("subgroup_missing", "warn", message, group=column)
    strata = levels(source, column, division.cut)
    if len(strata) > MOST_LEVELS:
        message = (
            f'"{column}" has more than {MOST_LEVELS} values, so the effect is not looked at within its groups; declare '
            "bands in the study file."
        )
        return Check("subgroup_missing", "warn", message, group=column)
    return _Divided(column, tuple(_within(case, s) for s in strata))


def _arms(cohort: Cohort, condition: str) -> tuple[int, int]:
    """Treated and comparison people of whom a condition holds."""
    arm = cohort.source.value(cohort.arm)
    rows = dict(
        cohort.source.query(
            f"SELECT CAST({arm} AS INTEGER), count(*) FILTER ({condition}) FROM {cohort.source.scan} "
            f"WHERE {arm} IS NOT NULL GROUP BY 1"
        )
    )
    return int(rows.get(1, 0)), int(rows.get(0, 0))


def _within(case: CohortCase, stratum: Stratum) -> _Within:
    treated, control = _arms(case.cohort, stratum.condition)
    if min(treated, control) < FEWEST:
        return _Within(stratum, treated, control, {})
    cohort = case.cohort.restricted(stratum.condition)
    constant = _constant(cohort, case.covariates)
    estimator = _without(case.estimator, case.covariates, constant)
    cohort = replace(cohort, covariates=tuple(c for c in cohort.covariates if c not in constant))
    try:
        results = estimator.fit(cohort, case.outcome)
    except NotEstimable:
        return _Within(stratum, treated, control, {})
    found = {(e.term, e.time): e for e in results.estimates if e.status == "ok" and e.group == ""}
    return _Within(stratum, treated, control, found)


def _constant(cohort: Cohort, columns: list[str]) -> list[str]:
    """Of these columns, those that have one value at most."""
    if not columns:
        return []
    value = cohort.source.value
    parts = ", ".join(f"count(DISTINCT {value(c)}) < 2" for c in columns)
    flags = cohort.source.query(f"SELECT {parts} FROM {cohort.source.scan}")[0]
    return [c for c, alike in zip(columns, flags, strict=True) if alike]


def _without(estimator: Estimator, columns: list[str], constant: list[str]) -> Estimator:
    """The estimator that asks for none of the constant columns; unadjusted where nothing is left to adjust for."""
    from evaluation.estimators._followed import FollowedOptions

    changes: dict[str, Any] = {}
    for name in type(estimator).model_fields:
        chosen = getattr(estimator, name)
        if isinstance(chosen, list) and any(c in constant for c in chosen):
            changes[name] = [c for c in chosen if c not in constant]
    if columns and len(constant) == len(columns) and getattr(estimator, "adjust", "none") != "none":
        kept = {"conf_level", "window", "seed"}
        kept |= set() if isinstance(estimator, FollowedOptions) else {"censoring"}  # of curves by characteristics alone
        return type(estimator)(**{k: getattr(estimator, k) for k in type(estimator).model_fields if k in kept})
    return estimator.model_copy(update=changes)


# --------------------------------------------------------------------------- rows


def _row(
    case: CohortCase, key: Key, column: str, within: _Within, test: Heterogeneity | None, adjusted: float | None, n: int
) -> Subgroup:
    main = next(e for e in case.main if (e.term, e.time) == key)
    e = within.estimates.get(key)
    how = f"Holm over {n} characteristic{'' if n == 1 else 's'}" if adjusted is not None else ""
    people = within.treated + within.control
    counts = (within.treated, within.control, *(e.counts if e else ()))
    p_value = test.p_value if test else None
    if e is None:
        return Subgroup(column, within.stratum.level, *key, None, None, None, None, None, main.scale, people,
                        within.treated, p_value, adjusted, how, "not_estimable", counts)  # fmt: skip
    return Subgroup(column, within.stratum.level, *key, e.estimate, e.std_error, e.conf_low, e.conf_high, e.p_value,
                    e.scale, e.n_units, e.n_treated_units, p_value, adjusted, how, "ok", counts)  # fmt: skip


def _check(case: CohortCase, divided: list[_Divided], clear: list[str], n_keys: int) -> Check:
    """That these findings are exploratory, how many were looked at, and what the test takes for granted."""
    looked = sum(bool(w.estimates) for d in divided for w in d.strata) * n_keys
    too_small = any(not w.estimates for d in divided for w in d.strata)
    one = len(divided) == 1
    message = (
        f"Effects were looked at in groups of people by {len(divided)} characteristic{'' if one else 's'}, {looked} "
        "effects in all. Such findings are exploratory: some differ by chance alone, and each group is smaller than "
        "the whole."
    )
    if clear:
        message += (
            f" By {', '.join(dict.fromkeys(clear))} the effects differ by more than chance explains, the number of "
            "characteristics allowed for."
        )
    elif looked:
        message += " No difference is larger than chance could make it, the number of characteristics allowed for."
    if too_small:
        message += f" Groups with fewer than {FEWEST} people in either arm, or no answer, stand without an effect."
    if case.cohort.cluster and any(e.n_clusters != e.n_units for e in case.main):
        message += " The tests take groups for independent, though clusters can reach across them."
    return Check("subgroups", "info", message, statistic=float(looked))
