"""Simulated people followed after an index date, with a planted effect.

How the data come about: characteristics are drawn; in an observational study people at lower risk enter the
program more often; each person has a cumulative hazard over follow-up that gives, at the primary window w, exactly
the risk the model says. With H(t) = (t / w)^SHAPE the survivor function is (1 - risk)^H(t), so that

- a planted **risk difference** comes from a risk that is logistic in arm and characteristics, its arm coefficient
  solved so that the mean over people of (risk with - risk without the program) is the effect: regression
  adjustment with all characteristics is correctly specified, and hazards stay nearly proportional;
- a planted **log hazard ratio** (primary analysis `cox`) multiplies every hazard by its exponential.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from evaluation.data.simulate_covariates import draw, risk_score
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.study.models import CohortDesign, Simulation, Study

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

RISK_DIFFERENCE = ("risk_difference", "kaplan_meier", "cumulative_incidence")
HAZARD_RATIO = ("cox",)
BASELINE = 0.4  # risk without the program by the primary window, where the study does not say
SHAPE = 0.8  # below 1: the hazard falls as time goes on, as it does after release
RISK_SPREAD = 0.8  # standard deviation of the risk score on the log-odds scale
SELECTION = 0.5  # how strongly people at lower risk are favoured, per unit of the risk score
DEATH_RISK = 0.03  # of each competing event, by the last window
MISSING_SHARE = 0.03  # of the values of every third characteristic
A_YEAR = {"day": 365.0, "week": 52.0, "month": 12.0, "year": 1.0}


@dataclass(frozen=True)
class Potential:
    """What would happen to each person with and without the program: their risks by the primary window."""

    risk_treated: Floats
    risk_control: Floats

    @property
    def risk_difference(self) -> float:
        """The planted estimand: the mean difference over everyone."""
        return float((self.risk_treated - self.risk_control).mean())


def primary_window(study: Study, design: CohortDesign) -> float:
    """The window the primary analysis is about: its own, else the last one, else a year."""
    window = study.primary.options.get("window")
    return float(window or max(design.windows, default=A_YEAR[design.time_unit]))


def _problem(what: str, fix: str) -> DataError:
    return DataError(Problem("simulation", "effect", what, fix))


def _solve(function: Any) -> float:
    from scipy.optimize import brentq

    return float(brentq(function, -40, 40, xtol=1e-13))


def potential(score: Floats, effect: float, baseline: float, *, hazard: bool) -> Potential:
    """Risks by the primary window, from the risk score (log odds, or log cumulative hazard when `hazard`).

    Without the program the mean risk is `baseline`. `effect` is a risk difference, or a log hazard ratio when
    `hazard`.

    Raises
    ------
    DataError
        When a risk would leave the range 0 to 1.
    """
    from scipy.special import expit

    if not 0 < baseline < 1 or not (hazard or 0 < baseline + effect < 1):
        raise _problem(
            f"a risk of {baseline:g} without the program cannot change by {effect:g}.",
            "Both risks must lie between 0 and 1: choose another effect, or set simulation.baseline.",
        )
    link = _risk_from_log_hazard if hazard else expit
    constant = _solve(lambda a: link(a + score).mean() - baseline)
    control = link(constant + score)
    arm = effect if hazard else _solve(lambda b: link(constant + b + score).mean() - baseline - effect)
    return Potential(link(constant + arm + score), control)


def _risk_from_log_hazard(log_hazard: Floats) -> Floats:
    import numpy as np

    return -np.expm1(-np.exp(np.minimum(log_hazard, 40)))


def arms(score: Floats, assignment: str, generator: np.random.Generator) -> Integers:
    """Half at random; or, observational, each by a chance that falls with the person's risk."""
    import numpy as np
    from scipy.special import expit

    if assignment == "randomised":
        return generator.permutation(np.arange(len(score)) % 2)
    return (generator.random(len(score)) < expit(-SELECTION * score)).astype(np.int64)


def _whole_steps(design: CohortDesign) -> float:
    """The finest unit of recorded time: whole days, weeks or months, unless windows or years ask for hundredths."""
    whole = design.time_unit != "year" and all(w == int(w) for w in design.windows)
    return 1.0 if whole else 100.0


def _recorded(times: Floats, steps: float) -> Floats:
    """Times rounded up to whole steps: an event within a window stays within it."""
    import numpy as np

    return np.ceil(times * steps) / steps


def _event_times(risk: Floats, window: float, generator: np.random.Generator) -> Floats:
    import numpy as np

    with np.errstate(divide="ignore"):
        return window * (generator.standard_exponential(len(risk)) / -np.log1p(-risk)) ** (1 / SHAPE)


def _follow_up(design: CohortDesign, size: int, horizon: float, generator: np.random.Generator) -> Floats:
    """Potential follow-up: entries spread over a span as long as the last window, or everyone to that window."""
    import numpy as np

    if design.follow_up is None:
        return np.full(size, horizon)
    return horizon * (0.5 + generator.random(size))


def _observed(
    design: CohortDesign, event_times: Floats, follow_up: Floats, window: float, generator: np.random.Generator
) -> tuple[Floats, Integers]:
    """Observed time and event code.

    Competing events befall only those without the outcome by the primary window, and after it only those still
    free of it: the share with the outcome by the window is then the planted risk itself.
    """
    import numpy as np

    time = np.minimum(event_times, follow_up)
    event = (event_times <= follow_up).astype(np.int64)
    horizon = float(max(design.windows, default=window))
    for code in design.competing.values():
        death = horizon / DEATH_RISK * generator.random(len(time))
        dies = (event_times > window) & (death < time)
        time, event = np.where(dies, death, time), np.where(dies, code, event)
    return time, event


def _plant_times(design: CohortDesign, time: Floats, event: Integers, follow_up: Floats) -> None:
    """Edge cases in place: an event on the day of entry, and one on the last day of each window."""
    import numpy as np

    earlier = 0.0
    for window in sorted(design.windows):
        fitting = np.flatnonzero((event == 1) & (time > earlier) & (time <= window) & (follow_up >= window))
        if len(fitting):
            time[fitting[0]] = window
        earlier = window
    first = np.flatnonzero((event == 1) & (time > 0) & (time <= min(design.windows, default=0)))
    if len(first) > 1:
        time[first[-1]] = 0.0


def _with_missing(covariates: dict[str, Integers], generator: np.random.Generator) -> dict[str, Any]:
    """The characteristics, every third of them with values missing at random, one at least."""
    import pyarrow as pa

    found: dict[str, Any] = dict(covariates)
    for name in [*covariates][2::3]:
        missing = generator.random(len(covariates[name])) < MISSING_SHARE
        missing[len(missing) // 2] = True
        found[name] = pa.array(covariates[name], mask=missing)
    return found


def check_estimand(estimator: str) -> None:
    """Raise DataError where the primary analysis has an estimand that cannot be planted."""
    known = RISK_DIFFERENCE + HAZARD_RATIO
    if estimator not in known:
        raise _problem(
            f"the primary analysis estimates by {estimator!r}, whose effect cannot be planted yet.",
            f"Simulate with a primary analysis by one of: {', '.join(known)}.",
        )


def _outcomes(
    design: CohortDesign, risk: Floats, window: float, generator: np.random.Generator
) -> tuple[Floats, Integers, Floats]:
    """Observed time, event code and potential follow-up of each person, in the recorded steps."""
    steps = _whole_steps(design)
    horizon = float(max(design.windows, default=window))
    follow_up = _recorded(_follow_up(design, len(risk), horizon, generator), steps)
    event_times = _recorded(_event_times(risk, window, generator), steps)
    time, event = _observed(design, event_times, follow_up, window, generator)
    time = _recorded(time, steps)
    _plant_times(design, time, event, follow_up)
    if steps == 1:
        time, follow_up = time.astype("int64"), follow_up.astype("int64")
    return time, event, follow_up


def cohort_columns(study: Study, effect: float, plan: Simulation, generator: np.random.Generator) -> dict[str, Any]:
    """Columns of a simulated cohort, by the study's names, one row a person.

    The last person is the first one's double in everything but the identifier.

    Raises
    ------
    DataError
        When the effect is impossible, or the primary analysis has an estimand this version cannot plant.
    """
    import numpy as np

    design = cast("CohortDesign", study.design)
    check_estimand(study.primary.estimator)
    names = dict.fromkeys([*design.covariates, *(d.column for d in study.subgroups)])
    covariates = draw(list(names), plan.size, generator)
    score = np.broadcast_to(risk_score(covariates, RISK_SPREAD), plan.size)
    baseline = BASELINE if plan.baseline is None else plan.baseline
    truth = potential(score, effect, baseline, hazard=study.primary.estimator in HAZARD_RATIO)
    arm = arms(score, design.assignment, generator)
    risk = np.where(arm == 1, truth.risk_treated, truth.risk_control)
    time, event, follow_up = _outcomes(design, risk, primary_window(study, design), generator)
    people = {design.arm: arm, design.time: time, design.event: event}
    if design.follow_up:
        people[design.follow_up] = follow_up
    if design.cluster:
        people[design.cluster] = generator.integers(1, max(2, plan.size // 50), plan.size, endpoint=True)
    for values in (*people.values(), *covariates.values()):
        values[-1] = values[0]
    named = {design.person: np.arange(1, plan.size + 1)} if design.person else {}
    return {**named, **people, **_with_missing(covariates, generator)}
