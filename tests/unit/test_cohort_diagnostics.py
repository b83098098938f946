"""What the diagnostics of people say, on cohorts made so that the answer is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from lifelines.statistics import logrank_test
from threadpoolctl import threadpool_limits

from evaluation.data.cohort import Cohort
from evaluation.diagnostics.attrition import attrition
from evaluation.diagnostics.cohort import CohortCase
from evaluation.diagnostics.e_value import e_value
from evaluation.diagnostics.effect_size import effect_size
from evaluation.diagnostics.follow_up import follow_up
from evaluation.diagnostics.imputation import imputation
from evaluation.diagnostics.missing_data import missing_data
from evaluation.diagnostics.negative_control import negative_control
from evaluation.diagnostics.null_precision import minimum_detectable
from evaluation.disclosure.profiles import PROFILES
from evaluation.disclosure.tables import alternatives
from evaluation.errors import StudyError
from evaluation.estimators.registry import get
from evaluation.inference.e_values import e_value as formula
from evaluation.results import COUNTS, Estimate, Inference
from evaluation.study.load import load
from evaluation.study.models import Study
from tests.cohorts import OUTCOME, cohort, expanded


@pytest.fixture(autouse=True)
def one_thread():
    """As in a run: linear algebra in one thread."""
    with threadpool_limits(limits=1):
        yield


def study(**more):
    return Study.model_validate({
        "study": "trial", "title": "Trial", "question": "Does it work?",
        "intervention": {"kind": "drug_court", "name": "Program", "description": "What was done."},
        "data": {"path": "people.parquet"}, "disclosure": {"profile": "none"},
        "design": {"type": "cohort", "arm": "arm", "assignment": "observational", "time": "time", "time_unit": "month",
                   "event": "event"},
        "outcomes": [{"id": "rearrest", "label": "Rearrest"}, {"id": "theft", "label": "Theft of mail"}],
        "analyses": [{"id": "main", "role": "primary", "outcome": "rearrest", "estimator": "risk_difference"}],
        **more,
    })  # fmt: skip


def case(frame, folder, estimator="risk_difference", options=None, diagnostics=None, **roles):
    people = cohort(frame, folder, **{"windows": [12.0], **roles})
    chosen = get(estimator)(**(options or {}))
    known = study(**({"diagnostics": diagnostics} if diagnostics else {}))
    return CohortCase(chosen, people, OUTCOME, chosen.fit(people, OUTCOME), known, known.primary)


# --------------------------------------------------------------------------- attrition


def lossy(lost_treated, lost_control, n=100, late=20):
    """`n` people an arm, so many of whom left at month 3; the others stayed free to month 12; and `late` entrants."""
    return expanded([
        (1, 12.0, 0, 24.0, n - lost_treated), (1, 3.0, 0, 24.0, lost_treated), (1, 5.0, 0, 5.0, late),
        (0, 12.0, 0, 24.0, n - lost_control), (0, 3.0, 0, 24.0, lost_control), (0, 5.0, 0, 5.0, late),
    ], ("arm", "time", "event", "follow"))  # fmt: skip


def of(frame, folder, assignment="randomised", **roles):
    made = case(frame, folder, "kaplan_meier", assignment=assignment, **{"follow_up": "follow", **roles})
    return attrition(made)


@pytest.mark.parametrize(
    ("lost", "status", "ratings"),
    [((0, 0), "pass", ("low", "low")), ((7, 10), "pass", ("low", "low")), ((27, 33), "warn", ("high", "low")),
     ((10, 50), "fail", ("high", "high"))],
)  # fmt: skip
def test_trials_are_held_against_the_boundary(tmp_path, lost, status, ratings):
    found = of(lossy(*lost), tmp_path)
    row, check = found.attrition[0], found.checks[0]
    assert (row.time, row.n_treated, row.n_control) == (12.0, 100, 100)
    assert (row.known_treated, row.known_control) == (100 - lost[0], 100 - lost[1])
    assert row.overall == pytest.approx(sum(lost) / 2)
    assert row.differential == pytest.approx(abs(lost[0] - lost[1]))
    assert (row.rating_cautious, row.rating_optimistic) == ratings
    assert (check.check, check.status, check.time) == ("attrition", status, 12.0)
    assert "entered too late" in check.message
    assert set(check.counts) >= {20 + 20, *lost}


def test_late_entrants_are_not_lost_but_without_follow_up_nobody_can_tell(tmp_path):
    assert of(lossy(0, 0), tmp_path).attrition[0].overall == 0
    found = of(lossy(0, 0), tmp_path, follow_up=None)
    assert found.attrition[0].overall == pytest.approx(100 * 40 / 240)
    assert "do not say how far" in found.checks[0].message


def test_observational_studies_are_told_and_not_judged(tmp_path):
    check = of(lossy(10, 50), tmp_path, "observational").checks[0]
    assert check.status == "info"
    assert "not formed by chance" in check.message


def test_missing_values_are_losses_and_missing_arms_nobody_s(tmp_path):
    frame = lossy(0, 0, late=0).astype({"arm": float, "event": float})
    frame.loc[[0, 1], "time"] = np.nan
    frame.loc[[2, 100], "event"] = np.nan
    frame.loc[3, "follow"] = np.nan  # not known how far: entered, and not known
    frame.loc[[4, 5], "arm"] = np.nan
    row = of(frame, tmp_path).attrition[0]
    assert (row.n_treated, row.known_treated, row.n_control, row.known_control) == (98, 94, 100, 99)


def test_complete_cases_are_losses_told_apart_from_people_lost_to_follow_up(tmp_path):
    frame = lossy(10, 20, late=0).astype({"event": float})  # 90 and 80 of 100 are followed
    frame["age"], frame["score"] = 30.0 + np.arange(len(frame)) % 7, np.arange(len(frame)) % 5.0
    treated, control = frame.index[frame["arm"] == 1], frame.index[frame["arm"] == 0]
    stayed = frame["time"] == 12
    frame.loc[stayed, "event"] = np.where(np.arange(stayed.sum()) % 3 == 0, 1.0, 0.0)
    frame.loc[treated[:4], "event"] = np.nan  # of those followed
    frame.loc[treated[2:10], "age"] = np.nan  # two of them have no event either, and count as that
    frame.loc[control[:12], "age"] = np.nan
    frame.loc[control[10:16], "score"] = np.nan  # two lack both
    frame.loc[control[-5:], "age"] = np.nan  # had left before: lost for that
    made = case(frame, tmp_path, options={"adjust": "regression", "censoring": "ipcw"}, assignment="randomised",
                follow_up="follow", covariates=["age", "score"])  # fmt: skip
    found = attrition(made)
    row, check = found.attrition[0], found.checks[0]
    assert (row.n_treated, row.known_treated, row.analysed_treated) == (100, 86, 80)
    assert (row.n_control, row.known_control, row.analysed_control) == (100, 80, 64)
    assert row.overall == pytest.approx(28)
    assert row.differential == pytest.approx(16)
    reasons = ("2.0 % for an outcome", "15.0 % for follow-up that ended before (10.0 % of the treated, 20.0 % of the",
               "11.0 % for a characteristic that is not recorded")  # fmt: skip
    assert all(r in check.message for r in reasons)
    assert "28.0 % of those who entered are lost to the analysis" in check.message
    assert check.counts == (80, 64, 4, 0, 10, 20, 6, 16)
    used = next(e for e in made.results.estimates if e.term == "risk_difference")
    assert used.n_obs == row.analysed_treated + row.analysed_control + 30 - 5  # those who left count until they did


def test_analyses_that_adjust_for_nothing_lose_nobody_for_a_characteristic(tmp_path):
    frame = lossy(0, 0, late=0)
    frame["age"] = np.where(np.arange(len(frame)) < 30, np.nan, 40.0)
    made = case(frame, tmp_path, "kaplan_meier", assignment="randomised", follow_up="follow", covariates=["age"])
    assert attrition(made).attrition[0].overall == 0


def test_people_without_a_group_are_said(tmp_path):
    frame = lossy(0, 0, late=0).astype({"arm": float})
    frame.loc[[4, 5], "arm"] = np.nan
    assert "whose group is not recorded" in of(frame, tmp_path).checks[0].message


def test_deaths_are_known(tmp_path):
    frame = lossy(0, 0, late=0)
    frame.loc[:9, ["time", "event"]] = [2.0, 2]
    assert of(frame, tmp_path, competing={"death": 2}).attrition[0].overall == 0


def test_a_built_cohort_s_unknown_follow_up_is_not_eligible(tmp_path):
    frame = lossy(0, 0, late=0)
    frame.loc[:9, ["time", "follow"]] = np.nan
    made = case(frame, tmp_path, "kaplan_meier", follow_up="follow", assignment="randomised")
    row = attrition(replace(made, cohort=replace(made.cohort, built=True))).attrition[0]
    assert (row.n_treated, row.known_treated) == (90, 90)


def test_a_trial_that_lost_many_asks_whether_those_who_remain_are_alike(tmp_path):
    frame = lossy(10, 50, late=0)
    generator = np.random.default_rng(1)
    frame["age"] = generator.normal(35, 10, len(frame)) + 6 * frame["arm"]
    frame["male"] = generator.integers(0, 2, len(frame))
    found = of(frame, tmp_path, covariates=["age", "male"])
    check = found.checks[1]
    assert (check.check, check.status) == ("equivalence_after_loss", "fail")
    known = frame[frame["time"] == 12]
    one, zero = known.loc[known["arm"] == 1, "age"], known.loc[known["arm"] == 0, "age"]
    pooled = np.sqrt(((len(one) - 1) * one.var() + (len(zero) - 1) * zero.var()) / (len(known) - 2))
    assert check.statistic == pytest.approx((1 - 3 / (4 * len(known) - 9)) * (one.mean() - zero.mean()) / pooled)


# --------------------------------------------------------------------------- follow-up


def test_leaving_sooner_is_found_as_lifelines_finds_it(tmp_path):
    generator = np.random.default_rng(2)
    arm = generator.integers(0, 2, 500)
    leaves = np.ceil(generator.exponential(np.where(arm == 1, 8, 14)))
    event_at = np.ceil(generator.exponential(15, 500))
    frame = pd.DataFrame({"arm": arm, "time": np.minimum(leaves, event_at), "event": (event_at <= leaves).astype(int)})
    length, leaving = follow_up(case(frame, tmp_path, "kaplan_meier")).checks
    after_events = frame["time"] + 0.5 * (frame["event"] == 0)  # who has the event at a time is gone by then
    one = frame["arm"] == 1
    theirs = logrank_test(after_events[one], after_events[~one], frame["event"][one] == 0, frame["event"][~one] == 0)
    assert leaving.statistic == pytest.approx(theirs.test_statistic, rel=1e-9)
    assert (leaving.check, leaving.status) == ("differential_follow_up", "warn")
    assert "sooner in the treated group" in leaving.message
    assert length.statistic == pytest.approx(
        np.quantile(frame["time"][one], 0.5, method="inverted_cdf")
        - np.quantile(frame["time"][~one], 0.5, method="inverted_cdf")
    )


def test_alike_follow_up_passes_and_possible_follow_up_is_told(tmp_path):
    frame = expanded([(a, 12.0, 0, 30.0 + a, 50) for a in (0, 1)] + [(a, 6.0, 1, 20.0, 10) for a in (0, 1)],
                     ("arm", "time", "event", "follow"))  # fmt: skip
    length, leaving = follow_up(case(frame, tmp_path, "kaplan_meier", follow_up="follow")).checks
    assert leaving.status == "pass"
    assert "31 months and 30 months" in length.message
    assert length.statistic == 1.0


# --------------------------------------------------------------------------- E-values, size, precision


ROSSI = expanded([(1, 12.0, 1, 48), (1, 12.0, 0, 168), (0, 12.0, 1, 66), (0, 12.0, 0, 150)])


def test_e_values_of_a_risk_difference_are_those_of_its_ratio(tmp_path):
    made = case(ROSSI, tmp_path)
    found = e_value(made)
    row, check = found.sensitivity[0], found.checks[0]
    assert (row.kind, row.group, row.parameter) == ("e_value", "risk_ratio", 12.0)
    assert row.estimate == pytest.approx(2.093, abs=5e-4)
    ratio = next(e for e in made.results.estimates if e.term == "risk_ratio")
    assert row.conf_low == (1.0 if ratio.conf_high > 1 else pytest.approx(formula(ratio.conf_high)))
    assert check.status == "info"
    assert "2.09 times" in check.message


def test_trials_have_no_e_value(tmp_path):
    assert e_value(case(ROSSI, tmp_path, assignment="randomised")) == type(e_value(case(ROSSI, tmp_path)))()


@pytest.mark.parametrize(("scale", "events", "expected"), [
    ("log_hazard", 30, 1.925), ("log_hazard", 1, formula(0.6843)), ("log_rate", 30, formula(0.6843)),
    ("log_odds", 30, formula(0.6843**0.5)),
])  # fmt: skip
def test_ratios_on_the_log_scale(tmp_path, scale, events, expected):
    log = float(np.log(0.6843))
    row = Estimate("arm", "x", log, 0.19, log - 0.37, log + 0.37, 0.05, scale=scale,
                   counts=(events, 100 - events, events, 100 - events))  # fmt: skip
    made = case(ROSSI, tmp_path)
    found = e_value(replace(made, results=replace(made.results, estimates=(row,)))).sensitivity[0]
    assert found.estimate == pytest.approx(expected, abs=5e-4)
    assert found.conf_low > 1


def test_size_in_standard_deviations(tmp_path):
    check = effect_size(case(ROSSI, tmp_path)).checks[0]
    assert check.statistic == pytest.approx(-0.2612, abs=5e-5)
    assert "in the good direction" in check.message
    assert check.message.endswith("would move, is 10.")


def test_clusters_that_an_analysis_leaves_out_are_allowed_for_afterwards(tmp_path):
    frame = ROSSI.assign(court=np.random.default_rng(1).integers(0, 18, len(ROSSI)))
    made = case(frame, tmp_path, cluster="court")
    rules = tuple(
        replace(i, n_clusters=None) for i in made.results.inference
    )  # as of an analysis that knows no clusters
    size, corrected = effect_size(replace(made, results=replace(made.results, inference=rules))).checks
    assert corrected.check == "cluster_correction"
    assert abs(corrected.statistic) < abs(size.statistic) / np.sqrt(432 / 216**2)
    assert [c.check for c in effect_size(made).checks] == ["effect_size"]


def test_beside_a_null_stands_what_would_have_been_found(tmp_path):
    even = expanded([(1, 12.0, 1, 50), (1, 12.0, 0, 150), (0, 12.0, 1, 54), (0, 12.0, 0, 146)])
    made = case(even, tmp_path)
    check = minimum_detectable(made).checks[0]
    assert check.statistic == pytest.approx(2.8015852 * made.main[0].std_error, rel=1e-7)
    assert (check.check, check.status, check.term, check.time) == ("minimum_detectable", "info", "risk_difference", 12)
    assert f"{100 * check.statistic:.1f} percentage points" in check.message
    assert not minimum_detectable(case(expanded([(1, 12.0, 1, 5), (1, 12.0, 0, 95), (0, 12.0, 1, 50), (0, 12.0, 0, 50)]),
                                       tmp_path)).checks  # fmt: skip


@pytest.mark.parametrize(("row", "df", "words", "size"), [
    (Estimate("arm", "x", 0.1, 0.2, -0.3, 0.5, 0.6, scale="log_hazard"), None, "0.57 or less", 2.8015852 * 0.2),
    (Estimate("rate_ratio", "x", 1.0, 0.2, np.exp(-0.4), np.exp(0.4), 0.6, scale="risk"), None, "ratio of", 2.8015852 * 0.4 / 1.959964),
    (Estimate("rmst_difference", "x", 0.1, 0.5, -0.9, 1.1, 0.6, scale="time"), None, "1.4 months", 2.8015852 * 0.5),
    (Estimate("risk_difference", "x", 0.1, 0.2, -0.4, 0.6, 0.6, scale="risk", conf_level=0.9), 9.0, "percentage",
     (1.8331129 + 0.8834040) * 0.2),
])  # fmt: skip
def test_precision_on_every_scale_and_level(tmp_path, row, df, words, size):
    made = case(ROSSI, tmp_path)
    rule = Inference(row.term, "x", df=df)
    made = replace(made, results=replace(made.results, estimates=(row,), inference=(rule,)))
    check = minimum_detectable(made).checks[0]
    assert check.statistic == pytest.approx(size, rel=1e-5)
    assert words in check.message


# --------------------------------------------------------------------------- missing data


def gapped(n=600, share=0.3, seed=3):
    """Arms formed by x, which raises the risk; of those with the outcome in the treated arm, x is often missing."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=n)
    arm = (generator.random(n) < 1 / (1 + np.exp(-0.8 * x))).astype(int)
    event = (generator.random(n) < 1 / (1 + np.exp(-(x - 0.5 * arm)))).astype(int)
    male = (generator.random(n) < 0.5).astype(float)
    x[(generator.random(n) < 2 * share) & (arm == 1) & (event == 1)] = np.nan
    male[generator.random(n) < 0.02] = np.nan
    return pd.DataFrame({"arm": arm, "time": 12.0, "event": event, "x": x, "male": male})


REGRESSION = {"adjust": "regression"}


def test_what_is_missing_is_told_by_arm_and_pattern(tmp_path):
    frame = gapped()
    overall, x, male, patterns = missing_data(
        case(frame, tmp_path, options=REGRESSION, covariates=["x", "male"])
    ).checks
    lacks = frame[["x", "male"]].isna().any(axis=1)
    assert (overall.check, overall.status) == ("missing_data", "warn")
    assert overall.statistic == pytest.approx(lacks.mean())
    assert f"{lacks[frame['arm'] == 1].mean():.1%} of the treated" in overall.message
    assert "complete cases" in overall.message
    assert (x.group, male.group) == ("x", "male")
    assert x.counts == (int(frame.loc[frame["arm"] == 1, "x"].isna().sum()), 0)
    assert f"x: {(frame['x'].isna() & frame['male'].notna()).mean():.1%}" in patterns.message
    assert not missing_data(case(frame, tmp_path)).checks  # nothing is adjusted for
    whole = missing_data(case(frame.dropna(), tmp_path, options=REGRESSION, covariates=["x"])).checks
    assert [c.status for c in whole] == ["pass"]


def test_imputed_copies_are_pooled_and_undo_the_loss(tmp_path):
    frame = gapped(n=4000)
    roles = {"options": REGRESSION, "covariates": ["x", "male"]}
    made = case(frame, tmp_path, **roles)
    found = imputation(made)
    row, check = found.sensitivity[0], found.checks[0]
    generator = np.random.default_rng(3)  # what x was before values went missing
    whole = gapped(n=4000, share=0.0).assign(x=generator.normal(size=4000), male=frame["male"].fillna(0))
    truth = case(whole, tmp_path, **roles).main[0]
    complete = made.main[0]
    assert abs(row.estimate - truth.estimate) < 0.3 * abs(complete.estimate - truth.estimate)
    assert (row.kind, row.group, row.parameter) == ("imputation", "risk_difference", 12.0)
    assert row.std_error > truth.std_error
    assert row.conf_low < row.estimate < row.conf_high
    assert check.check == "imputation"
    assert check.df > 50


def test_imputation_is_the_same_whatever_the_order_of_rows(tmp_path):
    frame = gapped(n=300)
    rows = [
        imputation(case(f, tmp_path, "cox", covariates=["x", "male"])).sensitivity
        for f in (frame, frame.sample(frac=1, random_state=1))
    ]
    assert rows[0] == rows[1]
    assert rows[0][0].group == "arm"


def test_when_values_are_imputed(tmp_path):
    few = gapped(n=300, share=0.01)
    roles = {"options": REGRESSION, "covariates": ["x", "male"]}
    assert not imputation(case(few, tmp_path, **roles)).sensitivity
    assert imputation(case(few, tmp_path, diagnostics={"imputation": True}, **roles)).sensitivity
    assert not imputation(case(gapped(n=300), tmp_path, diagnostics={"imputation": False}, **roles)).sensitivity
    assert not imputation(case(gapped(n=300), tmp_path)).sensitivity


def test_imputation_knows_clusters_and_follow_up(tmp_path):
    frame = gapped(n=300).assign(court=[f"c{i % 12}" for i in range(300)], follow=24.0)
    made = case(frame, tmp_path, options=REGRESSION, covariates=["x", "male"], cluster="court", follow_up="follow")
    row = imputation(made).sensitivity[0]
    assert made.inference(made.main[0]).df == 11
    assert row.p_value is not None


# --------------------------------------------------------------------------- negative controls


def placebo(folder, moved):
    generator = np.random.default_rng(4)
    arm = generator.integers(0, 2, 800)
    frame = pd.DataFrame({
        "arm": arm, "rearrest_time": 12.0, "rearrest_event": generator.integers(0, 2, 800),
        "theft_time": 12.0, "theft_event": (generator.random(800) < 0.3 + moved * arm).astype(int),
    })  # fmt: skip
    frame["rearrest_follow_up"] = frame["theft_follow_up"] = 24.0
    index = {"table": "program_episodes", "date": "entry_date"}
    known = study(
        data={"tables": {"program_episodes": "p.parquet", "justice_events": "j.parquet"}, "as_of": "2024-12-31"},
        design={"type": "cohort", "index": index, "comparison": index, "windows": [12]},
        outcomes=[{"id": o, "kind": "recidivism", "marker": "arrest"} for o in ("rearrest", "theft")],
        diagnostics={"placebo_outcomes": ["theft"]},
    )
    source = cohort(frame.assign(time=0.0, event=0), folder).source
    people = Cohort.for_analysis(known, known.primary, source)
    chosen, outcome = get("risk_difference")(), known.outcome("rearrest")
    return CohortCase(chosen, people, outcome, chosen.fit(people, outcome), known, known.primary), frame


@pytest.mark.parametrize(("moved", "status"), [(0.0, "pass"), (0.2, "fail")])
def test_the_analysis_is_made_of_what_the_program_cannot_change(tmp_path, moved, status):
    made, frame = placebo(tmp_path, moved)
    found = negative_control(made)
    row, check = found.sensitivity[0], found.checks[0]
    assert (row.kind, row.group, row.parameter) == ("placebo_outcome", "theft", 12.0)
    means = frame.groupby("arm")["theft_event"].mean()
    assert row.estimate == pytest.approx(means[1] - means[0])
    assert (check.check, check.status, check.group) == ("placebo_outcome", status, "theft")


READY = """
study: trial
title: A trial
question: Does it work?
intervention: {kind: drug_court, name: Program, description: What is done.}
data: {path: people.parquet}
design: {type: cohort, arm: arm, assignment: randomised, time: time, time_unit: month, event: event, windows: [12]}
outcomes: [{id: rearrest, label: Rearrest}]
analyses: [{id: main, role: primary, outcome: rearrest, estimator: risk_difference}]
disclosure: {profile: none}
"""


def test_ready_made_data_hold_no_other_outcome(tmp_path):
    path = tmp_path / "trial.yaml"
    path.write_text(READY + "diagnostics: {placebo_outcomes: [rearrest]}\n")
    with pytest.raises(StudyError, match="is for panel designs"):
        load(path)
    path.write_text(READY + "diagnostics: {imputation: true}\n")
    assert load(path).study.diagnostics.imputation is True


# --------------------------------------------------------------------------- disclosure


def test_further_answers_go_with_the_window_they_are_of():
    row = {"study": "s", "analysis": "main", "kind": "e_value", "label": "x", "group": "risk_ratio", "parameter": 12.0,
           "estimate": 2.0, "std_error": None, "conf_low": 1.5, "conf_high": None, "p_value": None, "method": "",
           "status": "ok", COUNTS: (50, 60, 70, 80)}  # fmt: skip
    gone = [{"analysis": "main", "outcome": "rearrest", "term": "risk_ratio", "group": "", "time": 12.0}]
    profile = PROFILES["cms11"]
    assert alternatives([row], "sensitivity", profile, [])[0]["estimate"] == 2.0
    assert alternatives([row], "sensitivity", profile, gone)[0]["estimate"] is None
    assert alternatives([{**row, "parameter": 24.0}], "sensitivity", profile, gone)[0]["estimate"] == 2.0
