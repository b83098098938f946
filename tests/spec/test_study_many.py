"""Everything wrong with a file is told at once, in the order of its lines."""

import re

import pytest

from evaluation.cli import call
from evaluation.errors import StudyError
from evaluation.run.plan import check, plan
from tests.spec.bases import PANEL, panel_data
from tests.spec.case import edited

SLIPS = (
    ("study: law", "study: laws"),
    ("title: A law and traffic deaths", "title: 2020"),
    ("kind: law_reform", "kind: law_refrom"),
    ("  time: year", "  time: town"),
    ("  cluster: region", "  clster: region"),
    ("    column: rate", "    column: rte"),
    ("better: lower", "better: loewr"),
    ("role: primary", "role: primry"),
    ("estimator: callaway_santanna", "estimator: callaway_santana"),
    ("- id: classic", "- id: main"),
    ("estimator: twfe", "estimator: twfe\n    options: {covariats: []}"),
    ("{pretrends: true}", "{pretrends: yes, placebo_outcomes: [deaths_]}"),
    ("{profile: none}", "{profile: non}"),
    ("report: {products: [brief, full]}", "report: {products: [brief, full]}\nreport: {}"),
)
KEYS = [
    "study", "title", "intervention.kind", "design.time", "design.clster", "outcomes[0].column", "outcomes[0].better",
    "analyses[0].role", "analyses[0].estimator", "analyses[1].id", "analyses[1].options.covariats",
    "diagnostics.pretrends", "diagnostics.placebo_outcomes[0]", "disclosure.profile", "report",
]  # fmt: skip


@pytest.fixture
def path(tmp_path):
    panel_data().to_parquet(tmp_path / "law.parquet")
    path = tmp_path / "law.yaml"
    path.write_text(edited(PANEL, SLIPS), encoding="utf-8")
    return path


def test_all_at_once_in_the_order_of_the_lines(path):
    told = check(path)
    assert [p.key for p in told] == KEYS
    assert {p.severity for p in told} == {"error"}
    places = [re.fullmatch(rf"{re.escape(str(path))}:(\d+):(\d+)", p.where) for p in told]
    assert all(places)
    numbers = [(int(m[1]), int(m[2])) for m in places if m]
    assert numbers == sorted(numbers)


def test_planning_refuses_with_the_same_problems(path):
    with pytest.raises(StudyError) as refused:
        plan(path)
    assert [p.key for p in refused.value.problems] == KEYS


def test_the_command_prints_them_in_one_block(path, capsys):
    assert call(["check", str(path)]) == 1
    printed = capsys.readouterr().err
    assert all(f": {key}\n" in printed for key in KEYS)
    assert "15 errors" in printed
    assert "Traceback" not in printed
