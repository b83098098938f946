"""What panel estimators answer where the truth is known, and what they say where there is no answer."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from evaluation.diagnostics.pretrends import pretrends
from evaluation.errors import NotEstimable
from evaluation.estimators.registry import get
from evaluation.results import ResultSet
from tests.panels import checks, estimates, fit, keyed, overall, simulated

ALL = ("twfe", "event_study", "callaway_santanna")


def two_by_two():
    """Two treated and three control units, before and after: changes 3 and 5 against 1, 1 and 4."""
    before = {1: 10.0, 2: 20.0, 3: 5.0, 4: 6.0, 5: 7.0}
    change = {1: 3.0, 2: 5.0, 3: 1.0, 4: 1.0, 5: 4.0}
    rows = [(u, t, 2 if u < 3 else 0, before[u] + change[u] * (t == 2)) for u in before for t in (1, 2)]
    return pd.DataFrame(rows, columns=["unit", "time", "cohort", "y"])


@pytest.mark.parametrize("estimator", ALL)
def test_two_by_two_by_hand(estimator):
    """Mean change 4 less mean change 2."""
    assert overall(fit(estimator, two_by_two())).estimate == pytest.approx(2.0, abs=1e-12)


def test_two_by_two_standard_errors_by_hand():
    """Deviations of the changes from their means: -1, 1 and -1, -1, 2, divided by the size of the group."""
    variance = 2 * (1 / 2) ** 2 + (1 + 1 + 4) / 3**2
    influence = overall(fit("callaway_santanna", two_by_two()))
    assert influence.std_error == pytest.approx(np.sqrt(variance), rel=1e-12)
    factor = 5 / 4 * 9 / 7  # G = 5, N = 10, K = 1 + 2 periods
    regression = overall(fit("twfe", two_by_two()))
    assert regression.std_error == pytest.approx(np.sqrt(variance * factor), rel=1e-12)
    assert regression.conf_high - regression.estimate == pytest.approx(
        2.7764451 * regression.std_error, rel=1e-7
    )  # t(4)
    assert influence.conf_high - influence.estimate == pytest.approx(1.9599640 * influence.std_error, rel=1e-7)


def exact(effect, **how):
    """A staggered panel without noise whose effect in each treated cell is `effect(cohort, time)`."""
    frame = simulated(**how)
    level, path = frame["unit"] ** 1.5, np.sin(frame["time"])
    treated = (frame["cohort"] > 0) & (frame["time"] >= frame["cohort"])
    caused = [effect(g, t) if on else 0.0 for g, t, on in zip(frame["cohort"], frame["time"], treated, strict=True)]
    return frame.assign(y=level + path + np.array(caused))


@pytest.mark.parametrize("control_group", ["never_treated", "not_yet_treated"])
@pytest.mark.parametrize("holes", [0.0, 0.1])
def test_group_time_effects_find_what_was_planted(control_group, holes):
    frame = exact(lambda g, t: (t - g + 1) * 0.5 + 0.1 * (g - 2000))
    frame.loc[np.random.default_rng(5).uniform(size=len(frame)) < holes, "y"] = np.nan
    cells = estimates(fit("callaway_santanna", frame, {"control_group": control_group}), "group_time")
    for (cohort, time), row in cells.items():
        g = int(cohort)
        truth = (time - g + 1) * 0.5 + 0.1 * (g - 2000) if time >= g else 0.0
        assert row.estimate == pytest.approx(truth, abs=1e-10)


def test_the_event_study_finds_effects_that_cohorts_share():
    events = estimates(fit("event_study", exact(lambda g, t: float(t - g + 1))), "event")
    for event, row in events.items():
        assert row.estimate == pytest.approx(max(event + 1, 0), abs=1e-9)


def test_without_noise_there_is_no_standard_error():
    """Zero variation is no certainty: the error is left out rather than given as nothing."""
    for estimator in ALL:
        att = overall(fit(estimator, exact(lambda *_: 1.0)))
        assert att.estimate == pytest.approx(1.0, abs=1e-10)
        assert (att.std_error, att.conf_low, att.p_value, att.status) == (None, None, None, "ok")


# --------------------------------------------------------------------------- who is in and who is out


def test_units_treated_from_the_start():
    frame = simulated()
    frame.loc[frame["unit"] >= 57, "cohort"] = 2001
    for estimator in ("event_study", "callaway_santanna"):
        results = fit(estimator, frame)
        (step,) = (s for s in results.flow if s.step == "always_treated")
        assert (step.level, step.n_dropped, step.n_remaining) == ("unit", 3, 57)
        assert keyed(results) == keyed(fit(estimator, frame[frame["unit"] < 57]))
    kept = overall(fit("twfe", frame))
    assert (kept.n_units, kept.n_treated_units) == (60, 45)


def test_units_that_expect_treatment_in_the_first_period():
    frame = simulated(starts=(2, 5))
    results = fit("callaway_santanna", frame, {"anticipation": 1})
    assert [s.n_dropped for s in results.flow if s.step == "always_treated"] == [20]
    assert {g for g, _ in estimates(results, "group_time")} == {"2005"}


def test_units_treated_after_the_end_are_not_yet_treated():
    frame = simulated(starts=(3, 5, 9))
    assert frame["cohort"].max() > frame["time"].max()
    never = fit("callaway_santanna", frame)
    not_yet = fit("callaway_santanna", frame, {"control_group": "not_yet_treated"})
    cell = [estimates(r, "group_time")["2005", 2006.0] for r in (never, not_yet)]
    assert [c.n_units - c.n_treated_units for c in cell] == [15, 30]
    assert {g for g, _ in estimates(not_yet, "group_time")} == {"2003", "2005"}
    same = frame.assign(cohort=frame["cohort"].replace(2009, 0))
    for estimator in ("twfe", "event_study"):
        as_never = keyed(fit(estimator, same))
        for key, row in keyed(fit(estimator, frame)).items():
            assert row.estimate == pytest.approx(as_never[key].estimate, abs=1e-12)
            assert row.std_error == pytest.approx(as_never[key].std_error, abs=1e-12)


def test_units_seen_once_are_dropped_from_regressions():
    frame = simulated()
    frame.loc[(frame["unit"] == 7) & (frame["time"] > 2001), "y"] = np.nan
    results = fit("twfe", frame)
    (step,) = (s for s in results.flow if s.step == "single_period")
    assert (step.n_dropped, step.n_remaining) == (1, 59)
    assert overall(results).n_obs == 59 * 7


def test_a_hole_in_the_base_period():
    """Units unseen in the base period leave the comparisons that need it, and no others."""
    frame = simulated()
    frame.loc[frame["unit"].isin([15, 16]) & (frame["time"] == 2002), "y"] = np.nan
    cells = estimates(fit("callaway_santanna", frame), "group_time")
    assert [cells["2003", t].n_treated_units for t in (2002.0, 2003.0, 2007.0)] == [13, 13, 13]
    assert cells["2005", 2005.0].n_treated_units == 15
    frame.loc[(frame["cohort"] == 2003) & (frame["time"] == 2002), "y"] = np.nan
    results = fit("callaway_santanna", frame)
    lost = estimates(results, "group")["2003"]
    assert (lost.status, lost.estimate) == ("not_estimable", None)
    reason = next(c for c in checks(results, "not_estimable") if c.term == "group_time" and c.time == 2003.0)
    assert "observed both in 2003 and in its base period 2002" in reason.message
    assert checks(results, "cells_missing")[0].statistic == 5
    moved = fit("callaway_santanna", frame, {"anticipation": 1})
    assert estimates(moved, "group")["2003"].status == "ok"


def test_no_unit_left_to_compare_with():
    frame = simulated().query("cohort > 0")
    with pytest.raises(NotEstimable, match="not_yet_treated"):
        fit("callaway_santanna", frame)
    results = fit("callaway_santanna", frame, {"control_group": "not_yet_treated"})
    cells = estimates(results, "group_time")
    assert cells["2003", 2005.0].status == "ok"
    assert cells["2003", 2006.0].status == "not_estimable"
    assert estimates(results, "group")["2006"].status == "not_estimable"
    assert estimates(results, "event")[3.0].status == "not_estimable"
    reason = next(c for c in checks(results, "not_estimable") if c.group == "2003" and c.time == 2006.0)
    assert reason.message == "No unit is left untreated in 2006 to compare cohort 2003 with."


# --------------------------------------------------------------------------- the reference


def test_a_universal_base_has_a_reference_and_a_varying_one_has_none():
    universal = fit("callaway_santanna", simulated(), {"base_period": "universal"})
    reference = estimates(universal, "event")[-1.0]
    assert (reference.estimate, reference.std_error, reference.status) == (0.0, None, "reference")
    assert estimates(universal, "group_time")["2005", 2004.0].status == "reference"
    assert "reference" not in {e.status for e in fit("callaway_santanna", simulated()).estimates}
    early = fit("callaway_santanna", simulated(), {"base_period": "universal", "anticipation": 1})
    assert [e for e, row in estimates(early, "event").items() if row.status == "reference"] == [-2.0]


def test_after_adoption_the_base_does_not_matter():
    varying, universal = (fit("callaway_santanna", simulated(), {"base_period": b}) for b in ("varying", "universal"))
    for term in ("att", "att_group", "att_dynamic", "att_calendar"):
        assert overall(varying, term).estimate == pytest.approx(overall(universal, term).estimate, abs=1e-13)
        assert overall(varying, term).std_error == pytest.approx(overall(universal, term).std_error, abs=1e-13)


def test_another_reference_moves_all_coefficients_alike():
    first, other = (estimates(fit("event_study", simulated(), {"reference": r}), "event") for r in (-1, -3))
    assert other[-3.0].status == "reference"
    for event in first:
        moved = first[event].estimate - other[event].estimate
        assert moved == pytest.approx(-other[-1.0].estimate, abs=1e-10)


def test_a_reference_nobody_is_seen_in():
    frame = simulated()
    frame.loc[(frame["cohort"] > 0) & (frame["cohort"] - frame["time"] == 1), "y"] = np.nan
    with pytest.raises(NotEstimable, match="reference period, 1 before adoption"):
        fit("event_study", frame)
    assert overall(fit("event_study", frame, {"reference": -2})).status == "ok"


def test_a_window_pools_its_ends():
    events = estimates(fit("event_study", simulated(), {"window": [-2, 1]}), "event")
    assert sorted(events) == [-2.0, -1.0, 0.0, 1.0]
    assert events[1.0].n_treated_units == 45


def test_without_never_treated_units_the_farthest_lead_goes():
    frame = simulated().query("cohort > 0")
    results = fit("event_study", frame)
    events = estimates(results, "event")
    assert [e for e, row in sorted(events.items()) if row.status == "not_estimable"] == [-5.0]
    assert "left out" in checks(results, "not_estimable")[0].message
    planted = exact(lambda g, t: float(t - g + 1)).query("cohort > 0")
    found = estimates(fit("event_study", planted), "event")
    assert found[2.0].estimate == pytest.approx(3.0, abs=1e-8)


# --------------------------------------------------------------------------- no answer, and doubts


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
    methods = {(i.term, i.group, i.time): i.method for i in results.inference}
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


# --------------------------------------------------------------------------- rows and options


@pytest.mark.parametrize("estimator", ALL)
def test_rows_are_unique_and_each_has_its_inference(estimator):
    results = fit(estimator, simulated(), cluster="cluster")
    keys = [(e.term, e.group, e.time) for e in results.estimates]
    assert len(set(keys)) == len(keys)
    assert [(i.term, i.group, i.time) for i in results.inference] == [
        key for key, e in zip(keys, results.estimates, strict=True) if e.status == "ok"
    ]
    for inference in results.inference:
        regression = estimator != "callaway_santanna"
        assert inference.distribution == ("t" if regression else "normal")
        assert inference.df == (14 if regression else None)
        assert (inference.small_sample_factor is None) != regression
        assert inference.n_clusters == 15


def test_counts_behind_a_figure():
    results = fit("callaway_santanna", simulated(), cluster="cluster")
    cell = estimates(results, "group_time")["2005", 2006.0]
    assert (cell.n_obs, cell.n_units, cell.n_treated_units, cell.n_clusters, cell.counts) == (60, 30, 15, 15, (15, 15))
    att = overall(results)
    assert (att.n_units, att.n_treated_units, att.counts) == (60, 45, (45, 15))
    assert att.n_obs == 15 * (6 + 4 + 3) + 15 * 6  # each cohort from its base on, controls from the earliest base on


def test_the_confidence_level():
    narrow, wide = (overall(fit("twfe", simulated(), {"conf_level": level})) for level in (0.9, 0.99))
    assert narrow.conf_low > wide.conf_low
    assert (narrow.conf_level, wide.conf_level) == (0.9, 0.99)


@pytest.mark.parametrize(
    ("estimator", "options", "told"),
    [
        ("callaway_santanna", {"covariates": ["x"]}, "covariates are not available in this version"),
        ("callaway_santanna", {"control_group": "never"}, "not_yet_treated"),
        ("callaway_santanna", {"anticipation": -1}, "greater than or equal to 0"),
        ("callaway_santanna", {"method": "aipw"}, "'reg', 'ipw' or 'dr'"),
        ("event_study", {"reference": 0}, "less than 0"),
        ("event_study", {"window": [-1, 3]}, "must begin before the reference -1"),
        ("event_study", {"window": [-3]}, "at least 2"),
        ("twfe", {"controls": []}, "Extra inputs"),
    ],
)
def test_options_that_are_refused(estimator, options, told):
    with pytest.raises(ValidationError, match=told):
        get(estimator)(**options)
