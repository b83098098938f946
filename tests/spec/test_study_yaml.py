"""Files that are no YAML, or no study file at all: one message, where the reader must look."""

import pytest

from evaluation.cli import call
from evaluation.errors import StudyError
from evaluation.run.plan import check
from evaluation.study.load import load

BROKEN = {
    "tab": (b"study: x\ndata:\n\tpath: a\n", "3:1", "a tab stands here"),
    "colon_in_text": (b"study: x\ntitle: Effects: a study\n", "2:15", 'Quote text that holds ": "'),
    "indent": (b"study: x\n  title: a\n", "2:8", "start keys of one level in one column"),
    "open_list": (b"study: x\ndata: {path: [a, b}\ntitle: y\n", "2:14", "a [ that is not closed"),
    "open_braces": (b"study: x\ndata: {path: a\ntitle: y\n", "2:7", "a { that is not closed"),
    "open_quote": (b"study: x\ntitle: 'A law\n", "2:8", "a quotation mark that is not closed"),
    "text_after_a_quote": (b'study: x\ntitle: "A" law\n', "2:12", "does not fit"),
    "no_colon": (b"study: x\ntitle\nquestion: z\n", "2:1", "a line without a colon"),
    "at_sign": (b"study: x\ntitle: @home\n", "2:8", "may not begin with this character"),
    "alias": (b"study: x\ntitle: *star\n", "2:8", "an alias"),
    "backslash": (b'study: x\ntitle: "C:\\data"\n', "2:12", "a backslash in double quotes"),
    "two_documents": (b"study: x\n---\nstudy: y\n", "2:1", "a second document"),
    "control_character": (b"study: x\ntitle: a\x07b\n", "2:9", "a control character"),
    "brackets_without_end": (b"study: " + b"[" * 5000, "1:1", "nested without end"),
    "alias_of_itself": (b"study: &a [*a]\n", "1:1", "nested without end"),
    "latin_1": ("study: x\ntitle: Prévention\n".encode("latin-1"), "2:1", "not UTF-8"),
    "utf_16": ("study: x\n".encode("utf-16"), "1:1", "not UTF-8"),
    "empty": (b"", "1:1", "the file is empty"),
    "comments_only": (b"# to do\n", "1:1", "the file is empty"),
    "list": (b"- study: x\n", "1:1", "keys with values"),
    "text": (b"study\n", "1:1", "keys with values"),
}


@pytest.mark.parametrize(("content", "place", "says"), BROKEN.values(), ids=BROKEN)
def test_one_clear_message(content, place, says, tmp_path, capsys):
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    told = check(path)
    assert [p.where for p in told] == [f"{path}:{place}"]
    assert says in str(told[0])
    assert call(["check", str(path)]) == 1
    printed = capsys.readouterr().err
    assert f"{path}:{place}" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(("tail", "says"), [
    ("title: !secret x\n", "the tag !secret means nothing here"),
    ("<<: {title: x}\n", "a key must be plain text"),
    ("? [a, b]\n: c\n", "a key must be plain text"),
])  # fmt: skip
def test_yaml_that_a_study_file_has_no_use_for(tail, says, tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("study: x\n" + tail, encoding="utf-8")
    told = [p for p in check(path) if p.where.startswith(f"{path}:2:")]
    assert says in str(told[0])


def test_aliases_of_aliases_end(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x]"] + [
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]" for i in range(1, 9)
    ]
    path = tmp_path / "x.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert "far too many values" in str(check(path)[0])


def test_a_folder_and_a_file_that_is_not_there(tmp_path):
    with pytest.raises(StudyError, match=r"is a folder, not a study file\. Name one"):
        load(tmp_path)
    with pytest.raises(StudyError, match="there is no such study file"):
        load(tmp_path / "x.yaml")
