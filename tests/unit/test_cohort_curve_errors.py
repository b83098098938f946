"""Errors of curves against derivatives taken one person at a time, and what must leave them as they are."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from evaluation.inference.aalen_johansen import effects, incidence_at, places, risk_sets, time_lost, variance
from evaluation.inference.curve_bands import largest
from tests.cohorts import checks, estimates, fit

STEP = 1e-6


def draw(seed, n=90, top=12):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame({
        "arm": (rng.random(n) < 1 / (1 + np.exp(-0.6 * x))).astype(int), "time": rng.integers(1, top, n).astype(float),
        "event": rng.choice([0, 1, 2], n, p=[0.3, 0.4, 0.3]), "x": x, "court": rng.integers(0, 9, n),
        "w": rng.uniform(0.5, 2, n),
    })  # fmt: skip


def incidence(time, event, weight, until, cause=1):
    """The definition, a loop over times."""
    free, had = 1.0, 0.0
    for t in np.unique(time[(event > 0) & (time <= until)]):
        risk = weight[time >= t].sum()
        had += free * weight[(time == t) & (event == cause)].sum() / risk
        free *= 1 - weight[(time == t) & (event > 0)].sum() / risk
    return had


def lost(time, event, weight, until, cause=1):
    """Area under the curve, cell by cell."""
    edges = np.unique(np.concatenate([[0.0], time[time < until], [until]]))
    return sum((b - a) * incidence(time, event, weight, a, cause) for a, b in pairwise(edges))


def slopes(figure, weight):
    """Numerical derivative of a figure in each person's weight."""
    found = []
    for i in range(len(weight)):
        up, down = weight.copy(), weight.copy()
        up[i] += STEP
        down[i] -= STEP
        found.append((figure(up) - figure(down)) / (2 * STEP))
    return np.array(found)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cause", [1, 2])
def test_what_people_add_is_the_derivative_in_their_weight(seed, cause):
    d = draw(seed, 40)
    time, event, weight = (d[c].to_numpy() for c in ("time", "event", "w"))
    times, place = places(time)
    sets = risk_sets(times, place, event, np.ones(40, int), weight, 2)
    at = sets.last(6.0)
    for figure, definition in (
        (incidence_at(sets, cause, at), lambda w: incidence(time, event, w, 6.0, cause)),
        (time_lost(sets, cause, 7.5), lambda w: lost(time, event, w, 7.5, cause)),
    ):
        assert figure.value == pytest.approx(definition(weight), abs=1e-12)
        assert effects(sets, figure)[place, event] == pytest.approx(slopes(definition, weight), abs=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_the_running_sums_give_the_same_variance(seed):
    d = draw(seed, 60)
    times, place = places(d.time.to_numpy())
    sets = risk_sets(times, place, d.event.to_numpy(), np.ones(60, int), np.ones(60), 2)
    found = variance(sets, 1)
    every = np.column_stack([effects(sets, incidence_at(sets, 1, j))[place, d.event] for j in range(len(times))])
    assert found.at_each == pytest.approx((every**2).sum(axis=0), abs=1e-14)
    assert found.between(np.arange(len(times))) == pytest.approx(every.T @ every, abs=1e-14)


ROLES = {"competing": {"death": 2}, "windows": [6]}


def test_clusters_and_weights():
    d = draw(11, 120)
    found = estimates(fit("cumulative_incidence", d, cluster="court", weights="w", **ROLES))["risk_treated"]
    arm = d[d.arm == 1]
    time, event, weight = (arm[c].to_numpy() for c in ("time", "event", "w"))
    influence = weight * slopes(lambda w: incidence(time, event, w, 6.0), weight)
    summed = pd.Series(influence).groupby(arm.court.to_numpy()).sum()
    assert found.estimate == pytest.approx(incidence(time, event, weight, 6.0), abs=1e-12)
    assert found.std_error == pytest.approx(float((summed**2).sum() ** 0.5), rel=1e-7)
    assert found.n_clusters == d.court.nunique()


def test_clusters_across_arms_share_their_errors():
    d = draw(3, 120)
    found = estimates(fit("cumulative_incidence", d, cluster="court", **ROLES))
    gap, one, zero = (found[f"risk_{t}"].std_error for t in ("difference", "treated", "control"))
    total = pd.Series(0.0, index=range(9))
    for code, sign in ((1, 1), (0, -1)):
        arm = d[d.arm == code]
        time, event = arm.time.to_numpy(), arm.event.to_numpy()
        part = pd.Series(slopes(lambda w, t=time, e=event: incidence(t, e, w, 6.0), np.ones(len(arm))))
        total = total.add(sign * part.groupby(arm.court.to_numpy()).sum(), fill_value=0)
    assert gap == pytest.approx(float((total**2).sum() ** 0.5), rel=1e-7)
    assert gap != pytest.approx(float(np.hypot(one, zero)), rel=1e-3)


@pytest.mark.parametrize("population", ["ate", "att", "ato"])
@pytest.mark.parametrize("estimator", ["cumulative_incidence", "rmst"])
def test_a_propensity_counts_as_estimated(population, estimator):
    """Against the derivative of the whole procedure, logit included, in each person's weight."""
    d = draw(7, 80)
    options = {"adjust": "iptw", "estimand": population, "covariates": ["x"]}
    term = "rmst_difference" if estimator == "rmst" else "risk_difference"
    found = estimates(fit(estimator, d, options, covariates=["x"], **ROLES))[term]
    arm, x, time, event = (d[c].to_numpy() for c in ("arm", "x", "time", "event"))
    design = np.column_stack([np.ones(len(d)), x])

    def whole(weight):
        beta = np.zeros(2)
        for _ in range(30):
            p = 1 / (1 + np.exp(-design @ beta))
            beta += np.linalg.solve((design.T * (weight * p * (1 - p))) @ design, design.T @ (weight * (arm - p)))
        p = 1 / (1 + np.exp(-design @ beta))
        by = {"ate": (1 / p, 1 / (1 - p)), "att": (np.ones(len(d)), p / (1 - p)), "ato": (1 - p, p)}[population]
        tilted = weight * np.where(arm == 1, *by)
        figure = lost if estimator == "rmst" else incidence
        one, zero = (figure(time[arm == a], event[arm == a], tilted[arm == a], 6.0) for a in (1, 0))
        return zero - one if estimator == "rmst" else one - zero

    ones = np.ones(len(d))
    assert found.estimate == pytest.approx(whole(ones), abs=1e-9)
    assert found.std_error == pytest.approx(float(((slopes(whole, ones)) ** 2).sum() ** 0.5), rel=1e-5)


@pytest.mark.parametrize("estimator", ["kaplan_meier", "cumulative_incidence", "rmst"])
def test_everyone_twice_with_half_the_weight(estimator):
    d = draw(2, 100)
    once = estimates(fit(estimator, d, **ROLES))
    twice = estimates(fit(estimator, pd.concat([d, d]).assign(w=0.5), weights="w", **ROLES))
    for term, estimate in once.items():
        assert twice[term].estimate == pytest.approx(estimate.estimate, rel=1e-12)


def test_weights_of_one_change_nothing():
    d = draw(4, 150)
    plain = fit("cumulative_incidence", d, **ROLES)
    weighted = fit("cumulative_incidence", d.assign(w=1.0), weights="w", **ROLES)
    for a, b in zip(plain.curve, weighted.curve, strict=True):
        assert (a.estimate, a.n_event, a.n_censor) == (pytest.approx(b.estimate, abs=1e-12), b.n_event, b.n_censor)
        for name in ("std_error", "conf_high", "band_low"):
            one, other = getattr(a, name), getattr(b, name)
            assert (one is None) == (other is None)
            assert one is None or one == pytest.approx(other, rel=1e-5)
    assert checks(weighted, "gray_test")[0].statistic is None


def test_without_competing_events_it_is_one_less_kaplan_meier():
    d = draw(6).replace({"event": {2: 0}})
    km, cif = (fit(e, d, windows=[6]) for e in ("kaplan_meier", "cumulative_incidence"))
    assert km.estimates == cif.estimates
    assert [p for p in km.curve if p.quantity == "cumulative_incidence"] == list(cif.curve)


def test_the_largest_of_independent_errors():
    """Of Q independent errors the quantile is that of a normal at level ** (1 / Q)."""
    from scipy.stats import norm

    assert largest(np.diag([1.0, 4.0, 9.0]), 0.95, 1) == pytest.approx(norm.ppf((1 + 0.95 ** (1 / 3)) / 2), abs=0.03)
    assert largest(np.ones((5, 5)), 0.95, 1) == pytest.approx(1.96, abs=0.03)
    assert np.isnan(largest(np.zeros((2, 2)), 0.95, 1))


def test_rows_dropped_are_counted_in_the_same_scan():
    d = draw(9).astype({"event": float})
    d.loc[:2, "event"] = np.nan
    d.loc[3:4, "time"] = np.nan
    plain = fit("cumulative_incidence", d, **ROLES)
    weighted = fit("risk_difference", d, follow_up="time", windows=[1])
    assert [(s.reason, s.n_dropped) for s in plain.flow] == [(s.reason, s.n_dropped) for s in weighted.flow][:3]
    assert plain.flow[-1].n_remaining == 85
