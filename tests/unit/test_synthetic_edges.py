"""What the methods for single units do where data are thin, odd or unfit, and how studies with one series are read."""

import numpy as np
import pandas as pd
import pytest

from evaluation.cli import call
from evaluation.data.panel import Panel
from evaluation.data.unit_moments import unit_moments
from evaluation.diagnostics.case import Case
from evaluation.diagnostics.panel import diagnose
from evaluation.errors import NotEstimable
from evaluation.estimators.registry import get
from evaluation.results import TABLES
from evaluation.study.models import Diagnostics
from tests.panels import OUTCOME, checks, design, estimates, fit, overall, source

BOTH = pytest.mark.parametrize("estimator", ["synthetic_control", "synthetic_did"])


def panel(treated=1, donors=8, periods=12, start=9, effect=0.0, seed=3):
    """Random walks of `treated` units that adopt in period `start`, and of donors."""
    rng = np.random.default_rng(seed)
    names = [f"t{i}" for i in range(treated)] + [f"d{i}" for i in range(donors)]
    rows = [
        (name, t, start if name[0] == "t" else 0, y + effect * (name[0] == "t" and t >= start))
        for name in names
        for t, y in enumerate(10 + rng.normal(size=periods).cumsum(), start=1)
    ]
    return pd.DataFrame(rows, columns=["unit", "time", "cohort", "y"])


def dropped(results, step):
    return sum(s.n_dropped for s in results.flow if s.step == step)


# --------------------------------------------------------------------------- no answer


@BOTH
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: f.assign(cohort=0), "No unit starts treatment"),
        (lambda f: f.assign(cohort=9), "0 donors never treated"),
        (lambda f: f[(f["cohort"] > 0) | (f["unit"] == "d1")], "Only 1 donor never"),
        (lambda f: f.assign(y=4.0), "same value in every row"),
        (lambda f: f.assign(y=np.nan), "No row has an outcome"),
        (lambda f: f.assign(y=f["y"] * 1e200), "above what can be reckoned"),
        (lambda f: f.assign(cohort=f["cohort"].where(f["cohort"] == 0, 2)), "2 periods before adoption"),
        (lambda f: f[(f["cohort"] == 0) | (f["time"] < 9)], "2 periods before adoption and one after"),
        (lambda f: f[(f["cohort"] > 0) | (f["time"] != 4)], "0 donors never treated and observed in every period"),
    ],
)
def test_no_valid_comparison(estimator, change, reason):
    with pytest.raises(NotEstimable, match=reason):
        fit(estimator, change(panel()))


@BOTH
def test_weights_that_change_within_units_are_refused(estimator):
    frame = panel()
    with pytest.raises(NotEstimable, match="a unit has one weight"):
        fit(estimator, frame.assign(w=1.0 + frame["time"]), weights="w")


@BOTH
def test_unknown_donors_are_refused(estimator):
    for choice in (["d1", "elsewhere"], {"exclude": ["elsewhere"]}):
        with pytest.raises(NotEstimable, match="no unit elsewhere"):
            fit(estimator, panel(), {"donors": choice})


# --------------------------------------------------------------------------- donors


@BOTH
def test_choice_of_donors(estimator):
    frame = panel()
    some = fit(estimator, frame, {"donors": ["d0", "d1", "d2", "d5"]})
    rest = fit(estimator, frame, {"donors": {"exclude": ["d3", "d4", "d6", "d7"]}})
    left = fit(estimator, frame[~frame["unit"].isin(["d3", "d4", "d6", "d7"])])
    assert list(estimates(some, "weight")) == ["d0", "d1", "d2", "d5"]
    assert overall(some) == overall(rest) == overall(left)
    assert dropped(some, "excluded_donor") == 4
    assert checks(some, "donor_pool")[0].status == "warn"


@BOTH
def test_donors_with_gaps_are_dropped_and_counted(estimator):
    frame = panel()
    holes = frame.assign(y=frame["y"].mask((frame["unit"] == "d2") & (frame["time"] == 5)))
    results = fit(estimator, holes)
    assert overall(results).estimate == overall(fit(estimator, frame[frame["unit"] != "d2"])).estimate
    assert dropped(results, "incomplete_donor") == 1
    assert "1 more left out" in checks(results, "donor_pool")[0].message


def test_periods_without_the_treated_are_left_out():
    frame = panel()
    less = frame[(frame["cohort"] == 0) | ~frame["time"].isin([4, 11])]
    results = fit("synthetic_control", less)
    assert overall(results).estimate == overall(fit("synthetic_control", frame[~frame["time"].isin([4, 11])])).estimate
    assert set(estimates(results, "gap")) == {float(t) for t in range(1, 13) if t not in (4, 11)}


def test_a_treated_unit_with_a_gap_stands_in_for_nobody():
    frame = panel(treated=2, donors=12)
    results = fit("synthetic_control", frame[(frame["unit"] != "t1") | (frame["time"] != 3)], {"draws": 99})
    assert overall(results).n_treated_units == 2
    assert overall(results).p_value > 0
    other = fit("synthetic_did", frame[(frame["unit"] != "t1") | (frame["time"] != 3)])
    assert dropped(other, "incomplete_treated") == 1


@BOTH
def test_units_treated_later_than_the_data_are_donors_and_always_treated_are_not(estimator):
    frame = panel()
    later = frame.assign(cohort=frame["cohort"].mask(frame["unit"] == "d4", 20))
    assert overall(fit(estimator, later)).estimate == overall(fit(estimator, frame)).estimate
    always = frame.assign(cohort=frame["cohort"].mask(frame["unit"] == "d4", 1))
    results = fit(estimator, always)
    assert dropped(results, "treated_too_short") == 1
    assert "d4" not in estimates(results, "weight")


# --------------------------------------------------------------------------- doubts told


def test_many_optima_are_told():
    exact = panel(donors=12, start=4, periods=6)
    wide = exact.pivot_table(index="time", columns="unit", values="y")
    exact.loc[exact["unit"] == "t0", "y"] = wide.drop(columns="t0").mean(axis=1).to_numpy()
    told = fit("synthetic_control", exact)
    assert checks(told, "weights_not_unique")[0].status == "warn"
    assert checks(told, "few_periods_before")[0].statistic == 3
    assert [e.estimate for e in estimates(told, "weight").values()] == pytest.approx([1 / 12] * 12, abs=1e-9)
    assert checks(fit("synthetic_control", exact, {"penalty": 0.1}), "weights_not_unique") == []


def test_a_treated_unit_beyond_all_donors():
    frame = panel()
    far = frame.assign(y=frame["y"] + 30 * (frame["cohort"] > 0))
    results = fit("synthetic_control", far)
    assert checks(results, "donor_range")[0].statistic == 1.0
    assert checks(results, "fit_before")[0].status == "warn"
    assert checks(fit("synthetic_did", far), "fit_before")[0].status == "pass"


def test_a_donor_that_breaks_at_adoption():
    frame = panel(donors=10, periods=30, start=22)
    weights = estimates(fit("synthetic_control", frame), "weight")
    heavy = max(weights, key=lambda u: weights[u].estimate)
    struck = frame.assign(y=frame["y"] + 40 * ((frame["unit"] == heavy) & (frame["time"] >= 22)))
    found = checks(fit("synthetic_control", struck), "donor_contamination")[0]
    assert found.status == "warn"
    assert heavy in found.message
    assert found.counts == (1,)


def test_standard_errors_that_there_are_not():
    few = panel(treated=3, donors=4)
    results = fit("synthetic_did", few, {"inference": "placebo"})
    assert overall(results).std_error is None
    assert "at least two donors more" in checks(results, "no_standard_error")[0].message
    single = fit("synthetic_did", panel(), {"inference": "jackknife"})
    assert overall(single).std_error is None
    assert single.inference == ()
    assert "more than one treated" in checks(fit("synthetic_did", panel(), {"inference": "bootstrap"}),
                                             "no_standard_error")[0].message  # fmt: skip


@BOTH
def test_every_standard_error_or_p_value_has_its_inference(estimator):
    results = fit(estimator, panel(treated=2, donors=9), {"draws": 99} if estimator == "synthetic_control" else {})
    keys = {(i.term, i.group, i.time) for i in results.inference}
    uncertain = [e for e in results.estimates if e.std_error is not None or e.p_value is not None]
    assert {(e.term, e.group, e.time) for e in uncertain} == keys
    assert len(keys) == len(results.inference)


# --------------------------------------------------------------------------- the same numbers


@BOTH
def test_order_of_rows_and_names_change_nothing(estimator):
    frame = panel(donors=14, effect=1.0)
    mine = fit(estimator, frame)
    shuffled = fit(estimator, frame.sample(frac=1, random_state=4))
    assert shuffled.estimates == mine.estimates
    names = {u: f"x{k:02}" for k, u in enumerate(np.random.default_rng(1).permutation(frame["unit"].unique()))}
    renamed = fit(estimator, frame.assign(unit=frame["unit"].map(names)))
    for term in ("att", "gap"):
        ours = [e for e in mine.estimates if e.term == term]
        theirs = [e for e in renamed.estimates if e.term == term]
        assert [e.estimate for e in theirs] == pytest.approx([e.estimate for e in ours], abs=1e-12)
    assert overall(renamed).p_value == pytest.approx(overall(mine).p_value, abs=1e-12)
    for name, other in names.items():
        if name != "t0":
            weight = estimates(mine, "weight")[name].estimate
            assert estimates(renamed, "weight")[other].estimate == pytest.approx(weight, abs=1e-12)


@BOTH
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_units_of_the_outcome_and_its_level_do_not_matter(estimator, factor):
    frame = panel(donors=14, effect=2.0)
    mine, scaled = overall(fit(estimator, frame)), overall(fit(estimator, frame.assign(y=factor * (frame["y"] + 1000))))
    assert scaled.estimate == pytest.approx(factor * mine.estimate, rel=1e-6)
    assert scaled.p_value == pytest.approx(mine.p_value, rel=1e-5)


# --------------------------------------------------------------------------- diagnostics and whole runs


@pytest.mark.parametrize("estimator", ["synthetic_control", "synthetic_did", "interrupted_time_series"])
def test_diagnostics_ask_again(estimator, tmp_path):
    frame = panel(donors=12, periods=30, start=21, effect=3.0)
    data = Panel.of(design(), source(frame, tmp_path))
    chosen = get(estimator)()
    moments = chosen.moments(data, OUTCOME)
    results = chosen.estimate(moments, OUTCOME)
    assert overall(results).estimate == pytest.approx(chosen.overall(moments, OUTCOME).estimate, rel=0.02)
    case = Case(chosen, data, moments, OUTCOME, results)
    found = diagnose(case, Diagnostics(), "primary", places=True, names=sorted(frame["unit"].unique()))
    kinds = {s.kind for s in found.sensitivity}
    assert "placebo_time" in kinds
    if estimator != "interrupted_time_series":
        assert {s.group for s in found.sensitivity if s.kind == "leave_one_unit"} == {f"d{i}" for i in range(12)}


def test_moments_are_unit_by_unit(tmp_path):
    frame = panel(treated=2, donors=3).sample(frac=1, random_state=1)
    frame.loc[frame["unit"] == "d1", "y"] = np.nan
    found = unit_moments(Panel.of(design(), source(frame, tmp_path)), OUTCOME)
    assert [found.name(r) for r in range(len(found.cluster))] == ["d0", "d2", "t0", "t1"]
    wide = frame.pivot_table(index="unit", columns="time", values="y")
    assert found.outcomes == pytest.approx(wide.to_numpy(), rel=1e-14)
    assert (found.n_units, found.n_clusters) == (4, 4)
    assert dropped(found, "unit_without_outcome") == 1


STUDY = """
study: belts
title: Seat belts
question: Did fewer people die after the law?
intervention: {{kind: law_reform, name: Seat belt law, description: Belts became compulsory.}}
data: {{path: belts.parquet}}
design: {{type: panel, unit: unit, time: time, time_unit: month, cohort: cohort, units_are: places}}
outcomes:
  - {{id: deaths, label: Deaths, column: y, better: lower}}
analyses:
  - {{id: main, role: primary, outcome: deaths, estimator: {estimator}, options: {options}}}
disclosure: {{profile: none}}
"""


def study(folder, frame, estimator="interrupted_time_series", options="{}"):
    frame.to_parquet(folder / "belts.parquet")
    path = folder / "belts.yaml"
    path.write_text(STUDY.format(estimator=estimator, options=options))
    return path


def test_one_series_passes_the_check_and_runs(tmp_path, capsys):
    path = study(tmp_path, panel(donors=0, periods=30, start=15))
    assert call(["check", str(path)]) == 0
    assert call(["run", str(path), "--out", str(tmp_path / "out"), "--no-report"]) == 0
    capsys.readouterr()
    table = pd.read_csv(tmp_path / "out" / "belts" / "results" / "estimates.csv")
    assert list(table.columns) == TABLES["estimates"].names
    assert table["term"].value_counts().to_dict() == {"gap": 30, "att": 1, "level_change": 1, "slope_change": 1}
    assert (table["status"] == "ok").all()


@pytest.mark.parametrize(
    ("frame", "estimator", "options", "told"),
    [
        (panel(donors=0, periods=30, start=15), "interrupted_time_series", "{comparison: never_treated}",
         "no unit is never treated"),
        (panel(donors=0, periods=30, start=15), "twfe", "{}", "no valid comparison"),
        (panel(treated=4, donors=0).assign(cohort=lambda f: f["cohort"] + (f["unit"] == "t1")),
         "interrupted_time_series", "{}", "one series has one start"),
        (panel(treated=4, donors=0).assign(cohort=lambda f: f["cohort"] + (f["unit"] == "t1")), "synthetic_control",
         "{}", "to be a donor"),
    ],
)  # fmt: skip
def test_check_tells_what_is_lacking(frame, estimator, options, told, tmp_path, capsys):
    path = study(tmp_path, frame, estimator, options)
    assert call(["check", str(path)]) == 1
    shown = capsys.readouterr()
    assert told in " ".join((shown.out + shown.err).split())


# --------------------------------------------------------------------------- one series


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        (lambda f: f.assign(cohort=0), {}, "No unit starts treatment"),
        (lambda f: f.assign(cohort=f["cohort"] + 2 * (f["unit"] == "t1")), {}, "2 different times"),
        (lambda f: f[f["time"] >= 14], {}, "1 period before the start"),
        (lambda f: f[f["time"] <= 15], {}, "1 from it on"),
        (lambda f: f[f["time"].between(12, 17)], {"season": "dummies"}, "needs more points"),
        (lambda f: f, {"lags": 40}, "40 lags are as many"),
        (lambda f: f.assign(y=-f["y"]), {"log": True}, "no logarithm"),
        (lambda f: f, {"comparison": "never_treated"}, "no comparison series"),
        (lambda f: f, {"covariates": ["trend"]}, "cannot be told apart"),
        (lambda f: f.assign(y=2.0), {}, "same value in every row"),
        (lambda f: f[f["time"].between(12, 18)], {"errors": "ar", "lags": 3}, "too few for 4 coefficients"),
    ],
)
def test_no_series_to_judge(change, options, reason):
    frame = panel(treated=2, donors=0, periods=30, start=15)
    frame["trend"] = 3.0 * frame["time"]
    with pytest.raises(NotEstimable, match=reason):
        fit("interrupted_time_series", change(frame), options)


def test_short_series_and_gaps_are_told():
    frame = panel(donors=0, periods=30, start=6)
    results = fit("interrupted_time_series", frame[frame["time"] != 20], {"season": "fourier", "harmonics": 1})
    assert checks(results, "enough_points")[0].statistic == 5
    assert checks(results, "enough_points")[0].status == "warn"
    assert checks(results, "periods_missing")[0].statistic == 1
    assert checks(results, "short_season")[0].status == "warn"


def test_trend_and_units_of_time_do_not_matter():
    frame = panel(donors=0, periods=40, start=21)
    ours = fit("interrupted_time_series", frame)
    later = fit("interrupted_time_series", frame.assign(time=frame["time"] + 1900, cohort=1921))
    for term in ("att", "level_change", "slope_change"):
        assert overall(later, term).estimate == pytest.approx(overall(ours, term).estimate, abs=1e-12)
        assert overall(later, term).std_error == pytest.approx(overall(ours, term).std_error, abs=1e-12)
