"""Subdistribution hazards: rows, edges, invariance."""

import numpy as np
import pandas as pd
import pytest

from evaluation.errors import NotEstimable
from tests.cohorts import checks, estimates, fit


@pytest.fixture(scope="module")
def people():
    draw = np.random.default_rng(2)
    n = 500
    arm, young = draw.integers(0, 2, n), draw.integers(0, 2, n)
    time = np.ceil(draw.exponential(20 / np.exp(0.4 * young - 0.5 * arm), n)).clip(max=36)
    event = np.where(time == 36, 0, draw.choice([0, 1, 2], n, p=[0.2, 0.5, 0.3]))
    return pd.DataFrame({"arm": arm, "young": young, "time": time, "event": event})


def fitted(frame, **roles):
    return fit("fine_gray", frame, **{"covariates": ["young"], "competing": {"death": 2}, **roles})


def numbers(found):
    return [v for e in found.estimates for v in (e.estimate, e.std_error, e.conf_low, e.conf_high, e.p_value)]


def test_rows_and_what_the_disclosure_door_reads(people):
    found = fitted(people)
    rows = estimates(found)
    treated, had = people["arm"] == 1, people["event"] == 1
    cells = [int((g & h).sum()) for g in (treated, ~treated) for h in (had, ~had)]
    assert list(rows) == ["arm", "young"]
    assert rows["arm"].counts == (*cells, int(treated.sum()), int((~treated).sum()))
    assert {e.scale for e in found.estimates} == {"log_hazard"}
    assert [i.term for i in found.inference] == ["arm", "young"]
    check = checks(found, "competing_events")[0]
    assert check.counts == tuple(int((g & (people["event"] == 2)).sum()) for g in (treated, ~treated))


def test_order_and_relabelling_change_nothing_and_twice_everyone_at_half_weight_little(people):
    once = numbers(fitted(people))
    assert numbers(fitted(people.sample(frac=1, random_state=1))) == once
    months = people.assign(time=people["time"] * 30)  # only the order of times counts
    assert numbers(fitted(months)) == pytest.approx(once, rel=1e-12)
    twice = pd.concat([people, people], ignore_index=True).assign(half=0.5)
    doubled = fitted(twice, weights="half")
    assert [e.estimate for e in doubled.estimates] == pytest.approx(
        [e.estimate for e in fitted(people).estimates], rel=1e-10
    )


def test_everyone_their_own_cluster_is_no_cluster(people):
    alone = fitted(people.assign(place=np.arange(len(people))), cluster="place")
    assert numbers(alone) == pytest.approx(numbers(fitted(people)), rel=1e-10)
    court = fitted(people.assign(place=np.arange(len(people)) % 20), cluster="place")
    assert [c.statistic for c in checks(court, "few_clusters")] == [20]
    assert court.estimates[0].n_clusters == 20


def test_nobody_with_a_competing_event_is_said(people):
    found = fitted(people.assign(event=(people["event"] == 1).astype(int)), competing={})
    assert "ordinary hazard ratio" in checks(found, "competing_events")[0].message


def test_what_has_no_answer_says_why(people):
    alike = fitted(people.assign(young=1))
    assert {e.status for e in alike.estimates} == {"not_estimable"}
    assert "`young` has the same value" in alike.checks[0].message
    never = people["event"].where((people["arm"] == 1) | (people["event"] == 2), 0)
    assert "nobody in the comparison arm had the outcome" in fitted(people.assign(event=never)).checks[0].message
    with pytest.raises(NotEstimable, match="nobody had the outcome"):
        fitted(people.assign(event=0))
    with pytest.raises(NotEstimable, match="nobody is in the comparison"):
        fitted(people.assign(arm=1))
