"""Evidence standards of cohorts against published figures, other libraries and brute force."""

import csv
import math
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.imputation.mice import MICE, MICEData
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import power_proportions_2indep

from evaluation import resources
from evaluation.inference import cohort_power as power
from evaluation.inference.attrition import bound, loss
from evaluation.inference.e_values import e_value, from_hazard_ratio, from_odds_ratio, of_limit
from evaluation.inference.effect_sizes import (
    Moments,
    corrected_for_clusters,
    cox_index,
    hedges_g,
    improvement_index,
    small_sample,
    t_statistic,
)
from evaluation.inference.imputed import NEIGHBOURS, _chained, completed, donors, nelson_aalen, pool

# --------------------------------------------------------------------------- effect sizes


def odds_ratio(a, n, b, m):
    return (a / (n - a)) / (b / (m - b))


def test_baltimore_drug_court():
    # Gottfredson, Najaka and Kearley (2003): rearrested within two years, 92 of 139 against 78 of 96. Printed digits of
    # the odds ratio .4517, d -.4816, correction .99678, g -.4801, improvement index 18.44.
    assert odds_ratio(92, 139, 78, 96) == pytest.approx(0.4517, abs=5e-5)
    size = cox_index(92 / 139, 78 / 96, 235)
    assert small_sample(235) == pytest.approx(0.99678, abs=5e-6)
    assert size == pytest.approx(-0.4801, abs=5e-5)
    assert size / small_sample(235) == pytest.approx(-0.4816, abs=5e-5)
    assert abs(improvement_index(size)) == pytest.approx(18.44, abs=5e-3)


def test_shares_of_38_and_50_per_cent():
    # Odds ratio .6129 and d -.2967 as in meta-analyses of drug courts (Mitchell et al., 2012: 38 % against 50 %).
    assert odds_ratio(38, 100, 50, 100) == pytest.approx(0.6129, abs=5e-5)
    assert cox_index(0.38, 0.50, 10**9) == pytest.approx(-0.2967, abs=5e-5)


def test_rossi():
    # Rossi, Berk and Lenihan (1980): 48 of 216 with aid rearrested, 66 of 216 without. g -.2612.
    assert cox_index(48 / 216, 66 / 216, 432) == pytest.approx(-0.2612, abs=5e-5)


@pytest.mark.parametrize(("correlation", "statistic", "df"), [(0.2, 1.3486, 231.66), (0.1, 1.7435, 338.42)])
def test_clusters_left_out_of_account(correlation, statistic, df):
    # g = .30 with 200 + 200 people in 20 clusters: What Works Clearinghouse, Procedures Handbook 4.1, E.5.1.
    assert t_statistic(0.30, 200, 200) == pytest.approx(2.9833, abs=5e-5)
    found = corrected_for_clusters(0.30, 200, 200, 20, correlation)
    assert found.statistic == pytest.approx(statistic, abs=5e-5)
    assert found.df == pytest.approx(df, abs=5e-3)
    assert found.p_value == pytest.approx(2 * stats.t.sf(found.statistic, found.df), rel=1e-9)


def test_hedges_g_is_the_t_statistic_of_two_means_rescaled():
    generator = np.random.default_rng(1)
    one, zero = generator.normal(0.4, 1, 37), generator.normal(0, 1.3, 51)
    t = stats.ttest_ind(one, zero).statistic
    found = hedges_g(*(Moments(len(v), v.mean(), v.std(ddof=1)) for v in (one, zero)))
    assert found == pytest.approx(small_sample(88) * t * math.sqrt(1 / 37 + 1 / 51), rel=1e-12)


def test_without_spread_or_people_there_is_no_size():
    assert hedges_g(Moments(5, 1, 0), Moments(5, 2, 0)) is None
    assert hedges_g(Moments(1, 1, 0), Moments(1, 2, 0)) is None
    assert cox_index(0.0, 0.5, 100) is None
    assert cox_index(0.5, 1.0, 100) is None


# --------------------------------------------------------------------------- E-values


def test_e_values_of_vander_weele_and_ding():
    # VanderWeele and Ding (2017): RR 3.9 (1.8 to 8.7) gives 7.26 and 3.0; 2.4 as a limit 4.23; RR 0.80 gives 1.81.
    assert e_value(3.9) == pytest.approx(7.263034, abs=1e-6)
    assert of_limit(1.8, 8.7) == pytest.approx(3.0, abs=1e-12)
    assert of_limit(2.4, 6.3) == pytest.approx(4.233, abs=5e-4)
    assert e_value(0.8) == pytest.approx(1.809017, abs=1e-6)
    assert e_value(48 / 66) == pytest.approx(2.093, abs=5e-4)


def test_a_ratio_and_its_inverse_are_as_strong():
    assert e_value(0.4) == pytest.approx(e_value(2.5), rel=1e-12)
    assert of_limit(0.2, 0.5) == pytest.approx(of_limit(2.0, 5.0), rel=1e-12)
    assert of_limit(0.7, 1.1) == 1.0


def test_ratios_of_common_outcomes():
    # Rossi's hazard ratio of aid, exp(-.3794) = .6843: RR .7691, E-value 1.925.
    converted = from_hazard_ratio(0.6843, common=True)
    assert converted == pytest.approx(0.7691, abs=5e-5)
    assert e_value(converted) == pytest.approx(1.925, abs=5e-4)
    assert from_hazard_ratio(0.6843, common=False) == 0.6843
    assert from_odds_ratio(4.0, common=True) == 2.0
    assert from_odds_ratio(4.0, common=False) == 4.0


# --------------------------------------------------------------------------- attrition


PRINTED = {  # What Works Clearinghouse, Standards Handbook 4.1, table II.1
    0: (5.7, 10.0), 5: (6.1, 10.5), 10: (6.3, 10.9), 15: (5.9, 10.7), 20: (5.4, 10.0), 25: (4.8, 9.2), 30: (4.1, 8.2),
    35: (3.3, 7.2), 40: (2.6, 6.0), 45: (1.8, 4.9), 50: (1.0, 3.7), 55: (0.3, 2.6), 57: (0.0, 2.1), 58: (None, 1.9),
    60: (None, 1.4), 65: (None, 0.3), 66: (None, None), 99: (None, None),
}  # fmt: skip


@pytest.mark.parametrize("overall", PRINTED)
def test_the_boundary_as_printed(overall):
    found = bound(overall)
    assert (found.cautious, found.optimistic) == PRINTED[overall]


def test_the_boundary_has_a_row_for_each_whole_per_cent():
    with (resources.folder("data_dictionary") / "thresholds" / "wwc_attrition.csv").open() as file:
        assert [int(r["overall"]) for r in csv.DictReader(file)] == list(range(66))


@pytest.mark.parametrize(
    ("known", "overall", "differential", "ratings"),
    [
        ((935, 905), 8.0, 3.0, ("low", "low")),  # low at 8 % and 3 points
        ((730, 670), 30.0, 6.0, ("high", "low")),  # 30 % and 6 points: high if cautious, low if optimistic
        ((400, 300), 65.0, 10.0, ("high", "high")),
        ((1000, 1000), 0.0, 0.0, ("low", "low")),
    ],
)
def test_ratings(known, overall, differential, ratings):
    found = loss((1000, 1000), known)
    assert (found.overall, found.differential) == pytest.approx((overall, differential))
    assert (found.cautious, found.optimistic) == ratings


def test_the_bound_itself_is_low_and_halves_are_rounded_up():
    assert bound(9.5) == bound(10)
    assert bound(9.4999) == bound(9)
    at_bound = loss((1000, 1000), (1000 - 131, 1000 - 69))  # 10 % overall, 6.2 points
    assert at_bound.differential == pytest.approx(6.2)
    assert at_bound.cautious == "low"
    exact = loss((10000, 10000), (10000 - 1315, 10000 - 685))  # 6.3 points, the bound, which floating point may miss
    assert (exact.bound.cautious, exact.cautious) == (6.3, "low")
    assert loss((10000, 10000), (10000 - 1316, 10000 - 685)).cautious == "high"


# --------------------------------------------------------------------------- power


def test_power_as_in_r():
    # R's power.prop.test and power.t.test: n 76.70693 for .5 against .75 at 90 %, n 63.76576 for d .5 at 80 %; power
    # .58845 with 200 + 200 for .35 against .25, and .56004 with 100 + 100 for d .3. Bloom (1995): 2.8 standard errors.
    arms = power.Arms(76.70693, 76.70693)
    assert power.risk_difference_power(arms, 0.5, 0.25, 0.95) == pytest.approx(0.9, abs=1e-7)
    assert power.risk_difference_power(power.Arms(200, 200), 0.35, -0.10, 0.95) == pytest.approx(0.58845, abs=5e-6)
    assert power.mean_difference_power(power.Arms(63.76576, 63.76576), 1, 0.5, 0.95) == pytest.approx(0.8, abs=1e-6)
    assert power.mean_difference_power(power.Arms(100, 100), 1, 0.3, 0.95) == pytest.approx(0.56004, abs=5e-6)
    assert power.detectable_multiplier(0.95, 0.8) == pytest.approx(2.8015852, abs=1e-7)


@pytest.mark.parametrize(("treated", "control", "baseline", "effect"), [(300, 150, 0.4, -0.12), (80, 400, 0.1, 0.08)])
def test_power_of_two_proportions_as_in_statsmodels(treated, control, baseline, effect):
    theirs = power_proportions_2indep(effect, baseline, treated, ratio=control / treated, alpha=0.05)
    # statsmodels adds the chance of a significant result of the wrong sign; R's power.prop.test does not, nor do we.
    reach = stats.norm.ppf(0.975) * theirs.std_null + abs(effect) * math.sqrt(treated)
    wrong_sign = stats.norm.cdf(-reach / theirs.std_alt)
    ours = power.risk_difference_power(power.Arms(treated, control), baseline, effect, 0.95)
    assert ours + wrong_sign == pytest.approx(theirs.power, abs=1e-9)


def test_power_of_two_means_as_in_statsmodels():
    theirs = TTestIndPower().power(0.25, 90, 0.05, ratio=1.5)
    # statsmodels adds the other tail, which is next to nothing here.
    assert power.mean_difference_power(power.Arms(90, 135), 2.0, 0.5, 0.95) == pytest.approx(theirs, abs=1e-4)


def test_events_of_schoenfeld():
    # 4 (1.96 + .8416)^2 / ln(.5)^2 = 65.34 events for a hazard ratio of 0.5 with equal arms and 80 % power.
    found = power.hazard_ratio_power(power.Arms(100, 100), 65.3447, math.log(0.5), 0.95)
    assert found == pytest.approx(0.8, abs=1e-5)


def test_covariates_cost_what_they_explain_of_the_arm():
    plain = power.Arms(100, 100)
    costly = power.Arms(100, 100, arm_r_squared=0.2)
    assert power.hazard_ratio_power(costly, 100, -0.6, 0.95) == pytest.approx(
        power.hazard_ratio_power(plain, 80, -0.6, 0.95), rel=1e-12
    )


def test_hazards_give_back_the_shares_they_were_made_of():
    hazards = power.Hazards.of(0.4, 0.1)
    assert hazards.risk() == pytest.approx(0.4, rel=1e-12)
    total = hazards.outcome + hazards.competing
    assert hazards.competing / total * -math.expm1(-total) == pytest.approx(0.1, rel=1e-12)
    draws = np.minimum(np.random.default_rng(1).exponential(24 / total, 400_000), 24)
    assert hazards.restricted_spread(24.0) == pytest.approx(draws.std(), rel=5e-3)


def test_the_design_effect_is_that_of_the_correlation_matrix():
    generator = np.random.default_rng(3)
    treated, control = generator.integers(0, 9, 12), generator.integers(0, 9, 12)
    treated[0] = control[0] = 3  # one with people of both arms at least
    arm = np.concatenate([np.repeat([1, 0], [t, c]) for t, c in zip(treated, control, strict=True)])
    cluster = np.repeat(np.arange(12), treated + control)
    weights = np.where(arm == 1, 1 / treated.sum(), -1 / control.sum())
    correlation = np.where(cluster[:, None] == cluster, 0.15, 0.0)
    np.fill_diagonal(correlation, 1.0)
    exact = weights @ correlation @ weights / (weights @ weights)
    assert power.clusters_as_they_are(treated, control, 0.15) == pytest.approx(exact, rel=1e-12)


def test_design_effects_of_whole_clusters():
    ten = np.r_[np.full(10, 20), np.zeros(10, int)]
    assert power.clusters_as_they_are(ten, ten[::-1], 0.05) == pytest.approx(1 + 19 * 0.05, rel=1e-12)
    assert power.equal_clusters(20, 0.05) == pytest.approx(1.95, rel=1e-12)
    sizes = np.r_[np.tile([10, 30], 5), np.zeros(10, int)]  # cv = .5
    assert power.clusters_as_they_are(sizes, sizes[::-1], 0.05) == pytest.approx(
        power.equal_clusters(20, 0.05, 0.5), rel=1e-12
    )
    both = np.full(10, 8)
    assert power.clusters_as_they_are(both, both, 0.3) == pytest.approx(0.7, rel=1e-12)


# --------------------------------------------------------------------------- multiple imputation


def gapped(n=400, seed=5):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(n, 3))
    x[:, 1] += 0.6 * x[:, 0]
    y = x @ [0.5, -0.3, 0.2] + generator.normal(size=n)
    frame = pd.DataFrame(np.column_stack([x, y]), columns=["a", "b", "c", "y"])
    frame.loc[generator.random(n) < 0.2, "b"] = np.nan
    frame.loc[generator.random(n) < 0.1, "c"] = np.nan
    return frame


def test_rubins_rules_as_in_statsmodels():
    chained = MICE("y ~ a + b + c", sm.OLS, MICEData(gapped(), rng=np.random.default_rng(2)))
    result = chained.fit(n_burnin=3, n_imputations=12)
    fits = chained.results_list
    for j in range(4):
        found = pool([float(f.params.iloc[j]) for f in fits], [float(f.bse.iloc[j]) for f in fits])
        assert found.estimate == pytest.approx(float(result.params[j]), rel=1e-10)
        assert found.std_error == pytest.approx(float(result.bse[j]), rel=1e-10)
        assert found.lost == pytest.approx(float(result.frac_miss_info[j]), rel=1e-10)


def test_degrees_of_freedom():
    # Barnard and Rubin (1999), eq. 3-5, written out: U = .04, B = .01, m = 5, complete-data df = 20.
    values, errors = [1.0, 1.1, 0.9, 1.15, 0.85], [0.2] * 5
    between = np.var(values, ddof=1)
    share = 1.2 * between / (0.04 + 1.2 * between)
    old, observed = 4 / share**2, 21 / 23 * 20 * (1 - share)
    assert pool(values, errors, 20).df == pytest.approx(old * observed / (old + observed), rel=1e-12)
    assert pool(values, errors).df == pytest.approx(old, rel=1e-12)
    assert pool([1.0, 1.0], [0.2, 0.2]) == (same := pool([1.0] * 3, [0.2] * 3))
    assert (same.df, same.lost) == (None, 0.0)
    with pytest.raises(ValueError, match="two copies"):
        pool([1.0], [0.2])


def test_the_regressions_are_statsmodels_own():
    theirs = MICEData(gapped(), rng=np.random.default_rng(9))
    ours = _chained()(gapped(), rng=np.random.default_rng(9))
    for chained in (theirs, ours):
        chained.perturb_params("b")
    assert ours.results["b"].rsquared == pytest.approx(theirs.results["b"].rsquared, rel=1e-10)
    fits = [c.results["b"].fittedvalues for c in (ours, theirs)]
    assert np.corrcoef(*fits)[0, 1] == pytest.approx(1.0, abs=1e-12)


def test_columns_that_say_the_same_and_scales_far_apart_do_no_harm():
    generator = np.random.default_rng(1)
    event = generator.integers(1, 3, 500)
    beside = np.column_stack([generator.integers(0, 2, 500), event == 1, event == 2, np.ones(500)]).astype(float)
    covariates = np.column_stack([generator.normal(1e5, 3e4, 500), 1e-4 * generator.normal(size=500)])
    gone = generator.random((500, 2)) < 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("error", UserWarning)
        copies = list(completed(np.where(gone, np.nan, covariates), beside, copies=2))
    assert all(np.isfinite(c).all() and set(c[:, 0]) <= set(covariates[~gone[:, 0], 0]) for c in copies)


def test_donors_are_the_nearest():
    generator = np.random.default_rng(4)
    known, wanted = generator.normal(size=200), generator.normal(size=50)
    nearest = [set(np.argsort(np.abs(known - w))[:5].tolist()) for w in wanted]
    drawn = [donors(known, wanted, 5, generator) for _ in range(200)]
    assert [set(column) for column in np.array(drawn).T.tolist()] == nearest
    assert donors(np.array([3.0, 1.0]), np.array([0.0, 9.0]), 5, generator).max() < 2  # fewer people than neighbours


def test_people_who_are_predicted_alike_lend_to_each_other_all():
    # statsmodels 0.15 draws from the same ten of these thousand people again and again.
    known = np.repeat([0.2, 0.5], 1000)
    drawn = donors(known, np.full(4000, 0.5), NEIGHBOURS, np.random.default_rng(4))
    assert drawn.min() >= 1000
    assert len(np.unique(drawn)) > 900


def test_copies_undo_a_loss_that_goes_with_what_is_known():
    generator = np.random.default_rng(11)
    arm = generator.integers(0, 2, 6000).astype(float)
    x = generator.normal(arm, 1.0)
    yes = (generator.random(6000) < 0.3 + 0.3 * arm).astype(float)
    gone = generator.random((6000, 2)) < np.where(arm == 1, 0.6, 0.1)[:, None]
    covariates = np.where(gone, np.nan, np.column_stack([x, yes]))
    copies = list(completed(covariates, arm[:, None], copies=5))
    means = np.mean([c.mean(axis=0) for c in copies], axis=0)
    assert np.abs(np.nanmean(covariates, axis=0) - [x.mean(), yes.mean()]).min() > 0.05  # complete cases are off
    assert means == pytest.approx([x.mean(), yes.mean()], abs=0.03)
    assert all(set(c[:, 1].tolist()) == {0.0, 1.0} for c in copies)
    assert all(np.array_equal(c[~gone], covariates[~gone]) for c in copies)
    again = list(completed(covariates, arm[:, None], copies=5))
    assert all(np.array_equal(a, b) for a, b in zip(copies, again, strict=True))


def test_cumulative_hazard_as_counted_by_hand():
    time, event = np.array([2.0, 1.0, 2.0, 3.0, 3.0]), np.array([1, 1, 0, 2, 1])
    expected = {1.0: 1 / 5, 2.0: 1 / 5 + 1 / 4, 3.0: 1 / 5 + 1 / 4 + 1 / 2}
    assert nelson_aalen(time, event).tolist() == pytest.approx([expected[t] for t in time])
