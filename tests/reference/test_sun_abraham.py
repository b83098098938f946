"""Sun and Abraham's estimator: published figures, diff-diff, and least squares on dummies.

Figures on mpdta are those of fixest's sunab, as pyfixest 0.60 (saturated, aggregated) and diff-diff 3.13 give them too.
"""

import moderndid
import numpy as np
import pytest
from diff_diff import SunAbraham

from tests.panel_naive import dummies
from tests.panels import checks, estimates, fit, overall, simulated

EVENTS = {
    -4: (0.003306, 0.024555), -3: (0.025022, 0.018154), -2: (0.024459, 0.014267), 0: (-0.019932, 0.011858),
    1: (-0.050957, 0.016871), 2: (-0.137259, 0.036589), 3: (-0.100811, 0.034504),
}  # fmt: skip


def mpdta():
    names = {"countyreal": "unit", "year": "time", "first.treat": "cohort", "lemp": "y"}
    return moderndid.load_mpdta().to_pandas().rename(columns=names)


def test_mpdta():
    results = fit("sun_abraham", mpdta())
    events = estimates(results, "event")
    assert events.pop(-1.0).status == "reference"
    assert sorted(events) == sorted(EVENTS)
    for event, expected in EVENTS.items():
        row = events[event]
        assert (row.estimate, row.std_error) == pytest.approx(expected, abs=1e-6)
    assert results.joint.times.tolist() == sorted(EVENTS)
    assert np.sqrt(np.diag(results.joint.covariance)) == pytest.approx([events[e].std_error for e in sorted(EVENTS)])
    att, share = overall(results), {0: 191, 1: 60, 2: 20, 3: 20}
    by_hand = sum(share[e] * events[e].estimate for e in share) / sum(share.values())
    assert att.estimate == pytest.approx(by_hand, abs=1e-14)
    inference = next(i for i in results.inference if i.term == "att")
    assert (inference.df, inference.small_sample_factor) == (499, pytest.approx(500 / 499 * 2499 / (2500 - 17)))


def test_diff_diff_agrees():
    frame = simulated(seed=3, units=90, periods=6, starts=(3, 4, 6))
    theirs = SunAbraham().fit(frame, outcome="y", unit="unit", time="time", first_treat="cohort").event_study_effects
    ours = {e: row for e, row in estimates(fit("sun_abraham", frame), "event").items() if row.status == "ok"}
    assert sorted(ours) == sorted(e for e in theirs if e != -1)
    for event, row in ours.items():
        assert row.estimate == pytest.approx(theirs[event]["effect"], abs=1e-10)
        assert row.std_error == pytest.approx(theirs[event]["se"], rel=1e-9)


def by_dummies(frame, weights, cluster, cells):
    """Event-time means of the cohorts' coefficients, by their (weighted) observations."""
    columns = [((frame["cohort"] == g) & (frame["time"] == t)).to_numpy(float) for g, t in cells]
    beta, covariance = dummies(frame, np.column_stack(columns), weights, cluster)
    mass = np.array([frame[weights][c > 0].sum() if weights else c.sum() for c in columns])
    found = {}
    for event in {t - g for g, t in cells}:
        share = np.array([m * (t - g == event) for m, (g, t) in zip(mass, cells, strict=True)])
        share = share / share.sum()
        found[event] = share @ beta, np.sqrt(share @ covariance @ share)
    return found


@pytest.mark.parametrize(
    ("weights", "cluster"), [(None, "unit"), ("constant", "unit"), ("varying", "unit"), ("varying", "cluster")]
)
def test_as_least_squares_on_dummies(cluster, weights):
    frame = simulated(seed=5, units=40, periods=6, clusters=8, starts=(3, 5), holes=0.15, weights=weights)
    role = "weight" if weights else None
    results = fit("sun_abraham", frame, cluster=cluster, weights=role)
    used = frame.dropna(subset=["y"])
    used = used[used.groupby("unit")["y"].transform("size") > 1]
    cells = [(g, t) for g in (2003, 2005) for t in range(2001, 2007) if t != g - 1]
    events = estimates(results, "event")
    for event, (value, error) in by_dummies(used, role, cluster, cells).items():
        assert events[event].estimate == pytest.approx(value, abs=1e-9)
        assert events[event].std_error == pytest.approx(error, rel=1e-8)
    if cluster == "cluster":
        methods = {i.method for i in results.inference if i.term == "att"}
        assert methods == {"CR1", "CR2", "wild cluster bootstrap (Rademacher)", "wild cluster bootstrap (Webb)"}


def test_the_last_cohort_as_control():
    frame = simulated(seed=8, units=48, periods=7, starts=(3, 4, 6))
    results = fit("sun_abraham", frame, {"control_group": "last_cohort"})
    used = frame[(frame["cohort"] > 0) & (frame["time"] < 2006)]
    cells = [(g, t) for g in (2003, 2004) for t in range(2001, 2006) if t != g - 1]
    events = estimates(results, "event")
    for event, (value, error) in by_dummies(used, None, "unit", cells).items():
        assert (events[event].estimate, events[event].std_error) == pytest.approx((value, error), rel=1e-8)
    steps = {f.step: f.n_dropped for f in results.flow}
    assert (steps["never_treated"], steps["last_cohort_treated"]) == (12, 36 * 2)
    assert checks(results, "cells_missing") == []
