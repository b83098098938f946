"""Every way in which rows can fail to be a panel is told once, with where, what and how to mend it."""

import numpy as np
import pandas as pd
import pytest

from evaluation.study.models import Outcome
from tests.panels import OUTCOME, found


def sound():
    rows = [
        (unit, year, cohort, site, 1.0, unit + 0.1 * year)
        for unit, cohort, site in ((1, 0, 1), (2, 2003, 1), (3, 2004, 2), (4, None, 2))
        for year in range(2001, 2006)
    ]
    columns = ["unit", "time", "cohort", "cluster", "weight", "y"]
    return pd.DataFrame(rows, columns=columns).astype({"cohort": "float64"})


def only(frame, *, outcomes=(OUTCOME,), **roles):
    """The one problem there is."""
    problems = found(frame, outcomes, **roles)
    assert len(problems) == 1, [str(p) for p in problems]
    return problems[0]


def test_a_sound_panel_has_none():
    assert found(sound(), cluster="cluster", weights="weight") == []


@pytest.mark.parametrize(
    ("column", "kind", "role"),
    [("time", "str", "design.time"), ("cohort", "datetime64[s]", "design.cohort"), ("weight", "str", "design.weights"),
     ("y", "str", "outcomes[0].column")],
)  # fmt: skip
def test_roles_that_need_numbers(column, kind, role):
    frame = sound().fillna({"cohort": 2004.0})
    problem = only(frame.assign(**{column: frame[column].astype(kind)}), weights="weight")
    assert (problem.where, problem.key) == ("", role)
    assert f"the column {column} holds" in problem.what
    assert problem.fix


def test_true_and_false_are_an_outcome():
    frame = sound()
    assert found(frame.assign(y=frame["y"] > 203)) == []


def test_rows_without_a_unit_or_period_are_counted_with_examples():
    frame = sound().astype({"unit": "Int64", "time": "Int64"})
    frame.loc[[0, 3], "unit"] = None
    frame.loc[8, "time"] = None
    unit, time = found(frame)
    assert unit.key == "unit"
    assert "2 rows without a unit, for example (empty) in 2001, (empty) in 2004" in unit.what
    assert time.key == "time"
    assert "1 row without a period, for example 2 in (empty)" in time.what
    assert unit.where.endswith("panel.parquet")


def test_not_a_number_is_missing():
    frame = sound().astype({"time": "float64"})
    frame.loc[0, "time"] = np.nan
    assert "without a period" in only(frame).what


@pytest.mark.parametrize(("column", "value"), [("time", 2001.5), ("cohort", 2003.5), ("time", np.inf)])
def test_periods_are_whole_numbers(column, value):
    frame = sound().astype({"time": "float64"})
    frame.loc[frame["unit"] == 2, column] = value
    problem = only(frame)
    assert problem.key == column
    assert "not a whole number" in problem.what


def test_two_rows_for_a_unit_and_period():
    frame = pd.concat([sound(), sound().iloc[[1, 1, 7]]])
    problem = only(frame)
    assert problem.key == "unit"
    assert "2 units with more than one row in a period" in problem.what
    assert "1 in 2002 (3 rows), 2 in 2003 (2 rows)" in problem.what


def test_examples_stop_at_three():
    frame = pd.concat([sound().assign(unit=sound()["unit"] + 10 * k) for k in range(4)])
    frame.loc[frame["time"] == 2005, "cohort"] = 2004
    assert only(frame).what.endswith("for example 1, 2, 4, ….")


def test_a_cohort_that_changes():
    frame = sound()
    frame.loc[[5, 6], "cohort"] = 2004
    problem = only(frame)
    assert problem.key == "cohort"
    assert "1 unit with more than one first treated period, for example 2" in problem.what


def test_empty_and_zero_are_the_same_cohort():
    frame = sound()
    frame.loc[0, "cohort"] = None
    assert found(frame) == []


def test_a_unit_in_two_clusters():
    frame = sound()
    frame.loc[0, "cluster"] = 2
    problem = only(frame, cluster="cluster")
    assert (problem.key, "nested in clusters" in problem.fix) == ("cluster", True)


def test_a_row_without_a_cluster():
    frame = sound().astype({"cluster": "Int64"})
    frame.loc[0, "cluster"] = None
    assert "1 row without a cluster" in only(frame, cluster="cluster").what


def test_one_cluster():
    problem = only(sound().assign(cluster=1), cluster="cluster")
    assert (problem.where, problem.key) == ("", "design.cluster")


@pytest.mark.parametrize(("value", "told"), [(-1.0, "negative"), (np.inf, "infinite"), (np.nan, "without a weight")])
def test_weights(value, told):
    frame = sound()
    frame.loc[4, "weight"] = value
    problem = only(frame, weights="weight")
    assert problem.key == "weight"
    assert told in problem.what
    assert "1 in 2005" in problem.what


def test_treated_before_the_first_period():
    frame = sound().replace({"cohort": {2004: 1999}})
    problem = only(frame)
    assert (problem.key, problem.severity) == ("design.cohort", "error")
    assert "1 unit first treated before the first period 2001 (1999)" in problem.what
    assert "Write 2001" in problem.fix


def test_treated_from_the_first_period_is_a_warning():
    problem = only(sound().replace({"cohort": {2004: 2001}}))
    assert problem.severity == "warning"
    assert "dropped" in problem.fix


def test_treated_after_the_last_period_is_a_warning():
    problem = only(sound().replace({"cohort": {2004: 2007}}))
    assert problem.severity == "warning"
    assert "not yet treated" in problem.fix


@pytest.mark.parametrize("code", [9999, 2011])
def test_a_code_for_never_that_is_not_empty_or_zero(code):
    problem = only(sound().replace({"cohort": {2004: code}}))
    assert problem.severity == "error"
    assert str(code) in problem.what
    assert "Leave it empty, or write 0" in problem.fix


def test_nobody_adopts_within_the_span():
    problem = only(sound().replace({"cohort": {2003: 0, 2004: 0}}))
    assert (problem.key, problem.severity) == ("design.cohort", "error")
    assert "no valid comparison" in problem.what


def test_everybody_adopts_at_once():
    problem = only(sound().assign(cohort=2003))
    assert "never treated or treated later" in problem.what


def test_later_adopters_are_a_comparison():
    frame = sound()
    assert found(frame.assign(cohort=frame["cohort"].replace(0, 2004).fillna(2003))) == []


def test_period_zero_and_the_code_for_never():
    frame = sound()
    frame = frame.assign(time=frame["time"] - 2003, cohort=frame["cohort"].fillna(2003) - 2003)
    frame.loc[frame["unit"] == 1, "cohort"] = None
    problem = only(frame)
    assert problem.severity == "warning"
    assert "0 means never treated" in problem.what


def test_times_that_are_no_periods():
    n = 6000
    frame = pd.DataFrame({"unit": np.arange(n) % 10, "time": np.arange(n), "cohort": 0, "y": 1.0})
    assert "these are no periods" in only(frame).what


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [("binary", 2.0, "neither 0 nor 1"), ("count", 1.5, "not a count"), ("count", -1.0, "not a count")],
)
def test_values_that_do_not_fit_the_outcomes_type(kind, value, told):
    frame = sound().assign(y=1.0)
    frame.loc[0, "y"] = value
    problem = only(frame, outcomes=[Outcome(id="o", label="O", column="y", type=kind)])
    assert problem.key == "outcomes[0].column"
    assert told in problem.what


def test_an_outcome_without_values_or_with_infinite_ones():
    assert "no value at all" in only(sound().assign(y=np.nan)).what
    frame = sound()
    frame.loc[0, "y"] = np.inf
    assert "infinite" in only(frame).what


def test_all_problems_at_once():
    frame = sound().replace({"cohort": {2003: 1990, 2004: 9999}})
    frame.loc[0, "weight"] = -1
    keys = [p.key for p in found(pd.concat([frame, frame.iloc[[19]]]), weights="weight")]
    assert keys == ["weight", "unit", "design.cohort", "design.cohort", "design.cohort"]


def test_people_are_counted_and_never_named():
    frame = sound().assign(
        unit=lambda f: "SSN-" + f["unit"].astype(str), cluster=lambda f: "block " + f["unit"].astype(str)
    )
    frame.loc[[0, 5], "weight"] = -1
    frame.loc[1, "cluster"] = "elsewhere"
    frame.loc[[6, 7], "cohort"] = 2004
    doubled = pd.concat([frame, frame.iloc[[16, 17]]])
    roles = {"cluster": "cluster", "weights": "weight"}
    told = found(doubled, units_are="people", **roles)
    assert [p.what for p in told[:4]] == [
        "2 rows with a negative or infinite weight.",
        "1 unit with more than one row in a period.",
        "1 unit with more than one first treated period.",
        "1 unit in more than one cluster.",
    ]
    assert not any("SSN" in str(p) for p in told)
    assert "SSN-1 in 2001, SSN-2 in 2001" in str(found(doubled, **roles)[0])


def test_no_rows():
    for empty in (sound().iloc[:0], sound().iloc[:0].astype("object")):
        problem = only(empty)
        assert (problem.where, problem.key) == ("", "data.path")
        assert "the data have no rows" in problem.what
        assert "panel.parquet" in problem.what


@pytest.mark.parametrize("column", ["time", "cohort"])
@pytest.mark.parametrize("value", [2.0**53, 1e30, -1e300, 2.0**63])
def test_periods_beyond_the_whole_numbers(column, value):
    frame = sound().astype({"time": "float64"})
    frame.loc[frame["unit"] == 2, column] = value
    problem = only(frame)
    assert problem.key == column
    assert "5 rows with a" in problem.what
    assert "of 9,007,199,254,740,992 or more, too large" in problem.what


def test_whole_periods_beyond_sixty_four_bits():
    frame = sound()
    frame["time"] = frame["time"].astype("uint64") + np.uint64(2**63)
    assert "too large to be reckoned with" in only(frame).what


def test_infinity_is_a_code_for_never():
    frame = sound()
    assert found(frame.assign(cohort=frame["cohort"].fillna(np.inf).replace(0, np.inf))) == []
    assert found(frame.assign(cohort=frame["cohort"].fillna(np.inf).astype("float32"))) == []
    frame.loc[0, "cohort"] = np.inf  # beside 0 in the same unit: both mean never
    assert found(frame) == []
    frame.loc[frame["unit"] == 4, "cohort"] = -np.inf
    assert "not a whole number" in only(frame).what


def test_counts_too_large_to_be_added():
    frame = sound().assign(y=1.0)
    frame.loc[0, "y"] = 1e300
    problem = only(frame, outcomes=[Outcome(id="o", label="O", column="y", type="count")])
    assert "too large to be counts" in problem.what
