"""The calibration benchmark: that it counts right, and fails when an interval does not hold what it promises."""

import importlib.util
import math
import statistics
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "calibrate.py"


def loaded(name):
    """A program of the benchmarks as a module."""
    if str(PROGRAM.parent) not in sys.path:
        sys.path.append(str(PROGRAM.parent))  # the programs import one another, as scripts do
    spec = importlib.util.spec_from_file_location(name, PROGRAM.with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def calibrate():
    yield loaded("calibrate")
    del sys.modules["calibrate"]


def found(calibrate, estimates, half_width=1.0):
    return [calibrate.Found(e, 0.5, e - half_width, e + half_width) for e in estimates]


def test_bias_coverage_and_ratio_by_hand(calibrate):
    estimates = [1.0, 2.0, 3.0, 4.5]
    result = calibrate.summary(calibrate.CASES[0], 2.0, found(calibrate, estimates))
    assert result.bias == pytest.approx(2.625 - 2.0)
    assert result.coverage == 0.75  # 4.5 - 1 leaves 2 out; 1 + 1 and 3 - 1 just hold it
    spread = statistics.stdev(estimates)
    assert result.bias_error == pytest.approx(spread / 2)
    assert result.ratio == pytest.approx(0.5 / spread)


@pytest.mark.parametrize(("covered", "passes"), [(489, True), (490, False), (475, True), (461, True), (460, False)])
def test_coverage_must_lie_within_three_monte_carlo_standard_errors(calibrate, covered, passes):
    # 0.95 +- 3 sqrt(0.95 * 0.05 / 500) = 0.9208 to 0.9792, which is 461 to 489 of 500.
    assert 3 * calibrate.coverage_error(500) == pytest.approx(3 * math.sqrt(0.95 * 0.05 / 500))
    estimates = [0.0] * (covered - 1) + [0.5] + [9.0] * (500 - covered)
    assert calibrate.summary(calibrate.CASES[0], 0.0, found(calibrate, estimates)).passes is passes


def test_one_seed_answers_every_case(calibrate):
    findings = calibrate.one_seed(3)
    assert len(findings) == len(calibrate.CASES)
    assert all(f.low < f.estimate < f.high and f.std_error > 0 for f in findings)


def test_every_built_in_estimator_is_calibrated(calibrate):
    from evaluation.estimators.registry import BUILT_IN

    designs = [*loaded("calibrate_panels").DESIGNS, *loaded("calibrate_cohorts").DESIGNS]
    tried = {c.estimator for c in calibrate.CASES} | {c.estimator for d in designs for c in d.cases}
    # A synthetic control answers for one unit: its p-value is a rank among placebos, which its tests prove exact.
    assert tried == set(BUILT_IN) - {"synthetic_control"}


@pytest.mark.parametrize("design", ["one_date", "counts", "few", "third_group", "series"])
def test_one_draw_of_a_panel_design_answers_every_case(design):
    panels = loaded("calibrate_panels")
    cases = next(d.cases for d in panels.DESIGNS if d.name == design)
    found = panels.one_draw(design, 3)
    assert len(found) == len(cases)
    assert all(f is not None and f.std_error > 0 for f in found)


@pytest.mark.parametrize(
    "design", ["entry", "deaths", "monthly", "counts", "waning", "many_groups", "few_groups", "gaps"]
)
def test_one_draw_of_a_cohort_design_answers_every_case(design):
    cohorts = loaded("calibrate_cohorts")
    cases = next(d.cases for d in cohorts.DESIGNS if d.name == design)
    found = cohorts.one_draw(design, 1000, 3)
    assert len(found) == len(cases)
    assert all(f is not None and f.std_error > 0 for f in found)


def test_one_draw_of_each_trial_answers_every_question():
    cohorts = loaded("calibrate_cohorts")
    for trial in cohorts.TRIALS:
        answers = cohorts.one_trial(trial.name, 300, 2)
        assert len(answers) == len(trial.questions)
        assert all(isinstance(a, bool) for a in answers), trial.name


def test_groups_enter_whole_and_gaps_depend_on_arm_and_outcome():
    draw = loaded("draw_cohorts")
    people = draw.clustered(1000, np.random.default_rng(1), groups=10, treated=3).columns
    arms = {g: set(people["arm"][people["group"] == g]) for g in np.unique(people["group"])}
    assert all(len(a) == 1 for a in arms.values())
    assert sum(a == {1.0} for a in arms.values()) == 3
    gaps = draw.gaps(20_000, np.random.default_rng(1)).columns
    hit = (gaps["arm"] == 1) & (gaps["event"] == 1)
    assert np.isnan(gaps["x1"][hit]).mean() == pytest.approx(0.6, abs=0.02)
    assert np.isnan(gaps["x1"][~hit]).mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("arm", [1.0, 0.0])
def test_true_curves_are_what_is_drawn(arm):
    draw = loaded("draw_cohorts")
    moments = np.array([6.0, 12.0])  # before anyone's follow-up ends
    people = draw.times(200_000, np.random.default_rng(1), by_lot=True, deaths=draw.DEATH).columns
    mine = people["arm"] == arm
    for code, of_death in ((1, False), (2, True)):
        seen = [((people["event"] == code) & (people["time"] <= m))[mine].mean() for m in moments]
        assert draw.incidence(moments, arm, draw.DEATH, of_death=of_death) == pytest.approx(seen, abs=0.004)
    waning = draw.waning(200_000, np.random.default_rng(2))
    risk = [((waning.columns["event"] == 1) & (waning.columns["time"] <= 12))[waning.columns["arm"] == a].mean()
            for a in (1, 0)]  # fmt: skip
    assert np.log(np.log1p(-risk[0]) / np.log1p(-risk[1])) == pytest.approx(draw.EARLY, abs=0.05)


def test_the_page_names_what_is_outside_the_limits():
    cohorts, page, calibration = (loaded(n) for n in ("calibrate_cohorts", "cohort_page", "calibration"))
    design = next(d for d in cohorts.DESIGNS if d.name == "entry_again")
    trial = next(t for t in cohorts.TRIALS if t.name == "one_difference")
    generator = np.random.default_rng(1)

    def results(covered, rejected):
        made = page.Results((300,), 1000)
        found = [[calibration.Found(e, 1.0, i < covered)] for i, e in enumerate(generator.normal(size=1000))]
        made.add(design, 300, found)
        made.add_trial(trial, 300, [[i < rejected] for i in range(1000)])
        return made

    right, wrong = results(950, 50), results(900, 90)
    assert page.unexplained(right) == []
    assert "**no**" not in page.page(right)
    assert len(page.unexplained(wrong)) == 2
    text = page.page(wrong)
    assert text.count("**Not within the limits**") == text.count("**no**") == 2
    assert "coverage 90.0 %" in text
    assert "300 people: 9.0 % of 1,000 draws" in text
