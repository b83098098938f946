"""Wrong estimators and options: judged against the estimator's own options."""

import pytest

from tests.spec.case import cohort, panel
from tests.spec.expect import expect

ESTIMATORS = [
    panel("misspelt", ("estimator: callaway_santanna", "estimator: ▸callaway_santana"), "analyses[0].estimator",
          'there is no estimator "callaway_santana"', 'did you mean "callaway_santanna"?', "For a panel design there are:"),
    panel("of_the_other_design", ("estimator: twfe", "estimator: ▸cox"), "analyses[1].estimator",
          '"cox" is for cohort designs', "For a panel design there are: twfe"),
    cohort("of_the_other_design", (("estimator: cox", "estimator: ▸twfe"),
                                   ("    options:\n      covariates: [age]\n      ties: efron\n", "")),
           "analyses[1].estimator", '"twfe" is for panel designs'),
    cohort("in_capitals", ("estimator: cox", "estimator: ▸Cox"), "analyses[1].estimator", 'did you mean "cox"?'),
    cohort("misspelt", (("estimator: cox", "estimator: ▸fine_grey"),), "analyses[1].estimator", 'did you mean "fine_gray"?',
           "For a cohort design there are: risk_difference, kaplan_meier, cox"),
]  # fmt: skip

OPTIONS = [
    panel("unknown", ("      control_group: never", "      ▸control_grp: never"), "analyses[0].options.control_grp",
          "unknown key", 'did you mean "control_group"?', "Valid keys here: ", "base_period"),
    panel("of_another_estimator", ("      anticipation: 0", "      ▸ties: efron"), "analyses[0].options.ties",
          "unknown key", "control_group"),
    panel("value_not_allowed", ("control_group: never_treated", "control_group: ▸never"),
          "analyses[0].options.control_group", 'did you mean "never_treated"?', "Allowed: never_treated, not_yet_treated."),
    panel("wrong_type", ("anticipation: 0", "anticipation: ▸one"), "analyses[0].options.anticipation", "a whole number",
          'found the text "one"'),
    panel("negative", ("anticipation: 0", "anticipation: ▸-1"), "analyses[0].options.anticipation", "-1"),
    panel("covariate_that_is_not_there", ("      anticipation: 0", "      covariates: [▸nowhere]"),
          "analyses[0].options.covariates[0]", 'the data have no column "nowhere"'),
    panel("two_that_do_not_go_together", ("estimator: twfe", "estimator: event_study\n    ▸options: {reference: -2, window: [-1, 3]}"),
          "analyses[1].options", "must begin before the reference -2"),
    panel("confidence_level", ("anticipation: 0", "conf_level: ▸95"), "analyses[0].options.conf_level", "less than 1",
          "found the number 95"),
    cohort("way_of_adjusting_misspelt", ("adjust: none", "adjust: ▸iptv"), "analyses[0].options.adjust",
           'did you mean "iptw"?', "none, regression, iptw, aipw, matching"),
    cohort("value_misspelt", ("ties: efron", "ties: ▸effron"), "analyses[1].options.ties", 'did you mean "efron"?',
           "efron, breslow"),
    cohort("negative_window", ("window: 52", "window: ▸-4"), "analyses[0].options.window", "greater than 0"),
    cohort("covariates_in_words", ("covariates: [age]", "covariates: ▸al"), "analyses[1].options.covariates",
           '"all" or a list', 'did you mean "all"?'),
    cohort("covariate_twice", ("covariates: [age]", "covariates: [age, ▸age]"), "analyses[1].options.covariates[1]",
           "stands here twice"),
    cohort("covariate_absent", ("covariates: [age]", "covariates: [▸agee]"), "analyses[1].options.covariates[0]",
           'the data have no column "agee"', 'did you mean "age"?'),
    cohort("covariate_of_no_name", ("covariates: [age]", 'covariates: [▸""]'), "analyses[1].options.covariates[0]",
           'no column ""'),
    cohort("covariate_of_text", ("covariates: [age]", "covariates: [▸court]"), "analyses[1].options.covariates[0]",
           'the column "court" holds text'),
    cohort("covariate_is_the_arm", ("covariates: [age]", "covariates: [age, ▸offered]"),
           "analyses[1].options.covariates[1]", "is design.arm already"),
    cohort("covariate_is_the_time", ("covariates: [age]", "covariates: [▸week]"), "analyses[1].options.covariates[0]",
           "is design.time already"),
    cohort("covariate_is_the_person", ("covariates: [age]", "covariates: [▸person]"),
           "analyses[1].options.covariates[0]", "is design.person already"),
    cohort("covariate_named_like_a_term", ("covariates: [age]", "covariates: [▸att]"),
           "analyses[1].options.covariates[0]", "cannot be told from the term att", "Rename the column in the data.",
           data=lambda d: d.assign(att=d["age"])),
    cohort("covariate_infinite", ("covariates: [age]", "covariates: [age, ▸debt]"), "analyses[1].options.covariates[1]",
           "1 person with an infinite value in `debt`",
           data=lambda d: d.assign(debt=(d["age"] * 1.0).where(d.index != 3, -float("inf")))),
    cohort("covariate_of_time_spans", ("covariates: [age]", "covariates: [▸span]"), "analyses[1].options.covariates[0]",
           "time spans (an Arrow duration", data=lambda d: d.assign(span=d["age"].astype("timedelta64[s]"))),
    cohort("infinite_window", ("window: 52", "window: ▸.inf"), "analyses[0].options.window", "finite number"),
]  # fmt: skip


@pytest.mark.parametrize("case", [*ESTIMATORS, *OPTIONS], ids=lambda c: f"{c.base}-{c.name}")
def test_one_clear_message(case, tmp_path, capsys):
    expect(case, tmp_path, capsys)
