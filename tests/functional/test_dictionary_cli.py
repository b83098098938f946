"""The commands that tell agencies what to send: the dictionary shown, searched and written, and templates."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest

from evaluation.cli import call
from evaluation.dictionary.codelists import codelist
from evaluation.dictionary.tables import tables

if TYPE_CHECKING:
    from pathlib import Path

NAMES = [*tables()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def told(capfd: pytest.CaptureFixture[str], *tokens: str) -> tuple[int, str, str]:
    code = call([*tokens])
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def as_json(capfd: pytest.CaptureFixture[str], *tokens: str) -> Any:
    code, out, err = told(capfd, *tokens, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


# --------------------------------------------------------------------------- shown and searched


def test_every_table_is_listed(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capfd, "dictionary")
    assert code == 0
    assert all(name in out for name in NAMES)
    assert "every month" in out or "month" in out
    assert [t["name"] for t in as_json(capfd, "dictionary")] == NAMES


def test_a_table_is_shown_with_its_fields_codes_and_rules(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capfd, "dictionary", "justice_events")
    table = tables()["justice_events"]
    assert code == 0
    assert all(f"{f.name}: {f.title}" in out for f in table.fields)
    assert table.rules[0].message.split(".")[0] in " ".join(out.split())
    (resource,) = as_json(capfd, "dictionary", "justice_events")
    assert [f["name"] for f in resource["schema"]["fields"]] == [f.name for f in table.fields]
    assert resource["schema"]["primaryKey"] == list(table.primary_key)


def test_long_lists_are_cut_unless_all_codes_are_asked_for(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    last = codelist("offence_groups")[-1]
    _, short, _ = told(capfd, "dictionary", "justice_events")
    assert f"and {len(codelist('offence_groups')) - 20} more: evaluation dictionary justice_events --codes" in short
    assert f"{last.code} = {last.label}" not in short
    _, long, _ = told(capfd, "dictionary", "justice_events", "--codes")
    assert f"{last.code} = {last.label}" in long
    assert "more: evaluation dictionary" not in long


def test_words_are_searched_in_names_texts_and_codes(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capfd, "dictionary", "--search", "birth")
    assert (code, "birth_date" in out) == (0, True)
    hits = as_json(capfd, "dictionary", "--search", "Fentanyl SUSPECTED")
    assert {"table", "field", "title", "description"} == set(hits[0])
    assert ("justice_events", "fentanyl") in {(h["table"], h["field"]) for h in hits}
    within = as_json(capfd, "dictionary", "deaths", "--search", "date")
    assert {h["table"] for h in within} == {"deaths"}
    assert as_json(capfd, "dictionary", "--search", "birth zebra") == []


def test_nothing_found_is_said(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capfd, "dictionary", "--search", "zebra")
    assert (code, out) == (0, "")
    assert "zebra" in err


# --------------------------------------------------------------------------- written


@pytest.mark.parametrize("form", ["datapackage", "docs", "redcap"])
def test_a_file_is_written_once_and_replaced_only_by_force(
    form: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = ("dictionary", "deaths", "--to", form, "--out", "new/file")
    code, out, err = told(capfd, *asked)
    assert (code, out, "does not check them" in err) == (0, "new/file\n", form == "redcap")
    written = (folder / "new" / "file").read_bytes()
    (folder / "new" / "file").write_text("mine")
    code, out, err = told(capfd, *asked)
    assert (code, out, "this file exists" in err) == (2, "", True)
    assert (folder / "new" / "file").read_text() == "mine"
    assert told(capfd, *asked, "--force")[0] == 0
    assert (folder / "new" / "file").read_bytes() == written
    assert [p.name for p in (folder / "new").iterdir()] == ["file"]


def test_what_is_written_is_answered_as_json_too(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert as_json(capfd, "dictionary", "deaths", "--to", "docs", "--out", "page.md") == {"files": ["page.md"]}
    assert as_json(capfd, "template", "deaths", "--to", "csv", "--agency", "morgue") == {"files": ["deaths.csv"]}


def test_a_folder_cannot_be_written_as_a_file(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "taken").mkdir()
    (folder / "plain").write_text("mine")
    for out in ("taken", "plain/below"):
        code, _, err = told(capfd, "dictionary", "deaths", "--to", "docs", "--out", out, "--force")
        assert (code, err.startswith("error: "), "stands where a" in err) == (1, True, True)
    code, _, err = told(capfd, "template", "deaths", "--to", "csv", "--agency", "morgue", "--out", "plain")
    assert (code, "stands where a" in err) == (1, True)
    assert (folder / "plain").read_text() == "mine"
    assert list((folder / "taken").iterdir()) == []


def test_a_redcap_dictionary_becomes_a_folder_or_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert told(capfd, "dictionary", "--to", "redcap", "--out", "all.csv")[0] == 0
    done = as_json(capfd, "dictionary", "--from-redcap", "all.csv", "--out", "mine")
    assert done["files"] == [f"mine/tables/{name}.yaml" for name in NAMES]
    assert done["not_carried"] == []
    for path in (folder / "mine" / "tables").iterdir():
        if path.stem != NAMES[-1]:
            path.unlink()
    code, out, err = told(capfd, "dictionary", "--from-redcap", "all.csv", "--out", "mine")
    assert (code, out, f"{NAMES[-1]}.yaml" in err) == (2, "", True)
    assert [p.stem for p in (folder / "mine" / "tables").iterdir()] == [NAMES[-1]]


def test_what_redcap_has_and_a_table_cannot_hold_is_said(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert told(capfd, "dictionary", "deaths", "--to", "redcap", "--out", "d.csv")[0] == 0
    rows = list(csv.DictReader((folder / "d.csv").open(encoding="utf-8", newline="")))
    rows[3]["Branching Logic (Show field only if...)"] = "[provisional] = '1'"
    with (folder / "e.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    code, _, err = told(capfd, "dictionary", "--from-redcap", "e.csv", "--out", "mine")
    assert code == 0
    assert "Branching is not kept" in err
    assert rows[3]["Variable / Field Name"] in err


@pytest.mark.parametrize(("tokens", "said"), [
    (("dictionary", "person"), "persons"),
    (("dictionary", "zzz"), "evaluation dictionary"),
    (("dictionary", "--to", "docs"), "--out"),
    (("dictionary", "--out", "x"), "--to"),
    (("dictionary", "--to", "docs", "--from-redcap", "x.csv", "--out", "y"), "exclude each other"),
    (("dictionary", "--from-redcap", "none.csv", "--out", "y"), "there is no such file"),
    (("dictionary", "--from-redcap", ".", "--out", "y"), "there is no such file"),
    (("dictionary", "deaths", "--from-redcap", "x.csv", "--out", "y"), "TABLE"),
    (("dictionary", "--search", "a", "--to", "docs", "--out", "y"), "--search"),
    (("dictionary", "--codes"), "--codes"),
    (("dictionary", "--to", "pdf", "--out", "y"), "datapackage"),
    (("template", "death", "--to", "csv", "--agency", "a"), "deaths"),
    (("template", "deaths", "--to", "csv", "--agency", "Morgue 1"), "small letters"),
    (("template", "deaths", "--to", "csv"), "agency"),
])  # fmt: skip
def test_wrong_use_is_told_and_writes_nothing(
    tokens: tuple[str, ...], said: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, err = told(capfd, *tokens)
    assert (code, out) == (2, "")
    assert said in err
    assert list(folder.iterdir()) == []


# --------------------------------------------------------------------------- templates


@pytest.mark.parametrize("name", NAMES)
def test_a_template_of_each_table(name: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fields = [f.name for f in tables()[name].fields]
    assert told(capfd, "template", name, "--to", "csv", "--agency", "city_police", "--out", "forms") == (
        0, f"forms/{name}.csv\n", "")  # fmt: skip
    content = (folder / "forms" / f"{name}.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.decode("utf-8-sig") == ",".join(fields) + "\r\n"
    assert told(capfd, "template", name, "--to", "xlsx", "--agency", "city_police", "--out", "forms")[0] == 0
    sheet = openpyxl.load_workbook(folder / "forms" / f"{name}.xlsx")[name]
    assert [c.value for c in sheet[1]] == fields


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_template_that_may_be_filled_is_not_replaced(
    form: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / f"deaths.{form}").write_text("filled")
    code, _, err = told(capfd, "template", "deaths", "--to", form, "--agency", "morgue")
    assert (code, "it may be filled already" in err) == (2, True)
    assert (folder / f"deaths.{form}").read_text() == "filled"
