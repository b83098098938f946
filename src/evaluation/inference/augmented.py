"""Augmented inverse-probability weighting: predictions of a regression, corrected by the weighted prediction errors.

The means are right if either the model of the outcome or that of the propensity is (Robins, Rotnitzky and Zhao, 1994).
The outcome models are fitted in each arm by itself: logistic for events, linear for other numbers. Without folds the
influence functions carry both models' estimation, so that intervals too are right if either model is; with folds
every person's predictions come from models fitted on other people (cross-fitting; Chernozhukov et al., 2018), and
their estimation has no share at first order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.arm_means import ArmMeans, Sample
from evaluation.inference.columns import standardise
from evaluation.inference.logistic import fit_logistic
from evaluation.inference.newton import RunawayError
from evaluation.inference.propensity_binary import chances

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

Population = Literal["ate", "att"]
ARMS = ((1, "treated arm"), (0, "comparison"))


@dataclass(frozen=True, eq=False)
class _Outcome:
    """One arm's outcome model: predictions of everyone (n,), their slopes (n,) and the coefficients' influence."""

    predicted: Floats
    slope: Floats
    influence: Floats  # (n, P)


def _outcome(sample: Sample, code: int, name: str, *, event: bool) -> _Outcome:
    """The model of the outcome in the arm `code`, among those of the arm with any weight."""
    weight = np.where(sample.arm == code, sample.seen, 0.0)
    x = sample.design
    try:
        standardise(sample.covariates[weight > 0], sample.names)
    except NotEstimable as none:
        raise NotEstimable(f"for the regression in the {name}, {none}", none.counts) from None
    if event:
        try:
            fit = fit_logistic(x, sample.outcome, weight)
        except RunawayError as runaway:
            by = sample.columns.widest(runaway.step[1:])
            raise NotEstimable(
                f"the regression in the {name} has no finite solution: `{by}`, alone or with other covariates, predicts"
                " the event perfectly for some people; leave it out, or use adjust: iptw.") from None  # fmt: skip
        return _Outcome(fit.chance, fit.chance * (1 - fit.chance), fit.influence)
    bread = np.linalg.inv(x.T @ (x * weight[:, None]))
    predicted = x @ (bread @ (x.T @ (weight * sample.outcome)))
    return _Outcome(predicted, np.ones(len(x)), (x * (weight * (sample.outcome - predicted))[:, None]) @ bread)


def augmented_means(sample: Sample, population: Population) -> ArmMeans:
    """Both arms' means in everyone (`ate`) or the treated (`att`), doubly robust, with doubly robust influences.

    Raises
    ------
    NotEstimable
        When one of the models has no finite solution.
    """
    score = chances(sample)
    event = _is_event(sample)
    n_parameters = sample.design.shape[1]
    means, influences = [], []
    for code, name in ARMS:
        target, weight, slope = _parts(sample, score.chance, population, code)
        if weight is None:
            mean, influence = _treated_mean(sample)
        else:
            model = _outcome(sample, code, name, event=event)
            n_parameters += sample.design.shape[1]
            mean, influence = _doubly_robust(sample, model, target, weight, slope, score.fit.influence)
        means.append(mean)
        influences.append(influence)
    return ArmMeans(means[0], means[1], np.column_stack(influences), n_parameters)


def _parts(sample: Sample, chance: Floats, population: Population, code: int
           ) -> tuple[Floats, Floats | None, Floats]:  # fmt: skip
    """Whom the mean is of (n,), the weights of the arm's own people (n,) and their slopes; None: no model needed."""
    of_arm = sample.arm == code
    if population == "ate":
        of_own = chance if code == 1 else 1 - chance
        weight = np.where(of_arm, 1 / of_own, 0.0)
        slope = np.where(of_arm, (-1 if code == 1 else 1) * (1 - of_own) / of_own, 0.0)
        return np.ones(len(chance)), weight, slope
    target = (sample.arm == 1).astype(float)
    odds = np.where(of_arm, chance / (1 - chance), 0.0)
    return target, None if code == 1 else odds, odds


def _treated_mean(sample: Sample) -> tuple[float, Floats]:
    weight = np.where(sample.arm == 1, sample.seen, 0.0)
    total = float(weight.sum())
    mean = float(weight @ sample.outcome) / total
    direct = np.column_stack([weight * (sample.outcome - mean) / total])
    return mean, sample.through_censoring(direct)[:, 0]


def _doubly_robust(
    sample: Sample, model: _Outcome, target: Floats, weight: Floats, slope: Floats, of_score: Floats
) -> tuple[float, Floats]:
    aimed = sample.mass * target
    total = float(aimed.sum())
    error = sample.outcome - model.predicted
    corrected = sample.seen * weight * error
    mean = float(aimed @ model.predicted + corrected.sum()) / total
    x = sample.design
    by_model = x.T @ ((aimed - sample.seen * weight) * model.slope) / total
    by_score = x.T @ (sample.seen * slope * error) / total
    through_seen = (corrected / total + model.influence @ by_model)[:, None]
    influence = aimed * (model.predicted - mean) / total + of_score @ by_score
    return mean, influence + sample.through_censoring(through_seen)[:, 0]


def _is_event(sample: Sample) -> bool:
    return bool(np.isin(sample.outcome, (0.0, 1.0)).all())


# --------------------------------------------------------------------------- cross-fitting


def fold_of(sample: Sample, folds: int, seed: int, cluster: Integers | None = None) -> Integers:
    """Each person's fold (n,): whole clusters, else people spread evenly by arm and outcome.

    The draw depends on the seed and on people's own values, not on the order of the file: rows come sorted.

    Raises
    ------
    NotEstimable
        With fewer clusters than folds.
    """
    draw = np.random.default_rng(seed)
    if cluster is not None:
        _, first, codes = np.unique(cluster, return_index=True, return_inverse=True)
        if len(first) < folds:
            raise NotEstimable(f"there are {len(first)} clusters for {folds} folds; choose fewer folds.", (len(first),))
        place = np.argsort(np.argsort(first))  # clusters in the order in which they appear, whatever their names
        found: Integers = (draw.permutation(len(first)) % folds)[place][codes]
        return found
    shuffled = draw.permutation(len(sample.arm))
    kind = 2 * sample.arm[shuffled] + (sample.outcome[shuffled] > 0)
    order = shuffled[np.argsort(kind, kind="stable")]
    out: Integers = np.empty(len(order), np.int64)
    out[order] = np.arange(len(order)) % folds
    return out


def cross_fitted_means(sample: Sample, population: Population, fold: Integers) -> ArmMeans:
    """The same with every person's predictions from models fitted on the other folds; `fold` (n,) from `fold_of`.

    Raises
    ------
    NotEstimable
        When a model has no finite solution on some folds.
    """
    event = _is_event(sample)
    chance, predicted = np.empty(len(fold)), np.empty((len(fold), 2))
    for k in range(int(fold.max()) + 1):
        out = fold == k
        chance[out], predicted[out] = _elsewhere(sample, out, event=event)
    means, influences = [], []
    for column, (code, _) in enumerate(ARMS):
        target, weight, _ = _parts(sample, chance, population, code)
        if weight is None:
            mean, influence = _treated_mean(sample)
        else:
            none = np.zeros((len(fold), sample.design.shape[1]))
            fixed = _Outcome(predicted[:, column], np.zeros(len(fold)), none)
            mean, influence = _doubly_robust(sample, fixed, target, weight, np.zeros(len(fold)), none)
        means.append(mean)
        influences.append(influence)
    return ArmMeans(means[0], means[1], np.column_stack(influences), 2)


def _elsewhere(sample: Sample, out: Flags, *, event: bool) -> tuple[Floats, Floats]:
    """Propensities and predictions in both arms of people set aside, from models fitted on all others."""
    inside = replace(sample, mass=np.where(out, 0.0, sample.mass))
    try:
        score = chances(inside).chance
        models = [_outcome(inside, code, name, event=event).predicted for code, name in ARMS]
    except NotEstimable as none:
        raise NotEstimable(f"with some people set aside for cross-fitting, {none} Or choose fewer folds.", none.counts
                           ) from None  # fmt: skip
    return score[out], np.column_stack(models)[out]
