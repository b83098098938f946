"""What the calibration programs share: counting bias and coverage over draws, and drawing on several processes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
NOMINAL, FAR_BIAS = 0.95, 0.1


@dataclass(frozen=True)
class Found:
    """What one fit said against the truth."""

    error: float
    std_error: float
    covered: bool


@dataclass(frozen=True)
class Calibration:
    """How a case did over all draws. `bias` is in standard deviations of the estimates."""

    case: Any
    draws: int
    bias: float
    coverage: float
    ratio: float

    @property
    def passes(self) -> bool:
        """Whether bias and coverage are within their limits; of few draws bias may be three Monte Carlo errors."""
        far = max(FAR_BIAS, 3 / math.sqrt(max(self.draws, 1)))
        return abs(self.bias) < far and abs(self.coverage - NOMINAL) <= 3 * coverage_error(self.draws)


def coverage_error(draws: int) -> float:
    """Monte Carlo standard error of the coverage of an interval that is right."""
    return share_error(NOMINAL, draws)


def share_error(share: float, draws: int) -> float:
    """Monte Carlo standard error of something that happens in this share of draws; NaN without a draw."""
    return math.sqrt(share * (1 - share) / draws) if draws else math.nan


def summary(case: Any, found: Sequence[Found | None]) -> Calibration:
    """Bias, coverage and mean standard error over the standard deviation of the estimates."""
    known = [f for f in found if f is not None]
    if len(known) < 2:
        return Calibration(case, len(known), math.nan, math.nan, math.nan)
    errors = np.array([f.error for f in known])
    spread = float(errors.std(ddof=1))
    return Calibration(case, len(known), float(errors.mean()) / spread, sum(f.covered for f in known) / len(known),
                       float(np.mean([f.std_error for f in known])) / spread)  # fmt: skip


def all_draws(one_draw: Callable[..., list[T]], asked: Sequence[Any], draws: int, jobs: int) -> Iterator[list[T]]:
    """What `one_draw(*asked, seed)` finds for the seeds from 1 on."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"  # one thread a process: the processes share the cores
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(one_draw, *([a] * draws for a in asked), range(1, draws + 1), chunksize=10)
