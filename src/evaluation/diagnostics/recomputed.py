"""Regressions recomputed by linearmodels and statsmodels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[str, str, float | None]


@dataclass(frozen=True)
class Regression:
    """A regression to recompute: `estimates` maps an estimate's key to the columns it is a combination of."""

    frame: pd.DataFrame  # y, weight, unit, time, cluster
    regressors: pd.DataFrame
    estimates: dict[Key, dict[str, float]]
    fit: Callable[[Regression], Recomputed]


@dataclass(frozen=True)
class Recomputed:
    """A library's coefficients and covariance (None where it has none that compares), and how it reckons the latter."""

    library: str
    convention: str
    coefficients: Any
    covariance: Any


def panel_least_squares(made: Regression) -> Recomputed:
    """By linearmodels, with unit and period effects."""
    import pandas as pd
    from linearmodels.panel import PanelOLS

    at = pd.MultiIndex.from_arrays([made.frame["unit"], made.frame["time"]])
    clusters = pd.DataFrame({"cluster": pd.factorize(made.frame["cluster"], sort=True)[0]}, index=at)
    model = PanelOLS(
        made.frame["y"].set_axis(at), made.regressors.set_axis(at), weights=made.frame["weight"].set_axis(at),
        entity_effects=True, time_effects=True)  # fmt: skip
    fit = model.fit(cov_type="clustered", clusters=clusters)
    return Recomputed(f"linearmodels {version('linearmodels')}", "clustered, unit and period effects all counted",
                      fit.params, fit.cov)  # fmt: skip


def least_squares(made: Regression) -> Recomputed:
    """By statsmodels, clustered."""
    import pandas as pd
    import statsmodels.api as sm

    groups = pd.factorize(made.frame["cluster"], sort=True)[0]
    model = sm.WLS(made.frame["y"], made.regressors, weights=made.frame["weight"])
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    return Recomputed(f"statsmodels {version('statsmodels')}", "clustered, G/(G-1) * (N-1)/(N-K)",
                      fit.params, fit.cov_params())  # fmt: skip


def newey_west(lags: int, *, adjust: bool) -> Callable[[Regression], Recomputed]:
    """By statsmodels, with heteroskedasticity and autocorrelation allowed for."""

    def fit(made: Regression) -> Recomputed:
        import statsmodels.api as sm

        found = sm.OLS(made.frame["y"], made.regressors).fit(
            cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": adjust}, use_t=True
        )
        return Recomputed(f"statsmodels {version('statsmodels')}", f"HAC, Bartlett kernel, {lags} lags",
                          found.params, found.cov_params())  # fmt: skip

    return fit


def poisson(made: Regression) -> Recomputed:
    """By statsmodels, dummies for unit and period effects among the regressors; `frame` may have an exposure."""
    import pandas as pd
    import statsmodels.api as sm

    exposure, weight = made.frame.get("exposure"), made.frame["weight"]
    weights = {"var_weights": weight} if (weight != weight.iloc[0]).any() else {}
    model = sm.GLM(made.frame["y"], made.regressors, family=sm.families.Poisson(), exposure=exposure, **weights)
    if "cluster" not in made.frame:
        found = model.fit(tol=1e-12, maxiter=200)
        return Recomputed(f"statsmodels {version('statsmodels')}", "from cells: no standard error that compares",
                          found.params, None)  # fmt: skip
    groups = pd.factorize(made.frame["cluster"], sort=True)[0]
    found = model.fit(tol=1e-12, maxiter=200, cov_type="cluster", cov_kwds={"groups": groups})
    return Recomputed(f"statsmodels {version('statsmodels')}", "clustered, unit effects counted",
                      found.params, found.cov_params())  # fmt: skip
