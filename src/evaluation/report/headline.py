"""The main result: which estimate it is, whether its interval settles the question, and what belongs beside it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from evaluation.report.measures import Measure, measure_of
from evaluation.report.released import Released, is_hidden, main_row
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
        return self.released.mid(self.outcome.label)

    @property
    def program(self) -> str:
        """The program, for the middle of a sentence."""
        return self.released.mid(self.released.program)

    @property
    def name(self) -> str:
        """What the report calls the analysis, with its window where that is not the main analysis's."""
        name, main = self.released.analysis(self.analysis.id), main_time(self.released)
        if not self.within or self.time == main or main is None:
            return name
        return f"{name} ({self.within.strip()})"

    @property
    def within(self) -> str:
        """` within 52 weeks` where the figure has a window, else empty."""
        if self.time is None or not self.released.cohort:
            return ""
        return f" within {self.released.span(self.time)}"

    @property
    def doubted(self) -> bool:
        """Whether a check speaks against this result: then it is told with more caution."""
        return bool(doubts(self))

    @property
    def adjusted(self) -> bool:
        """Whether the analysis holds recorded characteristics equal."""
        return str(options(self.released, self.analysis.id).get("adjust", "none")) != "none"


def options(released: Released, analysis: str) -> dict[str, Any]:
    """The options an analysis ran with, defaults included."""
    row = next(iter(released.rows("analyses", analysis=analysis)), None)
    found = json.loads(row["options"]) if row and row["options"] else {}
    return found if isinstance(found, dict) else {}


def main_time(released: Released) -> float | None:
    """The window of the study's main result; None where it has none."""
    row = _at_own_window(released, released.study.primary.id)
    return row["time"] if row else None


def _at_own_window(released: Released, analysis: str) -> Row | None:
    window = options(released, analysis).get("window")
    row = main_row(released, analysis)
    if row is None or isinstance(window, bool) or not isinstance(window, int | float):
        return row
    return _at(released, row, float(window)) or row


def _at(released: Released, row: Row, time: float) -> Row | None:
    found = released.rows("estimates", analysis=row["analysis"], term=row["term"], time=time)
    return found[0] if found else None


def _chosen_row(released: Released, analysis: str) -> Row | None:
    """The row an analysis is told by: at its own window, else at the main result's, so that like stands by like."""
    row, main = _at_own_window(released, analysis), main_time(released)
    if row is None or main is None or row["time"] is None or options(released, analysis).get("window") is not None:
        return row
    shared = _at(released, row, main)
    return shared if shared and (shared["status"] == "ok" or row["status"] != "ok") else row


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
    """The main results of the other analyses of the same outcome that produced a figure of their own."""
    kept = [head]
    for analysis in released.study.analyses:
        if analysis.id == head.analysis.id or analysis.outcome != head.analysis.outcome:
            continue
        if analysis.among == "completers":
            continue  # a description of those who finished, and no answer to the question
        found = headline(released, analysis)
        if found.known and not any(_same_figure(found, k) for k in kept):
            kept.append(found)
    return kept[1:]


def same_effect(one: Headline, other: Headline) -> bool:
    """Whether two analyses estimate one and the same quantity: outcome, term, scale and window."""
    if one.row is None or other.row is None:
        return False
    return all(one.row[k] == other.row[k] for k in ("outcome", "term", "scale", "time"))


def _same_figure(one: Headline, other: Headline) -> bool:
    """Whether two analyses report one and the same figure, as one window among several does.

    Where nobody leaves early, curves give the very difference in risk that shares give, so the method may differ.
    """
    if not (one.known and other.known):
        return False
    return same_effect(one, other) and math.isclose(one.estimate, other.estimate, rel_tol=1e-9)


# --------------------------------------------------------------------------- what speaks against the result

# What the records lacked when a cohort was built from them: counted, and told with the data.
RECORDS = frozenset(
    ("undated_events", "unknown_offence_codes", "events_after_death", "wrong_stays", "crossover", "filter_without_rows",
     "unknown_codes", "impossible_days", "stays_backwards", "persons_not_found", "silent_end", "coverage_unknown",
     "impossible_ages")
)  # fmt: skip

# Said in their own place, or for information: how far paths may differ is a matter of degree, told as robustness.
NO_DOUBT = frozenset(
    ("small_cohort", "not_estimable", "pretrend_size", "pretrend_power", "honest_breakdown",
     "honest_breakdown_smoothness")
) | RECORDS  # fmt: skip


# How alike an analysis makes its groups, or on which people it rests, says nothing about another's way of adjusting.
OF_ITS_OWN = frozenset(
    ("balance", "overlap", "propensity_tails", "effective_size", "largest_weight", "matched", "trimmed", "attrition",
     "equivalence_after_loss", "differential_follow_up", "missing_data", "proportional_hazards", "street_time",
     "completers_only")
)  # fmt: skip


# A panel's result rests on groups that moved alike before adoption: where its own checks of that fail, there is none.
PATHS_BEFORE = frozenset({"pretrends", "pretrend_leads", "pretrend_slope"})


def credible(head: Headline) -> bool:
    """Whether the figure may be told as a result at all."""
    return not not_credible(head)


def not_credible(head: Headline) -> list[Row]:
    """The failed checks of a panel's result itself that take away its ground: paths that differed before adoption."""
    if not head.known or head.released.panel is None:
        return []
    # With few treated clusters leads fall out of line by chance alone: their tests add a caution and no more.
    if any(c["check"] == "few_treated_clusters" for c in doubts(head) if c["analysis"] == head.analysis.id):
        return []
    return [
        c for c in doubts(head)
        if c["analysis"] == head.analysis.id and c["status"] == "fail" and c["check"] in PATHS_BEFORE
    ]  # fmt: skip


def doubts(head: Headline) -> list[Row]:
    """The checks that speak against a result: its own that failed, then failures elsewhere, then its own warnings.

    A check of the analysis or of the study as a whole that warns or fails counts, and so does one of another
    analysis of the same outcome that fails. One about another window than the result's does not.
    """
    released, own = head.released, {"", head.analysis.id}
    same = {a.id for a in released.study.analyses if a.outcome == head.analysis.outcome}
    checks = [c for c in released.rows("diagnostics") if c["check"] not in NO_DOUBT and not is_hidden(c)]
    mine = [c for c in checks if c["analysis"] in own and c["status"] in {"warn", "fail"} and _about(head, c)]
    theirs = [
        c for c in checks if c["analysis"] in same - own and c["status"] == "fail" and c["check"] not in OF_ITS_OWN
    ]
    return sorted([*mine, *theirs], key=lambda c: c["status"] != "fail")


def _about(head: Headline, check: Row) -> bool:
    return head.released.panel is not None or check["time"] is None or check["time"] == head.time


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


def anticipation(head: Headline) -> int:
    """How many periods before adoption the main analysis sets aside."""
    chosen = options(head.released, head.analysis.id)
    if "anticipation" in chosen:
        return int(chosen["anticipation"] or 0)
    reference = chosen.get("reference")
    return max(-int(reference) - 1, 0) if isinstance(reference, int | float) else 0


@dataclass(frozen=True)
class Level:
    """The adopters' mean outcome in their base period; `late` whether every group was whole in the latest possible."""

    value: float
    late: bool


def starting_level(head: Headline) -> Level | None:
    """The adopters' mean outcome in the base period of each group, groups counted by their size.

    The base period is the last one, before adoption and before what is set aside, in which the whole group is
    observed. None where no group has one, or where the size of one is hidden.
    """
    series = head.released.rows("series", outcome=head.analysis.outcome)
    names = sorted({r["group"] for r in series if r["group"].startswith("cohort:")})
    bases = [_base(head, name, [r for r in series if r["group"] == name]) for name in names]
    found = [b for b in bases if b is not None]
    if not found or any(r["n_units"] is None for r in series if r["group"] in names):
        return None
    size = sum(n for n, _, _ in found)
    return Level(sum(n * mean for n, mean, _ in found) / size, all(late for _, _, late in found))


def _base(head: Headline, group: str, rows: list[Row]) -> tuple[int, float, bool] | None:
    """A group's size, its mean in the base period, and whether that is the latest period it could be."""
    size = max((r["n_units"] or 0 for r in rows), default=0)
    latest = float(group.removeprefix("cohort:")) - 1 - anticipation(head)
    whole = [r for r in rows if r["time"] <= latest and r["n_units"] == size and r["estimate"] is not None]
    if not whole or not size:
        return None
    base = max(whole, key=lambda r: float(r["time"]))
    return size, float(base["estimate"]), base["time"] == latest


def comparison_level(head: Headline) -> float | None:
    """The comparison group's mean outcome over all periods."""
    rows = head.released.rows("series", outcome=head.analysis.outcome, group="control", status="ok")
    values = [r["estimate"] for r in rows if r["estimate"] is not None]
    return sum(values) / len(values) if values else None
