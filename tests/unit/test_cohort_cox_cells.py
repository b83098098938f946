"""Cox regression with strata, weights, a moving ratio: people counted together, invariances, and edges."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from evaluation.data import person_cells
from evaluation.estimators.cox import Cox
from evaluation.inference.cox_fit import fit_cox
from evaluation.inference.cox_likelihood import point
from evaluation.inference.cox_sets import Drift, risk_sets
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
