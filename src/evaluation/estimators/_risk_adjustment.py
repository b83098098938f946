"""How risks by a window are made comparable: the sample of those eligible, and each way of adjusting it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, cast

from evaluation.errors import NotEstimable
from evaluation.results import Check

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.estimators.risk_difference import RiskDifference
    from evaluation.inference.arm_means import ArmMeans, Sample
    from evaluation.inference.balance import Compared
    from evaluation.inference.censoring_weights import Censoring
    from evaluation.inference.matching import Matched
    from evaluation.inference.window_risks import ByArm, WindowRisks

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

METHODS = {
    "none": "M-estimation sandwich",
    "regression": "M-estimation sandwich",
    "iptw": "M-estimation sandwich with the estimated propensity",
    "aipw": "M-estimation sandwich with both models",
    "matching": "matched sets",
}


@dataclass(frozen=True)
class Columns:
    """The columns that are read beside the design's own, and which of them each part of the method uses."""

    names: tuple[str, ...]  # as in the rows' covariates
    adjusted: tuple[str, ...]
    exact: tuple[str, ...] = ()
    censoring: tuple[str, ...] = ()

    def of(self, values: Floats, chosen: tuple[str, ...]) -> Floats:
        """The chosen columns of the rows' covariates (n, p)."""
        return values[:, [self.names.index(c) for c in chosen]]


@dataclass(frozen=True, eq=False)
class Adjustment:
    """Both arms' means at a window, whom they rest on, and what a reader must know of it.

    `left` are those left out, as (step, reason, flags among those eligible).
    """

    means: ArmMeans
    method: str
    left: tuple[tuple[str, str, Flags], ...] = ()
    checks: tuple[Check, ...] = ()
    chance: Floats | None = None  # propensities, where the means rest on them alone

    def used(self, risks: WindowRisks) -> WindowRisks:
        """The window among those whom the means rest on."""
        for _, _, flags in self.left[:1]:
            out = flags.copy()
            for _, _, more in self.left[1:]:
                out |= more
            return risks.among(~out)
        return risks


@dataclass(frozen=True, eq=False)
class RiskAdjustment:
    """The people eligible for one window, and the options by which they are made comparable."""

    options: RiskDifference
    risks: WindowRisks
    window: float
    span: str
    arm: str
    columns: Columns

    def adjust(self) -> Adjustment:
        """Make the arms comparable.

        Raises
        ------
        NotEstimable
            When a model has no finite solution, or an arm is left without people.
        """
        from evaluation.inference.arm_means import plain_means
        from evaluation.inference.standardised_risks import standardised_risks

        way = self.options.adjust
        if way in ("regression", "aipw") and not all(self.risks.cells):
            raise NotEstimable("in an arm nobody or everybody had the event, so the regression has no solution; use "
                               "adjust: none.", self.risks.cells)  # fmt: skip
        if way == "none":
            return self._of(plain_means(self.sample))
        if way == "regression":
            return self._of(standardised_risks(self.sample, self.arm, self._modelled))
        if not self.columns.adjusted:
            raise NotEstimable(f"adjust: {way} needs at least one covariate; name some, or use adjust: none.")
        if way == "iptw":
            return self._weighted()
        return self._augmented() if way == "aipw" else self._matched()

    @cached_property
    def sample(self) -> Sample:
        """Those eligible with the covariates adjusted for."""
        names = self.columns.adjusted
        return self.risks.sample(self.columns.of(self.risks.rows.covariates, names), names, self._censoring())

    @property
    def _modelled(self) -> Literal["ate", "att"]:
        return "att" if self.options.population == "att" else "ate"

    @property
    def _lost(self) -> bool:
        return bool(self.risks.at.lost.any())

    def compared(self, done: Adjustment) -> Compared | None:
        """People as the analysis compares them; None where they have no propensity.

        For aipw the weights are those of propensities fitted on everyone, cross-fitted or not.
        """
        from evaluation.inference.balance import Compared
        from evaluation.inference.propensity_binary import chances
        from evaluation.inference.weighting import propensity_weights

        sample, weight = self.sample, done.means.weight
        try:
            chance = chances(sample).chance if done.chance is None else done.chance
            if self.options.adjust == "aipw":
                weight = propensity_weights(sample, self.options.population).of_arm
        except NotEstimable:
            return None
        if weight is not None and self.options.adjust != "matching":
            weight = weight * sample.mass
        regressed = self.options.adjust in ("regression", "aipw")
        return Compared(
            self.window, sample.names, sample.covariates, sample.arm, sample.mass, weight, chance, regressed
        )

    def _of(self, means: ArmMeans, left: tuple[tuple[str, str, Flags], ...] = (), checks: tuple[Check, ...] = (),
            chance: Floats | None = None) -> Adjustment:  # fmt: skip
        method = METHODS[self.options.adjust]
        if self.options.adjust == "aipw" and self.options.folds:
            method = f"influence functions, cross-fitted in {self.options.folds} folds"
        if self.risks.rows.cluster is not None and means.person is None:
            method += ", CR1"
        if self._lost:
            known = self.columns.censoring or self.options.adjust == "matching"
            method += "; weights for censoring " + ("taken as known" if known else "as estimated")
            checks += (self._lost_check(),)
        return Adjustment(means, method, left, checks, chance)

    # ----------------------------------------------------------------- censoring

    def _censoring(self) -> Censoring | None:
        """Weights of those followed to the window; None where nobody was lost before."""
        import numpy as np

        from evaluation.inference.censoring_weights import Follow, cox_weights, kaplan_meier_weights

        rows, at = self.risks.rows, self.risks.at
        if not self._lost:
            return None
        follow = Follow(rows.arm, np.minimum(rows.time, self.window), at.lost, rows.mass).of(at.eligible)
        if not self.columns.censoring:
            return kaplan_meier_weights(follow)
        return cox_weights(follow, self.columns.of(rows.covariates, self.columns.censoring)[at.eligible],
                           self.columns.censoring)  # fmt: skip

    def _lost_check(self) -> Check:
        censoring = self.sample.censoring
        assert censoring is not None  # noqa: S101 - narrows the type
        lost, largest = self.risks.people(self.risks.at.lost), float(censoring.weight.max())
        by = f"{', '.join(self.columns.censoring)}, in each arm" if self.columns.censoring else "their arm"
        message = (
            f"By {self.span}, {lost} had been censored. Others who were followed as long stand for them, by {by}; the "
            f"largest weight is {largest:.3g}. This is right if, given that, being censored has nothing to do with the "
            "outcome."
        )
        return Check("censoring_weights", "warn" if largest > 10 else "info", message, time=self.window,
                     statistic=largest, threshold=10, counts=lost.counts)  # fmt: skip

    # ----------------------------------------------------------------- weighting

    def _weighted(self) -> Adjustment:
        from evaluation.inference.weighting import propensity_weights, weighted_means

        options = self.options
        bounds = None if options.trim is None else (options.trim[0], options.trim[1])
        weights = propensity_weights(self.sample, options.population, bounds, options.truncate)
        means = weighted_means(self.sample, weights)
        chance = weights.chances.chance
        if weights.limit is not None:
            return self._of(means, checks=(self._truncated(weights.cut, weights.limit),), chance=chance)
        if bounds is None:
            return self._of(means, chance=chance)
        out = ~weights.kept
        step = ("trimmed", f"propensity outside {bounds[0]:g} to {bounds[1]:g}", out)
        return self._of(means, (step,), (self._trimmed(out, bounds),), chance)

    def _picked(self, flags: Flags) -> ByArm:
        return self.risks.people(self.risks.among(flags).at.eligible)

    def _trimmed(self, out: Flags, bounds: tuple[float, float]) -> Check:
        gone = self._picked(out)
        message = (
            f"By {self.span}, {gone} with a propensity outside {bounds[0]:g} to {bounds[1]:g} were set aside. The "
            "figures are about those who remain; the propensity was estimated anew among them."
        )
        return Check("trimmed", "info", message, time=self.window, statistic=gone.total, counts=gone.counts)

    def _truncated(self, cut: Flags, limit: float) -> Check:
        many = self._picked(cut)
        message = (
            f"By {self.span}, {many} weighed more than {limit:.3g} (quantile {self.options.truncate:g} of all weights) "
            "and were set to that. It makes the figures steadier and leaves part of the difference unadjusted."
        )
        return Check("truncated", "info", message, time=self.window, statistic=many.total, threshold=limit,
                     counts=many.counts)  # fmt: skip

    def _augmented(self) -> Adjustment:
        from evaluation.inference.augmented import augmented_means, cross_fitted_means, fold_of

        options = self.options
        if not options.folds:
            return self._of(augmented_means(self.sample, self._modelled))
        cluster = self.risks.rows.cluster
        of_eligible = None if cluster is None else cluster[self.risks.at.eligible]
        fold = fold_of(self.sample, options.folds, options.seed, of_eligible)
        return self._of(cross_fitted_means(self.sample, self._modelled, fold))

    # ----------------------------------------------------------------- matching

    def _matched(self) -> Adjustment:
        import numpy as np

        from evaluation.inference.matching import Rules, matched_means, nearest_neighbours, pooled_spread, strata
        from evaluation.inference.propensity_binary import chances

        options, sample = self.options, self.sample
        score = chances(sample)
        distance = score.log_odds if options.distance == "logit" else score.chance.round(12)
        caliper = options.caliper and options.caliper * pooled_spread(distance, sample.arm, sample.mass)
        exact = self.columns.of(self.risks.rows.covariates, self.columns.exact)[self.risks.at.eligible]
        # Rows are sorted by time and event: equals must not be chosen in that order, which tells the outcome.
        rank = np.random.default_rng(options.seed).permutation(len(sample.arm))
        rules = Rules(options.ratio, caliper, options.replace)
        matched = nearest_neighbours(distance, sample.arm, strata(exact), rank, rules)
        means = matched_means(sample, matched)
        out = cast("Flags", means.weight == 0)
        treated = sample.arm == 1
        left = (
            ("unmatched_treated", "no match within the rules", out & treated),
            ("unmatched_comparison", "matched to nobody", out & ~treated),
        )
        check = self._matched_check(matched, out & treated, out & ~treated)
        return self._of(means, left, (check,), score.chance)

    def _matched_check(self, matched: Matched, treated: Flags, control: Flags) -> Check:
        lone, spare = self._picked(treated).treated, self._picked(control).control
        used = int(self.sample.arm.sum()) - lone, int((self.sample.arm == 0).sum()) - spare
        message = (
            f"By {self.span}, {used[0]:,} of {used[0] + lone:,} treated people found {len(matched.treated):,} matches "
            f"among {used[1]:,} of {used[1] + spare:,} comparison people. "
        )
        message += (
            f"{lone:,} treated found none and are left out: the figures are about those who found one."
            if lone
            else "Nobody treated is left out."
        )
        share = lone / (lone + used[0])
        return Check("matched", "warn" if share > 0.1 else "info", message, time=self.window, statistic=share,
                     threshold=0.1, counts=(*used, lone, spare))  # fmt: skip
