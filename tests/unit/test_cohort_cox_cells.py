"""Cox regression with strata, weights, a moving ratio, and people counted together: against definitions over people."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from evaluation.data import person_cells
from evaluation.estimators.cox import Cox
from evaluation.inference.concordance import concordance
from evaluation.inference.cox_fit import fit_cox
from evaluation.inference.cox_likelihood import point, score_residuals, state
from evaluation.inference.cox_sets import Arrangement, Drift, risk_sets
from evaluation.inference.cox_ties import LEFT, MANY, TieSteps
from tests.cohorts import checks, cohort, estimates, fit


def drawn(n=400, seed=4):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "arm": rng.integers(0, 2, n), "felon": rng.integers(0, 2, n), "prior": rng.integers(0, 3, n),
        "court": rng.integers(0, 30, n), "county": rng.integers(0, 4, n), "w": rng.choice([0.5, 1.0, 2.0], n),
    })  # fmt: skip
    event = np.ceil(rng.exponential(20 * np.exp(0.5 * frame["arm"] - 0.3 * frame["felon"] + 0.2 * frame["county"])))
    frame["time"], frame["event"] = np.minimum(event, 24), (event <= 24).astype(int)
    frame.loc[frame.index % 11 == 0, "event"] = 2
    return frame


# --------------------------------------------------------------------------- the definition, over people

people = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 5), st.integers(0, 1), st.integers(0, 2), st.integers(-1, 1),
              st.sampled_from([0.5, 1.0, 3.0]), st.integers(1, 3)),
    min_size=2, max_size=20).filter(lambda rows: any(r[2] for r in rows))  # fmt: skip


def arrays(rows):
    rows = sorted(rows)
    stratum, time, event, one, two, weight, copies = (np.array(v) for v in zip(*rows, strict=True))
    return stratum, time.astype(float), event, np.column_stack([one, two]).astype(float), weight, copies


def by_definition(time, event, stratum, x, weight, beta, ties, clock=None):
    """Log partial likelihood, one row a person; `clock` moves the first column's coefficient, the last of `beta`."""
    total = 0.0
    for s in np.unique(stratum):
        for moment in np.unique(time[(event == 1) & (stratum == s)]):
            columns = x if clock is None else np.column_stack([x, x[:, 0] * clock(moment)])
            index = columns @ beta
            at_risk = (stratum == s) & (time >= moment)
            died = at_risk & (time == moment) & (event == 1)
            d, risk = died.sum(), weight * np.exp(index)
            total += weight[died] @ index[died]
            for k in range(d):
                share = k / d if ties == "efron" else 0.0
                total -= weight[died].mean() * np.log(risk[at_risk].sum() - share * risk[died].sum())
    return total


def residuals_by_definition(time, event, stratum, x, weight, beta, ties, clock=None):
    p = len(beta)
    found = np.zeros((len(time), p))
    for s in np.unique(stratum):
        for moment in np.unique(time[(event == 1) & (stratum == s)]):
            columns = x if clock is None else np.column_stack([x, x[:, 0] * clock(moment)])
            at_risk = (stratum == s) & (time >= moment)
            died = at_risk & (time == moment) & (event == 1)
            ratio, d, means = np.exp(columns @ beta), died.sum(), []
            for k in range(d):
                left = at_risk * (1 - (k / d if ties == "efron" else 0.0) * died)
                seen = (weight * ratio * left).sum()
                means.append((weight * ratio * left) @ columns / seen)
                found -= weight[died].mean() * (ratio * left)[:, None] / seen * (columns - means[-1])
            found[died] += columns[died] - np.mean(means, axis=0)
    return found


@given(people, st.tuples(*[st.floats(-1, 1)] * 3), st.sampled_from(["efron", "breslow"]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_likelihood_and_residuals_by_definition(rows, beta, ties, moves):
    """Rows of one to three people each, with weights, strata and ties; the definition has a row for every person."""
    stratum, time, event, x, weight, copies = arrays(rows)
    sets = risk_sets(time, event, x, ties, Arrangement(copies, weight * copies, stratum))
    beta = np.array(beta if moves else beta[:2])
    clock = np.sqrt if moves else None
    if moves:
        value, layer = np.unique(sets.columns[:, 0], return_inverse=True)
        object.__setattr__(sets, "drift", Drift(value, layer, np.sqrt(sets.times)))
    each = [np.repeat(v, copies, axis=0) for v in (time, event, stratum, x, weight)]
    here, h = point(sets, beta), 1e-5
    assert here.loglik == pytest.approx(by_definition(*each, beta, ties, clock), rel=1e-10, abs=1e-9)
    steps = np.eye(len(beta)) * h
    slope = [(by_definition(*each, beta + s, ties, clock) - by_definition(*each, beta - s, ties, clock)) / (2 * h)
             for s in steps]  # fmt: skip
    assert here.gradient == pytest.approx(np.array(slope), rel=1e-5, abs=1e-5)
    bend = np.array([(point(sets, beta + s).gradient - point(sets, beta - s).gradient) / (2 * h) for s in steps])
    assert here.information == pytest.approx(-bend, rel=1e-5, abs=1e-5)
    found = np.zeros((len(time), len(beta)))
    found[sets.kept] = score_residuals(state(sets, beta))
    expected = residuals_by_definition(*each, beta, ties, clock)
    assert np.repeat(found, copies, axis=0) == pytest.approx(expected, abs=1e-9)
    assert (weight * copies) @ found == pytest.approx(here.gradient, abs=1e-9)


def test_moving_arm_is_scaled_back():
    """Coefficients and covariance of a moving ratio are those of columns and time as they are."""
    frame = drawn().sort_values(["time", "event"])
    time, event = frame["time"].to_numpy(float), (frame["event"] == 1).to_numpy(int)
    columns = frame[["arm", "felon"]].to_numpy(float)
    fitted = fit_cox(time, event, columns, ["arm", "felon"], "efron", moving="log")
    raw = risk_sets(time, event, columns, "efron")
    value, layer = np.unique(raw.columns[:, 0], return_inverse=True)
    object.__setattr__(raw, "drift", Drift(value, layer, np.log(raw.times)))
    there = point(raw, fitted.coefficients)
    assert there.gradient == pytest.approx(np.zeros(3), abs=1e-7)
    assert fitted.model_covariance == pytest.approx(np.linalg.inv(there.information), rel=1e-8)
    assert there.loglik == pytest.approx(fitted.loglik, rel=1e-12)


@pytest.mark.parametrize(("events", "left"), [(MANY, LEFT + 1), (MANY, 1e6), (500, 70.0), (4000, 1e5), (500, 3.0)])
def test_many_events_at_one_time(events, left):
    """The series against the steps one by one."""
    unit = 0.7
    whole = np.array([(events + left) * unit, 100.0, 90.0])
    tied = np.array([events * unit, 30.0, 90.0])
    found = TieSteps(np.array([events, 3, 3]), np.array([2.0 * events, 3.0, 6.0]), "efron").sums(whole, tied)
    for k, (d, mass) in enumerate([(events, 2.0), (3, 1.0), (3, 2.0)]):
        share = np.arange(d) / d
        seen = whole[k] - share * tied[k]
        assert found.log[k] == pytest.approx(mass * np.log(seen).sum(), rel=1e-13)
        assert found.hazard[k] == pytest.approx(mass * (1 / seen).sum(), rel=1e-13)
        assert found.shared[k] == pytest.approx(mass * (share / seen).sum(), rel=1e-10)
        for power in range(3):
            expected = mass * (share**power / seen**2).sum()
            assert found.squares[power][k] == pytest.approx(expected, rel=1e-12 if power == 0 else 1e-7)


@pytest.mark.parametrize("strata", [False, True])
def test_concordance_block_by_block(monkeypatch, strata):
    """The same in blocks of 64 rows and all at once; numbers of people add up exactly."""
    rng = np.random.default_rng(2)
    n = 5000
    time, event, score = rng.integers(1, 20, n).astype(float), rng.integers(0, 2, n), rng.normal(size=n)
    rows = Arrangement(rng.integers(1, 4, n), None, rng.integers(0, 3, n) if strata else None)
    found = []
    for block in (64, n):
        monkeypatch.setattr("evaluation.inference.concordance.BLOCK", block)
        found.append(concordance(time, event, score, rows))
    assert found[0] == found[1]
    assert 0.45 < found[0] < 0.55


@given(people)
@settings(max_examples=200, deadline=None)
def test_concordance_of_weights_and_strata_over_pairs(rows):
    stratum, time, event, x, weight, copies = arrays(rows)
    score = x[:, 0]
    right = pairs = 0.0
    for i in range(len(time)):
        for j in range(len(time)):
            later = time[j] > time[i] or (time[j] == time[i] and event[j] == 0)
            if event[i] == 1 and stratum[i] == stratum[j] and later:
                mass = weight[i] * copies[i] * weight[j] * copies[j]
                pairs += mass
                right += mass * (1 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0)
    found = concordance(time, event, score, Arrangement(copies, weight * copies, stratum))
    assert found == (pytest.approx(right / pairs, abs=1e-12) if pairs else None)


# --------------------------------------------------------------------------- cells and rows


WAYS = [
    ({}, {}), ({"robust": True}, {}), ({"ties": "breslow"}, {"weights": "w"}), ({}, {"weights": "w"}),
    ({}, {"cluster": "court"}), ({"strata": ["county"]}, {"cluster": "court", "weights": "w"}),
    ({"strata": ["county", "prior"], "robust": True}, {}), ({"time_interaction": "log"}, {"weights": "w"}),
    ({"time_interaction": "linear", "strata": ["county"]}, {"cluster": "court"}),
]  # fmt: skip
ROLES = {"covariates": ["felon", "prior"], "competing": {"death": 2}, "windows": [6, 18]}


def figures(results):
    found = {("estimate", e.term, e.time, part): getattr(e, part)
             for e in results.estimates for part in ("estimate", "std_error", "p_value")}  # fmt: skip
    found |= {("inference", i.term, i.time, i.method): i.std_error for i in results.inference}
    found |= {("check", c.check, c.term, part): getattr(c, part)
              for c in results.checks for part in ("statistic", "p_value")}  # fmt: skip
    return {k: v for k, v in found.items() if v is not None}


@pytest.mark.parametrize(("options", "roles"), WAYS)
def test_cells_and_rows_give_the_same(monkeypatch, options, roles):
    found = []
    for grouped in (0.0, 1e9):
        monkeypatch.setattr(person_cells, "GROUPED", grouped)
        found.append(fit("cox", drawn(1500), options, **ROLES, **roles))
    rows, cells = found
    assert figures(cells) == pytest.approx(figures(rows), rel=1e-10, abs=1e-12)
    assert [e.counts for e in cells.estimates] == [e.counts for e in rows.estimates]
    assert [(e.n_obs, e.n_units, e.n_clusters) for e in cells.estimates] == [
        (e.n_obs, e.n_units, e.n_clusters) for e in rows.estimates
    ]
    assert cells.flow == rows.flow


@pytest.mark.parametrize("different", [False, True])
def test_people_are_counted_together_where_many_are_alike(tmp_path, different):
    frame = drawn(2000).assign(age=lambda f: np.random.default_rng(1).uniform(size=len(f)) if different else 1.5)
    first = [person_cells.Needed("arm", "arm"), person_cells.Needed("time", "time")]
    found, _ = person_cells.person_cells(cohort(frame, tmp_path), first, [person_cells.Needed("covariate", "age")])
    assert len(found.people) == (2000 if different else len(frame.groupby(["arm", "time"])))
    assert found.total == 2000


@pytest.mark.parametrize(("options", "roles"), WAYS)
@pytest.mark.parametrize("grouped", [0.0, 1e9])
def test_order_of_rows(monkeypatch, options, roles, grouped):
    monkeypatch.setattr(person_cells, "GROUPED", grouped)
    frame = drawn(600)
    one = figures(fit("cox", frame, options, **ROLES, **roles))
    assert figures(fit("cox", frame.sample(frac=1, random_state=3), options, **ROLES, **roles)) == pytest.approx(
        one, rel=1e-12, abs=1e-14
    )


@pytest.mark.parametrize("options", [{"ties": "breslow"}, {"ties": "breslow", "strata": ["county"]},
                                     {"ties": "breslow", "time_interaction": "log"}])  # fmt: skip
def test_everyone_twice_at_half_the_weight(options):
    """Breslow's coefficients stay; the copies taken for different people halve the variance, and as clusters they do not.

    Efron's coefficients move: two tied events are taken apart otherwise than four of half the weight.
    """
    frame = drawn().assign(person=lambda f: f.index)
    doubled = pd.concat([frame, frame]).assign(w=lambda f: f["w"] / 2)
    roles = ROLES | {"weights": "w"}
    one, two = (estimates(fit("cox", f, options, **roles)) for f in (frame, doubled))
    by_person = estimates(fit("cox", doubled, options, cluster="person", **roles))
    for term, expected in one.items():
        assert two[term].estimate == pytest.approx(expected.estimate, abs=1e-10)
        assert two[term].std_error * 2**0.5 == pytest.approx(expected.std_error, rel=1e-8)
        assert by_person[term].std_error == pytest.approx(expected.std_error, rel=1e-8)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_scale_of_weights_does_not_matter(ties):
    frame = drawn()
    one, ten = (estimates(fit("cox", frame.assign(w=frame["w"] * k), {"ties": ties}, weights="w", **ROLES))
                for k in (1, 10))  # fmt: skip
    for term, expected in one.items():
        assert ten[term].estimate == pytest.approx(expected.estimate, rel=1e-9)
        assert ten[term].std_error == pytest.approx(expected.std_error, rel=1e-9)


def test_strata_of_separate_fits_add_up():
    """Without what they share, a stratified likelihood is the sum of those of its strata."""
    frame = drawn()
    whole = checks(fit("cox", frame, {"strata": ["county"], "covariates": []}), "log_likelihood_null")[0].statistic
    parts = [checks(fit("cox", f, {"covariates": []}), "log_likelihood_null")[0].statistic
             for _, f in frame.groupby("county")]  # fmt: skip
    assert whole == pytest.approx(sum(parts), rel=1e-12)


# --------------------------------------------------------------------------- edges


def not_estimable(results):
    assert {e.status for e in results.estimates} == {"not_estimable"}
    return checks(results, "not_estimable")[0].message


def test_strata_of_any_kind_and_missing_ones():
    frame = drawn()
    frame["place"] = frame["county"].map({0: "north", 1: "south", 2: "east", 3: None})
    named = fit("cox", frame, {"strata": ["place"]}, **ROLES)
    kept = frame[frame["county"] < 3]
    assert estimates(named)["arm"].estimate == pytest.approx(
        estimates(fit("cox", kept, {"strata": ["county"]}, **ROLES))["arm"].estimate, rel=1e-12
    )
    assert [(s.step, s.n_remaining) for s in named.flow] == [("start", 400), ("missing_place", len(kept))]


def test_strata_are_no_covariates():
    frame = drawn()
    found = fit("cox", frame, {"strata": ["felon"]}, **ROLES)
    assert list(estimates(found)) == ["arm", "prior"]
    assert "within strata of felon" in estimates(found)["arm"].estimand
    with pytest.raises(ValidationError, match="stratum and a covariate at once"):
        Cox(strata=["felon"], covariates=["felon"])
    assert Cox(strata=["felon"]).option_columns() == {"strata": False}


def test_strata_that_hold_one_arm_only():
    frame = drawn().assign(place=lambda f: f["arm"] * 2 + f["county"] % 2)
    message = not_estimable(fit("cox", frame, {"strata": ["place"], "covariates": []}))
    assert "`arm` is the same for everyone at risk in the same stratum" in message
    mixed = frame.assign(place=lambda f: f["place"].where(f.index % 2 == 0, 9))
    (found,) = checks(fit("cox", mixed, {"strata": ["place"]}), "strata")
    assert "1 of them hold both arms and the outcome, with 200 of 400 people" in found.message
    assert found.counts[:2] == (200, 200)


def test_covariate_that_tells_nothing_when_events_come():
    frame = drawn().assign(early=lambda f: (f.index == 0).astype(int), event=lambda f: (f["event"] == 1).astype(int))
    frame.loc[0, ["time", "event"]] = [0.5, 0]
    assert "`early` is the same for everyone still at risk" in not_estimable(fit("cox", frame, covariates=["early"]))


def test_weights_must_be_above_zero():
    frame = drawn().assign(w=lambda f: f["w"].where(f.index > 3, 0.0))
    assert "not above zero" in not_estimable(fit("cox", frame, weights="w", **ROLES))


def test_moving_ratio_at_its_edges():
    frame = drawn()
    late = fit("cox", frame, {"time_interaction": "linear"}, **(ROLES | {"windows": [12, 48]}))
    rows = {(e.term, e.time): e for e in late.estimates}
    assert rows["arm_at_window", 12.0].status == "ok"
    assert rows["arm_at_window", 48.0].status == "not_estimable"
    assert "followed for 48 months" in checks(late, "not_estimable")[0].message
    assert rows["arm", None].estimand.endswith("; at 0 months)")
    at_zero = frame.assign(time=frame["time"] - frame["time"].min())
    assert "choose time_interaction: linear" in not_estimable(fit("cox", at_zero, {"time_interaction": "log"}))
    together = frame.assign(time=lambda f: np.where(f["event"] == 1, 5.0, 9.0))
    assert "every event falls at one time" in not_estimable(fit("cox", together, {"time_interaction": "log"}))
    with pytest.raises(ValidationError, match="time_interaction"):
        Cox(time_interaction="square")


def test_moving_ratio_alone_has_no_test_of_proportional_hazards():
    results = fit("cox", drawn(), {"time_interaction": "log", "covariates": []}, **ROLES)
    assert [(e.term, e.time) for e in results.estimates] == [
        ("arm", None), ("arm_by_time", None), ("arm_at_window", 6.0), ("arm_at_window", 18.0)
    ]  # fmt: skip
    assert not checks(results, "proportional_hazards")
    assert checks(results, "wald")[0].df == 2
