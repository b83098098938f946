"""Competing events against printed tables: the vignette of R's survival on these methods, and a tutorial's patients.

- Therneau, Crowson and Atkinson, "Multi-state models and competing risks", a vignette of R's survival: what
  `print(survfit(...), rmean = 240, scale = 12)` and the Fine-Gray fits print of the gammopathy data, by sex;
- Scrucca, Santucci and Aversa (2007), "Competing risk analysis using R: an easy guide for clinicians": 35 patients of
  two diseases. Figures of R 4.2.2, as the tutorial reckons them: cmprsk 2.2-11 (`cuminc`, Gray's test; `crr`), and
  survival 3.5-3 (`survfit`) for standard errors and months lost; the former differ from cuminc's by terms of one over the number at risk.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cohorts import checks, estimates, fit
from tests.reference.fine_gray_naive import solve

CASES = Path(__file__).parent / "cases"


def people(name, arm, treated, time, event):
    """A row a person, of a table of counts."""
    counted = pd.read_csv(CASES / name)
    each = counted.loc[counted.index.repeat(counted["n"])].reset_index(drop=True)
    return pd.DataFrame({"arm": (each[arm] == treated).astype(int), "time": each[time].astype(float),
                         "event": each[event]})  # fmt: skip


def of_cause(frame, cause):
    """The frame with one cause as the outcome, and the other competing."""
    return frame.assign(event=np.where(frame["event"] == 0, 0, np.where(frame["event"] == cause, 1, 2)))


@pytest.fixture(scope="module")
def gammopathy():
    return people("mgus2_counts.csv", "sex", "M", "etime", "ev")


@pytest.fixture(scope="module")
def marrow():
    return people("bone_marrow.csv", "dis", 1, "ftime", "status")


# --------------------------------------------------------------------------- the vignette's tables


def test_years_in_each_state_as_printed(gammopathy):
    found = fit("rmst", gammopathy, {"window": 240}, competing={"death": 2})
    months = {(e.term, e.group): e.estimate for e in found.estimates}
    printed = {("rmtl_control", ""): "1.323284", ("rmtl_treated", ""): "1.064693",
               ("rmtl_control", "death"): "8.823108", ("rmtl_treated", "death"): "10.260294"}  # fmt: skip
    assert {key: f"{months[key] / 12:.6f}" for key in printed} == printed
    for arm, untouched in (("control", "9.853608"), ("treated", "8.675012")):
        left = months[f"rmst_{arm}", ""] - months[f"rmtl_{arm}", "death"]
        assert f"{left / 12:.6f}" == untouched


def test_events_by_sex_as_printed(gammopathy):
    rows = estimates(fit("cumulative_incidence", gammopathy, windows=[420], competing={"death": 2}), 420)
    assert rows["risk_control"].counts[2] == 59
    assert rows["risk_treated"].counts[0] == 56


# R's survival 3.5-3, coxph on finegray's rows with ties = "breslow"; the vignette's own fits take Efron's.
EVENTS_LEAVE_FIRST = {1: -0.22899517919348, 2: 0.23278240560953}


@pytest.mark.parametrize("cause", [1, 2])
def test_why_the_vignette_s_hazard_ratios_differ_in_the_third_digit(gammopathy, cause):
    """Its people with an event leave before others are censored at the same time; cmprsk's, and ours, do not."""
    frame = of_cause(gammopathy, cause)
    values = frame["time"].to_numpy(), frame["event"].to_numpy(), frame[["arm"]].to_numpy(float), np.ones(len(frame))
    theirs = solve(*values, events_leave_first=True)[0]
    assert theirs == pytest.approx(EVENTS_LEAVE_FIRST[cause], abs=1e-8)
    ours = estimates(fit("fine_gray", frame, competing={"other": 2}))["arm"].estimate
    assert ours == pytest.approx(solve(*values)[0], abs=1e-9)
    assert 1e-5 < abs(ours - theirs) < 5e-4
    if cause == 1:
        assert (f"{theirs:.4f}", f"{np.exp(theirs):.4f}") == ("-0.2290", "0.7953")  # printed


# --------------------------------------------------------------------------- the tutorial's patients


def test_incidence_of_the_tutorial_s_patients(marrow):
    found = fit("cumulative_incidence", marrow, windows=[5, 10, 30], competing={"relapse": 2})
    # death from the transplant, then relapse: incidence of `cuminc`, standard error of `survfit`
    expected = {
        (5, "control"): (0.1176470588235, 0.078142489900597), (30, "control"): (0.176470588235, 0.092459440940397),
        (5, "treated"): (0.2951388888889, 0.110733331900026), (10, "treated"): (0.368185763889, 0.120851494593695),
    }  # fmt: skip
    for (window, arm), (estimate, error) in expected.items():
        risk = estimates(found, window)[f"risk_{arm}"]
        assert (risk.estimate, risk.std_error) == pytest.approx((estimate, error), rel=1e-11)
    relapse = {(p.group, p.time): (p.estimate, p.std_error) for p in found.curve
               if p.quantity == "cumulative_incidence:relapse"}  # fmt: skip
    assert relapse["control", 5.0] == pytest.approx((0.2941176470588, 0.110510169015026), rel=1e-11)
    assert relapse["treated", 10.0] == pytest.approx((0.205707465278, 0.107947078824032), rel=1e-11)


def test_grays_test_of_the_tutorial_s_patients(marrow):
    death, relapse = checks(fit("cumulative_incidence", marrow, competing={"relapse": 2}), "gray_test")
    assert (death.statistic, death.p_value) == pytest.approx((1.30163454362, 0.25391487115769), rel=1e-11)
    assert (relapse.statistic, relapse.p_value) == pytest.approx((7.08227802511, 0.00778499801497), rel=1e-11)


@pytest.mark.parametrize(("cause", "estimate", "error", "loglik"), [
    (1, 0.76517028375364, 0.69879020991551, -29.858652099147),
    (2, -1.6044662185554, 0.64031304072664, -43.947278003139),
])  # fmt: skip
def test_subdistribution_hazards_of_the_tutorial_s_patients(marrow, cause, estimate, error, loglik):
    found = fit("fine_gray", of_cause(marrow, cause), competing={"other": 2})
    row = estimates(found)["arm"]
    # crr stops where its log-likelihood moves by less than 1e-6: its coefficients are right to eight digits
    assert (row.estimate, row.std_error) == pytest.approx((estimate, error), abs=3e-9)
    assert checks(found, "log_likelihood")[0].statistic == pytest.approx(loglik, abs=1e-11)


# Months lost by 30 (the patients) and 240 months (gammopathy): survfit's mean time in each state; standard errors from its
# influence of each person on the probability in state (`influence = TRUE`), summed over time.
MONTHS_LOST = {
    ("marrow", "treated", ""): (9.457725694444, 3.091252886615),
    ("marrow", "treated", "other"): (4.753385416667, 2.461653859570),
    ("marrow", "control", ""): (4.529411764706, 2.436910016696),
    ("marrow", "control", "other"): (14.588235294118, 2.779134842762),
    ("gammopathy", "treated", ""): (12.77632198426, 1.700883558711),
    ("gammopathy", "treated", "other"): (123.12352969655, 3.390585003033),
    ("gammopathy", "control", ""): (15.87940266332, 2.090774653203),
    ("gammopathy", "control", "other"): (105.87730162944, 3.664508505294),
}


@pytest.mark.parametrize(("name", "window"), [("marrow", 30), ("gammopathy", 240)])
def test_months_lost_and_their_errors(request, name, window):
    found = fit("rmst", request.getfixturevalue(name), {"window": window}, competing={"other": 2})
    rows = {(e.term.removeprefix("rmtl_"), e.group): e for e in found.estimates if e.term.startswith("rmtl")}
    expected = {key[1:]: figures for key, figures in MONTHS_LOST.items() if key[0] == name}
    for key, figures in expected.items():
        assert (rows[key].estimate, rows[key].std_error) == pytest.approx(figures, rel=2e-12)
    one, zero = expected["treated", ""], expected["control", ""]
    assert rows["difference", ""].estimate == pytest.approx(one[0] - zero[0], rel=1e-11)
    assert rows["difference", ""].std_error == pytest.approx(np.hypot(one[1], zero[1]), rel=1e-11)
