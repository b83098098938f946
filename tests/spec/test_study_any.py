"""Whatever stands in a study file, the answer is a list of problems with places, and never a traceback."""

import copy
import io
import re
from datetime import date

import pytest
from ruamel.yaml import YAML

from evaluation.run.plan import check
from tests.spec.bases import DATA, STEMS, TEXTS

VALUES = (
    None,
    True,
    0,
    -1,
    1.5,
    float("nan"),
    "",
    "x",
    "no: yes",
    date(2024, 1, 31),
    [],
    ["x", 1],
    [[]],
    {},
    {"x": {"y": 1}},
)


def places(value, loc=()):
    """Every place in nested values, the whole first."""
    yield loc
    for part in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from places(value[part], (*loc, part))


def put(document, loc, value):
    """A copy with the value at `loc` replaced."""
    changed = copy.deepcopy(document)
    inner = changed
    for part in loc[:-1]:
        inner = inner[part]
    inner[loc[-1]] = value
    return changed


def wrong_files(text, values):
    """The study with each of its values replaced by each of `values`."""
    document = YAML(typ="safe").load(text)
    for loc in places(document):
        for value in values if loc else ():
            yield loc, value, put(document, loc, value)


def assert_told(path, document, change):
    """Writes and checks a file: whatever is told has a place and says something."""
    stream = io.StringIO()
    YAML(typ="safe").dump(document, stream)
    path.write_text(stream.getvalue(), encoding="utf-8")
    for problem in check(path):
        assert re.fullmatch(rf"{re.escape(str(path))}:\d+:\d+", problem.where), change
        assert problem.what, change


@pytest.mark.parametrize("base", TEXTS)
def test_any_value_anywhere(base, tmp_path):
    for loc, value, document in wrong_files(TEXTS[base], VALUES):
        assert_told(tmp_path / f"{STEMS[base]}.yaml", document, (loc, value))


@pytest.mark.parametrize("base", TEXTS)
def test_a_list_anywhere_with_data_to_judge_the_rest_by(base, tmp_path):
    DATA[base]().to_parquet(tmp_path / f"{STEMS[base]}.parquet")
    for loc, value, document in wrong_files(TEXTS[base], ([],)):
        assert_told(tmp_path / f"{STEMS[base]}.yaml", document, (loc, value))


@pytest.mark.parametrize("base", TEXTS)
def test_any_line_left_out(base, tmp_path):
    path = tmp_path / f"{STEMS[base]}.yaml"
    lines = TEXTS[base].splitlines(keepends=True)
    for i, line in enumerate(lines):
        path.write_text("".join(lines[:i] + lines[i + 1 :]), encoding="utf-8")
        assert check(path), line  # the data at least are not there
