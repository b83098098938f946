"""Stacked difference-in-differences with corrective weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from evaluation.errors import NotEstimable
from evaluation.estimators._regression import Regression, RegressionEstimator
from evaluation.results import Check, ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import PanelMoments
    from evaluation.study.models import Outcome


class Stacked(RegressionEstimator):
    """One difference-in-differences a cohort with clean controls in a window, stacked and fitted together."""

    id = "stacked"
    title = "Stacked difference-in-differences"
    summary = (
        "Each cohort is set beside units that stay untreated through a window around its adoption; these comparisons "
        "are stacked and fitted in one regression, the controls weighted so that every cohort counts by its treated "
        "units. All event times rest on the same cohorts."
    )
    needs = "A panel with never-treated units, or cohorts treated late enough to be controls of earlier ones."
    conventions = (
        "Cluster-robust (CR1) standard errors with the factor G/(G-1) * (N-1)/(N-K), N rows of the stacks, K = event "
        "times + periods of all stacks, unit effects not counted; clusters are those of the panel, however often a "
        "unit is repeated; t with G-1 degrees of freedom. Below 40 clusters CR2 with Satterthwaite degrees of freedom "
        "and the wild cluster bootstrap stand beside. Event time -1 is the reference."
    )
    source = "Wing, Freedman and Hollingsworth (2024); Cengiz, Dube, Lindner and Zipperer (2019)"

    window: Annotated[
        list[int] | None,
        Field(
            min_length=2,
            max_length=2,
            description="[before, after]: periods before adoption and after its first; by default the largest window "
            "that all cohorts allow",
        ),
    ] = None
    control_group: Annotated[
        Literal["not_yet_treated", "never_treated"],
        Field(description="units untreated through the window, or units never treated alone"),
    ] = "not_yet_treated"

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.window and (self.window[0] < 1 or self.window[1] < 0):
            raise ValueError(f"window {self.window} must reach 1 period or more back, and 0 or more ahead")
        return self

    def answer(self, moments: PanelMoments, outcome: Outcome, *, alternatives: bool) -> ResultSet:  # noqa: ARG002
        """Terms `att` and `event` (time = periods since adoption), the joint test of the leads, and the flow.

        Raises
        ------
        NotEstimable
            When no cohort has clean controls within the window.
        """
        from evaluation.estimators._cohort_cells import CellReport
        from evaluation.estimators._did import require_variation, without_always_treated
        from evaluation.inference.stacks import REFERENCE, StackEvents, adopting, stacked
        from evaluation.inference.two_way import two_way

        require_variation(moments)
        moments = without_always_treated(moments)
        if not moments.n_units or not adopting(moments):
            raise NotEstimable("No unit starts treatment within the periods observed, with a period before.")
        window = self._window(moments)
        stacks, without = stacked(moments, window, self.control_group)
        events = StackEvents.of(stacks)
        fit = two_way(
            stacks, stacks.events(events.event.tolist()), stacks.periods, stacks.period_effects,
            lambda _, loading, size: stacks.squares(loading, size))  # fmt: skip
        found = Regression(stacks, fit, self.conf_level, alternatives)
        report = CellReport(events, found, fit.estimable, REFERENCE)
        results = report.answer()
        return replace(results, checks=(*results.checks, *self._stated(window), *_left_out(moments, without)))

    def _window(self, moments: PanelMoments) -> tuple[int, int]:
        from evaluation.inference.stacks import widest

        if self.window:
            return self.window[0], self.window[1]
        found = widest(moments, self.control_group)
        if found is None:
            never = self.control_group == "never_treated"
            raise NotEstimable(
                "No unit is never treated. Set the option `control_group: not_yet_treated` to compare with units "
                "treated later."
                if never
                else "No unit stays untreated while others adopt: there is nobody to compare with."
            )
        return found

    def _stated(self, window: tuple[int, int]) -> tuple[Check, ...]:
        """Which window was taken, where the study leaves it open."""
        if self.window:
            return ()
        before, after = window
        message = (
            f"The window runs from {before} period{'' if before == 1 else 's'} before adoption to {after} after its "
            "first: the largest that all cohorts allow. A longer one, by the option `window`, leaves cohorts out."
        )
        return (Check("stack_window", "info", message, term="att"),)


def _left_out(moments: PanelMoments, without: dict[int, str]) -> tuple[Check, ...]:
    """Which cohorts have no stack."""
    if not without:
        return ()
    named = "; ".join(f"{g} ({reason})" for g, reason in without.items())
    counts = tuple(int(moments.units[moments.cohort == g].sum()) for g in without)
    message = f"The effects of {len(without)} cohort{'' if len(without) == 1 else 's'} are left out: {named}."
    return (Check("cohorts_left_out", "warn", message, term="att", statistic=len(without), counts=counts),)
