"""Weights for people censored before a window, against curves that need none, numerical derivatives and simulation.

- weighting by a Kaplan-Meier curve of being censored gives, by arm, exactly one minus the Kaplan-Meier curve of the
  event (Satten and Datta, 2001) and, with competing events, the Aalen-Johansen curve (statsmodels' CumIncidenceRight);
- its influence functions give Greenwood's variance (the infinitesimal jackknife of the curve), and equal the
  numerical derivatives of the estimate in every person's weight;
- simulation: intervals cover where being censored depends on a covariate, with the weights of a Cox model too.
"""

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter
from statsmodels.duration.api import CumIncidenceRight

from evaluation.inference.arm_means import Sample, plain_means
from evaluation.inference.augmented import augmented_means
from evaluation.inference.censoring_weights import Censoring, Follow, cox_weights, kaplan_meier_weights
from evaluation.inference.standardised_risks import standardised_risks
from evaluation.inference.weighting import propensity_weights, weighted_means
from tests.cohorts import checks, estimates, fit

WINDOW = 12.0


def simulated(n, seed, *, dependent=0.0, ties=False, risk=0.0, effect=-0.3):
    """Event times whose hazard rises with x, and censoring whose hazard rises with `dependent` · x."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    arm = (rng.uniform(size=n) < 1 / (1 + np.exp(-risk * x))).astype(int)
    event = rng.exponential(18 / np.exp(0.7 * x + effect * arm))
    lost = rng.exponential(30 / np.exp(dependent * x))
    if ties:
        event, lost = np.ceil(event), np.ceil(lost)
    return pd.DataFrame({"arm": arm, "x": x, "time": np.minimum(np.minimum(event, lost), 24.0), "true": event <= WINDOW,
                         "event": ((event <= lost) & (event <= 24)).astype(int)})  # fmt: skip


def follow(frame, mass=None):
    lost = ((frame["event"] == 0) & (frame["time"] < WINDOW)).to_numpy()
    return Follow(frame["arm"].to_numpy(np.int64), np.minimum(frame["time"], WINDOW).to_numpy(), lost,
                  np.ones(len(frame)) if mass is None else mass)  # fmt: skip


def sample(frame, censoring, mass=None):
    y = ((frame["event"] == 1) & (frame["time"] <= WINDOW)).to_numpy(float)
    return Sample(frame["arm"].to_numpy(np.int64), y, np.ones(len(y)) if mass is None else mass,
                  frame[["x"]].to_numpy(), ("x",), censoring)  # fmt: skip


@pytest.mark.parametrize("ties", [False, True])
def test_it_is_the_curve_with_greenwood_s_error(ties):
    frame = simulated(250, 3, ties=ties)
    found = estimates(fit("risk_difference", frame, {"censoring": "ipcw"}, windows=[WINDOW]))
    for arm, term in ((1, "risk_treated"), (0, "risk_control")):
        part = frame[frame["arm"] == arm]
        curve = KaplanMeierFitter().fit(part["time"], part["event"])
        survival = float(curve.predict(WINDOW))
        table = curve.event_table[(curve.event_table.index <= WINDOW) & (curve.event_table["observed"] > 0)]
        d, n = table["observed"], table["at_risk"]
        assert found[term].estimate == pytest.approx(1 - survival, abs=1e-12)
        assert found[term].std_error == pytest.approx(survival * np.sqrt((d / (n * (n - d))).sum()), rel=1e-9)


def test_with_competing_events_it_is_the_aalen_johansen_curve():
    frame = simulated(300, 8)
    rng = np.random.default_rng(1)
    frame["event"] = np.where(frame["event"] == 1, rng.choice([1, 2], len(frame), p=[0.7, 0.3]), 0)
    found = estimates(fit("risk_difference", frame, {"censoring": "ipcw"}, windows=[WINDOW], competing={"death": 2}))
    for arm, term in ((1, "risk_treated"), (0, "risk_control")):
        part = frame[frame["arm"] == arm]
        curve = CumIncidenceRight(part["time"], part["event"])
        last = np.flatnonzero(curve.times <= WINDOW)[-1]
        assert found[term].estimate == pytest.approx(curve.cinc[0][last], abs=1e-12)


def ways(frame, mass):
    """The four ways of adjusting, as functions of everyone's weight."""

    def of(which):
        people = sample(frame, kaplan_meier_weights(follow(frame, mass)), mass)
        if which == "none":
            return plain_means(people)
        if which == "regression":
            return standardised_risks(people, "arm")
        if which == "iptw":
            return weighted_means(people, propensity_weights(people, "ate"))
        return augmented_means(people, "ate")

    return of


@pytest.mark.parametrize("which", ["none", "regression", "iptw", "aipw"])
@pytest.mark.parametrize("ties", [False, True])
def test_influence_is_the_derivative_in_each_person_s_weight(which, ties):
    frame = simulated(120, 5, dependent=0.5, ties=ties, risk=0.5)
    mass = np.random.default_rng(0).uniform(0.5, 2, len(frame))
    found = ways(frame, mass)(which)
    for i in (0, 7, 31, 64, 99, *np.flatnonzero(follow(frame).lost)[:4]):
        ends = []
        for step in (1e-5, -1e-5):
            moved = mass.copy()
            moved[i] += step
            means = ways(frame, moved)(which)
            ends.append(np.array([means.treated, means.control]))
        slope = (ends[0] - ends[1]) / 2e-5
        assert found.influence[i] / mass[i] == pytest.approx(slope, rel=2e-4, abs=2e-8)


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
def test_weights_of_a_cox_model_of_being_censored():
    """Breslow's baseline on lifelines' coefficients; events before censoring at the same time."""
    frame = simulated(300, 4, dependent=0.8, ties=True)
    asked = follow(frame)
    found = cox_weights(asked, frame[["x"]].to_numpy(), ("x",))
    for arm in (0, 1):
        rows = np.flatnonzero(asked.arm == arm)
        x, end, lost = frame["x"].to_numpy()[rows], asked.end[rows], asked.lost[rows]
        clock = end + np.where(lost, 0.25, 0.0)  # at whole numbers: censored after the events of the day
        model = CoxPHFitter().fit(
            pd.DataFrame({"t": clock, "e": lost, "x": x}), "t", "e", fit_options={"precision": 1e-10}
        )
        risk = np.exp(model.params_["x"] * x)  # Efron's coefficient: near, not the same
        assert found.weight[rows][lost] == pytest.approx(0)
        for i in range(0, len(rows), 17):
            times = np.unique(clock[lost])
            total = sum(((clock == t) & lost).sum() / risk[clock >= t].sum() for t in times if t < clock[i])
            if not lost[i]:
                assert found.weight[rows[i]] == pytest.approx(np.exp(total * risk[i]), rel=0.03)


def test_nobody_left_to_stand_for_the_lost():
    frame = pd.DataFrame(
        {"arm": [1, 1, 1, 0, 0, 0], "time": [3.0, 5.0, 8.0, 4.0, 20.0, 24.0], "event": [1, 0, 0, 1, 0, 0]}
    )
    results = fit("risk_difference", frame, {"censoring": "ipcw"}, windows=[WINDOW])
    assert {e.status for e in results.estimates} == {"not_estimable"}
    assert "in the treated arm everyone still followed was censored" in checks(results, "not_estimable")[0].message


def test_nobody_lost_nothing_changes():
    frame = simulated(200, 2).assign(time=lambda d: np.where(d["event"] == 1, d["time"], 24.0))
    for options in ({"adjust": "regression"}, {"adjust": "iptw"}):
        plain, weighted = (
            estimates(fit("risk_difference", frame, o, windows=[WINDOW], covariates=["x"]))["risk_difference"]
            for o in (options, {**options, "censoring": "ipcw"})
        )
        assert (weighted.estimate, weighted.std_error) == (plain.estimate, plain.std_error)


def test_the_lost_are_told():
    frame = simulated(200, 2)
    results = fit("risk_difference", frame, {"censoring": "ipcw"}, windows=[WINDOW])
    (check,) = checks(results, "censoring_weights")
    lost = follow(frame).lost
    assert check.counts == (int(lost[frame["arm"] == 1].sum()), int(lost[frame["arm"] == 0].sum()))
    assert estimates(results)["risk_difference"].counts[-2:] == check.counts
    assert "weighted for censoring" in estimates(results)["risk_difference"].estimand


def test_intervals_cover_where_censoring_depends_on_a_covariate():
    """300 data sets of 400: weights that do not know the covariate are wrong, those of the Cox model right."""
    truth = simulated(400_000, 99, effect=0.0)["true"].mean()
    found = {"arm alone": [], "cox": []}
    for seed in range(300):
        frame = simulated(400, seed, dependent=1.0, effect=0.0)
        asked = follow(frame)
        of = {"arm alone": kaplan_meier_weights(asked), "cox": cox_weights(asked, frame[["x"]].to_numpy(), ("x",))}
        for kind, censoring in of.items():
            means = plain_means(sample(frame, censoring))
            found[kind].append((means.control - truth, np.sqrt((means.influence[:, 1] ** 2).sum())))
    bias, coverage = {}, {}
    for kind, draws in found.items():
        errors, std_errors = np.array(draws).T
        bias[kind], coverage[kind] = errors.mean(), (abs(errors) < 1.96 * std_errors).mean()
    assert bias["arm alone"] < -0.03
    assert coverage["arm alone"] < 0.88
    assert abs(bias["cox"]) < 0.01
    assert coverage["cox"] > 0.93


def test_to_take_the_weights_as_known_is_cautious():
    """200 data sets: standard errors without the share of the estimated curve are larger, as theory says."""
    with_it, without = [], []
    for seed in range(200):
        frame = simulated(300, seed)
        weights = kaplan_meier_weights(follow(frame))
        for censoring, errors in ((weights, with_it), (Censoring(weights.weight), without)):
            errors.append(np.sqrt((plain_means(sample(frame, censoring)).influence ** 2).sum(axis=0)).mean())
    assert 1.01 < np.mean(without) / np.mean(with_it) < 1.1
