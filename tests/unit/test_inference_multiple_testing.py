"""Adjusted p-values: published figures, statsmodels, closed forms, and the rows a study gets."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from evaluation.estimators.registry import get
from evaluation.inference.multiple_testing import benjamini_hochberg, holm, joint_influence, romano_wolf
from evaluation.results import Estimate, Inference, ResultSet
from evaluation.results.rows import Influence
from evaluation.run.multiplicity import adjusted
from evaluation.run.tables import Finished
from evaluation.study.models import Analysis
from tests.panels import fit, overall, simulated

# Benjamini and Hochberg (1995), section 4: thrombolysis after heart attack.
PUBLISHED = np.array([0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719,
                      0.6528, 0.759, 1.0])  # fmt: skip


def test_benjamini_and_hochbergs_example():
    """Four rejections at 5 % where Holm and Bonferroni make three; adjusted values as R's p.adjust gives them."""
    found = benjamini_hochberg(PUBLISHED)
    assert found == pytest.approx(
        [0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.06385714286, 0.06385714286, 0.0645, 0.0765, 0.486, 0.58118181818,
         0.714875, 0.75323076923, 0.81321428571, 1.0], abs=1e-10)  # fmt: skip
    assert (found < 0.05).sum() == 4
    assert holm(PUBLISHED)[3] == pytest.approx(0.114)
    assert (holm(PUBLISHED) < 0.05).sum() == 3


@pytest.mark.parametrize("seed", range(5))
def test_as_statsmodels(seed):
    p = np.random.default_rng(seed).uniform(size=12).round(1 if seed % 2 else 8) ** 2
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-14)
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=1e-14)


@pytest.fixture(scope="module")
def independent():
    return np.linalg.qr(np.random.default_rng(8).normal(size=(300, 4)))[0]


def normal_p(z):
    from scipy.stats import norm

    return 2 * norm.sf(np.abs(z))


def test_stepdown_of_independent_estimates(independent):
    """Each hypothesis against the largest of those left: 1 - (1 - p)^k for k left."""
    z = np.array([1.2, -2.6, 0.4, 2.1])
    left = np.array([2, 4, 1, 3])
    found = romano_wolf(z, independent, draws=40_000)
    assert found == pytest.approx(1 - (1 - normal_p(z)) ** left, abs=0.012)


def test_stepdown_of_one_estimate_told_many_times(independent):
    z = np.array([2.0, 1.0, 1.5])
    same = independent[:, [0, 0, 0]] * [1.0, -4.0, 9.0]
    assert romano_wolf(z, same, draws=40_000) == pytest.approx(normal_p(z), abs=0.012)


def test_stepdown_by_the_definition():
    """Few clusters: every pattern of signs, one hypothesis after the other, as Romano and Wolf (2016) write it."""
    influence = np.random.default_rng(1).normal(size=(12, 3))
    z = np.array([0.9, 2.2, -1.6])
    drawn = np.abs(np.array(list(product([-1, 1], repeat=12))) @ influence) / np.sqrt((influence**2).sum(axis=0))
    order, expected, floor = [1, 2, 0], {}, 0.0
    for j, s in enumerate(order):
        floor = max(floor, np.mean(drawn[:, order[j:]].max(axis=1) >= abs(z[s])))
        expected[s] = floor
    assert romano_wolf(z, influence, draws=60_000) == pytest.approx([expected[s] for s in range(3)], abs=0.01)


def test_clusters_are_matched_by_code():
    a, b = Influence(np.array([0, 2, 5]), np.array([1.0, 2, 3])), Influence(np.array([2, 3, 5]), np.array([4.0, 5, 6]))
    assert joint_influence([a, b]).tolist() == [[1, 0], [2, 4], [0, 5], [3, 6]]


def test_adjustments_never_lower_a_p_value(independent):
    z = np.linspace(0, 4, 4)
    assert (romano_wolf(z, independent) >= normal_p(z) - 0.01).all()
    assert (holm(normal_p(z)) >= normal_p(z)).all()
    assert (benjamini_hochberg(normal_p(z)) >= normal_p(z)).all()
    assert (romano_wolf(z, independent) == romano_wolf(z, independent)).all()


def finished(name, role, p_value, outcome="crime", *, term="att", times=(None,), influence=None, status="ok"):
    estimates, inference = [], []
    for time in times:
        p = p_value if time == times[-1] else 0.5
        estimates.append(Estimate(term, "x", 2.0, 1.0, 0, 4, p, time=time, status=status))
        inference.append(Inference(term, "CR1", "", time, 1.0, 0, 4, p, "t", 19, "clusters - 1", 1.1, 20))
    analysis = Analysis(id=name, role=role, outcome=outcome, estimator="twfe")
    return Finished(analysis, get("twfe")(), ResultSet(tuple(estimates), tuple(inference), influence=influence))


def added(done):
    return {i.method.split(" adjustment")[0]: i for i in done.results.inference if "adjustment over" in i.method}


def test_the_family_is_one_headline_an_outcome_and_window():
    family = [
        finished("second", "secondary", 0.04, "work", term="risk_difference", times=(12.0, 24.0)),  # 0.5 at 12
        finished("again", "secondary", 0.002),
        finished("main", "primary", 0.01),
        finished("third", "secondary", 0.03, "work"),
        finished("check", "sensitivity", 0.001, "health"),
        finished("idea", "exploratory", 0.001, "health"),
        finished("hidden", "secondary", 0.001, "health", status="not_estimable"),
    ]
    second, again, main, *others = adjusted(family)
    assert [d.analysis.id for d in adjusted(family)] == [d.analysis.id for d in family]
    assert added(main)["Holm"].p_value == pytest.approx(3 * 0.01)
    assert added(second)["Holm"].p_value == pytest.approx(2 * 0.04)
    assert added(main)["Benjamini-Hochberg"].p_value == pytest.approx(3 * 0.01)
    earlier = next(i for i in second.results.inference if i.time == 12.0 and i.method.startswith("Holm"))
    assert earlier.p_value == pytest.approx(0.5)
    row = added(second)["Holm"]
    assert row.method == "Holm adjustment over 3 outcomes by window"
    assert (row.term, row.time, row.n_clusters, row.distribution, row.df) == ("risk_difference", 24.0, 20, "t", 19)
    assert (row.std_error, row.conf_low, row.conf_high) == (None, None, None)
    assert "Romano-Wolf" not in added(main)
    assert [added(d) for d in (again, *others)] == [{}] * 5
    assert [d.results.estimates for d in adjusted(family)] == [d.results.estimates for d in family]


def test_a_window_is_asked_about_once_and_the_whole_follow_up_not_beside_windows():
    family = [
        finished("main", "primary", 0.01, "work", term="risk_difference", times=(24.0,)),
        finished("all", "secondary", 0.02, "work", term="risk_difference", times=(12.0, 24.0)),
        finished("curves", "secondary", 0.03, "work", term="risk_difference", times=(12.0, 24.0)),
        finished("cox", "secondary", 0.001, "work", term="arm"),
    ]
    main, by_window, curves, cox = adjusted(family)
    assert added(main)["Holm"].method == "Holm adjustment over 2 windows"
    assert added(main)["Holm"].p_value == pytest.approx(0.02)
    assert {i.time for i in by_window.results.inference if "adjustment" in i.method} == {12.0}
    assert (added(curves), added(cox)) == ({}, {})


def test_a_hazard_ratio_that_leads_stands_beside_the_windows():
    cox, by_window = adjusted([
        finished("cox", "primary", 0.01, "work", term="arm"),
        finished("all", "secondary", 0.5, "work", term="risk_difference", times=(12.0, 24.0)),
    ])  # fmt: skip
    assert added(cox)["Holm"].p_value == pytest.approx(0.03)
    assert {i.time for i in by_window.results.inference if "adjustment" in i.method} == {12.0, 24.0}


def test_stepdown_where_all_influences_are_known(independent):
    known = [Influence(np.arange(300), v) for v in independent.T]
    family = [
        finished("a", "primary", 0.01, influence=known[0]),
        finished("b", "secondary", 0.04, "work", influence=known[1]),
    ]
    rows = [added(d)["Romano-Wolf"] for d in adjusted(family)]
    assert [r.distribution for r in rows] == ["bootstrap", "bootstrap"]
    assert [r.df for r in rows] == [None, None]
    assert rows[0].p_value == pytest.approx(1 - (1 - normal_p(2.0)) ** 2, abs=0.015)
    assert adjusted(family)[0].results.influence is known[0]


def test_one_question_needs_no_adjustment():
    alone = [
        finished("main", "primary", 0.01),
        finished("again", "secondary", 0.02),
        finished("check", "sensitivity", 0.02, "work"),
    ]
    assert adjusted(alone) == alone


def test_outcomes_of_one_panel_from_fit_to_row():
    """Two outcomes that are nearly one: the stepdown knows it and costs little, Holm doubles the p-value."""
    frame = simulated(units=60, clusters=20)
    other = frame.assign(y=2 * frame["y"] + np.random.default_rng(0).normal(size=len(frame)) / 20)
    family = [
        replace(finished(name, "secondary", 0.5, name), results=fit("twfe", data, cluster="cluster"))
        for name, data in (("crime", frame), ("work", other))
    ]
    for done in adjusted(family):
        plain = overall(done.results).p_value
        assert added(done)["Holm"].p_value == pytest.approx(2 * plain, rel=0.2)
        assert added(done)["Romano-Wolf"].p_value < 1.35 * plain
