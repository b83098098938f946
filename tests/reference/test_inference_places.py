"""Spatial and two-way clustered errors against diff-diff, statsmodels and the definitions pair by pair."""

from dataclasses import replace

import numpy as np
import pytest
from diff_diff.linalg import compute_robust_vcov
from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

from evaluation.errors import NotEstimable
from evaluation.inference import conley as module
from evaluation.inference.conley import EARTH, conley, spatial_inference
from evaluation.inference.covariance import cr1_factor
from evaluation.inference.two_way_clusters import repaired, two_way_clusters
from tests.panels import fit, overall, simulated


class Regression:
    """A simulated panel of 50 firms and 12 years whose errors go together both ways, with places."""

    def __init__(self):
        rng = np.random.default_rng(9)
        self.firm, self.year = np.repeat(np.arange(50), 12), np.tile(np.arange(12), 50)
        x = rng.normal(size=50)[self.firm] + rng.normal(size=12)[self.year] + rng.normal(size=600)
        error = rng.normal(size=50)[self.firm] + rng.normal(size=12)[self.year] + rng.normal(size=600)
        self.X, self.y = np.column_stack([np.ones(600), x]), 1 + x + error
        self.places = np.column_stack([rng.uniform(30, 48, 600), rng.uniform(-120, -70, 600)])
        self.bread = np.linalg.inv(self.X.T @ self.X)
        self.residuals = self.y - self.X @ (self.bread @ self.X.T @ self.y)
        self.errors = (self.X * self.residuals[:, None]) @ self.bread


@pytest.fixture(scope="module")
def regression():
    return Regression()


def test_two_way_clusters_as_statsmodels(regression):
    import statsmodels.api as sm

    result = sm.OLS(regression.y, regression.X).fit()
    both, firm, year = cov_cluster_2groups(result, regression.firm, regression.year)
    ours = two_way_clusters(
        regression.errors, regression.firm, regression.year, n_obs=600, parameters=2, convention="own"
    )
    assert ours.covariance == pytest.approx(both, rel=1e-10)
    assert (ours.clusters, ours.df, ours.repaired) == ((50, 12), 11, False)
    crossed = both - firm - year
    smallest = [v / cr1_factor(g, 600, 2) for v, g in ((firm, 50), (year, 12), (crossed, 600))]
    expected = cr1_factor(12, 600, 2) * sum(smallest)
    least = two_way_clusters(regression.errors, regression.firm, regression.year, n_obs=600, parameters=2)
    assert least.covariance == pytest.approx(expected, rel=1e-10)


def test_sums_over_both_clusters_and_names_change_nothing(regression):
    rows = np.tile(np.arange(600), 2)
    doubled = two_way_clusters(
        regression.errors[rows] / 2, regression.firm[rows].astype(str), -regression.year[rows], n_obs=600, parameters=2
    )
    plain = two_way_clusters(regression.errors, regression.firm, regression.year, n_obs=600, parameters=2)
    assert doubled.covariance == pytest.approx(plain.covariance, rel=1e-12)


def test_the_same_clusters_twice_are_one_way(regression):
    twice = two_way_clusters(regression.errors, regression.firm, regression.firm, n_obs=600, parameters=2)
    sums = regression.errors.reshape(50, 12, 2).sum(axis=1)
    assert twice.covariance == pytest.approx(cr1_factor(50, 600, 2) * sums.T @ sums, rel=1e-12)


def test_one_cluster_of_a_kind(regression):
    with pytest.raises(NotEstimable, match="two clusters of each kind"):
        two_way_clusters(regression.errors, regression.firm, np.zeros(600), n_obs=600, parameters=2)


def test_a_negative_variance_becomes_none():
    """Errors that cancel within rows and within columns leave V1 = V2 = 0, so V is minus the sum of squares."""
    errors = np.array([[1.0], [-1.0], [-1.0], [1.0]])
    found = two_way_clusters(errors, np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), n_obs=4, parameters=1)
    assert found.repaired
    assert found.covariance.tolist() == [[0.0]]


def test_repair_keeps_what_is_positive():
    rotation = np.array([[0.6, -0.8], [0.8, 0.6]])
    bad = rotation @ np.diag([2.0, -0.5]) @ rotation.T
    mended, changed = repaired(bad)
    assert changed
    assert mended == pytest.approx(rotation @ np.diag([2.0, 0.0]) @ rotation.T)
    good = rotation @ np.diag([2.0, 0.0]) @ rotation.T
    assert repaired(good)[1] is False


@pytest.mark.parametrize("kernel", ["uniform", "bartlett"])
@pytest.mark.parametrize(
    ("metric", "theirs", "cutoff"), [("great_circle", "haversine", 400.0), ("planar", "euclidean", 5.0)]
)
@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_conley_as_diff_diff(regression, monkeypatch, kernel, metric, theirs, cutoff):
    monkeypatch.setattr(module, "BLOCK", 70)
    expected = compute_robust_vcov(
        regression.X, regression.residuals, vcov_type="conley", conley_coords=regression.places,
        conley_cutoff_km=cutoff, conley_metric=theirs, conley_kernel=kernel)  # fmt: skip
    found = conley(regression.errors, regression.places, cutoff, kernel=kernel, metric=metric)
    assert not found.repaired
    assert found.covariance == pytest.approx(expected, rel=1e-10)


def test_conley_pair_by_pair_by_the_law_of_cosines(regression):
    latitude, longitude = np.radians(regression.places).T
    cosine = np.outer(np.sin(latitude), np.sin(latitude)) + np.outer(np.cos(latitude), np.cos(latitude)) * np.cos(
        longitude[:, None] - longitude
    )
    distance = EARTH * np.arccos(np.clip(cosine, -1, 1))
    near = distance <= 600
    found = conley(regression.errors, regression.places, 600.0)
    assert found.covariance == pytest.approx(regression.errors.T @ near @ regression.errors, rel=1e-10)
    assert found.neighbours == pytest.approx(near.sum() / 600 - 1)
    share = np.clip(1 - distance / 600, 0, None)
    tapered = conley(regression.errors, regression.places, 600.0, kernel="bartlett").covariance
    assert tapered == pytest.approx(regression.errors.T @ share @ regression.errors, rel=1e-6)  # arccos loses digits


def test_nobody_near_is_robust_and_one_place_each_is_clustered(regression):
    alone = conley(regression.errors, regression.places, 1e-6)
    assert alone.covariance == pytest.approx(regression.errors.T @ regression.errors, rel=1e-12)
    assert alone.neighbours == 0
    rng = np.random.default_rng(0)
    shared = rng.uniform(0, 100, size=(50, 2))[regression.firm]
    sums = regression.errors.reshape(50, 12, 2).sum(axis=1)
    together = conley(regression.errors, shared, 1e-6, metric="planar")
    assert together.covariance == pytest.approx(sums.T @ sums, rel=1e-12)


def test_the_date_line_and_row_order(regression):
    ends = np.array([[0.0, 179.9], [0.0, -179.9]])
    assert conley(np.ones((2, 1)), ends, 30.0).neighbours == 1
    assert conley(np.ones((2, 1)), ends, 20.0).neighbours == 0
    order = np.random.default_rng(1).permutation(600)
    plain = conley(regression.errors, regression.places, 300.0).covariance
    assert conley(regression.errors[order], regression.places[order], 300.0).covariance == pytest.approx(
        plain, rel=1e-12
    )


def test_a_uniform_kernel_can_give_a_negative_variance():
    """Three places in a row, the middle one against both neighbours: 1 + 4 + 1 - 4 - 4 < 0."""
    places, errors = np.array([[0.0, 0], [1, 0], [2, 0]]), np.array([[1.0], [-2.0], [1.0]])
    found = conley(errors, places, 1.0, metric="planar")
    assert found.repaired
    assert found.covariance.tolist() == [[0.0]]
    assert conley(errors, places, 1.0, metric="planar", kernel="bartlett").covariance.item() == 6


def test_the_row_beside_the_headline():
    """Nobody near: the headline without its small-sample factor. Pairs of units at one place: clustered by pair."""
    frame = simulated(units=24, periods=5, starts=(3,)).assign(pair=lambda f: f["unit"] // 2)
    results = fit("twfe", frame)
    headline, rule = overall(results), results.inference[0]
    places = np.column_stack([np.arange(24.0), np.zeros(24)])
    (alone,) = spatial_inference(results, places, 1.0)
    assert alone.std_error == pytest.approx(headline.std_error / np.sqrt(rule.small_sample_factor), rel=1e-10)
    assert (alone.df, alone.distribution, alone.n_clusters) == (23, "t", 24)
    assert alone.conf_high - alone.conf_low == pytest.approx(
        (headline.conf_high - headline.conf_low) / np.sqrt(rule.small_sample_factor), rel=1e-10
    )
    assert alone.method == "Conley, bartlett kernel up to 1 km"
    (paired,) = spatial_inference(results, np.floor(places / 2), 1.0, metric="planar")
    pairs = fit("twfe", frame, cluster="pair")
    factor = pairs.inference[0].small_sample_factor
    assert paired.std_error == pytest.approx(overall(pairs).std_error / np.sqrt(factor), rel=1e-10)
    assert spatial_inference(replace(results, influence=None), places, 1.0) == ()


@pytest.mark.parametrize(
    ("places", "cutoff", "message"),
    [
        ([[np.nan, 1.0], [1.0, 1.0]], 5.0, "1 of 2 places have no coordinates"),
        ([[-120.0, 40.0], [1.0, 1.0]], 5.0, "latitude"),
        ([[1.0, 1.0], [2.0, 1.0]], 0.0, "above 0"),
    ],
)
def test_places_that_cannot_be(places, cutoff, message):
    with pytest.raises(NotEstimable, match=message):
        conley(np.ones((2, 1)), np.array(places), cutoff)
