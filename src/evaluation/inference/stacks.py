"""Stacked difference-in-differences: each cohort with its clean controls in a window, one below the other.

Rows of the moments are repeated, once for each stack they belong to. Within a stack units and periods have effects of
their own, so a stack compares its cohort with its own controls alone. Controls weigh so that each stack has the same
share of the controls as of the treated (Wing, Freedman and Hollingsworth, 2024).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.data.moments import PanelMoments
from evaluation.errors import NotEstimable
from evaluation.results import FlowStep

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask
    from evaluation.inference.scores import Loading

Controls = Literal["not_yet_treated", "never_treated"]
REFERENCE = -1


@dataclass(frozen=True, kw_only=True)
class StackedMoments(PanelMoments):
    """S stacks of a panel's rows. `cohort` is 2s for the controls of stack s, 2s + 1 for its treated.

    `weights` and `sums` hold the corrective weights already. Units and clusters are counted once, however often they
    are repeated.
    """

    source: PanelMoments
    origin: Integers  # (R,) row of the source
    factor: Floats  # (R,) corrective weight
    since: Integers  # (S, T) periods since the stack's cohort adopted
    inside: Mask  # (S, T) whether a period is within the stack's window

    @property
    def n_units(self) -> int:
        """Units in any stack."""
        return int(self.source.units[np.unique(self.origin)].sum())

    def clusters_among(self, rows: Mask) -> int:
        """Clusters with any of some rows (R,)."""
        if self.cross is not None:
            return int(self.source.units[np.unique(self.origin[rows])].sum())
        return super().clusters_among(rows)

    @property
    def treated(self) -> Mask:
        """Rows that are treated in their stack (R,)."""
        found: Mask = self.cohort % 2 == 1
        return found

    @property
    def periods(self) -> Floats:
        """Indicators of each stack's periods but its first, by kind of row (J, T, Q)."""
        kinds = np.unique(self.cohort)
        s, t = np.nonzero(self.inside)
        later = np.r_[False, s[1:] == s[:-1]]
        found = np.zeros((len(kinds), len(self.times), int(later.sum())))
        for column, (stack, period) in enumerate(zip(s[later], t[later], strict=True)):
            found[kinds // 2 == stack, period, column] = 1.0
        return found

    @property
    def period_effects(self) -> int:
        """Periods of all stacks."""
        return int(self.inside.sum())

    def events(self, asked: Sequence[int]) -> Floats:
        """An indicator for each event time of the treated, by kind of row (J, T, P)."""
        kinds = np.unique(self.cohort)
        found = (self.since[kinds // 2][:, :, None] == np.array(asked)) & (kinds % 2 == 1)[:, None, None]
        return np.asarray(found, dtype=np.float64)

    def squares(self, loading: Loading, size: int) -> Floats:
        """Sum of the clusters' squared errors where every unit is a cluster: a unit adds up over its stacks."""
        assert self.source.cross is not None  # noqa: S101 - asked for only where units are summed
        total = np.zeros((size, size))
        order = np.argsort(self.origin, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(self.origin[order])) + 1):
            x = sum((self.factor[j] * loading(j) for j in rows), np.zeros((1 + len(self.times), size)))
            total += x.T @ self.source.cross[self.origin[rows[0]]] @ x
        return total


def adopting(moments: PanelMoments) -> list[int]:
    """Cohorts that adopt within the periods, ascending."""
    cohorts = np.unique(moments.cohort)
    return [int(g) for g in cohorts if moments.times[0] < g <= moments.times[-1]]


def widest(moments: PanelMoments, control_group: Controls) -> tuple[int, int] | None:
    """The largest window of periods before and after adoption that every cohort with any clean control allows.

    None where no cohort has a clean control.
    """
    last, first = int(moments.times[-1]), int(moments.times[0])
    free = _never(moments).any()
    latest = int(moments.cohort.max(initial=0))
    ends = {g: last - g if free else min(last, latest - 1) - g for g in adopting(moments)}
    if not free and control_group == "never_treated":
        return None
    ends = {g: end for g, end in ends.items() if end >= 0}
    return (min(g - first for g in ends), min(ends.values())) if ends else None


def stacked(
    moments: PanelMoments, window: tuple[int, int], control_group: Controls
) -> tuple[StackedMoments, dict[int, str]]:
    """The stacks of the cohorts that the window fits, and why others have none, by cohort.

    Raises
    ------
    NotEstimable
        When no cohort has a stack.
    """
    found: dict[int, tuple[Mask, Mask, Mask]] = {}
    without: dict[int, str] = {}
    for g in adopting(moments):
        stack = _stack(moments, g, window, control_group)
        if isinstance(stack, str):
            without[g] = stack
        else:
            found[g] = stack
    if not found:
        reasons = "; ".join(f"cohort {g}: {reason}" for g, reason in without.items())
        raise NotEstimable(f"No cohort can be compared within the window ({reasons}).")
    return _repeated(moments, found), without


def _never(moments: PanelMoments) -> Mask:
    found: Mask = (moments.cohort == 0) | (moments.cohort > moments.times[-1])
    return found


def _stack(
    moments: PanelMoments, g: int, window: tuple[int, int], control_group: Controls
) -> tuple[Mask, Mask, Mask] | str:
    """The treated rows (R,), the controls (R,) and the periods (T,) of a cohort's stack, or why there is none."""
    before, after = window
    times = moments.times
    if g - before < times[0] or g + after > times[-1]:
        return "the window reaches beyond the periods observed"
    inside = (times >= g - before) & (times <= g + after)
    clean = _never(moments)
    if control_group == "not_yet_treated":
        clean = clean | (moments.cohort > g + after)
    several = (moments.observed & inside).sum(axis=1) > 1
    treated, controls = (moments.cohort == g) & several, clean & several
    if not (moments.observed[treated][:, times == g + REFERENCE]).any():
        return "no unit is observed in the period before adoption and in another of the window"
    if not controls.any():
        return "no unit stays untreated through the window"
    return treated, controls, np.asarray(inside)


def _repeated(moments: PanelMoments, stacks: Mapping[int, tuple[Mask, Mask, Mask]]) -> StackedMoments:
    """The rows of all stacks, sorted by cluster, with the corrective weights."""
    starts = np.array(list(stacks))
    inside = np.array([periods for _, _, periods in stacks.values()])
    mass = np.array([
        [moments.weights[rows][:, periods].sum() for rows in (treated, controls)]
        for treated, controls, periods in stacks.values()
    ])  # fmt: skip
    share = mass / mass.sum(axis=0)
    origin, kind = [], []
    for s, (treated, controls, _) in enumerate(stacks.values()):
        for code, rows in ((2 * s, controls), (2 * s + 1, treated)):
            origin.append(np.flatnonzero(rows))
            kind.append(np.full(int(rows.sum()), code))
    row, of = np.concatenate(origin), np.concatenate(kind)
    order = np.argsort(moments.cluster[row], kind="stable")
    row, of = row[order], of[order]
    factor = np.where(of % 2 == 1, 1.0, (share[:, 0] / share[:, 1])[of // 2])
    seen = inside[of // 2]
    fields = {k: v for k, v in vars(moments).items() if k != "flow"}
    return StackedMoments(**fields | {
        "cluster": moments.cluster[row], "cohort": of, "units": moments.units[row],
        "counts": np.where(seen, moments.counts[row], 0),
        "weights": np.where(seen, moments.weights[row] * factor[:, None], 0.0),
        "sums": np.where(seen, moments.sums[row] * factor[:, None], 0.0),
        "cross": None if moments.cross is None else moments.cross[row],
        "flow": (*moments.flow, *_flow(moments, row)), "source": moments, "origin": row, "factor": factor,
        "since": moments.times - starts[:, None], "inside": inside,
    })  # fmt: skip


def _flow(moments: PanelMoments, origin: Integers) -> tuple[FlowStep, ...]:
    """The units that are in no stack."""
    left = int(moments.units[np.unique(origin)].sum())
    lost = moments.n_units - left
    reason = "In no stack: neither in a cohort that the window fits nor a clean control of one"
    return (FlowStep("no_stack", reason, "unit", lost, left),) if lost else ()


@dataclass(frozen=True, eq=False)
class StackEvents:
    """Event times of the stacks' treated units but the reference: the coefficients of the stacked regression."""

    moments: StackedMoments
    event: Integers  # (P,)
    weight: Floats  # (P,) of the treated observations

    @classmethod
    def of(cls, moments: StackedMoments) -> StackEvents:
        """Those with any observation, after adoption first, then leads from near to far."""
        at = np.where(moments.observed & moments.treated[:, None], moments.since[moments.cohort // 2], REFERENCE)
        seen = np.unique(at[at != REFERENCE])
        order = np.concatenate([seen[seen >= 0], seen[seen < 0][::-1]])
        return cls(moments, order, np.array([moments.weights[at == e].sum() for e in order]))

    def rows(self, events: Mask) -> Mask:
        """Treated rows (R,) observed at any of some event times (P,)."""
        at = np.isin(self.moments.since[self.moments.cohort // 2], self.event[events])
        found: Mask = (at & self.moments.observed).any(axis=1) & self.moments.treated
        return found

    def named(self, events: Mask) -> list[str]:
        """Some event times in words."""
        return [f"{e} periods since adoption" for e in self.event[events].tolist()]
