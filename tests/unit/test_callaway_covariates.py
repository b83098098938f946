"""Adjusted group-time effects: influence functions against derivatives, data of all kinds, and refusals."""

import numpy as np
import pandas as pd
import pytest

from evaluation.data.panel import Panel
from evaluation.data.panel_covariates import covariate_moments
from evaluation.errors import NotEstimable
from evaluation.estimators.registry import get
from evaluation.inference.cross_sections import Sample, adjusted_sections
from evaluation.inference.doubly_robust import Side, adjusted
from tests.panels import OUTCOME, checks, design, estimates, fit, keyed, overall, simulated, source

METHODS = ["reg", "ipw", "dr"]
STEP = 1e-4


def people(seed=7, n=50):
    """Units of two periods: treated or not, weights, design rows with a constant, outcomes (n, 2)."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    treated = rng.uniform(size=n) < 1 / (1 + np.exp(-0.6 * x[:, 1]))
    y = rng.normal(size=(n, 2)) + x[:, [1]] + np.outer(treated + x[:, 2], [0, 1])
    return treated, rng.uniform(0.5, 2, n), x, y


def derivatives(value, weight):
    """What each unit adds to the error of an estimate: the derivative with respect to its weight, times the weight."""
    found = []
    for i in range(len(weight)):
        up, down = weight.copy(), weight.copy()
        up[i] *= 1 + STEP
        down[i] *= 1 - STEP
        found.append((value(up) - value(down)) / (2 * STEP))
    return np.array(found)


@pytest.mark.parametrize("method", METHODS)
def test_influence_is_the_derivative_with_respect_to_weights(method):
    treated, weight, x, y = people()
    change = np.array([[-1.0], [1.0]])

    def sides(w):
        return [Side(w[rows], x[rows], y[rows] * w[rows, None]) for rows in (treated, ~treated)]

    fitted = adjusted(*sides(weight), change, method)
    own, against = sides(weight)
    found = np.empty(len(weight))
    found[treated] = fitted.of_treated(own, np.arange(treated.sum()))[:, 0]
    found[~treated] = fitted.of_controls(against, np.arange((~treated).sum()))[:, 0]
    expected = derivatives(lambda w: adjusted(*sides(w), change, method).att[0], weight)
    assert found == pytest.approx(expected, abs=1e-8)
    assert found.sum() == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_influence_in_cross_sections_is_the_derivative(method):
    treated, weight, x, y = people(n=80)
    now = np.arange(len(weight)) % 2 == 0

    def sample(w):
        return Sample(treated, now, w, x, np.where(now, y[:, 1], y[:, 0]))

    found = adjusted_sections(sample(weight), method).influence(sample(weight))
    expected = derivatives(lambda w: adjusted_sections(sample(w), method).att, weight)
    assert found == pytest.approx(expected, abs=1e-8)


# --------------------------------------------------------------------------- one comparison by hand


def confounded(seed=3, units=400, periods=4, clusters=40):
    """Two cohorts; the trend depends on a covariate that treated units have more of; the effect is 1."""
    rng = np.random.default_rng(seed)
    frame = simulated(seed, units, periods, clusters, starts=(3,), first=1)
    x = rng.normal(size=units) + 0.5 * (frame.groupby("unit")["cohort"].first().to_numpy() > 0)
    frame["x"], frame["z"] = x[frame["unit"]], (frame["unit"] % 2).astype(float)
    treated = (frame["cohort"] > 0) & (frame["time"] >= frame["cohort"])
    frame["y"] = frame["x"] * frame["time"] + treated + 0.1 * rng.normal(size=len(frame))
    return frame


@pytest.mark.parametrize("method", METHODS)
def test_adjusting_removes_a_trend_that_follows_the_covariate(method):
    frame = confounded()
    adjusted_for = overall(fit("callaway_santanna", frame, {"method": method, "covariates": ["x", "z"]}))
    assert abs(overall(fit("callaway_santanna", frame)).estimate - 1) > 0.5
    assert abs(adjusted_for.estimate - 1) < (0.4 if method == "ipw" else 0.05)


def test_regression_is_least_squares_among_the_comparison_units():
    frame = confounded()
    wide = frame.pivot_table(index="unit", columns="time", values="y")
    about = frame.groupby("unit")[["cohort", "x"]].first()
    change, inside = (wide[4] - wide[2]).to_numpy(), about["cohort"].to_numpy() > 0
    slope, level = np.polyfit(about["x"][~inside], change[~inside], 1)
    expected = (change - level - slope * about["x"]).to_numpy()[inside].mean()
    cells = estimates(fit("callaway_santanna", frame, {"covariates": ["x"]}), "group_time")
    assert cells["3", 4.0].estimate == pytest.approx(expected, abs=1e-10)


# --------------------------------------------------------------------------- the data in other forms


def same(one, other, tolerance=1e-11):
    left, right = keyed(one), keyed(other)
    assert list(left) == list(right)
    for key, row in left.items():
        assert row.estimate == pytest.approx(right[key].estimate, abs=tolerance), key
        assert row.std_error == pytest.approx(right[key].std_error, abs=tolerance), key
        assert row.counts == right[key].counts


@pytest.mark.parametrize("method", METHODS)
def test_order_and_names_of_units_do_not_matter(method):
    frame = confounded(units=120, clusters=12)
    options = {"method": method, "covariates": ["x", "z"]}
    one = fit("callaway_santanna", frame, options, cluster="cluster")
    shuffled = frame.sample(frac=1, random_state=1)
    for other in (shuffled, shuffled.assign(unit=[f"id {7919 * u % 1009}" for u in shuffled["unit"]]),
                  shuffled.assign(unit=shuffled["unit"] * 10**9 + 5)):  # fmt: skip
        again = fit("callaway_santanna", other, options, cluster="cluster")
        same(one, again)
        bands = [[(i.conf_low, i.conf_high) for i in r.inference if "simult" in i.method] for r in (one, again)]
        assert np.array(bands[0]) == pytest.approx(np.array(bands[1]), abs=1e-10)


def test_a_shuffled_file_gives_the_same_bytes():
    frame = confounded(units=120, clusters=12)
    options = {"method": "dr", "covariates": ["x"]}
    assert repr(fit("callaway_santanna", frame, options).estimates) == repr(
        fit("callaway_santanna", frame.sample(frac=1, random_state=2), options).estimates
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_covariate_that_changes_elsewhere_gives_the_same_effects(method):
    """Only the base period's values count: one that changes in the last period takes the other way to the answer."""
    frame = confounded(units=120)
    options = {"method": method, "covariates": ["x"], "base_period": "universal"}
    moved = frame.assign(x=frame["x"].where(frame["time"] < 4, frame["x"] + np.sin(frame["unit"])))
    same(fit("callaway_santanna", frame, options), fit("callaway_santanna", moved, options), 1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_units_count_where_seen_in_both_periods(method):
    """A comparison with holes equals one on the units without a hole in its two periods."""
    frame = confounded(units=200)
    frame.loc[np.random.default_rng(1).uniform(size=len(frame)) < 0.1, "y"] = np.nan
    options = {"method": method, "covariates": ["x"], "base_period": "universal"}
    whole = estimates(fit("callaway_santanna", frame, options), "group_time")["3", 4.0]
    pair = frame[frame["time"].isin([2, 4])]
    seen = pair.groupby("unit")["y"].transform("count") == 2
    alone = estimates(fit("callaway_santanna", pair[seen], options), "group_time")["3", 4.0]
    assert whole.estimate == pytest.approx(alone.estimate, abs=1e-11)
    assert whole.std_error == pytest.approx(alone.std_error, abs=1e-11)
    assert whole.n_units == alone.n_units == pair[seen]["unit"].nunique()


def test_rows_without_a_covariate_are_dropped_and_counted():
    frame = confounded(units=80)
    frame.loc[(frame["unit"] == 5) | ((frame["unit"] == 6) & (frame["time"] == 1)), "x"] = np.nan
    results = fit("callaway_santanna", frame, {"covariates": ["x"]})
    steps = {f.step: f for f in results.flow}
    assert steps["missing_covariate"].n_dropped == 5
    assert (steps["unit_without_outcome"].n_dropped, steps["unit_without_outcome"].n_remaining) == (1, 79)


@pytest.mark.parametrize("panel", [True, False])
def test_clusters_add_up_their_units(panel):
    """Doubling every unit within its cluster changes no estimate and no clustered error."""
    frame = confounded(units=80, clusters=10)
    twice = frame.assign(unit=frame["unit"] + 1000)
    options = {"method": "dr", "covariates": ["x"], "panel": panel}
    one = fit("callaway_santanna", frame, options, cluster="cluster")
    both = fit("callaway_santanna", pd.concat([frame, twice]), options, cluster="cluster")
    for key, row in keyed(one).items():
        assert row.estimate == pytest.approx(keyed(both)[key].estimate, abs=1e-10)
        assert row.std_error == pytest.approx(keyed(both)[key].std_error, abs=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_the_overall_effect_alone_is_the_same(tmp_path, method):
    estimator = get("callaway_santanna")(method=method, covariates=["x"])
    panel = Panel.of(design(), source(confounded(units=100), tmp_path))
    moments = estimator.moments(panel, OUTCOME)
    assert estimator.overall(moments, OUTCOME) == overall(estimator.estimate(moments, OUTCOME))


def test_moments_follow_units_left_out(tmp_path):
    frame = confounded(units=100).assign(moving=lambda f: f["x"] + f["time"] ** 2 * (f["unit"] % 3))
    estimator = get("callaway_santanna")(method="dr", covariates=["moving"])
    moments = estimator.moments(Panel.of(design(), source(frame, tmp_path)), OUTCOME)
    keep = (moments.cluster % 4 != 0)[:, None] & (moments.times > 1)
    cut = moments.restricted(keep, moments.cohort)
    left = frame[(frame["unit"] % 4 != 0) & (frame["time"] > 1)]
    expected = overall(fit("callaway_santanna", left, {"method": "dr", "covariates": ["moving"]}))
    assert estimator.overall(cut, OUTCOME).estimate == pytest.approx(expected.estimate, abs=1e-12)
    gone = moments.without(moments.cluster % 4 == 0, "step", "reason")
    assert gone.covariates.shape[0] == len(gone.cohort) == 75


# --------------------------------------------------------------------------- no answer


def test_groups_that_a_covariate_tells_apart_have_no_weights():
    frame = confounded(units=100).assign(apart=lambda f: (f["cohort"] > 0) * 1.0 + 0.1 * (f["unit"] % 3))
    for method in ("ipw", "dr"):
        with pytest.raises(NotEstimable, match="given the covariates"):
            fit("callaway_santanna", frame, {"method": method, "covariates": ["apart"]})


def test_a_cohort_that_cannot_be_weighted_is_left_out_and_said_so():
    frame = simulated(units=120, starts=(3, 5))
    rng = np.random.default_rng(0)
    frame["x"] = rng.normal(size=120)[frame["unit"]] + 100 * (frame["cohort"] == 2005)
    results = fit("callaway_santanna", frame, {"method": "dr", "covariates": ["x"]})
    cells = estimates(results, "group_time")
    assert cells["2003", 2004.0].status == "ok"
    assert cells["2005", 2006.0].status == "not_estimable"
    (check,) = checks(results, "overlap")
    assert (check.status, check.statistic) == ("fail", 3)
    assert any("given the covariates" in c.message for c in checks(results, "not_estimable"))


def test_collinear_covariates_have_no_answer():
    frame = confounded(units=100).assign(again=lambda f: 2 * f["x"] + 1)
    for method in METHODS:
        with pytest.raises(NotEstimable, match="collinear"):
            fit("callaway_santanna", frame, {"method": method, "covariates": ["x", "again"]})


def test_overlap_that_rests_on_few_units_is_a_warning():
    frame = confounded(units=100)
    results = fit("callaway_santanna", frame, {"method": "dr", "covariates": ["x"]})
    (check,) = checks(results, "overlap")
    assert check.status == "pass"
    assert "count for at least" in check.message
    assert not checks(fit("callaway_santanna", frame, {"covariates": ["x"]}), "overlap")


def test_weights_that_change_within_units_are_refused():
    frame = confounded(units=60)
    frame["w"] = 1.0 + (frame["time"] == 2)
    with pytest.raises(NotEstimable, match="weights change"):
        fit("callaway_santanna", frame, {"covariates": ["x"]}, weights="w")


def test_infinite_covariates_are_refused(tmp_path):
    frame = confounded(units=60)
    frame.loc[0, "x"] = np.inf
    panel = Panel.of(design(), source(frame, tmp_path))
    with pytest.raises(NotEstimable, match="covariate x holds infinite"):
        covariate_moments(panel, OUTCOME, ["x"])
