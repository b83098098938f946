"""Cohort analyses whose people hold no comparison that they could answer from: told before anything is fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from evaluation.study.models import CohortDesign

if TYPE_CHECKING:
    from evaluation.data.engine import Source
    from evaluation.estimators._curves import CurveOptions
    from evaluation.estimators.base import Estimator
    from evaluation.estimators.cox import Cox
    from evaluation.estimators.event_count import EventCount
    from evaluation.estimators.risk_difference import RiskDifference
    from evaluation.estimators.rmst import RestrictedMean

NO_OUTCOME = "nobody has the outcome"
Lack = tuple[str, str, str]  # the analysis's key to change, why there is no comparison, how to mend it


@dataclass(frozen=True)
class _People:
    """The people an analysis can use: those with arm, time, event, cluster and its covariates known."""

    design: CohortDesign
    source: Source
    known: str

    @classmethod
    def of(cls, design: CohortDesign, covariates: Iterable[str], source: Source) -> _People:
        optional = [c for c in (design.cluster, design.weights) if c]
        columns = [design.arm, design.time, design.event, *optional, *covariates]
        known = " AND ".join(f"{source.value(c)} IS NOT NULL" for c in columns if c in source.columns)
        return cls(design, source, known)

    def by_arm(self, figure: str, where: str = "true") -> tuple[Any, Any]:
        """An aggregate in SQL over those who meet a condition: of the treated, of the comparison; 0 for nobody."""
        arm = self.source.number(self.design.arm)
        parts = ", ".join(f"coalesce({figure} FILTER ({arm} = {code}), 0)" for code in (1, 0))
        treated, control = self.source.query(f"SELECT {parts} FROM {self.source.scan} WHERE {self.known} AND {where}")[
            0
        ]
        return treated, control

    def span(self, window: float) -> str:
        return f"{window:g} {self.design.time_unit}s"


def among_people(design: CohortDesign, estimator: Estimator, source: Source) -> Lack | None:
    """Why people followed hold no comparison that the estimator could answer from; None where they do."""
    judges: dict[str, Callable[[_People, Any], Lack | None]] = {
        "risk_difference": _risks, "kaplan_meier": _curves, "cumulative_incidence": _curves,
        "rmst": _means, "cox": _hazard, "fine_gray": _hazard, "pooled_logistic": _hazard}  # fmt: skip
    judge = judges.get(estimator.id)
    if judge is None:
        return None
    covariates = estimator.covariate_columns(list(design.covariates))
    people = _People.of(design, covariates, source)
    return _unrecorded(people, covariates) or _told_apart(people, estimator, covariates) or judge(people, estimator)


def _unrecorded(people: _People, covariates: list[str]) -> Lack | None:
    """Covariates that leave an arm without anyone of whom all is known."""
    if all(people.by_arm("count(*)")):
        return None
    arms = _People.of(people.design, [], people.source)
    if not all(arms.by_arm("count(*)")):
        return None  # not for want of covariates
    for column in (c for c in covariates if c in people.source.columns):
        if not all(arms.by_arm(f"count({people.source.value(column)})")):
            what = f"nobody in one of the arms has a value of `{column}`, so nobody is left to be compared."
            return "estimator", what, f"Leave `{column}` out of the covariates, or mend the data."
    what = "nobody in one of the arms has a value of every covariate, so nobody is left to be compared."
    return "estimator", what, "Leave out the covariates that are missing most."


def _told_apart(people: _People, estimator: Estimator, covariates: list[str]) -> Lack | None:
    """A covariate whose values in one arm all lie above those in the other: nobody has anyone like them."""
    if getattr(estimator, "adjust", None) not in ("iptw", "aipw"):
        return None
    source = people.source
    for column in (c for c in covariates if c in source.columns and source.is_number(c)):
        low, high = people.by_arm(f"min({source.number(column)})"), people.by_arm(f"max({source.number(column)})")
        if low == high:
            continue  # one value an arm: told as a column that follows from the arm
        if low[0] > high[1] or low[1] > high[0]:
            what = f"`{column}` alone tells the arms apart: nobody in one of them is like anybody in the other."
            return (
                "estimator",
                what,
                f"Leave `{column}` out if it is another name for the arm; else nothing can be said.",
            )
    return None


def _hazard(people: _People, estimator: Cox) -> Lack | None:  # noqa: ARG001 - as the other judges
    """Whether both arms have the outcome, among people whose covariates are known."""
    events = people.by_arm("count(*)", f"{people.source.number(people.design.event)} = 1")
    if not all(events):
        which = "treated" if events[0] == 0 else "comparison"
        what = f"nobody in the {which} arm has the outcome, where all that the analysis uses is known."
        return "estimator", what, "A hazard ratio has no finite value then; choose risk_difference or other covariates."
    return _one_cluster(people)


def _one_cluster(people: _People) -> Lack | None:
    if not people.design.cluster:
        return None
    clusters = people.by_arm(f"count(DISTINCT {people.source.value(people.design.cluster)})")
    if min(clusters) > 1:
        return None
    return "estimator", "everyone in one of the arms is in one cluster.", "Name another design.cluster, or none."


def _curves(people: _People, estimator: CurveOptions) -> Lack | None:
    """Whether both arms are observed to some window."""
    observed = people.by_arm(f"max({people.source.number(people.design.time)})")
    if estimator.lacks_covariates(list(people.design.covariates)):
        return "options.adjust", "nothing is named to adjust for.", "Add covariates to the design, or to the options."
    windows = people.design.windows if estimator.window is None else [estimator.window]
    if not windows or min(windows) <= min(observed):
        return None
    what = f"nobody in one of the arms is observed for {people.span(min(windows))}."
    return "estimator", what, f"Add a window of {people.span(min(observed))} or less to design.windows."


def _means(people: _People, estimator: RestrictedMean) -> Lack | None:
    """Whether both arms are observed to some horizon, or until nobody in them is left."""
    if estimator.lacks_covariates(list(people.design.covariates)):
        return "options.adjust", "nothing is named to adjust for.", "Add covariates to the design, or to the options."
    time, event = (people.source.number(c) for c in (people.design.time, people.design.event))
    observed = people.by_arm(f"max({time})")
    free = people.by_arm(f"max({time})", f"{event} = 0")
    ends = [last for last, censored in zip(observed, free, strict=True) if censored == last]
    windows = people.design.windows if estimator.window is None else [estimator.window]
    if not windows or not ends or min(windows) <= min(ends):
        return None
    what = f"nobody in one of the arms is observed for {people.span(min(windows))}."
    key = "estimator" if estimator.window is None else "options.window"
    return key, what, f"Choose a window of {people.span(min(ends))} or less."


def among_counts(
    outcome: str, design: CohortDesign, estimator: EventCount, source: Source, *, built: bool
) -> Lack | None:
    """Whether columns hold numbers of events and time at risk, and people of both arms have events."""
    from evaluation.data.cohort import Cohort
    from evaluation.errors import NotEstimable
    from evaluation.estimators._counted import count_columns

    cohort = replace(Cohort.of(design, source), built=built)
    try:
        found = count_columns(cohort, outcome, estimator.count, estimator.exposure, estimator.window)
    except NotEstimable as none:
        what, _, fix = str(none).partition("; ")
        return "options", f"{what}.", f"{fix[:1].upper()}{fix[1:]}"
    if found.count not in source.columns or found.exposure not in source.columns:
        return None  # told as a column that is not there
    covariates = estimator.covariate_columns(list(design.covariates))
    people = _People.of(design.model_copy(update={"time": found.exposure, "event": found.count}), covariates, source)
    at_risk = f"{source.number(found.exposure)} > 0 AND {source.number(found.count)} > 0"
    having = people.by_arm("count(*)", at_risk)
    if not all(having):
        which = "treated" if having[0] == 0 else "comparison"
        what = f"nobody in the {which} arm has an event while at risk, where all that the analysis uses is known."
        return "estimator", what, "A ratio of rates has no finite value then; choose risk_difference."
    return _one_cluster(people)


def _risks(people: _People, estimator: RiskDifference) -> Lack | None:
    """Why none of the windows that a proportion is asked for has an answer."""
    windows = people.design.windows if estimator.window is None else [estimator.window]
    if not windows:
        return "options.window", "neither the analysis nor the design names a window.", "Add windows to the design."
    if estimator.lacks_covariates(list(people.design.covariates)):
        return "options.adjust", "nothing is named to adjust for.", "Add covariates to the design, or to the options."
    reasons = [_window(people, estimator, w) for w in windows]
    if None in reasons:
        return _one_cluster(people)
    fix = "Choose a shorter window, kaplan_meier, which reckons with censoring, or censoring: ipcw."
    if all(r and r.startswith(NO_OUTCOME) for r in reasons):
        fix = "See how the outcome is defined and coded, or choose a longer window."
    return "options.window", "; ".join(r for r in reasons if r) + ".", fix


def _window(people: _People, estimator: RiskDifference, window: float) -> str | None:
    """Why a proportion at one window has no answer: an arm without anyone eligible, or people lost before it; and
    for a regression an arm in which nobody, or everybody, has the outcome."""
    design, number = people.design, people.source.number
    time, event = number(design.time), number(design.event)
    eligible = f"{number(design.follow_up)} >= {window!r}" if design.follow_up else "true"
    arms = people.by_arm("count(*)", eligible)
    if not all(arms):
        return f"nobody in one of the arms is followed for {people.span(window)}"
    lost = people.by_arm("count(*)", f"{eligible} AND {event} = 0 AND {time} < {window!r}")
    if any(lost) and estimator.censoring == "refuse":
        unsaid = "" if design.follow_up else ", and no design.follow_up says who could be followed"
        return f"some people are censored before {people.span(window)}{unsaid}"
    events = people.by_arm("count(*)", f"{eligible} AND {event} = 1 AND {time} <= {window!r}")
    if not any(events):
        return f"{NO_OUTCOME} by {people.span(window)}"
    regressed = estimator.adjust in ("regression", "aipw")
    if regressed and any(n in (0, total) for n, total in zip(events, arms, strict=True)):
        return f"in one of the arms nobody or everybody has the outcome by {people.span(window)}, so a regression fails"
    return None
