"""The command line: exit codes, readable errors, the same content as JSON, never a traceback."""

import json
from pathlib import Path

import pytest

from evaluation.cli import call


@pytest.mark.parametrize(
    "words",
    [
        ["chek", "aid"],
        ["run"],
        ["run", "aid", "--jobs", "many"],
        ["run", "aid", "--jobs", "0"],
        ["run", "aid", "--engine", "abacus"],
        ["init", "x", "--design", "cohrt"],
        ["report", "aid", "--to", "odt"],
        ["methods", "coxx"],
    ],
)
def test_wrong_usage_is_exit_2_with_a_reason(workspace, words, capsys):
    assert call(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "Traceback" not in error


@pytest.mark.parametrize("words", [["check", "nowhere"], ["run", "nowhere"], ["report", "nowhere"]])
def test_a_study_that_is_not_there_is_exit_1(workspace, words, capsys):
    assert call(words) == 1
    assert "nowhere" in capsys.readouterr().err


def test_check_says_ready_and_the_same_in_json(workspace, capsys):
    assert call(["check", "aid", "law"]) == 0
    assert "aid: ready to run" in capsys.readouterr().out
    assert call(["check", "aid", "law", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [(c["study"], c["ok"]) for c in content] == [("aid", True), ("law", True)]


def test_check_reports_every_problem_with_its_place(workspace, capsys):
    study = Path("studies/aid.yaml")
    study.write_text(study.read_text().replace("title:", "titel:").replace("event: arrested", "event: arested"))
    assert call(["check", "aid", "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)[0]["problems"]
    assert any(p["where"].endswith("aid.yaml:2:1") and "title" in p["what"] + p["fix"] for p in problems)


def test_all_studies_are_planned_before_any_is_run(workspace, capsys):
    Path("studies/law.yaml").write_text("study: law\n")
    assert call(["run", "aid", "law", "--no-report"]) == 1
    assert not Path("outputs").exists()


def test_init_then_check_names_the_missing_data(workspace, capsys):
    assert call(["init", "fresh", "--design", "cohort"]) == 0
    assert call(["init", "fresh", "--design", "cohort"]) == 1
    assert "exists already" in capsys.readouterr().err
    assert call(["check", "fresh"]) == 1
    assert "no Parquet file found" in capsys.readouterr().err


def test_methods_lists_and_explains(capsys):
    assert call(["methods"]) == 0
    assert "callaway_santanna" in capsys.readouterr().out
    assert call(["methods", "cox", "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert {o["name"]: o["default"] for o in about["options"]}["ties"] == '"efron"'


def test_reports_are_rendered_from_the_results_alone(workspace, capsys):
    assert call(["run", "aid", "--no-report"]) == 0
    Path("data/aid.parquet").unlink()
    Path("studies/aid.yaml").unlink()
    assert call(["report", "aid", "--product", "brief", "--to", "html"]) == 0
    assert Path("outputs/aid/report/brief.html").stat().st_size > 1000
