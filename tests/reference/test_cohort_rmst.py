"""Restricted mean time without arrest on Rossi's data: R survival 3.5-3, `print(survfit(...), rmean = 52)`."""

import pytest
from lifelines.datasets import load_rossi

from tests.cohorts import checks, estimates, fit


@pytest.fixture(scope="module")
def rossi():
    frame = load_rossi()
    return frame.rename(columns={"fin": "arm", "week": "time", "arrest": "event"}).astype({"time": float})


def test_means_and_standard_errors(rossi):
    results = fit("rmst", rossi, {"window": 52}, time_unit="week")
    found = estimates(results)
    treated, control, gap = (found[f"rmst_{t}"] for t in ("treated", "control", "difference"))
    assert (treated.estimate, treated.std_error) == pytest.approx((46.875, 0.7933248959), abs=1e-9)
    assert (control.estimate, control.std_error) == pytest.approx((44.83333333333, 0.9176715405), abs=1e-9)
    assert gap.estimate == pytest.approx(2.0416666667, abs=1e-9)
    assert gap.std_error == pytest.approx((0.7933248959**2 + 0.9176715405**2) ** 0.5, abs=1e-9)
    assert (gap.scale, gap.time, gap.n_units, gap.n_treated_units) == ("time", 52, 432, 216)
    assert not [t for t in found if t.startswith("rmtl")]
    (gained,) = checks(results, "days_gained")
    assert gained.statistic == pytest.approx(7 * 2.0416666667, abs=1e-8)
    assert "14.3 days free of the outcome" in gained.message


def test_ratio_from_the_log_scale(rossi):
    ratio = estimates(fit("rmst", rossi, {"window": 52}, time_unit="week"))["rmst_ratio"]
    log = ((0.7933248959 / 46.875) ** 2 + (0.9176715405 / 44.833333333) ** 2) ** 0.5
    assert (ratio.estimate, ratio.std_error / ratio.estimate) == pytest.approx((46.875 / 44.8333333333, log), abs=1e-9)


def test_a_horizon_nobody_reaches(rossi):
    results = fit("rmst", rossi, {"window": 60}, time_unit="week")
    assert {e.status for e in results.estimates} == {"not_estimable"}
    assert "longer than 52 weeks" in checks(results, "not_estimable")[0].message
    assert not checks(results, "days_gained")
