"""From group-time effects to the rows of the results: estimates, inference and checks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.aggregation import Mean, by_cohort_weight, of_cell, over_cohorts, plain
from evaluation.inference.covariance import standard_errors
from evaluation.inference.group_time import Cell, GroupTime
from evaluation.inference.rule import Rule
from evaluation.results import Check, Estimate, Inference, Influence, Joint, not_estimable

if TYPE_CHECKING:
    from evaluation.data.moments import Integers, Mask

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


@dataclass(frozen=True)
class Row:
    """One figure: its estimate, its inference and its warnings, and the mean it comes from (None = no answer)."""

    estimate: Estimate
    inference: tuple[Inference, ...] = ()
    checks: tuple[Check, ...] = ()
    mean: Mean | None = None


@dataclass(frozen=True)
class Events:
    """Which effects the means by periods since adoption are made of.

    `balance`: cohorts observed at least so many periods after adoption, at event times that all of them have.
    `window`: first and last event time.
    """

    balance: int | None = None
    window: tuple[int, int] | None = None

    def shown(self, effects: GroupTime) -> Mask:
        """The effects (K,) that enter."""
        since, first, last = effects.time - effects.cohort, effects.periods[0], effects.periods[-1]
        found = np.ones(len(since), dtype=np.bool_)
        if self.balance is not None:
            found &= last - effects.cohort >= self.balance
            found &= (since <= self.balance) & (since >= self.balance - last + first)
        if self.window is not None:
            found &= (since >= self.window[0]) & (since <= self.window[1])
        return found


@dataclass(frozen=True, eq=False)
class Report:
    """Means of the effects as rows."""

    effects: GroupTime
    rule: Rule
    events: Events = field(default_factory=Events)
    _clusters: dict[bytes, int] = field(default_factory=dict, init=False, repr=False)

    def require(self) -> None:
        """Raise NotEstimable when no effect after adoption can be estimated."""
        if not self.after.any():
            k, reason = next((k, reason) for k, reason in self.reasons().items() if self.post[k])
            raise NotEstimable(reason, self.units_behind([k]))

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

    def overall(self) -> Row:
        """The one overall effect."""
        return self._row("att", by_cohort_weight(self.effects, self.after))

    def rows(self) -> Iterator[Row]:
        """Every estimate, the overall ones first."""
        groups, events, periods = self._by("cohort"), self._by_event, self._by("time")
        cohort, time, since = self.effects.cohort, self.effects.time, self.effects.time - self.effects.cohort
        shown = self.events.shown(self.effects)
        course = [m for e, m in events.items() if e >= 0]
        yield self.overall()
        yield self._row("att_group", over_cohorts(self.effects, groups))
        yield self._maybe("att_dynamic", plain(course) if course else None, shown & self.post)
        yield self._row("att_calendar", plain(list(periods.values())))
        for e in np.unique(since[shown]).tolist():
            yield self._maybe("event", events.get(e), shown & (since == e), time=float(e))
        for g in self.effects.cohorts.tolist():
            yield self._maybe("group", groups.get(g), self.post & (cohort == g), group=str(g))
        for t in np.unique(time[self.post]).tolist():
            yield self._maybe("calendar", periods.get(t), self.post & (time == t), time=float(t))
        yield from self._cells()

    def _cells(self) -> Iterator[Row]:
        reasons = self.reasons()
        for k, cell in enumerate(self.effects.cells):
            key: dict[str, Any] = {"group": str(cell.cohort), "time": float(self.effects.periods[cell.period])}
            if k in reasons:
                yield self._none("group_time", reasons[k], self.units_behind([k]), **key)
            else:
                yield self._row("group_time", of_cell(self.effects, k), **key)

    def joint(self) -> Joint | None:
        """The effects by periods since adoption together, references apart; None where there are none."""
        reference = self.effects.reference
        zero = tuple(float(e) for e, m in self._by_event.items() if reference[m.cells].all())
        means = {e: m for e, m in self._by_event.items() if not reference[m.cells].all()}
        if not means:
            return None
        return Joint(
            np.array(list(means), dtype=np.float64), np.array([m.value for m in means.values()]),
            self.effects.errors.together([m.gradient for m in means.values()]), zero)  # fmt: skip

    def influence(self) -> Influence | None:
        """What each cluster adds to the error of the overall effect; None where units are summed across clusters."""
        found = self.effects.errors.by_cluster([by_cohort_weight(self.effects, self.after).gradient])
        return None if found is None else Influence(np.unique(self.effects.moments.cluster), found[:, 0])

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

    @cached_property
    def _by_event(self) -> dict[int, Mean]:
        since, known = self.effects.time - self.effects.cohort, self.effects.available
        known = known & self.events.shown(self.effects)
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
        if k in self.effects.problems:
            return (
                f"Cohort {cell.cohort} cannot be compared in {time} given the covariates: {self.effects.problems[k]}."
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

    def _maybe(self, term: str, mean: Mean | None, cells: Mask, **key: Any) -> Row:
        if mean is not None:
            return self._row(term, mean, **key)
        behind = self.units_behind(np.flatnonzero(cells).tolist())
        return self._none(term, "None of the effects in it can be estimated.", behind, **key)

    def _none(self, term: str, reason: str, counts: tuple[int, ...], **key: Any) -> Row:
        row, check = not_estimable(term, ESTIMANDS[term], reason, counts, **key)
        return Row(row, checks=(check,))

    def _row(self, term: str, mean: Mean, **key: Any) -> Row:
        counts = self._counts(mean.cells)
        if self.effects.reference[mean.cells].all():
            row = Estimate(term, ESTIMANDS[term], 0.0, status="reference", conf_level=self.rule.conf_level,
                           **key, **counts)  # fmt: skip
            return Row(row)
        error = standard_errors(np.atleast_2d(self.effects.errors.variance(mean.gradient)), self._spread)[0]
        alone = set(self.effects.cohort[mean.cells].tolist()) <= set(self.single)
        row, how = self.rule.figure(term, ESTIMANDS[term], mean.value, error, method=CONTROLS_ONLY if alone else "",
                                    **key, **counts)  # fmt: skip
        return Row(row, (how,), self._alone(row) if alone and term in ("event", "calendar") else (), mean)

    @property
    def _spread(self) -> float:
        return self.effects.moments.spread

    def _alone(self, row: Estimate) -> tuple[Check, ...]:
        when = f"{row.time:g} periods since adoption" if row.term == "event" else f"period {row.time:g}"
        message = (
            f"The effect at {when} rests on cohorts of one unit or cluster: its standard error reflects the comparison "
            "units only and is too small."
        )
        return (Check("small_cohort", "warn", message, term=row.term, time=row.time,
                      statistic=row.n_treated_units, counts=row.counts),)  # fmt: skip

    def _counts(self, cells: Integers) -> dict[str, Any]:
        """Units, observations and clusters that some cells rest on."""
        effects, kinds, sides = self.effects, self.effects.kinds, self.effects.members
        treated, control = (np.logical_or.reduce(m[cells]) for m in (effects.treated, effects.control))
        used = np.zeros(kinds.observed.shape, dtype=np.bool_)
        for k in cells.tolist():
            used[:, effects.cells[k].period] |= sides.treated_now[k] | sides.control_now[k]
            used[:, effects.cells[k].base] |= sides.treated_then[k] | sides.control_then[k]
        inside, outside = int(kinds.units[treated].sum()), int(kinds.units[control].sum())
        return {
            "n_obs": int((kinds.units @ used).sum()),
            "n_units": int(kinds.units[treated | control].sum()),
            "n_treated_units": inside,
            "n_clusters": self.clusters(treated | control),
            "counts": tuple(n for n in (inside, outside) if n),
        }

    def clusters(self, kinds: Mask) -> int:
        """Clusters with any unit of some kinds (D,)."""
        key = kinds.tobytes()
        if key not in self._clusters:
            self._clusters[key] = self.effects.moments.clusters_among(kinds[self.effects.kinds.of_row])
        return self._clusters[key]
