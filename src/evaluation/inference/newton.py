"""Newton's method for concave log-likelihoods, with step halving and a verdict on runaway coefficients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

STEPS = 25
HALVINGS = 30
SMALL_STEP = 1e-8  # on standardised columns; the step after one this small is below rounding


@dataclass(frozen=True)
class Point:
    """The log-likelihood at some coefficients, its gradient (p,) and its observed information (p, p)."""

    loglik: float
    gradient: Floats
    information: Floats


class RunawayError(Exception):
    """Coefficients that never settle: the likelihood has no finite maximum. `step` (p,) is the last step."""

    def __init__(self, step: Floats) -> None:
        self.step = step
        super().__init__("the likelihood has no finite maximum")


def maximise(evaluate: Callable[[Floats], Point], start: Floats) -> tuple[Floats, Point]:
    """Coefficients at the maximum, and the likelihood there.

    Raises
    ------
    RunawayError
        When the steps do not die out within 25 iterations, or the information becomes singular on the way.
    """
    import numpy as np

    at, here = start, evaluate(start)
    step = np.zeros_like(start)
    for _ in range(STEPS):
        try:
            step = np.asarray(np.linalg.solve(here.information, here.gradient), np.float64)
        except np.linalg.LinAlgError:
            raise RunawayError(step) from None
        at, here = _uphill(evaluate, at, here, step)
        if np.abs(step).max(initial=0.0) < SMALL_STEP:
            return at, here
    raise RunawayError(step)


def _uphill(evaluate: Callable[[Floats], Point], at: Floats, here: Point, step: Floats) -> tuple[Floats, Point]:
    """The end of the step, halved until the likelihood does not fall by more than rounding."""
    slack = 1e-12 * abs(here.loglik)
    for halving in range(HALVINGS):
        there = at + step / 2**halving
        found = evaluate(there)
        if found.loglik >= here.loglik - slack:
            return there, found
    raise RunawayError(step)
