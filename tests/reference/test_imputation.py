"""Imputation against the golden figures and diff-diff.

diff-diff keeps units with one untreated observation in the regression of the leads; this project drops them, as in all
its regressions. Coefficients are the same, standard errors differ by the small-sample factor: the comparison is of
standard errors without their factors. diff-diff's overall effect includes the periods of anticipation, ours starts at
adoption: with anticipation the comparison is of event times. With clusters above units its leave-out option leaves one
unit out, ours a cluster; that is held against the definition in the unit tests.
"""

import warnings

import moderndid
import numpy as np
import pytest
from diff_diff import ImputationDiD

from tests.panels import checks, estimates, fit, overall, simulated

# Two independent programs: diff-diff 3.13.0, and numpy on the rows with dummies. Effect, standard error by
# cohort x horizon averages, Gardner's standard error.
MPDTA = (-0.0477099183, 0.0132224887, 0.0134784088)
EHEC = (0.0733652622, 0.0078001082, 0.0078211672)


@pytest.fixture(scope="module")
def mpdta():
    names = {"countyreal": "unit", "year": "time", "first.treat": "cohort", "lemp": "y"}
    return moderndid.load_mpdta().to_pandas().rename(columns=names)


@pytest.fixture(scope="module")
def ehec():
    names = {"stfips": "unit", "year": "time", "yexp2": "cohort", "dins": "y"}
    return moderndid.load_ehec().to_pandas().rename(columns=names)


@pytest.fixture(scope="module")
def holes():
    """15 % of the rows without an outcome."""
    return simulated(units=80, holes=0.15)


@pytest.mark.parametrize(("data", "expected"), [("mpdta", MPDTA), ("ehec", EHEC)])
def test_overall_effect_and_both_standard_errors(request, data, expected):
    results = fit("imputation", request.getfixturevalue(data))
    found = overall(results)
    bjs, gardner = (i for i in results.inference if i.term == "att")
    assert (found.estimate, found.std_error, gardner.std_error) == pytest.approx(expected, abs=1e-9)
    assert (bjs.distribution, bjs.df, bjs.small_sample_factor) == ("normal", None, None)
    assert "Gardner" in gardner.method


def theirs(frame, **options):
    model = ImputationDiD(pretrends=True, df_convention="cluster", **options)
    rows = frame.assign(cohort=frame["cohort"].fillna(0)).dropna(subset=["y"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.fit(rows, "y", "unit", "time", "cohort", aggregate="all")
        return found, found.pretrend_test()


def untreated(frame, anticipation, cluster="unit"):
    """Factor of the leads' regression with all untreated rows, as diff-diff has it."""
    rows = frame.dropna(subset=["y"]).fillna({"cohort": 0})
    rows = rows[(rows["cohort"] == 0) | (rows["time"] < rows["cohort"] - anticipation)]
    last = frame["time"].max()
    leads = (rows["time"] - rows["cohort"])[rows["cohort"].between(1, last)].nunique() - 1
    g, n, k = rows[cluster].nunique(), len(rows), leads + rows["time"].nunique()
    return g / (g - 1) * (n - 1) / (n - k)


@pytest.mark.parametrize("data", ["mpdta", "ehec", "holes"])
@pytest.mark.parametrize("options", [{}, {"leave_out": True}, {"anticipation": 1}])
def test_every_effect_as_diff_diff(request, data, options):
    frame = request.getfixturevalue(data)
    anticipation = options.get("anticipation", 0)
    ours = fit("imputation", frame, options)
    other, _ = theirs(frame, anticipation=anticipation, leave_one_out=options.get("leave_out", False))
    if not anticipation:
        assert overall(ours).estimate == pytest.approx(other.overall_att, abs=1e-9)
        assert overall(ours).std_error == pytest.approx(other.overall_se, abs=1e-9)
        for cohort, found in other.group_effects.items():
            row = estimates(ours, "group")[str(int(cohort))]
            assert (row.estimate, row.std_error) == pytest.approx((found["effect"], found["se"]), abs=1e-9)
    events = estimates(ours, "event")
    for event, found in other.event_study_effects.items():
        if event in events and event >= -anticipation:
            row = events[event]
            assert (row.estimate, row.std_error) == pytest.approx((found["effect"], found["se"]), abs=1e-9)
            assert row.p_value == pytest.approx(found["p_value"], abs=1e-7)
    assert sum(event >= -anticipation for event in events) >= 3


@pytest.mark.parametrize("data", ["mpdta", "ehec", "holes"])
@pytest.mark.parametrize("anticipation", [0, 1])
def test_leads_as_diff_diff(request, data, anticipation):
    frame = request.getfixturevalue(data)
    ours = fit("imputation", frame, {"anticipation": anticipation})
    other, joint = theirs(frame, anticipation=anticipation)
    events = estimates(ours, "event")
    assert events[-1 - anticipation].status == "reference"
    leads = [e for e in events if e < -1 - anticipation]
    assert len(leads) == joint["n_leads"] >= 2
    factor = {i.time: i.small_sample_factor for i in ours.inference if i.method == "CR1"}
    for event in leads:
        row, found = events[event], other.event_study_effects[event]
        assert row.estimate == pytest.approx(found["effect"], abs=1e-9)
        bare = found["se"] / np.sqrt(untreated(frame, anticipation))
        assert row.std_error / np.sqrt(factor[event]) == pytest.approx(bare, abs=1e-9)
    (check,) = checks(ours, "pretrends")
    ratio = untreated(frame, anticipation) / factor[leads[0]]
    assert check.statistic == pytest.approx(joint["f_stat"] * ratio, rel=1e-6)


def test_clusters_above_units_as_diff_diff(holes):
    ours, (other, _) = fit("imputation", holes, cluster="cluster"), theirs(holes, cluster="cluster")
    assert overall(ours).std_error == pytest.approx(other.overall_se, abs=1e-9)
    for event, found in other.event_study_effects.items():
        if event >= 0:
            assert estimates(ours, "event")[event].std_error == pytest.approx(found["se"], abs=1e-9)
    assert overall(ours).n_clusters == 15
