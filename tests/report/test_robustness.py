"""How far a panel's result can be trusted: what is said, drawn and tabled of it, and what is left out."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from evaluation.estimators.registry import BUILT_IN
from evaluation.report import calendar, robustness, verdict, words
from evaluation.report.figures.decomposition import decomposition
from evaluation.report.figures.figure import Figure
from evaluation.report.figures.gaps import gaps
from evaluation.report.figures.honest import honest
from evaluation.report.figures.leave_out import MOST, leave_out
from evaluation.report.headline import Headline, headline
from evaluation.report.markdown import NOTHING
from evaluation.report.released import Released
from evaluation.report.write import figures
from evaluation.study.building import Adoption, PanelBuild
from evaluation.study.models import PanelDesign

from .case_experiment import experiment
from .case_panel import panel
from .case_robust import gapped, opinion, robust
from .cases import Case, check, ended

Open = Callable[[Case], Released]
Texts = Callable[[Case], dict[str, str]]
PARTS = ("robustness", "again", "weights", "figure_gaps", "figure_honest", "figure_leave_out", "figure_decomposition",
         "sensitivity", "decomposition", "second_opinion")  # fmt: skip


def head_of(released: Open, case: Case) -> Headline:
    return headline(released(case))


def made(figure: Figure | None) -> Figure:
    assert figure is not None
    return figure


# --------------------------------------------------------------------------- absence


@pytest.mark.parametrize("case", [experiment(), panel()], ids=["cohort", "panel without diagnostics"])
def test_nothing_is_said_of_what_was_not_computed(texts: Texts, case: Case) -> None:
    found = texts(case)
    assert {p: found[p] for p in PARTS if p != "robustness"} == {p: NOTHING for p in PARTS if p != "robustness"}
    assert (found["robustness"] == NOTHING) == (case.study["design"]["type"] == "cohort")


# --------------------------------------------------------------------------- sentences


@pytest.mark.parametrize(
    ("statistic", "status", "said"),
    [
        (1.239, "pass", "The conclusion stands as long as, without administrative licence revocation, the groups did not"),
        (1.239, "pass", "by more than 1.23 times the largest such move seen before adoption."),
        (0.4367, "warn", "by more than 0.43 times the largest such move seen before adoption. Less than what was seen"),
        (0.004, "warn", "by more than a hundredth of the largest such move"),
        (None, "pass", "The conclusion stands even if"),
    ],
)  # fmt: skip
def test_the_room_for_differing_paths_is_rounded_down(
    released: Open, statistic: float | None, status: str, said: str
) -> None:
    case = robust()
    for row in case.tables["diagnostics"]:
        if row["check"] == "honest_breakdown":
            row |= {"statistic": statistic, "status": status}
    assert said in robustness.room(head_of(released, case))


def test_an_open_question_has_no_conclusion_to_fall(released: Open) -> None:
    case = robust()
    case.estimate("main", "att", **ended(-0.8, 0.05, 0.2, 0.09))
    head = head_of(released, case)
    assert robustness.room(head) == robustness.few_clusters(head) == ""


def test_room_for_differing_paths_is_no_doubt_of_its_own(released: Open) -> None:
    head = head_of(released, robust())
    assert not head.doubted
    assert "This may not be due" not in verdict.verdict(head)


def test_the_brief_says_what_the_conclusion_rests_on_and_what_few_clusters_do(texts: Texts) -> None:
    sure = texts(robust())["sure"]
    assert "**Robustness.** The conclusion falls if, without administrative licence revocation," in sure
    assert "By 1 of 1 ways of reckoning made for that" in sure
    assert "leave-one-cluster-out jackknife, p = 0.11" in sure


def test_one_left_out_is_told_by_its_ends_and_by_what_would_change(released: Open) -> None:
    case = robust()
    case.tables["sensitivity"] = [
        r | (ended(-0.9, 0.1) if r["group"] == "State 07" else ended(-0.9, -0.1))
        for r in case.tables["sensitivity"] if r["kind"] == "leave_one_unit" and r["estimate"] is not None
    ]  # fmt: skip
    said = robustness.left_out(head_of(released, case))
    assert "the result lies between 0.598 lower and 0.5 lower" in said
    assert said.endswith("What is concluded would change without State 07 (1 of 40).")


def test_other_ways_of_asking_are_tabled_and_a_hidden_one_says_so(texts: Texts) -> None:
    found = texts(robust())["again"]
    assert re.search(r"Adoption moved 2 years ahead \| 0.1 higher \| 0.2 lower to 0.4 higher \|", found)
    assert "Effect on Rainfall | Hidden |" in found


def test_the_drift_that_would_be_missed_is_in_the_full_report(texts: Texts) -> None:
    assert "would have missed a steady drift apart of 0.04 a year half of the time" in texts(robust())["robustness"]


def test_several_outcomes_are_counted(texts: Texts) -> None:
    assert "p = 0.06 (Holm adjustment over 2 outcomes)" in texts(robust())["robustness"]


def test_a_regression_is_taken_apart_in_words(texts: Texts) -> None:
    said = texts(robust())["robustness"]
    assert "20% of its weight compares with units that had adopted already; these alone give 0.9, against −1.31" in said
    assert "has a negative weight" in said


# --------------------------------------------------------------------------- another library


def test_agreement_stands_in_the_appendix_with_both_conventions(texts: Texts) -> None:
    found = texts(robust())
    assert (
        "Standard errors here: clustered (CR1). Theirs: linearmodels 6.1: clustered, effects counted."
        in (found["second_opinion"])
    )
    assert "Another library disagrees" not in found["sure"]


def test_another_figure_from_another_library_marks_the_analysis(texts: Texts) -> None:
    case = robust()
    case.tables["second_opinion"].append(opinion("differs", -1.2, 0.084))
    found = texts(case)
    assert "linearmodels comes to other figures than this report for “Two-way fixed effects”" in found["sure"]
    assert "comes to other figures" in found["robustness"]
    assert "Differs by 0.084 of ours" in found["second_opinion"]


# --------------------------------------------------------------------------- figures


def test_a_panel_with_diagnostics_has_their_figures(released: Open) -> None:
    found = released(robust())
    wanted = {"event-study", "series", "all-analyses", "honest", "leave-out", "decomposition"}
    assert set(figures(found, headline(found))) == wanted


def test_ranges_by_bound_say_where_they_include_no_difference(released: Open) -> None:
    figure = made(honest(head_of(released, robust())))
    assert "at 0, 0.9 lower to 0.1 lower; at 0.5, 1.9 lower to 0.9 higher" in figure.alt
    assert "The range first includes no difference at 0.44." in figure.alt
    assert len(figure.data) == 10


def test_hidden_ranges_are_left_out_and_counted(released: Open) -> None:
    case = robust()
    for row in case.tables["sensitivity"]:
        if row["kind"] == "honest_smoothness":
            row |= {"conf_low": None, "conf_high": None, "status": "suppressed"}
    figure = made(honest(head_of(released, case)))
    assert "5 ranges hidden" in figure.caption
    assert [row[-1] for row in figure.data].count("hidden") == 5


def test_left_out_units_are_capped_and_hidden_ones_counted(released: Open) -> None:
    figure = made(leave_out(head_of(released, robust())))
    assert f"Of 40 units the {MOST} that move it furthest are drawn; 24 lie between. 1 figure hidden." in figure.caption
    assert len(figure.data) == 5 + 41
    assert "from 0.598 lower (without State 40) to 0.5 lower (without State 01)" in figure.alt
    assert figure.height < 7


def test_comparisons_are_told_by_kind(released: Open) -> None:
    found = released(robust())
    figure = made(decomposition(found, headline(found)))
    assert "Later adopters against units that adopted already: 1 comparison, 20% of the weight" in figure.alt
    assert figure.data[0][:3] == ["Adopters against units that never adopt", "adopted in 1985", "never adopted"]


def test_hidden_comparisons_are_counted(released: Open) -> None:
    case = robust()
    case.tables["decomposition"][0] |= {"weight": None, "estimate": None, "status": "suppressed"}
    found = released(case)
    assert "1 comparison hidden." in made(decomposition(found, headline(found))).caption


@pytest.mark.parametrize("banded", [False, True])
def test_a_gap_is_drawn_below_both_courses(released: Open, banded: bool) -> None:
    found = released(gapped(banded))
    (figure,) = gaps(found, headline(found))
    assert figure.id == "gap-main"
    assert "Before adoption, gaps run from 0 to 0. From adoption on, gaps run from −0.5 to −0.5." in figure.alt
    year, observed, expected, gap = figure.data[-1][:4]
    assert (year, gap) == ("2004", -0.5)
    assert expected == pytest.approx(float(str(observed)) + 0.5)
    assert ("band" in figure.caption) == banded


def test_a_gap_of_other_units_than_the_raw_course_is_drawn_alone(released: Open) -> None:
    case = gapped(False)
    case.estimate("main", "gap", n_treated_units=20)
    found = released(case)
    (figure,) = gaps(found, headline(found))
    assert figure.data[-1][1] is None
    assert "Above" not in figure.caption


def test_weights_of_comparison_units_are_tabled(texts: Texts) -> None:
    found = texts(gapped(False))["weights"]
    assert "| Ohio | 60% |" in found
    assert "1 with a hidden weight | hidden" in found


def test_a_series_alone_speaks_of_its_own_course(texts: Texts) -> None:
    case = gapped(True)
    case.tables["analyses"][0]["options"] = '{"comparison": "none"}'
    found = texts(case)
    assert "compared their course with the one before" in found["found"]
    assert "Whatever else changed at the start is taken for the effect" in found["sure"]


@pytest.mark.parametrize("name", ["honest", "leave-out", "decomposition", "gap-main"])
def test_figures_are_written_with_their_data(released: Open, tmp_path: Path, name: str) -> None:
    found = released(gapped(True) if name == "gap-main" else robust())
    figure = figures(found, headline(found))[name]
    figure.write(tmp_path)
    assert {p.suffix for p in tmp_path.glob(f"{name}.*")} == {".svg", ".png", ".csv"}
    assert len(figure.csv().splitlines()) == 1 + len(figure.data)


# --------------------------------------------------------------------------- not credible


def apart(name: str = "pretrend_slope", analysis: str = "main", status: str = "fail") -> Case:
    case = robust()
    message = "The groups were drifting apart before adoption already: the effect is one of it (p = 0.003)."
    case.tables["diagnostics"].append(check(analysis, name, status, message, term="att"))
    return case


@pytest.mark.parametrize("name", ["pretrends", "pretrend_leads", "pretrend_slope"])
def test_own_paths_apart_take_the_ground_away(released: Open, name: str) -> None:
    assert verdict.verdict(head_of(released, apart(name))) == (
        "Not credible: states that adopted were already moving apart from the others before adoption, so the figure below "
        "says nothing about administrative licence revocation."
    )


@pytest.mark.parametrize(
    "case", [apart(analysis="dynamic"), apart(status="warn"), apart("placebo_time")],
    ids=["another analysis", "only a concern", "another check"],
)  # fmt: skip
def test_nothing_else_does(released: Open, case: Case) -> None:
    assert not verdict.verdict(head_of(released, case)).startswith("Not credible")


def test_a_result_that_is_not_credible_is_nowhere_an_effect(texts: Texts) -> None:
    found = texts(apart())
    box, sure = found["headline"], found["sure"]
    assert "[Not credible]{.headline-number}" in box
    assert "It is not an effect of administrative licence revocation." in box
    assert box.index("Not credible: states") < box.index("The comparison comes to")
    assert "hoped for" not in found["found"] + found["main_result"]
    assert "the same way" not in found["found"]
    assert "chance alone" not in sure
    assert "Robustness." not in sure
    assert "the difference is one of it" in sure
    assert found["again"] == found["figure_honest"] == found["figure_leave_out"] == NOTHING
    assert "not effects" in found["figure_event_study"]
    assert "None is an effect" in found["figure_all_analyses"]
    assert "(not credible, not an effect)" in found["main"]
    assert 'callout-warning title="Not credible"' in found["standing"]
    assert not re.search(r"\beffects? (is|are|of|on)\b(?! administrative)", found["checks"])


def test_a_credible_result_has_no_such_warning(texts: Texts) -> None:
    assert texts(robust())["standing"] == NOTHING


# --------------------------------------------------------------------------- rates and dates


def rates() -> Case:
    case = panel()
    case.study["outcomes"][0] |= {"type": "count", "label": "Deaths"}
    case.study["analyses"][0]["estimator"] = "poisson_did"
    case.estimate("main", "att", estimate=-0.2231, scale="log_rate", **ended(-0.4, -0.05, 0.09, 0.01))
    averted: dict[str, Any] = {"term": "events_averted", "estimate": 120.4, "scale": "level"} | ended(40.2, 210.0)
    case.tables["estimates"].append(case.tables["estimates"][0] | averted)
    return case


def test_a_ratio_of_rates_is_told_as_so_many_fewer(texts: Texts) -> None:
    box = texts(rates())["headline"]
    assert "[20% fewer]{.headline-number}" in box
    assert "Plausible range: 33% fewer to 4.9% fewer" in box
    assert "about 120 fewer events (plausible range: 210 fewer to 40 fewer)" in box


@pytest.mark.parametrize(
    ("unit", "first", "number", "shown"),
    [
        ("quarter", date(2018, 7, 1), 1, "2018 Q3"),
        ("quarter", date(2018, 7, 1), 7, "2020 Q1"),
        ("quarter", date(2018, 12, 1), 1, "December 2018–February 2019"),
        ("month", date(2019, 11, 1), 5, "March 2020"),
        ("month", date(2019, 11, 1), 0, "October 2019"),
        ("year", date(2019, 1, 1), 2021, "2021"),
    ],
)
def test_periods_of_a_built_panel_are_dates(unit: Any, first: date, number: int, shown: str) -> None:
    build = PanelBuild(first=first, last=date(2029, 12, 31), adoption=Adoption(table="orders", start="day"))
    design = PanelDesign(type="panel", unit="u", time="t", cohort="c", time_unit=unit, build=build)
    assert calendar.period(design, float(number)) == shown


def test_periods_without_dates_keep_their_number() -> None:
    design = PanelDesign(type="panel", unit="u", time="t", cohort="c", time_unit="quarter")
    assert calendar.period(design, 12.0) == "quarter 12"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Without the cohort that began in 7", "Without the cohort that began in quarter 7"),
        ("Cohort 9 is one unit", "Cohort of quarter 9 is one unit"),
        ("In 12, 18% of the units stopped", "In quarter 12, 18% of the units stopped"),
        ("In 44% of the periods", "In 44% of the quarters"),
    ],
)
def test_messages_name_periods_that_are_numbers(released: Open, text: str, shown: str) -> None:
    case = panel()
    case.study["design"]["time_unit"] = "quarter"
    assert released(case).prose(text) == shown


def test_messages_are_put_in_the_words_of_reports(texts: Texts) -> None:
    case = panel()
    said = "An adoption moved ahead shows no effect that chance does not explain. Set `comparison: never_treated`."
    case.tables["diagnostics"].append(check("main", "placebo_time", "pass", said, statistic=4.6e-16))
    found = texts(case)
    assert "shows nothing that chance does not explain. Set comparison: never treated." in found["checks"]
    assert "| ≈ 0 |" in found["checks_figures"]


def test_every_method_has_its_name_what_it_does_and_its_convention() -> None:
    for table in (words.ESTIMATORS, words.METHODS, words.CONVENTIONS):
        assert set(BUILT_IN) - set(table) == set()


def test_the_convention_of_each_method_is_in_the_appendix(texts: Texts) -> None:
    assert texts(panel())["methods"].count("Convention: ") == 5
