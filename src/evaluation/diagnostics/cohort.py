"""The whole set of diagnostics of an analysis of people, as the study file switches them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.errors import NotEstimable
from evaluation.estimators.base import Estimator
from evaluation.results import MAIN_TERMS, Check, Estimate, Inference, ResultSet
from evaluation.study.models import Analysis, Outcome, Study

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort

ARGUED = ("primary", "secondary")  # roles whose results carry the argument
Asked = tuple[str, Callable[[], ResultSet]]


@dataclass(frozen=True)
class CohortCase:
    """An analysis of people after its fit: what its diagnostics ask again, under other choices."""

    estimator: Estimator
    cohort: Cohort
    outcome: Outcome
    results: ResultSet
    study: Study
    analysis: Analysis

    @property
    def main(self) -> list[Estimate]:
        """The estimates by which the analysis is judged, one a window; none where nothing could be estimated."""
        found = [e for e in self.results.estimates if e.status == "ok" and e.term in MAIN_TERMS]
        term = next((t for t in MAIN_TERMS if any(e.term == t for e in found)), "")
        return [e for e in found if e.term == term]

    @property
    def argued(self) -> bool:
        """Whether the report argues with this analysis."""
        return self.analysis.role in ARGUED

    @property
    def covariates(self) -> list[str]:
        """The characteristics that the analysis adjusts for."""
        return self.estimator.covariate_columns(list(self.cohort.covariates))

    def span(self, window: float | None) -> str:
        """A window in words: `24 months`."""
        return "" if window is None else self.cohort.span(window)

    def inference(self, estimate: Estimate) -> Inference | None:
        """How the uncertainty of an estimate was reckoned."""
        key = (estimate.term, estimate.group, estimate.time)
        return next((i for i in self.results.inference if (i.term, i.group, i.time) == key), None)

    def on(self, outcome: Outcome) -> Cohort:
        """The same people with another outcome of the study."""
        from evaluation.data.cohort import Cohort

        asked = self.analysis.model_copy(update={"outcome": outcome.id})
        return Cohort.for_analysis(self.study, asked, self.cohort.source)


def diagnose(case: CohortCase) -> ResultSet:
    """The results with what the diagnostics add; one without an answer says nothing."""
    results = case.results
    for name, ask in _asked(case):
        try:
            results += ask()
        except NotEstimable:
            continue
        except Exception as error:  # noqa: BLE001 - a defect in a diagnostic must not lose the estimates
            message = f"The diagnostic {name} stopped on an internal error ({type(error).__name__}: {error})."
            results += ResultSet(checks=(Check("diagnostic_missing", "warn", message, group=name),))
    return results


def _asked(case: CohortCase) -> list[Asked]:
    """What is to be asked, by name, in the order of the results."""
    found: list[Asked] = [("conditions", lambda: ResultSet(checks=tuple(_conditions(case))))]
    found.append(("balance", lambda: _alike(case)))
    found += _evidence(case)
    return found


def _alike(case: CohortCase) -> ResultSet:
    """How alike the arms are, of an estimator that can tell (by its method `compared`) how it weighs people."""
    from evaluation.diagnostics.balance import balance
    from evaluation.diagnostics.overlap import overlap

    ask = getattr(case.estimator, "compared", None)
    compared = ask(case.cohort) if ask else []
    randomised = case.cohort.assignment == "randomised"
    found = balance(compared, randomised=randomised)
    return found if randomised else found + overlap(compared)


def _evidence(case: CohortCase) -> list[Asked]:
    """What evidence standards ask: who is lost or left out, how sure and how large the result is, what it misses."""
    from evaluation.diagnostics import attrition, e_value, effect_size, follow_up, imputation, missing_data
    from evaluation.diagnostics.negative_control import negative_control
    from evaluation.diagnostics.null_precision import minimum_detectable
    from evaluation.diagnostics.second_cohort import second_opinion
    from evaluation.diagnostics.subgroups import subgroups

    found: list[Asked] = []
    if case.argued:
        found += [
            ("attrition", lambda: attrition.attrition(case)),
            ("follow_up", lambda: follow_up.follow_up(case)),
            ("missing_data", lambda: missing_data.missing_data(case)),
            ("imputation", lambda: imputation.imputation(case)),
            ("placebo_outcome", lambda: negative_control(case)),
            ("e_value", lambda: e_value.e_value(case)),
            ("effect_size", lambda: effect_size.effect_size(case)),
            ("second_opinion", lambda: second_opinion(case)),
            ("subgroups", lambda: subgroups(case)),
        ]
    if case.cohort.among == "everyone":
        found.append(("minimum_detectable", lambda: minimum_detectable(case)))
    return found


def _conditions(case: CohortCase) -> list[Check]:
    """What a reader must know of whom, and on which clock, the analysis follows."""
    found = []
    if case.cohort.clock == "street":
        message = (
            "The clock stops while people are in custody. Custody comes after entry and can itself be a result of the "
            "program, so this is a sensitivity analysis beside calendar time and no estimate of the program's effect."
        )
        found.append(Check("street_time", "warn", message))
    if case.cohort.among == "completers":
        message = (
            "Only those who completed the program are compared with all others. Who completes differs from who leaves "
            "in ways that also bear on the outcome, so this describes completers and says nothing about the program's "
            "effect; it is never graded."
        )
        found.append(Check("completers_only", "warn", message))
    return found
