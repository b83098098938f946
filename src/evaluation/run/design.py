"""How large an effect a planned panel study can detect, by simulation and before outcomes are opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from evaluation.errors import EvaluationError, NotEstimable, Problem, StudyError
from evaluation.estimators.base import Estimator, PanelEstimator
from evaluation.results import Row
from evaluation.study.models import Outcome, PanelDesign, Simulation, Study

if TYPE_CHECKING:
    from evaluation.data.engine import Source
    from evaluation.data.planned import Planned, Variation
    from evaluation.study.load import StudyFile

PLAIN = ("callaway_santanna", "did_2x2", "etwfe")  # read more than the outcome only where covariates are asked for
SHARES = (0.25, 0.5, 0.75, 1.0, 1.5)  # of the minimum detectable effect, at which power is shown
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Plans:
    """A study's file, the estimators of its analyses and its data (None where there are none yet)."""

    file: StudyFile
    estimators: tuple[PanelEstimator, ...]
    source: Source | None


@dataclass(frozen=True)
class Power:
    """What one analysis can detect.

    `size` is the share of draws without effect in which the analysis's own test found one: it should be near 1 minus
    the confidence level. `curve` are (effect, power).
    """

    analysis: str
    outcome: str
    estimator: str
    rests_on: str
    n_units: int
    n_treated: int
    n_clusters: int
    std_error: float
    size: float
    detectable: float
    curve: tuple[tuple[float, float], ...]

    def row(self) -> Row:
        """As one flat row for `--json`."""
        fields = ("analysis", "outcome", "estimator", "rests_on", "n_units", "n_treated", "n_clusters", "std_error",
                  "size", "detectable")  # fmt: skip
        return {k: getattr(self, k) for k in fields} | {"curve": [{"effect": e, "power": p} for e, p in self.curve]}


def plans(file: StudyFile) -> Plans:
    """A study with its data, when they are there.

    Raises
    ------
    StudyError
        When the study file is wrong, an analysis asks for an estimator or an option that there is not, or the data
        lack a column of the design.
    EvaluationError
        For a cohort design, and for tables that no panel can be built from.
    """
    from evaluation.run.columns import design_problems

    if not isinstance(file.study.design, PanelDesign):
        raise EvaluationError(
            Problem(str(file.path), "design.type", "this is a cohort; its power is reckoned by formula.", "")
        )
    estimators, source = cast("tuple[PanelEstimator, ...]", chosen_estimators(file)), data(file)
    wrong = [p for p in design_problems(file, source) if p.severity == "error"] if source else []
    if wrong:
        raise StudyError(*wrong)
    return Plans(file, estimators, source)


def chosen_estimators(file: StudyFile) -> tuple[Estimator, ...]:
    """The estimators of a study's analyses.

    Raises
    ------
    StudyError
        When an analysis asks for an estimator or an option that there is not.
    """
    from evaluation.run.options import chosen

    found = [chosen(file, i, file.study.design.type) for i, _ in enumerate(file.study.analyses)]
    wrong = [p for _, problems in found for p in problems if p.severity == "error"]
    if wrong:
        raise StudyError(*wrong)
    return tuple(cast("Estimator", estimator) for estimator, _ in found)


def data(file: StudyFile) -> Source | None:
    """The data that are there or are built from tables; None where the plan rests on what the study declares."""
    from evaluation.data.engine import open_source

    if file.study.data.tables:
        return _built(file)
    try:
        return open_source(file.study.data.path, file.path.parent) if file.study.data.path else None
    except EvaluationError as error:
        if file.study.simulation is None:
            instead = " Or declare in a `simulation` section how the outcome varies."
            raise EvaluationError(*(replace(p, fix=p.fix + instead) for p in error.problems)) from None
        return None


def _built(file: StudyFile) -> Source:
    """The panel or cohort built from the study's tables, in a folder that goes with the process."""
    from evaluation.data.assemble.cohort.build import build_cohort
    from evaluation.data.assemble.panel import build_panel
    from evaluation.run.plan import passing_folder

    folder = passing_folder()
    build = build_panel if isinstance(file.study.design, PanelDesign) else build_cohort
    return build(file.study, file.path.parent, folder / "built.parquet").source


def power(
    known: Plans, *, draws: int, target: float, seed: int, progress: Progress | None = None
) -> tuple[list[Power], list[Problem]]:
    """The power of every primary and secondary analysis, and why some have none.

    Untreated outcomes are drawn `draws` times for the units, clusters and adoption dates planned; each draw is
    analysed with the analysis's own estimator and test. An added effect shifts these estimates by itself, so power
    for any effect, and the smallest one found with probability `target`, follow from the same draws.
    """
    study, found, problems = known.file.study, [], []
    ahead = max(int(getattr(e, "anticipation", 0)) for e in known.estimators)  # what one analysis doubts, none may read
    for analysis, estimator in zip(study.analyses, known.estimators, strict=True):
        if analysis.role not in ("primary", "secondary"):
            continue
        outcome = study.outcome(analysis.outcome)
        try:
            planned, variation, rests_on = _basis(known, outcome, ahead)
            drawn = _drawn(estimator, planned, variation, outcome, draws, seed, progress)
            figures = _figures(drawn, planned, target)
        except NotEstimable as none:
            problems.append(Problem(str(known.file.path), f"analyses.{analysis.id}", str(none), "", severity="warning"))
            continue
        found.append(Power(analysis.id, outcome.label, analysis.estimator, rests_on, **figures))
    return found, problems


def _basis(known: Plans, outcome: Outcome, ahead: int) -> tuple[Planned, Variation, str]:
    """What is planned and how outcomes vary: from the data before the first adoption, else as the study declares."""
    from evaluation.data.panel import Panel
    from evaluation.data.planned import before_adoption

    study = known.file.study
    design = cast("PanelDesign", study.design)
    if known.source is not None and outcome.column in known.source.columns:
        planned, variation, periods = before_adoption(Panel.of(design, known.source), outcome, ahead)
        return planned, variation, f"outcomes of periods {periods[0]} to {periods[-1]}, before the first adoption"
    if study.simulation is None:
        raise NotEstimable(
            "There are no data to see how the outcome varies. Add a `simulation` section that declares it: size, "
            "periods, baseline, carry_over."
        )
    return _declared(study, study.simulation, outcome)


def _declared(study: Study, simulation: Simulation, outcome: Outcome) -> tuple[Planned, Variation, str]:
    import numpy as np

    from evaluation.data import simulate_panel as made
    from evaluation.data.planned import Planned, Variation

    design = cast("PanelDesign", study.design)
    generator = np.random.default_rng(simulation.seed)
    times = np.arange(1, simulation.periods + 1)
    starts = 1 if study.primary.estimator in made.ONE_START else simulation.cohorts
    cohort = made.adoption(simulation.size, times, generator, starts, simulation.treated_share)
    cluster = made.clusters(design, simulation.size)
    baseline = simulation.baseline
    if baseline is None:
        baseline = made.BASELINES.get(outcome.type or "", made.BASELINE)
    shared = made.CLUSTER_SPREAD * baseline if cluster.max() + 1 < simulation.size else 0.0
    own = made.ERROR_SPREAD * baseline
    own = float(np.hypot(own, np.sqrt(baseline))) if outcome.type == "count" else own
    variation = Variation(own, shared, simulation.carry_over)
    return Planned.of(times, cohort, cluster), variation, "the variation that the study's simulation section declares"


def _drawn(
    estimator: PanelEstimator,
    planned: Planned,
    variation: Variation,
    outcome: Outcome,
    draws: int,
    seed: int,
    progress: Progress | None,
) -> Any:
    """Estimates, and half the width of their intervals, where there is no effect (draws, 2)."""
    import numpy as np

    if _reads_more(estimator):
        raise NotEstimable(
            f"Power of {estimator.id} is not reckoned: it reads more of the data than the outcome. did_2x2 or twfe on "
            "the same outcome gives an idea."
        )
    generator, found = np.random.default_rng(seed), np.full((draws, 3), np.nan)
    for k in range(draws):
        outcomes = variation.draw(planned.cluster, len(planned.times), generator)
        row = estimator.overall(planned.moments(outcomes), outcome)
        if row.scale != "level":
            raise NotEstimable(
                f"Power of {estimator.id} is not reckoned: its effect is on a log scale. did_2x2 or twfe on rates "
                "gives an idea."
            )
        if row.estimate is None or row.std_error is None or row.conf_high is None:
            raise NotEstimable("The analysis has no interval on the planned data.")
        found[k] = row.estimate, row.std_error, row.conf_high - row.estimate
        if progress:
            progress(k + 1)
    return found


def _reads_more(estimator: PanelEstimator) -> bool:
    """Whether an estimator's answer needs more of the data than outcomes by unit and period."""
    own = type(estimator).moments is not PanelEstimator.moments
    return own and (estimator.id not in PLAIN or bool(getattr(estimator, "covariates", [])))


def _figures(drawn: Any, planned: Planned, target: float) -> dict[str, Any]:
    import numpy as np

    estimate, half = drawn[:, 0], drawn[:, 2]

    def share(effect: float) -> float:
        return float((np.abs(estimate + effect) > half).mean())

    detectable = _smallest(share, float(half.mean()), target)
    inside = (planned.cohort > planned.times[0]) & (planned.cohort <= planned.times[-1])
    return {
        "n_units": len(planned.cohort),
        "n_treated": int(inside.sum()),
        "n_clusters": int(planned.cluster.max()) + 1,
        "std_error": float(drawn[:, 1].mean()),
        "size": share(0.0),
        "detectable": detectable,
        "curve": tuple((detectable * s, share(detectable * s)) for s in SHARES),
    }


def _smallest(share: Callable[[float], float], start: float, target: float) -> float:
    """The smallest effect found with probability `target`, by bisection."""
    low, high = 0.0, start
    while share(high) < target:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if share(middle) >= target else (middle, high)
    return high
