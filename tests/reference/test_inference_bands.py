"""Simultaneous bands against closed forms, exact enumeration and moderndid's bootstrap of the same influences."""

from itertools import product
from statistics import NormalDist

import numpy as np
import pytest
from moderndid.did.mboot import mboot

from evaluation.inference import multiplier
from evaluation.inference.multiplier import POINTS, simultaneous, simultaneous_from_covariance, weight_blocks

KINDS = ("mammen", "rademacher", "webb")


@pytest.fixture(scope="module")
def influence():
    """400 clusters, six estimates that vary together."""
    rng = np.random.default_rng(2)
    return rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) / 400


def sidak(q, level=0.95):
    """The critical value of the largest of q independent normal variables."""
    return NormalDist().inv_cdf((1 + level ** (1 / q)) / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_have_mean_zero_and_variance_one(kind):
    values, chances = (np.array(v) for v in POINTS[kind])
    assert (chances.sum(), values @ chances, values**2 @ chances) == pytest.approx((1, 0, 1), abs=1e-15)
    if kind == "mammen":
        assert values**3 @ chances == pytest.approx(1)
    drawn = np.concatenate(list(weight_blocks(kind, 40_000, 3, 0)))
    assert drawn.shape == (40_000, 3)
    assert [np.mean(np.isclose(drawn, v)) for v in values] == pytest.approx(chances, abs=0.006)


def test_draws_do_not_depend_on_blocks(monkeypatch, influence):
    whole = simultaneous(influence, np.zeros(6))
    monkeypatch.setattr(multiplier, "BLOCK", 1000)
    parts = simultaneous(influence, np.zeros(6))
    assert parts.critical == pytest.approx(whole.critical, rel=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_as_moderndid(influence, kind):
    """Different draws of the same law: critical values and bootstrap errors within Monte Carlo error."""
    ours = simultaneous(influence, np.zeros(6), draws=19_999, weights=kind)
    theirs = mboot(influence * 400, 400, biters=19_999, random_state=1)
    assert ours.critical == pytest.approx(theirs["crit_val"], abs=0.06)
    assert ours.std_errors == pytest.approx(theirs["se"], rel=0.04)
    assert ours.std_errors == pytest.approx(np.sqrt((influence**2).sum(axis=0)), rel=0.06)


@pytest.mark.parametrize("q", [1, 5, 20])
def test_independent_estimates_have_sidaks_value(q):
    exact = simultaneous_from_covariance(np.diag(np.arange(1.0, q + 1)), np.zeros(q), draws=100_000)
    assert exact.critical == pytest.approx(sidak(q), abs=0.03)
    rng = np.random.default_rng(1)
    drawn = simultaneous(rng.normal(size=(1000, q)), np.zeros(q), draws=9999)
    assert drawn.critical == pytest.approx(sidak(q), abs=0.1)


def test_one_estimate_many_times_needs_no_more_than_one():
    bands = simultaneous_from_covariance(np.full((8, 8), 4.0), np.arange(8.0), draws=100_000)
    assert bands.critical == pytest.approx(1.96, abs=0.03)
    assert bands.low == pytest.approx(np.arange(8.0) - bands.critical * 2)


def test_t_bands_are_wider():
    from scipy.stats import t

    one = simultaneous_from_covariance(np.eye(1), np.zeros(1), df=7, draws=200_000)
    assert one.critical == pytest.approx(t.ppf(0.975, 7), abs=0.04)


def test_every_sign_pattern():
    """With so few clusters the law of the draws is known: 2^6 equally likely patterns."""
    rng = np.random.default_rng(4)
    influence = rng.normal(size=(6, 3))
    every = np.array(list(product([-1, 1], repeat=6))) @ influence
    low, high = np.quantile(every, [0.25, 0.75], axis=0, method="inverted_cdf")
    bands = simultaneous(influence, np.zeros(3), draws=50_000, weights="rademacher")
    assert bands.std_errors == pytest.approx((high - low) / 1.3489795, rel=0.05)


def test_a_reference_has_no_band_and_changes_no_other(influence):
    with_reference = np.insert(influence, 2, 0.0, axis=1)
    bands, plain = simultaneous(with_reference, np.arange(7.0)), simultaneous(influence, np.zeros(6))
    assert bands.critical == pytest.approx(plain.critical, rel=1e-12)
    assert (bands.std_errors[2], bands.low[2], bands.high[2]) == (0, 2, 2)
    nothing = simultaneous(np.zeros((5, 2)), np.ones(2))
    assert np.isnan(nothing.critical)
    assert nothing.low.tolist() == [1, 1]
    covariance = with_reference.T @ with_reference
    exact = simultaneous_from_covariance(covariance, np.zeros(7))
    assert exact.std_errors[2] == 0
    assert exact.critical == pytest.approx(plain.critical, abs=0.12)


def test_bands_repeat_and_widen_with_confidence(influence):
    a, b = (simultaneous(influence, np.zeros(6), seed=3) for _ in range(2))
    assert a.low.tobytes() == b.low.tobytes()
    assert simultaneous(influence, np.zeros(6), seed=3, conf_level=0.99).critical > a.critical
