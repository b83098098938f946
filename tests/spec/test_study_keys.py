"""Wrong keys and values: what is judged key by key."""

import pytest

from tests.spec.case import cohort, panel
from tests.spec.expect import expect

UNKNOWN = [
    panel("top_level", ("labels: {rate", "▸lables: {rate"), "lables", "unknown key", 'did you mean "labels"?', "gates"),
    panel("of_the_design", ("  cohort: adopted", "  ▸chort: adopted"), "design.chort", 'did you mean "cohort"?',
          "Valid keys here: type, unit, time, cohort"),
    panel("of_an_outcome", ("    column: rate", "    ▸colum: rate"), "outcomes[0].colum", 'did you mean "column"?'),
    panel("of_an_analysis", ("    options:\n", "    ▸optoins:\n"), "analyses[0].optoins", 'did you mean "options"?'),
    panel("of_data", ("  path: law", "  ▸paht: law"), "data.paht", 'did you mean "path"?'),
    panel("of_the_other_design", ("  cluster: region", "  ▸windows: [1, 2]"), "design.windows",
          "it belongs in design of a cohort study"),
    panel("one_level_too_high", ("labels: {rate", "▸weights: w\nlabels: {rate"), "weights", "it belongs in design"),
    panel("near_nothing", ("labels: {rate", "▸qqqq: 1\nlabels: {rate"), "qqqq", "unknown key. Valid keys here: study"),
    panel("no_space_after_the_colon", ("{pretrends: true}", "{▸pretrends:true}"), "diagnostics.pretrends:true",
          "a colon needs a space"),
    panel("in_an_inline_mapping", ("{profile: none}", "{profile: none, ▸profil: cms11}"), "disclosure.profil",
          'did you mean "profile"?'),
]  # fmt: skip

MISSING = [
    panel("title", (("study: law", "▸study: law"), ("title: A law and traffic deaths\n", "")), "title",
          "this key is missing", "the title of the report"),
    panel("description", (("intervention:", "▸intervention:"), ("  description: A law that takes a licence away at once.\n", "")),
          "intervention.description", "this key is missing", "a funder understands"),
    panel("disclosure", (("study: law", "▸study: law"), ("disclosure: {profile: none}\n", "")), "disclosure", "is missing"),
    panel("cohort_column", (("design:", "▸design:"), ("  cohort: adopted\n", "")), "design.cohort", "is missing",
          "first treated period"),
    panel("design_type", (("design:", "▸design:"), ("  type: panel\n", "")), "design.type", "is missing", "panel or cohort"),
    panel("outcome_column", (("  - id: deaths", "  - ▸id: deaths"), ("    column: rate\n", "")), "outcomes[0].column",
          "is missing", "a panel design needs"),
    panel("estimator", (("  - id: classic", "  - ▸id: classic"), ("    estimator: twfe\n", "")), "analyses[1].estimator",
          "is missing", "evaluation methods"),
    panel("path", (("data:\n", "▸data: {source: somewhere}\n"), ("  path: law.parquet\n", "")), "data.path", "is missing",
          "relative to the study file"),
    cohort("time_unit", (("design:", "▸design:"), ("  time_unit: week\n", "")), "design.time_unit", "is missing"),
]  # fmt: skip

TYPES = [
    panel("number_for_text", ("A law and traffic deaths", "▸2020"), "title", "expected text, found the number 2020",
          'Write it in quotes: "2020"'),
    panel("date_for_text", ("A law and traffic deaths", "▸2020-01-31"), "title", "found the date 2020-01-31",
          'Write it in quotes: "2020-01-31"'),
    panel("switch_for_a_column", ("  unit: place", "  unit: ▸true"), "design.unit", "found the switch true",
          'Write it in quotes: "true"'),
    panel("number_for_an_id", ("  - id: classic", "  - id: ▸2"), "analyses[1].id", "expected text, found the number 2",
          "Write an id, which begins with a letter."),
    panel("words_for_an_id", ("  - id: classic", "  - id: ▸Two-way model"), "analyses[1].id", "expected an id",
          "Write two_way_model."),
    panel("yes_for_true", ("{pretrends: true}", "{pretrends: ▸yes}"), "diagnostics.pretrends", "expected true or false",
          "Write true."),
    panel("off_for_false", ("{pretrends: true}", "{pretrends: ▸off}"), "diagnostics.pretrends", 'found the text "off"',
          "Write false."),
    panel("nothing_for_text", ("  description: A law that takes a licence away at once.", "  ▸description:"),
          "intervention.description", "expected text, found nothing"),
    panel("nothing_for_a_label", ("{rate: Deaths}", '{rate: ▸""}'), "labels.rate", "expected text, found nothing"),
    panel("list_for_options", ("    options:\n      control_group: never_treated\n      anticipation: 0",
                               "    ▸options: [control_group, anticipation]"), "analyses[0].options",
          "expected a mapping (keys with values), found a list"),
    panel("text_for_a_section", ("{pretrends: true}", "▸everything"), "diagnostics", "expected a mapping (keys with values)"),
    panel("number_for_a_path", ("  path: law.parquet", "  path: ▸7"), "data.path", "expected text or a list"),
    panel("text_for_an_entry", ("  - id: classic\n    role: sensitivity\n    outcome: deaths\n    estimator: twfe",
                                "  - ▸twfe"), "analyses[1]", "expected a mapping (keys with values)"),
    cohort("text_for_a_list", ("  covariates: [age, priors]", "  covariates: ▸age"), "design.covariates",
           "expected a list", "Write [age]."),
    cohort("number_for_a_list", ("[26, 52]", "▸26"), "design.windows", "expected a list", "Write [26]."),
    cohort("number_in_a_list", ("  covariates: [age, priors]", "  covariates: [age, ▸3]"), "design.covariates[1]",
           "found the number 3"),
    cohort("text_for_a_window", ("[26, 52]", "[26, ▸a year]"), "design.windows[1]", "expected a number"),
    cohort("text_for_a_code", ("{death: 2}", "{death: ▸two}"), "design.competing.death", "expected a whole number"),
]  # fmt: skip

VALUES = [
    panel("design_type", ("  type: panel", "  type: ▸panle"), "design.type", '"panle" is not one of', 'mean "panel"?'),
    panel("role", ("role: sensitivity", "role: ▸sensitivty"), "analyses[1].role", 'did you mean "sensitivity"?',
          "Allowed: primary, secondary, sensitivity, exploratory."),
    panel("outcome_type", ("type: continuous", "type: ▸contineous"), "outcomes[0].type", 'did you mean "continuous"?'),
    panel("direction", ("better: lower", "better: ▸less"), "outcomes[0].better", "Allowed: lower, higher."),
    panel("profile", ("{profile: none}", "{profile: ▸cms}"), "disclosure.profile", 'did you mean "cms11"?'),
    panel("product", ("[brief, full]", "[brief, ▸ful]"), "report.products[1]", 'did you mean "full"?'),
    panel("kind", ("kind: law_reform", "kind: ▸law_refrom"), "intervention.kind", 'did you mean "law_reform"?',
          "Kinds in the catalogue: law_reform, drug_court"),
    panel("kind_in_words", ("kind: law_reform", "kind: ▸Law reform"), "intervention.kind", 'did you mean "law_reform"?'),
    cohort("assignment", ("assignment: randomised", "assignment: ▸randomized"), "design.assignment",
           'did you mean "randomised"?'),
    cohort("window_of_no_length", ("[26, 52]", "[▸0, 52]"), "design.windows[0]", "expected a number greater than 0, found the number 0"),
    cohort("window_without_end", ("[26, 52]", "[26, 52, ▸.inf]"), "design.windows[2]", "a finite number"),
    cohort("simulated_with_a_negative_seed", ("disclosure:", "simulation: {effect: 0.1, seed: ▸-1}\ndisclosure:"),
           "simulation.seed", "greater than or equal to 0"),
    cohort("simulated_with_an_endless_seed", ("disclosure:", "simulation: {effect: 0.1, seed: ▸9223372036854775808}\ndisclosure:"),
           "simulation.seed", "less than 9223372036854775808"),
    cohort("simulated_people", ("disclosure:", "simulation: {effect: 0.1, size: ▸0}\ndisclosure:"), "simulation.size",
           "greater than 0"),
    cohort("no_outcomes", ("outcomes:\n  - id: rearrest\n    label: Rearrest\n    better: lower\n", "▸outcomes: []\n"),
           "outcomes", "expected one entry at least, found an empty list"),
]  # fmt: skip


@pytest.mark.parametrize("case", [*UNKNOWN, *MISSING, *TYPES, *VALUES], ids=lambda c: f"{c.base}-{c.name}")
def test_one_clear_message(case, tmp_path, capsys):
    expect(case, tmp_path, capsys)
