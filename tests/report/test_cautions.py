"""What holds the reader back: the level a result is read against, doubts, other analyses, and what is hidden."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from evaluation.report import beside, verdict
from evaluation.report.headline import Level, headline, others, starting_level
from evaluation.report.released import Released, open_run

from .case_experiment import experiment
from .case_panel import panel
from .case_simulated import simulated
from .cases import Case, check, ended, estimate

Open = Callable[[Case], Released]


def open_again(case: Case) -> Released:
    with TemporaryDirectory() as folder:
        return open_run(case.write(Path(folder) / "again"))


# --------------------------------------------------------------------------- the level before adoption


def _two_cohorts() -> Case:
    """Cohorts of 3 units from 1983 and of 1 from 1985. With one period set aside the base periods are 1981 and,
    since the single unit is missing in 1983, 1982: (3 × 20 + 1 × 30) / 4 = 22.5. With none: 1981 again (only 1 of 3
    is observed in 1982) and 1984: (3 × 20 + 1 × 26) / 4 = 21.5."""
    values = {"cohort:1983": {1980: (24, 3), 1981: (20, 3), 1982: (5, 1), 1983: (11, 3)},
              "cohort:1985": {1981: (31, 1), 1982: (30, 1), 1984: (26, 1), 1985: (12, 1)},
              "control": {1980: (9, 25)}}  # fmt: skip
    case = panel()
    case.tables["series"] = [
        {"outcome": "fatalities", "group": g, "time": float(y), "estimate": float(m), "n_units": n, "status": "ok"}
        for g, years in values.items() for y, (m, n) in years.items()
    ]  # fmt: skip
    return case


@pytest.mark.parametrize(
    ("options", "level", "said"),
    [
        ('{"anticipation": 1}', 22.5, "in the base period, 2 years or more before adoption, the average"),
        ('{"anticipation": 0}', 21.5, "in the base period, 1 year or more before adoption, the average"),
        ('{"reference": -2}', 22.5, "2 years or more before adoption"),
    ],
)
def test_the_level_before_is_that_of_the_base_periods_by_hand(
    released: Open, options: str, level: float, said: str
) -> None:
    case = _two_cohorts()
    case.tables["analyses"][0]["options"] = options
    head = headline(released(case))
    assert starting_level(head) == Level(pytest.approx(level), late=False)  # type: ignore[arg-type]
    assert said in verdict.frequencies(head)


def test_a_hidden_size_gives_no_weighted_level(released: Open) -> None:
    case = _two_cohorts()
    case.tables["series"][0]["n_units"] = None
    assert starting_level(headline(released(case))) is None


def test_periods_set_aside_are_no_evidence(released: Open) -> None:
    case = panel()
    assert verdict.set_aside(headline(released(case))) == ""
    case.tables["analyses"][0]["options"] = '{"anticipation": 2}'
    found = verdict.set_aside(headline(open_again(case)))
    assert found.startswith("The 2 years just before adoption are set aside")
    assert found.endswith("They are no evidence on whether paths were similar.")


# --------------------------------------------------------------------------- doubts


def _clear_panel(*checks: dict[str, Any]) -> Case:
    case = panel()
    case.estimate("main", "att", **ended(-0.9, -0.1, 0.2, 0.01))
    case.tables["diagnostics"] += checks
    return case


def test_a_failure_in_another_analysis_of_the_outcome_weakens_the_verdict(texts: Callable[[Case], Any]) -> None:
    apart = "The groups already differed 16 periods before adoption."
    found = texts(
        _clear_panel(check("main", "few_clusters", "warn", "Few."), check("dynamic", "pretrend_leads", "fail", apart))
    )
    assert (
        "**Caution.** A check failed (Single differences before adoption, analysis “Event study”)" in found["headline"]
    )
    assert "This may not be due to administrative licence revocation." in found["headline"]
    assert "differed 16 years before adoption" in found["sure"]
    assert found["sure"].index("**Checks.**") < found["sure"].index("**Precision.**")


def test_what_is_no_doubt(released: Open) -> None:
    case = _clear_panel(
        check("main", "pretrend_size", "warn", "The largest difference is 125% of the effect."),
        check("main", "pretrends", "warn", "Hidden by disclosure control: it would tell a small number of people."),
        check("twfe", "staggered_adoption", "warn", "Units adopted at different times."),
    )
    assert not headline(released(case)).doubted


def test_a_hidden_check_is_called_hidden(texts: Callable[[Case], Any]) -> None:
    case = _clear_panel(check("main", "few_clusters", "warn", "Hidden by disclosure control: it would tell."))
    assert re.search(r"Few clusters \| [^|]+\| Hidden \|", texts(case)["checks"])


def test_checks_count_once_an_analysis(texts: Callable[[Case], Any]) -> None:
    said = texts(experiment())["sure"]
    assert "No check was made on the main analysis." in said
    assert "The one check of another analysis raises doubt: Constant ratio over time" in said


# --------------------------------------------------------------------------- beside other analyses


def _window(case: Case, time: float, value: float, identifier: str = "windows") -> None:
    case.tables["estimates"].append(
        estimate(identifier, "risk_difference", value, outcome="rearrest", time=time, **ended(value - 0.1, value + 0.1))
    )


def _windows(*figures: tuple[float, float]) -> Case:
    case = simulated()
    case.study["analyses"].append({"id": "windows", "role": "secondary", "outcome": "rearrest",
                                   "estimator": "risk_difference", "label": "By window"})  # fmt: skip
    for time, value in figures:
        _window(case, time, value)
    return case


def test_other_analyses_are_read_at_the_main_window(released: Open) -> None:
    found = released(_windows((24.0, -0.05), (36.0, 0.2)))
    assert {h.name: h.time for h in others(found, headline(found))} == {
        "Difference in risk, adjusted": 24.0,
        "By window": 24.0,
    }


def test_another_window_is_named(released: Open, texts: Callable[[Case], Any]) -> None:
    case = _windows((36.0, 0.2))
    assert "By window (within 36 months) |" in texts(case)["analyses"]
    assert "1 points the same way" in beside.agreement(headline(open_again(case)))


def test_a_repeat_is_no_agreement(released: Open) -> None:
    value = 0.3391 - 0.4203
    found = released(_windows((24.0, value)))
    assert [h.analysis.id for h in others(found, headline(found))] == ["adjusted"]


def test_an_open_result_counts_no_directions(released: Open) -> None:
    case = panel()
    for name in ("twfe", "dynamic", "not_yet"):
        case.estimate(name, "att", **ended(-2.0, 1.0))
    assert (
        beside.agreement(headline(released(case)))
        == "All 3 other analyses of this outcome leave the question open, too."
    )


def test_a_small_clear_result_is_said_to_be_large_by_chance(released: Open) -> None:
    text = beside.exaggerated(headline(released(experiment())))  # 0.083 is less than 2.8 × 0.0423 = 0.118
    assert "about 12 in every 100" in text
    assert text.endswith("tend to be too large.")


def test_a_large_result_is_not(released: Open) -> None:
    case = experiment()
    case.estimate("main", "risk_difference", estimate=-0.2, **ended(-0.28, -0.12, 0.0423))
    assert beside.exaggerated(headline(released(case))) == ""


def test_a_borderline_result_is_called_so_in_the_box(texts: Callable[[Case], Any]) -> None:
    found = texts(experiment())
    assert "**Borderline result.** Other ways of measuring the same result include no difference." in found["headline"]
    assert "chance alone" not in found["sure"]


# --------------------------------------------------------------------------- what is not in force, or hidden


def test_characteristics_are_no_option_where_nothing_is_adjusted(texts: Callable[[Case], Any]) -> None:
    case = simulated()
    case.tables["analyses"][0]["options"] = '{"adjust": "none", "covariates": "all", "window": 24}'
    methods = texts(case)["methods"].split("###")
    assert "Characteristics held equal" not in methods[1]
    assert "Characteristics held equal" in methods[2]


def test_an_analysis_with_all_figures_hidden_is_not_called_unfinished(texts: Callable[[Case], Any]) -> None:
    case = simulated()
    case.tables["analyses"][2] |= {"status": "suppressed", "reason": "Every figure is hidden by disclosure control."}
    found = texts(case)
    assert "Every figure is hidden of: Kaplan–Meier curves." in found["keep_in_mind"]
    assert "gave no result" not in found["keep_in_mind"] + found["methods"]


def test_hidden_numbers_of_people_leave_a_whole_sentence(texts: Callable[[Case], Any]) -> None:
    case = simulated()
    for row in case.tables["estimates"]:
        row |= {"n_units": None, "n_obs": None, "n_treated_units": None}
    assert (
        "We compared people with a drug-related charge in the program group with people with a drug-related charge in "
        "the comparison group. How many there were is hidden to protect people’s privacy."
    ) in texts(case)["found"]
