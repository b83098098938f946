"""What tests of curves say of a direction, and what is said of clusters that are single people."""

import numpy as np
import pandas as pd
import pytest

from tests.cohorts import checks, estimates, expanded, fit

CURVES = (("kaplan_meier", "log_rank"), ("cumulative_incidence", "gray_test"))


def people(treated, control, n=60):
    """So many of `n` in each arm have the event in month 3; one of each dies in month 2."""
    return expanded([
        (1, 3, 1, treated), (1, 12, 0, n - treated), (1, 2, 2, 1), (0, 3, 1, control), (0, 12, 0, n - control),
        (0, 2, 2, 1),
    ])  # fmt: skip


def said(estimator, test, frame, **roles):
    options = roles.pop("options", {})
    return checks(fit(estimator, frame, options, windows=[6], competing={"death": 2}, **roles), test)[0]


@pytest.mark.parametrize(("estimator", "test"), CURVES)
@pytest.mark.parametrize("arms", [(20, 23), (23, 20), (20, 20)])
def test_no_direction_is_claimed_where_chance_explains_the_difference(estimator, test, arms):
    check = said(estimator, test, people(*arms))
    assert check.p_value > 0.05
    assert "no clear difference" in check.message
    assert "more events" not in check.message
    assert "fewer" not in check.message


@pytest.mark.parametrize(("estimator", "test"), CURVES)
@pytest.mark.parametrize(("arms", "word"), [((10, 30), "fewer"), ((30, 10), "more")])
def test_a_clear_difference_has_its_direction(estimator, test, arms, word):
    check = said(estimator, test, people(*arms))
    assert check.p_value < 0.05
    assert f"the treated had {word} events (Rearrest)" in check.message


@pytest.mark.parametrize(("estimator", "test"), CURVES)
def test_the_line_is_that_of_the_confidence_level(estimator, test):
    frame = people(17, 29)
    check = said(estimator, test, frame)
    assert 0.01 < check.p_value < 0.05
    assert "fewer" in check.message
    assert "no clear difference" in said(estimator, test, frame, options={"conf_level": 0.99}).message


def drawn(n=36):
    """A few people with all that any estimator of people needs."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"arm": np.tile([0, 1], n // 2), "age": rng.normal(30, 5, n), "time": rng.integers(1, 12, n)})
    frame["event"] = rng.choice([0, 1, 1, 2], n)
    frame["arrests"], frame["years"] = rng.poisson(1.5, n), 1.0
    return frame.assign(alone=range(n), court=np.arange(n) // 2 // 2)


WAYS = {
    "kaplan_meier": {}, "cumulative_incidence": {}, "rmst": {"window": 6}, "cox": {"covariates": []},
    "fine_gray": {"covariates": []}, "risk_difference": {"window": 6, "censoring": "ipcw"},
    "event_count": {"covariates": [], "count": "arrests", "exposure": "years", "exposure_unit": "year"},
    "pooled_logistic": {"covariates": [], "every": 3},
}  # fmt: skip


@pytest.mark.parametrize("estimator", WAYS)
def test_people_who_are_their_own_clusters_are_not_called_clusters(estimator):
    def of(cluster):
        return fit(estimator, drawn(), WAYS[estimator], windows=[6], competing={"death": 2}, cluster=cluster)

    alone, together = of("alone"), of("court")
    assert {e.n_clusters for e in alone.estimates} == {36}
    assert [c.message for c in alone.checks if "cluster" in c.message] == []
    assert [c.message for c in together.checks if "cluster" in c.message] != [] or estimator == "rmst"
    assert {t: e.estimate for t, e in estimates(alone).items()} == pytest.approx(
        {t: e.estimate for t, e in estimates(together).items()}, nan_ok=True)  # fmt: skip
