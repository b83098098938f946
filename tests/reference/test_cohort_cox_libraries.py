"""Cox regression on simulated data with heavy ties, against independent programs and brute force.

Expected figures are computed here by lifelines 0.30 (Efron; robust and clustered variances), statsmodels 0.15
(PHReg, Efron and Breslow; `groups`), and by writing the definitions out over people for the score test and the
concordance.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from lifelines import CoxPHFitter
from lifelines.utils import concordance_index

from tests.cohorts import checks, estimates, fit

COVARIATES = ["age", "priors", "employed"]
TERMS = ["arm", *COVARIATES]


@pytest.fixture(scope="module")
def people():
    """600 people, about 12 events a month; 40 courts that share a frailty."""
    rng = np.random.default_rng(20240611)
    n = 600
    court = rng.integers(0, 40, n)
    frame = pd.DataFrame({
        "arm": rng.integers(0, 2, n), "age": rng.normal(30, 8, n), "priors": rng.poisson(2, n),
        "employed": rng.integers(0, 2, n), "court": court})  # fmt: skip
    frailty = rng.normal(0, 0.5, 40)[court]
    hazard = 0.03 * np.exp(-0.4 * frame["arm"] - 0.02 * (frame["age"] - 30) + 0.1 * frame["priors"] + frailty)
    event, censored = np.ceil(rng.exponential(1 / hazard)), np.ceil(rng.uniform(6, 36, n))
    frame["time"], frame["event"] = np.minimum(event, censored), (event <= censored).astype(int)
    assert frame[frame["event"] == 1].groupby("time").size().max() > 8
    return frame


def lifelines(people, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        columns = [*TERMS, "time", "event", *([options["cluster_col"]] if "cluster_col" in options else [])]
        return CoxPHFitter().fit(people[columns], "time", "event", fit_options={"precision": 1e-12}, **options)


def phreg(people, ties, **options):
    return sm.PHReg(people["time"], people[TERMS], people["event"], ties=ties).fit(**options)


def assert_equal(found, coefficients, std_errors, tolerance):
    for term, coefficient, std_error in zip(TERMS, coefficients, std_errors, strict=True):
        assert found[term].estimate == pytest.approx(coefficient, rel=tolerance, abs=tolerance)
        assert found[term].std_error == pytest.approx(std_error, rel=tolerance)


def test_efron(people):
    results = fit("cox", people, covariates=COVARIATES)
    other = lifelines(people)
    assert_equal(estimates(results), other.params_, other.standard_errors_, 1e-8)
    third = phreg(people, "efron")
    assert_equal(estimates(results), third.params, third.bse, 1e-8)
    assert checks(results, "log_likelihood")[0].statistic == pytest.approx(other.log_likelihood_, rel=1e-11)
    assert checks(results, "concordance")[0].statistic == pytest.approx(other.concordance_index_, abs=1e-12)
    for term, low, high in zip(TERMS, *other.confidence_intervals_.to_numpy().T, strict=True):
        assert (estimates(results)[term].conf_low, estimates(results)[term].conf_high) == pytest.approx(
            (low, high), abs=1e-8
        )
    assert [estimates(results)[t].p_value for t in TERMS] == pytest.approx(list(other.summary["p"]), rel=1e-6)


def test_breslow(people):
    results = fit("cox", people, {"ties": "breslow"}, covariates=COVARIATES)
    other = phreg(people, "breslow")
    assert_equal(estimates(results), other.params, other.bse, 1e-8)
    assert checks(results, "log_likelihood")[0].statistic == pytest.approx(other.llf, rel=1e-11)


def without_ties(people):
    rng = np.random.default_rng(5)
    return people.assign(time=people["time"] + rng.uniform(-0.4, 0.4, len(people)))


def test_robust_and_clustered_without_ties(people):
    people = without_ties(people)
    robust = fit("cox", people, {"robust": True}, covariates=COVARIATES)
    other = lifelines(people, robust=True)
    assert_equal(estimates(robust), other.params_, other.standard_errors_, 1e-7)
    methods = [i.method for i in robust.inference if i.term == "arm"]
    assert methods == ["Lin-Wei robust", "model-based (inverse information)"]
    clustered = fit("cox", people, covariates=COVARIATES, cluster="court")
    other = lifelines(people, cluster_col="court")
    assert_equal(estimates(clustered), other.params_, other.standard_errors_, 1e-7)
    assert {e.n_clusters for e in clustered.estimates} == {40}
    assert not checks(clustered, "few_clusters")


def test_clustered_breslow_with_ties(people):
    results = fit("cox", people, {"ties": "breslow"}, covariates=COVARIATES, cluster="court")
    other = phreg(people, "breslow", groups=people["court"])
    assert_equal(estimates(results), other.params, other.bse, 1e-7)


def test_clustered_efron_with_ties(people):
    """Score residuals of tied events over people, as Therneau & Grambsch (2000, section 4.6) define them for Efron.

    lifelines and statsmodels leave the ties out of these residuals; R's `coxph` (see the Rossi data) does not.
    """
    results = fit("cox", people, covariates=COVARIATES, cluster="court")
    x, time, event = people[TERMS].to_numpy(float), people["time"].to_numpy(), people["event"].to_numpy()
    weight = np.exp(x @ [estimates(results)[t].estimate for t in TERMS])
    residuals = np.zeros_like(x)
    for moment in np.unique(time[event == 1]):
        died, at_risk = (time == moment) & (event == 1), time >= moment
        means = []
        for k in range(died.sum()):
            share = weight * at_risk * (1 - k / died.sum() * died)
            share /= share.sum()
            means.append(share @ x)
            residuals -= share[:, None] * (x - means[-1])
        residuals[died] += x[died] - np.mean(means, axis=0)
    naive = fit("cox", people, covariates=COVARIATES)
    influence = residuals @ model_covariance(people, naive)
    summed = pd.DataFrame(influence).groupby(people["court"].to_numpy()).sum().to_numpy()
    expected = np.sqrt((summed**2).sum(axis=0))
    assert [estimates(results)[t].std_error for t in TERMS] == pytest.approx(list(expected), rel=1e-7)


def model_covariance(people, naive):
    """statsmodels' inverse information (its diagonal is that of `naive`)."""
    covariance = phreg(people, "efron").cov_params()
    assert np.sqrt(np.diag(covariance)) == pytest.approx([estimates(naive)[t].std_error for t in TERMS], rel=1e-8)
    return covariance


def widened_loglik(people, clock, coefficients):
    """Efron's log partial likelihood with every column also multiplied by g(t), over people, as it is defined."""
    x, time, event = people[TERMS].to_numpy(float), people["time"].to_numpy(), people["event"].to_numpy()
    total = 0.0
    for moment in np.unique(time[event == 1]):
        wide = np.column_stack([x, x * clock(moment)]) @ coefficients
        died, at_risk = (time == moment) & (event == 1), time >= moment
        weight, tied = np.exp(wide), np.exp(wide[died]).sum()
        d = died.sum()
        total += wide[died].sum() - sum(np.log(weight[at_risk].sum() - k / d * tied) for k in range(d))
    return total


def test_proportional_hazards_is_the_score_test_of_the_widened_model(people):
    """Gradient and Hessian of the widened likelihood by finite differences, at the fitted coefficients."""
    people = people.iloc[:200].copy()
    people["age"] = (people["age"] - 30) / 10
    results = fit("cox", people, covariates=COVARIATES)
    time, event = people["time"].to_numpy(), people["event"].to_numpy()

    def clock(moment):  # one minus Kaplan-Meier just before the moment
        earlier = np.unique(time[(event == 1) & (time < moment)])
        return 1 - np.prod([1 - ((time == t) & (event == 1)).sum() / (time >= t).sum() for t in earlier])

    p, h = len(TERMS), 1e-4
    centre = np.concatenate([[estimates(results)[t].estimate for t in TERMS], np.zeros(p)])
    unit = np.eye(2 * p) * h
    f = lambda at: widened_loglik(people, clock, at)  # noqa: E731
    gradient = np.array([(f(centre + u) - f(centre - u)) / (2 * h) for u in unit])
    hessian = np.array([[(f(centre + u + v) - f(centre + u - v) - f(centre - u + v) + f(centre - u - v)) / (4 * h * h)
                         for v in unit] for u in unit])  # fmt: skip
    overall, *single = checks(results, "proportional_hazards")
    expected = gradient @ np.linalg.solve(-hessian, gradient)
    assert overall.statistic == pytest.approx(expected, rel=1e-4)
    assert overall.df == p
    for j, found in enumerate(single):
        keep = [*range(p), p + j]
        part = gradient[keep] @ np.linalg.solve(-hessian[np.ix_(keep, keep)], gradient[keep])
        assert found.statistic == pytest.approx(part, rel=1e-4, abs=1e-6)


def test_concordance_with_ties_in_time_and_score(people):
    coarse = people.assign(employed=people["employed"], time=np.ceil(people["time"] / 6))
    results = fit("cox", coarse, {"covariates": ["employed"]})
    found = estimates(results)
    score = found["arm"].estimate * coarse["arm"] + found["employed"].estimate * coarse["employed"]
    expected = concordance_index(coarse["time"], -score.round(10), coarse["event"])
    assert checks(results, "concordance")[0].statistic == pytest.approx(expected, abs=1e-12)


def test_strata(people):
    people = people.assign(region=people["court"] % 3)
    results = fit("cox", people, {"strata": ["region"]}, covariates=COVARIATES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = CoxPHFitter().fit(people[[*TERMS, "region", "time", "event"]], "time", "event", strata=["region"],
                                  fit_options={"precision": 1e-12})  # fmt: skip
    assert_equal(estimates(results), other.params_, other.standard_errors_, 1e-8)
    assert checks(results, "log_likelihood")[0].statistic == pytest.approx(other.log_likelihood_, rel=1e-11)
    for ties in ("efron", "breslow"):
        third = sm.PHReg(people["time"], people[TERMS], people["event"], ties=ties, strata=people["region"]).fit()
        found = estimates(fit("cox", people, {"strata": ["region"], "ties": ties}, covariates=COVARIATES))
        assert_equal(found, third.params, third.bse, 1e-8)


def test_weights_robust_and_clustered_without_ties(people):
    """With Efron's ties lifelines leaves these out of the residuals, so without ties: R has the others."""
    rng = np.random.default_rng(8)
    people = without_ties(people).assign(w=rng.choice([0.5, 1.0, 2.5], len(people)))
    for options in ({"robust": True}, {"cluster_col": "court"}):
        columns = [*TERMS, "w", "time", "event", *(["court"] if "cluster_col" in options else [])]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = CoxPHFitter().fit(people[columns], "time", "event", weights_col="w",
                                      fit_options={"precision": 1e-12}, **options)  # fmt: skip
        cluster = {"cluster": "court"} if "cluster_col" in options else {}
        results = fit("cox", people, covariates=COVARIATES, weights="w", **cluster)
        assert_equal(estimates(results), other.params_, other.standard_errors_, 1e-7)
        assert checks(results, "log_likelihood")[0].statistic == pytest.approx(other.log_likelihood_, rel=1e-10)


def test_strata_and_weights_against_lifelines_with_ties(people):
    people = people.assign(region=people["court"] % 3, w=1 + people["court"] % 4 / 2)
    results = fit("cox", people, {"strata": ["region"]}, covariates=COVARIATES, weights="w")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = CoxPHFitter().fit(people[[*TERMS, "region", "w", "time", "event"]], "time", "event", strata=["region"],
                                  weights_col="w", robust=True, fit_options={"precision": 1e-12})  # fmt: skip
    found = estimates(results)
    assert [found[t].estimate for t in TERMS] == pytest.approx(list(other.params_), abs=1e-8)
