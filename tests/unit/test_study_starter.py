"""Starter files: complete, commented, and accepted once the data are there."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from evaluation.errors import UsageError
from evaluation.run.plan import check, plan
from evaluation.study.load import load
from evaluation.study.models import CohortDesign, PanelDesign, Study
from evaluation.study.starter import starter


def panel_data():
    unit, period = np.repeat(np.arange(30), 8), np.tile(np.arange(1, 9), 30)
    first = np.array([0, 4, 6])[unit % 3]
    return pd.DataFrame({"unit": unit, "period": period, "first_treated": first, "outcome": unit + 0.5 * period})


def cohort_data():
    n = np.arange(200)
    months = np.where(n % 3 == 0, 24, 1 + n % 23)
    columns = {"person_id": n, "program": n % 2, "months": months, "follow_up": 24, "event": (n % 3 > 0).astype(int)}
    return pd.DataFrame(columns | {"age": 20 + n % 40, "priors": n % 5})


DATA = {"panel": panel_data, "cohort": cohort_data}


@pytest.fixture(params=["panel", "cohort"])
def written(request, tmp_path):
    """A starter in studies/, with data that have the columns it names."""
    for folder in ("studies", "data"):
        (tmp_path / folder).mkdir()
    path = tmp_path / "studies" / "demo.yaml"
    path.write_text(starter("demo", request.param), encoding="utf-8")
    DATA[request.param]().to_parquet(tmp_path / "data" / "demo.parquet")
    return path


def test_check_accepts_a_starter_once_its_data_are_there(written):
    problems = check(written)
    assert {p.severity for p in problems} == {"warning"}
    assert all("starter" in p.what for p in problems)
    assert [a.role for a, _ in plan(written).analyses] == ["primary", "secondary", "sensitivity"]


def test_without_data_the_path_is_all_that_is_wrong(written):
    (written.parent.parent / "data" / "demo.parquet").unlink()
    assert [p.key for p in check(written) if p.severity == "error"] == ["data.path"]


def test_texts_left_as_the_starter_wrote_them_are_warned_about(written):
    keys = {p.key for p in check(written)}
    assert keys == {"title", "intervention.name", "intervention.description", "intervention.comparison",
                    "outcomes[0].label"}  # fmt: skip
    text = written.read_text(encoding="utf-8").replace("Title of the report", "Aid and arrest")
    written.write_text(text, encoding="utf-8")
    assert "title" not in {p.key for p in check(written)}


def test_every_key_there_is_stands_in_the_starter(written):
    text = written.read_text(encoding="utf-8")
    raw = YAML(typ="safe").load(text)
    assert set(Study.model_fields) - set(raw) == {"simulation", "engine", "implementation"}
    assert "# simulation: {effect:" in text
    model = PanelDesign if raw["design"]["type"] == "panel" else CohortDesign
    rare = set(model.model_fields) - set(raw["design"])
    assert rare <= {"build", "coordinates", "cutoff_km", "second_cluster", "weights", "completed"}
    guide = (Path(__file__).parents[2] / "docs" / "study-file.md").read_text(encoding="utf-8")
    assert all(f"`{key}`" in guide or f"`design.{key}`" in guide for key in {*rare, "engine", "implementation"})
    assert set(raw["intervention"]) == {"kind", "name", "description", "comparison", "logic_model"}


def test_options_not_written_out_are_where_the_starter_says(written):
    analysis, estimator = plan(written).analyses[0]
    assert set(analysis.options) <= set(type(estimator).model_fields)
    said = f"`evaluation methods {analysis.estimator}`" in written.read_text(encoding="utf-8")
    assert said or set(analysis.options) == set(type(estimator).model_fields) - {"conf_level"}


def test_the_line_about_simulated_data_is_valid_once_its_mark_is_gone(written):
    text = written.read_text(encoding="utf-8")
    written.write_text(text.replace("# simulation:", "simulation:"), encoding="utf-8")
    assert load(written).study.simulation.effect < 0


def test_no_line_is_longer_than_a_screen(written):
    assert max(map(len, written.read_text(encoding="utf-8").splitlines())) <= 120


@pytest.mark.parametrize(
    ("name", "better"), [("Per-se laws", "per_se_laws"), ("2024", "study_2024"), ("null", "null_study")]
)
def test_a_name_that_is_no_id_is_refused(name, better):
    with pytest.raises(UsageError, match=f"Try {better}"):
        starter(name, "panel")
