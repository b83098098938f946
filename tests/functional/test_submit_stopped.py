"""However a submission is stopped, the store is as before or as after, and every receipt holds.

A longer run: python -m tests.stopped moments FOLDER 500; python -m tests.stopped writers FOLDER 500.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("scenario", "kills", "fewest"), [("steps", 0, 70), ("moments", 50, 50), ("writers", 50, 56)])
def test_stopped(scenario, kills, fewest, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.stopped", scenario, str(tmp_path), str(kills)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["faults"] == []
    assert told["kills"] >= fewest
    assert told["stored"] > 0  # some had come through: the kills were not all too early
