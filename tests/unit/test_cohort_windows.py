"""Who is eligible for a window and what had happened to them: people made by hand, one rule each."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from evaluation.errors import NotEstimable
from evaluation.estimators.risk_difference import RiskDifference
from tests.cohorts import checks, estimates, expanded, fit

COLUMNS = ("arm", "time", "event", "follow_up")
ROLES = {"windows": [12], "follow_up": "follow_up", "competing": {"death": 2}}
OTHERS = [(1, 3, 1, 30, 2), (1, 30, 0, 30, 3), (0, 4, 1, 30, 2), (0, 30, 0, 30, 2)]


def risks(*people, **roles):
    """The risks of `OTHERS` (2/5 treated, 2/4 control) and further treated people, given without the arm."""
    groups = [(1, *p, 1) for p in people] + OTHERS
    return fit("risk_difference", expanded(groups, COLUMNS), **{**ROLES, **roles})


def treated(results):
    """Treated people with and without the event; the sizes of both arms must stand beside them."""
    found = estimates(results)["risk_treated"].counts
    assert found[2:] == (sum(found[:2]), 4)
    return found[:2]


@pytest.mark.parametrize(("person", "counts", "why"), [
    ((12, 1, 30), (3, 3), "an event at the window itself counts"),
    ((12.5, 1, 30), (2, 4), "an event after the window does not"),
    ((30, 0, 30), (2, 4), "seen to the end without the event"),
    ((12, 0, 12), (2, 4), "followed exactly to the window"),
    ((12, 0, 30), (2, 4), "censored exactly at the window: known to be free of the event"),
    ((5, 1, 11), (2, 3), "an early event of someone who could not be followed: not eligible"),
    ((11, 0, 11), (2, 3), "not followed to the window: not eligible"),
    ((6, 2, 30), (2, 4), "another event first: a non-event in the denominator"),
    ((20, 2, 30), (2, 4), "another event after the window: a non-event"),
    ((6, 2, 8), (2, 3), "another event first, but not followed to the window: not eligible"),
    ((5, 1, np.nan), (2, 3), "follow-up not known: not eligible"),
    ((0, 1, 30), (3, 3), "an event on the index date counts"),
])  # fmt: skip
def test_one_person_more(person, counts, why):
    assert treated(risks(person)) == counts, why


def test_the_ineligible_are_counted_in_the_flow():
    steps = risks((5, 1, 11), (11, 0, 11), (5, 1, np.nan)).flow
    assert [(s.step, s.n_dropped, s.n_remaining, s.level) for s in steps] == [
        ("start", 0, 12, "person"), ("unknown_follow_up_12", 1, 11, "person"), ("short_follow_up_12", 2, 9, "person")]  # fmt: skip
    assert steps[-1].reason == "followed for less than 12 months"


def test_people_lost_before_the_window_leave_the_risk_unknown():
    results = risks((7, 0, 30), (8, 0, 30))
    assert {e.status for e in results.estimates} == {"not_estimable"}
    assert {e.estimate for e in results.estimates} == {None}
    found = checks(results, "not_estimable")
    assert [c.term for c in found] == ["risk_treated", "risk_control", "risk_difference", "risk_ratio", "odds_ratio"]
    assert "2 people (2 treated, 0 in the comparison) were censored before 12 months" in found[0].message
    assert "kaplan_meier" in found[0].message
    assert "name `follow_up`" not in found[0].message
    assert found[0].counts == (2, 5, 7, 4, 2, 0)


def test_without_follow_up_everyone_is_eligible_unless_somebody_was_censored_early():
    known = risks((12, 0, 12), (6, 2, 8), follow_up=None)
    assert treated(known) == (2, 5)
    unknown = risks((11, 0, 11), follow_up=None)
    assert estimates(unknown)["risk_difference"].status == "not_estimable"
    assert "or name `follow_up` in the design" in checks(unknown, "not_estimable")[0].message


def test_each_window_has_its_own_people():
    results = risks((11, 0, 11), windows=[6, 12, 36])
    assert [estimates(results, w)["risk_difference"].status for w in (6, 12, 36)] == ["ok", "ok", "not_estimable"]
    assert [estimates(results, w)["risk_difference"].n_obs for w in (6, 12)] == [10, 9]
    assert "nobody could be followed for 36 months" in checks(results, "not_estimable")[0].message
    assert [(s.step, s.n_dropped, s.n_remaining) for s in results.flow[1:]] == [
        ("short_follow_up_12", 1, 9), ("short_follow_up_36", 10, 0)]  # fmt: skip


def test_the_option_window_replaces_the_design_s():
    frame = expanded(OTHERS, COLUMNS)
    results = fit("risk_difference", frame, {"window": 3}, **ROLES)
    assert {e.time for e in results.estimates} == {3.0}
    assert estimates(results)["risk_control"].counts == (0, 4, 5, 4)
    with pytest.raises(NotEstimable, match="no window is named"):
        fit("risk_difference", frame, **{**ROLES, "windows": []})


def test_competing_events_are_told_by_arm():
    (found,) = checks(risks((6, 2, 30), (7, 2, 30), (20, 2, 30)), "competing_events")
    assert found.status == "info"
    assert (found.statistic, found.counts) == (2, (2, 0))
    assert "2 people (2 treated, 0 in the comparison) had another event first (death)" in found.message
    assert not checks(risks(), "competing_events")


def test_empty_cells_have_no_ratio_and_no_made_up_events():
    groups = [(1, 30, 0, 30, 10), (0, 4, 1, 30, 2), (0, 30, 0, 30, 8)]
    results = fit("risk_difference", expanded(groups, COLUMNS), **ROLES)
    found = estimates(results)
    assert (found["risk_treated"].estimate, found["risk_treated"].conf_low) == (0.0, 0.0)
    assert found["risk_treated"].std_error is None
    assert found["risk_treated"].conf_high == pytest.approx(0.27754, abs=1e-5)  # Wilson, 0 of 10: z²/(10 + z²)
    assert found["risk_difference"].status == "ok"
    assert (found["risk_ratio"].status, found["odds_ratio"].status) == ("not_estimable", "not_estimable")
    assert "no events" in checks(results, "not_estimable")[0].message
    adjusted = fit("risk_difference", expanded(groups, COLUMNS), {"adjust": "regression"}, **ROLES)
    assert {e.status for e in adjusted.estimates} == {"not_estimable"}


def test_nobody_with_the_event_in_either_arm():
    groups = [(1, 30, 0, 30, 10), (0, 30, 0, 30, 10)]
    found = estimates(fit("risk_difference", expanded(groups, COLUMNS), **ROLES))["risk_difference"]
    assert (found.estimate, found.std_error, found.p_value, found.status) == (0.0, None, None, "ok")
    assert found.conf_low < 0 < found.conf_high


def test_separation_names_the_covariate():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"arm": np.tile([0, 1], 100), "age": rng.normal(30, 5, 200)})
    frame["marker"] = (np.arange(200) % 4 < 2).astype(int)
    frame["event"] = np.where(frame["marker"] == 1, rng.integers(0, 2, 200), 0)
    frame["time"] = np.where(frame["event"] == 1, 5, 12)
    results = fit("risk_difference", frame, {"adjust": "regression"}, windows=[12], covariates=["age", "marker"])
    assert {e.status for e in results.estimates} == {"not_estimable"}
    assert "`marker`" in checks(results, "not_estimable")[0].message
    assert "`age`" not in checks(results, "not_estimable")[0].message
    assert (
        fit("risk_difference", frame, {"adjust": "regression", "covariates": ["age"]}, windows=[12])
        .estimates[2]
        .estimate
    )


def test_clusters_in_one_arm_only():
    frame = expanded(OTHERS, COLUMNS).assign(court=[1] * 5 + [2, 2, 3, 3])
    results = fit("risk_difference", frame, cluster="court", **ROLES)
    assert {e.status for e in results.estimates} == {"not_estimable"}
    assert "everyone in the treated arm is in one cluster" in checks(results, "not_estimable")[0].message


@pytest.mark.parametrize(("options", "word"), [
    ({"adjust": "weighting"}, "adjust"), ({"window": 0}, "window"), ({"window": "12"}, "window"), ({"covariates": ["age"]}, "regression or iptw"),
    ({"conf_level": 95}, "conf_level"), ({"windows": 12}, "windows")])  # fmt: skip
def test_options_are_validated(options, word):
    with pytest.raises(ValidationError, match=word):
        RiskDifference(**options)


def test_options_say_which_columns_are_read():
    assert RiskDifference().covariate_columns(["age"]) == []
    assert RiskDifference(adjust="regression").covariate_columns(["age"]) == ["age"]
    assert RiskDifference(adjust="regression", covariates=["sex"]).covariate_columns(["age"]) == ["sex"]
