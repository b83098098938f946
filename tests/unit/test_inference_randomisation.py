"""Randomisation inference: enumeration, strata, draws, and panel estimators as the statistic."""

from math import comb

import numpy as np
import pytest

from evaluation.errors import NotEstimable
from evaluation.estimators.registry import get
from evaluation.inference.randomisation import cohorts_by_cluster, randomisation, reassigned
from tests.panels import OUTCOME, moments, simulated

TREATED = np.array([1, 1, 1, 1, 0, 0, 0, 0])
OUTCOMES = np.array([10.0, 5, 16, 3, 5, 7, 8, 10])


def difference(treated, outcomes=OUTCOMES):
    return outcomes[treated == 1].mean() - outcomes[treated == 0].mean()


def test_eight_people():
    """Cunningham (2021), Causal Inference: The Mixtape, chapter 4: difference 1, 60 of 70 assignments at least as far."""
    found = randomisation(difference, TREATED)
    assert (found.p_value, found.statistic) == (60 / 70, 1.0)
    assert (found.draws, found.enumerated, found.unanswered) == (70, True, 0)


def test_every_assignment_once():
    seen = []
    dates = np.array([2003, 0, 2005, 2003, 0])
    found = randomisation(lambda a: seen.append(tuple(a)) or float(a @ [1, 2, 3, 4, 5]), dates)
    assert len(seen[1:]) == len(set(seen)) == found.draws == comb(5, 2) * comb(3, 2)
    assert all(sorted(a) == sorted(dates) for a in seen)


def test_dates_stay_within_strata():
    strata = np.array(["a", "a", "a", "a", "b", "b", "b", "b"])
    dates = np.array([1, 0, 0, 0, 1, 1, 0, 0])
    seen = []
    found = randomisation(lambda a: seen.append(tuple(a)) or difference(a), dates, strata)
    assert found.draws == 4 * 6 == len(set(seen))
    assert all(sum(a[:4]) == 1 for a in seen)


def test_too_many_to_enumerate():
    rng = np.random.default_rng(6)
    outcomes = rng.normal(size=24)
    dates = np.repeat([1, 0], 12)
    a, b = (randomisation(lambda d: difference(d, outcomes), dates, draws=499, seed=4) for _ in range(2))
    assert a == b
    assert (a.enumerated, a.draws) == (False, 499)
    other = randomisation(lambda d: difference(d, outcomes), dates, draws=499, seed=5)
    assert a.p_value == pytest.approx(other.p_value, abs=0.1)
    strong = randomisation(lambda d: difference(d, outcomes + 9 * dates), dates, draws=499)
    assert strong.p_value == 1 / 500


def test_only_one_assignment():
    with pytest.raises(NotEstimable, match="cannot be reassigned"):
        randomisation(difference, np.ones(8))
    with pytest.raises(NotEstimable, match="cannot be reassigned"):
        randomisation(difference, TREATED, strata=TREATED)


def test_assignments_without_an_answer_count_against_the_finding():
    def fragile(treated):
        if treated[0] == 0:
            raise NotEstimable("no answer")
        return difference(treated)

    found = randomisation(fragile, TREATED)
    answered = randomisation(lambda t: difference(t) if t[0] else 0.0, TREATED)
    assert found.unanswered == 35
    assert found.p_value == pytest.approx(answered.p_value + 0.5)


@pytest.mark.parametrize("estimator", ["twfe", "callaway_santanna"])
def test_reassigned_dates_as_if_the_data_had_them(estimator):
    frame = simulated(units=24, clusters=24, periods=5, starts=(3,), holes=0.05)
    frame["cluster"] = frame["unit"] // 3
    frame["cohort"] = frame["cluster"].map(lambda c: 2003 if c in (0, 3, 5) else 0)
    method, panel = get(estimator)(), moments(frame, cluster="cluster")
    dates = cohorts_by_cluster(panel)
    assert dates.tolist() == [2003, 0, 0, 2003, 0, 2003, 0, 0]
    other = np.roll(dates, 1)
    frame["cohort"] = frame["cluster"].map(dict(enumerate(other)))
    told, built = reassigned(panel, other), moments(frame, cluster="cluster")
    assert method.overall(told, OUTCOME) == method.overall(built, OUTCOME)
    found = randomisation(lambda d: method.overall(reassigned(panel, d), OUTCOME).estimate, dates)
    assert (found.draws, found.enumerated, found.unanswered) == (56, True, 0)
    assert found.statistic == method.overall(panel, OUTCOME).estimate


def test_dates_that_do_not_belong_to_clusters():
    with pytest.raises(NotEstimable, match="in 15 of 15 clusters units adopted at different times"):
        cohorts_by_cluster(moments(simulated(), cluster="cluster"))
    panel = moments(simulated(units=12))
    with pytest.raises(ValueError, match="3 adoption dates for 12 clusters"):
        reassigned(panel, np.array([0, 0, 2003]))
