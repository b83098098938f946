"""Simulated tables through the builder: the study checks out, edge cases are caught, the truth comes back."""

import numpy as np
import pytest

from evaluation.data.assemble.cohort import build_cohort
from evaluation.data.cohort import Cohort
from evaluation.data.simulate import simulate
from evaluation.data.simulate_tables import Recipe
from evaluation.data.simulate_tables_edges import CASES
from evaluation.estimators.registry import get
from evaluation.run.plan import check
from evaluation.study.load import load
from evaluation.study.models import Study
from tests.unit.test_simulate_tables import study


def built(made, folder, effect=-0.1):
    simulate(made, effect, folder)
    tables = {name: str(folder / f"{name}.parquet") for name in made.data.tables}
    made = made.model_copy(update={"data": made.data.model_copy(update={"tables": tables})})
    return made, build_cohort(made, folder, folder / "cohort.parquet")


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return built(study(size=50_000), tmp_path_factory.mktemp("large"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return built(study(), tmp_path_factory.mktemp("small"))


@pytest.mark.parametrize("adjust", ["regression", "iptw", "aipw"])
def test_adjusted_estimates_find_the_planted_difference(adjust, large):
    made, found = large
    cohort = Cohort.for_analysis(made, made.primary, found.source)
    results = get("risk_difference")(adjust=adjust, window=12).fit(cohort, made.outcomes[0])
    figure = next(e for e in results.estimates if e.term == "risk_difference")
    assert abs(figure.estimate + 0.1) < 3.5 * figure.std_error
    assert figure.std_error < 0.006


def test_the_plain_difference_is_confounded_by_what_is_measured(large):
    made, found = large
    cohort = Cohort.for_analysis(made, made.primary, found.source)
    results = get("risk_difference")(adjust="none", window=12).fit(cohort, made.outcomes[0])
    figure = next(e for e in results.estimates if e.term == "risk_difference")
    assert figure.estimate < -0.1 - 5 * figure.std_error


def test_the_builder_leaves_out_those_drawn_to_be_left_out(small):
    made, found = small
    (chunk,) = Recipe.of(made, -0.1, made.simulation, made.simulation.seed).chunks()
    told = {step.step: step.n_dropped for step in found.flow}
    places = np.arange(2400 - len(CASES))
    assert told["died_before"] == chunk.people.gone[places].sum() + 1  # and the edge case
    (n,) = found.source.query("SELECT count(*) FROM " + found.source.scan)[0]
    assert abs(n - (~chunk.people.broken).sum()) <= len(CASES)
    assert told["duplicate"] > 10
    assert told["no_person_or_date"] > 10


def test_the_builder_meets_the_edge_cases(small):
    _, found = small
    names = [f"P{2400 - len(CASES) + 1 + case:08d}" for case in range(len(CASES))]
    columns = "person_id, rearrest_time, rearrest_event, rearrest_street_days"
    rows = {r[0]: r[1:] for r in found.source.query(f"SELECT {columns} FROM {found.source.scan}")}
    kept = {case: rows[name] for case, name in enumerate(names[:11])}
    events = {case: kept[case][1] for case in (0, 1, 2, 3, 4, 7, 8, 9)}
    assert events == {0: 1, 1: 0, 2: 1, 3: 1, 4: 1, 7: 1, 8: 1, 9: 2}
    assert 1 < kept[3][0] <= 1.1  # the last day of February, when January 31 is a month ago
    assert kept[0][0] < 0.04
    assert kept[0][1] == 1
    assert kept[4][0] <= 12
    assert kept[5][0] > 12


@pytest.mark.parametrize("estimator", ["risk_difference", "cox"])
def test_the_study_checks_out(estimator, tmp_path):
    made = study(estimator=estimator, clean_window="6 months", at_risk={"stop_in": "custody"}, cluster="site")
    effect = -0.4 if estimator == "cox" else -0.1
    simulate(made, effect, tmp_path)
    from ruamel.yaml import YAML

    plain = made.model_dump(mode="json", exclude_unset=True, exclude={"design": {"covariates"}})
    plain["design"] |= {"clean_window": "6 months"}
    plain["data"]["as_of"] = "2025-12-31"
    plain["design"]["exclude"][0]["within"] = "5 years"
    plain["design"]["characteristics"]["prior_arrests"]["within"] = "24 months"
    with (tmp_path / "court.yaml").open("w") as file:
        YAML(typ="safe").dump(plain, file)
    assert load(tmp_path / "court.yaml").study.study == "court"
    assert [p for p in check(tmp_path / "court.yaml") if p.severity == "error"] == []


def test_other_designs_carry_the_truth_as_well(tmp_path):
    """Every index event followed, people who cross over left out, rules that ask for something, days as the unit."""
    made = study(
        size=30_000, time_unit="day", windows=[90, 365], options={"window": 365}, crossover="exclude",
        index={"table": "program_episodes", "date": "entry_date", "where": {"program": ["court", "court_plus"]},
               "first_per_person": False},
        include=[{"reason": "no charge lately", "table": "justice_events", "date": "filing_date", "within": "6 months",
                  "where": {"event_type": "charge"}}],
    )  # fmt: skip
    made, found = built(made, tmp_path)
    cohort = Cohort.for_analysis(made, made.primary, found.source)
    results = get("risk_difference")(adjust="iptw", window=365).fit(cohort, made.outcomes[0])
    figure = next(e for e in results.estimates if e.term == "risk_difference")
    assert abs(figure.estimate + 0.1) < 3.5 * figure.std_error
    assert isinstance(made, Study)
