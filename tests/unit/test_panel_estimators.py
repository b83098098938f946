"""What panel estimators answer where the truth is known, and what they say where there is no answer."""

import numpy as np
import pytest
from pydantic import ValidationError

from evaluation.errors import NotEstimable
from evaluation.estimators.registry import get
from tests.panels import checks, estimates, fit, keyed, overall, simulated, two_by_two

ALL = ("twfe", "event_study", "callaway_santanna")


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


# --------------------------------------------------------------------------- rows and options


@pytest.mark.parametrize("estimator", ALL)
def test_rows_are_unique_and_each_has_its_inference(estimator):
    results = fit(estimator, simulated(), cluster="cluster")
    keys = [(e.term, e.group, e.time) for e in results.estimates]
    assert len(set(keys)) == len(keys)
    regression = estimator != "callaway_santanna"
    beside = ("CR2", "wild cluster bootstrap (Rademacher)")
    bands = ("multiplier bootstrap, simultaneous", "influence function, t", "leave-one-cluster-out jackknife")
    headline = [i for i in results.inference if i.method not in (*beside, *bands)]
    expected = [key for key, e in zip(keys, results.estimates, strict=True) if e.status == "ok"]
    assert [(i.term, i.group, i.time) for i in headline] == expected
    for method in beside if regression else ():
        found = [(i.term, i.group, i.time) for i in results.inference if i.method == method]
        assert found == expected
    for inference in headline:
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
        ("callaway_santanna", {"window": [1, 3]}, "must begin at 0 or earlier"),
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
