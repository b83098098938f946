"""Synthetic difference-in-differences: donors and periods before adoption both weighted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from evaluation.errors import NotEstimable
from evaluation.estimators._synthetic import (
    Comparison,
    DonorChoice,
    Made,
    collected,
    compared,
    donor_checks,
    fit_check,
)
from evaluation.estimators.base import PanelEstimator
from evaluation.inference.rule import Rule
from evaluation.results import Check, Estimate, ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask, PanelMoments
    from evaluation.data.panel import Panel
    from evaluation.data.unit_moments import UnitMoments
    from evaluation.inference.synthetic_did import Cohort, Design, Figures, Solver, Weights
    from evaluation.study.models import Outcome

ESTIMAND = "Effect on the treated: weighted difference-in-differences, mean from adoption on"
OF_COHORT = "Effect on units that adopted then: weighted difference-in-differences, mean from adoption on"
EVENT = "Effect by periods since adoption"
GAP = "Gap to the weighted donors in the period, counted from its weighted mean before adoption"
UNIT_WEIGHT = "Weight of the donor"
TIME_WEIGHT = "Weight of the period before adoption"
SEED = 2021
QUICK = 60  # donors up to which a diagnostic that asks again and again gets standard errors too
NOTHING = 1e-12  # of the outcome's spread: a standard error that is only rounding
NOTABLE = 0.1  # standard errors by which the exact optimum's effect may differ unnoticed

Method = Literal["placebo", "jackknife", "bootstrap"]


class SyntheticDiD(PanelEstimator):
    """Difference-in-differences with weights of donors and of periods."""

    id = "synthetic_did"
    title = "Synthetic difference-in-differences"
    summary = (
        "A difference-in-differences in which donors are weighted to move as the treated did before adoption, and "
        "periods before adoption to resemble those after it. Levels may differ, only movements must match, so it asks "
        "less than synthetic control and less than parallel trends of all untreated units."
    )
    needs = (
        "Treated units observed before and after adoption, and donors never treated (within the data) observed in "
        "every period. Staggered adoption is taken cohort by cohort."
    )
    conventions = (
        "Effect and standard errors as in the published procedure: ridge (N1 T1)^(1/2) times the variance of donors' "
        "changes on the donors' weights, 1e-6 of it on the periods'. Placebo standard errors where a cohort has one "
        "unit (every donor once where there is one treated unit, else random draws), jackknife with held weights "
        "otherwise; replications solve for the weights exactly. Normal distribution. Cohorts are averaged by "
        "treated observations."
    )
    source = "Arkhangelsky, Athey, Hirshberg, Imbens and Wager (2021)"

    inference: Annotated[
        Literal["auto", "placebo", "jackknife", "bootstrap"],
        Field(description="auto: placebo where a cohort has one treated unit, jackknife otherwise"),
    ] = "auto"
    solver: Annotated[
        Literal["frank_wolfe", "exact"],
        Field(description="frank_wolfe: the published procedure, which stops near the optimum; exact: the optimum"),
    ] = "frank_wolfe"
    donors: DonorChoice = None
    draws: Annotated[int, Field(ge=50, le=10_000, description="Replications of placebo or bootstrap")] = 200
    seed: Annotated[int, Field(ge=0, description="Seed of the replications")] = SEED

    def moments(self, panel: Panel, outcome: Outcome) -> UnitMoments:
        """Every unit by itself."""
        from evaluation.data.unit_moments import unit_moments

        return unit_moments(panel, outcome)

    def estimate(self, moments: PanelMoments, outcome: Outcome) -> ResultSet:  # noqa: ARG002 - the moments say all
        """Terms `att`, `group` by cohort, `event` from adoption on, `gap` by period, `weight` and `time_weight`.

        Raises
        ------
        NotEstimable
            When nobody is treated within the periods, or fewer than two donors are left.
        """
        found = self._solved(moments, self.solver)
        errors, how, checks = self._errors(found)
        data = found.data
        rows = [*found.effects(errors, how), *found.unit_weights(), *found.time_weights()]
        fit = fit_check(data, found.rmspe, "the path of the weighted donors")
        checks = (*donor_checks(data), fit, *checks, *self._other_solver(found, moments, errors))
        return collected(rows, checks, data.moments.flow)

    def overall(self, moments: PanelMoments, outcome: Outcome) -> Estimate:  # noqa: ARG002 - the moments say all
        """The overall effect alone, with the exact optimum, and its standard error where donors are few.

        Raises
        ------
        NotEstimable
            When there is no overall effect.
        """
        found = self._solved(moments, "exact")
        errors, how, _ = self._errors(found) if len(found.data.donors) <= QUICK else (found.unknown, "", ())
        return found.effects(errors, how)[0][0]

    def _solved(self, moments: PanelMoments, solver: Solver) -> Solved:
        from evaluation.data.unit_moments import UnitMoments

        assert isinstance(moments, UnitMoments)  # noqa: S101 - made by `moments` above
        data = compared(_whole_cohorts(moments), self.donors)
        design, order = _design(data)
        return Solved(data, design, order, design.solved(solver), self.conf_level)

    def _errors(self, found: Solved) -> tuple[Floats, str, tuple[Check, ...]]:
        """Standard errors of all figures (NaN where there are none), how they came about, and why not."""
        import numpy as np

        from evaluation.inference.synthetic_did import jackknife_paths, jackknife_spread, spread

        method, design = self._method(found.design), found.design
        figures = found.figures
        if method == "jackknife":
            left = jackknife_paths(design, found.weights)
            if not left:
                return found.unknown, "", (_no_error(
                    "the jackknife leaves out each unit, and a cohort has one unit or one donor has all the weight",
                    found.data),)  # fmt: skip
            told = "jackknife over units, weights held"
            return jackknife_spread(np.array([figures.of(p) for p in left])), told, ()
        replications, told = self._replications(found, method)
        if isinstance(replications, str):
            return found.unknown, "", (_no_error(replications, found.data),)
        values = np.array([figures.of(d.paths(d.solved("exact", found.weights))) for d in replications])
        return spread(values), told, ()

    def _method(self, design: Design) -> Method:
        if self.inference != "auto":
            return self.inference
        return "placebo" if any(len(c.outcomes) == 1 for c in design.cohorts) else "jackknife"

    def _replications(self, found: Solved, method: Method) -> tuple[list[Design] | str, str]:
        """The data of each replication, or why there are none; and how the standard errors are told."""
        from evaluation.inference.synthetic_did import bootstrap_designs, placebo_designs

        design = found.design
        treated = sum(len(c.outcomes) for c in design.cohorts)
        if method == "bootstrap":
            if treated < 2:
                return "a bootstrap of units needs more than one treated unit", ""
            return list(bootstrap_designs(design, self.draws, self.seed)), f"bootstrap of units, {self.draws} draws"
        if len(design.donors) < treated + 2:
            return "placebos need at least two donors more than there are treated units", ""
        designs, complete = placebo_designs(design, self.draws, self.seed)
        return designs, f"placebo: {'all' if complete else 'random'} {len(designs)} choices among the donors"

    def _other_solver(self, found: Solved, moments: PanelMoments, errors: Floats) -> tuple[Check, ...]:
        """How far the published procedure ends from the exact optimum."""
        if self.solver == "exact":
            return ()
        ours = float(found.values[0])
        exact = float(self._solved(moments, "exact").values[0])
        apart = abs(exact - ours)
        far = bool(apart > NOTABLE * errors[0])
        message = (
            f"With the exact optimum of the weights the effect is {exact:.6g}; the published procedure stops near it."
        )
        if far:
            message += " They differ by more than a tenth of the standard error: set `solver: exact`."
        return (Check("weights_optimal", "warn" if far else "pass", message, term="att", statistic=exact,
                      counts=found.data.counts()["counts"]),)  # fmt: skip


def _no_error(reason: str, data: Comparison) -> Check:
    message = f"There is no standard error: {reason}. Choose another `inference`."
    return Check("no_standard_error", "warn", message, term="att", counts=data.counts()["counts"])


def _whole_cohorts(moments: UnitMoments) -> UnitMoments:
    """Without treated units that miss a period in which others of their cohort are observed."""
    import numpy as np

    inside = (moments.cohort != 0) & (moments.cohort <= moments.times[-1])
    holes = np.zeros(len(inside), dtype=np.bool_)
    for start in np.unique(moments.cohort[inside]):
        here = moments.cohort == start
        seen = moments.observed[here]
        holes[here] = (seen != seen.any(axis=0)).any(axis=1)
    if inside.any() and holes[inside].all():
        raise NotEstimable("No treated unit has an outcome in every period in which its cohort is observed.")
    return moments.leaving(holes, "incomplete_treated", "A treated unit without an outcome in every period")


def _design(data: Comparison) -> tuple[Design, Integers]:
    """The outcomes as cohorts and donors; donors in the order (J,) of their outcomes, whatever they are called."""
    import numpy as np

    from evaluation.inference.synthetic_did import Cohort, Design

    cohorts = []
    for start in data.cohorts:
        periods = np.flatnonzero(data.used(start))
        here = data.of_cohort(start)
        own = data.values[data.treated[here]][:, periods]
        by_value = np.lexsort(own.T[::-1])
        cohorts.append(Cohort(own[by_value], data.shares[here][by_value], periods,
                              int((data.times[periods] < start).sum())))  # fmt: skip
    donors = np.nan_to_num(data.values[data.donors])
    order = np.lexsort(donors.T[::-1])
    return Design(tuple(cohorts), donors[order]), order


@dataclass(frozen=True, eq=False)
class Solved:
    """The data with the weights found; figures come in the order att, cohorts, event times, cohorts' gaps."""

    data: Comparison
    design: Design
    order: Integers  # (J,) of the donors in the design
    weights: tuple[Weights, ...]
    conf_level: float

    @cached_property
    def _cells(self) -> list[tuple[str, int | None, int | None, Mask]]:
        """Term, place of the cohort, time, and the cells (K, T) of each figure."""
        import numpy as np

        starts = np.array(self.data.cohorts)
        since = self.data.times - starts[:, None]
        used = np.array([self.data.used(g) for g in self.data.cohorts])
        after = used & (since >= 0)
        none = np.zeros_like(used)
        found: list[tuple[str, int | None, int | None, Mask]] = [("att", None, None, after)]
        several = len(starts) > 1
        for k in range(len(starts)) if several else ():
            cells = none.copy()
            cells[k] = after[k]
            found.append(("group", k, None, cells))
        found += [("event", None, int(e), after & (since == e)) for e in np.unique(since[after])]
        for k, t in np.argwhere(used).tolist():
            cells = none.copy()
            cells[k, t] = True
            found.append(("gap", k if several else None, int(self.data.times[t]), cells))
        return found

    @cached_property
    def figures(self) -> Figures:
        """What is read off the gaps."""
        from evaluation.inference.synthetic_did import Figures

        return Figures(tuple(cells for _, _, _, cells in self._cells))

    @cached_property
    def values(self) -> Floats:
        """The figures (F,)."""
        return self.figures.of(self.design.paths(self.weights))

    @property
    def unknown(self) -> Floats:
        """As many missing numbers as there are figures."""
        import numpy as np

        return np.full(len(self._cells), np.nan)

    @property
    def rmspe(self) -> float:
        """Root mean squared gap before adoption, each cohort's gaps counted from their plain mean then."""
        import numpy as np

        paths = self.design.paths(self.weights)
        squares, sizes = [], []
        for gaps, cohort in zip(paths.gaps, self.design.cohorts, strict=True):
            early = gaps[cohort.periods[: cohort.before]]
            squares.append(float(((early - early.mean()) ** 2).mean()))
            sizes.append(float(cohort.shares.sum()))
        return float(np.sqrt(np.average(squares, weights=sizes)))

    def effects(self, errors: Floats, how: str) -> list[Made]:
        """All figures read off the gaps, with their standard errors."""
        import numpy as np

        told = {"att": ESTIMAND, "group": OF_COHORT, "event": EVENT, "gap": GAP}
        rule = Rule(how, self.conf_level, self.data.moments.n_clusters)
        treated = self.data.moments.cohort[self.data.treated]
        rows: list[Made] = []
        for (term, k, time, cells), value, error in zip(
            self._cells, self.values.tolist(), errors.tolist(), strict=True
        ):
            starts = [g for one, g in enumerate(self.data.cohorts) if cells[one].any()]
            sizes = self.data.counts_for(int(np.isin(treated, starts).sum()))
            sizes["n_obs"] = int(sizes["n_units"] * cells.any(axis=0).sum()) if term != "att" else sizes["n_obs"]
            place: dict[str, Any] = {
                "group": "" if k is None else str(self.data.cohorts[k]),
                "time": None if time is None else float(time), **sizes}  # fmt: skip
            std_error = error if error > NOTHING * self.data.moments.spread else None  # nor where it is NaN
            row, inference = rule.figure(term, told[term], value, std_error, **place)
            rows.append((row, inference if std_error else None))
        return rows

    def _size(self, cohort: Cohort) -> float:
        return cohort.size / sum(c.size for c in self.design.cohorts)

    def unit_weights(self) -> list[Made]:
        """Donors' weights, averaged over cohorts by treated observations."""
        import numpy as np

        found = np.zeros(len(self.order))
        for cohort, weights in zip(self.design.cohorts, self.weights, strict=True):
            found[self.order] += self._size(cohort) * weights.units
        return self.data.weight_rows(found, UNIT_WEIGHT, self.conf_level)

    def time_weights(self) -> list[Made]:
        """Periods' weights, of each cohort where there are several."""
        several = len(self.data.cohorts) > 1
        rows: list[Made] = []
        for start, cohort, weights in zip(self.data.cohorts, self.design.cohorts, self.weights, strict=True):
            for t, weight in zip(cohort.periods[: cohort.before].tolist(), weights.times.tolist(), strict=True):
                rows.append((Estimate("time_weight", TIME_WEIGHT, weight, group=str(start) if several else "",
                                      time=float(self.data.times[t]), conf_level=self.conf_level,
                                      counts=(len(self.data.donors),)), None))  # fmt: skip
        return rows
