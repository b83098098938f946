"""Kaplan-Meier and the log-rank test: against definitions written out over people, and at their edges."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.survfunc import survdiff

from evaluation.errors import NotEstimable
from evaluation.inference.survival import life_table, log_rank
from tests.cohorts import checks, estimates, expanded, fit, survival

people = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), min_size=1, max_size=40)


def table(found):
    times, events = (np.array(v) for v in zip(*found, strict=True))
    return life_table(times.astype(float), events, np.ones(len(times), int))


@given(people)
@settings(max_examples=200, deadline=None)
def test_survival_and_greenwood_by_definition(found):
    curve = survival(*zip(*found, strict=True))
    share, greenwood = 1.0, 0.0
    for k, moment in enumerate(curve.time):
        at_risk = sum(t >= moment for t, _ in found)
        events = sum(t == moment and e == 1 for t, e in found)
        assert (curve.n_risk[k], curve.n_event[k]) == (at_risk, events)
        share *= 1 - events / at_risk
        assert curve.survival[k] == pytest.approx(share, abs=1e-12)
        if 0 < share < 1:
            greenwood += events / (at_risk * (at_risk - events))
            se = math.sqrt(greenwood)
            assert curve.std_error[k] == pytest.approx(share * se, rel=1e-10)
            reach = 1.959963984540054 * se / abs(math.log(share))
            expected = [math.exp(-math.exp(math.log(-math.log(share)) + s * reach)) for s in (1, -1)]
            assert [curve.low[k], curve.high[k]] == pytest.approx(expected, rel=1e-9)
        elif moment > 0:
            assert np.isnan([curve.std_error[k], curve.low[k], curve.high[k]]).all()


@given(people)
@settings(max_examples=100, deadline=None)
def test_nobody_is_lost_between_the_columns(found):
    t = table(found)
    leaving = t.n_event + t.n_censor
    assert t.n_risk[0] == len(found)
    assert (t.n_risk[:-1] - leaving[:-1] == t.n_risk[1:]).all()
    assert t.n_risk[-1] == leaving[-1]


@given(people)
@settings(max_examples=100, deadline=None)
def test_other_bands_by_definition(found):
    for conf_type in ("log", "plain"):
        curve = survival(*zip(*found, strict=True), 0.9, conf_type)
        for s, se, low, high in zip(curve.survival, curve.std_error, curve.low, curve.high, strict=True):
            if not 0 < s < 1:
                continue
            z = 1.6448536269514722
            expected = (
                (s * math.exp(-z * se / s), s * math.exp(z * se / s))
                if conf_type == "log"
                else (s - z * se, s + z * se)
            )
            assert (low, high) == pytest.approx((max(expected[0], 0), min(expected[1], 1)), rel=1e-9)


@given(people, people)
@settings(max_examples=150, deadline=None)
def test_log_rank_equals_statsmodels(first, second):
    found = log_rank([table(first), table(second)])
    if sum(hypergeometric(first, second)) == 0:
        assert found is None
        return
    times, events = (np.array(v) for v in zip(*(first + second), strict=True))
    group = np.repeat([1, 0], [len(first), len(second)])
    statistic, p_value = survdiff(times, (events == 1).astype(int), group)
    assert found.statistic == pytest.approx(statistic, rel=1e-8, abs=1e-10)
    assert found.p_value == pytest.approx(p_value, rel=1e-8, abs=1e-10)


def hypergeometric(first, second):
    both = first + second
    for moment in {t for t, e in both if e == 1}:
        n, n1 = sum(t >= moment for t, _ in both), sum(t >= moment for t, _ in first)
        d = sum(t == moment and e == 1 for t, e in both)
        yield d * n1 * (n - n1) * (n - d) / (n * n * (n - 1)) if n > 1 else 0.0


FRAME = expanded([(1, 2, 1, 1), (1, 5, 0, 3), (1, 8, 1, 2), (1, 10, 0, 4), (0, 2, 1, 2), (0, 6, 1, 2), (0, 9, 0, 6)])


def test_curve_rows():
    results = fit("kaplan_meier", FRAME, windows=[8])
    rows = [p for p in results.curve if (p.quantity, p.group) == ("survival", "treated")]
    assert [(p.time, p.n_risk, p.n_event, p.n_censor) for p in rows] == [
        (0, 10, 0, 0), (2, 10, 1, 0), (5, 9, 0, 3), (8, 6, 2, 0), (10, 4, 0, 4)]  # fmt: skip
    assert [p.estimate for p in rows] == pytest.approx([1, 0.9, 0.9, 0.6, 0.6])
    assert (rows[0].std_error, rows[0].conf_low, rows[0].conf_high) == (0, 1, 1)
    incidence = [p for p in results.curve if (p.quantity, p.group) == ("cumulative_incidence", "treated")]
    for down, up in zip(rows, incidence, strict=True):
        assert (up.time, up.n_risk, up.estimate, up.std_error) == (
            down.time,
            down.n_risk,
            1 - down.estimate,
            down.std_error,
        )
        assert (up.conf_low, up.conf_high) == pytest.approx((1 - down.conf_high, 1 - down.conf_low))
    found = estimates(results)
    assert found["risk_treated"].estimate == pytest.approx(0.4)
    assert found["risk_control"].estimate == pytest.approx(0.4)
    assert found["risk_treated"].counts == (3, 7, 4, 6, 10, 10)
    assert found["risk_difference"].std_error == pytest.approx(
        math.hypot(found["risk_treated"].std_error, found["risk_control"].std_error))  # fmt: skip


def test_beyond_the_last_time_there_is_no_answer():
    results = fit("kaplan_meier", FRAME, windows=[9.5, 11])
    status = {(e.term, e.time): e.status for e in results.estimates}
    assert status["risk_treated", 9.5] == "ok"
    assert (
        status["risk_control", 9.5] == status["risk_difference", 9.5] == status["risk_treated", 11] == "not_estimable"
    )
    reasons = {(c.term, c.time): c.message for c in checks(results, "not_estimable")}
    assert "nobody in this arm is observed for longer than 9 months" in reasons["risk_control", 9.5]


def test_without_windows_the_longest_common_time():
    results = fit("kaplan_meier", FRAME)
    assert {e.time for e in results.estimates} == {9.0}


def test_where_greenwood_says_nothing():
    frame = expanded([(1, 3, 1, 5), (0, 4, 0, 3), (0, 5, 0, 2)])
    results = fit("kaplan_meier", frame, windows=[3])
    assert {e.status for e in results.estimates} == {"not_estimable"}
    last = next(p for p in results.curve if p.group == "treated" and p.time == 3)
    assert (last.estimate, last.std_error, last.conf_low) == (0, None, None)
    nobody = fit("kaplan_meier", expanded([(1, 3, 0, 5), (0, 4, 0, 3)]))
    assert checks(nobody, "log_rank")[0].statistic is None


def test_competing_events_and_clusters_are_warned_of():
    frame = expanded([(1, 2, 2, 1), (1, 5, 1, 3), (0, 2, 1, 2), (0, 6, 3, 2)]).assign(court=[0, 1, 0, 1, 2, 3, 2, 3])
    results = fit("kaplan_meier", frame, competing={"death": 2, "deported": 3}, cluster="court", windows=[2])
    (found,) = checks(results, "competing_events")
    assert (found.status, found.statistic, found.counts) == ("warn", 3, (1, 2))
    assert "overstates" in found.message
    assert "death, deported" in found.message
    assert "does not allow for clusters" in checks(results, "log_rank")[0].message
    assert not checks(fit("kaplan_meier", FRAME), "competing_events")


def test_an_empty_arm():
    with pytest.raises(NotEstimable, match="nobody is in the control arm"):
        fit("kaplan_meier", FRAME[FRAME["arm"] == 1])


def test_long_curves_are_thinned_without_losing_anyone():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {"arm": np.arange(14_000) % 2, "time": rng.exponential(10, 14_000), "event": rng.integers(0, 2, 14_000)}
    )
    results = fit("kaplan_meier", frame, windows=[5])
    rows = [p for p in results.curve if (p.quantity, p.group) == ("survival", "treated")]
    assert len(rows) == 5000
    assert sum(p.n_event + p.n_censor for p in rows) == 7000
    assert (rows[0].time, rows[-1].time) == (0.0, frame.time[frame.arm == 1].max())
    upto = [p.estimate for p in rows if p.time <= 5][-1]
    assert 1 - upto == pytest.approx(estimates(results)["risk_treated"].estimate, abs=1e-3)
