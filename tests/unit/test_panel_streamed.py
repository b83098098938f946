"""Cross-products from a stream of sorted rows: to the last bit those of the query, and left alone where rows are not."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from evaluation.data.engine import open_source
from evaluation.data.moments import folded, panel_moments, scan, streamed
from evaluation.data.panel import Panel
from tests.panels import OUTCOME, design, simulated, source


@pytest.fixture
def ways(monkeypatch, tmp_path):
    """Moments by the stream (None where it gives up), as taken, and by the query, of rows in a file or several."""

    def found(frame, files=1):
        if files == 1:
            data = source(frame, tmp_path)
        else:
            (tmp_path / "parts").mkdir()
            for k, rows in enumerate(np.array_split(np.arange(len(frame)), files)):
                frame.iloc[rows].to_parquet(tmp_path / "parts" / f"part{k}.parquet")
            data = open_source("parts", tmp_path)
        panel = Panel.of(design(), data)
        taken, original = [], streamed.streamed_products
        monkeypatch.setattr(scan, "MOST_UNIT_ROWS", 0)
        monkeypatch.setattr(scan, "streamed_products", lambda *a: taken.append(original(*a)) or taken[0])
        whole = panel_moments(panel, OUTCOME)
        monkeypatch.setattr(scan, "streamed_products", lambda *_: None)
        asked = panel_moments(panel, OUTCOME)
        monkeypatch.setattr(scan, "MOST_UNIT_ROWS", 10**9)
        return taken, whole, asked, panel_moments(panel, OUTCOME)

    return found


def bits(found):
    arrays = ("times", "cluster", "cohort", "units", "counts", "weights", "sums", "cross")
    return {name: getattr(found, name).tobytes() for name in arrays} | {"shift": found.shift, "flow": found.flow}


SORTED = {
    "plain": lambda f: f,
    "text units": lambda f: f.assign(unit=f["unit"].map("person {:04d}".format)),
    "units in any order": lambda f: f.assign(unit=(f["unit"] * 7919) % 4001),
    "never treated missing": lambda f: f.assign(cohort=f["cohort"].where(f["cohort"] > 0)),
    "never treated infinite": lambda f: f.assign(cohort=f["cohort"].where(f["cohort"] > 0, np.inf)),
    "whole outcomes": lambda f: f.assign(y=(f["y"] * 10).round().astype("int16")),
    "far from zero": lambda f: f.assign(y=f["y"] + 1e9),
    "constant outcome": lambda f: f.assign(y=3.0),
    "narrow numbers": lambda f: f.astype({"time": "int16", "cohort": "int16", "y": "float32"}),
}


@pytest.mark.parametrize("change", SORTED.values(), ids=SORTED)
def test_a_stream_gives_the_bits_of_the_query(monkeypatch, ways, change):
    monkeypatch.setattr(streamed, "BATCH", 2048)  # batches that end within units
    monkeypatch.setattr(streamed, "CACHED", 1000)
    taken, whole, asked, units = ways(change(simulated(units=1500)), files=3 if change is SORTED["plain"] else 1)
    assert taken[0] is not None
    assert bits(whole) == bits(asked)
    expected = folded(units)
    moved = expected.sums + expected.weights * (expected.shift - whole.shift)
    assert (whole.units == expected.units).all()
    assert np.allclose(whole.sums, moved, rtol=1e-12, atol=1e-9)


UNFIT = {
    "sorted by period": lambda f: f.sort_values(["time", "unit"]),
    "shuffled": lambda f: f.sample(frac=1, random_state=1),
    "periods descending": lambda f: f.sort_values(["unit", "time"], ascending=[True, False]),
    "two rows apart": lambda f: pd.concat([f.iloc[1:], f.iloc[:1]]),
    "a decimal period": lambda f: f.assign(time=f["time"].astype(float)),
}


@pytest.mark.parametrize("change", UNFIT.values(), ids=UNFIT)
def test_other_rows_are_left_to_the_query(ways, change):
    taken, whole, asked, _ = ways(change(simulated(units=300)))
    assert taken == [None]
    assert bits(whole) == bits(asked)


@pytest.mark.parametrize("frame", [simulated(units=50, holes=0.1), simulated(units=50).iloc[:-1]], ids=["holes", "cut"])
def test_panels_with_gaps_are_not_streamed(ways, frame):
    assert ways(frame)[0] == []


def test_streams_do_without_pandas(tmp_path):
    source(simulated(units=30), tmp_path)
    code = f"""
import sys
from pathlib import Path
from evaluation.data.engine import open_source
from evaluation.data.moments import panel_moments, scan
from evaluation.data.panel import Panel
from evaluation.study.models import Outcome
scan.MOST_UNIT_ROWS, scan.cross_products = 0, None
panel = Panel(open_source("panel.parquet", Path({str(tmp_path)!r})), "unit", "time", "cohort", "unit")
assert panel_moments(panel, Outcome(id="o", label="O", column="y")).cross is not None
assert "pandas" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
