"""Cox regression's likelihood, residuals, ties and concordance, weighted and in strata, by definition over people."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.inference.concordance import concordance
from evaluation.inference.cox_likelihood import point, score_residuals, state
from evaluation.inference.cox_sets import Arrangement, Drift, risk_sets
from evaluation.inference.cox_ties import LEFT, MANY, TieSteps

people = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 5), st.integers(0, 1), st.integers(0, 2), st.integers(-1, 1),
              st.sampled_from([0.5, 1.0, 3.0]), st.integers(1, 3)),
    min_size=2, max_size=20).filter(lambda rows: any(r[2] for r in rows))  # fmt: skip


def arrays(rows):
    rows = sorted(rows)
    stratum, time, event, one, two, weight, copies = (np.array(v) for v in zip(*rows, strict=True))
    return stratum, time.astype(float), event, np.column_stack([one, two]).astype(float), weight, copies


def by_definition(time, event, stratum, x, weight, beta, ties, clock=None):
    """Log partial likelihood, one row a person; `clock` moves the first column's coefficient, the last of `beta`."""
    total = 0.0
    for s in np.unique(stratum):
        for moment in np.unique(time[(event == 1) & (stratum == s)]):
            columns = x if clock is None else np.column_stack([x, x[:, 0] * clock(moment)])
            index = columns @ beta
            at_risk = (stratum == s) & (time >= moment)
            died = at_risk & (time == moment) & (event == 1)
            d, risk = died.sum(), weight * np.exp(index)
            total += weight[died] @ index[died]
            for k in range(d):
                share = k / d if ties == "efron" else 0.0
                total -= weight[died].mean() * np.log(risk[at_risk].sum() - share * risk[died].sum())
    return total


def residuals_by_definition(time, event, stratum, x, weight, beta, ties, clock=None):
    p = len(beta)
    found = np.zeros((len(time), p))
    for s in np.unique(stratum):
        for moment in np.unique(time[(event == 1) & (stratum == s)]):
            columns = x if clock is None else np.column_stack([x, x[:, 0] * clock(moment)])
            at_risk = (stratum == s) & (time >= moment)
            died = at_risk & (time == moment) & (event == 1)
            ratio, d, means = np.exp(columns @ beta), died.sum(), []
            for k in range(d):
                left = at_risk * (1 - (k / d if ties == "efron" else 0.0) * died)
                seen = (weight * ratio * left).sum()
                means.append((weight * ratio * left) @ columns / seen)
                found -= weight[died].mean() * (ratio * left)[:, None] / seen * (columns - means[-1])
            found[died] += columns[died] - np.mean(means, axis=0)
    return found


@given(people, st.tuples(*[st.floats(-1, 1)] * 3), st.sampled_from(["efron", "breslow"]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_likelihood_and_residuals_by_definition(rows, beta, ties, moves):
    """Rows of one to three people each, with weights, strata and ties; the definition has a row for every person."""
    stratum, time, event, x, weight, copies = arrays(rows)
    sets = risk_sets(time, event, x, ties, Arrangement(copies, weight * copies, stratum))
    beta = np.array(beta if moves else beta[:2])
    clock = np.sqrt if moves else None
    if moves:
        value, layer = np.unique(sets.columns[:, 0], return_inverse=True)
        object.__setattr__(sets, "drift", Drift(value, layer, np.sqrt(sets.times)))
    each = [np.repeat(v, copies, axis=0) for v in (time, event, stratum, x, weight)]
    here, h = point(sets, beta), 1e-5
    assert here.loglik == pytest.approx(by_definition(*each, beta, ties, clock), rel=1e-10, abs=1e-9)
    steps = np.eye(len(beta)) * h
    slope = [(by_definition(*each, beta + s, ties, clock) - by_definition(*each, beta - s, ties, clock)) / (2 * h)
             for s in steps]  # fmt: skip
    assert here.gradient == pytest.approx(np.array(slope), rel=1e-5, abs=1e-5)
    bend = np.array([(point(sets, beta + s).gradient - point(sets, beta - s).gradient) / (2 * h) for s in steps])
    assert here.information == pytest.approx(-bend, rel=1e-5, abs=1e-5)
    found = np.zeros((len(time), len(beta)))
    found[sets.kept] = score_residuals(state(sets, beta))
    expected = residuals_by_definition(*each, beta, ties, clock)
    assert np.repeat(found, copies, axis=0) == pytest.approx(expected, abs=1e-9)
    assert (weight * copies) @ found == pytest.approx(here.gradient, abs=1e-9)


@pytest.mark.parametrize(("events", "left"), [(MANY, LEFT + 1), (MANY, 1e6), (500, 70.0), (4000, 1e5), (500, 3.0)])
def test_many_events_at_one_time(events, left):
    """The series against the steps one by one."""
    unit = 0.7
    whole = np.array([(events + left) * unit, 100.0, 90.0])
    tied = np.array([events * unit, 30.0, 90.0])
    found = TieSteps(np.array([events, 3, 3]), np.array([2.0 * events, 3.0, 6.0]), "efron").sums(whole, tied)
    for k, (d, mass) in enumerate([(events, 2.0), (3, 1.0), (3, 2.0)]):
        share = np.arange(d) / d
        seen = whole[k] - share * tied[k]
        assert found.log[k] == pytest.approx(mass * np.log(seen).sum(), rel=1e-13)
        assert found.hazard[k] == pytest.approx(mass * (1 / seen).sum(), rel=1e-13)
        assert found.shared[k] == pytest.approx(mass * (share / seen).sum(), rel=1e-10)
        for power in range(3):
            expected = mass * (share**power / seen**2).sum()
            assert found.squares[power][k] == pytest.approx(expected, rel=1e-12 if power == 0 else 1e-7)


@pytest.mark.parametrize("strata", [False, True])
def test_concordance_block_by_block(monkeypatch, strata):
    """The same in blocks of 64 rows and all at once; numbers of people add up exactly."""
    rng = np.random.default_rng(2)
    n = 5000
    time, event, score = rng.integers(1, 20, n).astype(float), rng.integers(0, 2, n), rng.normal(size=n)
    rows = Arrangement(rng.integers(1, 4, n), None, rng.integers(0, 3, n) if strata else None)
    found = []
    for block in (64, n):
        monkeypatch.setattr("evaluation.inference.concordance.BLOCK", block)
        found.append(concordance(time, event, score, rows))
    assert found[0] == found[1]
    assert 0.45 < found[0] < 0.55


@given(people)
@settings(max_examples=200, deadline=None)
def test_concordance_of_weights_and_strata_over_pairs(rows):
    stratum, time, event, x, weight, copies = arrays(rows)
    score = x[:, 0]
    right = pairs = 0.0
    for i in range(len(time)):
        for j in range(len(time)):
            later = time[j] > time[i] or (time[j] == time[i] and event[j] == 0)
            if event[i] == 1 and stratum[i] == stratum[j] and later:
                mass = weight[i] * copies[i] * weight[j] * copies[j]
                pairs += mass
                right += mass * (1 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0)
    found = concordance(time, event, score, Arrangement(copies, weight * copies, stratum))
    assert found == (pytest.approx(right / pairs, abs=1e-12) if pairs else None)
