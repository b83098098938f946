"""`evaluation run --engine spark`: the same results, and what it does not take."""

import filecmp
from pathlib import Path

from evaluation.cli import call
from tests.engines import on_spark

SETTINGS = """
engine:
  master: local[2]
  config: {spark.sql.shuffle.partitions: "2", spark.ui.enabled: "false"}
"""


def run(*arguments):
    return call(["run", *arguments, "--no-report"])


@on_spark
def test_spark_gives_the_same_results(workspace):
    study = Path("studies/law.yaml")
    study.write_text(study.read_text() + SETTINGS)
    assert run("law", "--out", "here") == 0
    assert run("law", "--out", "there", "--engine", "spark", "--jobs", "2") == 0
    here, there = Path("here/law/results"), Path("there/law/results")
    names = sorted(p.name for p in here.iterdir() if p.name != "provenance.json")
    assert filecmp.cmpfiles(here, there, names, shallow=False)[0] == names
    assert '"engine": "spark"' in (there / "provenance.json").read_text()


def test_people_followed_over_time_are_not_for_spark(workspace, capsys):
    assert run("aid", "--engine", "spark") == 1
    error = capsys.readouterr().err
    assert "Spark aggregates panels or builds cohorts only" in error
    assert "Traceback" not in error


def test_the_engine_block_is_checked(workspace, capsys):
    study = Path("studies/law.yaml")
    study.write_text(study.read_text() + "engine: {mastre: local}\n")
    assert run("law") == 1
    assert "engine.mastre" in capsys.readouterr().err
