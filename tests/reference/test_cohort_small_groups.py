"""A few people each: every cohort estimator of the registry answers with finite figures, or says why it cannot.

Times at zero, ties, nobody or everybody with the event, weights of zero, empty arms, clusters of one: warnings are errors.
"""

import math

import numpy as np
import pandas as pd
import pytest

from evaluation.errors import NotEstimable
from tests.cohorts import checks, fit
from tests.reference.test_cohort_invariance import CASES

NAMES = ["age", "priors", "urban"]
FIGURES = ("estimate", "std_error", "conf_low", "conf_high", "p_value")
# All but the last of these draws once led an estimator to divide by zero.
DRAWS = (1, 24, 34, 73, 110, 174, 200, 202, 286, 355, 372, 903)


def drawn(seed):
    """At most forty people, and the roles of their columns."""
    draw = np.random.default_rng(seed)
    n, last = int(draw.integers(2, 40)), draw.choice([3, 8, 30])
    people = pd.DataFrame({
        "arm": draw.integers(0, 2, n), "time": draw.integers(0, last, n).astype(float),
        "event": draw.choice([0, 1, 2], n, p=draw.dirichlet([1, 1, 1])), "age": draw.normal(30, 8, n).round(1),
        "priors": draw.poisson(draw.choice([0.1, 2]), n).astype(float), "urban": draw.integers(0, 2, n),
        "court": draw.integers(0, draw.integers(1, 12), n), "id": np.arange(n),
        "days": draw.integers(0, 400, n).astype(float), "number": draw.poisson(draw.choice([0.2, 3]), n),
        "w": draw.choice([0.0, 0.5, 1.0, 2.0], n),
    })  # fmt: skip
    if draw.random() < 0.3:
        people["time"] += draw.random(n)
    covariates = draw.choice(NAMES, draw.integers(0, 4), replace=False).tolist()
    roles = {"windows": [2.0, 6.0], "competing": {"death": 2}, "person": "id", "covariates": covariates}
    if draw.random() < 0.4:
        roles["cluster"] = "court"
    if draw.random() < 0.4:
        roles["weights"] = "w"
    return people, roles


def sound(results):
    """Whether every figure is finite and within its interval, and what has none says why."""
    for row in results.estimates:
        if row.status != "ok":
            assert any(
                c.term == row.term and c.time == row.time and c.message for c in checks(results, "not_estimable")
            )
            continue
        values = {name: getattr(row, name) for name in FIGURES}
        assert all(v is None or math.isfinite(v) for v in values.values()), row
        assert row.estimate is not None
        if row.conf_low is not None:
            assert row.conf_low - 1e-9 <= row.estimate <= row.conf_high + 1e-9, row
        assert row.std_error is None or row.std_error >= 0, row
    keys = [(e.term, e.group, e.time) for e in results.estimates]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("seed", DRAWS)
def test_an_answer_or_the_reason_why_not(seed):
    people, roles = drawn(seed)
    answered = 0
    for name, way in CASES:
        adjusted = way.get("adjust") not in (None, "none")
        if (adjusted and not roles["covariates"]) or (way.get("adjust") == "matching" and "weights" in roles):
            continue
        try:
            found = fit(name, people, way, **roles)
        except NotEstimable:
            continue
        sound(found)
        answered += len(found.estimates)
    assert answered or len(people) < 20


def test_an_arm_of_weights_of_zero_cannot_be_compared():
    people = pd.DataFrame({"arm": [1, 1, 0, 0, 0, 1], "time": [3.0, 12.0, 5.0, 12.0, 12.0, 12.0],
                           "event": [1, 0, 1, 0, 0, 0], "w": [0, 0, 1, 2, 1, 0]})  # fmt: skip
    found = fit("risk_difference", people, windows=[12], weights="w")
    assert {e.status for e in found.estimates} == {"not_estimable"}
    assert "nobody whose outcome is known has a weight above zero" in checks(found, "not_estimable")[0].message


@pytest.mark.parametrize("baseline", ["polynomial", "dummies"])
def test_a_window_before_the_first_outcome_has_no_pooled_risks(baseline):
    draw = np.random.default_rng(4)
    first = 5.0 + draw.geometric(0.2, 200)
    people = pd.DataFrame({"arm": draw.integers(0, 2, 200), "time": np.minimum(first, 12), "event": first <= 12})
    found = fit("pooled_logistic", people.astype({"event": int}), {"baseline": baseline}, windows=[3, 8])
    assert {e.status for e in found.estimates if e.time == 3} == {"not_estimable"}
    assert {e.status for e in found.estimates if e.time == 8} == {"ok"}
    said = {(c.term, c.time): c.message for c in checks(found, "not_estimable")}
    assert "nobody had the outcome by 3 months" in said["risk_difference", 3]
