"""One mistake in a study file is told once, and simulated tables by the names the file gives them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.cli import call
from evaluation.data.simulate import simulate
from evaluation.errors import Problem
from evaluation.run.plan import check
from evaluation.study.document import in_file_order
from tests.unit.test_simulate_tables import study

SHARED = """\
study: aid
title: Aid
question: Did it help?
intervention: {kind: transition_aid, name: Aid, description: Money.}
data: {path: people.parquet}
design: {type: cohort, arm: arm, assignment: randomised, time: time, time_unit: week, event: event, covariates: [age],
         windows: [10]}
outcomes: [{id: rearrest, label: Rearrest}]
analyses:
  - {id: main, role: primary, outcome: rearrest, estimator: risk_difference, options: &same OPTIONS}
  - {id: again, role: secondary, outcome: rearrest, estimator: risk_difference, options: *same}
  - {id: curves, role: secondary, outcome: rearrest, estimator: kaplan_meier, options: *same}
disclosure: {profile: none}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"arm": np.arange(80) % 2, "event": rng.integers(0, 2, 80), "age": rng.normal(30, 4, 80)})
    frame.assign(time=np.where(frame["event"] == 1, 4.0, 12.0)).to_parquet("people.parquet")
    return tmp_path


def told(folder, options, capsys):
    """What `check` prints for people, and for machines."""
    (folder / "aid.yaml").write_text(SHARED.replace("OPTIONS", options))
    assert call(["check", "aid.yaml"]) == 1
    said = capsys.readouterr().err
    assert call(["check", "aid.yaml", "--json"]) == 1
    return said, json.loads(capsys.readouterr().out)[0]["problems"]


@pytest.mark.parametrize("options", [
    "{adjust: iptw, covariats: all}",
    "{adjust: iptw, covariates: [aage]}",
    "{adjust: iptv}",
    "{adjust: iptw, window: -3}",
])  # fmt: skip
def test_options_written_once_and_used_by_several_analyses(folder, options, capsys):
    said, problems = told(folder, options, capsys)
    assert len(problems) == 1
    assert said.count("aid.yaml:10:") == 1
    assert problems[0]["key"].startswith("analyses[0].options.")


def test_two_mistakes_stay_two(folder, capsys):
    said, problems = told(folder, "{adjust: iptw, covariats: all, windw: 3}", capsys)
    assert len({p["where"] for p in problems}) == len(problems) == 2
    assert said.count("unknown key") == 2


def test_keys_missing_at_one_place_are_each_told():
    problems = [Problem("a.yaml:3:1", f"outcomes[0].{key}", "this key is missing.") for key in ("id", "label")]
    assert in_file_order(problems) == problems


def test_a_mistake_that_is_an_error_anywhere_is_told_as_one():
    doubt = Problem("a.yaml:3:1", "analyses[0].options.window", "too long.", severity="warning")
    error = Problem("a.yaml:3:1", "analyses[1].options.window", "too long.")
    (found,) = in_file_order([doubt, error])
    assert (found.key, found.severity) == ("analyses[0].options.window", "error")
    elsewhere = [Problem("a.parquet", "x.code", "is empty."), Problem("a.parquet", "y.code", "is empty.")]
    assert in_file_order(elsewhere) == elsewhere  # no place in a file: columns of data


def test_simulated_tables_are_told_of_by_name(tmp_path):
    from ruamel.yaml import YAML

    made = study(size=400)
    simulate(made, -0.1, tmp_path)
    tables = {name: str(tmp_path / f"{name}.parquet") for name in made.data.tables}
    plain = made.model_dump(mode="json", exclude_unset=True, exclude={"design": {"covariates"}, "simulation": True})
    plain["data"] |= {"as_of": "2025-12-31", "tables": tables}
    plain["design"]["exclude"][0]["within"] = "5 years"
    path = Path(tmp_path) / f"{made.study}.yaml"
    YAML().dump(plain, path)
    found = [p for p in check(path) if "simulated" in p.what]
    assert [(p.severity, p.key) for p in found] == [("warning", "data.tables")]
    assert all(name in found[0].what for name in tables)
    assert ".parquet" not in found[0].what
    assert "effect of -0.1" in found[0].what
