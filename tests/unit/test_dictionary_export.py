"""The dictionary as others' tools read it, and searching it."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import frictionless
import pytest

from evaluation.cli import dictionary_commands
from evaluation.dictionary.package import datapackage
from evaluation.dictionary.search import search, table_named
from evaluation.dictionary.tables import tables
from evaluation.dictionary.told import example_told
from evaluation.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def descriptor() -> dict[str, Any]:
    """The whole data package as it is written."""
    content: dict[str, Any] = json.loads(json.dumps(datapackage(list(tables().values()))))
    return content


def test_the_data_package_is_valid_to_frictionless() -> None:
    content = descriptor()
    package = frictionless.Package.from_descriptor(content)
    assert [r.name for r in package.resources] == list(tables())
    assert list(frictionless.Package.metadata_validate(content)) == []
    for resource in content["resources"]:
        assert list(frictionless.Resource.metadata_validate(resource)) == []
        assert list(frictionless.Schema.metadata_validate(resource["schema"])) == []


def test_an_invalid_data_package_would_be_noticed() -> None:
    content = descriptor()
    content["resources"][0]["schema"]["fields"][0]["type"] = "text"
    with pytest.raises(frictionless.FrictionlessException, match="not supported"):
        frictionless.Package.from_descriptor(content)


def test_files_of_the_examples_are_valid_to_frictionless(tmp_path: Path) -> None:
    """Every table with the row of its examples, read by the descriptor beside it, foreign keys left out."""
    content = descriptor()
    for resource, table in zip(content["resources"], tables().values(), strict=True):
        del resource["schema"]["primaryKey"]
        resource["schema"].pop("foreignKeys", None)
        with (tmp_path / resource["path"]).open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([[f.name for f in table.fields], [example_told(f) for f in table.fields]])
    (tmp_path / "datapackage.json").write_text(json.dumps(content), encoding="utf-8")
    report = frictionless.Package(str(tmp_path / "datapackage.json")).validate()
    assert report.flatten(["name", "rowNumber", "fieldName", "type", "note"]) == []
    assert report.valid
    assert report.stats["tasks"] == len(tables())


def test_keys_lead_to_tables_that_are_there() -> None:
    for resource in datapackage([tables()["hearings"]])["resources"]:
        assert "foreignKeys" not in resource["schema"]
    whole = {r["name"]: {f["name"] for f in r["schema"]["fields"]} for r in descriptor()["resources"]}
    keys = [k for r in descriptor()["resources"] for k in r["schema"].get("foreignKeys", [])]
    assert keys
    assert all(set(k["reference"]["fields"]) <= whole[k["reference"]["resource"]] for k in keys)


def test_a_mistyped_table_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError) as raised:
        table_named("person")
    assert "persons" in raised.value.problems[0].fix


def test_search_wants_every_word() -> None:
    assert any(h.field == "birth_date" for h in search("birth", table_named("persons")))
    assert search("birth zebra") == []


@pytest.mark.parametrize("name", [*tables()])
def test_every_field_of_every_table_is_shown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert dictionary_commands.dictionary(name) == 0
    assert "Missing values" in capsys.readouterr().out


def test_the_package_is_written(tmp_path: Path) -> None:
    file = tmp_path / "datapackage.json"
    assert dictionary_commands.dictionary("persons", to="datapackage", out=file) == 0
    assert [r["name"] for r in json.loads(file.read_text())["resources"]] == ["persons"]
