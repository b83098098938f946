"""What panel estimators say where there is no answer, and where there is one to be doubted."""

from dataclasses import replace

import numpy as np
import pytest

from evaluation.diagnostics.pretrends import pretrends
from evaluation.errors import NotEstimable
from evaluation.inference.covariance import cr1_factor
from evaluation.results import ResultSet
from tests.panels import checks, estimates, fit, keyed, overall, simulated, two_by_two

ALL = ("twfe", "event_study", "callaway_santanna")


@pytest.mark.parametrize("estimator", ALL)
def test_no_comparison_at_all(estimator):
    frame = simulated()
    for broken in (frame.assign(cohort=0), frame.assign(cohort=2003), frame.groupby("unit").head(1)):
        with pytest.raises(NotEstimable) as refusal:
            fit(estimator, broken)
        assert len(str(refusal.value)) > 20


@pytest.mark.parametrize("estimator", ALL)
def test_one_cluster(estimator):
    with pytest.raises(NotEstimable, match="one cluster"):
        fit(estimator, simulated().assign(cluster=1), cluster="cluster")


def test_one_unit_a_side_is_enough_for_an_estimate_and_not_for_an_error():
    att = overall(fit("callaway_santanna", two_by_two()[lambda f: f["unit"].isin([1, 3])]))
    assert (att.estimate, att.std_error, att.n_units) == (2.0, None, 2)


def test_weights_that_change_within_units():
    frame = simulated(weights="varying")
    with pytest.raises(NotEstimable, match="weights change over time"):
        fit("callaway_santanna", frame, weights="weight")
    assert overall(fit("twfe", frame, weights="weight")).status == "ok"


def test_equal_weights_change_nothing_but_their_scale():
    frame = simulated(holes=0.1).assign(weight=7.0)
    for estimator in ALL:
        weighted, plain = fit(estimator, frame, weights="weight"), fit(estimator, frame)
        for key, row in keyed(plain).items():
            assert keyed(weighted)[key].estimate == pytest.approx(row.estimate, abs=1e-12)
            if row.std_error:
                assert keyed(weighted)[key].std_error == pytest.approx(row.std_error, rel=1e-10)


def test_a_cohort_of_one_unit_is_flagged():
    frame = simulated()
    frame.loc[(frame["cohort"] == 2006) & (frame["unit"] != 59), "cohort"] = 0
    results = fit("callaway_santanna", frame)
    by_cohort, overall_share = (c for c in checks(results, "small_cohort") if c.term in ("group", "att"))
    assert (by_cohort.group, by_cohort.statistic, by_cohort.status) == ("2006", 1, "warn")
    assert 0 < overall_share.statistic < 0.1
    methods = {}
    for i in results.inference:
        methods.setdefault((i.term, i.group, i.time), i.method)  # the headline stands first
    assert "comparison units' variation only" in methods["group", "2006", None]
    assert methods["group", "2005", None] == "influence function"
    controls = frame[frame["cohort"] == 0]
    change = controls.pivot_table(index="unit", columns="time", values="y").pipe(lambda w: w[2006] - w[2005])
    expected = np.sqrt(((change - change.mean()) ** 2).sum()) / len(change)
    assert estimates(results, "group_time")["2006", 2006.0].std_error == pytest.approx(expected, rel=1e-12)
    assert "of one unit or cluster are left out" in checks(results, "pretrends")[0].message


def test_event_times_seen_in_one_cluster_are_flagged():
    frame = simulated()
    frame.loc[(frame["cohort"] == 2003) & (frame["unit"] != 15), "cohort"] = 0
    flagged = checks(fit("event_study", frame), "single_cluster")
    assert [c.time for c in flagged] == [3.0, 4.0]
    frame = simulated().assign(cluster=lambda f: f["cluster"].where(f["cohort"] == 0, 99))
    assert [c.term for c in checks(fit("twfe", frame, cluster="cluster"), "single_cluster")] == ["att"]
    assert checks(fit("twfe", simulated()), "single_cluster") == []


def test_few_clusters_are_said():
    for estimator in ALL:
        (check,) = checks(fit(estimator, simulated(), cluster="cluster"), "few_clusters")
        assert check.statistic == 15
        assert checks(fit(estimator, simulated()), "few_clusters") == []


def test_staggered_adoption_is_said_beside_twfe():
    assert checks(fit("twfe", simulated()), "staggered_adoption")[0].statistic == 3
    assert checks(fit("twfe", two_by_two()), "staggered_adoption") == []


def test_paths_that_part_before_adoption_fail_the_joint_test():
    frame = simulated(units=240)
    frame["y"] += (frame["cohort"] > 0) * (frame["time"] - 2001) * 1.5
    for estimator in ("event_study", "callaway_santanna"):
        (check,) = checks(fit(estimator, frame), "pretrends")
        assert check.status == "fail"
        assert check.p_value < 0.001


def test_too_many_differences_for_the_clusters():
    (check,) = checks(fit("callaway_santanna", simulated(clusters=6), cluster="cluster"), "pretrends")
    assert (check.status, check.p_value) == ("warn", None)
    assert "too few" in check.message


def test_no_period_before_the_base():
    for estimator in ("event_study", "callaway_santanna"):
        (check,) = checks(fit(estimator, two_by_two()), "pretrends")
        assert (check.status, check.p_value) == ("warn", None)


def test_a_joint_test_of_many_differences_on_few_clusters_is_no_verdict():
    (check,) = checks(fit("callaway_santanna", simulated()), "pretrends")
    assert (check.status, "cannot be relied on" in check.message) == ("info", True)
    assert check.p_value is not None


def test_the_size_of_differences_before_adoption():
    results = fit("event_study", simulated())
    (check,) = checks(replace(results, checks=pretrends(results)), "pretrend_size")
    leads = {e: row.estimate for e, row in estimates(results, "event").items() if e < 0}
    largest = max(leads, key=lambda e: abs(leads[e]))
    assert check.time == largest
    assert check.statistic == pytest.approx(abs(leads[largest] / overall(results).estimate))
    assert check.status == "info"
    assert pretrends(fit("twfe", simulated())) == ()
    assert pretrends(ResultSet()) == ()


def test_one_lead_out_of_line_fails_and_noise_passes():
    (check,) = checks(replace(r := fit("event_study", simulated()), checks=pretrends(r)), "pretrend_leads")
    assert check.status == "pass"
    frame = simulated()
    frame.loc[(frame["cohort"] > 0) & (frame["time"] == frame["cohort"] - 2), "y"] += 3
    results = fit("event_study", frame)
    (check,) = checks(replace(results, checks=pretrends(results)), "pretrend_leads")
    assert (check.status, check.time) == ("fail", -2.0)
    raw = [e.p_value for e in results.estimates if e.term == "event" and e.p_value is not None and e.time < 0]
    assert check.p_value == pytest.approx(min(1.0, min(raw) * len(raw)))


def test_leads_within_the_anticipation_are_not_tested():
    frame = simulated()
    frame.loc[(frame["cohort"] > 0) & (frame["time"] == frame["cohort"] - 1), "y"] += 3
    results = fit("callaway_santanna", frame)
    assert pretrends(results)[0].status == "fail"
    assert all(c.time != -1.0 for c in pretrends(results, anticipation=1))


# --------------------------------------------------------------------------- numbers of units behind what is told


def small_cohort():
    """A cohort of three units beside larger ones, of which one unit is alone in its own."""
    frame = simulated(units=80)
    frame.loc[frame["unit"].between(63, 79), "cohort"] = 0
    return frame.assign(cohort=frame["cohort"].where(frame["unit"] != 59, 2004))


def test_checks_tell_the_numbers_of_units_behind_them():
    """Cohorts of 20, 19, 3 and 1 unit against 37 never treated."""
    results = fit("callaway_santanna", small_cohort())
    assert checks(results, "pretrends")[0].counts == (1, 3, 19, 20, 37)
    assert checks(results, "few_clusters") == []
    by_cohort, share = (c for c in checks(results, "small_cohort") if c.term in ("group", "att"))
    assert (by_cohort.counts, share.counts) == ((1,), (1,))
    for estimator in ALL:
        (few,) = checks(fit(estimator, simulated(), cluster="cluster"), "few_clusters")
        assert few.counts == (15,)


def test_a_check_of_the_leads_tells_the_units_of_every_lead():
    results = fit("event_study", small_cohort())
    leads = [e for e in results.estimates if e.term == "event" and (e.time or 0) < -1]
    behind = tuple(sorted({n for e in leads for n in e.counts}))
    furthest, largest = pretrends(results)
    assert furthest.counts == checks(results, "pretrends")[0].counts == behind
    assert largest.counts == tuple(sorted({*behind, *overall(results).counts}))
    assert min(behind) == 3


def test_effects_left_out_tell_the_units_of_their_cohorts():
    """Cohort 2006 has 15 units; without their outcome in its base period, none is compared with the 15 controls."""
    frame = simulated()
    frame.loc[(frame["cohort"] == 2006) & (frame["time"] == 2005), "y"] = np.nan
    results = fit("callaway_santanna", frame)
    assert checks(results, "cells_missing")[0].counts == (15,)
    assert all(c.counts for c in checks(results, "not_estimable"))
    gone = estimates(results, "group")["2006"]
    assert (gone.status, gone.counts) == ("not_estimable", (15,))


# --------------------------------------------------------------------------- figures beyond what can be reckoned


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize(("scale", "told"), [(1e300, "range is above"), (1e150, "range is above"), (1e-200, "below")])
def test_outcomes_too_large_or_small_to_be_squared(estimator, scale, told):
    with pytest.raises(NotEstimable, match=told):
        fit(estimator, simulated().assign(y=lambda f: f["y"] * scale))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize("scale", [1e80, 1e-80])
def test_estimates_follow_the_unit_of_the_outcome(estimator, scale):
    frame = simulated()
    plain, scaled = (overall(fit(estimator, f)) for f in (frame, frame.assign(y=frame["y"] * scale)))
    assert scaled.estimate / scale == pytest.approx(plain.estimate, rel=1e-12)
    assert scaled.std_error / scale == pytest.approx(plain.std_error, rel=1e-12)


def test_weights_too_large_to_be_squared():
    with pytest.raises(NotEstimable, match="largest weight is above"):
        fit("twfe", simulated().assign(weight=1e200), weights="weight")


def test_no_more_observations_than_coefficients():
    with pytest.raises(NotEstimable, match="6 observations for 6"):
        cr1_factor(3, 6, 6)
    assert cr1_factor(3, 6, 5) == pytest.approx(3 / 2 * 5)


def test_infinity_means_never_treated():
    """As R's did codes it; empty and 0 mean the same."""
    frame = simulated().astype({"cohort": "float64"})
    never = frame["cohort"] == 0
    for estimator in ALL:
        as_zero = keyed(fit(estimator, frame))
        for code in (np.inf, np.nan):
            assert keyed(fit(estimator, frame.assign(cohort=frame["cohort"].mask(never, code)))) == as_zero
