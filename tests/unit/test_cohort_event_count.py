"""Numbers of events: columns, edges, invariance."""

import numpy as np
import pandas as pd
import pytest

from evaluation.errors import NotEstimable
from tests.cohorts import checks, estimates, fit

OPTIONS = {"count": "number", "exposure": "days"}


@pytest.fixture(scope="module")
def people():
    draw = np.random.default_rng(5)
    n = 600
    arm, young = draw.integers(0, 2, n), draw.integers(0, 2, n)
    days = draw.integers(30, 700, n).astype(float)
    rate = np.exp(-0.4 * arm + 0.5 * young) * draw.gamma(1.0, 1.0, n)
    return pd.DataFrame({"arm": arm, "young": young, "days": days, "number": draw.poisson(rate * days / 365.25),
                         "time": 24.0, "event": 0})  # fmt: skip


def numbers(found):
    return [v for e in found.estimates for v in (e.estimate, e.std_error, e.conf_low, e.conf_high)]


def fitted(frame, options=None, **roles):
    return fit("event_count", frame, {**OPTIONS, **(options or {})}, **{"covariates": ["young"], **roles})


def test_terms_scales_and_counts(people):
    rows = estimates(fitted(people))
    assert [(t, e.scale) for t, e in rows.items()] == [
        ("arm", "log_rate"), ("young", "log_rate"), ("rate_treated", "level"), ("rate_control", "level"),
        ("rate_ratio", "level"),
    ]  # fmt: skip
    had = people["number"] > 0
    treated = people["arm"] == 1
    cells = [int((g & h).sum()) for g in (treated, ~treated) for h in (had, ~had)]
    assert rows["arm"].counts == (*cells, int(treated.sum()), int((~treated).sum()))
    assert rows["rate_ratio"].conf_low < rows["rate_ratio"].estimate < rows["rate_ratio"].conf_high


def test_order_of_rows_changes_nothing_and_twice_everyone_with_half_a_weight_neither(people):
    once = numbers(fitted(people))
    assert numbers(fitted(people.sample(frac=1, random_state=3))) == once
    twice = pd.concat([people, people], ignore_index=True).assign(half=0.5)
    doubled = estimates(fitted(twice, weights="half"))
    assert doubled["arm"].estimate == pytest.approx(once[0], rel=1e-9)
    assert doubled["rate_ratio"].estimate == pytest.approx(estimates(fitted(people))["rate_ratio"].estimate, rel=1e-9)


def test_units_of_exposure_change_rates_alone(people):
    weeks = people.assign(days=people["days"] / 7)
    one, other = estimates(fitted(people)), estimates(fitted(weeks, {"exposure_unit": "week"}))
    assert {t: e.estimate for t, e in other.items()} == pytest.approx({t: e.estimate for t, e in one.items()}, rel=1e-9)
    month = estimates(fitted(people, {"exposure_unit": "month"}))
    assert month["rate_treated"].estimate == pytest.approx(one["rate_treated"].estimate * 12 / 365.25, rel=1e-9)
    assert month["arm"].estimate == pytest.approx(one["arm"].estimate, rel=1e-9)


def test_counts_that_vary_less_than_poisson_are_fitted_as_poisson():
    frame = pd.DataFrame({"arm": [0, 1] * 50, "number": [2, 1, 2, 1, 2, 2, 1, 1, 2, 1] * 10, "days": 365.25,
                          "time": 12.0, "event": 1})  # fmt: skip
    found = fit("event_count", frame, OPTIONS)
    poisson = fit("event_count", frame, {**OPTIONS, "model": "poisson"})
    assert checks(found, "dispersion")[0].statistic == 0.0
    assert "no more than the Poisson" in checks(found, "dispersion")[0].message
    assert numbers(found) == numbers(poisson)


def test_people_never_at_risk_leave_and_are_told(people):
    jailed = pd.concat([people, people.iloc[:4].assign(days=0.0, number=[0, 1, 0, 2])], ignore_index=True)
    found = fitted(jailed)
    assert [(s.step, s.n_dropped) for s in found.flow] == [("start", 0), ("never_at_risk", 4)]
    assert "4 people had no time at risk and are left out, 2 of them" in checks(found, "never_at_risk")[0].message
    assert numbers(found) == pytest.approx(numbers(fitted(people)), rel=1e-12)


def test_what_is_missing_is_counted_by_its_role(people):
    gaps = people.assign(
        number=people["number"].where(people.index != 0), young=people["young"].where(people.index != 1)
    )
    steps = [(s.step, s.reason, s.n_dropped) for s in fitted(gaps).flow]
    assert steps == [("start", "everyone in the data", 0), ("missing_number", 'missing number of events ("number")', 1),
                     ("missing_young", 'missing covariate ("young")', 1)]  # fmt: skip


def test_clusters_are_those_of_whoever_is_left(people):
    frame = people.assign(court=np.arange(len(people)) % 30, days=people["days"].where(people.index % 30 != 7, 0.0))
    row = estimates(fitted(frame, cluster="court"))["arm"]
    assert row.n_clusters == 29
    assert [c.statistic for c in checks(fitted(frame, cluster="court"), "few_clusters")] == [29]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"number": lambda d: d["number"] + 0.5}, "must hold numbers of events"),
        ({"days": lambda d: -d["days"]}, "negative"),
        ({"number": lambda d: d["number"] * d["arm"]}, "nobody in the comparison had an event"),
        ({"arm": lambda d: 1 + 0 * d["arm"]}, "nobody is in the comparison"),
    ],
)
def test_no_valid_comparison(people, change, reason):
    with pytest.raises(NotEstimable, match=reason):
        fitted(people.assign(**change))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"count": None}, "set the option `count`"),
        ({"exposure": None}, "set the option `exposure`"),
        ({"exposure": "street"}, "set the option `exposure`"),
        ({"window": 12.0}, "a window is for cohorts built from tables"),
    ],
)
def test_ready_made_data_need_their_columns_named(people, options, reason):
    with pytest.raises(NotEstimable, match=reason):
        fitted(people, options)


def test_a_covariate_that_marks_people_without_events_is_named(people):
    lucky = people.assign(lucky=((people["number"] == 0) & (people.index % 2 == 0)).astype(int))
    found = fitted(lucky, covariates=["young", "lucky"])
    assert {e.status for e in found.estimates} == {"not_estimable"}
    assert "`lucky`" in found.checks[0].message


def test_time_at_risk_that_goes_on_after_a_competing_event_is_told(people):
    died = np.arange(len(people)) % 10 == 0
    months = people["days"] / 30.4375
    frame = people.assign(event=np.where(died, 2, 0), time=np.where(died & (people.index < 100), months - 3, months))
    (told,) = checks(fitted(frame, competing={"death": 2}), "exposure_past_competing")
    assert (told.status, told.statistic, told.counts) == ("warn", 10, (10, 50))
    assert "10 of 60 people" in told.message
    rounded = frame.assign(time=np.ceil(months))
    assert not checks(fitted(rounded, competing={"death": 2}), "exposure_past_competing")
    assert not checks(fitted(frame.assign(event=0)), "exposure_past_competing")


BUILT = {"number": "rearrest_count", "days": "rearrest_days"}


def built(frame, options, folder):
    from dataclasses import replace

    from evaluation.estimators.registry import get
    from tests.cohorts import OUTCOME, cohort

    made = replace(cohort(frame, folder, covariates=["young"], windows=[12.0]), built=True)
    return get("event_count")(**options).fit(made, OUTCOME)


def test_the_builders_columns_are_found(people, tmp_path):
    frame = people.rename(columns=BUILT).assign(
        rearrest_street_days=lambda d: d["rearrest_days"] - 20, rearrest_count_12=lambda d: d["rearrest_count"].clip(upper=1),
        rearrest_days_12=lambda d: d["rearrest_days"].clip(upper=365), rearrest_street_days_12=lambda d: d["rearrest_days_12"] - 20,
    )  # fmt: skip
    street = built(frame, {}, tmp_path)
    assert numbers(street) == numbers(fitted(people.assign(days=people["days"] - 20)))
    assert street.checks[0].check == "street_exposure"
    assert "at liberty" in street.estimates[2].estimand
    calendar = built(frame, {"exposure": "calendar"}, tmp_path)
    assert numbers(calendar) == numbers(fitted(people))
    assert not checks(calendar, "street_exposure")
    year = built(frame, {"window": 12.0, "exposure": "calendar"}, tmp_path)
    assert {e.time for e in year.estimates} == {12.0}
    within = people.assign(number=people["number"].clip(upper=1), days=people["days"].clip(upper=365))
    assert numbers(year) == numbers(fitted(within))
    with pytest.raises(NotEstimable, match="not among the windows"):
        built(frame, {"window": 6.0}, tmp_path)
    without = frame.drop(columns=["rearrest_street_days"])
    assert numbers(built(without, {}, tmp_path)) == numbers(calendar)
    with pytest.raises(NotEstimable, match="time in custody is not known"):
        built(without, {"exposure": "street"}, tmp_path)
