"""Power before outcomes are opened: what is read, what is recovered, and what the command says."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from evaluation.cli import call
from evaluation.data.panel import Panel
from evaluation.data.planned import Planned, Variation, before_adoption
from evaluation.errors import NotEstimable
from evaluation.estimators.registry import get
from evaluation.run.design import _figures
from tests.panels import OUTCOME, design, moments, source


def long(outcomes, cohort, cluster):
    units, periods = outcomes.shape
    return pd.DataFrame({
        "unit": np.repeat(np.arange(units), periods), "time": np.tile(np.arange(1, periods + 1), units),
        "cohort": np.repeat(cohort, periods), "cluster": np.repeat(cluster, periods), "y": outcomes.ravel()})  # fmt: skip


def drawn(seed=1, units=2000, periods=16, size=10):
    generator = np.random.default_rng(seed)
    cluster = np.arange(units) // size
    level = 5 * generator.normal(size=(units, 1)) + np.arange(periods)
    outcomes = level + Variation(2.0, 1.0, 0.6).draw(cluster, periods, generator)
    return outcomes, np.where(cluster % 2 == 0, 13, 0), cluster


def test_variance_parts_and_carry_over_are_recovered_from_the_periods_before(tmp_path):
    outcomes, cohort, cluster = drawn()
    panel = Panel.of(design(cluster="cluster"), source(long(outcomes, cohort, cluster), tmp_path))
    planned, found, periods = before_adoption(panel, OUTCOME)
    assert periods == list(range(1, 13))
    assert (found.of_unit, found.of_cluster, found.carry) == pytest.approx((2.0, 1.0, 0.6), abs=0.08)
    assert len(planned.cohort) == 2000
    assert planned.cluster.max() == 199


def test_outcomes_after_the_first_adoption_change_nothing(tmp_path):
    outcomes, cohort, cluster = drawn(units=200)
    before = before_adoption(Panel.of(design(), source(long(outcomes, cohort, cluster), tmp_path)), OUTCOME)[1]
    outcomes[:, 12:] += 1000 * np.random.default_rng(2).normal(size=(200, 4))
    after = before_adoption(Panel.of(design(), source(long(outcomes, cohort, cluster), tmp_path)), OUTCOME)[1]
    assert (before.of_unit, before.carry) == (after.of_unit, after.carry)


def test_too_few_periods_before_adoption_are_refused(tmp_path):
    outcomes, cohort, cluster = drawn(units=40)
    frame = long(outcomes, np.where(cohort, 3, 0), cluster)
    with pytest.raises(NotEstimable, match="Only 2 periods"):
        before_adoption(Panel.of(design(), source(frame, tmp_path)), OUTCOME)


def test_power_is_what_the_normal_formula_says_where_that_holds():
    # Many clusters, independent errors: detectable effect = (1.96 + 0.84) standard errors (Bloom, 1995), size 5 %.
    planned = Planned.of(np.arange(1, 7), np.repeat([0, 4], 150), np.arange(300))
    variation, generator = Variation(1.0, 0.0, 0.0), np.random.default_rng(3)
    rows = []
    for _ in range(1500):
        found = get("twfe")().overall(planned.moments(variation.draw(planned.cluster, 6, generator)), OUTCOME)
        rows.append((found.estimate, found.std_error, found.conf_high - found.estimate))
    figures = _figures(np.array(rows), planned, 0.8)
    exact = np.sqrt(1.0 * (1 / 3 + 1 / 3) * (1 / 150 + 1 / 150))  # variance of the difference of two changes of means
    assert figures["std_error"] == pytest.approx(exact, rel=0.02)
    assert figures["detectable"] == pytest.approx((norm.ppf(0.975) + norm.ppf(0.8)) * exact, rel=0.04)
    assert figures["size"] == pytest.approx(0.05, abs=0.02)
    assert dict(figures["curve"])[figures["detectable"]] == pytest.approx(0.8, abs=0.01)


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call(["init", "plan", "--design", "panel"])
    return tmp_path / "studies" / "plan.yaml"


STUDY = """
study: plan
title: A planned study
question: Does it work?
intervention: {kind: drug_court, name: Program, description: What is planned.}
data: {path: none_yet.parquet}
design: {type: panel, unit: county, time: quarter, cohort: joined}
outcomes: [{id: deaths, column: deaths, label: Deaths, type: rate}]
analyses: [{id: main, role: primary, outcome: deaths, estimator: callaway_santanna}]
disclosure: {profile: none}
"""


def test_a_plan_without_data_rests_on_the_declared_variation(study, capsys):
    study.write_text(STUDY + "simulation: {effect: -0.5, size: 60, periods: 12, baseline: 8}\n")
    assert call(["design", "plan", "--draws", "100", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["analyses"][0]
    assert found["n_units"] == 60
    assert found["n_treated"] == 30
    assert 0 < found["std_error"] < found["detectable"]
    assert "simulation section" in found["rests_on"]
    assert call(["design", "plan", "--draws", "100", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["analyses"][0] == found


def test_a_plan_with_nothing_to_rest_on_says_what_to_add(study, capsys):
    study.write_text(STUDY)
    assert call(["design", "plan"]) == 1
    assert "simulation" in capsys.readouterr().err


def test_wrong_usage(study):
    assert call(["design", "plan", "--power", "1.2"]) == 2
    assert call(["design", "plan", "--draws", "5"]) == 2


def test_treated_outcomes_are_never_read_not_even_of_units_treated_all_along(tmp_path):
    outcomes, cohort, cluster = drawn(units=200)
    cohort = np.where(np.arange(200) < 4, 1, cohort)
    before = before_adoption(Panel.of(design(), source(long(outcomes, cohort, cluster), tmp_path)), OUTCOME)[1]
    outcomes[:4] *= 100
    after = before_adoption(Panel.of(design(), source(long(outcomes, cohort, cluster), tmp_path)), OUTCOME)[1]
    assert (before.of_unit, before.carry) == (after.of_unit, after.carry)


def test_periods_of_anticipation_are_not_read(tmp_path):
    outcomes, cohort, cluster = drawn(units=40)
    panel = Panel.of(design(), source(long(outcomes, cohort, cluster), tmp_path))
    assert before_adoption(panel, OUTCOME, 3)[2] == list(range(1, 10))


@pytest.mark.parametrize("estimator", ["synthetic_control", "synthetic_did", "interrupted_time_series", "poisson_did"])
def test_methods_that_read_more_than_the_outcome_are_said_not_to_be_covered(study, capsys, estimator):
    text = STUDY.replace("callaway_santanna}", f"{estimator}}}") + "simulation: {effect: -0.5, size: 40, periods: 12}\n"
    study.write_text(text)
    assert call(["design", "plan", "--draws", "100"]) == 1
    assert f"Power of {estimator} is not reckoned" in capsys.readouterr().err


def uneven(seed=5):
    """A panel with holes, weights that differ, and units treated all along."""
    outcomes, cohort, cluster = drawn(seed, units=120, size=4)
    frame = long(outcomes, np.where(np.arange(120) < 4, 1, cohort), cluster)
    generator = np.random.default_rng(seed)
    frame["w"] = generator.uniform(0.5, 5.0, 120)[frame["unit"]]
    frame.loc[generator.uniform(size=len(frame)) < 0.1, "y"] = np.nan
    return frame[generator.uniform(size=len(frame)) > 0.02], outcomes


@pytest.mark.parametrize("estimator", ["twfe", "callaway_santanna"])
def test_the_plan_has_the_weights_and_the_gaps_of_the_data(tmp_path, estimator):
    # The outcomes of the data, put into the plan, give the estimate and the standard error of the data themselves.
    frame, outcomes = uneven()
    roles = {"cluster": "cluster", "weights": "w"}
    planned = before_adoption(Panel.of(design(**roles), source(frame, tmp_path)), OUTCOME)[0]
    assert (planned.weights == 0).mean() > 0.1
    made = get(estimator)().overall(planned.moments(outcomes), OUTCOME)
    real = get(estimator)().overall(moments(frame, **roles), OUTCOME)
    assert (made.estimate, made.std_error) == pytest.approx((real.estimate, real.std_error), rel=1e-9)


def test_unequal_weights_make_a_plan_less_precise():
    # Standard error of the difference of two weighted changes: the sum of squared weights takes the place of 1/n.
    weight = np.tile([1.0, 9.0], 150)
    planned = Planned.of(np.arange(1, 7), np.repeat([0, 4], 150), np.arange(300), np.outer(weight, np.ones(6)))
    variation, generator = Variation(1.0, 0.0, 0.0), np.random.default_rng(3)
    rows = [get("twfe")().overall(planned.moments(variation.draw(planned.cluster, 6, generator)), OUTCOME).std_error
            for _ in range(200)]  # fmt: skip
    share = weight[:150] / weight[:150].sum()
    assert np.mean(rows) == pytest.approx(np.sqrt((1 / 3 + 1 / 3) * 2 * (share**2).sum()), rel=0.03)


def test_periods_that_nobody_has_seen_yet_are_planned_to_be_observed(tmp_path):
    outcomes, cohort, cluster = drawn(units=40)
    frame = long(outcomes, cohort, cluster)
    frame.loc[frame["time"] > 12, "y"] = np.nan
    planned = before_adoption(Panel.of(design(), source(frame, tmp_path)), OUTCOME)[0]
    assert planned.weights.tolist() == np.ones((40, 16)).tolist()


def test_units_without_an_outcome_throughout_say_why_there_is_no_power(tmp_path):
    outcomes, cohort, cluster = drawn(units=40)
    frame = long(outcomes, cohort, cluster)
    frame.loc[(frame["time"] - frame["unit"]) % 5 == 0, "y"] = np.nan
    with pytest.raises(NotEstimable, match="No unit has an outcome in every period"):
        before_adoption(Panel.of(design(), source(frame, tmp_path)), OUTCOME)


TABLES = """
study: plan
title: A planned study
question: Does it work?
intervention: {kind: drug_court, name: Program, description: What is planned.}
data: {tables: {counts: counts.parquet, program: program.parquet}}
design:
  type: panel
  unit: county
  time: quarter
  cohort: joined
  time_unit: quarter
  build: {first: 2020-01-01, last: 2021-12-31, adoption: {table: program, start: began}}
outcomes: [{id: calls, column: calls, label: Calls, type: count, build: {table: counts, date: month, sum: calls}}]
analyses:
  - {id: main, role: primary, outcome: calls, estimator: did_2x2}
  - {id: wary, role: sensitivity, outcome: calls, estimator: callaway_santanna, options: {anticipation: 1}}
disclosure: {profile: none}
"""


def test_a_plan_of_tables_is_built_from_them_and_reads_what_no_analysis_doubts(study, capsys):
    months = pd.date_range("2020-01-01", "2021-12-01", freq="MS")
    generator = np.random.default_rng(1)
    rows = [(county, month, generator.poisson(40)) for county in range(1, 31) for month in months]
    pd.DataFrame(rows, columns=["county", "month", "calls"]).to_parquet(study.parent / "counts.parquet")
    pd.DataFrame({"county": range(1, 13), "began": pd.Timestamp("2021-04-01")}).to_parquet(
        study.parent / "program.parquet"
    )
    study.write_text(TABLES)
    assert call(["design", "plan", "--draws", "100", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["analyses"]
    assert [(f["analysis"], f["n_units"], f["n_treated"]) for f in found] == [("main", 30, 12)]
    assert found[0]["rests_on"].startswith("outcomes of periods 1 to 4,")  # the fifth may be touched: `wary` says so


def test_an_option_that_there_is_not_is_said_at_its_line(study, capsys):
    study.write_text(
        STUDY.replace("callaway_santanna}", "did_2x2, options: {anticipation: 1}}") + "simulation: {effect: 1}\n"
    )
    assert call(["design", "plan"]) == 1
    assert "anticipation" in capsys.readouterr().err


def test_data_without_a_column_of_the_design_are_said(study, capsys):
    pd.DataFrame({"county": [1], "quarter": [1], "deaths": [1.0]}).to_parquet(study.parent / "none_yet.parquet")
    study.write_text(STUDY)
    assert call(["design", "plan"]) == 1
    assert "joined" in capsys.readouterr().err
