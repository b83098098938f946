"""One-pass estimates against row-level ones, on simulated panels with holes, weights and clusters, and on random ones."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evaluation.errors import NotEstimable
from tests.panel_naive import Influence, dummies
from tests.panels import estimates, fit, keyed, overall, simulated

CONTROLS = {"never": "never_treated", "notyet": "not_yet_treated"}
SHAPES = {"whole": {}, "holes": {"holes": 0.1}, "weights": {"holes": 0.1, "weights": "constant"}}


def usable(frame):
    """Rows with an outcome, of units with two of them."""
    rows = frame.dropna(subset="y")
    return rows[rows.groupby("unit")["y"].transform("size") > 1]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("cluster", "controls"), [*itertools.product(("unit", "cluster"), CONTROLS)])
@pytest.mark.parametrize(("universal", "anticipation"), [(False, 0), (False, 1), (True, 0), (True, 2)])
def test_group_time_effects_unit_by_unit(shape, cluster, controls, universal, anticipation):
    frame = simulated(**SHAPES[shape])
    weight = "weight" if shape == "weights" else None
    expected = Influence(frame, controls, universal, anticipation, weight, cluster).figures()
    options = {"control_group": CONTROLS[controls], "anticipation": anticipation,
               "base_period": "universal" if universal else "varying"}  # fmt: skip
    results = fit("callaway_santanna", frame, options, cluster=cluster, weights=weight)
    found = {key: e for key, e in keyed(results).items() if e.status != "not_estimable"}
    assert found.keys() == expected.keys()
    for key, (value, error) in expected.items():
        assert found[key].estimate == pytest.approx(value, abs=1e-12)
        assert (found[key].std_error or 0) == pytest.approx(error, abs=1e-12)


@pytest.mark.parametrize(
    ("cluster", "weights"), [*itertools.product(("unit", "cluster"), (None, "constant", "varying"))]
)
def test_two_way_fixed_effects_on_dummies(cluster, weights):
    frame = simulated(holes=0.15, weights=weights)
    weight = "weight" if weights else None
    used = usable(frame)
    att = overall(fit("twfe", frame, cluster=cluster, weights=weight))
    treated = (used["cohort"] > 0) & (used["time"] >= used["cohort"])
    beta, covariance = dummies(used, treated.to_numpy()[:, None], weight, cluster)
    assert att.estimate == pytest.approx(beta[0], abs=1e-10)
    assert att.std_error == pytest.approx(np.sqrt(covariance[0, 0]), abs=1e-10)


@pytest.mark.parametrize("window", [None, [-3, 2]])
def test_event_study_on_dummies(window):
    """Also the overall mean (weighted by treated observations, delta method) and the joint test of the leads."""
    frame = simulated(holes=0.15)
    results = fit("event_study", frame, {"window": window}, cluster="cluster")
    events = {e: row for e, row in estimates(results, "event").items() if row.status == "ok"}
    used = usable(frame)
    since = (used["time"] - used["cohort"]).where(used["cohort"] > 0)
    since = since.clip(*window) if window else since
    beta, covariance = dummies(used, np.column_stack([since == e for e in events]), None, "cluster")
    for i, row in enumerate(events.values()):
        assert row.estimate == pytest.approx(beta[i], abs=1e-10)
        assert row.std_error == pytest.approx(np.sqrt(covariance[i, i]), abs=1e-10)
    share = np.array([(since == e).sum() if e >= 0 else 0 for e in events])
    share = share / share.sum()
    att = overall(results)
    assert att.estimate == pytest.approx(share @ beta, abs=1e-10)
    assert att.std_error == pytest.approx(np.sqrt(share @ covariance @ share), abs=1e-10)
    lead = [i for i, e in enumerate(events) if e < 0]
    wald = beta[lead] @ np.linalg.solve(covariance[np.ix_(lead, lead)], beta[lead]) / len(lead)
    (test,) = (c for c in results.checks if c.check == "pretrends")
    assert test.statistic == pytest.approx(wald, rel=1e-8)


@st.composite
def panels(draw):
    """Small panels with any pattern of missing rows, any cohorts, weights and clusters."""
    units, periods = draw(st.integers(4, 9)), draw(st.integers(2, 5))
    cohorts = draw(st.lists(st.sampled_from([0, 0, *range(1, periods + 2)]), min_size=units, max_size=units))
    clusters = draw(st.lists(st.integers(0, 3), min_size=units, max_size=units))
    heavy = draw(st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=units, max_size=units))
    kept = draw(st.lists(st.booleans(), min_size=units * periods, max_size=units * periods))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    rows = [
        (i, t, cohorts[i], clusters[i], heavy[i], rng.normal())
        for i, t in itertools.product(range(units), range(1, periods + 1))
    ]
    frame = pd.DataFrame(rows, columns=["unit", "time", "cohort", "cluster", "weight", "y"])
    if draw(st.booleans()):
        frame.loc[~np.array(kept), "y"] = np.nan
    return frame


@settings(max_examples=60, deadline=None)
@given(panels(), st.booleans())
def test_any_panel_gives_what_dummies_give(frame, weighted):
    weight = "weight" if weighted else None
    used = usable(frame)
    try:
        att = overall(fit("twfe", frame, cluster="cluster", weights=weight))
    except NotEstimable:
        assume(False)
    treated = ((used["cohort"] > 0) & (used["time"] >= used["cohort"])).to_numpy(dtype=float)
    beta, covariance = dummies(used, treated[:, None], weight, "cluster")
    assert att.estimate == pytest.approx(beta[0], abs=1e-8)
    assert (att.std_error or 0) == pytest.approx(np.sqrt(max(covariance[0, 0], 0)), abs=1e-8)


@settings(max_examples=60, deadline=None)
@given(panels(), st.sampled_from(sorted(CONTROLS)), st.booleans())
def test_any_panel_gives_what_influence_functions_give(frame, controls, universal):
    options = {"control_group": CONTROLS[controls], "base_period": "universal" if universal else "varying"}
    try:
        results = fit("callaway_santanna", frame, options, cluster="cluster")
    except NotEstimable:
        assume(False)
    expected = Influence(frame, controls, universal, cluster="cluster").figures()
    found = {key: e for key, e in keyed(results).items() if e.status != "not_estimable"}
    assert found.keys() == expected.keys()
    for key, (value, error) in expected.items():
        assert found[key].estimate == pytest.approx(value, abs=1e-9)
        assert (found[key].std_error or 0) == pytest.approx(error, abs=1e-9)
