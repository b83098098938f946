"""Curves weighted for people who leave early: against definitions written out over people, and by simulation.

The reference fits leaving by statsmodels' `PHReg` (Breslow's ties), and counts weighted people one by one. What a person
adds to an error is the numerical derivative of the curve in that person's weight, the weights for leaving held fixed.
"""

import math
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.hazard_regression import PHReg

from evaluation.data.cohort import CohortRows
from evaluation.diagnostics.subgroups import _without
from evaluation.errors import NotEstimable
from evaluation.estimators.registry import get
from evaluation.inference.aalen_johansen import incidence_at
from evaluation.inference.censoring_weights import Leaving
from evaluation.inference.curve_errors import Followed
from evaluation.inference.curve_reweighted import Reweighted, reweighted
from tests.cohorts import OUTCOME, checks, cohort, estimates, fit

IPCW = {"censoring": "ipcw", "censoring_covariates": ["x", "z"]}


def people(n=160, seed=1, whole=False):
    """People of both arms whose risk and whose leaving go with x; times in whole months, or all apart."""
    rng = np.random.default_rng(seed)
    x, z, arm = rng.normal(size=n), rng.integers(0, 2, n).astype(float), rng.permutation(np.arange(n) % 2)
    had = rng.exponential(14 * np.exp(-0.9 * x + 0.3 * arm))
    died = rng.exponential(60, n)
    gone = np.minimum(rng.exponential(16 * np.exp(-0.8 * x + 0.5 * z)), rng.uniform(18, 40, n))
    time = np.minimum(np.minimum(had, died), gone)
    event = np.where(time == had, 1, np.where(time == died, 2, 0))
    frame = pd.DataFrame({"arm": arm, "x": x, "z": z, "event": event, "time": np.ceil(time) if whole else time})
    return frame.assign(court=np.arange(n) % 23, mass=rng.uniform(0.5, 2.0, n))


# --------------------------------------------------------------------------- the reference, person by person


def chances(arm, causes):
    """A function of person and time: the chance of not having left before it, in one arm."""
    last = max(t for t, e in zip(arm["time"], arm["event"], strict=True) if e in causes)
    left = np.array([e not in causes and t < last for t, e in zip(arm["time"], arm["event"], strict=True)])
    if "follow" not in arm:
        return staying(arm, left, last)
    by_data = (arm["time"] >= arm["follow"]).to_numpy()
    parts = [staying(arm, left & kind, last) for kind in (by_data, ~by_data)]
    return lambda i, t: parts[0](i, t) * parts[1](i, t)


def staying(arm, left, last):
    """The same of one way to leave: those who did are flagged."""
    end = np.minimum(arm["time"], last)
    x = arm[["x", "z"]].to_numpy()
    # Whoever has an event at a time at which others leave is no more at risk of leaving then.
    clock = end + np.where(left, 1e-7, 0.0)
    found = PHReg(clock, x, status=np.array(left, int), ties="breslow").fit(disp=0)
    risk = np.exp(x @ found.params)
    jumps = []
    for moment in sorted({t for t, gone in zip(end, left, strict=True) if gone}):
        at_risk = sum(r for r, t, gone in zip(risk, end, left, strict=True) if t > moment or (t == moment and gone))
        jumps.append((moment, sum(gone and t == moment for t, gone in zip(end, left, strict=True)) / at_risk))
    return lambda i, t: math.exp(-risk[i] * sum(h for moment, h in jumps if moment < t))


def incidence(arm, cause, causes, until, chance, weight):
    """The share with the cause by `until`, each at risk weighing `weight` over the chance of still being there."""
    times, events = arm["time"].to_numpy(), arm["event"].to_numpy()
    free, found = 1.0, 0.0
    for moment in sorted({t for t, e in zip(times, events, strict=True) if e in causes and t <= until}):
        of = [weight[i] / chance(i, moment) if times[i] >= moment else 0.0 for i in range(len(times))]
        at = [w * (times[i] == moment and events[i] in causes) for i, w in enumerate(of)]
        own = [w * (times[i] == moment and events[i] == cause) for i, w in enumerate(of)]
        found += free * sum(own) / sum(of)
        free *= 1 - sum(at) / sum(of)
    return found


def reference(frame, until, causes=(1, 2), cause=1, mass=None, *, errors=True):
    """Both arms' incidences and what each person adds to their errors; nothing after `until` is looked at."""
    frame = frame.assign(time=frame["time"].clip(upper=until), event=frame["event"].where(frame["time"] <= until, 0))
    values, added = [], np.zeros((len(frame), 2))
    for column, code in enumerate((1, 0)):
        arm = frame[frame["arm"] == code]
        chance = chances(arm, causes)
        cached = {}

        def known(i, t, chance=chance, cached=cached):
            return cached.setdefault((i, t), chance(i, t))

        weight = np.ones(len(arm)) if mass is None else frame.loc[arm.index, mass].to_numpy()
        values.append(incidence(arm, cause, causes, until, known, weight))
        for i, row in enumerate(arm.index) if errors else ():
            step = np.zeros(len(arm))
            step[i] = 1e-5 * weight[i]
            ends = [incidence(arm, cause, causes, until, known, weight + s * step) for s in (1, -1)]
            added[row, column] = weight[i] * (ends[0] - ends[1]) / (2 * step[i])
    return values, added


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("estimator", ["cumulative_incidence", "kaplan_meier"])
def test_risks_and_errors_by_definition(estimator, whole):
    frame = people(90, whole=whole)
    causes = (1, 2) if estimator == "cumulative_incidence" else (1,)
    found = estimates(fit(estimator, frame, IPCW, windows=[9], competing={"death": 2}))
    (one, zero), added = reference(frame, 9, causes)
    assert found["risk_treated"].estimate == pytest.approx(one, abs=1e-7)
    assert found["risk_control"].estimate == pytest.approx(zero, abs=1e-7)
    assert found["risk_difference"].std_error == pytest.approx(math.sqrt((added**2).sum()), rel=1e-5)
    assert found["risk_treated"].std_error == pytest.approx(math.sqrt((added[:, 0] ** 2).sum()), rel=1e-5)


@pytest.mark.parametrize("whole", [False, True])
def test_the_end_of_the_data_and_leaving_before_it_apart(whole):
    frame = people(240, whole=whole)
    rng = np.random.default_rng(8)
    frame["follow"] = rng.uniform(2, 14, len(frame)) + 3 * frame["z"]  # the end of the data comes later to some
    frame["follow"] = np.ceil(frame["follow"]) if whole else frame["follow"]
    ended = frame["follow"] < frame["time"]
    frame["time"], frame["event"] = np.minimum(frame["time"], frame["follow"]), frame["event"].mask(ended, 0)
    roles = {"windows": [12], "competing": {"death": 2}, "follow_up": "follow"}
    found = estimates(fit("cumulative_incidence", frame, IPCW, **roles))
    kinds = (
        frame[(frame["event"] == 0) & (frame["time"] < 11)].groupby(["arm", frame["time"] >= frame["follow"]]).size()
    )
    assert (kinds >= 20).all()
    assert len(kinds) == 4
    (one, zero), added = reference(frame, 12, errors=whole)
    assert [found["risk_treated"].estimate, found["risk_control"].estimate] == pytest.approx([one, zero], abs=1e-7)
    if whole:  # fewer times, which the reference goes through one by one
        assert found["risk_difference"].std_error == pytest.approx(math.sqrt((added**2).sum()), rel=1e-5)
    together = estimates(fit("cumulative_incidence", frame, IPCW, **{**roles, "follow_up": None}))
    assert abs(found["risk_treated"].estimate - together["risk_treated"].estimate) > 1e-5  # two models, not one
    few = frame.assign(follow=np.where(frame["event"] == 0, np.maximum(frame["follow"], frame["time"] + 1), 99))
    alone = estimates(fit("cumulative_incidence", few, IPCW, **roles))  # nobody came to the end of the data
    assert alone["risk_treated"].estimate == pytest.approx(together["risk_treated"].estimate, rel=1e-12)


def test_weights_of_people_s_own_and_clusters():
    frame = people(80)
    options = {"weights": "mass", "cluster": "court", "competing": {"death": 2}}
    found = estimates(fit("cumulative_incidence", frame, IPCW, windows=[9], **options))
    (one, zero), added = reference(frame, 9, mass="mass")
    summed = pd.DataFrame(added).groupby(frame["court"]).sum().to_numpy()
    assert found["risk_difference"].estimate == pytest.approx(one - zero, abs=1e-7)
    assert found["risk_difference"].std_error == pytest.approx(
        math.sqrt(((summed[:, 0] - summed[:, 1]) ** 2).sum()), rel=1e-5
    )


def test_weights_by_the_propensity_are_carried():
    """With the propensity's weights in place of people's own the curve is the same; its error has one part more."""
    frame = people(120)
    adjusted = {**IPCW, "adjust": "iptw", "covariates": ["x", "z"]}
    found = estimates(fit("cumulative_incidence", frame, adjusted, windows=[9], competing={"death": 2}))
    from statsmodels.api import GLM, add_constant
    from statsmodels.genmod.families import Binomial

    design = add_constant(frame[["x", "z"]])
    logit = GLM(frame["arm"], design, family=Binomial()).fit(tol=1e-12)

    def values(chance):
        weighed = frame.assign(mass=np.where(frame["arm"] == 1, 1 / chance, 1 / (1 - chance)))
        parts = []
        for code in (1, 0):
            arm = weighed[weighed["arm"] == code]
            seen = arm.assign(time=arm["time"].clip(upper=9), event=arm["event"].where(arm["time"] <= 9, 0))
            parts.append(incidence(seen, 1, (1, 2), 9, chances(seen, (1, 2)), arm["mass"].to_numpy()))
        return np.array(parts)

    chance = logit.predict(design).to_numpy()
    assert [found["risk_treated"].estimate, found["risk_control"].estimate] == pytest.approx(values(chance), abs=1e-7)
    weighed = frame.assign(mass=np.where(frame["arm"] == 1, 1 / chance, 1 / (1 - chance)))
    _, added = reference(weighed, 9, mass="mass")
    slopes = []
    for j in range(3):
        step = np.eye(3)[j] * 1e-5
        moved = [values(1 / (1 + np.exp(-design.to_numpy() @ (logit.params.to_numpy() + s * step)))) for s in (1, -1)]
        slopes.append((moved[0] - moved[1]) / 2e-5)
    scores = design.to_numpy() * (frame["arm"] - chance).to_numpy()[:, None]
    added = added + scores @ logit.cov_params().to_numpy() @ np.array(slopes)
    difference = added[:, 0] - added[:, 1]
    assert found["risk_difference"].std_error == pytest.approx(math.sqrt((difference**2).sum()), rel=1e-4)


def test_weights_that_are_the_same_for_all_change_nothing():
    """A model of leaving in which nobody differs: the curves and errors of people as they are."""
    frame = people(200, whole=True)
    with_time = Leaving(np.ones(100), np.array([2.0, 5.0, 9.0]), np.array([0.1, 0.3, 0.8]))
    plain = get("cumulative_incidence")()
    read = []

    class Asked(type(plain)):
        def fit(self, cohort, outcome):
            read.append(self.follow(cohort, (1, 2)))
            return super().fit(cohort, outcome)

    import tests.cohorts as made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made, "get", lambda _: Asked)
        fit("cumulative_incidence", frame, competing={"death": 2}, windows=[9])
    rows = read[0].followed.rows
    sizes = {code: int((rows.arm == code).sum()) for code in (1, 0)}
    same = {c: [Leaving(np.full(n, 0.7), with_time.times, with_time.cumulative)] for c, n in sizes.items()}
    one, other = Followed(rows, (1, 2)), Reweighted(rows, (1, 2), None, same)
    for code in (1, 0):
        for cause in (1, 2):
            assert other.sets(code).incidence(cause) == pytest.approx(one.sets(code).incidence(cause), abs=1e-14)
            chosen = np.arange(len(one.sets(code).time))
            assert other.incidence_variance(code, cause, chosen) == pytest.approx(
                one.incidence_variance(code, cause, chosen), rel=1e-9, abs=1e-16)  # fmt: skip
        assert other.largest(code) == pytest.approx(1)


def test_where_nobody_leaves_before_the_last_event_nothing_is_weighted():
    frame = people(100)
    frame["time"], frame["event"] = (
        np.where(frame["event"] == 1, np.minimum(frame["time"], 20), 30.0),
        (frame["event"] == 1).astype(int),
    )
    results, plain = (fit("kaplan_meier", frame, o, windows=[9]) for o in (IPCW, {}))
    assert {t: e.std_error for t, e in estimates(results).items()} == pytest.approx(
        {t: e.std_error for t, e in estimates(plain).items()}, rel=1e-9
    )
    assert checks(results, "censoring_weights") == []


@pytest.mark.parametrize("estimator", ["cumulative_incidence", "kaplan_meier", "rmst"])
def test_order_names_and_doubling(estimator):
    frame = people(whole=True)
    kept = fit(estimator, frame, IPCW, windows=[12], competing={"death": 2})
    shuffled = fit(estimator, frame.sample(frac=1, random_state=2), IPCW, windows=[12], competing={"death": 2})
    for one, other in zip(kept.estimates, shuffled.estimates, strict=True):
        assert (one.estimate, one.std_error) == pytest.approx((other.estimate, other.std_error), rel=1e-12)
    twice = pd.concat([frame, frame]).assign(half=0.5)
    doubled = fit(estimator, twice, IPCW, windows=[12], competing={"death": 2}, weights="half")
    assert [e.estimate for e in doubled.estimates] == pytest.approx([e.estimate for e in kept.estimates], rel=1e-9)


def test_what_comes_after_the_last_window_does_not_matter():
    frame = people(whole=True)
    later = frame.assign(time=np.where(frame["time"] > 12, frame["time"] + 9, frame["time"]),
                         event=np.where(frame["time"] > 12, 1, frame["event"]))  # fmt: skip
    one, other = (fit("cumulative_incidence", f, IPCW, windows=[6, 12], competing={"death": 2}) for f in (frame, later))
    for kept, changed in zip(one.estimates, other.estimates, strict=True):
        assert (kept.estimate, kept.std_error) == pytest.approx((changed.estimate, changed.std_error), rel=1e-11)
    assert max(p.time for p in one.curve) == 12


def test_areas_follow_the_curves():
    frame = people(whole=True)
    roles = {"windows": [12], "competing": {"death": 2}}
    curve = [p for p in fit("cumulative_incidence", frame, IPCW, **roles).curve
             if p.quantity == "cumulative_incidence" and p.group == "treated" and p.time < 12]  # fmt: skip
    widths = np.diff([*(p.time for p in curve), 12.0])
    lost = sum(w * p.estimate for w, p in zip(widths, curve, strict=True))
    assert estimates(fit("rmst", frame, IPCW, **roles))["rmst_treated"].estimate == pytest.approx(12 - lost, rel=1e-12)


def test_what_a_reader_is_told():
    results = fit("cumulative_incidence", people(), IPCW, windows=[12], competing={"death": 2})
    (check,) = checks(results, "censoring_weights")
    assert check.status == "info"
    assert "by x, z, in each arm" in check.message
    assert sum(check.counts) > 20
    assert check.statistic > 1
    assert all("weighted for censoring" in e.estimand for e in results.estimates)
    assert all("weights for censoring taken as known" in i.method for i in results.inference)
    assert "not taken of weighted curves" in checks(results, "gray_test")[0].message


@pytest.mark.parametrize("options", [
    {"censoring": "ipcw"}, {"censoring_covariates": ["x"]}, {"censoring": "maybe", "censoring_covariates": ["x"]},
])  # fmt: skip
@pytest.mark.parametrize("estimator", ["cumulative_incidence", "kaplan_meier", "rmst"])
def test_options_that_do_not_fit_are_refused(estimator, options):
    with pytest.raises(ValueError, match="censoring"):
        get(estimator)(**options)


def test_a_model_of_leaving_without_a_solution_says_so():
    frame = people()
    frame["x"] = np.where((frame["event"] == 0) & (frame["arm"] == 1), 1.0, 0.0)
    with pytest.raises(NotEstimable, match="the model of who left in the treated arm"):
        fit("cumulative_incidence", frame, IPCW, windows=[12], competing={"death": 2})


@pytest.mark.parametrize("adjust", ["none", "iptw"])
def test_groups_of_people_within_which_a_characteristic_does_not_vary(adjust):
    frame = people(whole=True).query("z == 1").reset_index(drop=True)
    asked = get("kaplan_meier")(**IPCW, adjust=adjust)
    left = _without(asked, ["x", "z"], ["z"])
    assert left.censoring_covariates == ["x"]
    nothing = _without(asked, ["x", "z"], ["x", "z"])
    options = {"window": 9.0}
    with_x = fit("kaplan_meier", frame, {**options, "censoring": "ipcw", "censoring_covariates": ["x"]})
    plain = fit("kaplan_meier", frame, options)
    with TemporaryDirectory() as folder:
        alone = cohort(frame, folder, windows=[9])
        assert estimates(nothing.fit(alone, OUTCOME))["risk_treated"].estimate == pytest.approx(
            estimates(plain)["risk_treated"].estimate)  # fmt: skip
        if adjust == "none":
            assert estimates(left.fit(alone, OUTCOME))["risk_treated"].estimate == pytest.approx(
                estimates(with_x)["risk_treated"].estimate)  # fmt: skip


def test_missing_values_of_what_leaving_depends_on_are_counted():
    frame = people()
    frame.loc[:4, "x"] = np.nan
    results = fit("cumulative_incidence", frame, IPCW, windows=[12], competing={"death": 2})
    assert [(s.step, s.n_dropped) for s in results.flow][1] == ("missing_x", 5)
    assert {e.n_obs for e in results.estimates} == {155}


# --------------------------------------------------------------------------- simulation


def drawn(n, rng):
    """People at higher risk leave sooner, and the data end for some; nothing after month 12."""
    x, z, arm = rng.normal(size=n), rng.integers(0, 2, n).astype(float), np.arange(n) % 2
    had, died = rng.exponential(14 * np.exp(-0.9 * x + 0.4 * arm)), rng.exponential(60, n)
    data = rng.uniform(6, 40, n)
    gone = np.minimum(rng.exponential(14 * np.exp(-x + 0.5 * z)), data)
    time = np.minimum(np.minimum(had, died), gone)
    event = np.where(time == had, 1, np.where(time == died, 2, 0))
    event, time = np.where(time > 12, 0, event), np.minimum(time, 12.0)
    order = np.argsort(time, kind="stable")
    return CohortRows(
        arm[order], time[order], event[order], np.ones(n, np.int64), np.minimum(data, 12.0)[order], None,
        np.column_stack([x, z])[order])  # fmt: skip


def difference(followed):
    figures = [incidence_at(followed.sets(c), 1, followed.sets(c).last(12.0)) for c in (1, 0)]
    added = np.column_stack([followed.influence(c, [f]) for c, f in zip((1, 0), figures, strict=True)])
    covariance = followed.covariance(added)
    return (*(f.value for f in figures), *np.sqrt(np.diag(covariance)))


def test_bias_goes_and_intervals_hold_the_truth():
    """Leaving that goes with risk: the curve as it is misses the truth by more than a standard error and a half."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    truth = []
    for arm in (1, 0):
        rate = np.exp(0.9 * nodes - 0.4 * arm) / 14
        share = rate / (rate + 1 / 60) * (1 - np.exp(-12 * (rate + 1 / 60)))
        truth.append(float(weights @ share / weights.sum()))
    found, plain = [], []
    for seed in range(300):
        rows = drawn(800, np.random.default_rng([5, seed]))
        followed = Followed(rows, (1, 2))
        plain.append(difference(followed))
        found.append(difference(reweighted(followed, rows.covariates, ["x", "z"])))
    found, plain = np.array(found), np.array(plain)
    spread = found[:, :2].std(axis=0, ddof=1)
    assert (np.abs(found[:, :2].mean(axis=0) - truth) < 0.2 * spread).all()
    assert (np.abs(plain[:, :2].mean(axis=0) - truth) > 1.5 * plain[:, :2].std(axis=0, ddof=1)).all()
    held = (np.abs(found[:, :2] - truth) < 1.959964 * found[:, 2:]).mean(axis=0)
    error = math.sqrt(0.95 * 0.05 / 300)
    assert (np.abs(held - 0.95) < 3 * error).all()
    assert (found[:, 2:].mean(axis=0) / spread > 0.9).all()
