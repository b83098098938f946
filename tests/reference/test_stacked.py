"""Stacked difference-in-differences against diff-diff's estimates and weighted least squares on the stacked rows."""

import warnings

import moderndid
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from diff_diff import StackedDiD

from evaluation.data.moments import folded
from evaluation.estimators.registry import get
from tests.panels import OUTCOME, checks, estimates, fit, moments, overall, simulated


def mpdta():
    names = {"countyreal": "unit", "year": "time", "first.treat": "cohort", "lemp": "y"}
    return moderndid.load_mpdta().to_pandas().rename(columns=names)


@pytest.mark.parametrize("window", [(1, 1), (3, 0), (1, 3)])
def test_estimates_are_those_of_diff_diff(window):
    """Complete panels: the same weights give the same estimates. Its standard errors are those of a regression with one
    set of period effects for all stacks, ours have a set for each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = StackedDiD(kappa_pre=window[0], kappa_post=window[1]).fit(
            mpdta(), outcome="y", unit="unit", time="time", first_treat="cohort", aggregate="event_study"
        )
    results = fit("stacked", mpdta(), {"window": list(window)})
    ours = estimates(results, "event")
    for event, row in theirs.event_study_effects.items():
        assert ours[event].estimate == pytest.approx(row["effect"], abs=1e-10)
    assert overall(results).estimate == pytest.approx(theirs.overall_att, abs=1e-10)


def stacked_rows(frame, window, weights, never=False):
    """The stacks row by row, with their weights."""
    used, parts, last = frame.dropna(subset=["y"]), [], frame["time"].max()
    for g in sorted(c for c in used["cohort"].unique() if c > 0):
        if g - window[0] < used["time"].min() or g + window[1] > last:
            continue
        inside = used[(used["time"] >= g - window[0]) & (used["time"] <= g + window[1])]
        clean = (inside["cohort"] == 0) | (inside["cohort"] > (last if never else g + window[1]))
        stack = inside[(inside["cohort"] == g) | clean].assign(stack=g)
        stack = stack[stack.groupby("unit")["y"].transform("size") > 1]
        if (stack["cohort"] != g).any():
            parts.append(stack.assign(treated=stack["cohort"] == g, event=stack["time"] - g))
    rows = pd.concat(parts)
    rows["w"] = rows[weights] if weights else 1.0
    treated, control = (rows[rows["treated"] == d].groupby("stack")["w"].sum() for d in (True, False))
    q = (treated / treated.sum()) / (control / control.sum())
    rows["w"] *= np.where(rows["treated"], 1.0, rows["stack"].map(q))
    return rows


def by_rows(rows, cluster):
    events = sorted(e for e in rows.loc[rows["treated"], "event"].unique() if e != -1)
    x = np.column_stack([(rows["treated"] & (rows["event"] == e)).to_numpy(float) for e in events])
    effects = [rows["unit"].astype(str) + "." + rows["stack"].astype(str), rows["time"] + 10_000 * rows["stack"]]
    units, periods = (pd.get_dummies(e).to_numpy(float) for e in effects)
    bread_free = np.column_stack([x, units, periods])
    keep = np.linalg.qr(bread_free * np.sqrt(rows["w"].to_numpy())[:, None], mode="r")
    kept = np.abs(np.diag(keep)) > 1e-8
    model = sm.WLS(rows["y"].to_numpy(), bread_free[:, kept], weights=rows["w"].to_numpy())
    result = model.fit(cov_type="cluster", cov_kwds={"groups": pd.factorize(rows[cluster])[0], "use_correction": False})
    g, n, k = rows[cluster].nunique(), len(rows), len(events) + periods.shape[1]
    factor = g / (g - 1) * (n - 1) / (n - k)
    p = len(events)
    mass = np.array([rows.loc[rows["treated"] & (rows["event"] == e), "w"].sum() * (e >= 0) for e in events])
    share, covariance = mass / mass.sum(), factor * result.cov_params()[:p, :p]
    overall_row = share @ result.params[:p], np.sqrt(share @ covariance @ share)
    return dict(zip(events, zip(result.params, np.sqrt(np.diag(covariance)), strict=False), strict=True)), overall_row


@pytest.mark.parametrize(
    ("weights", "cluster"), [(None, "unit"), ("constant", "unit"), ("varying", "unit"), ("varying", "cluster")]
)
@pytest.mark.parametrize("control_group", ["not_yet_treated", "never_treated"])
def test_as_weighted_least_squares_on_the_stacks(cluster, weights, control_group):
    frame = simulated(seed=4, units=28, periods=7, clusters=7, starts=(3, 4, 6), holes=0.1, weights=weights)
    role = "weight" if weights else None
    results = fit("stacked", frame, {"window": [2, 1], "control_group": control_group}, cluster=cluster, weights=role)
    rows = stacked_rows(frame, (2, 1), role, never=control_group == "never_treated")
    expected, att = by_rows(rows, cluster)
    events = estimates(results, "event")
    for event, (value, error) in expected.items():
        assert events[event].estimate == pytest.approx(value, abs=1e-9)
        assert events[event].std_error == pytest.approx(error, rel=1e-8)
    found = overall(results)
    assert (found.estimate, found.std_error) == pytest.approx(att, rel=1e-8)
    assert (found.n_obs, found.n_units) == (len(rows), rows["unit"].nunique())
    assert found.n_clusters == rows[cluster].nunique()


def test_units_summed_across_clusters_give_the_same():
    """A unit in several stacks is one cluster, also where its own rows are not kept."""
    frame = simulated(seed=4, units=60, periods=8, starts=(3, 4, 7), holes=0.1, weights="constant")
    one = moments(frame, weights="weight")
    estimator = get("stacked")(window=[2, 1])
    whole, summed = estimator.estimate(one, OUTCOME), estimator.estimate(folded(one), OUTCOME)
    for a, b in zip(whole.estimates, summed.estimates, strict=True):
        assert (b.estimate, b.std_error or 0.0) == pytest.approx((a.estimate, a.std_error or 0.0), abs=1e-11)
        assert (b.n_obs, b.n_units, b.n_treated_units, b.n_clusters, b.counts) == (
            a.n_obs, a.n_units, a.n_treated_units, a.n_clusters, a.counts
        )  # fmt: skip
    assert summed.influence is None


def test_the_default_window_is_stated():
    results = fit("stacked", mpdta())
    (stated,) = checks(results, "stack_window")
    assert stated.message.startswith("The window runs from 1 period before adoption to 0 after its first")
    assert sorted(estimates(results, "event")) == [-1, 0]


def test_cohorts_that_the_window_does_not_fit_are_named():
    results = fit("stacked", mpdta(), {"window": [1, 1]})
    (left_out,) = checks(results, "cohorts_left_out")
    assert (left_out.statistic, left_out.counts) == (1, (131,))
    assert "2007" in left_out.message
