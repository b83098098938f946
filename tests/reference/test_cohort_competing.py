"""Aalen-Johansen, Gray's test and mean time lost on the monoclonal gammopathy data (1,384 people; Kyle et al., 2002).

Figures: R survival 3.5-3 (`survfit`, in the form of its vignette on competing risks: incidence, standard errors, `rmean`)
and cmprsk 2.2-11 (`cuminc`, Gray's test). Women stand in the treated arm, men in the other.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from statsmodels.duration.survfunc import CumIncidenceRight

from tests.cohorts import checks, estimates, fit

COUNTS = pd.read_csv(Path(__file__).parent / "cases" / "mgus2_counts.csv")
ROLES = {"competing": {"death": 2}}


@pytest.fixture(scope="module")
def people():
    found = COUNTS.loc[COUNTS.index.repeat(COUNTS["n"])].reset_index(drop=True)
    return pd.DataFrame({"arm": (found.sex == "F").astype(int), "time": found.etime.astype(float), "event": found.ev})


@pytest.fixture(scope="module")
def by_sex(people):
    return fit("cumulative_incidence", people, windows=[60, 240], **ROLES)


@pytest.fixture(scope="module")
def everyone(people):
    """Both arms are everyone: figures of the whole sample."""
    return fit("cumulative_incidence", pd.concat([people.assign(arm=1), people.assign(arm=0)]), windows=[60], **ROLES)


def at(results, quantity, group, time):
    return next(p for p in results.curve if (p.quantity, p.group, p.time) == (quantity, group, time))


@pytest.mark.parametrize(
    ("quantity", "time", "estimate", "std_error"),
    [
        ("cumulative_incidence", 60, 0.03410371297, 0.004889257908),
        ("cumulative_incidence", 120, 0.06372216801, 0.006796848424),
        ("cumulative_incidence", 240, 0.09981371594, 0.009784846793),
        ("cumulative_incidence:death", 60, 0.3203670103, 0.01256737155),
        ("cumulative_incidence:death", 120, 0.5318177041, 0.01405964516),
        ("cumulative_incidence:death", 240, 0.7240279761, 0.01560634505),
    ],
)
def test_incidence_as_in_r_survival(everyone, quantity, time, estimate, std_error):
    point = at(everyone, quantity, "treated", time)
    assert (point.estimate, point.std_error) == pytest.approx((estimate, std_error), rel=5e-9)  # ten digits printed
    if (quantity, time) == ("cumulative_incidence", 60):
        risk = estimates(everyone)["risk_treated"]
        assert (risk.estimate, risk.std_error) == pytest.approx((estimate, std_error), rel=5e-9)
        assert (risk.conf_low, risk.conf_high) == pytest.approx((point.conf_low, point.conf_high), rel=1e-12)


def test_grays_test_as_in_cmprsk(by_sex):
    pcm, death = checks(by_sex, "gray_test")
    assert (pcm.statistic, pcm.p_value) == pytest.approx((1.194507825, 0.2744221568), rel=1e-8)
    assert death.group == "death"
    assert (death.statistic, death.p_value) == pytest.approx((11.651259012, 0.000641591), rel=1e-6)
    assert pcm.counts == (59, 572, 56, 697, 631, 753)
    assert "fewer" in death.message


def test_incidence_as_in_statsmodels(people, by_sex):
    for group, code in (("treated", 1), ("control", 0)):
        arm = people[people.arm == code]
        with np.errstate(all="ignore"):  # its variance divides by zero at the end
            theirs = CumIncidenceRight(arm.time.to_numpy(), arm.event.to_numpy())
        for cause, quantity in enumerate(("cumulative_incidence", "cumulative_incidence:death")):
            ours = {p.time: p.estimate for p in by_sex.curve if (p.quantity, p.group) == (quantity, group)}
            found = dict(zip(theirs.times, theirs.cinc[cause], strict=True))
            assert [ours[t] for t in found] == pytest.approx(list(found.values()), abs=1e-10)


def test_what_all_causes_and_nothing_share(by_sex):
    """Incidences of all causes and the share without any add up to one."""
    pcm, death = (at(by_sex, q, "treated", 240.0) for q in ("cumulative_incidence", "cumulative_incidence:death"))
    assert pcm.n_risk == death.n_risk
    assert 0 < 1 - pcm.estimate - death.estimate < 1
    assert sum(p.n_event for p in by_sex.curve if (p.quantity, p.group) == ("cumulative_incidence", "treated")) == 59


def test_mean_time_lost_as_in_r_survival(people):
    """`print(survfit(...), rmean = 240)`: mean months in each state."""
    found = fit("rmst", people, {"window": 240}, **ROLES)
    ours = {(e.term, e.group): e for e in found.estimates}
    expected = {("rmtl_treated", ""): 15.87940266, ("rmtl_control", ""): 12.77632198,
                ("rmtl_treated", "death"): 105.87730163, ("rmtl_control", "death"): 123.12352970}  # fmt: skip
    for key, value in expected.items():
        assert ours[key].estimate == pytest.approx(value, abs=1e-7)
    kept, lost = ours["rmst_difference", ""], ours["rmtl_difference", ""]
    assert kept.estimate == pytest.approx(-lost.estimate, rel=1e-12)
    assert kept.std_error == pytest.approx(lost.std_error, rel=1e-12)
    (gained,) = checks(found, "days_gained")
    assert gained.statistic == pytest.approx(kept.estimate * 365.25 / 12)
    assert "lost" in gained.message
    assert "Days after death are not days in freedom" in gained.message


def test_death_ignored_overstates(people, by_sex):
    naive = fit("kaplan_meier", people, windows=[240], **ROLES)
    assert estimates(naive)["risk_treated"].estimate > 1.3 * estimates(by_sex, 240)["risk_treated"].estimate
    (warned,) = checks(naive, "competing_events")
    assert "cumulative_incidence" in warned.message


def test_bands_that_hold_the_whole_curve_are_wider(everyone):
    points = [p for p in everyone.curve if (p.quantity, p.group) == ("cumulative_incidence", "treated")]
    held = [p for p in points if p.band_low is not None]
    assert 0 < len(held) < len(points)
    assert all(p.band_low < p.conf_low < p.estimate < p.conf_high < p.band_high for p in held)


def test_order_of_rows_changes_nothing(people, by_sex):
    shuffled = people.sample(frac=1, random_state=np.random.default_rng(5).integers(1 << 31))
    again = fit("cumulative_incidence", shuffled, windows=[60, 240], **ROLES)
    assert again == by_sex
