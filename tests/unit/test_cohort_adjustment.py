"""Adjusted risk differences: options that go together, whom the figures are about, answers that there are none of."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from evaluation.estimators.risk_difference import RiskDifference
from tests.cohorts import checks, estimates, fit

ROLES = {"windows": [12], "covariates": ["age", "sex"]}
WAYS = ["iptw", "aipw", "matching"]


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(12)
    n = 600
    frame = pd.DataFrame(
        {"age": rng.normal(30, 8, n).round(1), "sex": rng.integers(0, 2, n), "court": np.arange(n) % 50}
    )
    chance = 1 / (1 + np.exp(-(frame.age - 30) / 10 - 0.3 * frame.sex + 0.4))
    frame["arm"] = (rng.uniform(size=n) < chance).astype(int)
    risk = 1 / (1 + np.exp(0.5 - (30 - frame.age) / 12 + 0.4 * frame.arm))
    frame["event"] = (rng.uniform(size=n) < risk).astype(int)
    frame["time"] = np.where(frame["event"] == 1, rng.integers(1, 12, n), 12)
    return frame


@pytest.mark.parametrize(("options", "words"), [
    ({"adjust": "regression", "trim": [0.1, 0.9]}, "trim is used with adjust: iptw only"),
    ({"adjust": "iptw", "folds": 3}, "folds is used with adjust: aipw only"),
    ({"adjust": "iptw", "caliper": 0.1}, "caliper is used with adjust: matching only"),
    ({"exact": ["sex"]}, "exact is used with adjust: matching only"),
    ({"adjust": "iptw", "trim": [0.9, 0.1]}, "the lower first"),
    ({"adjust": "iptw", "trim": [0.1]}, "two propensities"),
    ({"adjust": "iptw", "trim": [0.1, 0.9], "truncate": 0.99}, "choose one"),
    ({"adjust": "aipw", "folds": 1}, "2 or more"),
    ({"adjust": "iptw", "covariates": []}, "at least one covariate"),
    ({"estimand": "ate"}, "no estimand ate to choose"),
    ({"adjust": "matching", "estimand": "ate"}, "its estimand is att, not ate"),
    ({"adjust": "aipw", "estimand": "ato"}, "use adjust: iptw"),
    ({"adjust": "regression", "estimand": "ato"}, "use adjust: iptw"),
    ({"censoring_covariates": ["age"]}, "with censoring: ipcw only"),
])  # fmt: skip
def test_options_that_do_not_go_together(options, words):
    with pytest.raises(ValidationError, match=words):
        RiskDifference(**options)


def test_which_columns_are_read():
    asked = RiskDifference(adjust="matching", covariates=["age"], exact=["sex"], censoring="ipcw",
                           censoring_covariates=["age", "prior"])  # fmt: skip
    assert asked.covariate_columns(["race"]) == ["age", "sex", "prior"]
    assert asked.columns(["race"]).adjusted == ("age",)
    assert RiskDifference(censoring="ipcw", censoring_covariates=["age"]).covariate_columns(["race"]) == ["age"]
    assert RiskDifference(adjust="iptw").covariate_columns(["race"]) == ["race"]


@pytest.mark.parametrize(("options", "whom"), [
    ({"adjust": "iptw"}, "everyone eligible, weighted by the inverse propensity"),
    ({"adjust": "iptw", "estimand": "ato"}, "people who could be in either arm, weighted"),
    ({"adjust": "iptw", "trim": [0.1, 0.9]}, "(propensity 0.1 to 0.9)"),
    ({"adjust": "aipw", "estimand": "att"}, "the treated, by regression and inverse propensity (doubly robust)"),
    ({"adjust": "matching"}, "the treated who found a match"),
    ({"adjust": "regression", "estimand": "att"}, "standardised to the treated"),
])  # fmt: skip
def test_the_estimand_says_whom_it_is_about(people, options, whom):
    found = estimates(fit("risk_difference", people, options, **ROLES))["risk_difference"]
    assert whom in found.estimand
    assert "precision" not in found.estimand
    lot = estimates(fit("risk_difference", people, options, **ROLES, assignment="randomised"))["risk_difference"]
    assert lot.estimand.startswith("risk difference (intention to treat")
    assert lot.estimand.endswith("adjusted for precision)")
    assert lot.estimate == found.estimate


@pytest.mark.parametrize("way", WAYS)
def test_all_five_figures_hold_together(people, way):
    results = fit("risk_difference", people, {"adjust": way}, **ROLES)
    found = {t: e.estimate for t, e in estimates(results).items()}
    one, zero = found["risk_treated"], found["risk_control"]
    assert found["risk_difference"] == pytest.approx(one - zero)
    assert found["risk_ratio"] == pytest.approx(one / zero)
    assert found["odds_ratio"] == pytest.approx(one / (1 - one) / (zero / (1 - zero)))
    keyed = {(i.term, i.time) for i in results.inference}
    assert keyed == {(t, 12.0) for t in found}
    for e in results.estimates:
        assert e.conf_low < e.estimate < e.conf_high
        assert len(e.counts) == 6
        assert sum(e.counts[:4]) == sum(e.counts[4:]) == e.n_units == e.n_obs
        assert e.counts[4] == e.n_treated_units


@pytest.mark.parametrize("way", WAYS)
def test_nothing_to_adjust_for(people, way):
    results = fit("risk_difference", people, {"adjust": way}, windows=[12])
    assert {e.status for e in results.estimates} == {"not_estimable"}
    assert f"adjust: {way} needs at least one covariate" in checks(results, "not_estimable")[0].message


@pytest.mark.parametrize("way", WAYS)
def test_a_covariate_that_tells_the_arms_apart(people, way):
    marked = people.assign(sex=people["arm"] * (people.index % 3 > 0))
    results = fit("risk_difference", marked, {"adjust": way}, **ROLES)
    assert {e.status for e in results.estimates} == {"not_estimable"}
    message = checks(results, "not_estimable")[0].message
    assert "tell for certain who is treated, for some people: `sex`" in message


def test_a_covariate_without_variation_in_one_arm(people):
    marked = people.assign(sex=np.where(people["arm"] == 1, people["sex"], 1))
    results = fit("risk_difference", marked, {"adjust": "aipw"}, **ROLES)
    message = checks(results, "not_estimable")[0].message
    assert "`sex`" in message
    found = fit("risk_difference", people.assign(sex=1), {"adjust": "iptw"}, **ROLES)
    assert "`sex` has the same value for everyone" in checks(found, "not_estimable")[0].message


def test_bounds_that_leave_nobody(people):
    results = fit("risk_difference", people, {"adjust": "iptw", "trim": [0.98, 0.99]}, **ROLES)
    assert "nobody has a propensity between 0.98 and 0.99" in checks(results, "not_estimable")[0].message
    assert results.flow[-1].step == "start"


def test_no_match_at_all(people):
    own = people.assign(number=np.arange(len(people)))
    results = fit("risk_difference", own, {"adjust": "matching", "exact": ["number"]}, **ROLES)
    assert "nobody treated found a match" in checks(results, "not_estimable")[0].message


def test_an_arm_without_events(people):
    none = people.assign(
        event=np.where(people["arm"] == 1, 0, people["event"]), time=lambda d: np.where(d.event == 1, d.time, 12)
    )
    for way, status in (("iptw", "not_estimable"), ("aipw", "not_estimable"), ("matching", "not_estimable")):
        found = estimates(fit("risk_difference", none, {"adjust": way}, **ROLES))
        assert found["risk_ratio"].status == status


@pytest.mark.parametrize(("options", "name"), [
    ({"adjust": "matching"}, "matched sets, clustered by matched set and cluster"),
    ({"adjust": "matching", "replace": True}, "matched sets, clustered by matched set and cluster"),
    ({"adjust": "iptw"}, "M-estimation sandwich with the estimated propensity, CR1"),
    ({"adjust": "aipw", "folds": 2}, "influence functions, cross-fitted in 2 folds, CR1"),
])  # fmt: skip
def test_clusters(people, options, name):
    results = fit("risk_difference", people, options, **ROLES, cluster="court")
    row = next(i for i in results.inference if i.term == "risk_difference")
    assert row.method == name
    assert (row.distribution, row.df) == ("t", 49)
    assert estimates(results)["risk_difference"].n_clusters == 50


def test_more_folds_than_clusters(people):
    few = people.assign(court=people["court"] % 4)
    results = fit("risk_difference", few, {"adjust": "aipw", "folds": 5}, **ROLES, cluster="court")
    assert "there are 4 clusters for 5 folds" in checks(results, "not_estimable")[0].message


def test_another_seed_is_another_draw_of_folds(people):
    found = {
        seed: estimates(fit("risk_difference", people, {"adjust": "aipw", "folds": 5, "seed": seed}, **ROLES))[
            "risk_difference"
        ]
        for seed in (1, 2)
    }
    assert found[1].estimate != found[2].estimate
    assert found[1].estimate == pytest.approx(found[2].estimate, abs=0.01)


def test_names_of_clusters_do_not_matter(people):
    options = {"adjust": "aipw", "folds": 5}
    renamed = people.assign(court=(people["court"] * 7 + 3) % 50)
    one, other = (
        estimates(fit("risk_difference", frame, options, **ROLES, cluster="court"))["risk_difference"]
        for frame in (people, renamed)
    )
    assert (other.estimate, other.std_error) == pytest.approx((one.estimate, one.std_error), rel=1e-12)


def test_missing_values_of_exact_columns_drop_people(people):
    some = people.assign(county=np.where(people.index < 7, np.nan, 1.0))
    results = fit("risk_difference", some, {"adjust": "matching", "exact": ["county"]}, **ROLES)
    assert [(s.step, s.n_dropped) for s in results.flow[1:2]] == [("missing_county", 7)]
