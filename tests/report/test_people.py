"""Figures and passages of studies that follow people: flow, balance, overlap, what came first, groups of people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evaluation.report.headline import headline
from evaluation.report.released import Released
from evaluation.report.sections import people
from evaluation.report.write import figures

from .case_court import court
from .case_experiment import experiment
from .cases import Case

Open = Callable[[Case], Released]


def test_a_cohort_from_tables_has_its_figures(released: Open) -> None:
    run = released(court())
    assert list(figures(run, headline(run))) == [
        "curve", "flow", "love", "overlap", "competing", "subgroups", "all-analyses",
    ]  # fmt: skip


def test_characteristics_stand_from_the_least_alike_to_the_most(released: Open) -> None:
    run = released(court())
    love = figures(run, headline(run))["love"]
    assert [row[0] for row in love.data] == ["Earlier arrests", "Age at entry", "Female"]
    assert "Largest before: −0.42 (Earlier arrests). Largest after: 0.12 (Earlier arrests)." in love.alt


def test_a_hidden_step_of_the_flow_tells_no_number(released: Open) -> None:
    run = released(court())
    drawn = figures(run, headline(run))["flow"]
    assert ["Died before the index date", "people", "hidden", "hidden"] in drawn.data
    assert "1,490 index events remain" in drawn.alt
    assert drawn.data[-1][-1] == 1400


def test_steps_of_other_windows_are_not_drawn(released: Open) -> None:
    case = court()
    case.tables["flow"].append(
        case.tables["flow"][-1] | {"step": "short_follow_up_12", "reason": "followed for less than 12 months"}
    )
    run = released(case)
    assert not any("12 months" in str(row[0]) for row in figures(run, headline(run))["flow"].data)


def test_what_still_differs_after_weighting_is_named(texts: Callable[[Case], dict[str, str]]) -> None:
    said = texts(court())["alike_after"]
    assert "1 of 3 characteristics still differ by 0.1 standard deviations or more: Earlier arrests" in said
    assert "What was not recorded may still differ" in said


def test_too_large_a_difference_after_weighting_is_called_so(released: Open) -> None:
    case = court()
    for row in case.tables["balance"]:
        if row["covariate"] == "age" and row["stage"] == "after":
            row["smd"] = 0.4
    run = released(case)
    assert "too much for an adjustment to be trusted: Age at entry" in people.alike_after(headline(run))


def test_both_clocks_stand_side_by_side(texts: Callable[[Case], dict[str, str]]) -> None:
    table = texts(court())["clocks"]
    assert "Calendar time: every day counts | 31 of 100 | 40 of 100 | 9 fewer in every 100" in table
    assert "Street time: days in custody do not count | 36 of 100 | 44 of 100 | 8 fewer in every 100" in table


def test_no_clocks_without_a_twin(texts: Callable[[Case], dict[str, str]]) -> None:
    case = court()
    case.study["analyses"] = [a for a in case.study["analyses"] if a["id"] != "street"]
    assert "Street time" not in texts(case)["clocks"]


def test_groups_of_people_are_told_as_exploratory(texts: Callable[[Case], dict[str, str]], released: Open) -> None:
    case = court()
    assert "No difference is larger than chance could make it" in texts(case)["within_groups"]
    for row in case.tables["subgroups"]:
        row["p_interaction"] = row["p_interaction_adjusted"] = 0.004
    said = people.subgroups_text(headline(_opened(case)))
    assert "differs by Female" in said
    assert "exploratory" in said


def _opened(case: Case) -> Released:
    return Released(_study(case), case.tables, {})


def _study(case: Case) -> object:
    from evaluation.study.models import Study

    return Study.model_validate(case.study)


def test_loss_is_rated_as_our_own_computation(texts: Callable[[Case], dict[str, str]]) -> None:
    table = texts(court())["attrition"]
    assert "620 of 640" in table
    assert "no rating by the clearinghouse" in table


def test_an_experiment_without_such_rows_has_none_of_it(sources: Callable[[Case], Path]) -> None:
    source = sources(experiment())
    assert not (source / "figures" / "love.svg").exists()
    assert "nothing to report" in (source / "tables" / "clocks.md").read_text()


def test_delivery_is_described_and_never_an_effect(texts: Callable[[Case], dict[str, str]]) -> None:
    said = texts(court())["delivery"]
    assert "descriptions and not effects" in said
    assert "| Admitted | 52% | 620 |" in said
    assert "median 2.1 hearings" in said


def test_what_the_result_rests_on_is_said_of_people_too(texts: Callable[[Case], dict[str, str]]) -> None:
    case = court()
    case.tables["sensitivity"] = [
        {"analysis": "main", "kind": "imputation", "label": "Missing values filled in", "estimate": -0.08,
         "conf_low": -0.13, "conf_high": -0.03, "status": "ok"}]  # fmt: skip
    said = texts(case)["robustness"]
    assert "Both groups hold people of every kind." in said
    assert "filled in many times over, the result is 8 fewer in every 100 (13 fewer to 3 fewer in every 100)" in said


def test_those_who_completed_are_described_and_never_compared(
    texts: Callable[[Case], dict[str, str]], released: Open
) -> None:
    case = court()
    case.study["design"]["completers"] = {"exit_reason": "graduated"}
    street = next(a for a in case.study["analyses"] if a["id"] == "street")
    street.update(
        {"among": "completers", "clock": "calendar", "role": "exploratory", "label": "Only those who graduated"}
    )
    run = _opened(case)
    drawn = figures(run, headline(run))["all-analyses"]
    assert [row[0] for row in drawn.data] == ["Difference in risk"]
    found = texts(case)
    assert "| Only those who graduated | Description only |" in found["analyses"]
