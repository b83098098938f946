"""Plain risks against statsmodels 0.15: Wilson, Newcombe, Katz, Woolf, the pooled score test, HC1, CR1.

statsmodels' ratio intervals are taken without its half-person correction of empty cells (`correction=False`).
"""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint, proportions_ztest

from evaluation.inference.intervals import chi_squared_p, critical_value, two_sided_p
from evaluation.inference.proportions import Arm
from evaluation.inference.risks import from_counts
from tests.cohorts import checks, estimates, expanded, fit

levels = st.sampled_from([0.9, 0.95, 0.99])


@st.composite
def arms(draw, least=0):
    """Two arms with at least `least` events and non-events each."""
    found = []
    for _ in range(2):
        people = draw(st.integers(max(1, 2 * least), 400))
        found.append(Arm(draw(st.integers(least, people - least)), people))
    return found


def bounds(figure):
    return (figure.interval.low, figure.interval.high)


@given(arms(), levels)
@settings(max_examples=200, deadline=None)
def test_score_intervals(pair, level):
    treated, control = pair
    found = from_counts(treated, control, level)
    for arm, term in ((treated, "risk_treated"), (control, "risk_control")):
        low, high = proportion_confint(arm.events, arm.people, alpha=1 - level, method="wilson")
        assert bounds(found[term]) == pytest.approx((low, high), abs=1e-12)
        assert 0 <= found[term].interval.low <= arm.risk <= found[term].interval.high <= 1
    expected = confint_proportions_2indep(
        treated.events, treated.people, control.events, control.people, method="newcomb", compare="diff", alpha=1 - level)  # fmt: skip
    assert bounds(found["risk_difference"]) == pytest.approx(expected, abs=1e-12)


@given(arms())
@settings(max_examples=100, deadline=None)
def test_newcombe_mirrors_when_the_arms_change_places(pair):
    one, other = (from_counts(*p, 0.95)["risk_difference"].interval for p in (pair, pair[::-1]))
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)


@given(arms(least=1), levels)
@settings(max_examples=200, deadline=None)
def test_ratios_from_the_log_scale(pair, level):
    treated, control = pair
    found = from_counts(treated, control, level)
    counts = (treated.events, treated.people, control.events, control.people)
    for term, compare, method in (("risk_ratio", "ratio", "log"), ("odds_ratio", "odds-ratio", "logit")):
        expected = confint_proportions_2indep(
            *counts, compare=compare, method=method, correction=False, alpha=1 - level
        )
        assert bounds(found[term]) == pytest.approx(expected, rel=1e-10)


@given(arms(least=1))
@settings(max_examples=100, deadline=None)
def test_pooled_score_test(pair):
    treated, control = pair
    found = from_counts(treated, control, 0.95)["risk_difference"].interval.p_value
    _, expected = proportions_ztest([treated.events, control.events], [treated.people, control.people])
    assert found == pytest.approx(expected, rel=1e-10, abs=1e-15)


@pytest.mark.parametrize("df", [1, 4, 30, None])
@pytest.mark.parametrize("statistic", [0.3, -1.96, 9.0])
def test_reference_distributions(df, statistic):
    from scipy import stats

    law = stats.norm() if df is None else stats.t(df)
    assert two_sided_p(statistic, df) == pytest.approx(2 * law.sf(abs(statistic)), rel=1e-12)
    assert critical_value(0.95, df) == pytest.approx(law.ppf(0.975), rel=1e-12)
    assert chi_squared_p(abs(statistic), df or 2) == pytest.approx(stats.chi2.sf(abs(statistic), df or 2), rel=1e-12)


PEOPLE = expanded([(1, 5, 1, 30), (1, 12, 0, 70), (0, 7, 1, 45), (0, 12, 0, 60), (0, 3, 2, 5)])
WINDOW = {"windows": [12], "competing": {"death": 2}}


def regression(frame, **options):
    event = ((frame["event"] == 1) & (frame["time"] <= 12)).astype(float)
    return sm.OLS(event, sm.add_constant(frame[["arm"]].astype(float))).fit(**options)


def test_hc1_is_the_regression_on_the_arm():
    found = estimates(fit("risk_difference", PEOPLE, **WINDOW))["risk_difference"]
    other = regression(PEOPLE, cov_type="HC1")
    assert found.estimate == pytest.approx(other.params["arm"], abs=1e-14)
    assert found.std_error == pytest.approx(other.bse["arm"], rel=1e-12)


@pytest.fixture(scope="module")
def clustered():
    rng = np.random.default_rng(11)
    n, court = 400, rng.integers(0, 25, 400)
    risk = 1 / (1 + np.exp(1 - rng.normal(0, 0.8, 25)[court]))
    return pd.DataFrame({"arm": rng.integers(0, 2, n), "time": rng.integers(1, 13, n).astype(float),
                         "event": (rng.uniform(size=n) < risk).astype(int), "court": court})  # fmt: skip


def test_clustered_is_the_regression_on_the_arm(clustered):
    clustered = clustered.assign(time=np.where(clustered["event"] == 1, clustered["time"], 12.0))
    results = fit("risk_difference", clustered, windows=[12], cluster="court")
    found = estimates(results)
    other = regression(clustered, cov_type="cluster", cov_kwds={"groups": clustered["court"]}, use_t=True)
    assert found["risk_difference"].estimate == pytest.approx(other.params["arm"], abs=1e-14)
    assert found["risk_difference"].std_error == pytest.approx(other.bse["arm"], rel=1e-12)
    assert found["risk_difference"].p_value == pytest.approx(other.pvalues["arm"], rel=1e-10)
    low, high = other.conf_int().loc["arm"]
    assert (found["risk_difference"].conf_low, found["risk_difference"].conf_high) == pytest.approx(
        (low, high), rel=1e-12
    )
    assert found["risk_control"].std_error == pytest.approx(other.bse["const"], rel=1e-12)
    assert found["risk_treated"].std_error == pytest.approx(float(other.t_test([1, 1]).sd[0, 0]), rel=1e-12)
    # delta method of log(b0 + b1) - log(b0) on the regression's covariance
    b0, total = other.params["const"], other.params.sum()
    slope = np.array([1 / total - 1 / b0, 1 / total])
    expected = np.sqrt(slope @ other.cov_params().to_numpy() @ slope)
    row = next(i for i in results.inference if i.term == "risk_ratio")
    assert row.std_error == pytest.approx(expected, rel=1e-12)
    assert (row.distribution, row.df, row.df_rule, row.n_clusters) == ("t", 24, "G - 1", 25)
    assert row.small_sample_factor == pytest.approx(25 / 24 * 399 / 398)
    assert found["risk_difference"].n_clusters == 25
    assert checks(results, "few_clusters")[0].statistic == 25
