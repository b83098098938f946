"""Who is eligible for a window of follow-up, and what had happened to them by its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.data.cohort import CohortRows

    Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class AtWindow:
    """Flags (n,) of rows at a window. `event`, `competing` and `lost` are parts of `eligible`.

    `event`: had the outcome by the window; `competing`: a competing event came first, so they stay in the
    denominator as non-events; `lost`: censored before the window, so their outcome is not known. `short` and
    `unknown`: not eligible, because follow-up is shorter than the window, or not known.
    """

    eligible: Flags
    event: Flags
    competing: Flags
    lost: Flags
    short: Flags
    unknown: Flags


def at_window(rows: CohortRows, window: float) -> AtWindow:
    """Eligible is who could be followed to the window, whatever happened to them; everyone, without `follow_up`.

    Judging from the observed time instead would keep early events and drop the early censored.
    """
    import numpy as np

    if rows.follow_up is None:
        nobody = np.zeros(len(rows.time), dtype=bool)
        eligible, short, unknown = ~nobody, nobody, nobody
    else:
        unknown = np.isnan(rows.follow_up)
        eligible = rows.follow_up >= window
        short = ~eligible & ~unknown
    by_then = eligible & (rows.time <= window)
    return AtWindow(
        eligible=eligible,
        event=by_then & (rows.event == 1),
        competing=by_then & (rows.event != 0) & (rows.event != 1),
        lost=by_then & (rows.event == 0) & (rows.time < window),
        short=short,
        unknown=unknown,
    )
