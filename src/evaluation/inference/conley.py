"""Standard errors for outcomes that go together in neighbouring places (Conley, 1999).

Products of two places' errors count, in full or in part, where the places are no farther apart than a cutoff. Errors
are summed over a place's periods first, so within a place, and between neighbours, they may go together over any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from evaluation.errors import NotEstimable
from evaluation.inference.covariance import NO_SPREAD
from evaluation.inference.intervals import wald
from evaluation.inference.two_way_clusters import repaired
from evaluation.results import Inference, ResultSet

if TYPE_CHECKING:
    from evaluation.data.moments import Floats

Kernel = Literal["uniform", "bartlett"]
Metric = Literal["great_circle", "planar"]

EARTH = 6371.01  # mean radius in km, as conleyreg has it
BLOCK = 1024  # places whose neighbours are looked for at once


@dataclass(frozen=True, eq=False)
class Conley:
    """A spatial covariance (P, P); whether negative eigenvalues had to be put to zero; how many neighbours places have.

    `neighbours` is the mean number of other places within the cutoff.
    """

    covariance: Floats
    repaired: bool
    neighbours: float


def conley(
    errors: Floats, places: Floats, cutoff: float, *, kernel: Kernel = "uniform", metric: Metric = "great_circle"
) -> Conley:
    """Spatial covariance of estimates, from what each place adds to their error (R, P) and where it lies (R, 2).

    `places` are latitude and longitude in degrees with the cutoff in km along the great circle, or x and y with the
    cutoff in their unit (`planar`). `uniform` counts pairs up to the cutoff in full, `bartlett` with one minus their
    distance's share of it. No small-sample factor. The uniform kernel need not give a positive matrix: negative
    eigenvalues are put to zero, and an estimate whose variance was negative then has none.

    Raises
    ------
    NotEstimable
        When a place has no coordinates or impossible ones.
    """
    _usable(places, cutoff, metric)
    order = np.lexsort(places.T[::-1])
    e, p = errors[order], places[order]
    reach = cutoff / (EARTH * np.pi / 180) if metric == "great_circle" else cutoff
    starts = np.searchsorted(p[:, 0], p[:, 0] - reach * (1 + 1e-9), side="left")
    ends = np.searchsorted(p[:, 0], p[:, 0] + reach * (1 + 1e-9), side="right")
    apart = _great_circle if metric == "great_circle" else _planar
    total, pairs, at = np.zeros((e.shape[1], e.shape[1])), 0, 0
    while at < len(e):
        until = min(at + BLOCK, len(e))
        near = slice(int(starts[at]), int(ends[until - 1]))
        share = _share(apart(p[at:until], p[near]), cutoff, kernel)
        pairs += int(np.count_nonzero(share))
        total += e[at:until].T @ (share @ e[near])
        at = until
    covariance, was_repaired = repaired(total)
    return Conley(covariance, was_repaired, pairs / len(e) - 1)


def spatial_inference(
    results: ResultSet, places: Floats, cutoff: float, *, kernel: Kernel = "bartlett", metric: Metric = "great_circle"
) -> tuple[Inference, ...]:
    """The overall effect's uncertainty with neighbours' errors going together, beside the headline.

    `places` (C, 2) are the clusters' coordinates by their codes. The reference distribution is the headline's. Empty
    where the effect has no standard error, the clusters' influence is not known, or the spatial variance is negative.
    Raises what `conley` raises.
    """
    influence = results.influence
    headline = next((e for e in results.estimates if e.term == "att" and e.status == "ok"), None)
    rule = next((i for i in results.inference if i.term == "att"), None)
    if influence is None or headline is None or rule is None or headline.estimate is None or not headline.std_error:
        return ()
    found = conley(influence.values[:, None], places[influence.clusters], cutoff, kernel=kernel, metric=metric)
    error = float(np.sqrt(found.covariance[0, 0]))
    if error <= NO_SPREAD * headline.std_error:
        return ()
    span = wald(headline.estimate, error, headline.conf_level, rule.df)
    unit = " km" if metric == "great_circle" else ""
    method = f"Conley, {kernel} kernel up to {cutoff:g}{unit}"
    return (Inference("att", method, std_error=error, conf_low=span.low, conf_high=span.high, p_value=span.p_value,
                      distribution=rule.distribution, df=rule.df, df_rule=rule.df_rule,
                      n_clusters=rule.n_clusters),)  # fmt: skip


def _usable(places: Floats, cutoff: float, metric: Metric) -> None:
    missing = int(np.count_nonzero(~np.isfinite(places).all(axis=1)))
    if missing:
        raise NotEstimable(f"{missing} of {len(places)} places have no coordinates.", (missing,))
    if not (np.isfinite(cutoff) and cutoff > 0):
        raise NotEstimable(f"The distance up to which places are neighbours is {cutoff}; it must be above 0.")
    if metric == "great_circle" and (np.abs(places) > (90, 180)).any():
        raise NotEstimable(
            "Coordinates must be latitude (-90 to 90) and longitude (-180 to 180) in degrees, in this order."
        )


def _share(distance: Floats, cutoff: float, kernel: Kernel) -> Floats:
    """How much each pair counts."""
    if kernel == "bartlett":
        return np.clip(1 - distance / cutoff, 0, None)
    return (distance <= cutoff).astype(np.float64)


def _planar(some: Floats, others: Floats) -> Floats:
    difference = some[:, None] - others[None]
    found: Floats = np.sqrt((difference**2).sum(axis=2))
    return found


def _great_circle(some: Floats, others: Floats) -> Floats:
    """Distances in km by the haversine formula, which keeps its digits for close places."""
    a, b = np.radians(some)[:, None], np.radians(others)[None]
    half = np.sin((a - b) / 2) ** 2
    chord = half[..., 0] + np.cos(a[..., 0]) * np.cos(b[..., 0]) * half[..., 1]
    found: Floats = 2 * EARTH * np.arcsin(np.sqrt(np.clip(chord, 0, 1)))
    return found
