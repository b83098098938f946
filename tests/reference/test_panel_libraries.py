"""Panel estimators against independent programs on the same data.

- Callaway-Sant'Anna: diff-diff and moderndid, both installed by the test extra. moderndid leaves clusters above the
  units out of its analytic standard errors, and diff-diff multiplies the clustered variance by G/(G-1), which R's did
  does not: the comparison takes it out. With anticipation diff-diff's means include the periods of anticipation;
  R's did and moderndid average from adoption on, and so does this project.
- Two-way fixed effects: linearmodels without any degrees-of-freedom correction, times the stated factor.
"""

import warnings

import diff_diff
import moderndid
import numpy as np
import polars as pl
import pytest
from linearmodels.panel import PanelOLS

from tests.panels import checks, estimates, fit, keyed, overall, simulated

CONTROLS = {"never_treated": "nevertreated", "not_yet_treated": "notyettreated"}
TOLERANCE = 1e-8
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:moderndid")


@pytest.fixture(scope="module")
def staggered():
    """80 units in 15 clusters, seven periods, three cohorts with different, growing effects."""
    return simulated(units=80)


@pytest.fixture(scope="module")
def mpdta():
    names = {"countyreal": "unit", "year": "time", "first.treat": "cohort", "lemp": "y"}
    return moderndid.load_mpdta().to_pandas().rename(columns=names)


def diff_diff_fit(frame, control_group, base_period="varying", cluster=None):
    model = diff_diff.CallawaySantAnna(
        control_group=control_group, base_period=base_period, estimation_method="reg", cluster=cluster
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(frame, "y", "unit", "time", "cohort", aggregate="all")


def moderndid_fit(frame, control_group, base_period="varying", anticipation=0):
    return moderndid.att_gt(
        pl.from_pandas(frame), yname="y", tname="time", idname="unit", gname="cohort", est_method="reg", boot=False,
        control_group=CONTROLS[control_group], base_period=base_period, anticipation=anticipation)  # fmt: skip


def same(ours, value, error):
    assert ours.estimate == pytest.approx(value, abs=TOLERANCE)
    if ours.std_error is not None:
        assert ours.std_error == pytest.approx(error, abs=TOLERANCE)


@pytest.mark.parametrize("data", ["staggered", "mpdta"])
@pytest.mark.parametrize("control_group", CONTROLS)
@pytest.mark.parametrize("base_period", ["varying", "universal"])
def test_group_time_effects_as_diff_diff(request, data, control_group, base_period):
    frame = request.getfixturevalue(data)
    theirs = diff_diff_fit(frame, control_group, base_period)
    ours = fit("callaway_santanna", frame, {"control_group": control_group, "base_period": base_period})
    cells = estimates(ours, "group_time")
    assert len(theirs.group_time_effects) == len(cells) > 10
    for (cohort, period), found in theirs.group_time_effects.items():
        same(cells[str(int(cohort)), float(period)], found["effect"], found["se"])
    for event, found in theirs.event_study_effects.items():
        same(estimates(ours, "event")[float(event)], found["effect"], found["se"])
    for cohort, found in theirs.group_effects.items():
        same(estimates(ours, "group")[str(int(cohort))], found["effect"], found["se"])
    same(overall(ours), theirs.overall_att, theirs.overall_se)


@pytest.mark.parametrize("data", ["staggered", "mpdta"])
@pytest.mark.parametrize("control_group", CONTROLS)
@pytest.mark.parametrize("base_period", ["varying", "universal"])
@pytest.mark.parametrize("anticipation", [0, 1])
def test_group_time_effects_as_moderndid(request, data, control_group, base_period, anticipation):
    frame = request.getfixturevalue(data)
    theirs = moderndid_fit(frame, control_group, base_period, anticipation)
    options = {"control_group": control_group, "base_period": base_period, "anticipation": anticipation}
    ours = fit("callaway_santanna", frame, options)
    cells = estimates(ours, "group_time")
    for cohort, period, value, error in zip(theirs.groups, theirs.times, theirs.att_gt, theirs.se_gt, strict=True):
        same(cells[str(int(cohort)), float(period)], value, error)
    for kind, term in (
        ("simple", "att"),
        ("group", "att_group"),
        ("dynamic", "att_dynamic"),
        ("calendar", "att_calendar"),
    ):
        found = moderndid.aggte(theirs, type=kind, boot=False, cband=False)
        same(overall(ours, term), found.overall_att, found.overall_se)


@pytest.mark.parametrize("control_group", CONTROLS)
def test_pre_test_as_moderndid(staggered, control_group):
    theirs = moderndid_fit(staggered, control_group)
    (check,) = checks(fit("callaway_santanna", staggered, {"control_group": control_group}), "pretrends")
    assert check.p_value == pytest.approx(theirs.wald_pvalue, abs=5e-6)  # printed to 5 decimals


@pytest.mark.parametrize("control_group", CONTROLS)
def test_clusters_above_units_as_diff_diff(staggered, control_group):
    theirs = diff_diff_fit(staggered, control_group, cluster="cluster")
    ours = keyed(fit("callaway_santanna", staggered, {"control_group": control_group}, cluster="cluster"))
    factor = np.sqrt(15 / 14)
    for (cohort, period), found in theirs.group_time_effects.items():
        same(ours["group_time", str(int(cohort)), float(period)], found["effect"], found["se"] / factor)
    for event, found in theirs.event_study_effects.items():
        same(ours["event", float(event)], found["effect"], found["se"] / factor)
    same(ours["att"], theirs.overall_att, theirs.overall_se / factor)


@pytest.mark.parametrize("method", ["reg", "ipw", "dr"])
def test_without_covariates_the_methods_coincide(staggered, method):
    theirs = moderndid.att_gt(
        pl.from_pandas(staggered), yname="y", tname="time", idname="unit", gname="cohort", est_method=method, boot=False
    )
    ours = estimates(fit("callaway_santanna", staggered, {"method": method}), "group_time")
    for cohort, period, value, error in zip(theirs.groups, theirs.times, theirs.att_gt, theirs.se_gt, strict=True):
        same(ours[str(int(cohort)), float(period)], value, error)


SHAPES = {
    "balanced": ({}, "unit", None),
    "holes": ({"holes": 0.15}, "unit", None),
    "clusters above units": ({"holes": 0.15}, "cluster", None),
    "constant weights": ({"holes": 0.15, "weights": "constant"}, "unit", "weight"),
    "constant weights, clusters": ({"holes": 0.15, "weights": "constant"}, "cluster", "weight"),
    "varying weights, clusters": ({"holes": 0.15, "weights": "varying"}, "cluster", "weight"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("estimator", ["twfe", "event_study"])
def test_two_way_fixed_effects_as_linearmodels(shape, estimator):
    how, cluster, weights = SHAPES[shape]
    frame = simulated(**how)
    results = fit(estimator, frame, cluster=cluster, weights=weights)
    used = frame.dropna(subset="y")
    used = used[used.groupby("unit")["y"].transform("size") > 1]
    if estimator == "twfe":
        ours = {"att": overall(results)}
        columns = {"att": (used["cohort"] > 0) & (used["time"] >= used["cohort"])}
    else:
        ours = {f"e{e:g}": row for e, row in estimates(results, "event").items() if row.status == "ok"}
        since = (used["time"] - used["cohort"]).where(used["cohort"] > 0)
        columns = {name: since == float(name[1:]) for name in ours}
    used = used.assign(**{name: column.astype(float) for name, column in columns.items()}).set_index(["unit", "time"])
    model = PanelOLS(used["y"], used[list(columns)], entity_effects=True, time_effects=True,
                     weights=used[weights] if weights else None)  # fmt: skip
    clusters = {"cluster_entity": True} if cluster == "unit" else {"clusters": used["cluster"]}
    theirs = model.fit(cov_type="clustered", debiased=False, group_debias=False, auto_df=False, count_effects=False,
                       **clusters)  # fmt: skip
    g = used.index.get_level_values("unit").nunique() if cluster == "unit" else used["cluster"].nunique()
    n, k = len(used), len(columns) + used.index.get_level_values("time").nunique()
    factor = np.sqrt(g / (g - 1) * (n - 1) / (n - k))
    for name, row in ours.items():
        same(row, theirs.params[name], theirs.std_errors[name] * factor)
        assert (row.n_obs, row.n_clusters) == (n, g)
