"""Balance and overlap of an analysis that adjusts: rows, thresholds and messages, by people made by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from evaluation.diagnostics.balance import balance
from evaluation.diagnostics.cohort import _alike
from evaluation.diagnostics.overlap import overlap
from evaluation.estimators.registry import get
from evaluation.inference.balance import Compared
from tests.cohorts import checks, cohort, expanded

STRATA = [  # arm, old, event, time, people
    (1, 0, 1, 3, 12), (1, 0, 0, 12, 28), (1, 1, 1, 3, 9), (1, 1, 0, 12, 51),
    (0, 0, 1, 3, 40), (0, 0, 0, 12, 60), (0, 1, 1, 3, 15), (0, 1, 0, 12, 35),
]  # fmt: skip


def compared(folder, frame=None, covariates=("old",), **options):
    data = expanded(STRATA, ("arm", "old", "event", "time")) if frame is None else frame
    people = cohort(data, folder, windows=[6, 12], covariates=list(covariates))
    return get("risk_difference")(**options).compared(people)


def made(weight, smd, n=1000):
    """Two arms whose yes/no characteristic differs by about `smd` standard deviations."""
    share = 0.5 + smd / 4
    one = np.repeat([1.0, 0.0], [round(n * share), n - round(n * share)])
    arm = np.repeat([1, 0], n)
    x = np.concatenate([one, 1 - one])[:, None]
    return Compared(12.0, ("old",), x, arm, np.ones(2 * n), np.ones(2 * n) if weight else None, np.full(2 * n, 0.5),
                    not weight)  # fmt: skip


def test_before_and_after_by_hand(tmp_path):
    found = balance(compared(tmp_path, adjust="iptw", window=12), randomised=False)
    before, after = found.balance
    assert (before.stage, after.stage, before.kind, before.time) == ("before", "after", "binary", 12.0)
    assert (before.mean_treated, before.mean_control) == (pytest.approx(0.6), pytest.approx(1 / 3))
    unit = np.sqrt((0.24 * 100 / 99 + 2 / 9 * 150 / 149) / 2)
    assert before.smd == pytest.approx((0.6 - 1 / 3) / unit)
    assert after.mean_treated == pytest.approx(0.44)  # 110 of 250 are old
    assert after.smd == pytest.approx(0, abs=1e-10)
    assert before.counts == (40, 60, 100, 50)
    assert before.variance_ratio is None
    (check,) = found.checks
    assert (check.check, check.status, check.threshold) == ("balance", "pass", 0.05)


def test_a_row_for_every_window_and_stage(tmp_path):
    rows = balance(compared(tmp_path, adjust="aipw"), randomised=False).balance
    assert [(r.time, r.stage) for r in rows] == [(6, "before"), (6, "after"), (12, "before"), (12, "after")]


def test_a_regression_and_a_lottery_have_no_after(tmp_path):
    assert {r.stage for r in balance(compared(tmp_path, adjust="regression"), randomised=False).balance} == {"before"}
    lot = balance(compared(tmp_path, adjust="iptw"), randomised=True)
    assert {r.stage for r in lot.balance} == {"before"}
    assert "made by lot" in lot.checks[0].message
    assert lot.checks[0].status == "warn"


def test_nothing_to_say_of_arms_as_they_are(tmp_path):
    assert compared(tmp_path) == []


def test_matching_on_everything(tmp_path):
    found = balance(compared(tmp_path, adjust="matching", window=12, exact=["old"]), randomised=False)
    assert found.balance[1].smd == pytest.approx(0, abs=1e-12)
    assert found.balance[1].counts == (40, 50, 40, 50)  # each found one; ten of the old had nobody left


def test_a_continuous_characteristic_has_a_ratio_of_variances(tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"arm": np.tile([0, 1], 200), "age": rng.normal(30, 5, 400), "event": rng.integers(0, 2, 400)})
    frame["time"] = np.where(frame["event"] == 1, 3.0, 12.0)
    row = balance(compared(tmp_path, frame, ("age",), adjust="iptw", window=12), randomised=False).balance[0]
    variances = frame.groupby("arm")["age"].var()
    assert row.variance_ratio == pytest.approx(variances[1] / variances[0])
    assert row.counts == (200, 200)


@pytest.mark.parametrize(("weight", "smd", "status", "words"), [
    (True, 0.02, "pass", "are alike in every characteristic"),
    (True, 0.15, "warn", "see aipw"),
    (True, 0.4, "fail", "too far apart for an adjustment to be trusted"),
    (False, 0.02, "pass", "At baseline the arms are alike in every characteristic"),
    (False, 0.15, "pass", "From 0.05 to 0.25 such an adjustment is asked for, and this analysis makes it"),
    (False, 0.4, "fail", "too far apart"),
])  # fmt: skip
def test_lines_of_balance(weight, smd, status, words):
    (check,) = balance([made(weight, smd)], randomised=False).checks
    assert check.status == status
    assert words in check.message
    assert check.statistic == pytest.approx(smd, abs=0.03)


@pytest.mark.parametrize("smd", [0.15, 0.4])
def test_a_regression_is_told_of_baseline_and_never_of_weighting(smd):
    (check,) = balance([made(False, smd)], randomised=False).checks
    assert check.message.startswith("At baseline the arms differ")
    assert "leaves the arms as they are" in check.message
    assert "weight" not in check.message.lower()
    assert "match" not in check.message.lower()
    both = made(True, smd)
    (weighed,) = balance([Compared(**{**vars(both), "regressed": True})], randomised=False).checks  # doubly robust
    assert weighed.message.startswith("After weighting or matching, the arms differ")


# --------------------------------------------------------------------------- overlap


def scored(chance, arm, weight=None):
    chance, arm = np.asarray(chance, float), np.asarray(arm)
    x = np.zeros((len(arm), 1))
    return Compared(12.0, ("x",), x, arm, np.ones(len(arm)), weight, chance)


def test_bins_hold_everyone_once(tmp_path):
    at = scored([0.0, 0.049, 0.05, 0.5, 0.999, 1.0], [1, 0, 1, 0, 1, 0])
    rows = overlap([at]).overlap
    assert len(rows) == 40
    assert [(r.group, r.low, r.n) for r in rows if r.n] == [
        ("treated", 0.0, 1), ("treated", 0.05, 1), ("treated", 0.95, 1),
        ("control", 0.0, 1), ("control", 0.5, 1), ("control", 0.95, 1)]  # fmt: skip
    (real,) = compared(tmp_path, adjust="iptw", window=12)
    rows = overlap([real]).overlap
    assert sum(r.n for r in rows) == 250
    assert {(r.group, r.low): r.n for r in rows if r.n} == {  # 2/7 and 6/11
        ("treated", 0.25): 40, ("treated", 0.5): 60, ("control", 0.25): 100, ("control", 0.5): 50}  # fmt: skip
    assert sum(r.weight for r in rows) == pytest.approx(250)


@pytest.mark.parametrize(("inside", "status"), [(60, "pass"), (50, "pass"), (49, "warn"), (20, "warn"), (19, "fail")])
def test_equipoise_is_that_of_the_lesser_arm(inside, status):
    chance = np.concatenate([np.full(inside, 0.5), np.full(100 - inside, 0.95), np.full(100, 0.5)])
    (check,) = checks(overlap([scored(chance, [1] * 100 + [0] * 100)]), "overlap")
    assert (check.status, check.statistic) == (status, pytest.approx(inside / 100))
    assert check.counts == (inside, 100 - inside, 100, 0)


@pytest.mark.parametrize(("beyond", "status"), [(0, "pass"), (10, "pass"), (11, "warn"), (50, "warn"), (51, "fail")])
def test_tails(beyond, status):
    chance = np.concatenate([np.full(beyond, 0.99), np.full(200 - beyond, 0.4)])
    (check,) = checks(overlap([scored(chance, [1, 0] * 100)]), "propensity_tails")
    assert (check.status, check.statistic) == (status, pytest.approx(beyond / 200))
    assert sum(check.counts) == beyond


def test_weights_that_hang_on_one_person():
    weight = np.ones(200)
    assert [c.status for c in overlap([scored([0.5] * 200, [1, 0] * 100, weight)]).checks] == ["pass"] * 4
    weight[0] = 60.0
    results = overlap([scored([0.5] * 200, [1, 0] * 100, weight)])
    (size,), (largest,) = checks(results, "effective_size"), checks(results, "largest_weight")
    assert size.statistic == pytest.approx((159**2 / (3600 + 99)) / 100)
    assert (size.status, size.counts) == ("fail", (100, 100))
    assert largest.statistic == pytest.approx(60 / 159)
    assert largest.status == "fail"
    assert "treated" in largest.message


def test_without_weights_nothing_is_said_of_them():
    results = overlap([scored([0.5] * 10, [1, 0] * 5)])
    assert {c.check for c in results.checks} == {"overlap", "propensity_tails"}


@pytest.mark.parametrize(("assignment", "options", "expected"), [
    ("observational", {"adjust": "iptw"}, {"balance", "overlap", "propensity_tails", "effective_size", "largest_weight"}),
    ("observational", {"adjust": "regression"}, {"balance", "overlap", "propensity_tails"}),
    ("randomised", {"adjust": "iptw"}, {"balance"}),
    ("observational", {}, set()),
])  # fmt: skip
def test_what_is_asked_of_an_analysis(tmp_path, assignment, options, expected):
    data = expanded(STRATA, ("arm", "old", "event", "time"))
    people = cohort(data, tmp_path, windows=[12], covariates=["old"], assignment=assignment)
    found = _alike(SimpleNamespace(estimator=get("risk_difference")(**options), cohort=people))
    assert {c.check for c in found.checks} == expected
    assert bool(found.overlap) == ("overlap" in expected)
