"""Dummy data that fit a study file, with a planted true effect: made before any real data are opened.

The columns are those the study file names, in the roles it gives them. The planted effect is the estimand of the
primary analysis: a risk difference at its window, a log hazard ratio, or an average effect on the treated. A study
whose cohort is built from tables gets those tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.data.parquet import write
from evaluation.data.simulate_cohort import cohort_columns
from evaluation.data.simulate_panel import panel_columns
from evaluation.errors import DataError, Problem
from evaluation.study.models import BuiltCohortDesign, CohortDesign, Simulation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from evaluation.study.models import Study


def simulate(study: Study, effect: float, out: Path, seed: int | None = None, *, force: bool = False) -> Path:
    """Write simulated data for `study` to `out`, and return it: a Parquet file, or a folder of them.

    A study whose cohort is built from tables gets a folder with a file for each, called `TABLE.parquet`.

    `effect` is the planted truth on the scale of the primary analysis. `seed` defaults to the study's own
    (`simulation.seed`), then to 1; equal seeds give equal bytes. The file says that it is simulated; a file that this
    tool did not make is replaced with `force` only.

    Raises
    ------
    DataError
        When no data can carry this effect (a risk outside 0 to 1, a rate below 0), or the primary analysis has an
        estimand this version cannot plant, or `out` is a folder or holds other data.
    """
    import numpy as np

    if isinstance(study.design, BuiltCohortDesign):
        if out.is_file():
            what = "is a file; this study has several tables, each with a file of its own."
            raise DataError(Problem(str(out), "", what, "Name a folder to write them to."))
        simulate_tables(study, effect, {name: out / f"{name}.parquet" for name in study.data.tables}, seed, force=force)
        return out
    plan = study.simulation or Simulation(effect=effect)
    generator = np.random.Generator(np.random.PCG64(plan.seed if seed is None else seed))
    make = cohort_columns if isinstance(study.design, CohortDesign) else panel_columns
    return write(out, make(study, effect, plan, generator), made="simulated", planted=effect, force=force)


def simulate_tables(
    study: Study, effect: float, paths: Mapping[str, Path], seed: int | None = None, *, force: bool = False
) -> list[Path]:
    """Write simulated tables for a study whose cohort is built from them, each table to the path of its name.

    Raises
    ------
    DataError
        As `simulate`.
    """
    from evaluation.data.simulate_tables import write_tables

    plan = study.simulation or Simulation(effect=effect)
    return write_tables(study, effect, paths, plan.seed if seed is None else seed, plan, force=force)
