"""Sensitivity rows and checks of an analysis: which event times count, what is said, and when nothing can be."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from evaluation.diagnostics.event_course import EventCourse
from evaluation.diagnostics.honest import CLUSTERS_PER_LEAD, honest
from evaluation.diagnostics.missed_drift import missed_drift, pretrend_power
from evaluation.diagnostics.pretrends import pretrends
from evaluation.estimators.callaway_santanna import CallawaySantAnna
from evaluation.estimators.registry import get
from evaluation.inference.honest import Course
from evaluation.inference.honest_relative import Relative
from evaluation.inference.honest_smoothness import Smoothness
from evaluation.results import Check, Estimate, Joint, ResultSet
from tests.panels import OUTCOME, checks, moments, simulated

CENTRE = {-4: 0.1, -3: -0.2, -2: 0.05, 0: 2.0, 1: 2.5, 2: 3.0}


def results(estimates=CENTRE, reference=(-1.0,), error=0.2, clusters=200, more=()):
    """Results with independent event-time estimates."""
    times = sorted(estimates)
    rows = [
        Estimate("event", "", estimates[t], error, time=float(t), n_clusters=clusters, counts=(40, 60)) for t in times
    ]
    joint = Joint(np.array(times, float), np.array([estimates[t] for t in times]), error**2 * np.eye(len(times)),
                  reference, None)  # fmt: skip
    return ResultSet(tuple(rows), checks=tuple(more), joint=joint)


@cache
def base():
    return answer(results())


def answer(found, **options):
    return honest(get("event_study")(**options), None, OUTCOME, found)


def rows(found, kind, group):
    return [r for r in found.sensitivity if (r.kind, r.group) == (kind, group)]


def check(found, name, term="att"):
    return next(c for c in found.checks if (c.check, c.term) == (name, term))


# --------------------------------------------------------------------------- the course


def test_the_course_is_what_stands_around_the_reference():
    course = EventCourse.of(results())
    assert course.times.tolist() == [-4, -3, -2, 0, 1, 2]
    assert (course.n_before, course.left_out, course.counts) == (3, 0, (40, 60))
    assert course.leads.tolist() == [-3, -2, -1]


def test_periods_two_apart_are_one_step():
    found = EventCourse.of(results({-6: 0.0, -4: 0.1, 0: 1.0, 2: 2.0}, reference=(-2.0,)))
    assert found.times.tolist() == [-6, -4, 0, 2]
    assert found.leads.tolist() == [-4, -2]


def test_event_times_beyond_a_gap_are_left_out_and_said():
    found = results({-5: 0.3, -3: 0.1, -2: 0.05, 0: 2.0, 1: 2.5, 4: 9.0})
    assert EventCourse.of(found).times.tolist() == [-3, -2, 0, 1]
    assert "2 event times beyond a gap" in check(answer(found), "honest_breakdown").message


def test_event_times_of_one_cluster_are_not_trusted():
    alone = Check("single_cluster", "warn", "", term="event", time=-3.0)
    assert EventCourse.of(results(more=[alone])).times.tolist() == [-2, 0, 1, 2]


def test_periods_of_anticipation_are_no_leads_and_no_part_of_the_effect():
    found = results({-4: 0.1, -3: -0.2, -1: 0.6, 0: 2.0, 1: 2.5}, reference=(-2.0,))
    course = EventCourse.of(found)
    assert (course.n_before, course.after_adoption.tolist()) == (2, [0, 1])
    assert course.mean_of(lambda _: True).tolist() == [0, 0.5, 0.5]
    row = rows(answer(found), "honest_relative", "average")[0]
    assert (row.conf_low + row.conf_high) / 2 == pytest.approx(2.25, abs=1e-8)


@pytest.mark.parametrize("found", [
    results(reference=()),
    results(reference=(-1.0, -5.0)),
    results({0: 1.0, 1: 2.0}),
    results({-3: 0.1, -2: 0.1}),
    replace(results(), joint=None),
])  # fmt: skip
def test_without_a_common_reference_or_leads_nothing_is_bounded_and_the_reason_said(found):
    only = answer(found)
    assert only.sensitivity == ()
    assert [(c.check, c.status, c.statistic) for c in only.checks] == [("honest_breakdown", "info", None)]
    assert "measured from one period" in only.checks[0].message


def test_few_clusters_leave_the_nearest_leads():
    estimates = {**CENTRE, **{-t: 0.01 * t for t in range(5, 9)}}
    found = results(estimates, clusters=3 * CLUSTERS_PER_LEAD + 1)
    cut = answer(found)
    assert "The 3 differences nearest to adoption are used; 4 further back" in check(cut, "honest_breakdown").message
    course = EventCourse.of(found).nearest(3)
    assert course.times.tolist() == [-4, -3, -2, 0, 1, 2]
    rows_ = rows(cut, "honest_relative", "average")
    assert [(r.conf_low, r.conf_high) for r in rows_] == [
        (r.conf_low, r.conf_high) for r in rows(base(), "honest_relative", "average")
    ]


def test_leads_that_do_not_vary_independently_are_left_out():
    found = results()
    covariance = found.joint.covariance.copy()
    covariance[0, 1] = covariance[1, 0] = covariance[0, 0]
    same = replace(found, joint=replace(found.joint, covariance=covariance))
    assert EventCourse.of(same).nearest(9).times.tolist() == [-3, -2, 0, 1, 2]


# --------------------------------------------------------------------------- rows and checks


def test_rows_are_the_intervals_of_both_targets():
    found = answer(results(), conf_level=0.9)
    course = Course(np.array([CENTRE[t] for t in sorted(CENTRE)]), 0.04 * np.eye(6), 3)
    for group, weights in (("average", np.full(3, 1 / 3)), ("first period", np.array([1.0, 0, 0]))):
        for row in rows(found, "honest_relative", group):
            span = Relative(course, weights).bounds(row.parameter, 0.9)
            assert (row.conf_low, row.conf_high) == pytest.approx((span.low, span.high))
            assert row.estimate is None
        for row in rows(found, "honest_smoothness", group):
            span = Smoothness.of(course, weights).bounds(row.parameter, 0.9)
            assert (row.estimate, row.conf_low, row.conf_high) == pytest.approx((span.centre, span.low, span.high))
    assert [r.parameter for r in rows(found, "honest_relative", "average")] == [0, 0.5, 1, 1.5, 2]
    bend = 0.55  # moves before adoption: -0.3, 0.25, -0.05
    assert [r.parameter for r in rows(found, "honest_smoothness", "average")] == pytest.approx(
        [0, bend / 2, bend, 1.5 * bend, 2 * bend]
    )
    assert all(r.counts == (40, 60) for r in found.sensitivity)
    assert len({(r.kind, r.label, r.group, r.parameter) for r in found.sensitivity}) == len(found.sensitivity) == 22


def test_intervals_widen_with_the_bound():
    for kind in ("honest_relative", "honest_smoothness"):
        spans = [r.conf_high - r.conf_low for r in rows(base(), kind, "average")]
        assert spans == sorted(spans)
        assert spans[0] < spans[-1] / 2


@pytest.mark.parametrize(("effect", "status", "words"), [
    (0.05, "info", "cannot be told from zero even if"),
    (0.9, "warn", "less than what was seen then would be enough"),
    (20.0, "pass", "stays apart from zero unless"),
    (900.0, "pass", "20 times the largest such move"),
])  # fmt: skip
def test_the_verdict_says_what_it_would_take(effect, status, words):
    found = check(answer(results({-4: 0.2, -3: -0.2, -2: 0.1, 0: effect, 1: effect})), "honest_breakdown")
    assert found.status == status
    assert words in found.message
    assert (found.threshold, found.counts) == (1.0, (40, 60))
    if status == "warn":
        assert 0 < found.statistic < 1


def test_the_first_period_alone_gives_no_verdict():
    found = check(answer(results({-4: 0.2, -3: -0.2, -2: 0.1, 0: 0.5, 1: 9.0})), "honest_breakdown", "event")
    assert (found.status, found.time) == ("info", 0.0)
    assert found.statistic < 1


def test_a_single_lead_takes_its_standard_error_for_the_bend():
    found = answer(results({-2: 0.05, 0: 2.0, 1: 2.5}))
    assert [r.parameter for r in rows(found, "honest_smoothness", "average")] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_one_period_after_adoption_has_one_target():
    found = answer(results({-3: 0.1, -2: 0.05, 0: 2.0}))
    assert {r.group for r in found.sensitivity if r.kind != "pretrend_power"} == {"average"}


# --------------------------------------------------------------------------- power


def test_drifts_that_would_have_been_missed():
    found = pretrend_power(EventCourse.of(results()))
    half, most = found.sensitivity
    assert (half.parameter, most.parameter) == (0.5, 0.8)
    assert 0 < half.estimate < most.estimate
    (said,) = found.checks
    assert (said.check, said.status, said.statistic) == ("pretrend_power", "info", half.estimate)
    assert f"{half.estimate * 2:.3g} after adoption" in said.message  # steps 1, 2, 3 from the reference: 2 on average


def test_a_drift_as_large_as_the_effect_warns():
    small = {t: v if t < 0 else 0.05 for t, v in CENTRE.items()}
    assert pretrend_power(EventCourse.of(results(small))).checks[0].status == "warn"


def test_the_test_of_the_leads_says_what_it_would_have_missed():
    course = simulated(units=200, starts=(5,), periods=8)
    found = get("event_study")().estimate(moments(course), OUTCOME)
    (said,) = (c for c in pretrends(found) if c.check == "pretrend_leads")
    slope = missed_drift(EventCourse.of(found), 0.5)
    assert f"A steady drift of {slope:.3g} per period would have been missed half of the time" in said.message
    without = pretrends(replace(found, joint=None))
    assert "steady drift" not in next(c for c in without if c.check == "pretrend_leads").message


# --------------------------------------------------------------------------- estimators


class WithJoint(CallawaySantAnna):
    """The estimator with its event-time estimates taken to vary independently."""

    def estimate(self, moments, outcome):
        found = super().estimate(moments, outcome)
        events = [e for e in found.estimates if e.term == "event"]
        told = [e for e in events if e.status == "ok"]
        joint = Joint(
            np.array([e.time for e in told]), np.array([e.estimate for e in told]),
            np.diag([e.std_error**2 for e in told]), tuple(e.time for e in events if e.status == "reference"))  # fmt: skip
        return replace(found, joint=joint)


@pytest.mark.parametrize("anticipation", [0, 1])
def test_a_varying_base_is_made_universal(anticipation):
    data = moments(simulated(units=200, starts=(6, 8), periods=10))
    varying, universal = (WithJoint(base_period=b, anticipation=anticipation) for b in ("varying", "universal"))
    found = honest(varying, data, OUTCOME, varying.estimate(data, OUTCOME))
    assert found == honest(universal, data, OUTCOME, universal.estimate(data, OUTCOME))
    assert len(rows(found, "honest_relative", "average")) == 5
    events = EventCourse.of(universal.estimate(data, OUTCOME))
    assert events.reference == -1 - anticipation
    assert events.after_adoption.tolist() == [0, 1, 2, 3, 4]


def test_an_event_study_is_bounded_and_the_same_each_time():
    data = moments(simulated(units=200, starts=(6, 8), periods=10))
    estimator = get("event_study")()
    found = estimator.estimate(data, OUTCOME)
    once = honest(estimator, data, OUTCOME, found)
    assert once == honest(estimator, data, OUTCOME, found)
    assert len(checks(once, "honest_breakdown")) == 2
    assert all(np.isfinite([r.conf_low, r.conf_high]).all() for r in once.sensitivity if r.conf_low is not None)


def test_the_unit_of_the_outcome_carries_through():
    thousand = results({t: 1000 * v for t, v in CENTRE.items()}, error=200.0)
    large = answer(thousand)
    for one, other in zip(base().sensitivity, large.sensitivity, strict=True):
        if one.conf_low is not None:
            assert (other.conf_low, other.conf_high) == pytest.approx((1000 * one.conf_low, 1000 * one.conf_high))
    a, b = (check(r, "honest_breakdown").statistic for r in (base(), large))
    assert a == pytest.approx(b, rel=1e-5)
