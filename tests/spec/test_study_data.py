"""Data that do not fit the study: columns, and what stands in them."""

import pytest

from evaluation.cli import call
from evaluation.run.plan import check, plan
from tests.spec.bases import PANEL, panel_data
from tests.spec.case import cohort, panel
from tests.spec.expect import expect


def put(column, row, value):
    """A change of the data: one value of a column."""

    def change(frame):
        frame.loc[row, column] = value
        return frame

    return change


COLUMNS = [
    panel("file_absent", ("path: law.parquet", "path: ▸lawx.parquet"), "data.path", "no Parquet file found"),
    panel("absent", ("  cohort: adopted", "  cohort: ▸adoptd"), "design.cohort", 'the data have no column "adoptd"',
          'did you mean "adopted"?', "place, region, year, adopted, rate, town"),
    panel("other_case", ("    column: rate", "    column: ▸Rate"), "outcomes[0].column", 'did you mean "rate"?'),
    panel("time_is_text", ("  time: year", "  time: ▸town"), "design.time", 'the column "town" holds text'),
    panel("outcome_is_text", ("    column: rate", "    column: ▸town"), "outcomes[0].column", "numbers are expected"),
    panel("weights_absent", ("  cluster: region", "  weights: ▸people"), "design.weights", "no column"),
    cohort("event_absent", ("  event: arrested", "  event: ▸rearrested"), "design.event", 'did you mean "arrested"?'),
    cohort("covariate_absent", ("[age, priors]", "[age, ▸prior]"), "design.covariates[1]", 'did you mean "priors"?'),
    cohort("covariate_is_text", ("[age, priors]", "[age, ▸court]"), "design.covariates[1]", 'the column "court" holds text'),
    panel("label_of_nothing", ("{rate: Deaths}", "{▸rates: Deaths}"), "labels.rates", 'did you mean "rate"?',
          severity="warning"),
]  # fmt: skip

PANEL_ROWS = [
    panel("treated_before_the_data", ("  cohort: adopted", "  cohort: ▸adopted"), "design.cohort", "before the first period",
          data=lambda d: d.replace({"adopted": {2003: 1995}})),
    panel("treated_far_beyond_the_data", ("  cohort: adopted", "  cohort: ▸adopted"), "design.cohort",
          "beyond the last period", data=lambda d: d.replace({"adopted": {2003: 9999}})),
    panel("cohort_changes", ("  cohort: adopted", "  cohort: ▸adopted"), "design.cohort", "adopted", "law.parquet", "more than one first treated period", data=put("adopted", 0, 2005)),
    panel("two_rows_in_a_period", ("  unit: place", "  unit: ▸place"), "design.unit", "place", "law.parquet", "more than one row in a period", data=put("year", 0, 2002)),
    panel("period_not_whole", ("  time: year", "  time: ▸year"), "design.time", "year", "law.parquet", "not a whole number", data=lambda d: put("year", 0, 2001.5)(d.astype({"year": float}))),
    panel("nobody_treated", ("  cohort: adopted", "  cohort: ▸adopted"), "design.cohort", "no valid comparison",
          data=lambda d: d.assign(adopted=0)),
    panel("all_treated_at_once", ("  cohort: adopted", "  cohort: ▸adopted"), "design.cohort", "no valid comparison",
          data=lambda d: d.assign(adopted=2003)),
    panel("nobody_never_treated", ("control_group: never", "control_group: ▸never"), "analyses[0].options.control_group",
          "this analysis has no valid comparison", "no unit is never treated", "not_yet_treated",
          data=lambda d: d.replace({"adopted": {0: 2006}})),
    panel("treated_without_outcomes", ("    role: primary\n    outcome: deaths", "    role: primary\n    outcome: ▸deaths"),
          "analyses[0].outcome", "where the outcome is known, no unit starts treatment",
          data=lambda d: d.assign(rate=d["rate"].where(d["adopted"] == 0))),
    panel("binary_outcome", (("type: continuous", "type: binary"), ("column: rate", "column: ▸rate")), "outcomes[0].column",
          "neither 0 nor 1"),
    panel("outcome_without_values", ("column: rate", "column: ▸rate"), "outcomes[0].column", "no value",
          data=lambda d: d.assign(rate=float("nan"))),
]  # fmt: skip

COHORT_ROWS = [
    cohort("arm_of_three", ("  arm: offered", "  arm: ▸offered"), "design.arm", "must be 1", data=put("offered", 0, 2)),
    cohort("arm_of_words", ("  arm: offered", "  arm: ▸offered"), "design.arm", "must be 1",
           data=lambda d: d.assign(offered=d["offered"].map({0: "no", 1: "yes"}))),
    cohort("nobody_treated", ("  arm: offered", "  arm: ▸offered"), "design.arm", "no valid comparison",
           data=lambda d: d.assign(offered=0)),
    cohort("negative_time", ("  time: week", "  time: ▸week"), "design.time", "negative", data=put("week", 3, -2)),
    cohort("event_not_declared", ("  event: arrested", "  event: ▸arrested"), "design.event", "not declared",
           data=put("arrested", 3, 7)),
    cohort("follow_up_shorter_than_time", ("  follow_up: reach", "  follow_up: ▸reach"), "design.follow_up", "shorter",
           data=put("reach", 4, 1)),
    cohort("person_twice", ("  person: person", "  person: ▸person"), "design.person", "more than one row",
           data=put("person", 1, 0)),
    cohort("window_beyond_follow_up", ("  windows: [26, 52]", "  ▸windows: [26, 104]"), "design.windows", "longer than the longest follow-up"),
    cohort("window_of_the_analysis_beyond_follow_up", ("window: 52", "window: ▸60"), "analyses[0].options.window",
           "this analysis has no valid comparison", "followed for 60 weeks"),
    cohort("people_lost_before_the_window", (("window: 52", "window: ▸52"), ("  follow_up: reach\n", "")),
           "analyses[0].options.window", "some people are censored before 52 weeks, and no design.follow_up says",
           data=put("arrested", 1, 0)),
]  # fmt: skip


@pytest.mark.parametrize("case", [*COLUMNS, *PANEL_ROWS, *COHORT_ROWS], ids=lambda c: f"{c.base}-{c.name}")
def test_one_clear_message(case, tmp_path, capsys):
    expect(case, tmp_path, capsys)


def test_a_file_that_is_not_parquet(tmp_path, capsys):
    path = tmp_path / "law.yaml"
    path.write_text(PANEL, encoding="utf-8")
    (tmp_path / "law.parquet").write_text("place,year\n1,2001\n", encoding="utf-8")
    assert call(["check", str(path)]) == 1
    printed = capsys.readouterr().err
    assert f"{path}:9:9: data.path" in printed
    assert "cannot be read as Parquet" in printed


def test_parquet_whose_pages_are_damaged(tmp_path):
    path, data = tmp_path / "law.yaml", tmp_path / "law.parquet"
    path.write_text(PANEL, encoding="utf-8")
    panel_data().to_parquet(data, compression="none")
    content = bytearray(data.read_bytes())
    content[4:400] = b"\xff" * 396  # the metadata at the end still say what the columns are
    data.write_bytes(content)
    told = [p for p in check(path) if p.severity == "error"]
    assert [p.key for p in told] == ["data.path"]
    assert "the rows cannot be read" in str(told[0])


def test_a_secondary_analysis_without_comparison_is_a_warning_and_is_planned(tmp_path):
    path = tmp_path / "law.yaml"
    path.write_text(PANEL.replace("role: primary", "role: secondary").replace("role: sensitivity", "role: primary"))
    panel_data().replace({"adopted": {0: 2006}}).to_parquet(tmp_path / "law.parquet")
    assert [p.severity for p in check(path)] == ["warning"]
    assert [a.id for a, _ in plan(path).analyses] == ["main", "classic"]


def test_a_primary_analysis_without_comparison_fails_the_check_and_not_the_plan(tmp_path):
    path = tmp_path / "law.yaml"
    path.write_text(PANEL, encoding="utf-8")
    panel_data().replace({"adopted": {0: 2006}}).to_parquet(tmp_path / "law.parquet")
    assert [p.severity for p in check(path)] == ["error"]
    planned = plan(path)
    assert [p.severity for p in planned.warnings] == ["warning"]
    assert len(planned.analyses) == 2
