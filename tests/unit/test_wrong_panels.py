"""Panels that cannot be: each gives its one clear message at `check`, or a row that says why it has no answer.

Never a traceback, never an internal error, and exit codes as promised.
"""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.cli import call
from evaluation.data.panel import Panel
from evaluation.diagnostics.case import Case
from evaluation.diagnostics.panel import diagnose
from evaluation.errors import NotEstimable
from evaluation.estimators.registry import get, known
from evaluation.run.plan import check
from evaluation.study.models import Diagnostics, Outcome
from tests.panels import design, source

STUDY = """\
study: wrong
title: A wrong panel
question: Did it work?
intervention: {{kind: law_reform, name: The law, description: A law.}}
data: {{path: wrong.parquet}}
design: {{type: panel, unit: unit, time: time, cohort: cohort, units_are: places{design}}}
outcomes:
  - {{id: main, column: y, label: The outcome{outcome}}}
  - {{id: other, column: z, label: Another outcome}}
analyses:
  - {{id: main, role: primary, outcome: main, estimator: {estimator}, options: {{{options}}}}}
diagnostics: {{{diagnostics}}}
disclosure: {{profile: none}}
"""
QUIET = "placebo: false, honest: false, leave_one_out: false, pretrends: false, randomisation: false"


def sound(units=12, periods=8, starts=(2004, 2006)):
    """Units 0, 3, 6, … never treated, the others from one of the starts on; outcomes with noise, counts, marks."""
    rng = np.random.default_rng(11)
    unit = np.repeat(np.arange(units), periods)
    time = np.tile(np.arange(2001, 2001 + periods), units)
    cohort = np.array([0, *starts])[unit % (1 + len(starts))]
    frame = pd.DataFrame({"unit": unit, "time": time, "cohort": cohort, "region": unit // 2, "w": 1.0 + unit % 3})
    treated = (cohort > 0) & (time >= cohort)
    frame["y"] = unit + 0.2 * (time - 2000) + 1.5 * treated + rng.normal(size=len(frame))
    frame["z"], frame["n"] = rng.normal(size=len(frame)), rng.poisson(20, len(frame))
    frame["third"], frame["ring"] = unit % 2, (unit == 0).astype(int)
    frame["lat"], frame["lon"] = 40.0 + unit, -3.0 - unit
    frame["people"] = 1000
    return frame.astype({"cohort": float, "n": float, "ring": float, "third": float, "unit": float, "time": float,
                         "region": float})  # fmt: skip


def one():
    """One treated unit and the others never."""
    frame = sound(starts=(2005,))
    return frame.assign(cohort=np.where(frame["unit"] == 1, 2005.0, 0.0))


def at_once(frame):
    """All of the treated from 2004 on."""
    return frame.replace({"cohort": {2006.0: 2004.0}})


def put(column, value, row=5):
    def changed(frame):
        frame.loc[row, column] = value
        return frame

    return changed


def everywhere(column, value):
    return lambda frame: frame.assign(**{column: value})


def write(folder, frame, *, estimator="twfe", options="", design="", outcome="", diagnostics=QUIET):
    text = STUDY.format(estimator=estimator, options=options, design=design and f", {design}",
                        outcome=outcome and f", {outcome}", diagnostics=diagnostics)  # fmt: skip
    path = Path(folder) / "wrong.yaml"
    path.write_text(text, encoding="utf-8")
    frame.to_parquet(Path(folder) / "wrong.parquet", index=False)
    return path


NEVER = "control_group: never_treated"
SPILL = f"{QUIET}, spillover: ring"
PLACE = "coordinates: [lat, lon], cutoff_km: 100"
REFUSED = {  # name: (what is done to the panel, how the study is written, what the one error says)
    "one_period": (lambda d: d[d["time"] == 2005], {}, "there is one period only (2005)"),
    "no_rows": (lambda d: d.iloc[:0], {}, "the data have no rows"),
    "one_row": (lambda d: d.iloc[:1], {}, "there is one period only (2001)"),
    "nobody_treated": (everywhere("cohort", 0.0), {}, "no valid comparison"),
    "all_treated_at_once": (everywhere("cohort", 2004.0), {}, "no valid comparison"),
    "no_never_treated": (lambda d: d.replace({"cohort": {0.0: 2007.0}}),
                         {"estimator": "callaway_santanna", "options": NEVER}, "no unit is never treated"),
    "treated_before_the_first_period": (lambda d: d.replace({"cohort": {2004.0: 1999.0}}), {}, "before the first period 2001"),
    "treated_after_the_last_period_only": (lambda d: d.replace({"cohort": {2004.0: 2010.0, 2006.0: 2010.0}}), {},
                                           "no unit starts treatment"),
    "a_code_for_never": (lambda d: d.replace({"cohort": {0.0: 9999.0}}), {}, "far beyond the last period"),
    "one_cluster": (everywhere("region", 1.0), {"design": "cluster: region"}, "there is one cluster only"),
    "unit_in_two_clusters": (put("region", 5.0), {"design": "cluster: region"}, "in more than one cluster"),
    "no_cluster": (put("region", None), {"design": "cluster: region"}, "without a cluster"),
    "unit_twice_in_a_period": (lambda d: pd.concat([d, d.iloc[:3]]), {}, "more than one row in a period"),
    "two_cohorts": (put("cohort", 2006.0), {}, "more than one first treated period"),
    "cohort_not_whole": (lambda d: d.replace({"cohort": {2004.0: 2004.5}}), {}, "not a whole number"),
    "period_not_whole": (put("time", 2001.5), {}, "not a whole number"),
    "period_infinite": (put("time", np.inf), {}, "not a whole number"),
    "period_missing": (put("time", None), {}, "without a period"),
    "unit_missing": (put("unit", None), {}, "without a unit"),
    "periods_are_dates": (lambda d: d.assign(time=pd.to_datetime("2001-01-01")), {}, "holds dates"),
    "cohort_is_text": (everywhere("cohort", "never"), {}, "holds text"),
    "outcome_is_text": (everywhere("y", "many"), {}, "holds text"),
    "outcome_infinite": (put("y", np.inf), {}, "1 value infinite"),
    "outcome_never_known": (everywhere("y", np.nan), {}, "has no value at all"),
    "outcome_known_of_the_untreated_alone": (lambda d: d.assign(y=d["y"].where(d["cohort"] == 0)), {},
                                             "where the outcome is known, no unit starts treatment"),
    "counts_below_zero": (put("y", -3.0), {"outcome": "type: count"}, "negative or not whole"),
    "not_a_yes_or_no": (put("y", 2.0), {"outcome": "type: binary"}, "neither 0 nor 1"),
    "weight_negative": (put("w", -1.0), {"design": "weights: w"}, "negative or infinite weight"),
    "weight_infinite": (put("w", np.inf), {"design": "weights: w"}, "negative or infinite weight"),
    "weight_missing": (put("w", None), {"design": "weights: w"}, "without a weight"),
    "weights_all_zero": (everywhere("w", 0.0), {"design": "weights: w"}, "no row has a weight above 0"),
    "weight_is_text": (everywhere("w", "heavy"), {"design": "weights: w"}, "holds text"),
    "two_dates_for_a_two_by_two": (lambda d: d, {"estimator": "did_2x2"}, "2 different times"),
    "third_of_three_values": (lambda d: put("third", 2.0)(at_once(d)), {"estimator": "triple_difference", "options": "third: third"},
                              "does not hold 0 and 1"),
    "third_all_alike": (lambda d: at_once(d).assign(third=1.0), {"estimator": "triple_difference", "options": "third: third"},
                        "does not hold 0 and 1"),
    "third_absent": (at_once, {"estimator": "triple_difference", "options": "third: thrid"}, "no column \"thrid\""),
    "no_donor": (lambda d: d.replace({"cohort": {0.0: 2007.0}}), {"estimator": "synthetic_control"}, "no unit is never treated"),
    "ring_of_twos": (lambda d: d.replace({"ring": {1.0: 2.0}}), {"diagnostics": SPILL}, "another value than 0 and 1"),
    "ring_that_changes": (put("ring", 0.0), {"diagnostics": SPILL}, "with more than one value"),
    "ring_of_treated_units": (lambda d: d.assign(ring=(d["unit"] == 1).astype(float)), {"diagnostics": SPILL},
                              "marked as neighbours and treated"),
    "ring_unknown": (lambda d: d.assign(ring=d["ring"].where(d["unit"] > 0)), {"diagnostics": SPILL}, "without a value"),
    "ring_absent": (lambda d: d, {"diagnostics": f"{QUIET}, spillover: rign"}, 'no column "rign"'),
    "latitude_out_of_range": (everywhere("lat", 140.0), {"design": PLACE}, "beyond 90 degrees"),
    "longitude_out_of_range": (put("lon", -200.0), {"design": PLACE}, "beyond 180 degrees"),
    "places_that_move": (put("lat", 20.0), {"design": PLACE}, "with more than one place"),
    "places_unknown": (lambda d: d.assign(lat=d["lat"].where(d["unit"] > 0)), {"design": PLACE}, "without coordinates"),
    "no_distance": (lambda d: d, {"design": "coordinates: [lat, lon]"}, "design.cutoff_km is missing"),
    "distance_alone": (lambda d: d, {"design": "cutoff_km: 100"}, "design.coordinates is missing"),
    "one_coordinate": (lambda d: d, {"design": "coordinates: [lat], cutoff_km: 100"}, "coordinates"),
    "one_coordinate_twice": (lambda d: d, {"design": "coordinates: [lat, lat], cutoff_km: 9"}, "the same column"),
    "distance_of_zero": (lambda d: d, {"design": "coordinates: [lat, lon], cutoff_km: 0"}, "cutoff_km"),
    "second_cluster_of_regions": (lambda d: d, {"design": "second_cluster: region"}, "the second way is by the period"),
    "placebo_outcome_unknown": (lambda d: d, {"diagnostics": f"{QUIET}, placebo_outcomes: [othr]"}, 'did you mean "other"?'),
    "placebo_outcome_argued": (lambda d: d, {"diagnostics": f"{QUIET}, placebo_outcomes: [main]"}, "expects the program to change"),
    "placebo_outcome_twice": (lambda d: d, {"diagnostics": f"{QUIET}, placebo_outcomes: [other, other]"}, "twice"),
    "randomisation_maybe": (lambda d: d, {"diagnostics": "randomisation: maybe"}, "randomisation"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_check_refuses_with_one_message(name, tmp_path, capsys):
    change, how, says = REFUSED[name]
    path = write(tmp_path, change(sound()), **how)
    told = [p for p in check(path) if p.severity == "error"]
    assert len(told) == 1, [str(p) for p in told]
    assert says in str(told[0])
    assert told[0].where.startswith(f"{path}:")
    assert call(["check", str(path)]) == 1
    assert "Traceback" not in capsys.readouterr().err


def by_month(frame):
    """Periods as 201909, 201910, …: they jump at the year's end."""
    months = [201909, 201910, 201911, 201912, 202001, 202002, 202003, 202004]
    to = dict(zip(range(2001, 2009), months, strict=True))
    return frame.assign(
        time=frame["time"].map(to), cohort=frame["cohort"].map({0.0: 0, 2004.0: 201912, 2006.0: 202002})
    )


WARNED = {
    "months_as_numbers": (by_month, {}, "periods jump from 201912 to 202001"),
    "quarters_as_numbers": (lambda d: d.assign(time=d["time"].map(dict(zip(range(2001, 2009), (20191, 20192, 20193, 20194, 20201,
                            20202, 20203, 20204), strict=True))), cohort=d["cohort"].map({0: 0, 2004: 20194, 2006: 20202})),
                            {}, "periods jump from 20194 to 20201"),
    "treated_from_the_start": (lambda d: d.replace({"cohort": {2004.0: 2001.0}}), {}, "treated from the first period"),
    "some_treated_after_the_end": (lambda d: d.replace({"cohort": {2004.0: 2010.0}}), {}, "after the last period"),
}  # fmt: skip


@pytest.mark.parametrize("name", WARNED)
def test_check_warns_and_lets_pass(name, tmp_path, capsys):
    change, how, says = WARNED[name]
    path = write(tmp_path, change(sound()), **how)
    (told,) = check(path)
    assert told.severity == "warning"
    assert says in str(told)
    assert call(["check", str(path)]) == 0
    assert says in capsys.readouterr().err


def test_years_and_plain_numbers_are_no_months(tmp_path):
    assert check(write(tmp_path, sound())) == []
    numbered = sound().assign(time=lambda d: d["time"] - 2000, cohort=lambda d: (d["cohort"] - 2000).clip(lower=0))
    assert check(write(tmp_path, numbered)) == []


BUILT = STUDY.replace("data: {{path: wrong.parquet}}", "data: {{tables: {{deaths: deaths.parquet, law: law.parquet}}}}").replace(
    "units_are: places{design}}}", "units_are: places, time_unit: month{design},\n"
    "  build: {{first: 2021-01-01, last: 2021-12-31, coverage: complete, adoption: {{table: law, start: start}}}}}}"
).replace("{outcome}}}", "{outcome}, build: {{table: deaths, date: died}}}}").replace(
    "label: Another outcome}}", "label: Another outcome, build: {{table: deaths, date: died}}}}")  # fmt: skip


@pytest.mark.parametrize(("day", "options", "said"), [(15, "", 1), (15, "anticipation: 1", 0), (1, "", 0)])
def test_a_base_period_that_was_set_aside_is_warned_of(tmp_path, day, options, said):
    started = pd.DataFrame({"unit": ["a", "b"], "start": pd.to_datetime([f"2021-06-{day:02d}"] * 2)})
    died = pd.DataFrame({"unit": list("abcd") * 12, "died": pd.date_range("2021-01-05", periods=48, freq="7D")})
    started.to_parquet(tmp_path / "law.parquet")
    died.to_parquet(tmp_path / "deaths.parquet")
    path = tmp_path / "wrong.yaml"
    path.write_text(
        BUILT.format(estimator="callaway_santanna", options=options, design="", outcome="", diagnostics=QUIET)
    )
    told = check(path)
    assert not [p for p in told if p.severity == "error"], [str(p) for p in told]
    assert len([p for p in told if "is set aside" in p.what]) == said


# --------------------------------------------------------------------------- what only the run can see

UNANSWERED = {  # name: (the panel, how the study is written, what the reason says)
    "constant_outcome": (lambda: sound().assign(y=5.0), {}, "same value in every row"),
    "heavy_weights": (lambda: sound().assign(w=1e308), {"design": "weights: w"}, "largest weight is above"),
    "tiny_weights": (lambda: sound().assign(w=1e-300), {"design": "weights: w"}, "largest weight is below"),
    "huge_spread": (lambda: sound().assign(y=lambda d: d["y"] * 1e300), {}, "range is above"),
    "nothing_before_adoption": (
        lambda: sound().assign(y=lambda d: d["y"].where((d["cohort"] == 0) | (d["time"] >= d["cohort"]))),
        {"estimator": "event_study"}, ""),
    "weights_that_change": (
        lambda: sound().assign(w=lambda d: 1 + d["time"] % 3), {"estimator": "callaway_santanna", "design": "weights: w"},
        "weight"),
    "each_unit_seen_once": (
        lambda: sound().assign(y=lambda d: d["y"].where(d["time"] == 2001 + d["unit"] % 8)), {}, "more than one period"),
    "counts_below_zero_for_poisson": (lambda: put("y", -3.0)(sound().abs()), {"estimator": "poisson_did"}, "negative"),
    "no_counts_at_all": (lambda: sound().assign(y=0.0), {"estimator": "poisson_did"}, ""),
    "third_that_changes": (
        lambda: sound(starts=(2005,)).assign(third=lambda d: (d["time"] % 2)),
        {"estimator": "triple_difference", "options": "third: third"}, "third"),
    "one_donor": (
        lambda: one().query("unit in (0, 1)"), {"estimator": "synthetic_control"}, "donor"),
    "one_donor_for_sdid": (
        lambda: one().query("unit in (0, 1)"), {"estimator": "synthetic_did"}, ""),
    "one_period_before": (
        lambda: one().assign(cohort=lambda d: d["cohort"].replace(2005, 2002)), {"estimator": "synthetic_control"}, "before"),
    "one_period_before_for_its": (
        lambda: one().assign(cohort=lambda d: d["cohort"].replace(2005, 2002)), {"estimator": "interrupted_time_series"}, ""),
}  # fmt: skip


def rows(folder, table):
    with (Path(folder) / "wrong" / "results" / f"{table}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ran(folder, capsys):
    """Run the study; the row of its analysis."""
    code = call(["run", str(Path(folder) / "wrong.yaml"), "--out", str(folder), "--no-report"])
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert "Traceback" not in text
        assert "nternal error" not in text
    (analysis,) = rows(folder, "analyses")
    assert code == (0 if analysis["status"] == "ok" else 1)
    assert not [d for d in rows(folder, "diagnostics") if d["check"] == "diagnostic_missing"]
    return analysis


@pytest.mark.parametrize("name", UNANSWERED)
def test_an_analysis_without_an_answer_says_why(name, tmp_path, capsys):
    make, how, says = UNANSWERED[name]
    write(tmp_path, make(), **how)
    analysis = ran(tmp_path, capsys)
    assert analysis["status"] == "not_estimable", analysis
    assert says in analysis["reason"]
    assert len(analysis["reason"]) > 20


DOUBTFUL = {  # the panel, how the study is written, a check that must stand in the diagnostics
    "one_treated_unit": (one, {"diagnostics": "honest: false"}, "randomisation"),
    "one_control_unit": (lambda: one().assign(cohort=lambda d: np.where(d["unit"] == 1, 0.0, 2005.0)),
                         {"diagnostics": "honest: false"}, "few_treated_clusters"),
    "two_periods": (lambda: sound(starts=(2005,)).query("time in (2004, 2005)"), {"diagnostics": "honest: false"}, "few_clusters"),
    "outcomes_with_holes": (lambda: sound().assign(y=lambda d: d["y"].where(d.index % 3 > 0)),
                            {"diagnostics": "honest: false"}, "few_clusters"),
    "some_zero_weights": (lambda: sound().assign(w=lambda d: (d["unit"] > 2) * 1.0),
                          {"design": "weights: w", "diagnostics": "honest: false"}, "few_clusters"),
}  # fmt: skip


@pytest.mark.parametrize("estimator", ["twfe", "callaway_santanna"])
@pytest.mark.parametrize("name", DOUBTFUL)
def test_a_shaky_panel_gives_its_figure_with_its_doubts(name, estimator, tmp_path, capsys):
    make, how, doubt = DOUBTFUL[name]
    write(tmp_path, make(), estimator=estimator, **how)
    assert ran(tmp_path, capsys)["status"] == "ok"
    assert doubt in {d["check"] for d in rows(tmp_path, "diagnostics")}


# --------------------------------------------------------------------------- every estimator, every oddity

PANEL_ESTIMATORS = [e for e in known() if get(e).design == "panel"]
OPTIONS = {"triple_difference": {"third": "third"}}
ODD = {
    "constant": lambda: sound(starts=(2005,)).assign(y=3.0),
    "constant_but_one": lambda: put("y", 4.0)(sound(starts=(2005,)).assign(y=3.0)),
    "no_noise": lambda: sound(starts=(2005,)).assign(y=lambda d: d["unit"] + d["time"]),
    "zeros": lambda: sound(starts=(2005,)).assign(y=0.0),
    "counts_of_few": lambda: sound(starts=(2005,)).assign(y=lambda d: (d.index % 17 == 0) * 1.0),
    "one_treated": one,
    "one_control": lambda: one().assign(cohort=lambda d: np.where(d["unit"] == 1, 0.0, 2005.0)),
    "two_units": lambda: one().query("unit in (0, 1)"),
    "two_periods": lambda: sound(starts=(2005,)).query("time in (2004, 2005)"),
    "one_before": lambda: sound(starts=(2002,)),
    "one_after": lambda: sound(starts=(2008,)),
    "holes": lambda: sound().assign(y=lambda d: d["y"].where(d.index % 5 < 2)),
    "seen_once": lambda: sound().assign(y=lambda d: d["y"].where(d["time"] == 2001 + d["unit"] % 8)),
    "nothing_before": lambda: sound().assign(y=lambda d: d["y"].where((d["cohort"] == 0) | (d["time"] >= d["cohort"]))),
    "nothing_after": lambda: sound().assign(y=lambda d: d["y"].where((d["cohort"] == 0) | (d["time"] < d["cohort"]))),
    "controls_unseen": lambda: sound().assign(y=lambda d: d["y"].where(d["cohort"] > 0)),
    "everyone_treated_late_or_soon": lambda: sound().replace({"cohort": {0.0: 2008.0}}),
    "huge": lambda: sound(starts=(2005,)).assign(y=lambda d: d["y"] * 1e99),
    "tiny": lambda: sound(starts=(2005,)).assign(y=lambda d: d["y"] * 1e-99),
    "too_huge": lambda: sound(starts=(2005,)).assign(y=lambda d: d["y"] * 1e200),
    "far_from_zero": lambda: sound(starts=(2005,)).assign(y=lambda d: d["y"] + 1e12),
    "outlier": lambda: put("y", 1e9)(sound(starts=(2005,))),
    "negative_periods": lambda: sound(starts=(2005,)).assign(
        time=lambda d: d["time"] - 2006, cohort=lambda d: d["cohort"].replace({2005: -1, 0: np.nan})
    ),
    "gaps_in_time": lambda: sound(starts=(2005,)).query("time not in (2003, 2006)"),
    "first_unknown": lambda: sound(starts=(2005,)).assign(y=lambda d: d["y"].where(d["time"] > 2001)),
}


def odd_case(estimator, frame, folder):
    made = design(units_are="places", cluster="region" if estimator != "synthetic_control" else "unit")
    panel = Panel.of(made, source(frame, folder))
    outcome = Outcome(id="main", label="The outcome", column="y", type="rate")
    chosen = get(estimator)(**OPTIONS.get(estimator, {}))
    moments = chosen.moments(panel, outcome)
    return Case(chosen, panel, moments, outcome, chosen.estimate(moments, outcome), made,
                (Outcome(id="other", label="Another", column="z"),))  # fmt: skip


# The diagnostics of every kind of fit are gone through on these panels; the others would only take longer.
DIAGNOSED = (
    "constant_but_one", "one_treated", "two_periods", "holes", "everyone_treated_late_or_soon", "outlier", "one_before",
)  # fmt: skip


@pytest.mark.parametrize("estimator", PANEL_ESTIMATORS)
def test_every_estimator_answers_or_says_why(estimator, tmp_path):
    for name, make in ODD.items():
        (tmp_path / name).mkdir()
        try:
            found = odd_case(estimator, make(), tmp_path / name)
        except NotEstimable as none:
            reason = str(none)
            assert len(reason) > 20, (name, reason)
            continue
        for e in found.results.estimates:
            figures = [e.estimate, e.std_error, e.conf_low, e.conf_high, e.p_value]
            assert all(f is None or np.isfinite(f) for f in figures), (name, e)
            assert (e.estimate is None) == (e.status == "not_estimable"), (name, e)


@pytest.mark.parametrize("name", DIAGNOSED)
@pytest.mark.parametrize("estimator", ["callaway_santanna", "event_study", "synthetic_control"])
def test_no_diagnostic_breaks_on_an_odd_panel(name, estimator, tmp_path):
    try:
        known_case = odd_case(estimator, ODD[name](), tmp_path)
    except NotEstimable:
        return
    found = diagnose(known_case, Diagnostics(spillover="ring", honest=False), "primary", places=True)
    assert not [c for c in found.checks if c.check == "diagnostic_missing"]
