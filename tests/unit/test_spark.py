"""Spark as the engine: how it is reached, what it refuses, and that a run on it gives the same results."""

import builtins
import sys
from dataclasses import replace

import numpy as np
import pytest

from evaluation.data import spark as module
from evaluation.data.engine import open_source
from evaluation.data.moments import panel_moments, panel_moments_of
from evaluation.data.panel import Panel
from evaluation.data.spark import common_folder, session
from evaluation.errors import DataError, EvaluationError, NotEstimable
from evaluation.study.models import Engine, Outcome
from tests.engines import LOCAL, on_spark
from tests.panels import OUTCOME, design, simulated, source


def same(one, other):
    for name in ("times", "cluster", "cohort", "units", "counts", "weights", "sums"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
    assert one.flow == other.flow


def test_without_pyspark_there_is_one_clear_error(monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == "pyspark"]:
        monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def none(name, *rest, **more):
        if name.startswith("pyspark"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", none)
    with pytest.raises(EvaluationError, match=r"needs the package pyspark.*evaluation\[spark\]"):
        session(Engine())


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        (["/data/a.parquet"], "/data"),
        (["/data/year=2020/a.parquet", "/data/year=2021/a.parquet"], "/data"),
        (["/data/year=2020/x=1/a.parquet"], "/data"),
        (["/data/one/a.parquet", "/data/two/b.parquet"], "/data"),
        (["s3://bucket/data/year=2020/a.parquet"], "s3://bucket/data"),
    ],
)
def test_the_folder_above_partitions(files, folder):
    assert common_folder(files) == folder


@on_spark
def test_odd_names_text_and_folders_that_hold_columns(tmp_path):
    frame = simulated(units=30, clusters=3, weights="constant", holes=0.1)
    frame["a unit.`s name"] = "u" + frame["unit"].astype(str)
    frame["cohort"] = frame["cohort"].replace(0, np.nan).where(frame["unit"] % 8 > 0, np.inf)
    frame["yes"] = frame["y"] > 0
    frame["town"] = "t" + frame["cluster"].astype(str)
    frame.drop(columns=["unit", "cluster"]).to_parquet(tmp_path / "data", partition_cols=["town"])
    roles = design(unit="a unit.`s name", cluster="town", weights="weight")
    panel = Panel.of(roles, open_source("data", tmp_path))
    outcomes = [OUTCOME, Outcome(id="yes", label="Yes", column="yes")]
    here, there = panel_moments_of(panel, outcomes), panel_moments_of(replace(panel, spark=LOCAL), outcomes)
    for outcome in outcomes:
        same(there[outcome.id], here[outcome.id])
    parts = panel_moments_of(replace(panel, spark=LOCAL), outcomes, by="town")
    for key, moments in panel_moments_of(panel, outcomes, by="town").items():
        same(parts[key], moments)


@on_spark
def test_single_units_leave_spark_up_to_a_limit(tmp_path, monkeypatch):
    panel = Panel.of(design(cluster="cluster", weights="weight"), source(simulated(weights="varying"), tmp_path))
    same(panel_moments(replace(panel, spark=LOCAL), OUTCOME), panel_moments(panel, OUTCOME))
    monkeypatch.setattr(module.SparkFrames, "most_single_rows", 100)
    with pytest.raises(NotEstimable, match="420 rows are more than the 100"):
        panel_moments(replace(panel, spark=LOCAL), OUTCOME)


@on_spark
def test_files_that_spark_cannot_reach(tmp_path):
    panel = Panel.of(design(cluster="cluster"), source(simulated(units=8), tmp_path))
    (tmp_path / "panel.parquet").unlink()
    with pytest.raises(DataError, match="Spark cannot read it"):
        panel_moments(replace(panel, spark=LOCAL), OUTCOME)
