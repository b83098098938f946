"""Analyses whose data hold no comparison they could answer from: told before anything is fitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from evaluation.errors import Problem, Severity
from evaluation.study.document import Document, Loc
from evaluation.study.models import CohortDesign, PanelDesign

if TYPE_CHECKING:
    from evaluation.data.engine import Source
    from evaluation.estimators._curves import CurveOptions
    from evaluation.estimators.base import Estimator
    from evaluation.estimators.cox import Cox
    from evaluation.estimators.event_count import EventCount
    from evaluation.estimators.risk_difference import RiskDifference
    from evaluation.estimators.rmst import RestrictedMean
    from evaluation.study.models import Design


ONE_DATE = ("did_2x2", "triple_difference")  # estimators that compare before and after one adoption date
OWN_PAST = ("interrupted_time_series",)  # estimators that compare the treated with their own past
FROM_DONORS = ("synthetic_control", "synthetic_did")  # estimators that need units never treated within the data
Lack = tuple[str, str, str]  # the analysis's key to change, why there is no comparison, how to mend it


def lacking(
    document: Document, design: Design, estimators: Mapping[int, Estimator], source: Source
) -> Iterator[Problem]:
    """A problem for each analysis without a valid comparison: an error for a primary one, else a warning.

    The columns must exist and hold what their roles ask for.
    """
    for i, estimator in estimators.items():
        analysis = document.at(("analyses", i))
        if isinstance(design, PanelDesign):
            found = _panel(design, estimator, _column(document, analysis.get("outcome")), source)
        else:
            found = _cohort(_ready(document, i, design), estimator, source)
            if estimator.id == "event_count":
                found = _counts(document, i, design, cast("EventCount", estimator), source)
        if found:
            key, what, fix = found
            severity: Severity = "error" if analysis.get("role") == "primary" else "warning"
            loc: Loc = ("analyses", i, *key.split("."))
            yield document.problem(loc, f"this analysis has no valid comparison: {what}", fix, severity)


def uninformative(
    document: Document, design: Design, estimators: Mapping[int, Estimator], source: Source
) -> Iterator[Problem]:
    """Problems of covariates that tell nothing among the people whom a cohort's analyses would use them for."""
    from evaluation.data.cohort import Cohort
    from evaluation.run.redundant import redundant

    if not isinstance(design, CohortDesign):
        return
    ready = {i: _ready(document, i, design) for i in estimators}
    yield from redundant(document, ready, estimators, {i: Cohort.of(d, source) for i, d in ready.items()})


def _ready(document: Document, place: int, design: CohortDesign) -> CohortDesign:
    """The design as one analysis reads it: its outcome's columns, on its clock."""
    from pydantic import TypeAdapter, ValidationError

    from evaluation.study.models import Analysis, Outcome

    named = document.at(("analyses", place, "outcome"))
    raw = next((o for _, o in document.entries("outcomes") if o.get("id") == named), None)
    try:
        analysis = TypeAdapter(Analysis).validate_python(document.at(("analyses", place)))
        outcome = TypeAdapter(Outcome).validate_python(raw)
    except ValidationError:  # told where the file is judged
        return design
    return design.for_outcome(outcome, design.clock_of(analysis))


def _column(document: Document, outcome: Any) -> str:
    """The column of the outcome with this id; empty when the file does not say."""
    named = [o.get("column") for _, o in document.entries("outcomes") if o.get("id") == outcome]
    return named[0] if named and isinstance(named[0], str) else ""


def _panel(design: PanelDesign, estimator: Estimator, outcome: str, source: Source) -> Lack | None:
    """Whether anyone starts treatment, and has someone to be compared with, where the outcome is known."""
    from evaluation.data.adoption import first_treated

    if outcome not in source.columns:
        return None
    value = source.value
    named = (  # names of its own, in a query of its own: any name may be a column's too
        f"SELECT coalesce({first_treated(source, design.cohort)}, 0) AS g, {value(design.time)} AS t "
        f"FROM {source.scan} WHERE {value(outcome)} IS NOT NULL"
    )
    rows = source.query(
        f"SELECT CAST(g AS BIGINT), CAST(min(t) AS BIGINT), CAST(max(t) AS BIGINT) FROM ({named}) GROUP BY g ORDER BY g"
    )
    cohorts = [g for g, _, _ in rows]
    first, last = min((f for _, f, _ in rows), default=0), max((t for _, _, t in rows), default=0)
    starts = [g for g in cohorts if g != 0 and first < g <= last]
    if not starts:
        return "outcome", "where the outcome is known, no unit starts treatment.", "Choose another outcome."
    never = any(g == 0 or g > last for g in cohorts)
    if estimator.id in OWN_PAST:
        return _own_past(estimator, starts, never)
    return _compared(estimator, cohorts, starts, never) or _third_group(estimator, source)


def _compared(estimator: Estimator, cohorts: list[int], starts: list[int], never: bool) -> Lack | None:
    """Whether those who start have someone to be compared with."""
    if getattr(estimator, "control_group", None) == "never_treated" and 0 not in cohorts:
        return "options.control_group", "no unit is never treated.", "Set control_group: not_yet_treated."
    if not any(g == 0 or g > starts[0] for g in cohorts):
        return "outcome", "where the outcome is known, all are treated at once.", "Choose another outcome."
    if estimator.id in FROM_DONORS and not never:
        return "estimator", "no unit is never treated, to be a donor.", "Choose callaway_santanna with not_yet_treated."
    if estimator.id in ONE_DATE and len(starts) > 1:
        what = f"units adopted at {len(starts)} different times, and {estimator.id} compares before and after one date."
        return "estimator", what, "Choose callaway_santanna, which compares each cohort by itself."
    return None


def _own_past(estimator: Estimator, starts: list[int], never: bool) -> Lack | None:
    """Whether there is one start, and untreated units where a comparison series is asked for."""
    if len(starts) > 1:
        what = f"units adopted at {len(starts)} different times, and one series has one start."
        return "estimator", what, "Choose callaway_santanna, which compares each cohort by itself."
    if getattr(estimator, "comparison", None) == "never_treated" and not never:
        return "options.comparison", "no unit is never treated.", "Set comparison: none."
    return None


def _third_group(estimator: Estimator, source: Source) -> Lack | None:
    """Whether a triple difference's third group holds 0 and 1, each once at least."""
    third = getattr(estimator, "third", None)
    if third not in source.columns:
        return None
    if source.is_number(third):
        value = source.number(third)
        rows = source.query(f"SELECT DISTINCT {value} FROM {source.scan} WHERE {value} IS NOT NULL LIMIT 3")
        if {v for (v,) in rows} == {0.0, 1.0}:
            return None
    what = f'the column "{third}" does not hold 0 and 1, both and nothing else.'
    return "options.third", what, "Name a column with 1 where treatment can reach the unit, and 0 where it cannot."


# --------------------------------------------------------------------------- cohorts


@dataclass(frozen=True)
class _People:
    """The people an analysis can use: those with arm, time, event, cluster and its covariates known."""

    design: CohortDesign
    source: Source
    known: str

    @classmethod
    def of(cls, design: CohortDesign, estimator: Estimator, source: Source) -> _People:
        optional = [c for c in (design.cluster, design.weights) if c]
        named = [design.arm, design.time, design.event, *optional]
        columns = [*named, *estimator.covariate_columns(list(design.covariates))]
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


def _cohort(design: CohortDesign, estimator: Estimator, source: Source) -> Lack | None:
    judges: dict[str, Callable[[_People, Any], Lack | None]] = {
        "risk_difference": _risks, "kaplan_meier": _curves, "cumulative_incidence": _curves,
        "rmst": _means, "cox": _hazard, "fine_gray": _hazard, "pooled_logistic": _hazard}  # fmt: skip
    judge = judges.get(estimator.id)
    return judge(_People.of(design, estimator, source), estimator) if judge else None


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


def _counts(document: Document, place: int, design: CohortDesign, estimator: EventCount, source: Source) -> Lack | None:
    """Whether columns hold numbers of events and time at risk, and people of both arms have events."""
    from evaluation.data.cohort import Cohort
    from evaluation.errors import NotEstimable
    from evaluation.estimators._counted import count_columns

    ready = _ready(document, place, design)
    cohort = replace(Cohort.of(ready, source), built=ready is not design)
    outcome = str(document.at(("analyses", place, "outcome")))
    try:
        found = count_columns(cohort, outcome, estimator.count, estimator.exposure, estimator.window)
    except NotEstimable as none:
        what, _, fix = str(none).partition("; ")
        return "options", f"{what}.", f"{fix[:1].upper()}{fix[1:]}"
    if found.count not in source.columns or found.exposure not in source.columns:
        return None  # told as a column that is not there
    people = _People.of(ready.model_copy(update={"time": found.exposure, "event": found.count}), estimator, source)
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
    return (
        "options.window",
        "; ".join(r for r in reasons if r) + ".",
        "Choose a shorter window, kaplan_meier, which reckons with censoring, or censoring: ipcw.",
    )


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
    regressed = estimator.adjust in ("regression", "aipw")
    if regressed and any(n in (0, total) for n, total in zip(events, arms, strict=True)):
        return f"in one of the arms nobody or everybody has the outcome by {people.span(window)}, so a regression fails"
    return None
