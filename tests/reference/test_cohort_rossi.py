"""Rossi, Berk & Lenihan's experiment (1980): 432 people released from Maryland prisons, half given financial aid.

Data: `lifelines.datasets.load_rossi`. Sources of the figures:
- counts, risk difference and Newcombe interval: by hand from 48/216 and 66/216, the interval also by statsmodels
  0.15.0 `confint_proportions_2indep(method="newcomb")`;
- Cox with seven covariates: Fox & Weisberg, "Cox Proportional-Hazards Regression for Survival Data in R" (an appendix
  to An R Companion to Applied Regression), and Allison (2010); more digits from R survival 3.5-3;
- Kaplan-Meier, log-rank (3.84, p 0.05 in Allison) and the proportional-hazards test: R survival 3.5-3 (`survfit`,
  `survdiff`, `cox.zph` with the km transform).
"""

import pytest
from lifelines.datasets import load_rossi

from evaluation.inference.imputed import nelson_aalen
from tests.cohorts import checks, estimates, fit
from tests.cohorts import survival as curve_of

COVARIATES = ["age", "race", "wexp", "mar", "paro", "prio"]
ROLES = {"arm": "fin", "time": "week", "event": "arrest", "time_unit": "week", "assignment": "randomised",
         "covariates": COVARIATES, "windows": [52]}  # fmt: skip
PRINTED = {
    "arm": ("-0.3794", "0.1914"), "age": ("-0.0574", "0.0220"), "race": ("0.3139", "0.3080"),
    "wexp": ("-0.1498", "0.2122"), "mar": ("-0.4337", "0.3819"), "paro": ("-0.0849", "0.1958"),
    "prio": ("0.0915", "0.0286"),
}  # fmt: skip
R_SURVIVAL = {
    "arm": (-0.37942216649, 0.19137948071), "age": (-0.05743774268, 0.0219994706),
    "race": (0.31389978784, 0.30799277656), "wexp": (-0.14979569767, 0.21222429625),
    "mar": (-0.43370387794, 0.38186805767), "paro": (-0.0848710825, 0.19575667191),
    "prio": (0.09149708099, 0.02864854996),
}  # fmt: skip


@pytest.fixture(scope="module")
def people():
    return load_rossi()


@pytest.fixture(scope="module")
def risks(people):
    return estimates(fit("risk_difference", people, **ROLES))


@pytest.fixture(scope="module")
def curves(people):
    return fit("kaplan_meier", people, **ROLES)


@pytest.fixture(scope="module")
def cox(people):
    return fit("cox", people, **ROLES)


def test_counts_and_risks(people, risks):
    assert people.groupby("fin").arrest.agg(["sum", "size"]).to_numpy().tolist() == [[66, 216], [48, 216]]
    assert risks["risk_treated"].counts == (48, 168, 216, 216)
    assert risks["risk_control"].counts == (66, 150, 216, 216)
    assert f"{risks['risk_treated'].estimate:.1%}" == "22.2%"
    assert f"{risks['risk_control'].estimate:.1%}" == "30.6%"


def test_risk_difference_to_the_printed_digits(risks):
    found = risks["risk_difference"]
    assert [f"{v:.4f}" for v in (found.estimate, found.std_error, found.conf_low, found.conf_high, found.p_value)] == [
        "-0.0833", "0.0423", "-0.1650", "-0.0002", "0.0494"]  # fmt: skip
    assert (found.n_obs, found.n_units, found.n_treated_units, found.time) == (432, 432, 216, 52)


def test_the_scales_straddle(risks):
    ratio = risks["risk_ratio"]
    assert (f"{ratio.conf_low:.3f}", f"{ratio.conf_high:.3f}") == ("0.528", "1.002")
    assert risks["risk_difference"].conf_high < 0
    assert ratio.p_value > 0.05
    # Cox index of 48/216 against 66/216 rests on this odds ratio: .6494 (What Works Clearinghouse, 2022)
    assert f"{risks['odds_ratio'].estimate:.4f}" == "0.6494"


def test_log_rank(curves):
    (found,) = checks(curves, "log_rank")
    assert (f"{found.statistic:.3f}", f"{found.p_value:.4f}", found.df) == ("3.838", "0.0501", 1)
    assert found.statistic == pytest.approx(3.83756958, abs=1e-8)
    assert found.p_value == pytest.approx(0.05011612, abs=1e-8)


@pytest.mark.parametrize(("week", "survival", "std_error"), [
    (13, 0.9537037037, 0.01010969), (26, 0.875, 0.01591172), (52, 0.7361111111, 0.0212051)])  # fmt: skip
def test_overall_survival(people, week, survival, std_error):
    curve = curve_of(people.week, people.arrest)
    at = curve.time.tolist().index(week)
    assert curve.survival[at] == pytest.approx(survival, abs=1e-9)
    assert curve.std_error[at] == pytest.approx(std_error, abs=1e-7)


@pytest.mark.parametrize(("week", "hazard"), [(13, 0.0472730738), (26, 0.133068323), (52, 0.3051275337)])
def test_cumulative_hazard(people, week, hazard):
    """Nelson and Aalen's estimate, as R survival 3.5-3 has it (`survfit(...)$cumhaz`)."""
    found = nelson_aalen(people.week.to_numpy(float), people.arrest.to_numpy())
    assert found[people.week <= week].max() == pytest.approx(hazard, abs=1e-10)


@pytest.mark.parametrize(("conf_type", "low", "high"), [
    ("log-log", 0.69186, 0.775063), ("log", 0.695701, 0.778868)])  # fmt: skip
def test_bands_at_52_weeks(people, conf_type, low, high):
    curve = curve_of(people.week, people.arrest, 0.95, conf_type)
    at = curve.time.tolist().index(52)
    assert (curve.low[at], curve.high[at]) == pytest.approx((low, high), abs=1e-6)


def test_kaplan_meier_equals_proportions_without_early_censoring(risks, curves):
    found = estimates(curves)
    for term in ("risk_treated", "risk_control", "risk_difference", "risk_ratio"):
        assert found[term].estimate == pytest.approx(risks[term].estimate, abs=1e-12)
    # Greenwood's variance is then the binomial one, without HC1's n/(n - 2)
    assert found["risk_treated"].std_error == pytest.approx(risks["risk_treated"].std_error, abs=1e-12)
    assert found["risk_difference"].std_error * (432 / 430) ** 0.5 == pytest.approx(
        risks["risk_difference"].std_error, abs=1e-12)  # fmt: skip


def test_numbers_at_risk(people, curves):
    at_risk = {(p.group, p.time): p.n_risk for p in curves.curve if p.quantity == "survival"}
    for code, group in ((1, "treated"), (0, "control")):
        weeks = people.week[people.fin == code]
        assert at_risk[group, 0.0] == 216
        assert at_risk[group, 52.0] == (weeks >= 52).sum()


def test_cox_to_the_printed_digits(cox):
    found = estimates(cox)
    assert {t: (f"{e.estimate:.4f}", f"{e.std_error:.4f}") for t, e in found.items()} == PRINTED
    for term, (coefficient, std_error) in R_SURVIVAL.items():
        assert found[term].estimate == pytest.approx(coefficient, abs=1e-7)
        assert found[term].std_error == pytest.approx(std_error, abs=1e-7)
    assert {e.scale for e in cox.estimates} == {"log_hazard"}


def test_cox_likelihood_and_concordance(cox):
    found = {c.check: c.statistic for c in cox.checks if not c.term}
    assert found["log_likelihood_null"] == pytest.approx(-675.3806323, abs=1e-6)
    assert found["log_likelihood"] == pytest.approx(-658.7476594, abs=1e-6)
    assert found["concordance"] == pytest.approx(0.6403292471, abs=1e-10)
    assert f"{found['likelihood_ratio']:.2f}" == "33.27"  # Fox & Weisberg: likelihood ratio test 33.3 on 7 df
    assert f"{found['wald']:.2f}" == "32.11"  # Fox & Weisberg: Wald test 32.1 on 7 df


def test_cox_robust_standard_errors(people):
    found = estimates(fit("cox", people, {"robust": True}, **ROLES))
    assert found["arm"].std_error == pytest.approx(0.19554177898, abs=1e-7)
    assert found["prio"].std_error == pytest.approx(0.02897459463, abs=1e-7)


def test_cox_breslow(people):
    found = estimates(fit("cox", people, {"ties": "breslow"}, **ROLES))
    assert (found["arm"].estimate, found["arm"].std_error) == pytest.approx((-0.37902188743, 0.19136442586), abs=1e-7)
    assert (found["prio"].estimate, found["prio"].std_error) == pytest.approx((0.09111154209, 0.02863125296), abs=1e-7)


def test_proportional_hazards(cox):
    overall, *single = checks(cox, "proportional_hazards")
    assert (overall.statistic, overall.df) == pytest.approx((17.6944153, 7), abs=1e-6)
    assert overall.p_value == pytest.approx(0.013428, abs=1e-6)
    assert overall.status == "warn"
    assert [c.term for c in single if c.status == "warn"] == ["age", "wexp"]
    assert {c.term for c in single} == {"arm", *COVARIATES}
