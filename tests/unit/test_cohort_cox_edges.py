"""Cox regression at its edges, and its parts against definitions written out over people."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from evaluation.errors import NotEstimable
from evaluation.estimators.cox import Cox
from evaluation.inference.columns import standardise
from evaluation.inference.concordance import concordance
from evaluation.inference.cox_likelihood import point, score_residuals, state
from evaluation.inference.cox_sets import risk_sets
from tests.cohorts import checks, estimates, expanded, fit


def drawn(n=300, seed=4):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"arm": rng.integers(0, 2, n), "age": rng.normal(30, 8, n), "felon": rng.integers(0, 2, n)})
    event = np.ceil(rng.exponential(20 * np.exp(0.5 * frame["arm"] - 0.3 * frame["felon"])))
    frame["time"], frame["event"] = np.minimum(event, 24), (event <= 24).astype(int)
    return frame


small = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 1), st.integers(0, 3), st.floats(-2, 2)),
                 min_size=2, max_size=25).filter(lambda found: any(e for _, e, _, _ in found))  # fmt: skip


def arrays(found):
    found = sorted(found)
    time, event, one, two = (np.array(v, float) for v in zip(*found, strict=True))
    return time, event.astype(int), np.column_stack([one, two])


def loglik_by_definition(time, event, x, beta, ties):
    eta = x @ beta
    total = 0.0
    for moment in np.unique(time[event == 1]):
        died, at_risk = (time == moment) & (event == 1), np.exp(eta)[time >= moment].sum()
        d, tied = died.sum(), np.exp(eta)[died].sum()
        total += eta[died].sum()
        total -= sum(np.log(at_risk - (k / d if ties == "efron" else 0) * tied) for k in range(d))
    return total


@given(small, st.tuples(st.floats(-1, 1), st.floats(-1, 1)), st.sampled_from(["efron", "breslow"]))
@settings(max_examples=150, deadline=None)
def test_likelihood_score_and_information_by_definition(found, beta, ties):
    time, event, x = arrays(found)
    beta, h = np.array(beta), 1e-5
    sets = risk_sets(time, event, x, ties)
    here = point(sets, beta)
    assert here.loglik == pytest.approx(loglik_by_definition(time, event, x, beta, ties), rel=1e-9, abs=1e-9)
    steps = np.eye(2) * h
    slope = [(point(sets, beta + s).loglik - point(sets, beta - s).loglik) / (2 * h) for s in steps]
    assert here.gradient == pytest.approx(np.array(slope), rel=1e-5, abs=1e-5)
    bend = np.array([(point(sets, beta + s).gradient - point(sets, beta - s).gradient) / (2 * h) for s in steps])
    assert here.information == pytest.approx(-bend, rel=1e-5, abs=1e-5)
    assert score_residuals(state(sets, beta)).sum(axis=0) == pytest.approx(here.gradient, abs=1e-8)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 1), st.integers(0, 5)), min_size=1, max_size=40))
@settings(max_examples=300, deadline=None)
def test_concordance_over_pairs(found):
    time, event, score = (np.array(v) for v in zip(*found, strict=True))
    right = pairs = 0.0
    for t, e, s in found:
        for t2, e2, s2 in found:
            if e == 1 and (t2 > t or (t2 == t and e2 == 0)):
                pairs += 1
                right += 1 if s > s2 else 0.5 if s == s2 else 0
    ours = concordance(time.astype(float), event, score.astype(float))
    assert ours == (pytest.approx(right / pairs, abs=1e-12) if pairs else None)


def test_scales_and_shifts_of_covariates():
    frame = drawn()
    one = estimates(fit("cox", frame, covariates=["age", "felon"]))
    moved = frame.assign(age=frame["age"] * 1e4 + 1e7)
    other = estimates(fit("cox", moved, covariates=["age", "felon"]))
    assert other["arm"].estimate == pytest.approx(one["arm"].estimate, rel=1e-7)
    assert other["age"].estimate * 1e4 == pytest.approx(one["age"].estimate, rel=1e-7)
    assert other["age"].std_error * 1e4 == pytest.approx(one["age"].std_error, rel=1e-7)


def test_which_covariates():
    frame = drawn()
    assert list(estimates(fit("cox", frame, covariates=["age", "felon"]))) == ["arm", "age", "felon"]
    assert list(estimates(fit("cox", frame, {"covariates": ["felon"]}, covariates=["age"]))) == ["arm", "felon"]
    assert list(estimates(fit("cox", frame, {"covariates": []}, covariates=["age"]))) == ["arm"]
    assert Cox(covariates=["x"]).covariate_columns(["age"]) == ["x"]
    with pytest.raises(ValidationError, match="ties"):
        Cox(ties="exact")


def test_counts_of_people_behind_each_term():
    frame = drawn()
    found = estimates(fit("cox", frame, covariates=["age", "felon"]))
    cells = [int(((frame["felon"] == f) & (frame["event"] == e)).sum()) for f in (1, 0) for e in (1, 0)]
    arms = ((frame["arm"] == 1).sum(), (frame["arm"] == 0).sum())
    assert found["felon"].counts == (*cells, *arms)
    assert found["age"].counts == (frame["event"].sum(), (frame["event"] == 0).sum(), *arms)
    assert sum(found["arm"].counts) == 2 * found["arm"].n_obs == 600


def test_checks_of_a_term_carry_its_cells():
    results = fit("cox", drawn(), covariates=["age", "felon"])
    found, drift = estimates(results), {c.term: c for c in checks(results, "proportional_hazards")}
    assert {term: drift[term].counts for term in found} == {term: e.counts for term, e in found.items()}
    for counts in (drift[""].counts, checks(results, "wald")[0].counts, checks(results, "log_likelihood")[0].counts):
        assert set(found["felon"].counts) <= set(counts)


@pytest.mark.parametrize("clusters", [lambda f: f["arm"] * 0, lambda f: f["arm"], lambda f: f["arm"] * f["age"].rank()])
def test_too_few_clusters_in_an_arm_have_no_standard_error(clusters):
    frame = drawn()
    results = fit("cox", frame.assign(court=clusters(frame)), cluster="court")
    assert "is in one cluster" in not_estimable(results)
    (estimate,) = results.estimates
    cells = [int(((frame["arm"] == a) & (frame["event"] == e)).sum()) for a in (1, 0) for e in (1, 0)]
    assert estimate.counts == (*cells, estimate.n_treated_units, 300 - estimate.n_treated_units)


def test_no_wald_test_of_more_coefficients_than_clusters_carry():
    frame = drawn().assign(court=lambda f: f.index % 3)
    (found,) = checks(fit("cox", frame, covariates=["age", "felon"], cluster="court"), "wald")
    assert (found.statistic, found.p_value) == (None, None)
    assert "too few clusters to test 3 coefficients" in found.message
    (found,) = checks(fit("cox", frame, cluster="court"), "wald")
    assert found.p_value is not None


def not_estimable(results):
    assert {e.status for e in results.estimates} == {"not_estimable"}
    assert {e.estimate for e in results.estimates} == {None}
    return checks(results, "not_estimable")[0].message


def test_nobody_in_an_arm_with_the_outcome():
    frame = drawn()
    frame.loc[frame["arm"] == 1, "event"] = 0
    assert "nobody in the treated arm had the outcome" in not_estimable(fit("cox", frame, covariates=["age"]))


def test_a_covariate_that_separates():
    frame = drawn().assign(marker=lambda d: (d.index % 3 == 0).astype(int))
    frame.loc[frame["marker"] == 1, "event"] = 0
    message = not_estimable(fit("cox", frame, covariates=["age", "marker"]))
    assert "`marker`" in message
    assert "finite" in message


def test_a_rare_covariate_that_separates():
    frame = drawn(3000).assign(rare=lambda d: (d.index < 3).astype(int))
    frame.loc[frame["rare"] == 1, ["event", "time"]] = [0, 24]
    assert "`rare`" in not_estimable(fit("cox", frame, covariates=["age", "rare"]))


def test_redundant_and_constant_covariates():
    frame = drawn().assign(months=lambda d: d["age"] * 12 + d["felon"], same=3.0)
    message = not_estimable(fit("cox", frame, covariates=["age", "felon", "months"]))
    assert "`months` has no information beyond" in message
    assert "`same` has the same value for everyone" in not_estimable(fit("cox", frame, covariates=["same"]))
    with pytest.raises(NotEstimable, match="`b`, `c` have each no information"):
        standardise(np.outer([1.0, 2.0, 4.0], [1, 2, -1]), ["a", "b", "c"])


def test_no_valid_comparison():
    frame = drawn()
    with pytest.raises(NotEstimable, match="nobody is in the comparison"):
        fit("cox", frame[frame["arm"] == 1])
    with pytest.raises(NotEstimable, match="nobody had the outcome"):
        fit("cox", frame.assign(event=0))


def test_competing_events_are_censored_and_told():
    frame = drawn()
    died = frame.assign(event=np.where(frame.index % 7 == 0, 2, frame["event"]))
    gone = frame.assign(event=np.where(frame.index % 7 == 0, 0, frame["event"]))
    results = fit("cox", died, competing={"death": 2})
    expected = estimates(fit("cox", gone))["arm"]
    assert estimates(results)["arm"].estimate == pytest.approx(expected.estimate, rel=1e-12)
    assert estimates(results)["arm"].std_error == pytest.approx(expected.std_error, rel=1e-12)
    (found,) = checks(results, "competing_events")
    assert found.status == "info"
    assert "cause-specific" in found.message
    assert found.statistic == 43


def test_all_events_at_one_time():
    frame = expanded([(1, 5, 1, 10), (1, 6, 0, 10), (0, 5, 1, 15), (0, 6, 0, 5)])
    results = fit("cox", frame)
    assert estimates(results)["arm"].status == "ok"
    assert checks(results, "proportional_hazards")[0].status == "info"


def test_missing_covariates_are_dropped_and_counted():
    frame = drawn()
    frame.loc[frame.index[:17], "age"] = np.nan
    results = fit("cox", frame, covariates=["age"])
    assert [(s.step, s.n_dropped, s.n_remaining) for s in results.flow] == [("start", 0, 300), ("missing_age", 17, 283)]
    assert estimates(results)["arm"].n_obs == 283
    assert estimates(results)["arm"] == estimates(fit("cox", frame.iloc[17:], covariates=["age"]))["arm"]


def test_few_clusters_are_warned_of():
    frame = drawn().assign(court=lambda d: d.index % 12)
    results = fit("cox", frame, cluster="court")
    assert checks(results, "few_clusters")[0].statistic == 12
    assert [i.n_clusters for i in results.inference] == [12, None]
