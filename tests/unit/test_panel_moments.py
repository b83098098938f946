"""The moments of a panel: right sums, everything counted, and the same to the last bit whatever the order."""

import math
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evaluation.data import frames as module
from evaluation.data.engine import connect, open_source
from evaluation.data.exact import Parts, power, whole_sum
from evaluation.data.moments import folded, holding, keep, panel_moments, panel_moments_of, scan
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
    held = {name: getattr(found, name).tobytes() for name in ARRAYS} | {"shift": found.shift, "flow": found.flow}
    return held | {"cross": found.cross is not None and found.cross.tobytes()}


WAYS = [("unit", None, 0.05), ("cluster", None, 0.05), ("cluster", "constant", 0.05), ("cluster", "constant", 0.0),
        ("cluster", "varying", 0.05), ("products", None, 0.05), ("products", "constant", 0.05)]  # fmt: skip


@pytest.mark.parametrize(("cluster", "weights", "holes"), WAYS)
def test_threads_and_the_order_of_rows_change_no_bit(monkeypatch, cluster, weights, holes, tmp_path):
    frame = simulated(units=2000, holes=holes, weights=weights, clusters=7)
    if cluster == "products":
        monkeypatch.setattr(scan, "MOST_UNIT_ROWS", 0)
        cluster = "unit"
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
        answers = [replace(e.fit(panel, OUTCOME), joint=None, influence=None) for e in fits]
        return bits(panel_moments(panel, OUTCOME)), answers

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


@pytest.mark.parametrize("weights", [None, "constant"])
@pytest.mark.parametrize("holes", [0.0, 0.15])
def test_products_stand_in_for_the_units(monkeypatch, weights, holes):
    frame = simulated(units=150, holes=holes, weights=weights)
    frame.loc[frame["unit"] == 7, "y"] = np.nan
    roles = {"weights": "weight" if weights else None}
    units = moments(frame, **roles)
    monkeypatch.setattr(scan, "MOST_UNIT_ROWS", 0)
    found = moments(frame, **roles)
    moved = replace(units, sums=units.sums + units.weights * (units.shift - found.shift), shift=found.shift)
    expected = folded(moved)
    here, there = (np.lexsort((*m.observed.T, m.cohort)) for m in (found, expected))
    for name in ("cohort", "units", "counts"):
        assert (getattr(found, name)[here] == getattr(expected, name)[there]).all()
    for name in ("weights", "sums", "cross"):
        assert np.allclose(getattr(found, name)[here], getattr(expected, name)[there], rtol=1e-12, atol=1e-10)
    assert found.flow == units.flow


def test_products_in_several_queries_are_the_same(monkeypatch):
    frame = simulated(units=60, holes=0.1)
    monkeypatch.setattr(scan, "MOST_UNIT_ROWS", 0)
    whole = moments(frame)
    monkeypatch.setattr("evaluation.data.moments.products.AT_ONCE", 7)
    assert bits(moments(frame)) == bits(whole)


def test_weights_that_change_make_every_unit_a_row(monkeypatch):
    frame = simulated(units=40, weights="varying")
    units = moments(frame, weights="weight")
    monkeypatch.setattr(scan, "MOST_UNIT_ROWS", 0)
    assert bits(moments(frame, weights="weight")) == bits(units)


@pytest.mark.parametrize("spaced", [1, 100])
def test_more_periods_than_a_word_has_bits(spaced):
    frame = simulated(units=40, periods=130, clusters=5, holes=0.01)
    frame["time"] = (frame["time"] - 2001) * spaced
    found = moments(frame, cluster="cluster")
    used = frame.dropna(subset="y")
    wide = used.pivot_table(index="unit", columns="time", values="y")
    about = used.groupby("unit")[["cluster", "cohort"]].first()
    kinds = pd.concat([about, wide.notna()], axis=1).groupby([*about, *wide.columns]).size()
    assert sorted(found.units) == sorted(kinds)
    assert np.allclose(found.sums.sum(axis=0), (wide - found.shift).sum().to_numpy())
    assert (found.times == wide.columns).all()


def test_clusters_are_ranked_among_all_of_the_panel():
    frame = simulated(units=30, clusters=5)
    frame["cluster"] = frame["cluster"].map({0: "beta", 1: "alpha", 2: "Zed", 3: "zed", 4: "Ömer"})
    frame.loc[frame["cluster"] == "alpha", "y"] = np.nan
    for whole in (frame, frame.assign(weight=frame["weight"] + frame["time"] % 2)):
        found = moments(whole, cluster="cluster", weights="weight")
        assert sorted(set(found.cluster.tolist())) == [0, 2, 3, 4]  # Zed, (alpha), beta, zed, Ömer


def test_several_outcomes_and_subgroups_share_the_scans(tmp_path):
    frame = simulated(units=80, clusters=9)
    frame["z"] = frame["y"] ** 2
    frame["gappy"] = frame["y"].where(frame.index % 7 > 0)
    frame["none"] = np.nan
    frame["place"] = np.where(frame["unit"] % 3 == 0, "town", "country")
    outcomes = [Outcome(id=c, label=c, column=c) for c in ("y", "z", "gappy", "none")]
    panel = Panel.of(design(cluster="cluster"), source(frame, tmp_path))
    found = panel_moments_of(panel, outcomes)
    for outcome in outcomes[:3]:
        assert bits(found[outcome.id]) == bits(panel_moments(panel, outcome))
    assert isinstance(found["none"], NotEstimable)
    parts = panel_moments_of(panel, outcomes, by="place")
    assert sorted(parts) == sorted((o.id, place) for o in outcomes for place in ("town", "country"))
    for outcome in outcomes[:3]:
        for place in ("town", "country"):
            alone = moments(frame[frame["place"] == place], outcome, cluster="cluster")
            mine = parts[outcome.id, place]
            assert mine.flow == alone.flow
            assert (mine.units == alone.units).all()
            shifted = alone.sums + alone.weights * (alone.shift - mine.shift)
            assert np.allclose(mine.sums, shifted, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("cluster", ["unit", "products"])
def test_subgroups_of_single_units(monkeypatch, cluster):
    if cluster == "products":
        monkeypatch.setattr(scan, "MOST_UNIT_ROWS", 0)
    frame = simulated(units=60, holes=0.1)
    frame["half"] = frame["unit"] % 2
    frame.loc[frame["unit"] == 3, "y"] = np.nan

    def of(data, by=None):
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            return panel_moments_of(Panel.of(design(), source(data, folder)), [OUTCOME], by)

    parts = of(frame, "half")
    for half in (0, 1):
        alone, mine = of(frame[frame["half"] == half])["outcome"], parts["outcome", half]
        assert mine.flow == alone.flow
        assert (mine.counts == alone.counts).all()
        assert np.allclose(mine.sums, alone.sums + alone.weights * (alone.shift - mine.shift), atol=1e-10)


def test_folders_can_hold_columns(tmp_path):
    frame = simulated(units=40, clusters=4)
    frame.to_parquet(tmp_path / "data", partition_cols=["cluster"])
    one = tmp_path / "one"
    one.mkdir()
    panel = Panel.of(design(cluster="cluster"), open_source("data", tmp_path))
    assert bits(panel_moments(panel, OUTCOME)) == bits(moments(frame, cluster="cluster"))


def test_moments_do_without_pandas(tmp_path):
    """To import it takes longer than the scan of a small panel."""
    source(simulated(units=30, holes=0.1), tmp_path)
    code = f"""
import sys
from pathlib import Path
from evaluation.data.engine import open_source
from evaluation.data.moments import panel_moments, scan
from evaluation.data.panel import Panel
from evaluation.study.models import Outcome
for limit in (10, 10_000_000):
    scan.MOST_UNIT_ROWS = limit
    for cluster in ("unit", "cluster"):
        panel = Panel(open_source("panel.parquet", Path({str(tmp_path)!r})), "unit", "time", "cohort", cluster, "weight")
        panel_moments(panel, Outcome(id="o", label="O", column="y"))
assert "pandas" not in sys.modules
import pandas
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --------------------------------------------------------------------------- kept from one run to the next


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """A panel worth keeping on disk, where, and how often its data are scanned."""
    monkeypatch.setattr(keep, "WORTH", 0)
    scans = []

    def counted(panel, outcomes):
        scans.append([o.id for o in outcomes])
        return panel_moments_of(panel, outcomes)

    monkeypatch.setattr(keep, "panel_moments_of", counted)
    panel = Panel.of(design(cluster="cluster"), source(simulated(holes=0.1), tmp_path))
    return panel, tmp_path / "kept", scans


def test_moments_in_hand_are_not_reckoned_again(kept):
    panel, folder, scans = kept
    ready = holding(panel, [OUTCOME, OUTCOME])
    assert panel_moments(ready, OUTCOME) is panel_moments(ready, OUTCOME)
    assert scans == [["outcome"]]
    assert not folder.exists()


def test_moments_on_disk_are_the_same_to_the_last_bit(kept):
    panel, folder, scans = kept
    first = holding(panel, [OUTCOME], folder)
    again = holding(panel, [OUTCOME], folder)
    assert scans == [["outcome"]]
    assert bits(panel_moments(again, OUTCOME)) == bits(panel_moments(first, OUTCOME))
    assert panel_moments(again, OUTCOME).constant_weights is True
    assert oct(folder.stat().st_mode)[-3:] == "700"


@pytest.mark.parametrize("spoil", [lambda _: b"", lambda b: b[:-40], lambda b: b[:200] + b"xxxx" + b[204:]])
def test_damaged_entries_are_reckoned_anew(kept, spoil):
    panel, folder, scans = kept
    whole = holding(panel, [OUTCOME], folder)
    entry = next(folder.glob("*.npz"))
    entry.write_bytes(spoil(entry.read_bytes()))
    again = holding(panel, [OUTCOME], folder)
    assert len(scans) == 2
    assert bits(panel_moments(again, OUTCOME)) == bits(panel_moments(whole, OUTCOME))


def test_other_data_roles_or_outcomes_are_reckoned_and_the_old_removed(kept):
    panel, folder, scans = kept
    holding(panel, [OUTCOME], folder)
    holding(replace(panel, cluster="unit"), [OUTCOME], folder)
    holding(panel, [OUTCOME.model_copy(update={"label": "Other"})], folder)
    simulated(seed=2).to_parquet(panel.source.files[0])
    other = holding(panel, [OUTCOME], folder)
    assert len(scans) == 4
    assert len(list(folder.glob("*"))) == 1
    assert bits(panel_moments(other, OUTCOME)) == bits(panel_moments(panel, OUTCOME))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_no_failure(kept):
    panel, folder, _ = kept
    folder.mkdir(mode=0o500)
    assert panel_moments(holding(panel, [OUTCOME], folder), OUTCOME).n_units > 0


LISTS = [[0.1] * 10, [1e300, -1e300, 1e-5], [1e15, 0.1, -1e15], [0.0, 0.0], [3.0], [2.0**-80, 1.0, -1.0]]


@pytest.mark.parametrize("values", LISTS)
def test_whole_sums(values):
    scale = power(max(map(abs, values)), len(values))
    with connect() as connection:
        connection.register("numbers", pd.DataFrame({"x": values}))
        found = connection.execute(f"SELECT {whole_sum('x', scale)} FROM numbers").fetchone()[0] * 2.0**-scale
    bound = max(map(abs, values)) * 2.0**-100
    assert found == pytest.approx(math.fsum(values), rel=1e-15, abs=bound + 1e-300)


@pytest.mark.parametrize("values", [v for v in LISTS if max(v) < 1e300])
@pytest.mark.parametrize("terms", [6, 2**24, 2**33])
def test_parts_add_up_in_any_order(values, terms):
    """Cut for `terms` values: the parts are few digits long, add up to the value, and sum to the same in any order."""
    size = max(map(abs, values))
    parts = Parts.of(size, max(terms, len(values)))
    cut = [parts.cut(v) for v in values]
    for k, digit in enumerate(parts.digits):
        column = [c[k] for c in cut]
        assert all((x / 2.0**digit).is_integer() for x in column)
        assert max(map(abs, column)) / 2.0**digit * terms <= 2.0**53
        assert sum(column) == sum(column[::-1]) == math.fsum(column)
    for value, pieces in zip(values, cut, strict=True):
        assert Parts.total(pieces) == pytest.approx(value, rel=0, abs=size * 2.0**-48)


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
