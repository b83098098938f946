"""The main result: which estimate it is, whether its interval settles the question, and what belongs beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from evaluation.report.measures import Measure, measure_of
from evaluation.report.released import Released, main_row
from evaluation.report.words import lower_first
from evaluation.results import Row
from evaluation.study.models import Analysis, Outcome


@dataclass(frozen=True)
class Headline:
    """The primary estimate, ready to be told.

    `status` is that of the row, `failed` or `not_estimable` where there is none; `risks` are the two groups'
    risks (treated, control) where both are known; `clear` whether the interval lies on one side of no difference.
    """

    released: Released
    analysis: Analysis
    outcome: Outcome
    row: Row | None
    status: str
    reason: str
    measure: Measure | None
    risks: tuple[float, float] | None

    @property
    def known(self) -> bool:
        """Whether there is a figure to tell."""
        return self.row is not None and self.status == "ok" and self.row["estimate"] is not None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The confidence interval of a known figure, on the stored scale."""
        if not self.known or self.row is None or self.row["conf_low"] is None or self.row["conf_high"] is None:
            return None
        return self.row["conf_low"], self.row["conf_high"]

    @property
    def clear(self) -> bool:
        """Whether the interval settles the direction."""
        return self.interval is not None and self.measure is not None and self.measure.excludes_null(*self.interval)

    @property
    def estimate(self) -> float:
        """The primary figure; ask `known` first."""
        assert self.row is not None  # noqa: S101 - narrows the type
        return float(self.row["estimate"])

    @property
    def told(self) -> Measure:
        """The measure of a known figure."""
        assert self.measure is not None  # noqa: S101 - narrows the type
        return self.measure

    @property
    def time(self) -> float | None:
        """The window or period of the figure."""
        return self.row["time"] if self.row else None

    @property
    def thing(self) -> str:
        """The outcome, for the middle of a sentence."""
        return lower_first(self.outcome.label)

    @property
    def program(self) -> str:
        """The program, for the middle of a sentence."""
        return lower_first(self.released.program)

    @property
    def within(self) -> str:
        """` within 52 weeks` where the figure has a window, else empty."""
        if self.time is None or not self.released.cohort:
            return ""
        return f" within {self.released.span(self.time)}"

    @property
    def doubted(self) -> bool:
        """Whether a check of this analysis failed: then the result is told with more caution."""
        return any(c["status"] == "fail" for c in self.released.rows("diagnostics", analysis=self.analysis.id))

    @property
    def adjusted(self) -> bool:
        """Whether the analysis holds recorded characteristics equal."""
        return str(options(self.released, self.analysis.id).get("adjust", "none")) != "none"


def options(released: Released, analysis: str) -> dict[str, Any]:
    """The options an analysis ran with, defaults included."""
    row = next(iter(released.rows("analyses", analysis=analysis)), None)
    found = json.loads(row["options"]) if row and row["options"] else {}
    return found if isinstance(found, dict) else {}


def _chosen_row(released: Released, analysis: str) -> Row | None:
    window = options(released, analysis).get("window")
    row = main_row(released, analysis)
    if row is None or isinstance(window, bool) or not isinstance(window, int | float):
        return row
    at_window = released.rows("estimates", analysis=analysis, term=row["term"], time=float(window))
    return at_window[0] if at_window else row


def risks_beside(released: Released, row: Row) -> tuple[float, float] | None:
    """The risks (treated, control) that a row's difference is made of, where both are shown."""
    found = []
    for term in ("risk_treated", "risk_control"):
        rows = released.rows("estimates", analysis=row["analysis"], term=term, time=row["time"], status="ok")
        if not rows or rows[0]["estimate"] is None:
            return None
        found.append(float(rows[0]["estimate"]))
    return found[0], found[1]


def headline(released: Released, analysis: Analysis | None = None) -> Headline:
    """The main result of the study, or of one of its analyses."""
    analysis = analysis or released.study.primary
    outcome = released.study.outcome(analysis.outcome)
    row = _chosen_row(released, analysis.id)
    done = next(iter(released.rows("analyses", analysis=analysis.id)), None)
    if row is None:
        status = done["status"] if done and done["status"] != "ok" else "not_estimable"
        reason = released.prose(done["reason"]) if done and done["reason"] else "no overall figure was produced"
        return Headline(released, analysis, outcome, None, status, reason, None, None)
    reason = "" if row["status"] == "ok" else released.reason(row)
    risks = risks_beside(released, row)
    measure = measure_of(row, outcome, released.time_unit, list(risks) if risks else None)
    return Headline(released, analysis, outcome, row, row["status"], reason, measure, risks)


def others(released: Released, head: Headline) -> list[Headline]:
    """The main results of the other analyses of the same outcome that produced a figure."""
    found = [
        headline(released, a)
        for a in released.study.analyses
        if a.id != head.analysis.id and a.outcome == head.analysis.outcome
    ]
    return [h for h in found if h.known and not _same_figure(h, head)]


def _same_figure(one: Headline, other: Headline) -> bool:
    """Whether two analyses report one and the same figure, as one window among several does."""
    if one.row is None or other.row is None:
        return False
    return all(one.row[k] == other.row[k] for k in ("estimator", "term", "time", "estimate", "std_error"))


# --------------------------------------------------------------------------- what "for scale" rests on


def control_risk(head: Headline) -> tuple[float, float] | None:
    """The comparison group's risk and the time it is for, from any analysis of the outcome or its curve."""
    released = head.released
    rows = released.rows("estimates", outcome=head.analysis.outcome, term="risk_control", status="ok")
    rows = [r for r in rows if r["estimate"] is not None and r["time"] is not None]
    if rows:
        row = max(rows, key=lambda r: (r["time"] == head.time, r["time"]))
        return row["estimate"], row["time"]
    points = [
        r
        for r in released.rows("curve", outcome=head.analysis.outcome, group="control", status="ok")
        if r["estimate"] is not None
    ]
    if not points:
        return None
    last = max(points, key=lambda r: float(r["time"]))
    risk = 1 - last["estimate"] if last["quantity"] == "survival" else last["estimate"]
    return risk, last["time"]


def starting_level(head: Headline) -> float | None:
    """The adopters' mean outcome in the last period before each adopted, groups counted by their size."""
    series = head.released.rows("series", outcome=head.analysis.outcome, status="ok")
    total = size = 0.0
    for group in sorted({r["group"] for r in series if r["group"].startswith("cohort:")}):
        start = float(group.removeprefix("cohort:"))
        before = [r for r in series if r["group"] == group and r["time"] < start and r["estimate"] is not None]
        if before:
            last = max(before, key=lambda r: float(r["time"]))
            weight = float(last["n_units"] or 1)
            total, size = total + weight * last["estimate"], size + weight
    return total / size if size else None


def comparison_level(head: Headline) -> float | None:
    """The comparison group's mean outcome over all periods."""
    rows = head.released.rows("series", outcome=head.analysis.outcome, group="control", status="ok")
    values = [r["estimate"] for r in rows if r["estimate"] is not None]
    return sum(values) / len(values) if values else None
