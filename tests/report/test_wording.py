"""What the reports may and may not say, case by case."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evaluation.report import beside, verdict
from evaluation.report.headline import Headline, headline
from evaluation.report.released import Released

from .case_experiment import experiment
from .case_panel import panel
from .case_simulated import simulated
from .cases import Case, ended

FORBIDDEN = (
    r"(?i)\bno effects?\b", r"(?i)\bsignifican", r"(?i)\binsignifican", r"(?i)\bstatistically\b", r"(?i)\boffenders?\b", r"(?i)\baddicts?\b", r"(?i)\babusers?\b",
    r"(?i)\binmates?\b", r"(?i)\bconvicts?\b", r"(?i)\bsubjects\b", r"(?i)\bproves\b", r"(?i)\bproven\b", r"(?i)\bdid not work\b", r"−0(?![.,\d])", r"\bnan\b", r"\bNone\b(?! of)",
    r"\d\.\d{7,}",
)  # fmt: skip

Open = Callable[[Case], Released]


def prose(source: Path) -> str:
    files = [*(source / "_includes").glob("*.md"), *(source / "tables").glob("*.md"), *source.glob("*.qmd")]
    return "\n".join(p.read_text(encoding="utf-8") for p in sorted(files))


def test_no_product_says_what_must_not_be_said(rendered: Path) -> None:
    text = prose(rendered / "report" / "source")
    found = [m.group() for pattern in FORBIDDEN for m in re.finditer(pattern, text)]
    assert found == []


def test_no_column_name_where_a_label_exists(rendered: Path, case: Case) -> None:
    text = prose(rendered / "report" / "source")
    assert [n for n in case.names if re.search(rf"\b{n}\b", text)] == []


def test_no_passage_sends_the_reader_to_the_document_in_hand(rendered: Path) -> None:
    text = prose(rendered / "report" / "source").lower()
    assert re.findall(r"(?:see the|the) full report(?: lists)?\b(?<!a full report)", text) == []


def test_no_id_of_a_check_an_estimator_or_a_term(rendered: Path) -> None:
    text = re.sub(r"\]\(.*?\)|\{.*?\}", "", prose(rendered / "report" / "source"))
    assert re.findall(r"\b[a-z]+(?:\\?_[a-z]+)+\b", re.sub(r"\{\{<.*?>\}\}", "", text)) == []


def _primary(case: Case, released: Open, **changes: Any) -> Headline:
    if changes:
        case.estimate("main", "risk_difference", **changes)
    return headline(released(case))


# --------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("assignment", "value", "low", "high", "said", "hoped"),
    [
        (
            "randomised",
            -0.08,
            -0.16,
            -0.01,
            "Being offered transitional financial aid lowered the chance of rearrest",
            "hoped for",
        ),
        (
            "randomised",
            0.08,
            0.01,
            0.16,
            "Being offered transitional financial aid raised the chance of rearrest",
            "away from what was hoped for",
        ),
        (
            "randomised",
            -0.08,
            -0.16,
            0.01,
            "We cannot tell whether being offered transitional financial aid changes",
            "",
        ),
        (
            "observational",
            -0.08,
            -0.16,
            -0.01,
            "People in the program group had a lower chance of rearrest",
            "hoped for",
        ),
        (
            "observational",
            0.08,
            0.01,
            0.16,
            "People in the program group had a higher chance of rearrest",
            "away from what was hoped for",
        ),
        ("observational", 0.0, -0.01, 0.01, "We cannot tell whether transitional financial aid goes with", ""),
    ],
)
def test_the_verdict_follows_the_interval_and_the_design(
    released: Open, assignment: str, value: float, low: float, high: float, said: str, hoped: str
) -> None:
    case = experiment()
    case.study["design"]["assignment"] = assignment
    head = _primary(case, released, estimate=value, **ended(low, high, 0.04, 0.9))
    assert verdict.verdict(head).startswith(said)
    assert hoped in verdict.direction(head)
    assert bool(verdict.direction(head)) == bool(hoped)


def test_better_higher_turns_what_is_hoped_for(released: Open) -> None:
    case = experiment()
    case.study["outcomes"][0] |= {"label": "Employment", "better": "higher"}
    head = _primary(case, released)
    assert verdict.direction(head) == "The result points away from what was hoped for."


def test_words_of_cause_only_for_a_trial_whose_checks_hold(released: Open) -> None:
    case = experiment()
    case.tables["diagnostics"].append(
        {"analysis": "main", "check": "attrition", "status": "fail", "message": "Many people left one group."}
    )
    head = _primary(case, released)
    assert verdict.verdict(head).startswith("People in the program group had a lower chance")
    assert verdict.caution(head) == "A check failed (Attrition), so read the result with care."


def test_a_panel_speaks_of_what_would_be_expected(released: Open) -> None:
    case = panel()
    case.estimate("main", "att", **ended(-0.9, -0.1, 0.2, 0.01))
    head = headline(released(case))
    assert verdict.verdict(head) == (
        "Traffic deaths per 100,000 people came out lower than we would expect without administrative licence revocation."
    )


# --------------------------------------------------------------------------- the headline


def test_rossi_in_natural_frequencies(released: Open) -> None:
    head = _primary(experiment(), released)
    assert verdict.figure(head) == "8 fewer in every 100"
    assert verdict.plausible(head) == "plausible range: 16 fewer to 0.02 fewer in every 100"
    assert (
        "rearrest within 52 weeks for 22 of every 100 in the program group, against 31 of every 100"
        in verdict.frequencies(head)
    )
    assert "rounded on its own" in verdict.frequencies(head)


def test_rossi_straddles_and_the_report_says_so(released: Open) -> None:
    note = beside.straddle_note(_primary(experiment(), released))
    assert "risk ratio (0.528 to 1.002) includes 1" in note
    assert "log-rank) gives p = 0.0501, just above the usual limit of 0.05" in note
    assert note.endswith("the measure the study named as its main one, the difference in risk.")


def test_no_straddling_where_all_agree(released: Open) -> None:
    case = experiment()
    case.estimate("main", "risk_ratio", **ended(0.5, 0.95))
    case.tables["diagnostics"] = [
        c | {"p_value": 0.01} if c["check"] == "log_rank" else c for c in case.tables["diagnostics"]
    ]
    assert beside.straddle_note(_primary(case, released)) == ""


def test_straddling_the_other_way(released: Open) -> None:
    case = experiment()
    case.estimate("main", "risk_ratio", **ended(0.5, 0.95))
    note = beside.straddle_note(_primary(case, released, **ended(-0.17, 0.001, 0.0423)))
    assert (
        "difference in risk includes no difference, but the plausible range of the risk ratio (0.5 to 0.95) leaves out 1"
        in note
    )


def test_an_open_question_comes_with_what_could_have_been_found(released: Open) -> None:
    head = _primary(experiment(), released, **ended(-0.17, 0.01, 0.0423))
    assert "about 12 in every 100 or more" in beside.detectable(head)  # 2.8 × 0.0423 = 0.118


def test_a_settled_question_does_not(released: Open) -> None:
    assert beside.detectable(_primary(experiment(), released)) == ""


@pytest.mark.parametrize(
    ("treated", "control", "said"),
    [
        (0.004, 0.007, "4 of every 1,000 in the program group, against 7 of every 1,000"),
        (0.00004, 0.00008, "4 of every 100,000 in the program group, against 8 of every 100,000"),
        (0.0, 0.02, "0 of every 100 in the program group, against 2 of every 100"),
    ],
)
def test_rare_outcomes_are_told_among_more_people(released: Open, treated: float, control: float, said: str) -> None:
    case = experiment()
    case.estimate("main", "risk_treated", estimate=treated)
    case.estimate("main", "risk_control", estimate=control)
    head = _primary(case, released, estimate=treated - control, **ended(-0.9, 0.9, 0.1))
    assert said in verdict.frequencies(head)


def test_a_panel_gives_the_level_before_adoption(released: Open) -> None:
    head = headline(released(panel()))
    assert "in the year before adoption (the base period), the average in adopting states was 21.5" in (
        verdict.frequencies(head)
    )


def test_the_planted_truth_stands_beside_the_estimate(released: Open) -> None:
    head = headline(released(simulated()))
    assert beside.truth(head) == (
        "These data are simulated. The difference planted in them is 10 fewer in every 100; the study’s estimate is "
        "8 fewer in every 100, and its plausible range includes the planted value."
    )


def test_a_planted_truth_outside_the_range_is_said(released: Open) -> None:
    case = simulated()
    case.study["simulation"]["effect"] = 0.05
    assert beside.truth(headline(released(case))).endswith("does not include the planted value.")


# --------------------------------------------------------------------------- other scales


@pytest.mark.parametrize(
    ("scale", "value", "se", "phrase", "span"),
    [
        ("log_hazard", -0.37942, 0.19138, "32% lower", "53% lower to 0.43% lower"),
        ("log_odds", 0.4055, 0.1, "50% higher", "23% higher to 82% higher"),
        ("time", -1.26, 0.3, "1.26 weeks shorter", "1.85 weeks shorter to 0.67 weeks shorter"),
    ],
)
def test_other_scales_in_the_reader_s_units(
    released: Open, scale: str, value: float, se: float, phrase: str, span: str
) -> None:
    case = experiment()
    ends = ended(value - 1.95996 * se, value + 1.95996 * se, se)
    case.tables["estimates"] = [
        r | {"scale": scale, "estimate": value, "term": "arm"} | ends
        for r in case.tables["estimates"] if r["analysis"] == "main" and r["term"] == "risk_difference"
    ]  # fmt: skip
    head = headline(released(case))
    assert head.told.phrase(head.estimate) == phrase
    assert head.interval is not None
    assert head.told.span(*head.interval) == span
    assert "For scale: in the comparison group, records show rearrest" in verdict.frequencies(head)


def test_counts_are_fewer(released: Open) -> None:
    case = panel()
    case.study["outcomes"][0]["type"] = "count"
    assert headline(released(case)).told.phrase(-3.217) == "3.22 fewer"


def test_levels_are_lower(released: Open) -> None:
    assert headline(released(panel())).told.phrase(-3.217) == "3.22 lower"


def test_messages_name_columns_by_their_labels(released: Open) -> None:
    found = released(experiment())
    assert found.prose('missing covariate ("prio"); a larger `anticipation`') == (
        "missing covariate (Convictions before); a larger anticipation"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("The effect at -17 periods since adoption is odd", "The effect 17 years before adoption is odd"),
        ("The effect at period 1982 rests on one unit", "The effect in 1982 rests on one unit"),
        ("No untreated period; its base period 1980", "No untreated year; its base period 1980"),
        ('The outcome "Deaths in the period" is missing', 'The outcome "Deaths in the period" is missing'),
    ],
)
def test_messages_speak_of_the_study_s_unit_of_time(released: Open, text: str, shown: str) -> None:
    assert released(panel()).prose(text) == shown


def test_names_keep_their_capital_inside_a_sentence(released: Open) -> None:
    case = experiment()
    case.study["intervention"]["description"] = "People who joined Homeward received aid."
    found = released(case)
    said = [found.mid(s) for s in ("Black", "Homeward aid", "Rearrest", "SNAP benefits", "The county court")]
    assert said == ["Black", "Homeward aid", "rearrest", "SNAP benefits", "the county court"]
