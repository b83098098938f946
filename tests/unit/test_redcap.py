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
from evaluation.dictionary.told import codes
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


@pytest.mark.parametrize(("rows", "said"), [
    ([variable("a", "text"), variable("A", "text")], "a: two variables have the same name"),
    ([variable("a", "text"), variable("a", "text", **{"Form Name": "other"})], "a: two variables have the same name"),
    ([variable("a-b", "text"), variable("a_b", "text")], "a_b: two variables of the form have the same name"),
    ([variable("", "text")], "Variable / Field Name: the variable number 2 has none"),
    ([variable("a", "")], "Field Type: the variable a has none"),
    ([variable("a", "text", **{"Form Name": ""})], "Form Name: the variable a has none"),
])  # fmt: skip
def test_variables_that_cannot_be_told_apart_are_refused(rows, said, tmp_path):
    with pytest.raises(UsageError) as caught:
        back(project(*rows), tmp_path)
    assert said in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_file_that_a_spreadsheet_saved_again_is_read(encoding, tmp_path):
    file = tmp_path / "x.csv"
    file.write_bytes(project(variable("a", "text", "Âge de l’élève")).lstrip("\ufeff").encode(encoding))
    assert table_in(imported(read(file)), "visit").field("a").title == "Âge de l’élève"


def test_a_workbook_in_place_of_the_csv_is_told(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"PK\x03\x04 and more")
    with pytest.raises(UsageError, match="no CSV file"):
        read(tmp_path / "x.csv")


def test_columns_by_their_names_in_the_api(tmp_path):
    """The names of the 18 columns as REDCap's API exports metadata (REDCapR's test data `metadata-read`)."""
    rows = list(csv.reader(io.StringIO(project(variable("a", "yesno")).lstrip("\ufeff"))))
    rows[0] = ["field_name", "form_name", "section_header", "field_type", "field_label",
               "select_choices_or_calculations", "field_note", "text_validation_type_or_show_slider_number",
               "text_validation_min", "text_validation_max", "identifier", "branching_logic", "required_field",
               "custom_alignment", "question_number", "matrix_group_name", "matrix_ranking",
               "field_annotation"]  # fmt: skip
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    assert table_in(back(out.getvalue(), tmp_path), "visit").field("a").type == "boolean"


@pytest.mark.parametrize(("kind", "checked", "expected", "said"), [
    ("text", "date_ymd", "date", None),
    ("text", "date_mdy", "date", "YYYY-MM-DD"),
    ("text", "date_dmy", "date", "YYYY-MM-DD"),
    ("text", "datetime_ymd", "string", "Checked as datetime_ymd"),
    ("text", "datetime_seconds_mdy", "string", "Checked as datetime_seconds_mdy"),
    ("text", "time", "string", "Checked as time"),
    ("text", "integer", "integer", None),
    ("text", "number", "number", None),
    ("text", "number_2dp", "number", None),
    ("text", "number_1dp_comma_decimal", "number", "Decimals are sent with a point"),
    ("text", "zipcode", "string", "Checked as zipcode"),
    ("text", "alpha_only", "string", "Checked as alpha_only"),
    ("text", "phone", None, "telephone numbers are never sent"),
    ("text", "phone_australia", None, "telephone numbers are never sent"),
    ("text", "email", None, "email addresses are never sent"),
    ("text", "ssn", None, "social security numbers are never sent"),
    ("text", "", "string", None),
    ("notes", "", "string", None),
    ("yesno", "", "boolean", None),
    ("truefalse", "", "boolean", None),
    ("slider", "number", "integer", None),
    ("calc", "", "number", "Calculations are not kept"),
    ("radio", "", "string", "no choices are listed"),
    ("video", "", "string", "is no type of REDCap"),
    ("file", "", None, "holds no files"),
    ("file", "signature", None, "holds no"),
    ("sql", "", None, "holds no lists"),
    ("descriptive", "", None, "holds no texts"),
])  # fmt: skip
def test_each_type_and_validation_of_redcap(kind, checked, expected, said, tmp_path):
    """Types and validations as REDCap names them (linkml.io/linkml-redcap: FieldType, TextValidationType)."""
    done = back(project(variable("kept", "text"), variable("asked", kind, **{VALIDATION: checked})), tmp_path)
    found = {f.name: f.type for f in table_in(done, "visit").fields}
    assert found.get("asked") == expected
    told = [text for text in done.not_carried if "asked" in text]
    assert len(told) == (said is not None)
    assert said is None or said in told[0]


@pytest.mark.parametrize(("more", "said"), [
    ({"Section Header": "Part one"}, "Headings of sections"),
    ({"Branching Logic (Show field only if...)": "[a] = '1'"}, "Branching is not kept"),
    ({"Matrix Group Name": "m1", "Matrix Ranking?": "y"}, "Matrices are not kept"),
    ({"Custom Alignment": "LH"}, "Alignment"),
    ({"Question Number (surveys only)": "3a"}, "Numbers of questions"),
    ({"Field Annotation": "@HIDDEN"}, "action tags are not kept"),
    ({VALIDATION: "integer", LOW: "[a]"}, "no fixed value"),
    ({VALIDATION: "date_ymd", HIGH: "today"}, "no fixed value"),
    ({"Field Type": "checkbox", CHOICES: "1, A | 2, B", "Required Field?": "y"}, "at least must be ticked"),
    ({"Field Type": "radio", CHOICES: "1, A | 1, B"}, "stands twice"),
])  # fmt: skip
def test_what_a_table_cannot_hold_is_said_and_the_variable_kept(more, said, tmp_path):
    done = back(project(variable("asked", "text") | more), tmp_path)
    assert any(said in text and "asked" in text for text in done.not_carried)
    assert any(f.name.startswith("asked") for f in table_in(done, "visit").fields)


def test_check_boxes_have_the_columns_that_redcap_exports(tmp_path):
    """REDCap names a box variable___code (redcapAPI: checkbox_suffixes); that a minus becomes `_` is assumed."""
    done = back(
        project(variable("d", "checkbox", "Drug", **{CHOICES: "1, One | -99, Unknown | AB, Two, or so"})), tmp_path
    )
    boxes = [f for f in table_in(done, "visit").fields if f.name.startswith("d___")]
    assert [(f.name, f.title) for f in boxes] == [
        ("d___1", "Drug: One"), ("d____99", "Drug: Unknown"), ("d___ab", "Drug: Two, or so")]  # fmt: skip


def test_the_export_says_in_redcaps_own_columns_what_redcap_can_hold():
    for name, table in tables().items():
        rows = list(csv.DictReader(io.StringIO(exported([table]))))[1:]
        for field, row in zip(table.fields, rows, strict=True):
            limits = field.constraints
            assert (row["Variable / Field Name"], row["Form Name"]) == (field.name, name)
            assert row["Required Field?"] == ("y" if limits.required else "")
            assert row["Identifier?"] == ("y" if field.sensitivity == "identifier" else "")
            if field.type in ("integer", "number", "date"):
                assert row[VALIDATION] == {"date": "date_ymd"}.get(field.type, field.type)
                assert [row[LOW], row[HIGH]] == [
                    "" if v is None else str(v) for v in (limits.minimum, limits.maximum)]  # fmt: skip
            listed = [part.split(",")[0].strip() for part in row[CHOICES].split("|") if part.strip()]
            assert listed == [c.code for c in codes(field)]


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
