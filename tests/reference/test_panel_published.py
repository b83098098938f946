"""Published panel results, to the digits printed. Data from the package moderndid; figures and sources in cases/."""

import json
from pathlib import Path

import moderndid
import pytest

from tests.panels import checks, estimates, fit, found, overall

CASES = json.loads((Path(__file__).parent / "cases" / "panel.json").read_text())
MPDTA, EHEC = CASES["mpdta"], CASES["ehec"]


def figures(case):
    return [(key, value) for key, value in case.items() if key not in ("source", "tolerance")]


def close(estimate, expected, tolerance):
    value, error = expected
    assert estimate.estimate == pytest.approx(value, abs=tolerance)
    assert estimate.std_error == pytest.approx(error, abs=tolerance)


@pytest.fixture(scope="module")
def mpdta():
    names = {"countyreal": "unit", "year": "time", "first.treat": "cohort", "lemp": "y"}
    return moderndid.load_mpdta().to_pandas().rename(columns=names)


@pytest.fixture(scope="module")
def ehec():
    names = {"stfips": "unit", "year": "time", "yexp2": "cohort", "dins": "y"}
    return moderndid.load_ehec().to_pandas().rename(columns=names)


@pytest.fixture(scope="module")
def group_time(mpdta):
    return fit("callaway_santanna", mpdta)


@pytest.mark.parametrize(("cell", "expected"), figures(MPDTA["att_gt"]))
def test_mpdta_group_time(group_time, cell, expected):
    cohort, period = cell.split(",")
    close(estimates(group_time, "group_time")[cohort, float(period)], expected, MPDTA["att_gt"]["tolerance"])


def test_mpdta_has_no_other_group_time_effects(group_time):
    assert len(estimates(group_time, "group_time")) == 12


@pytest.mark.parametrize(("term", "expected"), figures(MPDTA["overall"]))
def test_mpdta_overall(group_time, term, expected):
    close(overall(group_time, term), expected, MPDTA["overall"]["tolerance"])


@pytest.mark.parametrize(("event", "expected"), figures(MPDTA["event"]))
def test_mpdta_by_event_time(group_time, event, expected):
    close(estimates(group_time, "event")[float(event)], expected, MPDTA["event"]["tolerance"])


@pytest.mark.parametrize(("cohort", "expected"), figures(MPDTA["group"]))
def test_mpdta_by_cohort(group_time, cohort, expected):
    close(estimates(group_time, "group")[cohort], expected, MPDTA["group"]["tolerance"])


def test_mpdta_pre_test(group_time):
    (check,) = checks(group_time, "pretrends")
    case = MPDTA["pretest_p"]
    assert check.p_value == pytest.approx(case["value"], abs=case["tolerance"])
    assert (check.df, check.status) == (5, "pass")
    assert "no proof" in check.message


@pytest.mark.parametrize(("term", "expected"), figures(MPDTA["overall_not_yet"]))
def test_mpdta_not_yet_treated(mpdta, term, expected):
    results = fit("callaway_santanna", mpdta, {"control_group": "not_yet_treated"})
    close(overall(results, term), expected, MPDTA["overall_not_yet"]["tolerance"])


def test_mpdta_twfe(mpdta):
    results = fit("twfe", mpdta)
    close(overall(results), MPDTA["twfe"]["att"], MPDTA["twfe"]["tolerance"])
    (inference,) = results.inference
    assert (inference.distribution, inference.df, inference.n_clusters) == ("t", 499, 500)
    assert inference.small_sample_factor == pytest.approx(500 / 499 * 2499 / 2494)  # K = 1 + 5 periods


def test_mpdta_is_a_sound_panel(mpdta):
    assert found(mpdta) == []


def test_ehec_twfe(ehec):
    close(overall(fit("twfe", ehec)), EHEC["twfe"]["att"], EHEC["twfe"]["tolerance"])


def test_ehec_twfe_without_never_treated(ehec):
    results = fit("twfe", ehec[ehec["cohort"].notna()])
    close(overall(results), EHEC["twfe"]["att_without_never_treated"], EHEC["twfe"]["tolerance"])


def test_ehec_group_time(ehec):
    results, case = fit("callaway_santanna", ehec, {"control_group": "not_yet_treated"}), EHEC["callaway_santanna"]
    close(overall(results), case["att"], case["tolerance"])
    cell = estimates(results, "group_time")["2014", 2014.0]
    assert cell.estimate == pytest.approx(case["att_2014_2014"], abs=5e-9)


def test_ehec_group_time_without_never_treated(ehec):
    """The last cohort cannot be compared with anyone after its adoption, and the means leave it out."""
    results = fit("callaway_santanna", ehec[ehec["cohort"].notna()], {"control_group": "not_yet_treated"})
    expected = EHEC["callaway_santanna"]["att_without_never_treated_4_decimals"]
    assert round(overall(results).estimate, 4) == expected
    assert estimates(results, "group")["2019"].status == "not_estimable"
    assert checks(results, "cells_missing")[0].statistic == 5
