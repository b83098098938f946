"""The command line: exit codes, readable errors, the same content as JSON, never a traceback."""

import json
import shutil
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
        ["run", "aid", "aid"],
        ["init", "x", "--design", "cohrt"],
        ["simulate", "aid", "--effect", "nan", "--out", "made.parquet"],
        ["simulate", "aid", "--effect", "inf", "--out", "made.parquet"],
        ["simulate", "aid", "--effect", "0", "--out", "made.parquet", "--seed", "-1"],
        ["report", "aid", "--to", "odt"],
        ["methods", "coxx"],
    ],
)
def test_wrong_usage_is_exit_2_with_a_reason(workspace, words, capsys):
    assert call(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "Traceback" not in error


@pytest.mark.parametrize("words", [["chek", "aid"], ["run", "aid", "--jobs", "many"], ["run"], ["run", "aid", "aid"]])
def test_wrong_usage_is_told_in_json_as_well(workspace, words, capsys):
    assert call([*words, "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert told["problems"][0]["what"]


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


# --------------------------------------------------------------------------- paths that cannot be


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (["init", "fresh", "--design", "panel"], "studies"),
        (["examples"], "studies"),
        (["check", "/"], "/"),
        (["check", "."], "."),
    ],
)
def test_a_place_that_cannot_be_is_named(words, path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("studies").write_text("a file, not a folder")
    assert call(words) == 1
    assert capsys.readouterr().err.startswith(f"error: {path}\n")
    assert Path("studies").is_file()


@pytest.mark.parametrize("out", [".", "data", "data/aid.parquet/x.parquet", "data/aid.parquet/deep/x.parquet"])
def test_simulated_data_need_a_place_for_a_file(workspace, out, capsys):
    before = sorted(Path().rglob("*"))
    assert call(["simulate", "aid", "--effect", "0", "--out", out]) == 1
    assert capsys.readouterr().err.startswith("error: " + out.split("/x")[0].split("/deep")[0])
    assert sorted(Path().rglob("*")) == before


def test_data_of_others_are_not_replaced_by_simulated_data(workspace, capsys):
    data = Path("data/aid.parquet")
    theirs = data.read_bytes()
    words = ["simulate", "aid", "--effect", "0", "--out", str(data)]
    assert call(words) == 1
    assert "--force" in capsys.readouterr().err
    assert data.read_bytes() == theirs
    assert call([*words, "--force"]) == 0
    made = data.read_bytes()
    assert made != theirs
    assert call([*words, "--seed", "2"]) == 0  # its own may be replaced
    assert data.read_bytes() != made
    assert list(data.parent.glob(".*")) == []


def test_a_file_where_results_go_is_moved_out_of_the_way(workspace):
    home = Path("outputs/aid")
    home.mkdir(parents=True)
    (home / "results").write_text("notes")
    assert call(["run", "aid", "--no-report"]) == 0
    assert (home / "history/unknown/results").read_text() == "notes"
    assert (home / "results/estimates.csv").is_file()


def test_two_files_of_one_study_are_not_run_over_each_other(workspace, capsys):
    Path("other").mkdir()
    shutil.copy("studies/aid.yaml", "other")
    assert call(["run", "aid", "other/aid.yaml", "--no-report"]) == 2
    assert "aid and other/aid.yaml would write over each other in outputs/aid" in capsys.readouterr().err
    assert not Path("outputs").exists()


# --------------------------------------------------------------------------- examples


def test_examples_are_written_again_but_nothing_of_others_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert call(["examples", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert call(["examples", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == rows
    data = Path(next(r["data"] for r in rows if r["data"] and r["data"].endswith(".parquet")))
    data.write_bytes(b"an agency's")
    assert call(["examples"]) == 1
    assert str(data.name) in capsys.readouterr().err
    assert data.read_bytes() == b"an agency's"


def test_an_example_study_that_is_not_valid_is_said_and_the_others_are_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("studies").mkdir()
    broken = Path("studies/transition_aid.yaml")
    broken.write_text("study: transition_aid\ntitel: x\n")
    assert call(["examples"]) == 1
    captured = capsys.readouterr()
    assert f"{broken}:2:1" in captured.err
    assert "per_se_laws" in captured.out
    assert broken.read_text().endswith("titel: x\n")
    assert call(["examples", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


# --------------------------------------------------------------------------- damaged results


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A workspace with a finished run, to be copied and damaged."""
    from .conftest import COHORT, cohort_frame

    home = tmp_path_factory.mktemp("finished")
    (home / "aid.yaml").write_text(COHORT.replace("../data/", ""), encoding="utf-8")
    cohort_frame().to_parquet(home / "aid.parquet")
    assert call(["run", str(home / "aid.yaml"), "--out", str(home / "outputs"), "--no-report"]) == 0
    return home / "outputs"


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("estimates.csv", "0.95", "abc", ("estimates.csv:2", "conf_level", "abc")),
        ("estimates.csv", "conf_low", "low", ("estimates.csv:1", "missing: conf_low", "no meaning: low")),
        ("estimates.csv", "", "", ("estimates.csv:1", "columns are missing")),
        ("analyses.csv", "aid,main,", "aid,", ("analyses.csv:2", "cells")),
        ("provenance.json", "", "{", ("provenance.json:",)),
        ("provenance.json", "", "[]", ("provenance.json",)),
        ("study.yaml", "study: aid", "study: [", ("study.yaml:",)),
    ],
)
def test_damaged_results_are_told_with_their_place(finished, tmp_path, monkeypatch, name, old, new, told, capsys):
    shutil.copytree(finished, tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)
    path = Path("outputs/aid/results") / name
    path.write_text(path.read_text().replace(old, new, 1) if old else new)
    assert call(["report", "aid", "--product", "brief", "--to", "html"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert [t for t in told if t not in error] == []


def test_a_study_is_reported_once_a_command(finished, capsys):
    assert call(["report", "aid", str(finished / "aid"), "--out", str(finished)]) == 2
    assert "over each other" in capsys.readouterr().err
