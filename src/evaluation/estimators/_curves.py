"""Curves by arm and the risks read off them at each window: shared by kaplan_meier and cumulative_incidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from evaluation.estimators._followed import ARMS, FollowedOptions, Read
from evaluation.results import CurvePoint, Estimate, Inference, ResultSet, not_estimable

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort
    from evaluation.inference.curve_bands import IncidenceCurve
    from evaluation.inference.risks import Figure, Risks

NAMES = {
    "risk_treated": "risk if treated",
    "risk_control": "risk if not treated",
    "risk_difference": "risk difference",
    "risk_ratio": "risk ratio",
}
COUNTED = {False: "people counted until they leave", True: "people whom another event meets first cannot have it"}


class CurveOptions(FollowedOptions):
    """Options of an estimator of curves."""

    conf_type: Literal["log-log", "log", "plain"] = Field(
        "log-log", description="scale on which the bands are symmetric"
    )
    window: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="the window, in the design's time unit; null: every window of the design"
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        1, description="seed of the draws behind the bands that hold whole curves"
    )

    def windows(self, frame: Cohort, read: Read) -> tuple[float, ...]:
        """The windows at which risks are read; without any, the longest time that both arms are observed."""
        if self.window is not None:
            return (self.window,)
        return frame.windows or (min(float(read.followed.sets(code).time[-1]) for code in ARMS.values()),)

    def risks(self, frame: Cohort, read: Read) -> ResultSet:
        """Four estimates at each window."""
        found = [_Window(self, frame, read, window).results() for window in self.windows(frame, read)]
        return sum(found[1:], found[0])

    def curves(self, read: Read, names: dict[int, str]) -> Iterator[tuple[str, str, IncidenceCurve]]:
        """Quantity, arm and curve of each cause; `names` by the cause's place, from 1."""
        from evaluation.inference.curve_bands import Style, incidence_curve

        style = Style(self.conf_level, self.conf_type, self.seed)
        for place, name in names.items():
            for arm, code in ARMS.items():
                yield name, arm, incidence_curve(read.followed, code, place, style)


def curves_compared(test: str, label: str, more: bool, p_value: float, conf_level: float) -> str:
    """What a test of both curves says; of a direction only where chance alone would hardly give such a difference.

    `more`: the treated had more events than equal curves would give them.
    """
    whole = f"{test} compares both curves over the whole follow-up"
    if p_value >= round(1 - conf_level, 9):
        found = f" and finds no clear difference in events ({label})."
    else:
        found = f": the treated had {'more' if more else 'fewer'} events ({label}) than equal curves would give."
    return f"{whole}{found} The p-value says how often equal curves would differ by this much or more."


def incidence_points(quantity: str, arm: str, curve: IncidenceCurve) -> Iterator[CurvePoint]:
    """An incidence curve as rows, from time 0."""
    counts = [v.tolist() for v in (curve.time, curve.n_risk, curve.n_event, curve.n_left)]
    figures = (curve.estimate, curve.std_error, curve.low, curve.high, curve.band_low, curve.band_high)
    for values in zip(*counts, *(_numbers(v) for v in figures), strict=True):
        yield CurvePoint(quantity, arm, *values)


def survival_points(points: Iterator[CurvePoint]) -> Iterator[CurvePoint]:
    """The complements of incidences: survival."""
    for p in points:
        yield replace(p, quantity="survival", estimate=_less(p.estimate), conf_low=_less(p.conf_high),
                      conf_high=_less(p.conf_low), band_low=_less(p.band_high),
                      band_high=_less(p.band_low))  # fmt: skip


def _less(share: float | None) -> float | None:
    return None if share is None else 1 - share


def _numbers(values: Any) -> list[float | None]:
    """An array (P,) as numbers, None for NaN."""
    return [None if v != v else v for v in values.tolist()]  # noqa: PLR0124 - NaN is not itself


@dataclass(frozen=True)
class _Window:
    """The risks that both curves give at one window."""

    options: CurveOptions
    cohort: Cohort
    read: Read
    window: float

    def results(self) -> ResultSet:
        estimates, inference, checks = [], [], []
        counted = COUNTED[len(self.read.followed.causes) > 1]
        counts = self.read.had(self.window)
        for term, name in NAMES.items():
            figure = self._figure(term)
            estimand = f"{name} ({self.options.whom(self.cohort)}, {counted})"
            if isinstance(figure, str):
                reason = f"By {self.cohort.span(self.window)}: {figure}"
                estimate, check = not_estimable(term, estimand, reason, counts, **self._key())
                checks.append(check)
            else:
                interval = figure.interval
                estimate = Estimate(term, estimand, figure.estimate, figure.std_error, interval.low, interval.high,
                                    interval.p_value, counts=counts, **self._key())  # fmt: skip
                inference += [replace(row, time=self.window) for row in figure.rules]
            estimates.append(estimate)
        return ResultSet(tuple(estimates), tuple(inference), tuple(checks))

    def _key(self) -> dict[str, Any]:
        level = self.options.conf_level
        return {"time": self.window, "scale": "risk", "conf_level": level, **self.read.sizes}

    @cached_property
    def _risks(self) -> Risks | None:
        """Both risks with their covariance, variance 0 where there is none; None beyond an arm's last time."""
        import numpy as np

        from evaluation.inference.aalen_johansen import incidence_at
        from evaluation.inference.curve_bands import NOTHING
        from evaluation.inference.risks import Risks

        followed, values, parts = self.read.followed, [], []
        for code in ARMS.values():
            sets = followed.sets(code)
            place = sets.last(self.window)
            if place is None:
                return None
            figure = incidence_at(sets, 1, place)
            values.append(figure.value)
            known = NOTHING < figure.value < 1 - NOTHING
            parts.append(followed.influence(code, [figure]) * known)
        covariance = followed.covariance(np.column_stack(parts))
        return Risks(values[0], values[1], float(covariance[0, 0]), float(covariance[1, 1]), float(covariance[0, 1]))

    def _figure(self, term: str) -> Figure | str:
        from evaluation.inference.risks import Method, difference, ratio

        if term in ("risk_treated", "risk_control"):
            return self._risk(term, ARMS[term.removeprefix("risk_")])
        if self._risks is None:
            return "nobody in one of the arms is observed that long."
        contrast = difference if term == "risk_difference" else ratio
        method = Method(self.read.method, n_clusters=self.read.clusters)
        return contrast(self._risks, self.options.conf_level, method)

    def _risk(self, term: str, code: int) -> Figure | str:
        """A risk with the curve's own band; without one where nobody, or everybody, has had the event."""
        import numpy as np

        from evaluation.inference.aalen_johansen import incidence_at
        from evaluation.inference.curve_bands import NOTHING, limits
        from evaluation.inference.intervals import Interval, critical_value
        from evaluation.inference.risks import Figure

        sets = self.read.followed.sets(code)
        place = sets.last(self.window)
        if place is None:
            return f"nobody in this arm is observed for longer than {self.cohort.span(float(sets.time[-1]))}."
        figure = incidence_at(sets, 1, place)
        known = NOTHING < figure.value < 1 - NOTHING
        influence = self.read.followed.influence(code, [figure])
        std_error = float(np.sqrt(self.read.followed.covariance(influence)[0, 0])) if known else 0.0
        if not std_error > 0:
            return "nobody or everybody in this arm has had the event, so there is no uncertainty to tell."
        low, high = limits(np.array([figure.value]), np.array([std_error]), critical_value(self.options.conf_level),
                           self.options.conf_type, np.array([True]))  # fmt: skip
        interval = Interval(float(low[0]), float(high[0]))
        row = Inference(term, f"{self.read.method}, {self.options.conf_type} band", std_error=std_error,
                        conf_low=interval.low, conf_high=interval.high, n_clusters=self.read.clusters)  # fmt: skip
        return Figure(figure.value, std_error, interval, (row,))
