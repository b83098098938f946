"""Remission of leukaemia by maintenance chemotherapy, 23 patients (Miller, 1981; R survival's `aml`).

Figures: R survival's documentation (medians 31 and 23 weeks) and R survival 3.5-3 (`survdiff`, `coxph`).
"""

import pytest

from tests.cohorts import checks, estimates, expanded, fit

MAINTAINED = [(9, 1), (13, 1), (13, 0), (18, 1), (23, 1), (28, 0), (31, 1), (34, 1), (45, 0), (48, 1), (161, 0)]
NOT_MAINTAINED = [
    (5, 1),
    (5, 1),
    (8, 1),
    (8, 1),
    (12, 1),
    (16, 0),
    (23, 1),
    (27, 1),
    (30, 1),
    (33, 1),
    (43, 1),
    (45, 1),
]
PEOPLE = expanded([(0, t, e, 1) for t, e in MAINTAINED] + [(1, t, e, 1) for t, e in NOT_MAINTAINED])


def median(results, group):
    return next(p.time for p in results.curve if (p.quantity, p.group) == ("survival", group) and p.estimate <= 0.5)


def test_log_rank_and_medians():
    results = fit("kaplan_meier", PEOPLE, windows=[24])
    (found,) = checks(results, "log_rank")
    assert (found.statistic, found.p_value) == pytest.approx((3.39639, 0.06534), abs=1e-5)
    assert (median(results, "control"), median(results, "treated")) == (31, 23)


def test_cox():
    found = estimates(fit("cox", PEOPLE))["arm"]
    assert (found.estimate, found.std_error) == pytest.approx((0.915532575, 0.5119342752), abs=1e-8)
