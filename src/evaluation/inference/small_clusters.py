"""Inference with few clusters: CR2 with Satterthwaite degrees of freedom, and the wild cluster bootstrap.

Both need a regression's cross-products by cluster alone, never its rows. Effects nested in the clusters are partialled
out of these; under the identity working model that changes neither method (Pustejovsky and Tipton, 2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.multiplier import BLOCK, POINTS, weight_blocks, weights_for

if TYPE_CHECKING:
    from evaluation.data.moments import Floats
    from evaluation.inference.regression import ClusterRegression

ALONE = 1e-10  # what a cluster leaves of a direction, as a share, if it is to count as not decided by it alone
FIT = 1e-12  # a standard error below this share of what the clusters add to the estimate is rounding
SEEN = 1e-8  # a share of the variance below this is rounding
TIE = 1e-10  # relative difference of two statistics below which they are equal
ENUMERATE = 6**5  # all patterns of weights are gone through where there are no more: 12 clusters of signs, 5 of Webb's
FARTHEST = 2.0**20  # standard errors from the estimate within which the end of an interval is looked for


@dataclass(frozen=True)
class SmallSample:
    """A standard error and the degrees of freedom of the t distribution that goes with it.

    `missed` is the share of the variance, under the working model, that the standard error cannot see because some
    cluster alone decides a part of the estimate (a single treated cluster, say). It is 0 otherwise; where it is not
    small the standard error is too small.
    """

    std_error: float
    df: float
    missed: float


def cr2(regression: ClusterRegression, contrast: Floats) -> SmallSample:
    """CR2 standard error of `contrast` (K,) · coefficients, with Satterthwaite degrees of freedom.

    Reference: Bell and McCaffrey (2002); Pustejovsky and Tipton (2018). The working model is that of equal and
    independent errors; with weights, of error variances inverse to them.

    Raises
    ------
    NotEstimable
        When there are fewer than two clusters, or the estimate rests on clusters that are each fitted exactly.
    """
    return cr2_of(regression, contrast[None, :])[0]


def cr2_of(regression: ClusterRegression, contrasts: Floats) -> list[SmallSample]:
    """`cr2` of several contrasts (Q, K), sharing what is the same for all. Raises what `cr2` raises."""
    _several(regression)
    half, hats, roots = _leverages(regression)
    turned = contrasts @ half  # (Q, K)
    loads = np.einsum("gij,qj->qgi", roots, turned)  # (Q, G, K)
    errors = np.einsum("qgi,gi->qg", loads, regression.scores @ half)
    return [_small_sample(e, hats, load, float(c @ c)) for e, load, c in zip(errors, loads, turned, strict=True)]


def _leverages(regression: ClusterRegression) -> tuple[Floats, Floats, Floats]:
    """A factor L of the bread (M = L L'), each cluster's P = L'X'XL (G, K, K), and (I - P)^(-1/2).

    With Z = X L the hat matrix of a cluster's rows is Z Z', and X'(I - Z Z')^(-1/2) = L^(-T) (I - P)^(-1/2) Z': one
    needs the K × K root alone. Directions that a cluster decides alone get no weight (Moore-Penrose).
    """
    total = regression.grams.sum(axis=0)
    scale = 1 / np.sqrt(np.diag(total))
    lower = np.linalg.cholesky(total * np.outer(scale, scale))
    half = scale[:, None] * np.linalg.inv(lower).T
    hats = half.T @ regression.grams @ half
    values, vectors = np.linalg.eigh((hats + hats.transpose(0, 2, 1)) / 2)
    left = 1 - values
    root = np.where(left > ALONE, 1 / np.sqrt(np.where(left > ALONE, left, 1.0)), 0.0)
    return half, hats, (vectors * root[:, None, :]) @ vectors.transpose(0, 2, 1)


def _small_sample(errors: Floats, hats: Floats, loads: Floats, variance: float) -> SmallSample:
    """Root of the summed squares of the clusters' `errors` (G,), and the degrees of freedom of that sum.

    Under the working model the variance estimate is a quadratic form with the matrix diag(d) - V V' between clusters,
    V = P b; trace² over the sum of squares gives the degrees of freedom without a G × G matrix. Its mean is the trace,
    which equals the true `variance` unless a cluster decides something alone.
    """
    reach = np.einsum("gij,gj->gi", hats, loads)  # V
    d, own = np.einsum("gi,gi->g", loads, reach), np.einsum("gi,gi->g", reach, reach)
    trace = float(d.sum() - own.sum())
    square = float((d**2).sum() - 2 * (d * own).sum() + ((reach.T @ reach) ** 2).sum())
    if trace <= ALONE * float(d.sum()) or square <= 0:
        raise NotEstimable(
            "The estimate rests on clusters that are each fitted exactly: there is no error to learn from."
        )
    missed = 1 - trace / variance
    return SmallSample(float(np.sqrt((errors**2).sum())), trace**2 / square, missed if missed > SEEN else 0.0)


def _several(regression: ClusterRegression) -> None:
    if regression.n_clusters < 2:
        raise NotEstimable("All rows are in one cluster, so uncertainty cannot be reckoned.")


@dataclass(frozen=True)
class Wild:
    """A wild cluster bootstrap test of one contrast and the interval of the values it does not reject.

    `p_value` counts bootstrap statistics at least as large as the sample's (ties with it among them: where weights are
    enumerated the sample itself is one), `p_value_strict` only larger ones. An interval without an end on one side
    has None there.
    """

    p_value: float
    p_value_strict: float
    conf_low: float | None
    conf_high: float | None
    draws: int
    enumerated: bool
    weights: Literal["rademacher", "webb"]


def wild_bootstrap(
    regression: ClusterRegression,
    contrast: Floats,
    *,
    weights: Literal["rademacher", "webb", "auto"] = "rademacher",
    draws: int = 9999,
    seed: int = 0,
    conf_level: float = 0.95,
    null: float = 0.0,
) -> Wild:
    """Wild cluster restricted bootstrap (null imposed) of the CR1 t-ratio of `contrast` (K,) · coefficients = `null`.

    `auto` takes Webb's six points below 12 clusters, where signs alone make fewer than 2,048 different statistics, and
    Rademacher signs from there on. All patterns of weights are enumerated where there are at most 7,776 (Rademacher
    up to 12 clusters, Webb up to 5), else `draws` are made, and the sample counts as one more. Statistics within a
    relative 1e-10 are ties. The interval holds every null that is not rejected, walking out from the estimate.

    Reference: Cameron, Gelbach and Miller (2008); MacKinnon, Nielsen and Webb (2023); Webb (2023).

    Raises
    ------
    NotEstimable
        With fewer than two clusters, or a fit without residual variation.
    """
    _several(regression)
    kind = weights if weights != "auto" else weights_for(regression.n_clusters)
    points = len(POINTS[kind][0]) ** regression.n_clusters
    enumerated = points <= ENUMERATE
    blocks = (
        _every_pattern(kind, regression.n_clusters)
        if enumerated
        else weight_blocks(kind, draws, regression.n_clusters, seed)
    )
    parts = _Parts.of(regression, contrast)
    drawn = _Drawn.of(parts, blocks, sample_counts=not enumerated)
    t = (parts.estimate - null) / parts.std_error
    alpha = 1 - conf_level
    below, above = drawn.last_kept(1.0, alpha), drawn.last_kept(-1.0, alpha)
    return Wild(
        drawn.p_value(t), drawn.p_value(t, strict=True),
        None if below is None else parts.estimate - below * parts.std_error,
        None if above is None else parts.estimate - above * parts.std_error,
        points if enumerated else draws, enumerated, kind)  # fmt: skip


def _every_pattern(kind: str, clusters: int) -> Iterator[Floats]:
    """Every assignment of the weights' points to the clusters, block by block."""
    values = np.array(POINTS[kind][0])
    at_once = max(BLOCK // clusters, 1)
    for start in range(0, len(values) ** clusters, at_once):
        number = np.arange(start, min(start + at_once, len(values) ** clusters))
        yield values[number[:, None] // len(values) ** np.arange(clusters) % len(values)]


@dataclass(frozen=True, eq=False)
class _Parts:
    """What the bootstrap needs of the regression, in units of the estimate's own (unfactored) standard error.

    Imposing a null t standard errors away moves the scores linearly: score + t · shift.
    """

    estimate: float
    std_error: float
    bread: Floats  # (K, K)
    scores: Floats  # (G, K)
    shift: Floats  # (G, K)
    row: Floats  # (G, K) contrast · bread · Gram of the cluster
    error: Floats  # (G,) what each cluster adds to the estimate's error
    error_shift: Floats  # (G,)

    @classmethod
    def of(cls, regression: ClusterRegression, contrast: Floats) -> _Parts:
        direction = regression.bread @ contrast
        error = regression.scores @ direction
        std_error = float(np.sqrt((error**2).sum()))
        added = regression.products @ direction
        if std_error <= FIT * float(np.sqrt((added**2).sum())):
            raise NotEstimable("The fit leaves no variation to draw from.")
        row = regression.grams @ direction
        shift = row / float(contrast @ direction)
        return cls(
            float(contrast @ regression.coefficients), std_error, regression.bread, regression.scores / std_error,
            shift, row, error / std_error, shift @ direction)  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Each draw's t-ratio as a function of the null: (n0 + t n1)² over (e0 + 2 t e1 + t² e2)."""

    n0: Floats
    n1: Floats
    e0: Floats
    e1: Floats
    e2: Floats
    sample_counts: bool  # whether the sample is to be counted beside the draws

    @classmethod
    def of(cls, parts: _Parts, blocks: Iterator[Floats], *, sample_counts: bool) -> _Drawn:
        found = [_parts_of_draws(parts, block) for block in blocks]
        n0, n1, e0, e1, e2 = (np.concatenate(column) for column in zip(*found, strict=True))
        return cls(n0, n1, e0, e1, e2, sample_counts)

    def p_value(self, t: float, *, strict: bool = False) -> float:
        """Share of draws whose statistic, under the null `t` standard errors away, is as large as `t`, or larger."""
        left = (self.n0 + t * self.n1) ** 2
        right = t**2 * np.clip(self.e0 + 2 * t * self.e1 + t**2 * self.e2, 0, None)
        extreme = left > right * (1 + TIE) ** 2 if strict else left >= right * (1 - TIE) ** 2
        count = int(np.count_nonzero(extreme))
        if self.sample_counts:
            return (count + (not strict)) / (len(extreme) + 1)
        return count / len(extreme)

    def last_kept(self, side: float, alpha: float) -> float | None:
        """The farthest null on one side (±1) that `alpha` does not reject, in standard errors; None without an end."""
        inside, outside = 0.0, 1.0
        while self.p_value(side * outside) > alpha:
            inside, outside = outside, 2 * outside
            if outside > FARTHEST:
                return None
        while outside - inside > 1e-12 * outside:
            middle = (inside + outside) / 2
            if self.p_value(side * middle) > alpha:
                inside = middle
            else:
                outside = middle
        return side * inside


def _parts_of_draws(parts: _Parts, weights: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Numerator and squared denominator of each draw's t-ratio, for weights (draws, G), as powers of the null."""
    coefficient = weights @ (parts.scores @ parts.bread)
    moved = weights @ (parts.shift @ parts.bread)
    d0 = weights * parts.error - coefficient @ parts.row.T
    d1 = weights * parts.error_shift - moved @ parts.row.T
    n0, n1 = weights @ parts.error, weights @ parts.error_shift
    return n0, n1, (d0**2).sum(axis=1), (d0 * d1).sum(axis=1), (d1**2).sum(axis=1)
