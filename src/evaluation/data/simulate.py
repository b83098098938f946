"""Dummy data that fit a study file, with a planted true effect: made before any real data are opened.

The columns are those the study file names, in the roles it gives them. The planted effect is the estimand of the
primary analysis: a risk difference at its window, a log hazard ratio, or an average effect on the treated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.data.parquet import write
from evaluation.data.simulate_cohort import cohort_columns
from evaluation.data.simulate_panel import panel_columns
from evaluation.study.models import CohortDesign, Simulation

if TYPE_CHECKING:
    from pathlib import Path

    from evaluation.study.models import Study


def simulate(study: Study, effect: float, out: Path, seed: int | None = None, *, force: bool = False) -> Path:
    """Write simulated data for `study` to the Parquet file `out`, and return it.

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

    plan = study.simulation or Simulation(effect=effect)
    generator = np.random.Generator(np.random.PCG64(plan.seed if seed is None else seed))
    make = cohort_columns if isinstance(study.design, CohortDesign) else panel_columns
    return write(out, make(study, effect, plan, generator), made="simulated", planted=effect, force=force)
