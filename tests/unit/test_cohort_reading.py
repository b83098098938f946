"""Reading a cohort: missing values, the flow, row order, kinds of columns; and the baseline table."""

import numpy as np
import pandas as pd
import pytest

from evaluation.data.cohort import baseline
from tests.cohorts import cohort, fit

FRAME = pd.DataFrame({
    "arm": [1, 1, 0, 0, None, 1, 0, 1],
    "time": [5.0, 12.0, np.nan, 12.0, 3.0, 12.0, 7.0, 12.0],
    "event": [1, 0, 1, 0, 1, None, 1, 0],
    "age": [30.0, np.nan, 41.0, 25.0, 33.0, 50.0, 28.0, 44.0],
    "sex": [True, False, True, None, True, False, False, True],
}).astype({"sex": "boolean"})  # fmt: skip


def test_each_person_dropped_is_counted_once_by_the_first_reason(tmp_path):
    people = cohort(FRAME, tmp_path)
    assert [(s.step, s.reason, s.n_dropped, s.n_remaining) for s in people.flow(["age", "sex"])] == [
        ("start", "everyone in the data", 0, 8),
        ("missing_arm", "missing arm", 1, 7),
        ("missing_time", "missing time", 1, 6),
        ("missing_event", "missing event", 1, 5),
        ("missing_age", 'missing covariate ("age")', 1, 4),
        ("missing_sex", 'missing covariate ("sex")', 1, 3)]  # fmt: skip
    assert len(people.rows(["age", "sex"]).time) == 3
    assert people.counts().people.sum() == 5


def test_nan_and_null_are_both_missing(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"arm": [1, 0, 1], "time": pa.array([1.0, float("nan"), None]), "event": [1, 1, 1]}
    pq.write_table(pa.table(columns), tmp_path / "raw.parquet")
    from evaluation.data.engine import open_source
    from tests.cohorts import Cohort, design

    people = Cohort.of(design(), open_source("raw.parquet", tmp_path))
    assert [s.n_dropped for s in people.flow()] == [0, 2]


def test_rows_are_sorted_by_every_column(tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"arm": rng.integers(0, 2, 300), "time": rng.integers(1, 5, 300), "event": rng.integers(0, 2, 300),
                          "x": rng.normal(size=300), "court": rng.choice(["north", "south", "east"], 300)})  # fmt: skip
    one = cohort(frame, tmp_path, cluster="court").rows(["x"])
    other = cohort(frame.sample(frac=1, random_state=2), tmp_path, cluster="court").rows(["x"])
    for field in ("arm", "time", "event", "cluster", "covariates", "people"):
        assert np.array_equal(getattr(one, field), getattr(other, field))
    assert np.all(np.diff(one.time) >= 0)
    assert sorted(set(one.cluster.tolist())) == [0, 1, 2]
    # codes follow the clusters' own order: east, north, south
    assert [(one.cluster == k).sum() for k in range(3)] == frame.court.value_counts().sort_index().tolist()


@pytest.mark.parametrize(("estimator", "options"), [
    ("risk_difference", {}), ("risk_difference", {"adjust": "regression"}), ("kaplan_meier", {}), ("cox", {"robust": True})])  # fmt: skip
@pytest.mark.parametrize("cluster", [None, "court"])
def test_row_order_changes_nothing(estimator, options, cluster):
    rng = np.random.default_rng(8)
    n = 400
    frame = pd.DataFrame({"arm": rng.integers(0, 2, n), "time": np.round(rng.exponential(9, n), 1), "age": rng.normal(30, 8, n),
                          "priors": rng.poisson(2, n).astype(float), "court": rng.integers(0, 30, n)})  # fmt: skip
    frame["event"] = np.where(frame["time"] <= 12, 1, 0)
    frame.loc[frame.index[:9], "priors"] = np.nan
    roles = {"windows": [6, 12], "covariates": ["age", "priors"], "cluster": cluster}
    shuffled = frame.sample(frac=1, random_state=4)
    assert fit(estimator, frame, options, **roles) == fit(estimator, shuffled, options, **roles)


def test_follow_up_cluster_and_arm_of_any_kind(tmp_path):
    frame = pd.DataFrame({"treated": [True, False, True], "t": np.array([3, 4, 5], np.int16), "e": np.array([1.0, 0.0, 2.0]),
                          "court": ["b", None, "a"], "potential": [9.0, np.nan, 8.0]})  # fmt: skip
    people = cohort(frame, tmp_path, arm="treated", time="t", event="e", cluster="court", follow_up="potential",
                    competing={"death": 2})  # fmt: skip
    rows = people.rows([])
    assert rows.arm.tolist() == [1, 1]
    assert rows.event.tolist() == [1, 2]
    assert rows.cluster.tolist() == [1, 0]
    assert rows.follow_up.tolist() == [9.0, 8.0]
    assert people.flow()[-1].reason == 'missing cluster ("court")'
    assert (people.span(1), people.span(12)) == ("1 month", "12 months")


def test_baseline_by_hand(tmp_path):
    rows = baseline(cohort(FRAME, tmp_path, covariates=["age", "sex"]))
    found = {(r["covariate"], r["group"]): r for r in rows}
    # arm, time and event known: ages 30, missing, 44 treated; 25, 28 control
    treated, control = found["age", "treated"], found["age", "control"]
    assert (treated["n"], treated["n_missing"], treated["mean"]) == (2, 1, 37)
    assert treated["std_dev"] == pytest.approx(np.std([30, 44], ddof=1))
    assert (control["n"], control["n_missing"], control["mean"]) == (2, 0, 26.5)
    assert treated["smd"] == control["smd"] == pytest.approx((37 - 26.5) / np.sqrt((98 + 4.5) / 2))
    assert (treated["kind"], found["sex", "treated"]["kind"]) == ("continuous", "binary")
    assert found["sex", "treated"]["mean"] == pytest.approx(2 / 3)
    assert found["sex", "control"]["std_dev"] is None  # one value known


def test_baseline_of_a_column_that_never_varies(tmp_path):
    frame = pd.DataFrame({"arm": [1, 1, 0, 0], "time": 1.0, "event": 1, "x": 3.0})
    assert [r["smd"] for r in baseline(cohort(frame, tmp_path, covariates=["x"]))] == [None, None]


def test_columns_may_bear_any_name():
    """Names that the queries use themselves, quotes and blanks included."""
    rng = np.random.default_rng(9)
    plain = pd.DataFrame({"arm": rng.integers(0, 2, 80), "time": rng.integers(1, 9, 80), "event": rng.integers(0, 2, 80),
                          "age": rng.normal(size=80), "sex": rng.integers(0, 2, 80), "court": rng.integers(0, 20, 80),
                          "reach": 9.0, "id": range(80)})  # fmt: skip
    odd = plain.rename(columns={"arm": "e", "time": "a", "event": "t", "age": "x1", "sex": 'say "n"', "court": "f",
                                "reach": "g", "id": "p"}).assign(dropped=1, n=5, x0=None)  # fmt: skip
    roles = {"arm": "e", "time": "a", "event": "t", "cluster": "f", "follow_up": "g", "person": "p"}
    names = {"cluster": "court", "follow_up": "reach", "person": "id"}
    ours = fit("cox", odd, covariates=["x1", 'say "n"'], **roles)
    expected = fit("cox", plain, covariates=["age", "sex"], **names)
    assert [e.estimate for e in ours.estimates] == [e.estimate for e in expected.estimates]
    assert [e.std_error for e in ours.estimates] == [e.std_error for e in expected.estimates]


def test_switches_as_arm_and_event(tmp_path):
    frame = pd.DataFrame({"arm": [True, False, True], "time": [1, 2, 3], "event": [True, True, False]})
    assert cohort(frame, tmp_path).counts().event.tolist() == [1, 1, 0]


def test_the_estimand_says_what_is_compared():
    frame = pd.DataFrame({"arm": [0, 1] * 20, "time": [1, 2, 3, 4] * 10, "event": [1, 1, 1, 0] * 10})
    for assignment, words in (("randomised", "intention to treat"), ("observational", "arms as observed")):
        for estimator in ("risk_difference", "kaplan_meier", "cox"):
            results = fit(estimator, frame, windows=[2], assignment=assignment)
            assert words in results.estimates[0].estimand


def test_a_cohort_travels_to_another_process(tmp_path):
    import pickle

    people = cohort(FRAME, tmp_path, competing={"death": 2})
    assert pickle.loads(pickle.dumps(people)) == people  # noqa: S301 - our own bytes
