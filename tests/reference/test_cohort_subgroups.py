"""Effects within groups of people against the fully interacted regression, and Cochran's own arithmetic."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from evaluation.diagnostics.cohort import CohortCase
from evaluation.diagnostics.subgroups import FEWEST, heterogeneity, subgroups
from evaluation.estimators.registry import get
from evaluation.results import Estimate
from evaluation.study.models import Study
from tests.cohorts import OUTCOME, cohort

EACH = 240


def people(seed=7, each=EACH, groups=3):
    """The same number in every group, so that HC1's small-sample factor is the same in parts and whole."""
    draw = np.random.default_rng(seed)
    region = np.repeat(np.arange(groups), each)
    arm = draw.integers(0, 2, each * groups)
    event = (draw.random(len(arm)) < 0.3 + 0.1 * arm * region).astype(int)
    return pd.DataFrame({"region": region, "arm": arm, "event": event, "time": np.where(event, 3.0, 12.0),
                         "female": draw.integers(0, 2, len(arm)), "age": draw.uniform(18, 60, len(arm))})  # fmt: skip


def asked(frame, folder, declared, estimator="risk_difference", options=None, covariates=("age", "female")):
    study = Study.model_validate({
        "study": "s", "title": "t", "question": "q", "data": {"path": "x"},
        "intervention": {"kind": "drug_court", "name": "n", "description": "d"},
        "design": {"type": "cohort", "arm": "arm", "assignment": "observational", "time": "time", "time_unit": "month",
                   "event": "event", "covariates": list(covariates), "windows": [6.0]},
        "outcomes": [{"id": "rearrest", "label": "Rearrest"}],
        "analyses": [{"id": "main", "role": "primary", "outcome": "rearrest", "estimator": estimator}],
        "disclosure": {"profile": "none"}, "subgroups": declared,
    })  # fmt: skip
    data = cohort(frame, folder, covariates=list(covariates), windows=[6.0])
    chosen = get(estimator)(**(options or {}))
    results = chosen.fit(data, OUTCOME)
    return subgroups(CohortCase(chosen, data, OUTCOME, results, study, study.analyses[0]))


def test_cochrans_q_is_the_wald_test_of_the_interaction_of_a_saturated_regression(tmp_path):
    frame = people()
    found = asked(frame, tmp_path, ["region"])
    fitted = smf.ols("event ~ C(region) * arm", frame).fit(cov_type="HC1")
    wald = fitted.wald_test("C(region)[T.1]:arm = 0, C(region)[T.2]:arm = 0", use_f=False, scalar=True)
    for row, level in zip(found.subgroups, ("0", "1", "2"), strict=True):
        own = smf.ols("event ~ arm", frame[frame.region == int(level)]).fit(cov_type="HC1")
        assert row.level == level
        assert row.estimate == pytest.approx(own.params["arm"], rel=1e-9)
        assert row.std_error == pytest.approx(own.bse["arm"], rel=1e-9)
        assert row.p_interaction == pytest.approx(float(wald.pvalue), rel=1e-8)
        assert row.n_units == EACH


def test_q_by_hand():
    """Three effects of variance 1: 0, 0 and 3 have the mean 1 and Q = 1 + 1 + 4."""
    rows = [Estimate("risk_difference", "", b, 1.0) for b in (0.0, 0.0, 3.0)]
    found = heterogeneity(rows)
    assert (found.statistic, found.df) == (pytest.approx(6), 2)
    assert found.p_value == pytest.approx(np.exp(-3), rel=1e-12)  # chi-squared with 2 degrees of freedom
    assert heterogeneity(rows[:1]) is None


def test_ratios_are_compared_as_logarithms():
    z = 1.959963984540054
    one = [Estimate("risk_ratio", "", float(np.exp(b)), 9.0, float(np.exp(b - z * 0.5)), float(np.exp(b + z * 0.5)),
                    scale="risk") for b in (0.0, 1.0)]  # fmt: skip
    assert heterogeneity(one).statistic == pytest.approx(2.0)  # 2 * (0.5 / 0.5)^2


def test_p_values_are_adjusted_over_the_characteristics(tmp_path):
    found = asked(people(), tmp_path, ["region", "female"])
    raw = {r.covariate: r.p_interaction for r in found.subgroups}
    adjusted = {r.covariate: r.p_interaction_adjusted for r in found.subgroups}
    first, last = sorted(raw, key=raw.get)
    assert adjusted[first] == pytest.approx(min(1, 2 * raw[first]))
    assert adjusted[last] == pytest.approx(max(adjusted[first], raw[last]))
    assert {r.adjustment for r in found.subgroups} == {"Holm over 2 characteristics"}


def test_the_characteristic_itself_is_not_adjusted_for_within_its_groups(tmp_path):
    frame = people(each=400)
    found = asked(frame, tmp_path, ["female"], options={"adjust": "regression"})
    part = frame[frame.female == 1]
    alone = get("risk_difference")(adjust="regression").fit(
        cohort(part, tmp_path / ".", covariates=["age"], windows=[6.0]), OUTCOME)  # fmt: skip
    own = next(e for e in alone.estimates if e.term == "risk_difference")
    row = next(r for r in found.subgroups if r.level == "1")
    assert (row.estimate, row.std_error) == (own.estimate, own.std_error)


@pytest.mark.parametrize("adjust", ["regression", "iptw", "aipw"])
def test_where_nothing_is_left_to_adjust_for_the_arms_are_compared_as_they_are(tmp_path, adjust):
    frame = people(each=400)
    found = asked(frame, tmp_path, ["female"], options={"adjust": adjust}, covariates=["female"])
    plain = asked(frame, tmp_path, ["female"], covariates=["female"])
    assert [r.estimate for r in found.subgroups] == [r.estimate for r in plain.subgroups]


def test_bands_have_their_lower_limit_within(tmp_path):
    frame = people()
    frame.loc[0, "age"] = 25.0
    found = asked(frame, tmp_path, [{"column": "age", "cut": [25.0, 40.0]}])
    sizes = {r.level: r.n_units for r in found.subgroups}
    assert sizes == {
        "below 25": int((frame.age < 25).sum()),
        "25 to below 40": int(((frame.age >= 25) & (frame.age < 40)).sum()),
        "40 or more": int((frame.age >= 40).sum()),
    }


def test_small_groups_and_people_without_a_value_are_told_and_not_estimated(tmp_path):
    frame = people()
    frame["region"] = frame["region"].astype("float")
    few = frame.index[(frame.region == 2) & (frame.arm == 1)][FEWEST - 1 :]
    frame.loc[few, "region"] = np.nan
    found = asked(frame, tmp_path, ["region"])
    by_level = {r.level: r for r in found.subgroups}
    assert (by_level["2"].status, by_level["2"].estimate) == ("not_estimable", None)
    assert by_level["2"].n_treated_units == FEWEST - 1
    assert by_level["0"].p_interaction is not None
    check = found.checks[-1]
    assert (check.check, check.counts) == ("subgroups", ())  # it tells no numbers of people
    assert "exploratory" in check.message
    assert "2 effects" in check.message


def test_too_many_values_ask_for_bands(tmp_path):
    found = asked(people(), tmp_path, ["age"])
    assert not found.subgroups
    assert "declare bands" in found.checks[0].message


def test_hazards_within_groups(tmp_path):
    """Cox: each group's own hazard ratio; row order does not matter."""
    frame = people(each=300)
    found = asked(frame, tmp_path, ["region"], estimator="cox")
    again = asked(frame.sample(frac=1, random_state=1), tmp_path, ["region"], estimator="cox")
    assert {r.term for r in found.subgroups} == {"arm"}
    assert [r.estimate for r in found.subgroups] == pytest.approx([r.estimate for r in again.subgroups], rel=1e-12)
