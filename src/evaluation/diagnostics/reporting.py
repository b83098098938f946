"""Did what is observed change, rather than what happened? Units that come and go, and points out of line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.results import Check

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Mask, PanelMoments

COVERAGE_DROP = 0.1  # share of a group's units that stop reporting from one period to the next
COMPOSITION_SHIFT = 0.05  # change of the treated group's share of all units observed
OUT_OF_LINE = 0.693  # |ln(x / median of three periods)|: twice or half of what the neighbours say


def reporting(moments: PanelMoments, places: bool) -> tuple[Check, ...]:
    """Checks of coverage, composition and outlying points of a panel's treated and untreated units.

    `places` says whether units are places: then messages may tell how many.
    """
    treated = (moments.cohort != 0) & (moments.cohort <= moments.times[-1])
    groups = [(name, rows) for name, rows in (("treated", treated), ("comparison", ~treated)) if rows.any()]
    return (
        *_coverage(moments, groups),
        *(_composition(moments, treated) if len(groups) == 2 else ()),
        *_outlying(moments, groups, places),
    )


def _observed(moments: PanelMoments, rows: Mask) -> Floats:
    """Units observed by period (T,).

    The period before a cohort's first full one is often empty on purpose (treated in part): it is taken as its
    neighbours are.
    """
    import numpy as np

    seen = moments.observed[rows].copy()
    row, period = np.nonzero(moments.times == (moments.cohort[rows] - 1)[:, None])
    before = np.maximum(period - 1, 0)
    seen[row, period] |= seen[row, before]
    found: Floats = (moments.units[rows][:, None] * seen).sum(axis=0).astype(np.float64)
    return found


def _coverage(moments: PanelMoments, groups: list[tuple[str, Mask]]) -> tuple[Check, ...]:
    import numpy as np

    found = []
    for name, rows in groups:
        seen, units = _observed(moments, rows), float(moments.units[rows].sum())
        change = np.diff(seen) / units
        if len(change) and np.abs(change).max() >= COVERAGE_DROP:
            at = int(np.abs(change).argmax())
            told = (int(units), int(np.abs(np.diff(seen))[at]))
            found.append((float(np.abs(change).max()), name, int(moments.times[1:][at]), told))
    if not found:
        return (Check("reporting_coverage", "pass", "Each group's units report in much the same number throughout."),)
    size, name, when, told = max(found)
    message = (
        f"In {when}, {size:.0%} of the {name} units began or stopped reporting: a change in who reports can look like "
        "an effect."
    )
    return (Check("reporting_coverage", "warn", message, time=float(when), statistic=size, threshold=COVERAGE_DROP,
                  counts=told),)  # fmt: skip


def _composition(moments: PanelMoments, treated: Mask) -> tuple[Check, ...]:
    import numpy as np

    inside, outside = _observed(moments, treated), _observed(moments, ~treated)
    share = inside / np.maximum(inside + outside, 1.0)
    span = float(share.max() - share.min())
    ends = [share.argmin(), share.argmax()]
    low, high = ([int(n[e]) for n in (inside, outside)] for e in ends)
    counts = tuple(n for n in (*low, *high, *(abs(a - b) for a, b in zip(low, high, strict=True))) if n)
    if span < COMPOSITION_SHIFT:
        message = "The treated group's share of the units observed hardly changes over time."
        return (Check("composition", "pass", message, statistic=span, threshold=COMPOSITION_SHIFT, counts=counts),)
    message = (
        f"The treated group's share of the units observed lies between {share.min():.0%} and {share.max():.0%} over "
        "time: the groups compared are not the same throughout."
    )
    return (Check("composition", "warn", message, statistic=span, threshold=COMPOSITION_SHIFT, counts=counts),)


def _outlying(moments: PanelMoments, groups: list[tuple[str, Mask]], places: bool) -> tuple[Check, ...]:
    """Points of a group's mean that are twice, or half, the median of the three periods around them."""
    import numpy as np

    found = []
    for name, rows in groups:
        weight = moments.weights[rows].sum(axis=0)
        mean = np.divide(moments.sums[rows].sum(axis=0), weight, out=np.full(len(weight), np.nan), where=weight > 0)
        level = mean + moments.shift
        for k in range(1, len(level) - 1):
            near = float(np.median(level[k - 1 : k + 2]))
            if level[k] > 0 and near > 0 and abs(np.log(level[k] / near)) > OUT_OF_LINE:
                units = int((moments.units[rows] * moments.observed[rows, k]).sum())
                found.append((name, int(moments.times[k]), float(level[k] / near), units))
    if not found:
        message = "No period of either group stands far out of line with its neighbours."
        return (Check("outlying_points", "pass", message, threshold=OUT_OF_LINE),)
    name, when, ratio, units = max(found, key=lambda f: abs(np.log(f[2])))
    how = f" ({ratio:.2g} times the median around it)" if places else ""
    message = (
        f"{len(found)} period{'' if len(found) == 1 else 's'} of a group's mean stand{'s' if len(found) == 1 else ''} "
        f"far out of line, the furthest in {when} ({name} units{how}): look for a mistake in the data, or an event."
    )
    return (Check("outlying_points", "warn", message, time=float(when), statistic=ratio, threshold=OUT_OF_LINE,
                  counts=(units,)),)  # fmt: skip
