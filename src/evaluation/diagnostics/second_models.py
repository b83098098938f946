"""People as statsmodels reads them, and the models that several recomputations share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from evaluation.diagnostics.second_opinion import Again

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evaluation.data.cohort import CohortRows
    from evaluation.diagnostics.cohort import CohortCase
    from evaluation.diagnostics.recomputed import Key
    from evaluation.results import ResultSet

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

ROWS = 2_000_000  # people who are regressed one by one
MANY = "There are more than 2,000,000 people, so the figures were not recomputed by another library."
SETTLED = {"tol": 1e-10, "tol_criterion": "params", "maxiter": 100}  # of coefficients of standardised columns
INDEPENDENT = "robust, HC1"
CLUSTERED = "clustered, G/(G-1) * (N-1)/(N-K)"


class NotRecomputed(Exception):  # noqa: N818 - no error of the analysis
    """There is no second answer; the message says why, as a sentence. `tried`: the library came to none."""

    def __init__(self, reason: str, *, tried: bool = False) -> None:
        super().__init__(reason)
        self.tried = tried


def read(case: CohortCase, covariates: list[str]) -> CohortRows:
    """The analysis's people, or above 2,000,000 cells that stand for them, where there are any.

    Raises
    ------
    NotRecomputed
        When there are more people, and covariates, of which there are no cells.
    """
    most = max((e.n_obs or 0 for e in case.results.estimates if e.status == "ok"), default=0)
    if most <= ROWS:
        return case.cohort.rows(covariates)
    if covariates:
        raise NotRecomputed(MANY)
    return case.cohort.counts()


@dataclass(frozen=True, eq=False)
class People:
    """One row a person: values of the columns asked for, codes of strata and of clusters, weights."""

    values: list[Floats]
    strata: list[Integers]
    cluster: Integers | None
    mass: Floats

    def among(self, kept: Flags) -> People:
        """Those whom the flags pick."""
        cluster = None if self.cluster is None else np.unique(self.cluster[kept], return_inverse=True)[1]
        return People([v[kept] for v in self.values], [s[kept] for s in self.strata], cluster, self.mass[kept])


def people_of(case: CohortCase, first: dict[str, str], covariates: Sequence[str], strata: Sequence[str] = ()) -> People:
    """People by columns `first`, by their roles, covariates, and strata, which may hold anything.

    Raises
    ------
    NotRecomputed
        When there are more than 2,000,000.
    """
    from evaluation.data.person_cells import Needed, person_cells

    if any((e.n_obs or 0) > ROWS for e in case.results.estimates):
        raise NotRecomputed(MANY)
    more = [*(Needed("covariate", c) for c in covariates), *(Needed("stratum", c, codes=True) for c in strata)]
    cells, _ = person_cells(case.cohort, [Needed(*item) for item in first.items()], more)
    each = np.repeat(np.arange(len(cells.people)), cells.people)
    split = len(first) + len(covariates)
    return People(
        [np.asarray(v, np.float64)[each] for v in cells.values[:split]], [v[each] for v in cells.values[split:]],
        None if cells.cluster is None else cells.cluster[each],
        np.ones(len(each)) if cells.weights is None else cells.weights[each],
    )  # fmt: skip


@contextmanager
def quietly() -> Iterator[None]:
    """What a library warns of on the way is judged by where it ends: with an answer that agrees, or not.

    In one thread, so that every digit is the same however many there are.
    """
    import warnings

    import scipy.linalg  # noqa: F401 - loads its linear algebra, for the limit to hold
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def answered(results: ResultSet) -> dict[float | None, set[str]]:
    """The terms that were estimated, by window."""
    found: dict[float | None, set[str]] = {}
    for e in results.estimates:
        if e.status == "ok":
            found.setdefault(e.time, set()).add(e.term)
    return found


@dataclass(frozen=True, eq=False)
class Logistic:
    """A fitted logistic regression on standardised columns."""

    fit: Any
    centre: Floats
    scale: Floats

    def of(self, columns: Floats) -> Floats:
        """Predicted chances (n,) at some values (n, P) of the columns."""
        return np.asarray(self.fit.predict(with_constant((columns - self.centre) / self.scale)), np.float64)


def with_constant(columns: Floats) -> Floats:
    """A column of ones before the others."""
    return np.column_stack([np.ones(len(columns)), columns])


def standardised(columns: Floats) -> tuple[Floats, Floats, Floats]:
    """Columns (n, P) with mean 0 and standard deviation 1; their means and deviations (P,)."""
    centre, scale = columns.mean(axis=0), columns.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    return (columns - centre) / scale, centre, scale


def logistic(event: Floats, columns: Floats, mass: Floats) -> Logistic:
    """A logistic regression of `event` (n,) on a constant and columns (n, P), each row weighing `mass` (n,).

    Raises
    ------
    NotRecomputed
        When the library does not converge.
    """
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    values, centre, scale = standardised(columns)
    fit = GLM(event, with_constant(values), family=Binomial(), var_weights=mass).fit(**SETTLED)
    return Logistic(converged(fit, fit.converged), centre, scale)


def converged(fit: Any, did: Any) -> Any:
    """A fit that settled on finite coefficients.

    Raises
    ------
    NotRecomputed
        When it did not.
    """
    if not did or not np.isfinite(fit.params).all():
        raise NotRecomputed("On the same data statsmodels does not settle on an answer, so there is none to compare.",
                            tried=True)  # fmt: skip
    return fit


def inverse_propensity(
    arm: Integers, columns: Floats, mass: Floats, estimand: Literal["ate", "att", "ato"],
    trim: Sequence[float] | None = None, truncate: float | None = None,
) -> Floats:  # fmt: skip
    """Weights (n,) by the chance of being treated, `mass` left out; 0 for those outside the bounds `trim`.

    Those for `ate` are stabilised by the arms' shares, which decides whom `truncate` cuts.
    """
    chance = logistic(arm.astype(float), columns, mass).of(columns)
    kept = np.ones(len(arm), dtype=bool)
    if trim is not None:
        kept = (chance >= trim[0]) & (chance <= trim[1])
        again = logistic(arm[kept].astype(float), columns[kept], mass[kept])
        chance = again.of(columns)
    treated = arm == 1
    if estimand == "att":
        weight = np.where(treated, 1.0, chance / (1 - chance))
    elif estimand == "ato":
        weight = np.where(treated, 1 - chance, chance)
    else:
        share = float(np.average(arm[kept], weights=mass[kept]))
        weight = np.where(treated, share / chance, (1 - share) / (1 - chance))
    if truncate is not None:
        most = np.quantile(weight[kept], truncate, weights=mass[kept], method="inverted_cdf")
        weight = np.minimum(weight, most)
    return np.where(kept, weight, 0.0)


def arm_means(
    outcome: Floats, arm: Integers, weight: Floats, cluster: Integers | None
) -> tuple[tuple[float, float], Floats]:
    """Weighted means of the treated and of the others, by least squares on both arms, with their covariance (2, 2)."""
    from statsmodels.regression.linear_model import WLS

    model = WLS(outcome, np.column_stack([arm == 1, arm == 0]).astype(float), weights=weight)
    fit = model.fit(cov_type="HC1") if cluster is None else model.fit(
        cov_type="cluster", cov_kwds={"groups": cluster})  # fmt: skip
    return (float(fit.params[0]), float(fit.params[1])), np.asarray(fit.cov_params())


def contrasts(
    means: tuple[float, float], covariance: Floats | None, names: Mapping[str, str], convention: str,
    wanted: set[str], time: float | None, group: str = "",
) -> dict[Key, Again]:  # fmt: skip
    """Figures made of both arms' means, errors by the delta method; `names` are their terms by what they are.

    What a term is: treated, control, difference, ratio or odds ratio.
    """
    p, q = means
    odds = p / (1 - p) / (q / (1 - q)) if 0 < p < 1 and 0 < q < 1 else np.nan
    made = {
        "treated": (p, (1.0, 0.0)),
        "control": (q, (0.0, 1.0)),
        "difference": (p - q, (1.0, -1.0)),
        "ratio": (p / q if q else np.nan, (1 / q if q else np.nan, -p / q**2 if q else np.nan)),
        "odds ratio": (odds, (odds / (p * (1 - p) or np.nan), -odds / (q * (1 - q) or np.nan))),
    }
    found: dict[Key, Again] = {}
    for term, what in names.items():
        value, slope = made[what]
        if term not in wanted or not np.isfinite(value):
            continue
        error = None
        if covariance is not None:
            error = float(np.sqrt(max(np.array(slope) @ covariance @ np.array(slope), 0.0)))
        found[term, group, time] = Again(float(value), error, convention)
    return found
