"""Data that do not fit the study: columns, and what stands in them."""

import pytest

from evaluation.cli import call
from evaluation.run.plan import check, plan
from tests.spec.bases import COHORT, PANEL, cohort_data, panel_data
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

MAIN = "estimator: risk_difference\n    options:\n      adjust: none\n      window: 52"
MAIN_OF = "estimator: ▸{}"
PRIMARY_COX = (MAIN, MAIN_OF.format("cox"))

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
    cohort("no_rows", ("path: aid", "path: ▸aid"), "data.path", "the data have no rows", data=lambda d: d.iloc[:0]),
    cohort("time_of_time_spans", ("  time: week", "  time: ▸week"), "design.time", "time spans (an Arrow duration",
           "numbers of the study's time unit", data=lambda d: d.assign(week=d["week"].astype("timedelta64[s]"))),
    cohort("names_that_differ_in_case", ("path: aid", "path: ▸aid"), "data.path", "`age` and `AGE`",
           data=lambda d: d.assign(AGE=d["age"])),
    cohort("covariate_named_like_a_term", ("[age, priors]", "[age, ▸group_time]"), "design.covariates[1]",
           "cannot be told from the term group_time", data=lambda d: d.assign(group_time=d["priors"])),
    cohort("one_cluster", ("  event: arrested", "  event: arrested\n  cluster: ▸state"), "design.cluster",
           "everyone is in one cluster", data=lambda d: d.assign(state=7)),
    cohort("an_arm_in_one_cluster", (("estimator: risk", "estimator: ▸risk"), ("  event: arrested", "  event: arrested\n  cluster: state")), "analyses[0].estimator", "one of the arms is in one cluster",
           data=lambda d: d.assign(state=d["offered"] * (1 + d["person"] % 3))),
    cohort("hazard_without_outcomes_in_an_arm", PRIMARY_COX, "analyses[0].estimator", "nobody in the treated arm has the outcome",
           data=lambda d: d.assign(arrested=d["arrested"].where(d["offered"] == 0, 0))),
    cohort("hazard_with_covariates_of_one_arm", PRIMARY_COX, "analyses[0].estimator",
           "nobody in one of the arms has a value of `age`",
           data=lambda d: d.assign(age=d["age"].where(d["offered"] == 1))),
    cohort("covariates_never_known_together", PRIMARY_COX, "analyses[0].estimator",
           "nobody in one of the arms has a value of every covariate",
           data=lambda d: d.assign(age=d["age"].where(d["person"] // 2 % 2 == 0), priors=d["priors"].where(d["person"] // 2 % 2 == 1))),
    cohort("a_covariate_that_tells_the_arms_apart", ("estimator: risk_difference\n    options:\n      adjust: none",
           "estimator: ▸risk_difference\n    options:\n      adjust: iptw"), "analyses[0].estimator",
           "`age` alone tells the arms apart", data=lambda d: d.assign(age=20 * d["offered"] + d["person"] % 9)),
    cohort("nobody_has_the_outcome", ("window: 52", "window: ▸52"), "analyses[0].options.window",
           "nobody has the outcome by 52 weeks", "See how the outcome is defined", data=lambda d: d.assign(arrested=0, week=d["reach"])),
    cohort("curves_shorter_than_every_window", ((MAIN, MAIN_OF.format("kaplan_meier")), ("windows: [26, 52]", "windows: [26]")),
           "analyses[0].estimator", "nobody in one of the arms is observed for 26 weeks",
           data=lambda d: d.assign(week=d["week"].where(d["offered"] == 0, 5))),
    cohort("means_beyond_what_is_observed", ((MAIN, "estimator: rmst\n    options:\n      window: ▸60"),),
           "analyses[0].options.window", "nobody in one of the arms is observed for 60 weeks"),
    cohort("subdistribution_without_outcomes_in_an_arm", (MAIN, MAIN_OF.format("fine_gray")), "analyses[0].estimator",
           "nobody in the treated arm has the outcome",
           data=lambda d: d.assign(arrested=d["arrested"].where(d["offered"] == 0, 0))),
    cohort("counts_that_are_not_named", (MAIN, "estimator: event_count\n    ▸options: {}"), "analyses[0].options",
           "no column is named", "Set the option `count`"),
    cohort("no_events_in_an_arm", (MAIN, "estimator: ▸event_count\n    options: {count: priors, exposure: week}"),
           "analyses[0].estimator", "nobody in the treated arm has an event while at risk",
           data=lambda d: d.assign(priors=d["priors"].where(d["offered"] == 0, 0))),
    cohort("regression_of_an_event_everyone_has", ("adjust: none\n      window: 52", "adjust: regression\n      window: ▸52"),
           "analyses[0].options.window", "nobody or everybody has the outcome by 52 weeks",
           data=lambda d: d.assign(arrested=d["arrested"].where(d["offered"] == 0, 1))),
]  # fmt: skip


@pytest.mark.parametrize("case", [*COLUMNS, *PANEL_ROWS, *COHORT_ROWS], ids=lambda c: f"{c.base}-{c.name}")
def test_one_clear_message(case, tmp_path, capsys):
    expect(case, tmp_path, capsys)


def test_a_panel_of_columns_named_like_the_queries_own(tmp_path):
    names = {"place": "u", "year": "t", "adopted": "first", "rate": "k", "region": "c"}
    text = PANEL.replace("{rate: Deaths}", "{}")
    for old, new in names.items():
        for role in ("unit", "time", "cohort", "column", "cluster"):
            text = text.replace(f" {role}: {old}\n", f" {role}: {new}\n")
    (tmp_path / "law.yaml").write_text(text, encoding="utf-8")
    frame = panel_data().rename(columns=names)
    frame.assign(**dict.fromkeys("aefgnprwxy", 1)).to_parquet(tmp_path / "law.parquet")
    assert check(tmp_path / "law.yaml") == []


@pytest.mark.parametrize("window", ["all", "null", "52"])
def test_the_window_of_an_analysis(tmp_path, window):
    (tmp_path / "aid.yaml").write_text(COHORT.replace("window: 52", f"window: {window}"), encoding="utf-8")
    cohort_data().to_parquet(tmp_path / "aid.parquet")
    ((_, estimator), _) = plan(tmp_path / "aid.yaml").analyses
    assert estimator.window == (52 if window == "52" else None)


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
