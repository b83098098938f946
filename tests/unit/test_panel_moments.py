"""The moments of a panel: right sums, everything counted, and the same to the last bit whatever the order."""

import math

import numpy as np
import pandas as pd
import pytest

from evaluation.data import moments as module
from evaluation.data.engine import connect, open_source
from evaluation.data.exact import exact_sum, power
from evaluation.data.moments import panel_moments
from evaluation.data.panel import Panel, series
from evaluation.errors import NotEstimable
from evaluation.estimators.registry import get
from evaluation.results import COUNTS
from evaluation.study.models import Outcome
from tests.panels import OUTCOME, design, moments, overall, simulated, source

ARRAYS = ("times", "cluster", "cohort", "units", "counts", "weights", "sums")
ESTIMATORS = ("twfe", "event_study", "callaway_santanna")


def cells(frame, value):
    """Sums by (cluster, cohort, time) straight from the rows."""
    return frame.assign(v=value).groupby(["cluster", "cohort", "time"])["v"].sum()


@pytest.mark.parametrize("weights", [None, "constant", "varying"])
@pytest.mark.parametrize("cluster", ["unit", "cluster"])
def test_sums_are_those_of_the_rows(weights, cluster):
    frame = simulated(holes=0.1, weights=weights)
    found = moments(frame, cluster=cluster, weights="weight" if weights else None)
    used = frame.dropna(subset="y")
    if cluster == "unit":
        used = used.assign(cluster=used["unit"])
    expected = {"counts": cells(used, 1), "weights": cells(used, used["weight"]),
                "sums": cells(used, used["weight"] * (used["y"] - found.shift))}  # fmt: skip
    codes = np.unique(used["cluster"])[found.cluster]
    for name, sums in expected.items():
        wide = pd.DataFrame(getattr(found, name), columns=found.times).groupby([codes, found.cohort]).sum()
        by_hand = sums.unstack(fill_value=0)  # noqa: PD010 - the rows are sums already
        assert np.allclose(wide, by_hand.loc[wide.index], rtol=0, atol=1e-11)
        assert len(wide) == len(by_hand)
    assert found.n_units == used["unit"].nunique()
    assert found.constant_weights == (weights != "varying")


def test_units_of_a_row_share_cluster_cohort_and_pattern():
    frame = simulated(holes=0.1)
    found = moments(frame, cluster="cluster")
    used = frame.dropna(subset="y")
    pattern = used.groupby("unit")["time"].agg(tuple)
    about = used.groupby("unit")[["cluster", "cohort"]].first().assign(pattern=pattern)
    assert sorted(found.units) == sorted(about.groupby(["cluster", "cohort", "pattern"]).size())
    assert (found.counts == found.units[:, None] * found.observed).all()


@pytest.mark.parametrize(("cluster", "weights"), [("unit", None), ("cluster", "weight")])
def test_a_row_is_a_unit_where_it_must_be(cluster, weights):
    frame = simulated(weights="varying")
    found = moments(frame, cluster=cluster, weights=weights)
    assert (found.units == 1).all()
    assert (np.diff(found.cluster) >= 0).all()


def test_everything_that_leaves_is_counted():
    frame = simulated(units=20, weights="constant")
    frame.loc[frame["unit"] == 3, "y"] = np.nan
    frame.loc[frame.index[:2], "y"] = np.nan
    frame.loc[frame["unit"] == 5, "weight"] = 0.0
    found = moments(frame, weights="weight")
    steps = [(s.step, s.level, s.n_dropped, s.n_remaining) for s in found.flow]
    assert steps == [
        ("read", "row", 0, 140),
        ("missing_outcome", "row", 9, 131),
        ("zero_weight", "row", 7, 124),
        ("unit_without_outcome", "unit", 2, 18),
    ]
    assert found.flow[1].reason == 'The outcome "Outcome" is missing'
    left = found.without(found.cohort == 0, "gone", "for the test")
    assert left.flow[-1].n_dropped + left.flow[-1].n_remaining == 18
    assert left.n_units == left.flow[-1].n_remaining


def test_periods_left_empty_go():
    frame = simulated(units=8, clusters=4)
    frame.loc[(frame["cohort"] > 0) & (frame["time"] == 2001), "y"] = np.nan
    found = moments(frame)
    left = found.without(found.cohort == 0, "gone", "for the test")
    assert found.times[0] == 2001
    assert left.times[0] == 2002
    assert left.sums.shape == (left.units.size, left.times.size)


def test_no_outcome_at_all():
    with pytest.raises(NotEstimable, match="No row has an outcome"):
        moments(simulated(units=8).assign(y=np.nan))


def with_threads(monkeypatch, threads):
    def connected():
        connection = connect()
        connection.execute(f"SET threads = {threads}")
        return connection

    monkeypatch.setattr(module, "connect", connected)


def bits(found):
    return {name: getattr(found, name).tobytes() for name in ARRAYS} | {"shift": found.shift, "flow": found.flow}


@pytest.mark.parametrize(("cluster", "weights"), [("unit", None), ("cluster", None), ("cluster", "constant"),
                                                  ("cluster", "varying")])  # fmt: skip
def test_threads_and_the_order_of_rows_change_no_bit(monkeypatch, cluster, weights, tmp_path):
    frame = simulated(units=2000, holes=0.05, weights=weights, clusters=7)
    (tmp_path / "parts").mkdir()
    shuffled = frame.sample(frac=1, random_state=3)
    for k in range(4):
        shuffled.iloc[k::4].to_parquet(tmp_path / "parts" / f"part{k}.parquet", row_group_size=500)
    roles = design(cluster=cluster, weights="weight" if weights else None)
    one, parts = source(frame, tmp_path), open_source("parts", tmp_path)
    fits = [get(e)() for e in (ESTIMATORS if weights != "varying" else ESTIMATORS[:2])]

    def everything(data, threads):
        with_threads(monkeypatch, threads)
        panel = Panel.of(roles, data)
        return bits(panel_moments(panel, OUTCOME)), [estimator.fit(panel, OUTCOME) for estimator in fits]

    assert everything(parts, 4) == everything(one, 1)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_level_of_the_outcome_loses_no_digits(estimator, tmp_path):
    frame = simulated()
    frame["y"] = (frame["y"] * 1024).round() / 1024  # so that adding a million is exact
    high = frame.assign(y=frame["y"] + 2.0**20)
    found = [
        overall(get(estimator)().fit(Panel.of(design(cluster="cluster"), source(f, tmp_path)), OUTCOME))
        for f in (frame, high)
    ]
    assert found[1].estimate == pytest.approx(found[0].estimate, rel=1e-13)
    assert found[1].std_error == pytest.approx(found[0].std_error, rel=1e-12)


@pytest.mark.parametrize("values", [[0.1] * 10, [1e300, -1e300, 1e-5], [1e15, 0.1, -1e15], [0.0, 0.0]])
def test_exact_sums(values):
    with connect() as connection:
        connection.register("numbers", pd.DataFrame({"x": values}))
        sql = exact_sum("x", power(max(map(abs, values)), len(values)))
        found = connection.execute(f"SELECT {sql} FROM numbers").fetchone()[0]
    bound = max(map(abs, values)) * 2.0**-100
    assert found == pytest.approx(math.fsum(values), rel=1e-15, abs=bound + 1e-300)


# --------------------------------------------------------------------------- the raw series


def raw(frame, tmp_path, outcome=OUTCOME, **roles):
    rows = series(Panel.of(design(**roles), source(frame, tmp_path)), outcome)
    return {(r["group"], r["time"]): r for r in rows}


def test_series_by_group(tmp_path):
    frame = simulated(holes=0.1)
    frame.loc[frame["unit"] == 59, "cohort"] = 2001  # treated from the start
    frame.loc[frame["unit"] == 58, "cohort"] = 2010  # treated after the end
    found = raw(frame, tmp_path)
    assert list(dict.fromkeys(g for g, _ in found)) == [
        "treated",
        "control",
        "cohort:2003",
        "cohort:2005",
        "cohort:2006",
    ]
    used = frame.dropna(subset="y")
    inside = used["cohort"].isin([2003, 2005, 2006])
    for (group, time), row in found.items():
        members = {"treated": inside, "control": ~inside & (used["cohort"] != 2001)}.get(group)
        if members is None:
            members = used["cohort"] == int(group.removeprefix("cohort:"))
        y = used.loc[members & (used["time"] == time), "y"]
        assert row["estimate"] == pytest.approx(y.mean(), rel=1e-12)
        assert row["n_units"] == len(y)
        assert row["total"] is None


def test_series_weighted_and_of_counts(tmp_path):
    frame = simulated(weights="constant").assign(y=lambda f: f["y"].abs().round())
    count = Outcome(id="n", label="N", column="y", type="count")
    found = raw(frame, tmp_path, count, weights="weight")
    now = frame[(frame["cohort"] == 0) & (frame["time"] == 2002)]
    row = found["control", 2002.0]
    assert row["estimate"] == pytest.approx(np.average(now["y"], weights=now["weight"]), rel=1e-12)
    assert row["total"] == int(now["y"].sum())
    assert raw(frame.assign(y=np.nan), tmp_path, count) == {}


@pytest.mark.parametrize("kind", ["binary", "continuous"])
def test_series_of_zeros_and_ones_tell_the_units_behind_each_mean(kind, tmp_path):
    frame = simulated(weights="constant", holes=0.1)
    frame["y"] = (frame["y"] > frame["y"].median()).astype(float).where(frame["y"].notna())
    found = raw(frame, tmp_path, Outcome(id="b", label="B", column="y", type=kind), weights="weight")
    for (group, time), row in found.items():
        if group == "control":
            now = frame[(frame["cohort"] == 0) & (frame["time"] == time)]["y"].dropna()
            assert row[COUNTS] == (int(now.sum()), int((1 - now).sum()))
        assert sum(row[COUNTS]) == row["n_units"]
    assert {r[COUNTS] for r in raw(simulated(), tmp_path).values()} == {()}


@pytest.mark.parametrize(("scale", "weight"), [(1e300, 1e200), (1e300, 1e-200), (1e-200, 1e300)])
def test_series_of_extreme_outcomes_and_weights(scale, weight, tmp_path):
    """The mean follows the unit of the outcome, and the unit of the weights leaves it as it is."""
    frame = simulated(weights="constant")
    plain = raw(frame, tmp_path, weights="weight")
    small = frame["y"] / frame["y"].abs().max()
    scaled = raw(frame.assign(y=small * scale, weight=frame["weight"] * weight), tmp_path, weights="weight")
    for key, row in plain.items():
        assert scaled[key]["estimate"] / scale * frame["y"].abs().max() == pytest.approx(row["estimate"], rel=1e-12)
