"""Diagnostics of panels, each held against the same question asked of a changed data frame."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as t_distribution

from evaluation.data.moments import folded, panel_moments
from evaluation.data.panel import Panel
from evaluation.diagnostics import leave_out, placebo, reporting, second_designs, second_opinion
from evaluation.diagnostics.agreement import Answer, agreement
from evaluation.diagnostics.case import Case
from evaluation.diagnostics.drift import drift, slope
from evaluation.errors import NotEstimable
from evaluation.estimators.registry import get
from evaluation.results import Check, Estimate, Joint, ResultSet
from tests.panels import OUTCOME, design, fit, overall, simulated, source

ESTIMATORS = ["callaway_santanna", "twfe", "event_study"]


def case(frame, folder, estimator="callaway_santanna", options=None, **roles):
    panel = Panel.of(design(**roles), source(frame, folder))
    chosen = get(estimator)(**(options or {}))
    moments = chosen.moments(panel, OUTCOME)
    return Case(chosen, panel, moments, OUTCOME, chosen.estimate(moments, OUTCOME))


def same(row, answer):
    assert (row.estimate, row.std_error) == pytest.approx((answer.estimate, answer.std_error), rel=1e-10)


# --------------------------------------------------------------------------- placebos


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("shift", [1, 2])
def test_a_placebo_in_time_is_the_fit_of_the_periods_before_with_adoption_moved(tmp_path, estimator, shift):
    frame = simulated(starts=(4, 5, 6), periods=8, holes=0.1)
    found = placebo.in_time(case(frame, tmp_path, estimator, cluster="cluster"))
    adopts = frame["cohort"] > 0
    early = adopts & (frame["cohort"] - shift <= 2001)
    before = frame[(~adopts | (frame["time"] < frame["cohort"])) & ~early].copy()
    before.loc[before["cohort"] > 0, "cohort"] -= shift
    row = next(r for r in found.sensitivity if r.parameter == shift)
    same(row, overall(fit(estimator, before, cluster="cluster")))


def test_a_placebo_leaves_anticipation_out(tmp_path):
    frame = simulated(starts=(5, 6), periods=8)
    found = placebo.in_time(case(frame, tmp_path, options={"anticipation": 1}))
    adopts = frame["cohort"] > 0
    before = frame[~adopts | (frame["time"] < frame["cohort"] - 1)].copy()
    before.loc[before["cohort"] > 0, "cohort"] -= 2
    same(found.sensitivity[0], overall(fit("callaway_santanna", before, {"anticipation": 1})))


def test_a_drift_before_adoption_fails_the_placebo_and_its_absence_passes(tmp_path):
    frame = simulated(starts=(5, 6), periods=8, units=200)
    assert placebo.in_time(case(frame, tmp_path)).checks[0].status == "pass"
    frame["y"] += 0.5 * (frame["time"] - 2001) * (frame["cohort"] > 0)
    check = placebo.in_time(case(frame, tmp_path)).checks[0]
    assert check.status == "fail"
    assert check.p_value < 0.05


def test_random_adoption_among_the_never_treated(tmp_path):
    frame = simulated(units=200, starts=(5,), periods=8)
    known = case(frame, tmp_path)
    row = placebo.among_never_treated(known).sensitivity[0]
    assert row.conf_low < 0 < row.conf_high
    assert row.p_value == pytest.approx(1 / (1 + placebo.DRAWS))  # the real effect is beyond all that chance made
    assert placebo.among_never_treated(known).sensitivity[0] == row  # the same draws again
    none = frame.assign(y=frame["y"].where(frame["time"] < frame["cohort"].replace(0, 9999), frame["y"] - 1.2))
    assert placebo.among_never_treated(case(none, tmp_path)).sensitivity[0].p_value >= row.p_value


def test_too_few_never_treated_units_give_no_random_placebo(tmp_path):
    frame = simulated(units=24, starts=(3, 5, 6))
    assert placebo.among_never_treated(case(frame, tmp_path)) == ResultSet()


# --------------------------------------------------------------------------- leaving out


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_one_left_out_is_the_fit_of_the_others(tmp_path, estimator):
    frame = simulated(holes=0.1)
    rows = leave_out.leave_out(case(frame, tmp_path, estimator, cluster="cluster")).sensitivity
    by = {(r.kind, r.group): r for r in rows}
    assert len(by) == 3 + 15
    for cohort in (2003, 2005, 2006):
        same(by["leave_one_cohort", str(cohort)], overall(fit(estimator, frame[frame["cohort"] != cohort],
                                                              cluster="cluster")))  # fmt: skip
    for cluster in (0, 7, 14):
        same(by["leave_one_unit", str(cluster)], overall(fit(estimator, frame[frame["cluster"] != cluster],
                                                             cluster="cluster")))  # fmt: skip


def test_a_conclusion_that_rests_on_one_unit_is_said(tmp_path):
    generator = np.random.default_rng(1)
    frame = simulated(units=24, starts=(4,), periods=6, clusters=24)
    frame["y"] = generator.normal(scale=0.3, size=len(frame)) + (
        (frame["unit"] >= 12) & (frame["time"] >= frame["cohort"])) * 0.5  # fmt: skip
    steady = leave_out.leave_out(case(frame, tmp_path))
    frame.loc[(frame["unit"] == 20) & (frame["time"] >= 2004), "y"] -= 6
    moved = leave_out.leave_out(case(frame, tmp_path), [f"Unit {i}" for i in range(24)])
    check = next(c for c in moved.checks if c.check == "leave_one_unit")
    assert check.status == "warn"
    assert check.group == "Unit 20"
    assert {c.status for c in steady.checks} == {"pass"}


def test_the_only_treated_unit_cannot_be_left_out_and_that_is_said(tmp_path):
    frame = simulated(units=12, clusters=12, starts=(4,))
    frame.loc[frame["unit"] != 11, "cohort"] = 0
    found = leave_out.leave_out(case(frame, tmp_path), [f"Unit {i}" for i in range(12)])
    assert check(found.checks, "leave_one_unit").status == "warn"
    assert "Unit 11" in check(found.checks, "leave_one_unit").message
    assert [r.group for r in found.sensitivity if r.status == "not_estimable"] == ["Unit 11"]


@pytest.mark.parametrize("estimator", ["etwfe", "imputation", "sun_abraham", "stacked"])
def test_one_treated_cluster_gives_no_standard_error_and_fails_a_check(tmp_path, estimator):
    frame = simulated(units=12, clusters=12, starts=(4,))
    frame.loc[frame["unit"] != 11, "cohort"] = 0
    known = case(frame, tmp_path, estimator)
    assert known.overall.std_error is None
    assert known.overall.conf_low is None
    frame["cohort"] = np.where(frame["cluster"] == 11, frame["cohort"], 0)
    alone = [c for c in case(frame, tmp_path, "twfe").results.checks if c.check == "few_treated_clusters"]
    assert alone[0].status == "fail"


def test_a_random_placebo_among_few_units_is_compared_in_its_own_standard_errors(tmp_path):
    # 50 treated and 10 never: chance makes effects among ten units twice as large as in the whole panel.
    frame = simulated(units=60, clusters=60, starts=(5,), periods=8)
    frame["cohort"] = np.where(frame["unit"] < 10, 0, 2005)
    generator = np.random.default_rng(8)
    frame["y"] = generator.normal(size=len(frame)) + 2.0 * (frame["time"] >= frame["cohort"].replace(0, 9999))
    known = case(frame, tmp_path)
    row = placebo.among_never_treated(known).sensitivity[0]
    assert row.conf_high - row.conf_low > 2 * 1.96 * known.overall.std_error
    assert row.p_value < 0.05


def test_restricting_folded_units_is_folding_restricted_ones(tmp_path):
    frame = simulated(holes=0.2, weights="constant")
    moments = panel_moments(Panel.of(design(weights="weight"), source(frame, tmp_path)), OUTCOME)
    together = folded(moments)
    for whole in (moments, together):
        keep = whole.times < np.where(whole.cohort == 0, 9999, whole.cohort)[:, None]
        cut = whole.restricted(keep, whole.cohort)
        found = get("callaway_santanna")().estimate(replace(cut, cohort=np.where(cut.cohort == 2005, 2003, 0)), OUTCOME)
        answer = overall(found)
        if whole is moments:
            expected = answer
    assert (answer.estimate, answer.std_error) == pytest.approx((expected.estimate, expected.std_error), rel=1e-9)


# --------------------------------------------------------------------------- second opinion


@pytest.mark.parametrize("weights", [None, "constant", "varying"])
@pytest.mark.parametrize("cluster", ["unit", "cluster"])
@pytest.mark.parametrize(
    ("estimator", "options"), [("twfe", {}), ("event_study", {}), ("event_study", {"window": [-2, 1]})]
)
@pytest.mark.parametrize("rows", [2_000_000, 10])
def test_another_library_agrees(tmp_path, monkeypatch, weights, cluster, estimator, options, rows):
    monkeypatch.setattr(second_designs, "ROWS", rows)
    frame = simulated(holes=0.1, weights=weights)
    roles = {"cluster": cluster} | ({"weights": "weight"} if weights else {})
    found = second_opinion.second_opinion(case(frame, tmp_path, estimator, options, **roles))
    assert {o.status for o in found.opinions} == {"agrees"}
    assert found.checks[0].statistic < 1e-10
    assert ("att", "") in {(o.term, o.group) for o in found.opinions}
    assert all(o.std_error > o.our_std_error for o in found.opinions)  # it counts the unit effects


@pytest.mark.parametrize("covariates", [[], ["size", "kind"]])
@pytest.mark.parametrize(("estimator", "options"), [("did_2x2", {}), ("triple_difference", {"third": "eligible"})])
def test_another_library_agrees_on_saturated_regressions(tmp_path, estimator, options, covariates):
    frame = simulated(starts=(4,), holes=0.1, weights="constant")
    generator = np.random.default_rng(3)
    frame["eligible"] = (frame["unit"] % 3 == 0).astype(int)
    frame["size"], frame["kind"] = generator.normal(size=len(frame)), generator.integers(0, 3, len(frame))
    frame.loc[5, "size"] = np.nan
    known = case(frame, tmp_path, estimator, options | {"covariates": covariates}, cluster="cluster", weights="weight")
    found = second_opinion.second_opinion(known)
    assert found.checks[0].statistic < 1e-9
    assert found.opinions[0].std_error == pytest.approx(found.opinions[0].our_std_error, rel=1e-8)  # the same rule


@pytest.mark.parametrize("options", [{}, {"control_group": "never_treated"}])
def test_another_library_agrees_on_an_effect_for_every_cell(tmp_path, options):
    frame = simulated(holes=0.05, weights="constant")
    found = second_opinion.second_opinion(case(frame, tmp_path, "etwfe", options, cluster="cluster", weights="weight"))
    assert found.checks[0].statistic < 1e-9


@pytest.mark.parametrize("units", [60, 400])
@pytest.mark.parametrize("exposure", [None, "people"])
def test_another_library_agrees_on_counts(tmp_path, units, exposure):
    frame = simulated(units=units, clusters=units)
    generator = np.random.default_rng(4)
    frame["people"] = generator.integers(50, 200, len(frame))
    frame["y"] = generator.poisson(
        0.02 * frame["people"] * (1 - 0.3 * (frame["time"] >= frame["cohort"].replace(0, 9999)))
    )
    outcome = OUTCOME.model_copy(update={"type": "count", "exposure": exposure})
    panel = Panel.of(design(), source(frame, tmp_path))
    chosen = get("poisson_did")()
    moments = chosen.moments(panel, outcome)
    found = second_opinion.second_opinion(Case(chosen, panel, moments, outcome, chosen.estimate(moments, outcome)))
    if units > second_designs.MOST_DUMMIES and exposure:
        assert found == ResultSet()  # too many dummies, and no way to sum
        return
    assert found.checks[0].statistic < 1e-7


@pytest.mark.parametrize("options", [{}, {"slope": False}, {"season": "dummies", "period": 4, "lags": 3, "adjust": False},
                                     {"log": True, "covariates": ["price"]}])  # fmt: skip
def test_another_library_agrees_on_a_series(tmp_path, options):
    generator = np.random.default_rng(5)
    n = 48
    frame = pd.DataFrame({"unit": 1, "time": np.arange(1, n + 1), "cohort": 25, "price": generator.normal(size=n)})
    frame["y"] = 50 + 0.2 * frame["time"] - 4 * (frame["time"] >= 25) + generator.normal(size=n) + frame["price"]
    found = second_opinion.second_opinion(case(frame, tmp_path, "interrupted_time_series", options))
    assert found.checks[0].statistic < 1e-9
    assert found.opinions[0].std_error == pytest.approx(found.opinions[0].our_std_error, rel=1e-8)


def test_a_wrong_estimate_is_caught(tmp_path):
    known = case(simulated(), tmp_path, "twfe")
    wrong = replace(known.results.estimates[0], estimate=known.results.estimates[0].estimate * (1 + 1e-5))
    found = second_opinion.second_opinion(replace(known, results=replace(known.results, estimates=(wrong,))))
    assert found.opinions[0].status == "differs"
    assert found.checks[0].status == "fail"


def test_methods_no_library_computes_get_no_opinion(tmp_path):
    assert second_opinion.second_opinion(case(simulated(), tmp_path)) == ResultSet()


# --------------------------------------------------------------------------- reporting and agreement


def check(found, name):
    return next(c for c in found if c.check == name)


def test_units_that_stop_reporting_are_seen(tmp_path):
    frame = simulated(units=80)
    sound = reporting.reporting(case(frame, tmp_path).moments, places=True)
    assert {c.status for c in sound} == {"pass"}
    gone = frame[~((frame["unit"] < 10) & (frame["time"] >= 2004))]
    found = reporting.reporting(case(gone, tmp_path).moments, places=True)
    assert check(found, "reporting_coverage").status == "warn"
    assert check(found, "reporting_coverage").time == 2004
    assert check(found, "composition").status == "warn"


def test_a_period_out_of_line_is_seen(tmp_path):
    frame = simulated(units=80)
    frame["y"] += 20 - frame["time"] * 0.2 + 400
    frame.loc[(frame["time"] == 2003) & (frame["cohort"] == 0), "y"] *= 2.5
    found = check(reporting.reporting(case(frame, tmp_path).moments, places=True), "outlying_points")
    assert (found.status, found.time) == ("warn", 2003)
    assert found.statistic == pytest.approx(2.5, rel=0.02)


def answer(estimate, error=1.0, estimator="twfe", checks=()):
    return Answer(estimator, estimator, ResultSet((Estimate("att", "", estimate, error),), checks=tuple(checks)))


def test_estimators_that_disagree_are_named_with_the_reason():
    main = answer(-5.0, estimator="callaway_santanna")
    assert agreement(main, [answer(-4.5), answer(-6.0)])[0].status == "pass"
    negative = Check("negative_weights", "warn", "some are")
    found = agreement(main, [answer(-4.5), answer(-1.0, checks=[negative])])[0]
    assert found.status == "warn"
    assert "negative weight" in found.message
    assert agreement(main, []) == ()


def test_a_changed_question_without_an_answer_is_no_error(tmp_path):
    known = case(simulated(), tmp_path)

    class Silent(type(known.estimator)):
        def overall(self, *_):
            raise NotEstimable("no")

    assert known.again(known.moments, Silent()) is None


# --------------------------------------------------------------------------- drift


def test_a_slope_by_hand():
    # Leads at -3 and -2 relative to -1: away by 2 and 1. Slope = (2*1.0 + 1*0.4) / 5; variance = (4*0.09 + 0.04) / 25.
    joint = Joint(np.array([-3.0, -2.0, 0.0]), np.array([-1.0, -0.4, 9.0]), np.diag([0.09, 0.04, 1.0]), (-1.0,), 10.0)
    found = slope(joint)
    assert (found.slope, found.std_error) == pytest.approx((2.4 / 5, np.sqrt(0.4) / 5))
    assert found.p_value == pytest.approx(2 * t_distribution.sf(2.4 / np.sqrt(0.4), 10))
    assert slope(joint, without={-3.0}) is None


@pytest.mark.parametrize("estimator", ["callaway_santanna", "event_study"])
def test_a_steady_drift_is_found_where_single_leads_are_too_noisy(tmp_path, estimator):
    frame = simulated(units=120, clusters=120, starts=(8, 10), periods=12)
    assert drift(case(frame, tmp_path, estimator)).checks[0].status == "pass"
    frame["y"] += 0.15 * (frame["time"] - 2001) * (frame["cohort"] > 0)
    check = drift(case(frame, tmp_path, estimator)).checks[0]
    assert check.status == "fail"
    assert check.statistic == pytest.approx(0.15, abs=0.1)
