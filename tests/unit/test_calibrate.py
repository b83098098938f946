"""The calibration benchmark: that it counts right, and fails when an interval does not hold what it promises."""

import importlib.util
import math
import statistics
import sys
from pathlib import Path

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


@pytest.mark.parametrize("design", ["entry", "deaths", "monthly", "counts"])
def test_one_draw_of_a_cohort_design_answers_every_case(design):
    cohorts = loaded("calibrate_cohorts")
    cases = next(d.cases for d in cohorts.DESIGNS if d.name == design)
    found = cohorts.one_draw(design, 1000, 3)
    assert len(found) == len(cases)
    assert all(f is not None and f.std_error > 0 for f in found)
