"""How large an effect a planned cohort study can detect, by formula and before outcomes are opened by arm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from evaluation.errors import EvaluationError, NotEstimable, Problem, StudyError
from evaluation.results import Row
from evaluation.run.declared import Declared
from evaluation.study.models import Analysis, CohortDesign, Study

if TYPE_CHECKING:
    from evaluation.data.engine import Source
    from evaluation.estimators.base import Estimator
    from evaluation.inference.cohort_power import Arms, Hazards, Power
    from evaluation.study.load import StudyFile

RISKS = ("risk_difference", "kaplan_meier", "cumulative_incidence")
HAZARDS = ("cox", "fine_gray")
MEANS = ("rmst",)
BY_CLUSTER = ("risk_difference",)  # estimators whose test has degrees of freedom from clusters
DEFAULT_ICC = 0.05
SHARES = (0.25, 0.5, 0.75, 1.0, 1.5)  # of the smallest effect found, at which power is shown
FURTHEST_LOG_RATIO = math.log(50)
Kind = Literal["risk", "log_hazard", "time"]


@dataclass(frozen=True)
class Plans:
    """A study's file, its estimators, its data (None where there are none) and what the command line declares."""

    file: StudyFile
    estimators: tuple[Estimator, ...]
    source: Source | None
    declared: Declared


@dataclass(frozen=True)
class CohortPower:
    """What one analysis can detect at one window, on `scale`: a risk difference, a log hazard ratio, or time.

    People are those whose outcome will be known. `planned_effect` is the study's `simulation.effect`, where it is on
    the scale of this analysis.
    """

    analysis: str
    outcome: str
    estimator: str
    window: float | None
    time_unit: str
    scale: Kind
    rests_on: str
    n_people: int
    n_treated: int
    n_clusters: int | None
    design_effect: float
    baseline: float
    events: float
    std_error: float
    detectable: float
    detectable_ratio: float | None
    planned_effect: float | None
    planned_power: float | None
    curve: tuple[tuple[float, float], ...]

    def row(self) -> Row:
        """As one flat row for `--json`."""
        return vars(self) | {"curve": [{"effect": e, "power": p} for e, p in self.curve]}


def plans(file: StudyFile, declared: Declared) -> Plans:
    """The study with its data, where they are there and `declared` does not stand in for them.

    Raises
    ------
    StudyError
        When an analysis asks for an estimator or an option that there is not, or the data lack a column.
    EvaluationError
        When there are no data and nothing declared.
    """
    from evaluation.run.columns import design_problems
    from evaluation.run.design import chosen_estimators, data

    source = None if declared.people is not None else data(file)
    wrong = [p for p in design_problems(file, source) if p.severity == "error"] if source else []
    if wrong:
        raise StudyError(*wrong)
    simulation = file.study.simulation
    if source is None and declared.people is None and simulation is None:
        what = "there are no data to see who is planned."
        raise EvaluationError(Problem(str(file.path), "data", what, "Give --people and --baseline."))
    return Plans(file, chosen_estimators(file), source, declared)


def power(known: Plans, target: float) -> tuple[list[CohortPower], list[Problem]]:
    """The power of every primary and secondary analysis at each of its windows, and why some have none."""
    found: list[CohortPower] = []
    problems: list[Problem] = []
    for analysis, estimator in zip(known.file.study.analyses, known.estimators, strict=True):
        if analysis.role not in ("primary", "secondary"):
            continue
        for window in _windows(known.file.study, analysis, estimator):
            try:
                found.append(_power(known, analysis, estimator, window, target))
            except NotEstimable as none:
                key = f"analyses.{analysis.id}"
                problems.append(Problem(str(known.file.path), key, str(none), "", severity="warning"))
                break
    return found, problems


def _windows(study: Study, analysis: Analysis, estimator: Estimator) -> list[float | None]:
    own = getattr(estimator, "window", None)
    if own is not None:
        return [own]
    windows = _ready(study, analysis).windows
    if estimator.id in HAZARDS or estimator.id in MEANS:
        return [max(windows, default=None)]
    return [*windows] or [None]


def _ready(study: Study, analysis: Analysis) -> CohortDesign:
    design = cast("CohortDesign", study.design)
    return design.for_outcome(study.outcome(analysis.outcome), design.clock_of(analysis))


# --------------------------------------------------------------------------- what is planned


@dataclass(frozen=True)
class _Basis:
    """The people of both arms, the clusters, the hazards by the window, and where all this is from."""

    arms: Arms
    n_clusters: int | None
    hazards: Hazards
    rests_on: str


def _basis(known: Plans, analysis: Analysis, estimator: Estimator, window: float | None) -> _Basis:
    hazards, of_risk = _hazards(known, analysis, window)
    adjusts = bool(estimator.covariate_columns(_ready(known.file.study, analysis).covariates))
    arms, clusters, of_people = _people(known, analysis, estimator, window, adjusts)
    return _Basis(arms, clusters, hazards, f"{of_people}; {of_risk}")


def _people(known: Plans, analysis: Analysis, estimator: Estimator, window: float | None, adjusts: bool
            ) -> tuple[Arms, int | None, str]:  # fmt: skip
    from evaluation.data.cohort import Cohort
    from evaluation.data.planned_cohort import arm_r_squared, eligible
    from evaluation.inference.cohort_power import Arms, clusters_as_they_are

    given, study = known.declared, known.file.study
    kept = 1 - (given.attrition or 0.0)
    if known.source is None:
        return _declared_people(known, estimator, kept, adjusts)
    cohort = Cohort.for_analysis(study, analysis, known.source)
    people = eligible(cohort, window)
    treated, control = int(people.treated.sum()), int(people.control.sum())
    if not treated or not control:
        raise NotEstimable("In an arm nobody can be followed that long.")
    explained = given.arm_r_squared
    if explained is None:
        covariates = estimator.covariate_columns(list(cohort.covariates)) if adjusts else []
        explained = arm_r_squared(cohort, covariates) if cohort.assignment == "observational" else 0.0
    clusters, effect = None, 1.0
    if cohort.cluster:
        icc = DEFAULT_ICC if given.icc is None else given.icc
        clusters = len(people.treated)
        effect = clusters_as_they_are(people.treated, people.control, icc)
    arms = Arms(treated * kept, control * kept, effect, min(explained, 0.99), _df(estimator, clusters))
    of_people = "the people in the data" + (" who can be followed that long" if cohort.follow_up else "")
    return arms, clusters, of_people + _said(given, clusters)


def _declared_people(known: Plans, estimator: Estimator, kept: float, adjusts: bool) -> tuple[Arms, int | None, str]:
    from evaluation.inference.cohort_power import Arms, equal_clusters

    given, simulation = known.declared, known.file.study.simulation
    people = given.people or (simulation.size if simulation else 0)
    share = 0.5 if given.treated_share is None else given.treated_share
    effect = 1.0
    if given.clusters is not None:
        icc = DEFAULT_ICC if given.icc is None else given.icc
        effect = equal_clusters(people * kept / given.clusters, icc, given.cluster_variation or 0.0)
    explained = (given.arm_r_squared or 0.0) if adjusts else 0.0
    arms = Arms(people * share * kept, people * (1 - share) * kept, effect, explained, _df(estimator, given.clusters))
    where = "the people declared" if given.people else "the people that the study's simulation section declares"
    return arms, given.clusters, where + _said(given, given.clusters)


def _df(estimator: Estimator, clusters: int | None) -> float | None:
    return float(clusters - 1) if clusters is not None and estimator.id in BY_CLUSTER else None


def _said(given: Declared, clusters: int | None) -> str:
    """What was assumed of those who are lost, and of clusters."""
    lost = f", {given.attrition:.0%} of whom are lost" if given.attrition else ""
    if clusters is None:
        return lost
    icc = DEFAULT_ICC if given.icc is None else given.icc
    assumed = " (assumed)" if given.icc is None else ""
    return f"{lost}, with a correlation of {icc:g} within clusters{assumed}"


def _hazards(known: Plans, analysis: Analysis, window: float | None) -> tuple[Hazards, str]:
    """The baseline risk by the window: declared, else of the simulation section, else of both arms together."""
    from evaluation.data.cohort import Cohort
    from evaluation.data.planned_cohort import pooled_risks
    from evaluation.data.simulate_cohort import BASELINE, primary_window
    from evaluation.inference.cohort_power import Hazards

    given, study = known.declared, known.file.study
    simulation = study.simulation
    stated = given.baseline or (simulation.baseline if simulation else None)
    if stated is None and known.source is not None:
        pooled = pooled_risks(Cohort.for_analysis(study, analysis, known.source), window)
        if pooled is None or not 0 < pooled.risk < 1:
            raise NotEstimable("Nobody's outcome, or everybody's, is known by then; give --baseline.")
        return (Hazards.of(pooled.risk, min(pooled.competing, 0.99 - pooled.risk)),
                "the baseline risk is that of both arms together; no arm's was read by itself")  # fmt: skip
    if stated is None and simulation is None:
        raise NotEstimable("The risk without the program is not known; give --baseline.")
    where = "declared" if given.baseline else "that of the study's simulation section"
    risk, competing = stated or BASELINE, given.competing or 0.0
    if not 0 < risk < 1 or risk + competing >= 1:
        raise NotEstimable("The baseline risk and the share of competing events must lie between 0 and 1, and so must "
                           "their sum.")  # fmt: skip
    whole = Hazards.of(risk, competing)
    part = 1.0 if window is None else window / primary_window(study, _ready(study, study.primary))
    scaled = Hazards(whole.outcome * part, whole.competing * part)
    return scaled, f"the baseline risk is {where}" + ("" if part == 1 else ", at a constant hazard")


# --------------------------------------------------------------------------- what it can find


def _power(known: Plans, analysis: Analysis, estimator: Estimator, window: float | None, target: float) -> CohortPower:
    from evaluation.inference.cohort_power import expected_events, smallest

    study = known.file.study
    kind = _kind(estimator, window)
    basis = _basis(known, analysis, estimator, window)
    adjusts = bool(estimator.covariate_columns(_ready(study, analysis).covariates))
    chance, furthest, std_error = _formula(kind, basis, estimator, window, known.declared, adjusts)
    lower = study.outcome(analysis.outcome).better == "lower"
    sign = -1.0 if lower != (kind == "time") else 1.0
    detectable = smallest(chance, target, sign * furthest[sign < 0])
    if detectable is None:
        raise NotEstimable(f"No effect that can be is found with probability {target:.0%}: too few people or events.")
    planned = _planned(study, estimator, kind, window)
    return CohortPower(
        analysis.id, study.outcome(analysis.outcome).label, analysis.estimator, window,
        _ready(study, analysis).time_unit, kind, basis.rests_on, round(basis.arms.people), round(basis.arms.treated),
        basis.n_clusters, basis.arms.design_effect, basis.hazards.risk(),
        expected_events(basis.arms, basis.hazards, 0.0), std_error, detectable,
        math.exp(detectable) if kind == "log_hazard" else None, planned,
        None if planned is None else chance(planned),
        tuple((detectable * s, chance(detectable * s)) for s in SHARES if abs(detectable * s) <= furthest[sign < 0]),
    )  # fmt: skip


def _kind(estimator: Estimator, window: float | None) -> Kind:
    if estimator.id in RISKS:
        return "risk"
    if estimator.id in HAZARDS:
        return "log_hazard"
    if estimator.id in MEANS and window is not None:
        return "time"
    raise NotEstimable(f"Power of {estimator.id} is not reckoned; risk_difference or cox on the same outcome gives an "
                       "idea.")  # fmt: skip


def _formula(kind: Kind, basis: _Basis, estimator: Estimator, window: float | None, given: Declared, adjusts: bool
             ) -> tuple[Power, tuple[float, float], float]:  # fmt: skip
    """Power of an effect, how far effects can reach upwards and downwards, and the standard error without effect."""
    from evaluation.inference import cohort_power as formulas

    arms, hazards, level = basis.arms, basis.hazards, estimator.conf_level
    risk = hazards.risk()
    explained = (given.r_squared or 0.0) if adjusts else 0.0
    if kind == "risk":
        spread = (1 - explained) * risk * (1 - risk)
        return (lambda e: formulas.risk_difference_power(arms, risk, e, level, explained),
                (1 - risk, risk), arms.spread(spread, spread))  # fmt: skip
    if kind == "time":
        wide = hazards.restricted_spread(cast("float", window)) * math.sqrt(1 - explained)
        return (lambda e: formulas.mean_difference_power(arms, wide, e, level),
                (cast("float", window), cast("float", window)), arms.spread(wide**2, wide**2))  # fmt: skip

    def of_ratio(effect: float) -> float:
        return formulas.hazard_ratio_power(arms, formulas.expected_events(arms, hazards, effect), effect, level)

    events = formulas.expected_events(arms, hazards, 0.0)
    error = math.sqrt(arms.inflation / (events * arms.share * (1 - arms.share)))
    return of_ratio, (FURTHEST_LOG_RATIO, FURTHEST_LOG_RATIO), error


def _planned(study: Study, estimator: Estimator, kind: Kind, window: float | None) -> float | None:
    """The study's planted effect, where it is on the scale of this analysis and at its window."""
    from evaluation.data.simulate_cohort import primary_window

    if study.simulation is None:
        return None
    if kind != "log_hazard" and window != primary_window(study, _ready(study, study.primary)):
        return None
    scale: Any = {"risk": RISKS, "log_hazard": HAZARDS, "time": MEANS}[kind]
    return study.simulation.effect if study.primary.estimator in scale and estimator.id in scale else None
