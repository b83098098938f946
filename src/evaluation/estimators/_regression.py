"""How the panel regressions report: a combination of coefficients becomes an estimate with all its inference.

The headline is CR1 with t(G-1). Below 40 clusters every `att` and `event` figure gets more rows in the inference
table by itself: CR2 with Satterthwaite degrees of freedom, and the wild cluster bootstrap with the null imposed (below
12 clusters, where signs make few different samples, with Webb's weights too).

How to use it, in an estimator that derives from `RegressionEstimator`::

    def answer(self, moments, outcome, *, alternatives):
        fit = two_way(moments, design)
        found = Regression(moments, fit, self.conf_level, alternatives=alternatives)
        att = found.figure("att", ESTIMAND, weights, treated_rows)                    # weights (P,) over coefficients
        events = [found.figure("event", ..., one, rows, what="The coefficient at 2 ...", time=2.0) for ...]
        return collected([att, *events], found.checks(), moments=moments,
                         joint=found.joint(times, columns, (-1.0,)), influence=found.influence(weights))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from evaluation.errors import NotEstimable
from evaluation.estimators.base import PanelEstimator
from evaluation.results import Check, Estimate, Inference, Influence, Joint, ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Integers, Mask, PanelMoments
    from evaluation.inference.regression import ClusterRegression
    from evaluation.inference.rule import Rule
    from evaluation.study.models import Outcome

BOOTSTRAPPED = ("att", "event")  # terms that get the alternatives of few clusters
CLUSTERS_MINUS_ONE = "clusters - 1"


class Fit(Protocol):
    """What is needed of a fit with P coefficients; `TwoWayFit` is one.

    `errors` are each cluster's contribution to the error of the identified coefficients, in order (G, P'); None where
    units are summed across clusters. `by_cluster` gives cross-products whose last P' columns are those coefficients;
    it is called only where `errors` is not None.
    """

    @property
    def coefficients(self) -> Floats:
        """(P,), NaN where not identified."""

    @property
    def covariance(self) -> Floats:
        """CR1 (P, P), NaN where not identified."""

    @property
    def identified(self) -> Mask:
        """(P,) whether the coefficient could be estimated."""

    @property
    def n_clusters(self) -> int:
        """Clusters G."""

    @property
    def factor(self) -> float:
        """Small-sample factor of CR1."""

    @property
    def errors(self) -> Floats | None:
        """(G, P'), clusters in the order of their codes."""

    @property
    def by_cluster(self) -> Callable[[], ClusterRegression]:
        """The fit cluster by cluster."""


@dataclass(frozen=True)
class Made:
    """One figure: the estimate, how its uncertainty was reckoned (headline first), and what there is to say."""

    estimate: Estimate
    inference: tuple[Inference, ...] = ()
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, eq=False)
class Regression:
    """A fit over a panel's moments, from which figures are made.

    `alternatives` says whether few clusters get CR2 and the wild bootstrap beside the headline; diagnostics that ask
    for the same effect many times leave them out.
    """

    moments: PanelMoments
    fit: Fit
    conf_level: float = 0.95
    alternatives: bool = True

    @cached_property
    def rule(self) -> Rule:
        """The convention of the headline: CR1, t with G-1 degrees of freedom."""
        from evaluation.inference.rule import Rule

        clusters = self.fit.n_clusters
        return Rule("CR1", self.conf_level, clusters, clusters - 1, CLUSTERS_MINUS_ONE, self.fit.factor)

    def value(self, weights: Floats) -> float:
        """The combination of coefficients that `weights` (P,) ask for; those of weight zero may be unidentified."""
        import numpy as np

        used = np.flatnonzero(weights)
        return float(weights[used] @ self.fit.coefficients[used])

    def std_error(self, weights: Floats) -> float | None:
        """CR1 standard error of a combination; None where no variation is left to reckon from."""
        import numpy as np

        from evaluation.inference.covariance import standard_errors

        used = np.flatnonzero(weights)
        variance = weights[used] @ self.fit.covariance[np.ix_(used, used)] @ weights[used]
        return standard_errors(np.atleast_2d(variance), self.moments.spread)[0]

    def figure(
        self, term: str, estimand: str, weights: Floats, treated: Mask, *, what: str = "", saturated: bool = False,
        **key: Any,
    ) -> Made:  # fmt: skip
        """The figure `weights` (P,) · coefficients with its interval, alternatives and warnings.

        Parameters
        ----------
        weights
            Over all coefficients (P,); must be zero where the fit has not identified one.
        treated
            Rows of the moments (R,) that are the treated units behind the figure: counts and warnings follow them.
        what
            How a warning names the figure ("The coefficient at 2 periods since adoption"); by default "The effect".
        saturated
            Whether treated cells are fitted one by one: where all lie in one cluster there is no standard error.
        **key
            Further fields of the estimate: `group`, `time`, `scale`, or counts that replace the ones reckoned here.
        """
        from evaluation.estimators._did import counts_of, one_treated_cluster

        alone = saturated and one_treated_cluster(self.moments)
        error = None if alone else self.std_error(weights)
        counts = {**counts_of(self.moments, treated), **key}
        estimate, headline = self.rule.figure(term, estimand, self.value(weights), error, **counts)
        beside = self._alternatives(estimate, weights) if error else ()
        return Made(estimate, (headline, *beside), self._doubts(estimate, treated, what or "The effect"))

    def joint(self, times: Sequence[float], columns: Sequence[int], reference: tuple[float, ...]) -> Joint | None:
        """The event-time coefficients `columns` at `times` together, in ascending time; None where there is none.

        Those that are not identified stay out.
        """
        import numpy as np

        return self.joint_of(times, np.eye(len(self.fit.coefficients))[list(columns)], reference)

    def joint_of(self, times: Sequence[float], weights: Floats, reference: tuple[float, ...]) -> Joint | None:
        """The same for combinations of coefficients, `weights` (Q, P)."""
        import numpy as np

        known = np.where(self.fit.identified, 1.0, 0.0)
        whole = [i for i in np.argsort(times, kind="stable") if not weights[i][known == 0].any()]
        if not whole:
            return None
        picked = weights[whole]
        coefficients = np.where(known == 1, self.fit.coefficients, 0.0)
        covariance = np.where(np.outer(known, known) == 1, self.fit.covariance, 0.0)
        at = np.array(times, dtype=np.float64)[whole]
        return Joint(at, picked @ coefficients, picked @ covariance @ picked.T, reference, self.fit.n_clusters - 1)

    def influence(self, weights: Floats) -> Influence | None:
        """What each cluster adds to the error of a combination; None where units are summed across clusters."""
        import numpy as np

        if self.fit.errors is None:
            return None
        codes: Integers = np.unique(self.moments.cluster)
        identified = weights[self.fit.identified]
        in_periods = getattr(self.fit, "by_period", None) if self.alternatives else None  # fits of unit effects have it
        return Influence(
            codes, self.fit.errors @ identified, in_periods(identified) if in_periods else None,
            getattr(self.fit, "parameters", 0))  # fmt: skip

    def checks(self) -> tuple[Check, ...]:
        """What is to be said of the whole fit."""
        from evaluation.inference.rule import few_clusters

        return few_clusters(self.fit.n_clusters)

    def pretrends(self, leads: Sequence[tuple[Floats, Mask]]) -> Check:
        """The joint F test of leads, each given by its weights (P,) and the rows (R,) of its treated units.

        Leads seen in one treated cluster stay out: how they vary is not seen.
        """
        import numpy as np

        from evaluation.estimators._did import counts_of
        from evaluation.inference.covariance import joint_test
        from evaluation.inference.rule import enough_for_joint_test, pretrends_check

        tested = [w for w, rows in leads if self.moments.clusters_among(rows) > 1]
        clusters = self.fit.n_clusters
        weights = np.array(tested).reshape(len(tested), len(self.fit.coefficients))
        joint = self.joint_of(range(len(tested)), weights, ())
        test = joint_test(joint.estimates, joint.covariance, clusters - 1) if joint else None
        left_out = len(leads) - len(tested)
        without = f" {left_out} seen in one cluster are left out." if left_out else ""
        behind = {n for _, rows in leads for n in counts_of(self.moments, rows)["counts"]}
        trusted = enough_for_joint_test(clusters, len(tested))
        return pretrends_check(test, len(tested), trusted=trusted, counts=tuple(sorted(behind)), without=without)

    # ----------------------------------------------------------------- few clusters

    def _doubts(self, estimate: Estimate, treated: Mask, what: str) -> tuple[Check, ...]:
        from evaluation.estimators._did import single_cluster
        from evaluation.estimators._few_clusters import few_treated_clusters

        key = {"term": estimate.term, "group": estimate.group, "time": estimate.time}
        doubts = single_cluster(self.moments, treated, what, **key)
        return doubts + (few_treated_clusters(self.moments, treated) if estimate.term == "att" else ())

    @cached_property
    def _clusters(self) -> ClusterRegression | None:
        from evaluation.inference.rule import ENOUGH_CLUSTERS

        few = self.fit.n_clusters < ENOUGH_CLUSTERS
        return self.fit.by_cluster() if self.alternatives and few and self.fit.errors is not None else None

    def _alternatives(self, estimate: Estimate, weights: Floats) -> tuple[Inference, ...]:
        """CR2 and the wild bootstrap beside a figure, where clusters are few."""
        import numpy as np

        from evaluation.estimators._few_clusters import alternatives

        if estimate.term not in BOOTSTRAPPED or self._clusters is None:
            return ()
        identified = weights[self.fit.identified]
        contrast = np.concatenate([np.zeros(self._clusters.grams.shape[1] - len(identified)), identified])
        return alternatives(self._clusters, contrast, estimate)


def collected(
    rows: Sequence[Made], checks: Sequence[Check] = (), *, moments: PanelMoments, joint: Joint | None = None,
    influence: Influence | None = None,
) -> ResultSet:  # fmt: skip
    """The rows of an analysis in the order of term and time, their inference, and their checks before `checks`."""
    ordered = sorted(rows, key=lambda row: (row.estimate.term, row.estimate.group, row.estimate.time or 0.0))
    return ResultSet(
        tuple(row.estimate for row in ordered),
        tuple(i for row in ordered for i in row.inference),
        (*(c for row in ordered for c in row.checks), *checks),
        flow=moments.flow,
        joint=joint,
        influence=influence,
    )


class RegressionEstimator(PanelEstimator):
    """Base of the estimators that report through `Regression`: they give `answer` instead of `estimate`."""

    def answer(self, moments: PanelMoments, outcome: Outcome, *, alternatives: bool) -> ResultSet:
        """The results. Raises NotEstimable without a valid comparison.

        Without `alternatives` a diagnostic asks for the overall effect alone: other rows may be left out.
        """
        raise NotImplementedError

    def estimate(self, moments: PanelMoments, outcome: Outcome) -> ResultSet:
        """The answer from the moments, few clusters' alternatives included.

        Raises
        ------
        NotEstimable
            When the data hold no valid comparison; the message is the reason.
        """
        return self.answer(moments, outcome, alternatives=True)

    def overall(self, moments: PanelMoments, outcome: Outcome) -> Estimate:
        """The overall effect alone, without the alternatives.

        Raises
        ------
        NotEstimable
            When there is no overall effect.
        """
        estimates = self.answer(moments, outcome, alternatives=False).estimates
        found = next((e for e in estimates if e.term == "att"), None)
        if found is None or found.status != "ok":
            raise NotEstimable("There is no overall effect.")
        return found
