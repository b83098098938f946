"""From group-time effects to the rows of the results: estimates, inference and checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.aggregation import Mean, by_cohort_weight, of_cell, over_cohorts, plain, variance
from evaluation.inference.covariance import joint_test, standard_errors
from evaluation.inference.group_time import Cell, GroupTime
from evaluation.inference.rule import Rule, enough_for_joint_test, few_clusters, pretrends_check
from evaluation.results import Check, Estimate, Inference, not_estimable

if TYPE_CHECKING:
    from evaluation.data.moments import Mask

ESTIMANDS = {
    "att": "Effect on the treated: mean of all group-time effects after adoption, weighted by cohort size",
    "att_group": "Effect on the treated: mean of each cohort's effect, weighted by cohort size",
    "att_dynamic": "Effect on the treated: mean over the periods since adoption, all weighing the same",
    "att_calendar": "Effect on the treated: mean over calendar periods, all weighing the same",
    "event": "Effect on the treated by periods since adoption",
    "group": "Effect on the treated by cohort, mean over its periods after adoption",
    "calendar": "Effect on the treated by calendar period",
    "group_time": "Effect on the treated by cohort and calendar period",
}
CONTROLS_ONLY = "influence function, comparison units' variation only"
LISTED = 5

_Made = tuple[Estimate, tuple[Inference, ...], tuple[Check, ...]]
Rows = tuple[tuple[Estimate, ...], tuple[Inference, ...], tuple[Check, ...]]


def figures(effects: GroupTime, rule: Rule, anticipation: int) -> Rows:
    """All estimates with their inference, and the checks.

    Raises
    ------
    NotEstimable
        When no effect after adoption can be estimated.
    """
    report = _Report(effects, rule)
    if not report.after.any():
        k, reason = next((k, reason) for k, reason in report.reasons().items() if report.post[k])
        raise NotEstimable(reason, report.units_behind([k]))
    made = list(report.rows())
    checks = (
        _pretrends(report, anticipation),
        *_missing(report),
        *_small_cohorts(report),
        *(c for _, _, check in made for c in check),
        *few_clusters(rule.n_clusters),
    )
    return tuple(e for e, _, _ in made), tuple(i for _, how, _ in made for i in how), checks


@dataclass(frozen=True)
class _Report:
    """Means of the effects as rows."""

    effects: GroupTime
    rule: Rule

    @cached_property
    def post(self) -> Mask:
        """Cells from adoption on (K,)."""
        return self.effects.time >= self.effects.cohort

    @cached_property
    def after(self) -> Mask:
        """Cells from adoption on that have an estimate (K,)."""
        return self.post & self.effects.available

    @cached_property
    def single(self) -> dict[int, int]:
        """Cohorts that lie in one cluster, with their number of units: how they vary cannot be seen."""
        moments = self.effects.moments
        found = {}
        for g in self.effects.cohorts.tolist():
            rows = moments.cohort == g
            if moments.clusters_among(rows) == 1:
                found[g] = int(moments.units[rows].sum())
        return found

    def rows(self) -> Iterator[_Made]:
        """Every estimate, the overall ones first, with its inference and what to say about it."""
        groups, events, periods = self._by("cohort"), self._by_event(), self._by("time")
        known = self.effects.available
        yield self._row("att", by_cohort_weight(self.effects, self.after))
        yield self._row("att_group", over_cohorts(self.effects, groups))
        yield self._row("att_dynamic", plain([m for e, m in events.items() if e >= 0]))
        yield self._row("att_calendar", plain(list(periods.values())))
        cohort, time, since = self.effects.cohort, self.effects.time, self.effects.time - self.effects.cohort
        for e in np.unique(since).tolist():
            yield self._maybe("event", events.get(e), since == e, time=float(e))
        for g in self.effects.cohorts.tolist():
            yield self._maybe("group", groups.get(g), self.post & (cohort == g), group=str(g))
        for t in np.unique(time[self.post]).tolist():
            yield self._maybe("calendar", periods.get(t), self.post & (time == t), time=float(t))
        reasons = self.reasons()
        for k, cell in enumerate(self.effects.cells):
            mean = of_cell(self.effects, k) if known[k] else None
            at = float(self.effects.periods[cell.period])
            if mean is not None:
                yield self._row("group_time", mean, group=str(cell.cohort), time=at)
            else:
                yield self._none("group_time", reasons[k], self.units_behind([k]), group=str(cell.cohort), time=at)

    def _by(self, key: str) -> dict[int, Mean]:
        """Means after adoption by `cohort` (periods weighing the same) or by `time` (cohorts by size)."""
        labels = getattr(self.effects, key)
        found = {}
        for label in np.unique(labels[self.after]).tolist():
            cells = self.after & (labels == label)
            if key == "time":
                found[label] = by_cohort_weight(self.effects, cells)
            else:
                found[label] = plain([of_cell(self.effects, k) for k in np.flatnonzero(cells).tolist()])
        return found

    def _by_event(self) -> dict[int, Mean]:
        since, known = self.effects.time - self.effects.cohort, self.effects.available
        return {e: by_cohort_weight(self.effects, known & (since == e)) for e in np.unique(since[known]).tolist()}

    def reasons(self) -> dict[int, str]:
        """Why cells have no estimate."""
        return {k: self._reason(k, self.effects.cells[k]) for k in np.flatnonzero(~self.effects.available).tolist()}

    def _reason(self, k: int, cell: Cell) -> str:
        time, base = self.effects.periods[cell.period], self.effects.periods[cell.base]
        if not self.effects.treated[k].any():
            return (
                f"No unit of cohort {cell.cohort} is observed both in {time} and in its base period {base}. "
                "A larger `anticipation` moves the base period back."
            )
        if not cell.controls:
            return f"No unit is left untreated in {time} to compare cohort {cell.cohort} with."
        return f"No unit to compare cohort {cell.cohort} with is observed both in {time} and in {base}."

    def units_behind(self, cells: Sequence[int]) -> tuple[int, ...]:
        """Numbers of units that a message about some cells tells: of their cohorts, of those compared in each."""
        effects, kinds = self.effects, self.effects.kinds
        found = [int(kinds.units[kinds.cohort == g].sum()) for g in np.unique(effects.cohort[list(cells)])]
        found += [int(kinds.units[m[k]].sum()) for k in cells for m in (effects.treated, effects.control)]
        return tuple(sorted({n for n in found if n}))

    def _maybe(self, term: str, mean: Mean | None, cells: Mask, **key: Any) -> _Made:
        if mean is not None:
            return self._row(term, mean, **key)
        behind = self.units_behind(np.flatnonzero(cells).tolist())
        return self._none(term, "None of the effects in it can be estimated.", behind, **key)

    def _none(self, term: str, reason: str, counts: tuple[int, ...], **key: Any) -> _Made:
        row, check = not_estimable(term, ESTIMANDS[term], reason, counts, **key)
        return row, (), (check,)

    def _row(self, term: str, mean: Mean, **key: Any) -> _Made:
        counts = self._counts(mean.cells)
        if self.effects.reference[mean.cells].all():
            row = Estimate(term, ESTIMANDS[term], 0.0, status="reference", conf_level=self.rule.conf_level,
                           **key, **counts)  # fmt: skip
            return row, (), ()
        error = standard_errors(np.atleast_2d(variance(self.effects, mean)), self.effects.moments.spread)[0]
        alone = set(self.effects.cohort[mean.cells].tolist()) <= set(self.single)
        row, how = self.rule.figure(term, ESTIMANDS[term], mean.value, error, method=CONTROLS_ONLY if alone else "",
                                    **key, **counts)  # fmt: skip
        return row, (how,), self._alone(row) if alone and term in ("event", "calendar") else ()

    def _alone(self, row: Estimate) -> tuple[Check, ...]:
        when = f"{row.time:g} periods since adoption" if row.term == "event" else f"period {row.time:g}"
        message = (
            f"The effect at {when} rests on cohorts of one unit or cluster: its standard error reflects the comparison "
            "units only and is too small."
        )
        return (Check("small_cohort", "warn", message, term=row.term, time=row.time,
                      statistic=row.n_treated_units, counts=row.counts),)  # fmt: skip

    def _counts(self, cells: Mask) -> dict[str, Any]:
        """Units, observations and clusters that some cells rest on."""
        effects, kinds, moments = self.effects, self.effects.kinds, self.effects.moments
        treated, control = (np.logical_or.reduce(m[cells]) for m in (effects.treated, effects.control))
        used = np.zeros(kinds.observed.shape, dtype=np.bool_)
        for k in np.flatnonzero(cells).tolist():
            either = effects.treated[k] | effects.control[k]
            for period in (effects.cells[k].period, effects.cells[k].base):
                used[:, period] |= either
        inside, outside = int(kinds.units[treated].sum()), int(kinds.units[control].sum())
        return {
            "n_obs": int(kinds.units @ used.sum(axis=1)),
            "n_units": int(kinds.units[treated | control].sum()),
            "n_treated_units": inside,
            "n_clusters": moments.clusters_among((treated | control)[kinds.of_row]),
            "counts": tuple(n for n in (inside, outside) if n),
        }


def _pretrends(report: _Report, anticipation: int) -> Check:
    """Joint test of the effects before adoption and its anticipation, of cohorts whose variation can be seen."""
    effects, moments = report.effects, report.effects.moments
    before = effects.available & ~effects.reference & (effects.time < effects.cohort - anticipation)
    tested = np.flatnonzero(before & ~np.isin(effects.cohort, sorted(report.single)))
    test = None
    if len(tested) < moments.n_clusters:  # else the covariance has not full rank: influences add up to zero
        test = joint_test(effects.att[tested], effects.covariance[np.ix_(tested, tested)])
    left_out = int(before.sum()) - len(tested)
    without = f" {left_out} differences of cohorts of one unit or cluster are left out." if left_out else ""
    trusted = all(
        enough_for_joint_test(moments.clusters_among(moments.cohort == g), int(n))
        for g, n in zip(*np.unique(effects.cohort[tested], return_counts=True), strict=True)
    )
    behind = report.units_behind(np.flatnonzero(before).tolist())
    return pretrends_check(test, len(tested), trusted=trusted, counts=behind, without=without)


def _missing(report: _Report) -> tuple[Check, ...]:
    """Which effects after adoption the means leave out."""
    effects, post = report.effects, report.post
    lost = np.flatnonzero(post & ~effects.available).tolist()
    if not lost:
        return ()
    named = [f"cohort {effects.cells[k].cohort} in {effects.periods[effects.cells[k].period]}" for k in lost[:LISTED]]
    more = ", …" if len(lost) > LISTED else ""
    message = (
        f"{len(lost)} of {int(post.sum())} effects after adoption cannot be estimated and are left out of the means: "
        f"{', '.join(named)}{more}."
    )
    return (Check("cells_missing", "warn", message, term="att", statistic=len(lost),
                  counts=report.units_behind(lost)),)  # fmt: skip


def _small_cohorts(report: _Report) -> tuple[Check, ...]:
    """Cohorts of one unit or in one cluster, and how much of the overall effect rests on them."""
    effects, single = report.effects, report.single
    if not single:
        return ()
    checks = []
    for cohort, units in single.items():
        size = "one unit" if units == 1 else f"{units} units in one cluster"
        message = (
            f"Cohort {cohort} is {size}: its effects are unreliable. Their standard errors reflect the comparison "
            "units only and are too small."
        )
        checks.append(Check("small_cohort", "warn", message, term="group", group=str(cohort),
                            statistic=units, counts=(units,)))  # fmt: skip
    gradient = by_cohort_weight(effects, report.after).gradient[: len(effects.cells)]
    weight = float(gradient[np.isin(effects.cohort, sorted(single))].sum())
    message = (
        f"{weight:.0%} of the weight of the overall effect lies on cohorts of one unit or cluster; its standard error "
        "leaves out how they vary."
    )
    checks.append(Check("small_cohort", "warn", message, term="att", statistic=weight,
                        counts=tuple(sorted(set(single.values())))))  # fmt: skip
    return tuple(checks)
