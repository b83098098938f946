"""The dictionary as REDCap's data dictionary and back; and dictionaries of others' projects as tables.

The 18 columns, in this order, are those of the file that REDCap downloads (REDCap: Data Dictionary).
"""

import csv
import io

import pytest
from ruamel.yaml import YAML

from evaluation import resources
from evaluation.cli import call
from evaluation.dictionary.redcap import COLUMNS, exported
from evaluation.dictionary.redcap_import import imported, read
from evaluation.dictionary.tables import Table, tables
from evaluation.errors import UsageError

HEADER = list(COLUMNS)


def back(text, tmp_path):
    file = tmp_path / "redcap.csv"
    file.write_text(text, encoding="utf-8", newline="")
    return imported(read(file))


def table_in(done, name):
    content = YAML(typ="safe").load(done.files[f"tables/{name}.yaml"])
    return Table.model_validate({k: v for k, v in content.items() if k != "$schema"})


def project(*rows):
    """A dictionary as REDCap gives it: a record number first, then variables (name, type, label, and more by column)."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    listed = [{"Field Label": "Record", "Variable / Field Name": "study_id", "Field Type": "text"}, *rows]
    writer.writerows({"Form Name": "visit", **row} for row in listed)
    return "﻿" + out.getvalue()


def variable(name, kind, label="A question", **more):
    return {"Variable / Field Name": name, "Field Type": kind, "Field Label": label} | more


def test_the_export_has_the_columns_of_redcap():
    rows = list(csv.reader(io.StringIO(exported([tables()["hearings"]]))))
    assert rows[0] == HEADER
    assert len(rows[0]) == 18
    assert rows[1][0] == "record_id"
    assert {row[3] for row in rows[1:]} <= {"text", "dropdown", "yesno"}


def test_all_tables_come_back_as_they_were(tmp_path):
    done = back(exported(list(tables().values())), tmp_path)
    assert {f.removeprefix("tables/").removesuffix(".yaml") for f in done.files} == set(tables())
    for name, table in tables().items():
        assert table_in(done, name) == table
    assert done.not_carried == ()


@pytest.mark.parametrize("name", sorted(tables()))
def test_one_table_alone_comes_back_too(name, tmp_path):
    done = back(exported([tables()[name]]), tmp_path)
    assert table_in(done, name) == tables()[name]


CHOICES, VALIDATION, LOW, HIGH = (
    "Choices, Calculations, OR Slider Labels", "Text Validation Type OR Show Slider Number", "Text Validation Min",
    "Text Validation Max",
)  # fmt: skip


def test_a_project_of_others_becomes_a_table(tmp_path):
    done = back(project(
        variable("seen_on", "text", "Day seen", **{VALIDATION: "date_mdy", LOW: "2020-01-01", "Required Field?": "y"}),
        variable("weight", "text", "Weight", **{VALIDATION: "number", LOW: "20", HIGH: "300.5"}),
        variable("visits", "text", "Visits", **{VALIDATION: "integer", LOW: "0"}),
        variable("smokes", "yesno", "Smokes"),
        variable("site", "radio", "Site", **{CHOICES: "1, North, the old one | 2, South<br> | x9, Other"}),
        variable("drugs", "checkbox", "Drugs", **{CHOICES: "1, Alcohol | 2, Opioids"}),
        variable("last_name", "text", "Name", **{"Identifier?": "y"}),
        variable("bmi", "calc", "BMI", **{CHOICES: "round([weight]/2,1)"}),
        variable("why", "notes", "Why", **{"Branching Logic (Show field only if...)": "[smokes]='1'", "Required Field?": "y"}),
        variable("zip", "text", "ZIP", **{VALIDATION: "zipcode"}),
        variable("consent", "file", "Consent"),
        variable("thanks", "descriptive", "Thank you"),
        variable("ssn", "text", "SSN", **{VALIDATION: "ssn"}),
    ), tmp_path)  # fmt: skip
    table = table_in(done, "visit")
    found = {f.name: f for f in table.fields}
    assert table.primary_key == ("agency_id", "study_id")
    assert (found["seen_on"].type, found["seen_on"].constraints.minimum, found["seen_on"].constraints.required) == (
        "date", "2020-01-01", True)  # fmt: skip
    assert (found["weight"].type, found["weight"].constraints.minimum, found["weight"].constraints.maximum) == (
        "number", 20, 300.5)  # fmt: skip
    assert (found["visits"].type, found["smokes"].type, found["bmi"].type) == ("integer", "boolean", "number")
    assert {n for n in found if n.startswith("drugs")} == {"drugs___1", "drugs___2"}
    assert found["drugs___2"].title == "Drugs: Opioids"
    assert found["last_name"].sensitivity == "identifier"
    assert found["why"].constraints.required is False
    assert list(csv.reader(io.StringIO(done.files["codelists/visit_site.csv"]))) == [
        ["code", "label"], ["1", "North, the old one"], ["2", "South"], ["x9", "Other"]]  # fmt: skip
    assert set(found) & {"consent", "thanks", "ssn"} == set()
    told = " ".join(done.not_carried)
    for name in ("consent", "thanks", "ssn", "why", "bmi", "zip", "seen_on"):
        assert name in told, name


@pytest.mark.parametrize(("content", "said"), [
    (b"", "it lacks"),
    (b"a,b\n1,2\n", "it lacks Variable / Field Name"),
    (",".join(f'"{c}"' for c in COLUMNS).encode() + b"\n", "it has no variables"),
    (b'"open', "it lacks"),
    (b"\x00\x01\x02", "it lacks"),
])  # fmt: skip
def test_what_is_no_dictionary_of_redcap_is_told(content, said, tmp_path):
    file = tmp_path / "x.csv"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read(file)
    assert said in str(caught.value)
    assert "Download the data dictionary" in str(caught.value)


def test_two_variables_of_one_name_are_told(tmp_path):
    with pytest.raises(UsageError) as caught:
        back(project(variable("a", "text"), variable("A", "text")), tmp_path)
    assert "two variables of the form have the same name" in str(caught.value)


def test_by_the_command_there_and_back(tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(["dictionary", "hearings", "--to", "redcap", "--out", "h.csv"]) == 0
    assert call(["dictionary", "--from-redcap", "h.csv", "--out", "mine"]) == 0
    assert (tmp_path / "mine" / "tables" / "hearings.yaml").is_file()
    assert call(["dictionary", "--from-redcap", "h.csv", "--out", "mine"]) == 2
    assert "this file exists" in capfd.readouterr().err
    assert call(["dictionary", "--from-redcap", "h.csv", "--out", "mine", "--force", "--json"]) == 0
    assert call(["dictionary", "--to", "redcap"]) == 2
    assert call(["dictionary", "--to", "redcap", "--from-redcap", "h.csv", "--out", "x"]) == 2
    assert not (tmp_path / "x").exists()


def test_the_page_of_the_docs_is_what_the_dictionary_says(tmp_path):
    """docs/dictionary.md: renew it with `evaluation dictionary --to docs --out docs/dictionary.md --force`."""
    page = resources.folder("data_dictionary").parent / "docs" / "dictionary.md"
    assert call(["dictionary", "--to", "docs", "--out", str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == page.read_text(encoding="utf-8")
