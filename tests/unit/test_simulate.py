"""Simulated data: that they fit the study, repeat to the byte, and carry the planted truth."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation.data.engine import open_source
from evaluation.data.simulate import simulate
from evaluation.data.simulate_cohort import potential
from evaluation.data.simulate_covariates import draw, risk_score, shape
from evaluation.data.simulate_panel import adoption, panel_columns
from evaluation.errors import DataError
from evaluation.study.models import Simulation, Study

INTERVENTION = {"kind": "drug_court", "name": "Program", "description": "What was done."}
COVARIATES = ["age", "prior_arrests", "employed", "risk_score"]


def cohort(simulation=None, estimator="risk_difference", **design):
    return Study.model_validate({
        "study": "made", "title": "Made", "question": "Made?", "intervention": INTERVENTION,
        "data": {"path": "made.parquet"},
        "design": {"type": "cohort", "person": "id", "arm": "arm", "assignment": "observational", "time": "months",
                   "time_unit": "month", "event": "event", "follow_up": "follow_up", "covariates": COVARIATES,
                   "windows": [6, 12, 24], **design},
        "outcomes": [{"id": "rearrest", "label": "Rearrest"}],
        "analyses": [{"id": "main", "role": "primary", "outcome": "rearrest", "estimator": estimator,
                      "options": {} if estimator == "cox" else {"window": 12}}],
        "disclosure": {"profile": "cms11"},
        "simulation": {"effect": -0.1, "baseline": 0.4, "size": 3000, **(simulation or {})}})  # fmt: skip


def panel(simulation=None, kind="rate", estimator="callaway_santanna", **design):
    return Study.model_validate({
        "study": "made", "title": "Made", "question": "Made?", "intervention": INTERVENTION,
        "data": {"path": "made.parquet"},
        "design": {"type": "panel", "unit": "county", "time": "quarter", "cohort": "joined", "time_unit": "quarter",
                   **design},
        "outcomes": [{"id": "deaths", "label": "Deaths", "column": "deaths", "type": kind},
                     {"id": "crime", "label": "Crime", "column": "crime"}],
        "analyses": [{"id": "main", "role": "primary", "outcome": "deaths", "estimator": estimator}],
        "disclosure": {"profile": "none"},
        "simulation": {"effect": -1.0, "baseline": 10.0, "size": 60, "periods": 20, **(simulation or {})}})  # fmt: skip


def made(study, folder, effect=None, seed=None):
    path = simulate(study, study.simulation.effect if effect is None else effect, folder / "made.parquet", seed)
    return pq.read_table(path)


@pytest.mark.parametrize("study", [cohort(), panel()], ids=["cohort", "panel"])
def test_equal_seeds_give_equal_bytes_and_other_seeds_other_data(study, tmp_path):
    first = simulate(study, -0.1, tmp_path / "a.parquet", seed=7).read_bytes()
    assert simulate(study, -0.1, tmp_path / "deeper" / "b.parquet", seed=7).read_bytes() == first
    assert simulate(study, -0.1, tmp_path / "c.parquet", seed=8).read_bytes() != first


def test_the_file_says_it_is_simulated_and_other_files_are_left_alone(tmp_path):
    out = simulate(cohort(), -0.1, tmp_path / "a.parquet")
    assert pq.read_schema(out).metadata[b"evaluation.made"] == b"simulated"
    simulate(cohort(), -0.1, out, seed=2)
    out.write_text("an agency's")
    with pytest.raises(DataError, match="not made by this tool"):
        simulate(cohort(), -0.1, out)
    assert out.read_text() == "an agency's"
    assert simulate(cohort(), -0.1, out, force=True) == out


def test_the_studys_own_seed_is_the_default(tmp_path):
    study = cohort({"seed": 11})
    assert made(study, tmp_path).equals(made(study, tmp_path, seed=11))
    assert not made(study, tmp_path).equals(made(study, tmp_path, seed=1))


def test_a_study_without_a_simulation_section_can_be_simulated(tmp_path):
    study = cohort().model_copy(update={"simulation": None})
    assert len(made(study, tmp_path, effect=-0.05)) == Simulation(effect=0.0).size


# ----------------------------------------------------------------------- people


def test_a_cohort_has_the_studys_columns_with_the_right_types(tmp_path):
    table = made(cohort({"size": 500}, cluster="site"), tmp_path)
    assert table.schema.names == ["id", "arm", "months", "event", "follow_up", "site", *COVARIATES]
    assert all(f.type == pa.int64() for f in table.schema)
    assert table["id"].to_pylist() == list(range(1, 501))


def test_without_optional_columns_there_are_none(tmp_path):
    table = made(cohort(person=None, follow_up=None, covariates=[]), tmp_path)
    assert table.schema.names == ["arm", "months", "event"]


def test_everyone_is_followed_to_the_last_window_where_follow_up_is_not_recorded(tmp_path):
    data = made(cohort(follow_up=None), tmp_path).to_pandas()
    assert (data.loc[data["event"] == 0, "months"] == 24).all()


def test_nobody_is_observed_beyond_their_follow_up_and_follow_up_varies(tmp_path):
    data = made(cohort(), tmp_path).to_pandas()
    assert (data["months"] <= data["follow_up"]).all()
    assert (data.loc[data["event"] == 0, "months"] == data.loc[data["event"] == 0, "follow_up"]).all()
    assert (data["follow_up"] < 24).mean() == pytest.approx(0.5, abs=0.05)
    assert data["follow_up"].min() >= 12


@pytest.mark.parametrize(("unit", "windows"), [("year", [1, 2]), ("month", [1.5, 3.25])])
def test_broken_windows_are_met_to_a_hundredth(unit, windows, tmp_path):
    data = made(cohort(time_unit=unit, windows=windows), tmp_path).to_pandas()
    assert np.allclose(data["months"] * 100, np.rint(data["months"] * 100))
    assert all(((data["months"] == w) & (data["event"] == 1)).any() for w in windows)


def test_edge_cases_are_planted(tmp_path):
    data = made(cohort(), tmp_path).to_pandas()
    assert ((data["months"] == 0) & (data["event"] == 1)).sum() == 1
    assert all(((data["months"] == w) & (data["event"] == 1)).any() for w in (6, 12, 24))
    assert data.columns[data.isna().any()].tolist() == ["employed"]
    assert data["employed"].isna().mean() == pytest.approx(0.03, abs=0.01)
    double = data.iloc[[0, -1]].drop(columns="id").dropna(axis="columns")
    assert {"arm", "months", "event", "follow_up"} <= set(double.columns)
    assert len(double.drop_duplicates()) == 1


def test_competing_events_take_their_codes_and_leave_the_planted_risk_alone(tmp_path):
    data = made(cohort({"size": 200_000}, competing={"death": 2}, follow_up=None), tmp_path).to_pandas()
    assert 0.005 < (data["event"] == 2).mean() < 0.03
    within = (data["event"] == 1) & (data["months"] <= 12)
    assert within[data["arm"] == 0].mean() > 0.4  # people at lower risk enter the program
    free = made(cohort({"size": 200_000}, follow_up=None), tmp_path).to_pandas()
    assert within.sum() == pytest.approx(((free["event"] == 1) & (free["months"] <= 12)).sum(), abs=2)


@pytest.mark.parametrize("effect", [-0.15, 0.0, 0.08])
def test_the_planted_risk_difference_is_the_mean_over_potential_outcomes(effect):
    score = np.random.default_rng(3).normal(size=50_000)
    truth = potential(score, effect, 0.35, hazard=False)
    assert truth.risk_control.mean() == pytest.approx(0.35, abs=1e-12)
    assert truth.risk_difference == pytest.approx(effect, abs=1e-12)


def test_the_planted_hazard_ratio_is_the_same_for_everyone():
    score = np.random.default_rng(3).normal(size=1000)
    truth = potential(score, -0.5, 0.35, hazard=True)
    assert np.allclose(np.log1p(-truth.risk_treated) / np.log1p(-truth.risk_control), np.exp(-0.5))


def test_a_randomised_trial_shows_the_planted_risk_difference(tmp_path):
    # Standard error of a difference of two proportions of 200,000 people each: about 0.0015.
    data = made(cohort({"size": 400_000}, assignment="randomised"), tmp_path, effect=-0.1).to_pandas()
    eligible = data[data["follow_up"] >= 12]
    risk = ((eligible["event"] == 1) & (eligible["months"] <= 12)).groupby(eligible["arm"]).mean()
    assert risk[0] == pytest.approx(0.4, abs=0.006)
    assert risk[1] - risk[0] == pytest.approx(-0.1, abs=0.006)


def test_hazards_of_the_planted_ratio_show_at_every_window(tmp_path):
    # Under proportional hazards log S1(t) / log S0(t) is the ratio at each t; no covariates, so no averaging.
    study = cohort({"size": 400_000}, estimator="cox", covariates=[], assignment="randomised", follow_up=None)
    data = made(study, tmp_path, effect=-0.5).to_pandas()
    for window in (6, 12, 24):
        free = ((data["event"] == 0) | (data["months"] > window)).groupby(data["arm"]).mean()
        assert np.log(free[1]) / np.log(free[0]) == pytest.approx(np.exp(-0.5), abs=0.01)


def test_an_observational_study_is_confounded_by_what_is_measured(tmp_path):
    data = made(cohort({"size": 100_000}), tmp_path, effect=-0.1).to_pandas()
    eligible = data[data["follow_up"] >= 12]
    risk = ((eligible["event"] == 1) & (eligible["months"] <= 12)).groupby(eligible["arm"]).mean()
    assert risk[1] - risk[0] < -0.13
    assert data.groupby("arm")["prior_arrests"].mean().diff()[1] < 0


def test_strata_of_the_risk_score_show_the_logistic_model(tmp_path):
    # Within narrow strata of the score the arms are comparable, so the mean of the strata's differences, each weighted
    # by its size, is the planted difference.
    study = cohort({"size": 400_000}, follow_up=None, covariates=["female", "employed", "opioid_use"])
    data = made(study, tmp_path, effect=-0.1).to_pandas().dropna()
    data["within"] = (data["event"] == 1) & (data["months"] <= 12)
    strata = data.groupby(["female", "employed", "opioid_use", "arm"])["within"].mean().unstack("arm")
    sizes = data.groupby(["female", "employed", "opioid_use"]).size()
    assert float(((strata[1] - strata[0]) * sizes).sum() / sizes.sum()) == pytest.approx(-0.1, abs=0.006)


@pytest.mark.parametrize(("effect", "baseline"), [(-0.5, 0.4), (0.7, 0.4), (0.1, 1.2)])
def test_an_impossible_risk_is_refused(effect, baseline, tmp_path):
    with pytest.raises(DataError, match="between 0 and 1"):
        simulate(cohort({"baseline": baseline}), effect, tmp_path / "made.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("study", [cohort(estimator="rmst"), panel(estimator="a_plug_in")], ids=["rmst", "plug_in"])
def test_an_estimand_that_cannot_be_planted_is_refused(study, tmp_path):
    with pytest.raises(DataError, match="cannot be planted"):
        simulate(study, -0.1, tmp_path / "made.parquet")


def test_characteristics_take_the_shape_their_names_suggest():
    assert shape("age").kind == "age"
    assert shape("average_age").kind == "age"
    assert shape("language").kind == "yes_no"
    assert (shape("prior_arrests").kind, shape("prior_arrests").direction) == ("count", 1)
    assert shape("unstable_home").kind == "yes_no"


def test_characteristics_depend_on_each_other_and_the_score_is_linear_in_them():
    columns = draw(COVARIATES, 50_000, np.random.default_rng(5))
    assert 18 <= columns["age"].min() <= columns["age"].max() < 60
    assert set(np.unique(columns["employed"])) == {0, 1}
    assert np.corrcoef(columns["age"], columns["prior_arrests"])[0, 1] < -0.1
    score = risk_score(columns, 0.8)
    assert (score.mean(), score.std()) == pytest.approx((0, 0.8), abs=1e-9)
    design = np.column_stack([np.ones(50_000), *columns.values()])
    residual = score - design @ np.linalg.lstsq(design, score, rcond=None)[0]
    assert np.abs(residual).max() < 1e-8


# ----------------------------------------------------------------------- places


def test_a_panel_has_every_unit_in_every_period_and_the_studys_columns(tmp_path):
    table = made(panel(cluster="region", weights="people"), tmp_path)
    assert table.schema.names == ["county", "quarter", "joined", "region", "people", "deaths", "crime"]
    data = table.to_pandas()
    assert len(data) == 60 * 20
    assert not data.duplicated(["county", "quarter"]).any()
    assert (data.groupby("county")["joined"].nunique() == 1).all()
    assert (data.groupby("county")["region"].nunique() == 1).all()
    assert data["region"].nunique() == 12
    assert data["quarter"].unique().tolist() == list(range(1, 21))


def test_years_are_calendar_years(tmp_path):
    assert made(panel(time_unit="year"), tmp_path)["quarter"].to_pandas().agg(["min", "max"]).tolist() == [2005, 2024]


def test_half_never_adopt_and_the_others_in_four_equal_cohorts_inside_the_span():
    cohorts = adoption(120, np.arange(1, 25), np.random.default_rng(1))
    starts, sizes = np.unique(cohorts, return_counts=True)
    assert dict(zip(starts.tolist(), sizes.tolist(), strict=True)) == {0: 60, 9: 15, 12: 15, 15: 15, 19: 15}


@pytest.mark.parametrize(("units", "span"), [(2, 2), (3, 4), (5, 3)])
def test_small_panels_keep_a_never_treated_unit_and_a_period_before_adoption(units, span):
    cohorts = adoption(units, np.arange(1, span + 1), np.random.default_rng(1))
    assert 0 in cohorts
    assert all(2 <= c <= span for c in cohorts if c)


@pytest.mark.parametrize("kind", ["continuous", "rate", "count", "binary"])
def test_outcomes_have_the_declared_type(kind, tmp_path):
    baseline = 0.4 if kind == "binary" else 30.0
    data = made(panel({"baseline": baseline}, kind=kind), tmp_path, effect=-0.05).to_pandas()["deaths"]
    present = data.dropna()
    assert 0 < data.isna().mean() < 0.02
    assert (present >= 0).all()
    if kind in ("count", "binary"):
        assert (present == present.astype(int)).all()
    if kind == "binary":
        assert set(present) == {0, 1}


def test_the_planted_effect_is_the_difference_to_the_same_panel_without_it():
    # Continuous outcomes from one seed differ between two planted effects by exactly the effect, in treated cells only.
    def values(effect):
        study = panel(kind="continuous")
        return panel_columns(study, effect, study.simulation, np.random.default_rng(9))

    with_effect, without = values(-1.0), values(0.0)
    cohorts, periods = with_effect["joined"], with_effect["quarter"]
    treated = (cohorts > 0) & (periods >= cohorts)
    a, b = (v["deaths"].to_numpy(zero_copy_only=False) for v in (with_effect, without))
    present = ~np.isnan(a)
    assert np.allclose((a - b)[present], -1.0 * treated[present])
    assert with_effect["crime"].equals(without["crime"])


@pytest.mark.parametrize("kind", ["count", "binary"])
def test_counts_and_shares_carry_the_effect_in_their_means(kind, tmp_path):
    # Difference in differences of cell means, adopters of the first start against the never treated.
    baseline, effect, size = (30.0, -3.0, 8000) if kind == "count" else (0.4, -0.1, 20_000)
    study = panel({"baseline": baseline, "size": size, "periods": 8}, kind=kind)
    data = made(study, tmp_path, effect=effect).to_pandas()
    first = data.loc[data["joined"] > 0, "joined"].min()
    data = data[data["joined"].isin([0, first])]
    means = data.groupby([data["joined"] > 0, data["quarter"] >= first])["deaths"].mean().unstack()
    found = (means.loc[True, True] - means.loc[True, False]) - (means.loc[False, True] - means.loc[False, False])
    assert found == pytest.approx(effect, rel=0.08)


def test_an_outcome_driven_below_zero_is_refused(tmp_path):
    with pytest.raises(DataError, match="means from"):
        simulate(panel(kind="count"), -12.0, tmp_path / "made.parquet")


def test_the_data_say_that_they_are_simulated_and_with_which_effect(tmp_path):
    path = simulate(cohort(), -0.1, tmp_path / "x.parquet")
    assert open_source(str(path), tmp_path).planted == -0.1
