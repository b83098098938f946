"""What a simulated panel carries: the course of the effect, who feels it, and departures from parallel trends."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from evaluation.data.simulate import simulate
from evaluation.data.simulate_effects import drift, effects
from evaluation.study.models import Simulation
from tests.unit.test_simulate import panel

PERIODS = np.arange(1, 13)
COHORTS = np.repeat([0, 4, 7, 10], 5)


def planned(**options):
    return Simulation(effect=-2.0, **options)


@pytest.mark.parametrize("dynamics", ["constant", "growing", "fading"])
@pytest.mark.parametrize("heterogeneity", [0.0, 0.6, -0.6])
def test_the_effect_is_the_mean_over_treated_cells_whatever_its_course(dynamics, heterogeneity):
    found = effects(COHORTS, PERIODS, -2.0, planned(dynamics=dynamics, heterogeneity=heterogeneity))
    treated = (COHORTS[:, None] > 0) & (COHORTS[:, None] <= PERIODS)
    assert found[treated].mean() == pytest.approx(-2.0, rel=1e-12)
    assert not found[~treated].any()


def test_the_course_after_adoption():
    growing = effects(COHORTS, PERIODS, -2.0, planned(dynamics="growing"))[5, 3:]
    assert np.allclose(growing / growing[0], np.arange(1, 10))
    fading = effects(COHORTS, PERIODS, -2.0, planned(dynamics="fading"))[5, 3:]
    assert fading[3] / fading[0] == pytest.approx(0.5)


def test_earlier_cohorts_feel_more():
    found = effects(COHORTS, PERIODS, -2.0, planned(heterogeneity=0.5))
    first, middle, last = (found[i, -1] for i in (5, 10, 15))
    assert first / middle == pytest.approx(1.5)
    assert last / middle == pytest.approx(0.5)


def test_adopters_drift_away_by_themselves():
    away = drift(COHORTS, 12, planned(drift=0.3))
    assert not away[:5].any()
    assert np.allclose(np.diff(away[5:], axis=1), 0.3)


def frame(study, folder, effect):
    return pq.read_table(simulate(study, effect, folder / "made.parquet")).to_pandas()


def test_counts_vary_more_than_poisson_by_the_overdispersion(tmp_path):
    # Residual variance of a negative binomial with mean 40: 40 + 0.5 * 1600, plus the spread of the means themselves.
    def spread(overdispersion):
        study = panel({"size": 2000, "overdispersion": overdispersion, "baseline": 40.0}, kind="count")
        return frame(study, tmp_path, 0.0)["deaths"].var()

    assert spread(0.5) - spread(0.0) == pytest.approx(0.5 * 40**2, rel=0.15)


def test_a_log_rate_ratio_is_planted_for_counts_with_exposure(tmp_path):
    study = panel({"size": 3000, "baseline": 50.0}, kind="count", estimator="poisson_did")
    outcome = study.outcomes[0].model_copy(update={"exposure": "people"})
    data = frame(study.model_copy(update={"outcomes": [outcome]}), tmp_path, np.log(0.7)).dropna()
    treated = data["joined"] > 0
    after = treated & (data["quarter"] >= data["joined"])
    rate = data.assign(rate=data["deaths"] / data["people"]).groupby([treated, data["quarter"]])["rate"].mean()
    ratio = rate[True] / rate[False]
    last = data["quarter"].max()
    assert ratio[last] / ratio[1] == pytest.approx(0.7, abs=0.05)
    assert after.any()


def test_the_effect_reaches_the_third_group_alone(tmp_path):
    study = panel({"size": 4000, "baseline": 50.0}, estimator="triple_difference")
    analysis = study.analyses[0].model_copy(update={"options": {"third": "eligible"}})
    data = frame(study.model_copy(update={"analyses": [analysis]}), tmp_path, -5.0).dropna()
    assert data["joined"].nunique() == 2
    after = data["quarter"] >= data["joined"].max()
    mean = data.groupby([data["joined"] > 0, "eligible", after])["deaths"].mean()
    change = {k: mean[(*k, True)] - mean[(*k, False)] for k in [(True, 1), (True, 0), (False, 1), (False, 0)]}
    difference = (change[True, 1] - change[True, 0]) - (change[False, 1] - change[False, 0])
    assert difference == pytest.approx(-5.0, abs=0.4)
    assert change[True, 0] - change[False, 0] == pytest.approx(0.0, abs=0.3)
