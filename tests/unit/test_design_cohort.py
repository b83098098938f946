"""Power of planned cohorts: what is read, what it rests on, and whether studies find as much as it says."""

import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from evaluation.cli import call
from evaluation.data.planned_cohort import arm_r_squared, eligible, pooled_risks
from evaluation.inference import cohort_power as power
from evaluation.inference.survival import life_table, log_rank
from tests.cohorts import cohort

STUDY = """
study: plan
title: A planned study
question: Does it work?
intervention: {kind: drug_court, name: Program, description: What is planned.}
data: {path: people.parquet}
design: {type: cohort, arm: arm, assignment: %s, time: time, time_unit: month, event: event, follow_up: follow,
         covariates: [x], windows: [12, 24]%s}
outcomes: [{id: rearrest, label: Rearrest}]
analyses:
  - {id: main, role: primary, outcome: rearrest, estimator: risk_difference, options: {window: 24}}
  - {id: cox, role: secondary, outcome: rearrest, estimator: cox}
  - {id: idea, role: exploratory, outcome: rearrest, estimator: kaplan_meier}
disclosure: {profile: none}
"""


def people(n=600, seed=1):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=n)
    arm = (generator.random(n) < 1 / (1 + np.exp(-x))).astype(int)
    follow = np.where(np.arange(n) % 4 == 0, 12.0, 30.0)
    event_at = generator.exponential(40.0, n)
    return pd.DataFrame({"arm": arm, "x": x, "court": np.arange(n) // 20, "follow": follow,
                         "time": np.minimum(event_at, follow), "event": (event_at <= follow).astype(int)})  # fmt: skip


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").mkdir()

    def written(frame=None, assignment="observational", more="", **replaced):
        text = STUDY % (assignment, more)
        for old, new in replaced.items():
            text = text.replace(old, new)
        (tmp_path / "studies" / "plan.yaml").write_text(text)
        if frame is not None:
            frame.to_parquet(tmp_path / "studies" / "people.parquet")

    return written


def asked(capsys, *options, code=0):
    assert call(["design", "plan", "--json", *options]) == code
    return json.loads(capsys.readouterr().out)


# --------------------------------------------------------------------------- what is read


def test_a_plan_reads_who_can_be_followed_and_pooled_risks_alone(write, capsys):
    frame = people()
    write(frame)
    main, cox = asked(capsys)["analyses"]
    long = frame[frame["follow"] >= 24]
    assert (main["analysis"], main["window"], cox["analysis"], cox["window"]) == ("main", 24, "cox", 24)
    assert (main["n_people"], main["n_treated"]) == (len(long), int(long["arm"].sum()))
    assert main["baseline"] == pytest.approx(((long["event"] == 1) & (long["time"] <= 24)).mean())
    assert "both arms together" in main["rests_on"]
    assert main["events"] == pytest.approx(main["baseline"] * len(long))
    assert cox["detectable_ratio"] == pytest.approx(np.exp(cox["detectable"]))
    assert cox["detectable"] < 0 > main["detectable"]
    swapped = frame.assign(event=frame.groupby("follow")["event"].transform(lambda e: e.sample(frac=1, random_state=1)),
                           time=frame["follow"])  # fmt: skip
    swapped.loc[swapped["event"] == 1, "time"] = 1.0
    one = frame.assign(time=np.where(frame["event"] == 1, 1.0, frame["follow"]))
    plans = []
    for data in (one, swapped):  # the same events, given to other people
        write(data)
        plans.append(asked(capsys)["analyses"])
    assert plans[0] == plans[1]


def test_with_a_declared_baseline_no_outcome_is_read(write, capsys):
    frame = people()
    plans = []
    for event in (frame["event"], 0):
        write(frame.assign(event=event))
        plans.append(asked(capsys, "--baseline", "0.3")["analyses"])
    assert plans[0] == plans[1]
    assert plans[0][0]["baseline"] == pytest.approx(0.3)
    assert "declared" in plans[0][0]["rests_on"]


def test_covariates_that_tell_who_enters_cost_precision_where_they_are_adjusted_for(tmp_path, write, capsys):
    frame = people()
    share = sm.OLS(frame["arm"], sm.add_constant(frame[["x"]])).fit().rsquared
    assert arm_r_squared(cohort(frame, tmp_path), ["x"]) == pytest.approx(share, rel=1e-10)
    assert arm_r_squared(cohort(frame.assign(same=1.0), tmp_path), ["same"]) == pytest.approx(0.0, abs=1e-12)
    write(frame)
    main, cox = asked(capsys)["analyses"]
    write(frame, "randomised")
    plain, randomised = asked(capsys)["analyses"]
    assert main == plain  # plain proportions adjust for nothing
    assert cox["std_error"] / randomised["std_error"] == pytest.approx((1 - share) ** -0.5)
    assert asked(capsys, "--arm-r-squared", "0.5")["analyses"][1]["std_error"] == pytest.approx(
        randomised["std_error"] * 2**0.5
    )


def test_clusters_of_the_data(tmp_path, write, capsys):
    frame = people()
    found = eligible(cohort(frame, tmp_path, cluster="court", follow_up="follow"), 24.0)
    long = frame[frame["follow"] >= 24]
    assert found.treated.tolist() == long.groupby("court")["arm"].sum().tolist()
    assert (found.treated + found.control).tolist() == long.groupby("court").size().tolist()
    write(frame, more=", cluster: court")
    assumed, declared = (asked(capsys, *o)["analyses"][0] for o in ([], ["--icc", "0.2"]))
    assert (assumed["n_clusters"], declared["n_clusters"]) == (30, 30)
    assert assumed["design_effect"] == pytest.approx(power.clusters_as_they_are(found.treated, found.control, 0.05))
    assert declared["design_effect"] == pytest.approx(power.clusters_as_they_are(found.treated, found.control, 0.2))
    assert "0.05 within clusters (assumed)" in assumed["rests_on"]
    assert "assumed" not in declared["rests_on"]


def test_competing_events_are_read_of_both_arms_together(tmp_path):
    frame = people().assign(event=lambda d: np.where(np.arange(len(d)) % 10 == 0, 2, d["event"]))
    found = pooled_risks(cohort(frame, tmp_path, follow_up="follow", competing={"death": 2}), 12.0)
    by_then = frame["time"] <= 12
    known = (frame["event"] != 0) | (frame["time"] >= 12)
    assert found.risk == pytest.approx(((frame["event"] == 1) & by_then)[known].mean())
    assert found.competing == pytest.approx(((frame["event"] == 2) & by_then)[known].mean())


# --------------------------------------------------------------------------- declared


def test_a_plan_without_data(write, capsys):
    write()
    main, cox = asked(capsys, "--people", "400", "--treated-share", "0.25", "--baseline", "0.35", "--attrition", "0.1")[
        "analyses"
    ]
    assert (main["n_people"], main["n_treated"]) == (360, 90)
    arms = power.Arms(90, 270)
    assert power.risk_difference_power(arms, 0.35, main["detectable"], 0.95) == pytest.approx(0.8, abs=1e-9)
    assert [p["power"] for p in main["curve"] if p["effect"] == main["detectable"]] == pytest.approx([0.8], abs=1e-9)
    events = power.expected_events(arms, power.Hazards.of(0.35), cox["detectable"])
    assert power.hazard_ratio_power(arms, events, cox["detectable"], 0.95) == pytest.approx(0.8, abs=1e-9)


def test_declared_clusters_competing_events_and_covariates(write, capsys):
    write(main="main")
    plain = ["--people", "1000", "--baseline", "0.3"]
    main, cox = asked(capsys, *plain)["analyses"]
    clustered = asked(capsys, *plain, "--clusters", "20", "--icc", "0.1", "--cluster-variation", "0.5")["analyses"][0]
    assert clustered["design_effect"] == pytest.approx(1 + (1.25 * 50 - 1) * 0.1)
    assert clustered["std_error"] == pytest.approx(main["std_error"] * clustered["design_effect"] ** 0.5)
    dying = asked(capsys, *plain, "--competing", "0.3")["analyses"]
    assert dying[0]["detectable"] == main["detectable"]  # risks are what they are
    assert dying[1]["events"] == pytest.approx(cox["events"])
    write(**{"options: {window: 24}": "options: {window: 24, adjust: regression}"})
    sharper = asked(capsys, *plain, "--r-squared", "0.36")["analyses"]
    assert sharper[0]["std_error"] == pytest.approx(0.8 * main["std_error"])
    assert sharper[1] == cox


def test_earlier_windows_follow_at_a_constant_hazard(write, capsys):
    write(**{"options: {window: 24}": "options: {window: 24}", "role: exploratory": "role: secondary"})
    rows = {(r["analysis"], r["window"]): r for r in asked(capsys, "--people", "500", "--baseline", "0.36")["analyses"]}
    assert rows["idea", 12]["baseline"] == pytest.approx(1 - 0.64**0.5)
    assert rows["idea", 24]["baseline"] == pytest.approx(0.36)


def test_the_effect_that_is_planned_gets_its_power(write, capsys):
    write(**{"disclosure:": "simulation: {effect: -0.1, size: 500, baseline: 0.4}\ndisclosure:"})
    main, cox = asked(capsys)["analyses"]
    assert "simulation section" in main["rests_on"]
    arms = power.Arms(250, 250)
    assert main["planned_power"] == pytest.approx(power.risk_difference_power(arms, 0.4, -0.1, 0.95))
    assert cox["planned_power"] is None
    assert call(["design", "plan"]) == 0
    text = capsys.readouterr().out
    assert "The effect that the study plans, -0.1" in text
    assert "500 people with a known outcome, 250 of them treated" in text


@pytest.mark.parametrize("options", [["--people", "5"], ["--baseline", "1.5"], ["--icc", "1"], ["--clusters", "2"],
                                     ["--attrition", "-0.1"], ["--cluster-variation", "-1"]])  # fmt: skip
def test_impossible_figures_are_wrong_usage(write, capsys, options):
    write(people())
    assert call(["design", "plan", *options]) == 2
    assert options[0] in capsys.readouterr().err


def test_nothing_to_rest_on_is_said(write, capsys):
    write()
    assert call(["design", "plan"]) == 1
    assert call(["design", "plan", "--people", "300"]) == 1
    assert "--baseline" in capsys.readouterr().err
    assert call(["design", "plan", "--people", "12", "--baseline", "0.01"]) == 1
    assert "too few people or events" in capsys.readouterr().err


def test_methods_without_a_formula_are_said(write, capsys, monkeypatch):
    from evaluation.run import design_cohort

    monkeypatch.setattr(design_cohort, "HAZARDS", ())
    write()
    found = asked(capsys, "--people", "300", "--baseline", "0.4")
    assert [a["analysis"] for a in found["analyses"]] == ["main"]
    assert "Power of cox is not reckoned" in found["problems"][0]["what"]


def test_panels_take_no_figures_of_people(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    call(["init", "areas", "--design", "panel"])
    assert call(["design", "areas", "--people", "300"]) == 2
    assert "--people" in capsys.readouterr().err


# --------------------------------------------------------------------------- do studies find as much?


def test_hazard_ratios_are_found_as_often_as_it_says():
    # Log-rank tests of 500 + 250 people followed for 24 months, deaths competing; hazard ratio 0.7.
    arms, hazards, effect = power.Arms(500, 250), power.Hazards.of(0.4, 0.1), np.log(0.7)
    said = power.hazard_ratio_power(arms, power.expected_events(arms, hazards, effect), effect, 0.95)
    generator, found, draws, arm = np.random.default_rng(6), 0, 600, np.repeat([1, 0], [500, 250])
    for _ in range(draws):
        outcome = generator.exponential(24 / (hazards.outcome * np.where(arm == 1, 0.7, 1.0)))
        death = generator.exponential(24 / hazards.competing, 750)
        time = np.minimum(np.minimum(outcome, death), 24)
        event = (outcome == time).astype(np.int64)
        tables = [life_table(time[arm == a], event[arm == a], np.ones((arm == a).sum(), np.int64)) for a in (1, 0)]
        found += log_rank(tables).p_value < 0.05
    assert said == pytest.approx(found / draws, abs=0.05)
    assert 0.5 < said < 0.95


def test_risk_differences_of_clusters_are_found_as_often_as_it_says():
    # 15 + 15 clusters of 10 or 30 people each, beta-binomial risks with correlation 0.05; CR1 and t with G - 1.
    sizes, draws = np.tile([10, 30], 15), 4000
    treated = np.repeat([1, 0], 15)
    in_arm = [np.where(treated == a, sizes, 0) for a in (1, 0)]
    effect = power.clusters_as_they_are(*in_arm, 0.05)
    arms = power.Arms(in_arm[0].sum(), in_arm[1].sum(), effect, df=29.0)
    said = power.risk_difference_power(arms, 0.45, -0.15, 0.95)
    generator = np.random.default_rng(7)
    risk = np.where(treated == 1, 0.30, 0.45)
    cluster_risk = generator.beta(risk * 19, (1 - risk) * 19, (draws, 30))
    events = generator.binomial(sizes, cluster_risk)
    means = [events[:, treated == a].sum(axis=1) / n.sum() for a, n in zip((1, 0), in_arm, strict=True)]
    scores = np.where(treated == 1, (events - means[0][:, None] * sizes) / in_arm[0].sum(),
                      (events - means[1][:, None] * sizes) / in_arm[1].sum())  # fmt: skip
    n = sizes.sum()
    error = np.sqrt((scores**2).sum(axis=1) * 30 / 29 * (n - 1) / (n - 2))
    share = (np.abs(means[0] - means[1]) / error > 2.045230).mean()
    assert said == pytest.approx(share, abs=0.03)
    assert 0.5 < said < 0.95
