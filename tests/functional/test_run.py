"""`evaluation run`: what it writes, that it is reproducible, and what happens when an analysis has no answer."""

import filecmp
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from evaluation.cli import call
from evaluation.results import TABLES, read_tables

from .conftest import cohort_frame, panel_frame

STUDIES = ["aid", "law"]


def run(*arguments):
    return call(["run", *arguments, "--no-report"])


def results(folder="outputs", study="aid"):
    return Path(folder) / study / "results"


def same_bytes(one, other):
    """Whether two results folders hold the same bytes, provenance aside."""
    names = sorted(p.name for p in one.iterdir())
    assert names == sorted(p.name for p in other.iterdir())
    names.remove("provenance.json")
    _, different, missing = filecmp.cmpfiles(one, other, names, shallow=False)
    assert not missing
    return not different


def test_a_run_writes_every_table_and_its_provenance(workspace, capsys):
    assert run(*STUDIES) == 0
    for study in STUDIES:
        folder = results(study=study)
        assert {p.stem for p in folder.glob("*.csv")} == {*TABLES, "tables"}
        assert (folder / "study.yaml").read_text() == (workspace / "studies" / f"{study}.yaml").read_text()
        provenance = json.loads((folder / "provenance.json").read_text())
        assert len(provenance["data"][0]["sha256"]) == 64
        assert provenance["seed"] is None  # no analysis draws random numbers
        assert sorted(provenance["times"]) == ["finished", "run", "started"]
        assert not (folder.parent / "restricted").exists()
    assert "outputs/law/results" in capsys.readouterr().out


@pytest.mark.parametrize("study", STUDIES)
def test_keys_are_unique_and_every_row_has_a_status(workspace, study):
    assert run(study) == 0
    tables = read_tables(results(study=study))
    for name in ("estimates", "inference"):
        keys = [(r["analysis"], r["term"], r["group"], r["time"], r.get("method")) for r in tables[name]]
        assert keys
        assert len(keys) == len(set(keys))
    estimates = {(r["analysis"], r["term"], r["group"], r["time"]) for r in tables["estimates"]}
    assert {(r["analysis"], r["term"], r["group"], r["time"]) for r in tables["inference"]} <= estimates
    assert {r["status"] for r in tables["estimates"]} <= {"ok", "reference", "not_estimable"}
    assert all(r["status"] == "ok" for r in tables["analyses"])


def test_the_event_study_table_repeats_the_event_estimates(workspace):
    assert run("law") == 0
    tables = read_tables(results(study="law"))
    events = [r for r in tables["estimates"] if r["term"] == "event"]
    assert [r["estimate"] for r in tables["event_study"]] == [r["estimate"] for r in events]
    assert {r["phase"] for r in tables["event_study"]} == {"before", "after"}


def test_results_do_not_depend_on_hash_seed_threads_or_jobs(workspace):
    code = "import sys; from evaluation.cli import call; sys.exit(call(sys.argv[1:]))"
    settings = [("a", "0", "1", "1"), ("b", "1", "2", "1"), ("c", "77", "2", "2")]
    for out, seed, threads, jobs in settings:
        environment = os.environ | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        arguments = ["run", *STUDIES, "--out", out, "--jobs", jobs, "--no-report"]
        subprocess.run([sys.executable, "-c", code, *arguments], check=True, env=environment, capture_output=True)
    for study in STUDIES:
        assert same_bytes(results("a", study), results("b", study))
        assert same_bytes(results("a", study), results("c", study))


def test_shuffled_rows_give_the_same_numbers(workspace):
    assert run(*STUDIES, "--out", "a") == 0
    cohort_frame().sample(frac=1, random_state=1).to_parquet("data/aid.parquet")
    panel_frame().sample(frac=1, random_state=1).to_parquet("data/law.parquet")
    assert run(*STUDIES, "--out", "b") == 0
    for study in STUDIES:
        one, other = (pd.read_csv(results(out, study) / "estimates.csv") for out in ("a", "b"))
        pd.testing.assert_frame_equal(one, other, check_exact=False, rtol=1e-12, atol=1e-15)


def test_a_folder_of_parquet_files_is_one_table(workspace):
    assert run("aid", "--out", "a") == 0
    frame = cohort_frame()
    (workspace / "data" / "parts").mkdir()
    frame.iloc[:150].to_parquet("data/parts/1.parquet")
    frame.iloc[150:].to_parquet("data/parts/2.parquet")
    study = Path("studies/aid.yaml")
    study.write_text(study.read_text().replace("../data/aid.parquet", "../data/parts"))
    assert run("aid", "--out", "b") == 0
    assert filecmp.cmp(results("a") / "estimates.csv", results("b") / "estimates.csv", shallow=False)


def test_the_seed_in_the_provenance_is_the_one_of_the_simulated_data(workspace):
    study = Path("studies/aid.yaml")
    study.write_text(study.read_text() + "simulation: {effect: -0.1, seed: 8}\n")
    assert run("aid") == 0
    assert json.loads((results() / "provenance.json").read_text())["seed"] == 8


def test_a_rerun_moves_the_earlier_run_to_history(workspace):
    assert run("aid") == 0
    first = json.loads((results() / "provenance.json").read_text())["times"]["run"]
    assert run("aid") == 0
    history = Path("outputs/aid/history")
    assert [p.name for p in history.iterdir()] == [first]
    assert same_bytes(history / first / "results", results())


def test_one_analysis_without_an_answer_does_not_lose_the_others(workspace, capsys):
    study = Path("studies/aid.yaml")
    study.write_text(study.read_text().replace("options: {window: 52}}", "options: {window: 400}}", 1))
    frame = cohort_frame()
    frame.to_parquet("data/aid.parquet")
    assert run("aid") == 1
    captured = capsys.readouterr()
    assert "main" in captured.err
    assert "Traceback" not in captured.err
    status = {r["analysis"]: r["status"] for r in read_tables(results())["analyses"]}
    assert status == {"main": "not_estimable", "adjusted": "not_estimable", "curves": "ok", "hazard": "ok"} or (
        status["main"] == "not_estimable" and status["curves"] == status["hazard"] == "ok"
    )


def test_missing_values_and_nan_are_counted_and_dropped_alike(workspace):
    frame = cohort_frame()
    frame.loc[:4, "age"] = float("nan")
    frame.to_parquet("data/aid.parquet")
    assert run("aid") == 0
    tables = read_tables(results())
    quality = {r["column"]: r["n_missing"] + r["n_nan"] for r in tables["data_quality"]}
    assert quality["age"] == 5
    dropped = [r for r in tables["flow"] if r["analysis"] == "hazard" and r["n_dropped"] == 5]
    assert len(dropped) == 1
    used = {r["analysis"]: r["n_obs"] for r in tables["estimates"] if r["term"] in ("arm", "risk_difference")}
    assert used["hazard"] == 395


def test_small_counts_stay_in_the_restricted_folder(workspace):
    study = Path("studies/aid.yaml")
    study.write_text(study.read_text().replace("profile: none", "profile: cms11").replace("[26, 52]", "[2, 52]"))
    assert run("aid") == 0
    released = read_tables(results())
    hidden = [r for r in released["estimates"] if r["status"] == "suppressed"]
    assert {r["time"] for r in hidden} == {2.0}
    assert all(r["estimate"] is None and r["n_obs"] is None for r in hidden)
    full = read_tables(Path("outputs/aid/restricted"))
    assert all(
        r["estimate"] is not None for r in full["estimates"] if r["time"] == 2.0 and r["term"] == "risk_difference"
    )
    assert Path("outputs/aid/restricted").stat().st_mode & 0o077 == 0
    assert len(released["curve"]) < len(full["curve"])


def test_nothing_is_left_behind_when_the_output_folder_cannot_be_written(workspace, capsys):
    Path("taken").write_text("a file, not a folder")
    assert run("aid", "--out", "taken") == 1
    assert "cannot be written" in capsys.readouterr().err
    assert Path("taken").read_text() == "a file, not a folder"
