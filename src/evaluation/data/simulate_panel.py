"""A simulated panel of units over periods, with staggered adoption and a planted effect.

Untreated outcomes are the sum of a unit's own level, a path over time common to all, and errors that carry over
from one period to the next; units that adopt stand higher from the start, which differences take out and raw
comparisons do not. From adoption on, treated cells are changed by the effect: all alike, so that every mean of them is
the effect itself, or by time since adoption and cohort where the study says so; then the effect is their plain mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from evaluation.data.simulate_effects import drift, effects
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.study.models import Outcome, PanelDesign, Simulation, Study

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

ON_LOG_SCALE = ("poisson_did",)  # the effect is a log rate ratio
ONE_START = ("did_2x2", "triple_difference", "synthetic_control", "synthetic_did", "interrupted_time_series")
PLANTABLE = ("callaway_santanna", "twfe", "event_study", "sun_abraham", "imputation", "etwfe", "stacked",
             *ON_LOG_SCALE, *ONE_START)  # fmt: skip
BASELINES = {"binary": 0.3, "count": 40.0}  # mean without the intervention, where the study does not say
BASELINE = 10.0
LAST_YEAR = 2024
# standard deviations, as shares of the baseline
UNIT_SPREAD, PERIOD_SPREAD, CLUSTER_SPREAD, ERROR_SPREAD = 0.15, 0.03, 0.04, 0.12
HEAD_START = 0.1  # how much higher adopters stand, as a share of the baseline
MISSING_SHARE = 0.005


def _problem(what: str, fix: str) -> DataError:
    return DataError(Problem("simulation", "effect", what, fix))


def _periods(design: PanelDesign, count: int) -> Integers:
    """Calendar years up to `LAST_YEAR`, or periods numbered from 1."""
    import numpy as np

    first = LAST_YEAR - count + 1 if design.time_unit == "year" else 1
    return np.arange(first, first + count)


def adoption(
    units: int, periods: Integers, generator: np.random.Generator, cohorts: int = 4, share: float = 0.5
) -> Integers:
    """First treated period of each unit; 0 = never treated.

    A `share` of units adopts, dealt evenly over up to `cohorts` starts between a third and three quarters of the
    span; a single start is in the middle.
    """
    import numpy as np

    span = len(periods)
    between = np.linspace(max(1, span // 3), max(1, (3 * span) // 4), cohorts) if cohorts > 1 else np.array([span // 2])
    starts = np.unique(between.astype(int).clip(1, span - 1))
    dealt = np.zeros(units, dtype=np.int64)
    treated = units - int(units * (1 - share))
    dealt[:treated] = periods[starts[np.arange(treated) % len(starts)]]
    return generator.permutation(dealt)


def carried_over(rows: int, periods: int, carry: float, generator: np.random.Generator) -> Floats:
    """Stationary first-order autoregressive errors of variance 1, one row a unit."""
    import numpy as np

    errors = generator.standard_normal((rows, periods))
    for t in range(1, periods):
        errors[:, t] = carry * errors[:, t - 1] + np.sqrt(1 - carry**2) * errors[:, t]
    return errors


def untreated(
    cohort: Integers, cluster: Integers, periods: int, baseline: float, carry: float, generator: np.random.Generator
) -> Floats:
    """Mean outcomes without the intervention, units by periods.

    Shared errors of clusters are drawn only where clusters are not the units themselves.
    """
    import numpy as np

    units = len(cohort)
    level = 1 + UNIT_SPREAD * generator.standard_normal(units).clip(-2.5, 2.5) + HEAD_START * (cohort > 0)
    path = PERIOD_SPREAD * generator.standard_normal(periods).cumsum().clip(-4, 4)
    shocks = ERROR_SPREAD * carried_over(units, periods, carry, generator)
    groups = int(cluster.max()) + 1
    if groups < units:
        shocks += CLUSTER_SPREAD * carried_over(groups, periods, carry, generator)[cluster]
    return baseline * (level[:, np.newaxis] + path + shocks)


def _drawn(means: Floats, kind: str | None, overdispersion: float, generator: np.random.Generator) -> Floats:
    """Observed outcomes of the outcome's type around their means."""
    import numpy as np

    if (kind in ("count", "rate", "binary") and means.min() < 0) or (kind == "binary" and means.max() > 1):
        raise _problem(
            f"with this effect and baseline a {kind} outcome would have means from {means.min():g} to {means.max():g}.",
            "Choose a smaller effect, or another simulation.baseline.",
        )
    if kind == "count":
        if overdispersion:
            means = means * generator.gamma(1 / overdispersion, overdispersion, means.shape)
        return generator.poisson(means).astype(np.float64)
    if kind == "binary":
        return (generator.random(means.shape) < means).astype(np.float64)
    return means


def _with_missing(values: Floats, kind: str | None, generator: np.random.Generator) -> Any:
    import pyarrow as pa

    missing = generator.random(len(values)) < MISSING_SHARE
    missing[len(values) // 2] = True
    return pa.array(values if kind not in ("count", "binary") else values.astype("int64"), mask=missing)


def clusters(design: PanelDesign, units: int) -> Integers:
    """Cluster of each unit, numbered from 0: itself, or one of about a fifth as many."""
    import numpy as np

    return np.arange(units) if design.cluster_column == design.unit else np.arange(units) // 5


@dataclass(frozen=True)
class _Units:
    """The units of a simulated panel, and what the study plans for them."""

    cohort: Integers
    cluster: Integers
    periods: Integers
    exposed: NDArray[np.bool_]  # whether the effect reaches the unit, once it is treated
    sizes: Integers
    plan: Simulation

    def outcome(
        self, outcome: Outcome, effect: float, baseline: float | None, log: bool, generator: np.random.Generator
    ) -> Any:
        """An outcome with the effect planted: added, or on the `log` scale."""
        import numpy as np

        if baseline is None:
            baseline = BASELINES.get(outcome.type or "", BASELINE)
        means = untreated(self.cohort, self.cluster, len(self.periods), baseline, self.plan.carry_over, generator)
        means += drift(self.cohort, len(self.periods), self.plan)
        reached = np.where(self.exposed, self.cohort, 0)
        change = effects(reached, self.periods, effect, self.plan)
        if log and outcome.exposure:
            means = means * (self.sizes / self.sizes.mean())[:, None]
        means = means * np.exp(change) if log else means + change
        values = _drawn(means, outcome.type, self.plan.overdispersion, generator)
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
    periods, single = _periods(design, plan.periods), study.primary.estimator in ONE_START
    cohort = adoption(plan.size, periods, generator, 1 if single else plan.cohorts, plan.treated_share)
    cluster, third = clusters(design, plan.size), study.primary.options.get("third")
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
    exposed = np.arange(plan.size) % 2 == 0 if isinstance(third, str) else np.ones(plan.size, dtype=np.bool_)
    if isinstance(third, str):
        columns[third] = np.repeat(exposed.astype(np.int64), plan.periods)
    units = _Units(cohort, cluster, periods, exposed, sizes, plan)
    log = study.primary.estimator in ON_LOG_SCALE
    for outcome in study.outcomes:
        planted, baseline = (effect, plan.baseline) if outcome.id == study.primary.outcome else (0.0, None)
        columns[outcome.column or outcome.id] = units.outcome(outcome, planted, baseline, log, generator)
    return columns
