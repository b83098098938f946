"""Sun–Abraham, stacked and extended two-way regressions where the truth is known, and where there is no answer."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from evaluation.errors import NotEstimable
from evaluation.estimators.registry import get
from evaluation.inference import unit_covariates
from evaluation.inference.adjusted_cells import adjusted_two_way
from evaluation.inference.cohort_cells import CohortCells, since_adoption
from evaluation.inference.response_cells import ResponseCells
from evaluation.inference.unit_covariates import covariate_moments
from tests.panels import OUTCOME, checks, design, estimates, fit, keyed, moments, overall, simulated, source

ALL = ("sun_abraham", "stacked", "etwfe")
WINDOW = {"stacked": {"window": [1, 1]}}


def options(estimator, **more):
    return {**WINDOW.get(estimator, {}), **more}


def course(frame, effect):
    """Outcomes without noise: unit levels, a common course, and `effect(cohort, periods since adoption)`."""
    since = frame["time"] - frame["cohort"]
    treated = (frame["cohort"] > 0) & (since >= 0)
    plain = frame["unit"] ** 1.5 + np.sin(frame["time"])
    return plain + np.where(treated, effect(frame["cohort"], since), 0.0)


@pytest.mark.parametrize("estimator", ALL)
def test_effects_that_differ_by_cohort_and_grow_are_found(estimator):
    frame = simulated(seed=2, units=60, starts=(3, 5, 6))
    effect = lambda g, e: (g - 2000) + 0.5 * e  # noqa: E731
    frame = frame.assign(y=course(frame, effect))
    results = fit(estimator, frame, options(estimator))
    events = {e: r for e, r in estimates(results, "event").items() if r.status == "ok"}
    cohorts = {"stacked": {0: (3, 5, 6), 1: (3, 5, 6)}}.get(
        estimator, {0: (3, 5, 6), 1: (3, 5, 6), 2: (3, 5), 3: (3,), 4: (3,)}
    )
    for event, row in events.items():
        expected = np.mean([g + 0.5 * event for g in cohorts[event]]) if event >= 0 else 0.0
        assert row.estimate == pytest.approx(expected, abs=1e-9)
    if estimator != "stacked":
        groups = estimates(results, "group")
        assert groups["2003"].estimate == pytest.approx(3 + 0.5 * 2.0, abs=1e-9)
        assert overall(results).estimate == pytest.approx((4 * 5 + 5.5 * 3 + 6.25 * 2) / 10, abs=1e-9)


@pytest.mark.parametrize("family", ["poisson", "logit"])
def test_trends_that_are_parallel_on_the_link_scale(family):
    """Means without noise: the untreated part is exact, so effects on the response are known."""
    frame = simulated(seed=2, units=40, starts=(3, 5), periods=5)
    linear = 0.2 * (frame["cohort"] % 7) - 0.3 + 0.15 * (frame["time"] - 2000)
    mean = np.exp(linear) if family == "poisson" else 1 / (1 + np.exp(-linear))
    treated = (frame["cohort"] > 0) & (frame["time"] >= frame["cohort"])
    results = fit("etwfe", frame.assign(y=mean + 0.05 * treated), {"family": family})
    for key, row in keyed(results).items():
        if key != "att_log_ratio":
            assert row.estimate == pytest.approx(0.05, abs=1e-10)
            assert row.std_error is None or row.std_error < 0.1
    if family == "poisson":
        ratio = np.log((mean + 0.05)[treated].mean() / mean[treated].mean())
        assert overall(results, "att_log_ratio").estimate == pytest.approx(ratio, abs=1e-10)
    else:
        assert all(e.term != "att_log_ratio" for e in results.estimates)


def test_on_complete_panels_the_course_is_that_of_group_time_effects():
    frame = simulated(seed=7, units=48)
    ours = estimates(fit("sun_abraham", frame), "event")
    theirs = estimates(fit("callaway_santanna", frame, {"base_period": "universal"}), "event")
    assert sorted(ours) == sorted(theirs)
    for event, row in ours.items():
        assert row.estimate == pytest.approx(theirs[event].estimate, abs=1e-10)


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize("weights", [None, "varying"])
def test_order_and_names_of_rows_change_nothing(estimator, weights):
    frame = simulated(seed=7, units=48, holes=0.1, weights=weights)
    role = "weight" if weights else None
    shuffled = frame.sample(frac=1.0, random_state=3)
    moved = shuffled.assign(time=shuffled["time"] + 100, cohort=shuffled["cohort"] + 100 * (shuffled["cohort"] > 0))
    first, second, third = (
        fit(estimator, f, options(estimator), weights=role) for f in (frame, shuffled, moved)
    )  # fmt: skip
    assert [(e.estimate, e.std_error) for e in first.estimates] == [(e.estimate, e.std_error) for e in second.estimates]
    assert overall(third).estimate == pytest.approx(overall(first).estimate, rel=1e-12)


@pytest.mark.parametrize("estimator", ALL)
def test_every_error_has_an_inference_row(estimator):
    results = fit(estimator, simulated(seed=7, units=48, holes=0.1), options(estimator), cluster="cluster")
    keys = {(i.term, i.group, i.time) for i in results.inference if i.method == "CR1"}
    assert keys == {(e.term, e.group, e.time) for e in results.estimates if e.std_error is not None}
    assert {i.df for i in results.inference if i.method == "CR1"} == {14}
    for term in ("att", "event"):
        assert {i.method for i in results.inference if i.term == term} >= {"CR1", "CR2"}
    assert len(results.influence.clusters) == 15


@pytest.mark.parametrize("estimator", ALL)
def test_the_overall_effect_alone_is_the_same(estimator):
    one = moments(simulated(seed=7, units=48), cluster="cluster")
    made = get(estimator)(**options(estimator))
    assert made.overall(one, OUTCOME) == overall(made.estimate(one, OUTCOME))


def sample(family):
    frame = simulated(seed=5, units=90, periods=5, clusters=12, starts=(3, 5), holes=0.1)
    rng = np.random.default_rng(2)
    x = rng.normal(size=90)[frame["unit"]]
    y = frame["y"] if family == "linear" else rng.poisson(np.exp(0.3 * x), len(frame))
    return frame.assign(x=x, y=np.minimum(y, 1) if family == "logit" else y)


@pytest.mark.parametrize("family", ["linear", "poisson", "logit"])
def test_the_fit_by_cluster_is_the_fit(family, tmp_path):
    """What CR2 and the bootstrap start from has the effects as its last coefficients, and their errors as its own."""
    from evaluation.data.panel import Panel

    panel = Panel.of(design(cluster="cluster"), source(sample(family), tmp_path))
    found = covariate_moments(panel, OUTCOME, ["x"])
    if family == "linear":
        found = found.without(found.observed.sum(axis=1) < 2, "single", "")
    since, adopts = since_adoption(found)
    treated = (since >= 0) & adopts[:, None]
    cells = CohortCells.of(found, treated)
    made = (
        adjusted_two_way(found, cells)
        if family == "linear"
        else ResponseCells.of(found, cells, treated, family).effects()
    )
    rows = made.by_cluster()
    count = len(cells.cohort)
    assert rows.coefficients[-count:] == pytest.approx(made.coefficients, rel=1e-8)
    assert (rows.scores @ rows.bread)[:, -count:] == pytest.approx(made.errors, rel=1e-6, abs=1e-9)
    assert rows.covariance[-count:, -count:] == pytest.approx(made.covariance, rel=1e-7, abs=1e-12)


# ------------------------------------------------------------------------------------------ where there is no answer


def never_left(frame):
    return frame[frame["cohort"] > 0]


@pytest.mark.parametrize(
    ("estimator", "chosen", "change", "reason"),
    [
        ("sun_abraham", {}, never_left, "control_group: last_cohort"),
        ("etwfe", {"control_group": "never_treated"}, never_left, "control_group: not_yet_treated"),
        ("stacked", {"control_group": "never_treated"}, never_left, "control_group: not_yet_treated"),
        *((e, {}, lambda f: f[f["cohort"] == 0], "No unit starts treatment") for e in ALL),
        *((e, {}, lambda f: f.assign(cohort=2020), "No unit starts treatment") for e in ALL),
        *((e, {}, lambda f: f.assign(y=1.0), "same value in every row") for e in ALL),
        *((e, {}, lambda f: f.assign(cluster=1), "one cluster") for e in ALL),
        *((e, {}, lambda f: f.assign(cohort=2001), "period before") for e in ALL),
        ("sun_abraham", {"control_group": "last_cohort"}, lambda f: f[f["cohort"] == 2005], "start at once"),
        ("etwfe", {}, lambda f: f[f["cohort"] == 2005], "no one to compare with"),
        ("stacked", {}, lambda f: f[f["cohort"] == 2005], "nobody to compare with"),
        ("stacked", {"window": [6, 6]}, lambda f: f, "beyond the periods observed"),
        ("sun_abraham", {}, lambda f: f[f["cohort"].ne(0) & (f["time"] - f["cohort"] != -1) | f["cohort"].eq(0)],
         "reference period, 1 before"),
        ("etwfe", {"family": "poisson"}, lambda f: f.assign(y=f["y"] - 1000), "below 0"),
        ("etwfe", {"family": "logit"}, lambda f: f.assign(y=f["y"] ** 2), "above 1"),
        ("etwfe", {"family": "poisson"}, lambda f: f.assign(y=1.0 * ((f["cohort"] > 0) & (f["time"] >= f["cohort"]))),
         "lowest or highest value"),
        ("etwfe", {"covariates": ["time"]}, lambda f: f, "changes over time in 60 units"),
        ("etwfe", {"covariates": ["missing"]}, lambda f: f.assign(missing=np.nan), "with all covariates"),
        ("etwfe", {"covariates": ["x"]}, lambda f: f.assign(x=np.inf), "infinite"),
    ],
)  # fmt: skip
def test_no_comparison(estimator, chosen, change, reason):
    frame = change(simulated(units=60))
    with pytest.raises(NotEstimable, match=reason):
        fit(estimator, frame, chosen, cluster="cluster")


def test_too_many_rows_for_covariates(monkeypatch):
    monkeypatch.setattr(unit_covariates, "MOST_ROWS", 100)
    frame = simulated(units=60).assign(x=1.0)
    with pytest.raises(NotEstimable, match="420 rows are more than the 100"):
        fit("etwfe", frame, {"covariates": ["x"]})


def test_covariates_that_tell_the_outcome():
    frame = simulated(units=60, starts=(3,))
    x = frame["unit"] % 2
    frame = frame.assign(x=x, y=1.0 * (x == 1))
    with pytest.raises(NotEstimable, match="tell the outcome exactly"):
        fit("etwfe", frame, {"family": "logit", "covariates": ["x"]})


@pytest.mark.parametrize(
    "wrong",
    [
        ("stacked", {"window": [0, 2]}), ("stacked", {"window": [1]}), ("sun_abraham", {"reference": 0}),
        ("sun_abraham", {"control_group": "not_yet_treated"}), ("etwfe", {"family": "probit"}),
    ],
)  # fmt: skip
def test_wrong_options(wrong):
    estimator, chosen = wrong
    with pytest.raises(ValidationError):
        get(estimator)(**chosen)


# ------------------------------------------------------------------------------------------------ parts without one


@pytest.mark.parametrize("estimator", ALL)
def test_always_treated_units_are_dropped_and_counted(estimator):
    frame = simulated(seed=3, units=48)
    early = frame[frame["unit"] < 4].assign(unit=lambda f: f["unit"] + 1000, cohort=1999)
    with_early = fit(estimator, pd.concat([frame, early]), options(estimator))
    assert next(f for f in with_early.flow if f.step == "always_treated").n_dropped == 4
    assert overall(with_early).estimate == pytest.approx(overall(fit(estimator, frame, options(estimator))).estimate)


def test_without_never_treated_the_last_cohort_has_no_effects():
    frame = simulated(seed=3, units=48)
    frame = never_left(frame.assign(y=course(frame, lambda _, e: 2.0 + e)))
    results = fit("etwfe", frame)
    assert sorted(estimates(results, "group")) == ["2003", "2005"]
    assert next(f for f in results.flow if f.step == "all_treated").n_dropped == 36 * 2
    assert estimates(results, "event")[2.0].estimate == pytest.approx(4.0, abs=1e-9)


@pytest.mark.parametrize("family", ["linear", "poisson"])
def test_a_period_that_no_comparison_reaches(family):
    """Nobody untreated is observed in 2006: its effects are named, and left out of the means."""
    frame = simulated(seed=3, units=48, starts=(3, 5))
    frame = frame.assign(y=np.exp(course(frame.assign(unit=0), lambda _g, _e: 0.5)))
    frame = frame[(frame["time"] != 2006) | ((frame["cohort"] > 0) & (frame["time"] >= frame["cohort"]))]
    results = fit("etwfe", frame, {"family": family})
    assert next(f for f in results.flow if f.step == "all_treated").n_dropped == 32
    assert 2006.0 not in estimates(results, "calendar")


def test_cells_that_cannot_be_told_are_named():
    """One cohort is seen under treatment only where none of the untreated are linked to it."""
    frame = simulated(seed=3, units=48, starts=(3, 5))
    late = frame["cohort"] == 2005
    frame = frame[(late & frame["time"].isin([2005, 2006])) | (~late & ~frame["time"].isin([2007]))]
    results = fit("etwfe", frame)
    assert estimates(results, "group")["2005"].status == "not_estimable"
    (missing,) = checks(results, "cells_missing")
    assert (missing.statistic, missing.status) == (2, "warn")
    assert "cohort 2005 in 2005" in missing.message
    assert overall(results).n_treated_units == 16


def test_a_cohort_with_one_period_before():
    frame = simulated(seed=3, units=48, starts=(2, 5))
    for estimator in ALL:
        results = fit(estimator, frame, options(estimator))
        assert 0.0 in estimates(results, "event")
        assert overall(results).n_treated_units == 32


def test_counts_of_nothing_in_treated_cells():
    """All treated outcomes are zero: the effect is less the whole predicted mean, no error but the prediction's."""
    rng = np.random.default_rng(1)
    frame = simulated(seed=3, units=60, starts=(4,))
    treated = (frame["cohort"] > 0) & (frame["time"] >= frame["cohort"])
    frame = frame.assign(y=np.where(treated, 0.0, rng.poisson(3.0, len(frame))), x=rng.normal(size=60)[frame["unit"]])
    for covariates in ([], ["x"]):
        results = fit("etwfe", frame, {"family": "poisson", "covariates": covariates}, cluster="cluster")
        assert overall(results).estimate == pytest.approx(-3.0, abs=0.6)
        assert overall(results).std_error > 0
        assert all(e.term != "att_log_ratio" for e in results.estimates)


def test_units_without_a_covariate_are_dropped_and_counted():
    frame = simulated(seed=3, units=48)
    x = np.arange(48.0)
    x[:5] = np.nan
    results = fit("etwfe", frame.assign(x=x[frame["unit"]]), {"covariates": ["x"]})
    assert next(f for f in results.flow if f.step == "missing_covariate").n_dropped == 5
    assert overall(results).n_units == 43


def test_moments_without_some_units_keep_their_covariates(tmp_path):
    from evaluation.data.panel import Panel

    frame = simulated(seed=3, units=48).assign(x=lambda f: 1.0 * f["unit"] ** 2)
    whole = covariate_moments(Panel.of(design(), source(frame, tmp_path)), OUTCOME, ["x"])
    gone = whole.cohort == 2003
    made = get("etwfe")(covariates=["x"])
    left = made.overall(whole.without(gone, "step", "reason"), OUTCOME)
    cut = made.overall(whole.restricted(np.broadcast_to(~gone[:, None], whole.counts.shape), whole.cohort), OUTCOME)
    alone = overall(fit("etwfe", frame[frame["cohort"] != 2003], {"covariates": ["x"]}))
    assert (left.estimate, cut.estimate) == pytest.approx((alone.estimate, alone.estimate), rel=1e-10)
    assert left.std_error == pytest.approx(alone.std_error, rel=1e-9)
