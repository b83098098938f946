"""The overall effect's uncertainty where clusters are not alone with their errors: neighbours, or a common period."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evaluation.diagnostics.case import Case
from evaluation.errors import NotEstimable
from evaluation.results import Check, Inference, ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import Floats
    from evaluation.data.panel import Panel


def among_neighbours(case: Case, coordinates: Sequence[str], cutoff_km: float) -> ResultSet:
    """Conley's standard error of the overall effect, places up to `cutoff_km` apart sharing errors.

    `coordinates` are the columns of latitude and longitude; a cluster lies where the mean of its units' places is.
    """
    from evaluation.inference.conley import spatial_inference

    if case.overall is None:
        return ResultSet()
    if case.results.influence is None:
        return _silent("neighbours", "Errors that neighbouring places share", case)
    try:
        rows = spatial_inference(case.results, cluster_places(case.panel, coordinates), cutoff_km)
    except NotEstimable as none:
        return ResultSet(checks=(Check("neighbours", "info", str(none), term="att", counts=none.counts),))
    return ResultSet(inference=rows)


def cluster_places(panel: Panel, coordinates: Sequence[str]) -> Floats:
    """Mean latitude and longitude of each cluster's units (C, 2), by the clusters' codes; NaN where not known."""
    import numpy as np

    source = panel.source
    latitude, longitude = (source.number(c) for c in coordinates)
    cluster, unit = source.value(panel.cluster), source.value(panel.unit)
    rows = source.query(
        f"SELECT c, avg(lat), avg(lon) FROM (SELECT {cluster} AS c, {unit} AS u, min({latitude}) AS lat, "
        f"min({longitude}) AS lon FROM {source.scan} GROUP BY 1, 2 ORDER BY 1, 2) GROUP BY c ORDER BY c"
    )
    return np.array([[lat, lon] for _, lat, lon in rows], dtype=np.float64)


def in_periods(case: Case) -> ResultSet:
    """The overall effect's standard error clustered by the cluster and by the period."""
    import numpy as np

    from evaluation.inference.covariance import NO_SPREAD
    from evaluation.inference.intervals import wald
    from evaluation.inference.two_way_clusters import two_way_clusters

    headline, influence = case.overall, case.results.influence
    if headline is None or headline.estimate is None or not headline.std_error:
        return ResultSet()
    if influence is None or influence.by_period is None:
        return _silent("two_way_clusters", "Clustering by cluster and period", case)
    clusters, periods = influence.by_period.shape
    first, second = np.repeat(np.arange(clusters), periods), np.tile(np.arange(periods), clusters)
    found = two_way_clusters(influence.by_period.reshape(-1, 1), first, second, n_obs=headline.n_obs or 0,
                             parameters=influence.parameters)  # fmt: skip
    error = float(np.sqrt(max(found.covariance[0, 0], 0.0)))
    if error <= NO_SPREAD * headline.std_error:
        message = "Clustered by cluster and period the effect's variance is negative: it has no standard error so."
        return ResultSet(checks=(Check("two_way_clusters", "info", message, term="att", counts=headline.counts),))
    interval = wald(headline.estimate, error, headline.conf_level, found.df)
    row = Inference(
        "att", "CR1, two-way: cluster and period", std_error=error, conf_low=interval.low, conf_high=interval.high,
        p_value=interval.p_value, distribution="t", df=found.df, df_rule="the fewer of clusters and periods - 1",
        n_clusters=min(found.clusters))  # fmt: skip
    return ResultSet(inference=(row,))


def _silent(check: str, what: str, case: Case) -> ResultSet:
    """That an estimator does not give what is needed, rather than nothing."""
    message = f"{what} could not be allowed for: {case.estimator.title} does not give what it takes on these data."
    return ResultSet(checks=(Check(check, "info", message, term="att"),))
