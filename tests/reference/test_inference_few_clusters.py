"""CR2 and the wild cluster bootstrap against published figures, other programs and the definitions row by row.

- `few_clusters.csv` (see cases/README.md): CR2 and its degrees of freedom from R's clubSandwich; bootstrap p-values
  by enumeration, without ties (as diff-diff counts) and with them (as wildboottest does).
- Grunfeld's investment data (statsmodels), without American Steel: enumeration of 2^10 signs, agreed by wildboottest and pyfixest.
- diff-diff: `hc2_bm` with clusters is CR2 with Satterthwaite degrees of freedom; its wild bootstrap leaves ties out.
"""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import statsmodels.api as sm
from diff_diff.linalg import compute_robust_vcov
from diff_diff.utils import wild_bootstrap_se

from evaluation.errors import NotEstimable
from evaluation.inference.regression import ClusterRegression
from evaluation.inference.small_clusters import cr2, cr2_of, wild_bootstrap
from evaluation.inference.two_way import two_way
from tests.panels import moments, simulated

CASES = Path(__file__).parent / "cases"


def by_cluster(X, y, cluster, weights=None, parameters=None):
    w = np.ones(len(y)) if weights is None else weights
    parts = [(X[cluster == c], y[cluster == c], w[cluster == c]) for c in np.unique(cluster)]
    grams = np.array([(x.T * v) @ x for x, _, v in parts])
    return ClusterRegression(grams, np.array([(x.T * v) @ z for x, z, v in parts]), len(y), parameters or X.shape[1])


def rootless(matrix):
    """Moore-Penrose inverse of the symmetric square root."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors[:, values > 1e-9] / np.sqrt(values[values > 1e-9])) @ vectors[:, values > 1e-9].T


def cr2_by_rows(X, y, cluster, contrast, weights=None):
    """Bell and McCaffrey's definition with one N × N hat matrix, weights as error variances inverse to them."""
    root = np.sqrt(np.ones(len(y)) if weights is None else weights)
    X, y = X * root[:, None], y * root
    bread = np.linalg.pinv(X.T @ X)
    left = np.eye(len(y)) - X @ bread @ X.T
    columns, errors = [], []
    for c in np.unique(cluster):
        rows = np.flatnonzero(cluster == c)
        load = rootless(left[np.ix_(rows, rows)]) @ X[rows] @ bread @ contrast
        columns.append(left[:, rows] @ load)
        errors.append(load @ (left @ y)[rows])
    between = np.array(columns) @ np.array(columns).T
    return np.sqrt(np.sum(np.square(errors))), np.trace(between) ** 2 / np.sum(between**2)


def wild_by_rows(X, y, cluster, k, null=0.0):
    """t-ratios of every sign pattern, refitting from the rows with the null imposed; the sample's own t-ratio first."""
    codes = np.unique(cluster, return_inverse=True)[1]
    others = np.delete(X, k, axis=1)
    free = y - null * X[:, k]
    fitted = others @ np.linalg.lstsq(others, free, rcond=None)[0] + null * X[:, k]

    def ratio(outcome):
        bread = np.linalg.inv(X.T @ X)
        b = bread @ X.T @ outcome
        scores = X * (outcome - X @ b)[:, None]
        sums = np.array([scores[codes == c].sum(axis=0) for c in range(codes.max() + 1)])
        variance = bread @ sums.T @ sums @ bread
        g = codes.max() + 1
        return (b[k] - null) / np.sqrt(variance[k, k] * g / (g - 1) * (len(y) - 1) / (len(y) - X.shape[1]))

    signs = itertools.product([-1, 1], repeat=codes.max() + 1)
    return ratio(y), np.array([ratio(fitted + (y - fitted) * np.array(s)[codes]) for s in signs])


def shares(t, drawn):
    return np.mean(np.abs(drawn) >= abs(t) * (1 - 1e-10)), np.mean(np.abs(drawn) > abs(t) * (1 + 1e-10))


def unit_dummies(frame):
    return pd.get_dummies(frame["unit"]).to_numpy(dtype=float)


@pytest.fixture(scope="module")
def few():
    frame = pd.read_csv(CASES / "few_clusters.csv")
    X = np.column_stack([np.ones(len(frame)), frame["treated"], frame["post"], frame["treated"] * frame["post"]])
    return X, frame["y"].to_numpy(), frame["cluster"].to_numpy()


@pytest.fixture(scope="module")
def grunfeld():
    frame = sm.datasets.grunfeld.load_pandas().data.query("firm != 'American Steel'")
    X = sm.add_constant(frame[["value", "capital"]]).to_numpy()
    return X, frame["invest"].to_numpy(), frame["firm"].to_numpy()


@pytest.fixture(scope="module")
def lumpy():
    """Seven clusters of unequal size, one of them alone with a regressor, errors that go together."""
    rng = np.random.default_rng(5)
    cluster = np.repeat(np.arange(7), [3, 5, 8, 4, 6, 9, 5])
    X = np.column_stack([np.ones(40), rng.normal(size=(40, 2)), cluster == 6]).astype(float)
    return X, X @ [1, 0.5, 0, 2] + rng.normal(size=7)[cluster] + rng.normal(size=40), cluster, rng.uniform(0.5, 2, 40)


def test_eight_clusters_as_clubsandwich(few):
    fit = by_cluster(*few)
    found = cr2(fit, np.eye(4)[3])
    assert fit.coefficients[3] == pytest.approx(0.8164841608, abs=1e-10)
    assert np.sqrt(fit.covariance[3, 3]) == pytest.approx(0.2121771656, abs=1e-10)
    assert found.std_error == pytest.approx(0.2324428972, abs=1e-10)
    assert found.df == pytest.approx(4.338983051, abs=1e-9)
    p_value = 2 * scipy.stats.t.sf(fit.coefficients[3] / found.std_error, found.df)
    assert p_value == pytest.approx(0.02153990746, abs=1e-11)


def test_eight_clusters_wild_bootstrap(few):
    found = wild_bootstrap(by_cluster(*few), np.eye(4)[3])
    assert (found.p_value, found.p_value_strict) == (0.03125, 0.0234375)
    assert (found.draws, found.enumerated, found.weights) == (256, True, "rademacher")


@pytest.mark.parametrize(
    ("k", "t", "strict", "weak"),
    [(1, 7.2706498318, 0.001953125, 0.00390625), (2, 2.7149150015, 0.021484375, 0.0234375)],
    ids=["value", "capital"],
)
def test_grunfeld_wild_bootstrap(grunfeld, k, t, strict, weak):
    fit = by_cluster(*grunfeld)
    found = wild_bootstrap(fit, np.eye(3)[k])
    assert fit.coefficients[k] / np.sqrt(fit.covariance[k, k]) == pytest.approx(t, abs=1e-10)
    assert (found.p_value, found.p_value_strict, found.draws) == (weak, strict, 1024)


@pytest.mark.parametrize("data", ["few", "grunfeld"])
def test_cr2_and_its_degrees_of_freedom_as_diff_diff(request, data):
    X, y, cluster = request.getfixturevalue(data)
    fit = by_cluster(X, y, cluster)
    covariance, df = compute_robust_vcov(
        X, y - X @ fit.coefficients, cluster_ids=cluster, vcov_type="hc2_bm", return_dof=True
    )
    found = cr2_of(fit, np.eye(X.shape[1]))
    assert [f.std_error for f in found] == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-9)
    assert [f.df for f in found] == pytest.approx(df, rel=1e-9)


def test_wild_interval_as_diff_diff(grunfeld):
    """diff-diff inverts the strict p-value, this project the weak one: its ends are where ours without ties cross 5 %."""
    X, y, cluster = grunfeld
    theirs = wild_bootstrap_se(X, y, y, cluster, 2, n_bootstrap=9999)
    fit = by_cluster(X, y, cluster)
    for end, inward in ((theirs.ci_lower, 1e-8), (theirs.ci_upper, -1e-8)):
        assert wild_bootstrap(fit, np.eye(3)[2], null=end + inward).p_value_strict > 0.05
        assert wild_bootstrap(fit, np.eye(3)[2], null=end - inward).p_value_strict <= 0.05
    ours = wild_bootstrap(fit, np.eye(3)[2])
    assert ours.conf_low < theirs.ci_lower
    assert theirs.ci_upper < ours.conf_high


@pytest.mark.parametrize("weighted", [False, True])
def test_cr2_by_the_definition(lumpy, weighted):
    X, y, cluster, weights = lumpy
    w = weights if weighted else None
    for contrast in (*np.eye(4), np.array([1.0, -2.0, 0.5, 1.0])):
        found = cr2(by_cluster(X, y, cluster, w), contrast)
        assert (found.std_error, found.df) == pytest.approx(cr2_by_rows(X, y, cluster, contrast, w), rel=1e-8)
        assert (found.missed > 0) == (contrast[3] != 0)  # the seventh cluster alone knows of the last coefficient


def test_what_a_cluster_decides_alone_is_missed():
    """One treated cluster of 5 units, four others of 10: the effect's variance is 1/5 + 1/40, of which 1/40 is seen."""
    cluster = np.repeat(np.arange(5), [5, 10, 10, 10, 10])
    y = np.random.default_rng(0).normal(size=45)
    X = np.column_stack([np.ones(45), cluster == 0]).astype(float)
    found = cr2(by_cluster(X, y, cluster), np.eye(2)[1])
    assert found.missed == pytest.approx((1 / 5) / (1 / 5 + 1 / 40))
    assert cr2(by_cluster(X, y, cluster), np.eye(2)[0]).missed == 0


def test_unit_effects_taken_out_change_neither_method():
    """A regression on unit dummies, rows and all, against the panel's cross-products without them."""
    frame = simulated(units=18, clusters=6, periods=5, starts=(3, 4), holes=0.1).dropna()
    times = pd.get_dummies(frame["time"]).to_numpy(dtype=float)[:, 1:]
    treated = ((frame["cohort"] > 0) & (frame["time"] >= frame["cohort"])).to_numpy(dtype=float)
    X = np.column_stack([unit_dummies(frame), times, treated])
    y, cluster = frame["y"].to_numpy(), frame["cluster"].to_numpy()
    panel = moments(frame, cluster="cluster")
    cohorts = np.unique(panel.cohort)
    design = ((cohorts[:, None] > 0) & (panel.times >= cohorts[:, None])).astype(float)[:, :, None]
    fit = two_way(panel, design).by_cluster()
    last = np.eye(fit.grams.shape[1])[-1]
    found = cr2(fit, last)
    assert (found.std_error, found.df) == pytest.approx(cr2_by_rows(X, y, cluster, np.eye(X.shape[1])[-1]), rel=1e-8)
    bootstrap = wild_bootstrap(fit, last)
    assert (bootstrap.p_value, bootstrap.p_value_strict) == shares(*wild_by_rows(X, y, cluster, X.shape[1] - 1))


@pytest.mark.parametrize("null", [0.0, 1.3])
@pytest.mark.parametrize("k", [1, 3])
def test_wild_bootstrap_by_the_definition(lumpy, k, null):
    X, y, cluster, _ = lumpy
    found = wild_bootstrap(by_cluster(X, y, cluster), np.eye(4)[k], null=null)
    assert (found.p_value, found.p_value_strict) == shares(*wild_by_rows(X, y, cluster, k, null))


def test_a_contrast_is_tested_like_a_coefficient(lumpy):
    """With X b = (X1, X2 + X1)(b1 - b2, b2)', b1 - b2 is a coefficient of its own."""
    X, y, cluster, _ = lumpy
    recombined = X.copy()
    recombined[:, 2] += recombined[:, 1]
    contrast, null = np.array([0.0, 1.0, -1.0, 0.0]), -0.2
    found = wild_bootstrap(by_cluster(X, y, cluster), contrast, null=null)
    assert (found.p_value, found.p_value_strict) == shares(*wild_by_rows(recombined, y, cluster, 1, null))
    same = wild_bootstrap(by_cluster(recombined, y, cluster), np.eye(4)[1], null=null)
    assert (same.conf_low, same.conf_high) == pytest.approx((found.conf_low, found.conf_high), rel=1e-9)


def test_the_interval_holds_what_is_not_rejected(grunfeld):
    fit, contrast = by_cluster(*grunfeld), np.eye(3)[2]
    found = wild_bootstrap(fit, contrast)
    for end, inward in ((found.conf_low, 1e-6), (found.conf_high, -1e-6)):
        assert wild_bootstrap(fit, contrast, null=end + inward).p_value > 0.05
        assert wild_bootstrap(fit, contrast, null=end - inward).p_value <= 0.05


def test_an_interval_without_end():
    """Five clusters have 32 sign patterns: the smallest p-value, 2/32, rejects nothing at 5 %."""
    rng = np.random.default_rng(3)
    cluster = np.repeat(np.arange(5), 6)
    X = np.column_stack([np.ones(30), rng.normal(size=30)])
    fit = by_cluster(X, 5 * X[:, 1] + rng.normal(size=30), cluster)
    found = wild_bootstrap(fit, np.eye(2)[1])
    assert (found.conf_low, found.conf_high) == (None, None)
    assert found.p_value == 2 / 32
    webb = wild_bootstrap(fit, np.eye(2)[1], weights="auto")
    assert (webb.weights, webb.draws, webb.enumerated) == ("webb", 6**5, True)
    assert webb.p_value < 2 / 32


def test_draws_come_near_enumeration_and_repeat():
    """Thirteen clusters are drawn: near what all 8,192 sign patterns give, and the same again with the same seed."""
    rng = np.random.default_rng(11)
    cluster = np.repeat(np.arange(13), 8)
    X = np.column_stack([np.ones(104), rng.normal(size=104)])
    y = 0.25 * X[:, 1] + rng.normal(size=13)[cluster] * X[:, 1] + rng.normal(size=104)
    fit = by_cluster(X, y, cluster)
    drawn, again, webb = (wild_bootstrap(fit, np.eye(2)[1], weights=w) for w in ("auto", "rademacher", "webb"))
    assert (drawn.weights, drawn.enumerated, drawn.draws) == ("rademacher", False, 9999)
    assert drawn == again
    weak, strict = shares(*wild_by_rows(X, y, cluster, 1))
    assert (drawn.p_value, drawn.p_value_strict) == pytest.approx((weak, strict), abs=0.015)  # 3 Monte Carlo errors
    assert webb.p_value == pytest.approx(weak, abs=0.03)


def test_scale_of_outcome_and_regressors_does_not_matter(few):
    X, y, cluster = few
    plain, scaled = by_cluster(X, y, cluster), by_cluster(X * [1, 1e6, 1e-6, 1e5], y * 1e60, cluster)
    a, b = (cr2(f, np.eye(4)[3]) for f in (plain, scaled))
    assert b.std_error == pytest.approx(a.std_error * 1e55, rel=1e-9)
    assert b.df == pytest.approx(a.df, rel=1e-9)
    assert wild_bootstrap(plain, np.eye(4)[3]).p_value == wild_bootstrap(scaled, np.eye(4)[3]).p_value


def test_nothing_to_learn_from():
    X, cluster = np.column_stack([np.ones(8), np.tile([0, 1], 4)]), np.repeat(np.arange(4), 2)
    perfect = by_cluster(X, X @ [1.0, 2.0], cluster)
    with pytest.raises(NotEstimable, match="no variation"):
        wild_bootstrap(perfect, np.eye(2)[1])
    one = by_cluster(X, np.arange(8.0), np.zeros(8))
    for method in (cr2, wild_bootstrap):
        with pytest.raises(NotEstimable, match="one cluster"):
            method(one, np.eye(2)[1])
    alone = by_cluster(
        np.column_stack([np.repeat([1.0, 0], 4), np.repeat([0, 1.0], 4)]), np.arange(8.0), np.repeat([0, 1], 4)
    )
    with pytest.raises(NotEstimable, match="fitted exactly"):
        cr2(alone, np.eye(2)[1])
