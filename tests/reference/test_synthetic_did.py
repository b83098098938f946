"""Synthetic difference-in-differences against the published figures, an independent program, and reckoning by hand.

Published: Arkhangelsky et al. (2021), Table 1: -15.6 (8.4) for California's Proposition 99, difference-in-differences
-27.3; to more digits from synthdid's own procedure, which stops short of the optimum: 100 Frank-Wolfe steps, small weights
dropped, then up to 10,000 more. The exact optimum gives -15.605398. Its placebo standard error is random (8.3 to 10.9
over seeds with 200 draws); with one treated unit all 38 placebos can be had, and give 9.37.
"""

import warnings

import diff_diff
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import nnls

from tests.panels import checks, estimates, fit, keyed, overall, simulated
from tests.reference.test_synthetic_control import prop99

SEVERAL = ("California", "Nevada", "Idaho", "Utah")


@pytest.fixture(scope="module")
def california():
    return fit("synthetic_did", prop99())


def simplex(columns, target, ridge):
    """Weights by non-negative least squares: those of (offsets x = 0, sum of x = 1) are proportional to the optimum."""
    offsets = np.concatenate([columns - target[:, None], np.sqrt(ridge) * np.eye(columns.shape[1])])
    size = np.abs(offsets).max()
    found, _ = nnls(np.concatenate([offsets / size, np.ones((1, columns.shape[1]))]), np.r_[np.zeros(len(offsets)), 1.0],
                    maxiter=10_000)  # fmt: skip
    return found / found.sum()


def by_hand(donors, own, before, sigma=None):
    """Effect and weights from matrices (J, T) and (T,), by the definition."""
    early, late = donors[:, :before], donors[:, before:]
    sigma = np.diff(early, axis=1).std(ddof=1) if sigma is None else sigma

    def centred(a):
        return a - a.mean(axis=0)

    units = simplex(centred(early.T), centred(own[:before]), np.sqrt(late.shape[1]) * sigma**2 * before)
    times = simplex(centred(early), centred(late.mean(axis=1)), (1e-6 * sigma) ** 2 * len(donors))
    gap = own - units @ donors
    return gap[before:].mean() - times @ gap[:before], units, times, sigma


def matrices():
    wide = prop99().pivot_table(index="unit", columns="time", values="y")
    return wide.drop(index="California").to_numpy(), wide.loc["California"].to_numpy(), list(wide.index)


def test_proposition_99(california):
    att = overall(california)
    assert att.estimate == pytest.approx(-15.603827872733893, abs=1e-9)
    times = estimates(california, "time_weight")
    assert {t: round(e.estimate, 4) for t, e in times.items() if e.estimate > 1e-4} == {
        1986.0: 0.3665, 1987.0: 0.2065, 1988.0: 0.4271}  # fmt: skip
    assert sum(e.estimate for e in estimates(california, "weight").values()) == pytest.approx(1, abs=1e-12)
    assert 8.28 < att.std_error < 10.9
    (found,) = checks(california, "weights_optimal")
    assert found.statistic == pytest.approx(-15.605398, abs=1e-6)
    assert found.status == "pass"


def test_even_weights_are_the_difference_in_differences():
    donors, own, _ = matrices()
    gap = own - donors.mean(axis=0)
    assert gap[19:].mean() - gap[:19].mean() == pytest.approx(-27.349111083614968, abs=1e-8)


def test_exact_optimum_by_hand():
    donors, own, names = matrices()
    effect, units, times, _ = by_hand(donors, own, 19)
    results = fit("synthetic_did", prop99(), {"solver": "exact"})
    assert overall(results).estimate == pytest.approx(effect, abs=1e-7)
    weights = estimates(results, "weight")
    assert [weights[n].estimate for n in names if n != "California"] == pytest.approx(list(units), abs=1e-8)
    assert [e.estimate for e in estimates(results, "time_weight").values()] == pytest.approx(list(times), abs=1e-7)
    gap = own - units @ donors
    assert estimates(results, "event")[3.0].estimate == pytest.approx(gap[22] - times @ gap[:19], abs=1e-7)
    assert estimates(results, "gap")[1992.0].estimate == pytest.approx(gap[22] - times @ gap[:19], abs=1e-7)


def test_placebo_standard_error_takes_every_donor_once(california):
    donors, _, _ = matrices()
    sigma = np.diff(donors[:, :19], axis=1).std(ddof=1)
    effects = [by_hand(np.delete(donors, j, axis=0), donors[j], 19, sigma)[0] for j in range(len(donors))]
    assert overall(california).std_error == pytest.approx(np.std(effects), rel=2e-5)
    assert california.inference[0].method == "placebo: all 38 choices among the donors"


@pytest.fixture(scope="module")
def several():
    frame = prop99(SEVERAL)
    return frame.assign(ever=(frame["cohort"] > 0).astype(int))


def diff_diff_fit(frame, method):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = diff_diff.SyntheticDiD(variance_method=method, seed=1)
        return model.fit(frame, "y", "ever", "unit", "time", post_periods=list(range(1989, 2001)))


def test_several_treated_units_as_diff_diff(several):
    theirs = diff_diff_fit(several, "jackknife")
    ours = overall(fit("synthetic_did", several))
    assert ours.estimate == pytest.approx(theirs.att, abs=1e-9)
    assert ours.std_error == pytest.approx(theirs.se, abs=1e-9)
    assert (ours.n_treated_units, ours.n_units) == (4, 39)


def test_random_placebos_and_bootstrap_are_near_diff_diff(several):
    for method in ("placebo", "bootstrap"):
        draws = {"inference": method, "draws": 60}
        ours = overall(fit("synthetic_did", several, draws))
        again = overall(fit("synthetic_did", several, draws))
        other = overall(fit("synthetic_did", several, {**draws, "seed": 7}))
        assert ours.std_error == again.std_error != other.std_error
        assert other.std_error == pytest.approx(ours.std_error, rel=0.4)
    theirs = diff_diff_fit(several, "placebo")
    placebo = overall(fit("synthetic_did", several, {"inference": "placebo", "draws": 60}))
    assert placebo.std_error == pytest.approx(theirs.se, rel=0.2)


def test_staggered_adoption_is_cohort_by_cohort():
    frame = simulated(units=30, periods=10, clusters=30, starts=(5, 8))
    results = fit("synthetic_did", frame)
    each = {g: fit("synthetic_did", frame[frame["cohort"].isin([0, g])]) for g in (2005, 2008)}
    size = {g: (frame.query("cohort == @g")["unit"].nunique()) * (2011 - g) for g in each}
    for g, alone in each.items():
        assert estimates(results, "group")[str(g)].estimate == pytest.approx(overall(alone).estimate, abs=1e-9)
        gap = estimates(alone, "gap")[2009.0].estimate
        assert estimates(results, "gap")[str(g), 2009.0].estimate == pytest.approx(gap, abs=1e-9)
    mean = np.average([overall(each[g]).estimate for g in each], weights=[size[g] for g in each])
    assert overall(results).estimate == pytest.approx(mean, abs=1e-9)
    found = keyed(results)
    assert len(found) == len(results.estimates)
    assert all(e.std_error > 0 for e in results.estimates if e.term in ("att", "group", "event"))


def test_jackknife_of_cohorts_by_hand():
    """Each unit left out with the weights held: donors' are scaled up, the treated's mean is taken anew."""
    frame = simulated(units=20, periods=8, clusters=20, starts=(5, 7))
    results = fit("synthetic_did", frame, {"solver": "exact"})
    wide = frame.pivot_table(index="unit", columns="time", values="y").to_numpy()
    cohort = frame.groupby("unit")["cohort"].first().to_numpy()
    parts = {g: int(g - 2001) for g in (2005, 2007)}
    held = {}
    for g, before in parts.items():
        n = int((cohort == g).sum())
        early = wide[cohort == 0][:, :before]
        sigma = np.diff(early, axis=1).std(ddof=1)
        own, late = wide[cohort == g].mean(axis=0), wide[cohort == 0][:, before:]
        units = simplex(early.T - early.T.mean(axis=0), own[:before] - own[:before].mean(),
                        np.sqrt(n * late.shape[1]) * sigma**2 * before)  # fmt: skip
        times = simplex(early - early.mean(axis=0), late.mean(axis=1) - late.mean(), (1e-6 * sigma) ** 2 * len(early))
        held[g] = (units, times)
    never = np.flatnonzero(cohort == 0)

    def effect(keep):
        total, size = 0.0, 0
        for g, before in parts.items():
            units, times = held[g]
            left = keep[never]
            gap = wide[keep & (cohort == g)].mean(axis=0) - (units * left / (units @ left)) @ wide[never]
            cells = int((keep & (cohort == g)).sum()) * (8 - before)
            total += cells * (gap[before:].mean() - times @ gap[:before])
            size += cells
        return total / size

    assert overall(results).estimate == pytest.approx(effect(np.ones(20, bool)), abs=1e-6)
    left = [effect(np.arange(20) != i) for i in range(20)]
    assert overall(results).std_error == pytest.approx(np.sqrt(19 / 20 * ((left - np.mean(left)) ** 2).sum()), rel=1e-5)


def test_a_planted_effect_is_found():
    """Parallel paths: the effect is exact whatever the weights are, and has no standard error."""
    rng = np.random.default_rng(2)
    level, course = rng.normal(size=12), rng.normal(size=10)
    rows = [(i, t, 7 * (i < 2), level[i] + course[t] + 1.5 * (i < 2 and t >= 7)) for i in range(12) for t in range(10)]
    results = fit("synthetic_did", pd.DataFrame(rows, columns=["unit", "time", "cohort", "y"]))
    assert overall(results).estimate == pytest.approx(1.5, abs=1e-10)
    assert overall(results).std_error is None
