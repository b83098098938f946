"""The point of a simplex nearest to a target: weights that are zero or more and sum to one, exactly.

Least squares over weights on the simplex is the search for the point of a polytope nearest to the origin. Wolfe's
active-set method (1976) ends at it after finitely many steps; every step is a small least-squares problem. The
Karush-Kuhn-Tucker conditions are verified at the end, and whether the weights are the only ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

EXACT = 1e-12  # of the squared distances of the columns concerned: a gain smaller than that is rounding
ON_FACE = 1e-9  # the same, for columns that could enter without loss
STEADY = 1e-6  # ridge, beside columns of at most unit length, with which normal equations keep their digits


@dataclass(frozen=True, eq=False)
class SimplexFit:
    """Weights (J,) with the largest breach of the KKT conditions, as a share of the columns' squared distances.

    `unique` says whether other weights fit equally well; where they do, these are the most even (least squared sum).
    """

    weights: Floats
    breach: float
    unique: bool


def nearest(columns: Floats, target: Floats, ridge: float = 0.0) -> SimplexFit:
    """Minimise |target - columns w|^2 + ridge |w|^2 over weights w on the simplex.

    Parameters
    ----------
    columns
        (T, J) one column a candidate.
    target
        (T,)
    ridge
        In squared units of the target; above zero the weights are always unique.

    Raises
    ------
    ValueError
        Without any column.
    """
    if not columns.shape[1]:
        raise ValueError("there is nothing to weight")
    offsets = columns - target[:, None]
    distance = (offsets**2).sum(axis=0)
    size = float(distance.max()) + ridge
    if size == 0:
        return SimplexFit(np.full(len(distance), 1 / len(distance)), 0.0, len(distance) == 1)
    offsets, ridge, distance = offsets / np.sqrt(size), ridge / size, distance / size + ridge / size
    weights = _wolfe(offsets, ridge, distance)
    slope = _slope(offsets, ridge, weights)
    scale = np.maximum(np.sqrt(distance * distance[weights > 0].max()), EXACT**2)
    free = (slope - slope @ weights) / scale
    face = np.flatnonzero((free <= ON_FACE) | (weights > 0))
    breach = float(max(-free.min(), np.abs(free[weights > 0]).max()))
    face_columns = offsets[:, face] / (np.sqrt(distance[weights > 0].max()) or 1.0)
    unique = bool(ridge > 0 or _affinely_independent(face_columns))
    if not unique:
        weights = _most_even(face_columns, weights, face)
    return SimplexFit(weights, breach, unique)


def _slope(offsets: Floats, ridge: float, weights: Floats) -> Floats:
    """Half the gradient (J,)."""
    found: Floats = offsets.T @ (offsets @ weights) + ridge * weights
    return found


def _wolfe(offsets: Floats, ridge: float, distance: Floats) -> Floats:
    """The optimum; `distance` (J,) are the columns' squared lengths, the ridge included."""
    weights = np.zeros(offsets.shape[1])
    support = [int(np.argmin(distance))]
    weights[support] = 1.0
    best = np.inf
    while True:
        slope = _slope(offsets, ridge, weights)
        value = float(slope @ weights)
        enters = int(np.argmin(slope))
        rounding = EXACT * float(np.sqrt(distance[enters] * distance[support].max()))
        if slope[enters] >= value - rounding or value >= best or enters in support:
            return weights
        best = value
        support = _shrunk(offsets, ridge, weights, [*support, enters])


def _shrunk(offsets: Floats, ridge: float, weights: Floats, support: list[int]) -> list[int]:
    """Move `weights`, in place, to the best point of the support's hull, leaving out columns that turn negative."""
    while True:
        aim = _affine(offsets[:, support], ridge)
        held = weights[support]
        if (aim > 0).all():
            weights[support] = aim
            return support
        falling = aim <= 0
        share = held[falling] / np.maximum(held[falling] - aim[falling], np.finfo(float).tiny)
        step = float(share.min())
        moved = held + step * (aim - held)
        gone = falling & (held - step * (held - aim) <= 0)
        gone[np.flatnonzero(falling)[int(np.argmin(share))]] = True
        moved[gone] = 0.0
        weights[support] = moved / moved.sum()
        support = [j for j, out in zip(support, gone.tolist(), strict=True) if not out]


def _affine(offsets: Floats, ridge: float) -> Floats:
    """Weights that sum to one, of either sign, whose point is nearest to the origin.

    Normal equations where the ridge keeps them steady. Without it: the least-squares solution of (offsets x = 0, sum of
    x = 1) is proportional to these weights, and needs no constraint.
    """
    k = offsets.shape[1]
    if ridge > STEADY:
        return _to_one(np.linalg.solve(offsets.T @ offsets + ridge * np.eye(k), np.ones(k)))
    size = float(np.sqrt((offsets**2).sum(axis=0).max() + ridge)) or 1.0
    offsets, ridge = offsets / size, ridge / size**2
    parts = [offsets, np.sqrt(ridge) * np.eye(k), np.ones((1, k))] if ridge else [offsets, np.ones((1, k))]
    rows = np.concatenate(parts)
    found = np.linalg.lstsq(rows, np.r_[np.zeros(len(rows) - 1), 1.0])[0]
    return _to_one(found)


def _to_one(values: NDArray[Any]) -> Floats:
    found: Floats = values / values.sum()
    return found


def _affinely_independent(columns: Floats) -> bool:
    rows = np.concatenate([columns, np.ones((1, columns.shape[1]))])
    rows /= np.sqrt((rows**2).sum(axis=0))
    return bool(np.linalg.matrix_rank(rows, tol=ON_FACE) == columns.shape[1])


def _most_even(columns: Floats, weights: Floats, face: Integers) -> Floats:
    """Of all weights on the face with the same fit, those with the least squared sum; `columns` are the face's.

    A least-distance problem: with `weights` = start + basis z, minimise |z| so that start + basis z is not negative
    (Lawson and Hanson, 1974, chapter 23).
    """
    from scipy.optimize import nnls

    rows = np.concatenate([columns, np.ones((1, len(face)))])
    _, sizes, turned = np.linalg.svd(rows)
    basis = turned[int((sizes > ON_FACE).sum()) :].T
    start = weights[face] - basis @ (basis.T @ weights[face])
    if (start >= 0).all():
        even = start
    else:
        system = np.concatenate([basis.T, -start[None, :]])
        aim = np.r_[np.zeros(len(system) - 1), 1.0]
        dual, _ = nnls(system, aim, maxiter=100 * len(face))
        rest = system @ dual - aim
        even = np.maximum(start - basis @ (rest[:-1] / rest[-1]), 0.0)
    found = np.zeros_like(weights)
    found[face] = np.where(even > EXACT, even, 0.0)
    return _to_one(found)
