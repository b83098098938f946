"""Standardised risks against two independent programs.

- delicatessen 4.3, M-estimation of the stacked estimating equations with its own root finding and derivatives;
- statsmodels 0.15 logistic regression, with the sandwich written out over people and derivatives taken numerically.
"""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from delicatessen import MEstimator
from delicatessen.estimating_equations import ee_regression
from delicatessen.utilities import inverse_logit
from lifelines.datasets import load_rossi

from tests.cohorts import estimates, fit

COVARIATES = ["age", "race", "wexp", "mar", "paro", "prio"]
ROLES = {"arm": "fin", "time": "week", "event": "arrest", "time_unit": "week", "covariates": COVARIATES,
         "windows": [26, 52]}  # fmt: skip
TERMS = ["risk_treated", "risk_control", "risk_difference", "risk_ratio", "odds_ratio"]


@pytest.fixture(scope="module")
def people():
    return load_rossi()


def designs(people, window):
    x = sm.add_constant(people[["fin", *COVARIATES]].astype(float)).to_numpy()
    y = ((people["arrest"] == 1) & (people["week"] <= window)).to_numpy(float)
    arms = []
    for value in (1.0, 0.0):
        arm = x.copy()
        arm[:, 1] = value
        arms.append(arm)
    return x, y, arms


def contrasts(risks):
    """Risks, difference, log ratio and log odds ratio of (treated, control)."""
    one, zero = risks
    return np.array([one, zero, one - zero, np.log(one / zero), np.log(one / (1 - one) / (zero / (1 - zero)))])


def slopes(function, at, h=1e-6):
    at = np.asarray(at, float)
    return np.array([(function(at + d) - function(at - d)) / (2 * h) for d in np.eye(len(at)) * h]).T


@pytest.mark.parametrize("window", [26, 52])
def test_delicatessen(people, window):
    x, y, arms = designs(people, window)

    def psi(theta):
        one, zero = (inverse_logit(np.dot(a, theta[2:])) for a in arms)
        model = ee_regression(theta[2:], X=x, y=y, model="logistic")
        return np.vstack([one - theta[0], zero - theta[1], model])

    other = MEstimator(psi, init=[0.3, 0.3, *np.zeros(x.shape[1])])
    other.estimate(solver="lm", tolerance=1e-12, deriv_method="exact")
    slope = slopes(contrasts, other.theta[:2])
    std_errors = np.sqrt(np.diag(slope @ other.variance[:2, :2] @ slope.T))
    results = fit("risk_difference", people, {"adjust": "regression"}, **ROLES)
    found = estimates(results, window)
    rows = {i.term: i for i in results.inference if i.time == window}
    for term, value, std_error in zip(TERMS, contrasts(other.theta[:2]), std_errors, strict=True):
        ratio = term.endswith("ratio")
        assert found[term].estimate == pytest.approx(np.exp(value) if ratio else value, abs=1e-6)
        assert rows[term].std_error == pytest.approx(std_error, rel=1e-6)
        assert found[term].std_error == pytest.approx(std_error * (np.exp(value) if ratio else 1), rel=1e-6)


def by_hand(x, y, arms, groups=None):
    """Sandwich of the risks, from statsmodels' fit and numerical derivatives of the mean predictions."""
    model = sm.GLM(y, x, family=sm.families.Binomial()).fit(tol=1e-14)

    def means(beta):
        return np.array([(1 / (1 + np.exp(-a @ beta))).mean() for a in arms])

    risks = means(model.params)
    scores = x * (y - model.fittedvalues)[:, None]
    predictions = np.column_stack([1 / (1 + np.exp(-a @ model.params)) for a in arms])
    influence = (predictions - risks) / len(y) + scores @ model.normalized_cov_params @ slopes(means, model.params).T
    if groups is not None:
        influence = pd.DataFrame(influence).groupby(groups).sum().to_numpy()
    return risks, influence.T @ influence


def test_statsmodels(people):
    x, y, arms = designs(people, 52)
    risks, covariance = by_hand(x, y, arms)
    found = estimates(fit("risk_difference", people, {"adjust": "regression"}, **ROLES), 52)
    assert [found[t].estimate for t in TERMS[:2]] == pytest.approx(list(risks), abs=1e-10)
    assert [found[t].std_error for t in TERMS[:2]] == pytest.approx(list(np.sqrt(np.diag(covariance))), rel=1e-8)


def test_clustered_against_statsmodels(people):
    groups = np.arange(432) % 30
    x, y, arms = designs(people, 52)
    risks, covariance = by_hand(x, y, arms, groups)
    covariance *= 30 / 29 * 431 / (432 - 8)
    slope = slopes(contrasts, risks)
    expected = np.sqrt(np.diag(slope @ covariance @ slope.T))
    results = fit("risk_difference", people.assign(court=groups), {"adjust": "regression", "window": 52},
                  **ROLES, cluster="court")  # fmt: skip
    rows = {i.term: i for i in results.inference}
    assert [rows[t].std_error for t in TERMS] == pytest.approx(list(expected), rel=1e-7)
    assert {(i.distribution, i.df) for i in results.inference} == {("t", 29)}


def test_without_covariates_it_is_the_plain_contrast(people):
    groups = np.arange(432) % 30
    roles = {**ROLES, "covariates": [], "cluster": "court"}
    adjusted = estimates(fit("risk_difference", people.assign(court=groups), {"adjust": "regression"}, **roles), 52)
    plain = estimates(fit("risk_difference", people.assign(court=groups), **roles), 52)
    for term in TERMS:
        for field in ("estimate", "std_error", "conf_low", "conf_high"):
            assert getattr(adjusted[term], field) == pytest.approx(getattr(plain[term], field), rel=1e-9)


def test_intervals_of_risks_stay_between_0_and_1(people):
    rare = people.assign(arrest=((people.index % 70 == 0) & (people.arrest == 1)).astype(int), week=52)
    rare.loc[rare.index[:2], "arrest"] = 1
    rare["fin"] = rare.index % 2
    found = estimates(fit("risk_difference", rare, {"adjust": "regression", "covariates": []}, **ROLES), 52)
    assert found["risk_treated"].estimate - 1.96 * found["risk_treated"].std_error < 0 < found["risk_treated"].conf_low
    assert found["risk_treated"].conf_high < 1
