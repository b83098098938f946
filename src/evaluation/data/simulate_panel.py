"""A simulated panel of units over periods, with staggered adoption and a planted effect.

Untreated outcomes are the sum of a unit's own level, a path over time common to all, and errors that carry over
from one period to the next; units that adopt stand higher from the start, which differences take out and raw
comparisons do not. From adoption on, each treated cell is changed by the effect, so the mean over treated cells,
the cohort-size-weighted mean of all ATT(g, t) and every event-time effect are the effect itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.study.models import Outcome, PanelDesign, Simulation, Study

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

PLANTABLE = ("callaway_santanna", "twfe", "event_study", "did_2x2", "sun_abraham", "imputation", "etwfe", "stacked")
BASELINES = {"binary": 0.3, "count": 40.0}  # mean without the intervention, where the study does not say
BASELINE = 10.0
NEVER_TREATED = 0.5  # share of units
COHORTS = 4
LAST_YEAR = 2024
# standard deviations, as shares of the baseline
UNIT_SPREAD, PERIOD_SPREAD, CLUSTER_SPREAD, ERROR_SPREAD = 0.15, 0.03, 0.04, 0.12
HEAD_START = 0.1  # how much higher adopters stand, as a share of the baseline
CARRY_OVER = 0.4  # correlation of a unit's errors in neighbouring periods
MISSING_SHARE = 0.005


def _problem(what: str, fix: str) -> DataError:
    return DataError(Problem("simulation", "effect", what, fix))


def _periods(design: PanelDesign, count: int) -> Integers:
    """Calendar years up to `LAST_YEAR`, or periods numbered from 1."""
    import numpy as np

    first = LAST_YEAR - count + 1 if design.time_unit == "year" else 1
    return np.arange(first, first + count)


def adoption(units: int, periods: Integers, generator: np.random.Generator) -> Integers:
    """First treated period of each unit; 0 = never treated.

    Half never adopt; the others are dealt evenly over up to `COHORTS` starts between a third and three quarters
    of the span.
    """
    import numpy as np

    span = len(periods)
    starts = np.unique(np.linspace(max(1, span // 3), max(1, (3 * span) // 4), COHORTS).astype(int).clip(1, span - 1))
    dealt = np.zeros(units, dtype=np.int64)
    treated = units - int(units * NEVER_TREATED)
    dealt[:treated] = periods[starts[np.arange(treated) % len(starts)]]
    return generator.permutation(dealt)


def _carried_over(rows: int, periods: int, generator: np.random.Generator) -> Floats:
    """Stationary first-order autoregressive errors of variance 1, one row a unit."""
    import numpy as np

    errors = generator.standard_normal((rows, periods))
    for t in range(1, periods):
        errors[:, t] = CARRY_OVER * errors[:, t - 1] + np.sqrt(1 - CARRY_OVER**2) * errors[:, t]
    return errors


def untreated(
    cohort: Integers, cluster: Integers, periods: int, baseline: float, generator: np.random.Generator
) -> Floats:
    """Mean outcomes without the intervention, units by periods.

    Shared errors of clusters are drawn only where clusters are not the units themselves.
    """
    import numpy as np

    units = len(cohort)
    level = 1 + UNIT_SPREAD * generator.standard_normal(units).clip(-2.5, 2.5) + HEAD_START * (cohort > 0)
    path = PERIOD_SPREAD * generator.standard_normal(periods).cumsum().clip(-4, 4)
    shocks = ERROR_SPREAD * _carried_over(units, periods, generator)
    groups = int(cluster.max()) + 1
    if groups < units:
        shocks += CLUSTER_SPREAD * _carried_over(groups, periods, generator)[cluster]
    return baseline * (level[:, np.newaxis] + path + shocks)


def _drawn(means: Floats, kind: str | None, generator: np.random.Generator) -> Floats:
    """Observed outcomes of the outcome's type around their means."""
    import numpy as np

    if (kind in ("count", "rate", "binary") and means.min() < 0) or (kind == "binary" and means.max() > 1):
        raise _problem(
            f"with this effect and baseline a {kind} outcome would have means from {means.min():g} to {means.max():g}.",
            "Choose a smaller effect, or another simulation.baseline.",
        )
    if kind == "count":
        return generator.poisson(means).astype(np.float64)
    if kind == "binary":
        return (generator.random(means.shape) < means).astype(np.float64)
    return means


def _with_missing(values: Floats, kind: str | None, generator: np.random.Generator) -> Any:
    import pyarrow as pa

    missing = generator.random(len(values)) < MISSING_SHARE
    missing[len(values) // 2] = True
    return pa.array(values if kind not in ("count", "binary") else values.astype("int64"), mask=missing)


def _clusters(design: PanelDesign, units: int) -> Integers:
    """Cluster of each unit, numbered from 0: itself, or one of about a fifth as many."""
    import numpy as np

    return np.arange(units) if design.cluster_column == design.unit else np.arange(units) // 5


def _outcome(
    outcome: Outcome,
    effect: float,
    baseline: float | None,
    cohort: Integers,
    cluster: Integers,
    periods: Integers,
    generator: np.random.Generator,
) -> Any:
    if baseline is None:
        baseline = BASELINES.get(outcome.type or "", BASELINE)
    means = untreated(cohort, cluster, len(periods), baseline, generator)
    treated = (cohort[:, None] > 0) & (periods >= cohort[:, None])
    values = _drawn(means + effect * treated, outcome.type, generator)
    return _with_missing(values.ravel(), outcome.type, generator)


def panel_columns(study: Study, effect: float, plan: Simulation, generator: np.random.Generator) -> dict[str, Any]:
    """Columns of a simulated panel, by the study's names, one row a unit and period.

    The effect and the study's baseline belong to the primary analysis' outcome; the other outcomes have no effect.

    Raises
    ------
    DataError
        When the effect is impossible, or the primary analysis has an estimand this version cannot plant.
    """
    import numpy as np

    design = cast("PanelDesign", study.design)
    if study.primary.estimator not in PLANTABLE:
        raise _problem(
            f"the primary analysis estimates by {study.primary.estimator!r}, whose effect cannot be planted yet.",
            f"Simulate with a primary analysis by one of: {', '.join(PLANTABLE)}.",
        )
    periods = _periods(design, plan.periods)
    cohort, cluster = adoption(plan.size, periods, generator), _clusters(design, plan.size)
    columns: dict[str, Any] = {
        design.unit: np.repeat(np.arange(1, plan.size + 1), plan.periods),
        design.time: np.tile(periods, plan.size),
        design.cohort: np.repeat(cohort, plan.periods),
    }
    if design.cluster_column != design.unit:
        columns[design.cluster_column] = np.repeat(cluster + 1, plan.periods)
    sizes = np.exp(11 + 0.6 * generator.standard_normal(plan.size)).astype(np.int64)
    for name in filter(None, [design.weights, *(o.exposure for o in study.outcomes)]):
        columns[name] = np.repeat(sizes, plan.periods)
    for outcome in study.outcomes:
        planted, baseline = (effect, plan.baseline) if outcome.id == study.primary.outcome else (0.0, None)
        columns[outcome.column or outcome.id] = _outcome(
            outcome, planted, baseline, cohort, cluster, periods, generator
        )
    return columns
