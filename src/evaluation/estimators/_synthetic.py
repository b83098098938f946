"""What the synthetic methods share: who is treated, who may be a donor, and the checks of how well donors match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from evaluation.errors import NotEstimable
from evaluation.estimators._did import require_variation
from evaluation.results import Check, Estimate, FlowStep, Inference, ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask
    from evaluation.data.unit_moments import UnitMoments

FEWEST_DONORS = 2
FEW_DONORS = 5
FEWEST_BEFORE = 2
FEW_BEFORE = 5
POOR_FIT = 0.25  # root mean squared gap before adoption, in standard deviations of the outcome then
SOLVED = 1e-8  # breach of the optimum's conditions that is more than rounding

Made = tuple[Estimate, Inference | None]


class Donors(BaseModel):
    """Donors by what they are not."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    exclude: Annotated[list[str | int], Field(min_length=1, description="Units that may not be donors")]


DonorChoice = Annotated[
    list[str | int] | Donors | None,
    Field(description="Units that may be donors, or {exclude: [units that may not]}; all never treated if not given"),
]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Treated units and complete donors, over T periods; rows are the moments'."""

    moments: UnitMoments
    values: Floats  # (R, T)
    treated: Integers  # (N,) rows
    donors: Integers  # (J,) rows
    shares: Floats  # (N,) of the treated units in their mean

    @property
    def times(self) -> Integers:
        """Periods (T,)."""
        return self.moments.times

    @property
    def cohorts(self) -> list[int]:
        """Adoption dates, ascending."""
        return sorted(set(self.moments.cohort[self.treated].tolist()))

    def of_cohort(self, start: int) -> Mask:
        """Which of the treated adopted then (N,)."""
        import numpy as np

        found: Mask = np.asarray(self.moments.cohort[self.treated] == start)
        return found

    def before(self, start: int) -> Mask:
        """Whether a period is before adoption (T,)."""
        import numpy as np

        found: Mask = np.asarray(self.times < start)
        return found

    def used(self, start: int) -> Mask:
        """Periods in which any unit of the cohort is observed (T,)."""
        import numpy as np

        found = self.moments.observed[self.treated[self.of_cohort(start)]].any(axis=0)
        return np.asarray(found)

    @property
    def pool(self) -> Floats:
        """Donors' outcomes (T, J)."""
        return self.values[self.donors].T

    @property
    def spread_before(self) -> float:
        """Standard deviation of all outcomes before the first adoption."""
        import numpy as np

        early = self.values[:, self.before(self.cohorts[0])]
        return float(np.nanstd(early))

    def counts(self) -> dict[str, Any]:
        """Fields of an estimate that rests on all treated units and donors."""
        return self.counts_for(len(self.treated))

    def counts_for(self, treated: int) -> dict[str, Any]:
        """The same for an estimate of some of the treated."""
        return {
            "n_obs": int(self.moments.counts.sum()),
            "n_units": treated + len(self.donors),
            "n_treated_units": treated,
            "counts": (treated, len(self.donors)),
        }

    def weight_rows(self, weights: Floats, estimand: str, conf_level: float) -> list[Made]:
        """One row a donor; `weights` (J,). Each tells of a single unit."""
        sizes: dict[str, Any] = {"conf_level": conf_level, "n_units": 1, "n_treated_units": 0, "counts": (1,)}
        names = [self.moments.name(row) for row in self.donors.tolist()]
        pairs = zip(names, weights.tolist(), strict=True)
        return [(Estimate("weight", estimand, weight, group=name, **sizes), None) for name, weight in pairs]


def compared(moments: UnitMoments, choice: list[str | int] | Donors | None) -> Comparison:
    """The treated units with enough periods, and the donors observed throughout; who leaves is counted in the flow.

    Raises
    ------
    NotEstimable
        When nobody is treated within the periods, too few donors are left, weights change over time, or the choice of
        donors names a unit that there is not.
    """
    import numpy as np

    require_variation(moments)
    if not moments.constant_weights:
        raise NotEstimable("Weights change within units, and here a unit has one weight: leave design.weights out.")
    moments = _usable_treated(moments)
    inside = _adopts(moments)
    moments = _chosen(moments, inside, choice)
    inside = _adopts(moments)
    needed = moments.observed[inside].any(axis=0)
    gaps = ~inside & ~moments.observed[:, needed].all(axis=1)
    moments = moments.leaving(gaps, "incomplete_donor", "A donor without an outcome in every period")
    inside = _adopts(moments)
    donors = np.flatnonzero(~inside)
    if len(donors) < FEWEST_DONORS:
        raise NotEstimable(
            f"Only {len(donors)} donor{'' if len(donors) == 1 else 's'} never treated and observed in every period "
            f"remain{'s' if len(donors) == 1 else ''}; a synthetic comparison needs {FEWEST_DONORS} at least.",
            (len(donors),) if len(donors) else (),
        )
    treated = np.flatnonzero(inside)
    weight = moments.weights[treated].max(axis=1)
    return Comparison(moments, moments.outcomes, treated, donors, weight / weight.sum())


def _adopts(moments: UnitMoments) -> Mask:
    found: Mask = (moments.cohort != 0) & (moments.cohort <= moments.times[-1])
    return found


def _usable_treated(moments: UnitMoments) -> UnitMoments:
    """Without treated units that are observed too little on one side of adoption."""
    import numpy as np

    before = moments.times < moments.cohort[:, None]
    early = (moments.observed & before).sum(axis=1)
    late = (moments.observed & ~before).sum(axis=1)
    inside = _adopts(moments)
    if not inside.any():
        raise NotEstimable("No unit starts treatment within the periods observed.")
    short = inside & ((early < FEWEST_BEFORE) | (late < 1))
    left = moments.leaving(
        np.asarray(short), "treated_too_short", f"Treated, with fewer than {FEWEST_BEFORE} periods before or none after"
    )
    if not left.n_units or not _adopts(left).any():
        raise NotEstimable(
            f"No treated unit has an outcome in {FEWEST_BEFORE} periods before adoption and one after it."
        )
    return left


def _chosen(moments: UnitMoments, inside: Mask, choice: list[str | int] | Donors | None) -> UnitMoments:
    import numpy as np

    if choice is None:
        return moments
    named = [str(u) for u in (choice.exclude if isinstance(choice, Donors) else choice)]
    unknown = [u for u in named if u not in moments.names]
    if unknown:
        raise NotEstimable(f"There is no unit {', '.join(unknown)}, which the option donors names.")
    listed = np.isin(np.array([moments.name(r) for r in range(len(moments.cluster))]), named)
    out = ~inside & (listed if isinstance(choice, Donors) else ~listed)
    return moments.leaving(np.asarray(out), "excluded_donor", "Not among the donors that the analysis names")


# --------------------------------------------------------------------------- checks


def donor_checks(comparison: Comparison) -> tuple[Check, ...]:
    """How many donors there are, how many were lost to missing outcomes, and how many periods there are to match."""
    donors, counts = len(comparison.donors), comparison.counts()["counts"]
    lost = sum(s.n_dropped for s in comparison.moments.flow if s.step == "incomplete_donor")
    without = f" ({lost} more left out: an outcome is missing)" if lost else ""
    few = donors < FEW_DONORS
    message = f"{donors} donors{without}." + (" So few seldom resemble a treated unit." if few else "")
    tell = (*counts, lost) if lost else counts
    found = [Check("donor_pool", "warn" if few else "pass", message, statistic=donors, threshold=FEW_DONORS,
                   counts=tell)]  # fmt: skip
    start = comparison.cohorts[0]
    early = int((comparison.before(start) & comparison.used(start)).sum())
    if early < FEW_BEFORE:
        message = (
            f"The weights rest on {early} periods before adoption: with so few, donors can match by chance and say "
            "little about what would have happened."
        )
        found.append(Check("few_periods_before", "warn", message, statistic=early, threshold=FEW_BEFORE))
    return tuple(found)


def fit_check(comparison: Comparison, rmspe: float, what: str) -> Check:
    """Whether the weighted donors follow the treated before adoption."""
    spread = comparison.spread_before
    share = rmspe / spread if spread else 0.0
    said = f"Before adoption {what} misses the treated by {rmspe:.3g} (root mean square), {share:.2g} of the outcome's"
    poor = share > POOR_FIT
    message = f"{said} standard deviation then." + (
        " That is a poor match: the gap afterwards need not be an effect." if poor else ""
    )
    return Check("fit_before", "warn" if poor else "pass", message, term="att", statistic=rmspe,
                 threshold=POOR_FIT * spread, counts=comparison.counts()["counts"])  # fmt: skip


def range_check(comparison: Comparison) -> tuple[Check, ...]:
    """A warning where a treated unit lies outside the range of its donors: weights would have to extrapolate."""
    import numpy as np

    pool = comparison.pool
    low, high = pool.min(axis=1), pool.max(axis=1)
    own = comparison.values[comparison.treated]
    early = comparison.times < comparison.moments.cohort[comparison.treated][:, None]
    seen = early & ~np.isnan(own)
    outside = seen & ((own < low) | (own > high))
    share = float(outside.sum() / seen.sum())
    counts = comparison.counts()["counts"]
    if not share:
        message = "In every period before adoption the treated lie within the range of the donors."
        return (Check("donor_range", "pass", message, statistic=0.0, counts=counts),)
    message = (
        f"In {share:.0%} of the periods before adoption a treated unit lies outside the range of all donors: no "
        "weights can match it there."
    )
    return (Check("donor_range", "warn", message, statistic=share, counts=counts),)


def collected(rows: Sequence[Made], checks: tuple[Check, ...], flow: tuple[FlowStep, ...]) -> ResultSet:
    """Estimates with their inference as a result."""
    return ResultSet(
        estimates=tuple(e for e, _ in rows), inference=tuple(i for _, i in rows if i is not None), checks=checks,
        flow=flow)  # fmt: skip
