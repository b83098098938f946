"""How often each rule finds an effect that is not there, by simulation: few clusters, few treated clusters.

`docs/inference.md` prints `rejections(...)` with 4,000 repetitions; the tests hold a shorter run to the same picture.
"""

from collections import Counter

import numpy as np
import pytest

from evaluation.inference.intervals import two_sided_p
from evaluation.inference.randomisation import randomisation
from evaluation.inference.regression import ClusterRegression
from evaluation.inference.small_clusters import cr2, wild_bootstrap

CONTRAST = np.array([0.0, 1.0])


def changes(rng, clusters, treated):
    """Changes of 5 to 60 units a cluster (a fifth of their variance is shared) on a constant and being treated."""
    size = rng.integers(5, 61, clusters).astype(float)
    total = size * rng.normal(size=clusters) / 2 + np.sqrt(size) * rng.normal(size=clusters)
    return size, total, (np.arange(clusters) < treated).astype(float)


def p_values(size, total, treated, seed):
    each = np.array([[np.ones_like(treated), treated], [treated, treated]]).transpose(2, 0, 1)
    fit = ClusterRegression(size[:, None, None] * each, total[:, None] * each[:, 0], int(size.sum()), 2)
    effect, small = float(fit.coefficients[1]), cr2(fit, CONTRAST)
    wild = wild_bootstrap(fit, CONTRAST, weights="auto", draws=399, seed=seed)
    t = effect / np.sqrt(fit.covariance[1, 1])

    def difference(d):
        return total[d == 1].sum() / size[d == 1].sum() - total[d == 0].sum() / size[d == 0].sum()

    return {
        "normal": two_sided_p(t),
        "t(G-1)": two_sided_p(t, len(size) - 1),
        "CR2": two_sided_p(effect / small.std_error, small.df),
        "wild": wild.p_value,
        "randomisation": randomisation(difference, treated, draws=199, seed=seed).p_value,
    }


def rejections(clusters, treated, repetitions, level=0.05):
    """Share of repetitions in which each rule rejects no effect at `level`."""
    rng, count = np.random.default_rng([clusters, treated]), Counter()
    for r in range(repetitions):
        found = p_values(*changes(rng, clusters, treated), seed=r)
        count.update(name for name, p in found.items() if p <= level)
    return {name: count[name] / repetitions for name in ("normal", "t(G-1)", "CR2", "wild", "randomisation")}


@pytest.fixture(scope="module")
def few_treated():
    return rejections(20, 2, 300)


def test_with_clusters_enough_on_both_sides_all_small_sample_rules_hold():
    found = rejections(12, 6, 300)
    error = np.sqrt(0.05 * 0.95 / 300)
    assert found["normal"] > 0.05 + 2 * error
    for name in ("CR2", "wild", "randomisation"):
        assert abs(found[name] - 0.05) < 3.5 * error


def test_few_treated_clusters_break_the_usual_rule_and_not_randomisation(few_treated):
    assert few_treated["t(G-1)"] > 0.15
    assert few_treated["randomisation"] < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_few_treated_clusters_make_the_wild_bootstrap_find_nothing(few_treated):
    assert few_treated["wild"] < 0.03
