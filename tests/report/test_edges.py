"""Runs that are not as one would wish: nothing to show, hidden, failed, one arm, odd names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluation.errors import ReportError
from evaluation.report import beside, verdict
from evaluation.report.headline import headline
from evaluation.report.released import Released, open_run
from evaluation.report.render import render
from evaluation.report.write import write

from .case_experiment import experiment
from .case_panel import panel
from .case_simulated import simulated
from .cases import Case

Open = Callable[[Case], Released]
Texts = Callable[[Case], dict[str, str]]


def without(case: Case, *tables: str) -> Case:
    for name in tables:
        case.tables[name] = []
    return case


def blank(status: str) -> dict[str, Any]:
    return dict.fromkeys(("estimate", "std_error", "conf_low", "conf_high", "p_value")) | {"status": status}


def primary(status: str) -> Case:
    case = experiment()
    for term in ("risk_treated", "risk_control", "risk_difference", "risk_ratio", "odds_ratio"):
        case.estimate("main", term, **blank(status))
    return case


@pytest.mark.parametrize(
    ("status", "said", "word"),
    [
        ("suppressed", "The main result is hidden to protect people’s privacy.", "Hidden"),
        ("not_estimable", "With the data at hand, this study cannot answer its question.", "Not estimable"),
        ("gated", "The main result is withheld because a check", "Withheld"),
    ],
)
def test_a_main_result_without_a_figure_is_said_with_its_reason(
    texts: Texts, status: str, said: str, word: str
) -> None:
    case = primary(status)
    case.tables["diagnostics"].append(
        {"analysis": "main", "check": "not_estimable", "status": "warn", "term": "risk_difference", "time": 52.0,
         "message": "Nobody was followed for 52 weeks."})  # fmt: skip
    found = texts(case)
    assert said in found["headline"]
    assert word in found["main"]
    assert ("Nobody was followed for 52 weeks" in found["main_result"]) == (status == "not_estimable")
    assert "fewer" not in found["headline"]


def test_a_failed_main_analysis_is_said(texts: Texts) -> None:
    case = experiment()
    case.tables["estimates"] = [r for r in case.tables["estimates"] if r["analysis"] != "main"]
    case.tables["analyses"][0] |= {"status": "failed", "reason": 'the column "prio" is constant'}
    found = texts(case)
    assert "The main analysis could not be completed" in found["headline"]
    assert "Convictions before is constant" in found["headline"]
    assert "1 analysis gave no result" in found["keep_in_mind"]
    assert "Failed" in found["analyses"]


def test_other_failed_analyses_are_said(texts: Texts) -> None:
    found = texts(panel())
    assert "1 analysis gave no result: Imputation difference-in-differences." in found["keep_in_mind"]
    assert "The matrix of comparison means is singular" in found["analyses"]


def test_all_windows_take_the_longest_with_a_figure(released: Open) -> None:
    case = simulated()
    for row in case.tables["estimates"]:
        if row["analysis"] == "main" and row["time"] == 24.0:
            row.update(blank("suppressed"))
    head = headline(released(case))
    assert head.time == 12.0
    assert verdict.subject(head) == "Rearrest within 12 months"


def test_a_shorter_window_than_asked_for_is_said(texts: Texts) -> None:
    case = simulated()
    for row in case.tables["estimates"]:
        if row["analysis"] == "main" and row["time"] == 24.0:
            row.update(blank("suppressed"))
    assert "The same result within 24 months cannot be shown: too few people" in texts(case)["keep_in_mind"]


def test_a_fixed_window_is_the_headline_s(released: Open) -> None:
    case = simulated()
    case.tables["analyses"][0]["options"] = '{"window": 12}'
    assert headline(released(case)).time == 12.0


def test_one_arm_renders_and_has_no_comparison(sources: Callable[[Case], Path], tmp_path: Path) -> None:
    case = primary("not_estimable")
    case.estimate("main", "risk_treated", estimate=0.2, conf_low=0.1, conf_high=0.3, status="ok")
    case.tables["curve"] = [r | {"group": "all"} for r in case.tables["curve"] if r["group"] == "treated"]
    case.tables["baseline"] = [r for r in case.tables["baseline"] if r["group"] == "treated"]
    made = render(sources(case), tmp_path / "out", ("brief", "full"), ("html", "pdf"), "pandoc")
    assert all(p.stat().st_size > 1000 for p in made)


@pytest.mark.parametrize("make", [experiment, panel, simulated])
def test_a_run_with_estimates_alone_renders(make: Callable[[], Case], tmp_path: Path) -> None:
    case = make()
    case.tables = {"estimates": case.tables["estimates"]}
    source = write(case.write(tmp_path / "run"))
    assert len(render(source, tmp_path / "out", ("brief", "full", "appendix"), ("pdf",), "pandoc")) == 3


def test_a_run_without_any_result_renders(tmp_path: Path) -> None:
    case = without(
        experiment(),
        "estimates",
        "curve",
        "baseline",
        "diagnostics",
        "inference",
        "flow",
        "data_quality",
        "suppression",
    )
    case.tables["analyses"] = [r | {"status": "failed", "reason": "no data"} for r in case.tables["analyses"]]
    source = write(case.write(tmp_path / "run"))
    assert list((source / "figures").iterdir()) == []
    assert len(render(source, tmp_path / "out", ("brief", "full", "appendix"), ("html", "pdf", "docx"), "pandoc")) == 9


def test_an_estimate_without_an_interval_claims_nothing(released: Open) -> None:
    case = panel()
    case.estimate("main", "att", conf_low=None, conf_high=None, std_error=None, p_value=None)
    head = headline(released(case))
    assert verdict.verdict(head).startswith("We cannot tell")
    assert verdict.plausible(head) == "no plausible range could be worked out"
    assert beside.detectable(head) == ""


def test_long_names_and_markup_in_them_do_no_harm(tmp_path: Path) -> None:
    case = panel()
    nasty = (
        'Deaths *per* 100,000 [people] <b>under_25</b> & "others" | {a} $x$ @tbl-none #1 ~ ^ `code` \\ {{< var x >}}'
    )
    case.study["outcomes"][0]["label"] = nasty + " " + "and a very long tail of words " * 6
    case.study["title"] = nasty
    case.study["analyses"][0]["label"] = "A name of an analysis that goes on and on " * 4
    source = write(case.write(tmp_path / "run"))
    made = render(source, tmp_path / "out", ("brief", "full"), ("html", "pdf", "docx"), "pandoc")
    page = made[0].read_text(encoding="utf-8")
    assert "Deaths *per* 100,000 [people] &lt;b&gt;under_25&lt;/b&gt; &amp;" in page
    assert "<b>under_25" not in page


def test_hidden_cells_are_called_hidden_and_explained(texts: Texts) -> None:
    found = texts(simulated())
    assert "hidden" in found["baseline"]
    assert "hidden" in found["flow"]
    assert "rests on so few people" in found["hidden"]
    for place in ("keep_in_mind", "hidden"):
        assert "5 rows of the results were hidden or made coarser." in found[place]


def test_merged_curve_points_are_told_apart_from_other_rows(texts: Texts) -> None:
    case = simulated()
    case.tables["suppression"] = [
        {"table": "curve", "profile": "cms11", "rule": "counts from 1 to 10", "n_rows": 220, "n_suppressed": 122},
        {"table": "flow", "profile": "cms11", "rule": "counts from 1 to 10", "n_rows": 9, "n_suppressed": 3},
    ]
    found = texts(case)
    for place in ("keep_in_mind", "hidden"):
        assert "125 rows of the results were hidden or made coarser. 122 of them are points of curves" in found[place]


def test_public_data_hide_nothing(texts: Texts) -> None:
    assert "Nothing was hidden" in texts(panel())["hidden"]


def test_small_groups_are_marked_wherever_they_appear(texts: Texts) -> None:
    found = texts(panel())
    assert "Results for the states that adopted in 1983 and 1988 rest on very few states" in found["keep_in_mind"]
    assert "Adopted in 1983 †" in found["groups"]
    assert "Adopted in 1985 |" in found["groups"]
    assert "Adopted in 1988, effect in 1990 †" in found["estimates"]
    marked = [line for line in found["figure_series"].splitlines() if "unreliable: very few states" in line]
    assert marked
    assert all(line.startswith(("| adopted in 1983 |", "| adopted in 1988 |")) for line in marked)


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="Run the study first"):
        open_run(tmp_path)


def test_a_study_file_of_another_version_is_refused(tmp_path: Path) -> None:
    run = experiment().write(tmp_path / "run")
    path = run / "results" / "study.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "\nunheard_of: 1\n", encoding="utf-8")
    with pytest.raises(ReportError, match="unheard_of"):
        open_run(run)
