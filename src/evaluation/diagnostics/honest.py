"""How far from parallel trends the groups may have moved after adoption before the conclusion falls.

Rambachan and Roth (2023): what was seen before adoption bounds what is allowed after it, either the change of the
trend's slope (smoothness) or its moves (relative magnitudes). And Roth (2022): which drift the look at the leads
would have missed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from evaluation.diagnostics.event_course import EventCourse
from evaluation.diagnostics.missed_drift import pretrend_power
from evaluation.results import Check, ResultSet, Sensitivity

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, PanelMoments
    from evaluation.estimators.base import PanelEstimator
    from evaluation.study.models import Outcome

MULTIPLES = (0.0, 0.5, 1.0, 1.5, 2.0)  # of the largest move, or bend, before adoption
ENOUGH = 1.0  # breakdown value from which departures must exceed what was seen before adoption
LARGEST = 20.0  # multiple beyond which no breakdown is looked for
CLUSTERS_PER_LEAD = 5
SMOOTHNESS = "fixed-length confidence interval, normal (Rambachan and Roth, 2023)"
RELATIVE = "conditional least-favourable hybrid test, normal (Andrews, Roth and Pakes, 2023)"


def honest(estimator: PanelEstimator, moments: PanelMoments, outcome: Outcome, results: ResultSet) -> ResultSet:
    """Sensitivity rows `honest_smoothness`, `honest_relative` and `pretrend_power`, with their checks.

    Group-time effects with a varying base are estimated again with a universal one, so that all event times are
    measured from one period. Raises NotEstimable where that refit has no valid comparison.
    """
    if getattr(estimator, "base_period", None) == "varying":
        results = estimator.model_copy(update={"base_period": "universal"}).estimate(moments, outcome)
    whole = EventCourse.of(results)
    if whole is None:
        return ResultSet(checks=(Check("honest_breakdown", "info", _NO_COURSE, term="att"),))
    kept = whole.nearest(max(1, _clusters(results) // CLUSTERS_PER_LEAD))
    targets = _targets(kept)
    found = pretrend_power(whole)
    for target in targets:
        found += target.answer(estimator.conf_level, _left_out(whole, kept))
    return found


_NO_COURSE = (
    "How far departures from parallel trends could go was not reckoned: that takes differences before adoption and "
    "after it that are all measured from one period, without a gap next to it."
)


def _clusters(results: ResultSet) -> int:
    return max((e.n_clusters or 0 for e in results.estimates), default=0)


def _left_out(whole: EventCourse, kept: EventCourse) -> str:
    notes = []
    if cut := whole.n_before - kept.n_before:
        notes.append(f" The {kept.n_before} differences nearest to adoption are used; {cut} further back are too many "
                     "for the clusters there are.")  # fmt: skip
    if whole.left_out:
        notes.append(f" {whole.left_out} event times beyond a gap, or without a trusted standard error, are left out.")
    return "".join(notes)


@dataclass(frozen=True, eq=False)
class _Target:
    """A mean of event-time effects, its name in words and in the table, and the key of its checks."""

    events: EventCourse
    weights: Floats
    name: str
    group: str
    time: float | None = None

    def answer(self, level: float, note: str) -> ResultSet:
        """Intervals at several bounds, and the bounds at which they first include zero."""
        relative, check = self._relative(level, note)
        smooth, other = self._smooth(level)
        return ResultSet(sensitivity=(*relative, *smooth), checks=(check, other))

    def _relative(self, level: float, note: str) -> tuple[list[Sensitivity], Check]:
        import numpy as np

        from evaluation.inference.honest import breakdown
        from evaluation.inference.honest_relative import Relative

        problem = Relative(self.events.course, self.weights)
        bounds = cache(lambda m: problem.bounds(m, level))  # the search meets the multiples of the rows again
        rows = []
        for m_bar in MULTIPLES:
            span = bounds(m_bar)
            label = f"{self.name}: moves of the trend up to {m_bar:g} times the largest before adoption"
            rows.append(self._row("honest_relative", label, m_bar, None, (span.low, span.high), RELATIVE))
        steps = np.concatenate([np.arange(0, 3, 0.25), np.geomspace(3, LARGEST, 10)])
        broken = breakdown(bounds, steps)
        status, message = _verdict(broken, self.name)
        return rows, self._check("honest_breakdown", status, message + note, broken, ENOUGH)

    def _smooth(self, level: float) -> tuple[list[Sensitivity], Check]:
        import numpy as np

        from evaluation.inference.honest import breakdown
        from evaluation.inference.honest_smoothness import Smoothness

        problem = Smoothness.of(self.events.course, self.weights)
        unit = self._bend()
        rows = []
        for multiple in MULTIPLES:
            span = problem.bounds(multiple * unit, level)
            label = f"{self.name}: {_bending(multiple)}"
            ends = (span.low, span.high)
            rows.append(self._row("honest_smoothness", label, multiple * unit, span.centre, ends, SMOOTHNESS))
        steps = unit * np.concatenate([np.arange(0, 3, 0.25), np.geomspace(3, LARGEST, 10)])
        broken = breakdown(lambda m: problem.bounds(m, level), steps)
        message = _bent(broken, unit, self.name)
        return rows, self._check("honest_breakdown_smoothness", "info", message, broken, unit)

    def _bend(self) -> float:
        """The unit of bends: the largest before adoption or, where two leads at least are wanting, a standard error."""
        course = self.events.course
        return course.largest_bend() or math.sqrt(course.covariance[course.n_before - 1, course.n_before - 1])

    def _row(
        self, kind: str, label: str, parameter: float, centre: float | None, span: tuple[float, float], method: str
    ) -> Sensitivity:
        return Sensitivity(kind, label, self.group, parameter, centre, None, *span, method=method,
                           counts=self.events.counts)  # fmt: skip

    def _check(
        self, name: str, status: Literal["pass", "warn", "info"], message: str, broken: float | None, threshold: float
    ) -> Check:
        whole = self.time is None
        return Check(name, status if whole else "info",  # the first period alone carries no verdict
                     message, term="att" if whole else "event", time=self.time, statistic=broken,
                     threshold=threshold, counts=self.events.counts)  # fmt: skip


def _targets(events: EventCourse) -> list[_Target]:
    after = events.after_adoption.tolist()
    if len(after) == 1:
        return [
            _Target(events, events.mean_of(lambda _: True), "The effect in the first period after adoption", "average")
        ]
    return [
        _Target(
            events, events.mean_of(lambda _: True), f"The mean effect of {len(after)} periods after adoption", "average"
        ),
        _Target(
            events,
            events.mean_of(lambda t: t == after[0]),
            "The effect in the first period after adoption",
            "first period",
            after[0],
        ),
    ]


def _down(value: float) -> str:
    """Two digits, rounded down: a breakdown value must not look larger than it is."""
    if value <= 0:
        return "0"
    scale = 10.0 ** (1 - math.floor(math.log10(value)))
    return f"{math.floor(value * scale) / scale:.2g}"


def _verdict(broken: float | None, subject: str) -> tuple[Literal["pass", "warn", "info"], str]:
    if broken == 0:
        return "info", (
            f"{subject} cannot be told from zero even if the groups would have stayed together, so how far they may "
            "have moved apart changes nothing."
        )
    if broken is None:
        return "pass", (
            f"{subject} stays apart from zero even if, without the program, the groups had moved apart from one period "
            f"to the next by {LARGEST:g} times the largest such move before adoption."
        )
    size = _down(broken)
    if broken < ENOUGH:
        return "warn", (
            f"{subject} could be zero if, without the program, the groups had moved apart from one period to the next "
            f"by {size} times the largest such move before adoption: less than what was seen then would be enough."
        )
    return "pass", (
        f"{subject} stays apart from zero unless, without the program, the groups had moved apart from one period to "
        f"the next by more than {size} times the largest such move before adoption."
    )


def _bending(multiple: float) -> str:
    if multiple == 0:
        return "the trend before adoption goes on in a straight line"
    return f"the trend's slope changes by up to {multiple:g} times the largest change before adoption"


def _bent(broken: float | None, unit: float, subject: str) -> str:
    if broken == 0:
        return (
            f"{subject} cannot be told from zero once a difference in trends before adoption may go on in a straight "
            "line. Where the differences before adoption are few or noisy, a line cannot be drawn well."
        )
    if broken is None:
        return (
            f"{subject} stays apart from zero even if the slope of the trend changed by {LARGEST * unit:.3g} a period."
        )
    return (
        f"{subject} stays apart from zero if a difference in trends goes on in a straight line, and while its slope "
        f"changes by less than {broken:.3g} a period; the largest change before adoption is {unit:.3g}."
    )
