"""The catalogue of intervention kinds and the tables agencies send."""

import re

import pytest

from evaluation import resources
from evaluation.dictionary.catalogue import kinds
from evaluation.dictionary.files import read_yaml
from evaluation.dictionary.tables import tables

DICTIONARY = resources.folder("data_dictionary")


def test_the_first_kinds_are_there_by_id():
    assert {"law_reform", "drug_court", "joint_task_force", "reentry_employment", "transition_aid"} <= set(kinds())


def test_ids_are_unique_and_each_kind_answers_to_its_own():
    entries = read_yaml(DICTIONARY / "interventions.yaml")["interventions"]
    assert len(entries) == len(kinds())
    assert all(kind.id == name for name, kind in kinds().items())


@pytest.mark.parametrize("kind", kinds().values(), ids=list(kinds()))
def test_a_kind_says_what_it_is_in_sentences_and_keeps_outputs_apart_from_outcomes(kind):
    assert kind.description.endswith(".")
    assert kind.design.endswith(".")
    assert len(kind.description.split()) >= 20
    assert not set(kind.outcomes) & set(kind.outputs)


@pytest.mark.parametrize("study", sorted(resources.folder("studies").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_shipped_study_is_of_a_known_kind(study):
    assert read_yaml(study)["intervention"]["kind"] in kinds()


@pytest.mark.parametrize("table", tables().values(), ids=list(tables()))
def test_keys_of_a_table_are_fields_that_must_be_filled(table):
    for name in table.primary_key:
        assert table.field(name).constraints.required
    for key in table.foreign_keys:
        target = tables()[key.reference.resource]
        assert [table.field(n).type for n in key.fields] == [target.field(n).type for n in key.reference.fields]


@pytest.mark.parametrize("table", tables().values(), ids=list(tables()))
def test_fields_are_described_once_each(table):
    names = [f.name for f in table.fields]
    assert len(names) == len(set(names))
    assert all(f.description.endswith(".") for f in table.fields)
    assert "" in table.missing_values


def test_only_the_table_of_people_asks_for_what_names_a_person_and_as_an_identifier():
    named = re.compile(r"name$|address|birth_date|ssn|phone|email")
    asked = [(t.name, f) for t in tables().values() for f in t.fields if named.search(f.name)]
    assert {name for name, _ in asked} == {"persons"}
    assert all(f.sensitivity == "identifier" for _, f in asked)


def test_an_unknown_field_is_a_key_error():
    with pytest.raises(KeyError):
        tables()["persons"].field("surname")
