"""Risks by the end of a window, their difference and ratios: plain, or between arms made comparable."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from evaluation.errors import NotEstimable
from evaluation.estimators._risk_adjustment import Adjustment, RiskAdjustment
from evaluation.estimators._risk_options import RiskOptions
from evaluation.results import Check, Estimate, FlowStep, ResultSet, not_estimable

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort, CohortRows
    from evaluation.inference.balance import Compared
    from evaluation.inference.risks import Figure, Figures
    from evaluation.inference.window_risks import ByArm, WindowRisks
    from evaluation.study.models import Outcome

NAMES = {
    "risk_treated": "risk if treated",
    "risk_control": "risk if not treated",
    "risk_difference": "risk difference",
    "risk_ratio": "risk ratio",
    "odds_ratio": "odds ratio",
}


class RiskDifference(RiskOptions):
    """Proportions with the outcome by each window, among people who could be followed that long."""

    id: ClassVar[str] = "risk_difference"
    design: ClassVar[Literal["panel", "cohort"]] = "cohort"
    title: ClassVar[str] = "Risk difference"
    summary: ClassVar[str] = (
        "Share of people with the outcome by the end of a window, by arm; their difference, ratio and odds ratio; "
        "plain, or adjusted: standardised by regression, weighted by the propensity, both (doubly robust), or matched."
    )
    needs: ClassVar[str] = (
        "An arm, a time and an event; a window; `follow_up`, unless nobody is censored before the window or "
        "`censoring: ipcw` is set; covariates for iptw, aipw and matching."
    )
    conventions: ClassVar[str] = (
        "Plain: Wilson intervals of the risks; difference with HC1 standard error, Newcombe's hybrid score interval "
        "and the p-value of the pooled score test; ratios from the log scale (Katz, Woolf). Adjusted: M-estimation "
        "variances that hold every estimated model, normal. Matching: clustered by matched set (and person, with "
        "replacement), t. With clusters: CR1 variances, t with G - 1 degrees of freedom. "
        "People whom a competing event meets first stay in the denominator as non-events."
    )
    source: ClassVar[str] = (
        "Wilson (1927); Newcombe (1998); Katz et al. (1978); Woolf (1955); Robins (1986); Lunceford & Davidian (2004); "
        "Robins, Rotnitzky & Zhao (1994); Li, Morgan & Zaslavsky (2018); Rosenbaum & Rubin (1985); Austin (2011); "
        "Robins & Rotnitzky (1992); Stefanski & Boos (2002)."
    )

    def fit(self, frame: Cohort, outcome: Outcome) -> ResultSet:
        """Five estimates at each window (`NAMES`); those without an answer say why.

        Raises
        ------
        NotEstimable
            When neither the options nor the design name a window.
        """
        windows = (self.window,) if self.window is not None else frame.windows
        if not windows:
            raise NotEstimable("no window is named; set the option `window`, or declare `windows` in the design.")
        rows = self._rows(frame)
        parts = [self._at(frame, rows, outcome.label, window) for window in windows]
        flow = frame.flow(self.covariate_columns(list(frame.covariates)))
        found = [part.results() for part in parts]
        return ResultSet(
            estimates=tuple(e for f in found for e in f.estimates),
            inference=tuple(i for f in found for i in f.inference),
            checks=_few_clusters(parts) + tuple(c for f in found for c in f.checks),
            flow=flow + tuple(s for p in parts for s in p.flow(flow[-1].n_remaining)),
        )

    @property
    def counted(self) -> bool:
        """Whether all that is needed are numbers of people, not people."""
        return self.adjust == "none" and self.censoring == "refuse"

    def _rows(self, frame: Cohort) -> CohortRows:
        if self.counted and not frame.weights:
            return frame.counts()
        return frame.rows(self.covariate_columns(list(frame.covariates)))

    def _at(self, frame: Cohort, rows: CohortRows, outcome: str, window: float) -> _Window:
        from evaluation.data.windows import at_window
        from evaluation.inference.window_risks import WindowRisks

        return _Window(self, frame, outcome, window, WindowRisks(rows, at_window(rows, window), self.conf_level))

    def compared(self, frame: Cohort) -> list[Compared]:
        """People as each window compares them, for diagnostics; none where nothing is adjusted, or has an answer."""
        windows = (self.window,) if self.window is not None else frame.windows
        if self.adjust == "none":
            return []
        rows = self._rows(frame)
        found = [self._at(frame, rows, "", window).compared() for window in windows]
        return [c for c in found if c is not None]


@dataclass(frozen=True)
class _Window:
    """The rows of one window: estimates, how they were reckoned, and what a reader must know."""

    options: RiskDifference
    cohort: Cohort
    outcome: str
    window: float
    eligible: WindowRisks

    @property
    def span(self) -> str:
        return self.cohort.span(self.window)

    @cached_property
    def adjustment(self) -> Adjustment | NotEstimable | None:
        """The arms made comparable, or why not; None where people are only counted."""
        try:
            self.eligible.check(self.span, reweighted=self.options.censoring == "ipcw")
            return None if self.options.counted else self._asked.adjust()
        except NotEstimable as none:
            return none

    @property
    def _asked(self) -> RiskAdjustment:
        columns = self.options.columns(list(self.cohort.covariates))
        return RiskAdjustment(self.options, self.eligible, self.window, self.span, self.cohort.arm, columns)

    @cached_property
    def risks(self) -> WindowRisks:
        """The window among those whom the figures rest on."""
        return self.adjustment.used(self.eligible) if isinstance(self.adjustment, Adjustment) else self.eligible

    def results(self) -> ResultSet:
        found = self._figures()
        estimates, inference, checks = [], [], self._competing()
        if isinstance(self.adjustment, Adjustment):
            checks += self.adjustment.checks
        for term in NAMES:
            figure = found if isinstance(found, NotEstimable) else found[term]
            if isinstance(figure, (str, NotEstimable)):
                estimate, check = self._without(term, figure)
                checks.append(check)
            else:
                estimate = self._estimate(term, figure)
                inference += [replace(row, time=self.window) for row in figure.rules]
            estimates.append(estimate)
        return ResultSet(tuple(estimates), tuple(inference), tuple(checks))

    def _figures(self) -> Figures | NotEstimable:
        adjustment = self.adjustment
        if isinstance(adjustment, NotEstimable):
            return adjustment
        try:
            if adjustment is None:
                return self.eligible.plain()
            return self.eligible.figures(adjustment.means, adjustment.method, self.risks)
        except NotEstimable as none:
            return none

    def compared(self) -> Compared | None:
        """People as this window compares them; None where it has no answer."""
        return self._asked.compared(self.adjustment) if isinstance(self.adjustment, Adjustment) else None

    def _key(self) -> dict[str, Any]:
        """What every estimate of this window says beside its figures."""
        people = self.risks.people(self.risks.at.eligible)
        return {
            "time": self.window, "scale": "risk", "conf_level": self.options.conf_level, "n_obs": people.total,
            "n_units": people.total, "n_treated_units": people.treated,
            "n_clusters": people.total if self.risks.n_clusters is None else self.risks.n_clusters,
        }  # fmt: skip

    def _estimand(self, term: str) -> str:
        return f"{NAMES[term]} ({self.cohort.comparison}, {self.options.whom(self.cohort.assignment)})"

    def _counts(self, term: str) -> tuple[int, ...]:
        """Events and non-events that a figure rests on; and both arms' people, whom each row tells."""
        cells: tuple[int, ...] = self.risks.cells
        if self.options.adjust == "none":
            cells = {"risk_treated": cells[:2], "risk_control": cells[2:]}.get(term, cells)
        lost = self.risks.people(self.risks.at.lost)
        return cells + self.risks.people(self.risks.at.eligible).counts + (lost.counts if self._weighs(lost) else ())

    def _weighs(self, lost: ByArm) -> bool:
        return lost.total > 0 and self.options.censoring == "ipcw"

    def _estimate(self, term: str, figure: Figure) -> Estimate:
        interval = figure.interval
        return Estimate(
            term, self._estimand(term), figure.estimate, figure.std_error, interval.low, interval.high,
            interval.p_value, counts=self._counts(term), **self._key(),
        )  # fmt: skip

    def _without(self, term: str, reason: str | NotEstimable) -> tuple[Estimate, Check]:
        counts = self._counts(term) + (reason.counts if isinstance(reason, NotEstimable) else ())
        return not_estimable(term, self._estimand(term), f"By {self.span}: {reason}", counts, **self._key())

    def flow(self, n_before: int) -> tuple[FlowStep, ...]:
        """People not eligible, or set aside, who are left out of this window alone."""
        steps, left = [], n_before
        at = self.eligible.at
        gone = [
            ("unknown_follow_up", "follow-up not known", at.unknown),
            ("short_follow_up", f"followed for less than {self.span}", at.short),
        ]
        if isinstance(self.adjustment, Adjustment):
            gone += [(n, why, self.eligible.among(flags).at.eligible) for n, why, flags in self.adjustment.left]
        for name, reason, flags in gone:
            dropped = self.eligible.people(flags).total
            left -= dropped
            if dropped:
                steps.append(FlowStep(f"{name}_{self.window:g}", reason, "person", dropped, left))
        return tuple(steps)

    def _competing(self) -> list[Check]:
        first = self.risks.people(self.risks.at.competing)
        if not first.total:
            return []
        message = (
            f"By {self.span}, {first} had another event first ({', '.join(sorted(self.cohort.competing))}). They stay "
            f"in the denominator, counted as not having the outcome ({self.outcome})."
        )
        return [
            Check("competing_events", "info", message, time=self.window, statistic=first.total, counts=first.counts)
        ]


def _few_clusters(parts: list[_Window]) -> tuple[Check, ...]:
    """A warning about the window with the fewest clusters, where there are too few."""
    from evaluation.inference.rule import few_clusters

    found = [(p.risks.n_clusters, p.risks.people(p.risks.at.eligible).total) for p in parts if p.risks.n_clusters]
    return few_clusters(*min(found)) if found else ()
