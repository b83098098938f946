"""Loading a study file, finding it by path or id, positions and what the file means."""

import pytest

from evaluation.errors import StudyError
from evaluation.study.load import find, load
from tests.spec.bases import COHORT, PANEL


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "law.yaml").write_text(PANEL, encoding="utf-8")
    (tmp_path / "studies" / "aid.yaml").write_text(COHORT, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("evaluation.study.load.resources.folder", lambda name: tmp_path / "shipped" / name)
    return tmp_path


def test_a_valid_file_becomes_a_study(folder):
    file = load(folder / "studies" / "law.yaml")
    assert file.text == PANEL
    assert file.study.primary.options == {"control_group": "never_treated", "anticipation": 0}
    assert file.study.design.cluster_column == "region"
    assert file.warnings == ()


def test_positions_lead_to_values_keys_and_what_encloses_what_is_not_there(folder):
    file = load(folder / "studies" / "law.yaml")
    assert file.positions["analyses", 0, "options", "control_group"] == (31, 22)
    problem = file.problem(("analyses", 0, "options", "control_group"), "is odd.", "Change it.", "warning")
    assert str(problem) == f"{file.path}:31:22: analyses[0].options.control_group: is odd. Change it."
    assert problem.severity == "warning"
    assert file.where(("analyses", 0, "options", "control_group"), of_key=True).endswith(":31:7")
    assert file.where(("analyses", 0, "options", "window")).endswith(":30:5")
    assert file.where(("nowhere",)).endswith(":1:1")


def test_an_empty_value_takes_the_default(folder):
    path = folder / "studies" / "law.yaml"
    emptied = PANEL.replace("labels: {rate: Deaths}", "labels:\ngates:\nsubgroups: ~\ncosts: null")
    path.write_text(emptied.replace("  cluster: region", "  cluster:"), encoding="utf-8")
    study = load(path).study
    assert (study.labels, study.gates, study.subgroups, study.costs) == ({}, [], [], None)
    assert study.design.cluster_column == "place"


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b""], ids=["byte_order_mark", "plain"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["unix", "windows"])
def test_editors_of_every_kind(folder, start, line_end):
    path = folder / "studies" / "law.yaml"
    path.write_bytes(start + PANEL.encode().replace(b"\n", line_end))
    file = load(path)
    assert file.study.title == "A law and traffic deaths"
    assert file.positions["title",] == (2, 8)


def test_a_list_named_once_may_be_used_again(folder):
    path = folder / "studies" / "aid.yaml"
    path.write_text(
        COHORT.replace("covariates: [age, priors]", "covariates: &all [age, priors]").replace(
            "covariates: [age]", "covariates: *all"
        )
    )
    assert load(path).study.analyses[1].options["covariates"] == ["age", "priors"]


@pytest.mark.parametrize(("written", "meant"), [
    ("Deaths per 100,000 people", "Deaths per 100,000 people"),
    ("1,000,000", "1,000,000"),
    ('"per 1,000"', "per 1,000"),
])  # fmt: skip
def test_thousands_in_an_inline_mapping_stay_in_one_piece(folder, written, meant):
    path = folder / "studies" / "law.yaml"
    outcome = (
        f"outcomes:\n  - {{id: deaths, column: rate,better: lower, label: {written}, type: continuous}}\nanalyses:"
    )
    path.write_text(
        PANEL[: PANEL.index("outcomes:")] + outcome + PANEL[PANEL.index("analyses:") + 9 :], encoding="utf-8"
    )
    found = load(path).study.outcomes[0]
    assert (found.label, found.better) == (meant, "lower")


def test_words_that_older_yaml_takes_for_switches_stay_words(folder):
    path = folder / "studies" / "law.yaml"
    path.write_text(PANEL.replace("unit: place", "unit: y").replace("column: rate", "column: no"), encoding="utf-8")
    study = load(path).study
    assert (study.design.unit, study.outcomes[0].column) == ("y", "no")


def test_found_by_path_by_id_and_without_its_ending(folder):
    (folder / "studies" / "law").mkdir()
    assert find("studies/law.yaml").samefile(folder / "studies" / "law.yaml")
    assert find("law").samefile(folder / "studies" / "law.yaml")
    assert find("studies/law").samefile(folder / "studies" / "law.yaml")
    assert find(str(folder / "studies" / "aid.yaml")) == folder / "studies" / "aid.yaml"


def test_an_id_is_looked_for_here_first_and_then_among_the_studies_shipped(folder):
    shipped = folder / "shipped" / "studies"
    shipped.mkdir(parents=True)
    for name in ("law", "other"):
        (shipped / f"{name}.yaml").write_text("study: shipped\n", encoding="utf-8")
    assert find("law").read_text(encoding="utf-8") == PANEL
    assert find("other") == shipped / "other.yaml"


@pytest.mark.parametrize(("name", "says"), [
    ("lwa", 'there is no study "lwa"; did you mean "law"? There are: aid, law.'),
    ("qqqqqq", 'there is no study "qqqqqq". There are: aid, law.'),
    ("studies/lwa.yaml", 'there is no study file "studies/lwa.yaml"; did you mean "studies/law.yaml"?'),
    ("nowhere/law.yaml", "There are: none."),
])  # fmt: skip
def test_a_miss_names_the_nearest(folder, name, says):
    with pytest.raises(StudyError) as missing:
        find(name)
    assert says in str(missing.value)
