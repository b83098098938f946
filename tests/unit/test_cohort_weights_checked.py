"""Weights, and who completed the program, in ready-made cohort data."""

import numpy as np
import pandas as pd
import pytest

from evaluation.data.cohort import problems
from evaluation.data.engine import open_source
from evaluation.study.models import CohortDesign


def told(folder, **columns):
    n = np.arange(40)
    frame = pd.DataFrame({"arm": n % 2, "time": 1.0 + n, "event": n % 3 % 2, "weight": 1.0, "done": n % 2} | columns)
    frame.to_parquet(folder / "people.parquet")
    design = CohortDesign(
        type="cohort", arm="arm", assignment="observational", time="time", time_unit="week", event="event",
        weights="weight", completed="done",
    )  # fmt: skip
    return [(p.key, p.severity, p.what) for p in problems(design, open_source("people.parquet", folder))]


def changed(value, places=(3,)):
    values = [1.0] * 40
    for place in places:
        values[place] = value
    return values


def test_right_ones_are_not_told_of(tmp_path):
    assert told(tmp_path) == []
    assert told(tmp_path, done=[True, False] * 20) == []


@pytest.mark.parametrize(
    ("columns", "key", "severity", "says"),
    [
        ({"weight": changed(0.0)}, "design.weights", "error", "1 person with a weight"),
        ({"weight": changed(-1.0, (3, 4))}, "design.weights", "error", "2 people with a weight"),
        ({"weight": changed(float("inf"))}, "design.weights", "error", "above zero and finite"),
        ({"weight": changed(None)}, "design.weights", "warning", "without a value"),
        ({"weight": ["1"] * 40}, "design.weights", "error", "not numbers"),
        ({"done": changed(2.0)}, "design.completed", "error", "must be 1"),
        ({"done": ["yes"] * 40}, "design.completed", "error", "must be 1"),
        ({"done": changed(None)}, "design.completed", "warning", "without a value"),
    ],
)
def test_wrong_ones_are(tmp_path, columns, key, severity, says):
    ((found, severe, what),) = told(tmp_path, **columns)
    assert (found, severe) == (key, severity)
    assert says in what
