"""How the panel regressions report uncertainty, and what the two-by-two and triple difference say without an answer."""

from dataclasses import replace
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from evaluation.data import gram_scan
from evaluation.data.moments import folded
from evaluation.data.panel import Panel
from evaluation.errors import NotEstimable
from evaluation.estimators._few_clusters import FEW_TREATED, few_treated_clusters
from evaluation.estimators.registry import get
from evaluation.inference.small_clusters import wild_bootstrap
from evaluation.inference.two_way import two_way
from tests.panels import OUTCOME, checks, design, estimates, fit, moments, overall, simulated, source
from tests.spec.case import panel as case
from tests.spec.expect import expect

REGRESSIONS = ("twfe", "event_study", "did_2x2")


def one_date(units=24, clusters=12, **how):
    return simulated(units=units, clusters=clusters, starts=(4,), **how)


# --------------------------------------------------------------------------- few clusters


def root_of_inverse(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.where(values > 1e-10, 1 / np.sqrt(np.clip(values, 1e-10, None)), 0)) @ vectors.T


def test_cr2_of_a_two_way_regression_as_the_formula_says():
    """Unit and period dummies, rows and hat matrices written out: what is partialled out must not matter."""
    frame = one_date()
    frame["cluster"] = np.floor(np.sqrt(5 * frame["unit"]))  # of different sizes
    inference = fit("twfe", frame, cluster="cluster").inference
    found = next(i for i in inference if i.method == "CR2")
    treated = ((frame["cohort"] > 0) & (frame["time"] >= frame["cohort"])).to_numpy(float)
    dummies = [(frame[c].to_numpy()[:, None] == np.unique(frame[c])).astype(float) for c in ("unit", "time")]
    x = np.column_stack([treated, dummies[0], dummies[1][:, 1:]])
    bread = np.linalg.inv(x.T @ x)
    residual = frame["y"].to_numpy() - x @ bread @ x.T @ frame["y"].to_numpy()
    variance = 0.0
    for g in frame["cluster"].unique():
        mine = (frame["cluster"] == g).to_numpy()
        adjusted = root_of_inverse(np.eye(mine.sum()) - x[mine] @ bread @ x[mine].T) @ residual[mine]
        variance += (bread[0] @ x[mine].T @ adjusted) ** 2
    assert found.std_error == pytest.approx(np.sqrt(variance), rel=1e-9)
    assert 1 < found.df < frame["cluster"].nunique() - 1.5
    assert found.df_rule == "Satterthwaite"


@pytest.mark.parametrize("estimator", REGRESSIONS)
@pytest.mark.parametrize(
    ("clusters", "beside"),
    [
        (8, ["CR2", "wild cluster bootstrap (Rademacher)", "wild cluster bootstrap (Webb)"]),
        (15, ["CR2", "wild cluster bootstrap (Rademacher)"]),
        (40, []),
    ],
)
def test_what_stands_beside_the_headline(estimator, clusters, beside):
    results = fit(estimator, one_date(units=2 * clusters, clusters=clusters), cluster="cluster")
    for e in results.estimates:
        rows = [i.method for i in results.inference if (i.term, i.time) == (e.term, e.time) and i.group == e.group]
        expected = ["CR1", *(beside if e.term in ("att", "event") else [])]
        assert rows == ([] if e.status == "reference" else expected)
    assert bool(checks(results, "few_clusters")) == bool(beside)


@pytest.mark.parametrize(
    ("estimator", "time", "place"), [("twfe", None, 0), ("event_study", 2.0, 2), ("event_study", -3.0, 5)]
)
def test_the_bootstrap_is_that_of_the_coefficient_asked_for(estimator, time, place):
    """Event times enter the regression as 0, 1, 2, 3, -2, -3."""
    frame = one_date()
    data = moments(frame, cluster="cluster")
    since = data.times - 2004
    on = (since >= 0)[:, None] if time is None else since[:, None] == [0, 1, 2, 3, -2, -3]
    regression = two_way(data, np.stack([np.zeros(on.shape), on])).by_cluster()
    size = len(regression.bread)
    direct = wild_bootstrap(regression, np.eye(size)[size - on.shape[1] + place])
    rows = fit(estimator, frame, cluster="cluster").inference
    term = "att" if time is None else "event"
    row = next(i for i in rows if "Rademacher" in i.method and (i.term, i.time) == (term, time))
    assert (row.p_value, row.conf_low, row.conf_high) == (direct.p_value, direct.conf_low, direct.conf_high)
    assert (row.distribution, row.df_rule) == ("bootstrap", "null imposed, all 4,096 patterns")


@pytest.mark.parametrize("estimator", REGRESSIONS)
def test_the_overall_effect_alone_is_the_same(estimator):
    """Diagnostics ask for it many times: without the bootstrap, and with the same figures."""
    data = moments(one_date(), cluster="cluster")
    chosen = get(estimator)()
    assert chosen.overall(data, OUTCOME) == overall(chosen.estimate(data, OUTCOME))


# --------------------------------------------------------------------------- few treated clusters


@pytest.mark.parametrize(
    ("treated", "said"), [(2, "Only 2 treated clusters stand"), (FEW_TREATED, None), (10, "Only 2 untreated clusters")]
)
@pytest.mark.parametrize("estimator", REGRESSIONS)
def test_few_treated_or_untreated_clusters(estimator, treated, said):
    frame = one_date()
    frame["cohort"] = np.where(frame["cluster"] < treated, 2004, 0)
    found = checks(fit(estimator, frame, cluster="cluster"), "few_treated_clusters")
    assert [c.status for c in found] == ["warn"] * bool(said)
    for check in found:
        assert check.message.startswith(said)
        assert "randomisation inference" in check.message
        assert "synthetic" in check.message
        assert (check.statistic, check.threshold, check.counts) == (2, 5, (2,))


def test_where_all_are_treated_at_last_none_is_called_untreated():
    frame = simulated(units=30, clusters=15).query("cohort > 0")
    assert not few_treated_clusters(
        moments(frame, cluster="cluster"), np.ones(30, dtype=bool)[: len(moments(frame).units)]
    )


# --------------------------------------------------------------------------- for later steps


@pytest.mark.parametrize("estimator", REGRESSIONS)
@pytest.mark.parametrize("cluster", ["unit", "cluster"])
def test_influence_of_the_clusters(estimator, cluster):
    """Squares add up to the variance but for the small-sample factor, and the sum is zero as residuals are."""
    results = fit(estimator, one_date(units=48), cluster=cluster)
    headline = next(i for i in results.inference if i.term == "att")
    influence = results.influence
    variance = (influence.values**2).sum() * headline.small_sample_factor
    assert variance == pytest.approx(headline.std_error**2, rel=1e-10)
    assert influence.values.sum() == pytest.approx(0, abs=1e-12)
    assert influence.clusters.tolist() == list(range(headline.n_clusters))


@pytest.mark.parametrize("estimator", REGRESSIONS)
@pytest.mark.parametrize("weights", [None, "constant"])
def test_units_summed_across_clusters_answer_alike(estimator, weights):
    """Cross-products of outcomes in place of single units, each its own cluster: no influence then."""
    frame = one_date(holes=0.1, weights=weights)
    data = moments(frame, weights="weight" if weights else None)
    single, summed = (get(estimator)().estimate(m, OUTCOME) for m in (data, folded(data)))
    assert single.influence is not None
    assert summed.influence is None
    for a, b in zip(single.estimates, summed.estimates, strict=True):
        assert (a.term, a.group, a.time, a.n_obs, a.counts) == (b.term, b.group, b.time, b.n_obs, b.counts)
        assert b.estimate == pytest.approx(a.estimate, rel=1e-9)
        assert b.status == "reference" or b.std_error == pytest.approx(a.std_error, rel=1e-9)


def test_clusters_are_numbered_among_all():
    """Also where one has no usable row: influences of several outcomes can be put side by side."""
    frame = third(one_date())
    frame.loc[frame["cluster"] == 3, "x"] = np.nan
    codes = fit("did_2x2", frame, {"covariates": ["x"]}, cluster="cluster").influence.clusters
    assert codes.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]


@pytest.mark.parametrize("estimator", ["event_study", "did_2x2"])
def test_the_event_times_together(estimator):
    results = fit(estimator, one_date(units=48), cluster="cluster")
    events = estimates(results, "event")
    joint = results.joint
    assert joint.times.tolist() == [-3, -2, 0, 1, 2, 3]
    assert joint.reference == (-1.0,)
    assert joint.df == 11
    for k, time in enumerate(joint.times):
        assert joint.estimates[k] == pytest.approx(events[time].estimate, rel=1e-12)
        assert np.sqrt(joint.covariance[k, k]) == pytest.approx(events[time].std_error, rel=1e-12)


def test_clusters_too_many_to_keep_say_nothing_of_their_influence(monkeypatch):
    monkeypatch.setattr(gram_scan, "MOST_NUMBERS", 0)
    results = fit("did_2x2", one_date().assign(x=1.0 * np.arange(168) ** 0.5), {"covariates": ["x"]})
    assert results.influence is None
    assert overall(results).std_error > 0


# --------------------------------------------------------------------------- no answer


def third(frame):
    return frame.assign(third=frame["unit"] % 2, x=np.cos(np.arange(len(frame))))


def lone(frame):
    return frame.assign(cluster=1)


NO_ANSWER = {
    "staggered": (lambda _: simulated(), {}, "adopted at 3 different times.*callaway_santanna.*twfe"),
    "one period": (lambda f: f[f["time"] == 2004], {}, "one period only"),
    "nobody starts": (lambda f: f.assign(cohort=0), {}, "No unit starts treatment"),
    "all start before": (lambda f: f.assign(cohort=2001), {}, "No unit starts treatment"),
    "all treated": (lambda f: f.assign(cohort=2004), {}, "All units are treated at the same time"),
    "one cluster": (lone, {"cluster": "cluster"}, "All rows are in one cluster"),
    "constant outcome": (lambda f: f.assign(y=3.0), {}, "same value in every row"),
    "no outcome": (lambda f: f.assign(y=np.nan), {}, "No row has an outcome"),
    "treated unseen before": (
        lambda f: f[(f["cohort"] == 0) | (f["time"] >= 2004)], {}, "No unit of the treated group.* before adoption"),
}  # fmt: skip


@pytest.mark.parametrize("estimator", ["did_2x2", "triple_difference"])
@pytest.mark.parametrize("name", NO_ANSWER)
def test_one_reason_for_no_answer(estimator, name):
    change, roles, said = NO_ANSWER[name]
    options = {"third": "third"} if estimator == "triple_difference" else {}
    with pytest.raises(NotEstimable, match=said):
        fit(estimator, third(change(one_date())), options, **roles)


@pytest.mark.parametrize("estimator", REGRESSIONS)
def test_a_constant_outcome(estimator):
    with pytest.raises(NotEstimable, match="same value in every row"):
        fit(estimator, one_date().assign(y=3.0))


def test_too_few_observations():
    frame = one_date(units=2, clusters=2).query("time in (2003, 2004)")
    with pytest.raises(NotEstimable, match="4 observations for 4 coefficients"):
        fit("did_2x2", frame)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.assign(third=2 * f["third"]), "0 and 1 alone"),
        (lambda f: f.assign(third=f["third"].map({0: "no", 1: "yes"})), "0 and 1 alone"),
        (lambda f: f.assign(third=f["time"] % 2), "24 units change their third group"),
        (lambda f: f.assign(third=np.where(f["cohort"] > 0, 1, f["third"])), "treated group with third = 0"),
        (lambda f: f.assign(third=np.nan), "No row has an outcome"),
    ],
)
def test_third_groups_that_are_none(change, said):
    with pytest.raises(NotEstimable, match=said):
        fit("triple_difference", change(third(one_date())), {"third": "third"})


def test_a_third_group_of_truths():
    frame = third(one_date())
    one, two = (
        overall(fit("triple_difference", f, {"third": "third"}))
        for f in (frame, frame.assign(third=frame["third"] == 1))
    )
    assert one == two


# --------------------------------------------------------------------------- covariates


def test_covariates_that_say_nothing_new_are_left_out():
    frame = third(one_date())
    frame = frame.assign(
        same=3 * frame["x"] - 2,
        post=frame["time"] >= 2004,
        flat=7.0,
        both=(frame["time"] >= 2004) & (frame["cohort"] > 0),
    )
    lean = fit("did_2x2", frame, {"covariates": ["x"]})
    results = fit("did_2x2", frame, {"covariates": ["x", "same", "post", "flat", "both", "x"]})
    assert overall(results) == overall(lean)
    (check,) = checks(results, "collinear_covariates")
    assert (check.status, check.statistic) == ("info", 4)
    assert "same, post, flat, both" in check.message
    assert [e.term for e in results.estimates if e.term not in ("event", "att")] == ["x"]


def test_missing_and_infinite_covariates():
    frame = third(one_date())
    frame.loc[[0, 5, 9], "x"] = np.nan
    results = fit("did_2x2", frame, {"covariates": ["x"]})
    (step,) = (s for s in results.flow if s.step == "missing_covariate")
    assert (step.level, step.n_dropped, step.n_remaining) == ("row", 3, len(frame) - 3)
    assert overall(results).n_obs == len(frame) - 3
    frame.loc[3, "x"] = np.inf
    with pytest.raises(NotEstimable, match="covariate x holds infinite values"):
        fit("did_2x2", frame, {"covariates": ["x"]})


@pytest.mark.parametrize("size", [1e-90, 1e90])
def test_covariates_of_any_size(size):
    frame = third(one_date())
    plain = fit("did_2x2", frame, {"covariates": ["x"]})
    scaled = fit("did_2x2", frame.assign(x=frame["x"] * size), {"covariates": ["x"]})
    assert overall(scaled).estimate == pytest.approx(overall(plain).estimate, rel=1e-12)
    assert overall(scaled, "x").std_error == pytest.approx(overall(plain, "x").std_error / size, rel=1e-10)


@pytest.mark.parametrize("summed", [False, True])
def test_a_part_of_the_panel_with_its_covariates(monkeypatch, summed):
    """Moments cut to some cells and other dates answer as the rows do."""
    if summed:
        monkeypatch.setattr(gram_scan, "MOST_NUMBERS", 0)
    frame = third(one_date())
    estimator = get("did_2x2")(covariates=["x"])
    with TemporaryDirectory() as folder:
        whole = estimator.moments(Panel.of(design(), source(frame, folder)), OUTCOME)
        keep = np.broadcast_to(whole.times < 2004, whole.counts.shape)
        part = whole.restricted(keep, np.where(whole.cohort > 0, 2003, 0))
        found = estimator.overall(part, OUTCOME)
        cut = np.arange(whole.counts.size).reshape(whole.counts.shape) > 0
        with pytest.raises(NotEstimable, match="covariates of a part"):
            estimator.overall(replace(whole, counts=np.where(cut, whole.counts, 0)), OUTCOME)
    early = frame[frame["time"] < 2004].assign(cohort=frame["cohort"].where(frame["cohort"] == 0, 2003))
    direct = overall(fit("did_2x2", early, {"covariates": ["x"]}))
    assert (found.estimate, found.std_error) == pytest.approx((direct.estimate, direct.std_error), rel=1e-10)


def test_always_treated_units_leave_with_their_covariates():
    frame = third(one_date())
    frame.loc[frame["unit"] < 2, "cohort"] = 2001
    kept = overall(fit("did_2x2", frame[frame["unit"] >= 2], {"covariates": ["x"]}))
    found = overall(fit("did_2x2", frame, {"covariates": ["x"]}))
    assert (found.estimate, found.std_error) == pytest.approx((kept.estimate, kept.std_error), rel=1e-10)


# --------------------------------------------------------------------------- what else is said


def test_units_on_one_side_of_adoption():
    frame = one_date()
    assert not checks(fit("did_2x2", frame), "one_sided_units")
    assert not checks(fit("did_2x2", frame.assign(unit=np.arange(len(frame)))), "one_sided_units")
    (check,) = checks(fit("did_2x2", frame[(frame["unit"] > 2) | (frame["time"] < 2004)]), "one_sided_units")
    assert (check.status, check.statistic, check.counts) == ("warn", 3, (3, 21))


def test_means_of_events_are_kept_back():
    """The mean of a yes or no times the number of people is a number of people."""
    frame = one_date()
    frame["y"] = (frame["y"] > frame["y"].median()).astype(float)
    assert estimates(fit("did_2x2", frame), "mean")
    assert not estimates(fit("did_2x2", frame, outcome=OUTCOME.model_copy(update={"type": "binary"})), "mean")


def test_a_period_in_which_a_group_is_not_observed():
    frame = one_date()
    results = fit("did_2x2", frame[(frame["cohort"] == 0) | (frame["time"] != 2006)])
    row = estimates(results, "event")[2.0]
    assert (row.status, row.estimate) == ("not_estimable", None)
    assert "2 periods since adoption not every group is observed" in checks(results, "not_estimable")[0].message
    assert results.joint.times.tolist() == [-3, -2, 0, 1, 3]


MAIN = "estimator: callaway_santanna\n    options:\n      control_group: never_treated\n      anticipation: 0"
SETTLED = {
    "data": lambda d: d.assign(adopted=d["adopted"].replace(2005, 2003), kind=d["place"] // 3 % 2, odd=d["place"])
}
CHECKED = [
    case("one_date", (MAIN, "estimator: ▸did_2x2"), "analyses[0].estimator", "2 different times", "callaway_santanna"),
    case("covariate_absent", (MAIN, "estimator: did_2x2\n    options: {covariates: [▸towns]}"),
         "analyses[0].options.covariates[0]", 'did you mean "town"?', **SETTLED),
    case("covariate_is_text", (MAIN, "estimator: did_2x2\n    options: {covariates: [▸town]}"),
         "analyses[0].options.covariates[0]", "holds text", **SETTLED),
    case("third_not_named", (MAIN, "estimator: triple_difference\n    ▸options: {}"),
         "analyses[0].options.third", **SETTLED),
    case("third_absent", (MAIN, "estimator: triple_difference\n    ▸options: {third: kinds}"), "analyses[0].options",
         'did you mean "kind"?', **SETTLED),
    case("third_of_many", (MAIN, "estimator: triple_difference\n    options: {third: ▸odd}"),
         "analyses[0].options.third", "does not hold 0 and 1", **SETTLED),
    case("third_is_text", (MAIN, "estimator: triple_difference\n    options: {third: ▸town}"),
         "analyses[0].options.third", "does not hold 0 and 1", **SETTLED),
]  # fmt: skip


@pytest.mark.parametrize("wrong", CHECKED, ids=lambda c: c.name)
def test_what_a_check_says(wrong, tmp_path, capsys):
    expect(wrong, tmp_path, capsys)
