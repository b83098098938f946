"""One pass over any panel gives what rows give, on every way the rows can be read, and no number hangs on names or order."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, note, settings
from hypothesis import strategies as st

from evaluation.data.moments import folded, scan
from evaluation.errors import NotEstimable
from evaluation.estimators.registry import get
from tests.engines import LOCAL, on_spark
from tests.generative.panels import FIRST, cases
from tests.panel_naive import Influence, dummies
from tests.panels import OUTCOME, keyed

RANDOM = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.filter_too_much])
FEW = settings(RANDOM, max_examples=3, phases=[Phase.generate])  # to shrink takes minutes there
ESTIMATORS = ("twfe", "event_study", "callaway_santanna")


@contextmanager
def products():
    """Units that are clusters are summed, however few they are."""
    limit, scan.MOST_UNIT_ROWS = scan.MOST_UNIT_ROWS, 0
    try:
        yield
    finally:
        scan.MOST_UNIT_ROWS = limit


def answer(estimator, moments):
    """The estimates by key; none where there is no valid comparison."""
    chosen = get(estimator)()
    try:
        if hasattr(chosen, "answer"):
            return keyed(chosen.answer(moments, OUTCOME, alternatives=False))
        return keyed(chosen.estimate(moments, OUTCOME))
    except NotEstimable as none:
        note(str(none))
        return {}


def usable(frame):
    """Rows with an outcome, of units with two of them."""
    rows = frame.dropna(subset="y")
    return rows[rows.groupby("unit")["y"].transform("size") > 1]


def size(case):
    return float(case.frame["y"].std())


def expected_of(estimator, case, found):
    """Value and standard error by key, from the rows."""
    used = usable(case.frame)
    since = (used["time"] - used["cohort"]).where(
        used["cohort"].between(1, used["time"].max())
    )  # later cohorts are controls
    if estimator == "callaway_santanna":
        return Influence(case.frame, weight=case.weights, cluster=case.cluster).figures()
    if estimator == "twfe":
        keys, columns = ["att"], [since >= 0]
    else:
        keys = [k for k, e in found.items() if k != "att" and e.status == "ok"]
        columns = [since == k[1] for k in keys]
    beta, covariance = dummies(used, np.column_stack(columns), case.weights, case.cluster)
    return {k: (beta[i], np.sqrt(max(covariance[i, i], 0.0))) for i, k in enumerate(keys)}


def compare(estimator, case, moments):
    """Hold the estimates from moments to those from rows, to 1e-9 of the outcome's standard deviation."""
    found = answer(estimator, moments)
    assume(found)
    # a cohort that loses its periods before adoption changes the sample; the rows' answer does not follow it there
    assume(estimator != "event_study" or case.frame.dropna(subset="y")["time"].min() == FIRST)
    for key, (value, error) in expected_of(estimator, case, found).items():
        assert found[key].estimate == pytest.approx(value, abs=1e-9 * size(case))
        assert (found[key].std_error or 0) == pytest.approx(error, abs=1e-9 * size(case))


@pytest.mark.parametrize("estimator", ESTIMATORS)
@RANDOM
@given(cases())
def test_one_pass_gives_what_rows_give(estimator, case):
    compare(estimator, case, case.moments())


@pytest.mark.parametrize("estimator", ESTIMATORS)
@RANDOM
@given(cases())
def test_products_give_what_rows_give(estimator, case):
    case = replace(case, cluster="unit")
    with products():
        compare(estimator, case, case.moments())


@RANDOM
@given(cases())
def test_products_are_those_of_single_units(case):
    case = replace(case, cluster="unit")
    units = case.moments()
    with products():
        found = case.moments()
    moved = replace(units, sums=units.sums + units.weights * (units.shift - found.shift), shift=found.shift)
    expected = folded(moved)
    here, there = (np.lexsort((*m.observed.T, m.cohort)) for m in (found, expected))
    assert (found.counts[here] == expected.counts[there]).all()
    scale = size(case) ** 2 * found.n_units
    assert np.allclose(found.cross[here], expected.cross[there], rtol=1e-10, atol=1e-10 * scale)


# --------------------------------------------------------------------------- names and order


def renamed(frame, rng):
    """Other names of units and clusters, text among them, in another order of the alphabet."""
    names = rng.permutation(int(frame["unit"].max()) + 1)
    towns = rng.permutation(int(frame["cluster"].max()) + 1)
    return frame.assign(
        unit=[f"u{names[u]:03d}" for u in frame["unit"]], cluster=[f"town {towns[c]}" for c in frame["cluster"]]
    )


def later(frame, by):
    """All periods counted from another year on."""
    return frame.assign(
        time=frame["time"] + by, cohort=frame["cohort"].where(frame["cohort"] == 0, frame["cohort"] + by)
    )


def periods_back(found, by):
    """Estimates by key, with cohorts and periods as they were before."""

    def back(key):
        if isinstance(key, str) or key[0] == "event":
            return key
        if key[0] == "group_time":
            return (key[0], str(int(key[1]) - by), key[2] - by)
        return (key[0], str(int(key[1]) - by)) if key[0] == "group" else (key[0], key[1] - by)

    return {back(k): e for k, e in found.items()}


@pytest.mark.parametrize("estimator", ESTIMATORS)
@RANDOM
@given(cases(), st.integers(0, 2**32 - 1), st.booleans())
def test_no_number_hangs_on_names_or_order(estimator, case, seed, by_products):
    rng = np.random.default_rng(seed)
    if by_products:
        case = replace(case, cluster="unit")
    shuffled = case.frame.iloc[rng.permutation(len(case.frame))]
    by = int(rng.integers(-1500, 5000))
    frames = {"as it is": (case.frame, 0), "shuffled": (shuffled, 0), "renamed": (renamed(case.frame, rng), 0),
              "later": (later(case.frame, by), by)}  # fmt: skip
    found = {}
    for name, (frame, years) in frames.items():
        if by_products:
            with products():
                moments = case.moments(frame)
        else:
            moments = case.moments(frame)
        found[name] = periods_back(answer(estimator, moments), years)
    first = found.pop("as it is")
    assume(first)
    for name, other in found.items():
        assert other.keys() == first.keys(), name
        for key, estimate in first.items():
            for figure in ("estimate", "std_error", "n_obs", "n_units", "n_clusters"):
                one, two = getattr(estimate, figure), getattr(other[key], figure)
                assert (one is None) == (two is None), (name, key)
                assert one is None or two == pytest.approx(one, rel=1e-12, abs=1e-12 * size(case)), (name, key, figure)


# --------------------------------------------------------------------------- Spark


def same_bits(one, other):
    for name in ("times", "cluster", "cohort", "units", "counts", "weights", "sums", "cross"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a is None) == (b is None)
        assert a is None or a.tobytes() == b.tobytes(), name
    assert (one.shift, one.spread, one.constant_weights, one.flow) == (
        other.shift, other.spread, other.constant_weights, other.flow)  # fmt: skip


@on_spark
@FEW
@given(cases())
def test_spark_gives_the_same_bits(case):
    for estimator in ESTIMATORS:
        found = case.moments(spark=LOCAL)
        same_bits(found, case.moments())
        if answer(estimator, found):
            compare(estimator, case, found)


@on_spark
@FEW
@given(cases())
def test_spark_gives_the_same_bits_of_products(case):
    case = replace(case, cluster="unit")
    with products():
        same_bits(case.moments(spark=LOCAL), case.moments())
