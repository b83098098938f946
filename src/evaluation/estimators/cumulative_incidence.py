"""Cumulative incidence where other events compete: Aalen-Johansen curves, risks read off them, Gray's test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from evaluation.estimators._curves import CurveOptions, curves_compared, incidence_points
from evaluation.estimators._followed import ARMS, Read
from evaluation.results import Check, ResultSet

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort
    from evaluation.study.models import Outcome


class CumulativeIncidence(CurveOptions):
    """Share with the outcome over time; whom another event meets first cannot have it any more."""

    id: ClassVar[str] = "cumulative_incidence"
    design: ClassVar[Literal["panel", "cohort"]] = "cohort"
    title: ClassVar[str] = "Cumulative incidence"
    summary: ClassVar[str] = (
        "Share with the outcome over time by arm where death and other events compete, and the share with each of "
        "those; risks, their difference and ratio at each window; Gray's test; plain or weighted by the propensity."
    )
    needs: ClassVar[str] = (
        "An arm, a time and an event; whether people are censored must not depend on their prospects, or (censoring: "
        "ipcw) on no more than the characteristics named. Covariates for iptw. Without competing events it is one less "
        "the Kaplan-Meier curve."
    )
    conventions: ClassVar[str] = (
        "Aalen-Johansen estimator; variance by the infinitesimal jackknife, as R's survfit (cmprsk's cuminc follows "
        "another formula, which differs in the fourth digit); summed by cluster where there are clusters; an estimated "
        "propensity is carried, weights for censoring are taken as known. Pointwise bands on the complementary log-log "
        "scale by default; equal-precision bands that hold a whole curve by 10,000 seeded normal draws. Differences "
        "normal, ratios from the log scale. Gray's test with rho = 0, one degree of freedom."
    )
    source: ClassVar[str] = (
        "Aalen & Johansen (1978); Gray (1988); Nair (1984); Lin (1997); Cole & Hernan (2004) for weighted curves; "
        "Robins & Finkelstein (2000) for censoring."
    )

    def fit(self, frame: Cohort, outcome: Outcome) -> ResultSet:
        """Curves of the outcome and of each competing event, four estimates at each window, and Gray's tests.

        Raises
        ------
        NotEstimable
            When an arm has no one in it, or the propensity or the model of leaving cannot be fitted.
        """
        others = sorted(frame.competing, key=lambda name: frame.competing[name])
        read = self.follow(frame, (1, *(frame.competing[name] for name in others)))
        quantities = {1: "cumulative_incidence"}
        quantities |= {i: f"cumulative_incidence:{name}" for i, name in enumerate(others, 2)}
        labels = {1: outcome.label} | {i: name.replace("_", " ") for i, name in enumerate(others, 2)}
        curve = tuple(p for q, arm, c in self.curves(read, quantities) for p in incidence_points(q, arm, c))
        checks = (*_gray(read, labels, self.conf_level), *_competing(read, others), *self.leaving(read))
        return self.risks(frame, read) + ResultSet(checks=checks, curve=curve, flow=read.flow)


def _gray(read: Read, labels: dict[int, str], conf_level: float) -> Iterator[Check]:
    """Gray's test of the outcome, and of each event that competes with it."""
    from evaluation.inference.gray import gray_test

    followed = read.followed
    if not followed.alike:
        message = (
            "Gray's test compares people who all count alike, so it is not taken of weighted curves; read the "
            "differences at the windows."
        )
        yield Check("gray_test", "info", message)
        return
    for cause, label in labels.items():
        found = gray_test((followed.sets(1), followed.sets(0)), cause)
        counts = read.had(float("inf"), cause)
        group = "" if cause == 1 else label
        if found is None:
            message = f"Gray's test of {label} cannot be taken: nobody had it while both arms were observed."
            yield Check("gray_test", "info", message, group=group, counts=counts)
            continue
        more = found.observed > found.expected
        message = curves_compared("Gray's test", label, more, found.p_value, conf_level)
        if read.grouped:
            message += " The test does not allow for clusters, so it may find a difference too easily."
        yield Check("gray_test", "info", message, group=group, statistic=found.statistic, df=1, p_value=found.p_value,
                    counts=counts)  # fmt: skip


def _competing(read: Read, others: list[str]) -> Iterator[Check]:
    """How many a competing event met first."""
    sets = [read.followed.sets(code) for code in ARMS.values()]
    met = [int(s.people_left[2:].sum()) for s in sets]
    if sum(met):
        message = (
            f"{sum(met):,} people ({met[0]:,} treated, {met[1]:,} in the comparison) had a competing event first "
            f"({', '.join(others)}). They stay in the denominator as people without the outcome."
        )
        yield Check("competing_events", "info", message, statistic=sum(met), counts=tuple(met))
