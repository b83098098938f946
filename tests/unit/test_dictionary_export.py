"""The dictionary as others' tools read it, and searching it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from evaluation.cli import dictionary_commands
from evaluation.dictionary.package import datapackage
from evaluation.dictionary.search import search, table_named
from evaluation.dictionary.tables import tables
from evaluation.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_data_package_is_valid_to_frictionless() -> None:
    frictionless = pytest.importorskip("frictionless")
    content = json.loads(json.dumps(datapackage(list(tables().values()))))
    package = frictionless.Package.from_descriptor(content)
    assert [r.name for r in package.resources] == list(tables())


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
