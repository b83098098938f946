"""Borusyak, Jaravel and Spiess: outcomes without treatment are imputed from untreated observations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from evaluation.errors import NotEstimable
from evaluation.estimators._regression import Made, RegressionEstimator, collected
from evaluation.estimators._untreated_leads import leads
from evaluation.results import Check, Influence, ResultSet, not_estimable

if TYPE_CHECKING:
    from evaluation.data.moments import Mask, PanelMoments
    from evaluation.inference.imputation import Imputation, Means
    from evaluation.inference.rule import Rule
    from evaluation.study.models import Outcome

ESTIMANDS = {
    "att": "Effect on the treated: mean over treated observations of outcome less imputed outcome",
    "event": "Effect on the treated by periods since adoption",
    "group": "Effect on the treated by cohort, mean over its observations after adoption",
    "calendar": "Effect on the treated by calendar period",
}
METHOD = "Borusyak-Jaravel-Spiess, cohort x horizon averages"
LISTED = 5


class ImputationDiD(RegressionEstimator):
    """Unit and period effects from untreated observations give what treated ones would have been."""

    id = "imputation"
    title = "Imputation (Borusyak–Jaravel–Spiess)"
    summary = (
        "Unit and period effects are fitted to untreated observations alone and say what treated ones would have been "
        "without treatment; the differences are averaged. Uses all periods before adoption, so it is more precise than "
        "comparisons with one base period where trends are parallel throughout."
    )
    needs = "A panel with untreated periods for treated units, and units untreated in the periods after adoption."
    conventions = (
        "Conservative standard errors with averages by cohort and horizon (leave_out: each cluster left out of the "
        "averages it is compared with), summed within clusters, no small-sample factor; normal distribution. Gardner's "
        "two-stage standard error stands beside the overall effect. Event rows from adoption on are imputed effects; "
        "those before it are coefficients of a regression among untreated observations, relative to the last period "
        "before adoption (CR1, t with G-1 degrees of freedom). Units without an untreated period are dropped and "
        "counted."
    )
    source = "Borusyak, Jaravel and Spiess (2024); Gardner (2022) on the two-stage standard error"

    anticipation: Annotated[int, Field(ge=0, description="Periods before adoption that treatment may affect")] = 0
    leave_out: Annotated[
        bool, Field(description="Leave each cluster out of the averages that its effects are compared with")
    ] = False

    def answer(self, moments: PanelMoments, outcome: Outcome, *, alternatives: bool) -> ResultSet:  # noqa: ARG002
        """Terms `att`, `event`, `group` and `calendar`, the joint test of the leads, and the flow.

        Raises
        ------
        NotEstimable
            When no treated observation can be imputed.
        """
        from evaluation.estimators._did import require_variation
        from evaluation.inference.imputation import equal_weights, impute

        require_variation(moments)
        moments = self._usable(moments)
        if self.leave_out and not equal_weights(moments):
            raise NotEstimable(
                "`leave_out` needs every unit by itself where weights differ between units, and there are too many "
                "units for that: leave the option out, or name a coarser `cluster`."
            )
        found = impute(moments, self.anticipation)
        report = _Report(self, found)
        if not report.after.any():
            raise NotEstimable(*_nothing(found))
        rows, influence = report.rows(whole=alternatives)
        before, pretrends = leads(found, self.anticipation, self.conf_level) if alternatives else ([], ())
        return collected([*rows, *before], (*pretrends, *report.checks()), moments=moments, influence=influence)

    def _usable(self, moments: PanelMoments) -> PanelMoments:
        """The moments without units that tell nothing.

        Raises
        ------
        NotEstimable
            When nothing is left, or all of it is in one cluster.
        """
        import numpy as np

        begins = moments.cohort - self.anticipation
        free = (moments.cohort == 0)[:, None] | (moments.times < begins[:, None])
        never = ~(moments.observed & free).any(axis=1)
        reason = "No untreated period: what would have been without treatment cannot be imputed"
        moments = moments.without(np.asarray(never), "no_untreated_period", reason)
        once = moments.observed.sum(axis=1) < 2
        moments = moments.without(once, "single_period", "Observed in one period only: no change to compare")
        if not moments.n_units:
            raise NotEstimable("No unit has an untreated period and another one.")
        if moments.n_clusters < 2:
            raise NotEstimable("All rows are in one cluster, so uncertainty cannot be reckoned.")
        return moments


def _nothing(found: Imputation) -> tuple[str, tuple[int, ...]]:
    """Why there is no effect at all."""
    if not found.treated.any():
        return "No unit starts treatment within the periods observed.", ()
    units = int(found.moments.units[found.treated.any(axis=1)].sum())
    reason = (
        "No treated observation can be imputed: no unit is untreated in the periods in which others are treated, or "
        "none of these can be linked to them. Never-treated units, or later cohorts, must be observed in the same "
        "periods."
    )
    return reason, (units,)


@dataclass(frozen=True, eq=False)
class _Target:
    """A mean of effects: its key, the cohorts and periods (J, T) it is over, and its rows (R,)."""

    term: str
    cells: Mask
    rows: Mask
    group: str = ""
    time: float | None = None

    @property
    def key(self) -> dict[str, Any]:
        return {"group": self.group, "time": self.time}


@dataclass(frozen=True, eq=False)
class _Report:
    """The imputed effects as rows."""

    options: ImputationDiD
    found: Imputation

    @cached_property
    def since(self) -> Any:
        """Periods since adoption by cohort (J, T)."""
        return self.found.moments.times - self.found.cohorts[:, None]

    @cached_property
    def after(self) -> Mask:
        """Cohorts and periods from adoption on with a known effect (J, T)."""
        found: Mask = (self.found.by_cohort(self.found.weight) > 0) & (self.since >= 0)
        return found

    @cached_property
    def rule(self) -> Rule:
        from evaluation.inference.rule import Rule

        method = f"{METHOD}, leave-out" if self.options.leave_out else METHOD
        return Rule(method, self.options.conf_level, self.found.moments.n_clusters)

    def _target(self, term: str, cells: Mask, group: str = "", time: float | None = None) -> _Target:
        rows: Any = (self.found.treated & cells[self.found.of_row]).any(axis=1)
        return _Target(term, cells, rows, group, time)

    def _targets(self) -> Iterator[_Target]:
        """Every figure there might be, the overall effect first; treated cells without a known effect included."""
        import numpy as np

        found = self.found
        seen = found.by_cohort(found.treated.astype(np.float64)) > 0
        post = seen & (self.since >= 0)
        yield self._target("att", post)
        for e in np.unique(self.since[seen]).tolist():
            yield self._target("event", seen & (self.since == e), time=float(e))
        for j in np.flatnonzero(post.any(axis=1)).tolist():
            cells = np.zeros_like(post)
            cells[j] = post[j]
            yield self._target("group", cells, group=str(found.cohorts[j]))
        for k in np.flatnonzero(post.any(axis=0)).tolist():
            cells = np.zeros_like(post)
            cells[:, k] = post[:, k]
            yield self._target("calendar", cells, time=float(found.moments.times[k]))

    def rows(self, *, whole: bool) -> tuple[list[Made], Influence | None]:
        """All figures, or without `whole` the overall one alone, and what clusters add to the latter's error."""
        import numpy as np

        from evaluation.inference.imputation import means

        targets = list(self._targets())[: None if whole else 1]
        known = self.found.by_cohort(self.found.weight) > 0
        some = [t for t in targets if (t.cells & known).any()]
        reckoned = means(self.found, np.array([t.cells for t in some]), leave_out=self.options.leave_out)
        errors = self._errors(reckoned)
        made = {id(t): self._row(t, float(v), e) for t, v, e in zip(some, reckoned.values, errors, strict=True)}
        rows = [made.get(id(t)) or self._none(t) for t in targets]
        if whole:
            rows[0] = self._with_gardner(rows[0], targets[0])
        influence = None
        if reckoned.scores is not None:
            influence = Influence(np.unique(self.found.moments.cluster), reckoned.scores[:, 0])
        return rows, influence

    def _errors(self, reckoned: Means) -> list[float | None]:
        from evaluation.inference.covariance import standard_errors

        return standard_errors(reckoned.covariance, self.found.moments.spread)

    def _counts(self, target: _Target) -> dict[str, Any]:
        from evaluation.estimators._did import counts_of

        moments, found = self.found.moments, self.found
        lost = int(moments.counts[found.treated & ~found.known].sum())
        counts = counts_of(moments, target.rows)
        return counts | {"n_obs": counts["n_obs"] - lost}

    def _row(self, target: _Target, value: float, error: float | None) -> Made:
        from evaluation.estimators._did import one_treated_cluster, single_cluster

        error = None if one_treated_cluster(self.found.moments) else error
        row, how = self.rule.figure(
            target.term, ESTIMANDS[target.term], value, error, **target.key, **self._counts(target)
        )
        when = {"event": f" at {target.time or 0:g} periods since adoption", "group": f" in cohort {target.group}",
                "calendar": f" in {target.time or 0:g}"}.get(target.term, "")  # fmt: skip
        alone = single_cluster(self.found.moments, target.rows, f"The effect{when}", term=target.term, **target.key)
        return Made(row, (how,), alone)

    def _none(self, target: _Target) -> Made:
        reason = (
            "None of its observations can be imputed: in their periods no unit is untreated, or none that these units "
            "can be linked to."
        )
        counts = (int(self.found.moments.units[target.rows].sum()),)
        row, check = not_estimable(target.term, ESTIMANDS[target.term], reason, counts, **target.key)
        return Made(row, (), (check,))

    def _with_gardner(self, made: Made, target: _Target) -> Made:
        """The overall effect with the standard error of the second stage of Gardner's two-stage regression beside."""
        import numpy as np

        from evaluation.inference.imputation import means

        value = made.estimate.estimate
        if value is None or made.estimate.std_error is None:
            return made
        centre = np.full(target.cells.shape, value)
        (error,) = self._errors(means(self.found, target.cells[None], around=centre))
        _, beside = self.rule.figure("att", ESTIMANDS["att"], value, error, method="Gardner two-stage (GMM)")
        return replace(made, inference=(*made.inference, beside))

    def checks(self) -> tuple[Check, ...]:
        """What the means leave out, cohorts whose variation is not seen, and too few clusters."""
        from evaluation.inference.rule import few_clusters

        return (*self._missing(), *self._small_cohorts(), *few_clusters(self.rule.n_clusters))

    def _missing(self) -> tuple[Check, ...]:
        import numpy as np

        found, moments = self.found, self.found.moments
        lost = found.treated & ~found.known & (moments.times >= moments.cohort[:, None])
        if not lost.any():
            return ()
        cells = np.argwhere(found.by_cohort(lost.astype(np.float64)) > 0).tolist()
        named = [f"cohort {found.cohorts[j]} in {moments.times[k]}" for j, k in cells[:LISTED]]
        more = ", …" if len(cells) > LISTED else ""
        whole = int(moments.counts[found.treated & (moments.times >= moments.cohort[:, None])].sum())
        share = 1 - int(moments.counts[lost].sum()) / whole
        message = (
            f"The overall effect covers {share:.0%} of the treated observations. The others cannot be imputed, because "
            f"no unit that they can be compared with is untreated in their periods: {', '.join(named)}{more}."
        )
        counts = (int(moments.units[lost.any(axis=1)].sum()),)
        return (Check("cells_missing", "warn", message, term="att", statistic=share, counts=counts),)

    def _small_cohorts(self) -> tuple[Check, ...]:
        import numpy as np

        found, moments = self.found, self.found.moments
        checks = []
        for j in np.flatnonzero(self.after.any(axis=1)).tolist():
            rows = found.of_row == j
            if moments.clusters_among(rows) > 1:
                continue
            units = int(moments.units[rows].sum())
            size = "one unit" if units == 1 else f"{units} units in one cluster"
            message = (
                f"Cohort {found.cohorts[j]} is {size}: its effects are compared with their own average, so how they "
                "vary is not seen and standard errors that rest on it are too small."
            )
            checks.append(Check("small_cohort", "warn", message, term="group", group=str(found.cohorts[j]),
                                statistic=units, counts=(units,)))  # fmt: skip
        return tuple(checks)
