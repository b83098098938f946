"""What the two-by-two and the triple difference share: groups and periods of one adoption date as cells of means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from evaluation.errors import NotEstimable
from evaluation.estimators._did import require_variation, without_always_treated
from evaluation.estimators._regression import Made, Regression, collected
from evaluation.results import Check, Estimate, Joint, ResultSet, not_estimable

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask, PanelMoments
    from evaluation.inference.cell_means import CellFit

BEFORE, AFTER = 0, 1


@dataclass(frozen=True, eq=False)
class Cells:
    """Groups compared around one adoption date.

    `group` (R,) numbers the groups, whose names are `names` and whose signs in the difference `signs`; effects are on
    the `treated` rows (R,).
    """

    moments: PanelMoments
    start: int
    group: Integers
    names: tuple[str, ...]
    signs: tuple[int, ...]
    treated: Mask

    @property
    def after(self) -> Mask:
        """Whether a period is at or after adoption (T,)."""
        found: Mask = self.moments.times >= self.start
        return found

    def answer(
        self, estimand: str, by_time: str, conf_level: float, *, alternatives: bool, means: bool = False
    ) -> ResultSet:
        """The difference before and after (`att`), covariates' slopes, and the difference period by period (`event`).

        `means` asks for the means themselves too, where no covariate moves them.

        Raises
        ------
        NotEstimable
            When a group is not observed before or after adoption, or uncertainty cannot be reckoned.
        """
        from evaluation.inference.cell_means import cell_means

        self._require_all()
        size = 2 * len(self.names)
        fit = cell_means(self.moments, 2 * self.group[:, None] + self.after, size)
        found = Regression(self.moments, fit, conf_level, alternatives)
        weights = self._difference(fit, 2, AFTER, BEFORE)
        att = found.figure("att", estimand, weights, self.treated, counts=self._counts())
        if not alternatives:
            return collected([att], moments=self.moments)
        events, checks, joint = self._by_period(by_time, conf_level)
        rows = [att, *(self._means(found) if means else ()), *self._slopes(found), *events]
        checks = (*checks, *_collinear(self, fit, size), *_one_sided(self), *found.checks())
        return collected(rows, checks, moments=self.moments, joint=joint, influence=found.influence(weights))

    def _difference(self, fit: CellFit, each: int, one: int, other: int) -> Floats:
        """Weights (C + L,) of the signed sum over groups of mean `one` less mean `other`, of `each` means a group."""
        import numpy as np

        weights = np.zeros(len(fit.coefficients))
        for j, sign in enumerate(self.signs):
            weights[each * j + one] += sign
            weights[each * j + other] -= sign
        return weights

    def _units(self, group: int, periods: Mask) -> int:
        """Units of a group observed in any of some periods (T,)."""
        seen = self.moments.observed[:, periods].any(axis=1) & (self.group == group)
        return int(self.moments.units[seen].sum())

    def _counts(self) -> tuple[int, ...]:
        """Units in each cell: of each group, before and after."""
        return tuple(self._units(j, p) for j in range(len(self.names)) for p in (~self.after, self.after))

    def _require_all(self) -> None:
        for j, name in enumerate(self.names):
            for periods, when in ((~self.after, "before"), (self.after, "after")):
                if not self._units(j, periods):
                    raise NotEstimable(f"No unit of the {name} is observed {when} adoption: there is no comparison.")

    def _means(self, found: Regression) -> list[Made]:
        """The means behind the difference; none where covariates move them."""
        import numpy as np

        size, rows = len(found.fit.coefficients), []
        if size != 2 * len(self.names):
            return []
        for j, name in enumerate(self.names):
            for column, (periods, when) in enumerate(((~self.after, "before"), (self.after, "after"))):
                weights = np.eye(size)[2 * j + column]
                units = self._units(j, periods)
                estimate, inference = found.rule.figure(
                    "mean", f"Mean outcome of the {name} {when} adoption", self.moments.shift + found.value(weights),
                    found.std_error(weights), group=f"{name.split()[0]} {when}",
                    n_obs=int(self.moments.counts[self.group == j][:, periods].sum()), n_units=units,
                    n_treated_units=units if self.signs[j] > 0 else 0, counts=(units,))  # fmt: skip
                rows.append(Made(replace(estimate, p_value=None), (replace(inference, p_value=None),)))  # not against 0
        return rows

    def _slopes(self, found: Regression) -> list[Made]:
        """The covariates' coefficients, each as a term of its own name."""
        import numpy as np

        from evaluation.data.grams import GramMoments
        from evaluation.estimators._did import counts_of

        if not isinstance(self.moments, GramMoments):
            return []
        counts, rows = counts_of(self.moments, self.treated), []
        for i, (name, scale) in enumerate(zip(self.moments.grams.names, self.moments.grams.scale, strict=True)):
            k = 2 * len(self.names) + i
            if found.fit.identified[k]:
                slope = np.eye(len(found.fit.coefficients))[k]  # per unit of the common scale, as the outcome's spread
                error = found.std_error(slope)
                estimate, inference = found.rule.figure(
                    name, "Coefficient of the covariate", scale * found.value(slope), error and scale * error, **counts
                )
                rows.append(Made(estimate, (inference,)))
        return rows

    # ----------------------------------------------------------------- period by period

    def _by_period(self, estimand: str, conf_level: float) -> tuple[list[Made], tuple[Check, ...], Joint | None]:
        """The difference in each period against the last before adoption, where there are more than two periods."""
        import numpy as np

        from evaluation.inference.cell_means import cell_means

        times = self.moments.times
        if len(times) < 3:
            return [], (), None
        periods = np.arange(len(times))
        try:
            cell = len(times) * self.group[:, None] + periods
            fit = cell_means(self.moments, cell, len(times) * len(self.names))
        except NotEstimable:  # fewer observations than cells: the overall effect stands alone
            return [], (), None
        found = Regression(self.moments, fit, conf_level)
        base = int(np.flatnonzero(~self.after)[-1])
        known = np.array([all(self._units(j, periods == t) for j in range(len(self.names))) for t in periods])
        if not known[base]:
            return [], (), None
        weights = [self._difference(fit, len(times), int(t), base) for t in periods]
        rows = [self._event(found, weights[t], int(t), base, estimand, bool(known[t])) for t in periods]
        told = [t for t in periods if known[t] and t != base]
        at = [float(times[t] - self.start) for t in told]
        joint = found.joint_of(at, np.array([weights[t] for t in told]), (float(times[base] - self.start),))
        leads = [(weights[t], self.treated) for t in told if t < base]
        checks = (found.pretrends(leads),) if base > 0 else ()
        return rows, checks, joint

    def _event(self, found: Regression, weights: Floats, t: int, base: int, estimand: str, known: bool) -> Made:
        import numpy as np

        from evaluation.estimators._did import counts_of

        time = float(self.moments.times[t] - self.start)
        at = np.arange(len(self.moments.times)) == t
        counts: dict[str, Any] = {"counts": tuple(self._units(j, at) for j in range(len(self.names)))}
        if not known:
            reason = f"At {time:g} periods since adoption not every group is observed."
            estimate, check = not_estimable("event", estimand, reason, counts["counts"], time=time)
            return Made(estimate, checks=(check,))
        if t == base:
            counts = {**counts_of(self.moments, self.treated), **counts}
            return Made(Estimate("event", estimand, 0.0, time=time, status="reference", conf_level=found.conf_level,
                                 **counts))  # fmt: skip
        what = f"The difference at {time:g} periods since adoption"
        return found.figure("event", estimand, weights, self.treated, what=what, time=time, **counts)


def one_adoption(moments: PanelMoments) -> tuple[PanelMoments, int]:
    """The moments without always-treated units, and the one period in which treatment starts.

    Raises
    ------
    NotEstimable
        With one period, one outcome everywhere, nobody or everybody starting treatment, or several dates.
    """
    import numpy as np

    if len(moments.times) < 2:
        raise NotEstimable("The outcome is known in one period only: there is no before and after.")
    require_variation(moments)
    moments = without_always_treated(moments)
    inside = (moments.cohort != 0) & (moments.cohort <= moments.times[-1]) if moments.n_units else np.zeros(0, bool)
    starts = np.unique(moments.cohort[inside]) if moments.n_units else inside
    if not len(starts):
        raise NotEstimable("No unit starts treatment within the periods observed.")
    if len(starts) > 1:
        raise NotEstimable(
            f"Units adopted at {len(starts)} different times, and this comparison of before and after needs one date. "
            "Use `callaway_santanna`, which compares each cohort by itself (or `twfe` as the familiar figure beside)."
        )
    if inside.all():
        raise NotEstimable("All units are treated at the same time: no unit is left to compare them with.")
    return moments, int(starts[0])


def _collinear(cells: Cells, fit: CellFit, size: int) -> tuple[Check, ...]:
    """Covariates left out because cells and other covariates say the same."""
    from evaluation.data.grams import GramMoments

    if not isinstance(cells.moments, GramMoments):
        return ()
    dropped = [n for n, kept in zip(cells.moments.grams.names, fit.identified[size:], strict=True) if not kept]
    if not dropped:
        return ()
    message = (
        f"Left out, as groups, periods and the other covariates say the same already: {', '.join(dropped)}. "
        "The effect is what it would be without."
    )
    return (Check("collinear_covariates", "info", message, statistic=len(dropped)),)


def _one_sided(cells: Cells) -> tuple[Check, ...]:
    """A warning where some units of a panel are observed on one side of adoption only."""
    moments = cells.moments
    before = moments.observed[:, ~cells.after].any(axis=1)
    after = moments.observed[:, cells.after].any(axis=1)
    both, one = int(moments.units[before & after].sum()), int(moments.units[before ^ after].sum())
    if not both or not one:
        return ()  # a panel with all on both sides, or cross-sections of different units
    message = (
        f"{one} of {moments.n_units} units are observed only before or only after adoption, so the groups are not made "
        "of the same units on both sides, and part of the difference may be a change of composition. `twfe` compares "
        "each unit with itself."
    )
    return (Check("one_sided_units", "warn", message, term="att", statistic=one, counts=(one, both)),)
