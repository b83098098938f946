"""Imputation and Poisson: definitions row by row, forms of the moments, edges and refusals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from evaluation.data import moments as panel_data
from evaluation.data.event_moments import event_moments
from evaluation.data.moments import folded
from evaluation.data.panel import Panel
from evaluation.errors import NotEstimable
from evaluation.estimators.registry import get
from evaluation.study.models import Outcome
from tests.panels import OUTCOME, checks, design, estimates, fit, keyed, moments, overall, simulated, source, two_by_two

COUNT = Outcome(id="deaths", label="Deaths", column="y", type="count")
RATE = COUNT.model_copy(update={"exposure": "people"})


@pytest.fixture(autouse=True)
def one_thread():
    """As in a run; small matrices are slower in several threads."""
    with threadpool_limits(limits=1):
        yield


def same(one, other, tolerance=1e-11):
    """All figures of two results agree."""
    one, other = keyed(one), keyed(other)
    assert one.keys() == other.keys()
    for key, row in one.items():
        mine, theirs = ((e.estimate, e.std_error) for e in (row, other[key]))
        assert [x for x in mine if x is not None] == pytest.approx(
            [x for x in theirs if x is not None], rel=tolerance, abs=1e-12
        ), key


def flow(results):
    return {f.step: f.n_dropped for f in results.flow}


# --------------------------------------------------------------------------- imputation, row by row


def by_rows(frame, term, key, weight=None, cluster="unit", leave_out=False, anticipation=0):
    """Effect and standard error by regression on dummies, weights v by solving, averages written out."""
    frame = frame.dropna(subset=["y"]).reset_index(drop=True)
    w = np.ones(len(frame)) if weight is None else frame[weight].to_numpy()
    t, g, y = (frame[c].to_numpy() for c in ("time", "cohort", "y"))
    treated = (g > 0) & (t >= g - anticipation)
    if (lost := ~frame["unit"].isin(frame["unit"][~treated])).any():
        return by_rows(frame[~lost], term, key, weight, cluster, leave_out, anticipation)
    X = np.column_stack([pd.get_dummies(frame["unit"]), pd.get_dummies(frame["time"])]).astype(float)
    X0, w0 = X[~treated], w[~treated]
    inverse = np.linalg.pinv(X0.T @ (X0 * w0[:, None]))
    left = y - X @ (inverse @ (X0.T @ (w0 * y[~treated])))
    chosen = {"att": treated & (t >= g), "event": treated & (t - g == key), "group": treated & (t >= g) & (g == key),
              "calendar": treated & (t >= g) & (t == key)}[term]  # fmt: skip
    target = np.where(chosen, w, 0.0) / w[chosen].sum()
    v = target.copy()
    v[~treated] = -w0 * (X0 @ (inverse @ (X.T @ target)))
    group = frame[cluster].to_numpy()
    residual = left.copy()
    for cell in {(a, b) for a, b in zip(g[chosen], t[chosen], strict=True)}:
        mine = chosen & (g == cell[0]) & (t == cell[1])
        weigh = v[mine] ** 2 if cluster == "unit" else v[mine]
        for one in np.unique(group[mine]):
            own = mine & (group == one)
            used = mine & (group != one) if leave_out and (group[mine] != one).any() else mine
            weigh = v[used] ** 2 if cluster == "unit" else v[used]
            residual[own] = left[own] - np.average(left[used], weights=weigh)
    scores = pd.Series(v * residual).groupby(group).sum()
    return target @ left, np.sqrt((scores**2).sum())


FIGURES = [("att", None), ("event", 0), ("event", 2), ("group", 2003), ("group", 2006), ("calendar", 2006)]


@pytest.mark.parametrize("weight", [None, "constant", "varying"])
@pytest.mark.parametrize("cluster", ["unit", "cluster"])
@pytest.mark.parametrize("options", [{}, {"leave_out": True}, {"anticipation": 1}])
def test_imputation_is_what_the_definition_says(weight, cluster, options):
    frame = simulated(units=48, holes=0.15, weights=weight, starts=(3, 4, 6))
    column = {"weights": "weight"} if weight else {}
    results = keyed(fit("imputation", frame, options, cluster=cluster, **column))
    for term, key in FIGURES if not options.get("anticipation") else FIGURES[:3]:
        name = {"att": "att", "group": ("group", str(key))}.get(term, (term, float(key or 0)))
        expected = by_rows(frame, term, key, "weight" if weight else None, cluster, **options)
        assert (results[name].estimate, results[name].std_error) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("options", [{}, {"leave_out": True}, {"anticipation": 1}])
@pytest.mark.parametrize("weights", [None, "constant"])
def test_units_summed_by_kind_give_the_same(options, weights):
    frame = simulated(units=80, holes=0.15, weights=weights)
    kept = moments(frame, **({"weights": "weight"} if weights else {}))
    estimator = get("imputation")(**options)
    if weights and options.get("leave_out"):
        with pytest.raises(NotEstimable, match="leave_out"):
            estimator.estimate(folded(kept), OUTCOME)
        return
    same(estimator.estimate(kept, OUTCOME), estimator.estimate(folded(kept), OUTCOME), 1e-9)


def test_imputation_finds_effects_that_were_put_in():
    frame = simulated(starts=(3, 5))
    frame["y"] = frame["unit"] + frame["time"] ** 2.0
    treated = (frame["cohort"] > 0) & (frame["time"] >= frame["cohort"])
    frame.loc[treated, "y"] += (
        1.0 + (frame["time"] - frame["cohort"])[treated] + 10.0 * (frame["cohort"] == 2005)[treated]
    )
    results = fit("imputation", frame)
    assert estimates(results, "group")["2003"].estimate == pytest.approx(3.0)
    assert estimates(results, "group")["2005"].estimate == pytest.approx(12.0)
    assert estimates(results, "event")[4.0].estimate == pytest.approx(5.0)
    assert overall(results).estimate == pytest.approx((5 * 3 + 3 * 12) / 8)
    assert estimates(results, "event")[-3.0].estimate == pytest.approx(0.0, abs=1e-9)


def test_two_by_two_by_hand():
    """Treated units changed by 3 and 5, the others by 1, 1 and 4 (mean 2): effects 1 and 3, deviations 1, 1, 1, 1, 2."""
    results = fit("imputation", two_by_two())
    assert overall(results).estimate == pytest.approx(2.0)
    assert overall(results).std_error == pytest.approx(np.sqrt(2 * 0.25 + (1 + 1 + 4) / 9))
    loud = overall(fit("imputation", two_by_two(), {"leave_out": True}))
    assert loud.std_error == pytest.approx(np.sqrt(2 * 1.0 + (1 + 1 + 4) / 9))


def test_effects_without_an_untreated_unit_in_the_period_are_said_to_be_missing():
    frame = simulated(starts=(3, 5))
    results = fit("imputation", frame[frame["cohort"] > 0])
    assert estimates(results, "calendar")[2004.0].status == "ok"
    assert estimates(results, "calendar")[2005.0].status == "not_estimable"
    assert estimates(results, "group")["2005"].status == "not_estimable"
    (check,) = checks(results, "cells_missing")
    assert check.statistic == pytest.approx(2 / 8)
    assert "25%" in check.message
    assert overall(results).estimate == pytest.approx(estimates(results, "group")["2003"].estimate)


def test_panels_that_fall_into_parts_are_linked_within_them_only():
    """Some comparison units are seen to 2003, the others from 2004 on: nobody links 2004 to the time before."""
    frame = simulated(starts=(3,))
    seen = np.where(frame["unit"] < 15, frame["time"] <= 2003, frame["time"] >= 2004)
    results = fit("imputation", frame[(frame["cohort"] > 0) | seen])
    status = {event: e.status for event, e in estimates(results, "event").items()}
    assert (status[0.0], status[1.0], status[4.0]) == ("ok", "not_estimable", "not_estimable")
    near = fit("imputation", frame[(frame["time"] <= 2003) & ((frame["cohort"] > 0) | (frame["unit"] < 15))])
    assert overall(results).estimate == pytest.approx(overall(near).estimate, rel=1e-12)
    assert overall(results).std_error == pytest.approx(overall(near).std_error, rel=1e-12)


def test_units_without_an_untreated_period_are_counted():
    results = fit("imputation", simulated(starts=(1, 4, 9)))
    assert flow(results)["no_untreated_period"] == 15
    assert overall(results).n_units == 45
    assert overall(results).n_treated_units == 15


def test_a_cohort_of_one_unit_is_pointed_out():
    frame = simulated(starts=(3, 5))
    alone = frame[(frame["cohort"] != 2005) | (frame["unit"] == frame.loc[frame["cohort"] == 2005, "unit"].min())]
    for options in ({}, {"leave_out": True}):
        results = fit("imputation", alone, options)
        assert [c.group for c in checks(results, "small_cohort")] == ["2005"]
        assert estimates(results, "group")["2005"].std_error > 0


@pytest.mark.parametrize(
    ("frame", "roles", "reason"),
    [
        (simulated(starts=(9,)), {}, "No unit starts treatment"),
        (simulated(starts=(1,)).query("cohort > 0"), {}, "untreated period"),
        (simulated(starts=(4,)).query("cohort > 0"), {}, "No treated observation can be imputed"),
        (simulated(clusters=1), {"cluster": "cluster"}, "one cluster"),
        (simulated().assign(y=3.0), {}, "same value"),
    ],
)
def test_imputation_refuses_with_a_reason(frame, roles, reason):
    with pytest.raises(NotEstimable, match=reason):
        fit("imputation", frame, **roles)


@pytest.mark.parametrize("estimator", ["imputation", "poisson_did"])
@pytest.mark.parametrize("cluster", ["unit", "cluster"])
def test_the_order_of_rows_and_the_names_of_units_and_periods_do_not_matter(estimator, cluster):
    frame = counts(holes=0.1)
    mixed = frame.sample(frac=1, random_state=3)
    mixed = mixed.assign(unit=(mixed["unit"] * 7919) % 1009, time=mixed["time"] + 10)
    mixed["cohort"] = np.where(mixed["cohort"] > 0, mixed["cohort"] + 10, 0)
    one, other = (fit(estimator, f, cluster=cluster) for f in (frame, mixed))
    for term in ("att", "event"):
        mine, theirs = estimates(one, term), estimates(other, term)
        assert mine.keys() == theirs.keys()
        for key in mine:
            assert mine[key].estimate == pytest.approx(theirs[key].estimate, rel=1e-11, abs=1e-12)


def test_the_overall_effect_alone_is_the_same(tmp_path):
    for estimator in ("imputation", "poisson_did"):
        panel = Panel.of(design(cluster="cluster"), source(counts(), tmp_path))
        chosen = get(estimator)()
        kept = chosen.moments(panel, COUNT)
        alone, whole = chosen.overall(kept, COUNT), overall(chosen.estimate(kept, COUNT))
        assert (alone.estimate, alone.std_error) == pytest.approx((whole.estimate, whole.std_error), rel=1e-12)
        assert (alone.n_obs, alone.counts) == (whole.n_obs, whole.counts)


@pytest.mark.parametrize("estimator", ["imputation", "poisson_did"])
def test_influences_of_clusters_make_the_variance(estimator):
    results = fit(estimator, counts(), cluster="cluster")
    head = next(i for i in results.inference if i.term == "att")
    errors = np.asarray(results.influence.values)
    squares = (errors**2).sum() * (head.small_sample_factor or 1.0)
    assert np.sqrt(squares) == pytest.approx(overall(results).std_error)
    assert len(results.influence.clusters) == 15


# --------------------------------------------------------------------------- Poisson


def counts(rate=3.0, holes=0.0, seed=1, units=60, **data):
    rng = np.random.default_rng(seed)
    frame = simulated(seed, units=units, **data)
    treated = (frame["cohort"] > 0) & (frame["time"] >= frame["cohort"])
    level = np.exp(rng.normal(0, 0.5, units))[frame["unit"]]
    frame["y"] = rng.poisson(rate * level * np.where(treated, 0.7, 1.0)).astype(float)
    frame["people"] = 100.0
    frame.loc[rng.uniform(size=len(frame)) < holes, "y"] = np.nan
    return frame


def test_two_groups_and_periods_are_a_ratio_of_ratios():
    frame = two_by_two()
    results = fit("poisson_did", frame, outcome=COUNT)
    total = {key: y.sum() for key, y in frame.groupby([frame["cohort"] > 0, "time"])["y"]}
    ratio = (total[True, 2] / total[True, 1]) / (total[False, 2] / total[False, 1])
    assert overall(results).estimate == pytest.approx(np.log(ratio), rel=1e-12)
    assert overall(results, "rate_ratio").estimate == pytest.approx(ratio, rel=1e-12)
    assert overall(results, "events_averted").estimate == pytest.approx(total[True, 2] * (1 / ratio - 1), rel=1e-12)


def test_ratio_and_events_follow_the_coefficient():
    results = fit("poisson_did", counts(), outcome=COUNT)
    att, ratio, averted = (overall(results, term) for term in ("att", "rate_ratio", "events_averted"))
    frame = counts()
    number = frame.loc[(frame["cohort"] > 0) & (frame["time"] >= frame["cohort"]), "y"].sum()
    assert (ratio.conf_low, ratio.conf_high) == pytest.approx((np.exp(att.conf_low), np.exp(att.conf_high)))
    assert (averted.conf_low, averted.conf_high) == pytest.approx(
        (number * (np.exp(-att.conf_high) - 1), number * (np.exp(-att.conf_low) - 1))
    )
    assert averted.std_error == pytest.approx(number * np.exp(-att.estimate) * att.std_error)
    assert averted.estimate > 0 > att.estimate
    assert {e.p_value for e in (att, ratio, averted)} == {att.p_value}
    assert (att.scale, ratio.scale, averted.scale) == ("log_rate", "level", "level")
    assert int(number) in averted.counts


@pytest.mark.parametrize("rate", [3.0, 0.2])
def test_poisson_from_units_summed_by_kind(rate):
    kept = moments(counts(rate, holes=0.15))
    together = folded(replace(kept, sums=kept.sums + 0.3 * kept.weights, shift=kept.shift - 0.3))
    estimator = get("poisson_did")()
    alone = estimator.estimate(kept, COUNT)
    for key, row in keyed(estimator.estimate(together, COUNT)).items():
        factor = keyed(alone)[key]
        assert row.estimate == pytest.approx(factor.estimate, abs=1e-9)


@pytest.mark.parametrize("cluster", ["unit", "cluster"])
@pytest.mark.parametrize("data", [{"holes": 0.15}, {}])
def test_units_without_any_event_leave_whatever_the_form_of_the_moments(monkeypatch, cluster, data):
    frame = counts(0.15, **data)
    known = frame.dropna(subset=["y"])
    silent = int((known.groupby("unit")["y"].sum() == 0).sum())
    whole = fit("poisson_did", frame, outcome=COUNT, cluster=cluster)
    assert flow(whole)["no_events"] == silent > 3
    lively = known[known.groupby("unit")["y"].transform("sum") > 0]
    same(whole, fit("poisson_did", lively, outcome=COUNT, cluster=cluster), 1e-9)
    monkeypatch.setattr(panel_data.scan, "MOST_UNIT_ROWS", 0)
    summed = fit("poisson_did", frame, outcome=COUNT, cluster=cluster)
    same(whole, summed, 1e-9)
    assert flow(summed)["no_events"] == silent
    assert overall(summed).counts == overall(whole).counts


def test_an_exposure_that_never_changes_says_nothing():
    same(fit("poisson_did", counts(), outcome=COUNT), fit("poisson_did", counts(), outcome=RATE), 1e-10)


def test_rows_without_exposure_leave_and_are_counted():
    frame = counts()
    frame.loc[frame["unit"] == 3, "people"] = np.nan
    frame.loc[(frame["unit"] == 5) & (frame["time"] == 2002), ["people", "y"]] = 0.0
    results = fit("poisson_did", frame, outcome=RATE)
    assert (flow(results)["missing_exposure"], flow(results)["zero_exposure"]) == (7, 1)
    assert flow(results)["unit_without_outcome"] == 1
    assert overall(results).n_obs == 420 - 8


def test_an_event_time_without_events_is_named_and_the_rest_is_kept():
    frame = counts()
    late = (frame["cohort"] > 0) & (frame["time"] - frame["cohort"] == 4)
    frame.loc[late, "y"] = 0.0
    results = fit("poisson_did", frame, outcome=COUNT)
    events = estimates(results, "event")
    assert events[4.0].status == "not_estimable"
    assert "no event at this event time" in checks(results, "not_estimable")[0].message
    expected = fit("poisson_did", frame[~late], outcome=COUNT)
    assert events[1.0].estimate == pytest.approx(estimates(expected, "event")[1.0].estimate, abs=1e-10)
    assert events[1.0].std_error == pytest.approx(estimates(expected, "event")[1.0].std_error, abs=1e-10)


def test_a_period_without_events_leaves_and_is_counted():
    frame = counts()
    frame.loc[frame["time"] == 2002, "y"] = 0.0
    results = fit("poisson_did", frame, outcome=COUNT)
    expected = fit("poisson_did", frame[frame["time"] != 2002], outcome=COUNT)
    assert flow(results)["separated"] == 60
    assert overall(results).estimate == pytest.approx(overall(expected).estimate, abs=1e-10)
    assert overall(results).std_error == pytest.approx(overall(expected).std_error, abs=1e-10)


def without_events(after):
    frame = counts()
    treated = frame["cohort"] > 0
    frame.loc[treated & ((frame["time"] >= frame["cohort"]) == after), "y"] = 0.0
    return frame


@pytest.mark.parametrize(
    ("frame", "outcome", "roles", "reason"),
    [
        (without_events(after=True), COUNT, {}, "no event after adoption"),
        (without_events(after=False), COUNT, {}, "no event before adoption"),
        (counts().assign(y=lambda d: d["y"] - 1), COUNT, {}, "negative"),
        (counts().assign(y=lambda d: d["y"] - 1), COUNT, {"cluster": "cluster"}, "negative"),
        (counts().assign(y=0.0), COUNT, {}, "same value|no event"),
        (counts().assign(y=0.0), RATE, {}, "no event"),
        (counts().assign(people=0.0), RATE, {}, "exposure `people` is zero"),
        (counts().assign(people=-1.0), RATE, {}, "negative or infinite"),
        (counts().assign(people=1e200), RATE, {}, "another unit"),
        (counts(starts=(4,)).query("cohort > 0"), COUNT, {}, "cannot be told apart"),
        (counts(clusters=1), COUNT, {"cluster": "cluster"}, "one cluster"),
        (counts().query("time == 2003"), COUNT, {}, "more than one period|no event"),
    ],
)
def test_poisson_refuses_with_a_reason(frame, outcome, roles, reason):
    with pytest.raises(NotEstimable, match=reason):
        fit("poisson_did", frame, outcome=outcome, **roles)


def test_numbers_that_are_not_whole_are_taken_and_other_types_remarked_on():
    results = fit("poisson_did", counts().assign(y=lambda d: d["y"] / 3))
    assert overall(results).estimate == pytest.approx(overall(fit("poisson_did", counts())).estimate, abs=1e-10)
    assert checks(results, "outcome_type")[0].status == "info"
    assert not checks(fit("poisson_did", counts(), outcome=COUNT), "outcome_type")


def test_many_clusters_have_no_jackknife_and_few_have():
    many, few = (fit("poisson_did", counts(), outcome=COUNT, cluster=c) for c in ("unit", "cluster"))
    assert {i.method for i in many.inference} == {"CR1"}
    assert [i.method for i in few.inference if i.term == "att"] == ["CR1", "cluster jackknife (CV3)"]


def test_moments_of_counts_keep_exposures_as_weights(tmp_path):
    panel = Panel.of(design(), source(counts(holes=0.2), tmp_path))
    kept = event_moments(panel, RATE)
    assert kept.shift == 0
    assert (kept.weights[kept.observed] == 100.0).all()
    assert kept.sums.sum() == counts(holes=0.2)["y"].sum()
