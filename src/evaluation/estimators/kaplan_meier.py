"""Survival curves by arm with Greenwood's bands, risks read off them, and the log-rank test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from evaluation.estimators._curves import CurveOptions, curves_compared, incidence_points, survival_points
from evaluation.estimators._followed import ARMS, Read
from evaluation.results import Check, ResultSet

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort
    from evaluation.study.models import Outcome


class KaplanMeier(CurveOptions):
    """Share still without the outcome over time; people count until they have it or leave."""

    id: ClassVar[str] = "kaplan_meier"
    design: ClassVar[Literal["panel", "cohort"]] = "cohort"
    title: ClassVar[str] = "Kaplan-Meier curves"
    summary: ClassVar[str] = (
        "Survival and cumulative incidence over time by arm, with numbers at risk; risks, their difference and ratio "
        "at each window; the log-rank test; plain or weighted by the propensity."
    )
    needs: ClassVar[str] = (
        "An arm, a time and an event; whether people leave early must not depend on their prospects, or (censoring: "
        "ipcw) on no more than the characteristics named. No competing events, or few: they are treated as leaving. "
        "Covariates for iptw."
    )
    conventions: ClassVar[str] = (
        "Greenwood's variance, with weights or clusters its infinitesimal jackknife form, summed by cluster; an "
        "estimated propensity is carried, weights for censoring are taken as known. Pointwise bands on the log-log "
        "scale by default; equal-precision bands that hold a whole curve by 10,000 seeded normal draws. Differences "
        "normal, ratios from the log scale; log-rank with the hypergeometric variance, one degree of freedom. Without "
        "windows, the risks are read at the longest time both arms are observed."
    )
    source: ClassVar[str] = (
        "Kaplan & Meier (1958); Greenwood (1926); Mantel (1966); Nair (1984); Cole & Hernan (2004) for weighted "
        "curves; Robins & Finkelstein (2000) for censoring."
    )

    def fit(self, frame: Cohort, outcome: Outcome) -> ResultSet:
        """Both curves, four estimates at each window, and the log-rank test.

        Raises
        ------
        NotEstimable
            When an arm has no one in it, or the propensity or the model of leaving cannot be fitted.
        """
        read = self.follow(frame, (1,))
        curves = [(arm, c) for _, arm, c in self.curves(read, {1: "cumulative_incidence"})]
        incidence = [p for arm, c in curves for p in incidence_points("cumulative_incidence", arm, c)]
        checks = (_log_rank(read, outcome.label, self.conf_level), *_competing(frame, read), *self.leaving(read))
        return self.risks(frame, read) + ResultSet(
            checks=checks, curve=(*survival_points(iter(incidence)), *incidence), flow=read.flow
        )


def _log_rank(read: Read, label: str, conf_level: float) -> Check:
    from evaluation.inference.survival import LifeTable, log_rank

    followed = read.followed
    if not followed.alike:
        message = (
            "The log-rank test compares people who all count alike, so it is not taken of weighted curves; read the "
            "differences at the windows."
        )
        return Check("log_rank", "info", message)
    tables = []
    for code in ARMS.values():
        sets = followed.sets(code)
        tables.append(LifeTable(sets.time, sets.people_at_risk, sets.people_left[1], sets.people_left[0]))
    counts = read.had(float("inf"))
    counts = (counts[0], counts[2], counts[1], counts[3])
    found = log_rank(tables)
    if found is None:
        message = "The log-rank test cannot be taken: nobody had the event while both arms were observed."
        return Check("log_rank", "info", message, counts=counts)
    more = found.observed > found.expected
    message = curves_compared("The log-rank test", label, more, found.p_value, conf_level)
    if read.grouped:
        message += " The test does not allow for clusters, so it may find a difference too easily; the bands do."
    return Check("log_rank", "info", message, statistic=found.statistic, df=1, p_value=found.p_value, counts=counts)


def _competing(cohort: Cohort, read: Read) -> Iterator[Check]:
    """That these curves do not allow for competing events."""
    rows = read.followed.rows
    competing = (rows.event != 0) & (rows.event != 1)
    n = [int(rows.people[competing & (rows.arm == code)].sum()) for code in ARMS.values()]
    if sum(n):
        message = (
            f"{sum(n):,} people ({n[0]:,} treated, {n[1]:,} in the comparison) had a competing event "
            f"({', '.join(sorted(cohort.competing))}). The curves treat them as if they had left and could still have "
            "the outcome, which overstates how many ever do; use cumulative_incidence, which allows for such events."
        )
        yield Check("competing_events", "warn", message, statistic=sum(n), counts=tuple(n))
