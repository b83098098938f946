"""`evaluation assure`: the shipped cases, what differs on the terminal and as JSON, and what there is nothing to build of."""

import json
from pathlib import Path

import pytest

from evaluation import resources
from evaluation.cli import call, prepare
from evaluation.data import examples
from evaluation.study.cases import read_cases
from tests.unit.test_assure import COHORT, PERSON, laid


def test_the_shipped_cases_are_as_the_builder_has_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # nothing but what is shipped
    assert call(["assure", "drug_court", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["ok"] is True
    assert len(content["cases"]) >= 40
    assert len({c["case"] for c in content["cases"]}) == len(content["cases"])


def test_cases_that_differ_are_exit_1_with_what_was_expected_and_found(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = laid(tmp_path, COHORT, PERSON.replace("arm: 1", "arm: 0"), "court")
    assert call(["assure", str(path)]) == 1
    told = capsys.readouterr()
    assert "court/cases.yaml:2: An arrest in July" in told.out
    assert "0 of 1 cases as expected" in told.out
    assert told.err.strip().endswith("1 case not as expected")
    assert call(["assure", str(path), "--json"]) == 1
    (case,) = json.loads(capsys.readouterr().out)["cases"]
    assert case["differences"] == [{"key": "arm", "expected": "0", "found": "1"}]
    assert case["where"].endswith("cases.yaml:2:5")


@pytest.mark.parametrize(("study", "what"), [("aid", "nothing to build"), ("nowhere", 'no study "nowhere"')])
def test_what_cannot_be_assured_is_exit_1_with_a_reason(workspace, study, what, capsys):
    assert call(["assure", study]) == 1
    error = capsys.readouterr().err
    assert what in error
    assert "Traceback" not in error


def test_examples_bring_the_cases_and_leave_what_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(examples, "provide", lambda *_, **__: None)
    mine = Path("studies/drug_court/mine.yaml")
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", encoding="utf-8")
    prepare.examples()
    assert read_cases(Path("studies/drug_court.yaml")).cases
    assert mine.read_text(encoding="utf-8") == "mine"
    cases = Path("studies/drug_court/cases.yaml")
    cases.write_text("mine", encoding="utf-8")
    prepare.examples()
    assert cases.read_text(encoding="utf-8") == "mine"


def test_every_case_of_the_shipped_studies_has_a_study():
    for file in sorted(resources.folder("studies").glob("*/cases.yaml")):
        assert file.parent.with_suffix(".yaml").is_file()
