"""Synthetic control against the published data, an independent program, and brute force.

Data: cigarette sales in 39 states (Abadie, Diamond and Hainmueller, 2010), see cases/README.md. The weights, effect and
fit that the exact optimum over outcomes before 1989 has were found with a quadratic program in cvxpy and by NNLS. The
figures of Abadie et al. themselves rest on covariates too, so they are near (-19.6 in Arkhangelsky et al., 2021) and not
the same. diff-diff fits the same problem when its predictor weights are all one, and fits placebos by all other units, as here.
"""

import warnings
from itertools import combinations
from pathlib import Path

import diff_diff
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from evaluation.inference import synthetic
from evaluation.inference.simplex import nearest
from tests.panels import checks, estimates, fit, overall, simulated

WEIGHTS = {"Utah": 0.3939, "Montana": 0.2318, "Nevada": 0.2049, "Connecticut": 0.1091, "New Hampshire": 0.0454,
           "Colorado": 0.0148}  # fmt: skip


def prop99(treated=("California",), start=1989):
    wide = pd.read_csv(Path(__file__).parent / "cases" / "prop99.csv", index_col=0)
    long = wide.rename_axis("unit").reset_index().melt("unit", var_name="time", value_name="y")
    return long.assign(time=long["time"].astype(int), cohort=np.where(long["unit"].isin(treated), start, 0))


@pytest.fixture(scope="module")
def california():
    return fit("synthetic_control", prop99())


def test_proposition_99(california):
    att = overall(california)
    assert att.estimate == pytest.approx(-19.5136297496, abs=1e-5)
    assert att.std_error is None
    assert (att.n_obs, att.n_units, att.n_treated_units) == (1209, 39, 1)
    assert checks(california, "fit_before")[0].statistic == pytest.approx(1.6564002, abs=1e-5)
    weights = {k: e.estimate for k, e in estimates(california, "weight").items()}
    assert len(weights) == 38
    assert sum(weights.values()) == pytest.approx(1, abs=1e-12)
    assert {k: round(w, 4) for k, w in weights.items() if w > 1e-6} == WEIGHTS
    assert all(e.counts == (1,) for e in california.estimates if e.term == "weight")
    gaps = estimates(california, "gap")
    assert list(gaps) == [float(t) for t in range(1970, 2001)]
    assert np.mean([gaps[t].estimate for t in range(1989, 2001)]) == pytest.approx(att.estimate, abs=1e-12)


def test_as_diff_diff(california):
    frame = prop99()
    frame["treated"] = ((frame["cohort"] > 0) & (frame["time"] >= 1989)).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = diff_diff.SyntheticControl(v_method="custom", custom_v=np.ones(19), standardize="none")
        theirs = model.fit(frame, "y", "treated", "unit", "time", pre_period_outcomes="all")
        placebos = theirs.in_space_placebo()
    att = overall(california)
    assert att.estimate == pytest.approx(theirs.att, abs=1e-8)
    assert att.p_value == pytest.approx(theirs.placebo_p_value, abs=1e-12)
    ratio = placebos.set_index("unit")["rmspe_ratio"]
    assert checks(california, "post_pre_ratio")[0].statistic == pytest.approx(ratio["California"], abs=1e-6)
    wide = frame.pivot_table(index="time", columns="unit", values="y")
    names = ["California", *(c for c in wide if c != "California")]
    slots = synthetic.Slots((np.ones(31, bool),), (wide.index.to_numpy() < 1989,), np.ones(1))
    sets, complete = synthetic.choices(39, 1, slots, 99, 0)
    found = synthetic.permuted(wide[names].to_numpy(), slots, sets, 1)
    assert complete
    assert np.sqrt(found.after / found.before) == pytest.approx(ratio[names[1:]].to_numpy(), abs=1e-8)


def best_of_all_supports(columns, target, ridge=0.0):
    """The optimum over the simplex by trying every set of positive weights."""
    best, size = (np.inf, None), columns.shape[1]
    rows = np.concatenate([columns, np.sqrt(ridge) * np.eye(size)])
    aim = np.r_[target, np.zeros(size)]
    for k in range(1, size + 1):
        for support in map(list, combinations(range(size), k)):
            first, rest = rows[:, support[0]], rows[:, support[1:]]
            tail = np.linalg.lstsq(rest - first[:, None], aim - first, rcond=None)[0]
            weights = np.r_[1 - tail.sum(), tail]
            if (weights >= -1e-12).all():
                miss = ((rows[:, support] @ weights - aim) ** 2).sum()
                if miss < best[0] - 1e-13:
                    full = np.zeros(size)
                    full[support] = weights
                    best = (miss, full)
    return best


@pytest.mark.parametrize("seed", range(25))
def test_weights_are_the_best_of_all_supports(seed):
    rng = np.random.default_rng(seed)
    periods, donors = rng.integers(4, 12), rng.integers(1, 8)
    columns, target = rng.normal(size=(periods, donors)), rng.normal(size=periods)
    ridge = float(rng.choice([0.0, 0.5]))
    miss, weights = best_of_all_supports(columns, target, ridge)
    found = nearest(columns, target, ridge)
    assert found.breach < 1e-12
    assert found.weights == pytest.approx(weights, abs=1e-9) if found.unique else True
    reached = ((columns @ found.weights - target) ** 2).sum() + ridge * (found.weights**2).sum()
    assert reached == pytest.approx(miss, abs=1e-11)


@pytest.mark.parametrize("seed", range(6))
def test_of_many_optima_the_most_even(seed):
    rng = np.random.default_rng(100 + seed)
    columns = rng.normal(size=(2, 7))
    target = columns @ rng.dirichlet(np.ones(7))
    found = nearest(columns, target)
    assert not found.unique
    assert columns @ found.weights == pytest.approx(target, abs=1e-10)
    same = [{"type": "eq", "fun": lambda w: columns @ w - target}, {"type": "eq", "fun": lambda w: w.sum() - 1}]
    even = minimize(lambda w: w @ w, np.full(7, 1 / 7), bounds=[(0, 1)] * 7, constraints=same, method="SLSQP",
                    options={"ftol": 1e-14, "maxiter": 1000})  # fmt: skip
    assert found.weights == pytest.approx(even.x, abs=1e-5)
    order = rng.permutation(7)
    assert nearest(columns[:, order], target).weights == pytest.approx(found.weights[order], abs=1e-10)


def test_donors_of_very_different_size():
    wide = prop99().pivot_table(index="time", columns="unit", values="y")
    early = wide.loc[:1988]
    donors = early.drop(columns="California").to_numpy()
    giants = np.c_[donors, 1e5 * donors[:, :3]]
    found = nearest(giants, early["California"].to_numpy())
    assert found.weights[:38] == pytest.approx(nearest(donors, early["California"].to_numpy()).weights, abs=1e-9)


def test_penalty_as_a_general_optimiser():
    frame = prop99()
    wide = frame.pivot_table(index="time", columns="unit", values="y").loc[:1988]
    own, donors = wide["California"].to_numpy(), wide.drop(columns="California")
    ridge = 0.5 * len(wide) * np.diff(donors.to_numpy(), axis=0).ravel().var(ddof=1)

    def objective(w):
        return ((donors.to_numpy() @ w - own) ** 2).sum() + ridge * (w**2).sum()

    best = minimize(objective, np.full(38, 1 / 38), bounds=[(0, 1)] * 38, method="SLSQP",
                    constraints=[{"type": "eq", "fun": lambda w: w.sum() - 1}],
                    options={"ftol": 1e-15, "maxiter": 2000})  # fmt: skip
    weights = estimates(fit("synthetic_control", frame, {"penalty": 0.5}), "weight")
    ours = np.array([weights[s].estimate for s in donors.columns])
    assert objective(ours) <= best.fun * (1 + 1e-12)
    assert ours == pytest.approx(best.x, abs=1e-4)


def test_interval_is_the_effects_that_are_not_rejected():
    """Taking an effect out of the outcomes and testing again: inside the interval p is above 5 %, outside not."""
    frame = prop99()
    att = overall(fit("synthetic_control", frame))
    after = (frame["cohort"] > 0) & (frame["time"] >= 1989)
    assert att.conf_low < att.estimate < att.conf_high
    for effect, kept in ((att.conf_low - 0.01, False), (att.conf_low + 0.01, True), (att.conf_high - 0.01, True),
                         (att.conf_high + 0.01, False)):  # fmt: skip
        less = frame.assign(y=frame["y"] - effect * after)
        assert (overall(fit("synthetic_control", less)).p_value > 0.05) == kept


def test_several_treated_units_have_their_own_synthetics():
    treated = ("California", "Nevada", "Idaho")
    results = fit("synthetic_control", prop99(treated), {"draws": 99})
    alone = [
        fit("synthetic_control", prop99((name,)), {"donors": {"exclude": [t for t in treated if t != name]}})
        for name in treated
    ]
    assert overall(results).estimate == pytest.approx(np.mean([overall(r).estimate for r in alone]), abs=1e-10)
    for state in ("Utah", "Montana", "Ohio"):
        one = [estimates(r, "weight")[state].estimate for r in alone]
        assert estimates(results, "weight")[state].estimate == pytest.approx(np.mean(one), abs=1e-12)
    gaps = [estimates(r, "gap")[1995.0].estimate for r in alone]
    assert estimates(results, "gap")[1995.0].estimate == pytest.approx(np.mean(gaps), abs=1e-10)


def test_placebo_pairs_one_by_one():
    """Two treated units: the p-value counts all pairs of units, both of a pair fitted by the units outside of it."""
    frame = prop99(("California", "Nevada"))
    frame = frame[frame["unit"].isin(sorted(set(frame["unit"]))[:14]) | (frame["cohort"] > 0)]
    results = fit("synthetic_control", frame)
    wide = frame.pivot_table(index="time", columns="unit", values="y")
    early = wide.index < 1989

    def ratio(pair):
        pool = [c for c in wide if c not in pair]
        squares = []
        for own in pair:
            weights = nearest(wide.loc[early, pool].to_numpy(), wide.loc[early, own].to_numpy()).weights
            gap = wide[own] - wide[pool] @ weights
            squares.append([(gap[early] ** 2).mean(), (gap[~early] ** 2).mean()])
        before, after = np.mean(squares, axis=0)
        return after / before

    real = ("California", "Nevada")
    pairs = [p for p in combinations(wide.columns, 2) if p != real]
    larger = sum(ratio(p) >= ratio(real) for p in pairs)
    assert overall(results).p_value == pytest.approx((1 + larger) / (1 + len(pairs)), abs=1e-12)
    assert f"all {len(pairs)} other sets of units" in results.inference[0].method


def test_staggered_adoption_and_weights():
    frame = simulated(units=15, periods=9, clusters=15, starts=(5, 7), weights="constant")
    results = fit("synthetic_control", frame, {"draws": 99}, weights="weight")
    never = frame.loc[frame["cohort"] == 0, "unit"].unique().tolist()
    effects, shares = [], []
    for unit, rows in frame[frame["cohort"] > 0].groupby("unit"):
        one = fit("synthetic_control", frame[frame["unit"].isin([*never, unit])])
        effects.append(overall(one).estimate)
        shares.append(rows["weight"].iloc[0])
    assert overall(results).estimate == pytest.approx(np.average(effects, weights=shares), abs=1e-9)
    assert {k[0] for k in estimates(results, "gap")} == {"2005", "2007"}
    keys = [(e.term, e.group, e.time) for e in results.estimates]
    assert len(keys) == len(set(keys))


def test_a_planted_effect_is_found_exactly():
    rng = np.random.default_rng(5)
    paths = rng.normal(size=(8, 20)).cumsum(axis=1)
    treated = paths[:3].T @ np.array([0.5, 0.3, 0.2]) + np.where(np.arange(20) >= 14, 2.5, 0.0)
    rows = [(f"u{i}", t, 0, paths[i, t]) for i in range(8) for t in range(20)]
    rows += [("treated", t, 14, treated[t]) for t in range(20)]
    results = fit("synthetic_control", pd.DataFrame(rows, columns=["unit", "time", "cohort", "y"]))
    assert overall(results).estimate == pytest.approx(2.5, abs=1e-9)
    assert overall(results).p_value == pytest.approx(1 / 9)
    assert overall(results).conf_low is None
    assert [c.status for c in checks(results, "few_placebos")] == ["warn"]
