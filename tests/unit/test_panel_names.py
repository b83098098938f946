"""Whatever the columns of a panel are called, it is read and checked as one with plain names."""

import pytest

from evaluation.data.panel import Panel, series
from evaluation.estimators.registry import get
from evaluation.study.models import Outcome
from tests.panels import design, found, moments, simulated, source

NAMES = ("u", "t", "g", "c", "w", "y", "k", "p", "r", "n", "s", "a", "e", "f", "x", "zero", "moves", "crosses", "repeats",
         "period", "periods", "units", "places", "cluster", "constant", "first", "last", "count", "select", "time")  # fmt: skip
ROLES = ("unit", "time", "cohort", "cluster", "weights", "outcome")


def crowded(shift, upper):
    """A panel whose columns bear the names of `NAMES`, the roles `shift` places on, and the roles' columns."""
    frame = simulated(units=24, weights="constant")
    names = [n.upper() if upper else n for n in NAMES]
    roles = {role: names[(k + shift) % len(names)] for k, role in enumerate(ROLES)}
    columns = {"unit": "unit", "time": "time", "cohort": "cohort", "cluster": "cluster", "weights": "weight",
               "outcome": "y"}  # fmt: skip
    held = {roles[role]: frame[column] for role, column in columns.items()}
    crowd = frame[[]].assign(**{name: held.get(name, 7) for name in names})
    outcome = Outcome(id="outcome", label="Outcome", column=roles.pop("outcome"))
    return crowd, roles, outcome


@pytest.mark.parametrize(
    ("shift", "upper"), [*((k, False) for k in range(len(NAMES))), *((k, True) for k in range(0, len(NAMES), 5))]
)
def test_columns_may_bear_any_name(shift, upper, tmp_path):
    frame, roles, outcome = crowded(shift, upper)
    plain = simulated(units=24, weights="constant")
    assert found(frame, [outcome], **roles) == found(plain, cluster="cluster", weights="weight") == []
    there = moments(frame, outcome, **roles)
    here = moments(plain, cluster="cluster", weights="weight")
    assert there.sums.tobytes() == here.sums.tobytes()
    data = source(frame, tmp_path)
    assert series(Panel.of(design(**roles), data), outcome) == series(
        Panel.of(design(cluster="cluster", weights="weight"), source(plain, tmp_path)),
        Outcome(id="outcome", label="Outcome", column="y"),
    )


@pytest.mark.parametrize("upper", [False, True])
def test_estimates_and_problems_under_such_names(upper, tmp_path):
    """Names that once stood for something else in a query: periods called t, an outcome called k."""
    for shift in (0, 1, len(NAMES) - 1):
        frame, roles, outcome = crowded(shift, upper)
        data = source(frame, tmp_path)
        assert get("twfe")().fit(Panel.of(design(**roles), data), outcome).estimates[0].status == "ok"
        doubled = frame.iloc[[0, *range(len(frame))]]
        (problem,) = found(doubled, [outcome], **roles)
        assert "1 unit with more than one row in a period" in problem.what
