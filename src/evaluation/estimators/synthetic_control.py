"""Synthetic control: each treated unit against its own weighted mean of donors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from evaluation.estimators._synthetic import (
    SOLVED,
    Comparison,
    DonorChoice,
    Made,
    collected,
    compared,
    donor_checks,
    fit_check,
    range_check,
)
from evaluation.estimators.base import PanelEstimator
from evaluation.results import Check, Estimate, Inference, ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, PanelMoments
    from evaluation.data.panel import Panel
    from evaluation.data.unit_moments import UnitMoments
    from evaluation.inference.synthetic import Sets, Synthetic
    from evaluation.study.models import Outcome

ESTIMAND = "Effect on the treated: mean gap to the synthetic comparison from adoption on"
WEIGHT = "Weight of the donor in the synthetic comparison"
GAP = "Gap between the treated and the synthetic comparison in the period"
SEED = 1989
FEWEST_LEFT = 2  # units outside of a set of placebos, to be their donors
QUICK, QUICK_DRAWS = 60, 99  # donors up to which diagnostics get placebos too, and how many sets of them
HEAVY = 0.05  # weight from which a donor's own break matters
SOON = 3  # periods after adoption in which a donor's break looks like the same event
BROKEN = 3.0  # times the donors' median ratio of gaps after and before


class SyntheticControl(PanelEstimator):
    """Weights on the simplex, found exactly; p-values by placebos in space."""

    id = "synthetic_control"
    title = "Synthetic control"
    summary = (
        "Weights donors so that their mean follows the treated unit before adoption, and takes the gap afterwards as "
        "the effect. For one or a few treated places with a long history before adoption and many similar places never "
        "treated."
    )
    needs = (
        "One or more treated units observed before and after, and donors never treated (within the data) observed in "
        "every period. Aggregates such as states, counties or agencies, not people."
    )
    conventions = (
        "Weights are zero or more, sum to one and minimise the squared gaps before adoption exactly (active set, "
        "optimum verified). No standard error: the p-value is the rank of the ratio of root mean squared gaps after "
        "and before adoption among all units treated as placebos, each by all other units (with several treated units, "
        "sets of units); the interval holds the constant effects that this test does not reject, and is left out where "
        "there are too few units for the confidence level, or several adoption dates."
    )
    source = "Abadie, Diamond and Hainmueller (2010); Doudchenko and Imbens (2016) for the penalty"

    penalty: Annotated[
        float,
        Field(ge=0, allow_inf_nan=False, description="Ridge on the weights, in variances of donors' changes; 0 = none"),
    ] = 0.0
    donors: DonorChoice = None
    draws: Annotated[int, Field(ge=99, le=9999, description="Most sets of placebos, with several treated units")] = 499

    def moments(self, panel: Panel, outcome: Outcome) -> UnitMoments:
        """Every unit by itself."""
        from evaluation.data.unit_moments import unit_moments

        return unit_moments(panel, outcome)

    def estimate(self, moments: PanelMoments, outcome: Outcome) -> ResultSet:  # noqa: ARG002 - the moments say all
        """Terms `att`, `gap` by period (and cohort, where there are several) and `weight` by donor.

        Raises
        ------
        NotEstimable
            When nobody is treated within the periods, or fewer than two donors are left.
        """
        found = self._fitted(moments)
        ranking = found.ranking(self.draws)
        rows = [found.overall(ranking), *found.gap_rows(), *found.weight_rows()]
        fit = fit_check(found.data, found.before**0.5, "the synthetic comparison")
        of_donors = (*donor_checks(found.data), fit, *range_check(found.data))
        checks = (*of_donors, *found.solution(), *found.ratio(ranking), *found.contamination())
        return collected(rows, checks, found.data.moments.flow)

    def overall(self, moments: PanelMoments, outcome: Outcome) -> Estimate:  # noqa: ARG002 - the moments say all
        """The overall effect alone; with its p-value and interval where donors are few, from fewer random placebos.

        Raises
        ------
        NotEstimable
            When there is no overall effect.
        """
        found = self._fitted(moments)
        return found.overall(found.ranking(QUICK_DRAWS) if len(found.data.donors) <= QUICK else None)[0]

    def _fitted(self, moments: PanelMoments) -> Fitted:
        from evaluation.data.unit_moments import UnitMoments
        from evaluation.inference.synthetic import synthetic

        assert isinstance(moments, UnitMoments)  # noqa: S101 - made by `moments` above
        data = compared(moments, self.donors)
        pool = data.pool
        fits = [
            synthetic(data.values[r], pool, data.before(int(data.moments.cohort[r])), self.penalty)
            for r in data.treated.tolist()
        ]
        return Fitted(data, tuple(fits), self.penalty, self.conf_level)


@dataclass(frozen=True, eq=False)
class Ranking:
    """The treated units among placebos; `complete` says whether these are all there are."""

    real: Sets
    others: Sets
    complete: bool
    one_date: bool
    places: int

    @property
    def method(self) -> str:
        """How the p-value came about."""
        what = f"{'all' if self.complete else 'random'} {len(self.others.before)}"
        units = "other units" if self.places == 1 else "other sets of units"
        return f"placebo in space: rank of the ratio of gaps after and before adoption among {what} {units}"


@dataclass(frozen=True, eq=False)
class Fitted:
    """The treated units with their synthetic counterparts."""

    data: Comparison
    fits: tuple[Synthetic, ...]  # one a treated unit
    penalty: float
    conf_level: float

    def _mean(self, values: Sequence[float]) -> float:
        import numpy as np

        return float(self.data.shares @ np.array(values))

    @cached_property
    def effect(self) -> float:
        """Mean gap from adoption on, averaged over the treated."""
        return self._mean([f.effect for f in self.fits])

    @cached_property
    def before(self) -> float:
        """Mean squared gap before adoption, averaged over the treated."""
        return self._mean([f.before for f in self.fits])

    @cached_property
    def after(self) -> float:
        """The same from adoption on."""
        return self._mean([f.after for f in self.fits])

    @property
    def floor(self) -> float:
        """The smallest mean squared gap before adoption that is told from a perfect fit."""
        from evaluation.inference.synthetic import PERFECT

        return (PERFECT * self.data.moments.spread) ** 2

    @property
    def post_pre(self) -> float:
        """Root mean squared gap after adoption over that before."""
        return float((self.after / max(self.before, self.floor)) ** 0.5)

    def ranking(self, draws: int) -> Ranking | None:
        """The ratio of gaps after and before adoption among placebos; None where too few units can stand in.

        Treated units with missing outcomes are left out of the placebos: they can stand in for no one.
        """
        import numpy as np

        from evaluation.inference.synthetic import Sets, Slots, choices, permuted

        data = self.data
        starts = [int(g) for g in data.moments.cohort[data.treated]]
        used = [~np.isnan(data.values[r]) for r in data.treated]
        slots = Slots(tuple(used), tuple(data.before(g) for g in starts), data.shares)
        needed = np.any(used, axis=0)
        whole = [r for r, own in zip(data.treated.tolist(), used, strict=True) if own[needed].all()]
        units = [*whole, *data.donors.tolist()]
        if len(units) < len(starts) + FEWEST_LEFT:
            return None
        sets, complete = choices(len(units), len(whole), slots, draws, SEED)
        others = permuted(data.values[units].T, slots, sets, len(whole), self.penalty)
        real = Sets(*(np.array([v]) for v in (self.before, self.after, -self.effect, 1.0)))
        return Ranking(real, others, complete, slots.one_date, len(starts))

    def overall(self, ranking: Ranking | None) -> Made:
        """The effect, with the p-value and the interval that the placebos give."""
        from evaluation.inference.synthetic import inverted, rank_p

        place: dict[str, Any] = {"conf_level": self.conf_level, **self.data.counts()}
        if ranking is None:
            return Estimate("att", ESTIMAND, self.effect, **place), None
        p_value = rank_p(ranking.real, ranking.others, 0.0, self.floor)
        span = inverted(ranking.real, ranking.others, self.conf_level, self.floor) if ranking.one_date else None
        low, high = span or (None, None)
        row = Estimate("att", ESTIMAND, self.effect, None, low, high, p_value, **place)
        method = ranking.method + ("; interval of constant effects by inverting the test" if span else "")
        return row, Inference("att", method, conf_low=low, conf_high=high, p_value=p_value, distribution="placebo",
                              df_rule="rank among placebos")  # fmt: skip

    def gap_rows(self) -> list[Made]:
        """Gaps by period, averaged over the treated of a cohort who are observed in it."""
        import numpy as np

        several = len(self.data.cohorts) > 1
        rows: list[Made] = []
        for start in self.data.cohorts:
            here = np.flatnonzero(self.data.of_cohort(start))
            gaps = np.array([self.fits[i].gaps for i in here])
            share = np.where(np.isnan(gaps), 0.0, self.data.shares[here][:, None])
            for t in np.flatnonzero(self.data.used(start)).tolist():
                value = float((np.nan_to_num(gaps[:, t]) * share[:, t]).sum() / share[:, t].sum())
                counts = self.data.counts_for(int((share[:, t] > 0).sum()))
                counts["n_obs"] = counts["n_units"]
                rows.append((Estimate("gap", GAP, value, group=str(start) if several else "",
                                      time=float(self.data.times[t]), conf_level=self.conf_level, **counts),
                             None))  # fmt: skip
        return rows

    @cached_property
    def weights(self) -> Floats:
        """Donors' weights, averaged over the treated (J,)."""
        import numpy as np

        found: Floats = self.data.shares @ np.array([f.fit.weights for f in self.fits])
        return found

    def weight_rows(self) -> list[Made]:
        """Weights by donor."""
        return self.data.weight_rows(self.weights, WEIGHT, self.conf_level)

    # ----------------------------------------------------------------- checks

    def solution(self) -> tuple[Check, ...]:
        """Whether the optimum's conditions hold, and whether there is only one."""
        worst = max(f.fit.breach for f in self.fits)
        counts = self.data.counts()["counts"]
        if worst > SOLVED:
            message = "The weights do not meet the conditions of the best fit: the figures cannot be relied on."
            return (Check("weights_optimal", "fail", message, statistic=worst, threshold=SOLVED, counts=counts),)
        found = [Check("weights_optimal", "pass", "The weights meet the conditions of the best possible fit.",
                       statistic=worst, threshold=SOLVED, counts=counts)]  # fmt: skip
        if not all(f.fit.unique for f in self.fits):
            message = (
                "Many sets of weights fit equally well before adoption; the most even one was taken, and others could "
                "give another effect. More periods before adoption, fewer donors or a penalty make them unique."
            )
            found.append(Check("weights_not_unique", "warn", message, term="att", counts=counts))
        return tuple(found)

    @cached_property
    def alone(self) -> list[tuple[Synthetic, ...]]:
        """Every donor fitted by the other donors alone, at each adoption date."""
        from evaluation.inference.synthetic import placebos

        data = self.data
        return [placebos(data.pool, data.used(g), data.before(g), self.penalty) for g in data.cohorts]

    def ratio(self, ranking: Ranking | None) -> tuple[Check, ...]:
        """How far the gap grew at adoption, beside the donors' own; and whether placebos are enough to tell."""
        import numpy as np

        ratios = [(f.after / max(f.before, self.floor)) ** 0.5 for fits in self.alone for f in fits]
        message = (
            f"After adoption the gap is {self.post_pre:.3g} times as large as before (root mean squares); among donors "
            f"fitted by the other donors the median is {np.median(ratios):.3g}."
        )
        counts = self.data.counts()["counts"]
        found = Check("post_pre_ratio", "info", message, term="att", statistic=self.post_pre, counts=counts)
        smallest, alpha = 1.0 if ranking is None else 1 / (1 + len(ranking.others.before)), 1 - self.conf_level
        if smallest <= alpha + 1e-12:
            return (found,)
        message = (
            "Too few units can stand in for the treated: there is no p-value and no interval."
            if ranking is None
            else f"With so few units the smallest p-value there can be is {smallest:.2g}: nothing can be concluded "
            f"at the {self.conf_level:.0%} level, and there is no interval."
        )
        return (found, Check("few_placebos", "warn", message, term="att", statistic=smallest, threshold=alpha,
                             counts=counts))  # fmt: skip

    def contamination(self) -> tuple[Check, ...]:
        """Donors that carry weight and break from their own synthetic counterpart when the treated adopt."""
        import numpy as np

        times, ratios = self.data.times, []
        for start, fits in zip(self.data.cohorts, self.alone, strict=True):
            soon = np.flatnonzero((times >= start) & self.data.used(start))[:SOON]
            near = [float((f.gaps[soon] ** 2).mean()) / max(f.before, self.floor) for f in fits]
            ratios.append(np.sqrt(near))
        worst = np.max(ratios, axis=0)
        limit = BROKEN * float(np.median(worst))
        broken = np.flatnonzero((self.weights >= HEAVY) & (worst > limit))
        if not len(broken):
            message = "No donor of weight breaks from its own past when the treated adopt."
            return (Check("donor_contamination", "pass", message, counts=self.data.counts()["counts"]),)
        names = ", ".join(self.data.moments.name(int(self.data.donors[j])) for j in broken)
        message = (
            f"Donors of weight that break from their own past when the treated adopt: {names}. If the treatment, or "
            "something like it, reached them, leave them out (`donors: {exclude: [...]}`)."
        )
        return (Check("donor_contamination", "warn", message, term="att", statistic=float(worst[broken].max()),
                      threshold=limit, counts=(1,)),)  # fmt: skip
