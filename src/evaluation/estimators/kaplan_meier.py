"""Survival curves by arm with Greenwood's bands, risks read off them, and the log-rank test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from evaluation.errors import NotEstimable
from evaluation.estimators.base import Estimator
from evaluation.results import Check, CurvePoint, Estimate, Inference, ResultSet, not_estimable

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort, CohortRows
    from evaluation.inference.risks import Figure
    from evaluation.inference.survival import Curve
    from evaluation.study.models import Outcome

MOST_POINTS = 5000  # of a curve in the results; more cannot be seen in a figure
ARMS = {"treated": 1, "control": 0}
NAMES = {
    "risk_treated": "risk if treated",
    "risk_control": "risk if not treated",
    "risk_difference": "risk difference",
    "risk_ratio": "risk ratio",
}


class KaplanMeier(Estimator):
    """Share still without the outcome over time; people count until they have it or leave."""

    id: ClassVar[str] = "kaplan_meier"
    design: ClassVar[Literal["panel", "cohort"]] = "cohort"
    title: ClassVar[str] = "Kaplan-Meier curves"
    summary: ClassVar[str] = (
        "Survival and cumulative incidence over time by arm, with numbers at risk; risks, their difference and ratio "
        "at each window; the log-rank test."
    )
    needs: ClassVar[str] = (
        "An arm, a time and an event; whether people leave early must not depend on their prospects. No competing "
        "events, or few: they are treated as leaving."
    )
    conventions: ClassVar[str] = (
        "Greenwood's variance; pointwise bands on the log-log scale by default; differences normal, ratios from the "
        "log scale; log-rank with the hypergeometric variance, one degree of freedom. Clusters are not allowed for. "
        "Without windows, the risks are read at the longest time both arms are observed."
    )
    source: ClassVar[str] = "Kaplan & Meier (1958); Greenwood (1926); Mantel (1966)."

    conf_type: Literal["log-log", "log", "plain"] = Field(
        "log-log", description="scale on which the bands are symmetric"
    )

    def fit(self, frame: Cohort, outcome: Outcome) -> ResultSet:
        """Both curves, four estimates at each window, and the log-rank test.

        Raises
        ------
        NotEstimable
            When an arm has no one in it.
        """
        from evaluation.inference.survival import kaplan_meier, life_table

        rows, flow = frame.counts(), frame.flow()
        curves = {}
        for name, code in ARMS.items():
            arm = rows.arm == code
            if not arm.any():
                raise NotEstimable(f"nobody is in the {name} arm, so nothing can be compared.", (0,))
            table = life_table(rows.time[arm], rows.event[arm], rows.people[arm])
            curves[name] = kaplan_meier(table, self.conf_level, self.conf_type)
        common = min(float(c.table.time[-1]) for c in curves.values())
        found = [_Window(self, frame, curves, window).results() for window in frame.windows or (common,)]
        return ResultSet(
            estimates=tuple(e for f in found for e in f.estimates),
            inference=tuple(i for f in found for i in f.inference),
            checks=(_log_rank(curves, outcome.label), *_warnings(frame, rows), *(c for f in found for c in f.checks)),
            curve=tuple(point for name, curve in curves.items() for point in _points(name, curve)),
            flow=flow,
        )


@dataclass(frozen=True)
class _Window:
    """The risks that both curves give at one window."""

    options: KaplanMeier
    cohort: Cohort
    curves: dict[str, Curve]
    window: float

    def results(self) -> ResultSet:
        estimates, inference, checks = [], [], []
        for term, name in NAMES.items():
            figure = self._figure(term)
            estimand = f"{name} ({self.cohort.comparison}, people counted until they leave)"
            if isinstance(figure, str):
                reason = f"By {self.cohort.span(self.window)}: {figure}"
                estimate, check = not_estimable(term, estimand, reason, self._counts, **self._key())
                checks.append(check)
            else:
                interval = figure.interval
                estimate = Estimate(term, estimand, figure.estimate, figure.std_error, interval.low, interval.high,
                                    interval.p_value, counts=self._counts, **self._key())  # fmt: skip
                inference += [replace(row, time=self.window) for row in figure.rules]
            estimates.append(estimate)
        return ResultSet(tuple(estimates), tuple(inference), tuple(checks))

    def _figure(self, term: str) -> Figure | str:
        from evaluation.inference.risks import Method, Risks, difference, ratio

        if term in ("risk_treated", "risk_control"):
            return self._risk(term, self.curves[term.removeprefix("risk_")])
        risks = [self._risk_variance(curve) for curve in self.curves.values()]
        if None in risks:
            return "nobody in one of the arms is observed that long."
        (one, var_one), (zero, var_zero) = (r for r in risks if r is not None)
        contrast = difference if term == "risk_difference" else ratio
        return contrast(Risks(one, zero, var_one, var_zero), self.options.conf_level, Method("Greenwood"))

    def _risk_variance(self, curve: Curve) -> tuple[float, float] | None:
        """Risk and variance; variance 0 where Greenwood's formula has no value; None beyond the last time."""
        at = curve.at(self.window)
        if at is None:
            return None
        std_error = float(curve.std_error[at])
        return 1 - float(curve.survival[at]), std_error**2 if std_error > 0 else 0.0

    def _risk(self, term: str, curve: Curve) -> Figure | str:
        """1 - S with the curve's own band; without one where nobody, or everybody, has had the event."""
        from evaluation.inference.intervals import Interval
        from evaluation.inference.risks import Figure

        at = curve.at(self.window)
        if at is None:
            return f"nobody in this arm is observed for longer than {self.cohort.span(curve.table.time[-1])}."
        if not curve.std_error[at] > 0:
            return "nobody or everybody in this arm has had the event, so Greenwood's formula gives no uncertainty."
        std_error, interval = float(curve.std_error[at]), Interval(1 - float(curve.high[at]), 1 - float(curve.low[at]))
        row = Inference(term, f"Greenwood, {self.options.conf_type} band", std_error=std_error, conf_low=interval.low,
                        conf_high=interval.high)  # fmt: skip
        return Figure(1 - float(curve.survival[at]), std_error, interval, (row,))

    @property
    def _counts(self) -> tuple[int, ...]:
        """Events by the window and people without one by then in each arm; and both arms' people."""
        tables = [curve.table for curve in self.curves.values()]
        people = [int(t.n_risk[0]) for t in tables]
        events = [int(t.n_event[t.time <= self.window].sum()) for t in tables]
        return (*(k for n, had in zip(people, events, strict=True) for k in (had, n - had)), *people)

    def _key(self) -> dict[str, Any]:
        treated, control = (int(c.table.n_risk[0]) for c in self.curves.values())
        return {"time": self.window, "scale": "risk", "conf_level": self.options.conf_level, "n_obs": treated + control,
                "n_units": treated + control, "n_treated_units": treated, "n_clusters": treated + control}  # fmt: skip


def _points(name: str, curve: Curve) -> Iterator[CurvePoint]:
    """Survival, then cumulative incidence (its complement), at time 0 and at each distinct time."""
    curve = curve.thinned(MOST_POINTS)
    table = curve.table
    counts = list(zip(table.time.tolist(), table.n_risk.tolist(), table.n_event.tolist(), table.n_censor.tolist(),
                      strict=True))  # fmt: skip
    figures = [_numbers(v) for v in (curve.survival, curve.std_error, curve.low, curve.high)]
    for point, values in zip(counts, zip(*figures, strict=True), strict=True):
        yield CurvePoint("survival", name, *point, *values)
    for point, (survival, std_error, low, high) in zip(counts, zip(*figures, strict=True), strict=True):
        band = (None if high is None else 1 - high, None if low is None else 1 - low)
        yield CurvePoint(
            "cumulative_incidence", name, *point, None if survival is None else 1 - survival, std_error, *band
        )


def _numbers(values: Any) -> list[float | None]:
    """An array (K,) as numbers, None for NaN."""
    return [None if v != v else v for v in values.tolist()]  # noqa: PLR0124 - NaN is not itself


def _log_rank(curves: dict[str, Curve], label: str) -> Check:
    from evaluation.inference.survival import log_rank

    tables = [curve.table for curve in curves.values()]
    events = tuple(int(t.n_event.sum()) for t in tables)
    others = tuple(int(t.n_risk[0]) - n for t, n in zip(tables, events, strict=True))
    found = log_rank(tables)
    if found is None:
        message = "The log-rank test cannot be taken: nobody had the event while both arms were observed."
        return Check("log_rank", "info", message, counts=events + others)
    more_or_fewer = "fewer" if found.observed < found.expected else "more"
    message = (
        f"The log-rank test compares both curves over the whole follow-up: the treated had {more_or_fewer} events "
        f"({label}) than equal curves would give. The p-value says how often equal curves would differ by this much."
    )
    return Check(
        "log_rank", "info", message, statistic=found.statistic, df=1, p_value=found.p_value, counts=events + others
    )


def _warnings(cohort: Cohort, rows: CohortRows) -> Iterator[Check]:
    """What these curves do not allow for."""
    competing = (rows.event != 0) & (rows.event != 1)
    n = [int(rows.people[competing & (rows.arm == code)].sum()) for code in ARMS.values()]
    if sum(n):
        message = (
            f"{sum(n):,} people ({n[0]:,} treated, {n[1]:,} in the comparison) had a competing event "
            f"({', '.join(sorted(cohort.competing))}). The curves treat them as if they had left and could still have "
            "the outcome, which overstates how many ever do; a cumulative incidence estimator comes in a later version."
        )
        yield Check("competing_events", "warn", message, statistic=sum(n), counts=tuple(n))
    if cohort.cluster:
        message = (
            f"People share clusters (`{cohort.cluster}`), and neither these bands nor the log-rank test allow for it: "
            "they may be too narrow. risk_difference and cox give cluster-robust intervals."
        )
        yield Check("clustering", "warn", message)
