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
from tests.panels import OUTCOME, design, source


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
