"""Diagnostics that a design asks for: shared errors, few treated clusters, other outcomes, neighbours, anticipation."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import statsmodels.api as sm

from evaluation.data.panel import Panel
from evaluation.diagnostics import leave_out, placebo, reporting, shared_errors, spillover
from evaluation.diagnostics.ahead import one_period_ahead
from evaluation.diagnostics.case import Case
from evaluation.diagnostics.panel import diagnose
from evaluation.diagnostics.reassigned import METHOD, reassigned_dates
from evaluation.errors import NotEstimable
from evaluation.estimators.registry import get
from evaluation.inference.conley import conley
from evaluation.inference.two_way_clusters import two_way_clusters
from evaluation.results import Check
from evaluation.study.models import Diagnostics, Outcome
from tests.panels import OUTCOME, design, fit, overall, simulated, source

ESTIMATORS = ["callaway_santanna", "twfe", "event_study"]


def case(frame, folder, estimator="twfe", options=None, **roles):
    made = design(**roles)
    panel = Panel.of(made, source(frame, folder))
    chosen = get(estimator)(**(options or {}))
    moments = chosen.moments(panel, OUTCOME)
    return Case(chosen, panel, moments, OUTCOME, chosen.estimate(moments, OUTCOME), made)


def same(row, answer):
    assert (row.estimate, row.std_error) == pytest.approx((answer.estimate, answer.std_error), rel=1e-10)


def located(seed=4, **how):
    """A panel of clusters that lie somewhere; units of a cluster a little apart."""
    frame = simulated(units=60, clusters=15, **how)
    rng = np.random.default_rng(seed)
    lat, lon = rng.uniform(40, 44, 15), rng.uniform(-5, 5, 15)
    at = frame["cluster"].to_numpy()
    apart = 0.01 * (frame["unit"] // 15).to_numpy()
    return frame.assign(lat=lat[at] + apart, lon=lon[at])


# --------------------------------------------------------------------------- shared errors


@pytest.mark.parametrize("estimator", ["twfe", "event_study"])
def test_neighbours_errors_stand_beside_the_headline(tmp_path, estimator):
    known = case(located(), tmp_path, estimator, cluster="cluster")
    (row,) = shared_errors.among_neighbours(known, ["lat", "lon"], 150.0).inference
    means = located().groupby(["cluster", "unit"])[["lat", "lon"]].first().groupby("cluster").mean().to_numpy()
    expected = conley(known.results.influence.values[:, None], means, 150.0, kernel="bartlett")
    assert row.std_error == pytest.approx(float(np.sqrt(expected.covariance[0, 0])), rel=1e-12)
    assert row.term == "att"
    assert "150 km" in row.method
    alone = shared_errors.among_neighbours(known, ["lat", "lon"], 1e-6).inference[0]
    assert alone.std_error == pytest.approx(float(np.sqrt((known.results.influence.values**2).sum())), rel=1e-12)


def test_places_follow_the_clusters_codes_whatever_the_order_of_rows(tmp_path):
    frame = located()
    names = np.array([f"region {n}" for n in "qwertyuiopasdfg"])
    frame = frame.assign(cluster=names[frame["cluster"]])
    found = shared_errors.cluster_places(case(frame, tmp_path, cluster="cluster").panel, ["lat", "lon"])
    (tmp_path / "again").mkdir()
    shuffled = case(frame.sample(frac=1, random_state=3), tmp_path / "again", cluster="cluster").panel
    expected = frame.groupby(["cluster", "unit"])[["lat", "lon"]].first().groupby("cluster").mean().sort_index()
    assert found == pytest.approx(expected.to_numpy(), rel=1e-14)
    assert shared_errors.cluster_places(shuffled, ["lat", "lon"]) == pytest.approx(found, rel=1e-14)


def test_unknown_places_are_said(tmp_path):
    frame = located().assign(lat=np.nan)
    (check,) = shared_errors.among_neighbours(case(frame, tmp_path, cluster="cluster"), ["lat", "lon"], 9.0).checks
    assert check.status == "info"
    assert "15 of 15 places have no coordinates" in check.message


@pytest.mark.parametrize(("estimator", "holes"), [("twfe", 0.0), ("twfe", 0.15), ("event_study", 0.1)])
@pytest.mark.parametrize("weights", [None, "varying"])
def test_clustering_by_period_too_is_that_of_dummy_regressions(tmp_path, estimator, holes, weights):
    """Against statsmodels' two-way sandwich of the regression on dummies, its parts without small-sample factors."""
    frame = simulated(holes=holes, weights=weights)
    roles = {"cluster": "cluster"} | ({"weights": "weight"} if weights else {})
    known = case(frame, tmp_path, estimator, **roles)
    kept = frame.dropna(subset="y")
    kept = kept[kept.groupby("unit")["time"].transform("size") > 1]
    used = kept["weight"] if weights else np.ones(len(kept))
    after = (kept["cohort"] > 0) & (kept["time"] >= kept["cohort"])
    since = (kept["time"] - kept["cohort"]).where(kept["cohort"] > 0)
    if estimator == "twfe":
        columns = after.to_numpy(dtype=float)[:, None]
        share = np.ones(1)
    else:
        events = sorted(e for e in since.dropna().unique() if e != -1)
        columns = np.column_stack([(since == e).to_numpy(dtype=float) for e in events])
        share = np.array([float(used[(since == e).to_numpy()].sum()) if e >= 0 else 0.0 for e in events])
        share /= share.sum()
    dummies = [(kept[c] == v).to_numpy(dtype=float) for c in ("unit", "time") for v in sorted(kept[c].unique())]
    x = np.column_stack([columns, *dummies[: kept["unit"].nunique()], *dummies[kept["unit"].nunique() + 1 :]])
    groups = kept[["cluster", "time"]].to_numpy().astype(np.int64)
    model = sm.WLS(kept["y"].to_numpy(), x, weights=np.asarray(used))
    raw = model.fit(cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}).cov_params()
    expected = share @ raw[: len(share), : len(share)] @ share
    influence = known.results.influence
    clusters, periods = influence.by_period.shape
    assert influence.by_period.sum(axis=1) == pytest.approx(influence.values, rel=1e-9, abs=1e-12)
    (row,) = shared_errors.in_periods(known).inference
    fewest = min(clusters, periods)
    n, k = len(kept), influence.parameters
    factor = fewest / (fewest - 1) * (n - 1) / (n - k)
    assert row.std_error == pytest.approx(np.sqrt(factor * expected), rel=1e-8)
    assert (row.df, row.n_clusters) == (fewest - 1, fewest)


def test_an_estimator_without_errors_by_period_says_so(tmp_path):
    (check,) = shared_errors.in_periods(case(simulated(), tmp_path, "callaway_santanna", cluster="cluster")).checks
    assert check.status == "info"
    assert check.check == "two_way_clusters"


def test_rows_summed_within_cluster_and_period_are_as_good_as_single_ones():
    rng = np.random.default_rng(1)
    errors, first, second = rng.normal(size=(60, 1)), np.repeat(np.arange(6), 10), np.tile(np.arange(5), 12)
    cells = np.zeros((6, 5))
    np.add.at(cells, (first, second), errors[:, 0])
    whole = two_way_clusters(errors, first, second, n_obs=60, parameters=3)
    summed = two_way_clusters(cells.reshape(-1, 1), np.repeat(np.arange(6), 5), np.tile(np.arange(5), 6), n_obs=60,
                              parameters=3)  # fmt: skip
    assert summed.covariance == pytest.approx(whole.covariance, rel=1e-12)


# --------------------------------------------------------------------------- few treated clusters


def few_treated(treated=2, clusters=9, effect=0.0):
    frame = simulated(units=clusters, clusters=clusters, starts=(4,), periods=6)
    frame["cohort"] = np.where(frame["unit"] < treated, 2004, 0)
    return frame.assign(y=frame["y"] + effect * ((frame["cohort"] > 0) & (frame["time"] >= 2004)))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_randomisation_is_the_share_of_refits_as_large(tmp_path, estimator):
    frame = few_treated()
    known = case(frame, tmp_path, estimator, units_are="places")
    found = reassigned_dates(known, asked=False)
    effects = []
    for pair in combinations(range(9), 2):
        again = frame.assign(cohort=np.where(frame["unit"].isin(pair), 2004, 0))
        effects.append(abs(overall(fit(estimator, again)).estimate))
    actual = abs(known.overall.estimate)
    (row,) = found.inference
    assert row.p_value == pytest.approx(np.mean([e >= actual * (1 - 1e-9) for e in effects]))
    assert (row.method, row.distribution, row.df_rule) == (METHOD, "randomisation", "all 36 assignments")
    assert found.sensitivity[0].kind == "randomisation"
    assert found.sensitivity[0].estimate == pytest.approx(known.overall.estimate)
    assert "the p-value to rely on" in found.checks[-1].message
    assert [c.check for c in (*known.results.checks, *found.checks)].count("few_treated_clusters") == 1


def test_how_many_assignments_there_are_is_told_of_places_alone(tmp_path):
    row = reassigned_dates(case(few_treated(), tmp_path), asked=False).inference[0]
    assert row.df_rule == "all assignments"


def test_many_treated_clusters_need_no_randomisation_unless_asked(tmp_path):
    known = case(simulated(units=40, clusters=40, periods=5, starts=(3, 4)), tmp_path, cluster="cluster")
    assert not reassigned_dates(known, asked=False).inference
    found = reassigned_dates(known, asked=True)
    assert found.inference[0].df_rule == "499 draws"
    assert "to rely on" not in found.checks[-1].message
    assert found == reassigned_dates(known, asked=True)


def test_dates_that_differ_within_clusters_cannot_be_dealt_again(tmp_path):
    found = reassigned_dates(case(simulated(clusters=4), tmp_path, cluster="cluster"), asked=True)
    assert not found.inference
    assert "units adopted at different times" in found.checks[-1].message


def test_a_p_value_that_cannot_be_small_is_said_so(tmp_path):
    found = reassigned_dates(case(few_treated(treated=1, effect=50.0), tmp_path, units_are="places"), asked=False)
    assert found.inference[0].p_value == pytest.approx(1 / 9)
    assert "cannot fall below 0.11" in found.checks[-1].message


# --------------------------------------------------------------------------- outcomes that cannot change


def with_placebos(frame, folder):
    other = [Outcome(id=f"o{k}", label=f"Other {k}", column=f"z{k}") for k in range(3)]
    return replace(case(frame, folder, "callaway_santanna"), placebos=tuple(other))


def test_outcomes_that_the_program_cannot_change(tmp_path):
    frame = simulated()
    rng = np.random.default_rng(5)
    for k in range(3):
        frame[f"z{k}"] = rng.normal(size=len(frame))
    found = placebo.in_outcomes(with_placebos(frame, tmp_path))
    assert [r.group for r in found.sensitivity] == ["o0", "o1", "o2"]
    same(found.sensitivity[1], overall(fit("callaway_santanna", frame.assign(y=frame["z1"]))))
    assert found.checks[0].status == "pass"
    assert found.checks[0].p_value == pytest.approx(min(1.0, 3 * min(r.p_value for r in found.sensitivity)))
    frame["z2"] += 3.0 * ((frame["cohort"] > 0) & (frame["time"] >= frame["cohort"]))
    moved = placebo.in_outcomes(with_placebos(frame, tmp_path)).checks[0]
    assert (moved.status, moved.group) == ("fail", "o2")
    assert "Other 2" in moved.message


def test_a_placebo_outcome_without_variation_says_nothing(tmp_path):
    frame = simulated().assign(z0=1.0, z1=np.nan, z2=0.0)
    assert not placebo.in_outcomes(with_placebos(frame, tmp_path)).checks


# --------------------------------------------------------------------------- neighbours


def ringed(spill=0.0, units=80):
    frame = simulated(units=units, clusters=units, starts=(3, 5), periods=7)
    frame["ring"] = ((frame["cohort"] == 0) & (frame["unit"] % 2 == 0)).astype(int)
    return frame.assign(y=frame["y"] + spill * frame["ring"] * (frame["time"] >= 2003))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_ring_left_out_and_looked_at_are_fits_of_other_rows(tmp_path, estimator):
    frame = ringed(1.5)
    known = case(frame, tmp_path, estimator)
    apart = spillover.without_the_ring(known, "ring")
    same(apart.sensitivity[0], overall(fit(estimator, frame[frame["ring"] == 0])))
    untreated = frame[frame["cohort"] == 0].assign(cohort=lambda d: np.where(d["ring"] == 1, 2003, 0))
    moved = spillover.on_the_ring(known, "ring")
    same(moved.sensitivity[0], overall(fit(estimator, untreated)))
    assert moved.sensitivity[0].parameter == 2003
    assert {c.status for c in (*apart.checks, *moved.checks)} == {"warn"}


def test_a_ring_that_the_program_did_not_reach(tmp_path):
    known = case(ringed(units=300), tmp_path, "callaway_santanna")  # twfe weighs effects anew with other controls
    assert spillover.without_the_ring(known, "ring").checks[0].status == "pass"
    assert spillover.on_the_ring(known, "ring").checks[0].status == "pass"


def test_a_few_units_in_the_ring_are_told_to_disclosure_control(tmp_path):
    frame = ringed()
    frame["ring"] = (frame["ring"] == 1) & (frame["unit"] < 8)
    check = spillover.without_the_ring(case(frame, tmp_path), "ring").checks[0]
    assert 4 in check.counts


def test_an_empty_ring_says_nothing_of_itself(tmp_path):
    assert not spillover.on_the_ring(case(ringed().assign(ring=0), tmp_path), "ring").sensitivity


# --------------------------------------------------------------------------- anticipation, single people


def test_one_more_period_of_anticipation(tmp_path):
    frame = simulated(starts=(4, 5), periods=8)
    frame["y"] += 3.0 * ((frame["cohort"] > 0) & (frame["time"] >= frame["cohort"]))
    known = case(frame, tmp_path, "callaway_santanna", {"anticipation": 1})
    found = one_period_ahead(known)
    same(found.sensitivity[0], overall(fit("callaway_santanna", frame, {"anticipation": 2})))
    assert found.sensitivity[0].parameter == 2
    assert found.checks[0].status == "pass"
    assert not one_period_ahead(case(frame, tmp_path, "twfe")).sensitivity


def test_no_row_is_about_a_single_person(tmp_path):
    frame = simulated(units=24, clusters=24, starts=(3, 5))
    people = leave_out.leave_out(case(frame, tmp_path), places=False).sensitivity
    assert {r.kind for r in people} == {"leave_one_cohort"}
    clustered = leave_out.leave_out(case(frame.assign(cluster=frame["unit"] // 3), tmp_path, cluster="cluster"),
                                    places=False).sensitivity  # fmt: skip
    assert {r.kind for r in clustered} == {"leave_one_cohort", "leave_one_unit"}
    assert all(3 in r.counts for r in clustered if r.kind == "leave_one_unit")


def test_checks_of_who_is_observed_tell_their_numbers(tmp_path):
    frame = simulated(units=60, starts=(5,), periods=7)
    frame.loc[(frame["cohort"] > 0) & (frame["unit"] % 6 == 0) & (frame["time"] > 2003), "y"] = np.nan
    found = {c.check: c for c in reporting.reporting(case(frame, tmp_path).moments, places=False)}
    assert 5 in found["reporting_coverage"].counts
    assert {30, 25, 5} <= set(found["composition"].counts)


# --------------------------------------------------------------------------- the whole set


def test_a_design_that_declares_places_and_periods_gets_their_rows(tmp_path):
    frame = located()
    frame["ring"] = ((frame["cohort"] == 0) & (frame["unit"] % 2 == 0)).astype(int)
    roles = {"cluster": "cluster", "coordinates": ["lat", "lon"], "cutoff_km": 100.0, "second_cluster": "time",
             "units_are": "places"}  # fmt: skip
    known = case(frame, tmp_path, **roles)
    switches = Diagnostics(randomisation=True, spillover="ring", honest=False)
    found = diagnose(known, switches, "primary", places=True)
    methods = " ".join(i.method for i in found.inference)
    assert "Conley" in methods
    assert "two-way: cluster and period" in methods
    assert {"spillover_ring", "displacement", "leave_one_unit"} <= {r.kind for r in found.sensitivity}
    quiet = diagnose(known, Diagnostics(randomisation=False, honest=False), "sensitivity", places=True)
    assert "Conley" not in " ".join(i.method for i in quiet.inference)


def test_a_defect_in_a_diagnostic_keeps_the_estimates(tmp_path, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("defect")

    def silent(*_):
        raise NotEstimable("nothing to say")

    monkeypatch.setattr(placebo, "in_time", broken)
    monkeypatch.setattr(placebo, "in_outcomes", silent)
    known = case(simulated(), tmp_path, "callaway_santanna")
    found = diagnose(known, Diagnostics(honest=False), "primary", places=True)
    assert found.estimates == known.results.estimates
    missing = [c for c in found.checks if c.check == "diagnostic_missing"]
    assert [(c.status, c.group) for c in missing] == [("warn", "placebo_time")]
    assert isinstance(missing[0], Check)
