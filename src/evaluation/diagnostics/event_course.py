"""The event-time estimates of an analysis as one course measured from one reference period."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from evaluation.results import Check, Estimate, ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import Floats
    from evaluation.inference.honest import Course

INVERTIBLE = 1e-8  # least eigenvalue of a correlation matrix that can be inverted


@dataclass(frozen=True, eq=False)
class EventCourse:
    """A course without gaps around its reference: leads before it, later event times after it.

    Event times between the reference and adoption are periods of anticipation: they count as after the reference,
    where the trend goes on, and are no part of any effect.
    """

    times: Floats  # (p + q,) periods since adoption, ascending, without the reference
    reference: float
    course: Course
    left_out: int  # event times beyond a gap, or whose standard error cannot be trusted
    counts: tuple[int, ...]  # numbers of units behind the estimates

    @classmethod
    def of(cls, results: ResultSet) -> EventCourse | None:
        """The course; None where the estimates are measured from no one period, or no lead stands beside it."""
        import numpy as np

        from evaluation.inference.honest import Course

        joint = results.joint
        if joint is None or len(joint.reference) != 1:
            return None
        reference = joint.reference[0]
        rows = _trusted(results)
        times = joint.times.tolist()
        usable = [t for t in times if t in rows]
        if not any(t < reference for t in usable) or not any(t >= 0 for t in usable):
            return None
        step = min(abs(t - reference) for t in usable)
        before, after = _run(usable, reference, -step), _run(usable, reference, step)
        if not before or not after or after[-1] < 0:
            return None
        kept = [*reversed(before), *after]
        at = [times.index(t) for t in kept]
        covariance = joint.covariance[np.ix_(at, at)]
        course = Course(joint.estimates[at], (covariance + covariance.T) / 2, len(before))
        counts = tuple(sorted({n for t in kept for n in rows[t].counts}))
        return cls(np.array(kept), reference, course, len(times) - len(kept), counts)

    @property
    def n_before(self) -> int:
        """Number of leads."""
        return self.course.n_before

    @property
    def leads(self) -> Floats:
        """Periods from the reference to each lead, negative (p,)."""
        found: Floats = self.times[: self.n_before] - self.reference
        return found

    @property
    def after_adoption(self) -> Floats:
        """Event times from adoption on (≤ q,)."""
        found: Floats = self.times[self.times >= 0]
        return found

    def mean_of(self, wanted: Callable[[float], bool]) -> Floats:
        """Weights (q,) of the mean of the event times from adoption on that are `wanted`."""
        import numpy as np

        after = self.times[self.n_before :]
        chosen = np.array([t >= 0 and wanted(t) for t in after.tolist()], dtype=np.float64)
        found: Floats = chosen / chosen.sum()
        return found

    def nearest(self, leads: int) -> EventCourse:
        """The course with no more than the nearest `leads`, and no more than vary independently of each other."""
        from evaluation.inference.honest import Course

        cut = max(self.n_before - leads, 0)
        while cut < self.n_before - 1 and not _invertible(
            self.course.covariance[cut : self.n_before, cut : self.n_before]
        ):
            cut += 1
        if not cut:
            return self
        course = Course(self.course.estimates[cut:], self.course.covariance[cut:, cut:], self.n_before - cut)
        return replace(self, times=self.times[cut:], course=course)


def untrusted(results: ResultSet) -> set[float | None]:
    """Event times whose standard error reflects the comparison units only."""
    alone: tuple[Check, ...] = tuple(c for c in results.checks if c.check in ("small_cohort", "single_cluster"))
    return {c.time for c in alone if c.term == "event"}


def _trusted(results: ResultSet) -> dict[float, Estimate]:
    alone = untrusted(results)
    return {
        e.time: e
        for e in results.estimates
        if e.term == "event" and e.status == "ok" and e.std_error and e.time is not None and e.time not in alone
    }


def _run(times: list[float], reference: float, step: float) -> list[float]:
    """The times next to the reference and on, a step apart, until one is missing."""
    found: list[float] = []
    while (following := reference + step * (len(found) + 1)) in times:
        found.append(following)
    return found


def _invertible(covariance: Floats) -> bool:
    import numpy as np

    spread = np.sqrt(np.diag(covariance))
    return bool(np.linalg.eigvalsh(covariance / np.outer(spread, spread))[0] > INVERTIBLE)
