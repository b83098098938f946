"""What stands beside the effects of Callaway-Sant'Anna: bands, rules for few clusters, joint errors; and its options."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.data.moments import folded
from evaluation.errors import NotEstimable
from evaluation.estimators.registry import get
from tests.panels import OUTCOME, checks, estimates, fit, keyed, moments, overall, simulated

BAND = "multiplier bootstrap, simultaneous"
estimator = get("callaway_santanna")


def rows(results, method):
    return [i for i in results.inference if i.method == method]


# --------------------------------------------------------------------------- bands


def test_bands_are_one_multiple_of_their_standard_errors():
    results = fit("callaway_santanna", simulated(units=80))
    found = keyed(results)
    for term in ("event", "group", "group_time"):
        band = [i for i in rows(results, BAND) if i.term == term]
        ok = [e for e in results.estimates if e.term == term and e.status == "ok"]
        assert [(i.group, i.time) for i in band] == [(e.group, e.time) for e in ok]
        reach = [(i.conf_high - i.conf_low) / 2 / i.std_error for i in band]
        assert reach == pytest.approx([reach[0]] * len(reach), rel=1e-9)
        assert 1.96 < reach[0] < 5
        for i in band:
            key = (term, *(p for p in (i.group, i.time) if p not in ("", None)))
            assert (i.conf_low + i.conf_high) / 2 == pytest.approx(found[key].estimate, abs=1e-12)
            assert i.std_error == pytest.approx(found[key].std_error, rel=0.25)


def test_bands_of_summed_units_are_close_to_those_of_single_ones():
    """Units that are summed across clusters have no multipliers: draws from the joint normal stand in."""
    single = moments(simulated(units=120))
    one, other = (estimator().estimate(m, OUTCOME) for m in (single, folded(single)))
    drawn, normal = ([i for i in rows(r, m) if i.term == "event"] for r, m in ((one, BAND), (other, "simultaneous")))
    assert [i.time for i in drawn] == [i.time for i in normal]
    for i, j in zip(drawn, normal, strict=True):
        assert j.conf_high - j.conf_low == pytest.approx(i.conf_high - i.conf_low, rel=0.2)


def test_cohorts_of_one_cluster_stay_out_of_the_bands():
    frame = simulated()
    frame.loc[(frame["cohort"] == 2006) & (frame["unit"] != 59), "cohort"] = 0
    band = {i.group for i in rows(fit("callaway_santanna", frame), BAND) if i.term == "group"}
    assert band == {"2003", "2005"}


# --------------------------------------------------------------------------- units summed across clusters


@pytest.mark.parametrize("holes", [0.0, 0.15])
@pytest.mark.parametrize(
    "options", [{}, {"control_group": "not_yet_treated"}, {"base_period": "universal"}, {"panel": False}]
)
def test_summed_units_give_the_same_figures(options, holes):
    single = moments(simulated(units=90, holes=holes, weights="constant"), weights="weight")
    one, other = (keyed(estimator(**options).estimate(m, OUTCOME)) for m in (single, folded(single)))
    assert list(one) == list(other)
    for key, row in one.items():
        assert row.estimate == pytest.approx(other[key].estimate, abs=1e-12)
        assert row.std_error == pytest.approx(other[key].std_error, abs=1e-11)
        assert (row.n_obs, row.n_units, row.n_clusters) == (other[key].n_obs, other[key].n_units, other[key].n_clusters)


# --------------------------------------------------------------------------- joint errors


@pytest.mark.parametrize("base_period", ["varying", "universal"])
def test_joint_errors_of_the_event_times(base_period):
    results = fit("callaway_santanna", simulated(units=80), {"base_period": base_period}, cluster="cluster")
    events, joint = estimates(results, "event"), results.joint
    assert joint.df is None
    assert joint.times.tolist() == [t for t, e in events.items() if e.status == "ok"]
    assert joint.reference == ((-1.0,) if base_period == "universal" else ())
    assert joint.estimates == pytest.approx([events[t].estimate for t in joint.times])
    assert np.sqrt(np.diag(joint.covariance)) == pytest.approx([events[t].std_error for t in joint.times])


def test_influence_of_the_overall_effect():
    results = fit("callaway_santanna", simulated(units=80), cluster="cluster")
    assert results.influence.clusters.tolist() == list(range(15))
    assert np.sqrt((results.influence.values**2).sum()) == pytest.approx(overall(results).std_error, rel=1e-12)
    single = moments(simulated(units=80))
    assert estimator().estimate(folded(single), OUTCOME).influence is None


def test_the_overall_effect_alone_is_the_same():
    found = moments(simulated(units=80, holes=0.1))
    assert estimator().overall(found, OUTCOME) == overall(estimator().estimate(found, OUTCOME))


# --------------------------------------------------------------------------- few clusters


def test_few_clusters_get_the_t_distribution_and_the_jackknife():
    frame = simulated(units=80)
    results = fit("callaway_santanna", frame, cluster="cluster")
    att = overall(results)
    (against_t,) = (i for i in rows(results, "influence function, t") if i.term == "att")
    assert (against_t.df, against_t.std_error, against_t.distribution) == (14, att.std_error, "t")
    assert against_t.conf_low < att.conf_low
    (jackknife,) = rows(results, "leave-one-cluster-out jackknife")
    left = [overall(fit("callaway_santanna", frame[frame["cluster"] != c], cluster="cluster")).estimate
            for c in range(15)]  # fmt: skip
    expected = np.sqrt(14 / 15 * ((np.array(left) - att.estimate) ** 2).sum())
    assert jackknife.std_error == pytest.approx(expected, rel=1e-10)
    assert jackknife.df == 14


def test_many_clusters_get_neither():
    results = fit("callaway_santanna", simulated(units=80))
    assert not rows(results, "influence function, t")
    assert not rows(results, "leave-one-cluster-out jackknife")


def test_no_jackknife_where_an_effect_rests_on_one_cluster():
    frame = simulated()
    frame.loc[(frame["cohort"] == 2006) & (frame["unit"] != 59), "cohort"] = 0
    assert not rows(fit("callaway_santanna", frame, cluster="cluster"), "leave-one-cluster-out jackknife")


def test_few_treated_clusters_are_a_warning():
    frame = simulated(units=80, clusters=40, starts=(3,))
    frame.loc[frame["cluster"] > 3, "cohort"] = 0
    (check,) = checks(fit("callaway_santanna", frame, cluster="cluster"), "few_treated_clusters")
    assert check.statistic < 5
    assert "treated" in check.message
    assert not checks(fit("callaway_santanna", simulated(units=80)), "few_treated_clusters")


# --------------------------------------------------------------------------- options


def test_a_window_limits_the_event_times_alone():
    whole, cut = (keyed(fit("callaway_santanna", simulated(), o)) for o in ({}, {"window": [-2, 1]}))
    assert sorted(k[1] for k in cut if k[0] == "event") == [-2, -1, 0, 1]
    for key in cut:
        if key != "att_dynamic":
            assert (cut[key].estimate, cut[key].std_error) == (whole[key].estimate, whole[key].std_error)
    assert cut["att_dynamic"].estimate == pytest.approx((cut["event", 0.0].estimate + cut["event", 1.0].estimate) / 2)


def test_a_balanced_window_keeps_the_same_cohorts_throughout():
    found = estimates(fit("callaway_santanna", simulated(), {"balance": 2}), "event")
    after = [e for t, e in found.items() if t >= 0]
    assert [e.time for e in after] == [0, 1, 2]
    assert len({e.n_treated_units for e in after}) == 1
    assert after[0].n_treated_units == 30  # cohorts 2003 and 2005, seen until 2007


def test_a_balance_no_cohort_reaches_leaves_the_other_means():
    results = fit("callaway_santanna", simulated(), {"balance": 6})
    assert overall(results).status == "ok"
    assert overall(results, "att_dynamic").status == "not_estimable"
    assert not estimates(results, "event")


def test_cross_sections_take_every_row_with_its_own_weight():
    frame = simulated(units=60, holes=0.2, weights="varying").dropna(subset="y")
    results = fit("callaway_santanna", frame, {"panel": False}, weights="weight", cluster="cluster")
    found = estimates(results, "group_time")["2003", 2005.0]

    def mean(cohort, time):
        part = frame[(frame["cohort"] == cohort) & (frame["time"] == time)]
        return np.average(part["y"], weights=part["weight"])

    expected = mean(2003, 2005) - mean(2003, 2002) - mean(0, 2005) + mean(0, 2002)
    assert found.estimate == pytest.approx(expected, abs=1e-12)
    used = frame[frame["cohort"].isin([0, 2003]) & frame["time"].isin([2002, 2005])]
    assert found.n_obs == len(used)
    with pytest.raises(NotEstimable, match="weights change"):
        fit("callaway_santanna", frame, {}, weights="weight", cluster="cluster")


def test_a_panel_without_holes_has_the_same_effects_as_cross_sections():
    one, other = (fit("callaway_santanna", simulated(), {"panel": p}, cluster="cluster") for p in (True, False))
    for key, row in keyed(one).items():
        assert row.estimate == pytest.approx(keyed(other)[key].estimate, abs=1e-12)
        assert row.std_error == pytest.approx(keyed(other)[key].std_error, abs=1e-12)


def test_covariates_are_not_taken_from_moments_without_them():
    with pytest.raises(NotEstimable, match="not known"):
        estimator(covariates=["x"]).estimate(moments(simulated()), OUTCOME)


def test_very_many_comparisons_stay_quick():
    frame = simulated(units=232, periods=60, clusters=80, starts=tuple(range(3, 60)))
    found = moments(frame, cluster="cluster")
    results = estimator().estimate(replace(found, flow=()), OUTCOME)
    assert len(estimates(results, "group_time")) == 57 * 59
    assert overall(results).status == "ok"
