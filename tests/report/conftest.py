"""The hand-built runs, written and rendered once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evaluation.report.released import Released, open_run
from evaluation.report.render import FORMATS, PRODUCTS, render
from evaluation.report.write import write

from .case_court import court
from .case_experiment import experiment
from .case_robust import robust
from .case_simulated import simulated
from .cases import Case

CASES = {"court": court, "experiment": experiment, "panel": robust, "simulated": simulated}
_RENDERED: dict[str, Path] = {}


@pytest.fixture
def released(tmp_path: Path) -> Callable[[Case], Released]:
    """A case as the report reads it, after a round trip through its files."""
    return lambda case: open_run(case.write(tmp_path / "run"))


@pytest.fixture
def sources(tmp_path: Path) -> Callable[[Case], Path]:
    """A case's report source, freshly written."""
    return lambda case: write(case.write(tmp_path / "run"))


@pytest.fixture
def texts(sources: Callable[[Case], Path]) -> Callable[[Case], dict[str, str]]:
    """Every generated passage and table of a case, by file name without its ending."""

    def read(case: Case) -> dict[str, str]:
        source = sources(case)
        return {
            p.stem: p.read_text(encoding="utf-8") for f in ("_includes", "tables") for p in (source / f).glob("*.md")
        }

    return read


@pytest.fixture(params=sorted(CASES))
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of each case, with every product rendered in every format by the embedded renderer."""
    name: str = request.param
    if name not in _RENDERED:
        run = CASES[name]().write(tmp_path_factory.mktemp(name) / name)
        render(write(run), run / "report", PRODUCTS, FORMATS, "pandoc")
        _RENDERED[name] = run
    return _RENDERED[name]


@pytest.fixture
def case(rendered: Path) -> Case:
    """The case that `rendered` was made from."""
    return CASES[rendered.name]()
