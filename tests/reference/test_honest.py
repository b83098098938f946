"""Sensitivity to departures from parallel trends against published figures, other programs and literal programs.

- EHEC: event-study estimates of the Medicaid expansions, 43 states, 2008-2015 without the 2015 cohort, reference 2013:
  README of the R package HonestDiD (Rambachan and Roth, commit 6813f02, MIT). Its figures are printed to three digits
  and read off a grid of width 0.00037, which the tolerance allows for. For M = 0 the README prints .0259; the exact
  solution is .02597 (moderndid 0.2.0, with cvxpy: .025967), which is 2e-5 outside half a unit of the last digit.
- He and Wang: README of the R package pretrends (Roth, commit 122731d, MIT).
"""

import diff_diff.honest_did
import diff_diff.pretrends
import moderndid
import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from scipy.stats import foldnorm, multivariate_normal

from evaluation.inference.honest import Course, breakdown
from evaluation.inference.honest_relative import Relative, _Tests
from evaluation.inference.honest_smoothness import Smoothness, folded_normal_quantile
from evaluation.inference.pretrend_power import detectable_slope, found_probability
from tests.panels import fit
from tests.reference.honest_naive import Problem

SMOOTHNESS = {
    0: (0.0259, 0.0607), 0.01: (0.0132, 0.0787), 0.02: (0.00286, 0.0907),
    0.03: (-0.00714, 0.101), 0.04: (-0.0171, 0.111), 0.05: (-0.0271, 0.121)}  # fmt: skip
RELATIVE = {0.5: (0.0241, 0.0673), 1: (0.0171, 0.072), 1.5: (0.00859, 0.0796), 2: (-0.00107, 0.0883)}
# moderndid 0.2.0 with cvxpy (not in the test extra), grid of 1000 points, 1000 draws
RELATIVE_MODERNDID = {0: (0.029041, 0.063853), 0.5: (0.02413, 0.066888), 1: (0.017094, 0.071963),
                      1.5: (0.008587, 0.079599), 2: (-0.000666, 0.087946)}  # fmt: skip
HE_WANG = np.array([
    [0.0089065711945295, 0.0044883135706186, 0.0014587024925276],
    [0.0044883135706186, 0.0059369169175624, 0.0027500791475176],
    [0.0014587024925276, 0.0027500791475176, 0.003038624767214]])  # fmt: skip
FIRST = np.array([1.0, 0.0])


@pytest.fixture(scope="module")
def ehec():
    names = {"stfips": "unit", "year": "time", "yexp2": "cohort", "dins": "y"}
    frame = moderndid.load_ehec().to_pandas().rename(columns=names)
    frame = frame[(frame["time"] < 2016) & (frame["cohort"] != 2015)].copy()
    frame.loc[frame["cohort"] > 2015, "cohort"] = np.nan
    joint = fit("event_study", frame).joint
    assert joint.times.tolist() == [-6, -5, -4, -3, -2, 0, 1]
    return Course(joint.estimates, joint.covariance, 5)


def random_course(rng, p, q):
    root = rng.normal(size=(p + q, p + q + 3)) * rng.uniform(0.3, 2, size=(p + q, 1))
    return Course(rng.normal(size=p + q) * 2, root @ root.T / 4, p)


# --------------------------------------------------------------------------- smoothness


@pytest.mark.parametrize("m", SMOOTHNESS)
def test_published_smoothness(ehec, m):
    found = Smoothness.of(ehec, FIRST).bounds(m, 0.95)
    assert (found.low, found.high) == pytest.approx(SMOOTHNESS[m], abs=6e-4 if m > 0.025 else 8e-5)
    assert found.low < found.centre < found.high


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("m", [0.0, 0.3, 2.0])
def test_smoothness_as_diff_diff(seed, m):
    """Its worst bias is right for weights on which a rising trend acts upwards only: turn them that way."""
    rng = np.random.default_rng(seed)
    p, q = int(rng.integers(1, 7)), int(rng.integers(1, 4))
    course, weights = random_course(rng, p, q), rng.normal(size=q)
    weights = weights * np.sign(weights @ np.arange(1, q + 1))
    low, high = diff_diff.honest_did._compute_optimal_flci(
        course.estimates[:p], course.estimates[p:], course.covariance, weights, p, q, m)  # fmt: skip
    found = Smoothness.of(course, weights).bounds(m, 0.95)
    length = found.high - found.low
    assert length <= (high - low) * (1 + 1e-9)  # the shortest there is
    assert (found.low, found.high) == pytest.approx((low, high), abs=2e-3 * length)
    assert length == pytest.approx(high - low, rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_no_other_estimate_has_a_shorter_interval(seed):
    """Over all affine estimates whose worst bias is finite, by a general minimiser, its worst bias by its own formula."""
    rng = np.random.default_rng(seed)
    course, weights, m = random_course(rng, 4, 2), rng.normal(size=2), 0.4
    steps = np.r_[-4:0, 1:3]
    bends = np.array([np.where(steps > 0, np.clip(steps - j, 0, None) if j >= 0 else 0,
                               np.clip(j - steps, 0, None) if j < 0 else 0) for j in range(-3, 2)])  # fmt: skip

    def length(leads):
        whole = np.r_[leads, weights]
        spread = np.sqrt(whole @ course.covariance @ whole)
        return 2 * spread * folded_normal_quantile(m * np.abs(bends @ whole).sum() / spread, 0.95)

    straight = {"type": "eq", "fun": lambda leads: leads @ steps[:4] + weights @ steps[4:]}
    starts = (minimize(length, rng.normal(size=4), constraints=straight, options={"ftol": 1e-13}) for _ in range(8))
    best = min(found.fun for found in starts if found.success)
    found = Smoothness.of(course, weights).bounds(m, 0.95)
    assert found.high - found.low <= best * (1 + 1e-9)
    assert found.high - found.low == pytest.approx(best, rel=1e-3)


def test_the_worst_bias_is_that_of_a_linear_program():
    """Whichever way a straight trend acts on the target."""
    rng = np.random.default_rng(3)
    course = random_course(rng, 4, 3)
    for weights in (rng.normal(size=3), np.array([-1.0, -1.0, 0.5])):
        problem = Smoothness.of(course, weights)
        second = np.diff(np.insert(np.eye(7), 4, 0.0, axis=0), n=2, axis=0)
        for c in problem.corners:
            whole = problem.base + problem.bends @ c
            found = linprog(-whole, A_ub=np.r_[second, -second], b_ub=np.ones(2 * len(second)), bounds=(None, None))
            assert problem.fixed + np.abs(c).sum() == pytest.approx(-found.fun, rel=1e-8)


@pytest.mark.parametrize("bias", [0.0, 0.1, 1.0, 5.0, 40.0])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_the_folded_normal_quantile(bias, level):
    assert folded_normal_quantile(bias, level) == pytest.approx(foldnorm.ppf(level, bias), rel=1e-9)


# --------------------------------------------------------------------------- relative magnitudes


@pytest.mark.parametrize("m_bar", RELATIVE)
def test_published_relative_magnitudes(ehec, m_bar):
    found = Relative(ehec, FIRST).bounds(m_bar, 0.95)
    assert (found.low, found.high) == pytest.approx(RELATIVE[m_bar], abs=6e-4)


@pytest.mark.parametrize("m_bar", RELATIVE_MODERNDID)
def test_relative_magnitudes_as_moderndid(ehec, m_bar):
    found = Relative(ehec, FIRST).bounds(m_bar, 0.95)
    assert (found.low, found.high) == pytest.approx(RELATIVE_MODERNDID[m_bar], abs=6e-4)  # two steps of its grid


def test_parallel_trends_give_the_usual_interval(ehec):
    weights = np.array([0.5, 0.5])
    error = np.sqrt(weights @ ehec.covariance[5:, 5:] @ weights)
    found = Relative(ehec, weights).bounds(0.0, 0.95)
    centre = weights @ ehec.estimates[5:]
    expected = (centre - 1.959963985 * error, centre + 1.959963985 * error)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-7)


def test_diff_diff_adds_standard_errors_to_bounds_that_are_estimates(ehec):
    """Its interval takes the largest estimated move for the true one: narrower than what covers, at every bound."""
    beta, sigma = ehec.estimates, ehec.covariance
    largest = np.abs(ehec.moves[:5] @ beta).max()
    plug_in = beta[5] - 2 * largest - 1.959964 * np.sqrt(sigma[5, 5])
    found = Relative(ehec, FIRST).bounds(2.0, 0.95)
    assert plug_in > 0 > found.low


CASES = [(0, 1, 1, 0.5), (1, 3, 1, 1.5), (2, 2, 2, 0.5), (3, 2, 2, 1.5), (4, 3, 3, 1.0)]


@pytest.mark.parametrize(("seed", "p", "q", "m_bar"), CASES)
def test_the_test_is_that_of_the_linear_programs(seed, p, q, m_bar):
    rng = np.random.default_rng(seed)
    course, weights = random_course(rng, p, q), rng.normal(size=q)
    tests = _Tests.of(Relative(course, weights), m_bar, 0.05)
    centre, reach = weights @ course.estimates[p:], np.sqrt(weights @ course.covariance[p:, p:] @ weights)
    thetas = centre + reach * np.linspace(-12, 12, 9)
    ours = tests.accepted(np.broadcast_to(thetas, (2 * p, 9)))
    for row, (move, sign) in enumerate((m, s) for s in (1, -1) for m in range(p)):
        literal = Problem(course.estimates, course.covariance, p, weights, m_bar, move - p + 1, sign)
        expected = [literal.accepts(theta, tests.critical[row]) for theta in thetas]
        assert ours[row].tolist() == expected
    assert 0 < ours.sum() < ours.size


def test_the_exact_least_favourable_value_is_the_one_drawn():
    rng = np.random.default_rng(5)
    for p, q, m_bar in ((2, 2, 0.7), (3, 3, 1.5), (1, 1, 1.0)):
        course, weights = random_course(rng, p, q), rng.normal(size=q)
        tests = _Tests.of(Relative(course, weights), m_bar, 0.05)
        noise = rng.multivariate_normal([0, 0], tests.covariance[0], size=400_000, method="cholesky")
        share = ((noise @ tests.loads[0].T).max(axis=1) <= tests.critical[0]).mean()
        assert share == pytest.approx(0.995, abs=4e-4)
        literal = Problem(course.estimates, course.covariance, p, weights, m_bar, 1 - p, 1)
        below = [literal.program(y)[0] <= tests.critical[0]
                 for y in rng.multivariate_normal(np.zeros(2 * q), literal.sigma, size=200, method="svd")]  # fmt: skip
        assert np.mean(below) > 0.98


def test_the_sign_of_the_outcome_mirrors_the_interval(ehec):
    mirrored = Course(-ehec.estimates, ehec.covariance, 5)
    for m_bar in (0.5, 2.0):
        one, other = Relative(ehec, FIRST).bounds(m_bar, 0.95), Relative(mirrored, FIRST).bounds(m_bar, 0.95)
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-10)


# --------------------------------------------------------------------------- breakdown values, power


def test_breakdown_is_where_the_interval_reaches_zero(ehec):
    problem = Relative(ehec, FIRST)
    found = breakdown(lambda m: problem.bounds(m, 0.95), np.arange(0, 4, 0.25))
    assert 1.9 < found < 2.0
    assert problem.bounds(found, 0.95).low == pytest.approx(0, abs=1e-6)
    assert problem.bounds(found * 0.999, 0.95).low > 0


def test_breakdown_without_an_effect_is_zero_and_beyond_the_steps_unknown(ehec):
    nothing = Course(ehec.estimates * np.r_[np.ones(5), 0, 0], ehec.covariance, 5)
    steps = np.arange(0, 2, 0.25)
    assert breakdown(lambda m: Relative(nothing, FIRST).bounds(m, 0.95), steps) == 0
    assert breakdown(lambda m: Relative(ehec, FIRST).bounds(m, 0.95), steps) is None


@pytest.mark.parametrize(("power", "expected"), [(0.5, 0.0028911642), (0.8, 0.0044798367)])
def test_detectable_slope_of_ehec(ehec, power, expected):
    """Measured by a normal box probability of scipy, 1.96 as the limit; diff-diff 3.13 agrees (.0029)."""
    found = detectable_slope(np.arange(-5.0, 0), ehec.covariance[:5, :5], power)
    assert found == pytest.approx(expected, abs=1e-6)


def test_published_detectable_slope():
    assert detectable_slope(np.arange(-3.0, 0), HE_WANG, 0.5) == pytest.approx(0.05205871, abs=2e-5)


@pytest.mark.parametrize("p", [1, 2, 6, 12])
def test_the_probability_of_a_box_as_scipy(p):
    rng = np.random.default_rng(p)
    root = rng.normal(size=(p, p + 2))
    covariance = root @ root.T
    spread = np.sqrt(np.diag(covariance))
    correlation, means = covariance / np.outer(spread, spread), rng.normal(size=p)
    limits = np.full(p, 1.96)
    inside = multivariate_normal.cdf(limits, means, correlation, lower_limit=-limits, maxpts=300_000, rng=rng)
    assert found_probability(means, correlation, 1.96) == pytest.approx(1 - inside, abs=3e-4)


def test_a_power_below_the_false_alarms_has_no_slope():
    with pytest.raises(ValueError, match="without any drift"):
        detectable_slope(-np.arange(20.0, 0, -1), np.eye(20), 0.5)
