"""Keys that do not go together, and keys whose features later versions bring."""

import pytest

from tests.spec.case import cohort, panel
from tests.spec.expect import expect

TOGETHER = [
    panel("clusters_of_another_column", ("  cluster: region", "  cluster: region\n  second_cluster: ▸town"),
          "design.second_cluster", "the second way is by the period", "Write year"),
    panel("places_without_a_distance", ("  cluster: region", "  cluster: region\n  ▸coordinates: [lat, lon]"),
          "design.coordinates", "design.cutoff_km is missing", data=lambda d: d.assign(lat=40.0, lon=-3.0)),
    panel("a_distance_without_places", ("  cluster: region", "  cluster: region\n  ▸cutoff_km: 50"), "design.cutoff_km",
          "design.coordinates is missing"),
    panel("latitude_twice", ("  cluster: region", "  cluster: region\n  coordinates: [lat, ▸lat]\n  cutoff_km: 50"),
          "design.coordinates[1]", "the same column", data=lambda d: d.assign(lat=40.0)),
    panel("placebo_outcome_of_no_outcome", ("{pretrends: true}", "{placebo_outcomes: [▸death]}"),
          "diagnostics.placebo_outcomes[0]", 'there is no outcome "death"', 'did you mean "deaths"?'),
    panel("placebo_outcome_of_the_argument", ("{pretrends: true}", "{placebo_outcomes: [▸deaths]}"),
          "diagnostics.placebo_outcomes[0]", "expects the program to change"),
    panel("ring_that_is_not_there", ("{pretrends: true}", "{spillover: ▸rng}"), "diagnostics.spillover",
          'the data have no column "rng"'),
    panel("ring_of_words", ("{pretrends: true}", "{spillover: ▸town}"), "diagnostics.spillover", 'the column "town" holds text'),
    panel("ring_of_other_numbers", ("{pretrends: true}", "{spillover: ▸ring}"), "diagnostics.spillover",
          "another value than 0 and 1", data=lambda d: d.assign(ring=d["place"])),
    cohort("a_ring_of_people", ("disclosure:", "diagnostics: {▸spillover: court}\ndisclosure:"), "diagnostics.spillover",
           "is for panel designs"),
    panel("another_name_than_the_file", ("study: law", "study: ▸laws"), "study", "the file is called law.yaml",
          'Write "law", or rename the file to laws.yaml.'),
    panel("no_primary", (("analyses:", "▸analyses:"), ("role: primary", "role: secondary")), "analyses",
          "none of the analyses is the primary one"),
    panel("unknown_outcome", ("    role: sensitivity\n    outcome: deaths", "    role: sensitivity\n    outcome: ▸death"),
          "analyses[1].outcome", 'there is no outcome "death"', 'did you mean "deaths"?', "Outcomes of this study: deaths."),
    panel("two_analyses_of_one_id", ("- id: classic", "- id: ▸main"), "analyses[1].id", "is the id of analyses[0] too"),
    panel("two_outcomes_of_one_id", ("analyses:", "  - {id: ▸deaths, column: year2, label: X}\nanalyses:"),
          "outcomes[1].id", "is the id of outcomes[0] too", data=lambda d: d.assign(year2=1.0)),
    panel("exposure_of_a_mean", ("    type: continuous", "    type: continuous\n    ▸exposure: place2"),
          "outcomes[0].exposure", "type count or rate", data=lambda d: d.assign(place2=1.0)),
    panel("one_column_in_two_roles", ("  time: year", "  time: ▸place"), "design.time",
          'the column "place" is design.unit already'),
    panel("outcome_that_is_the_period", ("    column: rate", "    column: ▸year"), "outcomes[0].column",
          'the column "year" is design.time already'),
    cohort("covariate_that_is_the_arm", ("[age, priors]", "[age, ▸offered]"), "design.covariates[1]",
           'the column "offered" is design.arm already'),
    cohort("covariate_twice", ("[age, priors]", "[age, priors, ▸age]"), "design.covariates[2]", "age stands here twice"),
    cohort("window_twice", ("[26, 52]", "[26, 52, ▸26.0]"), "design.windows[2]", "stands here twice"),
    cohort("competing_code_of_the_outcome", ("{death: 2}", "{death: 2, moved: ▸1}"), "design.competing.moved",
           "the code 1 means the outcome itself"),
    cohort("competing_code_of_censoring", ("{death: 2}", "{death: 2, moved: ▸0}"), "design.competing.moved",
           "the code 0 means censored"),
    cohort("competing_code_twice", ("{death: 2}", "{death: 2, moved: ▸2}"), "design.competing.moved", 'taken by "death"'),
    cohort("column_of_an_outcome", ("    label: Rearrest", "    label: Rearrest\n    ▸column: age"), "outcomes[0].column",
           "here design.event is the outcome"),
    cohort("type_of_an_outcome", ("    label: Rearrest", "    label: Rearrest\n    type: ▸count"), "outcomes[0].type",
           "yes or no"),
    cohort("two_outcomes", ("analyses:", "  - ▸{id: died, label: Death}\nanalyses:"), "outcomes[1]", "one outcome"),
    cohort("duplicate_key", ("  event: arrested", "  event: arrested\n  ▸arm: offered"), "design.arm", "duplicate key",
           "it stands at line 13 too"),
    panel("duplicate_top_level_key", ("report:", "▸title: Another\nreport:"), "title", "it stands at line 2 too"),
]  # fmt: skip

LATER = [
    panel("gates", ("report:", "▸gates: [pretrends]\nreport:"), "gates", "not available in this version"),
    panel("subgroups", ("report:", "▸subgroups: [region]\nreport:"), "subgroups", "not available in this version"),
    panel("implementation", ("report:", "▸implementation: {arms: both}\nreport:"), "implementation",
          "built from tables"),
    panel("costs", ("report:", "▸costs: {per_person: 900}\nreport:"), "costs", "not available in this version"),
    panel("profile", ("{profile: none}", "{profile: ▸sacro}"), "disclosure.profile", "not available in this version",
          "choose one of: none, cms11, wonder10."),
    panel("exposure", ("    type: continuous", "    type: rate\n    ▸exposure: people"), "outcomes[0].exposure",
          "no analysis of this outcome uses its exposure", data=lambda d: d.assign(people=1.0), severity="warning"),
]  # fmt: skip

STORE = """\
study: aid
title: Drug court and rearrest
question: Were participants rearrested less often?
intervention: {kind: drug_court, name: Drug court, description: Treatment under a judge's supervision.}
data: {store: true, tables: [program_episodes, justice_events, deaths], as_of: 2025-12-31}
design:
  type: cohort
  index: {table: program_episodes, date: entry_date, where: {program: drug_court}, first_per_person: true}
  comparison: {table: program_episodes, date: entry_date, where: {program: treatment_as_usual}}
  clean_window: 0 days
  at_risk: {stop_in: custody}
outcomes:
  - {id: rearrest, kind: recidivism, label: Rearrest, marker: arrest, windows: [6, 12], competing: [death], better: lower}
analyses:
  - {id: main, role: primary, outcome: rearrest, estimator: risk_difference}
disclosure: {profile: cms11}
"""


@pytest.mark.parametrize("case", [*TOGETHER, *LATER], ids=lambda c: f"{c.base}-{c.name}")
def test_one_clear_message(case, tmp_path, capsys):
    expect(case, tmp_path, capsys)


def test_a_study_of_the_store_is_right_in_itself_and_names_what_is_missing(tmp_path):
    from evaluation.run.plan import check
    from evaluation.study.load import read

    path = tmp_path / "aid.yaml"
    path.write_text(STORE, encoding="utf-8")
    assert not [p for p in read(path).problems if p.severity == "error"]
    told = [p for p in check(path) if p.severity == "error"]
    assert [(p.where, p.key) for p in told] == [(f"{path}:5:15", "data.store")]
    assert "no store was named" in told[0].what
