"""Interrupted time series against published data, statsmodels, and series without noise.

Seat belts: drivers killed or seriously injured in Great Britain, monthly 1969-84 (Harvey and Durbin, 1986), see
cases/README.md. The coefficient of the law and its standard errors (ordinary, and Newey-West with 12 lags with and without
the factor n/(n-K)) are R's lm and sandwich::NeweyWest(prewhite = FALSE). Harvey and Durbin found a fall of 18 % for car
drivers by a structural model.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.stats.stattools import durbin_watson

from evaluation.study.building import Population
from evaluation.study.models import Outcome
from tests.panels import OUTCOME, checks, estimates, fit, overall

LAW = {"slope": False, "season": "dummies", "covariates": ["log_price", "log_kms"]}
START = 170  # February 1983


@pytest.fixture(scope="module")
def drivers():
    frame = pd.read_csv(Path(__file__).parent / "cases" / "seatbelts.csv").rename(columns={"period": "time"})
    assert frame.loc[frame["law"] == 1, "time"].min() == START
    return frame.assign(unit="Great Britain", cohort=START, y=np.log(frame["drivers"]), log_price=np.log(frame["PetrolPrice"]),
                        log_kms=np.log(frame["kms"]))  # fmt: skip


@pytest.mark.parametrize(
    ("options", "std_error"),
    [
        ({"errors": "ar", "lags": 0}, 0.0212633632),
        ({"lags": 12}, 0.0297885579),
        ({"lags": 12, "adjust": False}, 0.0285203728),
    ],
)
def test_seat_belt_law(drivers, options, std_error):
    results = fit("interrupted_time_series", drivers, LAW | options)
    law = overall(results, "level_change")
    assert law.estimate == pytest.approx(-0.150397278245, abs=1e-9)
    assert law.std_error == pytest.approx(std_error, abs=1e-9)
    att = overall(results)
    assert (att.estimate, att.std_error) == pytest.approx((law.estimate, law.std_error), abs=1e-12)
    assert (att.n_obs, att.n_units, att.n_clusters) == (192, 1, 1)
    how = next(i for i in results.inference if i.term == "att")
    assert (how.df, how.df_rule, how.distribution) == (192 - 16, "points - coefficients", "t")


def regressors(frame, *, slope=True, extra=()):
    since = frame["time"] - START
    after = (since >= 0).astype(float)
    columns = {"level_change": after} | ({"slope_change": after * since} if slope else {})
    return pd.DataFrame(columns | {"constant": 1.0, "trend": since.astype(float)} | dict(extra))


def months(frame):
    return {f"m{k}": (frame["time"] % 12 == k).astype(float) for k in range(1, 12)}


@pytest.mark.parametrize("lags", [0, 3, 20])
def test_newey_west_as_statsmodels(drivers, lags):
    results = fit("interrupted_time_series", drivers, {"season": "dummies", "lags": lags})
    X = regressors(drivers, extra=months(drivers))
    theirs = sm.OLS(drivers["y"], X).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": True}, use_t=True)
    for name in ("level_change", "slope_change"):
        ours = overall(results, name)
        assert ours.estimate == pytest.approx(theirs.params[name], rel=1e-9)
        assert ours.std_error == pytest.approx(theirs.bse[name], rel=1e-9)
        assert (ours.conf_low, ours.conf_high) == pytest.approx(tuple(theirs.conf_int().loc[name]), rel=1e-8)
        assert ours.p_value == pytest.approx(theirs.pvalues[name], rel=1e-6)
    share = np.zeros(X.shape[1])
    share[:2] = 1, X.loc[drivers["time"] >= START, "slope_change"].mean()
    mean = theirs.t_test(share)
    assert overall(results).estimate == pytest.approx(float(mean.effect[0]), rel=1e-9)
    assert overall(results).std_error == pytest.approx(float(mean.sd.item()), rel=1e-9)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_autoregressive_errors_as_statsmodels(drivers, order):
    results = fit("interrupted_time_series", drivers, {"season": "fourier", "errors": "ar", "lags": order})
    angle = 2 * np.pi * (drivers["time"] % 12) / 12
    waves = {f"{f.__name__}{k}": f(k * angle) for k in (1, 2) for f in (np.sin, np.cos)}
    X = regressors(drivers, extra=waves)
    theirs = sm.GLSAR(drivers["y"].to_numpy(), X.to_numpy(), rho=order).iterative_fit(maxiter=500, rtol=1e-14)
    for k, name in enumerate(("level_change", "slope_change")):
        ours = overall(results, name)
        assert ours.estimate == pytest.approx(theirs.params[k], rel=1e-7)
        assert ours.std_error == pytest.approx(theirs.bse[k], rel=1e-7)
    how = results.inference[0]
    assert how.df == 192 - order - 8 == theirs.df_resid


def test_residual_checks_as_statsmodels(drivers):
    results = fit("interrupted_time_series", drivers)
    rest = sm.OLS(drivers["y"], regressors(drivers)).fit().resid
    assert checks(results, "durbin_watson")[0].statistic == pytest.approx(durbin_watson(rest), rel=1e-9)
    theirs = acorr_ljungbox(rest, lags=[10])
    found = checks(results, "autocorrelation")[0]
    assert found.statistic == pytest.approx(theirs["lb_stat"].iloc[0], rel=1e-8)
    assert found.p_value == pytest.approx(theirs["lb_pvalue"].iloc[0], rel=1e-6, abs=1e-200)
    assert found.status == "info"


def test_gaps_are_distances_from_the_continued_course(drivers):
    """As predicting the periods with the law as if there were none, with the variance of a new observation."""
    results = fit("interrupted_time_series", drivers, {"season": "dummies", "errors": "ar", "lags": 0})
    X = regressors(drivers, extra=months(drivers))
    without = X.assign(level_change=0.0, slope_change=0.0)
    course = sm.OLS(drivers["y"], X).fit().get_prediction(without)
    gaps = estimates(results, "gap")
    assert len(gaps) == 192
    assert [e.estimate for e in gaps.values()] == pytest.approx(list(drivers["y"] - course.predicted_mean), abs=1e-9)
    assert [e.std_error for e in gaps.values()] == pytest.approx(list(course.se_obs), rel=1e-8)
    after = [e.estimate for t, e in gaps.items() if t >= START]
    assert np.mean(after) == pytest.approx(overall(results).estimate, abs=1e-10)


def test_the_usual_number_of_lags(drivers):
    assert fit("interrupted_time_series", drivers).inference[0].method == "Newey-West, 4 lags"
    short = drivers[drivers["time"].between(150, 190)]
    assert fit("interrupted_time_series", short).inference[0].method == "Newey-West, 3 lags"


def places(rng, holes=False):
    """Four places that start in period 13 and three that never do, with weights, populations and a covariate."""
    rows = [
        (f"p{i}", t, 13 if i < 4 else 0, 1.0 + i, 100.0 * (1 + i), rng.normal(), rng.normal(10 + 0.1 * t, 1))
        for i in range(7)
        for t in range(1, 31)
    ]
    frame = pd.DataFrame(rows, columns=["unit", "time", "cohort", "weight", "people", "x", "y"])
    frame["y"] += 2.0 * (frame["cohort"] > 0) * (frame["time"] >= 13)
    return frame.drop(frame.index[[3, 40, 170]]) if holes else frame


def series_of(frame, value):
    return fit("interrupted_time_series", value.rename("y").reset_index().assign(unit="one", cohort=13))


@pytest.mark.parametrize("holes", [False, True])
def test_several_units_are_their_weighted_mean(holes):
    frame = places(np.random.default_rng(1), holes)
    treated = frame[frame["cohort"] > 0]
    mean = treated.assign(y=treated["y"] * treated["weight"]).groupby("time")[["y", "weight"]].sum()
    ours = fit("interrupted_time_series", frame, weights="weight")
    theirs = series_of(frame, mean["y"] / mean["weight"])
    assert overall(ours).estimate == pytest.approx(overall(theirs).estimate, rel=1e-10)
    assert overall(ours).std_error == pytest.approx(overall(theirs).std_error, rel=1e-9)
    assert overall(ours).counts == (4,)
    assert checks(ours, "comparison_series")[0].counts == (3,)


def test_comparison_series_is_subtracted():
    frame = places(np.random.default_rng(2))
    mean = frame.assign(treated=frame["cohort"] > 0).pivot_table(index="time", columns="treated", values=["y", "x"])
    apart = (mean["y"][True] - mean["y"][False]).rename("y")
    ours = fit("interrupted_time_series", frame, {"comparison": "never_treated", "covariates": ["x"]})
    alone = apart.reset_index().assign(unit="one", cohort=13, x=(mean["x"][True] - mean["x"][False]).to_numpy())
    theirs = fit("interrupted_time_series", alone, {"covariates": ["x"]})
    for term in ("att", "level_change", "slope_change", "x"):
        assert overall(ours, term).estimate == pytest.approx(overall(theirs, term).estimate, rel=1e-9)
        assert overall(ours, term).std_error == pytest.approx(overall(theirs, term).std_error, rel=1e-9)
    assert overall(ours).counts == (4, 3)


def test_exposure_and_logarithm_make_a_log_rate():
    frame = places(np.random.default_rng(3))
    frame["y"] = frame["y"].round().clip(lower=1)
    total = frame[frame["cohort"] > 0].groupby("time")[["y", "people"]].sum()
    outcome = Outcome(id="events", label="Events", column="y", type="count", exposure="people")
    ours = fit("interrupted_time_series", frame, {"log": True}, outcome)
    theirs = series_of(frame, np.log(total["y"] / total["people"]))
    assert overall(ours).estimate == pytest.approx(overall(theirs).estimate, rel=1e-9)
    assert overall(ours).std_error == pytest.approx(overall(theirs).std_error, rel=1e-8)
    assert (overall(ours).scale, overall(theirs).scale) == ("log", "level")


def test_a_series_without_noise():
    time = np.arange(1, 31)
    y = 3 + 0.5 * time + np.where(time >= 16, 4 + 0.25 * (time - 16), 0)
    frame = pd.DataFrame({"unit": 1, "time": time, "cohort": 16, "y": y})
    results = fit("interrupted_time_series", frame, outcome=OUTCOME)
    assert overall(results, "level_change").estimate == pytest.approx(4, abs=1e-10)
    assert overall(results, "slope_change").estimate == pytest.approx(0.25, abs=1e-10)
    assert overall(results).estimate == pytest.approx(4 + 0.25 * 7, abs=1e-10)
    assert overall(results).std_error is None
    assert estimates(results, "gap")[20.0].estimate == pytest.approx(5, abs=1e-10)


def test_rates_are_told_per_so_many_as_the_population_says():
    frame = places(np.random.default_rng(4))
    outcome = Outcome(id="events", label="Events", column="y", type="count", exposure="people")
    told = outcome.model_copy(update={"per": Population(table="t", column="people")})
    one, rate, asked = (
        overall(fit("interrupted_time_series", frame, options, o))
        for options, o in (({}, outcome), ({}, told), ({"per": 1000.0}, told))
    )
    assert rate.estimate == pytest.approx(100_000 * one.estimate, rel=1e-9)
    assert asked.std_error == pytest.approx(1000 * one.std_error, rel=1e-9)
